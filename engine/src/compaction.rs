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

use std::sync::Arc;
use std::time::Duration;

use crate::core::Core;
use crate::dir::Dir;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::names::Name;
use crate::planted::Planted;
use crate::snapshot::{SnapshotHeader, Writer};
use crate::state::{Event, State};
use crate::stats::Measured;
use crate::wal::Log;

/// Retired segments kept for recycling; more are removed.
const RETIRED_MAX: usize = 2;

/// Names removed in one step.
const SWEEP_STEP: usize = 2;

/// Fewer operations than this in the log are not compacted for the sake of the live ratio.
const RATIO_OPS_MIN: u64 = 100;

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
                let some: Vec<Name> = names.drain(..names.len().min(SWEEP_STEP)).collect();
                left.extend(self.dir.sweep(&some));
                if names.is_empty() {
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
        for name in segments {
            let recycled =
                core.options.recycle_segments && !removed_early && core.retired.len() < RETIRED_MAX;
            if recycled { core.retired.push(name) } else { old.push(name) }
        }
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

impl Core {
    /// After a write: a step of the compaction at work, or the beginning of one if it is time.
    pub(crate) fn maintain(&mut self, memory: &Memory) {
        if self.compaction.is_none() {
            if !self.wants_compaction(memory) {
                return;
            }
            if let Err(e) = self.begin_compaction(memory) {
                self.last_compaction_error = Some(e);
                return;
            }
        }
        let result = match self.options.compaction_step_bytes {
            None => self.run_compaction(),
            Some(bytes) => self.step_compaction(bytes),
        };
        if let Err(e) = result {
            self.last_compaction_error = Some(e);
        }
    }

    pub(crate) fn wants_compaction(&self, memory: &Memory) -> bool {
        let (options, live) = (&self.options, &self.live);
        let entries = live.ops + live.snapshot_entries;
        options.compact_ops.is_some_and(|max| live.ops >= max)
            || options.compact_log_bytes.is_some_and(|max| live.log_bytes >= max)
            || options.compact_live_ratio.is_some_and(|ratio| {
                live.ops >= RATIO_OPS_MIN && (memory.len() as f64) < ratio * entries as f64
            })
    }

    /// Cuts the log, unless a failed attempt has left a cut.
    pub(crate) fn begin_compaction(&mut self, memory: &Memory) -> Result<(), Error> {
        self.check_writable()?;
        let cut = match self.failed_cut.take() {
            Some(cut) => cut,
            None => self.cut_at(memory)?,
        };
        self.machine.step(Event::CompactionBegan)?;
        let (snapshot, manifest) = (self.live.allocate(), self.live.allocate());
        let epoch = self.live.epoch + 1;
        let short = self.live.chain.len() <= self.options.snapshot_chain_max as usize;
        let base = self.live.chain.last().copied().filter(|_| short);
        let base = base.zip(self.base.clone());
        let header = SnapshotHeader {
            epoch,
            number: snapshot,
            next_sequence: cut.next_sequence,
            base: base.as_ref().map_or(0, |(number, _)| *number),
            base_next_sequence: base.as_ref().map_or(0, |_| self.live.first_sequence),
        };
        let names = self.dir.names();
        let base_number = base.as_ref().map(|(number, _)| *number);
        let writer = Writer::new(header, base.map(|(_, state)| state), self.options.planted);
        let mut compaction = Compaction {
            dir: self.dir.clone(),
            planted: self.options.planted,
            cut,
            epoch,
            snapshot,
            manifest,
            base: base_number,
            writer,
            step: Step::Write,
            names,
            switch_tried: false,
            started: self.recorder.start(),
        };
        if self.options.planted == Planted::SnapshotAfterLogReplaced {
            let switched = self.switch_log_first(&compaction);
            compaction.manifest = self.live.allocate();
            self.compaction = Some(compaction);
            return switched;
        }
        self.compaction = Some(compaction);
        Ok(())
    }

    /// A new segment takes what comes; the state holds what was.
    fn cut_at(&mut self, memory: &Memory) -> Result<Cut, Error> {
        let epoch = self.live.epoch + 1;
        let fresh = |log: &Log| log.is_empty() && log.epoch() == epoch;
        if !self.log.as_ref().is_some_and(fresh) {
            self.cut(epoch)?;
        }
        Ok(Cut {
            next_sequence: self.live.next_sequence,
            state: memory.clone(),
            first_segment: self.log.as_ref().map_or(0, Log::number),
            ops: self.live.ops,
            log_bytes: self.live.log_bytes,
        })
    }

    /// The order of a planted mistake: the new log is made current, and durably so, before the snapshot of
    /// what the old log held exists.
    fn switch_log_first(&mut self, compaction: &Compaction) -> Result<(), Error> {
        let manifest = Manifest {
            epoch: compaction.epoch,
            snapshot: 0,
            segments: vec![compaction.cut.first_segment],
            next_number: self.live.next_number + 1,
            first_sequence: compaction.cut.next_sequence,
        };
        let number = compaction.manifest;
        let name = manifest.install(&self.dir, number, self.options.planted)?;
        self.live.garbage.push(name);
        Ok(())
    }

    /// One step; Ok if there is nothing to do.
    pub(crate) fn step_compaction(&mut self, bytes: usize) -> Result<(), Error> {
        let Some(mut compaction) = self.compaction.take() else { return Ok(()) };
        let result = match compaction.needs_store() {
            true => self.step_in_compaction(&mut compaction),
            false => compaction.step_alone(bytes).map(|()| false),
        };
        self.after_compaction_step(compaction, result)
    }

    /// A step of a compaction that needs the store; returns whether it was the last.
    pub(crate) fn step_in_compaction(&mut self, compaction: &mut Compaction) -> Result<bool, Error> {
        // A compaction must not go on behind a writer that was stopped.
        match self.state() {
            State::Failed => self.check_writable().map(|()| false),
            _ => compaction.step_with(self),
        }
    }

    /// Puts a compaction back, ends it, or rolls it back.
    pub(crate) fn after_compaction_step(
        &mut self,
        compaction: Compaction,
        result: Result<bool, Error>,
    ) -> Result<(), Error> {
        match result {
            Ok(false) => {
                self.compaction = Some(compaction);
                Ok(())
            }
            Ok(true) => {
                self.last_compaction_error = None;
                self.recorder.counts.compactions += 1;
                self.recorder.measured(Measured::Compaction, compaction.started);
                self.machine.step(Event::CompactionEnded)
            }
            Err(error) => {
                self.recorder.counts.compactions_failed += 1;
                let adopted = self.live.epoch >= compaction.epoch;
                let (cut, error) = compaction.roll_back(self, error);
                self.failed_cut = Some(cut).filter(|_| !adopted);
                self.machine.step(Event::CompactionEnded)?;
                Err(error)
            }
        }
    }

    pub(crate) fn run_compaction(&mut self) -> Result<(), Error> {
        while self.compaction.is_some() {
            self.step_compaction(usize::MAX)?;
        }
        Ok(())
    }

    /// Rolls back the compaction at work, unless the new epoch is there already.
    pub(crate) fn cancel_compaction(&mut self) -> Result<(), Error> {
        match &self.compaction {
            Some(compaction) if self.live.epoch >= compaction.epoch => self.run_compaction(),
            Some(_) => {
                if let Some(compaction) = self.compaction.take() {
                    let cancelled = Error::Internal { what: "a compaction was given up" };
                    let (cut, _) = compaction.roll_back(self, cancelled);
                    self.failed_cut = Some(cut);
                    self.machine.step(Event::CompactionEnded)?;
                }
                self.check_writable_now()
            }
            None => Ok(()),
        }
    }
}
