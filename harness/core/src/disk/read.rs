//! Answers to questions about an undetermined disk: what lies below the running process.

use super::recording::{CellId, Patch, Recording, Value};
use super::{Bounds, Chooser, Narrowing, Question, SECTOR, SizeFn, Stop, World};
use crate::trace::{Inode, Name};

/// Reads a world, deciding what has to be decided.
pub(super) struct Reader<'a> {
    pub world: &'a World,
    pub bounds: &'a mut Bounds,
    pub chooser: &'a mut Chooser,
}

impl Reader<'_> {
    /// Decides which version of a cell the disk has, as far as `same` tells versions apart: adjacent
    /// versions that are the same for the question are one answer. Returns one of the indexes left.
    fn decide(
        &mut self,
        layer: usize,
        cell: CellId,
        range: (u64, u64),
        same: impl Fn(u32, u32) -> bool,
    ) -> Result<u32, Stop> {
        let (lo, hi) = self.bounds.get(self.world, layer, cell);
        if lo == hi {
            return Ok(lo);
        }
        let options = 1 + (lo..hi).filter(|i| !same(*i, i + 1)).count() as u32;
        if options == 1 {
            return Ok(hi);
        }
        let question = Question { layer: layer as u32, cell, start: range.0, end: range.1, options };
        let answer = self.chooser.choose(question)?;
        // Answer 0 is the newest run of equal versions.
        let mut top = hi;
        let mut skipped = 0;
        loop {
            let mut bottom = top;
            while bottom > lo && same(bottom - 1, bottom) {
                bottom -= 1;
            }
            if skipped == answer {
                let narrowing = Narrowing { layer: layer as u32, cell, lo: bottom, hi: top };
                self.bounds.narrow(self.world, narrowing);
                return Ok(top);
            }
            skipped += 1;
            top = bottom - 1;
        }
    }

    /// What a name refers to below the topmost `layers` layers.
    pub fn entry(&mut self, layers: usize, dir: Inode, name: &str) -> Result<Option<Inode>, Stop> {
        let mut below = layers;
        while below > 0 {
            let layer = below - 1;
            let recording = &self.world.layers[layer].recording;
            if let Some(cell) = recording.slot(dir).and_then(|slot| slot.name(name)) {
                let value = |index| entry_value(recording, cell, index);
                match value(self.decide(layer, cell, (0, 0), |a, b| value(a) == value(b))?) {
                    Some(inode) => return Ok(inode),
                    None if recording.created_here(dir) => return Ok(None),
                    None => {}
                }
            } else if recording.created_here(dir) {
                return Ok(None);
            }
            below = layer;
        }
        Ok(None)
    }

    /// All that a name may refer to, decided nothing.
    pub fn possible_entries(&mut self, dir: Inode, name: &str) -> Vec<Option<Inode>> {
        let mut found = Vec::new();
        for (layer, crashed) in self.world.layers.iter().enumerate().rev() {
            let recording = &crashed.recording;
            if let Some(cell) = recording.slot(dir).and_then(|slot| slot.name(name)) {
                let (lo, hi) = self.bounds.get(self.world, layer, cell);
                found.extend((lo..=hi).filter_map(|index| entry_value(recording, cell, index)));
                if lo > 0 {
                    return found;
                }
            }
            if recording.created_here(dir) {
                break;
            }
        }
        found.push(None);
        found
    }

    /// The names in a directory that some layer may show, each at least once.
    pub fn possible_names(&mut self, dir: Inode, names: &mut Vec<Name>) {
        for (layer, crashed) in self.world.layers.iter().enumerate() {
            let recording = &crashed.recording;
            let Some(slot) = recording.slot(dir) else { continue };
            for (name, cell) in &slot.names {
                let (lo, hi) = self.bounds.get(self.world, layer, *cell);
                // One that only another layer may have made is among that one's.
                if (lo..=hi).any(|index| matches!(entry_value(recording, *cell, index), Some(Some(_)))) {
                    names.push(name.clone());
                }
            }
        }
    }

    /// How many of the `len` bytes at `offset` are inside the file.
    pub fn size(&mut self, layers: usize, inode: Inode, offset: u64, len: u64) -> Result<u64, Stop> {
        let mut at_least = 0;
        let mut below = layers;
        while below > 0 {
            let layer = below - 1;
            let recording = &self.world.layers[layer].recording;
            let mut size = ground(recording, inode);
            if let Some(cell) = recording.slot(inode).and_then(|slot| slot.size) {
                let value = |index| size_value(recording, inode, cell, index);
                let told = |index| value(index).clamped(offset, len).extended(at_least);
                let (lo, hi) = self.bounds.get(self.world, layer, cell);
                size = if recording.cell(cell).rises_from(lo, size) && told(lo) == told(hi) {
                    value(hi)
                } else {
                    value(self.decide(layer, cell, (offset, len), |a, b| told(a) == told(b))?)
                };
            }
            match size.clamped(offset, len) {
                SizeFn::Absolute(size) => return Ok(size.max(at_least)),
                SizeFn::AtLeast(size) => at_least = size.max(at_least),
            }
            below = layer;
        }
        Ok(at_least)
    }

    /// The smallest and largest size that a file may have, decided nothing.
    pub fn size_range(&mut self, inode: Inode) -> (u64, u64) {
        let mut range = (0, 0);
        for (layer, crashed) in self.world.layers.iter().enumerate() {
            let recording = &crashed.recording;
            if inode.0 >= recording.next_inode() {
                continue;
            }
            let Some(cell) = recording.slot(inode).and_then(|slot| slot.size) else { continue };
            let (lo, hi) = self.bounds.get(self.world, layer, cell);
            let (mut min, mut max) = (u64::MAX, 0);
            for index in lo..=hi {
                let size = size_value(recording, inode, cell, index);
                min = min.min(size.over(range.0));
                max = max.max(size.over(range.1));
            }
            range = (min, max);
        }
        range
    }

    /// Bytes of a file as the file system shows them after the reboot: zeros behind the size. The range lies
    /// in one sector.
    pub fn data(&mut self, layers: usize, inode: Inode, offset: u64, out: &mut [u8]) -> Result<(), Stop> {
        if layers == 0 {
            out.fill(0);
            return Ok(());
        }
        let inside = self.size(layers, inode, offset, out.len() as u64)? as usize;
        let (out, behind) = out.split_at_mut(inside);
        behind.fill(0);
        self.data_inside(layers, inode, offset, out)
    }

    /// The same for a range that is known to lie inside the file.
    pub fn data_inside(
        &mut self,
        layers: usize,
        inode: Inode,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), Stop> {
        let mut done = 0;
        let unit_len = self.world.rules.unit;
        while done < out.len() {
            let at = offset + done as u64;
            let start = (at % unit_len as u64) as usize;
            let end = unit_len.min(start + out.len() - done);
            let unit = at / unit_len as u64;
            self.unit(layers, inode, unit, (start, end), &mut out[done..done + end - start])?;
            done += end - start;
        }
        Ok(())
    }

    /// The bytes `start..end` of a unit as the disk has them, whatever the size.
    fn unit(
        &mut self,
        layers: usize,
        inode: Inode,
        unit: u64,
        (start, end): (usize, usize),
        out: &mut [u8],
    ) -> Result<(), Stop> {
        let layer = layers - 1;
        let world = self.world;
        let recording = &world.layers[layer].recording;
        let below = if recording.created_here(inode) { 0 } else { layer };
        let offset = unit * recording.unit() as u64;
        let Some(cell) = recording.slot(inode).and_then(|slot| slot.unit(unit)) else {
            return self.data(below, inode, offset + start as u64, out);
        };
        let value = |index| data_value(recording, inode, cell, index);
        let same = |a, b| value(a).same_within(&value(b), start, end);
        let index = self.decide(layer, cell, (start as u64, end as u64), same)?;
        let patch = data_value(recording, inode, cell, index);
        let mut at = start;
        while at < end {
            let (covered, stop) = patch.run(at, end);
            let target = &mut out[at - start..stop - start];
            if covered {
                target.copy_from_slice(&patch.bytes[at..stop]);
            } else {
                self.data(below, inode, offset + at as u64, target)?;
            }
            at = stop;
        }
        Ok(())
    }
}

/// What lies below a recording's own versions of a file's size.
fn ground(recording: &Recording, inode: Inode) -> SizeFn {
    if recording.created_here(inode) { SizeFn::Absolute(0) } else { SizeFn::SAME }
}

fn size_value(recording: &Recording, inode: Inode, cell: CellId, index: u32) -> SizeFn {
    match (index as usize).checked_sub(1).map(|i| recording.cell(cell).versions[i].value) {
        Some(Value::Size(size)) => size,
        _ => ground(recording, inode),
    }
}

/// `None` if the layer does not say.
fn entry_value(recording: &Recording, cell: CellId, index: u32) -> Option<Option<Inode>> {
    match (index as usize).checked_sub(1).map(|i| recording.cell(cell).versions[i].value) {
        Some(Value::Entry(inode)) => Some(inode),
        _ => None,
    }
}

const ZEROS: [u8; SECTOR] = [0; SECTOR];
const NOTHING: super::recording::Mask = [0; SECTOR / 64];

fn data_value(recording: &Recording, inode: Inode, cell: CellId, index: u32) -> Patch<'_> {
    match (index as usize).checked_sub(1).map(|i| recording.cell(cell).versions[i].value) {
        Some(Value::Data(patch) | Value::Garbage(patch)) => recording.patch(patch),
        _ if recording.created_here(inode) => Patch { bytes: &ZEROS, mask: None },
        _ => Patch { bytes: &ZEROS, mask: Some(&NOTHING) },
    }
}
