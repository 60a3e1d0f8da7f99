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
    State(Arc<St>),
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
    /// The steps that opened the store again.
    pub reopened: Vec<u32>,
    /// Those of them before which it did not close, for an injected fault.
    pub unclosed: Vec<u32>,
    /// Why it ended early, if it did: after which step, and what happened.
    pub broken: Option<(u32, End<St>)>,
    /// What is wrong although it went on, if anything: after which step, and what.
    pub wrong: Option<(u32, String)>,
}

/// Runs a whole workload on a new disk, with marks; reads the store after each `reopen`, after each failure and
/// at the end. Where faults are injected a store may fail to open or to close, and be out of use until the next
/// `reopen`.
pub fn run_workload<S: Subject>(subject: &S, disk: &SimDisk, steps: &[Step<S::Op>]) -> WorkloadRun<S::State> {
    let run = WorkloadRun {
        outcomes: Vec::new(),
        opens: 0,
        reads: Vec::new(),
        reopened: Vec::new(),
        unclosed: Vec::new(),
        broken: None,
        wrong: None,
    };
    let mut runner = Runner { subject, disk, vfs: Arc::new(disk.clone()), store: None, lifted: false, run };
    if let Err(broken) = runner.steps(steps) {
        runner.run.broken = Some(broken);
    }
    runner.run
}

type Broken<St> = (u32, End<St>);

struct Runner<'a, S: Subject> {
    subject: &'a S,
    disk: &'a SimDisk,
    vfs: Arc<dyn Vfs>,
    /// None after an injected fault.
    store: Option<S::Store>,
    lifted: bool,
    run: WorkloadRun<S::State>,
}

impl<S: Subject> Runner<'_, S> {
    fn steps(&mut self, steps: &[Step<S::Op>]) -> Result<(), Broken<S::State>> {
        self.open(0)?;
        for (number, step) in (1..).zip(steps) {
            self.disk.mark(Mark::Issued { op: number });
            let outcome = match step {
                Step::Do(op) => self.execute(number, op)?,
                Step::Reopen => {
                    self.close(number)?;
                    self.run.reopened.push(number);
                    self.open(number)?
                }
                Step::Lift => {
                    self.disk.lift_faults();
                    self.lifted = true;
                    Outcome::Acknowledged { durable: false }
                }
            };
            self.disk.mark(end_mark(number, &outcome));
            let failed = !matches!(outcome, Outcome::Acknowledged { .. });
            self.run.outcomes.push(outcome);
            if failed && self.disk.faults_fired() > 0 {
                self.read(number)?;
            }
        }
        self.read(steps.len() as u32)
    }

    fn open(&mut self, number: u32) -> Result<Outcome, Broken<S::State>> {
        self.run.opens += 1;
        let fired = self.disk.faults_fired();
        match recover(self.subject, self.vfs.clone()) {
            Ok((store, state)) => {
                self.store = Some(store);
                self.run.reads.push((self.disk.position(), number, state));
                Ok(Outcome::Acknowledged { durable: true })
            }
            Err(End::Failed(why)) if self.disk.faults_fired() > fired => Ok(Outcome::Unknown(why)),
            Err(end) => Err((number, end)),
        }
    }

    fn close(&mut self, number: u32) -> Result<(), Broken<S::State>> {
        let Some(store) = self.store.take() else { return Ok(()) };
        match guarded(|| self.subject.close(store)) {
            Ok(Ok(())) => Ok(()),
            // Closing is the last call that can tell of an earlier failure.
            Ok(Err(_)) if self.disk.faults_fired() > 0 => {
                self.run.unclosed.push(number);
                Ok(())
            }
            Ok(Err(e)) => Err((number, End::Failed(format!("the store does not close: {e}")))),
            Err(unwound) => Err((number, unwound.into_end())),
        }
    }

    fn execute(&mut self, number: u32, op: &S::Op) -> Result<Outcome, Broken<S::State>> {
        let Some(store) = &mut self.store else {
            return Ok(Outcome::Refused("the store is not open".to_string()));
        };
        let outcome = guarded(|| self.subject.execute_numbered(store, number, op));
        let outcome = outcome.map_err(|unwound| (number, unwound.into_end()))?;
        if let (true, Outcome::Refused(why) | Outcome::Unknown(why)) = (self.lifted, &outcome)
            && self.disk.lacked_only_space()
            && self.run.wrong.is_none()
        {
            let summary = format!("there is space again, and `{op}` is not taken: {why}");
            self.run.wrong = Some((number, summary));
        }
        Ok(outcome)
    }

    fn read(&mut self, number: u32) -> Result<(), Broken<S::State>> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let fired = self.disk.faults_fired();
        match guarded(|| self.subject.read(store)) {
            Ok(Ok(state)) => self.run.reads.push((self.disk.position(), number, state)),
            Ok(Err(_)) if self.disk.faults_fired() > fired => {}
            Ok(Err(e)) => return Err((number, End::Failed(format!("the store does not read: {e}")))),
            Err(unwound) => return Err((number, unwound.into_end())),
        }
        Ok(())
    }
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
