//! Files: shared content, and open handles on it.

use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use unplug_vfs::{OpenOptions, VfsFile};

use super::{LEN_MAX, Shared, Source, lock};
use crate::trace::{Call, Inode, Trace};

/// A file without its names. Handles and directory entries share it.
#[derive(Debug)]
pub(super) struct Node {
    pub inode: Inode,
    content: Mutex<Arc<Vec<u8>>>,
}

impl Node {
    pub fn new(inode: Inode, content: Arc<Vec<u8>>) -> Node {
        Node { inode, content: Mutex::new(content) }
    }

    pub fn content(&self) -> Arc<Vec<u8>> {
        Arc::clone(&lock(&self.content))
    }

    pub fn len(&self) -> u64 {
        lock(&self.content).len() as u64
    }

    pub fn set_len(&self, len: u64) {
        Arc::make_mut(&mut lock(&self.content)).resize(len as usize, 0);
    }

    fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let content = lock(&self.content);
        let Some(rest) = usize::try_from(offset).ok().and_then(|start| content.get(start..)) else {
            return 0;
        };
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        n
    }

    /// The caller has checked that `offset + data.len()` is at most [`LEN_MAX`].
    fn write(&self, data: &[u8], offset: u64) {
        let mut content = lock(&self.content);
        let content = Arc::make_mut(&mut content);
        let start = offset as usize;
        let end = start + data.len();
        if content.len() < start {
            content.resize(start, 0);
        }
        let overlap = content.len().min(end) - start;
        content[start..start + overlap].copy_from_slice(&data[..overlap]);
        content.extend_from_slice(&data[overlap..]);
    }
}

pub(super) struct Handle {
    node: Arc<Node>,
    read: bool,
    write: bool,
    shared: Arc<Shared>,
}

impl Handle {
    pub fn new(node: Arc<Node>, options: OpenOptions, shared: Arc<Shared>) -> Handle {
        Handle { node, read: options.read, write: options.write, shared }
    }

    /// Does `change`, and records `call` where calls are recorded, as one step.
    fn apply(&self, source: Source, change: impl FnOnce(&Node), call: impl FnOnce(&mut Trace) -> Call) {
        if self.shared.recording {
            let mut state = self.shared.state();
            change(&self.node);
            self.shared.record(&mut state, source, call);
        } else {
            change(&self.node);
        }
    }

    fn sync(&self, source: Source, data_only: bool) {
        let inode = self.node.inode;
        self.apply(source, |_| {}, |_| Call::SyncFile { inode, data_only });
    }
}

/// What the kernel's signed offsets cannot hold is invalid, whatever the handle.
fn check_offset(offset: u64) -> Result<(), Errno> {
    if offset > i64::MAX as u64 { Err(Errno::INVAL) } else { Ok(()) }
}

impl VfsFile for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        check_offset(offset)?;
        if !self.read {
            return Err(Errno::BADF.into());
        }
        Ok(self.node.read(buf, offset))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        check_offset(offset)?;
        if !self.write {
            return Err(Errno::BADF.into());
        }
        if data.is_empty() {
            return Ok(0);
        }
        if offset >= LEN_MAX {
            return Err(Errno::FBIG.into());
        }
        let n = data.len().min((LEN_MAX - offset) as usize);
        let data = &data[..n];
        let call = |trace: &mut Trace| {
            let data = trace.store_bytes(data);
            Call::Write { inode: self.node.inode, offset, data }
        };
        self.apply(Location::caller(), |node| node.write(data, offset), call);
        Ok(n)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.node.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        check_offset(len)?;
        if !self.write {
            return Err(Errno::INVAL.into());
        }
        if len > LEN_MAX {
            return Err(Errno::FBIG.into());
        }
        let inode = self.node.inode;
        self.apply(Location::caller(), |node| node.set_len(len), |_| Call::SetLen { inode, len });
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        check_offset(offset)?;
        check_offset(len)?;
        if len == 0 {
            return Err(Errno::INVAL.into());
        }
        if !self.write {
            return Err(Errno::BADF.into());
        }
        let end = offset + len;
        if end > LEN_MAX {
            return Err(Errno::FBIG.into());
        }
        let extend = |node: &Node| {
            if node.len() < end {
                node.set_len(end);
            }
        };
        let inode = self.node.inode;
        self.apply(Location::caller(), extend, |_| Call::Allocate { inode, offset, len });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync(Location::caller(), true);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync(Location::caller(), false);
        Ok(())
    }
}
