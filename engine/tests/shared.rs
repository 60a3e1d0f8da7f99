//! Many threads on one store, on the kernel's file system: writes, compactions, readers, reopening.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{Call, MemFs, Rng, db, small};
use unplug_engine::{Batch, GroupCommit, Options, Shared, State, Store, SyncPolicy};
use unplug_vfs::OsFs;

const THREADS: u64 = 4;
const KEYS: u64 = 16;

fn key(thread: u64, key: u64) -> Vec<u8> {
    format!("{thread}/{key}").into_bytes()
}

fn number(value: Option<Arc<[u8]>>) -> Option<u64> {
    value.map(|value| u64::from_le_bytes(value[..8].try_into().unwrap()))
}

fn value(i: u64) -> Vec<u8> {
    let mut value = i.to_le_bytes().to_vec();
    value.resize(8 + (i % 300) as usize, i as u8);
    value
}

/// What one thread has written to its own keys: the last value of each, in order; and in the same batch always
/// to two keys, which readers must never see apart.
type History = BTreeMap<Vec<u8>, Option<u64>>;

fn writer(store: &Shared, thread: u64, round: u64, history: &mut History) {
    let mut rng = Rng(thread * 1000 + round);
    for i in 0..150 {
        let i = round * 1000 + i;
        match rng.below(8) {
            0 => {
                let key = key(thread, rng.below(KEYS));
                store.delete(&key).unwrap();
                assert_eq!(store.get(&key), None);
                history.insert(key, None);
            }
            1 => {
                let mut batch = Batch::new();
                for half in ["left", "right"] {
                    let key = format!("{thread}/{half}").into_bytes();
                    batch.put(&key, &value(i));
                    history.insert(key, Some(i));
                }
                store.write(batch).unwrap();
            }
            2 if i.is_multiple_of(50) => store.compact().unwrap(),
            _ => {
                let key = key(thread, rng.below(KEYS));
                store.put(&key, &value(i)).unwrap();
                // Nobody else writes this key.
                assert_eq!(number(store.get(&key)), Some(i));
                history.insert(key, Some(i));
            }
        }
    }
}

/// Values only grow, and a batch is seen whole or not at all.
fn reader(store: &Shared, stop: &AtomicBool) -> u64 {
    let mut newest = BTreeMap::new();
    let mut views = 0;
    while !stop.load(Ordering::Relaxed) {
        let view = store.view();
        for thread in 0..THREADS {
            let half = |half: &str| number(view.get(format!("{thread}/{half}").as_bytes()));
            assert_eq!(half("left"), half("right"), "a batch was seen in part");
            for k in 0..KEYS {
                let now = number(view.get(&key(thread, k)));
                if let Some(now) = now {
                    let before = newest.insert((thread, k), now).unwrap_or(0);
                    assert!(now >= before, "{now} was seen after {before}");
                }
            }
        }
        views += 1;
    }
    views
}

fn stress(options: &Options) {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let mut histories = vec![History::new(); THREADS as usize];
    for round in 1..4 {
        let store = Shared::open(Arc::new(OsFs), &dir, options.clone()).unwrap();
        for history in &histories {
            for (key, expected) in history {
                assert_eq!(number(store.get(key)), *expected, "round {round}");
            }
        }
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let reads = scope.spawn(|| reader(&store, &stop));
            let writers: Vec<_> = (0..THREADS)
                .zip(&mut histories)
                .map(|(thread, history)| {
                    let store = store.clone();
                    scope.spawn(move || writer(&store, thread, round, history))
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            stop.store(true, Ordering::Relaxed);
            assert!(reads.join().unwrap() > 0);
        });
        assert!(matches!(store.state(), State::Ready | State::Compacting));
        assert!(store.epoch() > round, "it was never compacted");
        store.close().unwrap();
    }
}

#[test]
fn each_key_follows_its_history_when_every_write_is_synced() {
    stress(&Options { compact_ops: Some(120), segment_size: 8192, ..Options::default() });
}

#[test]
fn each_key_follows_its_history_when_writes_wait_in_the_process() {
    for sync in [SyncPolicy::Manual, SyncPolicy::EveryN(10), SyncPolicy::Interval(Duration::from_millis(5))] {
        stress(&Options {
            compact_ops: Some(120),
            segment_size: 8192,
            sync,
            write_buffer_bytes: 4096,
            snapshot_chain_max: 2,
            ..Options::default()
        });
    }
}

#[test]
fn a_reader_does_not_wait_for_a_sync() {
    let fs = MemFs::new();
    let store = Shared::open(fs.clone(), db(), small()).unwrap();
    store.put(b"a", b"1").unwrap();
    // The sync goes on only when a reader has been served.
    let (syncing, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (seen, wait) = (syncing.clone(), served.clone());
    fs.hook(move |call, _| {
        if call == Call::Sync {
            seen.store(true, Ordering::SeqCst);
            while !wait.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        None
    });
    thread::scope(|scope| {
        let put = scope.spawn(|| store.put(b"a", b"2"));
        while !syncing.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        assert_eq!(store.get(b"a").as_deref(), Some(&b"1"[..]), "what is not durable does not show");
        assert_eq!(store.view().len(), 1);
        served.store(true, Ordering::SeqCst);
        put.join().unwrap().unwrap();
    });
    assert_eq!(store.get(b"a").as_deref(), Some(&b"2"[..]));
    // Nor for the syncs of a rotation.
    for flag in [&syncing, &served] {
        flag.store(false, Ordering::SeqCst);
    }
    thread::scope(|scope| {
        let put = scope.spawn(|| store.put(b"b", &[3; 4000]));
        while !syncing.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        assert_eq!((store.get(b"b"), store.view().len(), store.view().sequence()), (None, 1, 2));
        served.store(true, Ordering::SeqCst);
        put.join().unwrap().unwrap();
    });
    assert_eq!((store.view().len(), store.view().sequence()), (2, 3));
}

#[test]
fn writes_and_reads_go_on_while_a_compaction_waits_for_its_disk() {
    let fs = MemFs::new();
    let store = Shared::open(fs.clone(), db(), small()).unwrap();
    for i in 0..50u8 {
        store.put(&[i], &[i; 100]).unwrap();
    }
    let (writing, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (seen, wait) = (writing.clone(), go_on.clone());
    fs.hook(move |call, path| {
        if call == Call::Sync && path.to_string_lossy().contains("snap-") {
            seen.store(true, Ordering::SeqCst);
            while !wait.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        None
    });
    thread::scope(|scope| {
        let compaction = scope.spawn(|| store.compact());
        while !writing.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        for i in 0..100u8 {
            store.put(&[i], b"later").unwrap();
        }
        assert_eq!((store.state(), store.epoch(), store.len()), (State::Compacting, 1, 100));
        assert!(store.compaction().is_some_and(|progress| progress.entries == 50));
        go_on.store(true, Ordering::SeqCst);
        compaction.join().unwrap().unwrap();
    });
    assert_eq!((store.state(), store.epoch()), (State::Ready, 2));
    drop(store);
    let store = Store::open(fs, db(), small()).unwrap();
    assert_eq!((store.len(), store.recovery().snapshot_entries), (100, 50));
    assert_eq!(store.get(&[7]).as_deref(), Some(&b"later"[..]));
}

#[test]
fn writes_that_wait_at_the_same_time_share_a_sync_and_later_ones_do_not() {
    let fs = MemFs::new();
    let mut group = GroupCommit::new(common::open(&fs, small()));
    let submit = |group: &mut GroupCommit, key: u8| {
        let mut batch = Batch::new();
        batch.put(&[key], b"v");
        group.submit(batch).unwrap()
    };
    let before: Vec<_> = (0..8).map(|key| submit(&mut group, key)).collect();
    assert!(group.begin());
    let late = submit(&mut group, 8);
    assert!(!group.begin(), "one sync at a time");
    group.finish();
    assert!(before.into_iter().all(|ticket| group.answer(ticket).is_some_and(|answer| answer.is_ok())));
    assert!(group.answer(late).is_none());
    let store = group.store();
    assert_eq!((store.stats().syncs, store.len()), (2, 9));
    assert!(group.answer(late).is_some_and(|answer| answer.is_ok()));
}

#[test]
fn a_group_is_one_write_and_is_refused_as_one() {
    let fs = MemFs::new();
    let mut group = GroupCommit::new(common::open(&fs, Options { segment_size: 1 << 20, ..small() }));
    let submit = |group: &mut GroupCommit, keys: std::ops::Range<u8>| -> Vec<_> {
        let put = |key| {
            let mut batch = Batch::new();
            batch.put(&[key], &[key; 300]);
            group.submit(batch).unwrap()
        };
        keys.map(put).collect()
    };
    let writes = Arc::new(AtomicU64::new(0));
    let counter = writes.clone();
    fs.hook(move |call, _| {
        counter.fetch_add(u64::from(call == Call::Write), Ordering::Relaxed);
        None
    });
    let good = submit(&mut group, 0..8);
    group.drive();
    assert!(good.into_iter().all(|ticket| group.answer(ticket).is_some_and(|answer| answer.is_ok())));
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    // Enough for some of them, and for what undoes it.
    fs.unhook();
    fs.space(Some(0));
    let refused = submit(&mut group, 8..255);
    group.drive();
    for ticket in refused {
        let error = group.answer(ticket).unwrap().unwrap_err();
        assert!(error.is_no_space() && error.is_refused(), "{error}");
    }
    fs.space(None);
    let mut store = group.into_store();
    store.put(b"last", b"1").unwrap();
    assert_eq!(store.len(), 9);
    store.close().unwrap();
    assert_eq!(common::open(&fs, small()).len(), 9);
}

#[test]
fn a_failed_sync_reaches_every_thread_and_stops_the_store() {
    let fs = MemFs::new();
    let store = Shared::open(fs.clone(), db(), small()).unwrap();
    store.put(b"a", b"1").unwrap();
    fs.hook(|call, _| (call == Call::Sync).then(|| io::Error::from_raw_os_error(5)));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let error = store.put(b"a", b"2").unwrap_err();
                assert!(error.is_io() || error.is_failed(), "{error}");
            });
        }
    });
    assert_eq!(store.state(), State::Failed);
    assert_eq!(store.get(b"a").as_deref(), Some(&b"1"[..]));
    fs.unhook();
    assert!(store.compact().unwrap_err().is_failed());
    assert!(store.clone().close().unwrap_err().is_failed());
}

#[test]
fn a_full_disk_refuses_and_space_that_returns_is_used() {
    let fs = MemFs::new();
    let store = Shared::open(fs.clone(), db(), small()).unwrap();
    fs.space(Some(1500));
    let refused = (0..20u8).filter(|i| store.put(&[*i], &[*i; 400]).is_err_and(|e| e.is_refused())).count();
    assert!(refused > 10, "{refused}");
    fs.space(None);
    store.put(b"now", b"1").unwrap();
    assert_eq!((store.state(), store.len()), (State::Ready, 21 - refused));
    drop(store);
    assert_eq!(common::open(&fs, small()).len(), 21 - refused);
}

#[test]
fn the_thread_ends_with_the_last_handle_and_the_lock_is_free_again() {
    let tmp = tempfile::tempdir().unwrap();
    let open = |path: &Path| Shared::open(Arc::new(OsFs), path, Options::default());
    let store = open(tmp.path()).unwrap();
    let other = store.clone();
    other.put(b"a", b"1").unwrap();
    store.close().unwrap();
    assert!(open(tmp.path()).unwrap_err().is_locked());
    drop(other);
    assert_eq!(open(tmp.path()).unwrap().len(), 1);
}
