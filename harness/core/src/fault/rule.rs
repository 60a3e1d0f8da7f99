//! A fault rule as data, and its text.

use std::fmt;
use std::time::Duration;

/// A call of the seam.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// `open` of an existing file.
    Open,
    /// `open` with an option to create.
    Create,
    /// `read_at`.
    Read,
    /// `write_at`.
    Write,
    /// `set_len`.
    SetLen,
    /// `allocate`.
    Allocate,
    /// `sync_data` of a file.
    SyncData,
    /// `sync_all` of a file.
    SyncAll,
    /// `sync_dir`.
    SyncDir,
    /// `rename`.
    Rename,
    /// `remove_file`.
    Remove,
    /// `hard_link`.
    Link,
    /// `create_dir`.
    CreateDir,
    /// `remove_dir`.
    RemoveDir,
    /// `read_dir`.
    ReadDir,
    /// `metadata`.
    Metadata,
    /// `len` of an open file.
    Len,
    /// `lock`.
    Lock,
}

impl CallKind {
    /// All of them.
    pub const ALL: [CallKind; 18] = [
        CallKind::Open,
        CallKind::Create,
        CallKind::Read,
        CallKind::Write,
        CallKind::SetLen,
        CallKind::Allocate,
        CallKind::SyncData,
        CallKind::SyncAll,
        CallKind::SyncDir,
        CallKind::Rename,
        CallKind::Remove,
        CallKind::Link,
        CallKind::CreateDir,
        CallKind::RemoveDir,
        CallKind::ReadDir,
        CallKind::Metadata,
        CallKind::Len,
        CallKind::Lock,
    ];

    /// Its name in rules and stories.
    pub fn name(self) -> &'static str {
        match self {
            CallKind::Open => "open",
            CallKind::Create => "create",
            CallKind::Read => "read",
            CallKind::Write => "write",
            CallKind::SetLen => "set_len",
            CallKind::Allocate => "allocate",
            CallKind::SyncData => "sync_data",
            CallKind::SyncAll => "sync_all",
            CallKind::SyncDir => "sync_dir",
            CallKind::Rename => "rename",
            CallKind::Remove => "remove",
            CallKind::Link => "link",
            CallKind::CreateDir => "create_dir",
            CallKind::RemoveDir => "remove_dir",
            CallKind::ReadDir => "read_dir",
            CallKind::Metadata => "metadata",
            CallKind::Len => "len",
            CallKind::Lock => "lock",
        }
    }

    /// Whether it changes anything, so that it may have been applied although it failed.
    pub fn changes(self) -> bool {
        CallSet::AnyWrite.has(self) || CallSet::AnySync.has(self) || CallSet::AnyMetadata.has(self)
    }
}

/// One call or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallSet {
    /// This one.
    One(CallKind),
    /// Every call.
    Any,
    /// `read`, `len`, `metadata`, `read_dir`.
    AnyRead,
    /// `write`, `set_len`, `allocate`.
    AnyWrite,
    /// `sync_data`, `sync_all`, `sync_dir`.
    AnySync,
    /// `create`, `rename`, `remove`, `link`, `create_dir`, `remove_dir`.
    AnyMetadata,
}

impl CallSet {
    pub(super) const CLASSES: [CallSet; 5] =
        [CallSet::Any, CallSet::AnyRead, CallSet::AnyWrite, CallSet::AnySync, CallSet::AnyMetadata];

    pub(super) fn name(self) -> &'static str {
        match self {
            CallSet::One(call) => call.name(),
            CallSet::Any => "any",
            CallSet::AnyRead => "any-read",
            CallSet::AnyWrite => "any-write",
            CallSet::AnySync => "any-sync",
            CallSet::AnyMetadata => "any-metadata",
        }
    }

    /// Whether a call is one of them.
    pub fn has(self, call: CallKind) -> bool {
        use CallKind::*;
        match self {
            CallSet::One(one) => one == call,
            CallSet::Any => true,
            CallSet::AnyRead => matches!(call, Read | Len | Metadata | ReadDir),
            CallSet::AnyWrite => matches!(call, Write | SetLen | Allocate),
            CallSet::AnySync => matches!(call, SyncData | SyncAll | SyncDir),
            CallSet::AnyMetadata => matches!(call, Create | Rename | Remove | Link | CreateDir | RemoveDir),
        }
    }
}

/// An error number, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The device failed.
    Eio,
    /// No space is left.
    Enospc,
    /// The quota is used up.
    Edquot,
    /// A signal interrupted the call.
    Eintr,
    /// The file system is read-only.
    Erofs,
    /// Too many files are open.
    Emfile,
    /// Permission is denied.
    Eacces,
    /// The file handle is stale.
    Estale,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [ErrorCode; 8] = [
        ErrorCode::Eio,
        ErrorCode::Enospc,
        ErrorCode::Edquot,
        ErrorCode::Eintr,
        ErrorCode::Erofs,
        ErrorCode::Emfile,
        ErrorCode::Eacces,
        ErrorCode::Estale,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ErrorCode::Eio => "EIO",
            ErrorCode::Enospc => "ENOSPC",
            ErrorCode::Edquot => "EDQUOT",
            ErrorCode::Eintr => "EINTR",
            ErrorCode::Erofs => "EROFS",
            ErrorCode::Emfile => "EMFILE",
            ErrorCode::Eacces => "EACCES",
            ErrorCode::Estale => "ESTALE",
        }
    }

    /// The operating system's number.
    pub fn raw(self) -> i32 {
        use rustix::io::Errno;
        let errno = match self {
            ErrorCode::Eio => Errno::IO,
            ErrorCode::Enospc => Errno::NOSPC,
            ErrorCode::Edquot => Errno::DQUOT,
            ErrorCode::Eintr => Errno::INTR,
            ErrorCode::Erofs => Errno::ROFS,
            ErrorCode::Emfile => Errno::MFILE,
            ErrorCode::Eacces => Errno::ACCESS,
            ErrorCode::Estale => Errno::STALE,
        };
        errno.raw_os_error()
    }

    /// Whether it says that there is no room.
    pub fn is_no_space(self) -> bool {
        matches!(self, ErrorCode::Enospc | ErrorCode::Edquot)
    }
}

/// A glob: `*` is any run of characters, `?` any one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// From its text, which has no blanks.
    pub fn new(pattern: impl Into<String>) -> Glob {
        Glob(pattern.into())
    }

    /// Matches everything.
    pub fn any() -> Glob {
        Glob::new("*")
    }

    /// Whether it matches a path: all of it if the glob has a `/`, else its last name.
    pub fn matches(&self, path: &std::path::Path) -> bool {
        if self.0 == "*" {
            return true;
        }
        let text = if self.0.contains('/') {
            path.to_string_lossy()
        } else {
            path.file_name().unwrap_or_default().to_string_lossy()
        };
        matches(self.0.trim_start_matches('/').as_bytes(), text.trim_start_matches('/').as_bytes())
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // The last star takes one byte more whenever what follows it fits no longer.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Which of the calls that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    Every,
    /// This one, from 1.
    Nth(u32),
    /// This one and all later ones.
    From(u32),
    /// All up to this one.
    Until(u32),
    /// Those that touch this byte of the file.
    At(u64),
}

impl Which {
    /// Whether the `count`-th match, from 1, is meant.
    pub fn has(self, count: u32) -> bool {
        match self {
            Which::Every | Which::At(_) => true,
            Which::Nth(n) => count == n,
            Which::From(n) => count >= n,
            Which::Until(n) => count <= n,
        }
    }
}

/// What comes of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It fails so.
    Error(ErrorCode),
    /// It does so many bytes, and says so.
    Short(u32),
    /// It takes so long.
    Delay(Duration),
    /// The disk never gets what was written.
    Lost,
    /// The disk gets it so many bytes further on.
    Misdirected(u32),
    /// The disk returns a byte that differs in these bits.
    Rot(u8),
    /// The disk cannot read the sector.
    BadSector,
    /// The disk has room for so many bytes.
    Full(u64),
}

impl Outcome {
    /// Whether the disk says that it holds what it does not hold: then durability is not owed.
    pub fn is_lie(self) -> bool {
        matches!(self, Outcome::Lost | Outcome::Misdirected(_) | Outcome::Rot(_))
    }

    /// Whether it shows where the disk is read.
    pub fn is_on_medium(self) -> bool {
        matches!(self, Outcome::Rot(_) | Outcome::BadSector)
    }
}

/// What a failed call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// All that it was asked to.
    Applied,
    /// So many bytes of a write.
    Part(u32),
    /// Rot that the store must report.
    Reported,
}

/// In which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The one that runs the workload.
    Workload,
    /// The recovery after the first crash, and what follows it.
    Recovery,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// In which process it holds.
    pub phase: Phase,
    /// Which call.
    pub call: CallSet,
    /// On which path.
    pub path: Glob,
    /// Which of those calls.
    pub which: Which,
    /// What comes of it.
    pub outcome: Outcome,
    /// What it did all the same.
    pub effect: Effect,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.phase == Phase::Recovery {
            f.write_str("recovery: ")?;
        }
        f.write_str(self.call.name())?;
        if self.path != Glob::any() {
            write!(f, " {}", self.path.0)?;
        }
        match self.which {
            Which::Every => Ok(()),
            Which::Nth(n) => write!(f, " #{n}"),
            Which::From(n) => write!(f, " #{n}.."),
            Which::Until(n) => write!(f, " #..{n}"),
            Which::At(offset) => write!(f, " @{offset}"),
        }?;
        write!(f, " -> {}", self.outcome)?;
        match self.effect {
            Effect::None => Ok(()),
            Effect::Applied => f.write_str(", applied"),
            Effect::Part(len) => write!(f, ", part {len}"),
            Effect::Reported => f.write_str(", reported"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Error(code) => f.write_str(code.name()),
            Outcome::Short(len) => write!(f, "short {len}"),
            Outcome::Delay(time) => match time.as_micros() {
                us if us.is_multiple_of(1_000_000) => write!(f, "delay {}s", us / 1_000_000),
                us if us.is_multiple_of(1_000) => write!(f, "delay {}ms", us / 1_000),
                us => write!(f, "delay {us}us"),
            },
            Outcome::Lost => f.write_str("lost"),
            Outcome::Misdirected(distance) => write!(f, "misdirected {distance}"),
            Outcome::Rot(bits) => write!(f, "rot {bits:02x}"),
            Outcome::BadSector => f.write_str("bad-sector"),
            Outcome::Full(bytes) => write!(f, "full {bytes}"),
        }
    }
}
