//! How many disk states a crash may leave.

use std::collections::BTreeSet;

use super::Persisted;
use crate::disk::{Cell, CellId, Recording, Value};
use crate::explore::CrashPoint;

/// A number of states, as its base-2 logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StateCount {
    /// log2 of the number, or of a lower bound of it.
    pub log2: f64,
    /// Whether it is the number itself.
    pub exact: bool,
}

/// Groups of cells tied by implications are counted one state at a time, up to this many.
const GROUP_STATES_MAX: u64 = 1 << 20;

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
        counts.push(count(recording, persisted, &open));
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

#[derive(Clone, Copy)]
struct Open {
    cell: CellId,
    lo: u32,
    hi: u32,
}

fn count(recording: &Recording, persisted: &Persisted, open: &[Open]) -> StateCount {
    let mut total = StateCount { log2: 0.0, exact: true };
    let mut tied: Vec<Open> = Vec::new();
    for cell in open {
        if persisted.is_constrained(cell.cell) {
            tied.push(*cell);
        } else {
            let distinct = distinct(recording, recording.cell(cell.cell), cell.lo, cell.hi);
            total.log2 += f64::from(distinct).log2();
        }
    }
    for group in groups(persisted, &tied) {
        let mut states = 0;
        enumerate(persisted, &group, &mut Vec::new(), &mut states);
        total.exact &= states < GROUP_STATES_MAX;
        total.log2 += (states.max(1) as f64).log2();
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

/// Cells that implications tie together, directly or not.
fn groups(persisted: &Persisted, tied: &[Open]) -> Vec<Vec<Open>> {
    let mut left: Vec<Open> = tied.to_vec();
    let mut groups = Vec::new();
    while let Some(first) = left.pop() {
        let mut group = vec![first];
        let mut done = 0;
        while done < group.len() {
            let open = group[done];
            done += 1;
            let mut near = BTreeSet::new();
            for index in open.lo + 1..=open.hi {
                near.extend(persisted.implied_by(open.cell, index).map(|(cell, _)| cell));
                near.extend(persisted.implying(open.cell, index).map(|(cell, _)| cell));
            }
            let (more, rest) = left.into_iter().partition(|other| near.contains(&other.cell));
            group.extend::<Vec<Open>>(more);
            left = rest;
        }
        groups.push(group);
    }
    groups
}

fn enumerate(persisted: &Persisted, group: &[Open], chosen: &mut Vec<(CellId, u32)>, states: &mut u64) {
    let Some(open) = group.get(chosen.len()) else {
        *states += 1;
        return;
    };
    for index in open.lo..=open.hi {
        if *states >= GROUP_STATES_MAX {
            return;
        }
        if fits(persisted, open, index, chosen) {
            chosen.push((open.cell, index));
            enumerate(persisted, group, chosen, states);
            chosen.pop();
        }
    }
}

fn fits(persisted: &Persisted, open: &Open, index: u32, chosen: &[(CellId, u32)]) -> bool {
    chosen.iter().all(|(other, other_index)| {
        let broken_by_having = (open.lo + 1..=index)
            .flat_map(|v| persisted.implied_by(open.cell, v))
            .any(|(cell, least)| cell == *other && *other_index < least);
        let broken_by_lacking = (index + 1..=open.hi)
            .flat_map(|v| persisted.implying(open.cell, v))
            .any(|(cell, least)| cell == *other && *other_index >= least);
        !broken_by_having && !broken_by_lacking
    })
}
