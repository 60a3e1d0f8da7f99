//! No violation is reported on the lazy disk's word alone: its evidence is completed to whole disks, which
//! the independent materialiser builds, and a plain run on a plain file system must go wrong in the same way.

use std::collections::BTreeMap;
use std::sync::Arc;

use unplug_vfs::Vfs;

use super::Step;
use super::crash_point::{Found, aftermath_of};
use super::judge::{existed, unreported};
use super::process::{self, End};
use crate::disk::{Bounds, CellId, CellKey, Narrowing, Recording, Value, World};
use crate::fault::FaultyVfs;
use crate::materialise::{Base, Cell, Chains, Fill, Picks};
use crate::model::Model;
use crate::oracle::aftermath::Machine;
use crate::oracle::epoch;
use crate::plain::{MemFs, Tree};
use crate::subject::{Outcome, Subject};

impl Machine for MemFs {
    fn vfs(&self) -> Arc<dyn Vfs> {
        Arc::new(self.clone())
    }

    /// The store was dropped, and its locks with it; the files are what the cache holds.
    fn kill(&self) {}
}

/// Builds the disk that the evidence describes, open cells completed with the oldest or newest version.
pub(super) fn image<St>(found: &Found<St>, model: &Model, fill: Fill) -> Result<Tree, String> {
    let world = found.world.crashed_at(&found.positions);
    let mut bounds = decided_bounds(found, &world)?;
    let mut base = Base::empty();
    let mut tree = Tree::new();
    for (index, layer) in world.layers.iter().enumerate() {
        let at = layer.at;
        let chains = Chains::new(&base, &layer.recording.trace, at, model);
        let durable: BTreeMap<Cell, usize> =
            chains.cells().into_iter().map(|(cell, oldest, _)| (cell, oldest)).collect();
        let mut partial = Picks::new();
        for cell in 0..layer.recording.cells().len() as CellId {
            let (oldest, newest) = bounds.get(&world, index, cell);
            let version = if fill == Fill::Oldest { oldest } else { newest };
            if let Some((cell, pick)) = translate(&layer.recording, &chains, cell, version) {
                // A call that changes nothing may make a version for the one and none for the other.
                let durable = durable.get(&cell).copied().unwrap_or(0);
                partial.insert(cell, pick.max(durable));
            }
        }
        let picks = chains
            .complete(&partial, fill)
            .ok_or_else(|| format!("the evidence is not a legal state of layer {index} at {at}"))?;
        tree = chains.tree(&picks);
        base = chains.base(&picks);
    }
    Ok(tree)
}

/// What was decided, asked of `world`, where the same processes crash a little earlier: they may be bound by
/// implications that later calls took back.
fn decided_bounds<St>(found: &Found<St>, world: &World) -> Result<Bounds, String> {
    let decided = found.world.narrowed.iter().chain(&found.decided);
    let last: BTreeMap<(u32, CellId), Narrowing> = decided.map(|n| ((n.layer, n.cell), *n)).collect();
    let mut bounds = Bounds::default();
    bounds.start(world);
    for n in last.values() {
        // What the layer's own crash made durable is not owed at an earlier one; what was decided is.
        let least = found.world.layers[n.layer as usize].bounds(n.cell).0;
        let lo = if n.lo > least { n.lo } else { 0 };
        if !bounds.try_narrow(world, Narrowing { lo, ..*n }) {
            return Err(format!("the evidence is not a legal state of layer {}: {n:?}", n.layer));
        }
    }
    Ok(bounds)
}

/// A version of the lazy disk as the materialiser numbers it. Both number by trace position; a change that
/// turned out to change nothing exists for the lazy disk only.
fn translate(recording: &Recording, chains: &Chains, cell: CellId, version: u32) -> Option<(Cell, usize)> {
    let cell = recording.cell(cell);
    let witness = match &cell.key {
        CellKey::Data { inode, unit } => Cell::Sector { inode: *inode, index: *unit },
        CellKey::Size { inode } => Cell::Size { inode: *inode },
        CellKey::Entry { dir, name } => Cell::Name { dir: *dir, name: name.clone() },
    };
    let positions = chains.positions(&witness);
    let chosen = version.checked_sub(1).map(|i| cell.versions[i as usize]);
    let at = chosen.map(|v| v.at);
    let newest = positions.iter().rposition(|position| *position <= at)?;
    let mut pick = newest;
    if let (true, Some(v)) = (positions[newest] == at, chosen.filter(|v| !matches!(v.value, Value::Size(_))))
    {
        // So may it garble a sector first, and a rename takes its target away before it comes back.
        let later = cell.versions[version as usize..].iter().filter(|later| later.at == v.at).count();
        pick = pick.saturating_sub(later);
    }
    if let (Cell::Size { inode }, Some(Value::Size(size))) = (&witness, chosen.map(|v| v.value)) {
        // One write may grow a file in several steps, all at one position.
        let sizes = chains.sizes_of(*inode);
        let size = size.over(sizes.first().copied().unwrap_or(0));
        while pick > 0 && sizes[pick] > size && positions[pick] == at {
            pick -= 1;
        }
    }
    Some((witness, pick))
}

/// Whether a plain run on the evidence's disk goes wrong in the same way.
pub(super) fn confirm<S: Subject>(
    subject: &S,
    epilogue: &[Step<S::Op>],
    model: &Model,
    found: &Found<S::State>,
) -> Result<(), String> {
    if matches!(found.failure.check, "hang" | "determinism") {
        return Ok(());
    }
    let mut contradictions = Vec::new();
    // After a kill the cache is there: the newest of everything.
    let fills: &[Fill] = if killed_only(found) { &[Fill::Newest] } else { &[Fill::Oldest, Fill::Newest] };
    for fill in fills.iter().copied() {
        match goes_wrong(subject, epilogue, found, &image(found, model, fill)?) {
            Ok(()) => return Ok(()),
            Err(why) => contradictions.push(why),
        }
    }
    Err(format!(
        "a violation ({}) does not show on the materialised disk: {}",
        found.failure.check,
        contradictions.join("; ")
    ))
}

fn goes_wrong<S: Subject>(
    subject: &S,
    epilogue: &[Step<S::Op>],
    found: &Found<S::State>,
    tree: &Tree,
) -> Result<(), String> {
    let fs = MemFs::from_tree(tree);
    if found.aftermath {
        return match aftermath_of(subject, &fs, &mut 0) {
            Some(failure) if failure.check == found.failure.check => Ok(()),
            Some(failure) => Err(format!("a plain run fails {} instead", failure.check)),
            None => Err("a plain run is well".to_string()),
        };
    }
    let faulty = FaultyVfs::on_image(fs.vfs(), found.faults.clone());
    let vfs = || if found.faults.is_idle() { fs.vfs() } else { Arc::new(faulty.clone()) };
    let (mut store, state) = match process::recover(subject, vfs()) {
        Ok(recovered) => recovered,
        Err(End::Panicked(_)) if found.failure.check == "panic" => return Ok(()),
        Err(End::Failed(_)) if found.failure.check == "liveness" => return Ok(()),
        Err(_) => return Err("a plain run ends in another way".to_string()),
    };
    if found.failure.check == "rot" {
        return unreported(&faulty.faults()).map(drop).ok_or("a plain run reads no damage".to_string());
    }
    if found.lying && found.failing.is_some() {
        let wrong = existed(subject, &found.stack, &state).is_err();
        return if wrong { Ok(()) } else { Err("a plain run comes back with a state that was".to_string()) };
    }
    if let Some(index) = found.failing {
        let crashed = &found.stack[index];
        let at = found.positions[crashed.layer];
        return match epoch::check(subject, &crashed.history, &state, (at, at)) {
            Err(_) => Ok(()),
            Ok(()) => Err("a plain run comes back with what was promised".to_string()),
        };
    }
    if found.failure.check == "liveness" || found.failure.check == "panic" {
        for step in epilogue {
            let Step::Do(op) = step else { continue };
            match process::guarded(|| subject.execute(&mut store, op)) {
                Ok(Outcome::Acknowledged { .. }) => {}
                _ => return Ok(()),
            }
        }
    }
    Err("a plain run is well".to_string())
}

/// Whether the evidence is a kill without any power loss.
pub(super) fn killed_only<St>(found: &Found<St>) -> bool {
    found.killed_at.is_some() && found.crashes.is_empty()
}
