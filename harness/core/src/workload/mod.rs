//! Workloads as data: operation lines of a key-value store ([`kv`]), scenario files ([`scenario`]) that
//! say which subject runs which lines under which models, and how that must end; bare lists of file-system steps
//! ([`protocol`]).

pub mod kv;
mod options;
pub mod protocol;
pub mod scenario;

pub use options::{OptionReader, OptionValue, Options};
