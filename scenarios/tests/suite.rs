//! The suite itself: sound files, every planted bug present, every verdict as declared.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::collections::BTreeSet;
use std::path::Path;

use unplug::workload::scenario::Scenario;
use unplug_engine::Planted;
use unplug_scenarios::planted::BUGS;
use unplug_scenarios::suite::SCENARIOS;

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
fn the_scenarios_too_long_for_the_suite_are_sound_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("long");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario = Scenario::parse(name, &text).unwrap();
        assert_eq!((scenario.to_string(), scenario.name.as_str()), (text, name));
        count += 1;
    }
    assert!(count > 0);
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
fn the_tables_of_faults_and_the_scenarios_with_faults_agree() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/FAULTS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let tables = page.split("## Fault by fault").nth(1).unwrap().split("## The sweep").next().unwrap();
    let rows = tables.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |"));
    let named: BTreeSet<&str> = rows.filter_map(|row| row.rsplit('`').nth(1)).collect();
    let is_about_faults = |text: &str| {
        let scenario = Scenario::parse("suite", text).unwrap();
        scenario.sweep || !scenario.faults.is_empty()
    };
    for name in &named {
        assert!(SCENARIOS.iter().any(|(other, _)| other == name), "{name} is no scenario");
    }
    for (name, text) in SCENARIOS.iter().filter(|(_, text)| is_about_faults(text)) {
        assert!(named.contains(name), "{name} is in no table\n{text}");
    }
}
