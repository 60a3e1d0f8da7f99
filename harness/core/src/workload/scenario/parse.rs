//! From text to a scenario, with the place of every mistake.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::Scenario;
use crate::fault::Rule;
use crate::model::Model;
use crate::report::Verdict;
use crate::workload::{OptionValue, Options};

const DEPTH_MAX: u32 = 8;

/// What is wrong with a scenario file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file's name.
    pub file: String,
    /// The line, from 1; `None` if it concerns the whole file.
    pub line: Option<usize>,
    /// What was expected.
    pub message: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for ScenarioError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    guards: Spanned<String>,
    subject: Spanned<String>,
    bug: Option<String>,
    depth: Option<Spanned<u32>>,
    #[serde(default)]
    kill: bool,
    #[serde(default)]
    faults: Vec<Spanned<String>>,
    #[serde(default)]
    sweep: bool,
    cap: Option<Spanned<u64>>,
    limit: Option<Spanned<u64>>,
    #[serde(default)]
    options: BTreeMap<String, Spanned<toml::Value>>,
    models: Option<Spanned<BTreeMap<Spanned<String>, Spanned<String>>>>,
    ops: Spanned<String>,
    requires: Option<Spanned<String>>,
}

/// A mistake with its place in the text, before the place is turned into a line.
type Slip = (Option<Range<usize>>, String);

pub(super) fn parse(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    build(text).map_err(|(span, message)| ScenarioError {
        file: file.to_string(),
        line: span.map(|span| line_of(text, span.start)),
        message,
    })
}

/// The line, from 1, of a byte of the text.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count()
}

fn build(text: &str) -> Result<Scenario, Slip> {
    let raw: Raw = toml::from_str(text).map_err(|e| {
        let span = e.span().filter(|_| !e.message().starts_with("missing field"));
        (span, e.message().trim_end().replace('\n', ", "))
    })?;
    let fail = |span: Range<usize>, message: String| Err((Some(span), message));
    let name = raw.name.get_ref();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return fail(raw.name.span(), format!("expected a name of a-z 0-9 -, found `{name}`"));
    }
    for (key, value) in [("guards", &raw.guards), ("subject", &raw.subject)] {
        if value.get_ref().trim().is_empty() || value.get_ref().contains('\n') {
            return fail(value.span(), format!("expected `{key}` to be one line of text"));
        }
    }
    let depth = match &raw.depth {
        None => 1,
        Some(depth) if (1..=DEPTH_MAX).contains(depth.get_ref()) => *depth.get_ref(),
        Some(depth) => {
            let found = depth.get_ref();
            return fail(depth.span(), format!("expected a depth from 1 to {DEPTH_MAX}, found {found}"));
        }
    };
    for (key, value) in [("cap", &raw.cap), ("limit", &raw.limit)] {
        if let Some(value) = value
            && *value.get_ref() == 0
        {
            return fail(value.span(), format!("expected `{key}` to be at least 1"));
        }
    }
    let ops = lines(raw.ops.get_ref());
    if ops.contains("'''") {
        return fail(raw.ops.span(), "expected no ''' within `ops`".into());
    }
    let requires = raw.requires.as_ref().map(|requires| lines(requires.get_ref()));
    if let (Some(text), Some(raw)) = (&requires, &raw.requires)
        && text.contains("'''")
    {
        return fail(raw.span(), "expected no ''' within `requires`".into());
    }
    let comment = text.lines().take_while(|line| line.starts_with('#'));
    Ok(Scenario {
        comment: comment.map(|line| line.trim_end().to_string() + "\n").collect(),
        name: name.clone(),
        guards: raw.guards.get_ref().clone(),
        subject: raw.subject.get_ref().clone(),
        bug: raw.bug,
        depth,
        kill: raw.kill,
        faults: faults(raw.faults)?,
        sweep: raw.sweep,
        cap: raw.cap.map(Spanned::into_inner),
        limit: raw.limit.map(Spanned::into_inner),
        options: options(raw.options)?,
        models: models(raw.models)?,
        ops_line: first_line(text, raw.ops.span()),
        ops,
        requires_line: raw.requires.map_or(0, |requires| first_line(text, requires.span())),
        requires,
    })
}

/// Trailing blanks of a line and of the text carry nothing.
fn lines(text: &str) -> String {
    let text = text.trim_end();
    text.lines().map(|line| line.trim_end().to_string() + "\n").collect()
}

/// The content of a multi-line string begins after the line break that follows its opening quotes.
fn first_line(text: &str, span: Range<usize>) -> usize {
    let opening = text.get(span.start..).unwrap_or_default();
    let skipped = ["'''\n", "'''\r\n", "\"\"\"\n", "\"\"\"\r\n"].iter().any(|q| opening.starts_with(q));
    line_of(text, span.start) + usize::from(skipped)
}

fn options(raw: BTreeMap<String, Spanned<toml::Value>>) -> Result<Options, Slip> {
    let mut options = Options::new();
    for (name, value) in raw {
        let span = value.span();
        let value = match value.into_inner() {
            toml::Value::String(text) => OptionValue::Text(text),
            toml::Value::Integer(number) => OptionValue::Int(number),
            toml::Value::Boolean(flag) => OptionValue::Bool(flag),
            other => {
                let found = other.type_str();
                let message = format!(
                    "option `{name}`: expected a text, a whole number, true or false, found: {found}"
                );
                return Err((Some(span), message));
            }
        };
        options.set(name, value);
    }
    Ok(options)
}

fn faults(raw: Vec<Spanned<String>>) -> Result<Vec<Rule>, Slip> {
    let parse = |rule: Spanned<String>| {
        let span = rule.span();
        rule.into_inner().parse::<Rule>().map_err(|e| (Some(span), e.to_string()))
    };
    raw.into_iter().map(parse).collect()
}

type RawModels = Spanned<BTreeMap<Spanned<String>, Spanned<String>>>;

fn models(raw: Option<RawModels>) -> Result<Vec<(String, Verdict)>, Slip> {
    const EXPECTED: &str = "expected a table `models`, for example models = { posix = \"held\" }";
    let Some(raw) = raw else { return Err((None, EXPECTED.into())) };
    if raw.get_ref().is_empty() {
        return Err((Some(raw.span()), EXPECTED.into()));
    }
    let mut models = Vec::new();
    for (model, verdict) in raw.into_inner() {
        if Model::by_name(model.get_ref()).is_none() {
            let known = Model::NAMES.join(", ");
            let message = format!("unknown model `{}`: expected one of {known}", model.get_ref());
            return Err((Some(model.span()), message));
        }
        let expected = match verdict.get_ref().as_str() {
            "held" => Verdict::Held,
            "violated" => Verdict::Violated,
            other => {
                let message = format!("expected \"held\" or \"violated\", found \"{other}\"");
                return Err((Some(verdict.span()), message));
            }
        };
        models.push((model.into_inner(), expected));
    }
    models.sort_by_key(|(model, _)| Model::NAMES.iter().position(|name| name == model));
    Ok(models)
}
