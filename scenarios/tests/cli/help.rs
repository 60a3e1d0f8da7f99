//! What the program says of itself.

use super::{command, expect, finish};

/// Help as on a terminal of 80 columns.
fn help(args: &[&str]) -> String {
    let mut command = command(args);
    command.env("COLUMNS", "80");
    let ran = finish(command);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran.stdout
}

#[test]
fn the_program_explains_itself() {
    insta::assert_snapshot!("help", help(&["--help"]));
}

#[test]
fn run_explains_itself() {
    insta::assert_snapshot!("help_run", help(&["run", "--help"]));
}

#[test]
fn replay_explains_itself() {
    insta::assert_snapshot!("help_replay", help(&["replay", "--help"]));
}

#[test]
fn repro_explains_itself() {
    insta::assert_snapshot!("help_repro", help(&["repro", "--help"]));
}

#[test]
fn every_scenario_bug_subject_and_model_is_listed() {
    let ran = expect(0, &["list"]);
    for (name, _) in unplug_scenarios::suite::SCENARIOS {
        assert!(ran.stdout.contains(&format!("\n  {name} (")), "{name}");
    }
    for bug in unplug_scenarios::planted::BUGS {
        assert!(ran.stdout.contains(&format!("\n  {} (scenario {})", bug.id, bug.scenario)), "{}", bug.id);
        assert!(ran.stdout.contains(bug.summary), "{}", bug.id);
    }
    assert_eq!(expect(0, &["list", "models"]).stdout.lines().next(), Some("models"));
    assert!(expect(0, &["list", "subjects"]).stdout.contains("  engine: "));
}

#[test]
fn the_version_is_told() {
    assert_eq!(expect(0, &["--version"]).stdout, format!("unplug {}\n", env!("CARGO_PKG_VERSION")));
}
