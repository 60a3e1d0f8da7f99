//! What a sync makes durable.

use super::pass::Pass;
use super::persisted::Point;
use super::{DirSync, FileSync};
use crate::disk::{CellKey, Value};
use crate::trace::{Inode, Pos};

impl Pass<'_> {
    fn is_pending(&self, (cell, index): Point) -> bool {
        index > self.persisted.durable(cell)
    }

    /// When a pending version was made.
    fn pending_since(&self, (cell, index): Point) -> Option<Pos> {
        let made = || self.recording.cell(cell).versions[index as usize - 1].at;
        self.is_pending((cell, index)).then(made)
    }

    /// When the file's size changed last, if that is pending.
    fn resized_at(&self, inode: Inode, at: Pos) -> Option<Pos> {
        let cell = self.recording.size_cell(inode)?;
        self.pending_since((cell, self.recording.cell(cell).newest_before(at)))
    }

    /// When a name of the file changed last, if that is pending.
    fn renamed_at(&self, inode: Inode) -> Option<Pos> {
        self.names.get(&inode)?.iter().filter_map(|point| self.pending_since(*point)).max()
    }

    pub(super) fn sync_file(&mut self, inode: Inode, data_only: bool, at: Pos) {
        let more = if data_only { self.model.fdatasync } else { self.model.fsync };
        let last_change = match more {
            FileSync::Nothing | FileSync::ItsNames => None,
            FileSync::OrderedIfResized => self.resized_at(inode, at),
            FileSync::OrderedIfPending => self.resized_at(inode, at).max(self.renamed_at(inode)),
        };
        let mut raised = self.raise_own(inode, at);
        if more == FileSync::ItsNames {
            raised |= self.raise_names(inode, at);
        }
        raised |= last_change.is_some_and(|last| self.raise_ordered(last, at));
        self.metadata_changed = false;
        if raised {
            self.persisted.barrier(at);
        }
    }

    /// Makes the names durable that a file has, and the loss of those that it had on the disk. A name that it
    /// had only in passing is of no concern to its sync.
    fn raise_names(&mut self, inode: Inode, at: Pos) -> bool {
        let mut changes: Vec<Point> = self.names.remove(&inode).unwrap_or_default();
        changes.sort_unstable();
        let mut newest = changes.clone();
        newest.reverse();
        newest.dedup_by_key(|point| point.0);
        let mut raised = false;
        for (cell, index) in newest {
            let durable = self.persisted.durable(cell);
            // What lies below is only known by its loss.
            let was_below = || changes.binary_search(&(cell, 1)).is_ok() && !self.refers_to(inode, (cell, 1));
            let is_on_disk = if durable > 0 { self.refers_to(inode, (cell, durable)) } else { was_below() };
            if is_on_disk || self.refers_to(inode, (cell, index)) {
                raised |= self.persisted.raise((cell, index), at);
            }
        }
        raised
    }

    fn refers_to(&self, inode: Inode, (cell, index): Point) -> bool {
        let version = index.checked_sub(1).map(|i| self.recording.cell(cell).versions[i as usize].value);
        matches!(version, Some(Value::Entry(Some(target))) if target == inode)
    }

    pub(super) fn sync_dir(&mut self, dir: Inode, at: Pos) {
        let last_change = match self.model.sync_dir {
            DirSync::ItsEntries => None,
            DirSync::Ordered => Some(at),
            DirSync::OrderedIfChanged => self.changed_at(dir, at),
        };
        let own = self.raise_own(dir, at);
        let ordered = last_change.is_some_and(|last| self.raise_ordered(last, at));
        self.metadata_changed = false;
        if own || ordered {
            self.persisted.barrier(at);
        }
    }

    /// When an entry of the directory changed last, of those that are pending.
    fn changed_at(&self, dir: Inode, at: Pos) -> Option<Pos> {
        let newest = |cell: u32| (cell, self.recording.cell(cell).newest_before(at));
        let changed = self.pending.get(&dir)?.iter().filter_map(|cell| self.pending_since(newest(*cell)));
        changed.max()
    }

    /// Content is only sure to be durable if the journal had anything to write, and flushed the disk for it.
    pub(super) fn sync_all(&mut self, at: Pos) {
        let all = std::mem::take(&mut self.metadata_changed);
        let mut raised = false;
        let owners: Vec<Inode> = self.pending.keys().copied().collect();
        for owner in owners {
            raised |= if all { self.raise_own(owner, at) } else { self.raise_metadata(owner, at) };
        }
        if raised {
            self.persisted.barrier(at);
        }
    }

    /// Makes everything durable that belongs to a file or directory itself.
    fn raise_own(&mut self, owner: Inode, at: Pos) -> bool {
        let raised =
            self.raise_pending(owner, at, |pass, newest| Some(pass.content.synced_version(owner, newest)));
        self.content.note_synced(owner);
        raised
    }

    /// The same without the content of files.
    fn raise_metadata(&mut self, owner: Inode, at: Pos) -> bool {
        self.raise_pending(owner, at, |pass, (cell, newest)| {
            let is_content = matches!(pass.recording.cell(cell).key, CellKey::Data { .. });
            (!is_content).then_some(newest)
        })
    }

    /// Makes the pending cells of a file or directory durable, each up to the version that `synced` says of its
    /// newest one.
    fn raise_pending(&mut self, owner: Inode, at: Pos, synced: impl Fn(&Self, Point) -> Option<u32>) -> bool {
        let mut raised = false;
        let mut pending = self.pending.remove(&owner).unwrap_or_default();
        pending.retain(|cell| {
            let newest = self.recording.cell(*cell).newest_before(at);
            let synced = synced(self, (*cell, newest));
            raised |= synced.is_some_and(|index| self.persisted.raise((*cell, index), at));
            synced != Some(newest)
        });
        if !pending.is_empty() {
            self.pending.insert(owner, pending);
        }
        raised
    }

    /// Makes the elements of the ordered class durable that were made up to the event `last`.
    fn raise_ordered(&mut self, last: Pos, at: Pos) -> bool {
        let made = |(cell, index): &Point| self.recording.cell(*cell).versions[*index as usize - 1].at;
        let element = self.ordered.last_where(|point| made(point) <= last).to_vec();
        let mut raised = false;
        for point in element {
            raised |= self.persisted.raise(point, at);
        }
        raised
    }
}
