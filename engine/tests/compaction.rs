//! When compaction happens, what it leaves, and what its failures cost: nothing.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Call, MemFs, State, db, open, small, state_of};
use unplug_engine::{Options, State as Phase, Store};

#[test]
fn compaction_comes_after_so_many_operations() {
    let fs = MemFs::new();
    let options = Options { compact_ops: Some(10), ..small() };
    let mut store = open(&fs, options.clone());
    for i in 0..9u8 {
        store.put(&[i % 3], &[i]).unwrap();
        assert_eq!(store.epoch(), 1);
    }
    store.put(b"x", b"y").unwrap();
    assert_eq!(store.epoch(), 2);
    let expected = state_of(&store);
    drop(store);
    let store = open(&fs, options);
    assert_eq!((store.epoch(), store.recovery().snapshot_entries, store.recovery().records), (2, 4, 0));
    assert_eq!(state_of(&store), expected);
}

#[test]
fn compaction_comes_after_so_many_bytes() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options { compact_log_bytes: Some(10_000), ..small() });
    for _ in 0..50 {
        store.put(b"k", &[1; 1000]).unwrap();
    }
    assert!((5..=7).contains(&store.epoch()), "epoch {}", store.epoch());
}

#[test]
fn operations_replayed_at_open_count_too() {
    let fs = MemFs::new();
    let options = Options { compact_ops: Some(10), ..small() };
    for i in 0..10u8 {
        let mut store = open(&fs, options.clone());
        assert_eq!(store.epoch(), 1);
        store.put(&[i], b"v").unwrap();
    }
    assert_eq!(open(&fs, options).epoch(), 2);
}

#[test]
fn only_the_final_state_is_kept() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    for value in [b"A", b"B", b"C"] {
        store.put(b"k", value).unwrap();
    }
    store.put(b"gone", &[0; 3000]).unwrap();
    store.delete(b"gone").unwrap();
    store.compact().unwrap();
    let bytes: usize = fs.image(db()).values().map(Vec::len).sum();
    assert!(bytes <= 4 * 512, "{bytes} bytes for one entry");
    drop(store);
    assert_eq!(state_of(&open(&fs, small())), State::from([(b"k".to_vec(), b"C".to_vec())]));
}

#[test]
fn an_empty_store_compacts_to_an_empty_store() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    store.compact().unwrap();
    store.compact().unwrap();
    assert_eq!(store.epoch(), 3);
    drop(store);
    let store = open(&fs, small());
    assert_eq!((store.epoch(), store.len()), (3, 0));
}

/// Lets every call fail in turn, from the n-th of a compaction on, until one goes through untouched.
#[test]
fn a_compaction_that_fails_anywhere_harms_no_write_and_is_tried_again() {
    let failures = [io::ErrorKind::StorageFull, io::ErrorKind::Other];
    let mut rolled_back = 0;
    for kind in failures {
        for nth in 0.. {
            let fs = MemFs::new();
            let options = Options { compact_ops: Some(4), ..small() };
            let mut store = open(&fs, options.clone());
            let mut expected = State::new();
            let mut put = |store: &mut Store, i: u8| {
                store.put(&[i], &[i; 700]).unwrap();
                expected.insert(vec![i], vec![i; 700]);
            };
            (0..3).for_each(|i| put(&mut store, i));
            // The fourth put is a write and a sync of the log; what follows belongs to the compaction.
            let calls = Arc::new(AtomicU64::new(0));
            let counter = calls.clone();
            fs.hook(move |call, _| {
                let n = counter.fetch_add(1, Ordering::Relaxed);
                (n == nth + 2 && call != Call::Open).then(|| kind.into())
            });
            put(&mut store, 3);
            let failed = calls.load(Ordering::Relaxed) > nth + 2;
            fs.unhook();
            if !failed {
                assert_eq!(store.epoch(), 2);
                break;
            }
            // Removing the old files may fail without anybody noticing.
            if store.epoch() == 1 {
                assert!(store.last_compaction_error().is_some_and(|e| e.is_io()));
                assert_eq!(store.state(), Phase::Ready, "call {nth}");
                rolled_back += 1;
                drop(store);
                store = open(&fs, options.clone());
                assert_eq!(store.epoch(), 1);
            }
            put(&mut store, 4);
            assert_eq!(store.epoch(), 2, "call {nth}: the next write tries again");
            assert!(store.last_compaction_error().is_none());
            assert_eq!(state_of(&store), expected);
            drop(store);
            let store = open(&fs, options.clone());
            assert_eq!(state_of(&store), expected);
            assert_eq!(fs.image(db()).len(), 3, "call {nth}: {:?}", fs.image(db()).keys());
        }
    }
    assert!(rolled_back >= 2 * 10, "{rolled_back} failures were met before the switch");
}

#[test]
fn a_failed_compaction_keeps_its_counters_and_the_running_store_goes_on() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options { compact_ops: Some(4), ..small() });
    fs.hook(|call, path| {
        let snapshot = path.to_string_lossy().contains("snap-");
        (call == Call::Create && snapshot).then(|| io::ErrorKind::PermissionDenied.into())
    });
    for i in 0..10u8 {
        store.put(&[i], b"v").unwrap();
        assert_eq!((store.epoch(), store.state()), (1, Phase::Ready));
    }
    assert!(store.compact().unwrap_err().is_io());
    fs.unhook();
    store.put(b"x", b"y").unwrap();
    assert_eq!((store.epoch(), store.len()), (2, 11));
}

#[test]
fn a_switch_that_cannot_be_undone_stops_the_store() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    store.put(b"a", b"1").unwrap();
    // The switch's directory sync fails, and so does removing the manifest again.
    let switched = Arc::new(AtomicU64::new(0));
    fs.hook(move |call, path| {
        let manifest = path.to_string_lossy().contains("MANIFEST");
        if call == Call::Rename && manifest {
            switched.store(1, Ordering::Relaxed);
        }
        let after = switched.load(Ordering::Relaxed) == 1 && matches!(call, Call::SyncDir | Call::Remove);
        after.then(|| io::Error::from_raw_os_error(5))
    });
    assert!(store.compact().unwrap_err().is_io());
    assert_eq!(store.state(), Phase::Failed);
    assert!(store.put(b"b", b"2").unwrap_err().is_failed());
    assert_eq!(store.get(b"a").as_deref(), Some(&b"1"[..]));
    fs.unhook();
    drop(store);
    let mut store = open(&fs, small());
    assert_eq!(store.get(b"a").as_deref(), Some(&b"1"[..]));
    store.put(b"b", b"2").unwrap();
}
