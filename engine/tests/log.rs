//! Segments: rotation, recycling, and what recovery makes of them.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::collections::BTreeSet;

use common::{MemFs, Rng, State, db, open, small, state_of};
use unplug_engine::{Options, SyncPolicy};

fn count(fs: &MemFs, prefix: &str) -> usize {
    fs.image(db()).keys().filter(|name| name.starts_with(prefix)).count()
}

#[test]
fn a_full_segment_is_followed_by_the_next_under_any_sync_policy() {
    for sync in [SyncPolicy::EveryWrite, SyncPolicy::Manual] {
        let fs = MemFs::new();
        let options = Options { sync, ..small() };
        let mut store = open(&fs, options.clone());
        let mut expected = State::new();
        for i in 0..100u8 {
            store.put(&[i], &[i; 300]).unwrap();
            expected.insert(vec![i], vec![i; 300]);
        }
        assert!(count(&fs, "wal-") >= 8, "{} segments", count(&fs, "wal-"));
        assert!(fs.image(db()).values().all(|bytes| bytes.len() <= 4096));
        drop(store);
        for _ in 0..3 {
            let store = open(&fs, options.clone());
            assert_eq!(state_of(&store), expected);
            assert_eq!(store.recovery().records, 100);
            assert_eq!(store.recovery().stopped, None);
        }
    }
}

#[test]
fn a_segment_grows_in_steps_of_zeros_and_not_beyond_its_size() {
    let options = Options { segment_size: 16_384, preallocate_bytes: 6000, ..small() };
    let newest = |fs: &MemFs| fs.image(db()).into_iter().rfind(|(name, _)| name.starts_with("wal-")).unwrap();
    let fs = MemFs::new();
    let mut store = open(&fs, options.clone());
    let mut expected = State::new();
    let mut lens = BTreeSet::new();
    for i in 0..150u8 {
        store.put(&[i], &[i; 200]).unwrap();
        expected.insert(vec![i], vec![i; 200]);
        let (name, bytes) = newest(&fs);
        assert!(bytes.len() <= 16_384 && bytes.len() % 512 == 0, "{} bytes", bytes.len());
        lens.insert((name, bytes.len()));
        let killed = open(&MemFs::with_files(db(), &fs.image(db())), options.clone());
        assert_eq!(state_of(&killed), expected, "write {i}");
        assert_eq!(killed.recovery().stopped, None);
    }
    assert!(count(&fs, "wal-") >= 2);
    assert!(lens.len() <= 3 * count(&fs, "wal-"), "{lens:?}");
    // What does not grow in small steps, or is not synced so often, has no use for zeros.
    let end = |options: Options, len: usize| {
        let fs = MemFs::new();
        open(&fs, options).put(b"k", &vec![1; len]).unwrap();
        newest(&fs).1.len()
    };
    assert_eq!(end(options.clone(), 2000), 512 + 2560);
    assert_eq!(end(Options { sync: SyncPolicy::Manual, ..options.clone() }, 200), 1024);
    assert_eq!(end(Options { preallocate_bytes: 0, ..options }, 200), 1024);
}

#[test]
fn a_record_longer_than_a_segment_gets_one_of_its_own() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    store.put(b"a", b"1").unwrap();
    store.put(b"long", &vec![5; 100_000]).unwrap();
    store.put(b"b", b"2").unwrap();
    assert_eq!(count(&fs, "wal-"), 3);
    drop(store);
    let store = open(&fs, small());
    assert_eq!(store.get(b"long").map(|v| v.len()), Some(100_000));
    assert_eq!(store.len(), 3);
}

#[test]
fn more_segments_than_the_manifest_holds_in_one_block_are_all_found() {
    let fs = MemFs::new();
    let options = Options { segment_size: 1024, ..small() };
    let mut store = open(&fs, options.clone());
    for i in 0..200u32 {
        store.put(&i.to_be_bytes(), &[1; 400]).unwrap();
    }
    assert!(count(&fs, "wal-") > 150);
    for _ in 0..3 {
        drop(store);
        store = open(&fs, options.clone());
        assert_eq!(store.len(), 200);
    }
}

#[test]
fn recycled_segments_keep_their_number_of_files_and_never_show_old_records() {
    let fs = MemFs::new();
    let options = Options { recycle_segments: true, compact_ops: Some(10), ..small() };
    let mut store = open(&fs, options.clone());
    let mut expected = State::new();
    let mut rng = Rng(5);
    for i in 0..400u32 {
        // Equal lengths and a few lengths that fill a block: where an old record would fit in best.
        let len = [300, 481, 482, 483, 484, 485, 1000][rng.below(7) as usize];
        let key = vec![rng.below(20) as u8];
        let value = vec![i as u8; len];
        store.put(&key, &value).unwrap();
        expected.insert(key, value);
        if rng.below(5) == 0 {
            drop(store);
            store = open(&fs, options.clone());
            assert_eq!(state_of(&store), expected, "write {i}");
            assert!(store.recovery().stopped.as_ref().is_none_or(|s| !s.sealed));
        }
        assert!(count(&fs, "wal-") <= 6, "write {i}");
    }
}

#[test]
fn opening_leaves_a_manifest_a_segment_and_perhaps_a_snapshot() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options::default());
    store.put(b"a", b"1").unwrap();
    for round in 0..5 {
        drop(store);
        store = open(&fs, Options::default());
        let names: Vec<String> = fs.image(db()).into_keys().collect();
        assert_eq!(names.len(), if round > 2 { 3 } else { 2 }, "{names:?}");
        if round == 2 {
            store.compact().unwrap();
        }
    }
}

#[test]
fn the_last_segment_is_copied_with_records_and_without() {
    let fs = MemFs::new();
    drop(open(&fs, small()));
    let segments =
        || -> Vec<String> { fs.image(db()).into_keys().filter(|name| name.starts_with("wal-")).collect() };
    let mut before = segments();
    for write in [false, true, false] {
        let mut store = open(&fs, small());
        if write {
            store.put(b"a", b"1").unwrap();
        }
        drop(store);
        let now = segments();
        assert_eq!(now.len(), 1, "{now:?}");
        // What the disk holds behind the old one's end, nobody knows.
        assert_ne!(now, before);
        before = now;
    }
    assert_eq!(open(&fs, small()).get(b"a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn foreign_files_and_directories_are_left_alone() {
    let fs = MemFs::with_files(db(), &[("notes.txt".to_string(), b"mine".to_vec())].into());
    let mut store = open(&fs, small());
    store.put(b"a", b"1").unwrap();
    store.compact().unwrap();
    drop(store);
    drop(open(&fs, small()));
    assert_eq!(fs.image(db())["notes.txt"], b"mine");
}
