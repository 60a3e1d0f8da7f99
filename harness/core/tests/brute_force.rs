//! Lazy exploration against brute force: for small workloads, on correct code and with mistakes planted,
//! both must find the very same outcomes. The brute force crashes at *every* position, enumerates every
//! legal disk with the independent materialiser, and runs recovery on each with a plain file system.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use common::{MISTAKES, Mistake, Op, Toy, settings, steps};
use proptest::prelude::*;
use unplug::explore::{Outcome, outcomes};
use unplug::materialise::{Base, trees_at};
use unplug::plain::{MemFs, Tree};
use unplug::subject::{Outcome as Ended, Subject};
use unplug::trace::{EventKind, Mark, Pos, Trace};

type State = BTreeMap<u8, u8>;

const STATES_MAX: u64 = 20_000;

struct BruteForce {
    toy: Toy,
    depth: u32,
    found: Vec<Outcome<State>>,
    too_large: bool,
}

/// What had been promised at a position.
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

impl BruteForce {
    fn run_ops(&self, fs: &MemFs, store: &mut common::Store, ops: &[Op]) {
        for (number, op) in (1..).zip(ops) {
            fs.mark(Mark::Issued { op: number });
            match self.toy.execute(store, op) {
                Ended::Acknowledged { durable } => fs.mark(Mark::Acknowledged { op: number, durable }),
                other => panic!("{op} ended as {other:?}"),
            }
        }
    }

    /// Everything a crash of `trace`, which began on `base`, may lead to. `outer` is what an earlier process
    /// was promised, if this trace's own recovery crashes.
    fn crash(
        &mut self,
        base: &Base,
        trace: &Trace,
        depth: u32,
        outer: (Option<State>, u32, u32),
        own: Option<&State>,
    ) {
        for at in 0..=trace.end() {
            let (durable, issued, recovered) = promised(trace, at);
            let told = match (depth, recovered) {
                (1, _) => (None, durable, issued),
                (_, true) => (own.cloned(), durable, issued),
                (_, false) => outer.clone(),
            };
            let Ok(trees) = trees_at(base, trace, at, STATES_MAX) else {
                self.too_large = true;
                return;
            };
            for tree in trees {
                self.recover(&tree, depth, told.clone());
            }
        }
    }

    fn recover(&mut self, tree: &Tree, depth: u32, told: (Option<State>, u32, u32)) {
        let fs = MemFs::recording_from_tree(tree);
        let store = self.toy.open(Arc::new(fs.clone()), Path::new("/"));
        let state = store.as_ref().ok().map(|store| self.toy.read_state(store));
        let (after, durable, issued) = told.clone();
        let outcome = Outcome { after, durable, issued, state: state.clone() };
        if !self.found.contains(&outcome) {
            self.found.push(outcome);
        }
        if depth < self.depth {
            if let Ok(mut store) = store {
                fs.mark(Mark::Recovered);
                self.run_ops(&fs, &mut store, &self.toy.epilogue());
            }
            let trace = fs.take_trace();
            self.crash(&Base::from_tree(tree), &trace, depth + 1, told, state.as_ref());
        }
    }
}

fn brute_force(toy: Toy, ops: &[Op], depth: u32) -> Option<Vec<Outcome<State>>> {
    let mut brute = BruteForce { toy, depth, found: Vec::new(), too_large: false };
    let fs = MemFs::recording();
    let mut store = toy.open(Arc::new(fs.clone()), Path::new("/")).expect("a new store opens");
    brute.run_ops(&fs, &mut store, ops);
    let trace = fs.take_trace();
    brute.crash(&Base::empty(), &trace, 1, (None, 0, 0), None);
    (!brute.too_large).then_some(brute.found)
}

fn sorted(mut outcomes: Vec<Outcome<State>>) -> Vec<Outcome<State>> {
    outcomes.sort_by_key(|o| (o.after.clone(), o.durable, o.issued, o.state.clone()));
    outcomes
}

/// Cases with more legal states than brute force can take are passed over.
fn check(toy: Toy, ops: &[Op], depth: u32) -> Result<(), TestCaseError> {
    let Some(brute) = brute_force(toy, ops, depth) else {
        return Err(TestCaseError::reject("too many states for brute force"));
    };
    let brute = sorted(brute);
    let lazy = sorted(outcomes(&toy, &steps(ops), &settings(depth)));
    if std::env::var_os("UNPLUG_SHOW").is_some() {
        eprintln!("{toy:?} {ops:?} depth {depth}: {} outcomes", brute.len());
    }
    let missing: Vec<_> = brute.iter().filter(|o| !lazy.contains(o)).collect();
    let extra: Vec<_> = lazy.iter().filter(|o| !brute.contains(o)).collect();
    prop_assert!(missing.is_empty() && extra.is_empty(), "missed {missing:#?}\nnot legal {extra:#?}");
    Ok(())
}

fn ops(max: usize) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (1u8..4, 1u8..4).prop_map(|(key, value)| Op::Put(key, value)),
        2 => Just(Op::Sync),
        1 => Just(Op::Compact),
    ];
    prop::collection::vec(op, 1..=max)
}

fn mistakes() -> impl Strategy<Value = Mistake> {
    prop::sample::select(MISTAKES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn one_crash_leads_to_the_same_outcomes(
        ops in ops(6),
        mistake in mistakes(),
        record_len in prop::sample::select(vec![100usize, 300, 512, 600, 1300]),
    ) {
        check(Toy { mistake, record_len }, &ops, 1)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn a_crash_of_the_recovery_leads_to_the_same_outcomes(
        ops in ops(3),
        mistake in mistakes(),
        record_len in prop::sample::select(vec![100usize, 300, 512, 600]),
    ) {
        check(Toy { mistake, record_len }, &ops, 2)?;
    }
}
