//! The workers of one exploration: which crash points are still worth their while, and who has nothing left
//! to do and may help with a crash point of somebody else's.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::crash_point::{Coverage, Explorer, Found, Walk};
use crate::subject::Subject;

/// What the workers share.
pub struct Crew {
    violated: AtomicUsize,
    idle: AtomicUsize,
}

impl Crew {
    /// `idle` workers have nothing to do from the start.
    pub fn new(idle: usize) -> Crew {
        Crew { violated: AtomicUsize::new(usize::MAX), idle: AtomicUsize::new(idle) }
    }

    /// The first crash point known to be violated, `usize::MAX` for none: work behind it is in vain.
    pub fn violated(&self) -> usize {
        self.violated.load(Ordering::Relaxed)
    }

    pub fn note_violated(&self, index: usize) {
        self.violated.fetch_min(index, Ordering::Relaxed);
    }

    /// A worker has nothing left to do.
    pub fn release(&self) {
        self.idle.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes an idle worker, if there is one.
    fn take(&self) -> bool {
        self.idle.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |idle| idle.checked_sub(1)).is_ok()
    }
}

/// What came of a crash point, or of a part of one explored by itself.
pub(super) struct Explored<St> {
    pub recoveries: u64,
    pub faults_fired: u64,
    pub coverage: Coverage,
    pub found: Option<Box<Found<St>>>,
}

impl<'a, S: Subject> Explorer<'a, S> {
    /// Explores something, counted from nothing.
    pub(super) fn counted(
        &mut self,
        explore: impl FnOnce(&mut Explorer<'a, S>) -> Walk<S::State>,
    ) -> Explored<S::State> {
        (self.recoveries, self.faults_fired, self.coverage) = (0, 0, Coverage::Exhausted);
        let found = explore(self).break_value();
        let Explorer { recoveries, faults_fired, coverage, .. } = *self;
        Explored { recoveries, faults_fired, coverage, found }
    }

    /// Explores the parts of a crash point one after another; from the moment on that another worker has nothing
    /// to do, together with it. What comes out is the same: the first violation in the order of the parts, and
    /// all recoveries up to it.
    pub(super) fn in_parts<T: Sync>(
        &mut self,
        parts: &[T],
        explore: impl Fn(&mut Explorer<'a, S>, &T) -> Walk<S::State> + Sync,
    ) -> Walk<S::State> {
        for (index, part) in parts.iter().enumerate() {
            let rest = &parts[index..];
            if rest.len() > 1 && self.observer.is_none() && self.crew.take() {
                return self.together(rest, explore);
            }
            explore(self, part)?;
        }
        ControlFlow::Continue(())
    }

    /// The same, with a worker that was idle, and those that become so.
    fn together<T: Sync>(
        &mut self,
        parts: &[T],
        explore: impl Fn(&mut Explorer<'a, S>, &T) -> Walk<S::State> + Sync,
    ) -> Walk<S::State> {
        let Explorer { subject, settings, epilogue, crew, index, killed_at, behind_faults, .. } = *self;
        let beside = || {
            let mut explorer = Explorer::new(subject, settings, epilogue, crew);
            explorer.index = index;
            explorer.killed_at = killed_at;
            explorer.behind_faults = behind_faults;
            explorer
        };
        let limit = settings.limit;
        let next = AtomicUsize::new(0);
        // Behind it all is in vain: it found a violation, or alone reached the limit.
        let last = AtomicUsize::new(usize::MAX);
        let mut done: Vec<Option<Explored<S::State>>> = Vec::new();
        done.resize_with(parts.len(), || None);
        let done = Mutex::new(done);
        // Explores one more part; false if none is left.
        let step = |explorer: &mut Explorer<'a, S>| {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= parts.len() || last.load(Ordering::Relaxed) < index {
                return false;
            }
            let part = explorer.counted(|explorer| explore(explorer, &parts[index]));
            if part.found.is_some() || part.recoveries >= limit {
                last.fetch_min(index, Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(part);
            true
        };
        let others = || {
            let mut explorer = beside();
            while step(&mut explorer) {}
            crew.release();
        };
        std::thread::scope(|scope| {
            scope.spawn(others);
            let mut own = beside();
            while step(&mut own) {
                while crew.take() {
                    scope.spawn(others);
                }
            }
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (part, done) in parts.iter().zip(done) {
            match done {
                Some(done) if self.recoveries + done.recoveries < limit => {
                    self.recoveries += done.recoveries;
                    self.faults_fired += done.faults_fired;
                    self.coverage = self.coverage.max(done.coverage);
                    if let Some(found) = done.found {
                        return ControlFlow::Break(found);
                    }
                }
                // Where exactly the limit ends it depends on what came before.
                _ => explore(self, part)?,
            }
        }
        ControlFlow::Continue(())
    }
}
