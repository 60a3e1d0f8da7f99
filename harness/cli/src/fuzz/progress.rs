//! Progress of a campaign, on a terminal only.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use unplug::fuzz::{FuzzProgress, Totals};

/// One line on stderr.
pub(super) struct Line {
    bar: ProgressBar,
    started: Instant,
    recoveries_before: u64,
}

impl Line {
    /// A line; hidden if nobody would see it.
    pub fn new(quiet: bool, before: &Totals) -> Line {
        let bar = ProgressBar::with_draw_target(None, crate::bar::target(quiet));
        if let Ok(style) = ProgressStyle::with_template("{elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        Line { bar, started: Instant::now(), recoveries_before: before.recoveries }
    }

    /// Hides the line while `print` runs.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl FuzzProgress for Line {
    fn case(&self, totals: &Totals, findings: usize, behaviours: usize, corpus: usize) {
        if self.bar.is_hidden() {
            return;
        }
        let done = (totals.recoveries - self.recoveries_before) as f64;
        let rate = done / self.started.elapsed().as_secs_f64().max(1e-3);
        // The most telling comes first: a narrow terminal cuts the rest.
        self.bar.set_message(format!(
            "{findings} bugs, {} cases, {} recoveries ({rate:.0}/s), {} crash points, {behaviours} behaviours, \
             corpus {corpus}, 2^{:.0} states",
            totals.cases,
            totals.recoveries,
            totals.crash_points,
            totals.states_log2
        ));
        self.bar.tick();
    }

    fn found(&self, cause: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("shrinking: {cause}"));
            self.bar.tick();
        }
    }
}
