//! Whether what a recovery returned is right.

use super::crash_point::Crashed;
use super::process::End;
use super::recovery::Leaf;
use super::{Settings, Step};
use crate::disk::{Made, Stop, World};
use crate::fault::{Effect, Injector};
use crate::oracle::{Failure, epoch};
use crate::subject::{Outcome, Subject};
use crate::trace::Pos;

pub(super) fn panicked(message: &str) -> Failure {
    Failure { check: "panic", summary: format!("the subject panicked: {message}"), details: Vec::new() }
}

pub(super) fn stop_failure(stop: &Stop) -> Failure {
    match stop {
        Stop::TooManyCalls | Stop::PutOff => Failure {
            check: "hang",
            summary: "recovery made more file-system calls than a run may: it looks endless".to_string(),
            details: Vec::new(),
        },
        Stop::NotDeterministic { before, now } => Failure {
            check: "determinism",
            summary: "recovery asked another question than before although all answers were the same: \
                      does it depend on a clock, on hash order, or on threads?"
                .to_string(),
            details: vec![format!("before: {before:?}"), format!("now:    {now:?}")],
        },
    }
}

/// Why a recovery is not right.
pub(super) struct Wrong {
    /// The position in each layer at which it is not.
    pub positions: Vec<Pos>,
    /// Which entry of the stack was promised something else, if that is it.
    pub failing: Option<usize>,
    pub failure: Failure,
}

/// Whether what a recovery returned is right at every crash position that could have left its disk.
pub(super) fn judge<S: Subject>(
    subject: &S,
    (world, made): (&World, &Made),
    stack: &[Crashed<S::State>],
    leaf: &Leaf<S::State>,
    (epilogue, settings): (&[Step<S::Op>], &Settings),
) -> Result<(), Wrong> {
    let mut positions: Vec<Pos> = world.layers.iter().map(|layer| layer.at).collect();
    let fails =
        |positions: &[Pos], failure| Err(Wrong { positions: positions.to_vec(), failing: None, failure });
    if let Some(stop) = &leaf.finished.stop {
        return fails(&positions, stop_failure(stop));
    }
    let state = match &leaf.end {
        End::State(state) => state,
        End::Failed(_) if is_excused(settings, &leaf.finished.faults) => return Ok(()),
        other => return fails(&positions, end_failure(other)),
    };
    if let Some(failure) = unreported(&leaf.finished.faults) {
        return fails(&positions, failure);
    }
    if settings.is_disk_lying() {
        return existed(subject, stack, state).map_err(|failure| Wrong {
            positions,
            failing: Some(0),
            failure,
        });
    }
    for (index, crashed) in stack.iter().enumerate().rev() {
        let from = world.earliest_crash(crashed.layer, &leaf.finished.decided, crashed.first, made);
        if let Some(range) = crashed.own(from)
            && let Err((at, mut failure)) = epoch::check(subject, &crashed.history, state, range)
        {
            if crashed.recovered_at.is_some() {
                // A recovery had returned a state, and it did not stay.
                failure.check = "stability";
                failure.summary = format!("after recovery had returned: {}", failure.summary);
            }
            positions[crashed.layer] = at;
            return Err(Wrong { positions, failing: Some(index), failure });
        }
        if !crashed.reaches_below(from) {
            break;
        }
        positions[crashed.layer] = from;
    }
    let latest: Vec<Pos> = world.layers.iter().map(|layer| layer.at).collect();
    match refused(&leaf.outcomes, epilogue) {
        Some(_) if !leaf.finished.faults.fired().is_empty() => Ok(()),
        Some(failure) => fails(&latest, failure),
        None => Ok(()),
    }
}

/// Whether a store may fail to open, with an error of its own: it met a fault, or the disk lies.
pub(super) fn is_excused(settings: &Settings, faults: &Injector) -> bool {
    settings.is_disk_lying() || !faults.fired().is_empty()
}

/// What is wrong with a recovery that read damage which it had to report, and returned a state.
pub(super) fn unreported(faults: &Injector) -> Option<Failure> {
    faults.fired().iter().any(|fired| fired.decision.effect == Effect::Reported).then(|| Failure {
        check: "rot",
        summary:
            "damage that the store was to report was read, and the store opened as if nothing were wrong"
                .to_string(),
        details: Vec::new(),
    })
}

/// From a disk that lies any state may come back that there was, in the workload or after a recovery.
pub(super) fn existed<S: Subject>(
    subject: &S,
    stack: &[Crashed<S::State>],
    state: &S::State,
) -> Result<(), Failure> {
    let mut checked = stack.iter().map(|c| epoch::check_existed(subject, &c.history, state, c.at));
    let first = checked.next().unwrap_or(Ok(()));
    if checked.any(|result| result.is_ok()) {
        return Ok(());
    }
    first.map_err(|(_, failure)| failure)
}

/// What is wrong with a recovery that returned no state.
pub(super) fn end_failure<St>(end: &End<St>) -> Failure {
    match end {
        End::Panicked(message) => panicked(message),
        End::Failed(why) => {
            Failure { check: "liveness", summary: format!("after the crash {why}"), details: Vec::new() }
        }
        End::State(_) | End::Stopped => Failure {
            check: "hang",
            summary: "recovery was ended from inside".to_string(),
            details: Vec::new(),
        },
    }
}

/// The first operation that a recovered store did not take.
pub(super) fn refused<Op: std::fmt::Display>(outcomes: &[Outcome], steps: &[Step<Op>]) -> Option<Failure> {
    outcomes.iter().zip(steps).find_map(|(outcome, step)| match (outcome, step) {
        (Outcome::Refused(why) | Outcome::Unknown(why), Step::Do(op)) => {
            let summary = format!("the recovered store does not take `{op}`: {why}");
            Some(Failure { check: "liveness", summary, details: Vec::new() })
        }
        _ => None,
    })
}
