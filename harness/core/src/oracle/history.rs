//! What a workload did, and what it was promised, at each position of its trace.

use std::collections::BTreeMap;

use crate::explore::Step;
use crate::subject::{Outcome, Subject};
use crate::trace::{EventKind, Mark, Pos, Trace};

/// What holds between two marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// For crashes after this position...
    pub after: Option<Pos>,
    /// ...the last operation acknowledged as durable (0: none),
    pub durable: u32,
    /// ...and the last one issued.
    pub issued: u32,
    /// Whether that one may still be refused: until then it may show.
    pub in_flight: bool,
}

/// The states a workload went through. State `i` is the one after operation `i`; where operations ended
/// unknown there are several candidates for it.
#[derive(Clone, Debug)]
pub struct History<St> {
    candidates: Vec<Vec<St>>,
    /// What an operation that was refused might have led to, by its number.
    refused: BTreeMap<u32, Vec<St>>,
    windows: Vec<Window>,
}

impl<St: Clone + Eq> History<St> {
    /// A history that begins with `initial`, takes the steps that were run, and reads the marks of the trace
    /// (only those from `from` on) for what was promised when.
    pub fn new<S: Subject<State = St>>(
        subject: &S,
        initial: St,
        steps: &[Step<S::Op>],
        outcomes: &[Outcome],
        trace: &Trace,
        from: Pos,
    ) -> History<St> {
        History::seen(subject, initial, (steps, outcomes), (&[], &[]), trace, from)
    }

    /// The same of a workload in which recoveries took place, each with the number of its step and the state
    /// that it returned: whatever was unknown before is known from then on. At the steps `unclosed` the store
    /// had to be opened again although it could not be closed: what it had acknowledged and not called durable
    /// may be gone with it, as after a kill.
    pub fn seen<S: Subject<State = St>>(
        subject: &S,
        initial: St,
        (steps, outcomes): (&[Step<S::Op>], &[Outcome]),
        (recoveries, unclosed): (&[(u32, St)], &[u32]),
        trace: &Trace,
        from: Pos,
    ) -> History<St> {
        let mut candidates = vec![vec![initial]];
        let mut refused = BTreeMap::new();
        let mut durable = 0;
        for (number, (step, outcome)) in (1..).zip(steps.iter().zip(outcomes)) {
            let before = candidates.last().cloned().unwrap_or_default();
            if let Outcome::Refused(why) = outcome {
                let might = after(subject, before.clone(), step, &Outcome::Unknown(why.clone()));
                refused.insert(number, might);
            }
            let mut now = after(subject, before, step, outcome);
            if unclosed.contains(&number) {
                for state in candidates[durable..].iter().rev().flatten() {
                    if !now.contains(state) {
                        now.push(state.clone());
                    }
                }
            }
            let returned = recoveries.iter().find(|(step, _)| *step == number);
            if let Some((_, state)) = returned
                && now.iter().any(|candidate| subject.allows(candidate, state))
            {
                now.retain(|candidate| subject.allows(candidate, state));
            }
            candidates.push(now);
            if matches!(outcome, Outcome::Acknowledged { durable: true }) {
                durable = number as usize;
            }
        }
        History { candidates, refused, windows: windows(trace, from) }
    }

    /// The same history, ended at `at`: what came later is not promised.
    pub fn cut(&self, at: Pos) -> History<St> {
        let before = |w: &&Window| w.after.is_none_or(|after| after < at);
        let windows = self.windows.iter().take_while(before).copied().collect();
        History { candidates: self.candidates.clone(), refused: self.refused.clone(), windows }
    }

    /// The candidates for the state after operation `index`.
    pub fn candidates(&self, index: u32) -> &[St] {
        self.candidates.get(index as usize).map_or(&[], Vec::as_slice)
    }

    /// The number of the last operation.
    pub fn last(&self) -> u32 {
        self.candidates.len() as u32 - 1
    }

    /// What held at some crash position from `first` to `last`.
    pub fn windows(&self, first: Pos, last: Pos) -> &[Window] {
        let begin = self.windows.partition_point(|w| w.after.is_none_or(|after| after < first));
        let end = self.windows.partition_point(|w| w.after.is_none_or(|after| after < last));
        &self.windows[begin.saturating_sub(1)..end.max(1)]
    }

    /// Whether `state` is one that a crash within a window may leave.
    pub fn permits<S: Subject<State = St>>(&self, subject: &S, window: &Window, state: &St) -> bool {
        let might = || {
            self.refused
                .get(&window.issued)
                .is_some_and(|might| might.iter().any(|candidate| subject.allows(candidate, state)))
        };
        (window.durable..=window.issued).rev().any(|i| self.allows(subject, i, state))
            || (window.in_flight && might())
    }

    /// Whether a candidate for the state after operation `index` allows `state`.
    pub fn allows<S: Subject<State = St>>(&self, subject: &S, index: u32, state: &St) -> bool {
        self.candidates(index).iter().any(|candidate| subject.allows(candidate, state))
    }
}

/// The states that a step may lead to.
pub(crate) fn after<S: Subject>(
    subject: &S,
    before: Vec<S::State>,
    step: &Step<S::Op>,
    outcome: &Outcome,
) -> Vec<S::State> {
    let Step::Do(op) = step else { return before };
    if let Outcome::Refused(_) = outcome {
        return before;
    }
    let mut states = Vec::new();
    if let Outcome::Unknown(_) = outcome {
        states.clone_from(&before);
    }
    for mut state in before {
        subject.apply(&mut state, op);
        if !states.contains(&state) {
            states.push(state);
        }
    }
    states
}

fn windows(trace: &Trace, from: Pos) -> Vec<Window> {
    let mut now = Window { after: None, durable: 0, issued: 0, in_flight: false };
    let mut windows = vec![now];
    for (at, event) in (0..).zip(&trace.events).skip(from as usize) {
        let EventKind::Mark(mark) = event.kind else { continue };
        match mark {
            Mark::Issued { op } => (now.issued, now.in_flight) = (op, true),
            Mark::Acknowledged { op, durable: true } => (now.durable, now.in_flight) = (op, false),
            Mark::Refused { .. } => now.in_flight = false,
            // Whether it is in flight makes no difference then.
            Mark::Acknowledged { .. } | Mark::Unknown { .. } | Mark::Recovered => continue,
        }
        now.after = Some(at);
        windows.push(now);
    }
    windows
}
