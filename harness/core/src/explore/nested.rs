//! Crashes of a recovery, put off until the recoveries beside it are known.
//!
//! Many disks lead recovery to the very same calls: a record that is torn after its third piece, or after its
//! fourth, is thrown away alike. What a crash of that recovery leaves differs only in the torn record, which
//! may never be looked at again. So crashes at the same place of recoveries with the same recording, whose
//! disks are *together* again all disks within some bounds, are explored as one undetermined disk: it is asked
//! about the difference only if the next recovery asks.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::crash_point::{Crashed, Explorer, Walk, worth_crashing};
use super::recovery::Leaf;
use super::token::CrashEvidence;
use crate::disk::{Barrier, Bounds, Choice, Chooser, CrashedLayer, Narrowing, Recording, World};
use crate::model::Persisted;
use crate::oracle::History;
use crate::subject::{Outcome, Subject};
use crate::trace::Pos;

/// Recoveries kept before their crashes are explored.
const GROUPS_MAX: usize = 512;
/// How much may be remembered of the disks below them: bounds of cells, and runs of answers, some 16 bytes each.
const REMEMBERED_MAX: usize = 1 << 21;
/// How many sets of disks a new one is held against.
const UNIONS_TRIED: usize = 16;

/// Crashes that wait.
pub(super) struct PutOff<St> {
    groups: Vec<Group<St>>,
    /// How much they remember of the disks below.
    remembered: usize,
    bounds: Bounds,
}

/// Recoveries that did the same.
struct Group<St> {
    recording: Arc<Recording>,
    persisted: Arc<Persisted>,
    history: Arc<History<St>>,
    recovered_at: Option<Pos>,
    state: St,
    outcomes: Vec<Outcome>,
    crashes: Vec<Crash>,
}

/// Places where the same of them may crash, the disks below being the same at each.
struct Crash {
    places: Vec<Place>,
    disks: Vec<Disks>,
}

/// Where a recovery may crash: the positions that the crash stands for, first and last.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    first: Pos,
    at: Pos,
}

/// The disks below that lead there: all legal ones within bounds.
struct Disks {
    bounds: Vec<Narrowing>,
    members: Vec<Member>,
}

/// One recovery that leads there.
struct Member {
    answers: Runs,
    /// How many of them it had when it crashed.
    asked: usize,
}

/// Answers, run by run: most are "the newest".
struct Runs(Vec<(u32, u32)>);

impl<St> PutOff<St> {
    pub fn new() -> PutOff<St> {
        PutOff { groups: Vec::new(), remembered: 0, bounds: Bounds::default() }
    }
}

impl<S: Subject> Explorer<'_, S> {
    /// Puts off the crashes of a recovery that only its path reaches: those behind question number `fixed`.
    pub(super) fn put_off(
        &mut self,
        world: &World,
        leaf: Leaf<S::State>,
        (path, fixed): (&[Choice], usize),
        state: &S::State,
        put_off: &mut PutOff<S::State>,
    ) {
        let Leaf { mut finished, recovered_at, outcomes, .. } = leaf;
        let same = put_off.groups.iter().rposition(|group| {
            group.recovered_at == recovered_at
                && group.outcomes == outcomes
                && group.recording.is_same(&finished.recording)
                && group.state == *state
        });
        let group = match same {
            Some(index) => {
                self.scratch.recycle(std::mem::take(&mut finished.recording));
                &mut put_off.groups[index]
            }
            None => {
                let recording = Arc::new(std::mem::take(&mut finished.recording));
                let persisted = Arc::new(Persisted::new(&self.settings.model, &recording));
                let trace = &recording.trace;
                let from = recovered_at.unwrap_or(trace.end());
                let history =
                    History::new(self.subject, state.clone(), self.epilogue, &outcomes, trace, from);
                let (history, state) = (Arc::new(history), state.clone());
                let crashes = Vec::new();
                put_off.groups.push(Group {
                    recording,
                    persisted,
                    history,
                    recovered_at,
                    state,
                    outcomes,
                    crashes,
                });
                let last = put_off.groups.len() - 1;
                &mut put_off.groups[last]
            }
        };
        let mut first = 0;
        // Once recovery has read all, what it decided is the same at each barrier.
        let mut alike: Vec<(Barrier, Vec<Place>)> = Vec::new();
        for barrier in worth_crashing(&finished.barriers, &group.persisted) {
            let at = barrier.at;
            let is_known = self.behind_faults && finished.faults.first_at().is_none_or(|first| at < first);
            if barrier.asked >= fixed && !is_known {
                let place = Place { first, at };
                match alike.last_mut() {
                    Some((known, places))
                        if (known.asked, known.decided) == (barrier.asked, barrier.decided) =>
                    {
                        places.push(place);
                    }
                    _ => alike.push((barrier, vec![place])),
                }
            }
            first = at + 1;
        }
        for (barrier, places) in alike {
            let bounds = settled(&finished.decided[..barrier.decided]);
            let member = Member { answers: Runs::of(path), asked: barrier.asked };
            put_off.remembered += member.answers.0.len();
            let crash = match group.crashes.iter().position(|crash| crash.places == places) {
                Some(index) => &mut group.crashes[index],
                None => {
                    group.crashes.push(Crash { places, disks: Vec::new() });
                    let last = group.crashes.len() - 1;
                    &mut group.crashes[last]
                }
            };
            let disks = Disks { bounds, members: vec![member] };
            crash.add(world, disks, (&mut put_off.bounds, &mut put_off.remembered));
        }
    }

    /// Explores what waits, if it is much or `all` is asked for.
    pub(super) fn explore_put_off(
        &mut self,
        world: &Arc<World>,
        stack: &[Crashed<S::State>],
        crashes: &[CrashEvidence],
        put_off: &mut PutOff<S::State>,
        all: bool,
    ) -> Walk<S::State> {
        if put_off.groups.len() < GROUPS_MAX && put_off.remembered < REMEMBERED_MAX && !all {
            return ControlFlow::Continue(());
        }
        put_off.remembered = 0;
        let groups = std::mem::take(&mut put_off.groups);
        let mut parts = Vec::new();
        for group in &groups {
            for crash in &group.crashes {
                for place in &crash.places {
                    parts.extend(crash.disks.iter().map(|disks| (group, *place, disks)));
                }
            }
        }
        self.in_parts(&parts, |explorer, part| explorer.explore_disks(world, stack, crashes, *part))
    }

    fn explore_disks(
        &mut self,
        world: &Arc<World>,
        stack: &[Crashed<S::State>],
        crashes: &[CrashEvidence],
        (group, Place { first, at }, disks): (&Group<S::State>, Place, &Disks),
    ) -> Walk<S::State> {
        let explore = |explorer: &mut Self, bounds: &[Narrowing], choices: Vec<u32>| {
            let (recording, persisted) = (group.recording.clone(), group.persisted.clone());
            let next = Arc::new(world.crash(CrashedLayer { recording, persisted, at }, bounds));
            let (layer, history) = (world.layers.len(), group.history.clone());
            let recovered_at = group.recovered_at;
            let (mut stack, mut crashes) = (stack.to_vec(), crashes.to_vec());
            stack.push(Crashed { layer, history, recovered_at, first, at });
            if let Some(last) = crashes.last_mut() {
                last.choices = choices;
            }
            crashes.push(CrashEvidence { at, choices: Vec::new() });
            explorer.world(&next, &stack, &crashes)
        };
        let Some(one) = disks.members.first() else { return ControlFlow::Continue(()) };
        let found = explore(self, &disks.bounds, one.choices());
        if found.is_break() && disks.members.len() > 1 {
            // Which of the recoveries it was decides how to show it again.
            for member in &disks.members {
                let bounds = self.bounds_of(world, member, at);
                explore(self, &bounds, member.choices())?;
            }
        }
        found
    }

    /// What a recovery had decided about the disk when it came to `at`: it runs once more.
    fn bounds_of(&mut self, world: &Arc<World>, member: &Member, at: Pos) -> Vec<Narrowing> {
        let mut chooser = Chooser::default();
        chooser.start_script(member.answers.expanded());
        let (recoveries, faults_fired) = (self.recoveries, self.faults_fired);
        let finished = self.run(world, chooser, true).finished;
        (self.recoveries, self.faults_fired) = (recoveries, faults_fired);
        let barrier = finished.barriers.iter().find(|barrier| barrier.at == at);
        let decided = barrier.map_or(finished.decided.len(), |barrier| barrier.decided);
        settled(&finished.decided[..decided])
    }
}

impl Crash {
    /// Adds disks, together with those that were there as far as bounds can say it. Counts how much is
    /// remembered.
    fn add(&mut self, world: &World, mut new: Disks, (memory, remembered): (&mut Bounds, &mut usize)) {
        *remembered += new.bounds.len();
        while let Some((index, bounds)) = self
            .disks
            .iter()
            .enumerate()
            .rev()
            .take(UNIONS_TRIED)
            .find_map(|(index, disks)| Some((index, world.union(&disks.bounds, &new.bounds, memory)?)))
        {
            let mut old = self.disks.remove(index);
            *remembered += bounds.len();
            *remembered -= old.bounds.len() + new.bounds.len();
            old.members.append(&mut new.members);
            new = Disks { bounds, members: old.members };
        }
        self.disks.push(new);
    }
}

impl Member {
    /// The answers that it had when it crashed.
    fn choices(&self) -> Vec<u32> {
        let mut choices = self.answers.expanded();
        choices.truncate(self.asked);
        choices
    }
}

impl Runs {
    fn of(path: &[Choice]) -> Runs {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for choice in path {
            match runs.last_mut() {
                Some((answer, count)) if *answer == choice.answer => *count += 1,
                _ => runs.push((choice.answer, 1)),
            }
        }
        Runs(runs)
    }

    fn expanded(&self) -> Vec<u32> {
        self.0.iter().flat_map(|(answer, count)| std::iter::repeat_n(*answer, *count as usize)).collect()
    }
}

/// The last bounds of each cell, sorted by cell.
fn settled(decided: &[Narrowing]) -> Vec<Narrowing> {
    let mut bounds = decided.to_vec();
    // Stable: of one cell, the last decision stays last. What was read in order needs no sorting.
    bounds.sort_by_key(|n| (n.layer, n.cell));
    bounds.dedup_by(|later, kept| {
        let same = (later.layer, later.cell) == (kept.layer, kept.cell);
        if same {
            *kept = *later;
        }
        same
    });
    bounds
}
