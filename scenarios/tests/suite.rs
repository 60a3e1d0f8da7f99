//! The suite itself: sound files, every planted bug present, every verdict as declared.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::path::Path;

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
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("suite")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
    }
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
