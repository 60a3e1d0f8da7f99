//! Calls as values, what they answer, and the shorthands to write them down.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

pub const SLOTS: usize = 3;

/// Stands for a name of 255 bytes, the longest.
pub const LONGEST: &str = "{longest}";
/// Stands for a name of 256 bytes.
pub const TOO_LONG: &str = "{too long}";

/// One call. Paths are relative to a base directory; the empty path is the base directory itself.
#[derive(Clone, Debug)]
pub enum Step {
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
pub enum Answer {
    Done,
    NoHandle,
    Bytes(Vec<u8>),
    Len(u64),
    Entries(Vec<DirEntry>),
    Metadata(Metadata),
    Error(io::ErrorKind, Option<i32>),
}

impl Answer {
    pub fn error(errno: Errno) -> Answer {
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

pub struct Runner<'a> {
    fs: &'a dyn Vfs,
    base: PathBuf,
    handles: [Option<Box<dyn VfsFile>>; SLOTS],
    locks: [Option<Box<dyn VfsLock>>; SLOTS],
}

impl<'a> Runner<'a> {
    pub fn new(fs: &'a dyn Vfs, base: &Path) -> Runner<'a> {
        Runner { fs, base: base.to_owned(), handles: Default::default(), locks: Default::default() }
    }

    fn path(&self, path: &str) -> PathBuf {
        match path {
            "" => self.base.clone(),
            LONGEST => self.base.join("n".repeat(255)),
            TOO_LONG => self.base.join("n".repeat(256)),
            path => self.base.join(path),
        }
    }

    fn with(&self, slot: usize, call: impl FnOnce(&dyn VfsFile) -> Answer) -> Answer {
        self.handles[slot].as_deref().map_or(Answer::NoHandle, call)
    }

    pub fn run(&mut self, step: &Step) -> Answer {
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
pub fn open(slot: usize, path: &str, options: OpenOptions) -> Step {
    Step::Open { slot, path: path.to_owned(), options }
}

pub fn create(slot: usize, path: &str) -> Step {
    open(slot, path, OpenOptions::CREATE)
}

pub fn read(slot: usize, offset: u64, len: usize) -> Step {
    Step::Read { slot, offset, len }
}

pub fn write(slot: usize, offset: u64, fill: u8) -> Step {
    Step::Write { slot, offset, len: 1, fill }
}

pub fn rename(from: &str, to: &str) -> Step {
    Step::Rename { from: from.to_owned(), to: to.to_owned() }
}

pub fn link(existing: &str, new: &str) -> Step {
    Step::HardLink { existing: existing.to_owned(), new: new.to_owned() }
}

pub fn mkdir(path: &str) -> Step {
    Step::CreateDir { path: path.to_owned() }
}

pub fn rmdir(path: &str) -> Step {
    Step::RemoveDir { path: path.to_owned() }
}

pub fn unlink(path: &str) -> Step {
    Step::RemoveFile { path: path.to_owned() }
}

pub fn list(path: &str) -> Step {
    Step::ReadDir { path: path.to_owned() }
}

pub fn lock(slot: usize, path: &str) -> Step {
    Step::Lock { slot, path: path.to_owned() }
}

pub fn entries<const N: usize>(list: [(&str, FileKind); N]) -> Answer {
    Answer::Entries(list.map(|(name, kind)| DirEntry { name: name.into(), kind }).into())
}

pub fn error(errno: Errno) -> Answer {
    Answer::error(errno)
}

pub fn bytes(data: &[u8]) -> Answer {
    Answer::Bytes(data.to_vec())
}
