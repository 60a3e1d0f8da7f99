//! Looking at files without opening a store: how far do they hold, where do they stop, and why?
//!
//! Unlike recovery, a look goes on behind the damage and counts the records there that still verify. It writes
//! nothing, takes no lock and never fails on content: whatever is wrong with a file is the answer.
//!
//! # Which damage has which reason
//!
//! Checked in this order at the place where the next fragment should begin:
//!
//! | found | reason |
//! |---|---|
//! | the first block is missing, cut, of another kind, of another version, or its checksum is wrong | `bad-header` |
//! | zeros or the end of the file where a record could begin, and nothing that verifies behind it | none: a clean end |
//! | zeros or the end of the file inside a record, or with something behind it that verifies; a cut fragment | `torn-tail` |
//! | a length of zero, or one that crosses the block | `bad-length` |
//! | a known kind, tagged for another segment | `wrong-epoch` |
//! | any other fragment whose checksum is not that of its bytes at this place of this file | `bad-crc` |
//! | fragments that verify, in an order that no writer makes; a record that verifies and makes no sense | `malformed` |
//! | a record that verifies and is not the next one | `sequence-gap` |
//!
//! A snapshot that ends without its footer is `torn-tail`. A file of the store that is missing counts as one
//! without a header.

mod items;
mod roles;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use unplug_vfs::{FileKind, OpenOptions, Vfs};

use crate::damage::{Damage, Unreadable};
use crate::dir::{Dir, Listing};
use crate::error::{Error, Reason};
use crate::fragment::BLOCK;
use crate::header::{self, Fault, MAGIC_MANIFEST, MAGIC_SNAPSHOT, MAGIC_WAL};
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::names::{Kind, Name};
use crate::planted::Planted;
use crate::reader::{Checks, Next, Records, Scratch, Source};
use crate::record::Record;
use crate::replay::{self, Replay};
use crate::snapshot::{self, SnapshotHeader};
use crate::wal::SegmentHeader;
pub(crate) use items::segment_items;
pub use items::{Content, Item, ItemOp, Verdict, Visit, items, items_of};
pub use roles::{Role, roles};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// A log segment.
    Wal,
    /// A snapshot.
    Snapshot,
    /// A manifest.
    Manifest,
    /// A store's directory.
    Store,
}

impl Format {
    /// The name that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Wal => "wal",
            Format::Snapshot => "snapshot",
            Format::Manifest => "manifest",
            Format::Store => "store",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a look at a file, or at a store's directory, found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// What was looked at.
    pub format: Format,
    /// Good records before the stop: log records, entries of a snapshot, 1 for a manifest.
    pub records: u64,
    /// The byte where the first record begins that is not believed; None if the file ends cleanly. Of a
    /// store, it is an offset in [`file`](Reading::file).
    pub stopped_at: Option<u64>,
    /// Why it is not believed.
    pub reason: Option<Reason>,
    /// The damage, or the file's key numbers, in words.
    pub detail: String,
    /// Records behind the stop that verify.
    pub good_records_after: u64,
    /// The state that the good records before the stop lead to.
    pub entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of a store: the name of the file that was stopped at.
    pub file: Option<String>,
    /// Of a store: whether no crash can explain why it was stopped at, since those bytes had been synced.
    pub sealed: bool,
}

impl Reading {
    fn new(format: Format) -> Reading {
        Reading {
            format,
            records: 0,
            stopped_at: None,
            reason: None,
            detail: String::new(),
            good_records_after: 0,
            entries: BTreeMap::new(),
            file: None,
            sealed: false,
        }
    }

    fn stop(&mut self, damage: Damage) {
        self.stopped_at = Some(damage.offset);
        self.reason = Some(damage.reason);
        self.detail = match damage.version {
            Some(found) => format!("format version {found}, this program reads {}", header::FORMAT_VERSION),
            None => damage.detail.to_string(),
        };
    }
}

/// What a file is, by its first bytes, or by its name where they say nothing.
pub fn kind_of(name: &str, bytes: &[u8]) -> Option<Format> {
    match bytes.get(..8) {
        Some(magic) if magic == MAGIC_WAL => return Some(Format::Wal),
        Some(magic) if magic == MAGIC_SNAPSHOT => return Some(Format::Snapshot),
        Some(magic) if magic == MAGIC_MANIFEST => return Some(Format::Manifest),
        _ => {}
    }
    let base = Path::new(name).file_name()?.to_str()?;
    [("wal-", Format::Wal), ("snap-", Format::Snapshot), ("MANIFEST-", Format::Manifest)]
        .into_iter()
        .find_map(|(prefix, format)| base.starts_with(prefix).then_some(format))
}

/// Looks at a log segment.
pub fn wal(bytes: &[u8]) -> Reading {
    let mut reading = Reading::new(Format::Wal);
    // Memory is the source, so reading cannot fail.
    if let Err(Unreadable::Damage(damage)) = read_wal(bytes, &mut reading) {
        reading.stop(damage);
    }
    reading
}

fn read_wal(bytes: &[u8], reading: &mut Reading) -> Result<(), Unreadable> {
    let mut scratch = Scratch::default();
    let block = &bytes[..bytes.len().min(BLOCK)];
    let header = match SegmentHeader::decode(block) {
        Ok(header) => header,
        Err(fault) => {
            // The fields may still be right, and then so is what they seed the checksums with.
            if let Some(header) = SegmentHeader::decode_damaged(block) {
                let mut records = Records::new(bytes, &mut scratch);
                records.begin(header.identity(Planted::None), Checks::ALL, BLOCK as u64);
                reading.good_records_after = count_good(&mut records, false)?;
            }
            return Err(fault.into());
        }
    };
    let mut records = Records::new(bytes, &mut scratch);
    records.begin(header.identity(Planted::None), Checks::ALL, BLOCK as u64);
    let mut sequence = header.first_sequence;
    let mut memory = Memory::default();
    let stop = loop {
        let reason = match records.next()? {
            Next::Record => match Record::decode(records.payload()) {
                Some(record) if record.sequence == sequence => {
                    sequence = sequence.saturating_add(1);
                    memory.apply(record.ops);
                    reading.records += 1;
                    continue;
                }
                Some(_) => Reason::SequenceGap,
                None => Reason::Malformed,
            },
            Next::End { .. } | Next::Partial => break None,
            Next::Bad(reason) => reason,
        };
        break Some(reason);
    };
    let offset = records.offset();
    reading.entries = collect(&memory);
    // A record that verifies but is out of order counts among those behind the stop.
    let verified = matches!(stop, Some(Reason::SequenceGap));
    reading.good_records_after = count_good(&mut records, verified)?;
    reading.detail = format!(
        "epoch {}, segment {} after {}, first record {}",
        header.epoch, header.number, header.predecessor, header.first_sequence
    );
    match stop {
        Some(reason) => reading.stop(Damage::fragment(offset, reason)),
        None if reading.good_records_after > 0 => {
            reading.stop(Damage::new(offset, Reason::TornTail, "a hole of zeros, with records behind it"));
        }
        None => {}
    }
    Ok(())
}

/// Counts the records that verify from here on; `current` says whether the last one read is one of them.
fn count_good<S: Source>(records: &mut Records<'_, S>, current: bool) -> Result<u64, Error> {
    let mut good = u64::from(current);
    if !current {
        records.skip();
    }
    loop {
        match records.next()? {
            Next::Record => good += u64::from(Record::decode(records.payload()).is_some()),
            Next::End { eof: true } => return Ok(good),
            _ => records.skip(),
        }
    }
}

/// Looks at a snapshot.
pub fn snapshot(bytes: &[u8]) -> Reading {
    let mut reading = Reading::new(Format::Snapshot);
    let mut scratch = Scratch::default();
    let loaded = match snapshot::read(bytes, Planted::None, &mut scratch) {
        Ok(loaded) => loaded,
        Err(unreadable) => {
            if let Unreadable::Damage(damage) = unreadable {
                reading.stop(damage);
            }
            return reading;
        }
    };
    reading.records = loaded.entries.len() as u64;
    reading.entries = loaded.entries.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
    let SnapshotHeader { epoch, number, next_sequence, base, .. } = loaded.header;
    reading.detail = format!("epoch {epoch}, snapshot {number}, records before {next_sequence}");
    if base > 0 {
        reading.detail.push_str(&format!(", changes since snapshot {base}"));
        reading.records += loaded.removed.len() as u64;
    }
    if let Some(damage) = loaded.damage {
        let mut records = Records::new(bytes, &mut scratch);
        records.begin(loaded.header.identity(), Checks::ALL, damage.offset);
        reading.good_records_after = count_entries(&mut records).unwrap_or(0);
        reading.stop(damage);
    }
    reading
}

/// Counts the snapshot entries that verify behind the bad one that comes first.
fn count_entries<S: Source>(records: &mut Records<'_, S>) -> Result<u64, Error> {
    let mut good = 0;
    let mut first = true;
    loop {
        match records.next()? {
            Next::Record => {
                let entry = matches!(snapshot::decode(records.payload()), Some(snapshot::Item::Entry(..)));
                good += u64::from(entry && !first);
            }
            Next::End { eof: true } => return Ok(good),
            _ => records.skip(),
        }
        first = false;
    }
}

/// The snapshot that an incremental one builds on; None for a whole one, and where the header cannot be
/// believed.
pub fn base_of_snapshot(bytes: &[u8]) -> Option<u64> {
    SnapshotHeader::decode(bytes.get(..BLOCK)?).ok().map(|header| header.base).filter(|base| *base > 0)
}

/// Looks at a manifest.
pub fn manifest(bytes: &[u8]) -> Reading {
    let mut reading = Reading::new(Format::Manifest);
    match Manifest::read(bytes, None, Planted::None, &mut Scratch::default()) {
        Ok(manifest) => {
            reading.records = 1;
            reading.detail = describe(&manifest);
        }
        Err(Unreadable::Damage(damage)) => reading.stop(damage),
        Err(Unreadable::Error(_)) => {}
    }
    reading
}

fn describe(manifest: &Manifest) -> String {
    let segments: Vec<String> = manifest.segments.iter().map(u64::to_string).collect();
    let snapshot = match manifest.snapshot {
        0 => "no snapshot".to_string(),
        number => format!("snapshot {number}"),
    };
    format!("epoch {}, {snapshot}, segments [{}]", manifest.epoch, segments.join(" "))
}

/// Looks at a store's directory: what opening it would show, and where its log stops. Errors are those of the
/// file system alone, and [`Error::NotFound`] for a directory without any file of a store.
pub fn store(vfs: Arc<dyn Vfs>, path: &Path) -> Result<Reading, Error> {
    let dir = Dir::new(vfs.clone(), path);
    let listing = dir.list()?;
    if listing.names().is_empty() {
        return Err(Error::NotFound { path: path.to_path_buf() });
    }
    let mut reading = Reading::new(Format::Store);
    let mut scratch = Scratch::default();
    let newest = match replay::newest_manifest(&dir, &listing, Planted::None, &mut scratch) {
        Ok(Some(newest)) => newest,
        Ok(None) => {
            let damage = Damage::new(0, Reason::BadHeader, "there is no manifest");
            reading.stop(damage);
            reading.sealed = true;
            return Ok(reading);
        }
        Err(error) => return stop_at_error(reading, error),
    };
    reading.detail = describe(&newest.1);
    let proof = match Replay::new(&dir, &listing, newest, Planted::None, scratch, None).run() {
        Ok(proof) => proof,
        Err(error) => return stop_at_error(reading, error),
    };
    reading.records = proof.records;
    reading.entries = collect(&proof.memory);
    if let Some(stopped) = proof.stopped {
        reading.stop(Damage::new(stopped.offset, stopped.reason, stopped.detail));
        reading.good_records_after = look_behind(&*vfs, &stopped.file);
        reading.file = file_name(&stopped.file);
        reading.sealed = stopped.sealed;
    } else if let Some((name, hole)) = hole_at_the_end(&*vfs, &dir, &listing, proof.last_segment)? {
        reading.good_records_after = hole.good_records_after;
        reading.stopped_at = hole.stopped_at;
        reading.reason = hole.reason;
        reading.detail = hole.detail;
        reading.file = file_name(&dir.path_of(name));
    }
    Ok(reading)
}

/// The reading of the last segment, if recovery takes a hole in it for the log's end.
fn hole_at_the_end(
    vfs: &dyn Vfs,
    dir: &Dir,
    listing: &Listing,
    last: Option<u64>,
) -> Result<Option<(Name, Reading)>, Error> {
    let Some(name) = last.map(Name::wal).filter(|name| listing.contains(*name)) else {
        return Ok(None);
    };
    let reading = wal(&read_all(vfs, &dir.path_of(name))?);
    Ok(reading.stopped_at.is_some().then_some((name, reading)))
}

fn look_behind(vfs: &dyn Vfs, file: &Path) -> u64 {
    let Ok(bytes) = read_all(vfs, file) else {
        return 0;
    };
    match file_name(file).and_then(|name| kind_of(&name, &bytes)) {
        Some(Format::Wal) => wal(&bytes).good_records_after,
        Some(Format::Snapshot) => snapshot(&bytes).good_records_after,
        _ => 0,
    }
}

fn stop_at_error(mut reading: Reading, error: Error) -> Result<Reading, Error> {
    let (file, damage) = match error {
        Error::Corrupted { file, offset, reason, detail } => (file, Damage::new(offset, reason, detail)),
        Error::UnsupportedVersion { file, found, .. } => {
            (file, Fault::Version { found, verified: true }.into())
        }
        other => return Err(other),
    };
    reading.stop(damage);
    reading.file = file_name(&file);
    reading.sealed = true;
    Ok(reading)
}

/// Looks at every file of a store's directory that carries one of its names, in name order.
pub fn files(vfs: &dyn Vfs, path: &Path) -> Result<Vec<(String, Reading)>, Error> {
    let entries = vfs.read_dir(path).map_err(|e| Error::io("list", path, e))?;
    let mut readings = Vec::new();
    for entry in entries.iter().filter(|e| e.kind == FileKind::File) {
        let Some(name) = Name::parse(&entry.name) else {
            continue;
        };
        let bytes = read_all(vfs, &path.join(&entry.name))?;
        let mut reading = match name.kind {
            Kind::Wal => wal(&bytes),
            Kind::Snapshot => snapshot(&bytes),
            Kind::Manifest => manifest(&bytes),
        };
        let file = entry.name.to_string_lossy().into_owned();
        reading.file = Some(file.clone());
        readings.push((file, reading));
    }
    Ok(readings)
}

fn read_all(vfs: &dyn Vfs, path: &Path) -> Result<Vec<u8>, Error> {
    let file = vfs.open(path, OpenOptions::READ).map_err(|e| Error::io("open", path, e))?;
    let mut bytes = Vec::new();
    loop {
        let at = bytes.len();
        bytes.resize(at + (64 << 10), 0);
        let n = file.read_fully_at(&mut bytes[at..], at as u64).map_err(|e| Error::io("read", path, e))?;
        bytes.truncate(at + n);
        if n < 64 << 10 {
            return Ok(bytes);
        }
    }
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

fn collect(memory: &Memory) -> BTreeMap<Vec<u8>, Vec<u8>> {
    memory.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}
