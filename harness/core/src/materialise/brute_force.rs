//! Crashes a subject by brute force: at *every* position, on *every* legal disk, recovery run on each with a
//! plain file system. Slow and simple; what the lazy exploration finds must be exactly this.

use std::path::Path;
use std::sync::Arc;

use super::{Base, trees_at};
use crate::explore::{Outcome, Step};
use crate::model::Model;
use crate::plain::{MemFs, Tree};
use crate::subject::{Outcome as Ended, Subject};
use crate::trace::{EventKind, Mark, Pos, Trace};

/// All outcomes of a workload of operations (no reopening) under a model, each once; `None` if some crash has more than
/// `states_max` legal disks or a run of the subject goes wrong without a crash.
pub fn brute_force<S: Subject>(
    subject: &S,
    ops: &[Step<S::Op>],
    model: &Model,
    depth: u32,
    states_max: u64,
) -> Option<Vec<Outcome<S::State>>> {
    let fs = MemFs::recording();
    let mut store = subject.open(Arc::new(fs.clone()), Path::new("/")).ok()?;
    let mut search = Search { subject, model, depth, states_max, found: Vec::new() };
    search.go_on(&fs, &mut store, ops)?;
    drop(store);
    search.crash(&Base::empty(), &fs.take_trace(), 1, &Told::start(), None)?;
    Some(search.found)
}

/// What whoever watches the store had been told when it crashed.
#[derive(Clone)]
struct Told<St> {
    after: Option<St>,
    durable: u32,
    issued: u32,
}

impl<St> Told<St> {
    fn start() -> Told<St> {
        Told { after: None, durable: 0, issued: 0 }
    }
}

struct Search<'a, S: Subject> {
    subject: &'a S,
    model: &'a Model,
    depth: u32,
    states_max: u64,
    found: Vec<Outcome<S::State>>,
}

impl<S: Subject> Search<'_, S> {
    fn go_on(&self, fs: &MemFs, store: &mut S::Store, ops: &[Step<S::Op>]) -> Option<()> {
        for (number, step) in (1..).zip(ops) {
            let Step::Do(op) = step else { return None };
            fs.mark(Mark::Issued { op: number });
            match self.subject.execute(store, op) {
                Ended::Acknowledged { durable } => fs.mark(Mark::Acknowledged { op: number, durable }),
                Ended::Refused(_) | Ended::Unknown(_) => return None,
            }
        }
        Some(())
    }

    /// Everything that a crash of `trace`, whose process began on `base`, may lead to. `outer` is what had
    /// been told before, `own` what the process's recovery returned.
    fn crash(
        &mut self,
        base: &Base,
        trace: &Trace,
        depth: u32,
        outer: &Told<S::State>,
        own: Option<&S::State>,
    ) -> Option<()> {
        for at in 0..=trace.end() {
            let (durable, issued, recovered) = promised(trace, at);
            let told = match (depth > 1, recovered) {
                (true, false) => outer.clone(),
                (true, true) => Told { after: own.cloned(), durable, issued },
                (false, _) => Told { after: None, durable, issued },
            };
            for tree in trees_at(base, trace, at, self.model, self.states_max).ok()? {
                self.recover(&tree, depth, &told)?;
            }
        }
        Some(())
    }

    fn recover(&mut self, tree: &Tree, depth: u32, told: &Told<S::State>) -> Option<()> {
        let fs = MemFs::recording_from_tree(tree);
        let mut store = self.subject.open(Arc::new(fs.clone()), Path::new("/")).ok();
        let state = store.as_mut().and_then(|store| self.subject.read(store).ok());
        let Told { after, durable, issued } = told.clone();
        let outcome = Outcome { after, durable, issued, state: state.clone() };
        if !self.found.contains(&outcome) {
            self.found.push(outcome);
        }
        if depth == self.depth {
            return Some(());
        }
        if let (Some(mut store), Some(_)) = (store, &state) {
            fs.mark(Mark::Recovered);
            let epilogue: Vec<Step<S::Op>> = self.subject.epilogue().into_iter().map(Step::Do).collect();
            self.go_on(&fs, &mut store, &epilogue)?;
        }
        self.crash(&Base::from_tree(tree), &fs.take_trace(), depth + 1, told, state.as_ref())
    }
}

/// The last operation acknowledged as durable and the last issued before `at`, and whether recovery was over.
fn promised(trace: &Trace, at: Pos) -> (u32, u32, bool) {
    let mut promised = (0, 0, false);
    for event in &trace.events[..at as usize] {
        match event.kind {
            EventKind::Mark(Mark::Recovered) => promised = (0, 0, true),
            EventKind::Mark(Mark::Issued { op }) => promised.1 = op,
            EventKind::Mark(Mark::Acknowledged { op, durable: true }) => promised.0 = op,
            _ => {}
        }
    }
    promised
}
