//! Every file system behind the seam answers as the kernel's does.
//!
//! Bug class: the harness's file systems are kinder or stricter than the kernel, so that an engine passes
//! here and fails there, or is blamed for what no kernel does.
//! The same calls run on the kernel's file system, in a temporary directory, and on ours; every answer must
//! be the same: values, contents, listings, lengths, and the kind and number of each error. Reads and writes
//! are compared through the read-fully and write-fully loops, because short ones are legal.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use rustix::io::Errno;
use unplug::plain::MemFs;
use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, OsFs, Vfs, VfsFile, VfsLock};

const SLOTS: usize = 3;

/// One call. Paths are relative to a base directory; the empty path is the base directory itself.
#[derive(Clone, Debug)]
enum Step {
    Open { slot: usize, path: String, options: OpenOptions },
    Close { slot: usize },
    Read { slot: usize, offset: u64, len: usize },
    ReadNothing { slot: usize },
    Write { slot: usize, offset: u64, len: usize, fill: u8 },
    WriteNothing { slot: usize },
    Len { slot: usize },
    SetLen { slot: usize, len: u64 },
    Allocate { slot: usize, offset: u64, len: u64 },
    Sync { slot: usize, data_only: bool },
    Rename { from: String, to: String },
    RemoveFile { path: String },
    CreateDir { path: String },
    RemoveDir { path: String },
    ReadDir { path: String },
    Metadata { path: String },
    HardLink { existing: String, new: String },
    SyncDir { path: String },
    Lock { slot: usize, path: String },
    Unlock { slot: usize },
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Done,
    NoHandle,
    Bytes(Vec<u8>),
    Len(u64),
    Entries(Vec<DirEntry>),
    Metadata(Metadata),
    Error(io::ErrorKind, Option<i32>),
}

impl Answer {
    fn error(errno: Errno) -> Answer {
        Answer::from(Err::<(), _>(io::Error::from(errno)))
    }
}

impl<T: Into<Answer>> From<io::Result<T>> for Answer {
    fn from(result: io::Result<T>) -> Answer {
        match result {
            Ok(value) => value.into(),
            Err(e) => Answer::Error(e.kind(), e.raw_os_error()),
        }
    }
}

impl From<()> for Answer {
    fn from((): ()) -> Answer {
        Answer::Done
    }
}

impl From<u64> for Answer {
    fn from(len: u64) -> Answer {
        Answer::Len(len)
    }
}

impl From<Vec<u8>> for Answer {
    fn from(bytes: Vec<u8>) -> Answer {
        Answer::Bytes(bytes)
    }
}

struct Runner<'a> {
    fs: &'a dyn Vfs,
    base: PathBuf,
    handles: [Option<Box<dyn VfsFile>>; SLOTS],
    locks: [Option<Box<dyn VfsLock>>; SLOTS],
}

impl Runner<'_> {
    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.base.clone() } else { self.base.join(path) }
    }

    fn with(&self, slot: usize, call: impl FnOnce(&dyn VfsFile) -> Answer) -> Answer {
        self.handles[slot].as_deref().map_or(Answer::NoHandle, call)
    }

    fn run(&mut self, step: &Step) -> Answer {
        match step {
            Step::Open { slot, path, options } => match self.fs.open(&self.path(path), *options) {
                Ok(file) => {
                    self.handles[*slot] = Some(file);
                    Answer::Done
                }
                Err(e) => Err::<(), _>(e).into(),
            },
            Step::Close { slot } => self.handles[*slot].take().map_or(Answer::NoHandle, |_| Answer::Done),
            Step::Read { slot, offset, len } => self.with(*slot, |file| {
                let mut buf = vec![0xEE; *len];
                let read = file.read_fully_at(&mut buf, *offset);
                read.map(|n| buf[..n].to_vec()).into()
            }),
            Step::ReadNothing { slot } => {
                self.with(*slot, |file| file.read_at(&mut [], 0).map(|n| n as u64).into())
            }
            Step::Write { slot, offset, len, fill } => self.with(*slot, |file| {
                let data: Vec<u8> = (0..*len).map(|i| fill.wrapping_add(i as u8) | 1).collect();
                file.write_fully_at(&data, *offset).into()
            }),
            Step::WriteNothing { slot } => {
                self.with(*slot, |file| file.write_at(&[], 0).map(|n| n as u64).into())
            }
            Step::Len { slot } => self.with(*slot, |file| file.len().into()),
            Step::SetLen { slot, len } => self.with(*slot, |file| file.set_len(*len).into()),
            Step::Allocate { slot, offset, len } => {
                self.with(*slot, |file| file.allocate(*offset, *len).into())
            }
            Step::Sync { slot, data_only: true } => self.with(*slot, |file| file.sync_data().into()),
            Step::Sync { slot, data_only: false } => self.with(*slot, |file| file.sync_all().into()),
            Step::Rename { from, to } => self.fs.rename(&self.path(from), &self.path(to)).into(),
            Step::RemoveFile { path } => self.fs.remove_file(&self.path(path)).into(),
            Step::CreateDir { path } => self.fs.create_dir(&self.path(path)).into(),
            Step::RemoveDir { path } => self.fs.remove_dir(&self.path(path)).into(),
            Step::ReadDir { path } => match self.fs.read_dir(&self.path(path)) {
                Ok(entries) => Answer::Entries(entries),
                Err(e) => Err::<(), _>(e).into(),
            },
            Step::Metadata { path } => match self.fs.metadata(&self.path(path)) {
                Ok(metadata) => Answer::Metadata(metadata),
                Err(e) => Err::<(), _>(e).into(),
            },
            Step::HardLink { existing, new } => {
                self.fs.hard_link(&self.path(existing), &self.path(new)).into()
            }
            Step::SyncDir { path } => self.fs.sync_dir(&self.path(path)).into(),
            Step::Lock { slot, path } => match self.fs.lock(&self.path(path)) {
                Ok(lock) => {
                    self.locks[*slot] = Some(lock);
                    Answer::Done
                }
                Err(e) => Err::<(), _>(e).into(),
            },
            Step::Unlock { slot } => self.locks[*slot].take().map_or(Answer::NoHandle, |_| Answer::Done),
        }
    }
}

/// Runs the steps in a fresh directory `base`, then lists and reads everything that is left.
fn answers(fs: &dyn Vfs, base: &Path, steps: &[Step]) -> Vec<(String, Answer)> {
    fs.create_dir(base).unwrap();
    let mut runner =
        Runner { fs, base: base.to_owned(), handles: Default::default(), locks: Default::default() };
    let mut out: Vec<_> = steps.iter().map(|step| (format!("{step:?}"), runner.run(step))).collect();
    read_everything(&mut runner, "", &mut out);
    out
}

fn read_everything(runner: &mut Runner<'_>, dir: &str, out: &mut Vec<(String, Answer)>) {
    let list = Step::ReadDir { path: dir.to_owned() };
    let answer = runner.run(&list);
    out.push((format!("at the end: {list:?}"), answer.clone()));
    let Answer::Entries(entries) = answer else { return };
    for entry in entries {
        let name = entry.name.to_str().unwrap();
        let path = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
        if entry.kind == FileKind::Directory {
            read_everything(runner, &path, out);
            continue;
        }
        for step in [open(0, &path, OpenOptions::READ), Step::Len { slot: 0 }, read(0, 0, 1 << 17)] {
            let answer = runner.run(&step);
            out.push((format!("at the end: {step:?}"), answer));
        }
    }
}

/// The file systems held against the kernel's.
fn file_systems() -> Vec<(&'static str, Box<dyn Vfs>)> {
    vec![("the plain file system", Box::new(MemFs::new()))]
}

/// Runs the steps everywhere; returns the kernel's answers to the steps, with which all others agree.
fn agreed(steps: &[Step]) -> Vec<Answer> {
    let dir = tempfile::tempdir().unwrap();
    let kernel = answers(&OsFs, &dir.path().join("base"), steps);
    for (name, fs) in file_systems() {
        for (theirs, ours) in kernel.iter().zip(answers(fs.as_ref(), Path::new("/base"), steps)) {
            assert_eq!(theirs, &ours, "the kernel (left) and {name} (right) differ");
        }
    }
    kernel.into_iter().take(steps.len()).map(|(_, answer)| answer).collect()
}

/// Checks that every file system gives each step the stated answer.
#[track_caller]
fn check<const N: usize>(script: [(Step, Answer); N]) {
    let (steps, expected): (Vec<_>, Vec<_>) = script.into_iter().unzip();
    let got = agreed(&steps);
    for ((step, got), expected) in steps.iter().zip(got).zip(expected) {
        assert_eq!(got, expected, "{step:?}");
    }
}

fn open(slot: usize, path: &str, options: OpenOptions) -> Step {
    Step::Open { slot, path: path.to_owned(), options }
}

fn create(slot: usize, path: &str) -> Step {
    open(slot, path, OpenOptions::CREATE)
}

fn read(slot: usize, offset: u64, len: usize) -> Step {
    Step::Read { slot, offset, len }
}

fn write(slot: usize, offset: u64, fill: u8) -> Step {
    Step::Write { slot, offset, len: 1, fill }
}

fn rename(from: &str, to: &str) -> Step {
    Step::Rename { from: from.to_owned(), to: to.to_owned() }
}

fn link(existing: &str, new: &str) -> Step {
    Step::HardLink { existing: existing.to_owned(), new: new.to_owned() }
}

fn mkdir(path: &str) -> Step {
    Step::CreateDir { path: path.to_owned() }
}

fn rmdir(path: &str) -> Step {
    Step::RemoveDir { path: path.to_owned() }
}

fn unlink(path: &str) -> Step {
    Step::RemoveFile { path: path.to_owned() }
}

fn list(path: &str) -> Step {
    Step::ReadDir { path: path.to_owned() }
}

fn lock(slot: usize, path: &str) -> Step {
    Step::Lock { slot, path: path.to_owned() }
}

fn entries<const N: usize>(list: [(&str, FileKind); N]) -> Answer {
    Answer::Entries(list.map(|(name, kind)| DirEntry { name: name.into(), kind }).into())
}

fn error(errno: Errno) -> Answer {
    Answer::error(errno)
}

fn bytes(data: &[u8]) -> Answer {
    Answer::Bytes(data.to_vec())
}

use Answer::Done;

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
        (mkdir(&"n".repeat(255)), Done),
        (mkdir(&"n".repeat(256)), error(Errno::NAMETOOLONG)),
        (open(1, &"n".repeat(256), OpenOptions::READ), error(Errno::NAMETOOLONG)),
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

fn path() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![
        6 => name().prop_map(str::to_owned),
        6 => (name(), name()).prop_map(|(a, b)| format!("{a}/{b}")),
        2 => (name(), name(), name()).prop_map(|(a, b, c)| format!("{a}/{b}/{c}")),
        1 => Just(String::new()),
        1 => Just("n".repeat(256)),
    ]
}

fn options() -> impl Strategy<Value = OpenOptions> {
    let any = any::<[bool; 5]>().prop_map(|[read, write, create, create_new, truncate]| OpenOptions {
        read,
        write,
        create,
        create_new,
        truncate,
    });
    prop_oneof![
        4 => Just(OpenOptions::CREATE),
        1 => Just(OpenOptions::CREATE_NEW),
        1 => Just(OpenOptions::CREATE_TRUNCATE),
        1 => Just(OpenOptions::READ),
        3 => any,
    ]
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..700u64,
        2 => (0..20u64, 0..3u64).prop_map(|(sector, d)| (sector * 512 + d).saturating_sub(1)),
        1 => 0..20_000u64,
        1 => prop::sample::select(vec![1 << 63, u64::MAX]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..SLOTS;
    let len = || prop_oneof![0..700usize, 0..9_000usize];
    prop_oneof![
        8 => (slot(), path(), options()).prop_map(|(slot, path, options)| Step::Open { slot, path, options }),
        1 => slot().prop_map(|slot| Step::Close { slot }),
        4 => (slot(), offset(), len()).prop_map(|(slot, offset, len)| Step::Read { slot, offset, len }),
        1 => slot().prop_map(|slot| Step::ReadNothing { slot }),
        6 => (slot(), offset(), len(), any::<u8>())
            .prop_map(|(slot, offset, len, fill)| Step::Write { slot, offset, len, fill }),
        1 => slot().prop_map(|slot| Step::WriteNothing { slot }),
        2 => slot().prop_map(|slot| Step::Len { slot }),
        2 => (slot(), offset()).prop_map(|(slot, len)| Step::SetLen { slot, len }),
        2 => (slot(), offset(), 0..5_000u64)
            .prop_map(|(slot, offset, len)| Step::Allocate { slot, offset, len }),
        1 => (slot(), any::<bool>()).prop_map(|(slot, data_only)| Step::Sync { slot, data_only }),
        6 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        3 => path().prop_map(|path| Step::RemoveFile { path }),
        5 => path().prop_map(|path| Step::CreateDir { path }),
        3 => path().prop_filter("the base directory stays", |path| !path.is_empty())
            .prop_map(|path| Step::RemoveDir { path }),
        2 => path().prop_map(|path| Step::ReadDir { path }),
        2 => path().prop_map(|path| Step::Metadata { path }),
        4 => (path(), path()).prop_map(|(existing, new)| Step::HardLink { existing, new }),
        1 => path().prop_map(|path| Step::SyncDir { path }),
        2 => (slot(), path()).prop_map(|(slot, path)| Step::Lock { slot, path }),
        1 => slot().prop_map(|slot| Step::Unlock { slot }),
    ]
}

fn config() -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("tests/conformance.regressions");
    ProptestConfig { failure_persistence: Some(Box::new(regressions)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_calls_get_the_kernels_answers(steps in vec(step(), 1..80)) {
        agreed(&steps);
    }
}

/// The random calls are worth something only if they reach the rare answers.
#[test]
fn random_calls_reach_every_kind_of_answer() {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..400 {
        let steps = vec(step(), 1..80).new_tree(&mut runner).unwrap().current();
        let answers = answers(&MemFs::new(), Path::new("/base"), &steps);
        for (step, (_, answer)) in steps.iter().zip(answers) {
            let call = format!("{step:?}");
            let call = call.split_once(' ').unwrap().0.to_owned();
            let answer = match answer {
                Answer::Error(_, errno) => errno,
                Answer::NoHandle => continue,
                _ => None,
            };
            reached.insert((call, answer));
        }
    }
    let errors: [(&str, &[Errno]); 17] = [
        (
            "Open",
            &[Errno::NOENT, Errno::EXIST, Errno::ISDIR, Errno::NOTDIR, Errno::INVAL, Errno::NAMETOOLONG],
        ),
        ("Read", &[Errno::BADF, Errno::INVAL]),
        ("ReadNothing", &[Errno::BADF]),
        ("Write", &[Errno::BADF, Errno::INVAL]),
        ("WriteNothing", &[Errno::BADF]),
        ("SetLen", &[Errno::INVAL]),
        ("Allocate", &[Errno::BADF, Errno::INVAL]),
        ("Sync", &[]),
        (
            "Rename",
            &[Errno::NOENT, Errno::NOTDIR, Errno::ISDIR, Errno::NOTEMPTY, Errno::INVAL, Errno::NAMETOOLONG],
        ),
        ("RemoveFile", &[Errno::NOENT, Errno::ISDIR, Errno::NOTDIR, Errno::NAMETOOLONG]),
        ("CreateDir", &[Errno::NOENT, Errno::EXIST, Errno::NOTDIR, Errno::NAMETOOLONG]),
        ("RemoveDir", &[Errno::NOENT, Errno::NOTDIR, Errno::NOTEMPTY, Errno::NAMETOOLONG]),
        ("ReadDir", &[Errno::NOENT, Errno::NOTDIR]),
        ("Metadata", &[Errno::NOENT, Errno::NOTDIR]),
        ("HardLink", &[Errno::NOENT, Errno::EXIST, Errno::PERM, Errno::NOTDIR]),
        ("SyncDir", &[Errno::NOENT, Errno::NOTDIR]),
        ("Lock", &[Errno::NOENT, Errno::NOTDIR, Errno::AGAIN]),
    ];
    for (call, errors) in errors {
        assert!(reached.contains(&(call.to_owned(), None)), "{call} never succeeded");
        for errno in errors {
            let answer = Some(errno.raw_os_error());
            assert!(reached.contains(&(call.to_owned(), answer)), "{call} never gave {errno:?}");
        }
    }
}
