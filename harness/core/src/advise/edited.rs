//! A subject whose calls go through a [`Plan`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// Its running store.
pub(crate) struct EditedStore<T> {
    store: T,
    /// The operation that calls belong to, 0 where they go by source line.
    operation: Arc<AtomicU32>,
}

impl<'a, S: Subject> Edited<'a, S> {
    pub fn new(subject: &'a S, plan: Arc<Plan>) -> Edited<'a, S> {
        Edited { subject, plan }
    }
}

impl<S: Subject> Subject for Edited<'_, S> {
    type Op = S::Op;
    type State = S::State;
    type Store = EditedStore<S::Store>;

    fn parse_op(&self, line: &str) -> Result<S::Op, String> {
        self.subject.parse_op(line)
    }

    fn check_steps(&self, steps: &[Step<S::Op>]) -> Result<(), LineError> {
        self.subject.check_steps(steps)
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Self::Store, SubjectError> {
        let operation = Arc::new(AtomicU32::new(0));
        let vfs = EditedVfs::new(vfs, self.plan.clone(), operation.clone());
        Ok(EditedStore { store: self.subject.open(Arc::new(vfs), root)?, operation })
    }

    fn execute(&self, store: &mut Self::Store, op: &S::Op) -> Outcome {
        self.subject.execute(&mut store.store, op)
    }

    fn execute_numbered(&self, store: &mut Self::Store, number: u32, op: &S::Op) -> Outcome {
        if self.subject.calls_by_operation() {
            store.operation.store(number, Ordering::Relaxed);
        }
        self.subject.execute_numbered(&mut store.store, number, op)
    }

    fn read(&self, store: &mut Self::Store) -> Result<S::State, SubjectError> {
        self.subject.read(&mut store.store)
    }

    fn close(&self, store: Self::Store) -> Result<(), SubjectError> {
        self.subject.close(store.store)
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

    fn calls_by_operation(&self) -> bool {
        self.subject.calls_by_operation()
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
