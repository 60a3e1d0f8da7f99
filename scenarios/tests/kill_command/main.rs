//! `kill`: a process that writes to a real directory is killed, and the store must hold what it promised.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a run of the binary gave.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
    command.args(args).env("COLUMNS", "80").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// Runs the binary and demands its exit code.
fn expect(code: i32, args: &[&str]) -> Ran {
    let output = command(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran =
        Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert_eq!(ran.code, code, "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

/// A directory in memory where there is one: a kill does not ask what is durable, and syncs cost nothing there.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

fn as_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_engine_keeps_its_promises_and_nothing_is_left_behind() {
    let tmp = directory();
    let dir = tmp.path().join("new");
    let ran = expect(0, &["kill", as_str(&dir), "--kills", "40", "--budget", "10m"]);
    assert!(ran.stdout.starts_with("seed 1\nheld     40 kills in "), "{}", ran.stdout);
    // Nothing but the result goes into a pipe.
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (3, ""));
    assert!(!dir.exists());
    expect(0, &["kill", as_str(tmp.path()), "--kills", "1", "--seed", "0x2"]);
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
}

#[test]
fn planted_bugs_that_a_kill_can_show_are_found() {
    for bug in ["wal-dropped-before-switch", "snapshot-after-log-replaced", "version-header-dropped"] {
        let tmp = directory();
        let dir = as_str(tmp.path());
        let ran = expect(100, &["kill", dir, "--bug", bug, "--budget", "10m", "--json", "-"]);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&report["verdict"], &report["bug"]), (&"violated".into(), &bug.into()));
        let check = report["violation"]["check"].as_str().unwrap();
        assert!(["durability", "epoch", "liveness"].contains(&check), "{bug}: {check}");
        assert!(ran.stderr.contains("violated"), "{}", ran.stderr);
        // What the kill left is there, as it was before anybody opened it.
        let left = tmp.path().join("killed/store");
        assert!(fs::read_dir(left).unwrap().count() > 0, "{bug}");
    }
}

#[test]
fn a_missing_sync_does_not_show_in_a_kill() {
    let tmp = directory();
    expect(0, &["kill", as_str(tmp.path()), "--bug", "wal-sync-dropped", "--kills", "10", "--budget", "10m"]);
}

#[test]
fn the_json_report_counts() {
    let tmp = directory();
    let ran =
        expect(0, &["kill", as_str(tmp.path()), "--kills", "12", "--budget", "10m", "--json", "-", "-q"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["format"], &report["kills"], &report["seed"]), (&1.into(), &12.into(), &1.into()));
    assert_eq!(report["violation"], serde_json::Value::Null);
    assert_eq!(ran.stderr, "");
}

#[test]
fn control_c_stops_in_order_with_a_summary() {
    let tmp = directory();
    let dir = tmp.path().join("db");
    let mut child =
        command(&["kill", as_str(&dir), "--budget", "1h"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // It listens for ^C before it says its first line.
    stdout.read_line(&mut text).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    assert!(text.contains(", interrupted\n"), "{text}");
    assert!(!dir.exists());
}

#[test]
fn bad_input_gets_one_line() {
    let tmp = directory();
    let at = |name: &str| tmp.path().join(name);
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/notes.txt"), "notes").unwrap();
    let mut text = String::new();
    for (code, args) in [
        (3, &["kill", as_str(&at("file"))][..]),
        (2, &["kill", as_str(&at("full"))]),
        (3, &["kill", as_str(&at("missing/below"))]),
        (3, &["kill", "/proc/unplug"]),
        (2, &["kill", as_str(&at("new")), "--bug", "wal-dropped-before-swich"]),
        (3, &["kill", as_str(&at("new")), "--json", as_str(&at("missing/report"))]),
    ] {
        let ran = expect(code, args);
        assert_eq!((ran.stderr.lines().count(), ran.stdout.as_str()), (1, ""), "{args:?}");
        text += &ran.stderr.replace(as_str(tmp.path()), "TMP");
    }
    assert!(!at("new").exists());
    insta::assert_snapshot!("bad_input", text);
    for wrong in [&["kill"][..], &["kill", "x", "--kills", "0"], &["kill", "x", "--budget", "0s"]] {
        expect(2, wrong);
    }
}

#[test]
fn kill_explains_itself() {
    insta::assert_snapshot!("help_kill", expect(0, &["kill", "--help"]).stdout);
    assert!(!expect(0, &["--help"]).stdout.contains("kill-child"));
}
