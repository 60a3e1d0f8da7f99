//! The command itself.

use std::fs;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::walk::{Target, targets};
use super::{Expectations, Reading, ReplayError, Replayer};
use crate::args::CommonFlags;
use crate::error::{CliError, cause};
use crate::exit;
use crate::output::{Out, ReportFile, is_stdout};
use crate::registry::Registry;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// One object of the JSON report.
#[derive(Serialize)]
struct Row {
    file: String,
    #[serde(flatten)]
    reading: Reading,
    expected: Option<&'static str>,
}

#[derive(Default)]
struct Tally {
    matched: usize,
    mismatched: usize,
    unchecked: usize,
    skipped: usize,
}

/// Runs the command; returns the exit code.
pub(crate) fn replay(
    registry: &Registry,
    paths: &[PathBuf],
    json: Option<&Path>,
    common: &CommonFlags,
) -> Result<u8, CliError> {
    let Some(replayer) = &registry.replayer else {
        return Err(CliError::usage("this program has no replayer: `replay` reads nothing"));
    };
    let targets = targets(&**replayer, paths)?;
    let json_file = json.map(ReportFile::open).transpose()?;
    let mut out = Out::new(json.is_some_and(is_stdout), common.color);
    let mut tally = Tally::default();
    let mut rows = Vec::new();
    for target in &targets {
        one(&**replayer, target, common.quiet, &mut out, &mut rows, &mut tally)?;
    }
    if rows.is_empty() && tally.mismatched == 0 {
        return Err(CliError::nothing("nothing selected: no file below these paths can be replayed"));
    }
    let mut parts = vec![format!("{} readings", rows.len())];
    for (count, words) in [
        (tally.matched, "as expected"),
        (tally.mismatched, "NOT as expected"),
        (tally.unchecked, "without expectation"),
        (tally.skipped, "files skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    let style = if tally.mismatched > 0 { BAD } else { GOOD };
    out.line(format!("{style}{}{style:#}", parts.join(", ")))?;
    out.finish()?;
    if let Some(file) = json_file {
        let text = serde_json::to_string_pretty(&rows);
        let text = text.map_err(|e| CliError::environment(format!("failed to build the report: {e}")))?;
        file.write(&(text + "\n"))?;
    }
    Ok(if tally.mismatched > 0 { exit::UNEXPECTED } else { exit::OK })
}

fn one(
    replayer: &dyn Replayer,
    target: &Target,
    quiet: bool,
    out: &mut Out,
    rows: &mut Vec<Row>,
    tally: &mut Tally,
) -> Result<(), CliError> {
    let file = target.path.display().to_string();
    let expectations = target.sidecar.as_deref().map(read_sidecar).transpose()?;
    let expected = expectations.as_ref().and_then(|e| e.of(target.in_store.as_deref()));
    let readings = match replayer.replay(&target.path) {
        Ok(readings) => readings,
        Err(ReplayError::Io(e)) => return Err(CliError::file("read", &target.path, &e)),
        Err(ReplayError::Unrecognised(why)) if target.found && expected.is_none() => {
            tally.skipped += 1;
            return if quiet { Ok(()) } else { out.line(format!("skipped  {file}: {why}")) };
        }
        Err(ReplayError::Unrecognised(why)) => {
            return Err(CliError::environment(format!("failed to replay {file}: {why}")));
        }
    };
    let found = readings.len();
    for (index, reading) in readings.into_iter().enumerate() {
        let wanted = expected.as_ref().map(|expected| expected.get(index));
        let (verdict, differences) = match wanted {
            None => (None, Vec::new()),
            Some(None) => (Some("mismatch"), vec!["expected no such reading".to_string()]),
            Some(Some(wanted)) => match wanted.differences(&reading) {
                differences if differences.is_empty() => (Some("match"), differences),
                differences => (Some("mismatch"), differences),
            },
        };
        let (mark, style) = match verdict {
            None => ("-", Style::new()),
            Some("match") => ("ok", GOOD),
            Some(_) => ("MISMATCH", BAD),
        };
        match verdict {
            None => tally.unchecked += 1,
            Some("match") => tally.matched += 1,
            Some(_) => tally.mismatched += 1,
        }
        if !quiet || verdict == Some("mismatch") {
            out.line(format!("{style}{mark:<8}{style:#} {file}: {}", sentence(&reading)))?;
            for difference in differences {
                out.line(format!("         {difference}"))?;
            }
        }
        rows.push(Row { file: file.clone(), reading, expected: verdict });
    }
    for missing in expected.iter().flatten().skip(found) {
        tally.mismatched += 1;
        let format = &missing.format;
        out.line(format!("{BAD}MISMATCH{BAD:#} {file}: expected a reading as {format}, found none"))?;
    }
    Ok(())
}

fn read_sidecar(path: &Path) -> Result<Expectations, CliError> {
    let text = fs::read_to_string(path)
        .map_err(|e| CliError::environment(format!("failed to read {}: {}", path.display(), cause(&e))))?;
    Expectations::parse(&text).map_err(|e| CliError::usage(format!("{}: {e}", path.display())))
}

/// A reading for people.
fn sentence(reading: &Reading) -> String {
    let mut text = format!("{}, {} records", reading.format, reading.records);
    match (reading.reason, reading.stopped_at) {
        (None, None) => text += ", clean end",
        (reason, at) => {
            text += ", stopped";
            if let Some(at) = at {
                text += &format!(" at byte {at}");
            }
            if let Some(reason) = reason {
                text += &format!(": {}", reason.as_str());
            }
        }
    }
    if reading.good_records_after > 0 {
        text += &format!(", {} good records after", reading.good_records_after);
    }
    text += &format!("; state of {} keys, {}", reading.state_entries, reading.state_digest);
    if let Some(note) = &reading.note {
        text += &format!(" ({note})");
    }
    text
}
