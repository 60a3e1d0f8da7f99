//! What a campaign leaves in its corpus directory, so that another run goes on from there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unplug::fuzz::{Campaign, Totals};
use unplug::report::Verdict;
use unplug::workload::scenario::Scenario;

use super::case::{case, digest, scenario};
use crate::error::CliError;

const FILE: &str = "state.json";
const FORMAT: u32 = 2;

/// `state.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    subject: String,
    bug: Option<String>,
    pub seed: u64,
    cases: u64,
    crash_points: u64,
    exhausted: u64,
    recoveries: u64,
    #[serde(default)] // so that another format is told as such
    states_log2: f64,
    violating: u64,
    /// Scenario files of this directory, in order.
    corpus: Vec<String>,
    corpus_in_use: usize,
    behaviours: BTreeSet<u32>,
    /// Causes of violations and how many cases showed each.
    known: Vec<(String, u64)>,
}

impl State {
    /// The state in a directory, if a campaign was there before.
    pub fn read(dir: &Path, subject: &str, bug: Option<&str>) -> Result<Option<State>, CliError> {
        fs::create_dir_all(dir).map_err(|e| CliError::file("create the directory", dir, &e))?;
        let path = dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(CliError::file("read", &path, &e)),
        };
        let shown = path.display();
        let state: State = serde_json::from_str(&text)
            .map_err(|e| CliError::usage(format!("{shown}: expected the state of a campaign: {e}")))?;
        if state.format != FORMAT {
            let found = state.format;
            return Err(CliError::usage(format!("{shown}: expected format {FORMAT}, found {found}")));
        }
        if state.subject != subject || state.bug.as_deref() != bug {
            let bug = state.bug.map_or(String::new(), |bug| format!(" with --bug {bug}"));
            let subject = state.subject;
            return Err(CliError::usage(format!(
                "{shown} is about the subject `{subject}`{bug}: take another directory"
            )));
        }
        Ok(Some(state))
    }

    /// Goes on from here.
    pub fn resume(self, dir: &Path, campaign: &mut Campaign<'_>) -> Result<(), CliError> {
        let State { cases, crash_points, exhausted, recoveries, states_log2, violating, .. } = self;
        campaign.totals = Totals { cases, crash_points, exhausted, recoveries, states_log2, violating };
        campaign.behaviours = self.behaviours;
        campaign.known = self.known;
        campaign.corpus_in_use = self.corpus_in_use;
        for name in &self.corpus {
            let path = dir.join(name);
            let label = path.display().to_string();
            let text = fs::read_to_string(&path).map_err(|e| CliError::file("read the case", &path, &e))?;
            let parsed = Scenario::parse(&label, &text).map_err(|e| CliError::usage(e.to_string()))?;
            campaign.corpus.push(case(&label, &parsed)?);
        }
        Ok(())
    }

    /// Writes a campaign's state: first the cases, then what lists them.
    pub fn write(
        dir: &Path,
        subject: &str,
        bug: Option<&str>,
        seed: u64,
        campaign: &Campaign<'_>,
    ) -> Result<(), CliError> {
        let mut corpus = Vec::new();
        for case in &campaign.corpus {
            let held = vec![("posix".to_string(), Verdict::Held)];
            let mut scenario = scenario("case", "A case of the fuzzer's corpus.", subject, bug, case, held)?;
            let name = format!("case-{}", digest(&scenario.to_string()));
            scenario.name.clone_from(&name);
            let path = dir.join(format!("{name}.toml"));
            if !path.exists() {
                write_file(&path, &scenario.to_string())?;
            }
            corpus.push(format!("{name}.toml"));
        }
        let mut known = campaign.known.clone();
        known.extend(campaign.findings.iter().map(|finding| (finding.cause.clone(), finding.count)));
        let Totals { cases, crash_points, exhausted, recoveries, states_log2, violating } = campaign.totals;
        let state = State {
            format: FORMAT,
            subject: subject.to_string(),
            bug: bug.map(str::to_string),
            seed,
            cases,
            crash_points,
            exhausted,
            recoveries,
            states_log2,
            violating,
            corpus,
            corpus_in_use: campaign.corpus_in_use,
            behaviours: campaign.behaviours.clone(),
            known,
        };
        let text = serde_json::to_string_pretty(&state);
        let text = text.map_err(|e| CliError::internal(format!("the state does not print: {e}")))?;
        write_file(&dir.join(FILE), &(text + "\n"))
    }
}

/// Writes a file whole or not at all, as far as a killed process goes.
pub(super) fn write_file(path: &Path, text: &str) -> Result<(), CliError> {
    let tmp = PathBuf::from(format!("{}.tmp", path.display()));
    fs::write(&tmp, text).map_err(|e| CliError::file("write", &tmp, &e))?;
    fs::rename(&tmp, path).map_err(|e| CliError::file("write", path, &e))
}
