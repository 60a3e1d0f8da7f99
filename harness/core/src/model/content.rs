//! What calls do to the content and the sizes of files, as a model has it.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::pass::{Pass, Passing, page_of};
use super::persisted::Point;
use super::{Append, Model, Order, SizeImplies, TornSide};
use crate::disk::{BLOCK, CellId, CellKey, SECTOR, SizeFn, Update, Value};
use crate::trace::{Inode, Pos};

/// A content version that an event made: the byte offset of its unit, and the version.
type Data = (u64, Point);

/// What a call does to a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Writes these bytes, if any.
    Write { from: u64, end: u64 },
    /// Reserves up to this byte.
    Reserve(u64),
    /// Zeroes up to this byte.
    Zero(u64),
    /// Sets this length.
    SetLen(u64),
}

impl Change {
    /// A size up to here is a step over a gap behind the file's end, to where the change is.
    fn gap_end(self) -> u64 {
        match self {
            Change::Write { from, .. } => from,
            Change::Reserve(end) | Change::Zero(end) | Change::SetLen(end) => end.saturating_sub(1),
        }
    }
}

/// What the walk has to remember of the content of files.
pub(super) struct Content {
    /// Whether it matters which blocks have space of their own.
    blocks_matter: bool,
    /// Whether sizes imply all their data.
    sizes_carry: bool,
    /// By unit: the first version that was written since its block has had space of its own.
    first_written: FxHashMap<CellId, u32>,
    /// The last change of each page, where pages are the torn unit.
    last_of_page: FxHashMap<(Inode, u64), Point>,
    /// Files with changes that no sync has made durable; the page in which they end, if they are writes each of
    /// which began in the page where the one before had ended: then they are written back one after the other, or
    /// together. Of others, any may be, and takes the size along.
    unsynced: FxHashMap<Inode, Option<u64>>,
    /// What sizes imply of data as long as that is so.
    carried: FxHashMap<Inode, Vec<(Point, Point)>>,
    /// Tails that were cut off.
    cut: FxHashMap<Inode, Cut>,
}

/// The tails of kept blocks that were zeroed by shrinking, on whose account nothing is written: the cache has
/// zeros behind the end of the file, the disk may have what was cut.
struct Cut {
    /// The file's length.
    len: u64,
    zeroed: Vec<Point>,
    /// Whether a sync has passed them over.
    synced: bool,
}

impl Content {
    pub fn new(model: &Model) -> Content {
        let carries = |append: Append| append.size_implies == SizeImplies::ItsData;
        Content {
            blocks_matter: model.append_in_block != model.append_new_block,
            sizes_carry: carries(model.append_in_block) || carries(model.append_new_block),
            first_written: FxHashMap::default(),
            last_of_page: FxHashMap::default(),
            unsynced: FxHashMap::default(),
            carried: FxHashMap::default(),
            cut: FxHashMap::default(),
        }
    }

    /// A sync of the file wrote what there was to write.
    pub fn note_synced(&mut self, inode: Inode) {
        if let Some(cut) = self.cut.get_mut(&inode) {
            cut.synced = true;
        }
        self.unsynced.remove(&inode);
        self.carried.remove(&inode);
    }

    /// What sizes of the file implied of its data, as far as that holds.
    pub fn take_carried(&mut self, inode: Inode) -> Vec<(Point, Point)> {
        self.carried.remove(&inode).unwrap_or_default()
    }

    /// The newest version up to `index` that a sync writes: not the zeros behind a file's end.
    pub fn synced_version(&self, inode: Inode, (cell, mut index): Point) -> u32 {
        if let Some(cut) = self.cut.get(&inode) {
            while cut.zeroed.contains(&(cell, index)) {
                index -= 1;
            }
        }
        index
    }

    /// A file that grows behind where it was cut has the rest of that page written anew.
    fn grown_to(&mut self, inode: Inode, end: u64) {
        if self.cut.get(&inode).is_some_and(|cut| end > cut.len) {
            self.cut.remove(&inode);
        }
    }
}

impl Pass<'_> {
    pub(super) fn write(&mut self, inode: Inode, (offset, len): (u64, u64), updates: &[Update], at: Pos) {
        let end = offset + len;
        if len > 0 {
            self.write_over_cut(inode, offset / BLOCK..end.div_ceil(BLOCK), updates);
            self.content.grown_to(inode, end);
        }
        self.change_content(inode, updates, Change::Write { from: offset, end }, at);
    }

    /// Pages of the file are written, zeros and all. Those that a sync has passed over are there with what is
    /// written now: no file system is known that writes them late and tears the page too.
    fn write_over_cut(&mut self, inode: Inode, pages: Range<u64>, updates: &[Update]) {
        let Some(cut) = self.content.cut.get(&inode) else { return };
        let page_of = |cell: CellId| match self.recording.cell(cell).key {
            CellKey::Data { unit, .. } => Some(unit * self.recording.unit() as u64 / BLOCK),
            _ => None,
        };
        let is_written = |zeroed: &&Point| page_of(zeroed.0).is_some_and(|page| pages.contains(&page));
        let zeroed: Vec<Point> = cut.zeroed.iter().filter(is_written).copied().collect();
        let tied = cut.synced && self.model.torn_unit >= SECTOR as u32;
        if zeroed.is_empty() {
            return;
        }
        self.content.cut.remove(&inode);
        for update in updates.iter().filter(|_| tied) {
            for zero in zeroed.iter().filter(|zero| page_of(zero.0) == page_of(update.cell)) {
                self.persisted.imply((update.cell, update.index), *zero);
            }
        }
    }

    pub(super) fn allocate(&mut self, inode: Inode, end: u64, updates: &[Update], at: Pos) {
        self.content.grown_to(inode, end);
        self.change_content(inode, updates, Change::Reserve(end), at);
    }

    pub(super) fn zero_range(
        &mut self,
        inode: Inode,
        (end, keep_size): (u64, bool),
        updates: &[Update],
        at: Pos,
    ) {
        if !keep_size {
            self.content.grown_to(inode, end);
        }
        self.change_content(inode, updates, Change::Zero(end), at);
    }

    pub(super) fn set_len(&mut self, inode: Inode, len: u64, updates: &[Update], at: Pos) {
        self.content.grown_to(inode, len);
        if let Some(size) = self.recording.size_cell(inode) {
            self.changed_again(size, None, at);
        }
        self.change_content(inode, updates, Change::SetLen(len), at);
    }

    /// Content and size versions of one event.
    pub(super) fn change_content(&mut self, inode: Inode, updates: &[Update], how: Change, at: Pos) {
        let is_alone = self.begin_change(inode, how, at);
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
        if matches!(how, Change::Zero(_)) {
            // The size moves first, in a step of its own.
            self.grow(inode, &sizes, how, (&[], is_alone), at);
        }
        self.note_blocks(&data, how);
        self.tear(inode, &data, at);
        if self.model.data == Order::InOrder {
            for sector in data.chunk_by(|a, b| a.0 / SECTOR as u64 == b.0 / SECTOR as u64) {
                let element: Vec<Point> = sector.iter().map(|(_, point)| *point).collect();
                self.order(&element);
            }
        }
        match (how, sizes.first()) {
            (Change::SetLen(len), Some((_, size))) if self.recording.shrinks(at) => {
                self.shrink(inode, len, *size, &data);
            }
            (Change::Zero(_), _) => {}
            _ => self.grow(inode, &sizes, how, (&data, is_alone), at),
        }
        if let Change::SetLen(len) = how {
            self.cut(inode, len, &data);
        }
    }

    /// Takes back what sizes imply where the file has something else to write from now on. Says whether it has
    /// not.
    fn begin_change(&mut self, inode: Inode, how: Change, at: Pos) -> bool {
        if !self.content.sizes_carry {
            return true;
        }
        let unsynced = self.content.unsynced.get(&inode).copied();
        let ends_in = match how {
            Change::Write { from, end } if from == end => return true,
            Change::Write { from, end } if unsynced.is_none_or(|page| page == Some(from / BLOCK)) => {
                Some((end - 1) / BLOCK)
            }
            // Nothing is written on its account.
            Change::SetLen(0) if unsynced.is_none() => return true,
            _ => None,
        };
        self.content.unsynced.insert(inode, ends_in);
        if ends_in.is_none() {
            for (size, data) in self.content.take_carried(inode) {
                self.persisted.forget(size, data, at);
            }
        }
        ends_in.is_some()
    }

    /// Which units have space of their own from now on, and which no longer.
    fn note_blocks(&mut self, data: &[Data], how: Change) {
        if !self.content.blocks_matter {
            return;
        }
        let first_written = &mut self.content.first_written;
        for (offset, (cell, index)) in data {
            match how {
                Change::Write { .. } | Change::Reserve(_) => {
                    first_written.entry(*cell).or_insert(*index);
                }
                Change::SetLen(len) if *offset < len.next_multiple_of(BLOCK) => {}
                Change::SetLen(_) | Change::Zero(_) => {
                    first_written.remove(cell);
                }
            }
        }
    }

    /// The file was given this length; `zeroed` is what lay behind.
    fn cut(&mut self, inode: Inode, len: u64, zeroed: &[Data]) {
        let kept_end = len.next_multiple_of(BLOCK);
        let tail = zeroed.iter().filter(|(offset, _)| *offset < kept_end);
        if self.model.shrink == Order::Free {
            let cut = self.content.cut.entry(inode).or_insert(Cut { len, zeroed: Vec::new(), synced: false });
            cut.synced = false;
            cut.len = len;
            cut.zeroed.extend(tail.map(|(_, point)| *point));
        }
    }

    /// What survives together within one event, and with earlier events on the same page.
    fn tear(&mut self, inode: Inode, data: &[Data], at: Pos) {
        if self.model.torn_unit > SECTOR as u32 {
            let page_len = u64::from(self.model.torn_unit);
            for page in data.chunk_by(|a, b| a.0 / page_len == b.0 / page_len) {
                let group: Vec<Point> = page.iter().map(|(_, point)| *point).collect();
                self.tie(&group);
                if let Some(last) = self.content.last_of_page.insert((inode, page[0].0 / page_len), group[0])
                {
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

    fn shrink(&mut self, inode: Inode, len: u64, size: Point, data: &[Data]) {
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

    /// `is_alone`: whether nothing else of the file waits to be written, which would take the size along.
    fn grow(
        &mut self,
        inode: Inode,
        sizes: &[(u64, Point)],
        how: Change,
        (data, is_alone): (&[Data], bool),
        at: Pos,
    ) {
        let Some((smallest, first)) = sizes.first() else { return };
        // Cutting a file to nothing is no growth, whatever it held.
        let has_gap = (1..=how.gap_end()).contains(smallest);
        if has_gap && self.content.sizes_carry {
            // The rest of the last block is written too.
            self.content.unsynced.insert(inode, None);
        }
        let is_alone = is_alone && !has_gap;
        let in_block_end = self.durable_block_end(inode, *first);
        // What a smaller size of this event implies, the larger ones imply through it.
        let mut carried_to = 0;
        for (size, point) in sizes {
            self.changed_again(point.0, Some(page_of(*size)), at);
            let rule = if *size > how.gap_end() && in_block_end.is_some_and(|end| *size <= end) {
                self.model.append_in_block
            } else {
                self.model.append_new_block
            };
            let from = match rule.size_implies {
                SizeImplies::Nothing => *size,
                SizeImplies::ItsPage => page_of(*size) * BLOCK,
                SizeImplies::ItsData if is_alone => std::mem::replace(&mut carried_to, *size),
                SizeImplies::ItsData => *size,
            };
            let its_page = rule.size_implies == SizeImplies::ItsPage;
            for (_, carried) in data.iter().filter(|(offset, _)| (from..*size).contains(offset)) {
                self.persisted.imply(*point, *carried);
                if its_page {
                    let page = Some(page_of(*size));
                    let passing = Passing { from: *point, to: *carried, page };
                    self.passing.entry(point.0).or_default().push(passing);
                } else {
                    self.content.carried.entry(inode).or_default().push((*point, *carried));
                }
            }
            if rule.size == Order::InOrder {
                self.order_size(inode, *point);
            }
        }
    }

    /// The end of the file's last block before the size version `first`, if a sync had made durable what was
    /// written to that block.
    fn durable_block_end(&self, inode: Inode, (cell, first): Point) -> Option<u64> {
        if !self.content.blocks_matter {
            return None;
        }
        let size_of = |index: u32| match index.checked_sub(1) {
            Some(i) => match self.recording.cell(cell).versions[i as usize].value {
                Value::Size(SizeFn::Absolute(size) | SizeFn::AtLeast(size)) => Some(size),
                _ => None,
            },
            None => self.recording.created_here(inode).then_some(0),
        };
        let old_end = size_of(first - 1)?;
        if size_of(first).is_some_and(|size| size <= old_end) {
            return None;
        }
        let durable = self.persisted.durable(cell);
        let durable_end = if durable > 0 { size_of(durable)? } else { 0 };
        let block = old_end / BLOCK * BLOCK;
        let unit = self.recording.unit() as u64;
        let is_durable = |unit: u64| {
            let cell = self.recording.data_cell_of(inode, unit);
            let written = cell.and_then(|cell| Some((cell, *self.content.first_written.get(&cell)?)));
            written.is_some_and(|(cell, index)| index <= self.persisted.durable(cell))
        };
        let has_space = || (block / unit..(block + BLOCK) / unit).any(is_durable);
        (old_end > block && durable_end > block && has_space()).then_some(block + BLOCK)
    }
}
