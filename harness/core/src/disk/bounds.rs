//! What is still possible: the lowest and highest version of each cell, narrowed as questions are answered.

use super::{CellId, World};

/// A cell's bounds became these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrowing {
    /// Index of the layer in its world.
    pub layer: u32,
    /// The cell in that layer's recording.
    pub cell: CellId,
    /// The lowest index still possible.
    pub lo: u32,
    /// The highest.
    pub hi: u32,
}

/// The bounds of all cells of a world during one run. Reused from run to run: starting costs as much as was
/// decided before, not as much as there are cells.
#[derive(Debug, Default)]
pub struct Bounds {
    generation: u32,
    layers: Vec<LayerBounds>,
    trail: Vec<Narrowing>,
    /// What the bounds were before each entry of the trail.
    before: Vec<(u32, u32)>,
    pending: Vec<Narrowing>,
}

#[derive(Debug, Default)]
struct LayerBounds {
    /// The generation in which `range` was set.
    stamp: Vec<u32>,
    range: Vec<(u32, u32)>,
}

impl Bounds {
    /// Begins a run on a world.
    pub fn start(&mut self, world: &World) {
        self.trail.clear();
        self.before.clear();
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.layers.clear();
            self.generation = 1;
        }
        if self.layers.len() < world.layers.len() {
            self.layers.resize_with(world.layers.len(), LayerBounds::default);
        }
        for (bounds, layer) in self.layers.iter_mut().zip(&world.layers) {
            let cells = layer.recording.cells().len();
            if bounds.stamp.len() < cells {
                bounds.stamp.resize(cells, 0);
                bounds.range.resize(cells, (0, 0));
            }
        }
        for n in &world.narrowed {
            self.set(*n);
        }
    }

    /// What was narrowed since the start, in order.
    pub fn trail(&self) -> &[Narrowing] {
        &self.trail
    }

    /// The same, for whoever wants to keep it: the next start does not.
    pub(super) fn trail_mut(&mut self) -> &mut Vec<Narrowing> {
        &mut self.trail
    }

    /// Narrows as a run before did, all that follows included.
    pub(super) fn repeat(&mut self, world: &World, narrowed: &[Narrowing]) {
        for n in narrowed {
            let before = self.get(world, n.layer as usize, n.cell);
            self.before.push(before);
            self.set(*n);
        }
        self.trail.extend_from_slice(narrowed);
    }

    /// Takes back all but the first `kept` entries of the trail.
    pub(super) fn take_back(&mut self, kept: usize) {
        while self.trail.len() > kept
            && let (Some(n), Some((lo, hi))) = (self.trail.pop(), self.before.pop())
        {
            self.set(Narrowing { lo, hi, ..n });
        }
    }

    /// A cell's bounds.
    pub fn get(&mut self, world: &World, layer: usize, cell: CellId) -> (u32, u32) {
        let bounds = &mut self.layers[layer];
        let range = &mut bounds.range[cell as usize];
        if bounds.stamp[cell as usize] != self.generation {
            bounds.stamp[cell as usize] = self.generation;
            *range = world.layers[layer].bounds(cell);
        }
        *range
    }

    /// Sets a cell's bounds as they are, without asking the model what follows.
    pub fn set(&mut self, n: Narrowing) {
        let bounds = &mut self.layers[n.layer as usize];
        bounds.stamp[n.cell as usize] = self.generation;
        bounds.range[n.cell as usize] = (n.lo, n.hi);
    }

    /// Narrows a cell's bounds to a part of them, and those of every cell for which the model says that
    /// something follows. Implications alone (no exclusions) never contradict each other: an empty range is a
    /// bug here.
    pub fn narrow(&mut self, world: &World, narrowing: Narrowing) {
        assert!(self.try_narrow(world, narrowing), "implications dead-ended at {narrowing:?}");
    }

    /// The same for any narrowing: says whether something is left. If not, the bounds are meaningless until
    /// the next start.
    pub fn try_narrow(&mut self, world: &World, narrowing: Narrowing) -> bool {
        self.pending.push(narrowing);
        while let Some(next) = self.pending.pop() {
            let layer = next.layer as usize;
            let (lo, hi) = self.get(world, layer, next.cell);
            let (new_lo, new_hi) = (lo.max(next.lo), hi.min(next.hi));
            if new_lo > new_hi {
                self.pending.clear();
                return false;
            }
            if (new_lo, new_hi) == (lo, hi) {
                continue;
            }
            let n = Narrowing { lo: new_lo, hi: new_hi, ..next };
            self.set(n);
            self.trail.push(n);
            self.before.push((lo, hi));
            let (persisted, at) = (&world.layers[layer].persisted, world.layers[layer].at);
            if !persisted.is_constrained(n.cell) {
                continue;
            }
            for version in lo + 1..=new_lo {
                for (cell, index) in persisted.implied_by(n.cell, version, at) {
                    self.pending.push(Narrowing { layer: n.layer, cell, lo: index, hi: u32::MAX });
                }
            }
            for version in new_hi + 1..=hi {
                for (cell, index) in persisted.implying(n.cell, version, at) {
                    self.pending.push(Narrowing { layer: n.layer, cell, lo: 0, hi: index - 1 });
                }
            }
        }
        true
    }
}
