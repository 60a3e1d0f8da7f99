//! Verdicts and exit codes of `run`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::{LOSES, as_str, command, expect, finish, scenario_file};

#[test]
fn a_scenario_that_holds_ends_with_0() {
    let ran = expect(0, &["run", "append"]);
    assert!(ran.stdout.starts_with("seed 1\nheld    append posix"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_planted_bug_that_is_caught_ends_with_0_and_its_story_is_told() {
    let ran = expect(0, &["run", "acknowledged-before-sync"]);
    assert!(ran.stdout.contains("\n        by durability, recovery "), "{}", ran.stdout);
    assert!(ran.stdout.contains("show it again: unplug repro u1-"), "{}", ran.stdout);
    let ran = expect(0, &["run", "--bug", "acknowledged-before-sync"]);
    assert!(ran.stdout.contains("caught  acknowledged-before-sync"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("u1-"), "{}", ran.stdout);
}

#[test]
fn an_unexpected_violation_ends_with_100_and_tells_how_to_see_it_again() {
    let (_dir, path) = scenario_file(LOSES);
    let ran = expect(100, &["run", as_str(&path)]);
    assert!(ran.stdout.contains("BROKEN"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!(" --scenario {}", as_str(&path))), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 BROKEN"), "{}", ran.stdout);
}

#[test]
fn a_planted_bug_on_the_command_line_breaks_a_scenario_that_should_hold() {
    let ran = expect(100, &["run", "sync-every-write", "--bug", "acknowledged-before-sync"]);
    assert!(ran.stdout.contains("BROKEN  sync-every-write"), "{}", ran.stdout);
    assert!(ran.stdout.contains("planted bug: acknowledged-before-sync"), "{}", ran.stdout);
}

#[test]
fn a_violation_that_should_be_there_and_is_not_ends_with_100() {
    let text = LOSES.replace("bug = \"acknowledged-before-sync\"\n", "").replace("held", "violated");
    let (_dir, path) = scenario_file(&text);
    let ran = expect(100, &["run", as_str(&path)]);
    assert!(ran.stdout.contains("expected a violation, found none"), "{}", ran.stdout);
}

#[test]
fn a_budget_that_runs_out_ends_with_5() {
    let ran = expect(5, &["run", "puts-2000", "--budget", "1ms"]);
    assert!(ran.stdout.contains("1 cut short"), "{}", ran.stdout);
}

#[test]
fn an_interrupted_run_tells_what_it_has_and_writes_its_report() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("report.json");
    let args = ["run", "append", "puts-2000", "--kill", "--model", "paranoid", "--json", as_str(&json)];
    let mut child = command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // The second scenario takes an hour or more, the first one seconds.
    while !text.contains("append") {
        assert_ne!(stdout.read_line(&mut text).unwrap(), 0, "{text}");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5), "{text}");
    assert!(text.contains("\ninterrupted\n\n1 held, 1 cut short\n"), "{text}");
    assert!(fs::read_to_string(json).unwrap().contains("\"verdict\": \"incomplete\""));
}

#[test]
fn an_unexpected_violation_beats_a_budget_that_ran_out() {
    let (_dir, path) = scenario_file(LOSES);
    let ran = expect(100, &["run", as_str(&path), "puts-2000", "--kill", "--budget", "1s"]);
    assert!(ran.stdout.contains("1 BROKEN, 1 cut short"), "{}", ran.stdout);
}

#[test]
fn names_globs_paths_and_directories_are_taken_once_each() {
    let (dir, path) = scenario_file(&LOSES.replace("held", "violated"));
    fs::write(dir.path().join("notes.txt"), "not a scenario").unwrap();
    let directory = format!("{}/", dir.path().display());
    let ran = expect(0, &["run", "-q", "append", "app*", "unsynced-?", as_str(&path), &directory]);
    assert_eq!(ran.stdout.lines().last(), Some("2 held, 1 caught"), "{}", ran.stdout);
}

#[test]
fn a_scenario_given_by_its_name_runs_under_a_model_that_it_does_not_declare() {
    let (dir, path) = scenario_file(&LOSES.replace("bug = \"acknowledged-before-sync\"\n", ""));
    let ran = expect(0, &["run", as_str(&path), "--model", "paranoid"]);
    assert!(ran.stdout.contains("\nheld    own paranoid"), "{}", ran.stdout);
    // Not one among others, and not a planted bug: nobody knows what it should do there.
    let (_bug_dir, bug) = scenario_file(LOSES);
    for name in [dir.path(), &bug] {
        let ran = expect(4, &["run", as_str(name), "--model", "paranoid"]);
        assert!(ran.stderr.contains("nothing selected"), "{}", ran.stderr);
    }
}

#[test]
fn a_scenario_without_kills_has_them_on_demand() {
    let points = |args: &[&str]| -> u64 {
        let ran = expect(0, &[args, &["--json", "-"]].concat());
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        report["scenarios"][0]["crash_points"].as_u64().unwrap()
    };
    assert!(points(&["run", "unsynced-4", "--kill"]) > points(&["run", "unsynced-4"]));
    let ran = expect(2, &["run", "unsynced-4", "--kill", "--sweep"]);
    assert!(ran.stderr.contains("--sweep"), "{}", ran.stderr);
}

#[test]
fn quiet_runs_tell_the_seed_and_the_sum() {
    assert_eq!(expect(0, &["run", "append", "-q", "--seed", "0x10"]).stdout, "seed 16\n1 held\n");
}

#[test]
fn a_shard_takes_part_of_the_crash_points() {
    let points = |shard: &str| -> u64 {
        let ran = expect(0, &["run", "rotation", "--shard", shard, "--json", "-"]);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        report["scenarios"][0]["crash_points"].as_u64().unwrap()
    };
    let (whole, first, second) = (points("1/1"), points("1/2"), points("2/2"));
    assert_eq!(first + second, whole);
    assert!(first > 0 && second > 0);
}

#[test]
fn narrow_terminals_get_two_short_lines() {
    let mut narrow = command(&["run", "unsynced-16", "compaction-automatic"]);
    narrow.env("COLUMNS", "60");
    let ran = finish(narrow);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 60), "{}", ran.stdout);
    let figures = ran.stdout.lines().filter(|line| line.starts_with("        ") && line.contains(" pt "));
    assert_eq!(figures.count(), 2, "{}", ran.stdout);
}

#[test]
fn the_story_of_a_violation_is_readable() {
    let ran = expect(0, &["run", "acknowledged-before-sync", "segment-entry-not-synced"]);
    insta::with_settings!({ filters => vec![
        (r"u1-[A-Za-z0-9_-]+", "TOKEN"),
        (r"\.rs:\d+", ".rs:LINE"),
        (r" +engine/", "  engine/"),
        (r"crash point \d+", "crash point N"),
        (r"recovery \d+", "recovery N"),
        (r"\d+ pt .*", "FIGURES"),
        (r"\d+ crash points: .*", "N crash points: …"),
        (r"\d+ recoveries in .*", "N recoveries in …"),
    ] }, {
        insta::assert_snapshot!("story", ran.stdout);
    });
}
