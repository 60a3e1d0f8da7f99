//! `observed`: what a real file system left after crashes, held against the models.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use unplug::model::Model;
use unplug::observed::{Examined, Files, Node, Step, Workload};

use crate::args::CommonFlags;
use crate::error::{CliError, cause};
use crate::exit;
use crate::output::{Out, ReportFile, is_stdout};
use crate::select::model;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
/// Outcomes outside a model that are shown in full; the rest is counted.
const SHOWN_MAX: usize = 20;
/// Disks read at one crash before it is given up to tell all that a model allows there.
const READS_MAX: usize = 512;

/// What is asked for.
pub(crate) struct Request<'a> {
    pub files: &'a [PathBuf],
    pub models: &'a [String],
    pub json: Option<&'a Path>,
    pub jobs: Option<usize>,
}

/// A workload, where it stands, and the models it is held against.
struct Item {
    file: String,
    line: usize,
    workload: Workload,
    models: Vec<Model>,
}

/// The JSON report.
#[derive(Serialize)]
struct Report {
    format: u32,
    version: &'static str,
    models: Vec<Summary>,
    outside: Vec<Outside>,
}

/// What one model comes to.
#[derive(Debug, Serialize)]
struct Summary {
    model: String,
    workloads: u64,
    outcomes: u64,
    states: u64,
    outside: u64,
    /// Workloads of which all was explored that the model allows.
    explored: u64,
    /// Allowed in those, and never seen.
    never_seen: u64,
    /// Workloads that allow too much to explore it all.
    capped: u64,
}

/// An outcome that a model forbids.
#[derive(Serialize)]
struct Outside {
    file: String,
    line: usize,
    fs: String,
    model: String,
    setup: Vec<String>,
    calls: Vec<String>,
    returned_max: usize,
    states: u64,
    found: Vec<String>,
}

/// Runs the command; returns the exit code.
pub(crate) fn observed(
    request: &Request<'_>,
    version: &'static str,
    common: &CommonFlags,
) -> Result<u8, CliError> {
    let items = read(request)?;
    if items.is_empty() {
        return Err(CliError::nothing("nothing selected: no workload in these files"));
    }
    let json_file = request.json.map(ReportFile::open).transpose()?;
    let mut out = Out::new(request.json.is_some_and(is_stdout), common.color);
    let report = Report { format: 1, version, ..examine_all(&items, request.jobs)? };
    for outside in report.outside.iter().take(SHOWN_MAX) {
        show(outside, &mut out)?;
    }
    if report.outside.len() > SHOWN_MAX {
        out.line(format!("… and {} more", report.outside.len() - SHOWN_MAX))?;
    }
    if !common.quiet || !report.outside.is_empty() {
        table(&report.models, &mut out)?;
    }
    out.finish()?;
    if let Some(file) = json_file {
        let text = serde_json::to_string_pretty(&report);
        let text = text.map_err(|e| CliError::internal(format!("failed to build the report: {e}")))?;
        file.write(&(text + "\n"))?;
    }
    Ok(if report.outside.is_empty() { exit::OK } else { exit::UNEXPECTED })
}

/// Reads all files, and finds the models.
fn read(request: &Request<'_>) -> Result<Vec<Item>, CliError> {
    let all = request.models.iter().any(|name| name == "all");
    let names: Vec<&str> = match all {
        true => Model::NAMES.to_vec(),
        false => request.models.iter().map(String::as_str).collect(),
    };
    let mut wanted: Vec<Model> = Vec::new();
    for name in names {
        let model = model(name)?;
        if !wanted.contains(&model) {
            wanted.push(model);
        }
    }
    let mut items = Vec::new();
    for path in request.files {
        let file = path.display().to_string();
        let bytes = fs::read(path)
            .map_err(|e| CliError::environment(format!("failed to read {file}: {}", cause(&e))))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| CliError::usage(format!("{file}: expected text in UTF-8")))?;
        let lines = Workload::parse_lines(&text)
            .map_err(|(line, message)| CliError::usage(format!("{file}:{line}: {message}")))?;
        for (line, workload) in lines {
            let models = match wanted.is_empty() {
                true => Model::by_name(&workload.fs).into_iter().chain([Model::posix()]).collect(),
                false => wanted.clone(),
            };
            items.push(Item { file: file.clone(), line, workload, models });
        }
    }
    Ok(items)
}

/// Examines every workload under its models, on all cores; the results do not depend on how many.
fn examine_all(items: &[Item], jobs: Option<usize>) -> Result<Report, CliError> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.unwrap_or_else(cores).clamp(1, items.len());
    let next = AtomicUsize::new(0);
    type Found = Result<Vec<Examined>, String>;
    let results: Mutex<Vec<(usize, Found)>> = Mutex::new(Vec::new());
    let work = || {
        while let Some((index, item)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).map(|item| (index, item))
        } {
            let found = item.models.iter().map(|model| item.workload.examine(model, READS_MAX)).collect();
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, found));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(work);
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    let mut report = Report { format: 1, version: "", models: Vec::new(), outside: Vec::new() };
    for (item, (_, found)) in items.iter().zip(results) {
        let found = found.map_err(|e| CliError::usage(format!("{}:{}: {e}", item.file, item.line)))?;
        for (model, examined) in item.models.iter().zip(found) {
            add(&mut report, item, model, &examined);
        }
    }
    let place = |name: &str| Model::NAMES.iter().position(|known| *known == name).unwrap_or(usize::MAX);
    report.models.sort_by_key(|summary| place(&summary.model));
    Ok(report)
}

fn add(report: &mut Report, item: &Item, model: &Model, examined: &Examined) {
    let workload = &item.workload;
    let index = report.models.iter().position(|summary| summary.model == model.name);
    let index = index.unwrap_or_else(|| {
        let model = model.name.clone();
        let (workloads, outcomes, states, outside) = (0, 0, 0, 0);
        let (explored, never_seen, capped) = (0, 0, 0);
        let summary = Summary { model, workloads, outcomes, states, outside, explored, never_seen, capped };
        report.models.push(summary);
        report.models.len() - 1
    });
    let summary = &mut report.models[index];
    summary.workloads += 1;
    summary.outcomes += workload.outcomes.len() as u64;
    summary.states += workload.outcomes.iter().map(|outcome| outcome.states).sum::<u64>();
    summary.outside += examined.outside.len() as u64;
    summary.explored += u64::from(examined.never_seen.is_some());
    summary.never_seen += examined.never_seen.unwrap_or(0);
    summary.capped += u64::from(examined.never_seen.is_none());
    for index in &examined.outside {
        let outcome = &workload.outcomes[*index];
        report.outside.push(Outside {
            file: item.file.clone(),
            line: item.line,
            fs: workload.fs.clone(),
            model: model.name.clone(),
            setup: texts(&workload.setup),
            calls: texts(&workload.calls),
            returned_max: outcome.returned_max,
            states: outcome.states,
            found: found(&outcome.files),
        });
    }
}

fn texts(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.text.clone()).collect()
}

/// One word a file: `d1/`, `a` (empty), `f=A2p`.
fn found(files: &Files) -> Vec<String> {
    let word = |(path, node): (&String, &Node)| match node {
        Node::Dir => format!("{path}/"),
        Node::File(content) if content.is_empty() => path.clone(),
        Node::File(content) => format!("{path}={content}"),
    };
    files.iter().map(word).collect()
}

fn show(outside: &Outside, out: &mut Out) -> Result<(), CliError> {
    let Outside { file, line, fs, model, returned_max, states, .. } = outside;
    out.line(format!("{BAD}outside {model}{BAD:#}  {file}:{line}: {states} crash states of {fs}"))?;
    if !outside.setup.is_empty() {
        out.line(format!("  before:  {}; sync", outside.setup.join("; ")))?;
    }
    let (returned, rest) = outside.calls.split_at(*returned_max);
    if !returned.is_empty() {
        out.line(format!("  made:    {}", returned.join("; ")))?;
    }
    if let Some(under_way) = rest.first() {
        out.line(format!("  cut off: {under_way}"))?;
    }
    let found = if outside.found.is_empty() { "nothing".to_string() } else { outside.found.join("  ") };
    out.line(format!("  found:   {found}"))?;
    out.line("")
}

fn table(models: &[Summary], out: &mut Out) -> Result<(), CliError> {
    out.line("model     workloads  outcomes   states  outside  explored  never seen  capped")?;
    for summary in models {
        let Summary { model, workloads, outcomes, states, outside, explored, never_seen, capped } = summary;
        let style = if *outside > 0 { BAD } else { GOOD };
        out.line(format!(
            "{model:<9} {workloads:>9} {outcomes:>9} {states:>8} {style}{outside:>8}{style:#} {explored:>9} \
             {never_seen:>11} {capped:>7}"
        ))?;
    }
    out.line(
        "outside: seen, but forbidden. never seen: allowed at the same crashes of the explored workloads;",
    )?;
    out.line("capped workloads allow more than was explored.")
}
