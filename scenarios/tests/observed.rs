//! `observed`: recordings of real file systems against the models, by running the binary.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A recording that ext4 would give, and one that it could not: its directory operations are in order.
const OWN: &str = r#"{"fs":"ext4","setup":["mk a A 1p"],"calls":["mv a b","sdir ."],"runs":1,"outcomes":[{"states":3,"returned_min":0,"returned_max":1,"files":{"a":"A1p"}},{"states":2,"returned_min":1,"returned_max":2,"files":{"b":"A1p"}}]}

{"fs":"ext4","setup":[],"calls":["cr a","cr b","fsync b","mk c C 100"],"runs":1,"outcomes":[{"states":5,"returned_min":3,"returned_max":3,"files":{"b":""}},{"states":4,"returned_min":3,"returned_max":3,"files":{"a":"","b":"","c":"C100"}}]}
"#;

/// Runs `observed own.jsonl` on a file with this content; demands the exit code.
fn observed(code: i32, content: &str, more: &[&str]) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("own.jsonl"), content).unwrap();
    run(code, dir.path(), &[&["own.jsonl"], more].concat())
}

fn run(code: i32, dir: &Path, args: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
    command.arg("observed").args(args).current_dir(dir).env_remove("NO_COLOR").env_remove("COLUMNS");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(code), "{args:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn what_a_model_forbids_is_shown_and_what_it_allows_is_counted() {
    let (stdout, stderr) = observed(100, OWN, &[]);
    assert_eq!(stderr, "");
    insta::assert_snapshot!(stdout, @r"
    outside ext4  own.jsonl:3: 5 crash states of ext4
      made:    cr a; cr b; fsync b
      cut off: mk c C 100
      found:   b

    model     workloads  outcomes   states  outside  explored  never seen  capped
    posix             2         4       14        0         2          14       0
    ext4              2         4       14        1         2           3       0
    outside: seen, but forbidden. never seen: allowed at the same crashes of the explored workloads;
    capped workloads allow more than was explored.
    ");
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let json = |jobs| observed(100, OWN, &["--json", "-", "--model", "all", "--jobs", jobs]).0;
    assert_eq!(json("1"), json("4"));
    let report: serde_json::Value = serde_json::from_str(&json("2")).unwrap();
    let models: Vec<&str> =
        report["models"].as_array().unwrap().iter().map(|m| m["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["posix", "ext4", "xfs", "btrfs", "paranoid"]);
    assert_eq!(report["outside"][0]["found"], serde_json::json!(["b"]));
}

#[test]
fn one_model_may_be_asked_for() {
    let (stdout, _) = observed(0, OWN, &["--model", "btrfs"]);
    assert!(stdout.contains("\nbtrfs ") || stdout.contains("btrfs "), "{stdout}");
    assert!(!stdout.contains("\nposix "), "{stdout}");
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    let told = |content: &str| observed(2, content, &[]).1;
    assert!(told(&OWN.replace("cr b", "crb")).starts_with("error: own.jsonl:3: expected one of cr, mk, "));
    assert!(
        told(&OWN.replace("mv a b", "mv x b")).contains("own.jsonl:1: failed to make the call \"mv x b\"")
    );
    assert!(told(&OWN.replace("\"A1p\"", "\"A1q\"")).starts_with("error: own.jsonl:1: expected a character"));
    assert!(told("{\n").starts_with("error: own.jsonl:1: expected one JSON object a line"));
    assert!(observed(2, OWN, &["--model", "ext5"]).1.contains("did you mean"));
    observed(4, "\n", &[]);
    let dir = tempfile::tempdir().unwrap();
    assert!(run(3, dir.path(), &["missing.jsonl"]).1.contains("failed to read missing.jsonl"));
}
