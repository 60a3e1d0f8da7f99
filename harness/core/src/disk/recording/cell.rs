//! Cells and their versions.

use super::super::{SECTOR, SizeFn};
use crate::trace::{Inode, Name, Pos};

/// Index of a cell within its recording.
pub type CellId = u32;

/// Which part of the disk a cell is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellKey {
    /// One unit of a file's content.
    Data {
        /// The file.
        inode: Inode,
        /// Its number within the file: byte offset divided by [`Recording::unit`](super::Recording::unit).
        unit: u64,
    },
    /// A file's size.
    Size {
        /// The file.
        inode: Inode,
    },
    /// A name in a directory.
    Entry {
        /// The directory.
        dir: Inode,
        /// The name.
        name: Name,
    },
}

/// The content of a cell's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Content: see [`Recording::patch`](super::Recording::patch).
    Data(PatchId),
    /// What shows where the file system gave space to the file and nobody has written: noise, or what a
    /// removed file held.
    Garbage(PatchId),
    /// A size.
    Size(SizeFn),
    /// What the name refers to.
    Entry(Option<Inode>),
}

impl Value {
    pub(super) fn patch(self) -> Option<PatchId> {
        match self {
            Value::Data(patch) | Value::Garbage(patch) => Some(patch),
            _ => None,
        }
    }
}

/// A unit's content as a patch over the layer below: where its bytes are, and which of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchId {
    pub(super) bytes: u32,
    /// Index of the mask, or `FULL`.
    pub(super) mask: u32,
}

/// Every byte counts.
pub(super) const FULL: u32 = u32::MAX;

/// Which bytes of a unit a patch covers, a bit each.
pub type Mask = [u64; SECTOR / 64];

/// A patch over a unit of the layer below.
#[derive(Clone, Copy)]
pub struct Patch<'a> {
    /// The unit's bytes; those not covered are meaningless.
    pub bytes: &'a [u8],
    /// Which are covered; `None` covers all.
    pub mask: Option<&'a Mask>,
}

/// One version of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The event that made it.
    pub at: Pos,
    /// Its content.
    pub value: Value,
}

/// A cell and its chain. Index 0 of the chain is what lies below; index `i` is `versions[i - 1]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Which part of the disk.
    pub key: CellKey,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
    /// Whether each version is a size of the same kind as the first one, and at least the one before.
    pub(super) rising: bool,
}

impl Cell {
    /// Whether the sizes from index `lo` of the chain on only grow, the size below being `ground`: two that
    /// tell a reader the same then have none between them that tells something else.
    pub(in crate::disk) fn rises_from(&self, lo: u32, ground: SizeFn) -> bool {
        let same_kind = || match self.versions.first() {
            Some(Version { value: Value::Size(first), .. }) => first.is_absolute() == ground.is_absolute(),
            _ => false,
        };
        self.rising && (lo > 0 || same_kind())
    }

    /// The highest index whose version was made before `at`.
    pub fn newest_before(&self, at: Pos) -> u32 {
        match self.versions.last() {
            Some(last) if last.at < at => self.versions.len() as u32,
            _ => self.versions.partition_point(|v| v.at < at) as u32,
        }
    }
}

impl Patch<'_> {
    /// The first run of bytes within `start..end` with the same coverage: whether it is covered, and where
    /// it ends.
    pub fn run(&self, start: usize, end: usize) -> (bool, usize) {
        let Some(mask) = self.mask else { return (true, end) };
        let covered = |i: usize| mask[i / 64] >> (i % 64) & 1 == 1;
        let first = covered(start);
        let stop = (start + 1..end).find(|i| covered(*i) != first);
        (first, stop.unwrap_or(end))
    }

    /// Whether two patches say the same of the bytes `start..end`.
    pub fn same_within(&self, other: &Patch<'_>, start: usize, end: usize) -> bool {
        if self.mask.is_none() && other.mask.is_none() {
            return self.bytes[start..end] == other.bytes[start..end];
        }
        let mut at = start;
        while at < end {
            let (mine, stop) = self.run(at, end);
            let (theirs, other_stop) = other.run(at, end);
            let stop = stop.min(other_stop);
            if mine != theirs || (mine && self.bytes[at..stop] != other.bytes[at..stop]) {
                return false;
            }
            at = stop;
        }
        true
    }
}
