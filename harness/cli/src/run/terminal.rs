//! What `run` tells people.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unplug::report::{RunReport, ScenarioReport, SweepReport, Verdict, Violation};

use super::Ending;
use crate::error::CliError;
use crate::output::{Out, shell_word};
use crate::select::Selected;

const INDENT: &str = "        ";
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBT: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

impl Ending {
    fn mark(self) -> (&'static str, Style) {
        match self {
            Ending::Held => ("held", GOOD),
            Ending::Caught => ("caught", GOOD),
            Ending::NotHere => ("-", DIM),
            Ending::Broken => ("BROKEN", BAD),
            Ending::Missed => ("MISSED", BAD),
            Ending::Incomplete => ("cut", DOUBT),
        }
    }
}

/// What a sweep tried.
fn swept(sweep: SweepReport) -> String {
    let SweepReport { workload_calls, recovery_calls, explored, cases, alike, full } = sweep;
    let of = if explored == cases { String::new() } else { format!(" of {cases}") };
    let alike = if alike > 0 { format!(" ({alike} did just what another did)") } else { String::new() };
    let more = if full { "" } else { "; --sweep tries all" };
    format!(
        "{explored}{of} faults tried{alike}: in {workload_calls} calls of the workload and {recovery_calls} of its \
         recovery{more}"
    )
}

pub(super) struct Terminal {
    out: Out,
    quiet: bool,
    stories: bool,
    /// Whether the command line has faults of its own.
    pub has_fault_flags: bool,
    program: String,
    name_width: usize,
    model_width: usize,
}

impl Terminal {
    pub fn new(out: Out, selected: &[Selected], quiet: bool, stories: bool, program: &str) -> Terminal {
        let name_width = selected.iter().map(|item| item.scenario.name.len()).max().unwrap_or(0);
        let models = selected.iter().flat_map(|item| &item.models);
        let model_width = models.map(|(model, _)| model.name.len()).max().unwrap_or(0);
        let (program, has_fault_flags) = (program.to_string(), false);
        Terminal { out, quiet, stories, has_fault_flags, program, name_width, model_width }
    }

    /// The first line, even when quiet: nothing can be shown again without it.
    pub fn seed(&mut self, seed: u64) -> Result<(), CliError> {
        self.out.line(format!("seed {seed}"))
    }

    /// That ^C ended the work.
    pub fn interrupted(&mut self) -> Result<(), CliError> {
        self.out.line("interrupted")
    }

    /// One scenario under one model.
    pub fn scenario(
        &mut self,
        report: &ScenarioReport,
        ending: Ending,
        item: &Selected,
    ) -> Result<(), CliError> {
        let unexpected = ending.is_unexpected();
        if self.quiet && !unexpected {
            return Ok(());
        }
        let (mark, style) = ending.mark();
        let (name, model) = (&report.name, &report.model);
        let (name_width, model_width) = (self.name_width, self.model_width);
        let head = format!("{style}{mark:<7}{style:#} {name:<name_width$} {model:<model_width$}");
        let head_width = 9 + name_width + model_width;
        let figures = figures(report);
        if self.out.width.is_some_and(|width| head_width + 1 + figures.len() > width) {
            self.out.line(head.trim_end())?;
            self.out.line(format!("{INDENT}{}", figures.trim_start()))?;
        } else {
            self.out.line(format!("{head} {figures}"))?;
        }
        let is_faulty = self.has_fault_flags || !item.scenario.faults.is_empty();
        if is_faulty && report.faults_fired == 0 {
            self.out.line(format!("{INDENT}no fault happened: its rules match no call"))?;
        }
        if let Some(sweep) = report.sweep {
            self.out.line(format!("{INDENT}{}", swept(sweep)))?;
        }
        if let Some(bug) = report.bug.as_ref().filter(|_| ending == Ending::Missed || item.is_foreign_bug()) {
            self.out.line(format!("{INDENT}planted bug: {bug}"))?;
        }
        if let (Ending::Caught, Some(first)) = (ending, report.violations.first()) {
            let at = report.first_violation_recovery.map_or(String::new(), |n| format!(", recovery {n}"));
            self.out.line(format!("{INDENT}by {}{at}", first.check))?;
        }
        if ending == Ending::Missed {
            self.out.line(format!("{INDENT}expected a violation, found none"))?;
        }
        if unexpected || (self.stories && !self.quiet) {
            for (index, violation) in report.violations.iter().enumerate() {
                self.violation(violation, index + 1, report.violations.len(), item)?;
            }
        }
        Ok(())
    }

    fn violation(
        &mut self,
        violation: &Violation,
        number: usize,
        count: usize,
        item: &Selected,
    ) -> Result<(), CliError> {
        let which = if count == 1 { "violation".into() } else { format!("violation {number} of {count}") };
        self.out.line("")?;
        for line in story(violation, &which) {
            self.out.line(format!("  {line}"))?;
        }
        let file = item
            .path
            .as_ref()
            .map_or(String::new(), |path| format!(" --scenario {}", shell_word(&path.display().to_string())));
        self.out.line(format!("  show it again: {} repro {}{file}", self.program, violation.token))?;
        self.out.line("")
    }

    /// The last lines.
    pub fn summary(&mut self, run: &RunReport, endings: &[Ending], time: Duration) -> Result<(), CliError> {
        let count = |ending: Ending| endings.iter().filter(|e| **e == ending).count();
        let sum = |field: fn(&ScenarioReport) -> u64| run.scenarios.iter().map(field).sum::<u64>();
        if !self.quiet {
            self.out.line("")?;
        }
        let mut parts = Vec::new();
        for (ending, words) in [
            (Ending::Held, "held"),
            (Ending::Caught, "caught"),
            (Ending::NotHere, "not caught in this shard"),
            (Ending::Broken, "BROKEN"),
            (Ending::Missed, "MISSED"),
            (Ending::Incomplete, "cut short"),
        ] {
            if count(ending) > 0 {
                parts.push(format!("{} {words}", count(ending)));
            }
        }
        let good = !endings.iter().any(|e| e.is_unexpected() || *e == Ending::Incomplete);
        let style = if good { GOOD } else { BAD };
        self.out.line(format!("{style}{}{style:#}", parts.join(", ")))?;
        if !self.quiet {
            let open = |report: &ScenarioReport| match report.verdict {
                Verdict::Violated => 0,
                _ => report.unexplored,
            };
            let behind = sum(|r| r.unexplored) - sum(open);
            let behind =
                if behind > 0 { format!(" ({behind} more behind violations)") } else { String::new() };
            self.out.line(format!(
                "{} crash points: {} exhausted, {} probed, {} unexplored{behind}",
                sum(|r| r.exhausted) + sum(|r| r.probed) + sum(open),
                sum(|r| r.exhausted),
                sum(|r| r.probed),
                sum(open)
            ))?;
            let tried = sum(|r| r.sweep.map_or(0, |sweep| sweep.explored));
            if tried > 0 {
                self.out.line(format!("{tried} faults tried (calls × errors × effects)"))?;
            }
            let recoveries = sum(|r| r.recoveries);
            let seconds = time.as_secs_f64();
            self.out.line(format!(
                "{recoveries} recoveries in {seconds:.1} s, {:.0} recoveries/s",
                recoveries as f64 / seconds.max(1e-6)
            ))?;
        }
        self.out.finish()
    }
}

impl Selected {
    /// Whether the planted bug came from the command line.
    fn is_foreign_bug(&self) -> bool {
        self.bug != self.scenario.bug
    }
}

/// Crash points, recoveries, legal states, time.
fn figures(report: &ScenarioReport) -> String {
    let mut points = report.exhausted.to_string();
    if report.probed > 0 {
        points += &format!("+{}p", report.probed);
    }
    // A violation ends a scenario: what would have followed is not owed.
    if report.unexplored > 0 && report.verdict != Verdict::Violated {
        points += &format!("+{}u", report.unexplored);
    }
    let states = format!("2^{:.0}", report.states_log2);
    let bound = if report.states_exact || report.verdict == Verdict::Violated { "" } else { "≥" };
    format!(
        "{points:>5} pt {:>7} rec {:>6} {:>6.2}s",
        report.recoveries,
        format!("{bound}{states}"),
        report.seconds
    )
}

/// A violation in full, a line each.
pub(crate) fn story(violation: &Violation, which: &str) -> Vec<String> {
    let fault = violation.fault.as_ref().map_or(String::new(), |fault| format!(", fault {fault}"));
    let crashes = match violation.depth {
        0 | 1 => String::new(),
        depth => format!(", {depth} crashes"),
    };
    let mut lines = vec![format!(
        "{which}: {}, {} at crash point {}{crashes}{fault}",
        violation.check, violation.kind, violation.crash_point
    )];
    lines.extend(violation.story.iter().map(|line| format!("  {line}").trim_end().to_string()));
    if !violation.source.is_empty() {
        lines.push("calls that matter:".into());
        lines.extend(violation.source.iter().map(|line| format!("  {line}")));
    }
    if !violation.models.is_empty() {
        lines.push(format!("possible under: {}", violation.models.join(", ")));
    }
    if let Some(advice) = &violation.advice {
        lines.push(format!("advice: {advice}"));
    }
    lines
}
