//! What real file systems were seen to leave where one would not expect it: sets of states computed by hand. The
//! recordings are in `fixtures/observed`.

use std::collections::BTreeSet;

use super::{fsync, open, record, rename, set, states_under, sync_dir, tree, write, x};
use crate::materialise::trees_at;
use crate::model::Model;
use crate::plain::{MemFs, Tree};
use crate::trace::{Call, EventKind};

fn set_len(fs: &MemFs, path: &str, len: u64) {
    open(fs, path).set_len(len).unwrap();
}

/// How long `f` is in each state, where `g` is there.
fn lengths(states: &BTreeSet<Tree>) -> BTreeSet<usize> {
    let behind = states.iter().filter(|tree| tree.get("g").is_some());
    behind.filter_map(|tree| tree.content("f")).map(<[u8]>::len).collect()
}

#[test]
fn a_sync_brings_names_along_up_to_the_last_change_of_the_file_only() {
    let work = |fs: &MemFs| {
        open(fs, "a");
        open(fs, "b");
        open(fs, "c");
        fsync(fs, "b");
    };
    for model in [Model::ext4(), Model::xfs()] {
        let got = states_under(&model, &Tree::new(), work);
        assert_eq!(got, set([&["a=", "b="], &["a=", "b=", "c="]]), "{}", model.name);
    }
    let after_growth = |fs: &MemFs| {
        write(fs, "f", "A", 0);
        open(fs, "g");
        fsync(fs, "f");
    };
    assert_eq!(states_under(&Model::ext4(), &tree(&["f="]), after_growth), set([&["f=A"], &["f=A", "g="]]));
}

#[test]
fn a_directory_s_sync_brings_names_along_up_to_its_last_change_on_xfs() {
    let work = |fs: &MemFs| {
        open(fs, "d/a");
        open(fs, "b");
        sync_dir(fs, "d");
    };
    let got = |model: Model| states_under(&model, &tree(&["d/"]), work);
    assert_eq!(got(Model::xfs()), set([&["d/a="], &["d/a=", "b="]]));
    assert_eq!(got(Model::ext4()), set([&["d/a=", "b="]]));
}

#[test]
fn growth_in_a_block_without_data_is_not_in_order_with_names_on_ext4() {
    let grow_behind = |start: &dyn Fn(&MemFs)| {
        let work = |fs: &MemFs| {
            start(fs);
            fsync(fs, "f");
            sync_dir(fs, "/");
            write(fs, "f", x(100, "B"), 2500);
            open(fs, "g");
        };
        lengths(&states_under(&Model::ext4(), &Tree::new(), work))
    };
    let written = |fs: &MemFs| write(fs, "f", x(2500, "A"), 0);
    assert_eq!(grow_behind(&written), [2600].into());
    let reserved = |fs: &MemFs| open(fs, "f").allocate(0, 2500).unwrap();
    assert_eq!(grow_behind(&reserved), [2500, 2600].into());
    assert_eq!(grow_behind(&|fs| set_len(fs, "f", 2500)), [2500, 2600].into());
    let given_back = |fs: &MemFs| {
        written(fs);
        fsync(fs, "f");
        set_len(fs, "f", 0);
        set_len(fs, "f", 2500);
    };
    assert_eq!(grow_behind(&given_back), [2500, 2600].into());
}

#[test]
fn space_that_is_reserved_inside_a_file_takes_its_pending_size_there_first() {
    let work = |fs: &MemFs| {
        write(fs, "f", "A", 3 * 4096 - 1);
        open(fs, "f").allocate(4096, 1000).unwrap();
        open(fs, "g");
    };
    let got = lengths(&states_under(&Model::ext4(), &Tree::new(), work));
    assert_eq!(got, [0, 5096, 12288].into());
    let synced = |fs: &MemFs| {
        write(fs, "f", "A", 3 * 4096 - 1);
        fsync(fs, "f");
        open(fs, "f").allocate(4096, 1000).unwrap();
        open(fs, "g");
    };
    assert_eq!(lengths(&states_under(&Model::posix(), &Tree::new(), synced)), [12288].into());
}

#[test]
fn behind_a_gap_the_rest_of_the_last_block_may_come_first() {
    let work = |fs: &MemFs| {
        write(fs, "f", x(5000, "A"), 0);
        fsync(fs, "f");
        write(fs, "f", "B", 3 * 4096);
        open(fs, "g");
    };
    for model in [Model::xfs(), Model::ext4()] {
        let got = lengths(&states_under(&model, &Tree::new(), work));
        assert_eq!(got, [5000, 8192, 12289].into(), "{}", model.name);
    }
}

#[test]
fn a_file_that_was_cut_needs_nothing_of_the_page_that_it_ends_in_on_xfs() {
    let work = |fs: &MemFs| {
        write(fs, "f", x(600, "B"), 0);
        set_len(fs, "f", 3);
        open(fs, "g");
    };
    let got = states_under(&Model::xfs(), &tree(&["f=AAA"]), work);
    assert!(got.contains(&tree(&["f=AAA", "g="])));
}

#[test]
fn on_btrfs_a_size_needs_its_data_unless_something_else_of_the_file_is_written() {
    let base = tree(&[&format!("f={}", x(8192, "A"))]);
    let torn = format!("f={}{}{}", x(4096, "C"), x(4096, "A"), x(100, "\0"));
    let alone = |fs: &MemFs| write(fs, "f", x(100, "D"), 8192);
    let whole = format!("f={}{}", x(8192, "A"), x(100, "D"));
    let old = format!("f={}", x(8192, "A"));
    assert_eq!(states_under(&Model::btrfs(), &base, alone), set([&[&old], &[&whole]]));
    let after = |fs: &MemFs| {
        write(fs, "f", x(4096, "C"), 0);
        alone(fs);
    };
    assert!(states_under(&Model::btrfs(), &base, after).contains(&tree(&[&torn])));
    let before = |fs: &MemFs| {
        alone(fs);
        write(fs, "f", x(4096, "C"), 0);
    };
    assert!(states_under(&Model::btrfs(), &base, before).contains(&tree(&[&torn])));
    let synced_between = |fs: &MemFs| {
        write(fs, "f", x(4096, "C"), 0);
        fsync(fs, "f");
        alone(fs);
    };
    assert!(!states_under(&Model::btrfs(), &base, synced_between).contains(&tree(&[&torn])));
    let going_on = |fs: &MemFs| {
        write(fs, "f", x(100, "D"), 8192);
        write(fs, "f", x(100, "E"), 8292);
    };
    let prefix = |tree: &Tree| {
        let f = tree.content("f").unwrap_or_default().to_vec();
        format!("{}{}{}", x(8192, "A"), x(100, "D"), x(100, "E")).as_bytes().starts_with(&f)
    };
    assert!(states_under(&Model::btrfs(), &base, going_on).iter().all(prefix));
}

#[test]
fn what_was_cut_may_come_back_after_a_sync_until_the_file_has_grown_and_is_synced_again() {
    let base = tree(&[&format!("f={}", x(4096, "A"))]);
    let cut = |fs: &MemFs| {
        set_len(fs, "f", 2500);
        fsync(fs, "f");
    };
    let grown = |fs: &MemFs| {
        cut(fs);
        set_len(fs, "f", 4096);
    };
    let synced = |fs: &MemFs| {
        grown(fs);
        fsync(fs, "f");
    };
    let (short, back) = (format!("f={}", x(2500, "A")), format!("f={}", x(4096, "A")));
    let zeroed = format!("f={}{}", x(2500, "A"), x(1596, "\0"));
    let under = |model: Model, work: &dyn Fn(&MemFs)| states_under(&model, &base, work);
    for model in [Model::btrfs(), Model::posix()] {
        assert_eq!(under(model.clone(), &cut), set([&[&short]]));
        assert!(under(model.clone(), &grown).contains(&tree(&[&back])), "{}", model.name);
        assert_eq!(under(model, &synced), set([&[&zeroed]]));
    }
    for model in [Model::ext4(), Model::xfs()] {
        assert_eq!(under(model, &grown), set([&[&short], &[&zeroed]]));
    }
}

#[test]
fn what_was_cut_does_not_come_back_in_a_page_that_was_written_since() {
    let base = tree(&[&format!("f={}", x(1536, "A"))]);
    let work = |fs: &MemFs| {
        set_len(fs, "f", 512);
        fsync(fs, "f");
        write(fs, "f", x(512, "B"), 512);
        write(fs, "f", "C", 1024);
    };
    let back = format!("f={}{}A", x(512, "A"), x(512, "B"));
    let zero = format!("f={}{}\0", x(512, "A"), x(512, "B"));
    for model in [Model::posix(), Model::btrfs(), Model::ext4(), Model::xfs()] {
        let got = states_under(&model, &base, work);
        assert!(!got.contains(&tree(&[&back])), "{}", model.name);
        assert_eq!(
            got.contains(&tree(&[&zero])),
            model.torn_unit == 512 && model.name != "xfs",
            "{}",
            model.name
        );
    }
    assert!(
        states_under(&Model { torn_unit: 8, ..Model::posix() }, &base, |fs| {
            set_len(fs, "f", 512);
            fsync(fs, "f");
            write(fs, "f", x(8, "B"), 512);
            write(fs, "f", "C", 1024);
        })
        .iter()
        .any(|tree| tree.content("f").is_some_and(|f| f.len() == 1025 && f[512] == b'B' && f[1024] == b'A'))
    );
}

#[test]
fn where_names_are_free_one_that_a_file_had_in_passing_may_be_the_other_file_s_again() {
    let work = |fs: &MemFs| {
        write(fs, "n", "N", 0);
        fsync(fs, "n");
        rename(fs, "n", "t");
        rename(fs, "t", "x");
        fsync(fs, "x");
    };
    let base = tree(&["t=T"]);
    assert!(states_under(&Model::btrfs(), &base, work).contains(&tree(&["t=T", "x=N"])));
    assert_eq!(states_under(&Model::ext4(), &base, work), set([&["x=N"]]));
}

#[test]
fn a_sync_of_everything_may_leave_content_where_it_finds_no_metadata_to_write() {
    let trees = |work: &dyn Fn(&MemFs)| {
        let (base, mut trace) = record(&tree(&["f=A"]), |fs| work(fs));
        trace.push(EventKind::Call(Call::SyncAll), None);
        trees_at(&base, &trace, trace.end(), &Model::xfs(), 100).unwrap()
    };
    let renewed = |fs: &MemFs| {
        write(fs, "f", "B", 0);
        open(fs, "g");
    };
    assert_eq!(trees(&renewed), set([&["f=B", "g="]]));
    let logged = |fs: &MemFs| {
        renewed(fs);
        fsync(fs, "g");
    };
    assert_eq!(trees(&logged), set([&["f=A", "g="], &["f=B", "g="]]));
}
