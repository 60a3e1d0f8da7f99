//! From which position on a disk counts as possible, held against the independent materialiser.
//!
//! Bug class: a disk that a crash at the barrier can leave is taken for one that an earlier crash could have left
//! too, although something that bound that crash was taken back only later: a false alarm. Or it is taken for one
//! that could not: a violation missed.
//! Random calls run, the power goes, and everything is read. For each position of the crash that the crash point
//! stands for, the disks that count as possible there must be exactly the legal ones.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use unplug::disk::Made;
use unplug::explore::{CrashPoint, crash_points};
use unplug::materialise::{Base, trees_at};
use unplug::model::{Model, Persisted};
use unplug::plain::{MemFs, Tree};
use unplug::trace::Pos;

use crate::calls::{Step, create};
use crate::crashed::{STATES_MAX, config, on_file, on_names, run, setup};
use crate::disks::{crashed_at, explore, finished, read};
use crate::models::models;

/// Whether all agree at one crash point; None if there are too many disks for brute force.
fn check(
    steps: &[Step],
    model: &Model,
    CrashPoint { first, at, .. }: CrashPoint,
) -> Option<Result<(), String>> {
    let recording = finished(model, |disk| drop(run(disk, steps))).recording;
    let legal = |at| {
        let trees = trees_at(&Base::empty(), &recording.trace, at, model, STATES_MAX).ok()?;
        Some(trees.iter().map(|tree| read(&MemFs::from_tree(tree))).collect::<BTreeSet<Tree>>())
    };
    let brute = (first..=at).map(legal).collect::<Option<Vec<_>>>()?;

    let mut found: BTreeSet<(Pos, Tree)> = BTreeSet::new();
    let world = crashed_at(model, |disk| drop(run(disk, steps)), at);
    explore(
        &world,
        |disk| read(disk),
        |tree, finished| {
            let mut made = Made::default();
            made.update(&world, &finished.decided, 0);
            found.insert((world.earliest_crash(0, &finished.decided, first, &made), tree));
        },
    );
    for (position, brute) in (first..=at).zip(brute) {
        let by_then = found.iter().filter(|(from, _)| *from <= position);
        let lazy: BTreeSet<Tree> = by_then.map(|(_, tree)| tree.clone()).collect();
        let extra: Vec<_> = lazy.difference(&brute).take(1).collect();
        let missing: Vec<_> = brute.difference(&lazy).take(1).collect();
        if !(extra.is_empty() && missing.is_empty()) {
            let what = format!("not legal: {extra:?}\nmissed: {missing:?}");
            return Some(Err(format!("a crash at {position} of {first}..={at}: {what}")));
        }
    }
    Some(Ok(()))
}

fn points(steps: &[Step], model: &Model) -> Vec<CrashPoint> {
    let recording = finished(model, |disk| drop(run(disk, steps))).recording;
    crash_points(&recording.trace, &Persisted::new(model, &recording))
}

fn calls() -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![1 => on_file(), 2 => on_names()], 1..=6).prop_map(|groups| groups.concat())
}

#[test]
fn a_rename_s_names_are_free_of_each_other_from_the_first_change_of_either_on() {
    let rename = |from: &str, to: &str| Step::Rename { from: from.into(), to: to.into() };
    let changes = vec![
        rename("d/a", "a"),
        create(0, "d/a"),
        rename("a", "b"),
        create(0, "a"),
        Step::Sync { slot: 0, data_only: false },
    ];
    let steps = [setup(), changes].concat();
    for name in Model::NAMES {
        let model = Model::by_name(name).unwrap();
        for point in points(&steps, &model) {
            assert_eq!(check(&steps, &model, point).unwrap_or(Ok(())), Ok(()), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_disk_counts_as_possible_from_the_first_crash_on_that_leaves_it(
        calls in calls(),
        which in any::<prop::sample::Index>(),
        model in models(),
    ) {
        let steps = [setup(), calls].concat();
        let checked = check(&steps, &model, *which.get(&points(&steps, &model)));
        prop_assume!(checked.is_some());
        prop_assert_eq!(checked, Some(Ok(())));
    }
}
