//! Faults: every call can fail, and a disk can lie.
//!
//! A [`Rule`] says which call fails, and how. It is text that parses and prints back: in scenario files
//! (`faults = ["…"]`), on the command line (`--fault RULE`, repeatable) and in Rust
//! ([`CrashTest::fault`](crate::CrashTest::fault)).
//!
//! ```text
//! rule       = [ "recovery:" ] call [ path ] [ which ] "->" result [ "," effect ]
//! call       = open | create | read | write | set_len | allocate | sync_data | sync_all | sync_dir | rename
//!            | remove | link | create_dir | remove_dir | read_dir | metadata | len | lock
//!            | any | any-read | any-write | any-sync | any-metadata
//! path       = a glob of `*` and `?`; without `/` it is held against the last name of the path   (default *)
//! which      = every | #N | #N.. | #..N      of the calls that match, from 1                     (default every)
//!            | @BYTE                         of a file, for rot and bad-sector
//! result     = EIO | ENOSPC | EDQUOT | EINTR | EROFS | EMFILE | EACCES | ESTALE
//!            | short BYTES                   a read or write does that much and returns it
//!            | delay N(us|ms|s)              it takes that long
//!            | lost                          a write returns Ok, the cache shows it, the disk never gets it
//!            | misdirected BYTES             the same, and it lands so many bytes further on
//!            | rot XX                        what the disk returns differs in these bits (hexadecimal)
//!            | bad-sector                    reading the sector from the disk gives EIO, always
//!            | full BYTES                    the disk has room for so many bytes of files
//! effect     = applied                       the call failed and took effect all the same
//!            | part BYTES                    a write of which so much took effect
//!            | reported                      of rot: the store must say so
//! ```
//!
//! `sync_data wal-* #3 -> EIO` fails the third `sync_data` of a file whose name begins with `wal-`;
//! `any-write #5.. -> ENOSPC` fills the disk from the fifth write on; `recovery: read snap-* -> EIO` fails reads
//! of snapshots in the recovery that follows the first crash. Other rules hold for the workload; rot and bad
//! sectors show in every process that reads the disk after a crash. A `lift` line in a workload ends all faults
//! there.
//!
//! A handle has the path it was opened by. A failed call appears in the trace, and so in a violation's story. A
//! failed sync of a file is more than an error: see [`FailedSize`](crate::model::FailedSize).
//!
//! Several rules: the first that matches a call decides; each counts its own matches.

mod inject;
mod parse;
mod rule;
mod sweep;
mod vfs;

pub use inject::{Decision, Fired, Injector};
pub use parse::FaultError;
pub use rule::{CallKind, CallSet, Effect, ErrorCode, Glob, Outcome, Phase, Rule, Which};
pub use sweep::Sweep;
pub(crate) use sweep::{Calls, sweep};
pub use vfs::FaultyVfs;
