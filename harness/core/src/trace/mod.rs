//! What happened: the file-system calls that a subject made, and the marks that the workload left between
//! them.
//!
//! A trace is model-independent. Positions count events from 0; a crash *at* position `p` happens when the
//! events before `p` have been made and event `p` has not. A call that failed without effect leaves no event,
//! unless the failure was injected.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// A position in a trace: the index of an event.
pub type Pos = u32;

/// A name in a directory.
pub type Name = Arc<str>;

/// The number of a file or directory, never used twice within one disk history, nested crashes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u32);

/// The directory every path starts from. It exists, empty and durable, before the first event.
pub const ROOT: Inode = Inode(0);

/// What a write wrote: a range of the trace's byte store. See [`Trace::bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

/// One file-system call that took effect on the cache. Names are resolved: a call refers to inodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A file was created, empty.
    Create {
        /// Directory of the name.
        dir: Inode,
        /// The new name.
        name: Name,
        /// The new file.
        inode: Inode,
    },
    /// A directory was created, empty.
    CreateDir {
        /// Directory of the name.
        dir: Inode,
        /// The new name.
        name: Name,
        /// The new directory.
        inode: Inode,
    },
    /// Bytes were written.
    Write {
        /// The file.
        inode: Inode,
        /// Where, in bytes from the file's start.
        offset: u64,
        /// What.
        data: ByteRange,
    },
    /// The length was set (`set_len`, or truncation by open).
    SetLen {
        /// The file.
        inode: Inode,
        /// The new length in bytes.
        len: u64,
    },
    /// Space was reserved; extends the file to `offset + len` if it is shorter.
    Allocate {
        /// The file.
        inode: Inode,
        /// Start of the range in bytes.
        offset: u64,
        /// Length of the range in bytes.
        len: u64,
    },
    /// A name moved. What `to` referred to before, if anything, lost that name.
    Rename {
        /// Directory of the old name.
        from_dir: Inode,
        /// The old name.
        from: Name,
        /// Directory of the new name.
        to_dir: Inode,
        /// The new name.
        to: Name,
        /// The file or directory that moved.
        inode: Inode,
    },
    /// Two names exchanged what they refer to.
    Exchange {
        /// Directory of the first name.
        a_dir: Inode,
        /// The first name.
        a: Name,
        /// What the first name referred to before.
        a_inode: Inode,
        /// Directory of the second name.
        b_dir: Inode,
        /// The second name.
        b: Name,
        /// What the second name referred to before.
        b_inode: Inode,
    },
    /// Bytes were zeroed; with `keep_size` only those inside the file, else the file is extended to the end
    /// of the range if it is shorter.
    ZeroRange {
        /// The file.
        inode: Inode,
        /// Start of the range in bytes.
        offset: u64,
        /// Length of the range in bytes.
        len: u64,
        /// Whether the length stays.
        keep_size: bool,
    },
    /// A file got one more name.
    Link {
        /// Directory of the new name.
        dir: Inode,
        /// The new name.
        name: Name,
        /// The file.
        inode: Inode,
    },
    /// A file lost a name.
    Remove {
        /// Directory of the name.
        dir: Inode,
        /// The name.
        name: Name,
        /// What it referred to.
        inode: Inode,
    },
    /// A directory was removed.
    RemoveDir {
        /// Directory of the name.
        dir: Inode,
        /// The name.
        name: Name,
        /// What it referred to.
        inode: Inode,
    },
    /// `fsync` or, with `data_only`, `fdatasync` of a file. Takes effect when it returns: a crash at this
    /// event's own position is a crash before it took effect.
    SyncFile {
        /// The file.
        inode: Inode,
        /// Whether it was `fdatasync`.
        data_only: bool,
    },
    /// `fsync` of a directory.
    SyncDir {
        /// The directory.
        dir: Inode,
    },
    /// `syncfs`: everything.
    SyncAll,
    /// A call that an injected fault failed. If it took effect all the same, in full or in part, the event
    /// before this one is what it did.
    Failed {
        /// What a failed sync did not sync, and marked clean all the same.
        sync: Option<FailedSync>,
        /// The call and its result, for people.
        text: Name,
    },
    /// A write that returned Ok and that the cache shows, but that the disk stored elsewhere or nowhere.
    LostWrite {
        /// The file.
        inode: Inode,
        /// Where it should be, in bytes from the file's start.
        offset: u64,
        /// What.
        data: ByteRange,
        /// Where it went instead, if anywhere.
        lands: Option<u64>,
    },
}

/// What a failed sync was to sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedSync {
    /// A file.
    File(Inode),
    /// A directory.
    Dir(Inode),
}

/// A mark that the workload left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Operation number `op` (from 1) was issued.
    Issued {
        /// Its number.
        op: u32,
    },
    /// It was acknowledged.
    Acknowledged {
        /// Its number.
        op: u32,
        /// Whether the subject promised that this operation, and all acknowledged before it, are durable.
        durable: bool,
    },
    /// It was refused: provably without effect.
    Refused {
        /// Its number.
        op: u32,
    },
    /// It failed and may have been applied, now or after any later crash.
    Unknown {
        /// Its number.
        op: u32,
    },
    /// Recovery finished and its result was read: from here on that state is the promise.
    Recovered,
}

/// A call or a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A file-system call.
    Call(Call),
    /// A mark of the workload.
    Mark(Mark),
}

/// Where a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A source line of the subject. Calls that helpers make count as their callers' if the helpers are
    /// `#[track_caller]`.
    Source {
        /// The source file.
        file: &'static str,
        /// The line, from 1.
        line: u32,
    },
    /// An operation of the workload, from 1: of a subject whose operations are calls.
    Operation(u32),
}

impl From<&'static Location<'static>> for Origin {
    fn from(location: &'static Location<'static>) -> Origin {
        Origin::Source { file: location.file(), line: location.line() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Source { file, line } => write!(f, "{file}:{line}"),
            Origin::Operation(number) => write!(f, "operation {number}"),
        }
    }
}

/// One event of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The subject's source line that made the call, where known.
    pub source: Option<&'static Location<'static>>,
}

/// A recorded history.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The events in order.
    pub events: Vec<Event>,
    bytes: Vec<u8>,
}

impl Trace {
    /// An empty trace.
    pub fn new() -> Trace {
        Trace::default()
    }

    /// Whether the same happened.
    pub fn is_same(&self, other: &Trace) -> bool {
        self.events == other.events && self.bytes == other.bytes
    }

    /// The position after the last event.
    pub fn end(&self) -> Pos {
        self.events.len() as Pos
    }

    /// The bytes that a write wrote.
    pub fn bytes(&self, range: ByteRange) -> &[u8] {
        &self.bytes[range.start as usize..][..range.len as usize]
    }

    /// Keeps bytes for a [`Call::Write`].
    pub fn store_bytes(&mut self, data: &[u8]) -> ByteRange {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(data);
        ByteRange { start, len: data.len() as u32 }
    }

    /// Appends an event and returns its position.
    pub fn push(&mut self, kind: EventKind, source: Option<&'static Location<'static>>) -> Pos {
        self.events.push(Event { kind, source });
        self.end() - 1
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.bytes.clear();
    }
}

impl fmt::Display for Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inode {}", self.0)
    }
}
