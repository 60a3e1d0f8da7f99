//! Lazy exploration against brute force on the bundled engine: random small workloads, correct and with bugs
//! planted, must have the very same outcomes.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use proptest::prelude::*;
use unplug::explore::{Outcome, Settings, kill_outcomes, outcomes, parse_workload};
use unplug::materialise::{brute_force, brute_force_kills};
use unplug::model::Model;
use unplug::subject::Subject;
use unplug::workload::{OptionValue, Options};
use unplug_scenarios::engine::Engine;
use unplug_scenarios::planted::BUGS;

/// At one crash point, by depth.
const STATES_MAX: [u64; 2] = [3_000, 300];

fn engine(bug: Option<&str>, sync: &str, segment_size: u64) -> Engine {
    let mut options = Options::new();
    options.set("sync", OptionValue::Text(sync.to_string()));
    options.set("segment_size", OptionValue::Int(segment_size as i64));
    options.set("recycle", OptionValue::Bool(segment_size < 4096));
    // Each block of zeros ahead doubles the states.
    options.set("preallocate", OptionValue::Int(if segment_size < 2048 { 2048 } else { 0 }));
    Engine::new(&options, bug).unwrap()
}

/// After a kill.
const KILL_STATES_MAX: u64 = 300;

type Outcomes = Vec<Outcome<<Engine as Subject>::State>>;

fn settings(model: &Model, depth: u32) -> Settings {
    Settings { depth, jobs: 1, cap: u64::MAX, ..Settings::new("test", model.clone()) }
}

fn check(subject: &Engine, lines: &[String], model: &Model, depth: u32) -> Result<(), TestCaseError> {
    let steps = parse_workload(subject, lines).unwrap();
    let brute = brute_force(subject, &steps, model, depth, STATES_MAX[depth as usize - 1]);
    same(brute, || outcomes(subject, &steps, &settings(model, depth)))
}

fn check_kills(subject: &Engine, lines: &[String], model: &Model) -> Result<(), TestCaseError> {
    let steps = parse_workload(subject, lines).unwrap();
    let brute = brute_force_kills(subject, &steps, model, KILL_STATES_MAX);
    same(brute, || kill_outcomes(subject, &steps, &settings(model, 1)))
}

/// Cases with more legal states than brute force can take, or that go wrong without a crash, are passed over.
fn same(brute: Option<Outcomes>, lazy: impl Fn() -> Outcomes) -> Result<(), TestCaseError> {
    let Some(brute) = brute else {
        return Err(TestCaseError::reject("not a case for brute force"));
    };
    let lazy = lazy();
    let missing: Vec<_> = brute.iter().filter(|o| !lazy.contains(o)).collect();
    let extra: Vec<_> = lazy.iter().filter(|o| !brute.contains(o)).collect();
    prop_assert!(missing.is_empty() && extra.is_empty(), "missed {missing:#?}\nnot legal {extra:#?}");
    Ok(())
}

fn lines(max: usize) -> impl Strategy<Value = Vec<String>> {
    let put = (0..3u8, 0..9u8, prop::sample::select(vec![0usize, 20, 100, 600]));
    let op = prop_oneof![
        4 => put.prop_map(|(key, seed, len)| format!("put k{key} fill({seed},{len})")),
        1 => (0..3u8).prop_map(|key| format!("del k{key}")),
        1 => Just("batch put k0 fill(7,300); del k1; put k2 fill(8,300)".to_string()),
        2 => Just("sync".to_string()),
        1 => Just("compact".to_string()),
    ];
    prop::collection::vec(op, 1..=max)
}

fn models() -> impl Strategy<Value = Model> {
    prop::sample::select(Model::NAMES.to_vec()).prop_map(|name| Model::by_name(name).unwrap())
}

fn bug() -> impl Strategy<Value = Option<&'static str>> {
    let bugs: Vec<&'static str> = BUGS.iter().map(|bug| bug.id).collect();
    prop_oneof![1 => Just(None), 2 => prop::sample::select(bugs).prop_map(Some)]
}

fn config(cases_part: u32) -> ProptestConfig {
    let cases = ProptestConfig::default().cases / cases_part;
    ProptestConfig {
        failure_persistence: None,
        max_global_rejects: 100_000,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn one_crash_leads_to_the_same_outcomes(
        lines in lines(5),
        bug in bug(),
        sync in prop::sample::select(vec!["manual", "every-write"]),
        segment_size in prop::sample::select(vec![1024u64, 1536, 1 << 20]),
        model in models(),
    ) {
        check(&engine(bug, sync, segment_size), &lines, &model, 1)?;
    }
}

proptest! {
    // Brute force of a crashed recovery takes minutes for what the lazy exploration does in milliseconds.
    #![proptest_config(config(16))]

    #[test]
    fn a_crash_of_the_recovery_leads_to_the_same_outcomes(
        lines in lines(2),
        bug in bug(),
        segment_size in prop::sample::select(vec![1024u64, 1536, 1 << 20]),
    ) {
        check(&engine(bug, "manual", segment_size), &lines, &Model::posix(), 2)?;
    }

    #[test]
    fn a_crash_of_the_recovery_leads_to_the_same_outcomes_under_every_model(
        lines in lines(1),
        bug in bug(),
        model in models(),
    ) {
        check(&engine(bug, "manual", 1 << 20), &lines, &model, 2)?;
    }

    #[test]
    fn a_kill_leads_to_the_same_outcomes(lines in lines(3), bug in bug(), model in models()) {
        check_kills(&engine(bug, "manual", 1024), &lines, &model)?;
    }
}
