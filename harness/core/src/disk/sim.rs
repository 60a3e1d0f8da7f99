//! The simulated disk as a file system: one running process on top of a [`World`].

use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashSet;
use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

use super::read::Reader;
use super::recording::Recording;
use super::{Bounds, Chooser, Narrowing, SECTOR, SizeFn, Stop, World};
use crate::trace::{Call, Inode, Mark, Pos};

pub(super) use rustix::io::Errno;

pub(super) fn fail<T>(errno: Errno) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(errno.raw_os_error()))
}

/// Where a running process may be crashed in turn: just before a sync, or at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// Position of the sync in the process's trace.
    pub at: Pos,
    /// How many questions it had asked by then.
    pub asked: usize,
    /// How much of [`Finished::decided`] was decided by then.
    pub decided: usize,
}

/// What is left of a run when it is over.
#[derive(Debug)]
pub struct Finished {
    /// What the process did.
    pub recording: Recording,
    /// What its questions decided about the disk below.
    pub decided: Vec<Narrowing>,
    /// Its syncs, and its end.
    pub barriers: Vec<Barrier>,
    /// The questions and answers.
    pub path: Vec<super::choose::Choice>,
    /// Why it was ended from inside, if it was.
    pub stop: Option<Stop>,
    /// The file-system calls it made.
    pub calls: u64,
    /// For the next run.
    pub scratch: Scratch,
}

/// Memory that one run hands to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    bounds: Bounds,
    recording: Option<Recording>,
}

impl Scratch {
    /// Gives back a recording whose memory can be used again.
    pub fn recycle(&mut self, recording: Recording) {
        self.recording = Some(recording);
    }
}

/// A simulated disk with one running process. Clones share it.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    process: Mutex<Process>,
}

pub(super) struct Process {
    pub world: Arc<World>,
    pub recording: Recording,
    bounds: Bounds,
    chooser: Chooser,
    barriers: Vec<Barrier>,
    locks: FxHashSet<Inode>,
    stop: Option<Stop>,
    calls: u64,
    calls_max: u64,
    /// Changes with every kill: handles of a dead process are dead.
    generation: u32,
}

/// The payload of the panic that ends a run from inside. The explorer catches it.
#[derive(Debug)]
pub struct Stopped;

impl SimDisk {
    /// A process that begins on `world`, its questions answered by `chooser`; it may make `calls_max`
    /// file-system calls.
    pub fn new(world: Arc<World>, chooser: Chooser, calls_max: u64, mut scratch: Scratch) -> SimDisk {
        let mut recording = scratch.recording.take().unwrap_or_default();
        recording.reset(world.next_inode());
        scratch.bounds.start(&world);
        let process = Process {
            world,
            recording,
            bounds: scratch.bounds,
            chooser,
            barriers: Vec::new(),
            locks: FxHashSet::default(),
            stop: None,
            calls: 0,
            calls_max,
            generation: 0,
        };
        SimDisk { shared: Arc::new(Shared { process: Mutex::new(process) }) }
    }

    /// A new, empty disk.
    pub fn empty() -> SimDisk {
        let world = Arc::new(World::empty());
        SimDisk::new(world, Chooser::default(), u64::MAX, Scratch::default())
    }

    /// Leaves a mark in the trace.
    pub fn mark(&self, mark: Mark) {
        self.shared.lock().recording.mark(mark);
    }

    /// How many questions the process has asked.
    pub fn questions_asked(&self) -> usize {
        self.shared.lock().chooser.asked()
    }

    /// The end of the trace so far.
    pub fn position(&self) -> Pos {
        self.shared.lock().recording.trace.end()
    }

    /// Kills the process: its handles and locks are dead, the cache stays. The next process goes on.
    pub fn kill(&self) {
        let mut process = self.shared.lock();
        process.generation += 1;
        process.locks.clear();
    }

    /// Ends the process and takes what it did. Handles that are still around fail from now on.
    pub fn finish(&self) -> Finished {
        let mut process = self.shared.lock();
        process.generation += 1;
        process.barrier();
        let p = &mut *process;
        Finished {
            recording: std::mem::take(&mut p.recording),
            decided: p.bounds.trail().to_vec(),
            barriers: std::mem::take(&mut p.barriers),
            path: p.chooser.take_path(),
            stop: p.stop.take(),
            calls: p.calls,
            scratch: Scratch { bounds: std::mem::take(&mut p.bounds), recording: None },
        }
    }

    /// One call of the process: counts it, and ends the run if it must not go on.
    fn call<T>(&self, act: impl FnOnce(&mut Process) -> Result<T, Failure>) -> io::Result<T> {
        self.shared.call(None, act)
    }
}

/// Why a call did not succeed.
pub(super) enum Failure {
    Os(Errno),
    Stop(Stop),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Os(errno)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Failure {
        Failure::Stop(stop)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Process> {
        // A run that was stopped by a panic leaves the process as it was: it is still worth looking at.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(
        &self,
        generation: Option<u32>,
        act: impl FnOnce(&mut Process) -> Result<T, Failure>,
    ) -> io::Result<T> {
        let mut process = self.lock();
        if generation.is_some_and(|g| g != process.generation) {
            return fail(Errno::BADF);
        }
        process.calls += 1;
        let over = process.stop.is_some() || process.calls > process.calls_max;
        let result = if over { Err(Failure::Stop(Stop::TooManyCalls)) } else { act(&mut process) };
        match result {
            Ok(value) => Ok(value),
            Err(Failure::Os(errno)) => fail(errno),
            Err(Failure::Stop(stop)) => {
                process.stop.get_or_insert(stop);
                drop(process);
                if std::thread::panicking() {
                    return fail(Errno::IO);
                }
                std::panic::panic_any(Stopped)
            }
        }
    }
}

impl Process {
    pub fn reader(&mut self) -> (&World, &Recording, Reader<'_>) {
        let reader = Reader { world: &self.world, bounds: &mut self.bounds, chooser: &mut self.chooser };
        (&self.world, &self.recording, reader)
    }

    pub fn depth(&self) -> usize {
        self.world.layers.len()
    }

    /// Notes that a crash just before the next event is worth looking at.
    pub fn barrier(&mut self) {
        self.barriers.push(Barrier {
            at: self.recording.trace.end(),
            asked: self.chooser.asked(),
            decided: self.bounds.trail().len(),
        });
    }

    pub fn is_dir(&self, inode: Inode) -> bool {
        if self.recording.created_here(inode) {
            self.recording.is_created_dir(inode)
        } else {
            self.world.is_dir(inode)
        }
    }

    /// How many of the `len` bytes at `offset` are inside the file.
    fn size(&mut self, inode: Inode, offset: u64, len: u64) -> Result<u64, Stop> {
        match self.recording.newest_size(inode).clamped(offset, len) {
            SizeFn::Absolute(size) => Ok(size),
            SizeFn::AtLeast(size) => {
                let depth = self.depth();
                Ok(self.reader().2.size(depth, inode, offset, len)?.max(size))
            }
        }
    }

    /// The smallest and largest size a file may have; decides nothing.
    fn size_range(&mut self, inode: Inode) -> (u64, u64) {
        let now = self.recording.newest_size(inode);
        if let SizeFn::Absolute(size) = now {
            return (size, size);
        }
        let (min, max) = self.reader().2.size_range(inode);
        (now.over(min), now.over(max))
    }

    fn read(&mut self, inode: Inode, buf: &mut [u8], offset: u64) -> Result<usize, Stop> {
        let start = (offset % SECTOR as u64) as usize;
        let sector = offset / SECTOR as u64;
        let len = buf.len().min(SECTOR - start);
        let len = self.size(inode, offset, len as u64)? as usize;
        let depth = self.depth();
        let end = start + len;
        let Some(patch) = self.recording.newest_data(inode, sector) else {
            let below = if self.recording.created_here(inode) { 0 } else { depth };
            self.reader().2.data(below, inode, sector, (start, end), &mut buf[..len])?;
            return Ok(len);
        };
        let (_, recording, mut reader) = self.reader();
        let patch = recording.patch(patch);
        let mut at = start;
        while at < end {
            let (covered, stop) = patch.run(at, end);
            let target = &mut buf[at - start..stop - start];
            if covered {
                target.copy_from_slice(&patch.bytes[at..stop]);
            } else {
                reader.data(depth, inode, sector, (at, stop), target)?;
            }
            at = stop;
        }
        Ok(len)
    }

    fn write(&mut self, inode: Inode, data: &[u8], offset: u64, source: &'static Location<'static>) -> usize {
        let (floor, _) = self.size_range(inode);
        self.recording.write_data(inode, offset, data);
        self.recording.extend(inode, floor, offset, offset + data.len() as u64);
        let data = self.recording.trace.store_bytes(data);
        self.recording.call(Call::Write { inode, offset, data }, source);
        data.len as usize
    }

    pub fn set_len(&mut self, inode: Inode, len: u64, source: &'static Location<'static>) {
        let (min, max) = self.size_range(inode);
        if (min, max) != (len, len) {
            if max > len {
                let first = len / SECTOR as u64;
                for sector in self.known_sectors(inode, first) {
                    let from = if sector == first { (len % SECTOR as u64) as usize } else { 0 };
                    self.recording.zero_tail(inode, sector, from);
                }
            }
            self.recording.set_size(inode, len);
        }
        self.recording.call(Call::SetLen { inode, len }, source);
    }

    /// The sectors of a file, from `first` on, that any layer has written.
    fn known_sectors(&self, inode: Inode, first: u64) -> Vec<u64> {
        let layers = self.world.layers.iter().map(|l| &*l.recording);
        let slots = layers.chain([&self.recording]).filter_map(|r| r.slot(inode));
        let mut sectors: Vec<u64> = slots.flat_map(|s| s.sectors_from(first)).collect();
        sectors.sort_unstable();
        sectors.dedup();
        sectors
    }
}

struct SimFile {
    shared: Arc<Shared>,
    inode: Inode,
    read: bool,
    write: bool,
    generation: u32,
}

impl SimFile {
    fn call<T>(&self, act: impl FnOnce(&mut Process) -> Result<T, Failure>) -> io::Result<T> {
        self.shared.call(Some(self.generation), act)
    }

    fn sync(&self, data_only: bool, source: &'static Location<'static>) -> io::Result<()> {
        self.call(|p| {
            p.barrier();
            p.recording.call(Call::SyncFile { inode: self.inode, data_only }, source);
            Ok(())
        })
    }
}

/// Whether a range of bytes is one that a file can have.
fn is_offset_valid(offset: u64, len: u64) -> bool {
    offset.checked_add(len).is_some_and(|end| end <= i64::MAX as u64)
}

impl VfsFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(|p| {
            if !is_offset_valid(offset, 0) {
                return Err(Errno::INVAL.into());
            }
            if !self.read {
                return Err(Errno::BADF.into());
            }
            Ok(p.read(self.inode, buf, offset)?)
        })
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let source = Location::caller();
        self.call(|p| {
            if !is_offset_valid(offset, 0) {
                return Err(Errno::INVAL.into());
            }
            if !self.write {
                return Err(Errno::BADF.into());
            }
            if data.is_empty() {
                return Ok(0);
            }
            if !is_offset_valid(offset, data.len() as u64) {
                return Err(Errno::FBIG.into());
            }
            Ok(p.write(self.inode, data, offset, source))
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.call(|p| Ok(p.size(self.inode, 0, u64::MAX)?))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| {
            if !self.write || !is_offset_valid(len, 0) {
                return Err(Errno::INVAL.into());
            }
            p.set_len(self.inode, len, source);
            Ok(())
        })
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| {
            if len == 0 || !is_offset_valid(offset, 0) {
                return Err(Errno::INVAL.into());
            }
            if !self.write {
                return Err(Errno::BADF.into());
            }
            if !is_offset_valid(offset, len) {
                return Err(Errno::FBIG.into());
            }
            let (floor, _) = p.size_range(self.inode);
            p.recording.extend(self.inode, floor, offset + len, offset + len);
            p.recording.call(Call::Allocate { inode: self.inode, offset, len }, source);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(true, Location::caller())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(false, Location::caller())
    }
}

struct SimLock {
    shared: Arc<Shared>,
    dir: Inode,
    generation: u32,
}

impl VfsLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut process = self.shared.lock();
        if process.generation == self.generation {
            process.locks.remove(&self.dir);
        }
    }
}

impl Vfs for SimDisk {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        let source = Location::caller();
        let (inode, generation) = self.call(|p| {
            let inode = p.open(path, options, source)?;
            Ok((inode, p.generation))
        })?;
        let shared = self.shared.clone();
        Ok(Box::new(SimFile { shared, inode, read: options.read, write: options.write, generation }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.rename(from, to, source))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.remove_file(path, source))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.create_dir(path, source))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.remove_dir(path, source))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.call(|p| p.read_dir(path))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.call(|p| {
            let inode = p.find(path)?;
            if p.is_dir(inode) {
                return Ok(Metadata { kind: FileKind::Directory, len: 0 });
            }
            Ok(Metadata { kind: FileKind::File, len: p.size(inode, 0, u64::MAX)? })
        })
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.hard_link(existing, new, source))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| {
            let dir = p.find_dir(path)?;
            p.barrier();
            p.recording.call(Call::SyncDir { dir }, source);
            Ok(())
        })
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>> {
        let (dir, generation) = self.call(|p| {
            let dir = p.find_dir(dir)?;
            if !p.locks.insert(dir) {
                return Err(Errno::WOULDBLOCK.into());
            }
            Ok((dir, p.generation))
        })?;
        Ok(Box::new(SimLock { shared: self.shared.clone(), dir, generation }))
    }
}
