//! Where the workload is crashed.

use crate::model::Persisted;
use crate::trace::{EventKind, Pos, Trace};

/// What a crash takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrashKind {
    /// The power: the cache is gone.
    PowerLoss,
    /// The process: the cache stays. The next one recovers from it, and may lose power in turn.
    Kill,
}

/// A crash position, and the earliest one that it stands for: between the two no sync took effect, so that
/// every disk that an earlier crash could leave, this one can leave too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// What the crash takes away.
    pub kind: CrashKind,
    /// The earliest position.
    pub first: Pos,
    /// The position.
    pub at: Pos,
}

/// All crash points of a workload: just before each sync that made something durable, and the end.
pub fn crash_points(trace: &Trace, persisted: &Persisted) -> Vec<CrashPoint> {
    let mut points = Vec::with_capacity(persisted.barriers().len() + 1);
    let mut first = 0;
    for at in persisted.barriers().iter().copied().chain([trace.end()]) {
        points.push(CrashPoint { kind: CrashKind::PowerLoss, first, at });
        first = at + 1;
    }
    points
}

/// All kill points: every boundary between two calls.
pub fn kill_points(trace: &Trace) -> Vec<CrashPoint> {
    let mut points = Vec::new();
    let mut first = 0;
    for (at, event) in (0..).zip(&trace.events) {
        if matches!(event.kind, EventKind::Call(_)) {
            points.push(CrashPoint { kind: CrashKind::Kill, first, at });
            first = at + 1;
        }
    }
    points.push(CrashPoint { kind: CrashKind::Kill, first, at: trace.end() });
    points
}
