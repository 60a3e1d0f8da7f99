//! Progress, the summary, the JSON report.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::KillFlags;
use super::check::Violation;
use super::session::{Place, Totals};
use crate::error::CliError;
use crate::output::Out;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// A line of progress on stderr, if it is a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(budget: Duration, quiet: bool) -> Bar {
        let bar = ProgressBar::with_draw_target(None, crate::bar::target(quiet));
        if let Ok(style) = ProgressStyle::with_template("{elapsed} of {prefix}  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{}s", budget.as_secs()));
        Bar(bar)
    }

    pub(super) fn show(&self, totals: &Totals) {
        if !self.0.is_hidden() {
            self.0.set_message(format!("{} kills, {} operations", totals.kills, totals.operations));
            self.0.tick();
        }
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// Prints what came out.
pub(super) fn summary(
    totals: &Totals,
    place: &Place,
    has_tools: bool,
    quiet: bool,
    out: &mut Out,
) -> Result<(), CliError> {
    let Totals { kills, opening, under_way, applied, operations, seconds, .. } = totals;
    let kills = if *kills == 1 { "1 kill".to_string() } else { format!("{kills} kills") };
    let figures = format!("{kills} in {seconds:.1} s, {operations} operations");
    let Some(violation) = &totals.violation else {
        if quiet {
            return Ok(());
        }
        let stopped = if totals.interrupted { ", interrupted" } else { "" };
        out.line(format!("{GOOD}held{GOOD:#}     {figures}{stopped}"))?;
        return out.line(format!(
            "         while the store was opened: {opening}; with an operation under way: {under_way}, of which \
             {applied} came back"
        ));
    };
    out.line(format!("{BAD}violated{BAD:#} {figures}"))?;
    out.line(format!("  {}: {}", violation.check, violation.summary))?;
    for detail in &violation.details {
        out.line(format!("    {detail}"))?;
    }
    let tools = if has_tools { " (`verify` and `dump` look at them)" } else { "" };
    out.line(format!("  what the kill left: {}{tools}", place.killed().display()))
}

/// The JSON report.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    format: u32,
    version: &'a str,
    seed: u64,
    bug: Option<&'a str>,
    verdict: &'static str,
    kills: u64,
    kills_while_opening: u64,
    kills_under_way: u64,
    kills_applied: u64,
    operations: u64,
    interrupted: bool,
    seconds: f64,
    violation: Option<&'a Violation>,
}

impl<'a> Json<'a> {
    pub(super) fn new(version: &'a str, flags: &'a KillFlags, totals: &'a Totals) -> Json<'a> {
        Json {
            format: 1,
            version,
            seed: flags.seed,
            bug: flags.bug.as_deref(),
            verdict: if totals.violation.is_some() { "violated" } else { "held" },
            kills: totals.kills,
            kills_while_opening: totals.opening,
            kills_under_way: totals.under_way,
            kills_applied: totals.applied,
            operations: totals.operations,
            interrupted: totals.interrupted,
            seconds: totals.seconds,
            violation: totals.violation.as_ref(),
        }
    }
}
