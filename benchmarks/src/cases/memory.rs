//! Resident memory, each store in a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::load::{Values, key};
use crate::peers::{Durability, Result, kinds};
use crate::results::Results;

const KEYS: u64 = 1_000_000;
const VALUE_LEN: usize = 100;

/// A line of /proc/self/status, in bytes.
fn status(field: &str) -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    let kib: u64 = line.split_whitespace().next().ok_or("no value")?.parse()?;
    Ok(kib << 10)
}

pub fn run(results: &mut Results, dir: &Path) -> Result<()> {
    for (setting, keys) in [("1,000,000 entries", KEYS), ("100,000 entries", KEYS / 10)] {
        for kind in kinds() {
            let tmp = tempfile::tempdir_in(dir)?;
            let output = Command::new(std::env::current_exe()?)
                .args(["in-memory", kind.name, &keys.to_string()])
                .arg(tmp.path())
                .output()?;
            let text = String::from_utf8(output.stdout)?;
            let bytes: f64 = text.trim().parse().map_err(|_| format!("{}: {text}", kind.name))?;
            results.add("memory", setting, kind.name, "mb", bytes / 1e6);
            let raw = (keys * (16 + VALUE_LEN as u64)) as f64;
            results.add("memory", setting, kind.name, "ratio", bytes / raw);
        }
    }
    Ok(())
}

/// Fills one store, entry by entry, and prints by how much the process has grown.
pub fn child(mut args: impl Iterator<Item = String>) -> Result<()> {
    let (Some(name), Some(keys), Some(dir)) = (args.next(), args.next(), args.next()) else {
        return Err("in-memory: expected a store, a count and a directory".into());
    };
    let kind = kinds().find(|kind| kind.name == name).ok_or("no such store")?;
    let values = Values::new();
    let before = status("VmRSS:")?;
    let store = (kind.open)(&Path::new(&dir).join("db"), Durability::Process)?;
    let keys: u64 = keys.parse()?;
    // One transaction each would take redb a while.
    for from in (0..keys).step_by(100) {
        let pair = |i: u64| (key(i), values.get(i, VALUE_LEN).to_vec());
        match kind.name {
            "redb" => store.put_batch(&(from..from + 100).map(pair).collect::<Vec<_>>())?,
            _ => (from..from + 100).map(pair).try_for_each(|(k, v)| store.put(&k, &v))?,
        }
    }
    store.sync()?;
    println!("{}", status("VmRSS:")?.saturating_sub(before));
    Ok(())
}

/// Overwrites 100,000 entries for so many minutes, ten by default, with the engine's own defaults but for the sync;
/// memory must stay as it is.
pub fn soak(dir: &Path, minutes: Option<String>) -> Result<()> {
    let minutes: u64 = minutes.map_or(Ok(10), |text| text.parse())?;
    let tmp = tempfile::tempdir_in(dir)?;
    let options = unplug_engine::Options {
        compact_ops: None,
        sync: unplug_engine::SyncPolicy::Interval(unplug_engine::SyncPolicy::PERIOD),
        ..unplug_engine::Options::default()
    };
    let store = unplug_engine::Shared::open(std::sync::Arc::new(unplug_vfs::OsFs), tmp.path(), options)?;
    let values = Values::new();
    let start = Instant::now();
    let mut i = 0u64;
    let mut figures = Vec::new();
    for minute in 0..=minutes {
        while start.elapsed() < Duration::from_secs(60 * minute) || i < 100_000 {
            for _ in 0..100 {
                // Values of different lengths, so that the allocator has something to do.
                let value = values.get(i, 50 + (i % 100) as usize);
                store.put(&key(i.wrapping_mul(7919) % 100_000), value)?;
                i += 1;
            }
            // 10,000 writes a second and more: the normal load, and not all of the machine.
            std::thread::sleep(Duration::from_millis(2));
        }
        let setting = format!("minute {minute}");
        let resident = status("VmRSS:")? as f64 / 1e6;
        println!("{setting}: {resident:.1} MB");
        figures.push((setting, resident, i, store.stats().compactions));
    }
    // Other cases may have been measured meanwhile.
    let mut results = Results::load()?;
    results.forget("soak");
    for (setting, resident, writes, compactions) in figures {
        results.add("soak", &setting, "unplug", "mb", resident);
        results.add("soak", &setting, "unplug", "writes", writes as f64);
        results.add("soak", &setting, "unplug", "compactions", compactions as f64);
    }
    results.save()
}
