//! The tools that look into files: by running the binary. One file per tool.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod bad_input;
mod convert;
mod dump;
mod help;
mod salvage;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use unplug_engine::{Options, Store};
use unplug_vfs::OsFs;

/// What a run of the binary gave.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

thread_local! {
    /// A copy of the fixtures, one for each test: a store that is looked at is locked.
    static FIXTURES: tempfile::TempDir = {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"), copy.path());
        copy
    };
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_dir(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// The directory with the fixtures, where the binary runs.
fn fixtures() -> PathBuf {
    FIXTURES.with(|copy| copy.path().to_path_buf())
}

fn unplug(args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
    command
        .args(args)
        .current_dir(fixtures())
        .env("COLUMNS", "80")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the binary and demands its exit code.
fn expect(code: i32, args: &[&str]) -> Ran {
    let ran = unplug(args);
    assert_eq!(ran.code, code, "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

fn as_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every store among the fixtures, by name.
fn stores() -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(fixtures().join("store")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.push(entry.file_name().into_string().unwrap());
        }
    }
    names.sort();
    assert!(names.len() > 15);
    names
}

fn open(dir: &Path) -> Store {
    Store::open(Arc::new(OsFs), dir, Options { create: false, ..Options::default() }).unwrap()
}

/// Every file of a directory with its bytes.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}
