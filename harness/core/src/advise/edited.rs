//! A subject whose calls go through a [`Plan`].

use std::path::Path;
use std::sync::Arc;

use unplug_vfs::Vfs;

use super::{EditedVfs, Plan};
use crate::explore::Step;
use crate::oracle::Failure;
use crate::subject::{LineError, Outcome, Subject, SubjectError};

/// The same subject, with its calls changed or noted.
pub(crate) struct Edited<'a, S> {
    subject: &'a S,
    plan: Arc<Plan>,
}

impl<'a, S: Subject> Edited<'a, S> {
    pub fn new(subject: &'a S, plan: Arc<Plan>) -> Edited<'a, S> {
        Edited { subject, plan }
    }
}

impl<S: Subject> Subject for Edited<'_, S> {
    type Op = S::Op;
    type State = S::State;
    type Store = S::Store;

    fn parse_op(&self, line: &str) -> Result<S::Op, String> {
        self.subject.parse_op(line)
    }

    fn check_steps(&self, steps: &[Step<S::Op>]) -> Result<(), LineError> {
        self.subject.check_steps(steps)
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<S::Store, SubjectError> {
        self.subject.open(Arc::new(EditedVfs::new(vfs, self.plan.clone())), root)
    }

    fn execute(&self, store: &mut S::Store, op: &S::Op) -> Outcome {
        self.subject.execute(store, op)
    }

    fn read(&self, store: &mut S::Store) -> Result<S::State, SubjectError> {
        self.subject.read(store)
    }

    fn close(&self, store: S::Store) -> Result<(), SubjectError> {
        self.subject.close(store)
    }

    fn initial_state(&self) -> S::State {
        self.subject.initial_state()
    }

    fn apply(&self, state: &mut S::State, op: &S::Op) {
        self.subject.apply(state, op);
    }

    fn allows(&self, model: &S::State, got: &S::State) -> bool {
        self.subject.allows(model, got)
    }

    fn failure(&self, model: &S::State, got: &S::State) -> Option<Failure> {
        self.subject.failure(model, got)
    }

    fn diff(&self, allowed: &S::State, got: &S::State) -> Vec<String> {
        self.subject.diff(allowed, got)
    }

    fn epilogue(&self) -> Vec<S::Op> {
        self.subject.epilogue()
    }

    fn leaks(&self, vfs: &dyn Vfs, root: &Path) -> Result<Vec<String>, SubjectError> {
        self.subject.leaks(vfs, root)
    }

    fn simpler(&self, op: &S::Op) -> Vec<S::Op> {
        self.subject.simpler(op)
    }
}
