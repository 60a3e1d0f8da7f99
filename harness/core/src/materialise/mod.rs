//! Builds disk states from a record of calls, one by one and by brute force: the witness against the lazy
//! disk.
//!
//! It implements the `posix` persistence model a second time, on purpose: it reads nothing but the record
//! ([`Trace`]) and shares no code with the disk that explores lazily. It is naive where the other is clever.
//! What both agree on is believed.
//!
//! The rules. A disk is made of *cells*: a 512-byte sector of a file, a file's size, a name in a directory.
//! Each cell has a chain of versions; version 0 is what was durable at the start (a sector of zeros, size 0,
//! no name, for what did not exist). Calls append versions:
//!
//! - a write: one to each sector that it touches, with the whole sector as the cache shows it afterwards; if
//!   it extends the file, one size for each multiple of 4,096 that lies inside the write and past the old
//!   end, and one for the new end;
//! - `set_len` down, and truncation by open: the size, and for each sector that exists and has bytes past the
//!   new end, the sector with those bytes zeroed; `set_len` up and `allocate`: the size;
//! - names: one version for each name that a call creates or removes. A rename inside one directory persists
//!   as a whole or not at all; across directories the old name goes only if the new one is there.
//!
//! A crash picks a version of every cell. Everything else is free: sizes and sectors and names do not wait
//! for each other. `fsync` and `fdatasync` make the newest sectors and size of a file the oldest that may be
//! picked; `sync_dir` does so for the names in a directory. In the state that results, a file is cut at its
//! size, what has no name cannot be reached, and locks and handles are gone.
//!
//! A directory that moved between directories may be found under both names, and then even inside itself;
//! there, and only there, a state's [`Tree`] leaves it out.

mod base;
mod brute_force;
mod chains;
mod states;

use std::fmt;

pub use base::Base;
pub use brute_force::brute_force;
pub use chains::Chains;
pub use states::{Fill, Picks};

use crate::plain::Tree;
use crate::trace::{Inode, Name, Pos, Trace};

/// The unit that survives a crash as a whole, in bytes.
const SECTOR_LEN: u64 = 512;
/// The unit by which a growing file grows, in bytes.
const PAGE_LEN: u64 = 4096;

/// The smallest piece of a disk that a crash decides on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// What a name in a directory refers to.
    Name {
        /// The directory.
        dir: Inode,
        /// The name.
        name: Name,
    },
    /// The size of a file.
    Size {
        /// The file.
        inode: Inode,
    },
    /// 512 bytes of a file.
    Sector {
        /// The file.
        inode: Inode,
        /// Which, from 0.
        index: u64,
    },
}

/// There are more states than the caller wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyStates {
    /// The caller's limit.
    pub states_max: u64,
}

impl fmt::Display for TooManyStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = self.states_max;
        write!(f, "failed to enumerate the crash states: there are more than {max}; take a smaller workload")
    }
}

impl std::error::Error for TooManyStates {}

/// Every disk state that a crash at `crash` may leave, as distinct trees; see [`Chains::trees`].
pub fn trees_at(
    base: &Base,
    trace: &Trace,
    crash: Pos,
    states_max: u64,
) -> Result<std::collections::BTreeSet<Tree>, TooManyStates> {
    Chains::new(base, trace, crash).trees(states_max)
}

#[cfg(test)]
mod tests;
