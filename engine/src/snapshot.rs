//! Snapshots: the whole state in key order, entry by entry, and a footer with their number.
//!
//! ```text
//! entry       1 u8 │ key length u32 │ key │ value
//! footer      2 u8 │ entries u64
//! ```

use crate::damage::{Damage, Unreadable};
use crate::dir::Dir;
use crate::error::{Error, Reason};
use crate::fragment::{BLOCK, Domain, Fragmenter, Identity};
use crate::header::{self, Fault, MAGIC_SNAPSHOT, u32_at, u64_at};
use crate::memory::{Bytes, Memory};
use crate::names::Name;
use crate::planted::Planted;
use crate::reader::{Checks, Next, Records, Scratch, Source};
use crate::record::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

const ENTRY: u8 = 1;
const FOOTER: u8 = 2;

/// Written out whenever this much waits.
const FLUSH_BYTES: usize = 64 << 10;

/// What a snapshot's first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotHeader {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    /// The state is the result of all records before this one.
    pub(crate) next_sequence: u64,
}

/// What a snapshot holds, up to damage if there is any.
pub(crate) struct Loaded {
    pub(crate) header: SnapshotHeader,
    /// In strictly ascending key order.
    pub(crate) entries: Vec<(Bytes, Bytes)>,
    pub(crate) damage: Option<Damage>,
}

impl SnapshotHeader {
    pub(crate) fn identity(&self) -> Identity {
        Identity::new(Domain::Snapshot, self.epoch, self.number)
    }

    fn encode(&self) -> [u8; BLOCK] {
        header::encode(MAGIC_SNAPSHOT, &[self.epoch, self.number, self.next_sequence])
    }

    pub(crate) fn decode(block: &[u8]) -> Result<SnapshotHeader, Fault> {
        header::decode(MAGIC_SNAPSHOT, block).map(|fields| SnapshotHeader {
            epoch: fields.get(0),
            number: fields.get(1),
            next_sequence: fields.get(2),
        })
    }
}

/// Writes a snapshot under a temporary name, syncs it, and gives it its own. The directory is not synced yet.
pub(crate) fn write(
    dir: &Dir,
    header: SnapshotHeader,
    memory: &Memory,
    planted: Planted,
) -> Result<(), Error> {
    let name = Name::snapshot(header.number);
    let file = dir.create(name.tmp())?;
    let mut out = Fragmenter::new(header.identity(), 0, &header.encode());
    let mut record = Vec::new();
    for (key, value) in memory.iter() {
        record.clear();
        record.push(ENTRY);
        record.extend_from_slice(&(key.len() as u32).to_le_bytes());
        record.extend_from_slice(key);
        record.extend_from_slice(value);
        out.push(&record);
        if out.buffered() >= FLUSH_BYTES {
            out.flush(|data, offset| file.write(data, offset))?;
        }
    }
    record.clear();
    record.push(FOOTER);
    record.extend_from_slice(&(memory.len() as u64).to_le_bytes());
    out.push(&record);
    out.flush(|data, offset| file.write(data, offset))?;
    if planted != Planted::SnapshotNotSynced {
        file.sync()?;
    }
    dir.rename(name.tmp(), name)
}

/// How a snapshot's fragments are checked.
pub(crate) fn checks(planted: Planted) -> Checks {
    Checks { crc: planted != Planted::SnapshotCrcUnchecked, ..Checks::ALL }
}

/// Reads a snapshot. An error means that not even its header can be believed.
#[track_caller]
pub(crate) fn read<S: Source>(
    source: S,
    checks: Checks,
    scratch: &mut Scratch,
) -> Result<Loaded, Unreadable> {
    let mut records = Records::new(source, scratch);
    let header = SnapshotHeader::decode(records.header_block()?)?;
    records.begin(header.identity(), checks, BLOCK as u64);
    let mut loaded = Loaded { header, entries: Vec::new(), damage: None };
    let damage = loop {
        match records.next()? {
            Next::Record => {}
            Next::Bad(reason) => break Damage::fragment(records.offset(), reason),
            Next::End { .. } | Next::Partial => {
                break Damage::new(records.offset(), Reason::TornTail, "the footer is missing");
            }
        }
        match decode(records.payload()) {
            Some(Item::Entry(key, value)) if loaded.entries.last().is_none_or(|(last, _)| **last < *key) => {
                loaded.entries.push((key.into(), value.into()));
            }
            Some(Item::Footer(count)) if count == loaded.entries.len() as u64 => return Ok(loaded),
            _ => break Damage::fragment(records.offset(), Reason::Malformed),
        }
    };
    loaded.damage = Some(damage);
    Ok(loaded)
}

pub(crate) enum Item<'a> {
    Entry(&'a [u8], &'a [u8]),
    Footer(u64),
}

pub(crate) fn decode(record: &[u8]) -> Option<Item<'_>> {
    let (tag, rest) = record.split_first()?;
    match *tag {
        ENTRY => {
            let (len, rest) = rest.split_at_checked(4)?;
            let (key, value) = rest.split_at_checked(u32_at(len, 0) as usize)?;
            (key.len() <= KEY_BYTES_MAX && value.len() <= VALUE_BYTES_MAX).then_some(Item::Entry(key, value))
        }
        FOOTER if rest.len() == 8 => Some(Item::Footer(u64_at(rest, 0))),
        _ => None,
    }
}
