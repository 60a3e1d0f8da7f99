//! The walk over a recording that applies a model to it, event by event.

use rustc_hash::FxHashMap;

use super::content::Content;
use super::failed::Failed;
use super::persisted::{Persisted, Point};
use super::{FileSync, Model, Order, Rename};
use crate::disk::{BLOCK, CellId, CellKey, Recording, Update, Value};
use crate::trace::{Call, EventKind, Inode, Pos};

/// An implication that a later change takes back.
pub(super) struct Passing {
    pub(super) from: Point,
    pub(super) to: Point,
    /// Of a size: the page it ends in. A later size that ends in the same one takes nothing back.
    pub(super) page: Option<u64>,
}

/// The ordered class: elements of one version or several.
#[derive(Default)]
pub(super) struct Ordered {
    versions: Vec<Point>,
    /// Where in `versions` each element ends.
    ends: Vec<usize>,
}

impl Ordered {
    fn push(&mut self, element: &[Point]) {
        self.versions.extend_from_slice(element);
        self.ends.push(self.versions.len());
    }

    /// The last element.
    fn last(&self) -> &[Point] {
        let begin = self.ends.len().checked_sub(2).map_or(0, |i| self.ends[i]);
        &self.versions[begin..]
    }

    /// The last element whose versions are as `is_in` says, which holds of the first ones only.
    pub fn last_where(&self, is_in: impl Fn(&Point) -> bool) -> &[Point] {
        let count = self.ends.partition_point(|end| is_in(&self.versions[end - 1]));
        let end_of = |count: usize| count.checked_sub(1).map_or(0, |i| self.ends[i]);
        &self.versions[end_of(count.saturating_sub(1))..end_of(count)]
    }

    pub fn clear(&mut self) {
        self.versions.clear();
        self.ends.clear();
    }
}

pub(super) struct Pass<'a> {
    pub(super) model: &'a Model,
    pub(super) recording: &'a Recording,
    pub(super) persisted: Persisted,
    /// Cells with versions that are perhaps not durable, by the inode whose sync covers them.
    pub(super) pending: FxHashMap<Inode, Vec<CellId>>,
    /// Changes of names, by the file or directory that they concern.
    pub(super) names: FxHashMap<Inode, Vec<Point>>,
    /// The elements of the ordered class, oldest first, since a failed sync cut it.
    pub(super) ordered: Ordered,
    /// Implications that hold only as long as a cell does not change again, by that cell.
    pub(super) passing: FxHashMap<CellId, Vec<Passing>>,
    /// Whether a name or a size has changed since the last sync of anything.
    pub(super) metadata_changed: bool,
    pub(super) content: Content,
    pub(super) failed: Failed,
}

impl<'a> Pass<'a> {
    pub fn new(model: &'a Model, recording: &'a Recording, persisted: Persisted) -> Pass<'a> {
        Pass {
            model,
            recording,
            persisted,
            pending: FxHashMap::default(),
            names: FxHashMap::default(),
            ordered: Ordered::default(),
            passing: FxHashMap::default(),
            metadata_changed: false,
            content: Content::new(model),
            failed: Failed::new(recording),
        }
    }

    pub fn run(mut self) -> Persisted {
        let recording = self.recording;
        let mut rest = recording.updates();
        for (at, event) in (0..).zip(&recording.trace.events) {
            let count = rest.iter().take_while(|update| update.at == at).count();
            let (updates, later) = rest.split_at(count);
            rest = later;
            if let EventKind::Call(call) = &event.kind {
                self.note_pending(updates);
                self.call(call, updates, at);
            }
        }
        self.persisted
    }

    fn note_pending(&mut self, updates: &[Update]) {
        for update in updates {
            let owner = match &self.recording.cell(update.cell).key {
                CellKey::Data { inode, .. } | CellKey::Size { inode } => *inode,
                CellKey::Entry { dir, .. } => *dir,
            };
            self.metadata_changed |= !matches!(self.recording.cell(update.cell).key, CellKey::Data { .. });
            self.pending.entry(owner).or_default().push(update.cell);
            self.note_dirty_page(owner, *update);
        }
    }

    fn call(&mut self, call: &Call, updates: &[Update], at: Pos) {
        let points = |updates: &[Update]| updates.iter().map(|u| (u.cell, u.index)).collect::<Vec<Point>>();
        match call {
            Call::Create { inode, .. }
            | Call::CreateDir { inode, .. }
            | Call::Link { inode, .. }
            | Call::Remove { inode, .. }
            | Call::RemoveDir { inode, .. } => {
                self.change_names(&points(updates), &[*inode], Rename::Atomic, at);
            }
            Call::Rename { from_dir, to_dir, inode, .. } => {
                if self.recording.moves_dir(at) {
                    self.tie(&points(updates));
                }
                let how = if from_dir == to_dir {
                    self.model.rename_within_directory
                } else {
                    self.model.rename_across_directories
                };
                let how = if self.recording.moves_dir(at) { Rename::Steps } else { how };
                self.change_names(&points(updates), &[*inode], how, at);
            }
            Call::Exchange { a_dir, b_dir, a_inode, b_inode, .. } => {
                let how = if a_dir == b_dir {
                    self.model.rename_within_directory
                } else {
                    self.model.rename_across_directories
                };
                let how = if how == Rename::Atomic { how } else { Rename::Steps };
                // A file system that logs the names of a file logs these; to others, xfs for one, the exchange
                // is no change of the files.
                let inodes = [*a_inode, *b_inode];
                let logged = [self.model.fsync, self.model.fdatasync].contains(&FileSync::ItsNames);
                self.change_names(&points(updates), if logged { &inodes } else { &[] }, how, at);
            }
            Call::LostWrite { inode, offset, data, .. } => {
                self.lost_write(*inode, (*offset, offset + u64::from(data.len)), updates, at);
            }
            Call::Write { inode, offset, data } => {
                self.write(*inode, (*offset, u64::from(data.len)), updates, at);
            }
            Call::Allocate { inode, offset, len } => self.allocate(*inode, offset + len, updates, at),
            Call::ZeroRange { inode, offset, len, keep_size } => {
                self.zero_range(*inode, (offset + len, *keep_size), updates, at);
            }
            Call::SetLen { inode, len } => self.set_len(*inode, *len, updates, at),
            Call::SyncFile { inode, data_only } => self.sync_file(*inode, *data_only, at),
            Call::SyncDir { dir } => self.sync_dir(*dir, at),
            Call::SyncAll => self.sync_all(at),
            Call::Failed { sync: Some(sync), .. } => self.failed_sync(*sync, at),
            Call::Failed { sync: None, .. } => {}
        }
    }

    /// The versions imply each other.
    pub(super) fn tie(&mut self, group: &[Point]) {
        for (i, point) in group.iter().enumerate().skip(1) {
            self.persisted.imply(group[i - 1], *point);
        }
        if let (Some(first), Some(last)) = (group.first(), group.last())
            && group.len() > 1
        {
            self.persisted.imply(*last, *first);
        }
    }

    /// Appends an element to the ordered class: a version (of tied ones one is enough), or several that only
    /// together are one.
    pub(super) fn order(&mut self, element: &[Point]) {
        if element.is_empty() {
            return;
        }
        for point in element {
            for last in self.ordered.last() {
                self.persisted.imply(*point, *last);
            }
        }
        self.ordered.push(element);
    }

    pub(super) fn order_size(&mut self, inode: Inode, size: Point) {
        let is_its_data = |point: &Point| matches!(self.recording.cell(point.0).key, CellKey::Data { inode: of, .. } if of == inode);
        for data in self.ordered.last().iter().filter(|point| is_its_data(point)) {
            self.failed.note_carried(inode, size, *data);
        }
        self.order(&[size]);
    }

    /// `points`: of a rename the old name, then the new one, with the target's removal before both where a
    /// rename has steps.
    fn change_names(&mut self, points: &[Point], inodes: &[Inode], how: Rename, at: Pos) {
        for inode in inodes {
            self.names.entry(*inode).or_default().extend_from_slice(points);
        }
        let in_order = self.model.directory_operations == Order::InOrder;
        if !in_order {
            points.iter().for_each(|point| self.changed_again(point.0, None, at));
        }
        match (how, points) {
            (Rename::Atomic, [old, new]) if !in_order => {
                self.imply_for_now(*old, *new);
                if !self.was_of_another(*old) {
                    self.imply_for_now(*new, *old);
                }
            }
            (Rename::Atomic, _) => {
                self.tie(points);
                if in_order {
                    self.order(&points[..1]);
                }
            }
            (Rename::NewBeforeOld, [old, new]) if !in_order => self.imply_for_now(*old, *new),
            (Rename::NewBeforeOld, [old, new]) => {
                self.persisted.imply(*old, *new);
                self.order(points);
            }
            _ if in_order => self.order(points),
            _ => {}
        }
    }

    /// Whether a name that goes had been another file's, which the disk may still have there: a log of the latest
    /// names of a file says nothing of those that it had only in passing.
    fn was_of_another(&self, (cell, gone): Point) -> bool {
        let versions = &self.recording.cell(cell).versions;
        if versions[gone as usize - 1].value != Value::Entry(None) {
            return false;
        }
        let was_file = |index: u32| match index.checked_sub(1) {
            Some(i) => matches!(versions[i as usize].value, Value::Entry(Some(_))),
            // What the first call found there is told by what it did.
            None => !matches!(
                self.recording.trace.events[versions[0].at as usize].kind,
                EventKind::Call(Call::Create { .. } | Call::CreateDir { .. } | Call::Link { .. })
            ),
        };
        (self.persisted.durable(cell)..gone - 1).any(was_file)
    }

    /// Ties two names of a rename until one of them changes again: what is then recorded of a name is its
    /// latest state, not how it came about.
    fn imply_for_now(&mut self, from: Point, to: Point) {
        self.persisted.imply(from, to);
        for cell in [from.0, to.0] {
            self.passing.entry(cell).or_default().push(Passing { from, to, page: None });
        }
    }

    /// A cell gets one more version: takes back what held only until then. A size ends in `page`.
    pub(super) fn changed_again(&mut self, cell: CellId, page: Option<u64>, at: Pos) {
        let Some(passing) = self.passing.get_mut(&cell) else { return };
        let stays = |p: &mut Passing| page.is_some() && p.page == page;
        for Passing { from, to, .. } in passing.extract_if(.., |p| !stays(p)).collect::<Vec<_>>() {
            self.persisted.forget(from, to, at);
            // The other name's change is none any more that takes it back.
            let other = if from.0 == cell { to.0 } else { from.0 };
            if let Some(passing) = self.passing.get_mut(&other).filter(|_| other != cell) {
                passing.retain(|p| (p.from, p.to) != (from, to));
            }
        }
    }
}

/// The page that holds the last byte of a file of this size.
pub(super) fn page_of(size: u64) -> u64 {
    (size.max(1) - 1) / BLOCK
}
