//! The command line, by running the binary. One file per class of behaviour.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod bad_input;
mod help;
mod replay;
mod report;
mod repro;
mod requirements;
mod run;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of the binary gave.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unplug"));
    command.args(args).env_remove("COLUMNS").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn finish(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn unplug(args: &[&str]) -> Ran {
    finish(command(args))
}

/// Runs the binary and demands its exit code.
fn expect(code: i32, args: &[&str]) -> Ran {
    let ran = unplug(args);
    assert_eq!(ran.code, code, "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

/// A scenario file in a directory that goes away with the returned value.
fn scenario_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.toml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn as_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A scenario that loses an acknowledged write: the planted bug is on, the file declares that it holds.
const LOSES: &str = r#"name = "own"
guards = "Nothing."
subject = "engine"
bug = "acknowledged-before-sync"
models = { posix = "held" }
ops = '''
put ka 1
put kb 2
'''
"#;
