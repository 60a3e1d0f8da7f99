//! The simulated disk as a file system: one running process on top of a [`World`].

use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

use super::read::Reader;
use super::recording::{Recording, Rules};
use super::{Bounds, Chooser, Narrowing, SECTOR, SizeFn, Stop, World};
use crate::fault::{CallKind, Fired, Injector};
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
    /// The faults that were injected.
    pub faults: Injector,
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
    pub faults: Option<Box<Injector>>,
    /// How many syncs of a file have failed.
    pub sync_errors: FxHashMap<Inode, u32>,
}

/// The payload of the panic that ends a run from inside. The explorer catches it.
#[derive(Debug)]
pub struct Stopped;

impl SimDisk {
    /// A process that begins on `world`, its questions answered by `chooser`; it may make `calls_max`
    /// file-system calls.
    pub fn new(world: Arc<World>, chooser: Chooser, calls_max: u64, mut scratch: Scratch) -> SimDisk {
        let mut recording = scratch.recording.take().unwrap_or_default();
        recording.reset(world.next_inode(), world.rules);
        SimDisk::on(world, recording, chooser, calls_max, scratch)
    }

    /// A process that goes on where one was killed: on the cache that `recording` left.
    pub fn resume(world: Arc<World>, recording: Recording, calls_max: u64, scratch: Scratch) -> SimDisk {
        SimDisk::on(world, recording, Chooser::default(), calls_max, scratch)
    }

    fn on(
        world: Arc<World>,
        recording: Recording,
        chooser: Chooser,
        calls_max: u64,
        mut scratch: Scratch,
    ) -> SimDisk {
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
            faults: None,
            sync_errors: FxHashMap::default(),
        };
        SimDisk { shared: Arc::new(Shared { process: Mutex::new(process) }) }
    }

    /// Has the calls of the process fail as the injector says. Files that are open already are spared.
    pub fn inject(&self, faults: Injector) {
        self.shared.lock().faults = (!faults.is_idle()).then(|| Box::new(faults));
    }

    /// From now on nothing fails any more.
    pub fn lift_faults(&self) {
        if let Some(faults) = &mut self.shared.lock().faults {
            faults.lift();
        }
    }

    /// How many faults were injected so far.
    pub fn faults_fired(&self) -> usize {
        self.shared.lock().faults.as_ref().map_or(0, |faults| faults.fired().len())
    }

    /// Whether faults were injected, and none but want of space.
    pub fn lacked_only_space(&self) -> bool {
        let process = self.shared.lock();
        let fired = process.faults.as_ref().map_or(&[][..], |faults| faults.fired());
        !fired.is_empty() && fired.iter().all(Fired::is_want_of_space)
    }

    /// A new, empty disk, as the `posix` model has it.
    pub fn empty() -> SimDisk {
        let world = Arc::new(World::empty(Rules::default()));
        SimDisk::new(world, Chooser::default(), u64::MAX, Scratch::default())
    }

    /// Leaves a mark in the trace.
    pub fn mark(&self, mark: Mark) {
        self.shared.lock().recording.mark(mark);
    }

    /// Exchanges what two names refer to (`renameat2` with `RENAME_EXCHANGE`), which the seam does not have.
    #[track_caller]
    pub fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.exchange(a, b, source))
    }

    /// Zeroes a range (`fallocate` with `FALLOC_FL_ZERO_RANGE` or, with `keep_size`,
    /// `FALLOC_FL_PUNCH_HOLE`), which the seam does not have.
    #[track_caller]
    pub fn zero_range(&self, path: &Path, offset: u64, len: u64, keep_size: bool) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| {
            let inode = p.find(path)?;
            Ok(p.zero_range(inode, (offset, len), keep_size, source)?)
        })
    }

    /// Makes everything durable (`syncfs`), which the seam does not have.
    #[track_caller]
    pub fn sync_all_files(&self) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| {
            p.barrier();
            p.recording.call(Call::SyncAll, source);
            Ok(())
        })
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
            faults: p.faults.take().map_or_else(Injector::default, |faults| *faults),
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

/// How much of a range is inside a file.
#[derive(Clone, Copy, Debug)]
struct Inside {
    /// In bytes.
    len: usize,
    /// How much of it was inside when the process began, where that had to be found out.
    below: Option<usize>,
}

impl Inside {
    /// The same for `len` bytes from byte `from` of the range on.
    fn from(self, from: usize, len: usize) -> Inside {
        let rest = |inside: usize| inside.saturating_sub(from).min(len);
        Inside { len: rest(self.len), below: self.below.map(rest) }
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

    /// A read ends at the end of a sector. Where less than a sector may be torn, it ends before the first unit
    /// that it would have to ask about, its first one apart: a subject that reads a stream is not asked about
    /// more than it wants to know.
    pub fn read(&mut self, inode: Inode, buf: &mut [u8], offset: u64) -> Result<usize, Stop> {
        let in_sector = (offset % SECTOR as u64) as usize;
        let len = buf.len().min(SECTOR - in_sector);
        let unit_len = self.recording.unit();
        if unit_len == SECTOR {
            let inside = self.inside(inode, offset, len)?;
            self.read_inside(inode, &mut buf[..len], offset, inside)?;
            return Ok(inside.len);
        }
        let known = self.unless_asked(|process| process.inside(inode, offset, len))?;
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let end = len.min(done + unit_len - (at % unit_len as u64) as usize);
            let piece = &mut buf[done..end];
            let wanted = piece.len();
            let mut read = |process: &mut Process| {
                let inside = match known {
                    Some(all) => all.from(done, wanted),
                    None => process.inside(inode, at, wanted)?,
                };
                process.read_inside(inode, piece, at, inside)?;
                Ok(inside.len)
            };
            let read = if done == 0 { Some(read(self)?) } else { self.unless_asked(read)? };
            done += read.unwrap_or(0);
            if read != Some(wanted) {
                break;
            }
        }
        Ok(done)
    }

    /// Does something that asks no question; `None` if it would have to ask one.
    fn unless_asked<T>(
        &mut self,
        act: impl FnOnce(&mut Process) -> Result<T, Stop>,
    ) -> Result<Option<T>, Stop> {
        self.chooser.put_off(true);
        let done = act(self);
        self.chooser.put_off(false);
        match done {
            Err(Stop::PutOff) => Ok(None),
            done => done.map(Some),
        }
    }

    /// How much of a range of one sector is inside the file.
    fn inside(&mut self, inode: Inode, offset: u64, len: usize) -> Result<Inside, Stop> {
        match self.recording.newest_size(inode).clamped(offset, len as u64) {
            SizeFn::Absolute(size) => Ok(Inside { len: size as usize, below: None }),
            SizeFn::AtLeast(size) => {
                let depth = self.depth();
                let below = self.reader().2.size(depth, inode, offset, len as u64)?;
                Ok(Inside { len: below.max(size) as usize, below: Some(below as usize) })
            }
        }
    }

    /// Reads the bytes of one sector that are inside the file.
    fn read_inside(&mut self, inode: Inode, buf: &mut [u8], offset: u64, inside: Inside) -> Result<(), Stop> {
        let below = if self.recording.created_here(inode) { 0 } else { self.depth() };
        let unit_len = self.recording.unit();
        let (_, recording, mut reader) = self.reader();
        // Bytes `from..` of the range, of which the world below may be known to have so many.
        let mut read_below = |from: usize, out: &mut [u8]| match inside.below {
            Some(known) if below > 0 => {
                let known = known.saturating_sub(from).min(out.len());
                out[known..].fill(0);
                reader.data_inside(below, inode, offset + from as u64, &mut out[..known])
            }
            _ => reader.data(below, inode, offset + from as u64, out),
        };
        let mut done = 0;
        while done < inside.len {
            let at = offset + done as u64;
            let start = (at % unit_len as u64) as usize;
            let end = unit_len.min(start + inside.len - done);
            let out = &mut buf[done..done + end - start];
            let Some(patch) = recording.newest_data(inode, at / unit_len as u64) else {
                read_below(done, out)?;
                done += end - start;
                continue;
            };
            let patch = recording.patch(patch);
            let mut from = start;
            while from < end {
                let (covered, stop) = patch.run(from, end);
                let target = &mut out[from - start..stop - start];
                if covered {
                    target.copy_from_slice(&patch.bytes[from..stop]);
                } else {
                    read_below(done + from - start, target)?;
                }
                from = stop;
            }
            done += end - start;
        }
        Ok(())
    }

    /// The size the file had when this process began: what lies behind it was never written. Found out only
    /// where the model cares.
    fn inherited_size(&mut self, inode: Inode) -> Result<u64, Stop> {
        if self.recording.created_here(inode) || !self.recording.rules().garbage {
            return Ok(0);
        }
        let depth = self.depth();
        self.reader().2.size(depth, inode, 0, u64::MAX)
    }

    /// The size before a change of it. Where the model cares in which block the file ended, finds out.
    pub fn settle_size(&mut self, inode: Inode) -> Result<SizeFn, Stop> {
        if self.recording.rules().sizes_matter {
            return Ok(SizeFn::Absolute(self.size(inode, 0, u64::MAX)?));
        }
        let (least, most) = self.size_range(inode);
        Ok(if least == most { SizeFn::Absolute(least) } else { SizeFn::AtLeast(least) })
    }

    pub fn write(
        &mut self,
        inode: Inode,
        data: &[u8],
        offset: u64,
        source: &'static Location<'static>,
    ) -> Result<usize, Stop> {
        let now = self.settle_size(inode)?;
        let inherited = self.inherited_size(inode)?;
        self.recording.write_data(inode, inherited, offset, data);
        self.recording.extend(inode, now, offset, offset + data.len() as u64);
        let data = self.recording.trace.store_bytes(data);
        self.recording.call(Call::Write { inode, offset, data }, source);
        Ok(data.len as usize)
    }

    fn allocate(
        &mut self,
        inode: Inode,
        (offset, len): (u64, u64),
        source: &'static Location<'static>,
    ) -> Result<(), Stop> {
        let now = self.settle_size(inode)?;
        self.recording.extend(inode, now, offset + len, offset + len);
        self.recording.call(Call::Allocate { inode, offset, len }, source);
        Ok(())
    }

    fn zero_range(
        &mut self,
        inode: Inode,
        (offset, len): (u64, u64),
        keep_size: bool,
        source: &'static Location<'static>,
    ) -> Result<(), Stop> {
        let now = self.settle_size(inode)?;
        let (_, mut most) = self.size_range(inode);
        if !keep_size {
            most = most.max(offset + len);
        }
        let below = self.units_below(inode, offset, most);
        self.recording.zero_data(inode, &below, offset, offset + len);
        if !keep_size {
            self.recording.extend(inode, now, offset + len, offset + len);
        }
        self.recording.call(Call::ZeroRange { inode, offset, len, keep_size }, source);
        Ok(())
    }

    /// The units from the one at byte `offset` on that zeroing a file concerns although this process has not
    /// changed them; the file has at most `most` bytes now. What lies behind the size at the reboot is gone.
    fn units_below(&mut self, inode: Inode, offset: u64, most: u64) -> Vec<u64> {
        let inherited = match self.recording.created_here(inode) {
            true => 0,
            false => self.reader().2.size_range(inode).1,
        };
        let unit = self.recording.unit() as u64;
        let mut below = self.world.units_from(inode, offset);
        below.retain(|number| *number < inherited.max(most).div_ceil(unit));
        below.extend(self.recording.holes(offset, most));
        below
    }

    pub fn set_len(
        &mut self,
        inode: Inode,
        len: u64,
        source: &'static Location<'static>,
    ) -> Result<(), Stop> {
        self.settle_size(inode)?;
        let (min, max) = self.size_range(inode);
        if (min, max) != (len, len) {
            if max > len {
                let below = self.units_below(inode, len, max);
                self.recording.zero_data(inode, &below, len, u64::MAX);
            }
            if min > len {
                self.recording.note_shrink();
            }
            self.recording.set_size(inode, len);
        }
        self.recording.call(Call::SetLen { inode, len }, source);
        Ok(())
    }
}

struct SimFile {
    shared: Arc<Shared>,
    inode: Inode,
    read: bool,
    write: bool,
    generation: u32,
    /// What it was opened by, where faults are injected.
    path: Option<Arc<Path>>,
    /// How many failed syncs of the file it has been told of.
    sync_errors_seen: AtomicU32,
}

impl SimFile {
    fn call<T>(&self, act: impl FnOnce(&mut Process) -> Result<T, Failure>) -> io::Result<T> {
        self.shared.call(Some(self.generation), act)
    }

    fn sync(&self, data_only: bool, source: &'static Location<'static>) -> io::Result<()> {
        self.call(|p| {
            if let Some(path) = &self.path {
                let mut seen = self.sync_errors_seen.load(Ordering::Relaxed);
                let result = p.faulty_sync((self.inode, path), data_only, &mut seen, source);
                self.sync_errors_seen.store(seen, Ordering::Relaxed);
                return result;
            }
            p.barrier();
            p.recording.call(Call::SyncFile { inode: self.inode, data_only }, source);
            Ok(())
        })
    }

    /// Makes a call, or has it fail.
    fn faulty<T>(
        &self,
        p: &mut Process,
        call: CallKind,
        source: &'static Location<'static>,
        act: impl FnOnce(&mut Process) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match &self.path {
            Some(path) => p.faulty(call, &[path], source, act),
            None => act(p),
        }
    }
}

/// Whether a range of bytes is one that a file can have.
fn is_offset_valid(offset: u64, len: u64) -> bool {
    offset.checked_add(len).is_some_and(|end| end <= i64::MAX as u64)
}

impl VfsFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let source = Location::caller();
        self.call(|p| {
            if !is_offset_valid(offset, 0) {
                return Err(Errno::INVAL.into());
            }
            if !self.read {
                return Err(Errno::BADF.into());
            }
            match &self.path {
                Some(path) => p.faulty_read(self.inode, path, buf, offset, source),
                None => Ok(p.read(self.inode, buf, offset)?),
            }
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
            match &self.path {
                Some(path) => p.faulty_write(self.inode, path, data, offset, source),
                None => Ok(p.write(self.inode, data, offset, source)?),
            }
        })
    }

    fn len(&self) -> io::Result<u64> {
        let source = Location::caller();
        self.call(|p| self.faulty(p, CallKind::Len, source, |p| Ok(p.size(self.inode, 0, u64::MAX)?)))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| {
            if !self.write || !is_offset_valid(len, 0) {
                return Err(Errno::INVAL.into());
            }
            self.faulty(p, CallKind::SetLen, source, |p| Ok(p.set_len(self.inode, len, source)?))
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
            self.faulty(p, CallKind::Allocate, source, |p| {
                if let Some(path) = &self.path {
                    p.fitting(CallKind::Allocate, (self.inode, path), offset, len, source)?;
                }
                Ok(p.allocate(self.inode, (offset, len), source)?)
            })
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
        let call = if options.create || options.create_new { CallKind::Create } else { CallKind::Open };
        let (inode, generation, errors, faulty) = self.call(|p| {
            let inode = p.faulty(call, &[path], source, |p| p.open(path, options, source))?;
            Ok((inode, p.generation, p.sync_errors(inode), p.faults.is_some()))
        })?;
        Ok(Box::new(SimFile {
            shared: self.shared.clone(),
            inode,
            read: options.read,
            write: options.write,
            generation,
            path: faulty.then(|| Arc::from(path)),
            sync_errors_seen: AtomicU32::new(errors),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.faulty(CallKind::Rename, &[from, to], source, |p| p.rename(from, to, source)))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.faulty(CallKind::Remove, &[path], source, |p| p.remove_file(path, source)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.faulty(CallKind::CreateDir, &[path], source, |p| p.create_dir(path, source)))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.faulty(CallKind::RemoveDir, &[path], source, |p| p.remove_dir(path, source)))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let source = Location::caller();
        self.call(|p| p.faulty(CallKind::ReadDir, &[path], source, |p| p.read_dir(path)))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let source = Location::caller();
        let look = |p: &mut Process| {
            let inode = p.find(path)?;
            if p.is_dir(inode) {
                return Ok(Metadata { kind: FileKind::Directory, len: 0 });
            }
            Ok(Metadata { kind: FileKind::File, len: p.size(inode, 0, u64::MAX)? })
        };
        self.call(|p| p.faulty(CallKind::Metadata, &[path], source, look))
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| {
            p.faulty(CallKind::Link, &[existing, new], source, |p| p.hard_link(existing, new, source))
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        self.call(|p| p.faulty_sync_dir(path, source))
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>> {
        let source = Location::caller();
        let take = |p: &mut Process| {
            let dir = p.find_dir(dir)?;
            if !p.locks.insert(dir) {
                return Err(Errno::WOULDBLOCK.into());
            }
            Ok((dir, p.generation))
        };
        let (dir, generation) = self.call(|p| p.faulty(CallKind::Lock, &[dir], source, take))?;
        Ok(Box::new(SimLock { shared: self.shared.clone(), dir, generation }))
    }
}
