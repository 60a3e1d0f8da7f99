//! What is there: the manifest if it can be believed, the snapshot, and what each segment holds.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use unplug_vfs::Vfs;

use super::{Dropped, name_of};
use crate::damage::Unreadable;
use crate::dir::{Dir, Listing};
use crate::error::{Error, Reason};
use crate::inspect::{self, Content, Format, Item, ItemOp, Verdict};
use crate::manifest::Manifest;
use crate::names::{Form, Kind, Name};
use crate::planted::Planted;
use crate::reader::Scratch;

/// All that the directory offers for one epoch.
pub(super) struct Survey {
    pub epoch: u64,
    /// Where the log begins.
    pub first_sequence: u64,
    /// The whole snapshot, and those that tell what has changed since the one before.
    pub snapshots: Vec<Snapshot>,
    pub log: Log,
    /// What is not taken whatever the rest holds.
    pub dropped: Vec<Dropped>,
}

/// The entries of a snapshot that verify.
pub(super) struct Snapshot {
    pub number: u64,
    pub file: String,
    pub epoch: u64,
    pub next_sequence: u64,
    /// The snapshot that this one is a difference to; 0 for a whole state.
    base: u64,
    base_next_sequence: u64,
    /// Keys, with values unless they are gone.
    pub entries: Vec<ItemOp>,
    /// How many of them lie behind damage.
    pub behind: u64,
    pub damage: Option<Dropped>,
}

/// The segments that may hold records of the log.
#[derive(Default)]
pub(super) struct Log {
    pub segments: Vec<Segment>,
}

/// What a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// The number in its name.
    pub file: u64,
    /// Its number: that of a sound header, whatever its name says.
    pub number: u64,
    pub epoch: u64,
    pub first_sequence: u64,
    /// Behind the last record before the first bad one.
    pub next_sequence: u64,
    /// Every record that verifies, and whether it lies before the first bad one.
    pub sequences: Vec<(u64, bool)>,
    /// The first bad place, and any later one.
    pub damage: Vec<(u64, Reason, String)>,
}

impl Segment {
    /// Adds what is wrong with the segment, and how much of it was `left`.
    pub(super) fn tell_dropped(&self, left: u64, dropped: &mut Vec<Dropped>) {
        let file = Some(name_of(Name::wal(self.file)));
        for (index, (offset, reason, detail)) in self.damage.iter().enumerate() {
            let last = index + 1 == self.damage.len();
            dropped.push(Dropped {
                file: file.clone(),
                offset: Some(*offset),
                reason: Some(*reason),
                detail: detail.clone(),
                records: if last { left } else { 0 },
            });
        }
        if self.damage.is_empty() && left > 0 {
            let detail = "records before it are missing".to_string();
            dropped.push(Dropped { file, offset: None, reason: None, detail, records: left });
        }
    }
}

impl Survey {
    pub(super) fn of(vfs: &dyn Vfs, dir: &Dir) -> Result<Survey, Error> {
        let listing = dir.list()?;
        if listing.data().next().is_none() && listing.numbers(Kind::Manifest).next().is_none() {
            return Err(Error::NotFound { path: dir.path().to_path_buf() });
        }
        let mut dropped = Vec::new();
        let manifest = newest_manifest(dir, &listing, &mut dropped)?;
        let mut snapshots = BTreeMap::new();
        for number in listing.numbers(Kind::Snapshot) {
            match snapshot(vfs, dir, number)? {
                Some(found) => drop(snapshots.insert(number, found)),
                None => dropped.push(unreadable(Name::snapshot(number))),
            }
        }
        let survey = match manifest {
            Some((name, manifest)) => {
                for older in listing.numbers(Kind::Manifest).filter(|number| *number != name.number) {
                    dropped.push(leftover(Name::manifest(older)));
                }
                by_manifest(vfs, dir, &listing, &manifest, snapshots, dropped)?
            }
            None => by_files(vfs, dir, &listing, snapshots, dropped)?,
        };
        Ok(survey)
    }
}

/// The newest manifest, if it verifies: an older one is history.
fn newest_manifest(
    dir: &Dir,
    listing: &Listing,
    dropped: &mut Vec<Dropped>,
) -> Result<Option<(Name, Manifest)>, Error> {
    let Some(number) = listing.numbers(Kind::Manifest).next_back() else {
        let detail = "there is no manifest; the other files say what it said".to_string();
        dropped.push(Dropped { file: None, offset: None, reason: None, detail, records: 0 });
        return Ok(None);
    };
    let name = Name::manifest(number);
    let file = dir.open(name)?;
    let damage = match Manifest::read(&file, Some(number), Planted::None, &mut Scratch::default()) {
        Ok(manifest) => return Ok(Some((name, manifest))),
        Err(Unreadable::Damage(damage)) if damage.version.is_none() => damage,
        Err(other) => return Err(other.into_error(file.path())),
    };
    dropped.push(Dropped {
        file: Some(name_of(name)),
        offset: Some(damage.offset),
        reason: Some(damage.reason),
        detail: format!("{}; the other files say what it said", damage.detail),
        records: 0,
    });
    Ok(None)
}

fn by_manifest(
    vfs: &dyn Vfs,
    dir: &Dir,
    listing: &Listing,
    manifest: &Manifest,
    mut found: BTreeMap<u64, Snapshot>,
    mut dropped: Vec<Dropped>,
) -> Result<Survey, Error> {
    let mut snapshots = Vec::new();
    if manifest.snapshot > 0 {
        let newest = (manifest.snapshot, manifest.epoch, manifest.first_sequence);
        match found.get(&newest.0) {
            Some(head) if (head.epoch, head.next_sequence) == (newest.1, newest.2) => {
                snapshots = take_chain(&mut found, newest.0);
            }
            _ => {
                found.remove(&newest.0);
                snapshots.push(lost_snapshot(newest.0, newest.1, newest.2));
            }
        }
    }
    dropped.extend(found.keys().map(|number| leftover(Name::snapshot(*number))));
    let last_listed = manifest.segments.last().copied().unwrap_or(0);
    let is_live = |number: u64| manifest.segments.contains(&number) || number > last_listed;
    let log = log(vfs, dir, listing, manifest.epoch, is_live, &mut dropped)?;
    for &number in manifest.segments.iter().filter(|number| !listing.contains(Name::wal(**number))) {
        dropped.push(Dropped {
            file: Some(name_of(Name::wal(number))),
            offset: None,
            reason: Some(Reason::BadHeader),
            detail: "the file is missing".to_string(),
            records: 0,
        });
    }
    tell_kept(listing, &mut dropped);
    let (epoch, first_sequence) = (manifest.epoch, manifest.first_sequence);
    Ok(Survey { epoch, first_sequence, snapshots, log, dropped })
}

/// Without a manifest: the newest snapshot that is whole, its bases included, or else any; or the first epoch,
/// which begins with nothing.
fn by_files(
    vfs: &dyn Vfs,
    dir: &Dir,
    listing: &Listing,
    mut found: BTreeMap<u64, Snapshot>,
    mut dropped: Vec<Dropped>,
) -> Result<Survey, Error> {
    let best = found.iter().max_by_key(|(_, head)| (is_whole(&found, head), head.epoch, head.next_sequence));
    let best = best.map(|(number, head)| (*number, head.epoch, head.next_sequence));
    let (snapshots, epoch, first_sequence) = match best {
        Some((number, epoch, next_sequence)) => (take_chain(&mut found, number), epoch, next_sequence),
        None => (Vec::new(), 1, 1),
    };
    dropped.extend(found.keys().map(|number| leftover(Name::snapshot(*number))));
    let log = log(vfs, dir, listing, epoch, |_| true, &mut dropped)?;
    tell_kept(listing, &mut dropped);
    if snapshots.is_empty() && log.segments.iter().all(|segment| segment.sequences.is_empty()) {
        let file = listing.data().next().map_or(dir.path().to_path_buf(), |name| dir.path_of(name));
        let (reason, detail) = (Reason::BadHeader, "no record, entry or manifest of the store verifies");
        return Err(Error::Corrupted { file, offset: 0, reason, detail });
    }
    Ok(Survey { epoch, first_sequence, snapshots, log, dropped })
}

/// The base of a snapshot, if it is there and the one that is meant.
fn base<'s>(found: &'s BTreeMap<u64, Snapshot>, of: &Snapshot) -> Option<&'s Snapshot> {
    let base = found.get(&of.base).filter(|base| base.number < of.number && base.epoch < of.epoch);
    base.filter(|base| base.next_sequence == of.base_next_sequence)
}

/// Whether a snapshot and all of its bases are there, and nothing in them is damaged.
fn is_whole<'s>(found: &'s BTreeMap<u64, Snapshot>, mut head: &'s Snapshot) -> bool {
    loop {
        match (head.damage.is_none(), head.base, base(found, head)) {
            (true, 0, _) => return true,
            (true, _, Some(base)) => head = base,
            _ => return false,
        }
    }
}

/// Takes a snapshot and its bases out, the whole one first. Of a base that is missing, a lost one is left.
fn take_chain(found: &mut BTreeMap<u64, Snapshot>, head: u64) -> Vec<Snapshot> {
    let mut chain = Vec::new();
    let mut next = Some(head);
    while let Some(snapshot) = next.and_then(|number| found.remove(&number)) {
        next = base(found, &snapshot).map(|base| base.number);
        let lost = (next.is_none() && snapshot.base > 0)
            .then(|| lost_snapshot(snapshot.base, snapshot.epoch, snapshot.base_next_sequence));
        chain.push(snapshot);
        chain.extend(lost);
    }
    chain.reverse();
    chain
}

/// Surveys the segments of an epoch.
fn log(
    vfs: &dyn Vfs,
    dir: &Dir,
    listing: &Listing,
    epoch: u64,
    is_live: impl Fn(u64) -> bool,
    dropped: &mut Vec<Dropped>,
) -> Result<Log, Error> {
    let mut log = Log::default();
    for number in listing.numbers(Kind::Wal) {
        // A compaction that never came to its end has begun segments of the epoch after this one.
        let mut found = segment(vfs, dir, epoch, number)?;
        if found.as_ref().is_none_or(|found| found.sequences.is_empty()) {
            let later = segment(vfs, dir, epoch + 1, number)?;
            found = later.filter(|later| found.is_none() || !later.sequences.is_empty()).or(found);
        }
        match found {
            Some(segment) if is_live(segment.number) => log.segments.push(segment),
            _ => dropped.push(leftover(Name::wal(number))),
        }
    }
    Ok(log)
}

/// What a segment holds; None if its sound header names another epoch.
fn segment(vfs: &dyn Vfs, dir: &Dir, epoch: u64, number: u64) -> Result<Option<Segment>, Error> {
    let mut segment = Segment { file: number, number, epoch, ..Segment::default() };
    let (mut foreign, mut first) = (false, None);
    let path = dir.path_of(Name::wal(number));
    inspect::segment_items(vfs, &path, (epoch, number), &mut |item| {
        let Item { offset, content, verdict, .. } = item;
        match content {
            Content::Header(fields) => {
                let field = |name| fields.iter().find(|(field, _)| *field == name).map_or(0, |field| field.1);
                foreign = field("epoch") != epoch;
                segment.number = field("number");
                first = Some(field("first_sequence"));
                segment.next_sequence = field("first_sequence");
            }
            Content::Record { sequence, .. } => {
                let good = verdict == Verdict::Good;
                first.get_or_insert(sequence);
                if good {
                    segment.next_sequence = sequence + 1;
                }
                segment.sequences.push((sequence, good));
            }
            Content::Damage { reason, detail, .. } if verdict == Verdict::Stop => {
                segment.damage.push((offset, reason, detail));
            }
            Content::Zeros if verdict == Verdict::Stop => {
                let detail = "a hole of zeros, with records behind it".to_string();
                segment.damage.push((offset, Reason::TornTail, detail));
            }
            _ => {}
        }
        if foreign { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    segment.first_sequence = first.unwrap_or(0);
    Ok((!foreign).then_some(segment))
}

/// Hands out the records of a segment again, and whether each lies before the first bad one. Counts those that
/// `take` has taken.
pub(super) fn replay(
    vfs: &dyn Vfs,
    dir: &Dir,
    segment: &Segment,
    mut take: impl FnMut(u64, Vec<ItemOp>, bool) -> bool,
) -> Result<u64, Error> {
    let mut count = 0;
    let path = dir.path_of(Name::wal(segment.file));
    inspect::segment_items(vfs, &path, (segment.epoch, segment.number), &mut |item| {
        if let Content::Record { sequence, ops } = item.content {
            count += u64::from(take(sequence, ops, item.verdict == Verdict::Good));
        }
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

/// What a snapshot holds; None if its header cannot be believed.
fn snapshot(vfs: &dyn Vfs, dir: &Dir, number: u64) -> Result<Option<Snapshot>, Error> {
    let name = Name::snapshot(number);
    let mut header = None;
    let (mut entries, mut behind, mut footer, mut damage) = (Vec::new(), 0, None, None);
    inspect::items(vfs, &dir.path_of(name), Format::Snapshot, &mut |item| {
        match item.content {
            Content::Header(fields) => {
                let field = |name| fields.iter().find(|(field, _)| *field == name).map_or(0, |field| field.1);
                header = Some([
                    field("number"),
                    field("epoch"),
                    field("next_sequence"),
                    field("base"),
                    field("base_next_sequence"),
                ]);
            }
            Content::Entry(entry) => {
                behind += u64::from(item.verdict == Verdict::Behind);
                entries.push(entry);
            }
            Content::Footer { entries } => footer = Some(entries),
            Content::Damage { reason, detail, .. } if item.verdict == Verdict::Stop => {
                damage = Some((item.offset, reason, detail));
            }
            Content::Zeros if item.verdict == Verdict::Stop => {
                let detail = "a hole of zeros, with entries behind it".to_string();
                damage = Some((item.offset, Reason::TornTail, detail));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    let Some([_, epoch, next_sequence, base, base_next_sequence]) =
        header.filter(|header| header[0] == number)
    else {
        return Ok(None);
    };
    let lost = footer.and_then(|count| u64::checked_sub(count, entries.len() as u64)).filter(|n| *n > 0);
    let damage = damage.map(|(offset, reason, detail)| Dropped {
        file: Some(name_of(name)),
        offset: Some(offset),
        reason: Some(reason),
        detail: match lost {
            Some(1) => format!("{detail}; 1 entry is lost"),
            Some(lost) => format!("{detail}; {lost} entries are lost"),
            None => detail,
        },
        records: 0,
    });
    let file = name_of(name);
    let place =
        Snapshot { number, file, epoch, next_sequence, base, base_next_sequence, entries, behind, damage };
    Ok(Some(place))
}

/// A snapshot that must have been, and of which nothing is left.
fn lost_snapshot(number: u64, epoch: u64, next_sequence: u64) -> Snapshot {
    Snapshot {
        number,
        file: name_of(Name::snapshot(number)),
        epoch,
        next_sequence,
        base: 0,
        base_next_sequence: 0,
        entries: Vec::new(),
        behind: 0,
        damage: Some(Dropped {
            detail: "the snapshot is missing, or its header is damaged; all its entries are lost".to_string(),
            ..unreadable(Name::snapshot(number))
        }),
    }
}

fn unreadable(name: Name) -> Dropped {
    Dropped {
        file: Some(name_of(name)),
        offset: Some(0),
        reason: Some(Reason::BadHeader),
        detail: "its header block is damaged".to_string(),
        records: 0,
    }
}

fn leftover(name: Name) -> Dropped {
    let detail = "not part of the store".to_string();
    Dropped { file: Some(name_of(name)), offset: None, reason: None, detail, records: 0 }
}

fn tell_kept(listing: &Listing, dropped: &mut Vec<Dropped>) {
    for name in listing.names() {
        let detail = match name.form {
            Form::Plain => continue,
            Form::Tmp => "was never finished",
            Form::Retained => "replaced by a snapshot, and retained",
            Form::Damaged => "kept by an earlier recovery, which the store has gone on without",
        };
        let file = Some(name_of(*name));
        dropped.push(Dropped { file, offset: None, reason: None, detail: detail.to_string(), records: 0 });
    }
}
