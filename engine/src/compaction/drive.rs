//! When a compaction begins, and who makes its steps.

use super::{Compaction, Cut, Step};
use crate::core::Core;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::planted::Planted;
use crate::snapshot::{SnapshotHeader, Writer};
use crate::state::{Event, State};
use crate::stats::Measured;
use crate::wal::Log;

/// Fewer operations than this in the log are not compacted for the sake of the live ratio.
const RATIO_OPS_MIN: u64 = 100;

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
            retire: Vec::new(),
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
