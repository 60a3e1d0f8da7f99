//! The same faults on any other file system, as a layer over it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unplug_vfs::{DirEntry, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

use super::{CallKind, Decision, Effect, ErrorCode, Injector, Outcome};

/// A file system some of whose calls fail. A failed sync is an error only: what it does to the cache of the file
/// system below is that one's business. A lost write is one that the file system below never sees, so that reads
/// do not show it either; a full disk is not simulated.
#[derive(Clone)]
pub struct FaultyVfs {
    inner: Arc<dyn Vfs>,
    shared: Arc<Shared>,
}

struct Shared {
    faults: Mutex<Injector>,
    /// What was written through this layer: bytes that the medium does not hold yet.
    written: Mutex<Vec<(PathBuf, u64, u64)>>,
    /// Whether reads end at sectors, as those of the simulated disk do.
    by_sector: bool,
}

impl Shared {
    fn faults(&self) -> MutexGuard<'_, Injector> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> MutexGuard<'_, Vec<(PathBuf, u64, u64)>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, call: CallKind, paths: &[&Path]) -> Option<Decision> {
        let decision = self.faults().decide(call, paths)?;
        if let Outcome::Delay(time) = decision.outcome {
            std::thread::sleep(time);
        }
        Some(decision)
    }

    fn call<T>(&self, call: CallKind, paths: &[&Path], act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.decide(call, paths) {
            Some(Decision { outcome: Outcome::Error(code), effect }) => {
                if effect == Effect::Applied {
                    act()?;
                }
                Err(error(code))
            }
            _ => act(),
        }
    }
}

fn error(code: ErrorCode) -> io::Error {
    io::Error::from_raw_os_error(code.raw())
}

impl FaultyVfs {
    /// A layer over a file system.
    pub fn new(inner: Arc<dyn Vfs>, faults: Injector) -> FaultyVfs {
        FaultyVfs::with(inner, faults, false)
    }

    /// A layer over files that a crash left, which counts calls as the simulated disk does.
    pub(crate) fn on_image(inner: Arc<dyn Vfs>, faults: Injector) -> FaultyVfs {
        FaultyVfs::with(inner, faults, true)
    }

    fn with(inner: Arc<dyn Vfs>, faults: Injector, by_sector: bool) -> FaultyVfs {
        let (faults, written) = (Mutex::new(faults), Mutex::new(Vec::new()));
        FaultyVfs { inner, shared: Arc::new(Shared { faults, written, by_sector }) }
    }

    /// The rules, with what has happened so far.
    pub fn faults(&self) -> Injector {
        self.shared.faults().clone()
    }

    /// From now on nothing fails any more.
    pub fn lift(&self) {
        self.shared.faults().lift();
    }
}

impl Vfs for FaultyVfs {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        let call = if options.create || options.create_new { CallKind::Create } else { CallKind::Open };
        let inner = self.shared.call(call, &[path], || self.inner.open(path, options))?;
        let path: Arc<Path> = Arc::from(path);
        Ok(Box::new(FaultyFile { inner, path, shared: self.shared.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.shared.call(CallKind::Rename, &[from, to], || self.inner.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.shared.call(CallKind::Remove, &[path], || self.inner.remove_file(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.shared.call(CallKind::CreateDir, &[path], || self.inner.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.shared.call(CallKind::RemoveDir, &[path], || self.inner.remove_dir(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.shared.call(CallKind::ReadDir, &[path], || self.inner.read_dir(path))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.shared.call(CallKind::Metadata, &[path], || self.inner.metadata(path))
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        self.shared.call(CallKind::Link, &[existing, new], || self.inner.hard_link(existing, new))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.shared.call(CallKind::SyncDir, &[path], || self.inner.sync_dir(path))
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.shared.call(CallKind::Lock, &[dir], || self.inner.lock(dir))
    }
}

struct FaultyFile {
    inner: Box<dyn VfsFile>,
    path: Arc<Path>,
    shared: Arc<Shared>,
}

/// Bytes in a sector.
const SECTOR: u64 = 512;

impl VfsFile for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut len = buf.len();
        if self.shared.by_sector {
            len = len.min((SECTOR - offset % SECTOR) as usize);
        }
        match self.shared.decide(CallKind::Read, &[&self.path]).map(|decision| decision.outcome) {
            Some(Outcome::Error(code)) => return Err(error(code)),
            Some(Outcome::Short(most)) => len = len.min(most as usize),
            _ => {}
        }
        let len = self.inner.read_at(&mut buf[..len], offset)?;
        let written = self.shared.written();
        let from_disk = |at: u64| {
            !written.iter().any(|(path, start, end)| **path == *self.path && (*start..*end).contains(&at))
        };
        let medium = self.shared.faults().medium(&self.path, offset, &mut buf[..len], from_disk);
        medium.map_err(error)?;
        Ok(len)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let mut len = data.len();
        let mut failed = None;
        match self.shared.decide(CallKind::Write, &[&self.path]) {
            Some(Decision { outcome: Outcome::Error(code), effect }) => {
                len = match effect {
                    Effect::Applied => len,
                    Effect::Part(most) => len.min(most as usize),
                    _ => 0,
                };
                failed = Some(code);
            }
            Some(Decision { outcome: Outcome::Short(most), .. }) => len = len.min(most as usize),
            Some(Decision { outcome: Outcome::Lost, .. }) => return Ok(len),
            Some(Decision { outcome: Outcome::Misdirected(distance), .. }) => {
                return self.inner.write_at(data, offset.saturating_add(u64::from(distance)));
            }
            _ => {}
        }
        let mut done = 0;
        if len > 0 {
            done = self.inner.write_at(&data[..len], offset)?;
            let end = offset + done as u64;
            self.shared.written().push((self.path.to_path_buf(), offset, end));
        }
        failed.map_or(Ok(done), |code| Err(error(code)))
    }

    fn len(&self) -> io::Result<u64> {
        self.shared.call(CallKind::Len, &[&self.path], || self.inner.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.shared.call(CallKind::SetLen, &[&self.path], || self.inner.set_len(len))
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.shared.call(CallKind::Allocate, &[&self.path], || self.inner.allocate(offset, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.shared.call(CallKind::SyncData, &[&self.path], || self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.shared.call(CallKind::SyncAll, &[&self.path], || self.inner.sync_all())
    }
}
