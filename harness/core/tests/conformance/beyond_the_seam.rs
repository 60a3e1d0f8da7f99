//! Calls that the simulated disk knows and the seam does not: exchanging names, zeroing a range, syncing
//! everything. No other file system here has them, so the simulated disk's own record goes to the
//! materialiser, and what is found after a crash must be exactly the legal disks.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use unplug::disk::SimDisk;
use unplug::materialise::{Base, trees_at};
use unplug::plain::Tree;
use unplug::trace::Pos;

use crate::calls::Step;
use crate::crashed::{STATES_MAX, config, on_file, on_names, run, setup};
use crate::disks::{crashed_at, found_on, recorded, shown};
use crate::models::models;

#[derive(Clone, Debug)]
enum Call {
    Seam(Vec<Step>),
    Exchange(&'static str, &'static str),
    ZeroRange { path: &'static str, offset: u64, len: u64, keep_size: bool },
    SyncAll,
}

/// What fails leaves no event.
fn make(disk: &SimDisk, calls: &[Call]) {
    run(disk, &setup());
    for call in calls {
        match call {
            Call::Seam(steps) => drop(run(disk, steps)),
            Call::Exchange(a, b) => drop(disk.exchange(Path::new(a), Path::new(b))),
            Call::ZeroRange { path, offset, len, keep_size } => {
                drop(disk.zero_range(Path::new(path), *offset, *len, *keep_size));
            }
            Call::SyncAll => drop(disk.sync_all_files()),
        }
    }
}

fn file() -> impl Strategy<Value = &'static str> {
    select(vec!["/a", "/b", "/d/a", "/d/b"])
}

fn call() -> impl Strategy<Value = Call> {
    let range = (file(), select(vec![0u64, 100, 500, 600]), select(vec![1u64, 8, 700]), any::<bool>());
    prop_oneof![
        3 => prop_oneof![on_file(), on_names()].prop_map(Call::Seam),
        2 => (file(), file()).prop_map(|(a, b)| Call::Exchange(a, b)),
        2 => range.prop_map(|(path, offset, len, keep_size)| Call::ZeroRange { path, offset, len, keep_size }),
        1 => Just(Call::SyncAll),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_found_after_a_crash_is_exactly_the_legal_disks(
        calls in vec(call(), 1..6),
        share in 0.0..=1.0f64,
        model in models(),
    ) {
        let first = recorded(&model, |disk| make(disk, &[])).end();
        let trace = recorded(&model, |disk| make(disk, &calls));
        let at = first + (f64::from(trace.end() - first) * share).round() as Pos;
        let trees = trees_at(&Base::empty(), &trace, at, &model, STATES_MAX);
        prop_assume!(trees.is_ok());
        let brute: BTreeSet<Tree> = trees.unwrap().iter().map(shown).collect();
        let lazy = found_on(&crashed_at(&model, |disk| make(disk, &calls), at), |_| {});
        let extra: Vec<_> = lazy.difference(&brute).take(1).collect();
        let missing: Vec<_> = brute.difference(&lazy).take(1).collect();
        prop_assert!(extra.is_empty() && missing.is_empty(), "not legal: {extra:?}\nnever shown: {missing:?}");
    }
}
