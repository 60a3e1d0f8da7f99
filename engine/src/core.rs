//! The store without its state in memory: the log that takes writes, the files, and what may be done when.

use std::sync::Arc;
use std::time::Duration;

use unplug_vfs::VfsLock;

use crate::compaction::{Compaction, Cut};
use crate::dir::Dir;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::names::Name;
use crate::options::{Options, SyncPolicy};
use crate::planted::Planted;
use crate::record::{self, Op};
use crate::recovery::RecoveryReport;
use crate::state::{Event, Machine, State};
use crate::stats::{Measured, Recorder, Stats};
use crate::wal::{Draft, Log, SegmentHeader, Syncing};

pub(crate) struct Core {
    pub(crate) dir: Arc<Dir>,
    pub(crate) options: Options,
    pub(crate) machine: Machine,
    /// None if the store was opened read-only because of damage.
    pub(crate) log: Option<Log>,
    pub(crate) live: Live,
    /// Old segments, to be overwritten.
    pub(crate) recycled: Vec<Name>,
    /// The compaction at work.
    pub(crate) compaction: Option<Compaction>,
    /// Where the last compaction cut the log, if it failed: the next one begins there.
    pub(crate) failed_cut: Option<Cut>,
    pub(crate) last_compaction_error: Option<Error>,
    /// The last write when a compaction was tried last.
    pub(crate) tried_at: u64,
    /// What the newest snapshot holds, if the next one may be a difference to it.
    pub(crate) base: Option<Memory>,
    pub(crate) report: RecoveryReport,
    pub(crate) recorder: Recorder,
    /// Why the store takes no writes.
    cause: Option<String>,
    /// A segment that could not be finished: it must go before the log goes on.
    unfinished: Option<Name>,
    /// The last record that is durable.
    pub(crate) durable: u64,
    /// A sync runs that was begun with [`begin_sync`](Core::begin_sync).
    syncing: bool,
    /// When a tick found writes that were not durable yet.
    waiting_since: Option<Duration>,
    scratch: Vec<u8>,
    /// A refused record, if one is kept by mistake.
    kept: Option<Vec<u8>>,
    _lock: Box<dyn VfsLock>,
}

/// Which files are the store, and how far it has come.
pub(crate) struct Live {
    pub(crate) epoch: u64,
    pub(crate) manifest: Name,
    /// The snapshot, and those behind it that hold what has changed since the one before; empty without any.
    pub(crate) chain: Vec<u64>,
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
    /// Entries in the snapshots, for compaction.
    pub(crate) snapshot_entries: u64,
    /// Bytes in the snapshots, for statistics.
    pub(crate) snapshot_bytes: u64,
    /// What could not be removed yet.
    pub(crate) garbage: Vec<Name>,
    /// Segments that a snapshot has replaced, and that are kept nevertheless, ascending.
    pub(crate) retained: Vec<u64>,
}

impl Live {
    pub(crate) fn manifest_with(&self, log: &Log) -> Manifest {
        let mut segments = self.sealed.clone();
        segments.push(log.number());
        Manifest {
            epoch: self.epoch,
            snapshot: self.chain.last().copied().unwrap_or(0),
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

impl Core {
    pub(crate) fn new(
        dir: Arc<Dir>,
        options: Options,
        machine: Machine,
        lock: Box<dyn VfsLock>,
        mut log: Option<Log>,
        live: Live,
        report: RecoveryReport,
    ) -> Core {
        if let Some(log) = &mut log {
            log.preallocate(options.preallocation(), options.segment_size);
        }
        let cause = match log {
            Some(_) => None,
            None => Some("its files are damaged".to_string()),
        };
        let durable = live.next_sequence - 1;
        let recorder = Recorder::new(options.clock.as_ref());
        Core {
            dir,
            options,
            machine,
            log,
            live,
            recycled: Vec::new(),
            compaction: None,
            failed_cut: None,
            last_compaction_error: None,
            tried_at: 0,
            base: None,
            report,
            recorder,
            cause,
            unfinished: None,
            durable,
            syncing: false,
            waiting_since: None,
            scratch: Vec::new(),
            kept: None,
            _lock: lock,
        }
    }

    /// All but what the state occupies in memory, which takes longer to find out.
    pub(crate) fn stats(&self, memory: &Memory) -> Stats {
        let mut stats = self.recorder.stats();
        stats.entries = memory.len() as u64;
        stats.data_bytes = memory.bytes();
        stats
    }

    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.state(), State::Failed | State::ReadOnly)
    }

    pub(crate) fn state(&self) -> State {
        self.machine.state()
    }

    /// Appends a record to the log. It is the next one from here on, and durable if the policy wants that
    /// before the write returns: [`wants_sync`](Core::wants_sync) says so.
    pub(crate) fn append(&mut self, count: usize, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        let mut record = std::mem::take(&mut self.scratch);
        record::begin(&mut record, self.live.next_sequence, count);
        encode(&mut record);
        let appended = self.append_record(&record);
        self.after_append(appended, (1, count, record.len()), record)
    }

    /// As [`append`](Core::append) for several records, which are written at once: all of them are in the log, or
    /// none. They must [belong together](Core::belong_together).
    pub(crate) fn append_group<'a>(&mut self, group: impl Iterator<Item = &'a [Op]>) -> Result<(), Error> {
        let mut record = std::mem::take(&mut self.scratch);
        let first = self.live.next_sequence;
        let (mut records, mut operations, mut bytes) = (0, 0, 0);
        let appended = self.writer()?.append_all(|push| {
            for ops in group {
                record::begin(&mut record, first + records, ops.len());
                record::push_ops(&mut record, ops);
                push(&record);
                (records, operations, bytes) = (records + 1, operations + ops.len(), bytes + record.len());
            }
        });
        self.after_append(appended, (records, operations, bytes), record)
    }

    /// Whether several records of these lengths can be written at once.
    pub(crate) fn belong_together(&self, record_lens: impl Iterator<Item = usize>) -> bool {
        let segment_size = self.options.segment_size;
        self.log.as_ref().is_some_and(|log| log.has_room_for(record_lens, segment_size))
    }

    /// Takes note of so many records, operations and bytes, of which `record` is the last record.
    fn after_append(
        &mut self,
        appended: Result<(), Error>,
        (records, operations, bytes): (u64, usize, usize),
        record: Vec<u8>,
    ) -> Result<(), Error> {
        if appended.is_ok() {
            self.live.next_sequence += records;
            self.live.ops += operations as u64;
            self.live.log_bytes += bytes as u64;
            let counts = &mut self.recorder.counts;
            counts.writes += records;
            counts.operations += operations as u64;
            counts.written_bytes += bytes as u64;
            if self.options.planted == Planted::IntervalAcknowledgedEarly {
                self.durable = self.last_sequence();
            }
            self.append_kept()?;
        } else if self.options.planted == Planted::RefusedRecordKept {
            self.kept = Some(record.clone());
        }
        if record.capacity() <= SCRATCH_KEPT_MAX {
            self.scratch = record;
        }
        appended.map_err(|e| self.stop(e))
    }

    /// Appends a refused record that was kept by mistake.
    fn append_kept(&mut self) -> Result<(), Error> {
        let Some(mut record) = self.kept.take() else { return Ok(()) };
        record::renumber(&mut record, self.live.next_sequence);
        self.append_record(&record)?;
        self.live.next_sequence += 1;
        Ok(())
    }

    fn append_record(&mut self, record: &[u8]) -> Result<(), Error> {
        let segment_size = self.options.segment_size;
        if self.writer()?.is_full_for(record.len(), segment_size) {
            self.rotate(self.writer_epoch())?;
        }
        // With a sync right behind it, the record had better be refused by the write than by the sync.
        let buffer = match self.wants_sync(1) {
            true => 0,
            false => self.options.write_buffer_bytes,
        };
        self.writer()?.append(record, buffer)
    }

    /// Whether the writes that are in the log, and `more`, must be durable before the last of them returns.
    pub(crate) fn wants_sync(&self, more: u64) -> bool {
        match self.options.sync {
            SyncPolicy::EveryWrite => true,
            SyncPolicy::EveryN(n) => self.last_sequence() + more - self.durable >= n,
            SyncPolicy::Interval(_) | SyncPolicy::Manual => false,
        }
    }

    /// Whether a record of this length cannot go into the log without a sync before it.
    pub(crate) fn would_sync_before(&self, record_len: usize) -> bool {
        let full = |log: &Log| log.is_full_for(record_len, self.options.segment_size);
        self.state() == State::Full || self.log.as_ref().is_some_and(full)
    }

    fn writer(&mut self) -> Result<&mut Log, Error> {
        self.log.as_mut().ok_or(NO_LOG)
    }

    pub(crate) fn writer_epoch(&self) -> u64 {
        self.log.as_ref().map_or(self.live.epoch, Log::epoch)
    }

    /// Closes the last segment and begins the next. The old one is durable before the new one exists, the new
    /// one's header and name before its first record: so recovery may rely on all segments but the last.
    pub(crate) fn rotate(&mut self, epoch: u64) -> Result<(), Error> {
        let number = self.live.allocate();
        let first_sequence = self.live.next_sequence;
        let recycled = self.recycled.pop();
        let planted = self.options.planted;
        self.sync_log()?;
        let predecessor = self.writer()?.number();
        let header = SegmentHeader { epoch, number, predecessor, first_sequence };
        let draft = match planted {
            Planted::VersionHeaderDropped if epoch > self.live.epoch => {
                Draft::without_header(header, planted)
            }
            _ => Draft::new(header, planted),
        };
        self.unfinished = Some(Name::wal(number));
        let names = self.dir.names();
        failpoint!("rotate::before_create");
        let mut log = draft.finish(&self.dir, recycled)?;
        log.sync()?;
        failpoint!("rotate::before_sync_dir");
        if planted != Planted::SegmentEntryNotSynced {
            self.dir.sync_names(names)?;
        }
        failpoint!("rotate::after_sync_dir");
        self.unfinished = None;
        self.recorder.counts.rotations += 1;
        self.live.sealed.push(predecessor);
        log.preallocate(self.options.preallocation(), self.options.segment_size);
        self.log = Some(log);
        Ok(())
    }

    /// As [`rotate`](Core::rotate), for the sake of a compaction: no write depends on it, and so the log goes on
    /// in its old segment if the new one cannot be made.
    pub(crate) fn cut(&mut self, epoch: u64) -> Result<(), Error> {
        let Err(error) = self.rotate(epoch) else { return Ok(()) };
        if self.unfinished.is_none() {
            return Err(self.stop(error));
        }
        match self.mend_log() {
            Ok(()) => Err(error),
            // The next write undoes it, once there is space.
            Err(Error::NoSpace { .. }) => {
                self.machine.step(Event::SpaceRanOut)?;
                Err(error)
            }
            Err(_) => Err(self.poison(error)),
        }
    }

    /// Makes all writes so far durable.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        self.sync_log().map_err(|e| self.stop(e))
    }

    fn sync_log(&mut self) -> Result<(), Error> {
        if let Some(syncing) = self.writer()?.begin_sync()? {
            let start = self.recorder.start();
            let mut synced = syncing.run();
            if synced.is_err() && self.options.planted == Planted::FailedSyncRetried {
                synced = syncing.run();
            }
            synced?;
            self.synced(start);
            self.writer()?.finish_sync(&syncing);
        }
        self.all_durable(self.last_sequence());
        Ok(())
    }

    /// Begins a sync that runs while the store is used: until [`finish_sync`](Core::finish_sync) the log may
    /// take records, but must not be rotated, mended or synced. None if all is durable.
    pub(crate) fn begin_sync(&mut self) -> Result<Option<Syncing>, Error> {
        let begun = self.writer()?.begin_sync();
        let begun = begun.map_err(|e| self.stop(e))?;
        self.syncing = begun.is_some();
        Ok(begun)
    }

    /// Ends a sync that was begun when `sequence` was the last record.
    pub(crate) fn finish_sync(
        &mut self,
        syncing: &Syncing,
        sequence: u64,
        result: Result<(), Error>,
    ) -> Result<(), Error> {
        self.syncing = false;
        if let Err(e) = result {
            return Err(self.poison(e));
        }
        self.writer()?.finish_sync(syncing);
        self.all_durable(sequence);
        Ok(())
    }

    /// Counts a sync of the log.
    pub(crate) fn synced(&mut self, start: Option<Duration>) {
        self.recorder.counts.syncs += 1;
        self.recorder.measured(Measured::Sync, start);
    }

    fn all_durable(&mut self, sequence: u64) {
        self.durable = self.durable.max(sequence);
        if self.durable == self.last_sequence() {
            self.waiting_since = None;
        }
    }

    /// Whether it is time to sync, by the policy's interval.
    pub(crate) fn is_due(&mut self, now: Duration) -> bool {
        let SyncPolicy::Interval(period) = self.options.sync else { return false };
        if self.durable == self.last_sequence() && self.options.planted != Planted::IntervalAcknowledgedEarly
        {
            return false;
        }
        now.saturating_sub(*self.waiting_since.get_or_insert(now)) >= period
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.live.next_sequence - 1
    }

    pub(crate) fn check_writable(&mut self) -> Result<(), Error> {
        if self.state() == State::Full && !self.syncing {
            self.mend()?;
        }
        self.check_writable_now()
    }

    /// As [`check_writable`](Core::check_writable), and does nothing about a full disk.
    pub(crate) fn check_writable_now(&self) -> Result<(), Error> {
        let cause = || self.cause.clone().unwrap_or_default();
        match self.state() {
            State::Ready | State::Compacting => Ok(()),
            State::Opening | State::Recovering => Err(Error::Recovering),
            State::Full if self.syncing => Err(Error::ReadOnly { cause: "the disk was full".to_string() }),
            State::Full => Ok(()),
            State::ReadOnly => Err(Error::ReadOnly { cause: cause() }),
            State::Failed => Err(Error::Failed { cause: cause() }),
        }
    }

    /// After a failed write or sync: waits for space if that is what is missing and the log can be brought
    /// back to its last record, and stops the store otherwise.
    pub(crate) fn stop(&mut self, error: Error) -> Error {
        if !matches!(error, Error::NoSpace { .. }) {
            return self.poison(error);
        }
        if let Err(internal) = self.machine.step(Event::SpaceRanOut) {
            return internal;
        }
        if self.syncing {
            // The next write undoes it.
            return error;
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
            let names = self.dir.names();
            self.dir.remove(name)?;
            self.dir.sync_names(names)?;
            self.unfinished = None;
        }
        if self.writer()?.mend()? {
            self.all_durable(self.last_sequence());
        }
        Ok(())
    }

    /// Stops all writing: what the disk holds of the last record is unknown, and neither going on behind it
    /// nor syncing again could be right.
    pub(crate) fn poison(&mut self, error: Error) -> Error {
        if self.state() != State::Failed {
            self.cause = Some(error.to_string());
        }
        match self.machine.step(Event::DiskFailed) {
            Ok(()) => error,
            Err(internal) => internal,
        }
    }
}

/// Above this, a buffer that one large record needed is given back.
const SCRATCH_KEPT_MAX: usize = 1 << 20;

const NO_LOG: Error = Error::Internal { what: "a write without a log" };
