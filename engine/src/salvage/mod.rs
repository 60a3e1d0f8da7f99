//! Saving what can be proved of a damaged store, in a new one.
//!
//! Unlike recovery, this reads on behind damage, does without a manifest where the other files say what it
//! said, and believes records of a segment whose header is gone. The damaged store is only read.
//!
//! Without [`SalvageOptions::behind_damage`], a whole snapshot and the log behind it up to its first bad record
//! are taken: the newest state that is sure to have been. Of a damaged snapshot every entry that verifies is
//! taken; the log goes on top. With it, records behind the damage are taken too: each was written so, but the
//! state as a whole may never have been.

mod build;
mod chain;
mod survey;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use unplug_vfs::Vfs;

pub(crate) use build::write_state;
pub use build::write_store;

use crate::dir::Dir;
use crate::error::{Error, Reason};
use crate::names::Name;
use survey::{Log, Survey};

/// What to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SalvageOptions {
    /// Take what verifies behind the damage, too.
    pub behind_damage: bool,
}

/// What a file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The file's name.
    pub file: String,
    /// Entries of a snapshot, or records of a log segment.
    pub count: u64,
    /// Whether it is a snapshot.
    pub snapshot: bool,
    /// How many of them lie behind damage.
    pub behind_damage: u64,
}

/// What was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The file's name; None where records are missing that no file holds.
    pub file: Option<String>,
    /// Where in the file.
    pub offset: Option<u64>,
    /// The kind of damage, if it is damage.
    pub reason: Option<Reason>,
    /// Why, in words.
    pub detail: String,
    /// Records or entries that verify, and were not taken.
    pub records: u64,
}

/// What became of a damaged store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SalvageReport {
    /// The epoch that was saved.
    pub epoch: u64,
    /// Entries in the new store.
    pub entries: u64,
    /// What was taken, in order.
    pub taken: Vec<Taken>,
    /// What was not, and why.
    pub dropped: Vec<Dropped>,
    /// The sequence number of the last record up to which nothing is missing.
    pub complete_upto: u64,
    /// Whether the new store holds a state that is sure to have been.
    pub was_a_state: bool,
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Writes what can be proved of the store in `from` into a new store in `to`, which must be missing or an empty
/// directory, and appears only when it is finished. Errors: those of the file system, [`Error::NotFound`] if
/// there is no store in `from`, [`Error::Locked`] if it is open, [`Error::InvalidArgument`] if `to` is not
/// empty, [`Error::Corrupted`] if nothing can be proved.
pub fn salvage(
    vfs: Arc<dyn Vfs>,
    from: &Path,
    to: &Path,
    options: SalvageOptions,
) -> Result<SalvageReport, Error> {
    build::check_target(&*vfs, to)?;
    let dir = Dir::new(vfs.clone(), from);
    let (_lock, _) = dir.lock(false)?;
    let survey = Survey::of(&*vfs, &dir)?;
    let mut report = SalvageReport { epoch: survey.epoch, was_a_state: true, ..SalvageReport::default() };
    report.dropped.extend(survey.dropped.iter().cloned());
    let mut entries = Entries::new();
    take_snapshots(&survey, &mut entries, &mut report);
    take_log(&*vfs, &dir, &survey, options, &mut entries, &mut report)?;
    report.entries = entries.len() as u64;
    build::write_store(vfs, to, entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))?;
    Ok(report)
}

fn take_snapshots(survey: &Survey, entries: &mut Entries, report: &mut SalvageReport) {
    report.complete_upto = survey.first_sequence.saturating_sub(1);
    for snapshot in &survey.snapshots {
        apply(entries, snapshot.entries.clone());
        report.taken.push(Taken {
            file: snapshot.file.clone(),
            count: snapshot.entries.len() as u64,
            snapshot: true,
            behind_damage: snapshot.behind,
        });
        if let Some(dropped) = &snapshot.damage {
            report.dropped.push(dropped.clone());
            report.was_a_state = false;
            report.complete_upto = 0;
        }
    }
}

/// Applies the log: first up to what is missing, then, if asked for, what verifies behind it.
fn take_log(
    vfs: &dyn Vfs,
    dir: &Dir,
    survey: &Survey,
    options: SalvageOptions,
    entries: &mut Entries,
    report: &mut SalvageReport,
) -> Result<(), Error> {
    let Log { segments, .. } = &survey.log;
    let chain = chain::longest(segments, survey.first_sequence);
    let mut next = survey.first_sequence;
    let mut taken: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for &index in &chain {
        let file = segments[index].file;
        let count = survey::replay(vfs, dir, &segments[index], |sequence, ops, good| {
            if !good || sequence != next {
                return false;
            }
            apply(entries, ops);
            next += 1;
            true
        })?;
        taken.entry(file).or_default().0 += count;
    }
    if report.was_a_state {
        report.complete_upto = next - 1;
    }
    // Which records are there behind what is missing; of several of one number, the believed, newest one.
    let mut behind: BTreeMap<u64, (bool, u64)> = BTreeMap::new();
    for segment in segments {
        for &(sequence, good) in segment.sequences.iter().filter(|(sequence, _)| *sequence >= next) {
            let candidate = (good, segment.number);
            let best = behind.entry(sequence).or_insert(candidate);
            *best = candidate.max(*best);
        }
    }
    missing(&behind, next, report);
    if options.behind_damage && !behind.is_empty() {
        report.was_a_state = false;
        let mut found: BTreeMap<u64, Vec<crate::inspect::ItemOp>> = BTreeMap::new();
        for segment in segments {
            survey::replay(vfs, dir, segment, |sequence, ops, good| {
                if behind.get(&sequence) != Some(&(good, segment.number)) || found.contains_key(&sequence) {
                    return false;
                }
                found.insert(sequence, ops);
                taken.entry(segment.file).or_default().1 += 1;
                true
            })?;
        }
        found.into_values().for_each(|ops| apply(entries, ops));
        behind.clear();
    }
    for (number, (good, behind)) in &taken {
        let file = name_of(Name::wal(*number));
        report.taken.push(Taken { file, count: good + behind, snapshot: false, behind_damage: *behind });
    }
    for segment in segments {
        let left = behind.values().filter(|(_, number)| *number == segment.number).count() as u64;
        segment.tell_dropped(left, &mut report.dropped);
    }
    Ok(())
}

/// Tells which records no file holds.
fn missing(behind: &BTreeMap<u64, (bool, u64)>, mut next: u64, report: &mut SalvageReport) {
    for &sequence in behind.keys() {
        if sequence > next {
            report.dropped.push(Dropped {
                file: None,
                offset: None,
                reason: Some(Reason::SequenceGap),
                detail: match sequence - next {
                    1 => format!("record {next} is in no file"),
                    _ => format!("records {next} to {} are in no file", sequence - 1),
                },
                records: 0,
            });
        }
        next = sequence + 1;
    }
}

fn apply(entries: &mut Entries, ops: Vec<crate::inspect::ItemOp>) {
    for (key, value) in ops {
        match value {
            Some(value) => drop(entries.insert(key, value)),
            None => drop(entries.remove(&key)),
        }
    }
}

fn name_of(name: Name) -> String {
    let mut text = String::new();
    name.push_to(&mut text);
    text
}
