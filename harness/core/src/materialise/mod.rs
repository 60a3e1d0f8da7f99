//! Builds disk states from a record of calls, one by one and by brute force: the witness against the lazy
//! disk.
//!
//! It implements the persistence [models](crate::model) a second time, on purpose: it reads nothing but the
//! record ([`Trace`]) and shares no code with the disk that explores lazily. It is naive where the other is
//! clever. What both agree on is believed.
//!
//! The rules. A disk is made of *cells*: a piece of a file (a 512-byte sector, or 8 bytes where the model
//! tears sectors), a file's size, a name in a directory. Each cell has a chain of versions; version 0 is what
//! was durable at the start (zeros, size 0, no name, for what did not exist). Calls append versions:
//!
//! - a write: one to each piece that it touches, with the whole piece as the cache shows it afterwards; if
//!   it extends the file, one size for each multiple of 4,096 that lies inside the write and past the old
//!   end, and one for the new end; behind a gap, first one for the end of the old last page; where the model knows garbage, a sector that was never durable gets
//!   one version more before its first: noise, or what the file of this run that was removed last held there; the rest of
//!   such a sector counts as written;
//! - `set_len` down, and truncation by open: the size, and for each piece that has bytes past the new end,
//!   holes included, the piece with those bytes zeroed; `set_len` up and `allocate`: the size, as behind a gap;
//!   zeroing a range: the pieces in it, and the size if it grows; reserving or zeroing up to a place that the
//!   size passed since the last sync: that size, and the newest once more;
//! - names: one version for each name that a call creates, moves or removes. Where renames happen in steps, a
//!   target that exists goes before it comes back.
//!
//! A crash picks a version of every cell. Versions may *imply* others, at least that new, and that is all
//! that a model adds: an ordered class, in which each element (all versions of a step) implies the element
//! before; renames that are atomic or bring the new name first; sizes that imply data; shrinks that take
//! whole blocks with them; pages that survive as a whole; sectors that survive from one side. Later calls take
//! some of that back: see [`model`](crate::model).
//!
//! A sync makes the newest versions of a file's pieces and size, or of a directory's names, the oldest that
//! may be picked, with what they imply and what else the model says; but not the zeros that a cut left behind the
//! file's end, where shrinking is free, until the file has grown. In the state that results, a file is cut
//! at its size, what has no name cannot be reached, and locks and handles are gone.
//!
//! Directories move as wholes. Where two exchanged names are not tied, a directory may still be found inside
//! itself; there, and only there, a state's [`Tree`] leaves it out.

mod base;
mod brute_force;
mod chains;
mod content;
mod failed;
mod garbage;
mod legal;
mod record;
mod states;
mod sync;

use std::fmt;

pub use base::Base;
pub use brute_force::{brute_force, brute_force_kills};
pub use chains::Chains;
pub use states::{Fill, Picks};

use crate::model::Model;
use crate::plain::Tree;
use crate::trace::{Inode, Name, Pos, Trace};

/// What a disk writes whole or, where the model tears sectors, from one side, in bytes.
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
    /// A piece of a file: 512 bytes, or 8 where the model tears sectors.
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
    model: &Model,
    states_max: u64,
) -> Result<std::collections::BTreeSet<Tree>, TooManyStates> {
    Chains::new(base, trace, crash, model).trees(states_max)
}

#[cfg(test)]
mod tests;
