//! `verify`: is a store sound?

use std::path::Path;

use serde::Serialize;

use super::text::{BAD, DOUBT, GOOD, count, must_be_directory, stop, write_json};
use super::{StoreVerdict, Toolbox, Verification};
use crate::args::CommonFlags;
use crate::error::CliError;
use crate::exit;
use crate::output::{Out, ReportFile, is_stdout};

/// The JSON report.
#[derive(Serialize)]
struct Report {
    format: u32,
    directory: String,
    #[serde(flatten)]
    verification: Verification,
}

/// Runs the command; returns the exit code.
pub(super) fn verify(
    toolbox: &dyn Toolbox,
    dir: &Path,
    json: Option<&Path>,
    common: &CommonFlags,
) -> Result<u8, CliError> {
    must_be_directory(dir)?;
    let json_file = json.map(ReportFile::open).transpose()?;
    let mut out = Out::new(json.is_some_and(is_stdout), common.color);
    let verification = toolbox.verify(dir)?;
    let verdict = verification.verdict;
    if !common.quiet || verdict == StoreVerdict::Damaged {
        tell(dir, &verification, &mut out)?;
    }
    out.finish()?;
    write_json(json_file, &Report { format: 1, directory: dir.display().to_string(), verification })?;
    Ok(if verdict == StoreVerdict::Damaged { exit::UNEXPECTED } else { exit::OK })
}

fn tell(dir: &Path, verification: &Verification, out: &mut Out) -> Result<(), CliError> {
    let (word, style) = match verification.verdict {
        StoreVerdict::Sound => ("sound", GOOD),
        StoreVerdict::Torn => ("sound, with a torn end", GOOD),
        StoreVerdict::Damaged => ("damaged", BAD),
    };
    let dir = dir.display();
    out.line(format!("{style}{dir}: {word}{style:#}"))?;
    for reason in &verification.reasons {
        out.line(format!("  {reason}"))?;
    }
    let width = verification.files.iter().map(|file| file.file.len()).max().unwrap_or(0);
    for file in &verification.files {
        let reading = &file.reading;
        let style = match (&reading.reason, file.live) {
            (None, _) => GOOD,
            (Some(_), true) if verification.verdict == StoreVerdict::Damaged => BAD,
            (Some(_), _) => DOUBT,
        };
        let mut text = match reading.format.as_str() {
            "manifest" => reading.note.clone().unwrap_or_default(),
            "snapshot" => count(reading.records, "entry"),
            _ => count(reading.records, "record"),
        };
        if let Some(stop) = stop(reading) {
            text = match reading.format.as_str() {
                "manifest" => stop,
                _ => format!("{text}, {stop}"),
            };
        }
        let (name, role) = (&file.file, file.role);
        out.line(format!("  {style}{name:<width$}  {role:<10}{style:#}  {text}").trim_end())?;
    }
    let store = &verification.store;
    let records = count(store.records, "log record");
    let keys = count(store.state_entries, "key");
    out.line(format!("  state of {keys} after {records}: {}", store.state_digest))
}
