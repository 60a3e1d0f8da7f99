//! What the store has done, in numbers: counts always, latencies where the caller hands in a clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Tells the time, measured from any fixed moment. The store decides nothing by it: it only measures.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// The system's own, which never goes back.
    pub fn system() -> Clock {
        let start = Instant::now();
        Clock::new(move || start.elapsed())
    }

    /// Any other.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How long calls took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Their mean.
    pub mean_us: f64,
    /// Half of them took no longer.
    pub p50_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
    /// 999 of 1,000 took no longer.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// What a store has done since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys.
    pub entries: u64,
    /// Bytes of all keys and values.
    pub data_bytes: u64,
    /// About what they occupy in memory, with the tree that holds them, in bytes. Views and a compaction at
    /// work add to it what has changed since they began.
    pub memory_bytes: u64,
    /// Records in the log: a batch is one.
    pub writes: u64,
    /// Puts and deletes in them.
    pub operations: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Syncs of the log. Writes that share one count once.
    pub syncs: u64,
    /// Log segments begun.
    pub rotations: u64,
    /// Compactions that came to their end.
    pub compactions: u64,
    /// Compactions that were rolled back.
    pub compactions_failed: u64,
    /// Bytes of log records and of snapshots that compactions have replaced.
    pub compacted_bytes_in: u64,
    /// Bytes of the snapshots that they have written.
    pub compacted_bytes_out: u64,
    /// Time since the store was opened; zero without a clock.
    pub open_for: Duration,
    /// Of writes, syncs by the policy included; all zero without a clock.
    pub write_latency: Latency,
    /// Of syncs of the log.
    pub sync_latency: Latency,
    /// Of compactions, from their cut to their end.
    pub compaction_latency: Latency,
}

impl Stats {
    /// Writes in each second since the store was opened; None without a clock.
    pub fn writes_per_second(&self) -> Option<f64> {
        let seconds = self.open_for.as_secs_f64();
        (seconds > 0.0).then(|| self.writes as f64 / seconds)
    }

    /// The share of bytes that compactions have saved; None before the first.
    pub fn space_saved(&self) -> Option<f64> {
        (self.compacted_bytes_in > 0)
            .then(|| 1.0 - self.compacted_bytes_out as f64 / self.compacted_bytes_in as f64)
    }

    /// In the text format that Prometheus reads.
    pub fn to_prometheus(&self) -> String {
        use fmt::Write as _;
        let mut out = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, value: u64| {
            let _ = write!(
                out,
                "# HELP unplug_{name} {help}\n# TYPE unplug_{name} {kind}\nunplug_{name} {value}\n"
            );
        };
        metric("entries", "gauge", "Keys in the store.", self.entries);
        metric("data_bytes", "gauge", "Bytes of all keys and values.", self.data_bytes);
        metric("memory_bytes", "gauge", "Bytes that they occupy in memory, about.", self.memory_bytes);
        metric("writes_total", "counter", "Records written to the log.", self.writes);
        metric("operations_total", "counter", "Puts and deletes in the log's records.", self.operations);
        metric("written_bytes_total", "counter", "Bytes of the log's records.", self.written_bytes);
        metric("syncs_total", "counter", "Syncs of the log.", self.syncs);
        metric("rotations_total", "counter", "Log segments begun.", self.rotations);
        metric("compactions_total", "counter", "Compactions that came to their end.", self.compactions);
        metric("compactions_failed_total", "counter", "Compactions rolled back.", self.compactions_failed);
        metric(
            "compacted_bytes_in_total",
            "counter",
            "Bytes replaced by compactions.",
            self.compacted_bytes_in,
        );
        metric("compacted_bytes_out_total", "counter", "Bytes of snapshots.", self.compacted_bytes_out);
        for (name, help, latency) in [
            ("write", "Time of a write.", &self.write_latency),
            ("sync", "Time of a sync of the log.", &self.sync_latency),
            ("compaction", "Time of a compaction.", &self.compaction_latency),
        ] {
            let name = format!("unplug_{name}_seconds");
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} summary\n");
            for (quantile, us) in
                [("0.5", latency.p50_us), ("0.99", latency.p99_us), ("0.999", latency.p999_us)]
            {
                let _ = writeln!(out, "{name}{{quantile=\"{quantile}\"}} {}", us / 1e6);
            }
            let sum = latency.mean_us * latency.count as f64 / 1e6;
            let _ = write!(out, "{name}_sum {sum}\n{name}_count {}\n", latency.count);
        }
        out
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} entries, {} bytes, {} in memory", self.entries, self.data_bytes, self.memory_bytes)?;
        write!(f, "{} writes of {} operations, {} bytes", self.writes, self.operations, self.written_bytes)?;
        match self.writes_per_second() {
            Some(rate) => writeln!(f, ", {rate:.0}/s")?,
            None => writeln!(f)?,
        }
        writeln!(f, "{} syncs, {} rotations", self.syncs, self.rotations)?;
        write!(f, "{} compactions, {} failed", self.compactions, self.compactions_failed)?;
        match self.space_saved() {
            Some(saved) => writeln!(f, ", {:.1} % of space saved", saved * 100.0)?,
            None => writeln!(f)?,
        }
        for (name, latency) in [
            ("write", &self.write_latency),
            ("sync", &self.sync_latency),
            ("compaction", &self.compaction_latency),
        ] {
            if latency.count > 0 {
                let Latency { mean_us, p50_us, p99_us, p999_us, max_us, .. } = latency;
                writeln!(
                    f,
                    "{name}: mean {mean_us:.1} µs, P50 {p50_us:.1}, P99 {p99_us:.1}, P99.9 {p999_us:.1}, \
                     max {max_us:.1}"
                )?;
            }
        }
        Ok(())
    }
}

/// What latency is being measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measured {
    Write,
    Sync,
    Compaction,
}

/// Collects.
pub(crate) struct Recorder {
    pub(crate) counts: Stats,
    times: Option<Box<Times>>,
}

struct Times {
    clock: Clock,
    opened: Duration,
    /// In nanoseconds.
    latencies: [Histogram<u64>; 3],
}

impl Recorder {
    pub(crate) fn new(clock: Option<&Clock>) -> Recorder {
        // Two digits, up to any time: some ten kilobytes each.
        let histogram = || Histogram::new(2).ok();
        let times = clock.and_then(|clock| {
            let latencies = [histogram()?, histogram()?, histogram()?];
            Some(Box::new(Times { opened: (clock.0)(), clock: clock.clone(), latencies }))
        });
        Recorder { counts: Stats::default(), times }
    }

    /// The time, if anybody wants to know.
    pub(crate) fn start(&self) -> Option<Duration> {
        self.times.as_ref().map(|times| (times.clock.0)())
    }

    /// The clock, for who measures without holding the recorder.
    pub(crate) fn clock(&self) -> Option<Clock> {
        self.times.as_ref().map(|times| times.clock.clone())
    }

    pub(crate) fn measured(&mut self, what: Measured, start: Option<Duration>) {
        if let (Some(times), Some(start)) = (&mut self.times, start) {
            let took = (times.clock.0)().saturating_sub(start);
            let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            // The histogram grows; it refuses nothing.
            let _ = times.latencies[what as usize].record(ns);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.counts;
        if let Some(times) = &self.times {
            stats.open_for = (times.clock.0)().saturating_sub(times.opened);
            let latency = |what: Measured| {
                let histogram = &times.latencies[what as usize];
                let us = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
                Latency {
                    count: histogram.len(),
                    mean_us: histogram.mean() / 1e3,
                    p50_us: us(0.5),
                    p99_us: us(0.99),
                    p999_us: us(0.999),
                    max_us: histogram.max() as f64 / 1e3,
                }
            };
            stats.write_latency = latency(Measured::Write);
            stats.sync_latency = latency(Measured::Sync);
            stats.compaction_latency = latency(Measured::Compaction);
        }
        stats
    }
}

impl Clock {
    pub(crate) fn now(&self) -> Duration {
        (self.0)()
    }
}
