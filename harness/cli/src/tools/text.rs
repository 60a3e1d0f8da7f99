//! Words that several tools use.

use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use unplug::workload::kv::KvBytes;

use super::{NotTaken, Transfer};
use crate::error::CliError;
use crate::output::{Out, ReportFile};
use crate::replay::Reading;
use crate::suggest::suggest;

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const DOUBT: Style = AnsiColor::Yellow.on_default();

/// Longer keys and values are cut for people.
const SHOWN_BYTES: usize = 32;

/// A number with thousands set apart.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things.
pub(super) fn count(n: u64, thing: &str) -> String {
    let plural = match (n, thing) {
        (1, _) => thing.to_string(),
        (_, "entry") => "entries".to_string(),
        _ => format!("{thing}s"),
    };
    format!("{} {plural}", number(n))
}

/// A number of things that verify.
pub(super) fn verify(n: u64, thing: &str) -> String {
    format!("{} that {}", count(n, thing), if n == 1 { "verifies" } else { "verify" })
}

/// Bytes as in a scenario's operations; long ones cut unless all of it is wanted.
pub(super) fn literal(bytes: &[u8], all: bool) -> String {
    if all || bytes.len() <= SHOWN_BYTES {
        return KvBytes::from(bytes).to_string();
    }
    format!("{}… ({} bytes)", KvBytes::from(&bytes[..SHOWN_BYTES / 2]), number(bytes.len() as u64))
}

/// Where and why a reading stopped; None if it did not.
pub(super) fn stop(reading: &Reading) -> Option<String> {
    let reason = reading.reason?;
    let mut text = "stopped".to_string();
    if let Some(at) = reading.stopped_at {
        text += &format!(" at byte {at}");
    }
    text += &format!(": {}", reason.as_str());
    if reading.good_records_after > 0 {
        let thing = if reading.format == "snapshot" { "entry" } else { "record" };
        text += &format!(", behind it {}", verify(reading.good_records_after, thing));
    }
    Some(text)
}

/// Prints what a transfer took and did not take.
pub(super) fn tell_transfer(transfer: &Transfer, out: &mut Out) -> Result<(), CliError> {
    for taken in &transfer.taken {
        let behind = match taken.behind_damage {
            0 => String::new(),
            n => format!(", {} of them behind damage", number(n)),
        };
        out.line(format!("  {GOOD}taken{GOOD:#}    {}: {}{behind}", taken.file, taken.what))?;
    }
    for left in &transfer.not_taken {
        out.line(format!("  {BAD}dropped{BAD:#}  {}", not_taken(left)))?;
    }
    for note in &transfer.notes {
        out.line(format!("  {DOUBT}note{DOUBT:#}     {note}"))?;
    }
    Ok(())
}

fn not_taken(left: &NotTaken) -> String {
    let place = match (&left.file, left.offset) {
        (Some(file), Some(offset)) => format!("{file}, byte {offset}: "),
        (Some(file), None) => format!("{file}: "),
        (None, _) => String::new(),
    };
    let reason = left.reason.map_or(String::new(), |reason| format!("{}: ", reason.as_str()));
    let records = match left.records {
        0 => String::new(),
        n => format!("; {}", verify(n, "record")),
    };
    format!("{place}{reason}{}{records}", left.detail)
}

/// One of the known formats, or what was asked for instead.
pub(super) fn chosen(wanted: &str, known: &[&str], whose: &str) -> Result<(), CliError> {
    if known.contains(&wanted) {
        return Ok(());
    }
    let hint = suggest(wanted, known.iter().copied());
    let known = known.join(", ");
    Err(CliError::usage(format!("--format {wanted}: {whose} is not that{hint} (expected one of {known})")))
}

/// Writes a JSON report.
pub(super) fn write_json(file: Option<ReportFile>, report: &impl Serialize) -> Result<(), CliError> {
    let Some(file) = file else {
        return Ok(());
    };
    let text = serde_json::to_string_pretty(report);
    let text = text.map_err(|e| CliError::internal(format!("failed to build the report: {e}")))?;
    file.write(&(text + "\n"))
}

/// Refuses a path that is no directory, or is none that can be read, in one line.
pub(super) fn must_be_directory(path: &Path) -> Result<(), CliError> {
    let metadata = std::fs::metadata(path).map_err(|e| CliError::file("read", path, &e))?;
    match metadata.is_dir() {
        true => Ok(()),
        false => Err(CliError::environment(format!(
            "failed to read {}: not a directory: name the store's directory, or `dump` the file",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_counts_read_well() {
        assert_eq!((number(0), number(999), number(1000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(
            (count(1, "entry"), count(0, "entry"), count(2, "record")),
            ("1 entry".into(), "0 entries".into(), "2 records".into())
        );
    }

    #[test]
    fn long_bytes_are_cut_for_people() {
        assert_eq!(literal(b"apple", false), "apple");
        assert_eq!(literal(&[b'a'; 33], false), "aaaaaaaaaaaaaaaa… (33 bytes)");
        assert_eq!(literal(&[0; 33], true), format!("\"{}\"", "\\x00".repeat(33)));
    }
}
