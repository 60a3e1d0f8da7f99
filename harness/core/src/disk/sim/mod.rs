//! The simulated disk as a file system: one running process on top of a [`World`].

mod content;
mod file;

use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

use file::{SimFile, SimLock};

use super::below::Below;
use super::recording::{Recording, Rules};
use super::settled::Settled;
use super::told::{Log, Step};
use super::transcript::Transcript;
use super::{Bounds, Choice, Chooser, Narrowing, Stop, World};
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
    pub path: Vec<Choice>,
    /// Why it was ended from inside, if it was.
    pub stop: Option<Stop>,
    /// The file-system calls it made.
    pub calls: u64,
    /// The faults that were injected.
    pub faults: Injector,
    /// For the next run.
    pub scratch: Scratch,
}

impl Finished {
    /// What would be left of a run, but for what it did.
    pub(super) fn known(path: Vec<Choice>, decided: Vec<Narrowing>, mut scratch: Scratch) -> Finished {
        Finished {
            recording: scratch.recording.take().unwrap_or_default(),
            decided,
            barriers: Vec::new(),
            path,
            stop: None,
            calls: 0,
            faults: Injector::default(),
            scratch,
        }
    }
}

/// Memory that one run hands to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    bounds: Bounds,
    pub(super) settled: Settled,
    transcript: Transcript,
    recording: Option<Recording>,
    /// What the next run is told is kept here.
    pub(super) log: Option<Log>,
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
    pub recording: Recording,
    pub below: Below,
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

    /// As [`new`](SimDisk::new), for a process whose recording nobody crashes: its questions are the same.
    pub fn last(world: Arc<World>, chooser: Chooser, calls_max: u64, mut scratch: Scratch) -> SimDisk {
        let mut recording = scratch.recording.take().unwrap_or_default();
        recording.reset_last(world.next_inode(), world.rules);
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
        scratch.transcript.begin(&world, chooser.shared(), scratch.bounds.trail_mut());
        scratch.bounds.start(&world);
        let Scratch { bounds, settled, transcript, log, .. } = scratch;
        let process = Process {
            recording,
            below: Below { world, bounds, chooser, settled, transcript, log },
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
        self.shared.lock().below.chooser.asked()
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
        let path = p.below.chooser.take_path();
        p.below.transcript.end(&path);
        Finished {
            recording: std::mem::take(&mut p.recording),
            decided: p.below.bounds.trail().to_vec(),
            barriers: std::mem::take(&mut p.barriers),
            path,
            stop: p.stop.take(),
            calls: p.calls,
            faults: p.faults.take().map_or_else(Injector::default, |faults| *faults),
            scratch: Scratch {
                bounds: std::mem::take(&mut p.below.bounds),
                settled: std::mem::take(&mut p.below.settled),
                transcript: std::mem::take(&mut p.below.transcript),
                recording: None,
                log: p.below.log.take(),
            },
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
    /// Notes that a crash just before the next event is worth looking at.
    pub fn barrier(&mut self) {
        let Step { asked, decided } = self.below.step();
        self.barriers.push(Barrier { at: self.recording.trace.end(), asked, decided });
    }

    pub fn is_dir(&mut self, inode: Inode) -> bool {
        if self.recording.created_here(inode) {
            self.recording.is_created_dir(inode)
        } else {
            self.below.is_dir(inode)
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
