//! How a store is opened.

use crate::error::Error;
use crate::planted::Planted;

/// When a write is made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SyncPolicy {
    /// Before the call returns.
    #[default]
    EveryWrite,
    /// When [`Store::sync`](crate::Store::sync) returns. Power loss may take what was written since; what is
    /// left is always the result of the first so many operations.
    Manual,
}

/// What to do about damage that no crash can explain: in a snapshot, or in a log segment that was synced and
/// closed. A torn end of the *last* segment is what every crash leaves; it is cut whatever the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecoveryPolicy {
    /// Open with what is proved up to the damage, report it, and keep the files from there on under names
    /// that end in `.damaged`. A damaged snapshot leaves nothing proved, and is an error.
    #[default]
    Stop,
    /// Do not open: [`Error::Corrupted`].
    Refuse,
    /// Open with what is proved, read-only, and leave every file as it is. A damaged snapshot counts up to
    /// the damage, and no log is replayed on it.
    ReadOnly,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Create the store if there is none; on by default.
    pub create: bool,
    /// A log segment is closed before a record that would make it longer than this; 64 MiB by default, at
    /// least [`Options::SEGMENT_SIZE_MIN`]. A longer record gets a segment of its own.
    pub segment_size: u64,
    /// Compact when the log has grown by this many bytes since the last time; 4 MiB by default.
    pub compact_log_bytes: Option<u64>,
    /// Compact after this many operations since the last time; 1,000 by default.
    pub compact_ops: Option<u64>,
    /// When a write is made durable; every write by default.
    pub sync: SyncPolicy,
    /// Overwrite the files of retired log segments instead of creating new ones; off by default.
    pub recycle_segments: bool,
    /// What to do about damage that no crash can explain.
    pub recovery: RecoveryPolicy,
    /// A mistake to make on purpose, for those who test the tests.
    #[doc(hidden)]
    pub planted: Planted,
}

impl Options {
    /// The smallest allowed [`segment_size`](Options::segment_size): the header's block and one more.
    pub const SEGMENT_SIZE_MIN: u64 = 1024;

    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |what: &str| Err(Error::InvalidArgument { what: what.to_string() });
        if self.segment_size < Self::SEGMENT_SIZE_MIN {
            return refuse("segment_size must be at least 1024 bytes");
        }
        if self.compact_log_bytes == Some(0) {
            return refuse("compact_log_bytes must be at least 1, or None for never");
        }
        if self.compact_ops == Some(0) {
            return refuse("compact_ops must be at least 1, or None for never");
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            create: true,
            segment_size: 64 << 20,
            compact_log_bytes: Some(4 << 20),
            compact_ops: Some(1000),
            sync: SyncPolicy::default(),
            recycle_segments: false,
            recovery: RecoveryPolicy::default(),
            planted: Planted::default(),
        }
    }
}
