//! The same engine code on a real directory: a process that writes, syncs and compacts is killed (SIGKILL) at
//! some moment; when the store is opened again every record that was acknowledged as synced is there, nothing
//! that was never written is, and what lies between comes back as a prefix.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use unplug_engine::{Options, Store, SyncPolicy};
use unplug_vfs::OsFs;

const CHILD: &str = "UNPLUG_KILL_TEST_CHILD";
const KILLS: u64 = 20;
/// Records between two syncs.
const BATCH: u64 = 5;

fn open(dir: &Path) -> Store {
    let options = Options {
        segment_size: 8 << 10,
        compact_ops: Some(60),
        sync: SyncPolicy::Manual,
        ..Options::default()
    };
    Store::open(Arc::new(OsFs), dir, options).unwrap()
}

/// Lengths vary, so that records end everywhere in their blocks.
fn value(i: u64) -> Vec<u8> {
    vec![i as u8; (i * 97 % 700) as usize]
}

/// What the killed process runs: says `issued` before a batch of records and `synced` after its sync.
fn write_until_killed(dir: &Path) {
    let mut store = open(dir);
    let mut out = std::io::stdout();
    let mut say = |word: &str, upto: u64| {
        out.write_all(format!("\n{word} {upto}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    };
    let mut next = store.len() as u64;
    loop {
        say("issued", next + BATCH);
        for i in next..next + BATCH {
            store.put(&i.to_be_bytes(), &value(i)).unwrap();
        }
        next += BATCH;
        store.sync().unwrap();
        say("synced", next);
    }
}

/// Lets a process write until it has synced `wanted` batches, waits a little more and kills it. Returns the
/// last number it said that it had synced, and issued.
fn kill_while_writing(dir: &Path, wanted: u64, pause: Duration) -> (u64, u64) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_a_killed_process_had_synced_is_there_and_nothing_unwritten", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut synced, mut issued, mut batches) = (0, 0, 0);
    let mut note = |line: String| match line.split_once(' ') {
        Some(("issued", upto)) => issued = upto.parse().unwrap(),
        Some(("synced", upto)) => {
            synced = upto.parse().unwrap();
            batches += 1;
            if batches == wanted {
                std::thread::sleep(pause);
                child.kill().unwrap();
            }
        }
        _ => {}
    };
    // What the process had said before it died is still in the pipe.
    while let Some(Ok(line)) = lines.next() {
        note(line);
    }
    assert!(batches >= wanted, "the process died before it was killed");
    assert!(!child.wait().unwrap().success());
    (synced, issued)
}

#[test]
fn what_a_killed_process_had_synced_is_there_and_nothing_unwritten() {
    if let Ok(dir) = std::env::var(CHILD) {
        return write_until_killed(Path::new(&dir));
    }
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    for kill in 0..KILLS {
        let pause = Duration::from_micros(kill * 7919 % 3000);
        let (synced, issued) = kill_while_writing(&dir, 1 + kill % 7, pause);
        let store = open(&dir);
        assert_eq!(store.recovery().stopped.as_ref().filter(|stopped| stopped.sealed), None);
        let there = store.len() as u64;
        assert!((synced..=issued).contains(&there), "kill {kill}: {there} of {synced} to {issued}");
        for i in 0..there {
            assert_eq!(store.get(&i.to_be_bytes()).as_deref(), Some(&value(i)[..]), "kill {kill}");
        }
    }
    assert!(open(&dir).epoch() > 2, "compactions were among what was killed");
}
