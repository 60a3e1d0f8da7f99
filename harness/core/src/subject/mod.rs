//! What a user brings: a store under test, and its model in plain Rust.

mod any;

use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::Arc;

use unplug_vfs::Vfs;

use crate::explore::Step;
use crate::oracle::Failure;
pub use any::{AnySubject, LineError};

/// Any error of a subject; its text goes into reports.
pub type SubjectError = Box<dyn std::error::Error + Send + Sync>;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Acknowledged {
        /// Whether the subject promises that this operation, and every one acknowledged before it, survives
        /// any crash from now on.
        durable: bool,
    },
    /// It provably had no effect, and never will.
    Refused(String),
    /// It failed and may have been applied, now or after any later crash.
    Unknown(String),
}

/// A store under test.
///
/// `Op` is one operation of a workload: it parses from a line of text and prints back to it, so that
/// scenarios are readable files. `State` is what the store is supposed to hold: the model.
pub trait Subject: Send + Sync {
    /// One operation.
    type Op: Clone + Debug + Display + Send + Sync;
    /// The model's state; two states are the same if they are equal.
    type State: Clone + Debug + Eq + Send + Sync;
    /// A running store. Dropping it without [`close`](Subject::close) is what a kill does.
    type Store;

    /// Parses one line of a workload. The message says what was expected.
    fn parse_op(&self, line: &str) -> Result<Self::Op, String>;

    /// Says which step of a whole workload, if any, cannot be. The default takes all.
    fn check_steps(&self, steps: &[Step<Self::Op>]) -> Result<(), LineError> {
        let _ = steps;
        Ok(())
    }

    /// Opens the store below `root`, creating it if it is not there; runs its recovery.
    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Self::Store, SubjectError>;

    /// Runs one operation.
    fn execute(&self, store: &mut Self::Store, op: &Self::Op) -> Outcome;

    /// Runs operation `number` of a workload, from 1, reopenings counted: for wrappers that tell operations apart.
    #[doc(hidden)]
    fn execute_numbered(&self, store: &mut Self::Store, number: u32, op: &Self::Op) -> Outcome {
        let _ = number;
        self.execute(store, op)
    }

    /// Reads everything the store holds.
    fn read(&self, store: &mut Self::Store) -> Result<Self::State, SubjectError>;

    /// Closes the store in order. The default drops it.
    fn close(&self, store: Self::Store) -> Result<(), SubjectError> {
        drop(store);
        Ok(())
    }

    /// The state of a new store.
    fn initial_state(&self) -> Self::State;

    /// What `op` does to the model.
    fn apply(&self, state: &mut Self::State, op: &Self::Op);

    /// Whether a store that should hold `model` may be found to hold `got`. The default wants them equal; a
    /// subject that promises less than a whole state says here how much.
    fn allows(&self, model: &Self::State, got: &Self::State) -> bool {
        model == got
    }

    /// Says in the subject's own words what is wrong with `got` where `model` was promised. By default the
    /// oracle finds the words.
    fn failure(&self, model: &Self::State, got: &Self::State) -> Option<Failure> {
        let _ = (model, got);
        None
    }

    /// Whether stories should tell which operation made a call, not which source line did: where an operation
    /// is a call, its line says more. By default the source line.
    fn calls_by_operation(&self) -> bool {
        false
    }

    /// Lines that show how `got` differs from `allowed`, for people.
    fn diff(&self, allowed: &Self::State, got: &Self::State) -> Vec<String> {
        vec![format!("allowed {allowed:?}"), format!("got     {got:?}")]
    }

    /// Operations that a recovered store is asked to do, to see that it still works: some writes (of the
    /// records' usual length, so that they land where old ones lay), a sync, whatever maintenance it has.
    fn epilogue(&self) -> Vec<Self::Op> {
        Vec::new()
    }

    /// Simpler operations that may take the place of `op` while a violation is shrunk, the simplest first:
    /// smaller values, shorter keys, a part of a batch. None of them may lead back to `op`. The default has
    /// none.
    fn simpler(&self, op: &Self::Op) -> Vec<Self::Op> {
        let _ = op;
        Vec::new()
    }

    /// After recovery, and again after [`epilogue`](Subject::epilogue): names of files below `root` that
    /// should not be there. The default finds none.
    fn leaks(&self, vfs: &dyn Vfs, root: &Path) -> Result<Vec<String>, SubjectError> {
        let _ = (vfs, root);
        Ok(Vec::new())
    }
}
