//! `fuzz`: random workloads, their crashes explored, what goes wrong shrunk to its smallest.

mod case;
mod progress;
mod state;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use unplug::explore::Settings;
use unplug::fuzz::{Campaign, Finding, FuzzSettings, Generator};
use unplug::model::Model;
use unplug::report::{Verdict, Violation};
use unplug::shrink::Build;
use unplug::workload::Options;

use crate::args::{CommonFlags, at_least_one, duration, seed};
use crate::error::CliError;
use crate::exit;
use crate::output::{Out, count, shell_word};
use crate::registry::{Registry, SubjectEntry};
use crate::run::story;
use crate::select::{model, planted};
use crate::suggest::suggest;
use case::digest;
use progress::Line;
use state::State;

/// Where violations are saved if the command line does not say.
const SAVE_DIR: &str = "regressions";
/// The same, in a workspace that is laid out as this program's own.
const SAVE_DIR_HERE: &str = "scenarios/regressions";

#[derive(Debug, Args)]
pub(crate) struct FuzzFlags {
    /// The store to fuzz; default: the first that random workloads can be made for
    #[arg(value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Seed of all cases: a number, or the hash of a commit
    #[arg(long, value_name = "NUMBER|HASH", value_parser = seed_or_hash)]
    pub seed: Option<u64>,
    /// Stop after this time (`500ms`, `60s`, `5m`, `1h`)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub budget: Option<Duration>,
    /// Stop after so many cases in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub cases: Option<u64>,
    /// Persistence model; may be repeated, each case then draws one; `all`: every built-in one
    #[arg(long, value_name = "MODEL", default_value = "posix")]
    pub model: Vec<String>,
    /// Switch a planted bug on; stop when it is found
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// Worker threads; no result depends on it. Default: one per core
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub jobs: Option<usize>,
    /// Keep the corpus and the campaign's state here, and go on from what is there
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
    /// Save violations here, as scenario files. Default: scenarios/regressions if it is there, or regressions;
    /// with --bug: nowhere
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
}

/// A number, or up to 16 digits of a hash.
fn seed_or_hash(text: &str) -> Result<u64, String> {
    let is_hash = (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let digits = text.get(..text.len().min(16)).unwrap_or_default();
    match seed(text) {
        Ok(number) => Ok(number),
        Err(_) if is_hash => u64::from_str_radix(digits, 16).map_err(|e| e.to_string()),
        Err(message) => Err(format!("{message}, or the hash of a commit (7 digits or more)")),
    }
}

/// What is fuzzed.
struct Target<'a> {
    entry: &'a SubjectEntry,
    generator: &'a dyn Generator,
    bug: Option<&'a str>,
}

fn target<'a>(registry: &'a Registry, flags: &'a FuzzFlags) -> Result<Target<'a>, CliError> {
    let bug = flags.bug.as_deref().map(|id| planted(registry, id)).transpose()?.map(|bug| bug.id);
    let known = || registry.generators.iter().map(|(name, _)| *name);
    let name = match &flags.subject {
        Some(name) => name.as_str(),
        None => known().next().ok_or_else(|| {
            CliError::nothing("nothing selected: this program has no subject that can be fuzzed")
        })?,
    };
    let entry = registry.subjects.iter().find(|entry| entry.name == name);
    let generator = registry.generators.iter().find(|(subject, _)| *subject == name);
    match (entry, generator) {
        (Some(entry), Some((_, generator))) => Ok(Target { entry, generator: &**generator, bug }),
        (Some(_), None) => {
            Err(CliError::usage(format!("no random workloads can be made for the subject `{name}`")))
        }
        (None, _) => {
            let hint = suggest(name, known());
            Err(CliError::usage(format!("unknown subject `{name}`{hint}")))
        }
    }
}

/// After so many cases the state is written, if it is kept at all.
const CASES_UNKEPT_MAX: u64 = 20;

/// Said where none was found.
const NO_ADVICE: &str = "no single further sync was found that removes it";

/// Runs the command; returns the exit code.
pub(crate) fn fuzz(
    registry: &Registry,
    flags: &FuzzFlags,
    common: &CommonFlags,
    program: &str,
) -> Result<u8, CliError> {
    let target = target(registry, flags)?;
    let models = models(&flags.model)?;
    let state = match &flags.corpus {
        Some(dir) => State::read(dir, target.entry.name, target.bug)?,
        None => None,
    };
    let seed = match (flags.seed, &state) {
        (Some(seed), Some(state)) if state.seed != seed => {
            return Err(CliError::usage(format!(
                "the corpus was made with seed {}: leave --seed out to go on, or take another directory",
                state.seed
            )));
        }
        (_, Some(state)) => state.seed,
        (Some(seed), None) => seed,
        (None, None) => 1,
    };
    let cancel = crate::interrupt::flag()?;
    let mut out = Out::new(false, common.color);
    out.line(format!("seed {seed}"))?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let settings = FuzzSettings {
        seed,
        models,
        jobs: flags.jobs.unwrap_or_else(cores),
        cases_max: flags.cases,
        deadline: flags.budget.map(|budget| Instant::now() + budget),
        cancel,
        stop_at_first: target.bug.is_some(),
    };
    let build = |options: &Options| (target.entry.factory)(options, target.bug);
    let mut campaign = Campaign::new(&build, target.generator, settings.clone());
    if let (Some(state), Some(dir)) = (state, &flags.corpus) {
        state.resume(dir, &mut campaign)?;
        out.line(format!("going on after {}", count(campaign.totals.cases, "case")))?;
    }
    let before = campaign.totals;
    let started = Instant::now();
    let line = Line::new(common.quiet, &before);
    // Told when they are found, not at the end of the night.
    let mut told = 0;
    let mut kept = before.cases;
    loop {
        let over = campaign.step(&line);
        while let Some(finding) = campaign.findings.get(told) {
            told += 1;
            if common.quiet && target.bug.is_some() {
                continue;
            }
            line.suspend(|| tell(&mut out, finding, told, &target, flags, &build, program))?;
        }
        if over {
            break;
        }
        // What ends the program without asking costs a few cases, not the night.
        if let Some(dir) = flags.corpus.as_ref().filter(|_| campaign.totals.cases - kept >= CASES_UNKEPT_MAX)
        {
            State::write(dir, target.entry.name, target.bug, seed, &campaign)?;
            kept = campaign.totals.cases;
        }
    }
    line.finish();
    if let Some(dir) = &flags.corpus {
        State::write(dir, target.entry.name, target.bug, seed, &campaign)?;
    }
    if let Some(error) = &campaign.internal_error {
        return Err(CliError::internal(error.clone()));
    }
    summary(
        &mut out,
        &campaign,
        &before,
        started.elapsed(),
        &target,
        common.quiet,
        settings.cancel.load(std::sync::atomic::Ordering::Relaxed),
    )?;
    out.finish()?;
    let found = !campaign.findings.is_empty();
    Ok(match (target.bug, found) {
        (Some(_), true) | (None, false) => exit::OK,
        (Some(_), false) | (None, true) => exit::UNEXPECTED,
    })
}

fn models(names: &[String]) -> Result<Vec<Model>, CliError> {
    if names.iter().any(|name| name == "all") {
        return Ok(Model::NAMES.iter().filter_map(|name| Model::by_name(name)).collect());
    }
    names.iter().map(|name| model(name)).collect()
}

/// The file of a finding, if it is to be saved.
fn save_to(flags: &FuzzFlags, name: &str) -> Option<PathBuf> {
    let here = if Path::new(SAVE_DIR_HERE).is_dir() { SAVE_DIR_HERE } else { SAVE_DIR };
    let dir = match (&flags.save, &flags.bug) {
        (Some(dir), _) => dir.as_path(),
        (None, None) => Path::new(here),
        (None, Some(_)) => return None,
    };
    Some(dir.join(format!("{name}.toml")))
}

fn tell(
    out: &mut Out,
    finding: &Finding,
    number: usize,
    target: &Target<'_>,
    flags: &FuzzFlags,
    build: Build<'_>,
    program: &str,
) -> Result<(), CliError> {
    let case = &finding.shrunk.case;
    // By what it does: two bugs may go wrong in the same way, and neither may replace the other's file.
    let unnamed = case::scenario("case", "", target.entry.name, target.bug, case, Vec::new())?;
    let name = format!("fuzz-{}-{}", finding.shrunk.violation.check, digest(&unnamed.to_string()));
    // Once more under its own name, for the token.
    let settings = Settings { cap: 20_000, limit: 20_000, ..Settings::new(&*name, finding.model.clone()) };
    let again = build(&case.options)
        .ok()
        .and_then(|subject| subject.explore(&case.lines, &case.settings(&settings)).ok())
        .and_then(|explored| explored.violations.into_iter().next());
    let violation = again.unwrap_or_else(|| finding.shrunk.violation.clone());
    let advice = finding.advice.as_ref().map(ToString::to_string);
    // Where calls fail, no advice is looked for.
    let none = || finding.shrunk.case.faults.is_empty().then(|| NO_ADVICE.to_string());
    let violation = Violation { advice: advice.or_else(none), ..violation };

    out.line("")?;
    for line in story(&violation, &format!("violation {number}, in case {}", finding.first_case)) {
        out.line(line)?;
    }
    let operations = count(case.lines.len() as u64, "operation");
    out.line(format!("shrunk to {operations} by {} explorations:", finding.shrunk.explorations))?;
    for (option, value) in case.options.iter() {
        out.line(format!("  option {option} = {value}"))?;
    }
    for rule in &case.faults {
        out.line(format!("  fault {rule}"))?;
    }
    for line in &case.lines {
        out.line(format!("  {line}"))?;
    }
    out.line(format!("it goes wrong under: {}", finding.shrunk.models.join(", ")))?;
    let expected = if target.bug.is_some() { Verdict::Violated } else { Verdict::Held };
    let mut models: Vec<_> = finding.shrunk.models.iter().map(|model| (model.clone(), expected)).collect();
    // As a scenario file has them.
    models.sort_by_key(|(model, _)| Model::NAMES.iter().position(|name| name == model));
    let guards = violation
        .story
        .iter()
        .find_map(|line| line.strip_prefix("missing order: "))
        .unwrap_or(&violation.signature);
    let guards = format!("Found by fuzzing: {guards}.");
    let scenario = case::scenario(&name, &guards, target.entry.name, target.bug, case, models)?;
    match save_to(flags, &name) {
        Some(path) => {
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir).map_err(|e| CliError::file("create the directory", dir, &e))?;
            }
            state::write_file(&path, &scenario.to_string())?;
            let path = path.display().to_string();
            out.line(format!("saved as {path}"))?;
            let path = shell_word(&path);
            out.line(format!("show it again: {program} repro {} --scenario {path}", violation.token))?;
        }
        None => out.line("not saved: --save DIR keeps it as a scenario")?,
    }
    out.line("")
}

fn summary(
    out: &mut Out,
    campaign: &Campaign<'_>,
    before: &unplug::fuzz::Totals,
    time: Duration,
    target: &Target<'_>,
    quiet: bool,
    interrupted: bool,
) -> Result<(), CliError> {
    let totals = &campaign.totals;
    let recoveries = totals.recoveries - before.recoveries;
    let seconds = time.as_secs_f64();
    if interrupted {
        out.line("interrupted")?;
    }
    for (index, finding) in campaign.findings.iter().enumerate() {
        let seen = count(finding.count, "case");
        out.line(format!("violation {}: {seen}, {}", index + 1, finding.cause))?;
    }
    for (cause, seen) in campaign.known.iter().filter(|(_, seen)| *seen > 0) {
        out.line(format!("known from before: {}, {cause}", count(*seen, "case")))?;
    }
    let verdict = match (target.bug, campaign.findings.len()) {
        (Some(bug), 0) => format!("MISSED {bug}"),
        (Some(bug), _) => format!("caught {bug}"),
        (None, n) => count(n as u64, "violation"),
    };
    out.line(format!(
        "{verdict} in {}, {} ({} exhausted)",
        count(totals.cases, "case"),
        count(totals.crash_points, "crash point"),
        totals.exhausted
    ))?;
    if quiet {
        return Ok(());
    }
    out.line(format!(
        "2^{:.0} states, {}, corpus of {}",
        totals.states_log2,
        count(campaign.behaviours.len() as u64, "behaviour"),
        campaign.corpus.len()
    ))?;
    let rate = recoveries as f64 / seconds.max(1e-6);
    out.line(format!("{recoveries} recoveries in {seconds:.1} s, {rate:.0} recoveries/s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_or_hashes() {
        assert_eq!(seed_or_hash("17"), Ok(17));
        assert_eq!(seed_or_hash("0xff"), Ok(255));
        assert_eq!(seed_or_hash("abcdef0"), Ok(0x0abc_def0));
        let hash = "b2c9f1d3a4e5f60718293a4b5c6d7e8f90a1b2c3";
        assert_eq!(seed_or_hash(hash), Ok(0xb2c9_f1d3_a4e5_f607));
        for bad in ["abc", "", "xyz1234", "-1"] {
            assert!(seed_or_hash(bad).is_err(), "{bad}");
        }
    }
}
