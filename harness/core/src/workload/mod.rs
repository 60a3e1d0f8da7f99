//! Workloads as data: operation lines of a key-value store ([`kv`]), and scenario files ([`scenario`]) that
//! say which subject runs which lines under which models, and how that must end.

pub mod kv;
mod options;
pub mod scenario;

pub use options::{OptionReader, OptionValue, Options};
