//! The reading half of recovery: what do the files prove? It changes nothing but a draft of the new last
//! segment, which nobody relies on until recovery's writing half has made it current.
//!
//! Names come from one listing. Files are read block by block, in order, and the last segment never past its
//! first bad record; no length is ever asked for.

use std::path::PathBuf;

use crate::damage::{Damage, Unreadable};
use crate::dir::{Dir, File, Listing};
use crate::error::{Error, Reason};
use crate::fragment::BLOCK;
use crate::header::Fault;
use crate::manifest::Manifest;
use crate::memory::{Entry, Key, Memory};
use crate::names::{Kind, Name};
use crate::planted::Planted;
use crate::reader::{Next, Records, Scratch};
use crate::record::Record;
use crate::snapshot::{self, SnapshotHeader};
use crate::wal::{self, Draft, SegmentHeader};

/// Where replay stopped before the end of what was written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// The file.
    pub file: PathBuf,
    /// Where the first record begins that is not believed.
    pub offset: u64,
    /// Why not.
    pub reason: Reason,
    /// The damage in words.
    pub detail: &'static str,
    /// Whether the file was synced and closed, so that no crash can explain the damage. An unsealed file's
    /// torn end is what every crash leaves.
    pub sealed: bool,
}

/// What the files prove.
pub(crate) struct Proof {
    pub(crate) manifest: Manifest,
    pub(crate) manifest_name: Name,
    pub(crate) memory: Memory,
    /// The snapshots that make up the state before the log, each the base of the next.
    pub(crate) chain: Vec<u64>,
    /// That state, if it was asked for.
    pub(crate) base: Option<Memory>,
    /// Replay stopped in a snapshot.
    pub(crate) in_snapshot: bool,
    pub(crate) snapshot_entries: u64,
    /// Bytes of the state that they hold.
    pub(crate) snapshot_bytes: u64,
    /// Sealed segments that are good to their end.
    pub(crate) segments: Vec<u64>,
    pub(crate) tail: Tail,
    pub(crate) next_sequence: u64,
    pub(crate) records: u64,
    pub(crate) ops: u64,
    pub(crate) log_bytes: u64,
    pub(crate) segments_read: u64,
    pub(crate) stopped: Option<Stopped>,
    /// The segment whose end is the log's.
    pub(crate) last_segment: Option<u64>,
    /// A sealed segment that ends too early: it stays in use, and is kept.
    pub(crate) cut_short: Option<u64>,
}

/// How the log's end goes on.
pub(crate) enum Tail {
    /// In a new segment behind this one.
    New { predecessor: u64 },
    /// In a copy of the last segment's good records.
    Copy(Draft),
    /// In a copy, still to be made, of the good records of a sealed segment up to this offset.
    Prefix(Segment, u64),
    /// In the last segment, behind its good records: the offset, and the bytes of its block before it.
    Resume(Segment, u64, Vec<u8>),
}

/// An open segment with a sound header.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) file: File,
}

/// A segment that must or may be the next one.
enum Found {
    Good(Segment),
    Damaged(u64, Damage),
}

/// How reading a segment ended.
struct End {
    offset: u64,
    damage: Option<Damage>,
    /// The bytes of the block at `offset` before it, if they were asked for.
    tail: Vec<u8>,
}

/// Finds the newest manifest; None if there is none at all.
#[track_caller]
pub(crate) fn newest_manifest(
    dir: &Dir,
    listing: &Listing,
    planted: Planted,
    scratch: &mut Scratch,
) -> Result<Option<(Name, Manifest)>, Error> {
    for number in listing.numbers(Kind::Manifest).rev() {
        let name = Name::manifest(number);
        let file = dir.open(name)?;
        match Manifest::read(&file, Some(number), planted, scratch) {
            Ok(manifest) => return Ok(Some((name, manifest))),
            Err(Unreadable::Damage(_)) if planted == Planted::ManifestFallback => {}
            Err(e) => return Err(e.into_error(file.path())),
        }
    }
    Ok(None)
}

pub(crate) struct Replay<'a> {
    dir: &'a Dir,
    listing: &'a Listing,
    planted: Planted,
    scratch: Scratch,
    proof: Proof,
    /// The number of the copy of the last segment; None to look only.
    draft_number: Option<u64>,
    /// A segment of this epoch that is not reached, and the first of its records.
    stranded: Option<(u64, u64)>,
    keep_base: bool,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(
        dir: &'a Dir,
        listing: &'a Listing,
        (manifest_name, manifest): (Name, Manifest),
        planted: Planted,
        scratch: Scratch,
        draft_number: Option<u64>,
    ) -> Replay<'a> {
        let next_sequence = manifest.first_sequence;
        let proof = Proof {
            manifest,
            manifest_name,
            memory: Memory::default(),
            chain: Vec::new(),
            base: None,
            in_snapshot: false,
            snapshot_entries: 0,
            snapshot_bytes: 0,
            segments: Vec::new(),
            tail: Tail::New { predecessor: 0 },
            next_sequence,
            records: 0,
            ops: 0,
            log_bytes: 0,
            segments_read: 0,
            stopped: None,
            last_segment: None,
            cut_short: None,
        };
        Replay { dir, listing, planted, scratch, proof, draft_number, stranded: None, keep_base: false }
    }

    /// Keeps the state that the snapshots hold.
    pub(crate) fn keep_base(&mut self, keep: bool) {
        self.keep_base = keep;
    }

    /// Loads the snapshot and replays the log behind it.
    #[track_caller]
    pub(crate) fn run(mut self) -> Result<Proof, Error> {
        if self.load_snapshots()? {
            self.proof.snapshot_bytes = self.proof.memory.bytes();
            self.proof.base = self.keep_base.then(|| self.proof.memory.clone());
            self.replay_log()?;
        } else {
            self.proof.in_snapshot = true;
        }
        Ok(self.proof)
    }

    fn stop(&mut self, name: Name, damage: Damage, sealed: bool) {
        self.proof.stopped = Some(Stopped {
            file: self.dir.path_of(name),
            offset: damage.offset,
            reason: damage.reason,
            detail: damage.detail,
            sealed,
        });
    }

    /// Returns whether the snapshots are whole; a log makes no sense on part of one.
    #[track_caller]
    fn load_snapshots(&mut self) -> Result<bool, Error> {
        let newest = self.proof.manifest.snapshot;
        if newest == 0 {
            return Ok(true);
        }
        let Some(links) = self.links(newest)? else { return Ok(false) };
        self.proof.chain = links.iter().rev().map(|(header, _)| header.number).collect();
        let mut again = None;
        for (header, file) in links.iter().rev() {
            let name = Name::snapshot(header.number);
            let loaded = match snapshot::read(file, self.planted, &mut self.scratch) {
                Ok(loaded) => loaded,
                Err(Unreadable::Damage(damage)) => {
                    self.stop(name, damage, true);
                    return Ok(false);
                }
                Err(e) => return Err(e.into_error(file.path())),
            };
            self.proof.snapshot_entries += (loaded.entries.len() + loaded.removed.len()) as u64;
            let damage = loaded.damage;
            if header.base == 0 {
                self.proof.memory = Memory::from_sorted(loaded.entries);
            } else {
                if self.planted == Planted::IncrementalAppliedTwice && again.is_none() {
                    again = Some(loaded.entries.clone());
                }
                apply(&mut self.proof.memory, loaded.entries, loaded.removed);
            }
            if let Some(damage) = damage {
                self.stop(name, damage, true);
                return Ok(false);
            }
        }
        apply(&mut self.proof.memory, again.unwrap_or_default(), Vec::new());
        Ok(true)
    }

    /// The snapshots from this one back to a whole one, headers only; None if one of them is not as the one
    /// before it says.
    #[track_caller]
    fn links(&mut self, newest: u64) -> Result<Option<Vec<(SnapshotHeader, File)>>, Error> {
        let mut links: Vec<(SnapshotHeader, File)> = Vec::new();
        let mut number = newest;
        while number > 0 {
            let name = Name::snapshot(number);
            if !self.listing.contains(name) {
                let detail = if links.is_empty() { "the file is missing" } else { "a base is missing" };
                self.stop(name, Damage::new(0, Reason::BadHeader, detail), true);
                return Ok(None);
            }
            let file = self.dir.open(name)?;
            let mut records = Records::new(&file, &mut self.scratch);
            let header = SnapshotHeader::decode_as(records.header_block()?, self.planted);
            let header = match header {
                Ok(header) => header,
                Err(fault @ Fault::Version { .. }) => return Err(Damage::from(fault).into_error(file.path())),
                Err(fault) => {
                    self.stop(name, fault.into(), true);
                    return Ok(None);
                }
            };
            let manifest = &self.proof.manifest;
            let mine = header.number == number
                && header.base < number
                && match links.last() {
                    None => (header.epoch, header.next_sequence) == (manifest.epoch, manifest.first_sequence),
                    Some((next, _)) => {
                        header.epoch < next.epoch && header.next_sequence == next.base_next_sequence
                    }
                };
            if !mine {
                self.stop(name, Fault::Foreign.into(), true);
                return Ok(None);
            }
            number = header.base;
            links.push((header, file));
        }
        Ok(Some(links))
    }

    #[track_caller]
    fn replay_log(&mut self) -> Result<(), Error> {
        let mut predecessor = 0;
        let mut listed = 0;
        let mut next = self.following(predecessor, listed)?;
        while let Some(found) = next {
            listed += 1;
            let segment = match found {
                Found::Good(segment) => segment,
                Found::Damaged(number, damage) => {
                    self.stop(Name::wal(number), damage, true);
                    break;
                }
            };
            let name = Name::wal(segment.header.number);
            if segment.header.first_sequence != self.proof.next_sequence && !self.skips() {
                let detail = "the segment before it ends too early";
                self.stop(name, Damage::new(0, Reason::SequenceGap, detail), true);
                self.proof.cut_short = Some(predecessor).filter(|n| *n > 0);
                break;
            }
            next = self.following(segment.header.number, listed)?;
            if next.is_none() {
                return self.replay_last(segment);
            }
            let end = self.replay_segment(&segment, None)?;
            // The successor says how many records there are. Behind them, a recycled file may hold anything.
            let complete = match &next {
                Some(Found::Good(next)) => next.header.first_sequence == self.proof.next_sequence,
                _ => end.damage.is_none_or(|damage| damage.reason == Reason::WrongEpoch),
            };
            if let Some(damage) = end.damage.filter(|_| !complete) {
                self.stop(name, damage, true);
                self.proof.tail = Tail::Prefix(segment, damage.offset);
                return Ok(());
            }
            predecessor = segment.header.number;
            self.proof.segments.push(predecessor);
        }
        self.proof.tail = Tail::New { predecessor };
        self.stop_if_stranded();
        Ok(())
    }

    /// A segment that begins behind what was proved, and that nothing leads to, had a predecessor once. No
    /// crash takes that away: the log is damaged where it seems to end.
    fn stop_if_stranded(&mut self) {
        let Some((number, _)) = self.stranded.filter(|(_, first)| *first > self.proof.next_sequence) else {
            return;
        };
        match &mut self.proof.stopped {
            Some(stopped) => stopped.sealed = true,
            None => {
                let detail = "segments before it are missing";
                self.stop(Name::wal(number), Damage::new(0, Reason::SequenceGap, detail), true);
            }
        }
    }

    /// The last segment may end anywhere.
    #[track_caller]
    fn replay_last(&mut self, segment: Segment) -> Result<(), Error> {
        self.proof.last_segment = Some(segment.header.number);
        let mut draft = self.draft_number.map(|number| {
            let header = SegmentHeader { number, ..segment.header };
            Draft::new(header, self.planted)
        });
        let end = self.replay_segment(&segment, draft.as_mut())?;
        if let Some(damage) = end.damage {
            self.stop(Name::wal(segment.header.number), damage, false);
        }
        self.stop_if_stranded();
        // One without records is copied like any other: that its file ends there may be what the cache says,
        // and the disk may hold a refused record behind.
        self.proof.tail = match draft {
            _ if self.planted == Planted::DeadTailNotCut => Tail::Resume(segment, end.offset, end.tail),
            Some(draft) => Tail::Copy(draft),
            None => Tail::New { predecessor: segment.header.number },
        };
        Ok(())
    }

    /// The segment behind `predecessor`: the manifest's next one, or one that was rotated in since.
    #[track_caller]
    fn following(&mut self, predecessor: u64, listed: usize) -> Result<Option<Found>, Error> {
        let epoch = self.proof.manifest.epoch;
        // A compaction that never came to its end has begun segments of the epoch after this one.
        let epochs = epoch..=epoch + 1;
        // The first one goes on where a compaction has cut the log: behind a segment that is gone.
        let follows = |h: &SegmentHeader| h.predecessor == predecessor || listed == 0;
        if let Some(&number) = self.proof.manifest.segments.get(listed) {
            let name = Name::wal(number);
            if !self.listing.contains(name) {
                let damage = Damage::new(0, Reason::BadHeader, "the file is missing");
                return Ok(Some(Found::Damaged(number, damage)));
            }
            let file = self.dir.open(name)?;
            let header = SegmentHeader::read(&mut Records::new(&file, &mut self.scratch), self.planted)?;
            let expected = |h: &SegmentHeader| h.number == number && epochs.contains(&h.epoch) && follows(h);
            return Ok(Some(match header {
                Ok(header) if expected(&header) => Found::Good(Segment { header, file }),
                Ok(_) => Found::Damaged(number, Fault::Foreign.into()),
                Err(fault @ Fault::Version { .. }) => return Err(Damage::from(fault).into_error(file.path())),
                Err(fault) => Found::Damaged(number, fault.into()),
            }));
        }
        // A rotated segment's header is durable before its first record is written: without one, the rotation
        // never finished. Other candidates are what a crashed compaction or recovery left.
        let last_listed = self.proof.manifest.segments.last().copied().unwrap_or(0);
        for number in self.listing.numbers(Kind::Wal).filter(|n| *n > last_listed.max(predecessor)) {
            let file = self.dir.open(Name::wal(number))?;
            let header = SegmentHeader::read(&mut Records::new(&file, &mut self.scratch), self.planted)?;
            match header {
                Ok(h) if h.number == number && epochs.contains(&h.epoch) && h.predecessor == predecessor => {
                    return Ok(Some(Found::Good(Segment { header: h, file })));
                }
                Ok(h) if h.number == number && epochs.contains(&h.epoch) => {
                    let later = self.stranded.is_none_or(|(_, first)| h.first_sequence > first);
                    if later {
                        self.stranded = Some((number, h.first_sequence));
                    }
                }
                Err(fault @ Fault::Version { verified: true, .. }) => {
                    return Err(Damage::from(fault).into_error(file.path()));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn skips(&self) -> bool {
        self.planted == Planted::MalformedRecordSkipped
    }

    /// Applies a segment's records in order, up to the first that is not good, and copies them to a draft.
    #[track_caller]
    fn replay_segment(&mut self, segment: &Segment, mut draft: Option<&mut Draft>) -> Result<End, Error> {
        let skips = self.skips();
        let proof = &mut self.proof;
        proof.segments_read += 1;
        let mut records = Records::new(&segment.file, &mut self.scratch);
        records.begin(segment.header.identity(self.planted), wal::checks(self.planted), BLOCK as u64);
        let mut count = 0;
        let reason = loop {
            let reason = match records.next()? {
                Next::Record => match Record::decode(records.payload()) {
                    Some(record) if record.sequence == proof.next_sequence || skips => {
                        proof.next_sequence = record.sequence.saturating_add(1);
                        proof.ops += u64::from(record.count());
                        proof.log_bytes += records.payload().len() as u64;
                        proof.memory.apply(record.ops);
                        if let Some(draft) = &mut draft {
                            draft.push(self.dir, records.payload())?;
                        }
                        count += 1;
                        continue;
                    }
                    Some(_) => Reason::SequenceGap,
                    None => Reason::Malformed,
                },
                Next::Partial => {
                    if let Some(record) = Record::decode_prefix(records.payload()) {
                        proof.memory.apply(record.ops);
                    }
                    continue;
                }
                Next::End { eof } if eof || !skips => break None,
                Next::End { .. } => Reason::TornTail,
                Next::Bad(reason) => reason,
            };
            if !skips {
                break Some(reason);
            }
            records.skip();
        };
        proof.records += count;
        let offset = records.offset();
        let damage = reason.map(|reason| Damage::fragment(offset, reason));
        let tail = match self.planted {
            Planted::DeadTailNotCut => records.tail()?,
            _ => Vec::new(),
        };
        Ok(End { offset, damage, tail })
    }
}

/// Applies an incremental snapshot.
fn apply(memory: &mut Memory, entries: Vec<Entry>, removed: Vec<Key>) {
    removed.iter().for_each(|key| memory.remove(key));
    entries.into_iter().for_each(|(key, value)| memory.put(key, value));
}

/// Copies a segment's good records up to an offset.
#[track_caller]
pub(crate) fn copy_prefix(dir: &Dir, segment: &Segment, upto: u64, number: u64) -> Result<Draft, Error> {
    let mut scratch = Scratch::default();
    let mut draft = Draft::new(SegmentHeader { number, ..segment.header }, Planted::None);
    let mut records = Records::new(&segment.file, &mut scratch);
    records.begin(segment.header.identity(Planted::None), wal::checks(Planted::None), BLOCK as u64);
    while records.next()? == Next::Record && records.offset() < upto {
        draft.push(dir, records.payload())?;
    }
    Ok(draft)
}
