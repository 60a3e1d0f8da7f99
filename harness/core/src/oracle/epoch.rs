//! Old epoch or new: the recovered state is the one after operation `i` for one `i` between the last
//! operation that was acknowledged as durable and the last one issued.

use super::{Failure, History, Window};
use crate::subject::Subject;
use crate::trace::Pos;

/// Checks a state that was recovered from a disk that lies: it must be one that there was, however old.
pub fn check_existed<S: Subject>(
    subject: &S,
    history: &History<S::State>,
    state: &S::State,
    at: Pos,
) -> Result<(), (Pos, Failure)> {
    let windows = history.windows(at, at);
    // However old; and what is refused later may show while it is under way.
    if windows.iter().any(|window| history.permits(subject, &Window { durable: 0, ..*window }, state)) {
        return Ok(());
    }
    let issued = windows.iter().map(|window| window.issued).max().unwrap_or(0);
    let mut failure = explain(subject, history, state, 0, issued);
    failure.summary = format!("the disk lies, and the store believes it: {}", failure.summary);
    Err((at, failure))
}

/// Checks a recovered state at every crash position from `first` to `last`: all of them could have left the
/// disk that it was recovered from. Returns the position that fails, too.
pub fn check<S: Subject>(
    subject: &S,
    history: &History<S::State>,
    state: &S::State,
    (first, last): (Pos, Pos),
) -> Result<(), (Pos, Failure)> {
    let windows = history.windows(first, last);
    let (low, high) = match (windows.last(), windows.first()) {
        (Some(newest), Some(oldest)) => (newest.durable, oldest.issued),
        _ => return Ok(()),
    };
    // One state that is right at all positions is the rule.
    if (low..=high).rev().any(|i| history.allows(subject, i, state)) {
        return Ok(());
    }
    for (i, window) in windows.iter().enumerate() {
        if history.permits(subject, window, state) {
            continue;
        }
        let at = windows.get(i + 1).and_then(|next| next.after).map_or(last, |after| after.min(last));
        return Err((at, explain(subject, history, state, window.durable, window.issued)));
    }
    Ok(())
}

fn explain<S: Subject>(
    subject: &S,
    history: &History<S::State>,
    state: &S::State,
    durable: u32,
    issued: u32,
) -> Failure {
    let own = history.candidates(durable).iter().find_map(|model| subject.failure(model, state));
    if let Some(failure) = own {
        return failure;
    }
    let matching: Vec<u32> = (0..=history.last()).filter(|i| history.allows(subject, *i, state)).collect();
    let range = if durable == issued {
        format!("the state after operation {issued}")
    } else {
        format!("a state after one of the operations {durable} to {issued}")
    };
    let (check, summary) = match (matching.iter().rfind(|i| **i < durable), matching.first()) {
        (Some(old), _) => (
            "durability",
            format!(
                "operation {durable} was acknowledged as durable; the state after operation {old} came back"
            ),
        ),
        (None, Some(new)) => (
            "refusal",
            format!("the state after operation {new} came back, which had not been issued or was refused"),
        ),
        (None, None) => ("epoch", "a state came back that never existed".to_string()),
    };
    let mut details = vec![format!("allowed: {range}")];
    if let Some(closest) = history.candidates(issued).first() {
        details.extend(subject.diff(closest, state));
    }
    Failure { check, summary, details }
}
