//! The content of files: writes as patches over the units that they cross.

use std::ops::Range;

use super::super::SECTOR;
use super::Recording;
use super::cell::{CellId, CellKey, FULL, Mask, PatchId, Value};
use crate::trace::Inode;

/// Units of a hole that are zeroed one by one; those of a longer one stay free.
const HOLE_UNITS_MAX: u64 = 1 << 14;

/// Who sees what was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The cache: a write that the disk lost.
    Cache,
    /// The disk: a write that was meant for another place.
    Disk,
}

impl Recording {
    /// Writes bytes into the units they cross. What lies behind `durable_len` of an inherited file was never
    /// written by anybody.
    pub(in crate::disk) fn write_data(&mut self, inode: Inode, durable_len: u64, offset: u64, data: &[u8]) {
        let unit_len = self.rules.unit;
        let end = offset + data.len() as u64;
        if self.rules.garbage && !self.is_last {
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
        let slot = self.slot_index(inode);
        for (unit, start, data) in by_unit(self.rules.unit, offset, data) {
            self.patch_unit(inode, slot, unit, start, Fill::Bytes(data));
        }
    }

    /// Writes bytes that the cache shows and the disk does not get, or gets at `lands`.
    pub(in crate::disk) fn lose_data(&mut self, inode: Inode, offset: u64, data: &[u8], lands: Option<u64>) {
        self.put_aside(inode, offset, data, Side::Cache);
        if let Some(lands) = lands {
            self.put_aside(inode, lands, data, Side::Disk);
        }
    }

    /// Writes bytes that one side alone gets to see.
    fn put_aside(&mut self, inode: Inode, offset: u64, data: &[u8], side: Side) {
        let slot = self.slot_index(inode);
        for (unit, start, data) in by_unit(self.rules.unit, offset, data) {
            let id = self.data_cell(inode, slot, unit);
            let disk = self.cell(id).versions.last().map(|version| version.value);
            let disk = disk.unwrap_or_else(|| self.blank(inode));
            let cache = self.cached.get(&id).copied().or(disk.patch());
            self.patch_unit(inode, slot, unit, start, Fill::Bytes(data));
            if let Some(version) = self.cells[id as usize].versions.last_mut() {
                let shown = match side {
                    Side::Cache => std::mem::replace(&mut version.value, disk).patch(),
                    Side::Disk => cache,
                };
                shown.map(|shown| self.cached.insert(id, shown));
            }
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
    pub(in crate::disk) fn zero_data(&mut self, inode: Inode, below: &[u64], start: u64, end: u64) {
        let unit_len = self.rules.unit as u64;
        let own = self.slot(inode).into_iter().flat_map(|s| s.units_from(start / unit_len));
        let mut units: Vec<u64> = own.chain(below.iter().copied()).collect();
        units.sort_unstable();
        units.dedup();
        if units.is_empty() {
            return;
        }
        let slot = self.slot_index(inode);
        for unit in units {
            let first = start.max(unit * unit_len);
            let last = end.min((unit + 1) * unit_len);
            if first < last {
                let fill = Fill::Zeros((last - first) as usize);
                self.patch_unit(inode, slot, unit, (first % unit_len) as usize, fill);
            }
        }
    }

    /// The units of a file of `most` bytes, from the one at byte `offset` on, that zeroing it concerns although
    /// nobody may have written them: what is written there later comes after that.
    pub(in crate::disk) fn holes(&self, offset: u64, most: u64) -> Range<u64> {
        let unit = self.rules.unit as u64;
        let first = offset / unit;
        let end =
            if self.rules.sizes_matter { most.div_ceil(unit).min(first + HOLE_UNITS_MAX) } else { first };
        first..end
    }

    /// Gives a sector that nobody has written what it may show when only its space survives.
    /// Says whether it was such a sector.
    fn add_garbage(&mut self, inode: Inode, durable_len: u64, sector: u64) -> bool {
        let sector_len = SECTOR as u64;
        let units = SECTOR / self.rules.unit;
        let first = sector * units as u64;
        let fresh = self.created_here(inode) || sector * sector_len >= durable_len;
        if !fresh {
            return false;
        }
        let slot = self.slot_index(inode);
        let units = first..first + units as u64;
        if units.clone().any(|unit| self.slots[slot].unit(unit).is_some_and(|id| self.newest(id).is_some())) {
            return false;
        }
        let removed = self.last_removed.filter(|_| scramble(sector) & 1 == 0);
        for unit in units {
            let cell = self.data_cell(inode, slot, unit);
            let start = self.content.len();
            match removed.map(|removed| self.newest_data(removed, unit)) {
                Some(Some(stale)) => {
                    let stale = stale.bytes as usize;
                    self.content.extend_from_within(stale..stale + self.rules.unit);
                }
                Some(None) => self.content.resize(start + self.rules.unit, 0),
                None => {
                    let offset = unit * self.rules.unit as u64;
                    self.content.extend(noise(offset).take(self.rules.unit));
                }
            }
            self.push(cell, Value::Garbage(PatchId { bytes: start as u32, mask: FULL }));
        }
        true
    }

    fn data_cell(&mut self, inode: Inode, slot: usize, unit: u64) -> CellId {
        match self.slots[slot].unit(unit) {
            Some(cell) => cell,
            None => {
                let cell = self.add_cell(CellKey::Data { inode, unit });
                self.slots[slot].set_unit(unit, cell);
                cell
            }
        }
    }

    /// Sets a unit's bytes from `start` on, over what is already there.
    fn patch_unit(&mut self, inode: Inode, slot: usize, unit: u64, start: usize, fill: Fill<'_>) {
        let unit_len = self.rules.unit;
        let cell = self.data_cell(inode, slot, unit);
        let before = self.newest(cell);
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

/// Bytes in the units that they cross: the unit, where in it they begin, and the bytes.
fn by_unit(unit_len: usize, offset: u64, data: &[u8]) -> impl Iterator<Item = (u64, usize, &[u8])> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let start = (at % unit_len as u64) as usize;
        let rest = data.get(done..).filter(|rest| !rest.is_empty())?;
        let piece = &rest[..rest.len().min(unit_len - start)];
        done += piece.len();
        Some((at / unit_len as u64, start, piece))
    })
}

/// SplitMix64's finish: a number that looks random and is a fixed function of the place.
fn scramble(place: u64) -> u64 {
    let mut z = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Bytes that look random, from a multiple of 8 on.
fn noise(offset: u64) -> impl Iterator<Item = u8> {
    (offset / 8..).flat_map(|word| scramble(word).to_le_bytes())
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
