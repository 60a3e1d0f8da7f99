//! Compaction: a snapshot of the state replaces the log, and a new epoch begins.
//!
//! Snapshot and new segment are durable, names and content, before the new manifest has its name; the old
//! files go only when that name is durable. So at every instant a crash leaves the old epoch or the new one,
//! whole. A compaction that fails is rolled back and the old log goes on; where the switch may have happened
//! and cannot provably be undone, the store stops.

use crate::error::Error;
use crate::manifest::Manifest;
use crate::names::Name;
use crate::planted::Planted;
use crate::snapshot::{self, SnapshotHeader};
use crate::state::Event;
use crate::store::Store;
use crate::wal::{Draft, Log, SegmentHeader};

/// Retired segments kept for recycling; more are removed.
const RETIRED_MAX: usize = 2;

/// The files of the next epoch, while they are being made.
struct Attempt {
    epoch: u64,
    snapshot: u64,
    segment: u64,
    manifest: u64,
    /// The rename that is the switch was tried.
    switch_tried: bool,
}

impl Store {
    /// Replaces the log by a snapshot and begins a new epoch. If it fails, everything is as before, unless
    /// the error says that the store has stopped ([`Store::state`]).
    pub fn compact(&mut self) -> Result<(), Error> {
        self.check_writable()?;
        self.machine.step(Event::CompactionBegan)?;
        let mut attempt = Attempt {
            epoch: self.live.epoch + 1,
            snapshot: self.live.allocate(),
            segment: self.live.allocate(),
            manifest: self.live.allocate(),
            switch_tried: false,
        };
        let switched = match self.options.planted {
            Planted::SnapshotAfterLogReplaced => self.switch_log_first(&mut attempt),
            _ => self.switch_epoch(&mut attempt),
        };
        match switched {
            Ok((manifest, log)) => {
                self.machine.step(Event::CompactionEnded)?;
                self.last_compaction_error = None;
                self.adopt(&attempt, manifest, log);
                Ok(())
            }
            Err(error) => Err(self.roll_back(&attempt, error)),
        }
    }

    pub(crate) fn wants_compaction(&self) -> bool {
        self.options.compact_ops.is_some_and(|max| self.live.ops >= max)
            || self.options.compact_log_bytes.is_some_and(|max| self.live.log_bytes >= max)
    }

    fn switch_epoch(&mut self, attempt: &mut Attempt) -> Result<(Name, Log), Error> {
        let planted = self.options.planted;
        let first_sequence = self.live.next_sequence;
        let header =
            SnapshotHeader { epoch: attempt.epoch, number: attempt.snapshot, next_sequence: first_sequence };
        snapshot::write(&self.dir, header, &self.memory, planted)?;
        let log = self.new_log(attempt)?;
        if planted != Planted::DirNotSyncedAfterRename {
            self.dir.sync()?;
        }
        let manifest = Manifest {
            epoch: attempt.epoch,
            snapshot: attempt.snapshot,
            segments: vec![attempt.segment],
            next_number: self.live.next_number,
            first_sequence,
        };
        if planted == Planted::WalDroppedBeforeSwitch {
            self.dir.sweep(&self.old_segments());
        }
        manifest.stage(&self.dir, attempt.manifest, planted)?;
        attempt.switch_tried = true;
        let name = manifest.switch(&self.dir, attempt.manifest, planted)?;
        if planted == Planted::OldFilesRemovedEarly {
            self.dir.sweep(&self.old_files());
        }
        if planted != Planted::DirNotSyncedAfterRename {
            self.dir.sync()?;
        }
        Ok((name, log))
    }

    /// The new epoch's log, empty and durable but for its name.
    fn new_log(&mut self, attempt: &Attempt) -> Result<Log, Error> {
        let header = SegmentHeader {
            epoch: attempt.epoch,
            number: attempt.segment,
            predecessor: 0,
            first_sequence: self.live.next_sequence,
        };
        let draft = match self.options.planted {
            Planted::VersionHeaderDropped => Draft::without_header(header, self.options.planted),
            _ => Draft::new(header, self.options.planted),
        };
        let mut log = draft.finish(&self.dir, self.retired.pop())?;
        log.sync()?;
        Ok(log)
    }

    /// The order of a planted mistake: the empty log is made current, and durably so, before the snapshot of
    /// what the old log held exists.
    fn switch_log_first(&mut self, attempt: &mut Attempt) -> Result<(Name, Log), Error> {
        let planted = self.options.planted;
        let log = self.new_log(attempt)?;
        self.dir.sync()?;
        let mut manifest = Manifest {
            epoch: attempt.epoch,
            snapshot: 0,
            segments: vec![attempt.segment],
            next_number: self.live.next_number,
            first_sequence: self.live.next_sequence,
        };
        attempt.switch_tried = true;
        let first = manifest.install(&self.dir, attempt.manifest, planted)?;
        let header = SnapshotHeader {
            epoch: attempt.epoch,
            number: attempt.snapshot,
            next_sequence: self.live.next_sequence,
        };
        snapshot::write(&self.dir, header, &self.memory, planted)?;
        self.dir.sync()?;
        manifest.snapshot = attempt.snapshot;
        let number = self.live.allocate();
        manifest.next_number = self.live.next_number;
        let name = manifest.install(&self.dir, number, planted)?;
        self.live.garbage.push(first);
        Ok((name, log))
    }

    /// Everything that the old epoch consists of.
    fn old_files(&self) -> Vec<Name> {
        let mut names = self.old_segments();
        if self.live.snapshot > 0 {
            names.push(Name::snapshot(self.live.snapshot));
        }
        names.push(self.live.manifest);
        names
    }

    fn old_segments(&self) -> Vec<Name> {
        let last = self.log.as_ref().map(Log::number);
        self.live.sealed.iter().copied().chain(last).map(Name::wal).collect()
    }

    /// The new epoch is durable: goes on in it, and removes the old one's files.
    fn adopt(&mut self, attempt: &Attempt, manifest: Name, log: Log) {
        let mut old = std::mem::take(&mut self.live.garbage);
        old.extend(self.old_files());
        old.retain(|name| *name != manifest);
        let removed_early =
            matches!(self.options.planted, Planted::WalDroppedBeforeSwitch | Planted::OldFilesRemovedEarly);
        if self.options.recycle_segments && !removed_early {
            for name in self.old_segments() {
                if self.retired.len() < RETIRED_MAX {
                    old.retain(|other| *other != name);
                    self.retired.push(name);
                }
            }
        }
        self.live.epoch = attempt.epoch;
        self.live.manifest = manifest;
        self.live.snapshot = attempt.snapshot;
        self.live.sealed.clear();
        self.live.first_sequence = self.live.next_sequence;
        self.durable = self.live.first_sequence - 1;
        self.live.ops = 0;
        self.live.log_bytes = 0;
        self.log = Some(log);
        self.live.garbage = self.dir.sweep(&old);
    }

    /// Removes what the attempt made. If the switch was tried, its name must be gone for certain, and durably,
    /// before the files it refers to may go and the old log may take another record.
    fn roll_back(&mut self, attempt: &Attempt, error: Error) -> Error {
        let manifest = Name::manifest(attempt.manifest);
        if attempt.switch_tried && self.dir.remove(manifest).and_then(|()| self.dir.sync()).is_err() {
            return self.poison(error);
        }
        let snapshot = Name::snapshot(attempt.snapshot);
        let made = [manifest.tmp(), snapshot.tmp(), snapshot, Name::wal(attempt.segment)];
        let left = self.dir.sweep(&made);
        self.live.garbage.extend(left);
        match self.machine.step(Event::CompactionEnded) {
            Ok(()) => error,
            Err(internal) => internal,
        }
    }
}
