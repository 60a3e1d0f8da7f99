//! Cases as scenario files, and back.

use unplug::report::Verdict;
use unplug::shrink::Case;
use unplug::workload::scenario::Scenario;

use crate::error::CliError;

/// What every scenario file has; the rest is filled in.
const TEMPLATE: &str =
    "name = 'case'\nguards = 'case'\nsubject = 'case'\nmodels = { posix = 'held' }\nops = ''\n";

/// A case as a scenario.
pub(super) fn scenario(
    name: &str,
    guards: &str,
    subject: &str,
    bug: Option<&str>,
    case: &Case,
    models: Vec<(String, Verdict)>,
) -> Result<Scenario, CliError> {
    let template = Scenario::parse("case", TEMPLATE).map_err(|e| CliError::internal(e.to_string()))?;
    Ok(Scenario {
        name: name.to_string(),
        guards: guards.replace('\n', " "),
        subject: subject.to_string(),
        bug: bug.map(str::to_string),
        depth: case.depth,
        kill: case.kills,
        faults: case.faults.clone(),
        options: case.options.clone(),
        models,
        ops: case.lines.iter().map(|line| format!("{line}\n")).collect(),
        ..template
    })
}

/// The case of a scenario.
pub(super) fn case(file: &str, scenario: &Scenario) -> Result<Case, CliError> {
    let workload = scenario.expand(file).map_err(|e| CliError::usage(e.to_string()))?;
    Ok(Case {
        lines: workload.lines,
        options: scenario.options.clone(),
        depth: scenario.depth,
        kills: scenario.kill,
        faults: scenario.faults.clone(),
    })
}

/// A short name for a cause: FNV-1a, 32 bits.
pub(super) fn digest(text: &str) -> String {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    format!("{:08x}", text.bytes().fold(0x811c_9dc5, step))
}
