//! A model applied to a recording: what a crash at any position must have left, and what implies what.

use rustc_hash::FxHashMap;

use super::Model;
use crate::disk::{CellId, CellKey, Recording};
use crate::trace::{Call, EventKind, Inode, Pos};

/// A version of a cell: the cell, and an index into its chain.
type Point = (CellId, u32);

/// What a model says of a recording.
#[derive(Clone, Debug, Default)]
pub struct Persisted {
    /// By cell: from which event on which index is the least that a crash can leave.
    lower: Vec<Vec<(Pos, u32)>>,
    forward: FxHashMap<Point, Vec<Point>>,
    backward: FxHashMap<Point, Vec<Point>>,
    constrained: Vec<bool>,
    barriers: Vec<Pos>,
}

impl Persisted {
    /// Applies a model to a recording.
    pub fn new(model: &Model, recording: &Recording) -> Persisted {
        let cells = recording.cells().len();
        let persisted = Persisted {
            lower: vec![Vec::new(); cells],
            constrained: vec![false; cells],
            ..Persisted::default()
        };
        let mut pass = Pass { model, recording, persisted, pending: FxHashMap::default() };
        pass.run();
        pass.persisted
    }

    /// The lowest index of a cell's chain that a crash at `at` can leave.
    pub fn lower_bound(&self, cell: CellId, at: Pos) -> u32 {
        let steps = &self.lower[cell as usize];
        let reached = match steps.last() {
            Some(last) if last.0 < at => steps.len(),
            _ => steps.partition_point(|(pos, _)| *pos < at),
        };
        reached.checked_sub(1).map_or(0, |i| steps[i].1)
    }

    /// Whether any version of the cell stands in an implication.
    pub fn is_constrained(&self, cell: CellId) -> bool {
        self.constrained[cell as usize]
    }

    /// What a disk must have at least if it has version `index` of `cell`.
    pub fn implied_by(&self, cell: CellId, index: u32) -> impl Iterator<Item = Point> + '_ {
        self.forward.get(&(cell, index)).into_iter().flatten().copied()
    }

    /// The versions that a disk cannot have if it lacks version `index` of `cell`.
    pub fn implying(&self, cell: CellId, index: u32) -> impl Iterator<Item = Point> + '_ {
        self.backward.get(&(cell, index)).into_iter().flatten().copied()
    }

    /// The syncs that made something durable, in order.
    pub fn barriers(&self) -> &[Pos] {
        &self.barriers
    }

    fn imply(&mut self, from: Point, to: Point) {
        self.forward.entry(from).or_default().push(to);
        self.backward.entry(to).or_default().push(from);
        self.constrained[from.0 as usize] = true;
        self.constrained[to.0 as usize] = true;
    }
}

/// One walk over a recording.
struct Pass<'a> {
    model: &'a Model,
    recording: &'a Recording,
    persisted: Persisted,
    /// Cells with un-synced versions, by the inode whose sync covers them.
    pending: FxHashMap<Inode, Vec<CellId>>,
}

impl Pass<'_> {
    fn run(&mut self) {
        let updates = self.recording.updates();
        let mut next = 0;
        for (at, event) in (0..).zip(&self.recording.trace.events) {
            let first = next;
            while next < updates.len() && updates[next].0 == at {
                let cell = updates[next].1;
                let owner = match &self.recording.cell(cell).key {
                    CellKey::Data { inode, .. } | CellKey::Size { inode } => *inode,
                    CellKey::Entry { dir, .. } => *dir,
                };
                self.pending.entry(owner).or_default().push(cell);
                next += 1;
            }
            let EventKind::Call(call) = &event.kind else { continue };
            match call {
                Call::Rename { from_dir, to_dir, .. } => {
                    let point = |i: usize| {
                        let cell = updates[i].1;
                        (cell, self.recording.cell(cell).newest_before(at + 1))
                    };
                    // The recording updates the old name first, then the new one.
                    if next - first == 2 {
                        self.rename(point(first), point(first + 1), from_dir == to_dir);
                    }
                }
                Call::SyncFile { inode: owner, .. } | Call::SyncDir { dir: owner } => self.sync(*owner, at),
                _ => {}
            }
        }
    }

    fn rename(&mut self, old: Point, new: Point, within_directory: bool) {
        let _ = self.model;
        self.persisted.imply(old, new);
        if within_directory {
            self.persisted.imply(new, old);
        }
    }

    fn sync(&mut self, owner: Inode, at: Pos) {
        let Some(cells) = self.pending.remove(&owner) else { return };
        let mut raised = false;
        for cell in cells {
            raised |= self.raise((cell, self.recording.cell(cell).newest_before(at)), at);
        }
        if raised {
            self.persisted.barriers.push(at);
        }
    }

    /// Makes a version, and all that it implies, durable from `at` on.
    fn raise(&mut self, point: Point, at: Pos) -> bool {
        let mut raised = false;
        let mut todo = vec![point];
        while let Some((cell, index)) = todo.pop() {
            let steps = &mut self.persisted.lower[cell as usize];
            let before = steps.last().map_or(0, |s| s.1);
            if index <= before {
                continue;
            }
            steps.push((at, index));
            raised = true;
            if self.persisted.constrained[cell as usize] {
                for version in before + 1..=index {
                    todo.extend(self.persisted.implied_by(cell, version));
                }
            }
        }
        raised
    }
}
