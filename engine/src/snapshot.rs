//! Snapshots: the whole state in key order, entry by entry, and a footer with their number. An incremental
//! snapshot holds only what has changed since another one, its base: entries that are new or have a new value,
//! and keys that are gone.
//!
//! ```text
//! entry       1 u8 │ key length u32 │ key │ value
//! footer      2 u8 │ entries u64, removed keys included
//! removed     3 u8 │ key                                    in incremental snapshots only
//! ```

use std::sync::Arc;

use crate::damage::{Damage, Unreadable};
use crate::dir::{Dir, File};
use crate::error::{Error, Reason};
use crate::fragment::{BLOCK, Domain, Fragmenter, Identity};
use crate::header::{self, Fault, MAGIC_SNAPSHOT, u32_at, u64_at};
use crate::memory::{Entry, Key, Memory};
use crate::names::Name;
use crate::planted::Planted;
use crate::reader::{Checks, Next, Records, Scratch, Source};
use crate::record::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

const ENTRY: u8 = 1;
const FOOTER: u8 = 2;
const REMOVED: u8 = 3;

/// Written out whenever this much waits.
const FLUSH_BYTES: usize = 64 << 10;

/// What a snapshot's first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotHeader {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    /// The state is the result of all records before this one.
    pub(crate) next_sequence: u64,
    /// The snapshot that this one is a difference to; 0 for a whole state.
    pub(crate) base: u64,
    /// The base's `next_sequence`.
    pub(crate) base_next_sequence: u64,
}

/// What a snapshot holds, up to damage if there is any.
pub(crate) struct Loaded {
    pub(crate) header: SnapshotHeader,
    /// In strictly ascending key order.
    pub(crate) entries: Vec<Entry>,
    /// Keys of the base that are gone, in strictly ascending order.
    pub(crate) removed: Vec<Key>,
    pub(crate) damage: Option<Damage>,
}

impl SnapshotHeader {
    pub(crate) fn identity(&self) -> Identity {
        Identity::new(Domain::Snapshot, self.epoch, self.number)
    }

    fn encode(&self) -> [u8; BLOCK] {
        let place = [self.epoch, self.number, self.next_sequence, self.base, self.base_next_sequence];
        header::encode(MAGIC_SNAPSHOT, &place)
    }

    pub(crate) fn decode(block: &[u8]) -> Result<SnapshotHeader, Fault> {
        SnapshotHeader::decode_as(block, Planted::None)
    }

    /// As [`decode`](SnapshotHeader::decode), by a store that may make a mistake.
    pub(crate) fn decode_as(block: &[u8], planted: Planted) -> Result<SnapshotHeader, Fault> {
        header::decode_as(MAGIC_SNAPSHOT, block, planted).map(|fields| SnapshotHeader {
            epoch: fields.get(0),
            number: fields.get(1),
            next_sequence: fields.get(2),
            base: fields.get(3),
            base_next_sequence: fields.get(4),
        })
    }
}

/// Writes a snapshot, piece by piece, under a temporary name.
pub(crate) struct Writer {
    name: Name,
    file: Option<File>,
    out: Fragmenter,
    /// What the base holds, for an incremental snapshot.
    base: Option<Memory>,
    /// The last key that was looked at.
    last: Option<Key>,
    record: Vec<u8>,
    entries_seen: u64,
    entries_written: u64,
    planted: Planted,
}

impl Writer {
    pub(crate) fn new(header: SnapshotHeader, base: Option<Memory>, planted: Planted) -> Writer {
        Writer {
            name: Name::snapshot(header.number),
            file: None,
            out: Fragmenter::new(header.identity(), 0, &header.encode()),
            base,
            last: None,
            record: Vec::new(),
            entries_seen: 0,
            entries_written: 0,
            planted,
        }
    }

    pub(crate) fn entries_seen(&self) -> u64 {
        self.entries_seen
    }

    pub(crate) fn entries_written(&self) -> u64 {
        self.entries_written
    }

    pub(crate) fn bytes_written(&self) -> u64 {
        self.out.end()
    }

    /// Writes some more of the state, about `bytes`; returns whether that was all of it.
    pub(crate) fn write(&mut self, dir: &Dir, state: &Memory, bytes: usize) -> Result<bool, Error> {
        let end = self.out.end().saturating_add(bytes as u64);
        let base = self.base.take();
        let from = self.last.take();
        let mut old = base.as_ref().map(|base| base.after(from.as_deref()).peekable());
        let mut new = state.after(from.as_deref()).peekable();
        let whole = loop {
            let gone = old.as_mut().and_then(|old| old.peek().copied());
            match (new.peek().copied(), gone) {
                (None, None) => break true,
                (entry, Some((key, _))) if entry.is_none_or(|(other, _)| key < other) => {
                    old.as_mut().and_then(Iterator::next);
                    self.begin(REMOVED, key);
                    self.push(dir)?;
                    self.last = Some(key.clone());
                }
                (Some((key, value)), gone) => {
                    new.next();
                    self.entries_seen += 1;
                    let before = gone.filter(|(other, _)| other == key);
                    if before.is_some() {
                        old.as_mut().and_then(Iterator::next);
                    }
                    self.last = Some(key.clone());
                    if before.is_some_and(|(_, other)| Arc::ptr_eq(other, value)) {
                        continue;
                    }
                    self.begin(ENTRY, &(key.len() as u32).to_le_bytes());
                    self.record.extend_from_slice(key);
                    self.record.extend_from_slice(value);
                    self.push(dir)?;
                }
                (None, Some(_)) => break true,
            }
            if self.out.end() >= end {
                break false;
            }
        };
        self.base = base;
        if !whole {
            self.flush(dir)?;
        }
        Ok(whole)
    }

    fn begin(&mut self, tag: u8, rest: &[u8]) {
        self.record.clear();
        self.record.push(tag);
        self.record.extend_from_slice(rest);
    }

    fn push(&mut self, dir: &Dir) -> Result<(), Error> {
        self.out.push(&self.record);
        self.entries_written += 1;
        if self.out.buffered() >= FLUSH_BYTES {
            self.flush(dir)?;
        }
        Ok(())
    }

    #[track_caller]
    fn flush(&mut self, dir: &Dir) -> Result<(), Error> {
        let file = match self.file.take() {
            Some(file) => file,
            None => dir.create(self.name.tmp())?,
        };
        let file = self.file.insert(file);
        self.out.flush(|data, offset| file.write(data, offset))
    }

    /// Writes the footer, syncs the file, and gives it its name. The directory is not synced yet.
    #[track_caller]
    pub(crate) fn finish(&mut self, dir: &Dir, synced: bool) -> Result<(), Error> {
        self.begin(FOOTER, &self.entries_written.to_le_bytes());
        self.out.push(&self.record);
        self.flush(dir)?;
        failpoint!("snapshot::before_sync");
        if synced && self.planted != Planted::SnapshotNotSynced {
            self.sync()?;
        }
        failpoint!("snapshot::before_rename");
        dir.rename(self.name.tmp(), self.name)
    }

    #[track_caller]
    pub(crate) fn sync(&self) -> Result<(), Error> {
        match &self.file {
            Some(file) => file.sync(),
            None => Ok(()),
        }
    }
}

/// How a snapshot's fragments are checked.
fn checks(planted: Planted) -> Checks {
    Checks { crc: planted != Planted::SnapshotCrcUnchecked, ..Checks::ALL }
}

/// Reads a snapshot. An error means that not even its header can be believed.
#[track_caller]
pub(crate) fn read<S: Source>(
    source: S,
    planted: Planted,
    scratch: &mut Scratch,
) -> Result<Loaded, Unreadable> {
    let mut records = Records::new(source, scratch);
    let header = SnapshotHeader::decode_as(records.header_block()?, planted)?;
    records.begin(header.identity(), checks(planted), BLOCK as u64);
    let mut loaded = Loaded { header, entries: Vec::new(), removed: Vec::new(), damage: None };
    let mut last: Option<Key> = None;
    let damage = loop {
        match records.next()? {
            Next::Record => {}
            Next::Bad(reason) => break Damage::fragment(records.offset(), reason),
            Next::End { .. } | Next::Partial => {
                break Damage::new(records.offset(), Reason::TornTail, "the footer is missing");
            }
        }
        match decode(records.payload()) {
            Some(Item::Entry(key, value)) if last.as_deref().is_none_or(|last| *last < *key) => {
                let key = Key::from(key);
                last = Some(key.clone());
                loaded.entries.push((key, value.into()));
            }
            Some(Item::Removed(key))
                if header.base > 0 && last.as_deref().is_none_or(|last| *last < *key) =>
            {
                let key = Key::from(key);
                last = Some(key.clone());
                loaded.removed.push(key);
            }
            Some(Item::Footer(count)) if count == (loaded.entries.len() + loaded.removed.len()) as u64 => {
                return Ok(loaded);
            }
            _ => break Damage::fragment(records.offset(), Reason::Malformed),
        }
    };
    loaded.damage = Some(damage);
    Ok(loaded)
}

pub(crate) enum Item<'a> {
    Entry(&'a [u8], &'a [u8]),
    Removed(&'a [u8]),
    Footer(u64),
}

impl<'a> Item<'a> {
    /// The value of an entry.
    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        match self {
            Item::Entry(_, value) => Some(value),
            Item::Removed(_) | Item::Footer(_) => None,
        }
    }
}

pub(crate) fn decode(record: &[u8]) -> Option<Item<'_>> {
    let (tag, rest) = record.split_first()?;
    match *tag {
        ENTRY => {
            let (len, rest) = rest.split_at_checked(4)?;
            let (key, value) = rest.split_at_checked(u32_at(len, 0) as usize)?;
            (key.len() <= KEY_BYTES_MAX && value.len() <= VALUE_BYTES_MAX).then_some(Item::Entry(key, value))
        }
        REMOVED if rest.len() <= KEY_BYTES_MAX => Some(Item::Removed(rest)),
        FOOTER if rest.len() == 8 => Some(Item::Footer(u64_at(rest, 0))),
        _ => None,
    }
}
