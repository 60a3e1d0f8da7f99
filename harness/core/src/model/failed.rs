//! Syncs that failed: they make nothing durable and mark what they did not write as clean. A later sync has
//! only what was made dirty since, in whole pages.

use rustc_hash::{FxHashMap, FxHashSet};

use super::FailedSize;
use super::content::Change;
use super::pass::{Pass, page_of};
use super::persisted::Point;
use crate::disk::{BLOCK, CellKey, Recording, SizeFn, Update, Value};
use crate::trace::{Call, EventKind, FailedSync, Inode, Pos};

/// What the walk has to remember because a sync fails somewhere.
#[derive(Default)]
pub(super) struct Failed {
    /// Whether any does.
    any: bool,
    /// Files of which one has failed.
    files: FxHashSet<Inode>,
    /// What sizes imply of data, by file.
    carried: FxHashMap<Inode, Vec<(Point, Point)>>,
}

impl Failed {
    pub fn new(recording: &Recording) -> Failed {
        let fails = |kind: &EventKind| matches!(kind, EventKind::Call(Call::Failed { sync: Some(_), .. }));
        Failed { any: recording.trace.events.iter().any(|event| fails(&event.kind)), ..Failed::default() }
    }

    /// A size implies data.
    pub fn note_carried(&mut self, inode: Inode, size: Point, data: Point) {
        if self.any {
            self.carried.entry(inode).or_default().push((size, data));
        }
    }
}

impl Pass<'_> {
    /// A change makes the whole page dirty that it touches; the size too, if the file ends there.
    pub(super) fn note_dirty_page(&mut self, owner: Inode, update: Update) {
        if !self.failed.files.contains(&owner) {
            return;
        }
        let recording = self.recording;
        let CellKey::Data { unit, .. } = &recording.cell(update.cell).key else { return };
        let per_page = BLOCK / recording.unit() as u64;
        let page = unit / per_page;
        let units = page * per_page..(page + 1) * per_page;
        let mut cells: Vec<_> = units.filter_map(|unit| recording.data_cell_of(owner, unit)).collect();
        if let Some(size) = recording.size_cell(owner) {
            let newest = recording.cell(size).newest_before(update.at + 1);
            let value = newest.checked_sub(1).map(|i| recording.cell(size).versions[i as usize].value);
            if let Some(Value::Size(SizeFn::Absolute(len) | SizeFn::AtLeast(len))) = value
                && page_of(len) == page
            {
                cells.push(size);
            }
        }
        self.pending.entry(owner).or_default().extend(cells);
    }

    pub(super) fn failed_sync(&mut self, sync: FailedSync, at: Pos) {
        match sync {
            FailedSync::File(inode) => self.failed_file_sync(inode, at),
            FailedSync::Dir(dir) => {
                self.pending.remove(&dir);
                // The journal was cut: what comes later says nothing of what came before.
                self.ordered.clear();
            }
        }
    }

    /// Of a write that the disk lost only the size is tied to anything.
    pub(super) fn lost_write(&mut self, inode: Inode, (from, end): (u64, u64), updates: &[Update], at: Pos) {
        let is_size = |update: &&Update| matches!(self.recording.cell(update.cell).key, CellKey::Size { .. });
        let sizes: Vec<Update> = updates.iter().filter(is_size).copied().collect();
        self.change_content(inode, &sizes, Change::Write { from, end }, at);
    }

    fn failed_file_sync(&mut self, inode: Inode, at: Pos) {
        self.pending.remove(&inode);
        self.failed.files.insert(inode);
        if self.model.failed_sync_size == FailedSize::NeedsItsData {
            return;
        }
        let ordered = self.failed.carried.remove(&inode).unwrap_or_default();
        for (size, data) in self.content.take_carried(inode).into_iter().chain(ordered) {
            self.persisted.forget(size, data, at);
        }
        let passing = self.recording.size_cell(inode).and_then(|size| self.passing.remove(&size));
        for implied in passing.into_iter().flatten() {
            self.persisted.forget(implied.from, implied.to, at);
        }
    }
}
