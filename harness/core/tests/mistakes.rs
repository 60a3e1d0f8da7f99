//! Mistakes that other simulators make, one test each: what a disk of theirs never shows, or always does, and
//! a real one does not.
//!
//! Bug class: the simulated disk is kinder than a real one, and a store that loses data passes.
//! What a failing call may do is not tested here.

#![allow(clippy::unwrap_used)]

#[path = "common/disks.rs"]
mod disks;

use std::collections::BTreeSet;
use std::path::Path;

use disks::{crashed, found_on};
use unplug::disk::SimDisk;
use unplug::model::Model;
use unplug::plain::Tree;
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

fn open(fs: &SimDisk, path: &str) -> Box<dyn VfsFile> {
    fs.open(Path::new(path), OpenOptions::CREATE).unwrap()
}

fn write(fs: &SimDisk, path: &str, data: impl AsRef<[u8]>, offset: u64) {
    open(fs, path).write_fully_at(data.as_ref(), offset).unwrap();
}

fn sync_dir(fs: &SimDisk, path: &str) {
    fs.sync_dir(Path::new(path)).unwrap();
}

fn rename(fs: &SimDisk, from: &str, to: &str) {
    fs.rename(Path::new(from), Path::new(to)).unwrap();
}

/// A file with its content and name durable.
fn durable(fs: &SimDisk, path: &str, data: impl AsRef<[u8]>) {
    write(fs, path, data, 0);
    open(fs, path).sync_all().unwrap();
    sync_dir(fs, Path::new(path).parent().unwrap().to_str().unwrap());
}

/// What may be found after a crash at the end of `work`, under the default model.
fn left(work: impl Fn(&SimDisk)) -> BTreeSet<Tree> {
    found_on(&crashed(&Model::posix(), work), |_| {})
}

/// Trees from lists of `path=text` and `path/`.
fn set<const N: usize>(trees: [&[&str]; N]) -> BTreeSet<Tree> {
    let tree = |lines: &&[&str]| {
        let mut tree = Tree::new();
        for line in *lines {
            match line.split_once('=') {
                Some((path, text)) => tree.insert_file(path, text),
                None => tree.insert_dir(line),
            }
        }
        tree
    };
    let set: BTreeSet<Tree> = trees.iter().map(tree).collect();
    assert_eq!(set.len(), N, "a tree is listed twice");
    set
}

#[test]
fn data_that_was_not_synced_may_be_lost() {
    let got = left(|fs| {
        durable(fs, "/f", "A");
        write(fs, "/f", "B", 0);
    });
    assert_eq!(got, set([&["f=A"], &["f=B"]]));
}

#[test]
fn a_removal_is_not_durable_at_once_and_does_not_always_come_back() {
    let got = left(|fs| {
        durable(fs, "/f", "A");
        fs.remove_file(Path::new("/f")).unwrap();
    });
    assert_eq!(got, set([&["f=A"], &[]]));
}

#[test]
fn a_truncation_is_not_durable_at_once() {
    let got = left(|fs| {
        durable(fs, "/f", "AB");
        open(fs, "/f").set_len(1).unwrap();
    });
    assert_eq!(got, set([&["f=AB"], &["f=A\0"], &["f=A"]]));
}

#[test]
fn a_new_directory_is_not_durable_at_once_nor_with_what_is_in_it() {
    let got = left(|fs| {
        fs.create_dir(Path::new("/d")).unwrap();
        durable(fs, "/d/f", "A");
    });
    assert_eq!(got, set([&[], &["d/", "d/f=A"]]));
}

#[test]
fn a_rename_is_not_durable_at_once() {
    let got = left(|fs| {
        durable(fs, "/a", "A");
        rename(fs, "/a", "/b");
    });
    assert_eq!(got, set([&["a=A"], &["b=A"]]));
}

#[test]
fn a_rename_makes_no_content_durable() {
    let got = left(|fs| {
        durable(fs, "/f", "old");
        write(fs, "/tmp", "new", 0);
        rename(fs, "/tmp", "/f");
        sync_dir(fs, "/");
    });
    assert_eq!(got, set([&["f="], &["f=\0\0\0"], &["f=new"]]));
}

#[test]
fn a_tail_is_torn_at_every_sector_in_every_way() {
    let got = left(|fs| {
        durable(fs, "/f", "");
        write(fs, "/f", "x".repeat(1100), 0);
    });
    let sector = |there: bool, len: usize| (if there { "x" } else { "\0" }).repeat(len);
    let mut expected = set([&["f="]]);
    for which in 0..8 {
        let text = sector(which & 1 > 0, 512) + &sector(which & 2 > 0, 512) + &sector(which & 4 > 0, 76);
        expected.extend(set([&[&format!("f={text}")]]));
    }
    assert_eq!(got, expected);
}

#[test]
fn a_sector_is_torn_between_its_words_where_the_model_says_so() {
    let tears = Model { torn_unit: 8, ..Model::posix() };
    let world = crashed(&tears, |fs| {
        durable(fs, "/f", "a".repeat(24));
        write(fs, "/f", "b".repeat(24), 0);
    });
    let torn = |kept: usize| format!("f={}{}", "b".repeat(kept), "a".repeat(24 - kept));
    let expected = set([&[&torn(0)], &[&torn(8)], &[&torn(16)], &[&torn(24)]]);
    assert_eq!(found_on(&world, |_| {}), expected);
}

#[test]
fn pending_writes_belong_to_the_file_and_not_to_its_path() {
    let synced_under_the_new_name = left(|fs| {
        durable(fs, "/a", "A");
        write(fs, "/a", "B", 0);
        rename(fs, "/a", "/b");
        open(fs, "/b").sync_data().unwrap();
    });
    assert_eq!(synced_under_the_new_name, set([&["a=B"], &["b=B"]]));
    let another_file_took_the_path = left(|fs| {
        durable(fs, "/a", "A");
        write(fs, "/a", "B", 0);
        rename(fs, "/a", "/b");
        durable(fs, "/a", "C");
    });
    assert_eq!(another_file_took_the_path, set([&["a=C", "b=A"], &["a=C", "b=B"]]));
    let linked_twice = left(|fs| {
        durable(fs, "/a", "A");
        fs.hard_link(Path::new("/a"), Path::new("/b")).unwrap();
        sync_dir(fs, "/");
        write(fs, "/b", "B", 0);
    });
    assert_eq!(linked_twice, set([&["a=A", "b=A"], &["a=B", "b=B"]]));
}

#[test]
fn older_pending_content_of_a_sector_may_be_what_survives() {
    let got = left(|fs| {
        durable(fs, "/f", "A");
        write(fs, "/f", "B", 0);
        write(fs, "/f", "C", 0);
    });
    assert_eq!(got, set([&["f=A"], &["f=B"], &["f=C"]]));
}

#[test]
fn a_later_write_may_survive_without_an_earlier_one() {
    let got = left(|fs| {
        durable(fs, "/f", "A");
        durable(fs, "/g", "A");
        write(fs, "/f", "B", 0);
        write(fs, "/g", "B", 0);
    });
    assert_eq!(got, set([&["f=A", "g=A"], &["f=B", "g=A"], &["f=A", "g=B"], &["f=B", "g=B"]]));
}

#[test]
fn a_file_extended_after_a_crash_keeps_its_data() {
    let world = crashed(&Model::posix(), |fs| {
        durable(fs, "/f", "AA");
        write(fs, "/f", "B", 1);
    });
    let extended = found_on(&world, |fs| open(fs, "/f").set_len(4).unwrap());
    assert_eq!(extended, set([&["f=AA\0\0"], &["f=AB\0\0"]]));
    let written = found_on(&world, |fs| write(fs, "/f", "C", 3));
    assert_eq!(written, set([&["f=AA\0C"], &["f=AB\0C"]]));
}

#[test]
fn the_same_work_gives_the_same_states_in_the_same_order() {
    let world = || {
        crashed(&Model::posix(), |fs| {
            for name in ["/a", "/b", "/c", "/d", "/e"] {
                write(fs, name, name, 0);
            }
        })
    };
    let in_order = || {
        let mut trees = Vec::new();
        disks::explore(
            &world(),
            |fs| disks::read(fs),
            |tree, finished| {
                trees.push((tree, finished.decided.len()));
            },
        );
        trees
    };
    let first = in_order();
    // Each file: no name, empty, two zeros, or its content.
    assert_eq!(first.len(), 4usize.pow(5));
    assert_eq!(first, in_order());
}
