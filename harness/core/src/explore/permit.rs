//! Which models permit what was found: the same calls are recorded by each model's rules, and what the
//! evidence decided is asked of the versions that the same calls made there. Implications alone decide
//! exactly whether the rest can be completed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::crash_point::Found;
use crate::disk::{Bounds, Cell, CellId, CellKey, CrashedLayer, Narrowing, Recording, Value, Version, World};
use crate::model::{Model, Persisted};

/// The names of the built-in models that permit a finding of `own`, which is one of them or a user's.
pub(super) fn permitting<St>(own: &Model, found: &Found<St>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for model in Model::NAMES.iter().filter_map(|name| Model::by_name(name)) {
        if model == *own || permits(&model, found) {
            names.push(model.name);
        }
    }
    if !names.contains(&own.name) {
        names.insert(0, own.name.clone());
    }
    names
}

fn permits<St>(model: &Model, found: &Found<St>) -> bool {
    let mut world = World::empty(model.rules());
    for (layer, at) in found.world.layers.iter().zip(&found.positions) {
        let recording = Arc::new(layer.recording.replayed(model.rules(), &world));
        let persisted = Arc::new(Persisted::new(model, &recording));
        world = world.crash(CrashedLayer { recording, persisted, at: *at }, &[]);
    }
    let mut bounds = Bounds::default();
    bounds.start(&world);
    let decided = found.world.narrowed.iter().chain(&found.decided);
    let last: BTreeMap<(u32, CellId), Narrowing> = decided.map(|n| ((n.layer, n.cell), *n)).collect();
    last.values().all(|n| ask(&mut bounds, &world, &found.world.layers[n.layer as usize].recording, *n))
}

/// Asks a world for what was decided about a cell of another; says whether it can have it.
fn ask(bounds: &mut Bounds, world: &World, from: &Recording, decided: Narrowing) -> bool {
    let cell = from.cell(decided.cell);
    let recording = &world.layers[decided.layer as usize].recording;
    let wanted = decided.lo.checked_sub(1).map(|i| &cell.versions[i as usize]);
    counterparts(recording, from.unit(), &cell.key).into_iter().all(|id| {
        let target = recording.cell(id);
        let lo = match wanted {
            None => Some(0),
            Some(version) => counterpart(from, cell, version, recording, target),
        };
        let behind = &cell.versions[(decided.hi as usize).min(cell.versions.len())..];
        // A call that left this piece as it was puts no limit on it.
        let first_behind = behind.iter().find_map(|v| exact(v, target));
        let hi = first_behind.unwrap_or(u32::MAX);
        lo.is_some_and(|lo| bounds.try_narrow(world, Narrowing { layer: decided.layer, cell: id, lo, hi }))
    })
}

/// The cells that stand for the same part of the disk.
fn counterparts(recording: &Recording, unit: usize, key: &CellKey) -> Vec<CellId> {
    match key {
        CellKey::Data { inode, unit: number } => {
            let (start, own) = (number * unit as u64, recording.unit() as u64);
            let units = start / own..(start + unit as u64).div_ceil(own);
            units.filter_map(|n| recording.data_cell_of(*inode, n)).collect()
        }
        CellKey::Size { inode } => recording.size_cell(*inode).into_iter().collect(),
        CellKey::Entry { dir, name } => recording.entry_cell(*dir, name).into_iter().collect(),
    }
}

/// The index of the version that the same call made, with the same meaning. For content the newest that is
/// not newer: a call that changed one piece of a sector left the others as they were.
fn counterpart(
    from: &Recording,
    cell: &Cell,
    version: &Version,
    recording: &Recording,
    target: &Cell,
) -> Option<u32> {
    match (exact(version, target), version.value, &cell.key) {
        (Some(i), _, _) => Some(i + 1),
        (None, Value::Data(_), _) if recording.unit() < from.unit() => Some(target.newest_before(version.at)),
        _ => None,
    }
}

/// How many versions of `target` come before the one that the same call made, with the same meaning.
fn exact(version: &Version, target: &Cell) -> Option<u32> {
    let same = |other: &Version| match (version.value, other.value) {
        (Value::Data(_), Value::Data(_)) | (Value::Garbage(_), Value::Garbage(_)) => true,
        (Value::Size(a), Value::Size(b)) => a == b,
        (Value::Entry(a), Value::Entry(b)) => a == b,
        _ => false,
    };
    let at = target.versions.iter().rposition(|other| other.at == version.at && same(other));
    at.map(|index| index as u32)
}
