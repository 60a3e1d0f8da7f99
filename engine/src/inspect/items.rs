//! A file piece by piece: every header, record and entry with its place and its verdict.

use std::ops::ControlFlow;
use std::path::Path;

use unplug_vfs::{OpenOptions, Vfs, VfsFile};

use super::Format;
use crate::damage::{Damage, Unreadable};
use crate::error::{Error, Reason};
use crate::fragment::{BLOCK, Domain, Identity};
use crate::header::{self, MAGIC_MANIFEST};
use crate::manifest::Manifest;
use crate::planted::Planted;
use crate::reader::{Checks, Next, Records, Scratch, Source};
use crate::record::Record;
use crate::snapshot::{self, SnapshotHeader};
use crate::wal::SegmentHeader;

/// What replay makes of a piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Believed; of zeros: the file's clean end.
    Good,
    /// Replay stops here.
    Stop,
    /// It verifies, but lies behind the stop, so replay drops it.
    Behind,
    /// It does not verify, behind the stop or behind the clean end, where that means nothing.
    Bad,
}

impl Verdict {
    /// The name that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Stop => "stop",
            Verdict::Behind => "behind",
            Verdict::Bad => "bad",
        }
    }
}

/// One operation: a key, and the value of a put.
pub type ItemOp = (Vec<u8>, Option<Vec<u8>>);

/// What stands at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// The first block's fields; several of one name are a list.
    Header(Vec<(&'static str, u64)>),
    /// A log record.
    Record {
        /// Its sequence number.
        sequence: u64,
        /// What it does, in order.
        ops: Vec<ItemOp>,
    },
    /// An entry of a snapshot.
    Entry(ItemOp),
    /// A snapshot's footer.
    Footer {
        /// How many entries it says there are.
        entries: u64,
    },
    /// Zeros in the place of a record.
    Zeros,
    /// Bytes that are not what a writer left there.
    Damage {
        /// The kind of damage.
        reason: Reason,
        /// The same in words.
        detail: String,
        /// Where the bad bytes begin: behind the item's own offset if a record has begun soundly.
        bad_at: u64,
        /// How many places in a row are damaged like this.
        places: u64,
    },
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it begins.
    pub offset: u64,
    /// Where it ends, as far as that can be told.
    pub end: u64,
    /// What it is.
    pub content: Content,
    /// What replay makes of it.
    pub verdict: Verdict,
}

/// Who is told of the items, in the order of the file; it may end the walk.
pub type Visit<'v> = &'v mut dyn FnMut(Item) -> ControlFlow<()>;

/// Walks through a file on a file system, and on behind damage. Fails only where the file system does.
pub fn items(vfs: &dyn Vfs, path: &Path, format: Format, visit: Visit<'_>) -> Result<(), Error> {
    let file = vfs.open(path, OpenOptions::READ).map_err(|e| Error::io("open", path, e))?;
    let len = file.len().map_err(|e| Error::io("look at", path, e))?;
    walk(Plain { file: &*file, path }, len, format, None, visit)
}

/// As [`items`], through a log segment whose epoch and number are known: it is believed without a header.
pub(crate) fn segment_items(
    vfs: &dyn Vfs,
    path: &Path,
    (epoch, number): (u64, u64),
    visit: Visit<'_>,
) -> Result<(), Error> {
    let file = vfs.open(path, OpenOptions::READ).map_err(|e| Error::io("open", path, e))?;
    let len = file.len().map_err(|e| Error::io("look at", path, e))?;
    walk(Plain { file: &*file, path }, len, Format::Wal, Some((epoch, number)), visit)
}

/// As [`items`], through bytes in memory.
pub fn items_of(bytes: &[u8], format: Format, visit: Visit<'_>) {
    // Memory is the source, so reading cannot fail.
    let _ = walk(bytes, bytes.len() as u64, format, None, visit);
}

/// A file as it stands.
#[derive(Clone, Copy)]
struct Plain<'f> {
    file: &'f dyn VfsFile,
    path: &'f Path,
}

impl Source for Plain<'_> {
    fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, Error> {
        self.file.read_fully_at(buf, offset).map_err(|e| Error::io("read", self.path, e))
    }
}

fn walk<S: Source + Copy>(
    source: S,
    len: u64,
    format: Format,
    known: Option<(u64, u64)>,
    visit: Visit<'_>,
) -> Result<(), Error> {
    let mut scratch = Scratch::default();
    let mut walk = Walk { visit, len, place: Place::Believed, waiting: Vec::new() };
    let flow = match format {
        Format::Wal => wal(source, known, &mut scratch, &mut walk),
        Format::Snapshot => snapshot(source, &mut scratch, &mut walk),
        _ => manifest(source, &mut scratch, &mut walk),
    };
    match flow {
        Ok(()) => {
            walk.finish();
            Ok(())
        }
        Err(Ended::ByVisitor) => Ok(()),
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// Why a walk ended early.
enum Ended {
    ByVisitor,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Ended {
        Ended::Failed(error)
    }
}

/// Where in a file the walk stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before any damage.
    Believed,
    /// Behind what may be the clean end.
    Ended,
    /// Behind the stop.
    Stopped,
}

/// Gives each item its verdict. What lies behind a clean end waits, since a record that verifies there makes
/// a hole of the end.
struct Walk<'v> {
    visit: Visit<'v>,
    /// The file's length.
    len: u64,
    place: Place,
    waiting: Vec<Item>,
}

impl Walk<'_> {
    fn tell(&mut self, item: Item) -> Result<(), Ended> {
        match (self.visit)(item) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Ended::ByVisitor),
        }
    }

    /// A piece that verifies. Its own kind of file says whether it is the next one.
    fn sound(&mut self, offset: u64, end: u64, content: Content) -> Result<(), Ended> {
        if self.place == Place::Ended {
            self.place = Place::Stopped;
            if let Some(hole) = self.waiting.first_mut() {
                hole.verdict = Verdict::Stop;
            }
        }
        self.flush()?;
        let verdict = if self.place == Place::Believed { Verdict::Good } else { Verdict::Behind };
        self.tell(Item { offset, end, content, verdict })
    }

    /// Where nothing more has to come.
    fn zeros(&mut self, offset: u64, end: u64) -> Result<(), Ended> {
        let verdict = match self.place {
            Place::Believed => Verdict::Good,
            Place::Ended | Place::Stopped => Verdict::Bad,
        };
        if self.place == Place::Believed {
            self.place = Place::Ended;
        }
        self.wait(Item { offset, end, content: Content::Zeros, verdict })
    }

    fn damage(&mut self, offset: u64, end: u64, bad_at: u64, damage: Damage) -> Result<(), Ended> {
        let detail = match damage.version {
            Some(found) => format!("format version {found}, this program reads {}", header::FORMAT_VERSION),
            None => damage.detail.to_string(),
        };
        let content = Content::Damage { reason: damage.reason, detail, bad_at, places: 1 };
        let verdict = if self.place == Place::Believed { Verdict::Stop } else { Verdict::Bad };
        if self.place == Place::Believed {
            self.place = Place::Stopped;
        }
        self.wait(Item { offset, end, content, verdict })
    }

    /// Joins an item to an equal one before it. Behind a stop, one item waits; behind a clean end, all.
    fn wait(&mut self, mut item: Item) -> Result<(), Ended> {
        item.end = item.end.min(self.len).max(item.offset);
        if let Some(last) = self.waiting.last_mut()
            && last.end == item.offset
            && item.verdict == Verdict::Bad
        {
            match (&mut last.content, &item.content) {
                (Content::Zeros, Content::Zeros) => {
                    last.end = item.end;
                    return Ok(());
                }
                (Content::Damage { reason, places, .. }, Content::Damage { reason: also, .. })
                    if reason == also && last.verdict == Verdict::Bad =>
                {
                    *places += 1;
                    last.end = item.end;
                    return Ok(());
                }
                _ => {}
            }
        }
        if self.place == Place::Stopped {
            self.flush()?;
        }
        self.waiting.push(item);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Ended> {
        for item in std::mem::take(&mut self.waiting) {
            self.tell(item)?;
        }
        Ok(())
    }

    fn finish(&mut self) {
        let _ = self.flush();
    }
}

fn wal<S: Source>(
    source: S,
    known: Option<(u64, u64)>,
    scratch: &mut Scratch,
    walk: &mut Walk<'_>,
) -> Result<(), Ended> {
    let mut records = Records::new(source, scratch);
    let block = records.header_block()?;
    // The sequence number of the next record; None where any may come first.
    let (identity, mut expected) = match SegmentHeader::decode(block) {
        Ok(header) => {
            let SegmentHeader { epoch, number, predecessor, first_sequence } = header;
            let fields = vec![
                ("epoch", epoch),
                ("number", number),
                ("predecessor", predecessor),
                ("first_sequence", first_sequence),
            ];
            walk.sound(0, BLOCK as u64, Content::Header(fields))?;
            (header.identity(Planted::None), Some(first_sequence))
        }
        Err(fault) => {
            let damaged = SegmentHeader::decode_damaged(block);
            walk.damage(0, block.len() as u64, 0, fault.into())?;
            match (known, damaged) {
                (Some((epoch, number)), _) => {
                    walk.flush()?;
                    walk.place = Place::Believed;
                    (Identity::new(Domain::Wal, epoch, number), None)
                }
                // The fields may still be right, and then so is what they seed the checksums with.
                (None, Some(header)) => (header.identity(Planted::None), None),
                (None, None) => return Ok(()),
            }
        }
    };
    records.begin(identity, Checks::ALL, BLOCK as u64);
    rest(&mut records, walk, |walk, offset, end, payload| {
        let Some(record) = Record::decode(payload) else {
            return walk.damage(offset, end, offset, Damage::fragment(offset, Reason::Malformed));
        };
        let sequence = record.sequence;
        if walk.place == Place::Believed && expected.is_some_and(|expected| sequence != expected) {
            walk.damage(offset, offset, offset, Damage::fragment(offset, Reason::SequenceGap))?;
        }
        expected = Some(sequence.saturating_add(1));
        let ops = record.ops.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        walk.sound(offset, end, Content::Record { sequence, ops })
    })
}

fn snapshot<S: Source>(source: S, scratch: &mut Scratch, walk: &mut Walk<'_>) -> Result<(), Ended> {
    let mut records = Records::new(source, scratch);
    let block = records.header_block()?;
    let header = match SnapshotHeader::decode(block) {
        Ok(header) => header,
        Err(fault) => return walk.damage(0, block.len() as u64, 0, fault.into()),
    };
    let SnapshotHeader { epoch, number, next_sequence, base, base_next_sequence } = header;
    let mut fields = vec![("epoch", epoch), ("number", number), ("next_sequence", next_sequence)];
    if base > 0 {
        fields.extend([("base", base), ("base_next_sequence", base_next_sequence)]);
    }
    walk.sound(0, BLOCK as u64, Content::Header(fields))?;
    records.begin(header.identity(), Checks::ALL, BLOCK as u64);
    let (mut last, mut count, mut end_of_file) = (None::<Vec<u8>>, 0, BLOCK as u64);
    let mut finished = false;
    rest(&mut records, walk, |walk, offset, end, payload| {
        end_of_file = end;
        match snapshot::decode(payload) {
            Some(item @ (snapshot::Item::Entry(key, _) | snapshot::Item::Removed(key))) => {
                if walk.place == Place::Believed && last.as_deref().is_some_and(|last| last >= key) {
                    let detail = "an entry's key does not ascend";
                    return walk.damage(offset, end, offset, Damage::new(offset, Reason::Malformed, detail));
                }
                (count, last) = (count + 1, Some(key.to_vec()));
                walk.sound(offset, end, Content::Entry((key.to_vec(), item.value().map(<[u8]>::to_vec))))
            }
            Some(snapshot::Item::Footer(entries)) => {
                if walk.place == Place::Believed && entries != count {
                    let detail = "the footer counts other entries than there are";
                    return walk.damage(offset, end, offset, Damage::new(offset, Reason::Malformed, detail));
                }
                walk.sound(offset, end, Content::Footer { entries })?;
                finished = true;
                Ok(())
            }
            None => walk.damage(offset, end, offset, Damage::fragment(offset, Reason::Malformed)),
        }
    })?;
    // Zeros end a snapshot cleanly only behind its footer.
    if !finished && walk.place != Place::Stopped {
        let at = walk.waiting.first().map_or(end_of_file, |zeros| zeros.offset);
        let waiting = std::mem::take(&mut walk.waiting);
        walk.place = Place::Believed;
        walk.damage(at, at, at, Damage::new(at, Reason::TornTail, "the footer is missing"))?;
        walk.waiting.extend(waiting.into_iter().map(|item| Item { verdict: Verdict::Bad, ..item }));
    }
    Ok(())
}

/// Walks through what stands behind a header.
fn rest<S: Source>(
    records: &mut Records<'_, S>,
    walk: &mut Walk<'_>,
    mut record: impl FnMut(&mut Walk<'_>, u64, u64, &[u8]) -> Result<(), Ended>,
) -> Result<(), Ended> {
    loop {
        let next = records.next()?;
        let offset = records.offset();
        match next {
            Next::Record => record(walk, offset, records.position(), records.payload())?,
            Next::End { eof: true } => return Ok(()),
            Next::End { eof: false } => {
                walk.zeros(offset, records.resume())?;
                records.skip();
            }
            Next::Bad(reason) => {
                let (at, end) = (records.position(), records.resume());
                walk.damage(offset, end.max(at), at, Damage::fragment(offset, reason))?;
                records.skip();
            }
            Next::Partial => {}
        }
    }
}

fn manifest<S: Source + Copy>(source: S, scratch: &mut Scratch, walk: &mut Walk<'_>) -> Result<(), Ended> {
    let block = Records::new(source, scratch).header_block()?.to_vec();
    match Manifest::read(source, None, Planted::None, scratch) {
        Ok(manifest) => {
            let number = header::decode(MAGIC_MANIFEST, &block).map_or(0, |fields| fields.get(1));
            let mut fields = vec![
                ("epoch", manifest.epoch),
                ("number", number),
                ("snapshot", manifest.snapshot),
                ("next_number", manifest.next_number),
                ("first_sequence", manifest.first_sequence),
            ];
            fields.extend(manifest.segments.iter().map(|segment| ("segments", *segment)));
            walk.sound(0, BLOCK as u64, Content::Header(fields))
        }
        Err(Unreadable::Damage(damage)) => {
            walk.damage(damage.offset, block.len() as u64, damage.offset, damage)
        }
        Err(Unreadable::Error(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every fixture of a kind, with what a look at the whole file says of it.
    fn fixtures(kind: &str) -> Vec<(String, Vec<u8>)> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(kind);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
        assert!(found.len() > 5, "{kind}");
        found
    }

    fn all(bytes: &[u8], format: Format) -> Vec<Item> {
        let mut items = Vec::new();
        items_of(bytes, format, &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        });
        items
    }

    #[test]
    fn the_items_agree_with_the_reading_of_the_whole_file() {
        let cases = [
            ("wal", Format::Wal, super::super::wal as fn(&[u8]) -> super::super::Reading),
            ("snapshot", Format::Snapshot, super::super::snapshot),
            ("manifest", Format::Manifest, super::super::manifest),
        ];
        for (kind, format, read) in cases {
            for (name, bytes) in fixtures(kind) {
                let (reading, items) = (read(&bytes), all(&bytes, format));
                let counted = |item: &&Item| match format {
                    Format::Wal => matches!(item.content, Content::Record { .. }),
                    Format::Snapshot => matches!(item.content, Content::Entry(_)),
                    _ => matches!(item.content, Content::Header(_)),
                };
                let good = items.iter().filter(counted).filter(|i| i.verdict == Verdict::Good).count();
                let behind = items.iter().filter(counted).filter(|i| i.verdict == Verdict::Behind).count();
                assert_eq!(good as u64, reading.records, "{name}");
                assert_eq!(behind as u64, reading.good_records_after, "{name}");
                let stops: Vec<u64> =
                    items.iter().filter(|i| i.verdict == Verdict::Stop).map(|i| i.offset).collect();
                assert_eq!(stops, Vec::from_iter(reading.stopped_at), "{name}");
                assert!(items.is_sorted_by_key(|item| item.offset), "{name}");
                let reach = items.last().map_or(0, |item| item.end);
                assert!(reach <= bytes.len() as u64, "{name}");
            }
        }
    }

    #[test]
    fn a_visitor_ends_the_walk() {
        let (_, bytes) = fixtures("wal").remove(0);
        let mut seen = 0;
        items_of(&bytes, Format::Wal, &mut |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!(seen, 1);
    }
}
