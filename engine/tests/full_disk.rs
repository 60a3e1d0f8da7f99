//! A disk that is full: nothing is lost, nothing refused comes back, reads go on, and writes as soon as there
//! is space.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Call, MemFs, State, db, open, small, state_of};
use unplug_engine::{Options, Planted, State as StoreState, Store, SyncPolicy};

const KEYS: u8 = 5;

/// Values of many lengths, so that the space ends at all places of a record.
fn value(i: usize) -> Vec<u8> {
    vec![i as u8; [1100, 40, 0, 700, 490, 2300][i % 6]]
}

/// What a store recovers to that is killed now.
fn recovered(fs: &MemFs, options: &Options) -> State {
    let copy = MemFs::with_files(db(), &fs.image(db()));
    state_of(&open(&copy, options.clone()))
}

/// Writes until the disk is full, frees some, goes on, again and again.
fn check(mut space: usize, options: &Options) {
    let fs = MemFs::new();
    let mut store = open(&fs, options.clone());
    let mut model = State::new();
    let mut refused = 0;
    fs.space(Some(space));
    for i in 0..60 {
        let (key, value) = (vec![i as u8 % KEYS], value(i));
        match store.put(&key, &value) {
            Ok(()) => {
                assert_eq!(store.state(), StoreState::Ready);
                drop(model.insert(key, value));
            }
            Err(e) => {
                refused += 1;
                assert!(e.is_no_space() && e.is_refused(), "{e}");
                assert_eq!(store.state(), StoreState::Full);
                // A refused write leaves nothing, and what was taken is all there.
                assert_eq!(recovered(&fs, options), model, "space {space}, write {i}");
                space = space * 7 % 5003;
                fs.space(Some(space));
            }
        }
        assert_eq!(state_of(&store), model, "reads go on");
    }
    assert!(refused > 0, "the disk was never full");
    fs.space(None);
    store.put(b"last", b"1").unwrap();
    model.insert(b"last".to_vec(), b"1".to_vec());
    store.close().unwrap();
    assert_eq!(state_of(&open(&fs, options.clone())), model);
}

#[test]
fn a_write_that_finds_the_disk_full_is_undone_and_the_next_one_with_space_goes_through() {
    for space in (0..3000).step_by(61) {
        check(space, &Options { segment_size: 1 << 20, ..small() });
    }
}

#[test]
fn a_record_that_fits_is_written_though_the_zeros_behind_it_do_not_fit() {
    let fs = MemFs::new();
    let options = Options { segment_size: 1 << 20, preallocate_bytes: 8192, ..small() };
    let mut store = open(&fs, options.clone());
    fs.space(Some(1000));
    store.put(b"a", &[1; 100]).unwrap();
    assert_eq!(store.state(), StoreState::Ready);
    assert!(store.put(b"b", &[2; 900]).unwrap_err().is_refused());
    fs.space(None);
    store.put(b"c", &[3; 100]).unwrap();
    let state = state_of(&store);
    assert_eq!(state.len(), 2);
    assert_eq!(recovered(&fs, &options), state);
}

#[test]
fn a_rotation_that_finds_the_disk_full_is_undone_too() {
    for space in (0..3000).step_by(61) {
        check(space, &Options { segment_size: 2048, ..small() });
        check(space, &Options { segment_size: 2048, sync: SyncPolicy::Manual, ..small() });
    }
}

#[test]
fn a_write_that_cannot_be_undone_for_want_of_space_is_undone_before_the_next() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let fs = MemFs::new();
        let mut store = open(&fs, small());
        store.put(b"a", b"1").unwrap();
        let calls = Arc::new(AtomicBool::new(false));
        let written = calls.clone();
        // Overwriting needs space too, as on file systems that never write in place.
        fs.hook(move |call, _| {
            written.fetch_or(call == Call::Sync, Ordering::Relaxed);
            (call == Call::Write).then(|| kind.into())
        });
        let error = store.put(b"b", b"2").unwrap_err();
        assert!(error.is_no_space() && !error.is_refused(), "{error}");
        assert_eq!(store.state(), StoreState::Full);
        for error in [store.put(b"b", b"3").unwrap_err(), store.sync().unwrap_err()] {
            assert!(error.is_no_space() && error.is_refused(), "{error}");
        }
        assert!(!calls.load(Ordering::Relaxed), "nothing may be relied on before the log is whole again");
        assert_eq!(store.get(b"a").as_deref(), Some(&b"1"[..]));
        assert_eq!(store.get(b"b"), None);
        fs.unhook();
        store.put(b"c", b"3").unwrap();
        assert_eq!(store.state(), StoreState::Ready);
        let state = state_of(&store);
        drop(store);
        assert_eq!(state_of(&open(&fs, small())), state);
    }
}

#[test]
fn a_sync_for_want_of_space_is_final() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    fs.hook(|call, _| (call == Call::Sync).then(|| io::ErrorKind::StorageFull.into()));
    let error = store.put(b"a", b"1").unwrap_err();
    assert!(error.is_no_space() && !error.is_refused(), "{error}");
    assert_eq!(store.state(), StoreState::Failed);
    fs.unhook();
    assert!(store.put(b"a", b"1").unwrap_err().is_failed());
}

#[test]
fn a_repair_whose_sync_fails_stops_the_store() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options { sync: SyncPolicy::Manual, ..small() });
    store.put(b"a", b"1").unwrap();
    fs.space(Some(0));
    fs.hook(|call, _| (call == Call::Sync).then(|| io::Error::from_raw_os_error(5)));
    let error = store.put(b"b", &[2; 900]).unwrap_err();
    assert!(error.is_no_space() && !error.is_refused(), "{error}");
    assert_eq!(store.state(), StoreState::Failed);
    fs.unhook();
    fs.space(None);
    assert!(store.put(b"b", b"2").unwrap_err().is_failed());
}

#[test]
fn writes_that_wait_in_the_process_survive_a_full_disk() {
    for space in (0..4000).step_by(97) {
        let fs = MemFs::new();
        let options = Options { sync: SyncPolicy::Manual, write_buffer_bytes: 3000, ..small() };
        let mut store = open(&fs, options.clone());
        let mut model = State::new();
        fs.space(Some(space));
        let mut full = false;
        for i in 0..20 {
            let (key, value) = (vec![i as u8], value(i));
            match store.put(&key, &value) {
                Ok(()) => drop(model.insert(key, value)),
                Err(e) => {
                    assert!(e.is_no_space(), "{e}");
                    full = true;
                    fs.space(None);
                }
            }
        }
        assert!(full);
        assert_eq!(state_of(&store), model);
        store.close().unwrap();
        assert_eq!(state_of(&open(&fs, options)), model, "space {space}");
    }
}

#[test]
fn a_compaction_that_finds_the_disk_full_changes_nothing_and_is_tried_again() {
    for space in (0..4000).step_by(53) {
        let fs = MemFs::new();
        let options = Options { compact_ops: Some(8), ..small() };
        let mut store = open(&fs, options.clone());
        let mut model = State::new();
        for i in 0..7 {
            store.put(&[i as u8], &value(i)).unwrap();
            model.insert(vec![i as u8], value(i));
        }
        fs.space(Some(space));
        for i in 0..10 {
            if store.put(b"x", &[i]).is_ok() {
                model.insert(b"x".to_vec(), vec![i]);
            }
        }
        assert_eq!(state_of(&store), model);
        assert_eq!(recovered(&fs, &options), model, "space {space}");
        fs.space(None);
        store.put(b"y", b"1").unwrap();
        assert!(store.epoch() > 1 && store.last_compaction_error().is_none());
        model.insert(b"y".to_vec(), b"1".to_vec());
        drop(store);
        assert_eq!(state_of(&open(&fs, options)), model);
    }
}

/// Why the tail must be cut: what a failed write has left completes a later record.
#[test]
fn a_tail_that_is_not_cut_makes_up_a_record() {
    let run = |planted| {
        let fs = MemFs::new();
        let options = Options { sync: SyncPolicy::Manual, planted, ..small() };
        let mut store = open(&fs, options);
        // The header, and fragments of the refused record in three blocks.
        fs.space(Some(2 * 512));
        store.put(b"k", &[1; 1500]).unwrap_err();
        fs.space(None);
        // Its own record is torn: of its three blocks the second never reaches the disk.
        let block = 2 * 512..3 * 512;
        let before = fs.image(db())["wal-00000002"].get(block.clone()).map(<[u8]>::to_vec);
        store.put(b"k", &[2; 1400]).unwrap();
        let mut files = fs.image(db());
        let log = files.get_mut("wal-00000002").unwrap();
        log[block].copy_from_slice(&before.unwrap_or_else(|| vec![0; 512]));
        let store = Store::open(MemFs::with_files(db(), &files), db(), small()).unwrap();
        store.get(b"k").map(|value| value.contains(&1))
    };
    assert_eq!(run(Planted::None), None);
    assert_eq!(run(Planted::FullDiskTailKept), Some(true), "bytes of a refused value are served");
}
