//! The protocol between the threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use crate::compaction::{Compaction, Progress};
use crate::core::Core;
use crate::error::Error;
use crate::group::Group;
use crate::memory::Memory;
use crate::options::SyncPolicy;
use crate::record::{self, Op};
use crate::stats::{Clock, Measured, Stats};
use crate::store::Store;
use crate::view::View;

use super::monitor::{Monitor, Place};

/// Bytes of a snapshot that are written between two looks at whether to stop.
const STEP_BYTES: usize = 256 << 10;

/// A group waits for more writers for this share of a sync at most,
const GATHER_SHARE: u32 = 2;

/// and for no longer than this.
const GATHER_MAX: Duration = Duration::from_millis(1);

/// What all threads share. Whoever needs both locks takes the one of `inner` first.
pub(super) struct Hub<M> {
    inner: M,
    memory: RwLock<Memory>,
    /// The last write that memory shows.
    applied: AtomicU64,
    clock: Option<Clock>,
}

/// What is behind the lock.
pub(super) struct Inner {
    core: Core,
    group: Group,
    /// A sync of the log runs: it must not be rotated, mended or synced.
    syncing: bool,
    /// A thread is about to lead a group, and lets others join.
    gathering: bool,
    /// How many writers the last group had, and those who came while its sync ran.
    writers: usize,
    /// How long that sync took.
    sync_time: Duration,
    /// The worker waits for the end of the sync that runs, and no other is to begin before its turn.
    cutting: bool,
    /// Compactions that were asked for, and the answers to those that are done.
    compaction: Requests,
    progress: Option<Progress>,
    stopping: bool,
}

/// Numbered requests, answered in order.
#[derive(Default)]
struct Requests {
    asked: u64,
    /// The last one that the compaction at work is for.
    begun: u64,
    done: u64,
    last: Option<Error>,
}

impl<M: Monitor<Inner>> Hub<M> {
    pub(super) fn new(store: Store) -> Hub<M> {
        let Store { core, memory } = store;
        let clock = core.recorder.clock();
        let applied = AtomicU64::new(core.last_sequence());
        let inner = Inner {
            core,
            group: Group::default(),
            syncing: false,
            gathering: false,
            writers: 0,
            sync_time: Duration::ZERO,
            cutting: false,
            compaction: Requests::default(),
            progress: None,
            stopping: false,
        };
        Hub { inner: M::new(inner), memory: RwLock::new(memory), applied, clock }
    }

    pub(super) fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies writes, of which this is the last.
    fn apply(&self, all: &mut dyn Iterator<Item = Vec<Op>>, sequence: u64) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        all.for_each(|ops| memory.apply_all(ops));
        self.applied.store(sequence, Ordering::Relaxed);
    }

    pub(super) fn with_core<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        look(&self.inner.lock().core)
    }

    pub(super) fn stats(&self) -> Stats {
        let inner = self.inner.lock();
        let memory = self.memory().clone();
        let stats = inner.core.stats(&memory);
        drop(inner);
        Stats { memory_bytes: memory.memory_bytes(), ..stats }
    }

    pub(super) fn progress(&self) -> Option<Progress> {
        self.inner.lock().progress
    }

    pub(super) fn view(&self) -> View {
        // The number changes only while the state is locked.
        let memory = self.memory();
        View::new(memory.clone(), self.applied.load(Ordering::Relaxed))
    }

    pub(super) fn write(&self, ops: Vec<Op>) -> Result<(), Error> {
        let start = self.clock.as_ref().map(Clock::now);
        let inner = self.inner.lock();
        match inner.core.options.sync {
            SyncPolicy::EveryWrite => self.write_in_group(inner, ops, start),
            _ => self.write_alone(inner, ops, start),
        }
    }

    /// Submits, and then either leads a group through its sync or waits until somebody has.
    fn write_in_group<'a>(
        &'a self,
        mut inner: M::Guard<'a>,
        ops: Vec<Op>,
        start: Option<Duration>,
    ) -> Result<(), Error> {
        let ticket = inner.group.submit(ops);
        let mut leads = false;
        loop {
            if let Some(answer) = inner.group.take(ticket) {
                inner.core.recorder.measured(Measured::Write, start);
                drop(inner);
                if leads {
                    // Those who wake now find the lock free.
                    self.inner.notify(Place::Caller);
                }
                return answer;
            }
            if inner.syncing || inner.cutting || inner.gathering {
                inner = self.inner.wait(Place::Caller, inner);
                continue;
            }
            inner = self.gather(inner);
            if !inner.syncing && !inner.cutting {
                inner = self.lead(inner);
                leads = true;
            }
        }
    }

    /// Waits a moment for those whom the last group has just answered: else they would miss this one, and there
    /// would be two groups of half the size taking turns.
    fn gather<'a>(&'a self, mut inner: M::Guard<'a>) -> M::Guard<'a> {
        if inner.group.waiting() >= inner.writers {
            return inner;
        }
        let time = (inner.sync_time / GATHER_SHARE).min(GATHER_MAX);
        inner.gathering = true;
        let enough = |it: &Inner| it.group.waiting() >= it.writers || it.cutting;
        let mut inner = self.inner.gather(inner, time, enough);
        inner.gathering = false;
        inner
    }

    /// Puts all writes that wait into the log, syncs it without the lock, and answers them, the leader's own
    /// among them: it wakes the others on its way out.
    fn lead<'a>(&'a self, mut inner: M::Guard<'a>) -> M::Guard<'a> {
        let it = &mut *inner;
        let Some(flight) = it.group.begin(&mut it.core) else { return inner };
        inner.syncing = true;
        let start = inner.core.recorder.start();
        drop(inner);
        let began = Instant::now();
        let result = flight.run();
        let mut inner = self.inner.lock();
        let it = &mut *inner;
        it.sync_time = began.elapsed();
        it.writers = flight.len() + it.group.waiting();
        let sequence = flight.sequence();
        it.group.finish(&mut it.core, flight, (start, result), |all| self.apply(all, sequence));
        inner.syncing = false;
        if self.is_time(&inner) {
            self.inner.notify(Place::Worker);
        }
        inner
    }

    /// Under the policies that let writes return before they are durable.
    fn write_alone<'a>(
        &'a self,
        mut inner: M::Guard<'a>,
        ops: Vec<Op>,
        start: Option<Duration>,
    ) -> Result<(), Error> {
        let len = record::encoded_len(&ops);
        while inner.syncing && inner.core.would_sync_before(len) {
            inner = self.inner.wait(Place::Caller, inner);
        }
        inner.core.check_writable()?;
        inner.core.append(ops.len(), |record| record::push_ops(record, &ops))?;
        self.apply(&mut std::iter::once(ops), inner.core.last_sequence());
        while inner.core.wants_sync(0) {
            inner = self.sync_once(inner)?;
        }
        inner.core.recorder.measured(Measured::Write, start);
        if !inner.core.is_failed() && inner.core.wants_compaction(&self.memory()) {
            self.inner.notify(Place::Worker);
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        while inner.syncing {
            inner = self.inner.wait(Place::Caller, inner);
        }
        inner.core.check_writable()?;
        let wanted = inner.core.last_sequence();
        while inner.core.durable < wanted {
            inner = self.sync_once(inner)?;
        }
        Ok(())
    }

    /// Syncs the log without the lock, or waits for the sync that runs.
    fn sync_once<'a>(&'a self, mut inner: M::Guard<'a>) -> Result<M::Guard<'a>, Error> {
        if inner.syncing || inner.cutting {
            return Ok(self.inner.wait(Place::Caller, inner));
        }
        inner.core.check_writable()?;
        let sequence = inner.core.last_sequence();
        let Some(syncing) = inner.core.begin_sync()? else {
            inner.core.sync()?;
            return Ok(inner);
        };
        inner.syncing = true;
        let start = inner.core.recorder.start();
        drop(inner);
        let result = syncing.run();
        let mut inner = self.inner.lock();
        inner.syncing = false;
        self.inner.notify(Place::Caller);
        inner.core.finish_sync(&syncing, sequence, result)?;
        inner.core.synced(start);
        Ok(inner)
    }

    /// Asks the worker for a compaction that holds all that has returned, and waits for it.
    pub(super) fn compact(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        inner.core.check_writable_now()?;
        inner.compaction.asked += 1;
        let mine = inner.compaction.asked;
        self.inner.notify(Place::Worker);
        while inner.compaction.done < mine && !inner.stopping {
            inner = self.inner.wait(Place::Caller, inner);
        }
        match &inner.compaction.last {
            Some(e) => Err(e.again()),
            None => Ok(()),
        }
    }

    /// Compacts if the log holds a write before this one, and removes the retained segments that hold nothing else.
    pub(super) fn clean_log_before(&self, sequence: u64) -> Result<bool, Error> {
        let inner = self.inner.lock();
        inner.core.check_writable_now()?;
        let covered = inner.core.is_log_clean_before(sequence);
        drop(inner);
        if !covered {
            self.compact()?;
        }
        let dropped = self.inner.lock().core.drop_retained_before(sequence)?;
        Ok(dropped || !covered)
    }

    pub(super) fn stop(&self) {
        self.inner.lock().stopping = true;
        self.inner.notify(Place::Worker);
        self.inner.notify(Place::Caller);
    }

    /// The worker's life: compactions and syncs at intervals, until it is to stop.
    pub(super) fn work(&self) {
        let start = Instant::now();
        let mut inner = self.inner.lock();
        while !inner.stopping {
            let asked = inner.compaction.asked > inner.compaction.done;
            if asked || self.is_time(&inner) {
                inner = self.compact_now(inner);
            } else if inner.core.is_due(start.elapsed()) {
                // A failed sync is in the store's state; nobody waits for this one.
                inner = match self.sync_once(inner) {
                    Ok(inner) => inner,
                    Err(_) => self.inner.lock(),
                };
            } else {
                inner = match inner.core.options.sync {
                    SyncPolicy::Interval(period) => {
                        let pause = (period / 4).clamp(Duration::from_millis(1), Duration::from_secs(1));
                        self.inner.wait_for(Place::Worker, inner, pause)
                    }
                    _ => self.inner.wait(Place::Worker, inner),
                };
            }
        }
    }

    /// Whether a compaction is due. One that has failed is tried again after the next write.
    fn is_time(&self, inner: &M::Guard<'_>) -> bool {
        let core = &inner.core;
        let tried = core.last_compaction_error.is_some() && core.tried_at == core.last_sequence();
        !core.is_failed() && !tried && core.wants_compaction(&self.memory())
    }

    /// A whole compaction: the lock is held only for the steps that need the store.
    fn compact_now<'a>(&'a self, mut inner: M::Guard<'a>) -> M::Guard<'a> {
        inner.compaction.begun = inner.compaction.asked;
        if inner.compaction.begun > inner.compaction.done {
            inner.core.failed_cut = None;
        }
        inner.cutting = true;
        while inner.syncing {
            inner = self.inner.wait(Place::Caller, inner);
        }
        inner.cutting = false;
        let begun = inner.core.begin_compaction(&self.memory());
        self.inner.notify(Place::Caller);
        let (mut inner, result) = match begun {
            Ok(()) => self.run(inner),
            Err(e) => (inner, Err(e)),
        };
        inner.core.tried_at = inner.core.last_sequence();
        inner.progress = None;
        let requests = &mut inner.compaction;
        requests.done = requests.begun;
        requests.last = result.as_ref().err().map(Error::again);
        inner.core.last_compaction_error = result.err();
        self.inner.notify(Place::Caller);
        inner
    }

    fn run<'a>(&'a self, mut inner: M::Guard<'a>) -> (M::Guard<'a>, Result<(), Error>) {
        while let Some(mut compaction) = inner.core.compaction.take() {
            inner.progress = Some(compaction.progress());
            if inner.stopping {
                inner.core.compaction = Some(compaction);
                let result = inner.core.cancel_compaction();
                return (inner, result);
            }
            let result = if compaction.needs_store() {
                // Rolling back must not meet a sync of the log either.
                inner.core.step_in_compaction(&mut compaction)
            } else {
                drop(inner);
                let result = self.step_alone(&mut compaction);
                inner = self.inner.lock();
                result
            };
            if let Err(e) = inner.core.after_compaction_step(compaction, result) {
                return (inner, Err(e));
            }
        }
        (inner, Ok(()))
    }

    fn step_alone(&self, compaction: &mut Compaction) -> Result<bool, Error> {
        compaction.step_alone(STEP_BYTES).map(|()| false)
    }
}
