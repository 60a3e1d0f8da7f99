//! What one running process did: its trace, and the version chain of every cell it touched.

use std::ops::Range;
use std::panic::Location;

use rustc_hash::FxHashMap;

use super::{BLOCK, SECTOR, SizeFn};
use crate::trace::{Call, EventKind, Inode, Mark, Name, Pos, Trace};

/// Index of a cell within its recording.
pub type CellId = u32;

/// Which part of the disk a cell is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellKey {
    /// One unit of a file's content.
    Data {
        /// The file.
        inode: Inode,
        /// Its number within the file: byte offset divided by [`Recording::unit`].
        unit: u64,
    },
    /// A file's size.
    Size {
        /// The file.
        inode: Inode,
    },
    /// A name in a directory.
    Entry {
        /// The directory.
        dir: Inode,
        /// The name.
        name: Name,
    },
}

/// The content of a cell's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Content: see [`Recording::patch`].
    Data(PatchId),
    /// What shows where the file system gave space to the file and nobody has written: noise, or what a
    /// removed file held.
    Garbage(PatchId),
    /// A size.
    Size(SizeFn),
    /// What the name refers to.
    Entry(Option<Inode>),
}

impl Value {
    fn patch(self) -> Option<PatchId> {
        match self {
            Value::Data(patch) | Value::Garbage(patch) => Some(patch),
            _ => None,
        }
    }
}

/// Who sees what was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The cache: a write that the disk lost.
    Cache,
    /// The disk: a write that was meant for another place.
    Disk,
}

/// A unit's content as a patch over the layer below: where its bytes are, and which of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchId {
    bytes: u32,
    /// Index of the mask, or `FULL`.
    mask: u32,
}

const FULL: u32 = u32::MAX;

/// What a model says of how calls become versions. The rest of a model is in
/// [`Persisted`](crate::model::Persisted).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Bytes that survive or not as a whole, at most a sector.
    pub unit: usize,
    /// A rename inside a directory makes its target go before the new name comes.
    pub steps_within: bool,
    /// The same for a rename across directories.
    pub steps_across: bool,
    /// What was never written may show garbage.
    pub garbage: bool,
    /// It matters in which block an append ends, or what a file holds that is zeroed: the size before it must be
    /// known.
    pub sizes_matter: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        let (steps_within, steps_across, garbage, sizes_matter) = (false, false, false, false);
        Rules { unit: SECTOR, steps_within, steps_across, garbage, sizes_matter }
    }
}

/// Which bytes of a unit a patch covers, a bit each.
pub type Mask = [u64; SECTOR / 64];

/// A patch over a unit of the layer below.
#[derive(Clone, Copy)]
pub struct Patch<'a> {
    /// The unit's bytes; those not covered are meaningless.
    pub bytes: &'a [u8],
    /// Which are covered; `None` covers all.
    pub mask: Option<&'a Mask>,
}

/// One version of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The event that made it.
    pub at: Pos,
    /// Its content.
    pub value: Value,
}

/// A cell and its chain. Index 0 of the chain is what lies below; index `i` is `versions[i - 1]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Which part of the disk.
    pub key: CellKey,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
    /// Whether each version is a size of the same kind as the first one, and at least the one before.
    rising: bool,
}

impl Cell {
    /// Whether the sizes from index `lo` of the chain on only grow, the size below being `ground`: two that
    /// tell a reader the same then have none between them that tells something else.
    pub(super) fn rises_from(&self, lo: u32, ground: SizeFn) -> bool {
        let same_kind = || match self.versions.first() {
            Some(Version { value: Value::Size(first), .. }) => first.is_absolute() == ground.is_absolute(),
            _ => false,
        };
        self.rising && (lo > 0 || same_kind())
    }

    /// The highest index whose version was made before `at`.
    pub fn newest_before(&self, at: Pos) -> u32 {
        match self.versions.last() {
            Some(last) if last.at < at => self.versions.len() as u32,
            _ => self.versions.partition_point(|v| v.at < at) as u32,
        }
    }
}

/// Where the cells of an inode are.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub size: Option<CellId>,
    dense: Vec<CellId>,
    sparse: std::collections::BTreeMap<u64, CellId>,
    /// Sorted by name.
    pub names: Vec<(Name, CellId)>,
    pub is_dir: bool,
}

/// Units of a hole that are zeroed one by one; those of a longer one stay free.
const HOLE_UNITS_MAX: u64 = 1 << 14;
const NO_CELL: CellId = CellId::MAX;
/// Files up to this many units (32 MiB of sectors) have their cells in a plain vector.
const DENSE_UNITS: u64 = 1 << 16;

impl Slot {
    fn clear(&mut self) {
        self.size = None;
        self.dense.clear();
        self.sparse.clear();
        self.names.clear();
        self.is_dir = false;
    }

    pub fn unit(&self, unit: u64) -> Option<CellId> {
        if unit < DENSE_UNITS {
            self.dense.get(unit as usize).copied().filter(|c| *c != NO_CELL)
        } else {
            self.sparse.get(&unit).copied()
        }
    }

    fn set_unit(&mut self, unit: u64, cell: CellId) {
        if unit < DENSE_UNITS {
            let index = unit as usize;
            if self.dense.len() <= index {
                self.dense.resize(index + 1, NO_CELL);
            }
            self.dense[index] = cell;
        } else {
            self.sparse.insert(unit, cell);
        }
    }

    /// The units that have a cell, from `first` on.
    pub fn units_from(&self, first: u64) -> impl Iterator<Item = u64> + '_ {
        let start = first.min(self.dense.len() as u64);
        let dense = (start..self.dense.len() as u64).filter(|s| self.dense[*s as usize] != NO_CELL);
        dense.chain(self.sparse.range(first..).map(|(s, _)| *s))
    }

    pub fn name(&self, name: &str) -> Option<CellId> {
        let found = self.names.binary_search_by(|(n, _)| (**n).cmp(name));
        found.ok().map(|i| self.names[i].1)
    }
}

/// What one running process did.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Calls and marks.
    pub trace: Trace,
    /// Inodes from this number on were created here.
    first_inode: u32,
    created: u32,
    slots: Vec<Slot>,
    slots_used: u32,
    slot_of: FxHashMap<Inode, u32>,
    cells: Vec<Cell>,
    cells_used: u32,
    updates: Vec<Update>,
    rules: Rules,
    content: Vec<u8>,
    masks: Vec<Mask>,
    /// The file that lost its name last: what its space held may show up elsewhere.
    last_removed: Option<Inode>,
    /// The renames that moved a directory.
    moved_dirs: Vec<Pos>,
    /// The changes of length that surely made a file shorter.
    shrinks: Vec<Pos>,
    /// What the cache shows of a unit where it is not what the disk was given last.
    cached: FxHashMap<CellId, PatchId>,
}

/// One version that an event made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// The event.
    pub at: Pos,
    /// The cell.
    pub cell: CellId,
    /// The version's index in the cell's chain.
    pub index: u32,
}

impl Recording {
    /// An empty recording over a disk whose inodes are numbered below `first_inode`.
    pub fn new(first_inode: u32, rules: Rules) -> Recording {
        let mut recording = Recording::default();
        recording.reset(first_inode, rules);
        recording
    }

    /// Empties it, keeping its memory.
    pub fn reset(&mut self, first_inode: u32, rules: Rules) {
        self.rules = rules;
        self.last_removed = None;
        self.moved_dirs.clear();
        self.shrinks.clear();
        self.trace.clear();
        self.first_inode = first_inode;
        for slot in &mut self.slots[..self.slots_used as usize] {
            slot.clear();
        }
        self.slots_used = 0;
        self.created = 0;
        self.slot_of.clear();
        self.cells_used = 0;
        self.updates.clear();
        self.content.clear();
        self.masks.clear();
        self.cached.clear();
    }

    /// Whether the same calls, and marks, made the same versions.
    pub fn is_same(&self, other: &Recording) -> bool {
        self.trace.is_same(&other.trace)
            && (self.first_inode, self.created) == (other.first_inode, other.created)
            && (self.rules, self.last_removed) == (other.rules, other.last_removed)
            && self.content == other.content
            && self.masks == other.masks
            && self.moved_dirs == other.moved_dirs
            && self.shrinks == other.shrinks
            && self.cells() == other.cells()
            && self.cached == other.cached
    }

    /// The number the next created inode gets.
    pub fn next_inode(&self) -> u32 {
        self.first_inode + self.created
    }

    /// Whether the inode was created in this recording, so that nothing lies below it.
    pub fn created_here(&self, inode: Inode) -> bool {
        inode.0 >= self.first_inode
    }

    /// The cells.
    pub fn cells(&self) -> &[Cell] {
        &self.cells[..self.cells_used as usize]
    }

    /// A cell by its index.
    pub fn cell(&self, id: CellId) -> &Cell {
        &self.cells[id as usize]
    }

    /// Bytes of a content cell.
    pub fn unit(&self) -> usize {
        self.rules.unit
    }

    /// How calls become versions.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The versions that the events made, in order; those of one event: content from the file's start on,
    /// then sizes, growing; or names, the old one of a rename first.
    pub fn updates(&self) -> &[Update] {
        &self.updates
    }

    /// A patch's content.
    pub fn patch(&self, id: PatchId) -> Patch<'_> {
        let bytes = &self.content[id.bytes as usize..][..self.rules.unit];
        Patch { bytes, mask: (id.mask != FULL).then(|| &self.masks[id.mask as usize]) }
    }

    /// The cell of a file's size, if it changed here.
    pub fn size_cell(&self, inode: Inode) -> Option<CellId> {
        self.slot(inode)?.size
    }

    /// The cell of a unit of a file's content, if it changed here.
    pub fn data_cell_of(&self, inode: Inode, unit: u64) -> Option<CellId> {
        self.slot(inode)?.unit(unit)
    }

    /// The cell of a name, if it changed here.
    pub fn entry_cell(&self, dir: Inode, name: &str) -> Option<CellId> {
        self.slot(dir)?.name(name)
    }

    pub(super) fn slot(&self, inode: Inode) -> Option<&Slot> {
        self.slot_of.get(&inode).map(|index| &self.slots[*index as usize])
    }

    fn slot_mut(&mut self, inode: Inode) -> &mut Slot {
        let index = *self.slot_of.entry(inode).or_insert_with(|| {
            let index = self.slots_used;
            self.slots_used += 1;
            if self.slots.len() <= index as usize {
                self.slots.push(Slot::default());
            }
            index
        });
        &mut self.slots[index as usize]
    }

    fn add_cell(&mut self, key: CellKey) -> CellId {
        let id = self.cells_used;
        self.cells_used += 1;
        match self.cells.get_mut(id as usize) {
            Some(cell) => {
                cell.key = key;
                cell.versions.clear();
                cell.rising = true;
            }
            None => self.cells.push(Cell { key, versions: Vec::new(), rising: true }),
        }
        id
    }

    /// Appends a version that the next event of the trace makes.
    fn push(&mut self, id: CellId, value: Value) {
        let at = self.trace.end();
        if !self.cached.is_empty() {
            self.cached.remove(&id);
        }
        let Cell { versions, rising, .. } = &mut self.cells[id as usize];
        *rising &= match (versions.last().map(|last| last.value), value) {
            (None, Value::Size(_)) => true,
            (Some(Value::Size(before)), Value::Size(size)) => before.grows_to(size),
            _ => false,
        };
        versions.push(Version { at, value });
        self.updates.push(Update { at, cell: id, index: versions.len() as u32 });
    }

    /// Leaves a mark.
    pub fn mark(&mut self, mark: Mark) -> Pos {
        self.trace.push(EventKind::Mark(mark), None)
    }

    /// Ends the event whose versions were just pushed.
    pub(super) fn call(&mut self, call: Call, source: &'static Location<'static>) -> Pos {
        self.push_call(call, Some(source))
    }

    pub(super) fn push_call(&mut self, call: Call, source: Option<&'static Location<'static>>) -> Pos {
        self.trace.push(EventKind::Call(call), source)
    }

    /// Numbers a new file or directory.
    pub(super) fn create(&mut self, is_dir: bool) -> Inode {
        let inode = Inode(self.next_inode());
        self.created += 1;
        self.slot_mut(inode).is_dir = is_dir;
        inode
    }

    /// Whether an inode that was created here is a directory.
    pub(super) fn is_created_dir(&self, inode: Inode) -> bool {
        self.slot(inode).is_some_and(|slot| slot.is_dir)
    }

    /// Blocks that the files take that have a name here, as the cache shows them.
    pub(super) fn blocks_in_use(&self) -> u64 {
        let slots = &self.slots[..self.slots_used as usize];
        let named = slots.iter().flat_map(|slot| {
            slot.names.iter().filter_map(|(_, cell)| match self.cell(*cell).versions.last()?.value {
                Value::Entry(inode) => inode,
                _ => None,
            })
        });
        let mut files: Vec<Inode> = named.filter(|inode| !self.is_created_dir(*inode)).collect();
        files.sort_unstable();
        files.dedup();
        let blocks = files.iter().map(|inode| match self.newest_size(*inode) {
            SizeFn::Absolute(size) | SizeFn::AtLeast(size) => size.div_ceil(BLOCK),
        });
        blocks.sum()
    }

    /// The newest content of a name, if it changed here.
    pub(super) fn newest_entry(&self, dir: Inode, name: &str) -> Option<Option<Inode>> {
        let cell = self.slot(dir)?.name(name)?;
        match self.cell(cell).versions.last()?.value {
            Value::Entry(inode) => Some(inode),
            _ => None,
        }
    }

    /// The newest patch of a unit, if it changed here.
    pub(super) fn newest_data(&self, inode: Inode, unit: u64) -> Option<PatchId> {
        let cell = self.slot(inode)?.unit(unit)?;
        if let Some(patch) = self.cached.get(&cell) {
            return Some(*patch);
        }
        match self.cell(cell).versions.last()?.value {
            Value::Data(patch) => Some(patch),
            _ => None,
        }
    }

    /// What happened to a file's size here so far.
    pub(super) fn newest_size(&self, inode: Inode) -> SizeFn {
        let below = if self.created_here(inode) { SizeFn::Absolute(0) } else { SizeFn::SAME };
        let cell = self.slot(inode).and_then(|slot| slot.size);
        match cell.and_then(|cell| self.cell(cell).versions.last()) {
            Some(Version { value: Value::Size(size), .. }) => *size,
            _ => below,
        }
    }

    pub(super) fn change_entry(&mut self, dir: Inode, name: &Name, target: Option<Inode>) {
        let slot = self.slot_mut(dir);
        let cell = match slot.names.binary_search_by(|(n, _)| (**n).cmp(name)) {
            Ok(i) => slot.names[i].1,
            Err(i) => {
                let cell = self.add_cell(CellKey::Entry { dir, name: name.clone() });
                self.slot_mut(dir).names.insert(i, (name.clone(), cell));
                cell
            }
        };
        self.push(cell, Value::Entry(target));
    }

    fn change_size(&mut self, inode: Inode, size: SizeFn) {
        let cell = match self.slot_mut(inode).size {
            Some(cell) => cell,
            None => {
                let cell = self.add_cell(CellKey::Size { inode });
                self.slot_mut(inode).size = Some(cell);
                cell
            }
        };
        self.push(cell, Value::Size(size));
    }

    /// Grows a file of size `now` to at least `end`, block by block from the one that holds `from`.
    pub(super) fn extend(&mut self, inode: Inode, now: SizeFn, from: u64, end: u64) {
        let mut boundary = (from / BLOCK + 1) * BLOCK;
        while boundary < end {
            if now.extended(boundary) != now {
                self.change_size(inode, now.extended(boundary));
            }
            boundary += BLOCK;
        }
        if now.extended(end) != now {
            self.change_size(inode, now.extended(end));
        }
    }

    /// Writes bytes into the units they cross. What lies behind `durable_len` of an inherited file was never
    /// written by anybody.
    pub(super) fn write_data(&mut self, inode: Inode, durable_len: u64, offset: u64, data: &[u8]) {
        let unit_len = self.rules.unit;
        let end = offset + data.len() as u64;
        if self.rules.garbage {
            // The first write to a sector writes all of it: zeros where it says nothing.
            let zeros = [0; SECTOR];
            let sectors = offset / SECTOR as u64..end.div_ceil(SECTOR as u64);
            let mut fresh = Vec::new();
            for sector in sectors {
                if self.add_garbage(inode, durable_len, sector) {
                    fresh.push(sector);
                }
            }
            if let (Some(first), Some(last)) = (fresh.first(), fresh.last()) {
                let (first, last) = (first * SECTOR as u64, (last + 1) * SECTOR as u64);
                let unit = |at: u64| at / unit_len as u64 * unit_len as u64;
                if first < offset {
                    self.put(inode, first, &zeros[..(unit(offset) - first) as usize]);
                }
                self.put(inode, offset, data);
                let written = unit(end + unit_len as u64 - 1);
                if written < last {
                    self.put(inode, written, &zeros[..(last - written) as usize]);
                }
                return;
            }
        }
        self.put(inode, offset, data);
    }

    /// Gives the units that some bytes cross a version each.
    fn put(&mut self, inode: Inode, offset: u64, data: &[u8]) {
        let unit_len = self.rules.unit;
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let start = (at % unit_len as u64) as usize;
            let len = (unit_len - start).min(data.len() - done);
            let unit = at / unit_len as u64;
            self.patch_unit(inode, unit, start, Fill::Bytes(&data[done..done + len]));
            done += len;
        }
    }

    /// Writes bytes that the cache shows and the disk does not get, or gets at `lands`.
    pub(super) fn lose_data(&mut self, inode: Inode, offset: u64, data: &[u8], lands: Option<u64>) {
        self.put_aside(inode, offset, data, Side::Cache);
        if let Some(lands) = lands {
            self.put_aside(inode, lands, data, Side::Disk);
        }
    }

    /// Writes bytes that one side alone gets to see.
    fn put_aside(&mut self, inode: Inode, offset: u64, data: &[u8], side: Side) {
        let unit_len = self.rules.unit;
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let start = (at % unit_len as u64) as usize;
            let len = (unit_len - start).min(data.len() - done);
            let unit = at / unit_len as u64;
            let id = self.data_cell(inode, unit);
            let disk = self.cell(id).versions.last().map(|version| version.value);
            let disk = disk.unwrap_or_else(|| self.blank(inode));
            let cache = self.cached.get(&id).copied().or(disk.patch());
            self.patch_unit(inode, unit, start, Fill::Bytes(&data[done..done + len]));
            if let Some(version) = self.cells[id as usize].versions.last_mut() {
                let shown = match side {
                    Side::Cache => std::mem::replace(&mut version.value, disk).patch(),
                    Side::Disk => cache,
                };
                shown.map(|shown| self.cached.insert(id, shown));
            }
            done += len;
        }
    }

    /// A unit that nobody has written here.
    fn blank(&mut self, inode: Inode) -> Value {
        let bytes = self.content.len();
        self.content.resize(bytes + self.rules.unit, 0);
        let mask = if self.created_here(inode) { FULL } else { self.add_mask([0; SECTOR / 64]) };
        Value::Data(PatchId { bytes: bytes as u32, mask })
    }

    /// Zeroes the bytes of `start..end` that lie in units known here or in `below` (sorted).
    pub(super) fn zero_data(&mut self, inode: Inode, below: &[u64], start: u64, end: u64) {
        let unit_len = self.rules.unit as u64;
        let own = self.slot(inode).into_iter().flat_map(|s| s.units_from(start / unit_len));
        let mut units: Vec<u64> = own.chain(below.iter().copied()).collect();
        units.sort_unstable();
        units.dedup();
        for unit in units {
            let first = start.max(unit * unit_len);
            let last = end.min((unit + 1) * unit_len);
            if first < last {
                let fill = Fill::Zeros((last - first) as usize);
                self.patch_unit(inode, unit, (first % unit_len) as usize, fill);
            }
        }
    }

    /// The units of a file of `most` bytes, from the one at byte `offset` on, that zeroing it concerns although
    /// nobody may have written them: what is written there later comes after that.
    pub(super) fn holes(&self, offset: u64, most: u64) -> Range<u64> {
        let unit = self.rules.unit as u64;
        let first = offset / unit;
        let end =
            if self.rules.sizes_matter { most.div_ceil(unit).min(first + HOLE_UNITS_MAX) } else { first };
        first..end
    }

    pub(super) fn set_size(&mut self, inode: Inode, len: u64) {
        self.change_size(inode, SizeFn::Absolute(len));
    }

    /// The next event moves a directory.
    pub(super) fn note_moved_dir(&mut self) {
        self.moved_dirs.push(self.trace.end());
    }

    /// Whether the event at `at` moved a directory.
    pub fn moves_dir(&self, at: Pos) -> bool {
        self.moved_dirs.binary_search(&at).is_ok()
    }

    /// The next event makes a file shorter.
    pub(super) fn note_shrink(&mut self) {
        self.shrinks.push(self.trace.end());
    }

    /// Whether the event at `at` surely made a file shorter.
    pub fn shrinks(&self, at: Pos) -> bool {
        self.shrinks.binary_search(&at).is_ok()
    }

    /// A file lost a name.
    pub(super) fn note_removed(&mut self, inode: Inode) {
        if self.rules.garbage && self.created_here(inode) && !self.is_created_dir(inode) {
            self.last_removed = Some(inode);
        }
    }

    /// Gives a sector that nobody has written what it may show when only its space survives.
    /// Says whether it was such a sector.
    fn add_garbage(&mut self, inode: Inode, durable_len: u64, sector: u64) -> bool {
        let sector_len = SECTOR as u64;
        let units = SECTOR / self.rules.unit;
        let first = sector * units as u64;
        let fresh = self.created_here(inode) || sector * sector_len >= durable_len;
        if !fresh || (first..first + units as u64).any(|unit| self.newest_data(inode, unit).is_some()) {
            return false;
        }
        let removed = self.last_removed.filter(|_| scramble(sector) & 1 == 0);
        for unit in first..first + units as u64 {
            let cell = self.data_cell(inode, unit);
            let start = self.content.len();
            match removed.map(|removed| self.newest_data(removed, unit)) {
                Some(Some(stale)) => {
                    let stale = stale.bytes as usize;
                    self.content.extend_from_within(stale..stale + self.rules.unit);
                }
                Some(None) => self.content.resize(start + self.rules.unit, 0),
                None => {
                    let offset = unit * self.rules.unit as u64;
                    self.content.extend((offset..offset + self.rules.unit as u64).map(noise));
                }
            }
            self.push(cell, Value::Garbage(PatchId { bytes: start as u32, mask: FULL }));
        }
        true
    }

    fn data_cell(&mut self, inode: Inode, unit: u64) -> CellId {
        match self.slot_mut(inode).unit(unit) {
            Some(cell) => cell,
            None => {
                let cell = self.add_cell(CellKey::Data { inode, unit });
                self.slot_mut(inode).set_unit(unit, cell);
                cell
            }
        }
    }

    /// Sets a unit's bytes from `start` on, over what is already there.
    fn patch_unit(&mut self, inode: Inode, unit: u64, start: usize, fill: Fill<'_>) {
        let unit_len = self.rules.unit;
        let before = self.newest_data(inode, unit);
        let end = start + fill.len();
        let whole = end - start == unit_len;
        let bytes = self.content.len();
        let mut mask = FULL;
        match before {
            Some(_) if whole => self.content.resize(bytes + unit_len, 0),
            Some(patch) => {
                self.content.extend_from_within(patch.bytes as usize..patch.bytes as usize + unit_len);
                if patch.mask != FULL {
                    let old = self.masks[patch.mask as usize];
                    mask = self.add_mask(cover(old, start, end));
                }
            }
            None => {
                self.content.resize(bytes + unit_len, 0);
                if !whole && !self.created_here(inode) {
                    mask = self.add_mask(cover([0; SECTOR / 64], start, end));
                }
            }
        }
        let target = &mut self.content[bytes + start..bytes + end];
        match fill {
            Fill::Bytes(data) => target.copy_from_slice(data),
            Fill::Zeros(_) => target.fill(0),
        }
        let cell = self.data_cell(inode, unit);
        self.push(cell, Value::Data(PatchId { bytes: bytes as u32, mask }));
    }

    fn add_mask(&mut self, mask: Mask) -> u32 {
        if mask == cover([0; SECTOR / 64], 0, self.rules.unit) {
            return FULL;
        }
        self.masks.push(mask);
        self.masks.len() as u32 - 1
    }
}

/// SplitMix64's finish: a number that looks random and is a fixed function of the place.
fn scramble(place: u64) -> u64 {
    let mut z = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn noise(offset: u64) -> u8 {
    scramble(offset / 8).to_le_bytes()[(offset % 8) as usize]
}

enum Fill<'a> {
    Bytes(&'a [u8]),
    Zeros(usize),
}

impl Fill<'_> {
    fn len(&self) -> usize {
        match self {
            Fill::Bytes(data) => data.len(),
            Fill::Zeros(len) => *len,
        }
    }
}

/// `mask` with the bits of `start..end` set.
fn cover(mut mask: Mask, start: usize, end: usize) -> Mask {
    for (i, word) in mask.iter_mut().enumerate() {
        let lo = start.clamp(i * 64, i * 64 + 64) - i * 64;
        let hi = end.clamp(i * 64, i * 64 + 64) - i * 64;
        if lo < hi {
            let ones = if hi - lo == 64 { u64::MAX } else { ((1u64 << (hi - lo)) - 1) << lo };
            *word |= ones;
        }
    }
    mask
}

impl Patch<'_> {
    /// The first run of bytes within `start..end` with the same coverage: whether it is covered, and where
    /// it ends.
    pub fn run(&self, start: usize, end: usize) -> (bool, usize) {
        let Some(mask) = self.mask else { return (true, end) };
        let covered = |i: usize| mask[i / 64] >> (i % 64) & 1 == 1;
        let first = covered(start);
        let stop = (start + 1..end).find(|i| covered(*i) != first);
        (first, stop.unwrap_or(end))
    }

    /// Whether two patches say the same of the bytes `start..end`.
    pub fn same_within(&self, other: &Patch<'_>, start: usize, end: usize) -> bool {
        if self.mask.is_none() && other.mask.is_none() {
            return self.bytes[start..end] == other.bytes[start..end];
        }
        let mut at = start;
        while at < end {
            let (mine, stop) = self.run(at, end);
            let (theirs, other_stop) = other.run(at, end);
            let stop = stop.min(other_stop);
            if mine != theirs || (mine && self.bytes[at..stop] != other.bytes[at..stop]) {
                return false;
            }
            at = stop;
        }
        true
    }
}
