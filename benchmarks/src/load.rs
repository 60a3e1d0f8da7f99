//! Keys, values, and calls that are timed.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::peers::Result;

/// Spreads numbers over all keys of 16 bytes, each number's always the same.
pub fn key(i: u64) -> [u8; 16] {
    let mut x = i.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    let mut key = [0; 16];
    key[..8].copy_from_slice(&x.to_be_bytes());
    key[8..].copy_from_slice(&i.to_be_bytes());
    key
}

/// Bytes that do not compress, and pieces of them.
pub struct Values(Vec<u8>);

impl Values {
    pub fn new() -> Values {
        Values((0..64 << 10).flat_map(|i| key(i)[..8].to_vec()).collect())
    }

    pub fn get(&self, i: u64, len: usize) -> &[u8] {
        let from = (i as usize).wrapping_mul(101) % (self.0.len() - len);
        &self.0[from..from + len]
    }
}

/// How fast calls were.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub rate: f64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

pub struct Timer {
    histogram: Histogram<u64>,
    start: Instant,
    calls: u64,
    every: u64,
}

impl Timer {
    /// Times one call of so many: looking at the clock costs as much as a fast call.
    pub fn new(every: u64) -> Result<Timer> {
        Ok(Timer { histogram: Histogram::new(3)?, start: Instant::now(), calls: 0, every })
    }

    pub fn call<T>(&mut self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        self.calls += 1;
        if !self.calls.is_multiple_of(self.every) {
            return call();
        }
        let start = Instant::now();
        let result = call()?;
        self.histogram.record(start.elapsed().as_nanos() as u64)?;
        Ok(result)
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether so much time has passed; looks at the clock with each 64th call only.
    pub fn is_over(&self, limit: Duration) -> bool {
        (self.calls.is_multiple_of(64) || self.every == 1) && self.elapsed() >= limit
    }

    pub fn merge(&mut self, other: &Timer) -> Result<()> {
        self.calls += other.calls;
        Ok(self.histogram.add(&other.histogram)?)
    }

    /// `units` stands for what one call did.
    pub fn times(&self, units: u64, seconds: f64) -> Times {
        let us = |quantile: f64| self.histogram.value_at_quantile(quantile) as f64 / 1e3;
        Times {
            rate: (self.calls * units) as f64 / seconds,
            mean_us: self.histogram.mean() / 1e3,
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: self.histogram.max() as f64 / 1e3,
        }
    }
}

/// Has so many threads work at once, each by its number and timing what it does with a timer of its own.
pub fn on_threads(
    threads: u64,
    every: u64,
    work: impl Fn(u64, &mut Timer) -> Result<()> + Sync,
) -> Result<Times> {
    let mut all = Timer::new(1)?;
    let work = &work;
    let timers: Vec<Result<Timer>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut timer = Timer::new(every)?;
                    work(thread, &mut timer)?;
                    Ok(timer)
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| Err("panicked".into()))).collect()
    });
    let seconds = all.elapsed().as_secs_f64();
    for timer in timers {
        all.merge(&timer?)?;
    }
    Ok(all.times(1, seconds))
}
