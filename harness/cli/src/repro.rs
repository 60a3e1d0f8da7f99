//! `repro`: show a violation again.

use std::fs;
use std::path::{Path, PathBuf};

use unplug::advise::advise;
use unplug::explore::{Settings, Token};
use unplug::fault::{Rule, Sweep};
use unplug::model::Model;
use unplug::plain::Tree;
use unplug::report::{RunReport, Violation};

use crate::args::CommonFlags;
use crate::error::CliError;
use crate::exit;
use crate::output::Out;
use crate::registry::Registry;
use crate::run::{settings, story};
use crate::select::{Selected, model, select_for_token};

/// What the command line says.
pub(crate) struct Request<'a> {
    pub evidence: &'a str,
    pub out: Option<&'a Path>,
    pub scenario: Option<&'a Path>,
    pub model: Option<&'a Path>,
    pub jobs: Option<usize>,
}

/// Runs the command; returns the exit code.
pub(crate) fn repro(
    registry: &Registry,
    request: &Request<'_>,
    common: &CommonFlags,
) -> Result<u8, CliError> {
    let tokens = tokens(request.evidence)?;
    if let Some(dir) = request.out {
        prepare_dir(dir)?;
    }
    let mut out = Out::new(false, common.color);
    let mut code = exit::OK;
    for (index, token) in tokens.iter().enumerate() {
        if index > 0 {
            out.line("")?;
        }
        let dir = request.out.map(|dir| match tokens.len() {
            1 => dir.to_path_buf(),
            _ => dir.join((index + 1).to_string()),
        });
        if show(registry, request, token, dir, &mut out)? {
            code = exit::UNEXPECTED;
        }
    }
    out.finish()?;
    Ok(code)
}

/// A token's text, or all tokens of a JSON report.
fn tokens(evidence: &str) -> Result<Vec<Token>, CliError> {
    let path = Path::new(evidence);
    let parsed = evidence.parse::<Token>();
    match parsed {
        Ok(token) => return Ok(vec![token]),
        Err(error) if evidence.trim().starts_with("u1-") && !path.exists() => {
            return Err(CliError::usage(error.to_string()));
        }
        Err(_) => {}
    }
    let text = fs::read_to_string(path).map_err(|e| {
        let message = CliError::file("read", path, &e).to_string();
        CliError::environment(format!("{message} (expected a token, u1-…, or a JSON report)"))
    })?;
    let report: RunReport = serde_json::from_str(&text).map_err(|e| {
        let message = e.to_string();
        CliError::usage(format!("{evidence}: expected a report that `run --json` wrote: {message}"))
    })?;
    let texts = report.scenarios.iter().flat_map(|scenario| &scenario.violations);
    let tokens: Result<Vec<Token>, _> = texts.map(|violation| violation.token.parse()).collect();
    let tokens = tokens.map_err(|e| CliError::usage(format!("{evidence}: {e}")))?;
    if tokens.is_empty() {
        return Err(CliError::nothing(format!("nothing selected: {evidence} reports no violation")));
    }
    Ok(tokens)
}

/// The directory is made if missing; what lies in it already is never touched.
fn prepare_dir(dir: &Path) -> Result<(), CliError> {
    fs::create_dir_all(dir).map_err(|e| CliError::file("create the directory", dir, &e))?;
    let mut entries = fs::read_dir(dir).map_err(|e| CliError::file("read the directory", dir, &e))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(CliError::usage(format!(
            "{} is not empty: give --out a new or an empty directory",
            dir.display()
        ))),
    }
}

/// The model that a token names: built in, or in the file given.
fn model_of(token: &Token, file: Option<&Path>) -> Result<Model, CliError> {
    let Some(file) = file else {
        return Model::by_name(&token.model).ok_or_else(|| {
            CliError::usage(format!(
                "the token's model `{}` is not built in: give its file with --model",
                token.model
            ))
        });
    };
    let model = model(&format!("./{}", file.display()).replace(".//", "/"))?;
    if model.name == token.model {
        return Ok(model);
    }
    let message =
        format!("the token is for model `{}`, {} holds `{}`", token.model, file.display(), model.name);
    Err(CliError::usage(message))
}

/// Shows one violation again; returns whether it is still there.
fn show(
    registry: &Registry,
    request: &Request<'_>,
    token: &Token,
    dir: Option<PathBuf>,
    out: &mut Out,
) -> Result<bool, CliError> {
    let selected = select_for_token(registry, &token.scenario, request.scenario)?;
    let model = model_of(token, request.model)?;
    let mut settings = settings(&selected, &model, token.seed, request.jobs);
    settings.depth = token.depth;
    settings.kills |= token.evidence.killed_at.is_some();
    settings.sweep = Sweep::Off;
    let rules: Result<Vec<Rule>, _> = token.faults.iter().map(|rule| rule.parse()).collect();
    settings.faults = rules.map_err(|e| CliError::usage(format!("the token: {e}")))?;
    let shown = selected.subject.reproduce(&selected.workload.lines, &settings, &token.evidence);
    let shown = shown.map_err(|e| CliError::usage(format!("{}: {}", token.scenario, e.message)))?;

    out.line(format!("scenario {}, model {}, seed {}", token.scenario, token.model, token.seed))?;
    if !shown.exact {
        out.line(format!(
            "the store's calls have changed since; explored anew for `{}`",
            token.evidence.check
        ))?;
    }
    let Some(violation) = shown.violation else {
        out.line("gone: the violation does not show any more")?;
        return Ok(false);
    };
    let violation = &with_advice(&selected, &settings, violation);
    for line in story(violation, "violation") {
        out.line(line)?;
    }
    if let Some(dir) = dir {
        match &shown.image {
            Some(image) => {
                write_image(image, &dir)?;
                out.line(format!("the crash's files: {}", dir.display()))?;
            }
            None => out.line("no crash, so no files to write")?,
        }
    }
    Ok(true)
}

/// The violation with the sync that would have prevented it, if there is one.
pub(crate) fn with_advice(selected: &Selected, settings: &Settings, violation: Violation) -> Violation {
    let lines = &selected.workload.lines;
    let advice = advise(&*selected.subject, lines, lines, settings, &violation).ok().flatten();
    let advice = advice.as_ref().map(ToString::to_string);
    Violation { advice: violation.advice.or(advice), ..violation }
}

fn write_image(image: &Tree, dir: &Path) -> Result<(), CliError> {
    fs::create_dir_all(dir).map_err(|e| CliError::file("create the directory", dir, &e))?;
    image.write_to(dir).map_err(|e| CliError::file("write files to", dir, &e))
}
