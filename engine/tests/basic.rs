//! Reads and writes of an open store, and what is there when it is opened again.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::ops::Bound;

use common::{MemFs, db, open, small, state_of};
use unplug_engine::{
    BATCH_BYTES_MAX, Batch, KEY_BYTES_MAX, Options, State, Store, SyncPolicy, VALUE_BYTES_MAX,
};

#[test]
fn what_was_put_is_there_and_what_was_deleted_is_not() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options::default());
    assert_eq!(store.state(), State::Ready);
    store.put(b"a", b"1").unwrap();
    store.put(b"b", b"2").unwrap();
    store.put(b"a", b"3").unwrap();
    assert!(store.delete(b"b").unwrap());
    assert!(!store.delete(b"b").unwrap());
    assert_eq!(store.get(b"a").as_deref(), Some(&b"3"[..]));
    assert_eq!(store.get(b"b"), None);
    assert_eq!(store.len(), 1);
    store.close().unwrap();
    let store = open(&fs, Options::default());
    assert_eq!(store.get(b"a").as_deref(), Some(&b"3"[..]));
    assert_eq!(store.len(), 1);
    assert_eq!(store.recovery().records, 4);
    assert_eq!(store.recovery().stopped, None);
}

#[test]
fn a_store_dropped_without_close_is_all_there() {
    for sync in [SyncPolicy::EveryWrite, SyncPolicy::Manual] {
        let fs = MemFs::new();
        let options = Options { sync, ..small() };
        let mut expected = common::State::new();
        for round in 0..20u32 {
            let mut store = open(&fs, options.clone());
            assert_eq!(state_of(&store), expected, "round {round}");
            for i in 0..round {
                let (key, value) = (format!("key{}", i % 7), vec![round as u8; (i * 97) as usize]);
                store.put(key.as_bytes(), &value).unwrap();
                expected.insert(key.into_bytes(), value);
            }
        }
    }
}

#[test]
fn a_batch_is_applied_in_order_and_as_one_record() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options::default());
    store.put(b"old", b"x").unwrap();
    let mut batch = Batch::new();
    batch.put(b"a", b"1").delete(b"a").put(b"b", b"2").delete(b"old").delete(b"never").put(b"c", &[7; 2000]);
    assert_eq!(batch.len(), 6);
    store.write(batch).unwrap();
    store.write(Batch::new()).unwrap();
    let expected = common::State::from([(b"b".to_vec(), b"2".to_vec()), (b"c".to_vec(), vec![7; 2000])]);
    assert_eq!(state_of(&store), expected);
    drop(store);
    let store = open(&fs, Options::default());
    assert_eq!(state_of(&store), expected);
    assert_eq!(store.recovery().records, 2);
}

#[test]
fn ranges_are_in_key_order_and_tolerate_any_bounds() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options::default());
    for key in ["", "a", "ab", "b", "c"] {
        store.put(key.as_bytes(), key.as_bytes()).unwrap();
    }
    let keys = |from: Bound<&'static str>, to: Bound<&'static str>| -> Vec<String> {
        let range = (from.map(str::as_bytes), to.map(str::as_bytes));
        store.range(range).map(|(k, _)| String::from_utf8(k.to_vec()).unwrap()).collect()
    };
    use Bound::{Excluded, Included, Unbounded};
    assert_eq!(keys(Unbounded, Unbounded), ["", "a", "ab", "b", "c"]);
    assert_eq!(keys(Included("a"), Excluded("b")), ["a", "ab"]);
    assert_eq!(keys(Excluded("a"), Included("b")), ["ab", "b"]);
    assert_eq!(keys(Included("a"), Included("a")), ["a"]);
    assert!(keys(Excluded("a"), Excluded("a")).is_empty());
    assert!(keys(Included("a"), Excluded("a")).is_empty());
    assert!(keys(Included("c"), Excluded("a")).is_empty());
    assert_eq!(store.range(..).count(), 5);
    assert_eq!(store.range(&b"a"[..]..&b"b"[..]).count(), 2);
    assert_eq!(store.iter().next_back().map(|(k, _)| k.to_vec()), Some(b"c".to_vec()));
}

#[test]
fn keys_and_values_at_their_limits_survive_and_longer_ones_are_refused() {
    let fs = MemFs::new();
    let mut store = open(&fs, Options { compact_log_bytes: None, ..Options::default() });
    let (key, value) = (vec![b'k'; KEY_BYTES_MAX], vec![b'v'; VALUE_BYTES_MAX]);
    store.put(&key, &value).unwrap();
    store.put(b"", b"").unwrap();
    let mut long_key = key.clone();
    long_key.push(0);
    let mut long_value = value.clone();
    long_value.push(0);
    assert!(store.put(&long_key, b"").unwrap_err().is_invalid_argument());
    assert!(store.put(b"x", &long_value).unwrap_err().is_invalid_argument());
    assert!(store.delete(&long_key).unwrap_err().is_invalid_argument());
    let mut batch = Batch::new();
    batch.put(b"x", b"y").put(b"x", &long_value);
    assert!(store.write(batch).unwrap_err().is_invalid_argument());
    let mut batch = Batch::new();
    for _ in 0..BATCH_BYTES_MAX / VALUE_BYTES_MAX {
        batch.put(b"x", &value);
    }
    let refused = store.write(batch).unwrap_err();
    assert!(refused.is_invalid_argument() && refused.is_refused(), "{refused}");
    assert_eq!(store.len(), 2);
    for reopened in 0..2 {
        drop(store);
        store = open(&fs, Options { compact_log_bytes: None, ..Options::default() });
        assert_eq!(store.get(&key).as_deref(), Some(&value[..]), "open {reopened}");
        assert_eq!(store.get(b"").as_deref(), Some(&b""[..]));
    }
    store.compact().unwrap();
    drop(store);
    let store = open(&fs, Options::default());
    assert_eq!(store.get(&key).as_deref(), Some(&value[..]));
    assert_eq!(store.get(b"").as_deref(), Some(&b""[..]));
}

#[test]
fn options_that_cannot_work_are_refused() {
    let fs = MemFs::new();
    for options in [
        Options { segment_size: 1023, ..Options::default() },
        Options { compact_log_bytes: Some(0), ..Options::default() },
        Options { compact_ops: Some(0), ..Options::default() },
    ] {
        assert!(Store::open(fs.clone(), db(), options).unwrap_err().is_invalid_argument());
    }
    assert!(fs.image(db()).is_empty());
}

#[test]
fn a_store_that_is_not_there_is_created_only_on_demand() {
    let fs = MemFs::new();
    let options = Options { create: false, ..Options::default() };
    assert!(Store::open(fs.clone(), db(), options.clone()).unwrap_err().is_not_found());
    let empty = MemFs::with_files(db(), &Default::default());
    assert!(Store::open(empty, db(), options.clone()).unwrap_err().is_not_found());
    open(&fs, Options::default()).close().unwrap();
    assert_eq!(open(&fs, options).len(), 0);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let fs = MemFs::new();
    let store = open(&fs, Options::default());
    assert!(Store::open(fs.clone(), db(), Options::default()).unwrap_err().is_locked());
    drop(store);
    open(&fs, Options::default());
}
