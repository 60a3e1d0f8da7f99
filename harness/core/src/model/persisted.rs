//! A model applied to a recording: what a crash at any position must have left, and what implies what.

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
    forward: Implications,
    backward: Implications,
    /// In the order of the events.
    taken_back: Vec<TakenBack>,
    barriers: Vec<Pos>,
}

impl Persisted {
    /// Applies a model to a recording that was made by its [rules](Model::rules).
    pub fn new(model: &Model, recording: &Recording) -> Persisted {
        debug_assert_eq!(model.rules(), recording.rules());
        let cells = recording.cells().len();
        let lower = vec![Vec::new(); cells];
        let (forward, backward) = (Implications::new(cells), Implications::new(cells));
        let taken_back = Vec::new();
        let barriers = Vec::new();
        Pass::new(model, recording, Persisted { lower, forward, backward, taken_back, barriers }).run()
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
        self.forward.knows(cell) || self.backward.knows(cell)
    }

    /// What a disk that a crash at `at` leaves must have at least if it has version `index` of `cell`.
    pub fn implied_by(&self, cell: CellId, index: u32, at: Pos) -> impl Iterator<Item = Point> + '_ {
        self.forward.of((cell, index), at)
    }

    /// The versions that a disk that a crash at `at` leaves cannot have if it lacks version `index` of `cell`.
    pub fn implying(&self, cell: CellId, index: u32, at: Pos) -> impl Iterator<Item = Point> + '_ {
        self.backward.of((cell, index), at)
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
        self.forward.push(from, to);
        self.backward.push(to, from);
    }

    /// Takes an implication back for crashes after event `at`, unless what it implies is durable anyway.
    pub(super) fn forget(&mut self, from: Point, to: Point, at: Pos) {
        if to.1 <= self.durable(to.0) {
            return;
        }
        self.forward.end_one(from, to, at);
        self.backward.end_one(to, from, at);
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
            if self.forward.knows(cell) {
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

/// Implications by the version at one end of them.
#[derive(Clone, Debug, Default)]
struct Implications {
    /// By cell, sorted by the version; of one version, in the order they were found.
    ends: Vec<Vec<(u32, End)>>,
}

impl Implications {
    fn new(cells: usize) -> Implications {
        Implications { ends: vec![Vec::new(); cells] }
    }

    /// Whether there are any for some version of a cell.
    fn knows(&self, cell: CellId) -> bool {
        !self.ends[cell as usize].is_empty()
    }

    fn push(&mut self, point: Point, end: Point) {
        let ends = &mut self.ends[point.0 as usize];
        let place = ends.partition_point(|(index, _)| *index <= point.1);
        ends.insert(place, (point.1, End { point: end, until: Pos::MAX }));
    }

    /// Ends one of them after event `at`: the same implication may stand for another reason too, the order of
    /// its class.
    fn end_one(&mut self, point: Point, end: Point, at: Pos) {
        let ends = &mut self.ends[point.0 as usize];
        let mut ends = ends.iter_mut().filter(|(index, _)| *index == point.1);
        if let Some((_, found)) = ends.find(|(_, e)| e.point == end && e.until == Pos::MAX) {
            found.until = at;
        }
    }

    /// The other ends of those that bind a crash at `at`.
    fn of(&self, (cell, index): Point, at: Pos) -> impl Iterator<Item = Point> + '_ {
        let ends = &self.ends[cell as usize];
        let first = ends.partition_point(|(other, _)| *other < index);
        let ends = ends[first..].iter().take_while(move |(other, _)| *other == index);
        ends.filter(move |(_, end)| at <= end.until).map(|(_, end)| end.point)
    }
}
