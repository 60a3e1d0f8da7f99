//! How many disk states a crash may leave.

use std::collections::{BTreeMap, BTreeSet};

use super::Persisted;
use crate::disk::{Cell, CellId, Recording, Value};
use crate::explore::CrashPoint;
use crate::trace::Pos;

/// A number of states, as its base-2 logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StateCount {
    /// log2 of the number, or of a lower bound of it.
    pub log2: f64,
    /// Whether it is the number itself.
    pub exact: bool,
}

/// Partial states kept apart while a group of tied cells is counted.
const FRONTIER_MAX: usize = 1 << 12;

/// Counts the legal states at each crash point. Versions that are equal to the one before count once, unless
/// implications tie the cell to others.
pub fn count_states(recording: &Recording, persisted: &Persisted, points: &[CrashPoint]) -> Vec<StateCount> {
    let updates = recording.updates();
    let mut next = 0;
    let mut pending: BTreeSet<CellId> = BTreeSet::new();
    let mut counts = Vec::with_capacity(points.len());
    for point in points {
        while next < updates.len() && updates[next].at < point.at {
            pending.insert(updates[next].cell);
            next += 1;
        }
        let open: Vec<Open> = pending
            .iter()
            .map(|cell| Open {
                cell: *cell,
                lo: persisted.lower_bound(*cell, point.at),
                hi: recording.cell(*cell).newest_before(point.at),
            })
            .collect();
        counts.push(count(recording, Ties { persisted, at: point.at }, &open));
        pending.retain(|cell| {
            persisted.lower_bound(*cell, point.at + 1) < recording.cell(*cell).newest_before(point.at)
        });
    }
    counts
}

/// log2 of the sum of numbers given by their logarithms.
pub fn log2_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = logs.clone().fold(0.0, f64::max);
    max + logs.map(|l| (l - max).exp2()).sum::<f64>().max(1.0).log2()
}

/// The implications that bind a crash.
#[derive(Clone, Copy)]
struct Ties<'a> {
    persisted: &'a Persisted,
    at: Pos,
}

#[derive(Clone, Copy)]
struct Open {
    cell: CellId,
    lo: u32,
    hi: u32,
}

fn count(recording: &Recording, ties: Ties<'_>, open: &[Open]) -> StateCount {
    let mut total = StateCount { log2: 0.0, exact: true };
    let mut tied: Vec<Open> = Vec::new();
    for cell in open {
        if ties.persisted.is_constrained(cell.cell) {
            tied.push(*cell);
        } else {
            let distinct = distinct(recording, recording.cell(cell.cell), cell.lo, cell.hi);
            total.log2 += f64::from(distinct).log2();
        }
    }
    for group in groups(ties, &tied) {
        let states = count_group(ties, &group);
        total.exact &= states.exact;
        total.log2 += states.log2;
    }
    total
}

fn distinct(recording: &Recording, cell: &Cell, lo: u32, hi: u32) -> u32 {
    let differs = |i: u32| {
        let Some(before) = (i as usize).checked_sub(1) else { return true };
        match (cell.versions[before].value, cell.versions[before + 1].value) {
            (Value::Data(a) | Value::Garbage(a), Value::Data(b) | Value::Garbage(b)) => {
                let (a, b) = (recording.patch(a), recording.patch(b));
                !a.same_within(&b, 0, recording.unit())
            }
            (Value::Size(a), Value::Size(b)) => a != b,
            (Value::Entry(a), Value::Entry(b)) => a != b,
            _ => true,
        }
    };
    1 + (lo..hi).filter(|i| differs(*i)).count() as u32
}

/// Cells that implications tie together, directly or not; each group in the order of its cells.
fn groups(ties: Ties<'_>, tied: &[Open]) -> Vec<Vec<Open>> {
    let place: BTreeMap<CellId, usize> = tied.iter().enumerate().map(|(i, open)| (open.cell, i)).collect();
    let mut done = vec![false; tied.len()];
    let mut groups = Vec::new();
    for start in 0..tied.len() {
        let mut members = BTreeSet::new();
        let mut todo = vec![start];
        while let Some(i) = todo.pop() {
            if std::mem::replace(&mut done[i], true) {
                continue;
            }
            members.insert(i);
            todo.extend(neighbours(ties, &tied[i]).filter_map(|cell| place.get(&cell)));
        }
        if !members.is_empty() {
            groups.push(members.into_iter().map(|i| tied[i]).collect());
        }
    }
    groups
}

/// Counts the legal states of a group cell by cell, keeping apart only what still matters: the versions of
/// those cells that are tied to cells not counted yet.
fn count_group(ties: Ties<'_>, group: &[Open]) -> StateCount {
    let place: BTreeMap<CellId, usize> = group.iter().enumerate().map(|(i, open)| (open.cell, i)).collect();
    let needed_until: Vec<usize> = group
        .iter()
        .map(|open| neighbours(ties, open).filter_map(|cell| place.get(&cell)).copied().max().unwrap_or(0))
        .collect();
    let mut ways: BTreeMap<Vec<(usize, u32)>, f64> = BTreeMap::from([(Vec::new(), 1.0)]);
    // Numbers of states outgrow a float: every so often the common factor is taken out.
    let mut scale_log2 = 0.0;
    for (i, open) in group.iter().enumerate() {
        let mut next: BTreeMap<Vec<(usize, u32)>, f64> = BTreeMap::new();
        for (kept, count) in &ways {
            for index in open.lo..=open.hi {
                if fits(ties, open, index, kept.iter().map(|(p, v)| (group[*p].cell, *v))) {
                    let mut kept: Vec<(usize, u32)> = kept
                        .iter()
                        .chain([&(i, index)])
                        .copied()
                        .filter(|(p, _)| needed_until[*p] > i)
                        .collect();
                    kept.shrink_to_fit();
                    *next.entry(kept).or_insert(0.0) += count;
                }
            }
        }
        if next.len() > FRONTIER_MAX {
            // Every partial state can be completed: their number is a lower bound.
            let log2 = scale_log2 + next.values().sum::<f64>().log2();
            return StateCount { log2, exact: false };
        }
        ways = next;
        let total: f64 = ways.values().sum();
        if total > 1e100 {
            ways.values_mut().for_each(|count| *count /= total);
            scale_log2 += total.log2();
        }
    }
    StateCount { log2: scale_log2 + ways.values().sum::<f64>().max(f64::MIN_POSITIVE).log2(), exact: true }
}

fn neighbours<'a>(ties: Ties<'a>, open: &Open) -> impl Iterator<Item = CellId> + 'a {
    let Ties { persisted, at } = ties;
    let cell = open.cell;
    (open.lo + 1..=open.hi).flat_map(move |index| {
        let implied = persisted.implied_by(cell, index, at).map(|(cell, _)| cell);
        implied.chain(persisted.implying(cell, index, at).map(|(cell, _)| cell))
    })
}

fn fits(ties: Ties<'_>, open: &Open, index: u32, mut chosen: impl Iterator<Item = (CellId, u32)>) -> bool {
    let Ties { persisted, at } = ties;
    chosen.all(|(other, other_index)| {
        let broken_by_having = (open.lo + 1..=index)
            .flat_map(|v| persisted.implied_by(open.cell, v, at))
            .any(|(cell, least)| cell == other && other_index < least);
        let broken_by_lacking = (index + 1..=open.hi)
            .flat_map(|v| persisted.implying(open.cell, v, at))
            .any(|(cell, least)| cell == other && other_index >= least);
        !broken_by_having && !broken_by_lacking
    })
}
