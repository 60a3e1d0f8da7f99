//! A missing, unreadable, empty or foreign file gets one line and exit code 2 or 3.

use std::fs;
use std::process::{Command, Stdio};

use super::{as_str, expect, fixtures, unplug};

#[test]
fn bad_paths_get_one_clear_line() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |name: &str| tmp.path().join(name);
    fs::write(at("empty"), "").unwrap();
    fs::write(at("garbage"), [7, 0, 255, 3].repeat(300)).unwrap();
    fs::create_dir(at("nothing")).unwrap();
    fs::create_dir(at("other")).unwrap();
    fs::write(at("other/notes.txt"), "notes").unwrap();
    let mut text = String::new();
    for file in ["missing", "empty", "garbage", "nothing", "empty/below", "other"] {
        let (path, out) = (at(file), at("out"));
        let (path, out) = (as_str(&path), as_str(&out));
        for args in [
            &["dump", path][..],
            &["verify", path],
            &["salvage", path, out],
            &["import", path, out],
            &["export", path, out],
        ] {
            let ran = unplug(args);
            assert!([2, 3].contains(&ran.code), "{args:?}: {} {}", ran.code, ran.stdout);
            assert_eq!(ran.stderr.lines().count(), 1, "{args:?}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{args:?}");
            text += &format!("{} {file}: {}", args[0], ran.stderr.replace(as_str(tmp.path()), "TMP"));
            assert!(!at("out").exists() && !at("out.partial").exists(), "{args:?}");
        }
    }
    insta::assert_snapshot!("bad_paths", text);
}

#[test]
fn a_wrong_format_is_refused_with_the_known_ones() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("out");
    let mut text = String::new();
    for args in [
        &["dump", "text/v4-clean.log", "--format", "kvstore-v2"][..],
        &["dump", "wal/wal-clean", "--format", "snapshot"],
        &["import", "text/v4-clean.log", as_str(&out), "--format", "kvstore"],
        &["export", "store/clean", as_str(&out), "--format", "kvstore-v3-compacted"],
    ] {
        text += &expect(2, args).stderr;
    }
    insta::assert_snapshot!("bad_formats", text);
    expect(2, &["dump"]);
    expect(2, &["salvage", "store/clean"]);
}

#[test]
fn a_report_that_cannot_be_written_and_a_reader_that_is_gone_end_with_3() {
    expect(3, &["dump", "wal/wal-clean", "--json", "/dev/full"]);
    expect(3, &["verify", "store/clean", "--json", "/dev/full"]);
    for args in [&["dump", "wal/wal-clean"][..], &["verify", "store/clean"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
        command.args(args).current_dir(fixtures()).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(3), &b""[..]), "{args:?}");
    }
}
