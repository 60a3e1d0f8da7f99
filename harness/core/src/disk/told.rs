//! What a process asks of the disk below it, and what it is told. Between two answers a process is on its own: it
//! does the same whenever it is told the same.

use crate::trace::{Inode, Name};

/// What a directory holds: names, what they refer to, and whether that is a directory.
pub(super) type Listing = Vec<(Name, Inode, bool)>;

/// What a process may ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    Entry { dir: Inode, name: Name },
    PossibleEntries { dir: Inode, name: Name },
    Listing { dir: Inode },
    Names { dir: Inode },
    IsDir { inode: Inode },
    Size { inode: Inode, offset: u64, len: u64 },
    SizeRange { inode: Inode },
    Units { inode: Inode, offset: u64 },
    Data { inode: Inode, offset: u64, len: usize, is_inside: bool },
    Settled { inode: Inode, offset: u64, len: usize },
    Read { inode: Inode, offset: u64, len: usize },
}

/// What it asks, and whether it does without an answer that is not the same on every disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inquiry {
    pub asked: Asked,
    pub putting_off: bool,
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Told {
    /// Nothing: it would have been a question.
    PutOff,
    Flag(bool),
    Entry(Option<Inode>),
    Entries(Vec<Option<Inode>>),
    Listing(Listing),
    Names(Vec<Name>),
    Size(u64),
    SizeRange(u64, u64),
    Units(Vec<u64>),
    Bytes(Box<[u8]>),
}

impl Told {
    pub fn bytes(bytes: &[u8]) -> Told {
        Told::Bytes(bytes.into())
    }
}

/// A place in a run: how many questions it had been asked, and how much was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub asked: usize,
    pub decided: usize,
}

/// What a process was told, in order, from some place on.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// How much of the beginning is known already, and not kept.
    pub skipped: usize,
    pub entries: Vec<(Step, Inquiry, Told)>,
}

impl Log {
    pub fn push(&mut self, step: Step, told: impl FnOnce() -> (Inquiry, Told)) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        let (inquiry, told) = told();
        self.entries.push((step, inquiry, told));
    }
}
