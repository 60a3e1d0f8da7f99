//! `audit`: which of a store's syncs matter.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use unplug::advise::{self, Action, Audited, Job, Judgement};
use unplug::explore::Settings;
use unplug::report::Verdict;
use unplug::workload::scenario::Scenario;

use crate::args::{CommonFlags, at_least_one};
use crate::error::CliError;
use crate::exit;
use crate::output::{Out, ReportFile, count, is_stdout};
use crate::registry::Registry;
use crate::run::settings;
use crate::select::{Models, Selected, select};

/// Recoveries at one crash point after which a workload without the call is given up as unknown.
const LIMIT: u64 = 200_000;
/// Recoveries that a workload of the suite may take to be part of an audit that names none.
const SMALL: u64 = 20_000;

#[derive(Debug, Args)]
pub(crate) struct AuditFlags {
    /// Scenarios that hold: names, globs or paths; none: the suite's that have a store under them, no faults,
    /// and take no more than 20,000 recoveries
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Persistence model
    #[arg(long, value_name = "MODEL", default_value = "posix")]
    pub model: String,
    /// Judge renames, too
    #[arg(long)]
    pub renames: bool,
    /// Worker threads; no result depends on it. Default: one per core
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub jobs: Option<usize>,
    /// Write a JSON report (`-`: to stdout)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// One line of the report.
#[derive(Serialize)]
struct Row {
    source: String,
    call: String,
    calls: u64,
    verdict: &'static str,
    scenario: Option<String>,
    check: Option<String>,
    order: Option<String>,
    workloads: Option<u64>,
    crash_points: Option<u64>,
}

impl Row {
    fn new(audited: &Audited) -> Row {
        let row = Row {
            source: match &audited.job {
                Some(job) => format!("{} of {job}", audited.site.origin),
                None => audited.site.origin.to_string(),
            },
            call: audited.site.action.to_string(),
            calls: audited.calls,
            verdict: "unknown",
            scenario: None,
            check: None,
            order: None,
            workloads: None,
            crash_points: None,
        };
        match &audited.judgement {
            Judgement::LoadBearing { job, violation } => Row {
                verdict: "load-bearing",
                scenario: Some(job.clone()),
                check: Some(violation.check.clone()),
                order: violation.order().map(str::to_string),
                ..row
            },
            Judgement::Redundant { jobs, crash_points } => {
                Row { verdict: "redundant", workloads: Some(*jobs), crash_points: Some(*crash_points), ..row }
            }
            Judgement::Unknown => row,
        }
    }

    /// For people: a line, and what it is for below it.
    fn lines(&self) -> [String; 2] {
        let calls = match self.calls {
            0 => "after crashes only".to_string(),
            n => count(n, "call"),
        };
        let head = format!("{:<12} {} at {}, {calls}", self.verdict, self.call, self.source);
        let why = match (&self.scenario, &self.check, &self.order) {
            (Some(scenario), Some(check), Some(order)) => {
                format!("without it, {check} in {scenario}: {order}")
            }
            (Some(scenario), Some(check), None) => format!("without it, {check} in {scenario}"),
            _ => match (self.workloads, self.crash_points) {
                (Some(workloads), Some(points)) => {
                    let (workloads, points) = (count(workloads, "workload"), count(points, "crash point"));
                    format!("without it, all holds: {workloads}, {points} exhausted")
                }
                _ => "without it, nothing was found, but not all was explored".to_string(),
            },
        };
        [head, format!("             {why}")]
    }
}

/// Runs the command; returns the exit code.
pub(crate) fn audit(registry: &Registry, flags: &AuditFlags, common: &CommonFlags) -> Result<u8, CliError> {
    let json = flags.json.as_deref().map(ReportFile::open).transpose()?;
    let models = Models::new(std::slice::from_ref(&flags.model))?;
    let mut selected = select(registry, &flags.names, &models, None)?;
    let all = flags.names.is_empty();
    // The steps of a bare protocol are no part of a store: audited if it is named.
    let is_usual =
        |scenario: &Scenario| scenario.subject != "protocol" && scenario.faults.is_empty() && !scenario.sweep;
    selected.retain(|item| item.bug.is_none() && holds(item) && (!all || is_usual(&item.scenario)));
    if selected.is_empty() {
        return Err(CliError::nothing("nothing selected: an audit needs scenarios that hold"));
    }
    let mut jobs = Vec::new();
    for item in &selected {
        for (model, _) in &item.models {
            let mut settings = settings(item, model, 1, flags.jobs);
            settings.limit = settings.limit.min(LIMIT);
            let lines = &item.workload.lines;
            if all {
                let probe = Settings { limit: SMALL, cap: SMALL, ..settings.clone() };
                let explored = item.subject.explore(lines, &probe).map_err(|e| CliError::usage(e.message))?;
                if explored.recoveries > SMALL || explored.exhausted < explored.crash_points {
                    continue;
                }
            }
            let (name, lines) = (item.scenario.name.as_str(), item.workload.lines.as_slice());
            jobs.push(Job { name, subject: &*item.subject, lines, settings });
        }
    }
    let mut out = Out::new(flags.json.as_deref().is_some_and(is_stdout), common.color);
    let mut failed = Ok(());
    let mut tell = |audited: &Audited| {
        let row = Row::new(audited);
        if failed.is_ok() && !(common.quiet && row.verdict == "load-bearing") {
            failed = row.lines().iter().try_for_each(|line| out.line(line));
        }
    };
    let wanted = |action: Action| action.is_sync() || (flags.renames && action == Action::Rename);
    let audited = advise::audit(&jobs, &wanted, &mut tell).map_err(|e| CliError::usage(e.message))?;
    failed?;
    let rows: Vec<Row> = audited.iter().map(Row::new).collect();
    let place = if audited.iter().all(|a| a.job.is_none()) { "source line" } else { "place" };
    let judged = |verdict: &str| rows.iter().filter(|row| row.verdict == verdict).count();
    out.line(format!(
        "{} under {}, {}: {} load-bearing, {} redundant, {} unknown",
        count(rows.len() as u64, place),
        flags.model,
        count(jobs.len() as u64, "workload"),
        judged("load-bearing"),
        judged("redundant"),
        judged("unknown")
    ))?;
    out.finish()?;
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&rows);
        let text = text.map_err(|e| CliError::internal(format!("the report does not print: {e}")))?;
        file.write(&(text + "\n"))?;
    }
    Ok(if judged("unknown") > 0 { exit::INCOMPLETE } else { exit::OK })
}

fn holds(item: &Selected) -> bool {
    item.models.iter().all(|(_, verdict)| *verdict == Verdict::Held)
}
