//! The suite itself: sound files, every planted bug present, every verdict as declared.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use unplug::report::Verdict;
use unplug::workload::scenario::Scenario;
use unplug_engine::Planted;
use unplug_scenarios::planted::BUGS;
use unplug_scenarios::suite::SCENARIOS;

fn scenarios() -> Vec<Scenario> {
    SCENARIOS.iter().map(|(name, text)| Scenario::parse(name, text).unwrap()).collect()
}

#[test]
fn the_registry_has_no_problems() {
    assert_eq!(unplug_scenarios::registry().problems(), [""; 0]);
}

#[test]
fn every_file_prints_back_byte_for_byte() {
    for (name, text) in SCENARIOS {
        assert_eq!(Scenario::parse(name, text).unwrap().to_string(), *text, "{name}");
    }
}

#[test]
fn every_file_of_the_suite_s_directory_is_part_of_the_program() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/suite");
    let mut files: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
    files.sort();
    names.sort_unstable();
    assert_eq!(files, names);
}

#[test]
fn every_mistake_of_the_engine_is_planted() {
    for name in Planted::NAMES {
        assert!(BUGS.iter().any(|bug| bug.id == *name), "{name}");
    }
}

#[test]
fn a_bug_shows_or_cannot_happen_under_each_model_that_its_scenario_declares() {
    let scenarios = scenarios();
    for bug in BUGS {
        let scenario = scenarios.iter().find(|scenario| scenario.name == bug.scenario).unwrap();
        for (model, expected) in &scenario.models {
            let shows = bug.models.contains(&model.as_str());
            let cannot = bug.impossible.iter().any(|(other, _)| other == model);
            assert_eq!(
                (shows, cannot),
                (*expected == Verdict::Violated, *expected == Verdict::Held),
                "{}",
                bug.id
            );
        }
    }
}
