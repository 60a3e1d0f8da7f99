//! Crashes a subject by brute force: at *every* position, on *every* legal disk, recovery run on each with a
//! plain file system. Slow and simple; what the lazy exploration finds must be exactly this.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Base, Chains, trees_at};
use crate::explore::{Outcome, Step};
use crate::model::Model;
use crate::plain::{MemFs, Tree};
use crate::subject::{Outcome as Ended, Subject};
use crate::trace::{ByteRange, Call, EventKind, Inode, Mark, Pos, ROOT, Trace};

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
    search.crash(&Base::empty(), (&fs.take_trace(), 0), 1, &Told::start(), None)?;
    Some(search.found)
}

/// All outcomes of killing the workload's process at every position and between the pages of every write, and of the
/// power failing at every position while the next one recovers and goes on; `None` as above.
pub fn brute_force_kills<S: Subject>(
    subject: &S,
    ops: &[Step<S::Op>],
    model: &Model,
    states_max: u64,
) -> Option<Vec<Outcome<S::State>>> {
    let fs = MemFs::recording();
    let mut store = subject.open(Arc::new(fs.clone()), Path::new("/")).ok()?;
    let mut search = Search { subject, model, depth: 2, states_max, found: Vec::new() };
    search.go_on(&fs, &mut store, ops)?;
    drop(store);
    let trace = fs.take_trace();
    for at in 0..=trace.end() {
        let mut killed = trace.clone();
        killed.events.truncate(at as usize);
        let next = trace.events.get(at as usize).map(|event| &event.kind);
        search.kill(&killed, next)?;
        let Some(EventKind::Call(Call::Write { inode, offset, data })) = next else { continue };
        let is_boundary = |len: &u32| (offset + u64::from(*len)).is_multiple_of(super::PAGE_LEN);
        for len in (1..data.len).filter(is_boundary) {
            let data = ByteRange { start: data.start, len };
            let part = Call::Write { inode: *inode, offset: *offset, data };
            let mut killed = killed.clone();
            killed.push(EventKind::Call(part), None);
            search.kill(&killed, None)?;
        }
    }
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
    /// been told before, `own` what the process's recovery returned. It crashes at `first` or later.
    fn crash(
        &mut self,
        base: &Base,
        (trace, first): (&Trace, Pos),
        depth: u32,
        outer: &Told<S::State>,
        own: Option<&S::State>,
    ) -> Option<()> {
        for at in first..=trace.end() {
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
        self.crash(&Base::from_tree(tree), (&fs.take_trace(), 0), depth + 1, told, state.as_ref())
    }

    /// A process that did `trace` is killed: the next one finds the newest of everything. What it does is crashed
    /// unless a mark comes `next`: the kill behind the mark is the same one, and more was promised.
    fn kill(&mut self, trace: &Trace, next: Option<&EventKind>) -> Option<()> {
        let chains = Chains::new(&Base::empty(), trace, trace.end(), self.model);
        let newest = chains.cells().into_iter().map(|(cell, _, newest)| (cell, newest)).collect();
        let tree = chains.tree(&newest);
        let fs = MemFs::recording_from_tree(&tree);
        let mut store = self.subject.open(Arc::new(fs.clone()), Path::new("/")).ok();
        let state = store.as_mut().and_then(|store| self.subject.read(store).ok());
        let (durable, issued, _) = promised(trace, trace.end());
        let told = Told { after: None, durable, issued };
        let outcome = Outcome { after: None, durable, issued, state: state.clone() };
        if !self.found.contains(&outcome) {
            self.found.push(outcome);
        }
        if let Some(EventKind::Mark(_)) = next {
            return Some(());
        }
        if let (Some(mut store), Some(_)) = (store, &state) {
            fs.mark(Mark::Recovered);
            let epilogue: Vec<Step<S::Op>> = self.subject.epilogue().into_iter().map(Step::Do).collect();
            self.go_on(&fs, &mut store, &epilogue)?;
        }
        let whole = resumed(trace, &chains.base(&newest), &tree, &fs.take_trace());
        self.crash(&Base::empty(), (&whole, trace.end() + 1), 2, &told, state.as_ref())
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

/// `first`, and what the process did that went on from it: on `tree`, which numbers inodes anew.
fn resumed(first: &Trace, base: &Base, tree: &Tree, then: &Trace) -> Trace {
    let mut old: BTreeMap<Inode, Inode> = BTreeMap::from([(ROOT, ROOT)]);
    let mut dirs: BTreeMap<&str, Inode> = BTreeMap::from([("", ROOT)]);
    for (path, inode, _) in tree.inodes() {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(was) = dirs.get(dir).and_then(|dir| base.dirs.get(dir)?.get(name)).copied() {
            old.insert(inode, was);
            dirs.insert(path, was);
        }
    }
    let last_known = old.keys().last().map_or(0, |inode| inode.0);
    let made = first.events.iter().filter_map(|event| match event.kind {
        EventKind::Call(Call::Create { inode, .. } | Call::CreateDir { inode, .. }) => Some(inode.0),
        _ => None,
    });
    let last_made = made.max().unwrap_or(ROOT.0);
    let renumber = |inode: &mut Inode| {
        let new = |inode: &Inode| Inode(inode.0 - last_known + last_made);
        *inode = old.get(inode).copied().unwrap_or_else(|| new(inode));
    };
    let mut whole = first.clone();
    for event in &then.events {
        let mut kind = event.kind.clone();
        if let EventKind::Call(call) = &mut kind {
            inodes_of(call).into_iter().for_each(renumber);
            if let Call::Write { data, .. } = call {
                *data = whole.store_bytes(then.bytes(*data));
            }
        }
        whole.push(kind, event.source);
    }
    whole
}

/// The inodes that a call names.
fn inodes_of(call: &mut Call) -> Vec<&mut Inode> {
    match call {
        Call::Create { dir, inode, .. }
        | Call::CreateDir { dir, inode, .. }
        | Call::Link { dir, inode, .. }
        | Call::Remove { dir, inode, .. }
        | Call::RemoveDir { dir, inode, .. } => vec![dir, inode],
        Call::Rename { from_dir, to_dir, inode, .. } => vec![from_dir, to_dir, inode],
        Call::Exchange { a_dir, a_inode, b_dir, b_inode, .. } => vec![a_dir, a_inode, b_dir, b_inode],
        Call::Write { inode, .. }
        | Call::SetLen { inode, .. }
        | Call::Allocate { inode, .. }
        | Call::ZeroRange { inode, .. }
        | Call::LostWrite { inode, .. }
        | Call::SyncFile { inode, .. } => vec![inode],
        Call::SyncDir { dir } => vec![dir],
        Call::SyncAll | Call::Failed { .. } => Vec::new(),
    }
}
