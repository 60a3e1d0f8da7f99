//! A model applied to a recording: what a crash at any position must have left, and what implies what.

use rustc_hash::FxHashMap;

use super::Model;
use super::pass::Pass;
use crate::disk::{CellId, Recording};
use crate::trace::Pos;

/// A version of a cell: the cell, and an index into its chain.
pub(crate) type Point = (CellId, u32);

/// One end of an implication, and how long it holds.
#[derive(Clone, Copy, Debug)]
struct End {
    point: Point,
    /// The event that takes the implication back: it binds crashes at its position and before.
    until: Pos,
}

/// An implication that a later event took back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakenBack {
    pub from: Point,
    pub to: Point,
    /// The event: crashes at its position and before are still bound.
    pub at: Pos,
}

/// What a model says of a recording.
#[derive(Clone, Debug, Default)]
pub struct Persisted {
    /// By cell: from which event on which index is the least that a crash can leave.
    lower: Vec<Vec<(Pos, u32)>>,
    forward: FxHashMap<Point, Vec<End>>,
    backward: FxHashMap<Point, Vec<End>>,
    /// In the order of the events.
    taken_back: Vec<TakenBack>,
    constrained: Vec<bool>,
    barriers: Vec<Pos>,
}

impl Persisted {
    /// Applies a model to a recording that was made by its [rules](Model::rules).
    pub fn new(model: &Model, recording: &Recording) -> Persisted {
        debug_assert_eq!(model.rules(), recording.rules());
        let cells = recording.cells().len();
        let lower = vec![Vec::new(); cells];
        let constrained = vec![false; cells];
        Pass::new(model, recording, Persisted { lower, constrained, ..Persisted::default() }).run()
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

    /// What a disk that a crash at `at` leaves must have at least if it has version `index` of `cell`.
    pub fn implied_by(&self, cell: CellId, index: u32, at: Pos) -> impl Iterator<Item = Point> + '_ {
        holding(&self.forward, (cell, index), at)
    }

    /// The versions that a disk that a crash at `at` leaves cannot have if it lacks version `index` of `cell`.
    pub fn implying(&self, cell: CellId, index: u32, at: Pos) -> impl Iterator<Item = Point> + '_ {
        holding(&self.backward, (cell, index), at)
    }

    /// The implications that bind a crash at `from` and no longer one at `to`.
    pub(crate) fn taken_back(&self, from: Pos, to: Pos) -> &[TakenBack] {
        let Some(last) = self.taken_back.last() else { return &[] };
        if last.at < from {
            return &[];
        }
        let place = |at: Pos| self.taken_back.partition_point(|t| t.at < at);
        &self.taken_back[place(from)..place(to.max(from))]
    }

    /// The syncs that made something durable, in order.
    pub fn barriers(&self) -> &[Pos] {
        &self.barriers
    }

    /// What is durable by now.
    pub(super) fn durable(&self, cell: CellId) -> u32 {
        self.lower[cell as usize].last().map_or(0, |step| step.1)
    }

    pub(super) fn imply(&mut self, from: Point, to: Point) {
        if from.0 == to.0 && from.1 >= to.1 {
            return;
        }
        let until = Pos::MAX;
        self.forward.entry(from).or_default().push(End { point: to, until });
        self.backward.entry(to).or_default().push(End { point: from, until });
        self.constrained[from.0 as usize] = true;
        self.constrained[to.0 as usize] = true;
    }

    /// Takes an implication back for crashes after event `at`, unless what it implies is durable anyway.
    pub(super) fn forget(&mut self, from: Point, to: Point, at: Pos) {
        if to.1 <= self.durable(to.0) {
            return;
        }
        // The same implication may stand for another reason too, the order of its class: one goes, not all.
        let end_one = |ends: Option<&mut Vec<End>>, point: Point| {
            let mut ends = ends.into_iter().flatten();
            if let Some(end) = ends.find(|end| end.point == point && end.until == Pos::MAX) {
                end.until = at;
            }
        };
        end_one(self.forward.get_mut(&from), to);
        end_one(self.backward.get_mut(&to), from);
        self.taken_back.push(TakenBack { from, to, at });
    }

    /// Makes a version, and all that it implies, durable from `at` on. Says whether it was not.
    pub(super) fn raise(&mut self, point: Point, at: Pos) -> bool {
        let mut raised = false;
        let mut todo = vec![point];
        while let Some((cell, index)) = todo.pop() {
            let before = self.durable(cell);
            if index <= before {
                continue;
            }
            self.lower[cell as usize].push((at, index));
            raised = true;
            if self.constrained[cell as usize] {
                for version in before + 1..=index {
                    todo.extend(self.implied_by(cell, version, at));
                }
            }
        }
        raised
    }

    pub(super) fn barrier(&mut self, at: Pos) {
        self.barriers.push(at);
    }
}

fn holding(ends: &FxHashMap<Point, Vec<End>>, point: Point, at: Pos) -> impl Iterator<Item = Point> + '_ {
    ends.get(&point).into_iter().flatten().filter(move |end| at <= end.until).map(|end| end.point)
}
