//! Where the workload is crashed.

use crate::disk::BLOCK;
use crate::model::Persisted;
use crate::trace::{Call, EventKind, Pos, Trace};

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
    /// Of a kill inside the last write before `at`: how many of its bytes had reached the cache. Otherwise 0.
    pub written: u32,
}

/// All crash points of a workload: just before each sync that made something durable, and the end.
pub fn crash_points(trace: &Trace, persisted: &Persisted) -> Vec<CrashPoint> {
    let mut points = Vec::with_capacity(persisted.barriers().len() + 1);
    let mut first = 0;
    for at in persisted.barriers().iter().copied().chain([trace.end()]) {
        points.push(CrashPoint { kind: CrashKind::PowerLoss, first, at, written: 0 });
        first = at + 1;
    }
    points
}

/// All kill points: every boundary between two calls; and inside a write every boundary between two pages, for a
/// write reaches the cache page by page, and a signal that kills ends it between two of them.
pub fn kill_points(trace: &Trace) -> Vec<CrashPoint> {
    let kind = CrashKind::Kill;
    let mut points = Vec::new();
    let mut first = 0;
    for (at, event) in (0..).zip(&trace.events) {
        let EventKind::Call(call) = &event.kind else { continue };
        points.push(CrashPoint { kind, first, at, written: 0 });
        first = at + 1;
        if let Call::Write { offset, data, .. } = call {
            let to_next_page = (BLOCK - offset % BLOCK) as u32;
            let cuts = (to_next_page..data.len).step_by(BLOCK as usize);
            points.extend(cuts.map(|written| CrashPoint { kind, first, at: first, written }));
        }
    }
    points.push(CrashPoint { kind, first, at: trace.end(), written: 0 });
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Inode, Mark};

    #[test]
    fn a_process_is_killed_between_calls_and_between_the_pages_of_a_write() {
        let mut trace = Trace::new();
        trace.push(EventKind::Mark(Mark::Issued { op: 1 }), None);
        let data = trace.store_bytes(&[1; 9000]);
        let write = |offset| EventKind::Call(Call::Write { inode: Inode(1), offset, data });
        trace.push(write(4000), None);
        trace.push(write(0), None);
        let points: Vec<_> = kill_points(&trace).iter().map(|p| (p.first, p.at, p.written)).collect();
        let inside_first = [(2, 2, 96), (2, 2, 4192), (2, 2, 8288)];
        let inside_second = [(3, 3, 4096), (3, 3, 8192)];
        let expected = [&[(0, 1, 0)], &inside_first[..], &[(2, 2, 0)], &inside_second, &[(3, 3, 0)]].concat();
        assert_eq!(points, expected);
    }
}
