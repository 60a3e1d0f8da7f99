//! Everything that recovery can come back with, for those who judge it themselves (and for the test that
//! holds the lazy exploration against brute force).

use super::crash_point::{Crashed, Explorer};
use super::crew::Crew;
use super::pool::Prepared;
use super::{CrashPoint, Settings, Step, kill_points};
use crate::subject::Subject;
use crate::trace::Pos;

/// What came back after the last of a row of crashes, and what the workload had been told by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<St> {
    /// What an earlier recovery had returned, if the last crash came after it; operations count from there.
    pub after: Option<St>,
    /// The last operation acknowledged as durable.
    pub durable: u32,
    /// The last operation issued.
    pub issued: u32,
    /// The state, or `None` if the store did not open.
    pub state: Option<St>,
}

/// All outcomes of a workload's power losses, each once, in the order found.
pub fn outcomes<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
) -> Vec<Outcome<S::State>> {
    observed(subject, steps, settings, |prepared| prepared.points.clone())
}

/// All outcomes of killing a workload's process, and of cutting the power while the next one recovers and goes on,
/// each once, in the order found.
pub fn kill_outcomes<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
) -> Vec<Outcome<S::State>> {
    observed(subject, steps, settings, |prepared| kill_points(&prepared.recording.trace))
}

fn observed<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
    points: impl Fn(&Prepared<S>) -> Vec<CrashPoint>,
) -> Vec<Outcome<S::State>> {
    let prepared = Prepared::new(subject, steps, settings);
    let mut found: Vec<Outcome<S::State>> = Vec::new();
    let mut observe = |stack: &[Crashed<S::State>], first: &[Pos], state: Option<&S::State>| {
        for outcome in told(stack, first, state) {
            if !found.contains(&outcome) {
                found.push(outcome);
            }
        }
    };
    let crew = Crew::new(0);
    let mut explorer = Explorer::new(subject, settings, &prepared.epilogue, &crew);
    explorer.observer = Some(&mut observe);
    for point in points(&prepared) {
        let explored = explorer.counted(|explorer| explorer.point(&prepared, point));
        debug_assert!(explored.found.is_none());
    }
    found
}

fn told<St: Clone + Eq>(stack: &[Crashed<St>], first: &[Pos], state: Option<&St>) -> Vec<Outcome<St>> {
    let mut all = Vec::new();
    for (index, crashed) in stack.iter().enumerate().rev() {
        if let Some((begin, end)) = crashed.own(first[index]) {
            for window in crashed.history.windows(begin, end) {
                let after = crashed.recovered_at.map(|_| crashed.history.candidates(0)[0].clone());
                let (durable, issued) = (window.durable, window.issued);
                all.push(Outcome { after, durable, issued, state: state.cloned() });
            }
        }
        if !crashed.reaches_below(first[index]) {
            break;
        }
    }
    all
}
