//! `run`: scenarios × models, one after another, each explored by all workers.

mod junit;
mod progress;
mod terminal;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use unplug::explore::Settings;
use unplug::fault::Sweep;
use unplug::model::Model;
use unplug::report::{RunReport, ScenarioReport, Shard, Verdict};

use crate::args::{CommonFlags, RunFlags};
use crate::error::CliError;
use crate::exit;
use crate::output::{Out, ReportFile, is_stdout};
use crate::registry::Registry;
use crate::repro::with_advice;
use crate::select::{Models, Selected, select};
use progress::Bar;
use terminal::Terminal;
pub(crate) use terminal::story;

/// Recoveries at one crash point after which it is probed.
const CAP: u64 = 200_000;
/// Recoveries at one crash point after which it is given up.
const LIMIT: u64 = 400_000;
/// File-system calls of one recovery (or one operation) after which it counts as hanging.
const CALLS_MAX: u64 = 1_000_000;

/// What exploring a scenario needs to be told, the same for `run` and `repro`.
pub(crate) fn settings(selected: &Selected, model: &Model, seed: u64, jobs: Option<usize>) -> Settings {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Settings {
        scenario: selected.token_name(),
        model: model.clone(),
        depth: selected.scenario.depth,
        kills: selected.scenario.kill,
        seed,
        jobs: jobs.unwrap_or_else(cores),
        cap: selected.scenario.cap.unwrap_or(CAP),
        limit: selected.scenario.limit.unwrap_or(LIMIT),
        calls_max: CALLS_MAX,
        deadline: None,
        cancel: None,
        shard: Shard { index: 1, count: 1 },
        progress: None,
        faults: selected.scenario.faults.clone(),
        sweep: Sweep::brief_if(selected.scenario.sweep),
    }
}

/// How a result compares with what the scenario declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// As declared: no violation.
    Held,
    /// As declared: the planted bug was found.
    Caught,
    /// As far as this shard can tell; the others must say whether the planted bug was found.
    NotHere,
    /// A violation that should not be.
    Broken,
    /// No violation where one should be.
    Missed,
    /// Ended before the work was done.
    Incomplete,
}

impl Ending {
    fn of(report: &ScenarioReport, shard: Shard) -> Ending {
        match (report.expected, report.verdict) {
            (_, Verdict::Incomplete) => Ending::Incomplete,
            (Verdict::Violated, Verdict::Violated) => Ending::Caught,
            (_, Verdict::Violated) => Ending::Broken,
            (Verdict::Violated, Verdict::Held) if shard.count > 1 => Ending::NotHere,
            (Verdict::Violated, Verdict::Held) => Ending::Missed,
            (_, Verdict::Held) => Ending::Held,
        }
    }

    fn is_unexpected(self) -> bool {
        matches!(self, Ending::Broken | Ending::Missed)
    }
}

/// Runs the command; returns the exit code.
pub(crate) fn run(
    registry: &Registry,
    names: &[String],
    flags: &RunFlags,
    common: &CommonFlags,
    program: &str,
) -> Result<u8, CliError> {
    let to_stdout = |path: &Option<_>| path.as_ref().is_some_and(|path: &std::path::PathBuf| is_stdout(path));
    if to_stdout(&flags.json) && to_stdout(&flags.junit) {
        return Err(CliError::usage("--json - and --junit - cannot share stdout: give one of them a file"));
    }
    let models = Models::new(&flags.model)?;
    let mut selected = select(registry, names, &models, flags.bug.as_deref())?;
    if flags.sweep && names.is_empty() && flags.bug.is_none() {
        selected.retain(|item| item.scenario.sweep);
        if selected.is_empty() {
            let message = "nothing selected: no scenario of this program has `sweep = true`; name some";
            return Err(CliError::nothing(message));
        }
    }
    let open = |path: &Option<std::path::PathBuf>| path.as_deref().map(ReportFile::open).transpose();
    let (json, junit) = (open(&flags.json)?, open(&flags.junit)?);
    let out = Out::new(to_stdout(&flags.json) || to_stdout(&flags.junit), common.color);
    let stories = common.verbose || !names.is_empty();
    let mut terminal = Terminal::new(out, &selected, common.quiet, stories, program);
    terminal.has_fault_flags = !flags.fault.is_empty();
    let cancel = crate::interrupt::flag()?;
    terminal.seed(flags.seed)?;

    let started = Instant::now();
    let deadline = flags.budget.map(|budget| started + budget);
    let mut report = RunReport {
        format: 1,
        version: registry.version.to_string(),
        seed: flags.seed,
        shard: flags.shard,
        scenarios: Vec::new(),
    };
    let total = selected.iter().map(|item| item.models.len()).sum();
    let bar = Bar::new(total, common.quiet);
    let mut endings = Vec::new();
    for item in &selected {
        for (model, expected) in &item.models {
            bar.begin(&item.scenario.name);
            let mut settings = settings(item, model, flags.seed, flags.jobs);
            settings.depth = flags.depth.unwrap_or(settings.depth);
            settings.kills |= flags.kill;
            settings.deadline = deadline;
            settings.cancel = Some(cancel.clone());
            settings.faults.extend(flags.fault.iter().cloned());
            if flags.sweep {
                settings.sweep = Sweep::Full;
                if !item.scenario.sweep {
                    // The scenario says how deep to go without a sweep; that would take too long for every call.
                    settings.depth = flags.depth.unwrap_or(1);
                    settings.kills = false;
                }
            }
            settings.shard = flags.shard;
            settings.progress = Some(Arc::new(bar.clone()));
            let result = explore(item, *expected, &settings)?;
            let ending = Ending::of(&result, flags.shard);
            bar.suspend(|| terminal.scenario(&result, ending, item))?;
            endings.push(ending);
            report.scenarios.push(result);
        }
    }
    bar.finish();
    if cancel.load(Ordering::Relaxed) {
        terminal.interrupted()?;
    }
    terminal.summary(&report, &endings, started.elapsed())?;

    let written = write_reports(&report, &endings, json, junit);
    let unexpected = endings.iter().any(|ending| ending.is_unexpected());
    match (unexpected, written) {
        (true, Err(error)) => {
            crate::report_error(&error);
            Ok(exit::UNEXPECTED)
        }
        (true, Ok(())) => Ok(exit::UNEXPECTED),
        (false, Err(error)) => Err(error),
        (false, Ok(())) if endings.contains(&Ending::Incomplete) => Ok(exit::INCOMPLETE),
        (false, Ok(())) => Ok(exit::OK),
    }
}

fn write_reports(
    report: &RunReport,
    endings: &[Ending],
    json: Option<ReportFile>,
    junit: Option<ReportFile>,
) -> Result<(), CliError> {
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(report);
        let text = text.map_err(|e| CliError::environment(format!("failed to build the report: {e}")))?;
        file.write(&(text + "\n"))?;
    }
    if let Some(file) = junit {
        file.write(&junit::render(report, endings)?)?;
    }
    Ok(())
}

fn explore(item: &Selected, expected: Verdict, settings: &Settings) -> Result<ScenarioReport, CliError> {
    let started = Instant::now();
    let explored = item.subject.explore(&item.workload.lines, settings);
    // The lines were checked when the scenario was selected.
    let found = explored.map_err(|e| CliError::usage(format!("{}: {}", item.scenario.name, e.message)))?;
    if let Some(error) = found.internal_error {
        return Err(CliError::internal(format!("{}: {error}", item.scenario.name)));
    }
    let unexpected = expected != Verdict::Violated;
    let advised = |violation| with_advice(item, settings, violation);
    let violations = found.violations.iter().cloned();
    let violations = if unexpected { violations.map(advised).collect() } else { violations.collect() };
    let whole = settings.shard.count == 1;
    let verdict = match () {
        () if !found.violations.is_empty() => Verdict::Violated,
        // A whole run without a crash point has shown nothing.
        () if found.unexplored > 0 || (whole && found.crash_points == 0) => Verdict::Incomplete,
        () => Verdict::Held,
    };
    Ok(ScenarioReport {
        name: item.scenario.name.clone(),
        subject: item.scenario.subject.clone(),
        model: settings.model.name.clone(),
        expected,
        verdict,
        bug: item.bug.clone(),
        ops: found.ops,
        crash_points: found.crash_points,
        exhausted: found.exhausted,
        probed: found.probed,
        unexplored: found.unexplored,
        recoveries: found.recoveries,
        first_violation_recovery: found.first_violation_recovery,
        states_log2: found.states_log2,
        states_log2_max: found.states_log2_max,
        states_exact: found.states_exact,
        seconds: seconds(started.elapsed()),
        faults_fired: found.faults_fired,
        sweep: found.sweep,
        violations,
    })
}

/// Whole microseconds are plenty.
fn seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}
