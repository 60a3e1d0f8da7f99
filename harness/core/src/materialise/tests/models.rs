//! Sets of states computed by hand, model by model. Many are what real file systems were seen to leave.

use std::collections::BTreeSet;
use std::path::Path;

use unplug_vfs::{OpenOptions, Vfs};

use super::{fsync, open, record, rename, set, states_under, sync, sync_dir, tree, write, x};
use crate::materialise::trees_at;
use crate::model::{Model, TornSide};
use crate::plain::{MemFs, Tree};

fn remove(fs: &MemFs, path: &str) {
    fs.remove_file(Path::new(path)).unwrap();
}

fn link(fs: &MemFs, existing: &str, new: &str) {
    fs.hard_link(Path::new(existing), Path::new(new)).unwrap();
}

/// Whether `g` is there, and how long `f` is, in each state.
fn lengths(states: &BTreeSet<Tree>) -> BTreeSet<(bool, usize)> {
    states.iter().map(|tree| (tree.get("g").is_some(), tree.content("f").map_or(0, <[u8]>::len))).collect()
}

#[test]
fn journalled_names_survive_in_order() {
    let work = |fs: &MemFs| {
        open(fs, "a");
        open(fs, "b");
        remove(fs, "a");
    };
    let in_order = set([&[], &["a="], &["a=", "b="], &["b="]]);
    for model in [Model::ext4(), Model::xfs()] {
        assert_eq!(states_under(&model, &Tree::new(), work), in_order, "{}", model.name);
    }
    assert_eq!(states_under(&Model::btrfs(), &Tree::new(), work), in_order);
    let two = |fs: &MemFs| {
        open(fs, "a");
        open(fs, "b");
    };
    assert_eq!(states_under(&Model::ext4(), &Tree::new(), two), set([&[], &["a="], &["a=", "b="]]));
    assert_eq!(states_under(&Model::btrfs(), &Tree::new(), two), set([&[], &["a="], &["b="], &["a=", "b="]]));
}

#[test]
fn a_synced_file_brings_along_earlier_names_or_its_own_or_none() {
    let work = |fs: &MemFs| {
        open(fs, "a");
        fsync(fs, "b");
    };
    let under = |model| states_under(&model, &Tree::new(), work);
    assert_eq!(under(Model::ext4()), set([&["a=", "b="]]));
    assert_eq!(under(Model::xfs()), set([&["a=", "b="]]));
    assert_eq!(under(Model::btrfs()), set([&["b="], &["a=", "b="]]));
    assert_eq!(under(Model::posix()), set([&[], &["a="], &["b="], &["a=", "b="]]));
}

#[test]
fn a_sync_of_a_clean_file_brings_nothing_along() {
    let work = |fs: &MemFs| {
        open(fs, "a");
        fsync(fs, "clean");
    };
    for name in Model::NAMES {
        let model = Model::by_name(name).unwrap();
        let got = states_under(&model, &tree(&["clean="]), work);
        assert_eq!(got, set([&["clean="], &["a=", "clean="]]), "{name}");
    }
}

#[test]
fn a_data_sync_after_a_rename_persists_it_on_xfs_and_btrfs_only() {
    let work = |fs: &MemFs| {
        rename(fs, "a", "b");
        sync(fs, "b");
    };
    let (either, renamed) = (set([&["a=1"], &["b=1"]]), set([&["b=1"]]));
    let under = |model| states_under(&model, &tree(&["a=1"]), work);
    assert_eq!(under(Model::posix()), either);
    assert_eq!(under(Model::ext4()), either);
    assert_eq!(under(Model::xfs()), renamed);
    assert_eq!(under(Model::btrfs()), renamed);
}

#[test]
fn a_sync_of_a_clean_directory_brings_all_names_along_on_ext4_only() {
    let work = |fs: &MemFs| {
        open(fs, "a");
        sync_dir(fs, "d");
    };
    let under = |model| states_under(&model, &tree(&["d/"]), work);
    assert_eq!(under(Model::ext4()), set([&["a=", "d/"]]));
    assert_eq!(under(Model::xfs()), set([&["d/"], &["a=", "d/"]]));
    let changed = |fs: &MemFs| {
        open(fs, "a");
        open(fs, "d/f");
        sync_dir(fs, "d");
    };
    assert_eq!(states_under(&Model::xfs(), &tree(&["d/"]), changed), set([&["a=", "d/f="]]));
    let got = states_under(&Model::btrfs(), &tree(&["d/"]), changed);
    assert_eq!(got, set([&["d/f="], &["a=", "d/f="]]));
}

#[test]
fn a_file_moved_by_link_and_removal_may_have_neither_name() {
    let work = |fs: &MemFs| {
        link(fs, "d1/o", "d2/l");
        remove(fs, "d1/o");
        sync_dir(fs, "d1");
    };
    let base = tree(&["d1/o=1", "d2/"]);
    assert_eq!(states_under(&Model::btrfs(), &base, work), set([&["d1/", "d2/"], &["d1/", "d2/l=1"]]));
    assert_eq!(states_under(&Model::ext4(), &base, work), set([&["d1/", "d2/l=1"]]));
}

#[test]
fn a_file_renamed_across_directories_may_have_both_names() {
    let work = |fs: &MemFs| {
        rename(fs, "d1/s", "d2/n");
        sync_dir(fs, "d2");
    };
    let base = tree(&["d1/s=1", "d2/"]);
    let (both, moved): (&[_], &[_]) = (&["d1/s=1", "d2/n->d1/s"], &["d1/", "d2/n=1"]);
    assert_eq!(states_under(&Model::btrfs(), &base, work), set([both, moved]));
    assert_eq!(states_under(&Model::ext4(), &base, work), set([moved]));
    assert_eq!(states_under(&Model::xfs(), &base, work), set([moved]));
    let removed = |fs: &MemFs| {
        work(fs);
        remove(fs, "d2/n");
        sync_dir(fs, "d2");
    };
    assert!(states_under(&Model::btrfs(), &base, removed).contains(&tree(&["d1/s=1", "d2/"])));
}

#[test]
fn a_rename_in_steps_may_lose_the_target_the_file_or_both() {
    let got = states_under(&Model::paranoid(), &tree(&["a=1", "b=2"]), |fs| rename(fs, "a", "b"));
    let expected = set([&["a=1", "b=2"], &["a=1"], &["a=1", "b->a"], &["b=2"], &[], &["b=1"]]);
    assert_eq!(got, expected);
}

#[test]
fn growth_in_a_synced_block_moves_the_size_in_order_with_names_on_ext4() {
    let work = |fs: &MemFs| {
        write(fs, "f", x(2500, "A"), 0);
        fsync(fs, "f");
        sync_dir(fs, "/");
        write(fs, "f", x(2500, "B"), 2500);
        open(fs, "g");
    };
    let ext4 = states_under(&Model::ext4(), &Tree::new(), work);
    let pairs = [(false, 2500), (false, 4096), (false, 5000), (true, 4096), (true, 5000)];
    assert_eq!(lengths(&ext4), pairs.into());
    assert!(ext4.contains(&tree(&[&format!("f={}{}", x(2500, "A"), x(1596, "\0"))])));
    let posix = states_under(&Model::posix(), &Tree::new(), work);
    assert_eq!(lengths(&posix), pairs.into_iter().chain([(true, 2500)]).collect());
}

#[test]
fn growth_into_new_blocks_is_not_in_order_with_names_on_ext4() {
    let work = |fs: &MemFs| {
        write(fs, "f", x(100, "B"), 4096);
        open(fs, "g");
    };
    let got = states_under(&Model::ext4(), &tree(&[&format!("f={}", x(4096, "A"))]), work);
    assert_eq!(lengths(&got), [(false, 4096), (false, 4196), (true, 4096), (true, 4196)].into());
    assert!(got.contains(&tree(&[&format!("f={}{}", x(4096, "A"), x(100, "\0")), "g="])));
}

#[test]
fn on_xfs_a_size_needs_the_data_of_its_page_but_not_of_earlier_ones() {
    let base = tree(&["f="]);
    let appended = |fs: &MemFs| write(fs, "f", x(700, "A"), 0);
    let whole = format!("f={}", x(700, "A"));
    assert_eq!(states_under(&Model::xfs(), &base, appended), set([&["f="], &[&whole]]));
    let two_pages = |fs: &MemFs| {
        write(fs, "f", x(4096, "B"), 0);
        write(fs, "f", x(100, "C"), 4096);
    };
    let got = states_under(&Model::xfs(), &base, two_pages);
    assert!(got.contains(&tree(&[&format!("f={}{}", x(4096, "\0"), x(100, "C"))])));
    assert!(got.iter().filter_map(|tree| tree.content("f")).all(|f| f.len() < 4196 || f.ends_with(b"C")));
}

#[test]
fn on_btrfs_an_append_never_exceeds_its_written_prefix() {
    let base = tree(&[&format!("f={}", x(2500, "A"))]);
    let got = states_under(&Model::btrfs(), &base, |fs| write(fs, "f", x(2500, "B"), 2500));
    let grown = |len| format!("f={}{}", x(2500, "A"), x(len, "B"));
    assert_eq!(got, set([&[&grown(0)], &[&grown(1596)], &[&grown(2500)]]));
}

#[test]
fn replacing_by_rename_without_a_sync_gives_old_new_empty_or_zeros() {
    let work = |fs: &MemFs| {
        write(fs, "tmp", "new", 0);
        rename(fs, "tmp", "f");
    };
    let base = tree(&["f=old"]);
    let xfs = set([&["f=old"], &["f=old", "tmp="], &["f=old", "tmp=new"], &["f="], &["f=new"]]);
    let mut ext4 = xfs.clone();
    ext4.extend(set([&["f=old", "tmp=\0\0\0"], &["f=\0\0\0"]]));
    assert_eq!(states_under(&Model::xfs(), &base, work), xfs);
    assert_eq!(states_under(&Model::ext4(), &base, work), ext4);
    assert_eq!(states_under(&Model::posix(), &base, work), ext4);
    assert_eq!(states_under(&Model::btrfs(), &base, work), xfs);
}

#[test]
fn a_cut_file_may_keep_its_size_with_the_tail_of_the_kept_block_zeroed() {
    let base = tree(&[&format!("f={}", x(12_288, "A"))]);
    for model in [Model::ext4(), Model::xfs()] {
        let got = states_under(&model, &base, |fs| open(fs, "f").set_len(5000).unwrap());
        let zeroed = format!("f={}{}{}", x(5000, "A"), x(3192, "\0"), x(4096, "A"));
        assert!(got.contains(&tree(&[&zeroed])), "{}", model.name);
        // Seven sectors of the kept block in any combination under the old size; or the new size.
        assert_eq!(got.len(), (1 << 7) + 1, "{}", model.name);
    }
}

#[test]
fn what_was_cut_may_come_back_when_the_file_grows_again() {
    let got = states_under(&Model::btrfs(), &tree(&[&format!("f={}", x(4096, "A"))]), |fs| {
        open(fs, "f").set_len(100).unwrap();
        open(fs, "f").set_len(8192).unwrap();
    });
    assert!(got.contains(&tree(&[&format!("f={}{}", x(4096, "A"), x(4096, "\0"))])));
    assert!(got.contains(&tree(&[&format!("f={}{}", x(100, "A"), x(8092, "\0"))])));
}

#[test]
fn a_page_survives_as_it_was_after_one_of_the_calls() {
    let base = tree(&[&format!("f={}", x(1024, "A"))]);
    let got = states_under(&Model::btrfs(), &base, |fs| {
        write(fs, "f", "B", 0);
        write(fs, "f", "CC", 511);
        write(fs, "f", "D", 1);
    });
    let page = |head: &str, middle: &str| format!("f={head}{}{middle}{}", x(509, "A"), x(511, "A"));
    let expected =
        set([&[&page("AA", "AA")], &[&page("BA", "AA")], &[&page("BA", "CC")], &[&page("BD", "CC")]]);
    assert_eq!(got, expected);
}

#[test]
fn a_torn_sector_keeps_its_beginning_or_its_end() {
    let torn = |torn_side| {
        let model = Model { torn_unit: 8, torn_side, ..Model::posix() };
        let base = tree(&["f=AAAAAAAAAAAAAAAAAAAAAAAA"]);
        states_under(&model, &base, |fs| write(fs, "f", x(16, "B"), 4))
    };
    let left = set([
        &["f=AAAAAAAAAAAAAAAAAAAAAAAA"],
        &["f=AAAABBBBAAAAAAAAAAAAAAAA"],
        &["f=AAAABBBBBBBBBBBBAAAAAAAA"],
        &["f=AAAABBBBBBBBBBBBBBBBAAAA"],
    ]);
    let right = set([
        &["f=AAAAAAAAAAAAAAAAAAAAAAAA"],
        &["f=AAAAAAAAAAAAAAAABBBBAAAA"],
        &["f=AAAAAAAABBBBBBBBBBBBAAAA"],
        &["f=AAAABBBBBBBBBBBBBBBBAAAA"],
    ]);
    assert_eq!(torn(TornSide::Left), left);
    assert_eq!(torn(TornSide::Right), right);
}

#[test]
fn bytes_that_were_never_durable_may_read_as_garbage_but_not_once_they_were() {
    // The first output of SplitMix64 with seed 0, as its authors' code gives it.
    let noise = 0xE220_A839_7B1D_CDAF_u64.to_le_bytes();
    let garbage_in = |fs: &MemFs| write(fs, "f", "newdata!", 0);
    let got = states_under(&Model::paranoid(), &tree(&["f="]), garbage_in);
    let contents: BTreeSet<&[u8]> = got.iter().filter_map(|tree| tree.content("f")).collect();
    assert_eq!(contents, [&b""[..], &[0; 8], &noise, b"newdata!"].into());
    let durable = states_under(&Model::paranoid(), &tree(&["f=old"]), |fs| write(fs, "f", "new", 0));
    assert_eq!(durable, set([&["f=old"], &["f=new"]]));
    let cut_first = |fs: &MemFs| {
        fs.open(Path::new("f"), OpenOptions::CREATE_TRUNCATE).unwrap();
        write(fs, "f", "new", 0);
    };
    let got = states_under(&Model::paranoid(), &tree(&["f=old"]), cut_first);
    assert_eq!(got, set([&["f=old"], &["f=\0\0\0"], &["f=new"], &["f="]]));
}

#[test]
fn garbage_may_be_what_a_removed_file_held_at_the_same_place() {
    // Sector 2 shows old bytes, by the parity of its number's hash; its seed 2 gives …CE.
    let base = tree(&["f="]);
    let got = states_under(&Model::paranoid(), &base, |fs| {
        write(fs, "old", "secret!!", 1024);
        remove(fs, "old");
        sync_dir(fs, "/");
        open(fs, "f").set_len(1032).unwrap();
        fsync(fs, "f");
        write(fs, "f", "newdata!", 1024);
    });
    let shown = |text: &str| format!("f={}{text}", x(1024, "\0"));
    let expected = set([&[&shown("\0\0\0\0\0\0\0\0")], &[&shown("secret!!")], &[&shown("newdata!")]]);
    assert_eq!(got, expected);
}

#[test]
fn two_names_of_a_rename_are_tied_for_crashes_before_one_of_them_changes_again() {
    let (base, trace) = record(&tree(&["a=1", "b=2"]), |fs| {
        rename(fs, "a", "c");
        rename(fs, "b", "c");
    });
    let at = |crash| trees_at(&base, &trace, crash, &Model::posix(), 100).unwrap();
    assert_eq!(at(1), set([&["a=1", "b=2"], &["b=2", "c=1"]]));
    assert!(at(2).contains(&tree(&["b=2"])));
}

#[test]
fn on_xfs_a_size_needs_its_page_for_crashes_before_the_size_moves_to_another() {
    let (base, trace) = record(&tree(&["f="]), |fs| {
        write(fs, "f", x(512, "A"), 3584);
        write(fs, "f", "B", 4096);
    });
    let at = |crash| trees_at(&base, &trace, crash, &Model::xfs(), 100).unwrap();
    assert_eq!(at(1), set([&["f="], &[&format!("f={}{}", x(3584, "\0"), x(512, "A"))]]));
    assert!(at(2).contains(&tree(&[&format!("f={}", x(4096, "\0"))])));
}
