//! One recovery on an undetermined disk.

use std::sync::Arc;

use super::crash_point::Explorer;
use super::process::{self, End};
use crate::disk::{Chooser, Finished, SimDisk, World};
use crate::fault::Injector;
use crate::subject::{Outcome, Subject};
use crate::trace::{Mark, Pos};

/// A recovery that ran on an undetermined disk.
pub(super) struct Leaf<St> {
    pub end: End<St>,
    pub finished: Finished,
    pub recovered_at: Option<Pos>,
    pub outcomes: Vec<Outcome>,
}

impl<S: Subject> Explorer<'_, S> {
    /// One recovery, and with `nested` what a user does after it.
    pub(super) fn run(&mut self, world: &Arc<World>, chooser: Chooser, nested: bool) -> Leaf<S::State> {
        self.recoveries += 1;
        let scratch = std::mem::take(&mut self.scratch);
        let calls_max = self.settings.calls_max;
        let disk = match nested {
            true => SimDisk::new(world.clone(), chooser, calls_max, scratch),
            false => SimDisk::last(world.clone(), chooser, calls_max, scratch),
        };
        if self.settings.has_recovery_faults() {
            disk.inject(self.recovery_faults(world));
        }
        let mut outcomes = Vec::new();
        let mut recovered_at = None;
        let end = match process::recover(self.subject, Arc::new(disk.clone())) {
            Err(end) => end,
            Ok((mut store, state)) => {
                let mut end = End::State(Arc::new(state));
                if nested {
                    recovered_at = Some(disk.position());
                    disk.mark(Mark::Recovered);
                    match process::go_on(self.subject, &mut store, &disk, self.epilogue) {
                        Ok(ends) => outcomes = ends,
                        Err(broken) => end = broken,
                    }
                }
                let finished = disk.finish();
                self.faults_fired += finished.faults.fired().len() as u64;
                drop(store);
                return Leaf { end, finished, recovered_at, outcomes };
            }
        };
        let finished = disk.finish();
        self.faults_fired += finished.faults.fired().len() as u64;
        Leaf { end, finished, recovered_at, outcomes }
    }

    /// One recovery that nobody crashes and in which nothing fails. What another one was told need not run again.
    pub(super) fn run_unless_known(&mut self, world: &Arc<World>, chooser: Chooser) -> Leaf<S::State> {
        let leaf = |end, finished| Leaf { end, finished, recovered_at: None, outcomes: Vec::new() };
        match self.memo.look_up(world, chooser, &mut self.scratch) {
            Ok((state, finished)) => {
                self.recoveries += 1;
                leaf(End::State(state), finished)
            }
            Err(chooser) => {
                let mut leaf = self.run(world, chooser, false);
                let end = if let End::State(state) = &leaf.end { Some(state.clone()) } else { None };
                let Finished { scratch, decided, .. } = &mut leaf.finished;
                self.memo.learn(world, scratch, decided, end);
                leaf
            }
        }
    }

    /// What fails in a recovery on this disk.
    pub(super) fn recovery_faults(&self, world: &World) -> Injector {
        let is_first = world.layers.len() == 1 && self.killed_at.is_none();
        Injector::for_recovery(&self.settings.faults, is_first)
    }
}
