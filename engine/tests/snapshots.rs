//! Snapshots: chains of incremental ones, views, backups, and restoring them.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::sync::Arc;

use common::{MemFs, Rng, State, db, open, small, state_of};
use unplug_engine::{CompactionPhase, Options, RecoveryPolicy, Shared, Store, inspect};
use unplug_vfs::{OsFs, Vfs};

fn chained(max: u32) -> Options {
    Options { snapshot_chain_max: max, ..small() }
}

/// A store with a chain of three, and the names of its snapshots, oldest first.
fn chain() -> (std::sync::Arc<MemFs>, State, Vec<String>) {
    let fs = MemFs::new();
    let mut store = open(&fs, chained(5));
    for i in 0..60u8 {
        store.put(&[i], &[i; 50]).unwrap();
    }
    store.compact().unwrap();
    for round in 0..2u8 {
        store.put(&[round], b"changed").unwrap();
        store.delete(&[50 + round]).unwrap();
        store.compact().unwrap();
    }
    store.put(b"last", b"in the log").unwrap();
    let state = state_of(&store);
    let snapshots = fs.image(db()).into_keys().filter(|name| name.starts_with("snap-")).collect();
    (fs, state, snapshots)
}

#[test]
fn incremental_snapshots_hold_what_changed_and_bring_back_everything() {
    let (fs, state, snapshots) = chain();
    let files = fs.image(db());
    assert_eq!(snapshots.len(), 3);
    let entries: Vec<u64> = snapshots.iter().map(|name| inspect::snapshot(&files[name]).records).collect();
    assert_eq!(entries, [60, 2, 2], "a changed key and a deleted one each");
    let bases: Vec<bool> =
        snapshots.iter().map(|name| inspect::base_of_snapshot(&files[name]).is_some()).collect();
    assert_eq!(bases, [false, true, true]);
    let store = open(&fs, chained(5));
    assert_eq!(state_of(&store), state);
    assert_eq!(store.recovery().snapshot_entries, 64);
    // A program that writes no chains reads them all the same.
    drop(store);
    assert_eq!(state_of(&open(&fs, small())), state);
}

#[test]
fn a_chain_is_replaced_by_a_whole_snapshot_when_it_is_long_enough() {
    let fs = MemFs::new();
    let mut store = open(&fs, chained(2));
    let mut lengths = Vec::new();
    for i in 0..7u8 {
        store.put(&[i], b"v").unwrap();
        store.compact().unwrap();
        lengths.push(fs.image(db()).keys().filter(|name| name.starts_with("snap-")).count());
    }
    assert_eq!(lengths, [1, 2, 3, 1, 2, 3, 1]);
    let state = state_of(&store);
    drop(store);
    // And goes on where it was when the store is opened again.
    let mut store = open(&fs, chained(2));
    store.put(b"x", b"y").unwrap();
    store.compact().unwrap();
    assert_eq!(fs.image(db()).keys().filter(|name| name.starts_with("snap-")).count(), 2);
    assert_eq!(store.len(), state.len() + 1);
}

#[test]
fn a_missing_link_is_reported_and_never_papered_over() {
    let (fs, ..) = chain();
    let files = fs.image(db());
    for gone in files.keys().filter(|name| name.starts_with("snap-")) {
        let mut files = files.clone();
        files.remove(gone);
        let fs = MemFs::with_files(db(), &files);
        let error = Store::open(fs.clone(), db(), small()).unwrap_err();
        assert!(error.is_corrupted() && error.to_string().contains(gone.as_str()), "{error}");
        assert!(error.to_string().contains("missing"), "{error}");
        assert_eq!(fs.image(db()), files, "nothing may be touched");
    }
}

#[test]
fn a_damaged_link_is_reported_wherever_the_damage_is() {
    let (fs, state, snapshots) = chain();
    let files = fs.image(db());
    for name in &snapshots {
        for at in (0..files[name].len()).step_by(37) {
            let mut files = files.clone();
            files.get_mut(name).unwrap()[at] ^= 0x10;
            let fs = MemFs::with_files(db(), &files);
            match Store::open(fs.clone(), db(), small()) {
                Err(error) => {
                    assert!(
                        error.is_corrupted() || error.is_unsupported_version(),
                        "{name} at {at}: {error}"
                    );
                    let look = Options { recovery: RecoveryPolicy::ReadOnly, ..small() };
                    if let Ok(store) = Store::open(fs, db(), look) {
                        assert!(store.recovery().stopped.is_some());
                    }
                }
                // What pads a block is not read.
                Ok(store) => assert_eq!(state_of(&store), state, "{name} at {at}"),
            }
        }
    }
}

#[test]
fn a_link_of_another_chain_is_not_taken() {
    let (fs, _, snapshots) = chain();
    let mut files = fs.image(db());
    // The same files in another store, which took other writes.
    let other = MemFs::new();
    let mut store = open(&other, chained(5));
    for i in 0..60u8 {
        store.put(&[i], &[i + 1; 50]).unwrap();
    }
    store.put(b"one", b"more").unwrap();
    store.compact().unwrap();
    let foreign = other.image(db());
    let base = &snapshots[0];
    assert!(foreign.contains_key(base));
    files.insert(base.clone(), foreign[base].clone());
    let error = Store::open(MemFs::with_files(db(), &files), db(), small()).unwrap_err();
    assert!(error.is_corrupted() && error.to_string().contains("another file"), "{error}");
}

#[test]
fn a_view_stays_as_it_was_and_a_backup_of_it_restores_to_that() {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name: &str| tmp.path().join(name);
    let fs: Arc<dyn Vfs> = Arc::new(OsFs);
    let mut store = Store::open(fs.clone(), &path("db"), small()).unwrap();
    let mut rng = Rng(3);
    for _ in 0..300 {
        store.put(&rng.below(100).to_be_bytes(), &rng.next().to_be_bytes()).unwrap();
    }
    let (view, then) = (store.view(), state_of(&store));
    for i in 0..200u64 {
        store.put(&(i % 130).to_be_bytes(), b"later").unwrap();
        store.delete(&(i % 90).to_be_bytes()).unwrap();
    }
    store.compact().unwrap();
    assert_eq!(view.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect::<State>(), then);
    assert_eq!((view.sequence(), view.len()), (300, then.len()));
    let backup = &path("backup");
    view.back_up(fs.clone(), backup).unwrap();
    assert_eq!(state_of(&Store::open(fs.clone(), backup, small()).unwrap()), then);
    assert!(view.back_up(fs.clone(), backup).unwrap_err().is_invalid_argument(), "it overwrites nothing");
    // Restoring is copying a store that was read and found whole.
    let restored = &path("restored");
    let source = Store::open(fs.clone(), backup, small()).unwrap();
    source.view().back_up(fs.clone(), restored).unwrap();
    assert_eq!(state_of(&Store::open(fs, restored, small()).unwrap()), then);
}

#[test]
fn a_compaction_in_steps_tells_how_far_it_is_and_can_be_given_up() {
    let fs = MemFs::new();
    let options = Options { compaction_step_bytes: Some(200), compact_ops: Some(50), ..small() };
    let mut store = open(&fs, options.clone());
    let mut seen = Vec::new();
    let mut given_up = 0;
    for i in 0..200u8 {
        store.put(&[i], &[i; 60]).unwrap();
        if let Some(progress) = store.compaction() {
            assert!(progress.entries_done <= progress.entries && progress.sequence <= store.last_sequence());
            seen.push(progress.phase);
            if seen.len() == 10 {
                store.cancel_compaction().unwrap();
                given_up = store.epoch();
                assert_eq!(store.compaction(), None);
                assert!(!fs.image(db()).keys().any(|name| name.ends_with(".tmp")));
            }
        }
    }
    assert_eq!(given_up, 1);
    assert!(store.epoch() > 1);
    for phase in [CompactionPhase::Writing, CompactionPhase::Switching, CompactionPhase::Sweeping] {
        assert!(seen.contains(&phase), "{phase:?}");
    }
    let state = state_of(&store);
    assert_eq!(state.len(), 200);
    drop(store);
    assert_eq!(state_of(&open(&fs, options)), state);
}

#[test]
fn the_log_before_a_sequence_number_is_cleaned_up() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    for i in 0..30u8 {
        store.put(&[i], &[i; 700]).unwrap();
    }
    let logs = |fs: &MemFs| fs.image(db()).keys().filter(|name| name.starts_with("wal-")).count();
    assert!(logs(&fs) > 4);
    assert!(store.clean_log_before(10).unwrap());
    assert_eq!(logs(&fs), 1);
    assert!(!store.clean_log_before(31).unwrap(), "there is nothing left before it");
    assert_eq!(store.len(), 30);
}

#[test]
fn the_log_is_cleaned_up_while_threads_write() {
    let fs = MemFs::new();
    let options = Options { retain_segments: 100, segment_size: 1024, ..small() };
    let store = Shared::open(fs.clone(), db(), options).unwrap();
    let writer = |thread: u8| {
        let store = &store;
        move || (0..30u8).for_each(|i| store.put(&[thread, i], &[i; 300]).unwrap())
    };
    std::thread::scope(|threads| {
        (0..3).for_each(|thread| drop(threads.spawn(writer(thread))));
        for sequence in [10, 20, 40] {
            while store.last_sequence() < sequence {
                std::thread::yield_now();
            }
            store.clean_log_before(sequence).unwrap();
        }
    });
    assert!(store.clean_log_before(91).unwrap());
    assert!(!store.clean_log_before(91).unwrap(), "there is nothing left before it");
    assert_eq!(fs.image(db()).keys().filter(|name| name.starts_with("wal-")).count(), 1);
    let stats = store.stats();
    assert_eq!((store.len(), stats.entries), (90, 90));
    assert!(stats.memory_bytes > stats.data_bytes, "{stats}");
    store.close().unwrap();
    assert_eq!(open(&fs, small()).len(), 90);
}

#[test]
fn segments_that_a_snapshot_replaces_are_retained_up_to_a_number_and_until_they_are_cleaned_up() {
    let fs = MemFs::new();
    let options = Options { retain_segments: 3, segment_size: 1024, ..small() };
    let mut store = open(&fs, options.clone());
    let old = |fs: &MemFs| -> Vec<String> {
        fs.image(db()).into_keys().filter(|name| name.ends_with(".old")).collect()
    };
    let names = |store: &Store| -> Vec<String> {
        let name = |path: std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        store.retained_log().into_iter().map(name).collect()
    };
    // Each write has a segment of its own.
    let fill = |store: &mut Store, writes: u8| {
        (0..writes).for_each(|i| store.put(&[i], &[i; 700]).unwrap());
        store.compact().unwrap();
    };
    fill(&mut store, 2);
    let first = old(&fs);
    assert_eq!((first.len(), names(&store)), (2, first.clone()));
    fill(&mut store, 2);
    assert_eq!((old(&fs).len(), names(&store)), (3, old(&fs)));
    assert_eq!(old(&fs)[0], first[1], "the oldest goes first");
    fill(&mut store, 9);
    let kept = old(&fs);
    assert_eq!((kept.len(), names(&store)), (3, kept.clone()));
    // They stay over an opening, with their records.
    let state = state_of(&store);
    drop(store);
    let mut store = open(&fs, options.clone());
    assert_eq!((old(&fs), names(&store), state_of(&store)), (kept.clone(), kept.clone(), state.clone()));
    let reading = unplug_engine::inspect::wal(&fs.image(db())[&kept[2]]);
    assert_eq!((reading.records, reading.stopped_at), (1, None));
    // 13 writes in all, one a segment: the three last ones are there.
    assert!(store.clean_log_before(12).unwrap());
    assert_eq!((old(&fs), names(&store)), (kept[1..].to_vec(), kept[1..].to_vec()));
    assert!(!store.clean_log_before(12).unwrap());
    assert!(store.clean_log_before(99).unwrap());
    assert_eq!(old(&fs), [""; 0]);
    // Who does not ask for them has none.
    fill(&mut store, 3);
    assert_eq!(old(&fs).len(), 3);
    drop(store);
    assert_eq!(state_of(&open(&fs, small())), state);
    assert_eq!(old(&fs), [""; 0]);
}
