//! A crash-safe key-value store.

#![doc = include_str!("../FORMAT.md")]

mod compaction;
mod damage;
mod dir;
mod error;
mod fragment;
mod header;
pub mod inspect;
mod manifest;
mod memory;
mod names;
mod options;
mod planted;
mod reader;
mod record;
mod recovery;
mod replay;
mod snapshot;
mod state;
mod store;
pub mod text;
mod wal;

pub use error::{Error, Reason};
pub use header::FORMAT_VERSION;
pub use memory::Entries;
pub use options::{Options, RecoveryPolicy, SyncPolicy};
#[doc(hidden)]
pub use planted::Planted;
pub use record::{BATCH_BYTES_MAX, Batch, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use recovery::RecoveryReport;
pub use replay::Stopped;
pub use state::State;
pub use store::Store;
