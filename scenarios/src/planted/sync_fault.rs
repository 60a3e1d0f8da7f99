//! A file system that leaves out, or delays, some syncs of the store above it; or hides from it that a call failed,
//! as a store does that does not look at results.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use unplug_vfs::{DirEntry, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

/// Which syncs are not what they seem.
#[derive(Debug, PartialEq, Eq)]
pub struct SyncFault {
    /// The planted bug's name.
    pub name: &'static str,
    /// Syncs of what.
    pub target: Target,
    /// What happens to them.
    pub effect: Effect,
}

/// What is synced.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// Files whose name, when they were opened, begins so.
    File(&'static str),
    /// The directory of this name.
    Dir(&'static str),
    /// The directory that all paths start from.
    Root,
}

/// What becomes of a sync.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// It returns Ok and does nothing.
    Dropped,
    /// It returns Ok, and happens only before the next write through the same handle.
    Delayed,
    /// It returns Ok although it failed.
    ErrorIgnored,
    /// Not a sync: a write that did less than all returns as if it had done all.
    ShortWriteIgnored,
    /// Not a sync: a read that fails returns as at the file's end.
    ReadErrorAsEnd,
    /// Not a sync: a file that could not be opened takes writes and keeps nothing.
    OpenErrorIgnored,
}

const FAULTS: &[SyncFault] = &[
    SyncFault { name: "wal-sync-dropped", target: Target::File("wal-"), effect: Effect::Dropped },
    SyncFault { name: "wal-sync-delayed", target: Target::File("wal-"), effect: Effect::Delayed },
    SyncFault { name: "manifest-sync-dropped", target: Target::File("MANIFEST-"), effect: Effect::Dropped },
    SyncFault { name: "dir-sync-dropped", target: Target::Dir("store"), effect: Effect::Dropped },
    SyncFault { name: "parent-dir-sync-dropped", target: Target::Root, effect: Effect::Dropped },
    SyncFault { name: "sync-error-ignored", target: Target::File("wal-"), effect: Effect::ErrorIgnored },
    SyncFault {
        name: "short-write-ignored",
        target: Target::File("wal-"),
        effect: Effect::ShortWriteIgnored,
    },
    SyncFault { name: "read-error-as-end", target: Target::File("wal-"), effect: Effect::ReadErrorAsEnd },
    SyncFault {
        name: "reopen-error-ignored",
        target: Target::File("wal-"),
        effect: Effect::OpenErrorIgnored,
    },
];

impl SyncFault {
    /// The fault of this name.
    pub fn by_name(name: &str) -> Option<&'static SyncFault> {
        FAULTS.iter().find(|fault| fault.name == name)
    }

    fn hits_file(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        matches!(self.target, Target::File(prefix) if name.starts_with(prefix.as_bytes()))
    }

    fn hits_dir(&self, path: &Path) -> bool {
        match self.target {
            Target::File(_) => false,
            Target::Dir(name) => path.file_name().is_some_and(|last| last == name),
            Target::Root => path.file_name().is_none(),
        }
    }
}

/// The file system with the fault. Locations of calls pass through it.
pub struct SyncFaultVfs {
    inner: Arc<dyn Vfs>,
    fault: &'static SyncFault,
}

impl SyncFaultVfs {
    /// Puts the fault between a store and a file system.
    pub fn new(inner: Arc<dyn Vfs>, fault: &'static SyncFault) -> SyncFaultVfs {
        SyncFaultVfs { inner, fault }
    }

    /// Whether an existing file of the kind is opened to be written.
    fn is_reopened(&self, path: &Path, options: OpenOptions) -> bool {
        options.write && !options.create && !options.create_new && self.fault.hits_file(path)
    }
}

impl Vfs for SyncFaultVfs {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        let inner = match self.inner.open(path, options) {
            Err(_) if self.fault.effect == Effect::OpenErrorIgnored && self.is_reopened(path, options) => {
                return Ok(Box::new(NowhereFile));
            }
            result => result?,
        };
        if !self.fault.hits_file(path) {
            return Ok(inner);
        }
        Ok(Box::new(SyncFaultFile { inner, effect: &self.fault.effect, owes_sync: AtomicBool::default() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.read_dir(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.inner.metadata(path)
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        self.inner.hard_link(existing, new)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.fault.hits_dir(path) { Ok(()) } else { self.inner.sync_dir(path) }
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.inner.lock(dir)
    }
}

struct SyncFaultFile {
    inner: Box<dyn VfsFile>,
    effect: &'static Effect,
    owes_sync: AtomicBool,
}

impl SyncFaultFile {
    /// Does the sync that is owed.
    #[track_caller]
    fn settle(&self) -> io::Result<()> {
        if self.owes_sync.swap(false, Ordering::Relaxed) { self.inner.sync_data() } else { Ok(()) }
    }

    #[track_caller]
    fn sync(&self, sync: fn(&dyn VfsFile) -> io::Result<()>) -> io::Result<()> {
        match self.effect {
            Effect::Dropped => Ok(()),
            Effect::Delayed => {
                self.owes_sync.store(true, Ordering::Relaxed);
                Ok(())
            }
            Effect::ErrorIgnored => sync(&*self.inner).or(Ok(())),
            _ => sync(&*self.inner),
        }
    }
}

impl VfsFile for SyncFaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.inner.read_at(buf, offset);
        if *self.effect == Effect::ReadErrorAsEnd { read.or(Ok(0)) } else { read }
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        self.settle()?;
        let written = self.inner.write_at(data, offset)?;
        Ok(if *self.effect == Effect::ShortWriteIgnored { data.len() } else { written })
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.settle()?;
        self.inner.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.settle()?;
        self.inner.allocate(offset, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(|file| file.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(|file| file.sync_all())
    }
}

/// A handle that refers to no file.
struct NowhereFile;

impl VfsFile for NowhereFile {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, data: &[u8], _: u64) -> io::Result<usize> {
        Ok(data.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}
