//! The store for many threads.
//!
//! The log and the files are behind one lock, the state in memory behind another. The first is let go while a
//! sync runs, and while a compaction writes its snapshot; the second is held only to look something up or to
//! apply what is durable. So readers wait for no sync and no compaction, and a writer waits for the sync that
//! makes its own write durable, and for the one before it.

mod hub;
mod monitor;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use unplug_vfs::Vfs;

use crate::compaction::Progress;
use crate::error::Error;
use crate::options::Options;
use crate::record::{self, Batch};
use crate::recovery::RecoveryReport;
use crate::state::State;
use crate::stats::Stats;
use crate::store::Store;
use crate::view::View;
use hub::Hub;
use monitor::StdMonitor;

type StdHub = Hub<StdMonitor<hub::Inner>>;

/// A store that many threads read and write; a clone is another handle on it.
///
/// Writes return when they are as durable as [`SyncPolicy`](crate::SyncPolicy) says; those of several threads
/// that wait at the same time share one sync. They take effect in the order of the log. What a read shows is
/// durable under [`SyncPolicy::EveryWrite`](crate::SyncPolicy::EveryWrite). A thread of the store's own compacts
/// when it is time, and syncs for [`SyncPolicy::Interval`](crate::SyncPolicy::Interval), by the system's clock.
///
/// When the last handle goes, the thread ends and a compaction that is not done is given up; nothing is synced
/// then: see [`close`](Shared::close).
#[derive(Clone)]
pub struct Shared {
    hub: Arc<StdHub>,
    worker: Arc<Worker>,
}

/// The store's own thread, which ends with the last handle.
struct Worker {
    hub: Arc<StdHub>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.hub.stop();
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, nothing would depend on it.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Opens a store as [`Store::open`] does.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path, options: Options) -> Result<Shared, Error> {
        Shared::new(Store::open(vfs, dir, options)?)
    }

    /// Shares an open store.
    pub fn new(store: Store) -> Result<Shared, Error> {
        let path = store.core.dir.path().to_path_buf();
        let hub = Arc::new(StdHub::new(store));
        let own = hub.clone();
        let thread = std::thread::Builder::new().name("unplug-engine".to_string());
        let thread =
            thread.spawn(move || own.work()).map_err(|e| Error::io("start a thread for", &path, e))?;
        let worker = Arc::new(Worker { hub: hub.clone(), thread: Some(thread) });
        Ok(Shared { hub, worker })
    }

    /// Puts a value under a key.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        record::check_lengths(key.len(), value.len())?;
        let mut batch = Batch::new();
        batch.put(key, value);
        self.hub.write(batch.ops)
    }

    /// Deletes a key, whether it is there or not.
    pub fn delete(&self, key: &[u8]) -> Result<(), Error> {
        record::check_lengths(key.len(), 0)?;
        let mut batch = Batch::new();
        batch.delete(key);
        self.hub.write(batch.ops)
    }

    /// Applies all operations of a batch, in order, or none of them.
    pub fn write(&self, batch: Batch) -> Result<(), Error> {
        batch.check()?;
        if batch.is_empty() { Ok(()) } else { self.hub.write(batch.ops) }
    }

    /// Makes all writes that have returned durable.
    pub fn sync(&self) -> Result<(), Error> {
        self.hub.sync()
    }

    /// Replaces the log by a snapshot, while others go on reading and writing; returns when that is done.
    pub fn compact(&self) -> Result<(), Error> {
        self.hub.compact()
    }

    /// Makes a snapshot hold all writes before this one, unless one does, so that no log segment with nothing
    /// but such writes is left, retained ones included; returns whether there was anything to do. Others go on
    /// meanwhile; writers wait only while files are removed.
    pub fn clean_log_before(&self, sequence: u64) -> Result<bool, Error> {
        self.hub.clean_log_before(sequence)
    }

    /// How far the compaction at work has come; None without one.
    pub fn compaction(&self) -> Option<Progress> {
        self.hub.progress()
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        self.hub.memory().get(key).cloned()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.hub.memory().len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole state as it is now, which stays so whatever is written later. It costs nothing to take.
    pub fn view(&self) -> View {
        self.hub.view()
    }

    /// What the store has done since it was opened.
    pub fn stats(&self) -> Stats {
        self.hub.stats()
    }

    /// What the store is doing.
    pub fn state(&self) -> State {
        self.hub.with_core(|core| core.state())
    }

    /// The current epoch: 1 for a new store, one more after each compaction.
    pub fn epoch(&self) -> u64 {
        self.hub.with_core(|core| core.live.epoch)
    }

    /// All writes up to this one are durable.
    pub fn durable_sequence(&self) -> u64 {
        self.hub.with_core(|core| core.durable)
    }

    /// The number of the last write in the log.
    pub fn last_sequence(&self) -> u64 {
        self.hub.with_core(|core| core.last_sequence())
    }

    /// What recovery found when the store was opened.
    pub fn recovery(&self) -> RecoveryReport {
        self.hub.with_core(|core| core.report.clone())
    }

    /// Why the last automatic compaction was rolled back; None once one has succeeded.
    pub fn last_compaction_error(&self) -> Option<Error> {
        self.hub.with_core(|core| core.last_compaction_error.as_ref().map(Error::again))
    }

    /// Syncs what has returned. Other handles stay usable; the files are let go with the last one.
    pub fn close(self) -> Result<(), Error> {
        let Shared { hub, worker } = self;
        let synced = match hub.with_core(|core| core.state()) {
            State::ReadOnly => Ok(()),
            _ => hub.sync(),
        };
        drop(worker);
        synced
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("state", &self.state())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
