//! The reports for machines.

use std::fs;

use super::{LOSES, as_str, expect, scenario_file};

fn json(args: &[&str]) -> serde_json::Value {
    let ran = expect(0, &[&["run", "--json", "-"], args].concat());
    assert!(ran.stderr.starts_with("seed "), "text for people goes to stderr");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Replaces what may change from one run or version to the next: the fields are the interface.
fn hide(value: &mut serde_json::Value, fields: &[(&str, &str)]) {
    for (field, hidden) in fields {
        let value = value.get_mut(field).unwrap();
        if !value.is_null() {
            *value = (*hidden).into();
        }
    }
}

#[test]
fn the_json_report_has_the_documented_fields() {
    let mut report = json(&["unsynced-4", "acknowledged-before-sync"]);
    hide(&mut report, &[("version", "VERSION")]);
    for scenario in report["scenarios"].as_array_mut().unwrap() {
        let counts = ["crash_points", "exhausted", "unexplored", "recoveries", "first_violation_recovery"];
        hide(scenario, &counts.map(|count| (count, "COUNT")));
        hide(scenario, &[("seconds", "SECONDS"), ("states_log2", "LOG2"), ("states_log2_max", "LOG2")]);
        for violation in scenario["violations"].as_array_mut().unwrap() {
            hide(violation, &[("token", "TOKEN"), ("signature", "SIGNATURE"), ("crash_point", "POSITION")]);
        }
    }
    insta::with_settings!({ filters => vec![(r"\.rs:\d+", ".rs:LINE"), (r" +engine/", "  engine/")] }, {
        insta::assert_json_snapshot!("report", report);
    });
}

#[test]
fn the_number_of_jobs_changes_nothing_but_the_time() {
    let names = ["compaction", "rotation", "tiny-ops", "recycling", "dead-tail-not-cut", "wal-crc-unchecked"];
    let run = |jobs: &str| {
        let mut report = json(&[&names[..], &["--jobs", jobs]].concat());
        for scenario in report["scenarios"].as_array_mut().unwrap() {
            scenario["seconds"] = 0.into();
        }
        report
    };
    let one = run("1");
    for jobs in ["2", "5"] {
        assert_eq!(one, run(jobs), "--jobs {jobs}");
    }
}

#[test]
fn reports_are_written_when_a_run_fails_too() {
    let (dir, path) = scenario_file(LOSES);
    let (json, junit) = (dir.path().join("r.json"), dir.path().join("r.xml"));
    expect(100, &["run", as_str(&path), "append", "--json", as_str(&json), "--junit", as_str(&junit)]);
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(report["scenarios"][0]["verdict"], "violated");
    assert_eq!(report["scenarios"][0]["expected"], "held");
    insta::with_settings!({ filters => vec![
        (r#"time="[^"]*""#, "time=\"SECONDS\""),
        (r"u1-[A-Za-z0-9_-]+", "TOKEN"),
        (r"\.rs:\d+", ".rs:LINE"),
        (r"crash point \d+", "crash point N"),
        (r" +engine/", "  engine/"),
    ] }, {
        insta::assert_snapshot!("junit", fs::read_to_string(junit).unwrap());
    });
}
