//! What one running process did: its trace, and the version chain of every cell it touched.

mod cell;
mod content;
mod slot;

use std::panic::Location;

use rustc_hash::FxHashMap;

use super::{BLOCK, SECTOR, SizeFn};
use crate::trace::{Call, EventKind, Inode, Mark, Name, Pos, Trace};
use cell::FULL;
pub use cell::{Cell, CellId, CellKey, Mask, Patch, PatchId, Value, Version};
use slot::Slot;

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
    /// No crash follows: nobody will ask what the disk has of it.
    is_last: bool,
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

    /// As [`reset`](Recording::reset), for a process after which there is no crash: what it writes shows in the
    /// cache only, and is not kept in pieces that a disk may have or not.
    pub(super) fn reset_last(&mut self, first_inode: u32, rules: Rules) {
        self.reset(first_inode, Rules { unit: SECTOR, ..rules });
        self.is_last = true;
    }

    /// Empties it, keeping its memory.
    pub fn reset(&mut self, first_inode: u32, rules: Rules) {
        self.rules = rules;
        self.is_last = false;
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
        let index = self.slot_index(inode);
        &mut self.slots[index]
    }

    fn slot_index(&mut self, inode: Inode) -> usize {
        let index = *self.slot_of.entry(inode).or_insert_with(|| {
            let index = self.slots_used;
            self.slots_used += 1;
            if self.slots.len() <= index as usize {
                self.slots.push(Slot::default());
            }
            index
        });
        index as usize
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
        self.note_synced(&call);
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

    /// Whether a file was created here, or its size or content changed.
    pub(super) fn has_changed(&self, inode: Inode) -> bool {
        let changed = |slot: &Slot| slot.size.is_some() || slot.has_units();
        self.created_here(inode) || self.slot(inode).is_some_and(changed)
    }

    /// Whether content of a file changed here.
    pub(super) fn has_data(&self, inode: Inode) -> bool {
        self.slot(inode).is_some_and(Slot::has_units)
    }

    /// The newest patch of a unit, if it changed here.
    pub(super) fn newest_data(&self, inode: Inode, unit: u64) -> Option<PatchId> {
        let cell = self.slot(inode)?.unit(unit)?;
        self.newest(cell)
    }

    /// The newest patch of a unit's cell, as the cache shows it.
    fn newest(&self, cell: CellId) -> Option<PatchId> {
        if !self.cached.is_empty()
            && let Some(patch) = self.cached.get(&cell)
        {
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
        if let SizeFn::Absolute(size) = size {
            let least = &mut self.slot_mut(inode).least_unsynced;
            *least = size.min(*least);
        }
        self.push(cell, Value::Size(size));
    }

    /// After a sync the file's size is the least that a crash can leave, until it changes.
    fn note_synced(&mut self, call: &Call) {
        let slots = match call {
            Call::SyncFile { inode, .. } => self.slot_of.get(inode).map_or(0..0, |index| *index..index + 1),
            Call::SyncAll => 0..self.slots_used,
            _ => return,
        };
        for index in slots {
            let newest = self.slots[index as usize].size.and_then(|cell| self.cell(cell).versions.last());
            if let Some(Version { value: Value::Size(SizeFn::Absolute(size)), .. }) = newest {
                self.slots[index as usize].least_unsynced = *size;
            }
        }
    }

    /// Grows a file of size `now` to at least `end`, block by block from the one that holds `from`.
    pub(super) fn extend(&mut self, inode: Inode, now: SizeFn, from: u64, end: u64) {
        self.fill_last_block(inode, now, from);
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

    /// A file grows from `from` on, behind its end: the rest of its last block is zeroed, and may reach the disk,
    /// with the size, before what lies behind does (xfs was seen to do so).
    fn fill_last_block(&mut self, inode: Inode, now: SizeFn, from: u64) {
        if let SizeFn::Absolute(size) = now
            && self.created_here(inode)
            && size.next_multiple_of(BLOCK) > size
            && size.next_multiple_of(BLOCK) <= from
        {
            self.change_size(inode, SizeFn::Absolute(size.next_multiple_of(BLOCK)));
        }
    }

    /// Gives a file of size `now` space up to `end`, and extends it to there unless it is to keep its size. If
    /// sizes behind `end` wait to reach the disk, `end` does first (ext4 and xfs were seen to do so): the size as
    /// it was comes again after it.
    pub(super) fn reserve(&mut self, inode: Inode, now: SizeFn, end: u64, keep_size: bool) {
        let least = self.slot(inode).map_or(0, |slot| slot.least_unsynced);
        match now {
            SizeFn::Absolute(size) if self.created_here(inode) && least < end && end < size => {
                self.change_size(inode, SizeFn::Absolute(end));
                self.change_size(inode, now);
            }
            _ if keep_size => {}
            _ => self.extend(inode, now, end.saturating_sub(1), end),
        }
    }

    pub(super) fn set_size(&mut self, inode: Inode, len: u64) {
        let now = self.newest_size(inode);
        // Not where the file ends at a block's end now: that is one step.
        self.fill_last_block(inode, now, len.saturating_sub(1));
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
}
