//! The store: reads, and the one funnel that all writes go through.

use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use unplug_vfs::{Vfs, VfsLock};

use crate::dir::Dir;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::memory::{Entries, Memory};
use crate::names::Name;
use crate::options::{Options, SyncPolicy};
use crate::planted::Planted;
use crate::record::{self, Batch, Op};
use crate::recovery::{self, RecoveryReport};
use crate::state::{Event, Machine, State};
use crate::wal::{Draft, Log, SegmentHeader};

/// An ordered map of byte strings that survives crashes.
///
/// Keys are up to [`KEY_BYTES_MAX`](crate::KEY_BYTES_MAX) bytes, values up to
/// [`VALUE_BYTES_MAX`](crate::VALUE_BYTES_MAX), a batch up to [`BATCH_BYTES_MAX`](crate::BATCH_BYTES_MAX); the
/// empty key and the empty value are like any other.
///
/// A write that returns Ok is durable, or will be when a later [`sync`](Store::sync) returns: see
/// [`SyncPolicy`]. A write that returns an error either did nothing ([`Error::is_refused`]) or may survive a
/// crash or not; reads go on and show the state without it. After a failed sync, or a write that failed for
/// another reason than want of space, the store takes no more writes, and opening it again settles the matter.
/// After a write that found the disk full the store undoes what was written of it, and goes on with the next
/// write for which there is space.
///
/// Dropping a store does not sync it: see [`close`](Store::close).
pub struct Store {
    pub(crate) dir: Dir,
    pub(crate) options: Options,
    pub(crate) machine: Machine,
    pub(crate) memory: Memory,
    /// None if the store was opened read-only because of damage.
    pub(crate) log: Option<Log>,
    pub(crate) live: Live,
    /// Retired segments, to be overwritten.
    pub(crate) retired: Vec<Name>,
    pub(crate) last_compaction_error: Option<Error>,
    report: RecoveryReport,
    /// Why the store takes no writes.
    cause: Option<String>,
    /// A segment that could not be finished for want of space: it must go before the log goes on.
    unfinished: Option<Name>,
    /// The last record that is durable.
    pub(crate) durable: u64,
    /// When a tick found writes that were not durable yet.
    waiting_since: Option<Duration>,
    scratch: Vec<u8>,
    _lock: Box<dyn VfsLock>,
}

/// Which files are the store, and how far it has come.
pub(crate) struct Live {
    pub(crate) epoch: u64,
    pub(crate) manifest: Name,
    /// 0 without one.
    pub(crate) snapshot: u64,
    /// Segments before the one that takes records.
    pub(crate) sealed: Vec<u64>,
    /// The first record of the log.
    pub(crate) first_sequence: u64,
    /// The next record to be written.
    pub(crate) next_sequence: u64,
    pub(crate) next_number: u64,
    /// Operations in the log, for compaction.
    pub(crate) ops: u64,
    /// Bytes in the log, for compaction.
    pub(crate) log_bytes: u64,
    /// What could not be removed yet.
    pub(crate) garbage: Vec<Name>,
}

impl Live {
    pub(crate) fn manifest_with(&self, log: &Log) -> Manifest {
        let mut segments = self.sealed.clone();
        segments.push(log.number());
        Manifest {
            epoch: self.epoch,
            snapshot: self.snapshot,
            segments,
            next_number: self.next_number,
            first_sequence: self.first_sequence,
        }
    }

    /// A number that no file has had.
    pub(crate) fn allocate(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }
}

impl Store {
    /// Opens the store in a directory, and creates it if there is none and [`Options::create`] allows.
    ///
    /// When it returns, all that the store shows is durable. Errors: [`Error::Locked`] if it is open
    /// elsewhere, [`Error::Corrupted`] and [`Error::UnsupportedVersion`] for files it cannot believe or read,
    /// [`Error::NotFound`], [`Error::InvalidArgument`], [`Error::Io`], [`Error::NoSpace`]. After an I/O error
    /// opening may be tried again; no file is lost.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path, options: Options) -> Result<Store, Error> {
        recovery::open(vfs, dir, options)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a store, put together in one place")]
    pub(crate) fn assemble(
        dir: Dir,
        options: Options,
        machine: Machine,
        lock: Box<dyn VfsLock>,
        memory: Memory,
        log: Option<Log>,
        live: Live,
        report: RecoveryReport,
    ) -> Store {
        let cause = match log {
            Some(_) => None,
            None => Some("its files are damaged".to_string()),
        };
        let durable = live.next_sequence - 1;
        Store {
            dir,
            options,
            machine,
            memory,
            log,
            live,
            retired: Vec::new(),
            last_compaction_error: None,
            report,
            cause,
            unfinished: None,
            durable,
            waiting_since: None,
            scratch: Vec::new(),
            _lock: lock,
        }
    }

    /// Puts a value under a key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        record::check_lengths(key.len(), value.len())?;
        self.check_writable()?;
        record::begin(&mut self.scratch, self.live.next_sequence, 1);
        record::push_op(&mut self.scratch, key, Some(value));
        self.commit(|memory| memory.apply_op(Op { key: key.into(), value: Some(value.into()) }), 1)
    }

    /// Deletes a key; returns whether it was there. A key that is not there costs nothing.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool, Error> {
        record::check_lengths(key.len(), 0)?;
        self.check_writable()?;
        if !self.memory.contains(key) {
            return Ok(false);
        }
        record::begin(&mut self.scratch, self.live.next_sequence, 1);
        record::push_op(&mut self.scratch, key, None);
        self.commit(|memory| memory.apply_op(Op { key: key.into(), value: None }), 1)?;
        Ok(true)
    }

    /// Applies all operations of a batch, in order, or none of them.
    pub fn write(&mut self, batch: Batch) -> Result<(), Error> {
        batch.check()?;
        self.check_writable()?;
        if batch.is_empty() {
            return Ok(());
        }
        let count = batch.len();
        record::begin(&mut self.scratch, self.live.next_sequence, count);
        for op in &batch.ops {
            record::push_op(&mut self.scratch, &op.key, op.value.as_deref());
        }
        self.commit(|memory| batch.ops.into_iter().for_each(|op| memory.apply_op(op)), count as u64)
    }

    /// The funnel: log, sync, apply, count, perhaps compact. Nothing reaches memory that the log refused.
    fn commit(&mut self, apply: impl FnOnce(&mut Memory), ops: u64) -> Result<(), Error> {
        if let Err(e) = self.log_record() {
            return Err(self.stop(e));
        }
        apply(&mut self.memory);
        self.live.next_sequence += 1;
        if self.options.planted == Planted::IntervalAcknowledgedEarly {
            self.durable = self.live.next_sequence - 1;
        }
        self.live.ops += ops;
        self.live.log_bytes += self.scratch.len() as u64;
        if self.scratch.capacity() > SCRATCH_KEPT_MAX {
            self.scratch = Vec::new();
        }
        if self.wants_compaction() {
            // The write is in the log; what becomes of the compaction is no concern of the writer's.
            self.last_compaction_error = self.compact().err();
        }
        Ok(())
    }

    fn log_record(&mut self) -> Result<(), Error> {
        let (record_len, segment_size) = (self.scratch.len(), self.options.segment_size);
        if self.writer()?.is_full_for(record_len, segment_size) {
            self.rotate()?;
        }
        let due = match self.options.sync {
            SyncPolicy::EveryWrite => true,
            SyncPolicy::EveryN(n) => self.live.next_sequence - self.durable >= n,
            SyncPolicy::Interval(_) | SyncPolicy::Manual => false,
        };
        // With a sync right behind it, the record had better be refused by the write than by the sync.
        let buffer = if due { 0 } else { self.options.write_buffer_bytes };
        let log = self.log.as_mut().ok_or(NO_LOG)?;
        log.append(&self.scratch, buffer)?;
        if due {
            if self.options.planted != Planted::AcknowledgedBeforeSync {
                self.sync_log()?;
            }
            self.durable = self.live.next_sequence;
        }
        Ok(())
    }

    fn sync_log(&mut self) -> Result<(), Error> {
        let planted = self.options.planted;
        let log = self.writer()?;
        match log.sync() {
            Err(_) if planted == Planted::FailedSyncRetried => log.sync(),
            result => result,
        }
    }

    fn writer(&mut self) -> Result<&mut Log, Error> {
        self.log.as_mut().ok_or(NO_LOG)
    }

    /// Closes the last segment and begins the next. The old one is durable before the new one exists, the new
    /// one's header and name before its first record: so recovery may rely on all segments but the last.
    fn rotate(&mut self) -> Result<(), Error> {
        let number = self.live.allocate();
        let (epoch, first_sequence) = (self.live.epoch, self.live.next_sequence);
        let retired = self.retired.pop();
        self.sync_log()?;
        self.durable = first_sequence - 1;
        let predecessor = self.writer()?.number();
        let header = SegmentHeader { epoch, number, predecessor, first_sequence };
        self.unfinished = Some(Name::wal(number));
        let mut log = Draft::new(header, self.options.planted).finish(&self.dir, retired)?;
        self.unfinished = None;
        log.sync()?;
        if self.options.planted != Planted::SegmentEntryNotSynced {
            self.dir.sync()?;
        }
        self.live.sealed.push(predecessor);
        self.log = Some(log);
        Ok(())
    }

    /// Makes all writes so far durable.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.check_writable()?;
        match self.sync_log() {
            Ok(()) => {
                self.durable = self.last_sequence();
                self.waiting_since = None;
                Ok(())
            }
            Err(e) => Err(self.stop(e)),
        }
    }

    /// Tells the store the time, measured from any fixed moment. Under [`SyncPolicy::Interval`] it syncs if
    /// writes have waited for the period since the first tick that found them; returns whether it did. Under
    /// any other policy, and without such writes, nothing happens.
    pub fn tick(&mut self, now: Duration) -> Result<bool, Error> {
        let SyncPolicy::Interval(period) = self.options.sync else { return Ok(false) };
        if self.durable == self.last_sequence() && self.options.planted != Planted::IntervalAcknowledgedEarly
        {
            self.waiting_since = None;
            return Ok(false);
        }
        let since = *self.waiting_since.get_or_insert(now);
        if now.saturating_sub(since) < period {
            return Ok(false);
        }
        self.sync()?;
        Ok(true)
    }

    /// The number of the last write; each write and each batch has the next one.
    pub fn last_sequence(&self) -> u64 {
        self.live.next_sequence - 1
    }

    /// All writes up to this one are durable.
    pub fn durable_sequence(&self) -> u64 {
        self.durable
    }

    /// Syncs, if the store still takes writes, and closes it. An error says that the last writes may be lost.
    pub fn close(mut self) -> Result<(), Error> {
        match self.state() {
            // Nothing was written that could be synced.
            State::ReadOnly => Ok(()),
            _ => self.sync(),
        }
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        self.memory.get(key).cloned()
    }

    /// The entries whose keys lie in a range, in key order; none if the bounds are the wrong way round.
    pub fn range<'k>(&self, range: impl RangeBounds<&'k [u8]>) -> Entries<'_> {
        self.memory.range(range)
    }

    /// All entries in key order.
    pub fn iter(&self) -> Entries<'_> {
        self.memory.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.memory.len() == 0
    }

    /// What the store is doing.
    pub fn state(&self) -> State {
        self.machine.state()
    }

    /// The current epoch: 1 for a new store, one more after each compaction.
    pub fn epoch(&self) -> u64 {
        self.live.epoch
    }

    /// What recovery found when the store was opened.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.report
    }

    /// Why the last automatic compaction was rolled back; None once one has succeeded.
    pub fn last_compaction_error(&self) -> Option<&Error> {
        self.last_compaction_error.as_ref()
    }

    pub(crate) fn check_writable(&mut self) -> Result<(), Error> {
        if self.state() == State::Full {
            self.mend()?;
        }
        let cause = || self.cause.clone().unwrap_or_default();
        match self.machine.state() {
            State::Ready => Ok(()),
            State::Opening | State::Recovering => Err(Error::Recovering),
            State::Compacting => Err(Error::Internal { what: "a write in the middle of a compaction" }),
            State::Full | State::ReadOnly => Err(Error::ReadOnly { cause: cause() }),
            State::Failed => Err(Error::Failed { cause: cause() }),
        }
    }

    /// After a failed write or sync: waits for space if that is what is missing and the log can be brought
    /// back to its last record, and stops the store otherwise.
    fn stop(&mut self, error: Error) -> Error {
        if !matches!(error, Error::NoSpace { .. }) {
            return self.poison(error);
        }
        if let Err(internal) = self.machine.step(Event::SpaceRanOut) {
            return internal;
        }
        match self.mend_log() {
            Ok(()) => error.undone(),
            // Its last record is known; what lies behind it is not, until there is space.
            Err(Error::NoSpace { .. }) => error,
            Err(worse) => {
                self.poison(worse);
                error
            }
        }
    }

    /// Leaves [`State::Full`], if what the last write left can be undone now.
    fn mend(&mut self) -> Result<(), Error> {
        match self.mend_log() {
            Ok(()) => self.machine.step(Event::SpaceReturned),
            // Nothing was done of what the caller wants.
            Err(e @ Error::NoSpace { .. }) => Err(e.undone()),
            Err(e) => Err(self.poison(e)),
        }
    }

    /// Undoes what is left of a write, or of a rotation, that failed for want of space.
    fn mend_log(&mut self) -> Result<(), Error> {
        if self.options.planted == Planted::FullDiskTailKept {
            return Ok(());
        }
        if let Some(name) = self.unfinished {
            // As the successor of a segment that goes on it would be taken for damage.
            self.dir.remove(name)?;
            self.dir.sync()?;
            self.unfinished = None;
        }
        if self.writer()?.mend()? {
            self.durable = self.last_sequence();
        }
        Ok(())
    }

    /// Stops all writing: what the disk holds of the last record is unknown, and neither going on behind it
    /// nor syncing again could be right.
    pub(crate) fn poison(&mut self, error: Error) -> Error {
        self.cause = Some(error.to_string());
        match self.machine.step(Event::DiskFailed) {
            Ok(()) => error,
            Err(internal) => internal,
        }
    }
}

/// Above this, a buffer that one large record needed is given back.
const SCRATCH_KEPT_MAX: usize = 1 << 20;

const NO_LOG: Error = Error::Internal { what: "a write without a log" };

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir.path())
            .field("state", &self.state())
            .field("epoch", &self.epoch())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
