//! What each sync policy does and promises; triggers of compaction; statistics; transitions that are told.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Call, MemFs, db, open, small};
use unplug_engine::{Clock, Event, Observer, Options, State, Store, SyncPolicy, Transition};

/// Runs so many puts and says how often the log was synced.
fn syncs(options: Options, puts: u8, mut each: impl FnMut(&mut Store, u8)) -> u64 {
    let fs = MemFs::new();
    let mut store = open(&fs, options);
    let count = Arc::new(AtomicU64::new(0));
    let counter = count.clone();
    fs.hook(move |call, _| {
        counter.fetch_add(u64::from(call == Call::Sync), Ordering::Relaxed);
        None
    });
    for i in 0..puts {
        store.put(&[i], b"v").unwrap();
        each(&mut store, i);
    }
    assert_eq!(store.stats().syncs, count.load(Ordering::Relaxed));
    count.load(Ordering::Relaxed)
}

#[test]
fn every_write_every_n_and_manual_sync_as_often_as_they_say() {
    let with = |sync| Options { sync, ..small() };
    assert_eq!(syncs(with(SyncPolicy::EveryWrite), 20, |_, _| {}), 20);
    assert_eq!(syncs(with(SyncPolicy::Manual), 20, |_, _| {}), 0);
    let due = syncs(with(SyncPolicy::EveryN(7)), 20, |store, i| {
        let lost = store.last_sequence() - store.durable_sequence();
        assert_eq!(lost, (u64::from(i) + 1) % 7);
    });
    assert_eq!(due, 2);
    assert!(Store::open(MemFs::new(), db(), with(SyncPolicy::EveryN(0))).unwrap_err().is_invalid_argument());
}

#[test]
fn an_interval_is_counted_from_the_tick_that_finds_a_write() {
    let options = Options { sync: SyncPolicy::Interval(Duration::from_secs(5)), ..small() };
    let fs = MemFs::new();
    let mut store = open(&fs, options);
    let at = Duration::from_secs;
    assert!(!store.tick(at(100)).unwrap(), "there is nothing to sync");
    store.put(b"a", b"1").unwrap();
    assert!(!store.tick(at(101)).unwrap());
    assert!(!store.tick(at(105)).unwrap());
    assert_eq!(store.durable_sequence(), 0);
    assert!(store.tick(at(106)).unwrap());
    assert_eq!(store.durable_sequence(), 1);
    assert!(!store.tick(at(200)).unwrap());
    store.put(b"a", b"2").unwrap();
    store.sync().unwrap();
    assert!(!store.tick(at(300)).unwrap(), "somebody was faster");
}

#[test]
fn a_buffer_holds_writes_back_until_it_is_full_or_a_sync_comes() {
    let fs = MemFs::new();
    let options = Options { sync: SyncPolicy::Manual, write_buffer_bytes: 2000, ..small() };
    let mut store = open(&fs, options.clone());
    let writes = Arc::new(AtomicU64::new(0));
    let counter = writes.clone();
    fs.hook(move |call, _| {
        counter.fetch_add(u64::from(call == Call::Write), Ordering::Relaxed);
        None
    });
    for i in 0..40u8 {
        store.put(&[i], &[i; 80]).unwrap();
    }
    let written = writes.load(Ordering::Relaxed);
    assert!((1..5).contains(&written), "{written} writes for 40 puts");
    // A kill takes what waits, from the end.
    let killed = MemFs::with_files(db(), &fs.image(db()));
    let left = open(&killed, options.clone());
    assert!(left.len() < 40 && left.iter().enumerate().all(|(i, (key, _))| key == [i as u8]));
    store.sync().unwrap();
    let killed = MemFs::with_files(db(), &fs.image(db()));
    assert_eq!(open(&killed, options).len(), 40);
}

#[test]
fn few_live_entries_among_many_bring_a_compaction() {
    let fs = MemFs::new();
    let options = Options { compact_live_ratio: Some(0.3), ..small() };
    let mut store = open(&fs, options);
    for i in 0..99u8 {
        store.put(&[i % 10], b"v").unwrap();
    }
    assert_eq!(store.epoch(), 1, "too few operations to bother");
    store.put(b"x", b"v").unwrap();
    assert_eq!(store.epoch(), 2);
    // As many live as written: nothing to gain.
    for i in 0..250u8 {
        store.put(&[i, i], b"v").unwrap();
    }
    assert_eq!(store.epoch(), 2);
}

#[test]
fn every_transition_is_told_in_order() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let observer = Observer::new(move |Transition { from, event, to }| {
        list.lock().unwrap().push((from, event, to));
    });
    let fs = MemFs::new();
    let mut store = open(&fs, Options { observer: Some(observer), ..small() });
    store.compact().unwrap();
    fs.space(Some(0));
    store.put(b"a", &[1; 2000]).unwrap_err();
    fs.space(None);
    store.put(b"a", &[1; 2000]).unwrap();
    fs.hook(|call, _| (call == Call::Sync).then(|| std::io::Error::from_raw_os_error(5)));
    store.put(b"b", b"2").unwrap_err();
    use {Event as E, State as S};
    assert_eq!(
        *told.lock().unwrap(),
        [
            (S::Opening, E::Locked, S::Recovering),
            (S::Recovering, E::Recovered, S::Ready),
            (S::Ready, E::CompactionBegan, S::Compacting),
            (S::Compacting, E::CompactionEnded, S::Ready),
            (S::Ready, E::SpaceRanOut, S::Full),
            (S::Full, E::SpaceReturned, S::Ready),
            (S::Ready, E::DiskFailed, S::Failed),
        ]
    );
}

#[test]
fn statistics_count_what_happened_and_measure_by_the_clock_that_was_handed_in() {
    let ticks = AtomicU64::new(0);
    // Each look at it takes a microsecond.
    let clock = Clock::new(move || Duration::from_micros(ticks.fetch_add(1, Ordering::Relaxed)));
    let fs = MemFs::new();
    let mut store = open(&fs, Options { clock: Some(clock), ..small() });
    for i in 0..100u8 {
        store.put(&[i % 10], &[i; 20]).unwrap();
    }
    store.compact().unwrap();
    let stats = store.stats();
    assert_eq!((stats.entries, stats.data_bytes, stats.writes, stats.operations), (10, 210, 100, 100));
    assert_eq!((stats.compactions, stats.compactions_failed), (1, 0));
    assert_eq!((stats.write_latency.count, stats.sync_latency.count), (100, stats.syncs));
    assert!((stats.sync_latency.mean_us - 1.0).abs() < 0.1, "{:?}", stats.sync_latency);
    assert!(stats.write_latency.p99_us >= stats.write_latency.p50_us);
    assert!(stats.space_saved().is_some_and(|saved| saved > 0.5), "{stats}");
    assert!(stats.writes_per_second().is_some_and(|rate| rate > 1000.0));
    let text = stats.to_string();
    // Every value of 20 bytes has two counters before it and an allocation of its own: 48 bytes.
    assert!((700..4_000).contains(&stats.memory_bytes), "{}", stats.memory_bytes);
    let entries = format!("10 entries, 210 bytes, {} in memory\n", stats.memory_bytes);
    assert!(text.starts_with(&entries), "{text}");
    assert!(text.contains("\n100 writes of 100 operations"), "{text}");
    let metrics = stats.to_prometheus();
    for line in
        ["unplug_writes_total 100", "# TYPE unplug_write_seconds summary", "unplug_write_seconds_count 100"]
    {
        assert!(metrics.lines().any(|other| other == line), "{metrics}");
    }
    // Without a clock there are counts only.
    let store = open(&MemFs::new(), small());
    assert_eq!((store.stats().open_for, store.stats().writes_per_second()), (Duration::ZERO, None));
}
