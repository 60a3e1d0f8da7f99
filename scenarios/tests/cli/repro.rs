//! A violation can be shown again.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use unplug_engine::{Options, Store};
use unplug_vfs::OsFs;

use super::{LOSES, as_str, expect, scenario_file};

/// The first token that a run of these scenarios reports.
fn token(code: i32, args: &[&str]) -> String {
    let ran = expect(code, &[&["run", "--json", "-"], args].concat());
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    report["scenarios"][0]["violations"][0]["token"].as_str().unwrap().to_string()
}

#[test]
fn every_planted_bug_s_token_shows_the_same_violation_again() {
    let shown: Vec<&str> = unplug_scenarios::planted::BUGS
        .iter()
        .filter(|bug| bug.models.contains(&"posix"))
        .map(|bug| bug.scenario)
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    expect(0, &[&["run", "-q", "--json", as_str(&path)], &shown[..]].concat());
    let ran = expect(100, &["repro", as_str(&path)]);
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for scenario in report["scenarios"].as_array().unwrap() {
        for violation in scenario["violations"].as_array().unwrap() {
            let name = scenario["name"].as_str().unwrap();
            let check = violation["check"].as_str().unwrap();
            let part = ran.stdout.split("scenario ").find(|part| part.starts_with(name)).unwrap();
            assert!(part.contains(&format!("violation: {check}, ")), "{name}:\n{part}");
            assert!(!part.contains("explored anew"), "{name}:\n{part}");
        }
    }
    assert!(!ran.stdout.contains("gone"));
}

#[test]
fn a_token_of_a_planted_bug_on_the_command_line_works_too() {
    let token = token(100, &["sync-every-write", "--bug", "acknowledged-before-sync"]);
    expect(100, &["repro", &token]);
}

#[test]
fn a_token_of_an_own_scenario_needs_its_file() {
    let (_dir, path) = scenario_file(LOSES);
    let token = token(100, &[as_str(&path)]);
    let ran = expect(2, &["repro", &token]);
    assert!(ran.stderr.contains("give it with --scenario FILE"), "{}", ran.stderr);
    expect(100, &["repro", &token, "--scenario", as_str(&path)]);
}

#[test]
fn a_violation_is_gone_once_the_store_is_mended() {
    let (_dir, broken) = scenario_file(LOSES);
    let token = token(100, &[as_str(&broken)]);
    let (_dir, mended) = scenario_file(&LOSES.replace("bug = \"acknowledged-before-sync\"\n", ""));
    let ran = expect(0, &["repro", &token, "--scenario", as_str(&mended)]);
    assert!(ran.stdout.contains("gone: the violation does not show any more"), "{}", ran.stdout);
}

#[test]
fn what_a_sweep_has_found_is_shown_again_with_its_fault_and_gone_without_the_bug() {
    let sweep = LOSES
        .replace("bug = \"acknowledged-before-sync\"\n", "bug = \"failed-sync-retried\"\nsweep = true\n");
    let (_dir, broken) = scenario_file(&sweep);
    let token = token(100, &[as_str(&broken)]);
    let ran = expect(100, &["repro", &token, "--scenario", as_str(&broken)]);
    assert!(ran.stdout.contains("fault sync_data #"), "{}", ran.stdout);
    let (_dir, mended) = scenario_file(&sweep.replace("bug = \"failed-sync-retried\"\n", ""));
    let ran = expect(0, &["repro", &token, "--scenario", as_str(&mended)]);
    assert!(ran.stdout.contains("gone: the violation does not show any more"), "{}", ran.stdout);
}

/// Writes the crash's files of a bug's scenario, and opens the real store on them.
fn open_image(scenario: &str, dir: &Path) -> Result<Store, unplug_engine::Error> {
    let token = token(0, &[scenario]);
    expect(100, &["repro", &token, "--out", as_str(dir)]);
    Store::open(Arc::new(OsFs), &dir.join("store"), Options::default())
}

#[test]
fn the_real_store_misbehaves_on_the_files_of_the_crash() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // The writes were `put ka 1` and `put kb 2`, both acknowledged as durable.
    let store = open_image("acknowledged-before-sync", &at("lost")).unwrap();
    assert_eq!((store.get(b"ka").as_deref(), store.get(b"kb").as_deref()), (Some(&b"1"[..]), None));
    let error = open_image("snapshot-not-synced", &at("torn")).unwrap_err();
    assert!(error.is_corrupted(), "{error}");
}

#[test]
fn files_are_never_written_over_others() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "precious").unwrap();
    let token = token(0, &["acknowledged-before-sync"]);
    let ran = expect(2, &["repro", &token, "--out", as_str(dir.path())]);
    assert!(ran.stderr.contains("is not empty"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
