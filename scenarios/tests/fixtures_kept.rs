//! The fixtures are what their recipes make, opening agrees with looking, and the command line compares them.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

#[path = "../examples/make-fixtures/recipes/mod.rs"]
mod recipes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use unplug::plain::{MemFs, Tree};
use unplug_engine::inspect;
use unplug_engine::{Error, Options, RecoveryPolicy, Store};
use unplug_scenarios::replay::state_digest;

fn fixtures_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn unplug(args: &[&str], path: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unplug")).args(args).arg(path).output().unwrap()
}

fn write_all(dir: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn files_below(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn the_committed_fixtures_are_what_the_recipes_make() {
    let mut committed = BTreeMap::new();
    files_below(&fixtures_dir(), "", &mut committed);
    // Recordings of real file systems were measured, not made.
    committed.retain(|path, _| !path.starts_with("observed/"));
    let made = recipes::files();
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&made));
    let differing: Vec<_> =
        made.iter().filter(|(path, bytes)| committed[*path] != **bytes).map(|f| f.0).collect();
    assert_eq!(
        differing, [""; 0],
        "make them again: cargo run -p unplug-scenarios --example make-fixtures -- fixtures"
    );
}

#[test]
fn fixtures_are_small_and_many() {
    let fixtures = recipes::all();
    assert!(fixtures.len() >= 45);
    for (path, bytes) in recipes::files() {
        assert!(path == "README.md" || bytes.len() <= 4096, "{path}: {} bytes", bytes.len());
    }
}

/// Two implementations of one definition: the recipes' and the replayer's.
#[test]
fn both_digests_of_every_declared_state_agree() {
    for expect in recipes::all().iter().flat_map(|fixture| &fixture.expect) {
        let entries = expect.state.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        assert_eq!(recipes::digest(&expect.state), state_digest(entries));
    }
}

#[test]
fn opening_a_store_read_only_shows_what_its_reading_declares() {
    let mut opened = 0;
    for fixture in recipes::all() {
        let recipes::Content::Store(files) = fixture.content else {
            continue;
        };
        let mut tree = Tree::new();
        for (name, bytes) in files {
            tree.insert_file(&format!("store/{name}"), bytes);
        }
        let expect = &fixture.expect[0];
        let options = Options { recovery: RecoveryPolicy::ReadOnly, ..Options::default() };
        match Store::open(Arc::new(MemFs::from_tree(&tree)), Path::new("store"), options) {
            Ok(store) => {
                let state: Vec<_> = store.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
                assert_eq!(state, expect.state, "{}", fixture.path);
                opened += 1;
            }
            Err(Error::Corrupted { .. } | Error::UnsupportedVersion { .. }) => {
                assert_eq!(expect.stop, Some((0, "bad-header")), "{}", fixture.path);
                assert!(expect.state.is_empty(), "{}", fixture.path);
            }
            Err(other) => panic!("{}: {other}", fixture.path),
        }
    }
    assert!(opened >= 8, "{opened}");
}

#[test]
fn a_flipped_bit_or_a_cut_anywhere_in_a_file_leaves_a_prefix_of_what_was_written() {
    let ops = recipes::store::ops();
    let mut writer = recipes::store::Writer::create(recipes::store::options());
    let log = writer.write(&ops).files().last("wal-").to_vec();
    let snapshot = writer.compact().files().last("snap-").to_vec();
    let whole = recipes::store::state(&ops);
    let after_ops: Vec<_> = (0..=ops.len()).map(|n| recipes::store::state(&ops[..n])).collect();
    let after_entries: Vec<_> = (0..=whole.len()).map(|n| whole[..n].to_vec()).collect();
    type Read = fn(&[u8]) -> inspect::Reading;
    for (bytes, read, states) in
        [(log, inspect::wal as Read, after_ops), (snapshot, inspect::snapshot, after_entries)]
    {
        let check = |bytes: &[u8], what: &str| {
            let reading = read(bytes);
            let state: Vec<_> = reading.entries.into_iter().collect();
            assert_eq!(state, states[usize::try_from(reading.records).unwrap()], "{what}");
        };
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            check(&damaged, &format!("bit {} of byte {at}", at % 8));
            check(&bytes[..at], &format!("cut to {at} bytes"));
        }
    }
}

#[test]
fn replaying_all_fixtures_ends_with_zero() {
    let output = unplug(&["replay"], &fixtures_dir());
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(!stdout.contains("MISMATCH"), "{stdout}");
}

#[test]
fn one_altered_expectation_ends_with_a_hundred_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = recipes::files();
    let sidecar = files.get_mut("wal/wal-clean.expect").unwrap();
    let text = String::from_utf8(sidecar.clone()).unwrap();
    assert!(text.contains("records = 8\n"));
    *sidecar = text.replace("records = 8\n", "records = 7\n").into_bytes();
    write_all(dir.path(), &files);
    let output = unplug(&["replay", "-q"], dir.path());
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(100), "{stdout}");
    assert!(stdout.contains("wal-clean"), "{stdout}");
    assert!(stdout.contains("records: expected 7, found 8"), "{stdout}");
}

#[test]
fn a_byte_changed_in_a_fixture_is_a_mismatch() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = recipes::files();
    files.get_mut("text/v4-clean.log").unwrap()[20] ^= 1;
    write_all(dir.path(), &files);
    assert_eq!(unplug(&["replay", "-q"], dir.path()).status.code(), Some(100));
}

#[test]
fn a_text_file_that_means_two_things_is_unsupported_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.snapshot");
    fs::write(&path, "PUT 1 100").unwrap();
    let output = unplug(&["replay"], &path);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("unsupported, because a single bare entry"), "{stderr}");
}
