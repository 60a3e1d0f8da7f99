//! The store's directory: every call of the file system goes through here and comes back with a typed error.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use unplug_vfs::{FileKind, OpenOptions, Vfs, VfsFile, VfsLock};

use crate::error::Error;
use crate::names::{Form, Kind, Name};

/// How many names are removed before the directory is synced. Each name in doubt doubles the states that a
/// crash may leave the listing in.
const REMOVE_BATCH: usize = 2;

/// How often a call that a signal interrupts is made again.
const INTERRUPTIONS_MAX: u32 = 100;

/// A call that may be made again if a signal interrupted it. A macro, so that the call keeps its source line.
macro_rules! patiently {
    ($call:expr) => {{
        let mut left = INTERRUPTIONS_MAX;
        loop {
            match $call {
                Err(e) if e.kind() == io::ErrorKind::Interrupted && left > 0 => left -= 1,
                result => break result,
            }
        }
    }};
}

/// The directory of one store.
pub(crate) struct Dir {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    /// How many syncs of the directory have failed; locked while one runs.
    failed_syncs: Mutex<u64>,
}

/// An open file and its name, for errors.
pub(crate) struct File {
    inner: Box<dyn VfsFile>,
    path: PathBuf,
}

/// What the directory held when it was opened: the store's own names, sorted.
#[derive(Default)]
pub(crate) struct Listing {
    names: Vec<Name>,
    is_empty: bool,
}

impl Dir {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, path: &Path) -> Dir {
        Dir { vfs, path: path.to_path_buf(), failed_syncs: Mutex::new(0) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn path_of(&self, name: Name) -> PathBuf {
        let mut path = PathBuf::with_capacity(self.path.as_os_str().len() + 32);
        path.push(&self.path);
        let mut file = String::with_capacity(32);
        name.push_to(&mut file);
        path.push(file);
        path
    }

    /// Takes the lock; creates the directory first if it is missing and may be created, and says whether it
    /// did.
    #[track_caller]
    pub(crate) fn lock(&self, create: bool) -> Result<(Box<dyn VfsLock>, bool), Error> {
        match patiently!(self.vfs.lock(&self.path)) {
            Ok(lock) => return Ok((lock, false)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(self.lock_error(e)),
        }
        if !create {
            return Err(Error::NotFound { path: self.path.clone() });
        }
        if let Some(aside) = self.aside()
            && self.vfs.read_dir(&aside).is_ok_and(|entries| entries.is_empty())
        {
            // Whatever comes of it: if it is still missing, it is created.
            let _ = self.vfs.rename(&aside, &self.path);
        }
        let created = match self.vfs.create_dir(&self.path) {
            Ok(()) => true,
            // It was put back, or somebody else was faster; the lock decides.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
            Err(e) => return Err(Error::io("create", &self.path, e)),
        };
        match patiently!(self.vfs.lock(&self.path)) {
            Ok(lock) => Ok((lock, created)),
            Err(e) => Err(self.lock_error(e)),
        }
    }

    /// Gives an empty directory its name anew. Whoever created it may have been told that its name is not
    /// durable, and may then have been killed: no later sync makes a name durable that one has failed to,
    /// unless it changes. Where it cannot be renamed it stays as it is.
    #[track_caller]
    pub(crate) fn renew_name(&self) -> Result<(), Error> {
        let Some(aside) = self.aside() else { return Ok(()) };
        // Even a call that fails may have done it.
        let _ = self.vfs.rename(&self.path, &aside);
        match self.vfs.rename(&aside, &self.path) {
            Ok(()) => Ok(()),
            // It was not renamed, or somebody who opens the store has put it back.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io("rename", &aside, e)),
        }
    }

    /// What the directory is called while its name is renewed.
    fn aside(&self) -> Option<PathBuf> {
        let mut name = OsString::from(".");
        name.push(self.path.file_name()?);
        name.push(".renewed");
        Some(self.path.with_file_name(name))
    }

    fn lock_error(&self, e: io::Error) -> Error {
        match e.kind() {
            io::ErrorKind::WouldBlock => Error::Locked { path: self.path.clone() },
            _ => Error::io("lock", &self.path, e),
        }
    }

    /// Lists the directory. Subdirectories and names the store would not write are nobody's business here.
    #[track_caller]
    pub(crate) fn list(&self) -> Result<Listing, Error> {
        let entries = match patiently!(self.vfs.read_dir(&self.path)) {
            Ok(entries) => entries,
            Err(e) => return Err(Error::io("list", &self.path, e)),
        };
        let mut names: Vec<Name> = entries
            .iter()
            .filter(|e| e.kind == FileKind::File)
            .filter_map(|e| Name::parse(&e.name))
            .collect();
        names.sort_unstable();
        Ok(Listing { names, is_empty: entries.is_empty() })
    }

    #[track_caller]
    pub(crate) fn create(&self, name: Name) -> Result<File, Error> {
        self.open_with(name, OpenOptions::CREATE_NEW, "create")
    }

    #[track_caller]
    pub(crate) fn create_or_truncate(&self, name: Name) -> Result<File, Error> {
        self.open_with(name, OpenOptions::CREATE_TRUNCATE, "create")
    }

    #[track_caller]
    pub(crate) fn open(&self, name: Name) -> Result<File, Error> {
        self.open_with(name, OpenOptions::READ, "open")
    }

    #[track_caller]
    pub(crate) fn open_to_write(&self, name: Name) -> Result<File, Error> {
        self.open_with(name, OpenOptions::READ_WRITE, "open")
    }

    #[track_caller]
    fn open_with(&self, name: Name, options: OpenOptions, op: &'static str) -> Result<File, Error> {
        let path = self.path_of(name);
        match patiently!(self.vfs.open(&path, options)) {
            Ok(inner) => Ok(File { inner, path }),
            Err(e) => Err(Error::io(op, &path, e)),
        }
    }

    #[track_caller]
    pub(crate) fn rename(&self, from: Name, to: Name) -> Result<(), Error> {
        let from = self.path_of(from);
        match self.vfs.rename(&from, &self.path_of(to)) {
            Ok(()) => Ok(()),
            Err(e) => Err(Error::io("rename", &from, e)),
        }
    }

    /// Gives a file a second name; one that is there already is from an earlier try.
    #[track_caller]
    pub(crate) fn link(&self, existing: Name, new: Name) -> Result<(), Error> {
        let existing = self.path_of(existing);
        match self.vfs.hard_link(&existing, &self.path_of(new)) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(Error::io("link", &existing, e)),
        }
    }

    /// Removes a name; one that is gone already is no error.
    #[track_caller]
    pub(crate) fn remove(&self, name: Name) -> Result<(), Error> {
        let path = self.path_of(name);
        match self.vfs.remove_file(&path) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io("remove", &path, e)),
        }
    }

    /// Removes garbage, a few names at a time, and returns what would not go. Failing here harms nothing:
    /// the next recovery or compaction tries again.
    #[track_caller]
    pub(crate) fn sweep(&self, names: &[Name]) -> Vec<Name> {
        self.part_with(names, |name| self.remove(name))
    }

    /// As [`sweep`](Dir::sweep), but keeps the files under names that the store does not read.
    #[track_caller]
    pub(crate) fn retire(&self, names: &[Name]) -> Vec<Name> {
        self.part_with(names, |name| self.rename(name, name.retained()))
    }

    #[track_caller]
    fn part_with(&self, names: &[Name], part: impl Fn(Name) -> Result<(), Error>) -> Vec<Name> {
        let mut left = Vec::new();
        for batch in names.chunks(REMOVE_BATCH) {
            for name in batch {
                if part(*name).is_err() {
                    left.push(*name);
                }
            }
            failpoint!("sweep::before_sync_dir");
            // Names that a crash brings back are garbage again.
            let _ = self.sync();
        }
        left
    }

    /// Makes names created, renamed and removed so far durable. Never made again if it fails: the second call
    /// would return Ok without having written anything.
    #[track_caller]
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let names = self.names();
        self.sync_names(names)
    }

    /// To be asked before the first of the names that a sync is meant for.
    pub(crate) fn names(&self) -> u64 {
        *self.failed_syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`sync`](Dir::sync), where others may be at work in the directory: a sync of theirs that failed has
    /// taken the names along that were made since `names` was asked.
    #[track_caller]
    pub(crate) fn sync_names(&self, names: u64) -> Result<(), Error> {
        let mut failed = self.failed_syncs.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match self.vfs.sync_dir(&self.path) {
            Ok(()) if *failed == names => return Ok(()),
            Ok(()) => io::Error::other("an earlier sync of the directory failed"),
            Err(e) => {
                *failed += 1;
                e
            }
        };
        Err(Error::failed_sync("sync directory", &self.path, error))
    }

    /// Makes the directory's own name durable. A directory just `created` is removed again if that fails: its
    /// name could not be made durable any more by trying again.
    #[track_caller]
    pub(crate) fn sync_parent(&self, created: bool) -> Result<(), Error> {
        let parent = match self.path.parent() {
            None => return Ok(()),
            Some(p) if p.as_os_str().is_empty() => Path::new("."),
            Some(p) => p,
        };
        match self.vfs.sync_dir(parent) {
            Ok(()) => Ok(()),
            Err(e) => {
                if created {
                    let _ = self.vfs.remove_dir(&self.path);
                }
                Err(Error::failed_sync("sync directory", parent, e))
            }
        }
    }
}

impl File {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything, however little the file system takes at a time. After an error an unknown part of
    /// it is written.
    #[track_caller]
    pub(crate) fn write(&self, data: &[u8], offset: u64) -> Result<(), Error> {
        let mut written = 0;
        while written < data.len() {
            match patiently!(self.inner.write_at(&data[written..], offset + written as u64)) {
                Ok(0) => return Err(Error::io("write", &self.path, io::ErrorKind::WriteZero.into())),
                Ok(n) => written += n,
                Err(e) => return Err(Error::io("write", &self.path, e)),
            }
        }
        Ok(())
    }

    /// Cuts the file, or fills it up with zeros.
    #[track_caller]
    pub(crate) fn set_len(&self, len: u64) -> Result<(), Error> {
        match patiently!(self.inner.set_len(len)) {
            Ok(()) => Ok(()),
            Err(e) => Err(Error::io("cut", &self.path, e)),
        }
    }

    /// Makes content and length durable. Never made again if it fails, whatever the reason: the second call
    /// would return Ok without having written anything.
    #[track_caller]
    pub(crate) fn sync(&self) -> Result<(), Error> {
        match self.inner.sync_data() {
            Ok(()) => Ok(()),
            Err(e) => Err(Error::failed_sync("sync", &self.path, e)),
        }
    }

    /// One read, as short as the file system likes; 0 means the end of the file and never an error.
    #[track_caller]
    pub(crate) fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, Error> {
        match patiently!(self.inner.read_at(buf, offset)) {
            Ok(n) => Ok(n),
            Err(e) => Err(Error::io("read", &self.path, e)),
        }
    }
}

impl Listing {
    /// Every name, damaged ones included.
    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    /// Whether there is nothing at all in the directory, of anybody.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The numbers of the finished files of a kind, ascending.
    pub(crate) fn numbers(&self, kind: Kind) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.names.iter().filter(move |n| n.kind == kind && n.form == Form::Plain).map(|n| n.number)
    }

    /// What only a store that was finished once can have.
    pub(crate) fn data(&self) -> impl Iterator<Item = Name> + '_ {
        self.names.iter().filter(|n| n.kind != Kind::Manifest && n.form != Form::Tmp).copied()
    }

    pub(crate) fn contains(&self, name: Name) -> bool {
        self.names.binary_search(&name).is_ok()
    }

    /// The largest number in any name; 0 without one.
    pub(crate) fn largest(&self) -> u64 {
        self.names.iter().map(|n| n.number).max().unwrap_or(0)
    }
}
