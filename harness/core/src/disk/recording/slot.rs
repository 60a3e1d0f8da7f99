//! Where the cells of an inode are.

use super::cell::CellId;
use crate::trace::Name;

/// Where the cells of an inode are.
#[derive(Clone, Debug, Default)]
pub(in crate::disk) struct Slot {
    pub size: Option<CellId>,
    dense: Vec<CellId>,
    sparse: std::collections::BTreeMap<u64, CellId>,
    /// Sorted by name.
    pub names: Vec<(Name, CellId)>,
    pub is_dir: bool,
    /// The smallest size that the file has had since its last sync, if it was created here.
    pub least_unsynced: u64,
}

const NO_CELL: CellId = CellId::MAX;
/// Files up to this many units (32 MiB of sectors) have their cells in a plain vector.
const DENSE_UNITS: u64 = 1 << 16;

impl Slot {
    pub(super) fn clear(&mut self) {
        self.size = None;
        self.dense.clear();
        self.sparse.clear();
        self.names.clear();
        self.is_dir = false;
        self.least_unsynced = 0;
    }

    pub fn unit(&self, unit: u64) -> Option<CellId> {
        if unit < DENSE_UNITS {
            self.dense.get(unit as usize).copied().filter(|c| *c != NO_CELL)
        } else {
            self.sparse.get(&unit).copied()
        }
    }

    /// Whether any unit has a cell.
    pub(super) fn has_units(&self) -> bool {
        !self.dense.is_empty() || !self.sparse.is_empty()
    }

    pub(super) fn set_unit(&mut self, unit: u64, cell: CellId) {
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
