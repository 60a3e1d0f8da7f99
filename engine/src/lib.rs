//! A key-value store that survives crashes: the whole state in memory, in key order; on disk a snapshot, a
//! write-ahead log behind it, and a manifest that says which files these are. Compaction replaces the log by a
//! new snapshot and begins a new *epoch*; the switch is one rename.
//!
//! All input and output goes through [`unplug_vfs::Vfs`], so that the same code runs on the kernel's file system
//! and on a simulated disk. [`Store`] uses no clock, no randomness and no threads; [`Shared`] has a
//! thread of its own.
//!
//! ```
//! use std::sync::Arc;
//! use unplug_engine::{Batch, Options, Store};
//! use unplug_vfs::OsFs;
//!
//! # let tmp = tempfile::tempdir()?;
//! # let dir = tmp.path().join("db");
//! let mut store = Store::open(Arc::new(OsFs), &dir, Options::default())?;
//! store.put(b"apples", b"3")?;
//! let mut batch = Batch::new();
//! batch.put(b"pears", b"5").delete(b"apples");
//! store.write(batch)?;
//! store.close()?;
//!
//! let store = Store::open(Arc::new(OsFs), &dir, Options::default())?;
//! assert_eq!(store.get(b"pears").as_deref(), Some(&b"5"[..]));
//! assert_eq!(store.iter().count(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layers
//!
//! One module a job: `store` is the funnel that writes go through, `core` the log and the files behind it, `wal` a
//! segment of the log, `memory`, `tree` and `key` the state, `compaction`, `snapshot` and `retention` the maintenance,
//! `replay` reads what a crash has left and `recovery` makes it durable again, `group` commits many writes with one
//! sync, `shared` lets many threads do so,
//! `state` holds the states and their transitions, `error` what can go wrong. Under them `manifest`, `record`,
//! `fragment` (writing) and `reader` (reading) are the format, and `dir` is the only module that makes calls of
//! the file system. [`inspect`] looks at files without opening a store.
//!
//! # Invariants
//!
//! - No name is ever overwritten.
//! - What a manifest refers to is durable before the manifest has its name.
//! - A segment that has a successor is durable, name and content.
//! - A sync that failed is never tried again; its file is never trusted again.
//! - Nothing is removed before what replaces it is durable.
//! - Recovery reads each file in order, believes nothing before it has verified it, reads nothing behind the first
//!   bad record of the last segment, and asks for no file's length.
//!
#![doc = include_str!("../FORMAT.md")]

#[macro_use]
mod failpoint;

mod compaction;
mod core;
mod damage;
mod dir;
mod error;
mod fragment;
mod group;
mod header;
pub mod inspect;
mod key;
mod manifest;
mod memory;
mod names;
mod options;
mod planted;
mod reader;
mod record;
mod recovery;
mod replay;
mod retention;
pub mod salvage;
mod shared;
mod snapshot;
mod state;
mod stats;
mod store;
pub mod text;
mod tree;
mod view;
mod wal;

pub use compaction::{CompactionPhase, Progress};
pub use error::{Error, Reason};
pub use group::{GroupCommit, Ticket};
pub use header::FORMAT_VERSION;
pub use memory::Entries;
pub use options::{Options, RecoveryPolicy, SyncPolicy};
#[doc(hidden)]
pub use planted::Planted;
pub use record::{BATCH_BYTES_MAX, Batch, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use recovery::RecoveryReport;
pub use replay::Stopped;
pub use shared::Shared;
pub use state::{Event, Observer, State, Transition};
pub use stats::{Clock, Latency, Stats};
pub use store::Store;
pub use view::View;
