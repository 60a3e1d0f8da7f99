//! Writes: how durable, how many at once, by how many threads.

use std::path::Path;
use std::time::Duration;

use crate::load::{Timer, Times, Values, key, on_threads};
use crate::peers::{BARE, Durability, Kind, Pair, Peer, Result, kinds};
use crate::results::Results;

const ROUNDS: usize = 3;
const KEYS: u64 = 100_000;
const WRITES: u64 = 500_000;
const VALUE_LEN: usize = 100;

fn limit(durability: Durability) -> Duration {
    Duration::from_secs(if durability == Durability::Disk { 2 } else { 5 })
}

fn every(durability: Durability) -> u64 {
    if durability == Durability::Disk { 1 } else { 16 }
}

/// So many threads put until the count or the time is reached.
fn puts(store: &dyn Peer, durability: Durability, threads: u64) -> Result<Times> {
    let values = Values::new();
    on_threads(threads, every(durability), |thread, timer| {
        for i in (thread..WRITES).step_by(threads as usize) {
            let value = values.get(i, VALUE_LEN);
            timer.call(|| store.put(&key(i.wrapping_mul(7919) % KEYS), value))?;
            if timer.is_over(limit(durability)) {
                break;
            }
        }
        Ok(())
    })
}

/// All kinds in turn, several times over.
fn rounds(
    results: &mut Results,
    dir: &Path,
    (case, setting): (&str, &str),
    durability: Durability,
    measure: impl Fn(&dyn Peer) -> Result<Times>,
) -> Result<()> {
    let alone = (case == "writes").then_some(&BARE);
    let kinds: Vec<&Kind> =
        kinds().chain(alone).filter(|kind| kind.durabilities.contains(&durability)).collect();
    let mut times = vec![Vec::new(); kinds.len()];
    for _ in 0..ROUNDS {
        for (kind, times) in kinds.iter().zip(&mut times) {
            let tmp = tempfile::tempdir_in(dir)?;
            let store = (kind.open)(&tmp.path().join("db"), durability)?;
            times.push(measure(&*store)?);
            store.sync()?;
        }
    }
    for (kind, times) in kinds.iter().zip(times) {
        results.add_median(case, setting, kind.name, times);
    }
    Ok(())
}

pub fn run(results: &mut Results, dir: &Path) -> Result<()> {
    for durability in Durability::ALL {
        rounds(results, dir, ("writes", durability.name()), durability, |store| puts(store, durability, 1))?;
    }
    Ok(())
}

pub fn threads(results: &mut Results, dir: &Path) -> Result<()> {
    for durability in [Durability::Disk, Durability::Process] {
        for threads in [1, 2, 4, 8] {
            let setting = format!("{}, {threads}", durability.name());
            rounds(results, dir, ("threads", &setting), durability, |store| {
                puts(store, durability, threads)
            })?;
        }
    }
    Ok(())
}

/// Batches, each synced.
pub fn batches(results: &mut Results, dir: &Path) -> Result<()> {
    let values = Values::new();
    for size in [1, 10, 100, 1000] {
        rounds(results, dir, ("batches", &size.to_string()), Durability::Disk, |store| {
            let mut timer = Timer::new(1)?;
            let mut i = 0;
            while !timer.is_over(limit(Durability::Disk)) {
                let pair = |i: u64| -> Pair { (key(i % KEYS), values.get(i, VALUE_LEN).to_vec()) };
                let pairs: Vec<Pair> = (i..i + size).map(pair).collect();
                timer.call(|| store.put_batch(&pairs))?;
                i += size;
            }
            Ok(timer.times(size, timer.elapsed().as_secs_f64()))
        })?;
    }
    Ok(())
}
