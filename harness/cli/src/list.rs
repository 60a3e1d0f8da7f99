//! `list`: what the program has.

use unplug::model::Model;
use unplug::report::Verdict;
use unplug::workload::scenario::Scenario;

use crate::args::{CommonFlags, Listing};
use crate::error::CliError;
use crate::output::Out;
use crate::registry::{PlantedBug, Registry};

const ALL: [Listing; 4] = [Listing::Scenarios, Listing::Bugs, Listing::Subjects, Listing::Models];

/// Runs the command.
pub(crate) fn list(registry: &Registry, what: &[Listing], common: &CommonFlags) -> Result<(), CliError> {
    let mut out = Out::new(false, common.color);
    let what = if what.is_empty() { &ALL } else { what };
    for (index, listing) in what.iter().enumerate() {
        if index > 0 {
            out.line("")?;
        }
        match listing {
            Listing::Scenarios => scenarios(registry, &mut out)?,
            Listing::Bugs => bugs(registry, &mut out)?,
            Listing::Subjects => {
                out.line("subjects")?;
                for subject in &registry.subjects {
                    out.line(format!("  {}: {}", subject.name, subject.summary))?;
                }
            }
            Listing::Models => {
                out.line("models")?;
                for name in Model::NAMES {
                    out.line(format!("  {name}"))?;
                }
            }
        }
    }
    out.finish()
}

fn scenarios(registry: &Registry, out: &mut Out) -> Result<(), CliError> {
    out.line("scenarios")?;
    for embedded in &registry.scenarios {
        let scenario = Scenario::parse(embedded.name, embedded.text);
        let scenario = scenario.map_err(|e| CliError::usage(e.to_string()))?;
        let models = scenario.models.iter().map(|(model, expected)| match expected {
            Verdict::Violated => format!("{model}: violated"),
            _ => format!("{model}: held"),
        });
        let depth = if scenario.depth > 1 { format!(", depth {}", scenario.depth) } else { String::new() };
        let models = models.collect::<Vec<_>>().join(", ");
        out.line(format!("  {} ({}{depth}; {models})", scenario.name, scenario.subject))?;
        out.line(format!("    {}", scenario.guards))?;
    }
    Ok(())
}

fn bugs(registry: &Registry, out: &mut Out) -> Result<(), CliError> {
    out.line("planted bugs")?;
    for bug in &registry.bugs {
        out.line(format!("  {} (scenario {})", bug.id, bug.scenario))?;
        out.line(format!("    {}", bug.summary))?;
        out.line(format!("    breaks: {}", bug.breaks))?;
        if !bug.disables.is_empty() {
            out.line(format!("    switched off with it: {}", bug.disables.join(", ")))?;
        }
        if !bug.models.is_empty() {
            out.line(format!("    shows under: {}", bug.models.join(", ")))?;
        }
        for impossible in bug.impossible {
            out.line(format!("    not under {}: {}", impossible.models.join(", "), impossible.why))?;
        }
    }
    if registry.bugs.is_empty() {
        return Ok(());
    }
    out.line("")?;
    for line in by_model(&registry.bugs) {
        out.line(line)?;
    }
    Ok(())
}

/// The planted bugs in rows, the models in columns.
fn by_model(bugs: &[PlantedBug]) -> Vec<String> {
    let width = bugs.iter().map(|bug| bug.id.len()).max().unwrap_or_default();
    let row = |first: &str, cells: &[&str]| {
        let mut row = format!("  {first:width$}");
        for (cell, model) in cells.iter().zip(Model::NAMES) {
            let width = model.len().max(SHOWS.len());
            row += &format!("  {cell:width$}");
        }
        row.trim_end().to_string()
    };
    let mut lines = vec!["planted bugs by model".to_string(), row("", &Model::NAMES)];
    for bug in bugs {
        let cells = Model::NAMES.map(|model| match (bug.models.contains(&model), bug.why_not(model)) {
            (true, _) => SHOWS,
            (false, Some(_)) => "-",
            (false, None) => "?",
        });
        lines.push(row(bug.id, &cells));
    }
    lines
}

const SHOWS: &str = "shows";
