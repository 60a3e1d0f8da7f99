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
fn a_full_disk_leaves_the_store_readable_and_opening_it_again_resumes() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let fs = MemFs::new();
        let mut store = open(&fs, small());
        store.put(b"a", b"1").unwrap();
        fail(&fs, Call::Write, kind);
        let error = store.put(b"b", b"2").unwrap_err();
        assert!(error.is_no_space() && !error.is_refused(), "{error}");
        assert_eq!(store.state(), State::ReadOnly);
        fs.unhook();
        check_refuses_writes_and_serves_reads(&mut store);
        drop(store);
        let mut store = open(&fs, small());
        store.put(b"b", b"2").unwrap();
        assert_eq!(store.len(), 2);
    }
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
