//! `dump`: files piece by piece.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anstyle::Style;
use serde_json::{Map, Value, json};

use super::text::{BAD, DOUBT, chosen, count, literal, number, verify, write_json};
use super::{Piece, PieceVerdict, ToolError, Toolbox, hex};
use crate::args::CommonFlags;
use crate::error::CliError;
use crate::exit;
use crate::output::{Out, ReportFile, is_stdout};

/// Operations of one record that are shown, unless all are asked for.
const OPS_SHOWN_MAX: usize = 10;
/// Damaged pieces of one file that are shown in bytes.
const HEX_SHOWN_MAX: u64 = 16;

/// What a file came to.
#[derive(Default)]
struct Tally {
    good: u64,
    behind: u64,
    stop: Option<(u64, &'static str)>,
    hex: u64,
}

/// Runs the command; returns the exit code.
pub(super) fn dump(
    toolbox: &dyn Toolbox,
    files: &[PathBuf],
    format: Option<&str>,
    json: Option<&Path>,
    common: &CommonFlags,
) -> Result<u8, CliError> {
    let mut formats = Vec::new();
    for file in files {
        formats.push(format_of(toolbox, file, format)?);
    }
    let json_file = json.map(ReportFile::open).transpose()?;
    let mut out = Out::new(json.is_some_and(is_stdout), common.color);
    let mut rows = Vec::new();
    for (index, (path, (format, others))) in files.iter().zip(&formats).enumerate() {
        if index > 0 && !common.quiet {
            out.line("")?;
        }
        let mut pieces = json_file.is_some().then(Vec::new);
        one(toolbox, path, format, others, pieces.as_mut(), common, &mut out)?;
        if let Some(pieces) = pieces {
            rows.push(json!({ "file": path.display().to_string(), "format": format, "pieces": pieces }));
        }
    }
    out.finish()?;
    write_json(json_file, &rows)?;
    Ok(exit::OK)
}

/// The format to read a file in, and those that it may have too.
fn format_of(
    toolbox: &dyn Toolbox,
    path: &Path,
    wanted: Option<&str>,
) -> Result<(String, Vec<String>), CliError> {
    let metadata = fs::metadata(path).map_err(|e| CliError::file("read", path, &e))?;
    if metadata.is_dir() {
        return Err(CliError::environment(format!(
            "failed to read {}: it is a directory: name the files in it, or `verify` it",
            path.display()
        )));
    }
    let mut formats = toolbox.formats(path)?;
    if let Some(wanted) = wanted {
        let known: Vec<&str> = formats.iter().map(String::as_str).collect();
        chosen(wanted, &known, &path.display().to_string())?;
        return Ok((wanted.to_string(), Vec::new()));
    }
    if formats.is_empty() {
        return Err(CliError::environment(format!("failed to read {}: of no known format", path.display())));
    }
    let best = formats.remove(0);
    Ok((best, formats))
}

fn one(
    toolbox: &dyn Toolbox,
    path: &Path,
    format: &str,
    others: &[String],
    mut pieces: Option<&mut Vec<Value>>,
    common: &CommonFlags,
    out: &mut Out,
) -> Result<(), CliError> {
    let len = fs::metadata(path).map_err(|e| CliError::file("read", path, &e))?.len();
    let name = path.display();
    out.line(format!("{name}: {format}, {}", count(len, "byte")))?;
    let mut tally = Tally::default();
    let mut failed = None;
    toolbox.dump(path, format, &mut |piece| {
        let wrote = match tally.add(&piece) {
            _ if common.quiet && piece.verdict == PieceVerdict::Good => Ok(()),
            () => show(&piece, path, common.verbose, &mut tally, out),
        };
        if let Some(pieces) = &mut pieces {
            pieces.push(as_json(&piece));
        }
        match wrote {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failed = Some(e);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    out.line(tally.sentence(format))?;
    for other in others {
        out.line(format!("it may be {other}, too: --format {other} shows it so"))?;
    }
    Ok(())
}

impl Tally {
    fn add(&mut self, piece: &Piece) {
        let counts = matches!(piece.kind, "record" | "entry");
        match piece.verdict {
            PieceVerdict::Good => self.good += u64::from(counts),
            PieceVerdict::Behind => self.behind += u64::from(counts),
            PieceVerdict::Stop => {
                let reason = piece.damage.as_ref().map_or("torn-tail", |damage| damage.reason.as_str());
                self.stop = Some((piece.offset, reason));
            }
            PieceVerdict::Bad => {}
        }
    }

    fn sentence(&self, format: &str) -> String {
        let thing = if format == "snapshot" { "entry" } else { "record" };
        let good = count(self.good, thing);
        match self.stop {
            None if format == "manifest" => "whole".to_string(),
            None => format!("{good}, clean end"),
            Some((at, reason)) => {
                let behind = match self.behind {
                    0 => "nothing behind it verifies".to_string(),
                    n => format!("behind it {}", verify(n, thing)),
                };
                format!("{good}, stopped at byte {at}: {reason}; {behind}")
            }
        }
    }
}

fn show(piece: &Piece, path: &Path, all: bool, tally: &mut Tally, out: &mut Out) -> Result<(), CliError> {
    let (mark, style) = match piece.verdict {
        PieceVerdict::Good => ("", Style::new()),
        PieceVerdict::Stop => ("stop", BAD),
        PieceVerdict::Behind => ("behind", DOUBT),
        PieceVerdict::Bad if piece.kind == "zeros" => ("", Style::new()),
        PieceVerdict::Bad => ("bad", BAD),
    };
    let mut parts = fields(piece);
    if let Some(damage) = &piece.damage {
        let place =
            if damage.bad_at > piece.offset { format!(" at byte {}", damage.bad_at) } else { String::new() };
        let places = if damage.places > 1 {
            format!(", {} places in a row", number(damage.places))
        } else {
            String::new()
        };
        parts.push(format!("{}{place}: {}{places}", damage.reason.as_str(), damage.detail));
    }
    let lone = piece.ops.len() == 1;
    match piece.ops.first() {
        Some(op) if lone => parts.push(operation(op, piece.kind, all)),
        Some(_) => parts.push(format!("batch of {}", piece.ops.len())),
        None => {}
    }
    let (offset, len) = (piece.offset, piece.end - piece.offset);
    let text = parts.join(", ");
    out.line(
        format!("{style}{mark:<6}{style:#} {offset:>10} {len:>8}  {:<7} {text}", piece.kind).trim_end(),
    )?;
    if !lone {
        let shown = if all { piece.ops.len() } else { OPS_SHOWN_MAX };
        for op in piece.ops.iter().take(shown) {
            out.line(format!("{:36} {}", "", operation(op, piece.kind, all)))?;
        }
        if piece.ops.len() > shown {
            out.line(format!("{:36} … and {} more (-v shows them)", "", piece.ops.len() - shown))?;
        }
    }
    if let Some(damage) = &piece.damage
        && tally.hex < HEX_SHOWN_MAX
    {
        tally.hex += 1;
        let rows = hex::around(path, damage.bad_at);
        for row in rows.map_err(|e| ToolError::io("read", path, &e))? {
            out.line(format!("     {row}"))?;
        }
    }
    Ok(())
}

/// `epoch 1, segments [2 3]`
fn fields(piece: &Piece) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for (name, values) in grouped(piece) {
        parts.push(match values[..] {
            [one] => format!("{name} {one}"),
            _ => {
                let values: Vec<String> = values.iter().map(u64::to_string).collect();
                format!("{name} [{}]", values.join(" "))
            }
        });
    }
    parts
}

/// The fields in order, those of one name together.
fn grouped(piece: &Piece) -> Vec<(&'static str, Vec<u64>)> {
    let mut groups: Vec<(&'static str, Vec<u64>)> = Vec::new();
    for &(name, value) in &piece.fields {
        match groups.iter_mut().find(|(group, _)| *group == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

fn operation((key, value): &(Vec<u8>, Option<Vec<u8>>), kind: &str, all: bool) -> String {
    let key = literal(key, all);
    match value {
        Some(value) if kind == "entry" => format!("{key} = {}", literal(value, all)),
        Some(value) => format!("put {key} {}", literal(value, all)),
        None => format!("del {key}"),
    }
}

/// A piece as the JSON report has it: keys and values whole, as in a scenario's operations.
fn as_json(piece: &Piece) -> Value {
    let mut object = Map::new();
    object.insert("offset".into(), piece.offset.into());
    object.insert("end".into(), piece.end.into());
    object.insert("kind".into(), piece.kind.into());
    object.insert("verdict".into(), json!(piece.verdict));
    for (name, values) in grouped(piece) {
        let value = match values[..] {
            [one] if name != "segments" => json!(one),
            _ => json!(values),
        };
        object.insert(name.into(), value);
    }
    if !piece.ops.is_empty() {
        let ops = piece.ops.iter().map(|(key, value)| match value {
            Some(value) => json!({ "op": "put", "key": literal(key, true), "value": literal(value, true) }),
            None => json!({ "op": "del", "key": literal(key, true) }),
        });
        object.insert("ops".into(), ops.collect());
    }
    if let Some(damage) = &piece.damage {
        object.insert("reason".into(), json!(damage.reason));
        object.insert("detail".into(), damage.detail.as_str().into());
        object.insert("bad_at".into(), damage.bad_at.into());
        object.insert("places".into(), damage.places.into());
    }
    Value::Object(object)
}
