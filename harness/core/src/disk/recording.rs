//! What one running process did: its trace, and the version chain of every cell it touched.

use std::panic::Location;

use rustc_hash::FxHashMap;

use super::{BLOCK, SECTOR, SizeFn};
use crate::trace::{Call, EventKind, Inode, Mark, Name, Pos, Trace};

/// Index of a cell within its recording.
pub type CellId = u32;

/// Which part of the disk a cell is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CellKey {
    /// One sector of a file's content.
    Data {
        /// The file.
        inode: Inode,
        /// Sector number within the file.
        sector: u64,
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
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// Sector content: see [`Recording::patch`].
    Data(PatchId),
    /// A size.
    Size(SizeFn),
    /// What the name refers to.
    Entry(Option<Inode>),
}

/// A sector's content as a patch over the layer below: where its 512 bytes are, and which of them count.
#[derive(Clone, Copy, Debug)]
pub struct PatchId {
    bytes: u32,
    /// Index of the mask, or `FULL`.
    mask: u32,
}

const FULL: u32 = u32::MAX;

/// Which bytes of a sector a patch covers, a bit each.
pub type Mask = [u64; SECTOR / 64];

/// A patch over a sector of the layer below.
#[derive(Clone, Copy)]
pub struct Patch<'a> {
    /// The sector's bytes; those not covered are meaningless.
    pub bytes: &'a [u8],
    /// Which are covered; `None` covers all.
    pub mask: Option<&'a Mask>,
}

/// One version of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// The event that made it.
    pub at: Pos,
    /// Its content.
    pub value: Value,
}

/// A cell and its chain. Index 0 of the chain is what lies below; index `i` is `versions[i - 1]`.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Which part of the disk.
    pub key: CellKey,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
}

impl Cell {
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

const NO_CELL: CellId = CellId::MAX;
/// Files up to this many sectors (32 MiB) have their cells in a plain vector.
const DENSE_SECTORS: u64 = 1 << 16;

impl Slot {
    fn clear(&mut self) {
        self.size = None;
        self.dense.clear();
        self.sparse.clear();
        self.names.clear();
        self.is_dir = false;
    }

    pub fn sector(&self, sector: u64) -> Option<CellId> {
        if sector < DENSE_SECTORS {
            self.dense.get(sector as usize).copied().filter(|c| *c != NO_CELL)
        } else {
            self.sparse.get(&sector).copied()
        }
    }

    fn set_sector(&mut self, sector: u64, cell: CellId) {
        if sector < DENSE_SECTORS {
            let index = sector as usize;
            if self.dense.len() <= index {
                self.dense.resize(index + 1, NO_CELL);
            }
            self.dense[index] = cell;
        } else {
            self.sparse.insert(sector, cell);
        }
    }

    /// The sectors that have a cell, from `first` on.
    pub fn sectors_from(&self, first: u64) -> impl Iterator<Item = u64> + '_ {
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
    /// The cells that each event changed, in event order.
    updates: Vec<(Pos, CellId)>,
    sectors: Vec<u8>,
    masks: Vec<Mask>,
}

impl Recording {
    /// An empty recording over a disk whose inodes are numbered below `first_inode`.
    pub fn new(first_inode: u32) -> Recording {
        let mut recording = Recording::default();
        recording.reset(first_inode);
        recording
    }

    /// Empties it, keeping its memory.
    pub fn reset(&mut self, first_inode: u32) {
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
        self.sectors.clear();
        self.masks.clear();
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

    /// The cells that each event changed, in event order.
    pub fn updates(&self) -> &[(Pos, CellId)] {
        &self.updates
    }

    /// A patch's content.
    pub fn patch(&self, id: PatchId) -> Patch<'_> {
        let bytes = &self.sectors[id.bytes as usize..][..SECTOR];
        Patch { bytes, mask: (id.mask != FULL).then(|| &self.masks[id.mask as usize]) }
    }

    /// The cell of a file's size, if it changed here.
    pub fn size_cell(&self, inode: Inode) -> Option<CellId> {
        self.slot(inode)?.size
    }

    /// The cells of a file's content that changed here, in order.
    pub fn data_cells(&self, inode: Inode) -> impl Iterator<Item = CellId> + '_ {
        self.slot(inode).into_iter().flat_map(|s| s.sectors_from(0).filter_map(|n| s.sector(n)))
    }

    /// The cells of a directory's names that changed here, by name.
    pub fn entry_cells(&self, dir: Inode) -> impl Iterator<Item = CellId> + '_ {
        self.slot(dir).into_iter().flat_map(|s| s.names.iter().map(|(_, cell)| *cell))
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
            }
            None => self.cells.push(Cell { key, versions: Vec::new() }),
        }
        id
    }

    /// Appends a version that the next event of the trace makes.
    fn push(&mut self, id: CellId, value: Value) {
        let at = self.trace.end();
        self.cells[id as usize].versions.push(Version { at, value });
        self.updates.push((at, id));
    }

    /// Leaves a mark.
    pub fn mark(&mut self, mark: Mark) -> Pos {
        self.trace.push(EventKind::Mark(mark), None)
    }

    /// Ends the event whose versions were just pushed.
    pub(super) fn call(&mut self, call: Call, source: &'static Location<'static>) -> Pos {
        self.trace.push(EventKind::Call(call), Some(source))
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

    /// The newest content of a name, if it changed here.
    pub(super) fn newest_entry(&self, dir: Inode, name: &str) -> Option<Option<Inode>> {
        let cell = self.slot(dir)?.name(name)?;
        match self.cell(cell).versions.last()?.value {
            Value::Entry(inode) => Some(inode),
            _ => None,
        }
    }

    /// The newest patch of a sector, if it changed here.
    pub(super) fn newest_data(&self, inode: Inode, sector: u64) -> Option<PatchId> {
        let cell = self.slot(inode)?.sector(sector)?;
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

    /// Grows a file that surely has `floor` bytes to at least `end`, block by block from the one that holds
    /// `from`.
    pub(super) fn extend(&mut self, inode: Inode, floor: u64, from: u64, end: u64) {
        let now = self.newest_size(inode);
        let mut boundary = (from / BLOCK + 1) * BLOCK;
        while boundary < end {
            if boundary > floor && now.extended(boundary) != now {
                self.change_size(inode, now.extended(boundary));
            }
            boundary += BLOCK;
        }
        if end > floor && now.extended(end) != now {
            self.change_size(inode, now.extended(end));
        }
    }

    /// Writes bytes into the sectors they cross.
    pub(super) fn write_data(&mut self, inode: Inode, offset: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let start = (at % SECTOR as u64) as usize;
            let len = (SECTOR - start).min(data.len() - done);
            self.patch_sector(inode, at / SECTOR as u64, start, Fill::Bytes(&data[done..done + len]));
            done += len;
        }
    }

    /// Zeroes what lies behind `len` in one sector. `from` is the first byte that counts.
    pub(super) fn zero_tail(&mut self, inode: Inode, sector: u64, from: usize) {
        self.patch_sector(inode, sector, from, Fill::Zeros(SECTOR - from));
    }

    pub(super) fn set_size(&mut self, inode: Inode, len: u64) {
        self.change_size(inode, SizeFn::Absolute(len));
    }

    /// Sets a sector's bytes from `start` on, over what is already there.
    fn patch_sector(&mut self, inode: Inode, sector: u64, start: usize, fill: Fill<'_>) {
        let before = self.newest_data(inode, sector);
        let end = start + fill.len();
        let whole = end - start == SECTOR;
        let bytes = self.sectors.len();
        let mut mask = FULL;
        match before {
            Some(_) if whole => self.sectors.resize(bytes + SECTOR, 0),
            Some(patch) => {
                self.sectors.extend_from_within(patch.bytes as usize..patch.bytes as usize + SECTOR);
                if patch.mask != FULL {
                    let old = self.masks[patch.mask as usize];
                    mask = self.add_mask(cover(old, start, end));
                }
            }
            None => {
                self.sectors.resize(bytes + SECTOR, 0);
                if !whole && !self.created_here(inode) {
                    mask = self.add_mask(cover([0; SECTOR / 64], start, end));
                }
            }
        }
        let target = &mut self.sectors[bytes + start..bytes + end];
        match fill {
            Fill::Bytes(data) => target.copy_from_slice(data),
            Fill::Zeros(_) => target.fill(0),
        }
        let cell = match self.slot_mut(inode).sector(sector) {
            Some(cell) => cell,
            None => {
                let cell = self.add_cell(CellKey::Data { inode, sector });
                self.slot_mut(inode).set_sector(sector, cell);
                cell
            }
        };
        self.push(cell, Value::Data(PatchId { bytes: bytes as u32, mask }));
    }

    fn add_mask(&mut self, mask: Mask) -> u32 {
        if mask == [u64::MAX; SECTOR / 64] {
            return FULL;
        }
        self.masks.push(mask);
        self.masks.len() as u32 - 1
    }
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
