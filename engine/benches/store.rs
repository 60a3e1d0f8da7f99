//! Times of opening, writing and replaying, on a file system in memory: the store's own cost; and of synced writes
//! by many threads, on a disk.
//!
//! `cargo bench -p unplug-engine`

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Instant;

use common::{MemFs, open, small};
use unplug_engine::{Clock, Options, Shared, SyncPolicy};
use unplug_vfs::OsFs;

fn main() {
    let only = std::env::args().nth(1).filter(|a| !a.starts_with('-'));
    match only.as_deref() {
        Some("open") => return opening("32 keys of 100 bytes, 16 in the log", 32, 16),
        Some("write") => return writing(),
        Some("replay") => return replaying(),
        Some("share") => return sharing(),
        _ => {}
    }
    opening("32 keys of 100 bytes, 16 in the log", 32, 16);
    opening("32 keys of 100 bytes, all in the log", 32, 32);
    opening("an empty store", 0, 0);
    writing();
    replaying();
    sharing();
}

/// Opens the same store again and again.
fn opening(what: &str, keys: u32, in_log: u32) {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    for i in 0..keys {
        if i == keys - in_log && i > 0 {
            store.compact().unwrap();
        }
        store.put(&i.to_be_bytes(), &[7; 100]).unwrap();
    }
    drop(store);
    // Each open copies the log into a new segment, so the next one finds as much to do.
    let opens = 50_000;
    let start = Instant::now();
    let mut entries = 0;
    for _ in 0..opens {
        entries += open(&fs, small()).len();
    }
    let each = start.elapsed() / opens;
    assert_eq!(entries, (opens * keys) as usize);
    println!("open, {what}: {each:?}");
}

/// Writes of 100 bytes: to the file one by one, or many together; compactions off, and as they come.
fn writing() {
    let count = 1_000_000u32;
    for (what, buffer, compact_log_bytes) in [
        ("unsynced puts of 100 bytes, in memory", 0, None),
        ("the same, 64 KiB of log waiting in the process", 64 << 10, None),
        ("the same, compacting after each 64 MiB of log", 64 << 10, Some(64 << 20)),
    ] {
        let fs = MemFs::new();
        let options = Options { write_buffer_bytes: buffer, compact_log_bytes, ..unsynced() };
        let mut store = open(&fs, options);
        let start = Instant::now();
        for i in 0..count {
            store.put(&(i % 10_000).to_be_bytes(), &[7; 100]).unwrap();
        }
        store.sync().unwrap();
        println!("{what}: {:.0}/s", f64::from(count) / start.elapsed().as_secs_f64());
    }
}

fn unsynced() -> Options {
    Options {
        sync: SyncPolicy::Manual,
        compact_ops: None,
        compact_log_bytes: None,
        compact_live_ratio: None,
        ..Options::default()
    }
}

fn replaying() {
    for (value_len, count, keys) in [(4096, 100_000u32, 1000), (100, 1_000_000, 10_000)] {
        let fs = MemFs::new();
        let mut store = open(&fs, unsynced());
        let value = vec![7; value_len];
        for i in 0..count {
            store.put(&(i % keys).to_be_bytes(), &value).unwrap();
        }
        drop(store);
        let start = Instant::now();
        let store = open(&fs, unsynced());
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(store.recovery().records, u64::from(count));
        let (bytes, rate) = (f64::from(count) * value_len as f64, f64::from(count) / seconds);
        println!("replay of {value_len}-byte values: {:.2} GB/s, {rate:.0} records/s", bytes / seconds / 1e9);
    }
}

/// Synced writes on the disk below the temporary directory, by one thread and by several that share syncs.
fn sharing() {
    for threads in [1u32, 2, 4, 8] {
        let tmp = tempfile::tempdir().unwrap();
        let clock = Some(Clock::system());
        let store =
            Shared::open(Arc::new(OsFs), tmp.path(), Options { clock, ..Options::default() }).unwrap();
        let each = 2000 / threads;
        let start = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let store = store.clone();
                scope.spawn(move || {
                    for i in 0..each {
                        store.put(&(thread * each + i).to_be_bytes(), &[7; 100]).unwrap();
                    }
                });
            }
        });
        let rate = f64::from(threads * each) / start.elapsed().as_secs_f64();
        let stats = store.stats();
        println!(
            "synced puts of 100 bytes, {threads} threads: {rate:.0}/s, {} syncs of mean {:.0} µs, write P99 {:.0} µs",
            stats.syncs, stats.sync_latency.mean_us, stats.write_latency.p99_us
        );
    }
}
