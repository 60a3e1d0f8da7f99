//! Look-ups and scans of a store that holds a million entries, all of it in memory or in the page cache.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::load::{Times, Values, key, on_threads};
use crate::peers::{Durability, Pair, Peer, Result, kinds};
use crate::results::Results;

const KEYS: u64 = 1_000_000;
const VALUE_LEN: usize = 100;
const LIMIT: Duration = Duration::from_secs(2);

pub fn fill(store: &dyn Peer, keys: u64, value_len: usize) -> Result<()> {
    let values = Values::new();
    for from in (0..keys).step_by(1000) {
        let pair = |i: u64| -> Pair { (key(i), values.get(i, value_len).to_vec()) };
        store.put_batch(&(from..keys.min(from + 1000)).map(pair).collect::<Vec<_>>())?;
    }
    store.sync()
}

fn gets(store: &dyn Peer, threads: u64) -> Result<Times> {
    on_threads(threads, 16, |thread, timer| {
        for i in 0u64.. {
            let key = key((i * threads + thread).wrapping_mul(7919) % KEYS);
            if timer.call(|| store.get(&key))? != Some(VALUE_LEN) {
                return Err("an entry is missing".into());
            }
            if timer.is_over(LIMIT) {
                break;
            }
        }
        Ok(())
    })
}

pub fn run(results: &mut Results, dir: &Path) -> Result<()> {
    for kind in kinds() {
        let tmp = tempfile::tempdir_in(dir)?;
        let store = (kind.open)(&tmp.path().join("db"), Durability::Process)?;
        fill(&*store, KEYS, VALUE_LEN)?;
        for threads in [1, 2] {
            let times = gets(&*store, threads)?;
            results.add_median("reads", &format!("get, {threads} threads"), kind.name, vec![times]);
        }
        let start = Instant::now();
        let bytes = store.scan()?;
        let seconds = start.elapsed().as_secs_f64();
        if bytes != KEYS * (16 + VALUE_LEN as u64) {
            return Err(format!("{}: {bytes} bytes were scanned", kind.name).into());
        }
        results.add("reads", "scan of all", kind.name, "per_s", KEYS as f64 / seconds);
    }
    Ok(())
}
