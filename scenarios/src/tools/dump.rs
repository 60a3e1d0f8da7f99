//! Files piece by piece.

use std::fs::File;
use std::io::{Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use unplug_cli::tools::{Piece, PieceDamage, PieceVerdict, ToolError};
use unplug_engine::inspect::{self, Content, Format, Item, Verdict};
use unplug_engine::text::{self, Recognised, TextContent, TextFormat, TextItem, TextRecord};
use unplug_vfs::OsFs;

use super::refused;
use crate::replay;

/// What a file is.
enum Known {
    Native(Format),
    Text(Vec<TextFormat>),
}

/// The formats of a file, that which takes most of it first.
pub(super) fn formats(path: &Path) -> Result<Vec<String>, ToolError> {
    Ok(match known(path)? {
        Known::Native(format) => vec![format.as_str().to_string()],
        Known::Text(formats) => formats.into_iter().map(|format| format.name().to_string()).collect(),
    })
}

fn known(path: &Path) -> Result<Known, ToolError> {
    let fail = |e| ToolError::io("read", path, &e);
    let mut head = Vec::new();
    let file = File::open(path).map_err(fail)?;
    file.take(text::RECOGNISE_LEN as u64).read_to_end(&mut head).map_err(fail)?;
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if let Some(format) = inspect::kind_of(&name, &head) {
        return Ok(Known::Native(format));
    }
    text_formats(path, &head).map(Known::Text)
}

/// The formats of a text file, that which takes most of it first.
pub(super) fn text_formats(path: &Path, head: &[u8]) -> Result<Vec<TextFormat>, ToolError> {
    let refuse =
        |why: String| Err(ToolError::Environment(format!("failed to read {}: {why}", path.display())));
    let formats = match text::recognise(head) {
        Recognised::As(formats) => formats,
        Recognised::Unsupported(why) => return refuse(format!("unsupported, because {why}")),
        Recognised::No if head.is_empty() => return refuse("the file is empty".into()),
        Recognised::No => {
            return refuse("no log, snapshot, manifest or KVStore text file: nothing here reads it".into());
        }
    };
    let mut ranked = Vec::new();
    for &format in formats {
        let fail = |e| ToolError::io("read", path, &e);
        let reading = text::read(format, File::open(path).map_err(fail)?).map_err(fail)?;
        ranked.push((reading.stopped.is_some(), std::cmp::Reverse(reading.records), format));
    }
    ranked.sort_by_key(|(stopped, records, _)| (*stopped, *records));
    Ok(ranked.into_iter().map(|(.., format)| format).collect())
}

/// Hands out the pieces of a file.
pub(super) fn dump(
    path: &Path,
    format: &str,
    each: &mut dyn FnMut(Piece) -> ControlFlow<()>,
) -> Result<(), ToolError> {
    let natives = [Format::Wal, Format::Snapshot, Format::Manifest];
    if let Some(native) = natives.into_iter().find(|native| native.as_str() == format) {
        return inspect::items(&OsFs, path, native, &mut |item| each(native_piece(item))).map_err(refused);
    }
    let Some(format) = TextFormat::ALL.into_iter().find(|known| known.name() == format) else {
        return Err(ToolError::Usage(format!("`{format}` is no format of a file")));
    };
    let fail = |e| ToolError::io("read", path, &e);
    let mut file = File::open(path).map_err(fail)?;
    file.rewind().map_err(fail)?;
    text::walk(format, file, &mut |item| each(text_piece(item))).map_err(fail).map(drop)
}

fn verdict(verdict: Verdict) -> PieceVerdict {
    match verdict {
        Verdict::Good => PieceVerdict::Good,
        Verdict::Stop => PieceVerdict::Stop,
        Verdict::Behind => PieceVerdict::Behind,
        Verdict::Bad => PieceVerdict::Bad,
    }
}

fn native_piece(item: Item) -> Piece {
    let Item { offset, end, content, verdict: found } = item;
    let mut piece = Piece {
        offset,
        end,
        kind: "damage",
        verdict: verdict(found),
        fields: Vec::new(),
        ops: Vec::new(),
        damage: None,
    };
    match content {
        Content::Header(fields) => (piece.kind, piece.fields) = ("header", fields),
        Content::Record { sequence, ops } => {
            piece.kind = "record";
            piece.fields = vec![("sequence", sequence)];
            piece.ops = ops;
        }
        Content::Entry(op) => (piece.kind, piece.ops) = ("entry", vec![op]),
        Content::Footer { entries } => (piece.kind, piece.fields) = ("footer", vec![("entries", entries)]),
        Content::Zeros => {
            piece.kind = "zeros";
            if found == Verdict::Stop {
                piece.damage = Some(PieceDamage {
                    reason: unplug_cli::replay::Reason::TornTail,
                    detail: "a hole, with records behind it".into(),
                    bad_at: offset,
                    places: 1,
                });
            }
        }
        Content::Damage { reason, detail, bad_at, places } => {
            piece.damage = Some(PieceDamage { reason: replay::reason(reason), detail, bad_at, places });
        }
        _ => piece.kind = "unknown",
    }
    piece
}

fn text_piece(item: TextItem) -> Piece {
    let mut piece = Piece {
        offset: item.offset,
        end: item.end,
        kind: "record",
        verdict: verdict(item.verdict),
        fields: Vec::new(),
        ops: Vec::new(),
        damage: None,
    };
    let number = |n: i64| n.to_string().into_bytes();
    match item.content {
        TextContent::Header => piece.kind = "header",
        TextContent::Record(TextRecord::Put(key, value)) => {
            piece.ops = vec![(number(key.into()), Some(number(value)))];
        }
        TextContent::Record(TextRecord::Del(key)) => piece.ops = vec![(number(key.into()), None)],
        TextContent::Damage { reason, detail } => {
            piece.kind = "damage";
            let reason = replay::reason(reason);
            piece.damage = Some(PieceDamage { reason, detail, bad_at: item.offset, places: 1 });
        }
    }
    piece
}
