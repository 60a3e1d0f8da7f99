//! `replay`: damaged logs and snapshots in, one reading each out: where replay stopped, why, what was kept.
//!
//! A fixture `X` (a file or a store directory) may have a sidecar `X.expect`; see [`Expectations`].

mod command;
mod expect;
mod walk;

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use command::replay;
pub use expect::{Expectations, ExpectedReading};

/// Why a replay stopped before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The last record was cut short.
    TornTail,
    /// A checksum does not match.
    BadCrc,
    /// An impossible length.
    BadLength,
    /// The file's header is unreadable, or of another version.
    BadHeader,
    /// A record's number is not the one that must follow.
    SequenceGap,
    /// A record or block of another file or epoch.
    WrongEpoch,
    /// The checksum matches, the content makes no sense.
    Malformed,
}

impl Reason {
    /// As in reports.
    pub fn as_str(self) -> &'static str {
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

/// What one file, read in one way, gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// How it was read: `wal`, `snapshot`, `manifest`, `store`, `kvstore-v1`, …
    pub format: String,
    /// Good records before the stop.
    pub records: u64,
    /// Byte offset of the first bad record.
    pub stopped_at: Option<u64>,
    /// Why replay stopped there.
    pub reason: Option<Reason>,
    /// Good records behind the damage, which replay discards.
    pub good_records_after: u64,
    /// Keys in the resulting state.
    pub state_entries: u64,
    /// Fingerprint of the resulting state.
    pub state_digest: String,
    /// Anything more, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why there is no reading.
#[derive(Debug)]
pub enum ReplayError {
    /// The file cannot be read.
    Io(io::Error),
    /// It is nothing that the replayer knows: the text says what was expected.
    Unrecognised(String),
}

impl From<io::Error> for ReplayError {
    fn from(error: io::Error) -> ReplayError {
        ReplayError::Io(error)
    }
}

/// Reads a program's own files for `replay`.
pub trait Replayer: Send + Sync {
    /// Whether a directory is one store, which is read as a whole before its files are read one by one.
    fn is_store(&self, dir: &Path) -> bool;

    /// Reads a file, or a store's directory, in every way that fits. Damage is a reading, not an error.
    fn replay(&self, path: &Path) -> Result<Vec<Reading>, ReplayError>;
}
