//! When what a disk surely has was made: no crash before that could have left it.

use std::sync::{Arc, Weak};

use super::{Narrowing, World};
use crate::trace::Pos;

/// For each layer of a world, just behind the newest version that the disk must have after what was decided. Most
/// runs decide what the run before did, but for the last few cells.
#[derive(Debug, Default)]
pub struct Made {
    world: Weak<World>,
    layers: Vec<Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    /// By what was decided before any run.
    before: Pos,
    /// By the first so many decisions of the run, one more each.
    after: Vec<Pos>,
}

impl Made {
    /// Takes what a run decided, of which the first `same` are what the last run decided on this disk.
    pub fn update(&mut self, world: &Arc<World>, decided: &[Narrowing], same: usize) {
        let mut same = same;
        if !std::ptr::eq(self.world.as_ptr(), Arc::as_ptr(world)) {
            self.world = Arc::downgrade(world);
            self.layers.resize_with(world.layers.len(), Layer::default);
            for (index, layer) in self.layers.iter_mut().enumerate() {
                layer.before = world.newest_needed(index, &world.narrowed);
            }
            same = 0;
        }
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.after.truncate(same);
            let mut newest = layer.after.last().copied().unwrap_or(layer.before);
            layer.after.extend(decided[layer.after.len()..].iter().map(|n| {
                newest = newest.max(world.newest_needed(index, std::slice::from_ref(n)));
                newest
            }));
        }
    }

    /// Just behind the newest version of the layer that the disk must have.
    pub(super) fn newest(&self, layer: usize) -> Pos {
        self.layers[layer].after.last().copied().unwrap_or(self.layers[layer].before)
    }
}
