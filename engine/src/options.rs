//! How a store is opened.

use std::time::Duration;

use crate::error::Error;
use crate::planted::Planted;
use crate::state::Observer;
use crate::stats::Clock;

/// When writes are made durable, and so what a write promises when it returns Ok.
///
/// Under every policy the log keeps the order of the writes, and a crash takes them from the end only: what is
/// left is the result of the first so many operations. [`Store::durable_sequence`](crate::Store::durable_sequence)
/// says how many that are at least; [`Store::sync`](crate::Store::sync) makes it all of them.
///
/// | policy | a write that returned is lost by power loss at most if |
/// |---|---|
/// | `EveryWrite` | never |
/// | `EveryN` | it is among the last *n* - 1 |
/// | `Interval` | it was made within the last *period*, or since the last [`tick`](crate::Store::tick) that came later than that |
/// | `Manual` | no sync has returned since |
///
/// A killed process loses nothing that a write has returned for, unless
/// [`write_buffer_bytes`](Options::write_buffer_bytes) lets writes wait in its own memory; then they count as
/// lost in both cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SyncPolicy {
    /// Before each write returns.
    #[default]
    EveryWrite,
    /// Before every n-th write returns: [`SyncPolicy::WRITES`] by default. A batch is one write.
    EveryN(u64),
    /// By a [`tick`](crate::Store::tick), once the oldest write that is not durable has waited for so long:
    /// [`SyncPolicy::PERIOD`] by default.
    Interval(Duration),
    /// When [`Store::sync`](crate::Store::sync) returns.
    Manual,
}

impl SyncPolicy {
    /// The usual count for [`EveryN`](SyncPolicy::EveryN).
    pub const WRITES: u64 = 100;
    /// The usual period for [`Interval`](SyncPolicy::Interval).
    pub const PERIOD: Duration = Duration::from_secs(5);
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
    /// Compact when the entries in memory are fewer than this share of the entries in snapshots and
    /// operations in the log, and the log holds at least 100; 0.3 by default.
    pub compact_live_ratio: Option<f64>,
    /// Write snapshots in pieces of so many bytes, one with each write, so that no write waits for a whole
    /// compaction. By default the write that makes a compaction due does all of it.
    pub compaction_step_bytes: Option<usize>,
    /// Up to so many snapshots in a row hold only what has changed since the one before; 0 by default.
    pub snapshot_chain_max: u32,
    /// When a write is made durable; every write by default.
    pub sync: SyncPolicy,
    /// Asynchronous writes: so many bytes of log records may wait in the process before they are written to
    /// the file together; 0 by default. They are written out earlier by a sync, by a rotation and by closing.
    /// A kill takes what waits, as power loss does; so this makes no difference to a policy's promise after
    /// power loss, and a sync still makes everything durable.
    pub write_buffer_bytes: usize,
    /// Let a log segment grow by so many bytes at a time, zeros behind its last record, up to `segment_size`: a
    /// sync of blocks that a file already has need not write the file's metadata, and takes less time. 64 KiB by
    /// default, 0 for never; only under a policy that syncs by the count of writes, and for records that are
    /// small beside it.
    pub preallocate_bytes: usize,
    /// Keep up to so many of the newest log segments that snapshots have replaced, under names that end in
    /// `.old`: [`Store::retained_log`](crate::Store::retained_log). 0 by default.
    pub retain_segments: u32,
    /// Overwrite the files of retired log segments instead of creating new ones; off by default.
    pub recycle_segments: bool,
    /// Measure latencies with this clock; none by default.
    pub clock: Option<Clock>,
    /// Is told of every transition of the store's state, in order; nobody by default.
    pub observer: Option<Observer>,
    /// What to do about damage that no crash can explain.
    pub recovery: RecoveryPolicy,
    /// A mistake to make on purpose, for those who test the tests.
    #[doc(hidden)]
    pub planted: Planted,
}

impl Options {
    /// The smallest allowed [`segment_size`](Options::segment_size): the header's block and one more.
    pub const SEGMENT_SIZE_MIN: u64 = 1024;

    /// By how many bytes at a time a log segment grows.
    pub(crate) fn preallocation(&self) -> usize {
        match self.sync {
            SyncPolicy::EveryWrite | SyncPolicy::EveryN(_) => self.preallocate_bytes,
            SyncPolicy::Interval(_) | SyncPolicy::Manual => 0,
        }
    }

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
        if self.sync == SyncPolicy::EveryN(0) {
            return refuse("a sync every 0 writes makes no sense; use at least 1, or SyncPolicy::Manual");
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
            compact_live_ratio: Some(0.3),
            compaction_step_bytes: None,
            snapshot_chain_max: 0,
            sync: SyncPolicy::default(),
            write_buffer_bytes: 0,
            preallocate_bytes: 64 << 10,
            retain_segments: 0,
            recycle_segments: false,
            clock: None,
            observer: None,
            recovery: RecoveryPolicy::default(),
            planted: Planted::default(),
        }
    }
}
