//! Compaction: a snapshot of the state replaces the log up to a cut, and a new epoch begins.
//!
//! A compaction is a sequence of small steps. The first cuts the log: a new segment takes what is written from
//! here on, and a clone of the state in memory holds what was written before. Then that is written out, a
//! piece a step, while writes go on; then a manifest makes snapshot and new segments the store; then the old
//! files go. Steps that need no more than the compaction itself can be made while others use the store.
//!
//! The snapshot is durable, name and content, before the new manifest has its name; the old files go only when
//! that name is durable. So at every instant a crash leaves the old epoch or the new one, whole. A compaction
//! that fails is rolled back and the old log goes on, with the segments behind the cut; the next one writes
//! the same snapshot for the same cut. Where the switch may have happened and cannot provably be undone, the
//! store stops.

mod drive;

use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::dir::Dir;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::names::Name;
use crate::planted::Planted;
use crate::snapshot::Writer;
use crate::state::State;
use crate::wal::Log;

/// Old segments kept for recycling; more are removed.
const RECYCLED_MAX: usize = 2;

/// Names removed in one step.
const SWEEP_STEP: usize = 2;

/// How far a compaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What it is doing.
    pub phase: CompactionPhase,
    /// Entries of the state that it has looked at.
    pub entries_done: u64,
    /// Entries of the state.
    pub entries: u64,
    /// Bytes of the snapshot so far.
    pub bytes_written: u64,
    /// The last write that the snapshot will hold.
    pub sequence: u64,
}

/// What a compaction is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactionPhase {
    /// Writing the snapshot.
    Writing,
    /// Making it current.
    Switching,
    /// Removing what it replaces.
    Sweeping,
}

/// Where the log was cut, and the state there.
pub(crate) struct Cut {
    /// The first record that the snapshot does not hold.
    next_sequence: u64,
    state: Memory,
    /// The first segment behind the cut.
    first_segment: u64,
    ops: u64,
    log_bytes: u64,
}

/// A compaction at work.
pub(crate) struct Compaction {
    dir: Arc<Dir>,
    planted: Planted,
    cut: Cut,
    epoch: u64,
    snapshot: u64,
    manifest: u64,
    /// The snapshot that this one is a difference to.
    base: Option<u64>,
    writer: Writer,
    step: Step,
    /// Old segments that are retained: they get another name.
    retire: Vec<Name>,
    /// How often a sync of the directory had failed when the first name was made.
    names: u64,
    /// The rename that is the switch was tried.
    switch_tried: bool,
    started: Option<Duration>,
}

enum Step {
    /// Write a piece of the snapshot.
    Write,
    /// Choose what the manifest says; with the store.
    Choose,
    /// Install it.
    Switch(Manifest),
    /// Go on in the new epoch; with the store.
    Adopt(Name),
    /// Remove these.
    Sweep(Vec<Name>, Vec<Name>),
    /// Done; with the store.
    End(Vec<Name>),
}

impl Compaction {
    /// Whether the next step is [`step_with`](Compaction::step_with).
    pub(crate) fn needs_store(&self) -> bool {
        matches!(self.step, Step::Choose | Step::Adopt(_) | Step::End(_))
    }

    pub(crate) fn progress(&self) -> Progress {
        let phase = match self.step {
            Step::Write => CompactionPhase::Writing,
            Step::Choose | Step::Switch(_) | Step::Adopt(_) => CompactionPhase::Switching,
            Step::Sweep(..) | Step::End(_) => CompactionPhase::Sweeping,
        };
        Progress {
            phase,
            entries_done: self.writer.entries_seen(),
            entries: self.cut.state.len() as u64,
            bytes_written: self.writer.bytes_written(),
            sequence: self.cut.next_sequence - 1,
        }
    }

    /// A step that the store's other users need not wait for: so many bytes of the snapshot, or two removals.
    pub(crate) fn step_alone(&mut self, bytes: usize) -> Result<(), Error> {
        match &mut self.step {
            Step::Write => {
                let next = self.writer.write(&self.dir, &self.cut.state, bytes)?;
                if next {
                    let synced = self.planted != Planted::SegmentRemovedEarly;
                    self.writer.finish(&self.dir, synced)?;
                    failpoint!("compact::before_sync_dir");
                    if self.planted != Planted::DirNotSyncedAfterRename {
                        self.dir.sync_names(self.names)?;
                    }
                    self.step = Step::Choose;
                }
            }
            Step::Switch(manifest) => {
                failpoint!("compact::before_stage");
                manifest.stage(&self.dir, self.manifest, self.planted)?;
                self.switch_tried = true;
                failpoint!("compact::before_switch");
                let name = manifest.switch(&self.dir, self.manifest, self.planted)?;
                if self.planted != Planted::DirNotSyncedAfterRename
                    && self.planted != Planted::OldFilesRemovedEarly
                {
                    self.dir.sync_names(self.names)?;
                }
                failpoint!("compact::after_switch");
                self.step = Step::Adopt(name);
            }
            Step::Sweep(names, left) => {
                failpoint!("compact::before_remove");
                let retiring = !self.retire.is_empty();
                let from = if retiring { &mut self.retire } else { &mut *names };
                let some: Vec<Name> = from.drain(..from.len().min(SWEEP_STEP)).collect();
                left.extend(if retiring { self.dir.retire(&some) } else { self.dir.sweep(&some) });
                if names.is_empty() && self.retire.is_empty() {
                    let left = std::mem::take(left);
                    if self.planted == Planted::SegmentRemovedEarly {
                        self.writer.sync()?;
                    }
                    self.step = Step::End(left);
                }
            }
            Step::Choose | Step::Adopt(_) | Step::End(_) => {}
        }
        Ok(())
    }

    /// A step that changes the store; returns whether it was the last one.
    fn step_with(&mut self, core: &mut Core) -> Result<bool, Error> {
        match &mut self.step {
            Step::Choose => {
                let first = self.cut.first_segment;
                let sealed = core.live.sealed.iter().copied().filter(|number| *number >= first);
                let manifest = Manifest {
                    epoch: self.epoch,
                    snapshot: self.snapshot,
                    segments: sealed.chain(core.log.as_ref().map(Log::number)).collect(),
                    next_number: core.live.next_number,
                    first_sequence: self.cut.next_sequence,
                };
                if self.planted == Planted::WalDroppedBeforeSwitch {
                    self.dir.sweep(&self.old_segments(core));
                }
                self.step = Step::Switch(manifest);
            }
            Step::Adopt(name) => {
                let name = *name;
                let old = self.adopt(core, name);
                if self.planted == Planted::OldFilesRemovedEarly {
                    self.dir.sweep(&old);
                    self.dir.sync()?;
                }
                self.step = Step::Sweep(old, Vec::new());
            }
            Step::End(left) => {
                core.live.garbage.append(left);
                return Ok(true);
            }
            Step::Write | Step::Switch(_) | Step::Sweep(..) => {}
        }
        Ok(false)
    }

    fn old_segments(&self, core: &Core) -> Vec<Name> {
        let first = self.cut.first_segment;
        core.live.sealed.iter().copied().filter(|number| *number < first).map(Name::wal).collect()
    }

    /// The new epoch is durable: goes on in it, and returns the old one's files.
    fn adopt(&mut self, core: &mut Core, manifest: Name) -> Vec<Name> {
        let segments = self.old_segments(core);
        let mut old = std::mem::take(&mut core.live.garbage);
        let removed_early =
            matches!(self.planted, Planted::WalDroppedBeforeSwitch | Planted::OldFilesRemovedEarly);
        let mut kept = core.retain(segments.len());
        for (i, name) in segments.into_iter().enumerate() {
            let recycled =
                core.options.recycle_segments && !removed_early && core.recycled.len() < RECYCLED_MAX;
            if i >= kept.from && !removed_early {
                kept.numbers.push(name.number);
                self.retire.push(name);
            } else if recycled {
                core.recycled.push(name);
            } else {
                old.push(name);
            }
        }
        old.append(&mut kept.dropped);
        core.live.retained.append(&mut kept.numbers);
        let live = &mut core.live;
        match self.base {
            Some(_) if self.planted == Planted::BaseRemovedEarly => {
                old.extend(live.chain.iter().map(|number| Name::snapshot(*number)));
            }
            Some(_) => {}
            None => old.extend(live.chain.drain(..).map(Name::snapshot)),
        }
        if live.manifest != manifest {
            old.push(live.manifest);
        }
        live.chain.push(self.snapshot);
        live.epoch = self.epoch;
        live.manifest = manifest;
        live.sealed.retain(|number| *number >= self.cut.first_segment);
        live.first_sequence = self.cut.next_sequence;
        live.ops -= self.cut.ops;
        live.log_bytes -= self.cut.log_bytes;
        let counts = &mut core.recorder.counts;
        let replaced = if self.base.is_none() { live.snapshot_bytes } else { 0 };
        counts.compacted_bytes_in += replaced + self.cut.log_bytes;
        counts.compacted_bytes_out += self.writer.bytes_written();
        live.snapshot_bytes = live.snapshot_bytes - replaced + self.writer.bytes_written();
        live.snapshot_entries = match self.base {
            Some(_) => live.snapshot_entries + self.writer.entries_written(),
            None => self.writer.entries_written(),
        };
        core.durable = core.durable.max(self.cut.next_sequence - 1);
        core.base = (core.options.snapshot_chain_max > 0).then(|| self.cut.state.clone());
        old
    }

    /// Removes what the attempt made. If the switch was tried, its name must be gone for certain, and durably,
    /// before the files it refers to may go and the old log may take another record.
    fn roll_back(self, core: &mut Core, error: Error) -> (Cut, Error) {
        // Once the new epoch is there, there is nothing to go back to.
        let adopted = core.live.epoch >= self.epoch;
        if core.state() == State::Failed || adopted {
            return (self.cut, error);
        }
        let manifest = Name::manifest(self.manifest);
        let names = self.dir.names();
        let undone = || self.dir.remove(manifest).and_then(|()| self.dir.sync_names(names));
        if self.switch_tried && undone().is_err() {
            return (self.cut, core.poison(error));
        }
        let snapshot = Name::snapshot(self.snapshot);
        let left = self.dir.sweep(&[manifest.tmp(), snapshot.tmp(), snapshot]);
        core.live.garbage.extend(left);
        (self.cut, error)
    }
}
