//! A disk after one or more crashes: undetermined, immutable, shared by all recoveries that run on it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::recording::{CellId, Recording, Rules};
use super::{Bounds, Made, Narrowing};
use crate::model::{Persisted, TakenBack};
use crate::trace::{Inode, Pos, ROOT};

/// The first and the last version of a cell that are possible.
type Interval = (u32, u32);

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

    /// The disk if its processes had crashed at these positions, decided nothing.
    pub fn crashed_at(&self, positions: &[Pos]) -> World {
        let layers =
            self.layers.iter().zip(positions).map(|(layer, at)| CrashedLayer { at: *at, ..layer.clone() });
        World {
            layers: layers.collect(),
            narrowed: Vec::new(),
            rules: self.rules,
            next_inode: self.next_inode,
        }
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

    /// Just behind the newest version of a layer that the disk must have after these decisions alone.
    pub(super) fn newest_needed(&self, layer: usize, decided: &[Narrowing]) -> Pos {
        let recording = &self.layers[layer].recording;
        let of_layer = decided.iter().filter(|n| n.layer as usize == layer && n.lo > 0);
        of_layer.map(|n| recording.cell(n.cell).versions[n.lo as usize - 1].at + 1).max().unwrap_or(0)
    }

    /// The earliest crash of layer `layer`, `first` or later, that could have left what has been decided: any
    /// crash between it and the layer's own crash position could have left the same. `first` lies behind the
    /// last sync before that position; `made` says when what the disk has was made.
    pub fn earliest_crash(&self, layer: usize, decided: &[Narrowing], first: Pos, made: &Made) -> Pos {
        let crashed = &self.layers[layer];
        // The newest version that is needed must have been made...
        let made = made.newest(layer).max(first);
        // ...and every implication that no possible disk respects must have been taken back.
        let taken_back = crashed.persisted.taken_back(made, crashed.at);
        if taken_back.is_empty() {
            return made;
        }
        let of_layer = self.narrowed.iter().chain(decided).filter(|n| n.layer as usize == layer);
        let needed =
            Needed { crashed, taken_back, bounds: of_layer.map(|n| (n.cell, (n.lo, n.hi))).collect() };
        needed.earliest_crash(made)
    }

    /// Bounds within which lie just the disks that lie within `a` or within `b`, if there are any. Both say of
    /// some cells, sorted, what was decided about them; in one cell at least, the two must be neighbours.
    /// `bounds` is memory.
    pub fn union(&self, a: &[Narrowing], b: &[Narrowing], bounds: &mut Bounds) -> Option<Vec<Narrowing>> {
        bounds.start(self);
        let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
        let key = |n: &Narrowing| (n.layer, n.cell);
        // By cell: the bounds around both, of the one, of the other.
        let mut cells: Vec<(Narrowing, Interval, Interval)> = Vec::new();
        loop {
            let cell = match (a.peek(), b.peek()) {
                (Some(a), Some(b)) => key(a).min(key(b)),
                (Some(n), None) | (None, Some(n)) => key(n),
                (None, None) => break,
            };
            let mut of = |side: &mut std::iter::Peekable<std::slice::Iter<'_, Narrowing>>| match side
                .next_if(|n| key(n) == cell)
            {
                Some(n) => (n.lo, n.hi),
                None => bounds.get(self, cell.0 as usize, cell.1),
            };
            let (a, b) = (of(&mut a), of(&mut b));
            let around = Narrowing { layer: cell.0, cell: cell.1, lo: a.0.min(b.0), hi: a.1.max(b.1) };
            cells.push((around, a, b));
        }
        let splits = cells.iter().filter(|(_, a, b)| a.1 + 1 == b.0 || b.1 + 1 == a.0);
        // Each disk within the bounds around both has one side of a split cell or the other: it is enough that
        // each side, and what it implies, leaves just what there was.
        let mut leaves = |split: &Narrowing, (lo, hi): Interval, second: bool| {
            bounds.start(self);
            cells.iter().for_each(|(around, _, _)| bounds.set(*around));
            bounds.try_narrow(self, Narrowing { lo, hi, ..*split })
                && cells.iter().all(|(around, a, b)| {
                    let expected = if second { b } else { a };
                    bounds.get(self, around.layer as usize, around.cell) == *expected
                })
        };
        for (around, a, b) in splits {
            if leaves(around, *a, false) && leaves(around, *b, true) {
                return Some(cells.iter().map(|(around, _, _)| *around).collect());
            }
        }
        None
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

/// What was decided about a crashed layer, by cell: its lowest and highest version.
struct Needed<'a> {
    crashed: &'a CrashedLayer,
    /// The implications that may bind an earlier crash.
    taken_back: &'a [TakenBack],
    bounds: FxHashMap<CellId, (u32, u32)>,
}

impl Needed<'_> {
    fn earliest_crash(&self, made: Pos) -> Pos {
        if self.is_possible(made) {
            return made;
        }
        // Later crashes are bound by fewer implications.
        let possible = self.taken_back.partition_point(|t| !self.is_possible(t.at + 1));
        self.taken_back.get(possible).map_or(self.crashed.at, |t| t.at + 1)
    }

    fn bounds(&self, cell: CellId) -> (u32, u32) {
        self.bounds.get(&cell).copied().unwrap_or_else(|| self.crashed.bounds(cell))
    }

    /// Whether some disk within the bounds respects all that binds a crash at `at`. The oldest within the
    /// bounds respects what binds the layer's own crash; so it is enough to raise what the rest asks for.
    fn is_possible(&self, at: Pos) -> bool {
        let mut raised: FxHashMap<CellId, u32> = FxHashMap::default();
        let lowest = |raised: &FxHashMap<CellId, u32>, cell| {
            raised.get(&cell).copied().unwrap_or_else(|| self.bounds(cell).0)
        };
        let first = self.taken_back.partition_point(|t| t.at < at);
        let asks = |t: &&TakenBack| lowest(&raised, t.from.0) >= t.from.1;
        let mut todo: Vec<(CellId, u32)> =
            self.taken_back[first..].iter().filter(asks).map(|t| t.to).collect();
        while let Some((cell, index)) = todo.pop() {
            let lo = lowest(&raised, cell);
            if index <= lo {
                continue;
            }
            if index > self.bounds(cell).1 {
                return false;
            }
            raised.insert(cell, index);
            for version in lo + 1..=index {
                todo.extend(self.crashed.persisted.implied_by(cell, version, at));
            }
        }
        true
    }
}
