//! The store: reads, and the one funnel that all writes go through.

use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use unplug_vfs::Vfs;

use crate::compaction::Progress;
use crate::core::Core;
use crate::error::Error;
use crate::memory::{Entries, Memory};
use crate::options::Options;
use crate::planted::Planted;
use crate::record::{self, Batch};
use crate::recovery::{self, RecoveryReport};
use crate::state::State;
use crate::stats::{Measured, Stats};
use crate::view::View;

/// An ordered map of byte strings that survives crashes.
///
/// Keys are up to [`KEY_BYTES_MAX`](crate::KEY_BYTES_MAX) bytes, values up to
/// [`VALUE_BYTES_MAX`](crate::VALUE_BYTES_MAX), a batch up to [`BATCH_BYTES_MAX`](crate::BATCH_BYTES_MAX); the
/// empty key and the empty value are like any other.
///
/// A write that returns Ok is durable, or will be when a later [`sync`](Store::sync) returns: see
/// [`SyncPolicy`](crate::SyncPolicy). A write that returns an error either did nothing
/// ([`Error::is_refused`]) or may survive a crash or not; reads go on and show the state without it. After a
/// failed sync, or a write that failed for another reason than want of space, the store takes no more writes,
/// and opening it again settles the matter. After a write that found the disk full the store undoes what was
/// written of it, and goes on with the next write for which there is space.
///
/// A store is for one thread, and everything it does happens within the call that asks for it: on the same
/// calls it does the same. [`Shared`](crate::Shared) is the same store for many threads.
///
/// Dropping a store does not sync it: see [`close`](Store::close).
pub struct Store {
    pub(crate) core: Core,
    pub(crate) memory: Memory,
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

    /// Puts a value under a key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        record::check_lengths(key.len(), value.len())?;
        let start = self.core.recorder.start();
        self.core.check_writable()?;
        self.core.append(1, |record| record::push_op(record, key, Some(value)))?;
        self.commit(start, |memory| memory.put(key, value.into()))
    }

    /// Deletes a key; returns whether it was there. A key that is not there costs nothing.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool, Error> {
        record::check_lengths(key.len(), 0)?;
        let start = self.core.recorder.start();
        self.core.check_writable()?;
        if !self.memory.contains(key) {
            return Ok(false);
        }
        self.core.append(1, |record| record::push_op(record, key, None))?;
        self.commit(start, |memory| memory.remove(key))?;
        Ok(true)
    }

    /// Applies all operations of a batch, in order, or none of them.
    pub fn write(&mut self, batch: Batch) -> Result<(), Error> {
        batch.check()?;
        let start = self.core.recorder.start();
        self.core.check_writable()?;
        if batch.is_empty() {
            return Ok(());
        }
        self.core.append(batch.len(), |record| record::push_ops(record, &batch.ops))?;
        self.commit(start, |memory| memory.apply_all(batch.ops))
    }

    /// The funnel behind the log: sync, apply, perhaps compact. Nothing reaches memory that the log refused.
    fn commit(&mut self, start: Option<Duration>, apply: impl FnOnce(&mut Memory)) -> Result<(), Error> {
        if self.core.wants_sync(0) {
            if self.core.options.planted == Planted::AcknowledgedBeforeSync {
                self.core.durable = self.core.last_sequence();
            } else {
                self.core.sync()?;
            }
        }
        apply(&mut self.memory);
        // The write is in the log; what becomes of the compaction is no concern of the writer's.
        self.core.maintain(&self.memory);
        self.core.recorder.measured(Measured::Write, start);
        Ok(())
    }

    /// Makes all writes so far durable.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.core.check_writable()?;
        self.core.sync()
    }

    /// Tells the store the time, measured from any fixed moment. Under
    /// [`SyncPolicy::Interval`](crate::SyncPolicy::Interval) it syncs if writes have waited for the period since
    /// the first tick that found them; returns whether it did. Under any other policy, and without such
    /// writes, nothing happens.
    pub fn tick(&mut self, now: Duration) -> Result<bool, Error> {
        if !self.core.is_due(now) {
            return Ok(false);
        }
        self.sync()?;
        Ok(true)
    }

    /// Replaces the log by a snapshot and begins a new epoch. If it fails, everything is as before, unless
    /// the error says that the store has stopped ([`Store::state`]). One that is at work is brought to its end
    /// first.
    pub fn compact(&mut self) -> Result<(), Error> {
        self.core.check_writable()?;
        self.core.run_compaction()?;
        // It is to hold what was written since, too.
        self.core.failed_cut = None;
        self.core.begin_compaction(&self.memory)?;
        self.core.run_compaction()
    }

    /// Gives up the compaction at work, if there is one; everything it has made is removed.
    pub fn cancel_compaction(&mut self) -> Result<(), Error> {
        self.core.cancel_compaction()
    }

    /// How far the compaction at work has come; None without one.
    pub fn compaction(&self) -> Option<Progress> {
        self.core.compaction.as_ref().map(|compaction| compaction.progress())
    }

    /// Makes a snapshot hold all writes before this one, unless one does, so that no log segment with nothing
    /// but such writes is left, retained ones included; returns whether there was anything to do.
    pub fn clean_log_before(&mut self, sequence: u64) -> Result<bool, Error> {
        self.core.check_writable()?;
        let covered = self.core.is_log_clean_before(sequence);
        if !covered {
            self.compact()?;
        }
        Ok(self.core.drop_retained_before(sequence)? || !covered)
    }

    /// The log segments that snapshots have replaced and that are kept
    /// ([`Options::retain_segments`](crate::Options::retain_segments)), oldest first.
    pub fn retained_log(&self) -> Vec<PathBuf> {
        self.core.retained_log()
    }

    /// What the store has done since it was opened.
    pub fn stats(&self) -> Stats {
        Stats { memory_bytes: self.memory.memory_bytes(), ..self.core.stats(&self.memory) }
    }

    /// The number of the last write; each write and each batch has the next one.
    pub fn last_sequence(&self) -> u64 {
        self.core.last_sequence()
    }

    /// All writes up to this one are durable.
    pub fn durable_sequence(&self) -> u64 {
        self.core.durable
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

    /// The whole state as it is now, which stays so whatever is written later. It costs nothing to take.
    pub fn view(&self) -> View {
        View::new(self.memory.clone(), self.last_sequence())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.memory.len() == 0
    }

    /// The bytes of all keys and values.
    pub fn data_bytes(&self) -> u64 {
        self.memory.bytes()
    }

    /// What the store is doing.
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// The current epoch: 1 for a new store, one more after each compaction.
    pub fn epoch(&self) -> u64 {
        self.core.live.epoch
    }

    /// What recovery found when the store was opened.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.core.report
    }

    /// Why the last automatic compaction was rolled back; None once one has succeeded.
    pub fn last_compaction_error(&self) -> Option<&Error> {
        self.core.last_compaction_error.as_ref()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.core.dir.path())
            .field("state", &self.state())
            .field("epoch", &self.epoch())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
