//! Laws that hold for every record of calls.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

use super::tree;
use crate::materialise::*;
use crate::model::{Append, Model, Order, Rename, SizeImplies, TornSide, Unwritten};
use crate::plain::{MemFs, Tree};
use crate::trace::{Call, EventKind, Trace};

/// Runs one random call; calls that fail leave no event.
fn step(fs: &MemFs, (what, a, b, at): (u8, usize, usize, usize)) {
    const PATHS: [&str; 6] = ["a", "b", "d", "d/a", "d/b", "e"];
    const OFFSETS: [u64; 5] = [0, 3, 510, 600, 4090];
    let (from, to, at) = (Path::new(PATHS[a]), Path::new(PATHS[b]), OFFSETS[at]);
    let with = |call: &dyn Fn(&dyn VfsFile)| {
        if let Ok(file) = fs.open(from, OpenOptions::CREATE) {
            call(file.as_ref());
        }
    };
    match what {
        0..6 => with(&|file| file.write_fully_at(&[what + 1; 8], at).unwrap()),
        6 => with(&|file| file.set_len(at).unwrap()),
        7 => with(&|file| file.allocate(0, at + 1).unwrap()),
        8 => with(&|file| file.sync_data().unwrap()),
        9..13 => drop(fs.rename(from, to)),
        13 => drop(fs.hard_link(from, to)),
        14 => drop(fs.remove_file(from)),
        15 => drop(fs.remove_dir(from)),
        16 => drop(fs.create_dir(from)),
        _ => drop(fs.sync_dir(from.parent().unwrap())),
    }
}

prop_compose! {
    /// A record of random calls on a small disk, and what the cache shows at its end.
    fn history()(calls in vec((0..19u8, 0..6usize, 0..6usize, 0..5usize), 1..9)) -> (Base, Trace, Tree) {
        let base = tree(&["a=AAAA", "d/a=DDDD"]);
        let fs = MemFs::recording_from_tree(&base);
        calls.into_iter().for_each(|call| step(&fs, call));
        (Base::from_tree(&base), fs.take_trace(), fs.tree())
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() }
}

const STATES_MAX: u64 = 4000;

fn built_in() -> impl Strategy<Value = Model> {
    select(Model::NAMES.to_vec()).prop_map(|name| Model::by_name(name).unwrap())
}

prop_compose! {
    /// Any knobs but those of syncs: what a sync covers depends on what is pending, so there is no law for it.
    fn knobs()(
        names in (order(), rename(), rename()),
        append in (order(), select(vec![SizeImplies::Nothing, SizeImplies::ItsPage, SizeImplies::ItsData])),
        content in (order(), order()),
        torn_side in select(vec![TornSide::Left, TornSide::Right]),
        unwritten in select(vec![Unwritten::Zeros, Unwritten::Garbage]),
    ) -> Model {
        let append = Append { size: append.0, size_implies: append.1 };
        Model {
            directory_operations: names.0,
            rename_within_directory: names.1,
            rename_across_directories: names.2,
            append_in_block: append,
            append_new_block: append,
            shrink: content.0,
            data: content.1,
            torn_side,
            unwritten,
            ..Model::posix()
        }
    }
}

fn order() -> impl Strategy<Value = Order> {
    select(vec![Order::Free, Order::InOrder])
}

fn rename() -> impl Strategy<Value = Rename> {
    select(vec![Rename::Atomic, Rename::NewBeforeOld, Rename::Steps])
}

/// The model with one knob that orders nothing.
fn loosened(model: &Model, knob: usize) -> Model {
    let mut model = model.clone();
    match knob {
        0 => model.directory_operations = Order::Free,
        1 => model.rename_within_directory = Rename::Steps,
        2 => model.rename_across_directories = Rename::Steps,
        3 => {
            model.append_in_block.size = Order::Free;
            model.append_new_block.size = Order::Free;
        }
        4 => {
            model.append_in_block.size_implies = SizeImplies::Nothing;
            model.append_new_block.size_implies = SizeImplies::Nothing;
        }
        5 => model.shrink = Order::Free,
        6 => model.data = Order::Free,
        _ => model.unwritten = Unwritten::Garbage,
    }
    model
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_newest_of_everything_is_what_the_cache_shows((base, trace, cache) in history(), model in built_in()) {
        let chains = Chains::new(&base, &trace, trace.end(), &model);
        let newest = chains.cells().into_iter().map(|(cell, _, newest)| (cell, newest)).collect();
        prop_assert!(chains.is_legal(&newest));
        prop_assert_eq!(chains.tree(&newest), cache);
    }

    #[test]
    fn when_everything_is_synced_one_state_is_left((base, mut trace, cache) in history(), model in built_in()) {
        let chains = Chains::new(&base, &trace, trace.end(), &model);
        for cell in chains.chains.keys() {
            if let Cell::Size { inode } = cell {
                trace.push(EventKind::Call(Call::SyncFile { inode: *inode, data_only: true }), None);
            }
        }
        for dir in &chains.dirs {
            trace.push(EventKind::Call(Call::SyncDir { dir: *dir }), None);
        }
        // What was cut off a file may still be there behind its end, where nobody sees it.
        let left = trees_at(&base, &trace, trace.end(), &model, STATES_MAX);
        prop_assume!(left.is_ok());
        prop_assert_eq!(left, Ok(BTreeSet::from([cache])));
    }

    #[test]
    fn calls_only_add_states_and_syncs_only_take_them_away((base, trace, _) in history(), model in built_in()) {
        let all: Result<Vec<_>, _> =
            (0..=trace.end()).map(|crash| trees_at(&base, &trace, crash, &model, STATES_MAX)).collect();
        prop_assume!(all.is_ok());
        for (event, pair) in trace.events.iter().zip(all.unwrap().windows(2)) {
            let (before, after) = (&pair[0], &pair[1]);
            prop_assert!(!after.is_empty());
            match event.kind {
                EventKind::Call(Call::SyncFile { .. } | Call::SyncDir { .. }) => prop_assert!(after.is_subset(before)),
                _ => prop_assert!(after.is_superset(before)),
            }
        }
    }

    #[test]
    fn a_state_by_inode_shows_the_same_tree((base, trace, _) in history(), model in built_in()) {
        let chains = Chains::new(&base, &trace, trace.end(), &model);
        for fill in [Fill::Oldest, Fill::Newest] {
            let picks = chains.complete(&Picks::new(), fill).unwrap();
            let rebooted = Chains::new(&chains.base(&picks), &Trace::new(), 0, &model);
            prop_assert_eq!(rebooted.trees(1), Ok(BTreeSet::from([chains.tree(&picks)])));
        }
    }

    #[test]
    fn every_legal_pick_completes_to_itself_and_every_completion_is_legal((base, trace, _) in history(), model in built_in()) {
        let chains = Chains::new(&base, &trace, trace.end(), &model);
        let mut picks = Vec::new();
        prop_assume!(chains.for_each(STATES_MAX, |pick, _| picks.push(pick.clone())).is_ok());
        for fill in [Fill::Oldest, Fill::Newest] {
            prop_assert!(chains.complete(&Picks::new(), fill).is_some());
            for pick in &picks {
                prop_assert_eq!(chains.complete(pick, fill), Some(pick.clone()));
            }
            // One cell alone can be completed exactly if some legal pick has it.
            for (cell, oldest, newest) in chains.cells() {
                for version in 0..newest + 2 {
                    let possible = picks.iter().any(|pick| pick.get(&cell) == Some(&version));
                    prop_assert!(!possible || version >= oldest);
                    let partial = Picks::from([(cell.clone(), version)]);
                    prop_assert_eq!(chains.complete(&partial, fill).is_some(), possible);
                }
            }
        }
    }
}

proptest! {
    // Eight-byte pieces have many states.
    #![proptest_config(ProptestConfig::with_cases(config().cases / 4))]

    #[test]
    fn paranoid_permits_what_posix_does_and_posix_what_each_file_system_does((base, trace, _) in history()) {
        let under = |model: &Model| trees_at(&base, &trace, trace.end(), model, STATES_MAX / 8);
        let (posix, paranoid) = (under(&Model::posix()), under(&Model::paranoid()));
        prop_assume!(posix.is_ok());
        let posix = posix.unwrap();
        for model in [Model::ext4(), Model::xfs(), Model::btrfs()] {
            prop_assert!(under(&model).unwrap().is_subset(&posix), "{}", model.name);
        }
        prop_assert!(paranoid.is_err() || posix.is_subset(&paranoid.unwrap()));
    }

    #[test]
    fn a_smaller_torn_unit_permits_what_a_larger_one_does((base, trace, _) in history(), model in knobs()) {
        let torn = |torn_unit| {
            let model = Model { torn_unit, ..model.clone() };
            trees_at(&base, &trace, trace.end(), &model, STATES_MAX / 8)
        };
        let (pieces, sectors, pages) = (torn(8), torn(512), torn(4096));
        prop_assume!(pieces.is_ok() && sectors.is_ok());
        let sectors = sectors.unwrap();
        prop_assert!(pages.unwrap().is_subset(&sectors));
        prop_assert!(sectors.is_subset(&pieces.unwrap()));
    }

    #[test]
    fn a_loosened_knob_only_adds_states((base, trace, _) in history(), model in knobs(), knob in 0..8usize) {
        let under = |model: &Model| trees_at(&base, &trace, trace.end(), model, STATES_MAX / 8);
        let (tight, loose) = (under(&model), under(&loosened(&model, knob)));
        prop_assume!(loose.is_ok());
        prop_assert!(tight.unwrap().is_subset(&loose.unwrap()));
    }
}
