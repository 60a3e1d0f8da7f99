//! Failing calls: what the caller is told, and what the store does and does not do afterwards.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Call, MemFs, open, small, state_of};
use unplug_engine::{Batch, Options, State, Store, SyncPolicy};

fn fail(fs: &MemFs, which: Call, kind: io::ErrorKind) {
    fs.hook(move |call, path| {
        let log = path.to_string_lossy().contains("wal-");
        (call == which && log).then(|| kind.into())
    });
}

#[track_caller]
fn check_refuses_writes_and_serves_reads(store: &mut Store) {
    for refused in [
        store.put(b"x", b"y").unwrap_err(),
        store.delete(b"a").unwrap_err(),
        store.write(Batch::new()).unwrap_err(),
        store.sync().unwrap_err(),
        store.compact().unwrap_err(),
    ] {
        assert!(refused.is_refused() && (refused.is_failed() || refused.is_read_only()), "{refused}");
    }
    assert_eq!(store.get(b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(store.get(b"b"), None, "what the log refused must not be in memory");
}

#[test]
fn a_failed_sync_stops_the_store_and_is_never_tried_again() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    store.put(b"a", b"1").unwrap();
    let syncs = Arc::new(AtomicU64::new(0));
    let counter = syncs.clone();
    fs.hook(move |call, _| {
        (call == Call::Sync).then(|| {
            counter.fetch_add(1, Ordering::Relaxed);
            io::Error::from_raw_os_error(5)
        })
    });
    let error = store.put(b"b", b"2").unwrap_err();
    assert!(error.is_io() && !error.is_refused(), "{error}");
    assert_eq!(store.state(), State::Failed);
    check_refuses_writes_and_serves_reads(&mut store);
    assert!(store.close().unwrap_err().is_failed());
    assert_eq!(syncs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_failed_write_stops_the_store() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options { sync: SyncPolicy::Manual, ..small() });
    store.put(b"a", b"1").unwrap();
    fail(&fs, Call::Write, io::ErrorKind::Other);
    assert!(store.put(b"b", b"2").unwrap_err().is_io());
    assert_eq!(store.state(), State::Failed);
    fs.unhook();
    check_refuses_writes_and_serves_reads(&mut store);
}

#[test]
fn a_rotation_that_fails_anywhere_stops_the_store_and_loses_nothing() {
    for nth in 0.. {
        let fs = MemFs::new();
        let options = Options { sync: SyncPolicy::Manual, ..small() };
        let mut store = open(&fs, options.clone());
        store.put(b"a", b"1").unwrap();
        store.put(b"fill", &[0; 2900]).unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let counter = calls.clone();
        fs.hook(move |_, _| {
            (counter.fetch_add(1, Ordering::Relaxed) == nth).then(|| io::Error::from_raw_os_error(5))
        });
        let result = store.put(b"b", &[2; 1000]);
        fs.unhook();
        if result.is_ok() {
            assert_eq!(nth, 6, "sync, create, write, sync, sync directory, append");
            break;
        }
        assert_eq!(store.state(), State::Failed);
        check_refuses_writes_and_serves_reads(&mut store);
        let before = state_of(&store);
        drop(store);
        let mut store = open(&fs, options.clone());
        assert_eq!(state_of(&store), before, "call {nth}");
        store.put(b"b", &[2; 1000]).unwrap();
        drop(store);
        assert_eq!(open(&fs, options).len(), 3);
    }
}

#[test]
fn an_open_that_fails_anywhere_can_be_tried_again() {
    let mut failures = 0;
    for nth in 0.. {
        let fs = MemFs::new();
        let mut store = open(&fs, small());
        for i in 0..40u8 {
            store.put(&[i], &[i; 200]).unwrap();
            if i == 20 {
                store.compact().unwrap();
            }
        }
        let expected = state_of(&store);
        drop(store);
        let calls = Arc::new(AtomicU64::new(0));
        let counter = calls.clone();
        fs.hook(move |_, _| {
            (counter.fetch_add(1, Ordering::Relaxed) == nth).then(|| io::Error::from_raw_os_error(5))
        });
        let result = Store::open(fs.clone(), common::db(), small());
        let reached = calls.load(Ordering::Relaxed) > nth;
        fs.unhook();
        match result {
            Ok(store) => assert_eq!(state_of(&store), expected, "call {nth}"),
            Err(e) => {
                failures += 1;
                assert!(e.is_io(), "call {nth}: {e}");
            }
        }
        let store = open(&fs, small());
        assert_eq!(state_of(&store), expected, "after call {nth} failed");
        drop(store);
        if !reached {
            break;
        }
    }
    assert!(failures > 20, "only {failures} calls could fail");
}

#[test]
fn a_creation_that_fails_anywhere_can_be_tried_again() {
    for nth in 0.. {
        let fs = MemFs::with_files(common::db(), &Default::default());
        let calls = Arc::new(AtomicU64::new(0));
        let counter = calls.clone();
        fs.hook(move |_, _| {
            (counter.fetch_add(1, Ordering::Relaxed) == nth).then(|| io::Error::from_raw_os_error(5))
        });
        let result = Store::open(fs.clone(), common::db(), small());
        fs.unhook();
        let done = result.is_ok();
        assert!(result.is_ok_and(|s| s.is_empty()) || nth < 20);
        let mut store = open(&fs, small());
        store.put(b"a", b"1").unwrap();
        drop(store);
        assert_eq!(open(&fs, small()).len(), 1);
        if done {
            break;
        }
    }
}

#[test]
fn a_directory_whose_name_cannot_be_made_durable_is_not_kept() {
    let fs = MemFs::new();
    fs.hook(|call, path| {
        let parent = path == std::path::Path::new("/");
        (call == Call::SyncDir && parent).then(|| io::Error::from_raw_os_error(5))
    });
    assert!(Store::open(fs.clone(), common::db(), small()).unwrap_err().is_io());
    fs.unhook();
    let options = Options { create: false, ..small() };
    assert!(Store::open(fs.clone(), common::db(), options).unwrap_err().is_not_found());
    open(&fs, small()).put(b"a", b"1").unwrap();
}

#[test]
fn short_and_interrupted_calls_change_nothing() {
    let fs = MemFs::new();
    fs.unsteady(7, 5);
    let mut store = open(&fs, small());
    for i in 0..30u8 {
        store.put(&[i % 7], &vec![i; usize::from(i) * 40]).unwrap();
        if i == 20 {
            store.compact().unwrap();
        }
    }
    let state = state_of(&store);
    store.close().unwrap();
    let store = open(&fs, small());
    assert_eq!(state_of(&store), state);
    assert_eq!(store.recovery().stopped, None);
}

#[test]
fn a_call_that_is_interrupted_for_ever_is_an_error_and_no_hang() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    fail(&fs, Call::Write, io::ErrorKind::Interrupted);
    assert!(store.put(b"a", b"1").unwrap_err().is_io());
    assert_eq!(store.state(), State::Failed);
    fs.unhook();
    fail(&fs, Call::Read, io::ErrorKind::Interrupted);
    drop(store);
    assert!(Store::open(fs.clone(), common::db(), small()).unwrap_err().is_io());
    fs.unhook();
    assert!(open(&fs, small()).is_empty());
}

#[test]
fn a_read_error_is_not_taken_for_the_end_of_a_file() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    for i in 0..20u8 {
        store.put(&[i], &[i; 600]).unwrap();
    }
    let expected = state_of(&store);
    drop(store);
    let mut failed = 0;
    for nth in 0.. {
        let reads = Arc::new(AtomicU64::new(0));
        let counter = reads.clone();
        fs.hook(move |call, _| {
            let hit = call == Call::Read && counter.fetch_add(1, Ordering::Relaxed) == nth;
            hit.then(|| io::Error::from_raw_os_error(5))
        });
        let opened = Store::open(fs.clone(), common::db(), small());
        fs.unhook();
        match opened {
            Ok(store) => {
                assert_eq!(state_of(&store), expected);
                break;
            }
            Err(e) => assert!(e.is_io(), "{e}"),
        }
        failed += 1;
    }
    assert!(failed > 5, "only {failed} reads");
    assert_eq!(state_of(&open(&fs, small())), expected);
}
