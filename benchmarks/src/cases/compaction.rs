//! What a compaction costs, those who write meanwhile above all; and snapshots. The engine alone: its peers have
//! no such step.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use unplug_engine::{Batch, Options, Shared, SyncPolicy};
use unplug_vfs::OsFs;

use crate::load::{Timer, Values, key};
use crate::peers::{Durability, Peer, Result, unplug_options};
use crate::results::Results;

const KEYS: u64 = 1_000_000;
const VALUE_LEN: usize = 100;

fn open(dir: &Path, options: Options) -> Result<Shared> {
    Ok(Shared::open(Arc::new(OsFs), dir, Options { compact_log_bytes: None, ..options })?)
}

/// Writes for five seconds, beside compactions or not.
fn beside(store: &Shared, compacting: bool) -> Result<(crate::load::Times, u64)> {
    let values = Values::new();
    let stop = AtomicBool::new(false);
    let (mut timer, compactions) = (Timer::new(1)?, store.stats().compactions);
    std::thread::scope(|scope| {
        let compact = scope.spawn(|| -> Result<()> {
            while compacting && !stop.load(Ordering::Relaxed) {
                store.compact()?;
            }
            Ok(())
        });
        for i in 0.. {
            timer.call(|| Ok(store.put(&key(i * 7919 % KEYS), values.get(i, VALUE_LEN))?))?;
            // As a busy server would, and not as fast as can be.
            if i % 16 == 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
            if timer.is_over(Duration::from_secs(5)) {
                break;
            }
        }
        let times = timer.times(1, timer.elapsed().as_secs_f64());
        stop.store(true, Ordering::Relaxed);
        compact.join().unwrap_or_else(|_| Err("panicked".into()))?;
        Ok((times, store.stats().compactions - compactions))
    })
}

fn beside_all(results: &mut Results, dir: &Path) -> Result<()> {
    for (name, sync) in [("kernel", SyncPolicy::Manual), ("disk", SyncPolicy::EveryWrite)] {
        let tmp = tempfile::tempdir_in(dir)?;
        let store = open(&tmp.path().join("db"), Options { sync, ..unplug_options(Durability::Kernel) })?;
        super::reads::fill(&store, KEYS, VALUE_LEN)?;
        for compacting in [false, true] {
            let setting = format!("{name}, {}", if compacting { "compacting" } else { "quiet" });
            let (times, compactions) = beside(&store, compacting)?;
            for (metric, value) in [
                ("per_s", times.rate),
                ("p50_us", times.p50_us),
                ("p99_us", times.p99_us),
                ("p999_us", times.p999_us),
                ("max_us", times.max_us),
                ("compactions", compactions as f64),
            ] {
                results.add("compaction", &setting, "unplug", metric, value);
            }
        }
    }
    Ok(())
}

fn bytes_of(dir: &Path, prefix: &str) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

fn snapshots(results: &mut Results, dir: &Path) -> Result<()> {
    let tmp = tempfile::tempdir_in(dir)?;
    let db = tmp.path().join("db");
    let options = Options { snapshot_chain_max: 1, ..unplug_options(Durability::Process) };
    let store = open(&db, options.clone())?;
    super::reads::fill(&store, KEYS, VALUE_LEN)?;
    let mut timed = |setting: &str, run: &mut dyn FnMut() -> Result<u64>| -> Result<()> {
        let start = Instant::now();
        let bytes = run()?;
        let seconds = start.elapsed().as_secs_f64();
        results.add("compaction", setting, "unplug", "ms", seconds * 1e3);
        results.add("compaction", setting, "unplug", "mb", bytes as f64 / 1e6);
        Ok(())
    };
    timed("whole snapshot", &mut || {
        store.compact()?;
        bytes_of(&db, "snap-")
    })?;
    let whole = bytes_of(&db, "snap-")?;
    let mut batch = Batch::new();
    for i in 0..KEYS / 100 {
        batch.put(&key(i), &[1; VALUE_LEN]);
    }
    store.write(batch)?;
    timed("incremental snapshot, 1 % changed", &mut || {
        store.compact()?;
        Ok(bytes_of(&db, "snap-")? - whole)
    })?;
    let backup = tmp.path().join("backup");
    timed("backup", &mut || {
        store.view().back_up(Arc::new(OsFs), &backup)?;
        bytes_of(&backup, "")
    })?;
    timed("restore", &mut || {
        let copy = open(&backup, options.clone())?;
        copy.scan()
    })?;
    // Each entry is written ten times; what compaction leaves of that.
    let tmp = tempfile::tempdir_in(dir)?;
    let store = open(&tmp.path().join("db"), unplug_options(Durability::Process))?;
    for i in 0..200_000u64 {
        // Three keys of ten are overwritten again and again.
        let key = if i % 2 == 0 { key(i) } else { key(i % 1000) };
        store.put(&key, &[2; VALUE_LEN])?;
    }
    store.sync()?;
    store.compact()?;
    let saved = store.stats().space_saved().unwrap_or(0.0);
    results.add("compaction", "half of it overwrites", "unplug", "saved_percent", saved * 100.0);
    Ok(())
}

pub fn run(results: &mut Results, dir: &Path) -> Result<()> {
    beside_all(results, dir)?;
    snapshots(results, dir)
}
