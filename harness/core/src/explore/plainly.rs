//! A workload on a file system that loses nothing: what a subject does when all goes well.

use std::ops::ControlFlow;
use std::sync::Arc;

use unplug_vfs::Vfs;

use super::Step;
use super::process::{guarded, recover, root};
use crate::oracle::aftermath;
use crate::plain::MemFs;
use crate::subject::Subject;

/// Runs a workload; then, as after a kill, a recovery, the epilogue and another recovery. Calls
/// `end` when the workload is over. Failures end it early and are nobody's business here.
pub(crate) fn run_plainly<S: Subject>(subject: &S, steps: &[Step<S::Op>], end: &dyn Fn()) {
    let fs = MemFs::new();
    let vfs = || -> Arc<dyn Vfs> { Arc::new(fs.clone()) };
    let Ok((mut store, _)) = recover(subject, vfs()) else { return end() };
    for (number, step) in (1..).zip(steps) {
        let flow = if let Step::Do(op) = step {
            match guarded(|| subject.execute_numbered(&mut store, number, op)) {
                Ok(_) => ControlFlow::Continue(store),
                Err(_) => ControlFlow::Break(()),
            }
        } else if matches!(step, Step::Reopen) {
            match guarded(|| subject.close(store)) {
                Ok(Ok(())) => match recover(subject, vfs()) {
                    Ok((opened, _)) => ControlFlow::Continue(opened),
                    Err(_) => ControlFlow::Break(()),
                },
                _ => ControlFlow::Break(()),
            }
        } else {
            continue;
        };
        match flow {
            ControlFlow::Continue(running) => store = running,
            ControlFlow::Break(()) => return end(),
        }
    }
    end();
    drop(store);
    if let Ok((store, state)) = recover(subject, vfs()) {
        let _ = guarded(|| aftermath::check(subject, &fs, root(), store, &state, &mut 0));
    }
}
