//! Times of opening, writing and replaying, on a file system in memory: the store's own cost.
//!
//! `cargo bench -p unplug-engine`

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::{MemFs, open, small};
use unplug_engine::{Options, SyncPolicy};

fn main() {
    let only = std::env::args().nth(1).filter(|a| !a.starts_with('-'));
    if only.as_deref() == Some("open") {
        return opening("32 keys of 100 bytes, 16 in the log", 32, 16);
    }
    opening("32 keys of 100 bytes, 16 in the log", 32, 16);
    opening("32 keys of 100 bytes, all in the log", 32, 32);
    opening("an empty store", 0, 0);
    writing();
    replaying();
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

fn writing() {
    let fs = MemFs::new();
    let options = Options { sync: SyncPolicy::Manual, compact_ops: None, ..Options::default() };
    let mut store = open(&fs, options);
    let count = 1_000_000u32;
    let start = Instant::now();
    for i in 0..count {
        store.put(&(i % 10_000).to_be_bytes(), &[7; 100]).unwrap();
    }
    store.sync().unwrap();
    println!("unsynced puts of 100 bytes: {:.0}/s", f64::from(count) / start.elapsed().as_secs_f64());
}

fn replaying() {
    let fs = MemFs::new();
    let options = Options {
        sync: SyncPolicy::Manual,
        compact_ops: None,
        compact_log_bytes: None,
        ..Options::default()
    };
    let mut store = open(&fs, options.clone());
    let count = 100_000u32;
    for i in 0..count {
        store.put(&(i % 1000).to_be_bytes(), &[7; 4096]).unwrap();
    }
    drop(store);
    let start = Instant::now();
    let store = open(&fs, options);
    let bytes = f64::from(count) * 4096.0;
    assert_eq!(store.recovery().records, u64::from(count));
    println!("replay at 4 KiB values: {:.2} GB/s", bytes / start.elapsed().as_secs_f64() / 1e9);
}
