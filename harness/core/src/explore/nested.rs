//! Crashes of a recovery, put off until the recoveries beside it are known.
//!
//! Many disks lead recovery to the very same calls: a record that is torn after its third piece, or after its
//! fourth, is thrown away alike. What a crash of that recovery leaves differs only in the torn record, which
//! may never be looked at again. So crashes at the same place of recoveries with the same recording, whose
//! disks are *together* again all disks within some bounds, are explored as one undetermined disk: it is asked
//! about the difference only if the next recovery asks.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::crash_point::{Crashed, Explorer, Leaf, Walk, answers, worth_crashing};
use super::token::CrashEvidence;
use crate::disk::{Bounds, Choice, CrashedLayer, Narrowing, Recording, World};
use crate::model::Persisted;
use crate::oracle::History;
use crate::subject::{Outcome, Subject};
use crate::trace::Pos;

/// Recoveries kept before their crashes are explored.
const GROUPS_MAX: usize = 512;
/// How much they may say of the disks below, in decisions: some 16 bytes each, and as much for the answers.
const DECISIONS_MAX: usize = 1 << 21;
/// How many sets of disks a new one is held against.
const UNIONS_TRIED: usize = 16;

/// Crashes that wait.
pub(super) struct PutOff<St> {
    groups: Vec<Group<St>>,
    /// What its groups say of the disks below.
    decisions: usize,
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

/// A place where they may crash.
struct Crash {
    first: Pos,
    at: Pos,
    disks: Vec<Disks>,
}

/// The disks below that lead there: all legal ones within bounds.
struct Disks {
    bounds: Vec<Narrowing>,
    members: Vec<Member>,
}

/// What one recovery's answers say of the disk below.
struct Member {
    choices: Vec<u32>,
    bounds: Vec<Narrowing>,
}

impl<St> PutOff<St> {
    pub fn new() -> PutOff<St> {
        PutOff { groups: Vec::new(), decisions: 0, bounds: Bounds::default() }
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
        let mut known = (0, Vec::new());
        for barrier in worth_crashing(&finished.barriers, &group.persisted) {
            let at = barrier.at;
            let is_known = self.behind_faults && finished.faults.first_at().is_none_or(|first| at < first);
            if barrier.asked >= fixed && !is_known {
                if known.0 != barrier.decided {
                    known = (barrier.decided, settled(&finished.decided[..barrier.decided]));
                }
                let bounds = known.1.clone();
                put_off.decisions += 2 * bounds.len();
                let member = Member { choices: answers(&path[..barrier.asked]), bounds: bounds.clone() };
                let place = match group.crashes.iter().position(|crash| crash.at == at) {
                    Some(place) => place,
                    None => {
                        group.crashes.push(Crash { first, at, disks: Vec::new() });
                        group.crashes.len() - 1
                    }
                };
                let disks = Disks { bounds, members: vec![member] };
                group.crashes[place].add(world, disks, &mut put_off.bounds);
            }
            first = at + 1;
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
        if put_off.groups.len() < GROUPS_MAX && put_off.decisions < DECISIONS_MAX && !all {
            return ControlFlow::Continue(());
        }
        put_off.decisions = 0;
        let groups = std::mem::take(&mut put_off.groups);
        let mut parts = Vec::new();
        for group in &groups {
            for crash in &group.crashes {
                parts.extend(crash.disks.iter().map(|disks| (group, crash, disks)));
            }
        }
        self.in_parts(&parts, |explorer, part| explorer.explore_disks(world, stack, crashes, *part))
    }

    fn explore_disks(
        &mut self,
        world: &Arc<World>,
        stack: &[Crashed<S::State>],
        crashes: &[CrashEvidence],
        (group, crash, disks): (&Group<S::State>, &Crash, &Disks),
    ) -> Walk<S::State> {
        let mut explore = |bounds: &[Narrowing], choices: &[u32]| {
            let (recording, persisted) = (group.recording.clone(), group.persisted.clone());
            let next = Arc::new(world.crash(CrashedLayer { recording, persisted, at: crash.at }, bounds));
            let (layer, history) = (world.layers.len(), group.history.clone());
            let Crash { first, at, .. } = *crash;
            let recovered_at = group.recovered_at;
            let (mut stack, mut crashes) = (stack.to_vec(), crashes.to_vec());
            stack.push(Crashed { layer, history, recovered_at, first, at });
            if let Some(last) = crashes.last_mut() {
                last.choices = choices.to_vec();
            }
            crashes.push(CrashEvidence { at, choices: Vec::new() });
            self.world(&next, &stack, &crashes)
        };
        let Some(one) = disks.members.first() else { return ControlFlow::Continue(()) };
        let found = explore(&disks.bounds, &one.choices);
        if found.is_break() && disks.members.len() > 1 {
            // Which of the recoveries it was decides how to show it again.
            for member in &disks.members {
                explore(&member.bounds, &member.choices)?;
            }
        }
        found
    }
}

impl Crash {
    /// Adds disks, together with those that were there as far as bounds can say it.
    fn add(&mut self, world: &World, mut new: Disks, memory: &mut Bounds) {
        while let Some((index, bounds)) = self
            .disks
            .iter()
            .enumerate()
            .rev()
            .take(UNIONS_TRIED)
            .find_map(|(index, disks)| Some((index, world.union(&disks.bounds, &new.bounds, memory)?)))
        {
            let mut members = self.disks.remove(index).members;
            members.append(&mut new.members);
            new = Disks { bounds, members };
        }
        self.disks.push(new);
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
