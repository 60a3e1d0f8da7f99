//! Damaged files of every kind: opening never panics, never hangs, and never serves a pair that was not
//! written.
//!
//! A million of them:
//! `UNPLUG_MUTATIONS=1000000 cargo test --release -p unplug-engine --test mutations`.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::{MemFs, Rng, db, open, small};
use unplug_engine::{Batch, Options, RecoveryPolicy, Store, inspect};

type Image = BTreeMap<String, Vec<u8>>;

/// Pairs that were written at some time.
type Written = BTreeSet<(Vec<u8>, Vec<u8>)>;

/// A store with a snapshot, sealed segments, and a last one with many-sector records, batches and deletes.
fn build(options: &Options, seed: u64, compacted: bool) -> (Image, Written) {
    let mut rng = Rng(seed);
    let fs = MemFs::new();
    let mut written = Written::new();
    let mut store = open(&fs, options.clone());
    for i in 0..40u64 {
        let key = vec![b'k', rng.below(12) as u8];
        let value = vec![rng.next() as u8; rng.below(900) as usize];
        match rng.below(6) {
            0 => drop(store.delete(&key).unwrap()),
            1 => {
                let mut batch = Batch::new();
                for j in 0..3u8 {
                    batch.put(&[b'b', j], &value);
                    written.insert((vec![b'b', j], value.clone()));
                }
                store.write(batch).unwrap();
            }
            _ => {
                store.put(&key, &value).unwrap();
                written.insert((key, value));
            }
        }
        if compacted && i == 15 {
            store.compact().unwrap();
        }
    }
    drop(store);
    (fs.image(db()), written)
}

/// Damages one file of the image, in place.
fn mutate(image: &mut Image, rng: &mut Rng) -> String {
    let names: Vec<String> = image.keys().cloned().collect();
    let name = names[rng.below(names.len() as u64) as usize].clone();
    let other = image[&names[rng.below(names.len() as u64) as usize]].clone();
    let bytes = image.get_mut(&name).unwrap();
    if bytes.is_empty() {
        return format!("{name} stays empty");
    }
    let len = bytes.len() as u64;
    let blocks = len.div_ceil(512).max(1);
    let block = |i: u64| (i * 512) as usize..((i + 1) * 512).min(len) as usize;
    let kind = rng.below(11);
    match kind {
        0 => {
            for _ in 0..=rng.below(3) {
                bytes[rng.below(len) as usize] ^= 1 << rng.below(8);
            }
        }
        1 => bytes[rng.below(len) as usize] = rng.next() as u8,
        2 => bytes.truncate(rng.below(len) as usize),
        3 => bytes.truncate(block(rng.below(blocks)).start),
        4 => bytes[block(rng.below(blocks))].fill(0),
        5 => {
            let from = bytes[block(rng.below(blocks))].to_vec();
            let to = block(rng.below(blocks)).start;
            let n = from.len().min(bytes.len() - to);
            bytes[to..to + n].copy_from_slice(&from[..n]);
        }
        6 => bytes[block(rng.below(blocks))].iter_mut().for_each(|b| *b = rng.next() as u8),
        7 => {
            // A block of another file, at the same place.
            let at = block(rng.below(blocks));
            let at = at.start.min(other.len())..at.end.min(other.len());
            bytes[at.clone()].copy_from_slice(&other[at]);
        }
        8 => {
            // A field of a fragment's header: length, kind, tag or checksum.
            let at = block(rng.below(blocks)).start + rng.below(11) as usize;
            if at < bytes.len() {
                bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.below(5) as usize];
            }
        }
        9 => {
            let to = rng.below(len) as usize;
            let garbage = (0..rng.below(1024)).map(|_| rng.next() as u8);
            bytes.truncate(to);
            bytes.extend(garbage);
        }
        _ => *bytes = other,
    }
    format!("mutation {kind} of {name}")
}

fn cases() -> u64 {
    std::env::var("UNPLUG_MUTATIONS").ok().and_then(|s| s.parse().ok()).unwrap_or(20_000)
}

#[test]
fn a_damaged_store_serves_nothing_that_was_not_written_and_nothing_panics() {
    let options = small();
    let recycling = Options { recycle_segments: true, ..small() };
    let images: Vec<(Image, Written)> =
        (0..8).map(|i| build(if i % 2 == 0 { &options } else { &recycling }, i, i % 4 < 3)).collect();
    let mut rng = Rng(2024);
    let (mut opened, mut refused, mut differing) = (0u64, 0u64, 0u64);
    for case in 0..cases() {
        let (image, written) = &images[rng.below(images.len() as u64) as usize];
        let mut damaged = image.clone();
        let mut what = mutate(&mut damaged, &mut rng);
        if rng.below(4) == 0 {
            what = format!("{what}, {}", mutate(&mut damaged, &mut rng));
        }
        let recovery = [RecoveryPolicy::Stop, RecoveryPolicy::Refuse, RecoveryPolicy::ReadOnly];
        let recovery = recovery[rng.below(3) as usize];
        let fs = MemFs::with_files(db(), &damaged);
        match Store::open(fs.clone(), db(), Options { recovery, ..options.clone() }) {
            Ok(store) => {
                opened += 1;
                for (key, value) in store.iter() {
                    let pair = (key.to_vec(), value.to_vec());
                    assert!(written.contains(&pair), "case {case}: {what}: key {key:?} was never that");
                }
                let shown = common::state_of(&store);
                differing += u64::from(store.recovery().stopped.is_some());
                drop(store);
                let reopened = Store::open(fs, db(), Options { recovery, ..options.clone() });
                let again = reopened.unwrap_or_else(|e| panic!("case {case}: {what}: {e}"));
                assert_eq!(common::state_of(&again), shown, "case {case}: {what}");
            }
            Err(e) => {
                refused += 1;
                let expected = e.is_corrupted() || e.is_unsupported_version();
                assert!(expected, "case {case}: {what}: {e}");
            }
        }
        if case % 4 == 0 {
            look(&damaged, written, &what);
        }
    }
    println!("{opened} opened ({differing} stopped early), {refused} refused");
    assert!(opened > 0 && refused > 0 && differing > 0);
}

/// Looking at the files says the same as opening, and panics as little.
fn look(damaged: &Image, written: &Written, what: &str) {
    for (name, bytes) in damaged {
        let reading = match inspect::kind_of(name, bytes).unwrap() {
            inspect::Format::Wal => inspect::wal(bytes),
            inspect::Format::Snapshot => inspect::snapshot(bytes),
            _ => inspect::manifest(bytes),
        };
        assert_eq!(reading.stopped_at.is_some(), reading.reason.is_some(), "{what}");
        assert!(reading.entries.into_iter().all(|pair| written.contains(&pair)), "{what}: {name}");
    }
    let fs = MemFs::with_files(db(), damaged);
    let reading = inspect::store(fs.clone(), db()).unwrap();
    let untouched = fs.image(db());
    assert_eq!(&untouched, damaged, "looking must not write");
    let policy = Options { recovery: RecoveryPolicy::ReadOnly, ..small() };
    match Store::open(fs, db(), policy) {
        Ok(store) => assert_eq!(common::state_of(&store), reading.entries, "{what}"),
        Err(_) => assert!(reading.reason.is_some(), "{what}"),
    }
}

#[test]
fn an_undamaged_store_reads_clean() {
    for seed in 0..8 {
        let (image, _) = build(&small(), seed, seed % 2 == 0);
        let fs = MemFs::with_files(db(), &image);
        let reading = inspect::store(fs.clone() as Arc<_>, db()).unwrap();
        assert_eq!((reading.stopped_at, reading.reason, reading.good_records_after), (None, None, 0));
        for (name, reading) in inspect::files(&*fs, db()).unwrap() {
            assert_eq!((reading.stopped_at, reading.good_records_after), (None, 0), "{name}: {reading:?}");
        }
        let store = open(&fs, small());
        assert_eq!(common::state_of(&store), reading.entries);
        assert_eq!(store.recovery().records, reading.records);
    }
}
