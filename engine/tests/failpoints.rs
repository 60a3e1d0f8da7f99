//! A process that writes to a real directory dies at each of the store's internal steps in turn; what comes back
//! is the state after one operation between the last that was acknowledged and the last issued.
//!
//! The registry of failpoints is the process's: this test is a binary of its own, and each death one process.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unplug_engine::{Batch, Options, Planted, Store, SyncPolicy};
use unplug_vfs::OsFs;

const CHILD: &str = "UNPLUG_FAILPOINT_TEST_CHILD";
const PLANTED: &str = "UNPLUG_FAILPOINT_TEST_PLANTED";
const COUNT: &str = "UNPLUG_FAILPOINT_TEST_COUNT";
const OPS: u64 = 150;
/// How often a step is passed before the process dies there.
const PASSES: [u32; 4] = [0, 1, 4, 11];

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// One operation: what is put and deleted together.
fn op(number: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let key = |n: u64| (n * 7 % 23).to_be_bytes().to_vec();
    let value = |n: u64| Some(vec![n as u8; (n * 97 % 700) as usize]);
    match number % 6 {
        0 => (0..4).map(|i| (key(number + i), value(number + i))).collect(),
        3 => vec![(key(number / 2), None)],
        _ => vec![(key(number), value(number))],
    }
}

fn open(dir: &Path, planted: Planted) -> Store {
    let options = Options {
        segment_size: 4096,
        compact_ops: Some(25),
        snapshot_chain_max: 2,
        recycle_segments: true,
        sync: SyncPolicy::EveryWrite,
        planted,
        ..Options::default()
    };
    Store::open(Arc::new(OsFs), dir, options).unwrap()
}

/// What the dying process runs. It is opened again now and then, so that recovery is among what dies.
fn write_until_dead(dir: &Path) {
    assert!(fail::has_failpoints());
    std::panic::set_hook(Box::new(|_| std::process::abort()));
    let _scenario = fail::FailScenario::setup();
    let planted = std::env::var(PLANTED).map_or(Planted::None, |name| Planted::from_name(&name).unwrap());
    let mut out = std::io::stdout();
    let mut say = |word: &str, number: u64| {
        out.write_all(format!("\n{word} {number}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    };
    let mut store = open(dir, planted);
    let count = std::env::var(COUNT).unwrap().parse().unwrap();
    for number in 1..=count {
        if number % 40 == 0 {
            store.close().unwrap();
            store = open(dir, planted);
        }
        say("issued", number);
        let mut batch = Batch::new();
        for (key, value) in op(number) {
            match value {
                Some(value) => batch.put(&key, &value),
                None => batch.delete(&key),
            };
        }
        store.write(batch).unwrap();
        say("done", number);
    }
    store.close().unwrap();
}

/// How a process ended: whether it died at the failpoint, the last operation it acknowledged, the last issued.
fn die(dir: &Path, failpoints: &str, count: u64, planted: &str) -> (bool, u64, u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "the_dying_process", "--nocapture"])
        .env(CHILD, dir)
        .env("FAILPOINTS", failpoints);
    command.env(COUNT, count.to_string());
    if !planted.is_empty() {
        command.env(PLANTED, planted);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut done, mut issued) = (0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        match line.unwrap().split_once(' ') {
            Some(("done", number)) => done = number.parse().unwrap_or(done),
            Some(("issued", number)) => issued = number.parse().unwrap_or(issued),
            _ => {}
        }
    }
    let status = child.wait().unwrap();
    let died = status.signal() == Some(6);
    assert!(died || status.success(), "{failpoints}: {status}");
    (died, done, issued)
}

/// Which operation's state a store holds, of those from `done` to `issued`.
fn holds(store: &Store, done: u64, issued: u64) -> Option<u64> {
    let mut state = State::new();
    let got: State = store.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    let mut found = None;
    for number in 0..=issued {
        if number > 0 {
            for (key, value) in op(number) {
                match value {
                    Some(value) => drop(state.insert(key, value)),
                    None => drop(state.remove(&key)),
                }
            }
        }
        if number >= done && state == got {
            found = Some(number);
        }
    }
    found
}

/// In memory where that can be: an abort does not ask what is durable.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// One test at a time: a process that is being started holds the locks of the others' stores for a moment, until it
/// has become another program.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of every failpoint in the source.
fn failpoints() -> BTreeSet<String> {
    let mut files: Vec<PathBuf> = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut names = BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for rest in text.split("failpoint!(\"").skip(1) {
            let name = rest.split('"').next().unwrap().to_string();
            assert!(names.insert(name.clone()), "{name} stands at two places");
        }
    }
    names
}

#[test]
fn the_dying_process() {
    if let Ok(dir) = std::env::var(CHILD) {
        write_until_dead(Path::new(&dir));
    }
}

#[test]
fn a_death_at_any_step_loses_nothing_acknowledged_and_brings_back_nothing_unissued() {
    let _alone = alone();
    let names = failpoints();
    assert!(names.len() >= 20, "{names:?}");
    for name in &names {
        let mut deaths = 0;
        for passes in PASSES {
            let tmp = directory();
            let dir = tmp.path().join("db");
            let (died, done, issued) = die(&dir, &format!("{name}={passes}*off->1*panic"), OPS, "");
            deaths += u32::from(died);
            let store = open(&dir, Planted::None);
            assert_eq!(store.recovery().stopped.as_ref().filter(|stopped| stopped.sealed), None);
            let held = holds(&store, done, issued);
            assert!(held.is_some(), "{name} after {passes}: no state from {done} to {issued}");
            drop(store);
            // What came back stays, and the store goes on: another process dies in it, at the same place.
            assert_eq!(holds(&open(&dir, Planted::None), done, issued), held, "{name} after {passes}");
        }
        assert!(deaths > 0, "{name} is never reached");
    }
}

#[test]
fn a_death_in_recovery_changes_nothing() {
    let _alone = alone();
    let mut reached = BTreeSet::new();
    for name in failpoints() {
        for passes in [0, 1] {
            let tmp = directory();
            let dir = tmp.path().join("db");
            let (died, done, issued) = die(&dir, "wal::after_write=60*off->1*panic", OPS, "");
            assert!(died);
            // The next process opens the store, dies in that, and another one after it.
            for _ in 0..2 {
                let (died, ..) = die(&dir, &format!("{name}={passes}*off->1*panic"), 0, "");
                reached.extend(died.then(|| name.clone()));
            }
            let held = holds(&open(&dir, Planted::None), done, issued);
            assert!(held.is_some(), "{name} after {passes}: no state from {done} to {issued}");
        }
    }
    assert!(reached.len() >= 6, "{reached:?}");
}

#[test]
fn a_mistake_between_two_steps_is_noticed() {
    let _alone = alone();
    let tmp = directory();
    let dir = tmp.path().join("db");
    let (died, done, issued) = die(&dir, "compact::before_switch=1*panic", OPS, "wal-dropped-before-switch");
    assert!(died && done > 0);
    let opened = Store::open(Arc::new(OsFs), &dir, Options::default());
    assert!(opened.is_err() || holds(&opened.unwrap(), done, issued).is_none());
    // The same death without the mistake.
    let dir = tmp.path().join("right");
    let (died, done, issued) = die(&dir, "compact::before_switch=1*panic", OPS, "");
    assert!(died && holds(&open(&dir, Planted::None), done, issued).is_some());
}
