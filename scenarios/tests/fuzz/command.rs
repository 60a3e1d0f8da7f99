//! The command: in a pipe, in a narrow terminal, interrupted, resumed.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

fn fuzz(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
    command.arg("fuzz").args(args).env("COLUMNS", "60").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// What goes to stdout; nothing may go to stderr.
fn expect(code: i32, args: &[&str]) -> String {
    let output = fuzz(args).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{stdout}\n{stderr}");
    assert_eq!(stderr, "", "{args:?}");
    stdout
}

fn as_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_pipe_gets_the_seed_and_a_summary_that_fits_60_columns() {
    let text = expect(0, &["--cases", "4", "--seed", "7"]);
    assert!(text.starts_with("seed 7\n0 violations in 4 cases, "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    assert!(!text.contains(['\r', '\u{1b}']), "{text}");
}

#[test]
fn a_planted_bug_is_told_with_its_story_and_the_sync_that_is_missing() {
    let text = expect(0, &["--bug", "snapshot-not-synced", "--cases", "40"]);
    insta::with_settings!({ filters => vec![
        (r"u1-[A-Za-z0-9_-]+", "TOKEN"),
        (r"engine/src/[a-z_/]+\.rs:\d+", "engine/src/FILE.rs:LINE"),
        (r" +engine/", "  engine/"),
        (r"crash point \d+", "crash point N"),
        (r"\d+ explorations", "N explorations"),
        (r"\d+ crash points \(\d+ exhausted\)", "N crash points (N exhausted)"),
        (r"2\^\d+ states, \d+ behaviours", "2^N states, N behaviours"),
        (r"\d+ recoveries in .*", "N recoveries in …"),
    ] }, {
        insta::assert_snapshot!("planted_bug", text);
    });
}

#[test]
fn what_is_found_is_saved_and_shown_again_by_the_command_that_is_told() {
    let tmp = tempfile::tempdir().unwrap();
    let save = tmp.path().join("what was found");
    let text = expect(0, &["--bug", "acknowledged-before-sync", "--cases", "40", "--save", as_str(&save)]);
    let file = fs::read_dir(&save).unwrap().next().unwrap().unwrap().path();
    let again = text.lines().find_map(|line| line.strip_prefix("show it again: ")).unwrap();
    // As it would be pasted.
    let again = again.strip_prefix("unplug repro u1-").unwrap();
    let line = format!("'{}' repro u1-{again}", env!("CARGO_BIN_EXE_unplug"));
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(100), "{stdout}");
    let run = Command::new(env!("CARGO_BIN_EXE_unplug")).args(["run", as_str(&file)]).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "the saved scenario declares what it shows");
}

#[test]
fn an_interrupted_campaign_tells_what_it_has_and_goes_on_later() {
    let tmp = tempfile::tempdir().unwrap();
    let corpus = tmp.path().join("corpus");
    let mut child = fuzz(&["--corpus", as_str(&corpus)]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // It listens for ^C before it says its first line.
    stdout.read_line(&mut text).unwrap();
    // However far it comes.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    assert!(text.contains("\ninterrupted\n0 violations in "), "{text}");
    let done: u64 = text.split("violations in ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();

    let cases = (done + 5).to_string();
    let text = expect(0, &["--corpus", as_str(&corpus), "--cases", &cases]);
    assert!(text.starts_with(&format!("seed 1\ngoing on after {done} case")), "{text}");
    // As if nothing had happened in between.
    let whole = tmp.path().join("whole");
    expect(0, &["--corpus", as_str(&whole), "--cases", &cases]);
    let state = |dir: &Path| fs::read_to_string(dir.join("state.json")).unwrap();
    assert_eq!(state(&corpus), state(&whole));
}

#[test]
fn a_campaign_goes_on_past_more_states_than_a_floating_point_number_holds() {
    let tmp = tempfile::tempdir().unwrap();
    let corpus = as_str(tmp.path());
    expect(0, &["--cases", "1", "--corpus", corpus]);
    let path = tmp.path().join("state.json");
    let text = fs::read_to_string(&path).unwrap();
    let many =
        |line: &str| if line.contains("states_log2") { "\"states_log2\": 1200.0," } else { line }.to_string();
    fs::write(&path, text.lines().map(many).collect::<Vec<_>>().join("\n")).unwrap();
    for cases in ["2", "3"] {
        let text = expect(0, &["--cases", cases, "--corpus", corpus]);
        assert!(text.contains("\n2^1200 states, "), "{text}");
    }
}

#[test]
fn a_killed_campaign_goes_on_from_what_it_wrote_last() {
    let tmp = tempfile::tempdir().unwrap();
    let (corpus, whole) = (tmp.path().join("corpus"), tmp.path().join("whole"));
    let mut child = fuzz(&["--corpus", as_str(&corpus)]).stdout(Stdio::null()).spawn().unwrap();
    while !corpus.join("state.json").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it runs until it is stopped");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let text = expect(0, &["--corpus", as_str(&corpus), "--cases", "1"]);
    let done: u64 = text.split("going on after ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(done >= 20, "{text}");
    let cases = (done + 5).to_string();
    for dir in [&corpus, &whole] {
        expect(0, &["--corpus", as_str(dir), "--cases", &cases]);
    }
    let state = |dir: &Path| fs::read_to_string(dir.join("state.json")).unwrap();
    assert_eq!(state(&corpus), state(&whole));
}

#[test]
fn quiet_leaves_the_verdict() {
    let text = expect(0, &["-q", "--bug", "acknowledged-before-sync", "--cases", "40"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "seed 1"), "{text}");
    assert!(lines[1].starts_with("violation 1: 1 case, acknowledged before write "), "{text}");
    assert!(lines[2].starts_with("caught acknowledged-before-sync in "), "{text}");
}

#[test]
fn where_no_sync_helps_it_says_so() {
    let text = expect(0, &["--bug", "batch-applied-early", "--cases", "40"]);
    assert!(text.contains("\nadvice: no single further sync was found that removes it\n"), "{text}");
}

#[test]
fn an_audit_has_two_lines_for_each_line_of_source() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
    let output = command.args(["audit", "unsynced-4"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let mut lines: Vec<&str> = text.lines().collect();
    let sum = lines.pop().unwrap();
    let judged = |verdict: &str| lines.iter().filter(|line| line.starts_with(verdict)).count();
    let (needed, redundant) = (judged("load-bearing "), judged("redundant "));
    assert_eq!(2 * (needed + redundant), lines.len(), "{text}");
    assert_eq!(
        sum,
        format!(
            "{} source lines under posix, 1 workload: {needed} load-bearing, {redundant} redundant, 0 unknown",
            needed + redundant
        )
    );
    assert!(
        lines.iter().skip(1).step_by(2).all(|line| line.starts_with("             without it, ")),
        "{text}"
    );
    assert!(lines.iter().any(|line| line.ends_with(", 1 call")), "{text}");
    assert!(lines.iter().any(|line| line.ends_with(", after crashes only")), "{text}");
}

#[test]
fn wrong_input_gets_one_line() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("state.json"), "{}").unwrap();
    let mut lines = String::new();
    for args in [
        &["--bug", "snapshot-not-sunced"][..],
        &["engin", "--cases", "1"],
        &["protocol", "--cases", "1"],
        &["--cases", "1", "--corpus", as_str(tmp.path())],
    ] {
        let output = fuzz(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{args:?}: {stderr}");
        lines += &stderr.replace(as_str(tmp.path()), "TMP");
    }
    insta::assert_snapshot!("wrong_input", lines);
}
