//! A disk after one or more crashes: undetermined, immutable, shared by all recoveries that run on it.

use std::sync::Arc;

use super::recording::{CellId, Recording, Rules};
use super::{Bounds, Narrowing};
use crate::model::Persisted;
use crate::trace::{Inode, Pos, ROOT};

/// A process that crashed: what it did, where it was cut, and what the model says of it.
#[derive(Clone, Debug)]
pub struct CrashedLayer {
    /// What it did.
    pub recording: Arc<Recording>,
    /// What the model makes of it.
    pub persisted: Arc<Persisted>,
    /// The crash: events before this position happened.
    pub at: Pos,
}

impl CrashedLayer {
    /// The lowest and highest index of a cell's chain that the crash may have left.
    pub fn bounds(&self, cell: CellId) -> (u32, u32) {
        (self.persisted.lower_bound(cell, self.at), self.recording.cell(cell).newest_before(self.at))
    }
}

/// A stack of crashed layers; the empty stack is a new, empty disk.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The first process's layer first.
    pub layers: Vec<CrashedLayer>,
    /// What was already decided about cells of these layers, in order; later entries replace earlier ones.
    pub narrowed: Vec<Narrowing>,
    /// How the calls of all its processes become versions.
    pub rules: Rules,
    next_inode: u32,
}

impl World {
    /// A new disk: an empty root directory.
    pub fn empty(rules: Rules) -> World {
        World { layers: Vec::new(), narrowed: Vec::new(), rules, next_inode: ROOT.0 + 1 }
    }

    /// The disk after a process that ran on this one crashed. `decided` is what the process's own questions
    /// had decided about this disk by then.
    pub fn crash(&self, layer: CrashedLayer, decided: &[Narrowing]) -> World {
        let mut layers = self.layers.clone();
        let next_inode = layer.recording.next_inode();
        layers.push(layer);
        let mut narrowed = self.narrowed.clone();
        narrowed.extend_from_slice(decided);
        World { layers, narrowed, rules: self.rules, next_inode }
    }

    /// The number that the next new inode gets.
    pub fn next_inode(&self) -> u32 {
        self.next_inode
    }

    /// The units of a file, from the one at byte `offset` on, that its processes have written; some perhaps
    /// more than once.
    pub fn units_from(&self, inode: Inode, offset: u64) -> Vec<u64> {
        let first = offset / self.rules.unit as u64;
        let slots = self.layers.iter().filter_map(|l| l.recording.slot(inode));
        slots.flat_map(|s| s.units_from(first)).collect()
    }

    /// Whether an inode is a directory.
    pub fn is_dir(&self, inode: Inode) -> bool {
        if inode == ROOT {
            return true;
        }
        let creator = self.layers.iter().rev().find(|l| l.recording.created_here(inode));
        creator.is_some_and(|l| l.recording.is_created_dir(inode))
    }

    /// The latest event of layer `layer` that must have happened for what has been decided: any crash between
    /// it and the layer's own crash position could have left the same.
    pub fn earliest_crash(&self, layer: usize, decided: &[Narrowing]) -> Pos {
        let recording = &self.layers[layer].recording;
        let needed = self.narrowed.iter().chain(decided).filter(|n| n.layer as usize == layer && n.lo > 0);
        needed.map(|n| recording.cell(n.cell).versions[n.lo as usize - 1].at + 1).max().unwrap_or(0)
    }

    /// The bounds of every cell of a layer that are not what the crash alone says, after what was decided.
    pub fn final_bounds(&self, decided: &[Narrowing]) -> Bounds {
        let mut bounds = Bounds::default();
        bounds.start(self);
        for n in decided {
            bounds.set(*n);
        }
        bounds
    }
}
