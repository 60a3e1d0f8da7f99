//! Lazy exploration against brute force on a toy store: for small workloads, on correct code and with
//! mistakes planted, both must find the very same outcomes.

mod common;

use common::models::models;
use common::{MISTAKES, Mistake, Op, Toy, settings, steps};
use proptest::prelude::*;
use unplug::explore::{Outcome, kill_outcomes, outcomes};
use unplug::materialise::{brute_force, brute_force_kills};
use unplug::model::Model;

/// At one crash point, by depth.
const STATES_MAX: [u64; 2] = [5_000, 200];

/// After a kill.
const KILL_STATES_MAX: u64 = 1_000;

type Outcomes = Vec<Outcome<std::collections::BTreeMap<u8, u8>>>;

/// Cases with more legal states than brute force can take are passed over.
fn check(toy: Toy, ops: &[Op], model: &Model, depth: u32) -> Result<(), TestCaseError> {
    let steps = steps(ops);
    let brute = brute_force(&toy, &steps, model, depth, STATES_MAX[depth as usize - 1]);
    same(brute, || outcomes(&toy, &steps, &settings(model.clone(), depth)))
}

fn check_kills(toy: Toy, ops: &[Op], model: &Model) -> Result<(), TestCaseError> {
    let steps = steps(ops);
    let brute = brute_force_kills(&toy, &steps, model, KILL_STATES_MAX);
    same(brute, || kill_outcomes(&toy, &steps, &settings(model.clone(), 1)))
}

fn same(brute: Option<Outcomes>, lazy: impl Fn() -> Outcomes) -> Result<(), TestCaseError> {
    let Some(brute) = brute else {
        return Err(TestCaseError::reject("too many states for brute force"));
    };
    let lazy = lazy();
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

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_crash_leads_to_the_same_outcomes(
        ops in ops(6),
        mistake in mistakes(),
        record_len in prop::sample::select(vec![16usize, 24, 100, 300, 512, 600, 1300]),
        model in models(),
    ) {
        check(Toy { mistake, record_len }, &ops, &model, 1)?;
    }

    #[test]
    fn a_crash_of_the_recovery_leads_to_the_same_outcomes(
        ops in ops(3),
        mistake in mistakes(),
        record_len in prop::sample::select(vec![16usize, 24, 100, 300, 512, 600]),
        model in models(),
    ) {
        check(Toy { mistake, record_len }, &ops, &model, 2)?;
    }

    #[test]
    fn a_kill_leads_to_the_same_outcomes(
        ops in ops(4),
        mistake in mistakes(),
        record_len in prop::sample::select(vec![16usize, 24, 100, 300, 600]),
        model in models(),
    ) {
        check_kills(Toy { mistake, record_len }, &ops, &model)?;
    }

    #[test]
    fn a_kill_inside_a_write_leads_to_the_same_outcomes(
        ops in ops(3),
        mistake in mistakes(),
        record_len in prop::sample::select(vec![3000usize, 4096, 5000, 9000]),
    ) {
        // Pages are not torn there: other models have too many states.
        check_kills(Toy { mistake, record_len }, &ops, &Model::btrfs())?;
    }
}

#[test]
fn a_case_worked_out_by_hand_has_just_its_six_outcomes() {
    let toy = Toy { mistake: Mistake::None, record_len: 100 };
    let ops = steps(&[Op::Put(1, 1), Op::Sync]);
    let lazy = outcomes(&toy, &ops, &settings(Model::posix(), 1));
    let brute = brute_force(&toy, &ops, &Model::posix(), 1, STATES_MAX[0]).expect("a small case");
    // (durable, issued): (0,0) empty; (0,1) empty or put; (0,2) empty or put; (2,2) put.
    let told = |o: &unplug::explore::Outcome<_>| (o.durable, o.issued);
    for outcomes in [&lazy, &brute] {
        let mut seen: Vec<_> =
            outcomes.iter().map(|o| (told(o), o.state.as_ref().map(|s| s.len()))).collect();
        seen.sort_unstable();
        let expected = [((0, 0), 0), ((0, 1), 0), ((0, 1), 1), ((0, 2), 0), ((0, 2), 1), ((2, 2), 1)];
        assert_eq!(seen, expected.map(|(told, len)| (told, Some(len))));
    }
}
