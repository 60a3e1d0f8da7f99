//! What can go wrong, by cause.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a log, snapshot or manifest stops being believable at some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A record has begun, but the file ends, or holds zeros, before its last byte. Also a hole of zeros with
    /// good records behind it, and a snapshot without its footer.
    TornTail,
    /// A whole fragment is there and its checksum is not that of its bytes at this place of this file.
    BadCrc,
    /// A fragment's length is zero or crosses the end of its block.
    BadLength,
    /// The file's first block is missing, damaged, of another version, or of another file.
    BadHeader,
    /// A record verifies, but is not the next one.
    SequenceGap,
    /// A fragment names another segment than the one it stands in: what a recycled file held before.
    WrongEpoch,
    /// The checksum is right and the content makes no sense.
    Malformed,
}

impl Reason {
    /// The name that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::TornTail => "torn-tail",
            Reason::BadCrc => "bad-crc",
            Reason::BadLength => "bad-length",
            Reason::BadHeader => "bad-header",
            Reason::SequenceGap => "sequence-gap",
            Reason::WrongEpoch => "wrong-epoch",
            Reason::Malformed => "malformed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn wants_space(source: &io::Error) -> bool {
    matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn outcome(undone: bool) -> &'static str {
    if undone { " (nothing was written)" } else { "" }
}

/// Every error of the store, by cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller passed something the store does not take. Nothing was done.
    #[error("invalid argument: {what}")]
    InvalidArgument {
        /// What was wrong and what is allowed.
        what: String,
    },
    /// The store broke one of its own rules.
    #[error("internal error: {what}; this is a bug in the store")]
    Internal {
        /// Which rule.
        what: &'static str,
    },
    /// The file system refused a call.
    #[error("failed to {op} {}: {source}", path.display())]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file system is full. Reads go on, and writes again as soon as there is space.
    #[error("failed to {op} {}: no space left; free some and try again{}", path.display(), outcome(*undone))]
    NoSpace {
        /// What was tried.
        op: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
        /// Whether what had been done of it was undone, and durably so: then it never happened. Otherwise the
        /// operation may still show after a crash, until the store has taken another write.
        undone: bool,
    },
    /// The store takes no writes. Nothing was done.
    #[error("failed to write: the store is read-only, because {cause}; open it again to write")]
    ReadOnly {
        /// Why it is read-only.
        cause: String,
    },
    /// The store is still reading its files. Nothing was done.
    #[error("failed to write: the store is still recovering; try again when it is ready")]
    Recovering,
    /// There is no store and [`create`](crate::Options::create) is off.
    #[error("failed to open {}: no store there; check the path, or open with `create`", path.display())]
    NotFound {
        /// The store's directory.
        path: PathBuf,
    },
    /// A file that must be whole is not.
    #[error(
        "failed to recover: {} is damaged at byte {offset} ({reason}: {detail}); restore it from a backup",
        file.display()
    )]
    Corrupted {
        /// The damaged file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// The kind of damage.
        reason: Reason,
        /// The damage in words.
        detail: &'static str,
    },
    /// A file was written by another version of the store.
    #[error("failed to recover: {} has format version {found}, this program reads {supported}", file.display())]
    UnsupportedVersion {
        /// The file.
        file: PathBuf,
        /// The version it names.
        found: u32,
        /// The version this program reads.
        supported: u32,
    },
    /// Another opener has the store.
    #[error("failed to lock {}: the store is open elsewhere; close it there first", path.display())]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// An earlier failure of the disk has stopped the store. Nothing was done.
    #[error("failed to write: the store stopped after an earlier error ({cause}); open it again")]
    Failed {
        /// The earlier error.
        cause: String,
    },
}

impl Error {
    /// Wraps what the file system said.
    pub(crate) fn io(op: &'static str, path: &Path, source: io::Error) -> Error {
        let path = path.to_path_buf();
        match wants_space(&source) {
            true => Error::NoSpace { op, path, source, undone: false },
            false => Error::Io { op, path, source },
        }
    }

    /// As [`Error::io`], for a call that is final when it fails, for want of space too.
    pub(crate) fn failed_sync(op: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io { op, path: path.to_path_buf(), source }
    }

    /// The same error for another caller.
    pub(crate) fn again(&self) -> Error {
        let again = |source: &io::Error| match source.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::new(source.kind(), source.to_string()),
        };
        match self {
            Error::InvalidArgument { what } => Error::InvalidArgument { what: what.clone() },
            Error::Internal { what } => Error::Internal { what },
            Error::Io { op, path, source } => Error::Io { op, path: path.clone(), source: again(source) },
            Error::NoSpace { op, path, source, undone } => {
                Error::NoSpace { op, path: path.clone(), source: again(source), undone: *undone }
            }
            Error::ReadOnly { cause } => Error::ReadOnly { cause: cause.clone() },
            Error::Recovering => Error::Recovering,
            Error::NotFound { path } => Error::NotFound { path: path.clone() },
            Error::Corrupted { file, offset, reason, detail } => {
                Error::Corrupted { file: file.clone(), offset: *offset, reason: *reason, detail }
            }
            Error::UnsupportedVersion { file, found, supported } => {
                Error::UnsupportedVersion { file: file.clone(), found: *found, supported: *supported }
            }
            Error::Locked { path } => Error::Locked { path: path.clone() },
            Error::Failed { cause } => Error::Failed { cause: cause.clone() },
        }
    }

    /// Notes that nothing of the operation is left.
    pub(crate) fn undone(self) -> Error {
        match self {
            Error::NoSpace { op, path, source, .. } => Error::NoSpace { op, path, source, undone: true },
            other => other,
        }
    }

    /// Whether the call was refused before it touched anything, or was undone for certain: its operation has
    /// provably no effect. After any other error of a write or a sync, the operation may survive or not.
    pub fn is_refused(&self) -> bool {
        matches!(
            self,
            Error::InvalidArgument { .. }
                | Error::ReadOnly { .. }
                | Error::Recovering
                | Error::Failed { .. }
                | Error::Locked { .. }
                | Error::NoSpace { undone: true, .. }
        )
    }

    /// Whether the caller passed something the store does not take.
    pub fn is_invalid_argument(&self) -> bool {
        matches!(self, Error::InvalidArgument { .. })
    }

    /// Whether the file system is full.
    pub fn is_no_space(&self) -> bool {
        match self {
            Error::NoSpace { .. } => true,
            Error::Io { source, .. } => wants_space(source),
            _ => false,
        }
    }

    /// Whether a call of the file system failed (a full one included).
    pub fn is_io(&self) -> bool {
        matches!(self, Error::Io { .. } | Error::NoSpace { .. })
    }

    /// Whether stored bytes are not what the store wrote.
    pub fn is_corrupted(&self) -> bool {
        matches!(self, Error::Corrupted { .. })
    }

    /// Whether another opener has the store.
    pub fn is_locked(&self) -> bool {
        matches!(self, Error::Locked { .. })
    }

    /// Whether there is no store at the path.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound { .. })
    }

    /// Whether the store takes no writes, for want of space or because of damage.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Error::ReadOnly { .. })
    }

    /// Whether an earlier failure has stopped the store.
    pub fn is_failed(&self) -> bool {
        matches!(self, Error::Failed { .. })
    }

    /// Whether a file was written by another version of the store.
    pub fn is_unsupported_version(&self) -> bool {
        matches!(self, Error::UnsupportedVersion { .. })
    }
}
