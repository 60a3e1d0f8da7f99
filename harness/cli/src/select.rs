//! From names, globs and paths to the scenarios that run, each with its models.

use std::fs;
use std::path::{Path, PathBuf};

use unplug::model::Model;
use unplug::report::Verdict;
use unplug::subject::AnySubject;
use unplug::workload::scenario::{Scenario, Workload};

use crate::error::CliError;
use crate::registry::{PlantedBug, Registry};
use crate::suggest::suggest;

/// A scenario, ready to run.
pub(crate) struct Selected {
    pub scenario: Scenario,
    /// The file it came from, if it is not part of the program.
    pub path: Option<PathBuf>,
    pub workload: Workload,
    /// The planted bug that is on.
    pub bug: Option<String>,
    pub subject: Box<dyn AnySubject>,
    pub models: Vec<(Model, Verdict)>,
}

impl Selected {
    /// The name that tokens carry: with the planted bug where the file does not name it itself.
    pub fn token_name(&self) -> String {
        match &self.bug {
            Some(bug) if self.scenario.bug.as_ref() != Some(bug) => format!("{}+{bug}", self.scenario.name),
            _ => self.scenario.name.clone(),
        }
    }
}

/// Which models of each scenario run.
pub(crate) enum Models {
    /// posix, or what the scenario declares if posix is not among it.
    Default,
    /// All that the scenario declares.
    All,
    /// These built-in ones, and those read from files.
    Named(Vec<String>, Vec<Model>),
}

impl Models {
    /// From the values of `--model`.
    pub fn new(names: &[String]) -> Result<Models, CliError> {
        if names.is_empty() {
            return Ok(Models::Default);
        }
        if names.iter().any(|name| name == "all") {
            return Ok(Models::All);
        }
        let mut files = Vec::new();
        for name in names {
            let model = model(name)?;
            if model.name != *name {
                files.push(model);
            }
        }
        Ok(Models::Named(names.to_vec(), files))
    }

    /// The models that run, and what is expected under each. `is_named`: the scenario was asked for by its own
    /// name or path, not among others.
    fn of(&self, scenario: &Scenario, is_named: bool) -> Vec<(Model, Verdict)> {
        let default = Model::posix().name;
        let has_default = scenario.models.iter().any(|(name, _)| *name == default);
        let wanted = |name: &String| match self {
            Models::All => true,
            Models::Default => !has_default || *name == default,
            Models::Named(names, _) => names.contains(name),
        };
        let declared = scenario.models.iter().filter(|(name, _)| wanted(name));
        let mut models: Vec<(Model, Verdict)> =
            declared.filter_map(|(name, expected)| Some((Model::by_name(name)?, *expected))).collect();
        // What holds wherever it was declared should hold under any model; of a planted bug nobody knows.
        let holds = scenario.models.iter().all(|(_, expected)| *expected == Verdict::Held);
        if let (Models::Named(names, files), true) = (self, holds) {
            let is_asked_for = is_named && scenario.bug.is_none();
            let undeclared = |name: &&String| {
                is_asked_for && !scenario.models.iter().any(|(declared, _)| declared == *name)
            };
            models.extend(names.iter().filter(undeclared).filter_map(|name| Model::by_name(name)).map(held));
            models.extend(files.iter().cloned().map(held));
        }
        models
    }
}

fn held(model: Model) -> (Model, Verdict) {
    (model, Verdict::Held)
}

/// A model by its name, or by the path of its file (which has a `/` or ends in `.toml`).
pub(crate) fn model(name: &str) -> Result<Model, CliError> {
    if name.contains('/') || name.ends_with(".toml") {
        let text = fs::read_to_string(name)
            .map_err(|e| CliError::environment(format!("failed to read model file {name}: {e}")))?;
        return Model::parse(name, &text).map_err(|e| CliError::usage(e.to_string()));
    }
    Model::by_name(name).ok_or_else(|| {
        let hint = suggest(name, Model::NAMES);
        let hint =
            if hint.is_empty() { format!(": expected one of {}", Model::NAMES.join(", ")) } else { hint };
        CliError::usage(format!("unknown model `{name}`{hint}"))
    })
}

/// The scenarios that `names` mean (all if there are none), with `bug` switched on in them; without names,
/// `bug` means its own scenario.
pub(crate) fn select(
    registry: &Registry,
    names: &[String],
    models: &Models,
    bug: Option<&str>,
) -> Result<Vec<Selected>, CliError> {
    let bug = bug.map(|id| planted(registry, id)).transpose()?;
    let mut files: Vec<File> = Vec::new();
    match (names, bug) {
        ([], None) => files.extend(registry.scenarios.iter().map(File::embedded)),
        ([], Some(bug)) => files.push(embedded(registry, bug.scenario)?),
        (names, _) => {
            for name in names {
                for file in find(registry, name)? {
                    if !files.iter().any(|other| other.label == file.label) {
                        files.push(file);
                    }
                }
            }
        }
    }
    let mut selected = Vec::new();
    for file in files {
        let item = prepare(registry, file, models, bug.map(|bug| bug.id))?;
        if !item.models.is_empty() {
            selected.push(item);
        }
    }
    if selected.is_empty() {
        return Err(CliError::nothing(match models {
            Models::Named(models, _) => {
                format!("nothing selected: no such scenario declares the model {}", models.join(" or "))
            }
            _ => "nothing selected: this program has no scenarios".to_string(),
        }));
    }
    Ok(selected)
}

/// One scenario by the name in a token (with `+BUG` perhaps), or from a file.
pub(crate) fn select_for_token(
    registry: &Registry,
    token_name: &str,
    path: Option<&Path>,
) -> Result<Selected, CliError> {
    let (name, bug) = match token_name.split_once('+') {
        Some((name, bug)) => (name, Some(planted(registry, bug)?.id)),
        None => (token_name, None),
    };
    let file = match path {
        Some(path) => File::read(path)?,
        None => embedded(registry, name).map_err(|e| {
            CliError::usage(format!("{e}; if it is a file of your own, give it with --scenario FILE"))
        })?,
    };
    let label = file.label.clone();
    let selected = prepare(registry, file, &Models::All, bug)?;
    if selected.scenario.name != name {
        return Err(CliError::usage(format!(
            "the token is about the scenario `{name}`, but {label} is `{}`",
            selected.scenario.name
        )));
    }
    Ok(selected)
}

pub(crate) fn planted<'a>(registry: &'a Registry, id: &str) -> Result<&'a PlantedBug, CliError> {
    registry.bugs.iter().find(|bug| bug.id == id).ok_or_else(|| {
        let hint = suggest(id, registry.bugs.iter().map(|bug| bug.id));
        let hint = if hint.is_empty() { ": `list bugs` shows them".to_string() } else { hint };
        CliError::usage(format!("unknown planted bug `{id}`{hint}"))
    })
}

/// A scenario's text with the name to use in errors.
struct File {
    label: String,
    text: String,
    path: Option<PathBuf>,
    /// Whether it was asked for by its own name or path.
    is_named: bool,
}

impl File {
    fn embedded(embedded: &crate::registry::Embedded) -> File {
        let label = format!("{}.toml", embedded.name);
        File { label, text: embedded.text.to_string(), path: None, is_named: false }
    }

    fn named(self) -> File {
        File { is_named: true, ..self }
    }

    fn read(path: &Path) -> Result<File, CliError> {
        let text = fs::read_to_string(path).map_err(|e| CliError::file("read the scenario", path, &e))?;
        let label = path.display().to_string();
        Ok(File { label, text, path: Some(path.to_path_buf()), is_named: false })
    }
}

fn embedded(registry: &Registry, name: &str) -> Result<File, CliError> {
    let known = registry.scenarios.iter().find(|embedded| embedded.name == name);
    known.map(File::embedded).ok_or_else(|| {
        let hint = suggest(name, registry.scenarios.iter().map(|embedded| embedded.name));
        let hint = if hint.is_empty() { ": `list scenarios` shows them".to_string() } else { hint };
        CliError::usage(format!("unknown scenario `{name}`{hint}"))
    })
}

/// What one argument means: a path if it has a `/` or a `.`, a glob if it has `*` or `?`, else a name.
fn find(registry: &Registry, name: &str) -> Result<Vec<File>, CliError> {
    if name.contains(['/', '.']) {
        let path = Path::new(name);
        if !path.is_dir() {
            return Ok(vec![File::read(path)?.named()]);
        }
        let fail = |e| CliError::file("read the directory", path, &e);
        let mut paths = Vec::new();
        for entry in fs::read_dir(path).map_err(fail)? {
            paths.push(entry.map_err(fail)?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        if paths.is_empty() {
            return Err(CliError::nothing(format!("nothing selected: {name} has no .toml files")));
        }
        return paths.iter().map(|path| File::read(path)).collect();
    }
    if !name.contains(['*', '?']) {
        return Ok(vec![embedded(registry, name)?.named()]);
    }
    let matches = registry.scenarios.iter().filter(|embedded| glob(name, embedded.name));
    let files: Vec<File> = matches.map(File::embedded).collect();
    if files.is_empty() {
        return Err(CliError::nothing(format!("nothing selected: no scenario's name matches `{name}`")));
    }
    Ok(files)
}

/// `*` is any run of characters, `?` is any one.
fn glob(pattern: &str, name: &str) -> bool {
    match (pattern.split_at_checked(1), name.split_at_checked(1)) {
        (None, _) => name.is_empty(),
        (Some(("*", rest)), None) => glob(rest, name),
        (Some(("*", rest)), Some((_, tail))) => glob(rest, name) || glob(pattern, tail),
        (Some((p, rest)), Some((n, tail))) => (p == "?" || p == n) && glob(rest, tail),
        (Some(_), None) => false,
    }
}

fn prepare(
    registry: &Registry,
    file: File,
    models: &Models,
    bug: Option<&str>,
) -> Result<Selected, CliError> {
    let label = &file.label;
    let wrong = |key: &str, message: String| {
        CliError::usage(format!("{label}:{}: {message}", line_of_key(&file.text, key)))
    };
    let scenario = Scenario::parse(label, &file.text).map_err(|e| CliError::usage(e.to_string()))?;
    let workload = scenario.expand(label).map_err(|e| CliError::usage(e.to_string()))?;
    let known = registry.subjects.iter().find(|entry| entry.name == scenario.subject);
    let entry = known.ok_or_else(|| {
        let hint = suggest(&scenario.subject, registry.subjects.iter().map(|entry| entry.name));
        wrong("subject", format!("unknown subject `{}`{hint}", scenario.subject))
    })?;
    let bug = bug.map(str::to_string).or_else(|| scenario.bug.clone());
    if let Some(bug) = &bug {
        planted(registry, bug).map_err(|e| wrong("bug", e.to_string()))?;
    }
    let subject =
        (entry.factory)(&scenario.factory_options(), bug.as_deref()).map_err(|e| wrong("options", e))?;
    subject.check_workload(&workload.lines).map_err(|e| {
        let line = workload.origins.get(e.line).copied().unwrap_or(scenario.ops_line);
        CliError::usage(format!("{label}:{line}: {}", e.message))
    })?;
    let models = models.of(&scenario, file.is_named);
    Ok(Selected { models, path: file.path, workload, bug, subject, scenario })
}

/// The line, from 1, on which a key of a scenario file stands, as `key = …` or `[key]`.
fn line_of_key(text: &str, key: &str) -> usize {
    let is_key = |line: &str| {
        let line = line.trim_start().trim_start_matches('[').trim_start();
        let rest = line.strip_prefix(key).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with(['=', ']', '.']))
    };
    1 + text.lines().position(is_key).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_as_a_value_or_a_table() {
        let text = "name = 'options'\nsubject='x'\n\n[ options ]\na = 1\n";
        assert_eq!((line_of_key(text, "subject"), line_of_key(text, "options")), (2, 4));
    }

    #[test]
    fn globs_match_as_in_a_shell() {
        for (pattern, name) in [("*", ""), ("*", "abc"), ("a*", "a"), ("a*c", "abbc"), ("?b*", "abc")] {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a", ""), ("a*c", "ab"), ("?", ""), ("?", "ab")] {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }
}
