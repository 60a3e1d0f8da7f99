//! The text files of KVStore V3 and V4, into a store and out of one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug_cli::tools::{NotTaken, TakenFrom, ToolError, Transfer};
use unplug_engine::inspect::Verdict;
use unplug_engine::salvage::write_store;
use unplug_engine::text::{self, TextContent, TextFormat, TextReading, TextRecord, TextTarget};
use unplug_engine::{Error, inspect};
use unplug_vfs::{OsFs, Vfs};

use super::{damaged, dump, refused, verify};
use crate::replay::{self, state_digest};

/// What is written; the log first.
pub(super) const EXPORT_FORMATS: &[&str] = &["kvstore-v1", "kvstore-v4-snapshot"];

type State = BTreeMap<i32, i64>;

/// Makes a store of text files, one behind the other.
pub(super) fn import(files: &[PathBuf], dir: &Path, format: Option<&str>) -> Result<Transfer, ToolError> {
    let mut transfer = Transfer {
        entries: 0,
        state_digest: String::new(),
        taken: Vec::new(),
        not_taken: Vec::new(),
        notes: Vec::new(),
    };
    let mut state = State::new();
    for file in files {
        let format = format_of(file, format)?;
        let reading = apply(file, format, &mut state)?;
        if let Some(stopped) = reading.stopped.as_ref().filter(|stopped| stopped.offset == 0) {
            let (file, detail) = (file.display(), &stopped.detail);
            let reason = stopped.reason;
            return Err(ToolError::Environment(format!(
                "failed to import {file}: nothing in it can be taken, from byte 0 on ({reason}: {detail})"
            )));
        }
        tell(file, reading, &mut transfer);
    }
    let entries = texts(&state);
    let as_bytes = || entries.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
    write_store(Arc::new(OsFs), dir, as_bytes()).map_err(refused)?;
    transfer.entries = entries.len() as u64;
    // Of the store as it is now, in the order of its keys.
    let sorted: BTreeMap<&[u8], &[u8]> = as_bytes().collect();
    transfer.state_digest = state_digest(sorted.into_iter());
    Ok(transfer)
}

/// The format to read a file in: the one asked for, or the one that takes most of it.
fn format_of(file: &Path, wanted: Option<&str>) -> Result<TextFormat, ToolError> {
    let fail = |e| ToolError::io("read", file, &e);
    if let Some(wanted) = wanted {
        return TextFormat::ALL.into_iter().find(|format| format.name() == wanted).ok_or_else(|| {
            let names = TextFormat::ALL.map(TextFormat::name).join(", ");
            ToolError::Usage(format!("--format {wanted}: expected one of {names}"))
        });
    }
    let mut head = Vec::new();
    let source = File::open(file).map_err(fail)?;
    source.take(text::RECOGNISE_LEN as u64).read_to_end(&mut head).map_err(fail)?;
    let formats = dump::text_formats(file, &head)?;
    formats.first().copied().ok_or_else(|| {
        ToolError::Environment(format!("failed to read {}: of no known format", file.display()))
    })
}

/// Applies a file's records, up to its first bad line.
fn apply(file: &Path, format: TextFormat, state: &mut State) -> Result<TextReading, ToolError> {
    let fail = |e| ToolError::io("read", file, &e);
    let source = File::open(file).map_err(fail)?;
    text::walk(format, source, &mut |item| {
        match (item.verdict, item.content) {
            (Verdict::Good, TextContent::Record(TextRecord::Put(key, value))) => {
                state.insert(key, value);
            }
            (Verdict::Good, TextContent::Record(TextRecord::Del(key))) => {
                state.remove(&key);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })
    .map_err(fail)
}

fn tell(file: &Path, reading: TextReading, transfer: &mut Transfer) {
    let file = file.display().to_string();
    let format = reading.format;
    let records = match reading.records {
        1 => "1 record".to_string(),
        n => format!("{n} records"),
    };
    transfer.taken.push(TakenFrom {
        file: file.clone(),
        what: format!("{records}, read as {format}"),
        count: reading.records,
        behind_damage: 0,
    });
    transfer.notes.extend(format.caveat().map(|caveat| format!("{file}: {caveat}")));
    if let Some(stopped) = reading.stopped {
        transfer.not_taken.push(NotTaken {
            file: Some(file),
            offset: Some(stopped.offset),
            reason: Some(replay::reason(stopped.reason)),
            detail: format!("{}; nothing from here on was taken", stopped.detail),
            records: reading.good_records_after,
        });
    }
}

/// Numbers as a store holds them: in decimal.
fn texts(state: &State) -> Vec<(String, String)> {
    state.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Writes a store's state into a new text file.
pub(super) fn export(dir: &Path, file: &Path, format: &str) -> Result<Transfer, ToolError> {
    let target = match format {
        "kvstore-v4-snapshot" => TextTarget::Snapshot,
        _ => TextTarget::Log,
    };
    let vfs: Arc<dyn Vfs> = Arc::new(OsFs);
    let _lock = verify::lock(&*vfs, dir)?;
    let reading = inspect::store(vfs, dir).map_err(refused)?;
    if let Some(reason) = reading.reason.filter(|_| reading.sealed) {
        let place = damaged(reading.file.as_deref(), reading.stopped_at, Some(reason), &reading.detail);
        let dir = dir.display();
        return Err(ToolError::Environment(format!(
            "failed to export {dir}: the store is damaged ({place}): `salvage` it first"
        )));
    }
    let state =
        reading.entries.iter().map(|(key, value)| number_pair(key, value)).collect::<Result<State, _>>();
    let state = state.map_err(|(key, value)| {
        let (key, value) = (shown(&key), shown(&value));
        ToolError::Usage(format!(
            "failed to export {}: the text files hold whole numbers only (keys of 32 bits, values of 64), and the \
             store has {key} = {value}",
            dir.display()
        ))
    })?;
    write_new(file, |out| text::write(target, &state, out))?;
    let texts = texts(&state);
    let entries = texts.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
    let count = match state.len() {
        1 => "1 entry".to_string(),
        n => format!("{n} entries"),
    };
    Ok(Transfer {
        entries: state.len() as u64,
        state_digest: state_digest(entries),
        taken: vec![TakenFrom {
            file: dir.display().to_string(),
            what: count,
            count: state.len() as u64,
            behind_damage: 0,
        }],
        not_taken: Vec::new(),
        notes: Vec::new(),
    })
}

/// An entry as numbers, if it reads back as the same bytes.
fn number_pair(key: &[u8], value: &[u8]) -> Result<(i32, i64), (Vec<u8>, Vec<u8>)> {
    let refuse = || (key.to_vec(), value.to_vec());
    let parse = |bytes: &[u8]| {
        let number: i64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
        (number.to_string().as_bytes() == bytes).then_some(number)
    };
    let number = parse(key).and_then(|key| i32::try_from(key).ok()).ok_or_else(refuse)?;
    Ok((number, parse(value).ok_or_else(refuse)?))
}

/// The beginning of some bytes, for people.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).escape_debug().to_string();
    if bytes.len() > 24 { format!("\"{text}…\"") } else { format!("\"{text}\"") }
}

/// Writes a file that is there only once it is whole and durable; one that is there already is left alone.
fn write_new(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), ToolError> {
    let Some(name) = path.file_name() else {
        return Err(ToolError::Usage(format!("{} has no name: name a new file", path.display())));
    };
    if fs::symlink_metadata(path).is_ok() {
        return Err(ToolError::Usage(format!("{} is there already: name a new file", path.display())));
    }
    let mut partial = name.to_os_string();
    partial.push(".partial");
    let partial = path.with_file_name(partial);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let created = File::create_new(&partial).map_err(|e| ToolError::io("create", &partial, &e))?;
    let fill = || {
        let mut out = BufWriter::new(created);
        write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    };
    let named = fill().map_err(|e| ToolError::io("write", &partial, &e)).and_then(|()| {
        let rename = fs::hard_link(&partial, path).and_then(|()| fs::remove_file(&partial));
        rename.map_err(|e| ToolError::io("create", path, &e))
    });
    if let Err(error) = named {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    OsFs.sync_dir(parent)
        .map_err(|e| refused(Error::Io { op: "sync directory", path: parent.to_path_buf(), source: e }))
}
