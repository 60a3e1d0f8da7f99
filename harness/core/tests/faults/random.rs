//! Random calls with faults, against the materialiser.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use unplug::disk::SimDisk;
use unplug::materialise::{Base, trees_at};
use unplug::model::Model;
use unplug::plain::Tree;
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

use super::disks::{crashed, finished, found_on, shown};
use super::{durable, inject, models, open};

#[derive(Clone, Debug)]
enum Step {
    Write(&'static str, u64, usize, u8),
    SetLen(&'static str, u64),
    Sync(&'static str, bool),
    Rename(&'static str, &'static str),
    SyncDir,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || select(vec!["/a", "/b"]);
    let at = select(vec![0u64, 100, 512, 4000, 4096, 5000]);
    let step = prop_oneof![
        5 => (name(), at, select(vec![1usize, 600, 1500]), any::<u8>())
            .prop_map(|(name, at, len, fill)| Step::Write(name, at, len, fill)),
        1 => (name(), select(vec![0u64, 300, 4096])).prop_map(|(name, len)| Step::SetLen(name, len)),
        4 => (name(), any::<bool>()).prop_map(|(name, data_only)| Step::Sync(name, data_only)),
        1 => select(vec![("/a", "/b"), ("/b", "/a")]).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => Just(Step::SyncDir),
    ];
    vec(step, 1..7)
}

fn run(disk: &SimDisk, steps: &[Step]) {
    for step in steps {
        // Failures are what this is about, and missing names do no harm.
        let _ = match step {
            Step::Write(name, at, len, fill) => {
                open_if(disk, name).and_then(|f| f.write_at(&vec![*fill; *len], *at).map(drop))
            }
            Step::SetLen(name, len) => open_if(disk, name).and_then(|f| f.set_len(*len)),
            Step::Sync(name, true) => open_if(disk, name).and_then(|f| f.sync_data()),
            Step::Sync(name, false) => open_if(disk, name).and_then(|f| f.sync_all()),
            Step::Rename(from, to) => disk.rename(Path::new(from), Path::new(to)),
            Step::SyncDir => disk.sync_dir(Path::new("/")),
        };
    }
}

fn open_if(disk: &SimDisk, path: &str) -> io::Result<Box<dyn VfsFile>> {
    disk.open(Path::new(path), OpenOptions::CREATE)
}

fn faults() -> impl Strategy<Value = Vec<&'static str>> {
    let syncs =
        select(vec!["any-sync #2 -> EIO", "any-sync #..2 -> EIO", "any-sync #3.. -> EIO", "sync_dir -> EIO"]);
    let other =
        select(vec!["write #3 -> lost", "write #2 -> misdirected 512", "write #4 -> ENOSPC, part 300"]);
    (syncs, proptest::option::of(other)).prop_map(|(sync, other)| [sync].into_iter().chain(other).collect())
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = default.cases * 3 / 8;
    ProptestConfig { cases, failure_persistence: None, max_global_rejects: 100_000, ..default }
}

/// The disks that are found after `work`, and the legal ones; nothing if these are too many.
fn found_and_legal(model: &Model, work: impl Fn(&SimDisk)) -> Option<(BTreeSet<Tree>, BTreeSet<Tree>)> {
    let trace = finished(model, &work).recording.trace;
    let legal = trees_at(&Base::empty(), &trace, trace.end(), model, 3000).ok()?;
    Some((found_on(&crashed(model, &work), |_| {}), legal.iter().map(shown).collect()))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_found_after_faults_is_exactly_the_legal_disks(steps in steps(), faults in faults(), model in models::models()) {
        // What a misdirected write does to a page that is never torn is left open.
        prop_assume!(model.torn_unit < 4096 || faults.iter().all(|fault| !fault.contains("misdirected")));
        let work = |disk: &SimDisk| {
            durable(disk, &[b'o'; 700]);
            inject(disk, &faults);
            run(disk, &steps);
        };
        let left = found_and_legal(&model, work);
        prop_assume!(left.is_some());
        let (found, legal) = left.unwrap();
        let extra: Vec<_> = found.difference(&legal).take(1).collect();
        let missing: Vec<_> = legal.difference(&found).take(1).collect();
        prop_assert!(extra.is_empty() && missing.is_empty(), "not legal: {extra:#?}\nnever shown: {missing:#?}");
    }
}

/// Holds what is found after `work` against the legal disks, under every model.
fn assert_agreed(work: impl Fn(&SimDisk)) {
    for model in Model::NAMES.map(|name| Model::by_name(name).unwrap()) {
        let (found, legal) = found_and_legal(&model, &work).unwrap();
        assert!(found == legal, "under {}", model.name);
    }
}

#[test]
fn a_sector_that_a_lost_write_was_meant_for_counts_as_written() {
    for fault in ["write #2 -> misdirected 512", "write #2 -> lost"] {
        assert_agreed(|disk| {
            durable(disk, &[b'o'; 700]);
            inject(disk, &[fault]);
            let file = open(disk, "/b");
            // The last of these writes a part of the sector that the one before was meant for.
            for (content, offset) in [(&[1; 1][..], 4000), (&[2; 600], 512), (&[3; 600], 0)] {
                file.write_at(content, offset).unwrap();
            }
            file.sync_all().unwrap();
        });
    }
}

#[test]
fn a_page_that_a_lost_write_was_meant_for_is_dirty_again() {
    assert_agreed(|disk| {
        durable(disk, &[b'o'; 700]);
        inject(disk, &["sync_all #1 -> EIO", "write #2 -> lost"]);
        let file = open(disk, "/a");
        file.write_at(&[1], 0).unwrap();
        file.sync_all().unwrap_err();
        file.write_at(&[2], 0).unwrap();
        file.sync_all().unwrap();
    });
}
