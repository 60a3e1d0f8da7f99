//! Damage found while reading a file, before it is anybody's error.

use std::path::Path;

use crate::error::{Error, Reason};
use crate::header::{FORMAT_VERSION, Fault};

/// Where a file stops being believable, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) reason: Reason,
    pub(crate) detail: &'static str,
    /// The format version that the file names, if that is what is wrong.
    pub(crate) version: Option<u32>,
}

impl Damage {
    pub(crate) fn new(offset: u64, reason: Reason, detail: &'static str) -> Damage {
        Damage { offset, reason, detail, version: None }
    }

    /// A fragment that does not verify, or is missing.
    pub(crate) fn fragment(offset: u64, reason: Reason) -> Damage {
        let detail = match reason {
            Reason::TornTail => "a record's end is missing",
            Reason::BadCrc => "a fragment's checksum is wrong",
            Reason::BadLength => "a fragment's length is impossible",
            Reason::BadHeader => "the header block is damaged",
            Reason::SequenceGap => "a record is not the next one",
            Reason::WrongEpoch => "a fragment belongs to another segment",
            Reason::Malformed => "a record makes no sense",
        };
        Damage::new(offset, reason, detail)
    }

    pub(crate) fn into_error(self, file: &Path) -> Error {
        match self.version {
            Some(found) => {
                Error::UnsupportedVersion { file: file.to_path_buf(), found, supported: FORMAT_VERSION }
            }
            None => Error::Corrupted {
                file: file.to_path_buf(),
                offset: self.offset,
                reason: self.reason,
                detail: self.detail,
            },
        }
    }
}

impl From<Fault> for Damage {
    fn from(fault: Fault) -> Damage {
        let version = match fault {
            Fault::Version { found, .. } => Some(found),
            _ => None,
        };
        Damage { offset: 0, reason: Reason::BadHeader, detail: fault.detail(), version }
    }
}

/// Why a file could not be read: the file system, or what the file holds.
pub(crate) enum Unreadable {
    Error(Error),
    Damage(Damage),
}

impl Unreadable {
    pub(crate) fn into_error(self, file: &Path) -> Error {
        match self {
            Unreadable::Error(error) => error,
            Unreadable::Damage(damage) => damage.into_error(file),
        }
    }
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Unreadable {
        Unreadable::Error(error)
    }
}

impl From<Damage> for Unreadable {
    fn from(damage: Damage) -> Unreadable {
        Unreadable::Damage(damage)
    }
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Unreadable {
        Unreadable::Damage(fault.into())
    }
}
