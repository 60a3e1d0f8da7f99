//! Every file system behind the seam answers as the kernel's does.
//!
//! Bug class: the harness's file systems are kinder or stricter than the kernel, so that an engine passes
//! here and fails there, or is blamed for what no kernel does.
//! The same calls run on the kernel's file system, in a temporary directory, and on ours; every answer must
//! be the same: values, contents, listings, lengths, and the kind and number of each error. Reads and writes
//! are compared through the read-fully and write-fully loops, because short ones are legal.

#![allow(clippy::unwrap_used)]

mod beyond_the_seam;
mod calls;
mod crashed;
#[path = "../common/disks.rs"]
mod disks;
mod earliest;
#[path = "../common/models.rs"]
mod models;
mod random;
mod remembered;
mod scripts;

use std::path::Path;

use calls::{Answer, Runner, Step, open, read};
use unplug::disk::SimDisk;
use unplug::plain::MemFs;
use unplug_vfs::{FileKind, OpenOptions, OsFs, Vfs};

/// The file systems held against the kernel's.
fn file_systems() -> Vec<(&'static str, Box<dyn Vfs>)> {
    vec![
        ("the plain file system", Box::new(MemFs::new())),
        ("the simulated disk", Box::new(SimDisk::empty())),
    ]
}

/// Runs the steps in a fresh directory `base`, then lists and reads everything that is left.
fn answers(fs: &dyn Vfs, base: &Path, steps: &[Step]) -> Vec<(String, Answer)> {
    fs.create_dir(base).unwrap();
    let mut runner = Runner::new(fs, base);
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
