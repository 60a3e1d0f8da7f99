//! The writing half of recovery, and creation: makes what the files prove durable, under fresh names, and only
//! then removes what is not needed any more.
//!
//! What the cache shows need not be on the disk, and syncing a file again after a failed sync writes nothing.
//! So recovery relies on old files only where an earlier step cannot have gone on without their being durable:
//! what a manifest lists, and segments that have a successor. The last segment's records are copied; the
//! manifest is always written anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug_vfs::Vfs;

use crate::core::{Core, Live};
use crate::damage::Damage;
use crate::dir::{Dir, Listing};
use crate::error::{Error, Reason};
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::names::{Form, Kind, Name};
use crate::options::{Options, RecoveryPolicy};
use crate::planted::Planted;
use crate::reader::Scratch;
use crate::replay::{self, Proof, Replay, Stopped, Tail};
use crate::state::{Event, Machine};
use crate::store::Store;
use crate::wal::{Draft, Log, SegmentHeader};

/// What recovery found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The epoch that was current.
    pub epoch: u64,
    /// Entries loaded from the snapshot.
    pub snapshot_entries: u64,
    /// Log records replayed on it.
    pub records: u64,
    /// Log segments read.
    pub segments: u64,
    /// Where replay stopped before the end of what was written; None if the log ends cleanly.
    pub stopped: Option<Stopped>,
    /// Damaged files, and those behind the damage, kept under these names.
    pub kept: Vec<PathBuf>,
}

/// Opens or creates the store in a directory.
pub(crate) fn open(vfs: Arc<dyn Vfs>, path: &Path, options: Options) -> Result<Store, Error> {
    options.check()?;
    let dir = Arc::new(Dir::new(vfs, path));
    let mut machine = Machine::new(options.observer.clone());
    let (lock, created) = dir.lock(options.create)?;
    machine.step(Event::Locked)?;
    let listing = dir.list()?;
    let mut scratch = Scratch::default();
    let newest = replay::newest_manifest(&dir, &listing, options.planted, &mut scratch)?;
    let opened = match newest {
        None => create(&dir, created, &listing, &options)?,
        // A creation that got no further than its first manifest. That one's directory sync may have failed,
        // and then nothing makes the name durable any more: a fresh one it must be.
        Some((_, manifest)) if manifest.is_blank() && listing.data().next().is_none() => {
            create(&dir, created, &listing, &options)?
        }
        Some(newest) => {
            let number = listing.largest().max(newest.1.next_number - 1) + 1;
            let mut replay = Replay::new(&dir, &listing, newest, options.planted, scratch, Some(number));
            replay.keep_base(options.snapshot_chain_max > 0);
            restore(&dir, &listing, &options, replay.run()?, number)?
        }
    };
    let Opened { live, memory, base, log, report } = opened;
    machine.step(if log.is_some() { Event::Recovered } else { Event::FoundDamage })?;
    let mut core = Core::new(dir, options, machine, lock, log, live, report);
    core.base = base;
    Ok(Store { core, memory })
}

/// A store as it was found or made.
struct Opened {
    live: Live,
    memory: Memory,
    /// What the snapshots hold, if that was asked for.
    base: Option<Memory>,
    /// None if it must not be written.
    log: Option<Log>,
    report: RecoveryReport,
}

/// Makes an empty store. The manifest comes first and is durable before any data file exists: a directory
/// that holds data files and no manifest is never a store whose creation was cut short.
fn create(dir: &Dir, created: bool, listing: &Listing, options: &Options) -> Result<Opened, Error> {
    if let Some(name) = listing.data().next() {
        let damage = Damage::new(0, Reason::BadHeader, "there are data files, but no manifest");
        return Err(damage.into_error(&dir.path_of(name)));
    }
    if !options.create {
        return Err(Error::NotFound { path: dir.path().to_path_buf() });
    }
    if !created && listing.is_empty() {
        dir.renew_name()?;
    }
    dir.sync_parent(created)?;
    failpoint!("create::before_manifest");
    let number = listing.largest() + 1;
    let manifest = Manifest { epoch: 1, next_number: number + 1, first_sequence: 1, ..Manifest::default() };
    let manifest_name = manifest.install(dir, number, options.planted)?;
    failpoint!("create::before_log");
    let header = SegmentHeader { epoch: 1, number: number + 1, predecessor: 0, first_sequence: 1 };
    let mut log = Draft::new(header, options.planted).finish(dir, None)?;
    log.sync()?;
    failpoint!("create::before_sync_dir");
    dir.sync()?;
    let unfinished: Vec<Name> = listing.names().iter().filter(|n| **n != manifest_name).copied().collect();
    let live = Live {
        epoch: 1,
        manifest: manifest_name,
        chain: Vec::new(),
        sealed: Vec::new(),
        first_sequence: 1,
        next_sequence: 1,
        next_number: number + 2,
        ops: 0,
        log_bytes: 0,
        snapshot_entries: 0,
        snapshot_bytes: 0,
        garbage: dir.sweep(&unfinished),
        retained: Vec::new(),
    };
    let report = RecoveryReport { epoch: 1, ..RecoveryReport::default() };
    Ok(Opened { live, memory: Memory::default(), base: None, log: Some(log), report })
}

/// Makes what was proved the store's durable state. `number` is the first free one.
fn restore(
    dir: &Dir,
    listing: &Listing,
    options: &Options,
    proof: Proof,
    number: u64,
) -> Result<Opened, Error> {
    let planted = options.planted;
    let mut report = RecoveryReport {
        epoch: proof.manifest.epoch,
        snapshot_entries: proof.snapshot_entries,
        records: proof.records,
        segments: proof.segments_read,
        stopped: proof.stopped,
        kept: Vec::new(),
    };
    let mut live = Live {
        epoch: proof.manifest.epoch,
        manifest: proof.manifest_name,
        chain: proof.chain,
        sealed: proof.segments,
        first_sequence: proof.manifest.first_sequence,
        next_sequence: proof.next_sequence,
        next_number: number + 2,
        ops: proof.ops,
        log_bytes: proof.log_bytes,
        snapshot_entries: proof.snapshot_entries,
        snapshot_bytes: proof.snapshot_bytes,
        garbage: Vec::new(),
        retained: Vec::new(),
    };
    if let Some(stopped) = report.stopped.as_ref().filter(|s| s.sealed) {
        let in_snapshot = proof.in_snapshot;
        match options.recovery {
            RecoveryPolicy::ReadOnly => {
                return Ok(Opened { live, memory: proof.memory, base: None, log: None, report });
            }
            RecoveryPolicy::Stop if !in_snapshot => {}
            RecoveryPolicy::Stop | RecoveryPolicy::Refuse => {
                return Err(
                    Damage::new(stopped.offset, stopped.reason, stopped.detail).into_error(&stopped.file)
                );
            }
        }
        report.kept = keep_damaged(dir, listing, &live.sealed, proof.cut_short)?;
    }
    let log = match proof.tail {
        Tail::Resume(segment, end, tail) => {
            let file = dir.open_to_write(Name::wal(segment.header.number))?;
            Log::resume(segment.header, file, end, &tail, planted)
        }
        Tail::Copy(draft) => make_durable(dir, draft, planted)?,
        Tail::Prefix(segment, upto) => {
            make_durable(dir, replay::copy_prefix(dir, &segment, upto, number)?, planted)?
        }
        Tail::New { predecessor } => {
            let header =
                SegmentHeader { epoch: live.epoch, number, predecessor, first_sequence: live.next_sequence };
            make_durable(dir, Draft::new(header, planted), planted)?
        }
    };
    let manifest = live.manifest_with(&log);
    let chain = live.chain.clone();
    let retained = retained(listing, options);
    let orphans = |current: Name| -> Vec<Name> {
        let live = |n: &Name| {
            *n == current
                || (n.kind == Kind::Snapshot && n.form == Form::Plain && chain.contains(&n.number))
                || (n.kind == Kind::Wal && n.form == Form::Plain && manifest.segments.contains(&n.number))
                || (n.form == Form::Retained && retained.contains(&n.number))
        };
        listing.names().iter().filter(|n| n.form != Form::Damaged && !live(n)).copied().collect()
    };
    if planted == Planted::OrphansRemovedEarly {
        dir.sweep(&orphans(Name::manifest(number + 1)));
    }
    failpoint!("recover::before_manifest");
    live.manifest = manifest.install(dir, number + 1, planted)?;
    failpoint!("recover::before_remove");
    live.garbage = dir.sweep(&orphans(live.manifest));
    live.retained = retained;
    Ok(Opened { live, memory: proof.memory, base: proof.base, log: Some(log), report })
}

/// The newest of the segments that an earlier run has retained, ascending.
fn retained(listing: &Listing, options: &Options) -> Vec<u64> {
    let all = listing.names().iter().filter(|n| n.form == Form::Retained && n.kind == Kind::Wal);
    let mut numbers: Vec<u64> = all.map(|n| n.number).collect();
    let excess = numbers.len().saturating_sub(options.retain_segments as usize);
    numbers.drain(..excess);
    numbers
}

/// Syncs a new segment and its name: from here on a manifest may list it.
#[track_caller]
fn make_durable(dir: &Dir, draft: Draft, planted: Planted) -> Result<Log, Error> {
    failpoint!("recover::before_copy");
    let mut log = draft.finish(dir, None)?;
    failpoint!("recover::before_sync");
    if planted != Planted::DeadTailCutNotSynced {
        log.sync()?;
    }
    dir.sync()?;
    Ok(log)
}

/// Gives every segment that is not good to its end a second name that recovery does not touch. The names are
/// durable before the manifest that does without these segments, by the sync that its new segment needs.
fn keep_damaged(
    dir: &Dir,
    listing: &Listing,
    good: &[u64],
    cut_short: Option<u64>,
) -> Result<Vec<PathBuf>, Error> {
    let mut kept = Vec::new();
    for number in listing.numbers(Kind::Wal).filter(|n| !good.contains(n) || cut_short == Some(*n)) {
        let name = Name::wal(number);
        dir.link(name, name.damaged())?;
        kept.push(dir.path_of(name.damaged()));
    }
    Ok(kept)
}
