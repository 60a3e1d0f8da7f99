//! What the integration tests share: a file system in memory, with a hook before and after every call.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use unplug_engine::{Options, Store};
use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

pub mod crash;

pub type Content = Arc<Mutex<Vec<u8>>>;

/// A call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Open,
    Create,
    Rename,
    Remove,
    SyncDir,
    Read,
    Write,
    Sync,
    SetLen,
    Link,
}

type Hook = Box<dyn Fn(Call, &Path) -> Option<io::Error> + Send + Sync>;

/// Files in one flat map of paths.
#[derive(Default)]
pub struct MemFs {
    pub files: Mutex<BTreeMap<PathBuf, Content>>,
    dirs: Mutex<Vec<PathBuf>>,
    locks: Arc<Mutex<Vec<PathBuf>>>,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
    limits: Arc<Mutex<Limits>>,
}

/// What the disk can take.
#[derive(Default)]
struct Limits {
    /// Bytes by which files may still grow; None for any number.
    space: Option<usize>,
    /// The most that one call reads or writes; None for all that is asked.
    per_call: Option<usize>,
    /// Interruptions before the next read or write goes through.
    interruptions: u32,
}

struct MemFile {
    content: Content,
    path: PathBuf,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
    limits: Arc<Mutex<Limits>>,
    writable: bool,
}

struct MemLock(Arc<Mutex<Vec<PathBuf>>>, PathBuf);

impl VfsLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        held(&self.0).retain(|p| *p != self.1);
    }
}

fn held<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemFs {
    /// With the root directory and nothing in it.
    pub fn new() -> Arc<MemFs> {
        let fs = MemFs::default();
        held(&fs.dirs).push(PathBuf::from("/"));
        Arc::new(fs)
    }

    /// With a directory holding these files.
    pub fn with_files(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Arc<MemFs> {
        let fs = MemFs::new();
        held(&fs.dirs).push(dir.to_path_buf());
        for (name, bytes) in files {
            held(&fs.files).insert(dir.join(name), Arc::new(Mutex::new(bytes.clone())));
        }
        fs
    }

    /// From now on, asks before each call; an error stops it.
    pub fn hook(&self, hook: impl Fn(Call, &Path) -> Option<io::Error> + Send + Sync + 'static) {
        *held(&self.hook) = Some(Arc::new(Box::new(hook)));
    }

    /// Lets files grow by so many bytes more, all together: then the disk is full.
    pub fn space(&self, bytes: Option<usize>) {
        held(&self.limits).space = bytes;
    }

    /// Makes reads and writes short, and each wait for so many interruptions first.
    pub fn unsteady(&self, per_call: usize, interruptions: u32) {
        let mut limits = held(&self.limits);
        (limits.per_call, limits.interruptions) = (Some(per_call), interruptions);
    }

    pub fn unhook(&self) {
        *held(&self.hook) = None;
    }

    /// The files of a directory, by name.
    pub fn image(&self, dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let files = held(&self.files);
        files
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir))
            .map(|(path, content)| {
                (path.file_name().unwrap().to_str().unwrap().to_string(), held(content).clone())
            })
            .collect()
    }

    fn ask(&self, call: Call, path: &Path) -> io::Result<()> {
        let hook = held(&self.hook).clone();
        match hook.and_then(|h| h(call, path)) {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Vfs for MemFs {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        let creates = options.create || options.create_new;
        self.ask(if creates { Call::Create } else { Call::Open }, path)?;
        let mut files = held(&self.files);
        let content = match files.get(path) {
            Some(_) if options.create_new => return Err(io::ErrorKind::AlreadyExists.into()),
            Some(content) => content.clone(),
            None if creates => {
                let content = Content::default();
                files.insert(path.to_path_buf(), content.clone());
                content
            }
            None => return Err(missing()),
        };
        if options.truncate {
            held(&content).clear();
        }
        let (hook, limits) = (self.hook.clone(), self.limits.clone());
        Ok(Box::new(MemFile { content, path: path.to_path_buf(), hook, limits, writable: options.write }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Call::Rename, from)?;
        let mut files = held(&self.files);
        let content = files.remove(from).ok_or_else(missing)?;
        files.insert(to.to_path_buf(), content);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::Remove, path)?;
        held(&self.files).remove(path).map(drop).ok_or_else(missing)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut dirs = held(&self.dirs);
        if dirs.iter().any(|d| d == path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        dirs.push(path.to_path_buf());
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        held(&self.dirs).retain(|d| d != path);
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let files = held(&self.files);
        Ok(files
            .keys()
            .filter(|p| p.parent() == Some(path))
            .map(|p| DirEntry { name: p.file_name().unwrap().to_os_string(), kind: FileKind::File })
            .collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let files = held(&self.files);
        let len = held(files.get(path).ok_or_else(missing)?).len() as u64;
        Ok(Metadata { kind: FileKind::File, len })
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        self.ask(Call::Link, existing)?;
        let mut files = held(&self.files);
        if files.contains_key(new) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let content = files.get(existing).ok_or_else(missing)?.clone();
        files.insert(new.to_path_buf(), content);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::SyncDir, path)
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>> {
        if !held(&self.dirs).iter().any(|d| d == dir) {
            return Err(missing());
        }
        let mut locks = held(&self.locks);
        if locks.iter().any(|p| p == dir) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        locks.push(dir.to_path_buf());
        Ok(Box::new(MemLock(self.locks.clone(), dir.to_path_buf())))
    }
}

impl MemFile {
    fn ask(&self, call: Call) -> io::Result<()> {
        let hook = held(&self.hook).clone();
        match hook.and_then(|h| h(call, &self.path)) {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }

    /// How much of a read or write goes through.
    fn let_through(&self, len: usize) -> io::Result<usize> {
        let mut limits = held(&self.limits);
        if let Some(per_call) = limits.per_call {
            // Every second call is interrupted, or every call if there are more to come.
            if limits.interruptions > 0 {
                limits.interruptions -= 1;
                return Err(io::ErrorKind::Interrupted.into());
            }
            limits.interruptions = 1;
            return Ok(len.min(per_call));
        }
        Ok(len)
    }
}

impl VfsFile for MemFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.ask(Call::Read)?;
        let content = held(&self.content);
        let rest = content.get(offset as usize..).unwrap_or_default();
        let n = self.let_through(rest.len().min(buf.len()))?;
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        assert!(self.writable, "a write through a read-only handle");
        self.ask(Call::Write)?;
        let mut data = &data[..self.let_through(data.len())?];
        let mut content = held(&self.content);
        let mut limits = held(&self.limits);
        if let Some(space) = &mut limits.space {
            let room = content.len() - (offset as usize).min(content.len()) + *space;
            if room == 0 && !data.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            data = &data[..data.len().min(room)];
            *space -= (offset as usize + data.len()).saturating_sub(content.len());
        }
        let end = offset as usize + data.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset as usize..end].copy_from_slice(data);
        Ok(data.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(held(&self.content).len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.ask(Call::SetLen)?;
        let mut content = held(&self.content);
        if let Some(space) = &mut held(&self.limits).space {
            *space += content.len().saturating_sub(len as usize);
        }
        content.resize(len as usize, 0);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let end = (offset + len) as usize;
        let mut content = held(&self.content);
        if content.len() < end {
            content.resize(end, 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.ask(Call::Sync)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.ask(Call::Sync)
    }
}

/// The store's directory in all tests.
pub fn db() -> &'static Path {
    Path::new("/db")
}

/// No automatic compaction, small segments.
pub fn small() -> Options {
    Options {
        segment_size: 4096,
        compact_log_bytes: None,
        compact_ops: None,
        compact_live_ratio: None,
        ..Options::default()
    }
}

#[track_caller]
pub fn open(fs: &Arc<MemFs>, options: Options) -> Store {
    Store::open(fs.clone(), db(), options).unwrap()
}

pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

pub fn state_of(store: &Store) -> State {
    store.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect()
}

/// A small generator whose sequence is the same everywhere, for ever (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
