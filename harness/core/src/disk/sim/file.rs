//! Open files and locks.

use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use unplug_vfs::{VfsFile, VfsLock};

use super::{Errno, Failure, Process, Shared};
use crate::fault::CallKind;
use crate::trace::{Call, Inode};

/// An open file.
pub(super) struct SimFile {
    pub shared: Arc<Shared>,
    pub inode: Inode,
    pub read: bool,
    pub write: bool,
    pub generation: u32,
    /// What it was opened by, where faults are injected.
    pub path: Option<Arc<Path>>,
    /// How many failed syncs of the file it has been told of.
    pub sync_errors_seen: AtomicU32,
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

/// A directory's lock, held.
pub(super) struct SimLock {
    pub shared: Arc<Shared>,
    pub dir: Inode,
    pub generation: u32,
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
