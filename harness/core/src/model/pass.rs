//! The walk over a recording that applies a model to it, event by event.

use rustc_hash::FxHashMap;

use super::failed::Failed;
use super::persisted::{Persisted, Point};
use super::{DirSync, FileSync, Model, Order, Rename, SizeImplies, TornSide};
use crate::disk::{BLOCK, CellId, CellKey, Recording, SECTOR, SizeFn, Update, Value};
use crate::trace::{Call, EventKind, Inode, Pos};

/// A content version that an event made: the byte offset of its unit, and the version.
type Data = (u64, Point);

/// What a call does to a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Writes or reserves.
    Write,
    Zero,
    /// Sets this length.
    SetLen(u64),
}

/// An implication that a later change takes back.
pub(super) struct Passing {
    pub(super) from: Point,
    pub(super) to: Point,
    /// Of a size: the page it ends in. A later size that ends in the same one takes nothing back.
    page: Option<u64>,
}

pub(super) struct Pass<'a> {
    pub(super) model: &'a Model,
    pub(super) recording: &'a Recording,
    pub(super) persisted: Persisted,
    /// Cells with versions that are perhaps not durable, by the inode whose sync covers them.
    pub(super) pending: FxHashMap<Inode, Vec<CellId>>,
    /// Changes of names, by the file or directory that they concern.
    names: FxHashMap<Inode, Vec<Point>>,
    /// The last element of the ordered class.
    pub(super) last_ordered: Vec<Point>,
    /// Implications that hold only as long as a cell does not change again, by that cell.
    pub(super) passing: FxHashMap<CellId, Vec<Passing>>,
    /// The last change of each page, where pages are the torn unit.
    last_of_page: FxHashMap<(Inode, u64), Point>,
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
            last_ordered: Vec::new(),
            passing: FxHashMap::default(),
            last_of_page: FxHashMap::default(),
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
                self.change_names(&points(updates), &[*a_inode, *b_inode], how, at);
            }
            Call::LostWrite { inode, .. } => self.lost_write(*inode, updates, at),
            Call::Write { inode, .. } | Call::Allocate { inode, .. } => {
                self.change_content(*inode, updates, Change::Write, at);
            }
            Call::ZeroRange { inode, .. } => self.change_content(*inode, updates, Change::Zero, at),
            Call::SetLen { inode, len } => self.change_content(*inode, updates, Change::SetLen(*len), at),
            Call::SyncFile { inode, data_only } => self.sync_file(*inode, *data_only, at),
            Call::SyncDir { dir } => self.sync_dir(*dir, at),
            Call::SyncAll => self.sync_all(at),
            Call::Failed { sync: Some(sync), .. } => self.failed_sync(*sync, at),
            Call::Failed { sync: None, .. } => {}
        }
    }

    /// The versions imply each other.
    fn tie(&mut self, group: &[Point]) {
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
    fn order(&mut self, element: &[Point]) {
        for point in element {
            for last in &self.last_ordered {
                self.persisted.imply(*point, *last);
            }
        }
        self.last_ordered.clear();
        self.last_ordered.extend_from_slice(element);
    }

    fn order_size(&mut self, inode: Inode, size: Point) {
        let is_its_data = |point: &Point| matches!(self.recording.cell(point.0).key, CellKey::Data { inode: of, .. } if of == inode);
        for data in self.last_ordered.iter().filter(|point| is_its_data(point)) {
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
                self.imply_for_now(*new, *old);
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

    /// Ties two names of a rename until one of them changes again: what is then recorded of a name is its
    /// latest state, not how it came about.
    fn imply_for_now(&mut self, from: Point, to: Point) {
        self.persisted.imply(from, to);
        for cell in [from.0, to.0] {
            self.passing.entry(cell).or_default().push(Passing { from, to, page: None });
        }
    }

    /// A cell gets one more version: takes back what held only until then. A size ends in `page`.
    fn changed_again(&mut self, cell: CellId, page: Option<u64>, at: Pos) {
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

    /// Content and size versions of one event.
    pub(super) fn change_content(&mut self, inode: Inode, updates: &[Update], how: Change, at: Pos) {
        let mut data: Vec<Data> = Vec::new();
        let mut garbage: Vec<Data> = Vec::new();
        let mut sizes: Vec<(u64, Point)> = Vec::new();
        for update in updates {
            let cell = self.recording.cell(update.cell);
            let point = (update.cell, update.index);
            match (&cell.key, cell.versions[update.index as usize - 1].value) {
                (CellKey::Data { unit, .. }, Value::Data(_)) => {
                    data.push((unit * self.recording.unit() as u64, point));
                }
                (CellKey::Data { unit, .. }, Value::Garbage(_)) => {
                    garbage.push((unit * self.recording.unit() as u64, point));
                }
                (_, Value::Size(SizeFn::Absolute(size) | SizeFn::AtLeast(size))) => sizes.push((size, point)),
                _ => {}
            }
        }
        for sector in garbage.chunk_by(|a, b| a.0 / SECTOR as u64 == b.0 / SECTOR as u64) {
            let group: Vec<Point> = sector.iter().map(|(_, point)| *point).collect();
            self.tie(&group);
        }
        if how == Change::Zero {
            // The size moves first, in a step of its own.
            self.grow(inode, &sizes, &[], at);
        }
        self.tear(inode, &data, at);
        if self.model.data == Order::InOrder {
            for sector in data.chunk_by(|a, b| a.0 / SECTOR as u64 == b.0 / SECTOR as u64) {
                let element: Vec<Point> = sector.iter().map(|(_, point)| *point).collect();
                self.order(&element);
            }
        }
        match (how, sizes.first()) {
            (Change::SetLen(len), Some((_, size))) if self.recording.shrinks(at) => {
                self.shrink(inode, len, *size, &data, at);
            }
            (Change::Zero, _) => {}
            _ => self.grow(inode, &sizes, &data, at),
        }
    }

    /// What survives together within one event, and with earlier events on the same page.
    fn tear(&mut self, inode: Inode, data: &[Data], at: Pos) {
        if self.model.torn_unit > SECTOR as u32 {
            let page_len = u64::from(self.model.torn_unit);
            for page in data.chunk_by(|a, b| a.0 / page_len == b.0 / page_len) {
                let group: Vec<Point> = page.iter().map(|(_, point)| *point).collect();
                self.tie(&group);
                if let Some(last) = self.last_of_page.insert((inode, page[0].0 / page_len), group[0]) {
                    self.persisted.imply(group[0], last);
                }
            }
        } else if self.model.torn_unit < SECTOR as u32 {
            data.iter().for_each(|piece| self.tear_sector(inode, *piece, at));
        }
    }

    /// A sector is written from one end to the other: a piece implies its neighbour as it was by then.
    fn tear_sector(&mut self, inode: Inode, (offset, point): Data, at: Pos) {
        let unit_len = self.recording.unit() as u64;
        let neighbour = match self.model.torn_side {
            TornSide::Left => offset.checked_sub(unit_len),
            TornSide::Right => Some(offset + unit_len),
        };
        let sector = |offset: u64| offset / SECTOR as u64;
        let Some(neighbour) = neighbour.filter(|n| sector(*n) == sector(offset)) else { return };
        if let Some(cell) = self.recording.data_cell_of(inode, neighbour / unit_len) {
            let index = self.recording.cell(cell).newest_before(at + 1);
            if index > 0 {
                self.persisted.imply(point, (cell, index));
            }
        }
    }

    fn shrink(&mut self, inode: Inode, len: u64, size: Point, data: &[Data], at: Pos) {
        self.changed_again(size.0, Some(page_of(len)), at);
        if self.model.shrink == Order::Free {
            return;
        }
        let kept_end = len.next_multiple_of(BLOCK);
        for (_, point) in data.iter().filter(|(offset, _)| *offset >= kept_end) {
            self.persisted.imply(size, *point);
            self.persisted.imply(*point, size);
        }
        self.order_size(inode, size);
    }

    fn grow(&mut self, inode: Inode, sizes: &[(u64, Point)], data: &[Data], at: Pos) {
        let Some((_, first)) = sizes.first() else { return };
        let in_block_end = self.durable_block_end(inode, *first);
        // What a smaller size of this event implies, the larger ones imply through it.
        let mut carried_to = 0;
        for (size, point) in sizes {
            self.changed_again(point.0, Some(page_of(*size)), at);
            let rule = if in_block_end.is_some_and(|end| *size <= end) {
                self.model.append_in_block
            } else {
                self.model.append_new_block
            };
            let from = match rule.size_implies {
                SizeImplies::Nothing => *size,
                SizeImplies::ItsPage => page_of(*size) * BLOCK,
                SizeImplies::ItsData => std::mem::replace(&mut carried_to, *size),
            };
            let its_page = rule.size_implies == SizeImplies::ItsPage;
            for (_, carried) in data.iter().filter(|(offset, _)| (from..*size).contains(offset)) {
                self.persisted.imply(*point, *carried);
                if its_page {
                    let page = Some(page_of(*size));
                    let passing = Passing { from: *point, to: *carried, page };
                    self.passing.entry(point.0).or_default().push(passing);
                } else {
                    self.failed.note_carried(inode, *point, *carried);
                }
            }
            if rule.size == Order::InOrder {
                self.order_size(inode, *point);
            }
        }
    }

    /// The end of the file's last block before the size version `first`, if a sync had made bytes of that
    /// block durable.
    fn durable_block_end(&self, inode: Inode, (cell, first): Point) -> Option<u64> {
        let size_of = |index: u32| match index.checked_sub(1) {
            Some(i) => match self.recording.cell(cell).versions[i as usize].value {
                Value::Size(SizeFn::Absolute(size) | SizeFn::AtLeast(size)) => Some(size),
                _ => None,
            },
            None => self.recording.created_here(inode).then_some(0),
        };
        let old_end = size_of(first - 1)?;
        let durable = self.persisted.durable(cell);
        let durable_end = if durable > 0 { size_of(durable)? } else { 0 };
        let block = old_end / BLOCK * BLOCK;
        (old_end > block && durable_end > block).then_some(block + BLOCK)
    }

    fn is_pending(&self, (cell, index): Point) -> bool {
        index > self.persisted.durable(cell)
    }

    fn is_size_pending(&self, inode: Inode, at: Pos) -> bool {
        let cell = self.recording.size_cell(inode);
        cell.is_some_and(|cell| self.is_pending((cell, self.recording.cell(cell).newest_before(at))))
    }

    fn are_names_pending(&self, inode: Inode) -> bool {
        self.names.get(&inode).is_some_and(|names| names.iter().any(|point| self.is_pending(*point)))
    }

    fn sync_file(&mut self, inode: Inode, data_only: bool, at: Pos) {
        let resized = self.is_size_pending(inode, at);
        let more = if data_only { self.model.fdatasync } else { self.model.fsync };
        let ordered = match more {
            FileSync::Nothing | FileSync::ItsNames => false,
            FileSync::OrderedIfResized => resized,
            FileSync::OrderedIfPending => resized || self.are_names_pending(inode),
        };
        let mut raised = self.raise_own(inode, at);
        if more == FileSync::ItsNames {
            raised |= self.raise_names(inode, at);
        }
        raised |= ordered && self.raise_ordered(at);
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

    fn sync_dir(&mut self, dir: Inode, at: Pos) {
        let own = self.raise_own(dir, at);
        let ordered = match self.model.sync_dir {
            DirSync::ItsEntries => false,
            DirSync::Ordered => self.raise_ordered(at),
            DirSync::OrderedIfChanged => own && self.raise_ordered(at),
        };
        if own || ordered {
            self.persisted.barrier(at);
        }
    }

    fn sync_all(&mut self, at: Pos) {
        let mut raised = false;
        let owners: Vec<Inode> = self.pending.keys().copied().collect();
        for owner in owners {
            raised |= self.raise_own(owner, at);
        }
        if raised {
            self.persisted.barrier(at);
        }
    }

    /// Makes everything durable that belongs to a file or directory itself.
    fn raise_own(&mut self, owner: Inode, at: Pos) -> bool {
        let mut raised = false;
        for cell in self.pending.remove(&owner).unwrap_or_default() {
            raised |= self.persisted.raise((cell, self.recording.cell(cell).newest_before(at)), at);
        }
        raised
    }

    fn raise_ordered(&mut self, at: Pos) -> bool {
        let mut raised = false;
        for last in self.last_ordered.clone() {
            raised |= self.persisted.raise(last, at);
        }
        raised
    }
}

/// The page that holds the last byte of a file of this size.
pub(super) fn page_of(size: u64) -> u64 {
    (size.max(1) - 1) / BLOCK
}
