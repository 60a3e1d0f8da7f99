//! Calls that fail, and disks that lie.
//!
//! Bug class: a simulator whose failures are tamer than real ones (a failed sync that can be retried, an error
//! that always comes before the call, a descriptor that never tells), so that a store passes which loses data.
//! `random` holds failed syncs and lost writes against the independent materialiser, `oracle` the verdicts on a store
//! that meets faults.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

#[path = "../common/disks.rs"]
mod disks;
#[path = "../common/models.rs"]
mod models;
mod oracle;
mod random;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use disks::{crashed, explore, found_on};
use unplug::disk::SimDisk;
use unplug::fault::{FaultyVfs, Injector, Rule};
use unplug::model::Model;
use unplug::plain::MemFs;
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap_or_else(|e| panic!("{e}"))).collect()
}

fn inject(disk: &SimDisk, texts: &[&str]) {
    disk.inject(Injector::for_workload(&rules(texts)));
}

fn open(fs: &dyn Vfs, path: &str) -> Box<dyn VfsFile> {
    fs.open(Path::new(path), OpenOptions::CREATE).unwrap()
}

/// A file `/a` whose name is durable, with some durable content.
fn durable(fs: &dyn Vfs, content: &[u8]) {
    let file = open(fs, "/a");
    file.write_fully_at(content, 0).unwrap();
    file.sync_all().unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
}

/// What `/a` may hold after a crash at the end of `work`.
fn left(model: &Model, work: impl Fn(&SimDisk)) -> BTreeSet<Vec<u8>> {
    let trees = found_on(&crashed(model, work), |_| {});
    trees.iter().map(|tree| tree.content("a").unwrap().to_vec()).collect()
}

fn read(file: &dyn VfsFile, len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    let got = file.read_fully_at(&mut content, 0).unwrap();
    content.truncate(got);
    content
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|e| e.raw_os_error())
}

const EIO: Option<i32> = Some(5);
const ENOSPC: Option<i32> = Some(28);

#[test]
fn a_failed_sync_is_not_made_good_by_a_second_one() {
    for model in models::built_in() {
        let held = left(&model, |disk| {
            durable(disk, b"old");
            inject(disk, &["any-sync #1 -> EIO"]);
            let file = open(disk, "/a");
            file.write_fully_at(b"new", 0).unwrap();
            assert_eq!(errno(file.sync_data()), EIO);
            file.sync_data().unwrap();
            file.sync_all().unwrap();
            assert_eq!(read(&*file, 9), b"new", "the cache shows it");
        });
        assert_eq!(held, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]), "{}", model.name);
    }
}

#[test]
fn a_page_that_is_made_dirty_again_is_synced_as_a_whole_and_no_other() {
    let held = left(&Model::posix(), |disk| {
        durable(disk, &[0; 8192]);
        inject(disk, &["any-sync #1 -> EIO"]);
        let file = open(disk, "/a");
        file.write_fully_at(&[1; 512], 0).unwrap();
        file.write_fully_at(&[2; 512], 4096).unwrap();
        assert_eq!(errno(file.sync_data()), EIO);
        file.write_fully_at(&[3], 4095).unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(held.len(), 2);
    for content in held {
        assert!(content[..512] == [1; 512] && content[4095] == 3);
    }
}

#[test]
fn a_failed_sync_may_have_done_its_work() {
    let held = left(&Model::posix(), |disk| {
        durable(disk, b"old");
        inject(disk, &["any-sync #1 -> EIO, applied"]);
        let file = open(disk, "/a");
        file.write_fully_at(b"new", 0).unwrap();
        assert_eq!(errno(file.sync_data()), EIO);
    });
    assert_eq!(held, BTreeSet::from([b"new".to_vec()]));
}

#[test]
fn each_descriptor_that_was_open_tells_of_the_failure_once() {
    let disk = SimDisk::empty();
    inject(&disk, &["any-sync #1 -> EIO"]);
    let (one, two) = (open(&disk, "/a"), open(&disk, "/a"));
    one.write_fully_at(b"x", 0).unwrap();
    assert_eq!(errno(one.sync_data()), EIO);
    assert_eq!(errno(one.sync_data()), None);
    assert_eq!(errno(two.sync_all()), EIO);
    assert_eq!(errno(two.sync_all()), None);
    assert_eq!(errno(open(&disk, "/a").sync_data()), None);
}

#[test]
fn a_directory_whose_sync_failed_is_not_made_good_by_a_second_one() {
    for model in [Model::posix(), Model::xfs(), Model::btrfs(), Model::paranoid()] {
        let trees = found_on(
            &crashed(&model, |disk| {
                inject(disk, &["sync_dir #1 -> EIO"]);
                open(disk, "/a");
                assert_eq!(errno(disk.sync_dir(Path::new("/"))), EIO);
                disk.sync_dir(Path::new("/")).unwrap();
            }),
            |_| {},
        );
        assert_eq!(trees.len(), 2, "{}", model.name);
    }
}

#[test]
fn a_failed_write_leaves_what_the_rule_says() {
    for (rule, held) in [
        ("write #1 -> ENOSPC", "old"),
        ("write #1 -> ENOSPC, part 1", "nld"),
        ("write #1 -> ENOSPC, applied", "new"),
    ] {
        let disk = SimDisk::empty();
        durable(&disk, b"old");
        inject(&disk, &[rule]);
        let file = open(&disk, "/a");
        assert_eq!(errno(file.write_at(b"new", 0)), ENOSPC);
        assert_eq!(read(&*file, 9), held.as_bytes(), "{rule}");
    }
}

#[test]
fn short_calls_do_as_much_as_they_say() {
    let disk = SimDisk::empty();
    inject(&disk, &["write -> short 2", "read #..2 -> short 1"]);
    let file = open(&disk, "/a");
    assert_eq!(file.write_at(b"abc", 0).unwrap(), 2);
    file.write_fully_at(b"abcdef", 0).unwrap();
    assert_eq!(file.read_at(&mut [0; 9], 0).unwrap(), 1);
    assert_eq!(read(&*file, 9), b"abcdef");
}

#[test]
fn a_lost_write_is_in_the_cache_and_never_on_the_disk() {
    for model in models::built_in() {
        let held = left(&model, |disk| {
            durable(disk, b"old");
            inject(disk, &["write #1 -> lost"]);
            let file = open(disk, "/a");
            file.write_fully_at(b"new", 0).unwrap();
            file.sync_all().unwrap();
            disk.kill();
            assert_eq!(read(&*open(disk, "/a"), 9), b"new");
        });
        assert_eq!(held, BTreeSet::from([b"old".to_vec()]), "{}", model.name);
    }
}

#[test]
fn a_misdirected_write_shows_where_it_landed_after_a_crash_only() {
    let held = left(&Model::posix(), |disk| {
        durable(disk, &[b'.'; 1024]);
        inject(disk, &["write #1 -> misdirected 512"]);
        let file = open(disk, "/a");
        file.write_fully_at(b"new", 0).unwrap();
        file.sync_all().unwrap();
        assert_eq!(&read(&*file, 1024)[..4], b"new.");
        assert_eq!(&read(&*file, 1024)[512..516], b"....");
    });
    let content = held.into_iter().next().unwrap();
    assert_eq!((&content[..4], &content[512..516]), (&b"...."[..], &b"new."[..]));
}

#[test]
fn damage_of_the_medium_shows_after_a_crash_and_goes_when_it_is_lifted() {
    let rules = rules(&["read a @1 -> rot 01", "read a @600 -> bad-sector"]);
    let world = crashed(&Model::posix(), |disk| {
        durable(disk, &[b'x'; 1024]);
        disk.inject(Injector::for_workload(&rules));
        assert_eq!(read(&*open(disk, "/a"), 1024), [b'x'; 1024], "the cache is sound");
    });
    let process = |disk: &SimDisk| {
        disk.inject(Injector::for_recovery(&rules, false));
        let file = open(disk, "/a");
        let mut sector = [0; 512];
        file.read_fully_at(&mut sector, 0).unwrap();
        assert_eq!(&sector[..3], b"xyx");
        assert_eq!(errno(file.read_at(&mut sector, 512)), EIO);
        assert_eq!(errno(file.read_at(&mut sector, 1023)), EIO, "it stays bad");
        file.write_fully_at(&[b'z'; 512], 512).unwrap();
        assert_eq!(file.read_at(&mut sector, 512).unwrap(), 512, "what was written is in the cache");
        disk.lift_faults();
        file.read_fully_at(&mut sector, 0).unwrap();
        assert_eq!(&sector[..3], b"xxx", "the disk itself was never changed");
    };
    explore(&world, process, |(), finished| assert!(finished.stop.is_none()));
}

#[test]
fn a_full_disk_takes_what_fits_until_something_is_removed() {
    let disk = SimDisk::empty();
    inject(&disk, &["any-write -> full 8192"]);
    let file = open(&disk, "/a");
    assert_eq!(file.write_at(&[1; 10_000], 0).unwrap(), 8192);
    assert_eq!(errno(file.write_at(&[1], 8192)), ENOSPC);
    assert_eq!(errno(open(&disk, "/b").write_at(&[1], 0)), ENOSPC);
    assert_eq!(errno(open(&disk, "/b").allocate(0, 1)), ENOSPC);
    file.write_fully_at(&[2; 8192], 0).unwrap();
    disk.remove_file(Path::new("/a")).unwrap();
    open(&disk, "/b").write_fully_at(&[1], 0).unwrap();
    assert!(disk.lacked_only_space());
}

#[test]
fn rules_count_the_calls_that_match_them() {
    let disk = SimDisk::empty();
    inject(&disk, &["create b* #2.. -> EMFILE", "any-metadata #..1 -> EROFS"]);
    let create = |path: &str| errno(disk.open(Path::new(path), OpenOptions::CREATE_NEW));
    assert_eq!(create("/a"), Some(30), "the first change of a name fails");
    assert_eq!(create("/a"), None);
    assert_eq!(create("/b1"), None);
    assert_eq!((create("/b2"), create("/b3"), create("/c")), (Some(24), Some(24), None));
    disk.lift_faults();
    assert_eq!(create("/b2"), None);
}

#[test]
fn a_layer_over_another_file_system_fails_its_calls_in_the_same_way() {
    let faults = Injector::for_workload(&rules(&["write #1 -> ENOSPC, part 2", "sync_data -> EIO"]));
    let fs = FaultyVfs::new(Arc::new(MemFs::new()), faults);
    let file = open(&fs, "/a");
    assert_eq!(errno(file.write_at(b"new", 0)), ENOSPC);
    assert_eq!(read(&*file, 9), b"ne");
    assert_eq!(errno(file.sync_data()), EIO);
    fs.lift();
    file.sync_data().unwrap();
    assert_eq!(fs.faults().fired().len(), 2);
}
