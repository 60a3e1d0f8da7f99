//! What the user did wrong, or what his machine refuses, gets one clear line and the documented code.

use std::fs;

use super::{LOSES, as_str, command, expect, finish, scenario_file};

/// The single line on stderr of a run that ends with `code`.
fn complaint(code: i32, args: &[&str]) -> String {
    let ran = expect(code, args);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    ran.stderr.trim_end().to_string()
}

#[test]
fn a_scenario_with_a_mistake_is_refused_with_file_and_line() {
    let refused = |from: &str, to: &str| {
        let (_dir, path) = scenario_file(&LOSES.replace(from, to));
        complaint(2, &["run", as_str(&path)]).replace(as_str(&path), "own.toml")
    };
    let cases = [
        ("put ka 1", "pot ka 1"),
        ("put kb 2", "put kb"),
        ("put kb 2", "repeat 3\n  put k{j} 2\nend"),
        ("put kb 2", "repeat 3"),
        ("subject = \"engine\"", "subject = \"engin\""),
        ("subject = \"engine\"", "subjekt = \"engine\""),
        ("subject = \"engine\"", "subject = engine"),
        ("acknowledged-before-sync", "acknowledge-before-sync"),
        ("posix =", "posixx ="),
        ("\"held\"", "\"hold\""),
        ("models = { posix = \"held\" }\n", ""),
        ("models =", "options = { segment_sise = 1 }\nmodels ="),
        ("models =", "options = { segment_size = 1 }\nmodels ="),
        ("models =", "options = { sync = \"never\" }\nmodels ="),
        ("ops = '''", "ops = ''"),
    ];
    let lines: Vec<String> = cases.iter().map(|(from, to)| refused(from, to)).collect();
    insta::assert_snapshot!("scenario_mistakes", lines.join("\n"));
}

#[test]
fn unknown_names_are_refused_with_the_nearest_one() {
    let lines = [
        complaint(2, &["run", "apend"]),
        complaint(2, &["run", "no-such-scenario-at-all"]),
        complaint(2, &["run", "--bug", "wal-crc-uncheckd"]),
        complaint(2, &["run", "--model", "posx"]),
        complaint(2, &["run", "--model", "plan9"]),
        complaint(4, &["run", "zzz*"]),
    ];
    insta::assert_snapshot!("unknown_names", lines.join("\n"));
}

#[test]
fn files_that_cannot_be_read_or_written_are_an_environment_error() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("empty")).unwrap();
    let (missing, through) = (at("missing.toml"), at("file/x.toml"));
    let lines = [
        complaint(3, &["run", as_str(&missing)]),
        complaint(3, &["run", as_str(&through)]),
        complaint(4, &["run", as_str(&at("empty/"))]),
        complaint(3, &["run", "append", "--json", as_str(&through)]),
        complaint(3, &["run", "append", "--json", "/dev/full"]),
        complaint(3, &["run", "append", "--junit", "/dev/full"]),
        complaint(3, &["replay", as_str(&missing)]),
        complaint(3, &["replay", as_str(&through)]),
        complaint(4, &["replay", as_str(&at("empty"))]),
        complaint(3, &["repro", as_str(&missing)]),
    ];
    let text = lines.join("\n").replace(as_str(dir.path()), "DIR");
    insta::assert_snapshot!("environment_errors", text);
}

#[test]
fn a_failing_run_ends_as_failing_even_if_its_report_cannot_be_written() {
    let (_dir, path) = scenario_file(LOSES);
    let ran = expect(100, &["run", as_str(&path), "--json", "/dev/full"]);
    assert_eq!(ran.stderr, "error: failed to write /dev/full: no space left on device\n");
}

#[test]
fn a_full_disk_behind_stdout_is_noticed() {
    for args in [&["list"][..], &["run", "append"], &["run", "append", "--json", "-"], &["--help"]] {
        let mut command = command(args);
        command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        let ran = finish_without_stdout(command);
        assert_eq!(ran.0, 3, "{args:?}");
        assert!(ran.1.contains("error: failed to write to stdout: no space left on device"), "{}", ran.1);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_news() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = command(&["list"]);
    command.stdout(writer);
    assert_eq!(finish_without_stdout(command), (3, String::new()));
}

fn finish_without_stdout(mut command: std::process::Command) -> (i32, String) {
    let output = command.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn wrong_options_are_a_usage_error() {
    for args in [
        &["frobnicate"][..],
        &["run", "--seed", "x"],
        &["run", "--budget", "5d"],
        &["run", "--jobs", "0"],
        &["run", "--depth", "0"],
        &["run", "--shard", "3/2"],
        &["run", "--nope"],
        &["replay"],
        &["repro"],
        &["run", "append", "-q", "-v"],
        &["run", "append", "--json", "-", "--junit", "-"],
    ] {
        let ran = expect(2, args);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn damaged_evidence_is_a_usage_error() {
    let (dir, _) = scenario_file(LOSES);
    let report = dir.path().join("report.json");
    fs::write(&report, "{}").unwrap();
    let lines = [
        complaint(2, &["repro", "u1-AAAA"]),
        complaint(2, &["repro", "u1-"]),
        complaint(2, &["repro", as_str(&report)]),
    ];
    let text = lines.join("\n").replace(as_str(dir.path()), "DIR");
    insta::assert_snapshot!("damaged_evidence", text);
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let plain = expect(0, &["run", "append"]).stdout;
    assert!(!plain.contains('\u{1b}'));
    assert!(expect(0, &["run", "append", "--color", "always"]).stdout.contains('\u{1b}'));
    let mut never = command(&["run", "append", "--color", "never"]);
    never.env("CLICOLOR_FORCE", "1");
    assert!(!finish(never).stdout.contains('\u{1b}'));
}
