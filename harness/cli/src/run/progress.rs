//! A progress bar on stderr, if it is a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use unplug::explore::Progress;

/// The bar: crash points of the current scenario, with the number of scenarios done before it.
#[derive(Clone)]
pub(super) struct Bar {
    bar: ProgressBar,
    counts: Arc<Counts>,
}

struct Counts {
    scenarios: usize,
    scenario: AtomicU64,
    recoveries: AtomicU64,
}

impl Bar {
    /// A bar for so many scenarios; hidden if nobody would see it.
    pub fn new(scenarios: usize, quiet: bool) -> Bar {
        let bar = ProgressBar::with_draw_target(Some(0), crate::bar::target(quiet));
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        let counts = Counts { scenarios, scenario: AtomicU64::new(0), recoveries: AtomicU64::new(0) };
        Bar { bar, counts: Arc::new(counts) }
    }

    /// The next scenario begins.
    pub fn begin(&self, name: &str) {
        let number = self.counts.scenario.fetch_add(1, Ordering::Relaxed) + 1;
        self.counts.recoveries.store(0, Ordering::Relaxed);
        self.bar.set_prefix(format!("{number}/{} {name}", self.counts.scenarios));
        self.bar.set_message("");
        self.bar.set_position(0);
    }

    /// Hides the bar while `print` runs.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn started(&self, crash_points: u64) {
        self.bar.set_length(crash_points);
    }

    fn explored(&self, recoveries: u64) {
        let total = self.counts.recoveries.fetch_add(recoveries, Ordering::Relaxed) + recoveries;
        self.bar.inc(1);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{total} recoveries"));
        }
    }
}
