//! Writes out `repeat` blocks.

use super::{Scenario, ScenarioError};
use crate::workload::protocol::Requirements;

/// More lines than any suite needs, few enough that a slip in a number does not exhaust memory.
const LINES_MAX: usize = 1_000_000;

/// The lines that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// One operation each.
    pub lines: Vec<String>,
    /// For each, the line of the scenario file it came from, from 1.
    pub origins: Vec<usize>,
}

/// Splits a line at the `#` that starts a comment: one outside double quotes.
pub fn split_comment(line: &str) -> (&str, &str) {
    let (mut in_quotes, mut escaped) = (false, false);
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_quotes => escaped = true,
            b'"' => in_quotes = !in_quotes,
            b'#' if !in_quotes => return line.split_at(at),
            _ => {}
        }
    }
    (line, "")
}

/// A `repeat` block while it is read.
struct Block<'a> {
    rounds: u64,
    start: usize,
    body: Vec<(usize, &'a str)>,
}

pub(super) fn expand(file: &str, scenario: &Scenario) -> Result<Workload, ScenarioError> {
    let mut out = Workload { lines: Vec::new(), origins: Vec::new() };
    let fail = |at: usize, message: String| ScenarioError { file: file.to_string(), line: Some(at), message };
    let mut block: Option<Block<'_>> = None;
    for (index, line) in scenario.ops.lines().enumerate() {
        let at = scenario.ops_line + index;
        let text = split_comment(line).0.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        match word {
            "" => {}
            "repeat" if block.is_some() => {
                return Err(fail(at, "expected `end` first: `repeat` blocks do not nest".into()));
            }
            "repeat" => {
                let rounds = rest.trim().parse().ok().filter(|n| *n > 0);
                let rounds = rounds.ok_or_else(|| fail(at, "expected `repeat N`, N from 1 up".into()))?;
                block = Some(Block { rounds, start: at, body: Vec::new() });
            }
            "end" => {
                let done = block.take();
                let done = done.ok_or_else(|| fail(at, "expected `repeat N` before `end`".into()))?;
                if !rest.is_empty() {
                    return Err(fail(at, format!("expected nothing after `end`, found `{rest}`")));
                }
                write_out(&done, &mut out).map_err(|(at, message)| fail(at, message))?;
            }
            _ => match &mut block {
                Some(block) => block.body.push((at, text)),
                None if word == "every" => {
                    return Err(fail(at, "expected `every` within a `repeat` block only".into()));
                }
                None => out.push(at, text.to_string()),
            },
        }
    }
    if let Some(block) = block {
        return Err(fail(block.start, "expected `end` for this `repeat`".into()));
    }
    check_requirements(scenario, &out).map_err(|(at, message)| fail(at, message))?;
    Ok(out)
}

/// Requirements must be well formed and name marks of the workload.
fn check_requirements(scenario: &Scenario, workload: &Workload) -> Result<(), (usize, String)> {
    let Some(text) = &scenario.requires else { return Ok(()) };
    let at = |line: usize| scenario.requires_line + line;
    let requirements = Requirements::parse(text).map_err(|e| (at(e.line), e.message))?;
    for (line, mark) in requirements.marks() {
        let marks = |line: &String| line.strip_prefix("mark").is_some_and(|name| name.trim() == mark);
        if !workload.lines.iter().any(marks) {
            return Err((at(line), format!("expected a mark of `ops`, found `{mark}`")));
        }
    }
    Ok(())
}

impl Workload {
    fn push(&mut self, origin: usize, line: String) {
        self.lines.push(line);
        self.origins.push(origin);
    }
}

fn write_out(block: &Block<'_>, out: &mut Workload) -> Result<(), (usize, String)> {
    for round in 0..block.rounds {
        for &(at, text) in &block.body {
            let Some(line) = due(text, round).map_err(|message| (at, message))? else { continue };
            if out.lines.len() == LINES_MAX {
                return Err((block.start, format!("expected at most {LINES_MAX} operations")));
            }
            out.push(at, substitute(line, round).map_err(|message| (at, message))?);
        }
    }
    Ok(())
}

/// The line that runs in this round, if any.
fn due(text: &str, round: u64) -> Result<Option<&str>, String> {
    let Some(rest) = text.strip_prefix("every").filter(|rest| rest.starts_with(char::is_whitespace)) else {
        return Ok(Some(text));
    };
    let expected = || "expected `every M LINE`, M from 1 up".to_string();
    let (count, line) = rest.trim().split_once(char::is_whitespace).ok_or_else(expected)?;
    let count: u64 = count.parse().ok().filter(|n| *n > 0).ok_or_else(expected)?;
    Ok((round + 1).is_multiple_of(count).then(|| line.trim()))
}

/// Puts the round in place of `{i}` and `{i%K}`.
fn substitute(line: &str, round: u64) -> Result<String, String> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let expected = || "expected `{i}` or `{i%K}`, K from 1 up".to_string();
        let (inside, tail) = after.split_once('}').ok_or_else(expected)?;
        let value = match inside.strip_prefix('i').ok_or_else(expected)? {
            "" => round,
            modulus => {
                let modulus = modulus.strip_prefix('%').and_then(|k| k.parse::<u64>().ok());
                round % modulus.filter(|k| *k > 0).ok_or_else(expected)?
            }
        };
        out.push_str(before);
        out.push_str(&value.to_string());
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}
