//! A plain in-memory file system: directories are maps, files are byte vectors, and nothing is ever lost.
//!
//! It knows nothing of crashes. It is the yardstick: for speed (a recovery on it is the fastest that a
//! recovery can be), and for truth (a violation found on the simulated disk counts only when a plain run on
//! the same files shows it too).
//!
//! It answers as Linux does, error numbers and the order of checks included; the conformance test holds it
//! against the kernel. Where it differs:
//!
//! - paths start at its root, with or without a leading `/`; `.` components and trailing slashes are ignored,
//!   `..` gives `EINVAL`; names must be UTF-8 (`EILSEQ`); there are no symbolic links and no permissions;
//! - a file holds at most [`LEN_MAX`] bytes, then `EFBIG`; space never runs out;
//! - reads and writes are never short (but at `LEN_MAX`).

mod file;
mod names;
mod tree;

use std::collections::BTreeSet;
use std::io;
use std::panic::Location;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

use crate::trace::{Call, EventKind, Inode, Mark, Name, Trace};
use file::{Handle, Node};
use names::{Dir, Entry, is_inside};
pub use tree::{Tree, TreeNode};

/// The longest file, in bytes: 1 GiB.
pub const LEN_MAX: u64 = 1 << 30;

/// The plain file system. A clone is another handle on the same files; for an independent copy take
/// [`MemFs::from_tree`] of [`MemFs::tree`], which copies no content.
#[derive(Clone, Debug)]
pub struct MemFs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    recording: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    root: Dir,
    next_inode: u32,
    locked: BTreeSet<Inode>,
    trace: Trace,
}

type Source = &'static Location<'static>;

impl MemFs {
    /// An empty file system.
    pub fn new() -> MemFs {
        MemFs::build(&Tree::new(), false)
    }

    /// A file system that holds `tree`. Contents are shared until they are written.
    pub fn from_tree(tree: &Tree) -> MemFs {
        MemFs::build(tree, false)
    }

    /// An empty file system that records its calls; see [`MemFs::take_trace`].
    pub fn recording() -> MemFs {
        MemFs::build(&Tree::new(), true)
    }

    /// A file system that holds `tree` and records its calls. Inodes are numbered as [`Tree::inodes`] says.
    pub fn recording_from_tree(tree: &Tree) -> MemFs {
        MemFs::build(tree, true)
    }

    fn build(tree: &Tree, recording: bool) -> MemFs {
        let (root, next_inode) = Dir::from_tree(tree);
        let state = State { root, next_inode, locked: BTreeSet::new(), trace: Trace::new() };
        MemFs { shared: Arc::new(Shared { recording, state: Mutex::new(state) }) }
    }

    /// All reachable files and directories, as they are now.
    pub fn tree(&self) -> Tree {
        self.state().root.to_tree()
    }

    /// Leaves a mark between the recorded calls. Without recording it does nothing.
    pub fn mark(&self, mark: Mark) {
        if self.shared.recording {
            self.state().trace.push(EventKind::Mark(mark), None);
        }
    }

    /// Hands over what was recorded and starts an empty record.
    pub fn take_trace(&self) -> Trace {
        std::mem::take(&mut self.state().trace)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Default for MemFs {
    fn default() -> MemFs {
        MemFs::new()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Records a call while the caller holds the state, so that the record has the order of the effects.
    fn record(&self, state: &mut State, source: Source, call: impl FnOnce(&mut Trace) -> Call) {
        if self.recording {
            let call = call(&mut state.trace);
            state.trace.push(EventKind::Call(call), Some(source));
        }
    }
}

/// A panic in another thread leaves whole states only: nothing below panics between two changes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn fresh_inode(&mut self) -> Inode {
        let inode = Inode(self.next_inode);
        self.next_inode += 1;
        inode
    }
}

impl Vfs for MemFs {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        let source = Location::caller();
        if !options.is_valid() {
            return Err(Errno::INVAL.into());
        }
        let state = &mut *self.state();
        let Some(place) = state.root.place(path)? else {
            return Err(if options.create_new { Errno::EXIST } else { Errno::ISDIR }.into());
        };
        let node = match place.entry()? {
            Some(_) if options.create_new => return Err(Errno::EXIST.into()),
            Some(Entry::Dir(_)) => return Err(Errno::ISDIR.into()),
            Some(Entry::File(node)) => {
                let node = Arc::clone(node);
                if options.truncate {
                    node.set_len(0);
                    self.shared.record(state, source, |_| Call::SetLen { inode: node.inode, len: 0 });
                }
                node
            }
            None if !(options.create || options.create_new) => return Err(Errno::NOENT.into()),
            None => {
                let (dir, name) = (place.dir.inode, Name::from(place.name));
                let inode = state.fresh_inode();
                let node = Arc::new(Node::new(inode, Arc::default()));
                let entry = Entry::File(Arc::clone(&node));
                state.root.parent_mut(path)?.entries.insert(Name::clone(&name), entry);
                self.shared.record(state, source, |_| Call::Create { dir, name, inode });
                node
            }
        };
        Ok(Box::new(Handle::new(node, options, Arc::clone(&self.shared))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let source = Location::caller();
        let state = &mut *self.state();
        let (old, new) = (state.root.place(from)?, state.root.place(to)?);
        let (Some(old), Some(new)) = (old, new) else {
            return Err(Errno::BUSY.into());
        };
        let (moved, target) = (old.existing()?, new.entry()?);
        if is_inside(to, from) {
            return Err(Errno::INVAL.into());
        }
        if is_inside(from, to) {
            return Err(Errno::NOTEMPTY.into());
        }
        match (moved, target) {
            (_, None) => {}
            (moved, Some(target)) if moved.inode() == target.inode() => return Ok(()),
            (Entry::Dir(_), Some(Entry::File(_))) => return Err(Errno::NOTDIR.into()),
            (Entry::File(_), Some(Entry::Dir(_))) => return Err(Errno::ISDIR.into()),
            (Entry::Dir(_), Some(Entry::Dir(target))) if !target.entries.is_empty() => {
                return Err(Errno::NOTEMPTY.into());
            }
            _ => {}
        }
        let (from_dir, from_name, inode) = (old.dir.inode, Name::from(old.name), moved.inode());
        let (to_dir, to_name) = (new.dir.inode, Name::from(new.name));
        let entry = state.root.parent_mut(from)?.entries.remove(&from_name).ok_or(Errno::NOENT)?;
        state.root.parent_mut(to)?.entries.insert(Name::clone(&to_name), entry);
        self.shared.record(state, source, |_| Call::Rename {
            from_dir,
            from: from_name,
            to_dir,
            to: to_name,
            inode,
        });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        let state = &mut *self.state();
        let place = state.root.place(path)?.ok_or(Errno::ISDIR)?;
        let inode = match place.existing()? {
            Entry::Dir(_) => return Err(Errno::ISDIR.into()),
            Entry::File(node) => node.inode,
        };
        let (dir, name) = (place.dir.inode, Name::from(place.name));
        state.root.parent_mut(path)?.entries.remove(&name);
        self.shared.record(state, source, |_| Call::Remove { dir, name, inode });
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        let state = &mut *self.state();
        let place = state.root.place(path)?.ok_or(Errno::EXIST)?;
        if place.entry()?.is_some() {
            return Err(Errno::EXIST.into());
        }
        let (dir, name) = (place.dir.inode, Name::from(place.name));
        let inode = state.fresh_inode();
        let entry = Entry::Dir(Dir::new(inode));
        state.root.parent_mut(path)?.entries.insert(Name::clone(&name), entry);
        self.shared.record(state, source, |_| Call::CreateDir { dir, name, inode });
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        let state = &mut *self.state();
        let place = state.root.place(path)?.ok_or(Errno::BUSY)?;
        let inode = match place.existing()? {
            Entry::File(_) => return Err(Errno::NOTDIR.into()),
            Entry::Dir(target) if !target.entries.is_empty() => return Err(Errno::NOTEMPTY.into()),
            Entry::Dir(target) => target.inode,
        };
        let (dir, name) = (place.dir.inode, Name::from(place.name));
        state.root.parent_mut(path)?.entries.remove(&name);
        self.shared.record(state, source, |_| Call::RemoveDir { dir, name, inode });
        Ok(())
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.state();
        let entries = &state.root.dir(path)?.entries;
        let list = entries.iter().map(|(name, entry)| DirEntry { name: (**name).into(), kind: entry.kind() });
        Ok(list.collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = self.state();
        let directory = Metadata { kind: FileKind::Directory, len: 0 };
        let Some(place) = state.root.place(path)? else {
            return Ok(directory);
        };
        match place.existing()? {
            Entry::Dir(_) => Ok(directory),
            Entry::File(node) => Ok(Metadata { kind: FileKind::File, len: node.len() }),
        }
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        let source = Location::caller();
        let state = &mut *self.state();
        let node = match state.root.place(existing)? {
            None => None,
            Some(place) => match place.existing()? {
                Entry::Dir(_) => None,
                Entry::File(node) => Some(Arc::clone(node)),
            },
        };
        let place = state.root.place(new)?.ok_or(Errno::EXIST)?;
        if place.entry()?.is_some() {
            return Err(Errno::EXIST.into());
        }
        let node = node.ok_or(Errno::PERM)?;
        let (dir, name, inode) = (place.dir.inode, Name::from(place.name), node.inode);
        state.root.parent_mut(new)?.entries.insert(Name::clone(&name), Entry::File(node));
        self.shared.record(state, source, |_| Call::Link { dir, name, inode });
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let source = Location::caller();
        let state = &mut *self.state();
        let dir = state.root.dir(path)?.inode;
        self.shared.record(state, source, |_| Call::SyncDir { dir });
        Ok(())
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>> {
        let mut state = self.state();
        let inode = state.root.dir(dir)?.inode;
        if !state.locked.insert(inode) {
            return Err(Errno::AGAIN.into());
        }
        Ok(Box::new(MemLock { shared: Arc::clone(&self.shared), inode }))
    }
}

struct MemLock {
    shared: Arc<Shared>,
    inode: Inode,
}

impl VfsLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        self.shared.state().locked.remove(&self.inode);
    }
}

#[cfg(test)]
mod tests;
