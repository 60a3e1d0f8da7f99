//! The simulated disk after a crash, held against the independent materialiser.
//!
//! Bug class: the lazy disk shows a process something that no legal disk holds, or can never show something
//! that one does: versions mixed up between layers, a patch over the wrong bytes, a choice that is not
//! offered or offered twice.
//! Random calls run, the power goes, further random calls run on the undetermined disk, in every way that its
//! choices allow. What they were told, and what is there at the end, must be exactly what the same calls meet
//! on a plain file system with each legal disk in turn.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use unplug::disk::{SimDisk, World};
use unplug::materialise::{Base, trees_at};
use unplug::model::Model;
use unplug::plain::MemFs;
use unplug::trace::{EventKind, Pos, Trace};
use unplug_vfs::{OpenOptions, Vfs};

use crate::calls::*;
use crate::disks::{self, crash, explore};
use crate::models::{built_in, models};
use crate::read_everything;

/// Cases with more states than this at one crash, or in all, are left out.
pub const STATES_MAX: u64 = 3000;
const OUTCOMES_MAX: usize = 20_000;

/// What a process was told, and what it then found; as text, to be put in order.
pub type Outcome = Vec<String>;

pub fn run(fs: &dyn Vfs, steps: &[Step]) -> Vec<String> {
    let mut runner = Runner::new(fs, Path::new("/"));
    steps.iter().map(|step| format!("{step:?}: {:?}", runner.run(step))).collect()
}

pub fn found(fs: &dyn Vfs) -> Vec<String> {
    let mut out = Vec::new();
    read_everything(&mut Runner::new(fs, Path::new("/")), "", &mut out);
    out.into_iter().map(|(step, answer)| format!("{step}: {answer:?}")).collect()
}

/// A disk with something durable on it.
pub fn setup() -> Vec<Step> {
    let data = |slot, len| Step::Write { slot, offset: 0, len, fill: 65 };
    let sync = |slot| Step::Sync { slot, data_only: true };
    let sync_dir = |path: &str| Step::SyncDir { path: path.to_owned() };
    vec![
        mkdir("d"),
        create(0, "a"),
        data(0, 600),
        sync(0),
        create(1, "d/a"),
        data(1, 3),
        sync(1),
        sync_dir(""),
        sync_dir("d"),
    ]
}

/// `setup` and the first calls on a new disk, the crash at `at`, all on the lazy disk.
fn crashed(steps: &[Step], at: Pos, model: &Model) -> Arc<World> {
    disks::crashed_at(model, |disk| drop(run(disk, steps)), at)
}

/// The record of the same calls on the plain file system.
fn plain_trace(steps: &[Step]) -> Trace {
    let fs = MemFs::recording();
    run(&fs, steps);
    fs.take_trace()
}

fn kinds(trace: &Trace) -> Vec<EventKind> {
    trace.events.iter().map(|event| event.kind.clone()).collect()
}

/// A file's own calls need a handle: these open one first.
pub fn on_file() -> impl Strategy<Value = Vec<Step>> {
    let call = prop_oneof![
        8 => (prop::sample::select(vec![0u64, 100, 510, 900, 4090]), prop::sample::select(vec![1usize, 8, 600]), any::<u8>())
            .prop_map(|(offset, len, fill)| Step::Write { slot: 0, offset, len, fill }),
        3 => prop::sample::select(vec![0u64, 2, 300, 512, 700]).prop_map(|len| Step::SetLen { slot: 0, len }),
        1 => (0..2000u64, 1..3000u64).prop_map(|(offset, len)| Step::Allocate { slot: 0, offset, len }),
        2 => any::<bool>().prop_map(|data_only| Step::Sync { slot: 0, data_only }),
        2 => (0..700u64, 1..700usize).prop_map(|(offset, len)| read(0, offset, len)),
        1 => Just(Step::Len { slot: 0 }),
    ];
    let options = prop_oneof![4 => Just(OpenOptions::CREATE), 1 => Just(OpenOptions::CREATE_TRUNCATE), 1 => Just(OpenOptions::READ_WRITE)];
    (file(), options, vec(call, 0..3)).prop_map(|(path, options, calls)| {
        let mut steps = vec![open(0, &path, options)];
        steps.extend(calls);
        steps
    })
}

fn file() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "d/a", "d/b"]).prop_map(str::to_owned)
}

/// Directories move within the root only: across directories they could end up inside themselves.
pub fn on_names() -> impl Strategy<Value = Vec<Step>> {
    let dir = || prop::sample::select(vec!["d", "e"]).prop_map(str::to_owned);
    let any_dir = || prop::sample::select(vec!["", "d", "e"]).prop_map(str::to_owned);
    let step = prop_oneof![
        8 => (file(), file()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => (file(), file()).prop_map(|(existing, new)| Step::HardLink { existing, new }),
        3 => file().prop_map(|path| Step::RemoveFile { path }),
        1 => (dir(), dir()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => (file(), dir()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => dir().prop_map(|path| Step::CreateDir { path }),
        1 => dir().prop_map(|path| Step::RemoveDir { path }),
        2 => any_dir().prop_map(|path| Step::SyncDir { path }),
        1 => any_dir().prop_map(|path| Step::ReadDir { path }),
        1 => file().prop_map(|path| Step::Metadata { path }),
    ];
    step.prop_map(|step| vec![step])
}

pub fn calls(groups_max: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![on_file(), on_names()], 1..=groups_max).prop_map(|groups| groups.concat())
}

/// Where in the calls after the setup the power goes.
fn position(setup: &[Step], all: &[Step], share: f64) -> Pos {
    let first = plain_trace(setup).end();
    let last = plain_trace(all).end();
    first + ((f64::from(last - first) * share).round() as Pos)
}

fn compare(lazy: &BTreeSet<Outcome>, brute: &BTreeSet<Outcome>) -> Result<(), TestCaseError> {
    let extra: Vec<_> = lazy.difference(brute).take(1).collect();
    let missing: Vec<_> = brute.difference(lazy).take(1).collect();
    prop_assert!(extra.is_empty() && missing.is_empty(), "not legal: {extra:#?}\nnever shown: {missing:#?}");
    Ok(())
}

/// What a process is told and finds after two crashes: on the lazy disk, and on each legal disk. None if there
/// are too many.
fn twice_crashed(
    before: &[Step],
    between: &[Step],
    after: &[Step],
    model: &Model,
) -> Option<[BTreeSet<Outcome>; 2]> {
    let first = plain_trace(before);
    let process = |fs: &dyn Vfs| [run(fs, after), found(fs)].concat();

    let mut brute = BTreeSet::new();
    for tree in trees_at(&Base::empty(), &first, first.end(), model, STATES_MAX).ok()? {
        let fs = MemFs::recording_from_tree(&tree);
        let told = run(&fs, between);
        let second = fs.take_trace();
        for tree in trees_at(&Base::from_tree(&tree), &second, second.end(), model, STATES_MAX).ok()? {
            brute.insert([told.clone(), process(&MemFs::from_tree(&tree))].concat());
        }
        if brute.len() > OUTCOMES_MAX {
            return None;
        }
    }

    let mut lazy = BTreeSet::new();
    let world = crashed(before, first.end(), model);
    explore(
        &world,
        |disk| run(disk, between),
        |told, finished| {
            let end = finished.recording.trace.end();
            let again = crash(&world, finished, end, model);
            explore(
                &again,
                |disk| process(disk),
                |outcome, _| {
                    lazy.insert([told.clone(), outcome].concat());
                },
            );
        },
    );
    Some([lazy, brute])
}

pub fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_simulated_disk_records_what_the_plain_one_records(steps in calls(8)) {
        let steps = [setup(), steps].concat();
        let disk = SimDisk::empty();
        run(&disk, &steps);
        let (lazy, plain) = (disk.finish().recording.trace, plain_trace(&steps));
        prop_assert_eq!(kinds(&lazy), kinds(&plain));
    }

    #[test]
    fn what_is_found_after_a_crash_is_exactly_the_legal_disks(
        before in calls(5),
        share in 0.0..=1.0,
        after in calls(4),
        model in models(),
    ) {
        let before = [setup(), before].concat();
        let at = position(&setup(), &before, share);
        let trees = trees_at(&Base::empty(), &plain_trace(&before), at, &model, STATES_MAX);
        prop_assume!(trees.is_ok());
        let process = |fs: &dyn Vfs| [run(fs, &after), found(fs)].concat();
        let brute = trees.unwrap().iter().map(|tree| process(&MemFs::from_tree(tree))).collect();
        let mut lazy = BTreeSet::new();
        explore(&crashed(&before, at, &model), |disk| process(disk), |outcome, _| {
            lazy.insert(outcome);
        });
        compare(&lazy, &brute)?;
    }

    #[test]
    fn what_is_found_after_a_second_crash_is_exactly_the_legal_disks(
        before in calls(3),
        between in calls(3),
        after in calls(2),
        model in models(),
    ) {
        let before = [setup(), before].concat();
        let sets = twice_crashed(&before, &between, &after, &model);
        prop_assume!(sets.is_some());
        let [lazy, brute] = sets.unwrap();
        compare(&lazy, &brute)?;
    }
}
/// Drawn once in many thousand cases: the file is absent, empty or 101 bytes long.
#[test]
fn cutting_a_file_of_undecided_size_to_nothing_is_no_growth() {
    let write = |offset| Step::Write { slot: 0, offset, len: 1, fill: 0 };
    let open = || open(0, "d/b", OpenOptions::CREATE);
    let before = [setup(), vec![open(), write(100)]].concat();
    let between = [open(), Step::SetLen { slot: 0, len: 0 }, write(0)];
    for model in built_in() {
        let [lazy, brute] = twice_crashed(&before, &between, &[], &model).unwrap();
        compare(&lazy, &brute).unwrap();
    }
}
