//! Runs the subject: its workload, and its recovery, with panics and endless loops caught.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Once};

use unplug_vfs::Vfs;

use super::Step;
use crate::disk::SimDisk;
use crate::oracle::aftermath::Machine;
use crate::subject::{Outcome, Subject};
use crate::trace::{Mark, Pos};

/// Where a subject finds its root on the simulated disk.
pub const ROOT_PATH: &str = "/";

pub(super) fn root() -> &'static Path {
    Path::new(ROOT_PATH)
}

/// How a recovery ended.
#[derive(Debug)]
pub enum End<St> {
    /// With a state.
    State(St),
    /// The store did not open, or did not read.
    Failed(String),
    /// The subject panicked.
    Panicked(String),
    /// It was ended from inside: see [`Stop`](crate::disk::Stop).
    Stopped,
}

impl Machine for SimDisk {
    fn vfs(&self) -> Arc<dyn Vfs> {
        Arc::new(self.clone())
    }

    fn kill(&self) {
        SimDisk::kill(self);
    }
}

/// A store that opened, and what it holds.
pub type Recovered<S> = (<S as Subject>::Store, <S as Subject>::State);

/// Opens the store and reads it.
pub fn recover<S: Subject>(subject: &S, vfs: Arc<dyn Vfs>) -> Result<Recovered<S>, End<S::State>> {
    let attempt = guarded(|| {
        let mut store =
            subject.open(vfs, root()).map_err(|e| End::Failed(format!("the store does not open: {e}")))?;
        let state =
            subject.read(&mut store).map_err(|e| End::Failed(format!("the store does not read: {e}")))?;
        Ok((store, state))
    });
    attempt.unwrap_or_else(|end| Err(end.into_end()))
}

/// Runs operations on a recovered store, with marks. Returns how each ended; stops at the first panic.
pub fn go_on<S: Subject>(
    subject: &S,
    store: &mut S::Store,
    disk: &SimDisk,
    ops: &[Step<S::Op>],
) -> Result<Vec<Outcome>, End<S::State>> {
    let mut outcomes = Vec::new();
    for (number, step) in (1..).zip(ops) {
        let Step::Do(op) = step else { continue };
        disk.mark(Mark::Issued { op: number });
        let outcome = guarded(|| subject.execute(store, op)).map_err(Unwound::into_end)?;
        disk.mark(end_mark(number, &outcome));
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn end_mark(op: u32, outcome: &Outcome) -> Mark {
    match outcome {
        Outcome::Acknowledged { durable } => Mark::Acknowledged { op, durable: *durable },
        Outcome::Refused(_) => Mark::Refused { op },
        Outcome::Unknown(_) => Mark::Unknown { op },
    }
}

/// What a workload run left, besides the disk.
pub struct WorkloadRun<St> {
    /// How each step ended.
    pub outcomes: Vec<Outcome>,
    /// Opens of the subject.
    pub opens: u64,
    /// The states seen by reading, each with its trace position and the number of the step before it.
    pub reads: Vec<(Pos, u32, St)>,
    /// Why it ended early, if it did: after which step, and what happened.
    pub broken: Option<(u32, End<St>)>,
}

/// Runs a whole workload on a new disk, with marks; reads the store after each `reopen` and at the end.
pub fn run_workload<S: Subject>(subject: &S, disk: &SimDisk, steps: &[Step<S::Op>]) -> WorkloadRun<S::State> {
    let mut run = WorkloadRun { outcomes: Vec::new(), opens: 1, reads: Vec::new(), broken: None };
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut store = match recover(subject, vfs.clone()) {
        Ok((store, state)) => {
            run.reads.push((disk.position(), 0, state));
            store
        }
        Err(end) => {
            run.broken = Some((0, end));
            return run;
        }
    };
    for (number, step) in (1..).zip(steps) {
        disk.mark(Mark::Issued { op: number });
        let outcome = match step {
            Step::Do(op) => match guarded(|| subject.execute(&mut store, op)) {
                Ok(outcome) => outcome,
                Err(unwound) => {
                    run.broken = Some((number, unwound.into_end()));
                    return run;
                }
            },
            Step::Reopen => {
                run.opens += 1;
                let closed = guarded(|| subject.close(store));
                let failed = match closed {
                    Ok(Ok(())) => None,
                    Ok(Err(e)) => Some(End::Failed(format!("the store does not close: {e}"))),
                    Err(unwound) => Some(unwound.into_end()),
                };
                let opened = match failed {
                    Some(end) => Err(end),
                    None => recover(subject, vfs.clone()),
                };
                match opened {
                    Ok((opened, state)) => {
                        store = opened;
                        run.reads.push((disk.position(), number, state));
                        Outcome::Acknowledged { durable: true }
                    }
                    Err(end) => {
                        run.broken = Some((number, end));
                        return run;
                    }
                }
            }
        };
        disk.mark(end_mark(number, &outcome));
        run.outcomes.push(outcome);
    }
    match guarded(|| subject.read(&mut store)) {
        Ok(Ok(state)) => run.reads.push((disk.position(), steps.len() as u32, state)),
        Ok(Err(e)) => {
            run.broken = Some((steps.len() as u32, End::Failed(format!("the store does not read: {e}"))));
        }
        Err(unwound) => run.broken = Some((steps.len() as u32, unwound.into_end())),
    }
    run
}

/// A panic that was caught.
pub struct Unwound(Option<String>);

impl Unwound {
    pub fn into_end<St>(self) -> End<St> {
        match self.0 {
            Some(message) => End::Panicked(message),
            None => End::Stopped,
        }
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs the subject's code; a panic in it is a finding, not the harness's end, and prints nothing.
pub fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, Unwound> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if QUIET.get() {
                let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line()));
                PANIC_PLACE.with(|p| *p.borrow_mut() = place);
            } else {
                previous(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(act));
    QUIET.set(outer);
    result.map_err(|payload| Unwound(message(&*payload)))
}

fn message(payload: &(dyn Any + Send)) -> Option<String> {
    if payload.is::<crate::disk::Stopped>() {
        return None;
    }
    let text = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|s| s.to_string()))
        .unwrap_or_else(|| "a panic without a message".to_string());
    let place = PANIC_PLACE.with(|p| p.borrow_mut().take()).unwrap_or_default();
    Some(format!("{text}{place}"))
}
