//! Sets of states computed by hand: what all models share, on the default one.

mod laws;
mod measured;
mod models;

use std::collections::BTreeSet;
use std::path::Path;

use unplug_vfs::{OpenOptions, Vfs, VfsFile};

use super::*;
use crate::model::{Model, Order};
use crate::plain::MemFs;
use crate::trace::ROOT;

/// A tree from lines: `d/` is a directory, `f=text` a file, `g->f` one more name of `f`.
fn tree(lines: &[&str]) -> Tree {
    let mut tree = Tree::new();
    for line in lines {
        if let Some((new, existing)) = line.split_once("->") {
            assert!(tree.insert_link(existing, new), "{line}");
        } else if let Some((path, text)) = line.split_once('=') {
            tree.insert_file(path, text);
        } else {
            tree.insert_dir(line.strip_suffix('/').unwrap());
        }
    }
    tree
}

fn record(base: &Tree, work: impl FnOnce(&MemFs)) -> (Base, Trace) {
    let fs = MemFs::recording_from_tree(base);
    work(&fs);
    (Base::from_tree(base), fs.take_trace())
}

/// The states that a crash after `work` may leave on a disk that held `base`.
fn states(base: &Tree, work: impl FnOnce(&MemFs)) -> BTreeSet<Tree> {
    states_under(&Model::posix(), base, work)
}

fn states_under(model: &Model, base: &Tree, work: impl FnOnce(&MemFs)) -> BTreeSet<Tree> {
    let (base, trace) = record(base, work);
    trees_at(&base, &trace, trace.end(), model, 1 << 16).unwrap()
}

fn set<const N: usize>(states: [&[&str]; N]) -> BTreeSet<Tree> {
    let set = BTreeSet::from(states.map(tree));
    assert_eq!(set.len(), N, "a state is listed twice");
    set
}

fn open(fs: &MemFs, path: &str) -> Box<dyn VfsFile> {
    fs.open(Path::new(path), OpenOptions::CREATE).unwrap()
}

fn write(fs: &MemFs, path: &str, data: impl AsRef<[u8]>, offset: u64) {
    open(fs, path).write_fully_at(data.as_ref(), offset).unwrap();
}

fn sync(fs: &MemFs, path: &str) {
    open(fs, path).sync_data().unwrap();
}

/// Runs of bytes: `x(5, "A")` is `AAAAA`.
fn x(len: usize, byte: &str) -> String {
    byte.repeat(len)
}

fn fsync(fs: &MemFs, path: &str) {
    open(fs, path).sync_all().unwrap();
}

fn sync_dir(fs: &MemFs, path: &str) {
    fs.sync_dir(Path::new(path)).unwrap();
}

fn rename(fs: &MemFs, from: &str, to: &str) {
    fs.rename(Path::new(from), Path::new(to)).unwrap();
}

fn sizes(base: &Tree, work: impl FnOnce(&MemFs)) -> Vec<u64> {
    let (base, trace) = record(base, work);
    Chains::new(&base, &trace, trace.end(), &Model::posix()).sizes_of(Inode(1))
}

#[test]
fn an_appended_record_leaves_any_of_its_sectors_and_its_size_or_nothing() {
    let sector = |byte: &str| byte.repeat(512);
    let rest = |byte: &str| byte.repeat(188);
    let content = |a: &str, b: &str| format!("f={}{}", sector(a), rest(b));
    let got = states(&tree(&["f="]), |fs| write(fs, "f", "x".repeat(700), 0));
    let expected = set([
        &["f="],
        &[&content("\0", "\0")],
        &[&content("x", "\0")],
        &[&content("\0", "x")],
        &[&content("x", "x")],
    ]);
    assert_eq!(got, expected);
}

#[test]
fn a_growing_file_stops_at_pages_and_at_its_end() {
    let empty = tree(&["f="]);
    assert_eq!(sizes(&empty, |fs| write(fs, "f", [1; 9000], 0)), [0, 4096, 8192, 9000]);
    assert_eq!(sizes(&empty, |fs| write(fs, "f", [1; 4096], 0)), [0, 4096]);
    assert_eq!(sizes(&empty, |fs| write(fs, "f", [1; 4097], 10_000)), [0, 12_288, 14_097]);
    assert_eq!(sizes(&empty, |fs| open(fs, "f").allocate(1, 9000).unwrap()), [0, 9001]);
    assert_eq!(sizes(&empty, |fs| open(fs, "f").set_len(9000).unwrap()), [0, 9000]);
    let full = tree(&[&format!("f={}", "x".repeat(5000))]);
    assert_eq!(sizes(&full, |fs| write(fs, "f", [1; 4990], 10)), [5000]);
    assert_eq!(sizes(&full, |fs| write(fs, "f", [1; 9000], 10)), [5000, 8192, 9010]);
    assert_eq!(sizes(&full, |fs| open(fs, "f").allocate(1, 9).unwrap()), [5000]);
    let page = tree(&[&format!("f={}", "x".repeat(4096))]);
    assert_eq!(sizes(&page, |fs| write(fs, "f", [1; 10], 4090)), [4096, 4100]);
    // Size 0, size 4096 with 8 sectors, size 5000 with 10.
    let got = states(&empty, |fs| write(fs, "f", [1; 5000], 0));
    assert_eq!(got.len(), 1 + (1 << 8) + (1 << 10));
}

#[test]
fn any_pending_version_of_a_sector_may_survive() {
    let got = states(&tree(&["f=AA"]), |fs| {
        write(fs, "f", "B", 0);
        write(fs, "f", "C", 1);
    });
    assert_eq!(got, set([&["f=AA"], &["f=BA"], &["f=BC"]]));
}

#[test]
fn a_cut_file_that_grows_again_shows_zeros_or_what_was_cut() {
    let x = |n: usize| "x".repeat(n);
    let zeros = |n: usize| "\0".repeat(n);
    let got = states(&tree(&[&format!("f={}", x(600))]), |fs| {
        open(fs, "f").set_len(100).unwrap();
        open(fs, "f").set_len(600).unwrap();
    });
    let expected = set([
        &[&format!("f={}", x(600))],
        &[&format!("f={}{}{}", x(100), zeros(412), x(88))],
        &[&format!("f={}{}", x(512), zeros(88))],
        &[&format!("f={}{}", x(100), zeros(500))],
        &[&format!("f={}", x(100))],
    ]);
    assert_eq!(got, expected);
}

#[test]
fn truncation_by_open_is_set_len_zero() {
    let got = states(&tree(&["f=ab"]), |fs| {
        fs.open(Path::new("f"), OpenOptions::CREATE_TRUNCATE).unwrap();
    });
    assert_eq!(got, set([&["f=ab"], &["f=\0\0"], &["f="]]));
}

#[test]
fn a_sync_keeps_what_was_written_before_it_and_only_once_it_has_returned() {
    let base = tree(&["f=A"]);
    let (disk, trace) = record(&base, |fs| {
        write(fs, "f", "B", 0);
        sync(fs, "f");
        write(fs, "f", "C", 0);
    });
    let at = |crash| trees_at(&disk, &trace, crash, &Model::posix(), 100).unwrap();
    assert_eq!(at(0), set([&["f=A"]]));
    assert_eq!(at(1), set([&["f=A"], &["f=B"]]));
    assert_eq!(at(2), set([&["f=B"]]));
    assert_eq!(at(3), set([&["f=B"], &["f=C"]]));
    assert_eq!(at(Pos::MAX), at(3));
}

#[test]
fn a_sync_covers_what_was_written_under_an_older_name() {
    let got = states(&tree(&["f=A"]), |fs| {
        write(fs, "f", "B", 0);
        rename(fs, "f", "g");
        sync(fs, "g");
    });
    assert_eq!(got, set([&["f=B"], &["g=B"]]));
}

#[test]
fn a_created_name_needs_its_directory_synced() {
    let created = |fs: &MemFs| {
        write(fs, "f", "A", 0);
        sync(fs, "f");
    };
    assert_eq!(states(&Tree::new(), created), set([&[], &["f=A"]]));
    let synced = |fs: &MemFs| {
        created(fs);
        sync_dir(fs, "/");
    };
    assert_eq!(states(&Tree::new(), synced), set([&["f=A"]]));
}

#[test]
fn a_removed_name_may_come_back_until_its_directory_is_synced() {
    let base = tree(&["f=A", "g=B"]);
    let remove = |fs: &MemFs| {
        fs.remove_file(Path::new("f")).unwrap();
        fs.remove_file(Path::new("g")).unwrap();
    };
    assert_eq!(states(&base, remove), set([&[], &["f=A"], &["g=B"], &["f=A", "g=B"]]));
    let synced = |fs: &MemFs| {
        remove(fs);
        sync_dir(fs, "/");
    };
    assert_eq!(states(&base, synced), set([&[]]));
}

#[test]
fn a_rename_within_a_directory_persists_as_a_whole() {
    let got = states(&tree(&["a=1", "b=2"]), |fs| rename(fs, "a", "b"));
    assert_eq!(got, set([&["a=1", "b=2"], &["b=1"]]));
}

#[test]
fn a_name_that_changes_again_is_no_longer_tied_to_the_other_one_of_a_rename() {
    let got = states(&tree(&["a=1", "b=2", "c=3"]), |fs| {
        rename(fs, "a", "c");
        rename(fs, "b", "c");
    });
    let expected = set([
        &["a=1", "b=2", "c=3"],
        &["a=1", "b=2", "c->a"],
        &["a=1", "c=2"],
        &["b=2", "c=3"],
        &["b=2", "c=1"],
        &["c=2"],
    ]);
    assert_eq!(got, expected);
    let got = states(&tree(&["a=1"]), |fs| {
        rename(fs, "a", "b");
        sync_dir(fs, "/");
        rename(fs, "b", "c");
    });
    assert_eq!(got, set([&["b=1"], &["c=1"]]));
}

#[test]
fn a_rename_across_directories_may_leave_both_names_but_never_none() {
    let base = tree(&["d/f=1", "e/"]);
    let moved = |fs: &MemFs| rename(fs, "d/f", "e/f");
    let (before, both, after): (&[_], &[_], &[_]) =
        (&["d/f=1", "e/"], &["d/f=1", "e/f->d/f"], &["d/", "e/f=1"]);
    assert_eq!(states(&base, moved), set([before, both, after]));
    let target_synced = |fs: &MemFs| {
        moved(fs);
        sync_dir(fs, "e");
    };
    assert_eq!(states(&base, target_synced), set([both, after]));
    let source_synced = |fs: &MemFs| {
        moved(fs);
        sync_dir(fs, "d");
    };
    assert_eq!(states(&base, source_synced), set([after]));
}

#[test]
fn what_has_no_surviving_directory_cannot_be_reached() {
    let got = states(&Tree::new(), |fs| {
        fs.create_dir(Path::new("d")).unwrap();
        open(fs, "d/f");
        sync_dir(fs, "d");
    });
    assert_eq!(got, set([&[], &["d/f="]]));
    let got = states(&tree(&["d/"]), |fs| fs.remove_dir(Path::new("d")).unwrap());
    assert_eq!(got, set([&[], &["d/"]]));
}

#[test]
fn two_names_of_a_file_always_show_one_content() {
    let got = states(&tree(&["f=A"]), |fs| {
        fs.hard_link(Path::new("f"), Path::new("g")).unwrap();
        write(fs, "g", "B", 0);
    });
    assert_eq!(got, set([&["f=A"], &["f=B"], &["f=A", "g->f"], &["f=B", "g->f"]]));
}

#[test]
fn a_directory_moves_as_a_whole_and_is_lost_with_the_one_it_moved_into() {
    let got = states(&tree(&["a/b/f=1"]), |fs| {
        rename(fs, "a/b", "b");
        rename(fs, "a", "b/a");
    });
    let expected = set([&["a/b/f=1"], &["a/", "b/f=1"], &["b/f=1", "b/a/"], &[]]);
    assert_eq!(got, expected);
}

#[test]
fn a_partial_pick_is_completed_with_the_oldest_or_the_newest() {
    let base = tree(&["a=1", "f=A"]);
    let (disk, trace) = record(&base, |fs| {
        rename(fs, "a", "b");
        write(fs, "f", "B", 0);
        rename(fs, "b", "c");
    });
    let model = Model { directory_operations: Order::InOrder, ..Model::posix() };
    let chains = Chains::new(&disk, &trace, trace.end(), &model);
    let name = |name: &str| Cell::Name { dir: ROOT, name: name.into() };
    let completed = |partial: &[(Cell, usize)], fill| {
        let picks = chains.complete(&partial.iter().cloned().collect(), fill)?;
        assert!(chains.is_legal(&picks));
        Some(chains.tree(&picks))
    };
    assert_eq!(completed(&[], Fill::Oldest), Some(base));
    assert_eq!(completed(&[], Fill::Newest), Some(tree(&["c=1", "f=B"])));
    assert_eq!(completed(&[(name("c"), 1)], Fill::Oldest), Some(tree(&["c=1", "f=A"])));
    assert_eq!(completed(&[(name("a"), 0)], Fill::Newest), Some(tree(&["a=1", "f=B"])));
    assert_eq!(completed(&[(name("b"), 1)], Fill::Newest), Some(tree(&["b=1", "f=B"])));
    assert_eq!(completed(&[(name("a"), 0), (name("c"), 1)], Fill::Oldest), None);
    assert_eq!(completed(&[(name("a"), 0), (name("c"), 1)], Fill::Newest), None);
    assert_eq!(completed(&[(name("a"), 2)], Fill::Newest), None);
    assert_eq!(completed(&[(name("nobody"), 0)], Fill::Oldest), None);
    assert_eq!(chains.positions(&name("b")), [None, Some(0), Some(2)]);
    assert_eq!(chains.positions(&Cell::Sector { inode: Inode(2), index: 0 }), [None, Some(1)]);
}

#[test]
fn too_many_states_are_refused_with_the_limit() {
    let (disk, trace) = record(&tree(&["f="]), |fs| write(fs, "f", [1; 700], 0));
    assert_eq!(trees_at(&disk, &trace, 1, &Model::posix(), 8).unwrap().len(), 5);
    let error = trees_at(&disk, &trace, 1, &Model::posix(), 7).unwrap_err();
    assert_eq!(error, TooManyStates { states_max: 7 });
    assert!(error.to_string().starts_with("failed to enumerate"), "{error}");
}
