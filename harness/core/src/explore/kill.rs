//! A process is killed, between two calls or between two pages of a write: the cache stays, the next process recovers from it and goes on in the same layer.
//! What it read, and acknowledged on the strength of it, may never have reached the disk: so the power is cut
//! at every barrier of its recovery and of what follows.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::crash_point::{Crashed, Explorer, Found, Walk, worth_crashing};
use super::judge::{end_failure, refused};
use super::pool::Prepared;
use super::process::{self, End};
use super::token::CrashEvidence;
use super::{CrashPoint, Step};
use crate::disk::{CrashedLayer, Finished, Recording, SimDisk, World};
use crate::fault::Injector;
use crate::model::{Model, Persisted};
use crate::oracle::{Failure, History, epoch};
use crate::subject::{Outcome, Subject};
use crate::trace::{Call, EventKind, Mark, Pos};

/// The process that went on after a kill, run to its end.
pub(super) struct Successor<St> {
    /// What had been promised when the first process was killed.
    before: Arc<History<St>>,
    /// What this one promised.
    own: Arc<History<St>>,
    killed_at: Pos,
    recovered_at: Pos,
    recording: Arc<Recording>,
    persisted: Arc<Persisted>,
    /// Where it may be crashed.
    at: Vec<Pos>,
}

impl<St> Successor<St> {
    /// The disks that power losses of it leave, with what the oracle knows of each.
    pub fn crashes(&self) -> Vec<(Arc<World>, Vec<Crashed<St>>)>
    where
        St: Clone,
    {
        let mut first = self.killed_at + 1;
        let mut crashes = Vec::new();
        for at in self.at.iter().copied() {
            let (recording, persisted) = (self.recording.clone(), self.persisted.clone());
            let world = World::empty(recording.rules()).crash(CrashedLayer { recording, persisted, at }, &[]);
            let before = Crashed { layer: 0, history: self.before.clone(), recovered_at: None, first, at };
            let recovered_at = Some(self.recovered_at);
            let own = Crashed { layer: 0, history: self.own.clone(), recovered_at, first, at };
            crashes.push((Arc::new(world), vec![before, own]));
            first = at + 1;
        }
        crashes
    }
}

impl<S: Subject> Explorer<'_, S> {
    /// Explores a kill and the power losses after it.
    pub fn kill_point(&mut self, prepared: &Prepared<S>, point: CrashPoint) -> Walk<S::State> {
        self.killed_at = None;
        let successor = self.resume(prepared, point)?;
        self.killed_at = Some(point.at);
        for (world, stack) in successor.crashes() {
            let crashes = vec![CrashEvidence { at: world.layers[0].at, choices: Vec::new() }];
            self.world(&world, &stack, &crashes)?;
            if self.stopped() {
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// Kills the workload at `point` and lets the next process recover and go on.
    pub(super) fn resume(
        &mut self,
        prepared: &Prepared<S>,
        point: CrashPoint,
    ) -> Walk<S::State, Successor<S::State>> {
        self.recoveries += 1;
        let empty = Arc::new(World::empty(prepared.recording.rules()));
        let recording = until_kill(&prepared.recording, &empty, point);
        let disk = SimDisk::resume(empty, recording, self.settings.calls_max, Default::default());
        disk.inject(Injector::for_recovery(&self.settings.faults, true));
        let mut recovered_at = disk.position();
        let mut outcomes = Vec::new();
        let end = match process::recover(self.subject, Arc::new(disk.clone())) {
            Err(end) => end,
            Ok((mut store, state)) => {
                recovered_at = disk.position();
                disk.mark(Mark::Recovered);
                let went_on = process::go_on(self.subject, &mut store, &disk, &prepared.epilogue);
                drop(store);
                match went_on {
                    Ok(ends) => {
                        outcomes = ends;
                        End::State(Arc::new(state))
                    }
                    Err(end) => end,
                }
            }
        };
        let finished = disk.finish();
        self.faults_fired += finished.faults.fired().len() as u64;
        if !matches!(end, End::State(_)) {
            recovered_at = finished.recording.trace.end();
        }
        let before = Arc::new(prepared.history.cut(point.at));
        if let Some(observer) = &mut self.observer {
            let (first, at) = (point.first, point.at);
            let crashed = Crashed { layer: 0, history: before.clone(), recovered_at: None, first, at };
            let state = if let End::State(state) = &end { Some(state) } else { None };
            observer(&[crashed], &[first], state.map(|state| &**state));
        }
        match self.wrong(prepared, point, &before, (&end, &outcomes, &finished.faults)) {
            Some(found) if self.observer.is_none() => ControlFlow::Break(Box::new(found)),
            _ => {
                let state = match end {
                    End::State(state) => S::State::clone(&state),
                    _ => self.subject.initial_state(),
                };
                ControlFlow::Continue(successor(
                    self.subject,
                    &self.settings.model,
                    &prepared.epilogue,
                    Went { point, before, state, recovered_at, outcomes, finished },
                ))
            }
        }
    }

    /// What is wrong with the recovery from the cache alone.
    fn wrong(
        &self,
        prepared: &Prepared<S>,
        point: CrashPoint,
        before: &Arc<History<S::State>>,
        (end, outcomes, faults): (&End<S::State>, &[Outcome], &Injector),
    ) -> Option<Found<S::State>> {
        let (at, failing, failure): (Pos, Option<usize>, Failure) = match end {
            End::State(state) => match epoch::check(self.subject, before, state, (point.first, point.at)) {
                Err((at, failure)) => (at, Some(0), failure),
                Ok(()) if !faults.fired().is_empty() => return None,
                Ok(()) => (point.at, None, refused(outcomes, &prepared.epilogue)?),
            },
            End::Failed(_) if !faults.fired().is_empty() => return None,
            other => (point.at, None, end_failure(other)),
        };
        let world = match point.written {
            0 => prepared.world(CrashPoint { at, ..point }),
            _ => self.world_inside_write(prepared, point),
        };
        let stack =
            vec![Crashed { layer: 0, history: before.clone(), recovered_at: None, first: point.first, at }];
        Some(Found {
            failure,
            world,
            decided: Vec::new(),
            crashes: Vec::new(),
            positions: vec![at],
            failing,
            killed_at: Some(point.at),
            aftermath: false,
            faults: Injector::for_recovery(&self.settings.faults, true),
            lying: false,
            stack,
        })
    }
}

impl<S: Subject> Explorer<'_, S> {
    /// The disk under a kill inside a write: its first part is the last that the process did.
    fn world_inside_write(&self, prepared: &Prepared<S>, point: CrashPoint) -> Arc<World> {
        let empty = World::empty(prepared.recording.rules());
        let recording = Arc::new(until_kill(&prepared.recording, &empty, point));
        let persisted = Arc::new(Persisted::new(&self.settings.model, &recording));
        Arc::new(empty.crash(CrashedLayer { recording, persisted, at: point.at }, &[]))
    }
}

/// What the process had done when it was killed.
fn until_kill(recording: &Recording, below: &World, point: CrashPoint) -> Recording {
    match point.written {
        0 => recording.replayed_until(below.rules, below, point.at),
        written => recording.replayed_into_write(below.rules, below, point.at, written),
    }
}

/// How many bytes of its last write a process, killed at `at`, had written, if that was not all of them: what it
/// had done is compared with what the workload does.
pub(super) fn written(workload: &Recording, killed: &Recording, at: Option<Pos>) -> u32 {
    let last = at.and_then(|at| at.checked_sub(1)).unwrap_or(Pos::MAX) as usize;
    let length = |recording: &Recording| match recording.trace.events.get(last).map(|event| &event.kind) {
        Some(EventKind::Call(Call::Write { data, .. })) => data.len,
        _ => 0,
    };
    if length(killed) < length(workload) { length(killed) } else { 0 }
}

struct Went<St> {
    point: CrashPoint,
    before: Arc<History<St>>,
    state: St,
    recovered_at: Pos,
    outcomes: Vec<Outcome>,
    finished: Finished,
}

fn successor<S: Subject>(
    subject: &S,
    model: &Model,
    epilogue: &[Step<S::Op>],
    went: Went<S::State>,
) -> Successor<S::State> {
    let Went { point, before, state, recovered_at, outcomes, finished } = went;
    let recording = Arc::new(finished.recording);
    let persisted = Arc::new(Persisted::new(model, &recording));
    let own = History::new(subject, state, epilogue, &outcomes, &recording.trace, recovered_at);
    let at = worth_crashing(&finished.barriers, &persisted).iter().map(|barrier| barrier.at).collect();
    let own = Arc::new(own);
    Successor { before, own, killed_at: point.at, recovered_at, recording, persisted, at }
}
