//! Where the workload is crashed.

use crate::model::Persisted;
use crate::trace::{Pos, Trace};

/// A crash position, and the earliest one that it stands for: between the two no sync took effect, so that
/// every disk that an earlier crash could leave, this one can leave too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
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
        points.push(CrashPoint { first, at });
        first = at + 1;
    }
    points
}
