//! What is known of processes that were told the same, held against running each of them.
//!
//! Bug class: a process is taken to do what another one did although the disk would have told it something else, or
//! its questions are lost: a disk is never looked at, or judged by what came of another.
//! Random calls run, the power goes at each position in turn, and further random calls run on each of these disks in
//! every way that its choices allow: once each by itself, and once with the memory of all that ran before. Answers,
//! decisions and outcomes must be the same, in the same order.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;
use unplug::disk::{Choice, Chooser, Finished, Memo, Narrowing, Policy, Scratch, SimDisk, World};
use unplug::model::Model;
use unplug_vfs::OpenOptions;

use crate::calls::{Step, create, open, read};
use crate::crashed::{Outcome, calls, config, found, run, setup};
use crate::disks::{crashed_at, next_path, recorded};
use crate::models::models;

/// Disks with more ways than this are left out.
const WAYS_MAX: usize = 500;

/// What one way through a process's choices was.
type Way = (Vec<Choice>, Vec<Narrowing>, Arc<Outcome>);

/// Every way, with memory of others; None if there are too many.
fn ways(
    world: &Arc<World>,
    process: impl Fn(&SimDisk) -> Outcome,
    mut memo: Option<&mut Memo<Outcome>>,
) -> Option<Vec<Way>> {
    let mut ways: Vec<Way> = Vec::new();
    let mut scratch = Scratch::default();
    let mut path = Some(Vec::new());
    while let Some(begun) = path {
        let mut chooser = Chooser::default();
        chooser.start_beside(begun, Policy::Newest);
        let known = match &mut memo {
            Some(memo) => memo.look_up(world, chooser, &mut scratch),
            None => Err(chooser),
        };
        let (outcome, mut finished) = known.unwrap_or_else(|chooser| {
            let disk = SimDisk::last(world.clone(), chooser, u64::MAX, std::mem::take(&mut scratch));
            let outcome = Arc::new(process(&disk));
            let mut finished = disk.finish();
            if let Some(memo) = &mut memo {
                let Finished { scratch, decided, .. } = &mut finished;
                memo.learn(world, scratch, decided, Some(outcome.clone()));
            }
            (outcome, finished)
        });
        scratch = std::mem::take(&mut finished.scratch);
        ways.push((finished.path.clone(), finished.decided.clone(), outcome));
        if let Some(memo) = &mut memo {
            memo.give_back(finished.decided);
        }
        if ways.len() > WAYS_MAX {
            return None;
        }
        path = next_path(finished.path);
    }
    Some(ways)
}

/// The same for every crash of some calls: each disk by itself, and with one memory for all. How many processes
/// ran, and how many there were.
fn compare(before: &[Step], process: impl Fn(&SimDisk) -> Outcome, model: &Model) -> Option<(usize, usize)> {
    let ran = Cell::new(0);
    let process = |disk: &SimDisk| {
        ran.set(ran.get() + 1);
        process(disk)
    };
    let work = |disk: &SimDisk| drop(run(disk, before));
    let mut memo = Memo::default();
    let (mut with_memory, mut all) = (0, 0);
    for at in 0..=recorded(model, work).end() {
        let world = crashed_at(model, work, at);
        let expected = ways(&world, process, None)?;
        ran.set(0);
        let ways = ways(&world, process, Some(&mut memo))?;
        with_memory += ran.get();
        all += ways.len();
        assert!(ways == expected, "crashed at {at}: {ways:#?}\nby itself: {expected:#?}");
    }
    Some((with_memory, all))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_remembered_is_what_a_run_would_have_shown(
        before in calls(5),
        after in calls(4),
        model in models(),
    ) {
        let process = |disk: &SimDisk| [run(disk, &after), found(disk)].concat();
        let compared = compare(&[setup(), before].concat(), process, &model);
        prop_assume!(compared.is_some());
    }
}

#[test]
fn a_process_that_is_told_what_another_was_told_does_not_run() {
    let write = |offset| Step::Write { slot: 0, offset, len: 600, fill: 66 };
    let before = [setup(), vec![create(0, "b"), write(0), write(600), write(1200)]].concat();
    let begins = |disk: &SimDisk| run(disk, &[open(0, "b", OpenOptions::READ), read(0, 0, 100)]);
    let paranoid = Model::by_name("paranoid").unwrap();
    for model in [Model::posix(), paranoid] {
        let (ran, all) = compare(&before, begins, &model).unwrap();
        assert!(ran * 3 < all * 2, "{}: {ran} of {all} ran", model.name);
    }
}
