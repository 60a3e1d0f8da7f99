//! Short scripts, each with the answers it must get.

use std::path::Path;

use rustix::io::Errno;
use unplug::plain::MemFs;
use unplug_vfs::{FileKind, Metadata, OpenOptions, OsFs};

use crate::calls::Answer::{self, Done};
use crate::calls::*;
use crate::{agreed, answers};

/// Checks that every file system gives each step the stated answer.
#[track_caller]
fn check<const N: usize>(script: [(Step, Answer); N]) {
    let (steps, expected): (Vec<_>, Vec<_>) = script.into_iter().unzip();
    let got = agreed(&steps);
    for ((step, got), expected) in steps.iter().zip(got).zip(expected) {
        assert_eq!(got, expected, "{step:?}");
    }
}
#[test]
fn missing_and_existing_names_are_told_apart() {
    check([
        (open(0, "a", OpenOptions::READ), error(Errno::NOENT)),
        (open(0, "a/b", OpenOptions::CREATE), error(Errno::NOENT)),
        (rename("a", "b"), error(Errno::NOENT)),
        (unlink("a"), error(Errno::NOENT)),
        (rmdir("a"), error(Errno::NOENT)),
        (link("a", "b"), error(Errno::NOENT)),
        (list("a"), error(Errno::NOENT)),
        (Step::SyncDir { path: "a".into() }, error(Errno::NOENT)),
        (open(0, "a", OpenOptions::CREATE_NEW), Done),
        (open(1, "a", OpenOptions::CREATE_NEW), error(Errno::EXIST)),
        (mkdir("a"), error(Errno::EXIST)),
        (mkdir("d"), Done),
        (open(1, "d", OpenOptions::CREATE_NEW), error(Errno::EXIST)),
        (link("a", "d"), error(Errno::EXIST)),
        (link("d", "a"), error(Errno::EXIST)),
        (link("d", "e"), error(Errno::PERM)),
    ]);
}

#[test]
fn files_are_not_directories_and_directories_are_not_files() {
    check([
        (create(0, "f"), Done),
        (mkdir("d"), Done),
        (open(1, "f/x", OpenOptions::CREATE), error(Errno::NOTDIR)),
        (Step::Metadata { path: "f/x".into() }, error(Errno::NOTDIR)),
        (rename("f/x", "y"), error(Errno::NOTDIR)),
        (rename("d", "f/x"), error(Errno::NOTDIR)),
        (rmdir("f"), error(Errno::NOTDIR)),
        (list("f"), error(Errno::NOTDIR)),
        (Step::SyncDir { path: "f".into() }, error(Errno::NOTDIR)),
        (lock(0, "f"), error(Errno::NOTDIR)),
        (open(1, "d", OpenOptions::READ), error(Errno::ISDIR)),
        (open(1, "d", OpenOptions::CREATE_TRUNCATE), error(Errno::ISDIR)),
        (unlink("d"), error(Errno::ISDIR)),
        (rename("f", "d"), error(Errno::ISDIR)),
        (rename("d", "f"), error(Errno::NOTDIR)),
        (
            Step::Metadata { path: "d".into() },
            Answer::Metadata(Metadata { kind: FileKind::Directory, len: 0 }),
        ),
    ]);
}

#[test]
fn a_directory_is_removed_or_replaced_only_when_empty() {
    check([
        (mkdir("d"), Done),
        (mkdir("e"), Done),
        (create(0, "d/f"), Done),
        (rmdir("d"), error(Errno::NOTEMPTY)),
        (rename("e", "d"), error(Errno::NOTEMPTY)),
        (rename("d", "e"), Done),
        (list(""), entries([("e", FileKind::Directory)])),
        (list("e"), entries([("f", FileKind::File)])),
        (unlink("e/f"), Done),
        (rmdir("e"), Done),
        (list(""), entries([])),
    ]);
}

#[test]
fn a_directory_moves_neither_into_itself_nor_over_its_parent() {
    check([
        (mkdir("d"), Done),
        (mkdir("d/e"), Done),
        (rename("d", "d"), Done),
        (rename("d", "d/x"), error(Errno::INVAL)),
        (rename("d", "d/e/x"), error(Errno::INVAL)),
        (rename("d", "d/e"), error(Errno::INVAL)),
        (rename("d", "d/missing/x"), error(Errno::NOENT)),
        (rename("d/e", "d"), error(Errno::NOTEMPTY)),
        (rename("d/missing", "d"), error(Errno::NOENT)),
        (rename("", "d/x"), error(Errno::INVAL)),
        (rename("d", ""), error(Errno::NOTEMPTY)),
        (rename("d/e", "dx"), Done),
        (rename("dx", "d/e"), Done),
    ]);
}

#[test]
fn rename_replaces_a_file_and_does_nothing_between_two_names_of_one() {
    check([
        (create(0, "a"), Done),
        (write(0, 0, 11), Done),
        (create(1, "b"), Done),
        (write(1, 0, 21), Done),
        (rename("a", "b"), Done),
        (list(""), entries([("b", FileKind::File)])),
        (open(2, "b", OpenOptions::READ), Done),
        (read(2, 0, 9), bytes(&[11])),
        (rename("b", "b"), Done),
        (link("b", "c"), Done),
        (rename("b", "c"), Done),
        (list(""), entries([("b", FileKind::File), ("c", FileKind::File)])),
        (unlink("b"), Done),
        (open(2, "c", OpenOptions::READ), Done),
        (read(2, 0, 9), bytes(&[11])),
    ]);
}

#[test]
fn handles_of_removed_and_renamed_files_stay_usable() {
    check([
        (create(0, "a"), Done),
        (write(0, 0, 11), Done),
        (unlink("a"), Done),
        (write(0, 1, 13), Done),
        (Step::Sync { slot: 0, data_only: false }, Done),
        (read(0, 0, 9), bytes(&[11, 13])),
        (create(1, "a"), Done),
        (read(1, 0, 9), bytes(&[])),
        (rename("a", "b"), Done),
        (write(1, 0, 15), Done),
        (open(2, "b", OpenOptions::READ), Done),
        (read(2, 0, 9), bytes(&[15])),
        (link("b", "c"), Done),
        (open(2, "c", OpenOptions::CREATE_TRUNCATE), Done),
        (read(1, 0, 9), bytes(&[])),
    ]);
}

#[test]
fn reads_end_at_the_end_and_gaps_read_as_zeros() {
    check([
        (create(0, "a"), Done),
        (read(0, 0, 4), bytes(&[])),
        (read(0, 1 << 40, 4), bytes(&[])),
        (write(0, 5, 11), Done),
        (read(0, 3, 9), bytes(&[0, 0, 11])),
        (Step::SetLen { slot: 0, len: 2 }, Done),
        (Step::SetLen { slot: 0, len: 7 }, Done),
        (read(0, 0, 9), bytes(&[0; 7])),
        (Step::Allocate { slot: 0, offset: 2, len: 2 }, Done),
        (Step::Len { slot: 0 }, Answer::Len(7)),
        (Step::Allocate { slot: 0, offset: 8, len: 2 }, Done),
        (Step::Len { slot: 0 }, Answer::Len(10)),
        (read(0, 6, 9), bytes(&[0; 4])),
    ]);
}

#[test]
fn handles_refuse_what_they_were_not_opened_for() {
    let write_only = OpenOptions { write: true, ..OpenOptions::default() };
    check([
        (create(2, "a"), Done),
        (open(0, "a", OpenOptions::READ), Done),
        (write(0, 0, 1), error(Errno::BADF)),
        (Step::WriteNothing { slot: 0 }, error(Errno::BADF)),
        (Step::SetLen { slot: 0, len: 1 }, error(Errno::INVAL)),
        (Step::Allocate { slot: 0, offset: 0, len: 1 }, error(Errno::BADF)),
        (Step::Sync { slot: 0, data_only: true }, Done),
        (open(1, "a", write_only), Done),
        (read(1, 0, 1), error(Errno::BADF)),
        (Step::ReadNothing { slot: 1 }, error(Errno::BADF)),
        (Step::WriteNothing { slot: 1 }, Answer::Len(0)),
        (Step::ReadNothing { slot: 0 }, Answer::Len(0)),
        (Step::Len { slot: 1 }, Answer::Len(0)),
    ]);
}

#[test]
fn impossible_arguments_are_refused() {
    let create_without_write = OpenOptions { create: true, ..OpenOptions::READ };
    check([
        (open(0, "a", OpenOptions::default()), error(Errno::INVAL)),
        (open(0, "a", create_without_write), error(Errno::INVAL)),
        (create(0, "a"), Done),
        (read(0, 1 << 63, 1), error(Errno::INVAL)),
        (write(0, u64::MAX, 1), error(Errno::INVAL)),
        (Step::SetLen { slot: 0, len: 1 << 63 }, error(Errno::INVAL)),
        (Step::Allocate { slot: 0, offset: 0, len: 0 }, error(Errno::INVAL)),
        (Step::Allocate { slot: 0, offset: 1 << 63, len: 1 }, error(Errno::INVAL)),
    ]);
}

#[test]
fn a_directory_is_locked_once_at_a_time() {
    check([
        (lock(0, ""), Done),
        (lock(1, ""), error(Errno::AGAIN)),
        (mkdir("d"), Done),
        (lock(1, "d"), Done),
        (rename("d", "e"), Done),
        (lock(2, "e"), error(Errno::AGAIN)),
        (Step::Unlock { slot: 1 }, Done),
        (lock(2, "e"), Done),
        (Step::Unlock { slot: 0 }, Done),
        (lock(0, ""), Done),
        (list("e"), entries([])),
    ]);
}

/// Limits are not modelled on the simulated disk: this is for the plain file system alone.
#[test]
fn a_name_has_at_most_255_bytes() {
    let steps = [
        mkdir(LONGEST),
        mkdir(TOO_LONG),
        open(0, TOO_LONG, OpenOptions::READ),
        rename(TOO_LONG, "a/b"),
        rename(TOO_LONG, LONGEST),
        rename(LONGEST, TOO_LONG),
        link(TOO_LONG, LONGEST),
        unlink(TOO_LONG),
        rmdir(TOO_LONG),
    ];
    let dir = tempfile::tempdir().unwrap();
    let kernel = answers(&OsFs, &dir.path().join("base"), &steps);
    assert_eq!(kernel, answers(&MemFs::new(), Path::new("/base"), &steps));
    assert_eq!(kernel[1].1, error(Errno::NAMETOOLONG));
}
