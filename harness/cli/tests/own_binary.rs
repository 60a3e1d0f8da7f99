//! Anybody's registry has the whole command line.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../examples/own_binary.rs"]
mod own_binary;

use std::fs;

use own_binary::registry;
use unplug_cli::exit;

fn run(args: &[&str]) -> u8 {
    unplug_cli::run(&registry(), [&["own_binary"], args].concat())
}

#[test]
fn the_example_is_sound_and_ends_as_it_declares() {
    assert_eq!(registry().problems(), [""; 0]);
    assert_eq!(run(&[]), exit::OK);
    assert_eq!(run(&["run", "append", "--bug", "no-sync", "--depth", "1", "-q"]), exit::UNEXPECTED);
}

#[test]
fn its_reports_name_its_own_subject() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    assert_eq!(run(&["run", "-q", "--json", path.to_str().unwrap()]), exit::OK);
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(report["version"], "1.0");
    assert_eq!(report["scenarios"][0]["subject"], "list");
    assert_eq!(report["scenarios"][1]["violations"][0]["check"], "durability");
    assert_eq!(run(&["repro", path.to_str().unwrap()]), exit::UNEXPECTED);
}

#[test]
fn a_program_without_a_replayer_says_so() {
    assert_eq!(run(&["replay", "."]), exit::USAGE);
}

#[test]
fn an_unsound_registry_lists_its_problems() {
    let text = "name = \"other\"\nguards = \"x\"\nsubject = \"nothing\"\nmodels = { posix = \"held\" }\nops = '''\n'''\n";
    let bug = unplug_cli::PlantedBug {
        id: "lost",
        summary: "",
        breaks: "",
        disables: &[],
        scenario: "append",
        models: &[],
        impossible: &[],
    };
    let registry = registry().bugs(&[bug]).scenario("mine", text).scenario("append", "name = 1");
    assert_eq!(
        registry.problems(),
        [
            "mine: expected its file to say the same name, found `other`",
            "append: there are two scenarios of this name",
            "append: append:1: invalid type: integer `1`, expected a string",
            "lost: its scenario `append` does not switch it on",
            "lost: it and its scenario `append` disagree about posix",
        ]
    );
}
