//! A file system that makes a [`Plan`]'s changes to the calls of the subject above it. Locations of calls pass
//! through it; a further sync has the location of the call it belongs to.

use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use unplug_vfs::{DirEntry, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

use super::{Action, Place, Plan, Site, Target};
use crate::fuzz::Step;
use crate::trace::Origin;

/// The file system with the changes.
pub(crate) struct EditedVfs {
    inner: Arc<dyn Vfs>,
    plan: Arc<Plan>,
    operation: Arc<AtomicU32>,
    last: Arc<Step>,
}

/// Where a call is made.
fn site(operation: &AtomicU32, action: Action, location: &'static Location<'static>) -> Site {
    let origin = match operation.load(Ordering::Relaxed) {
        0 => Origin::from(location),
        number => Origin::Operation(number),
    };
    Site { origin, action }
}

impl EditedVfs {
    /// Puts a plan between a subject and a file system. Calls belong to the operation with the number that
    /// `operation` has; where that is 0, to their source line.
    pub fn new(inner: Arc<dyn Vfs>, plan: Arc<Plan>, operation: Arc<AtomicU32>) -> EditedVfs {
        EditedVfs { inner, plan, operation, last: Arc::default() }
    }

    /// Further syncs of what a path leads to.
    #[track_caller]
    fn sync(&self, site: Site, place: Place, path: &Path, other: Option<&Path>) -> io::Result<()> {
        for target in self.plan.additions(site, place) {
            self.plan.added.fetch_add(1, Ordering::Relaxed);
            match target {
                Target::Dir => {
                    self.inner.sync_dir(parent(path))?;
                    if let Some(other) = other.filter(|other| parent(other) != parent(path)) {
                        self.inner.sync_dir(parent(other))?;
                    }
                }
                // A directory has no content to sync.
                Target::File => match self.inner.open(path, OpenOptions::READ_WRITE) {
                    Ok(file) => file.sync_data()?,
                    Err(_) => continue,
                },
            }
        }
        Ok(())
    }

    fn see(&self, location: &'static Location<'static>, result: &io::Result<impl Sized>) {
        if let Some(behaviour) = &self.plan.behaviour {
            behaviour.step(&self.last, location, class(result));
        }
    }
}

/// How a call ended, as far as behaviour goes.
fn class<T>(result: &io::Result<T>) -> u32 {
    match result {
        Ok(_) => 0,
        Err(e) => 1 + e.raw_os_error().unwrap_or(0) as u32,
    }
}

/// The directory that a name is in.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

macro_rules! named {
    ($self:ident, $action:ident, $path:ident, $call:expr) => {{
        let location = Location::caller();
        let site = site(&$self.operation, Action::$action, location);
        $self.plan.note(site, $path);
        if $self.plan.drops(site) {
            return Ok(());
        }
        $self.sync(site, Place::Before, $path, None)?;
        let result = $call;
        $self.see(location, &result);
        result?;
        $self.sync(site, Place::After, $path, None)
    }};
}

impl Vfs for EditedVfs {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        let location = Location::caller();
        let creates = options.create || options.create_new || options.truncate;
        let site = site(&self.operation, Action::Create, location);
        if creates {
            self.plan.note(site, path);
            self.sync(site, Place::Before, path, None)?;
        }
        let result = self.inner.open(path, options);
        self.see(location, &result);
        let inner = result?;
        if creates {
            self.sync(site, Place::After, path, None)?;
        }
        let (vfs, plan, last) = (self.inner.clone(), self.plan.clone(), self.last.clone());
        let (path, operation) = (path.to_path_buf(), self.operation.clone());
        Ok(Box::new(EditedFile { inner, path, vfs, plan, operation, last }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let location = Location::caller();
        let site = site(&self.operation, Action::Rename, location);
        self.plan.note(site, from);
        if self.plan.drops(site) {
            return Ok(());
        }
        self.sync(site, Place::Before, from, Some(to))?;
        let result = self.inner.rename(from, to);
        self.see(location, &result);
        result?;
        self.sync(site, Place::After, to, Some(from))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        named!(self, Remove, path, self.inner.remove_file(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        named!(self, CreateDir, path, self.inner.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        named!(self, RemoveDir, path, self.inner.remove_dir(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let result = self.inner.read_dir(path);
        self.see(Location::caller(), &result);
        result
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let result = self.inner.metadata(path);
        self.see(Location::caller(), &result);
        result
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        named!(self, Link, new, self.inner.hard_link(existing, new))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let location = Location::caller();
        let site = site(&self.operation, Action::SyncDir, location);
        self.plan.note(site, path);
        if self.plan.drops(site) {
            return Ok(());
        }
        let result = self.inner.sync_dir(path);
        self.see(location, &result);
        result
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>> {
        let result = self.inner.lock(dir);
        self.see(Location::caller(), &result);
        result
    }
}

struct EditedFile {
    inner: Box<dyn VfsFile>,
    path: PathBuf,
    vfs: Arc<dyn Vfs>,
    plan: Arc<Plan>,
    operation: Arc<AtomicU32>,
    last: Arc<Step>,
}

impl EditedFile {
    #[track_caller]
    fn sync(&self, site: Site, place: Place) -> io::Result<()> {
        for target in self.plan.additions(site, place) {
            self.plan.added.fetch_add(1, Ordering::Relaxed);
            match target {
                Target::File => self.inner.sync_data()?,
                Target::Dir => self.vfs.sync_dir(parent(&self.path))?,
            }
        }
        Ok(())
    }

    fn see(&self, location: &'static Location<'static>, class: u32) {
        if let Some(behaviour) = &self.plan.behaviour {
            behaviour.step(&self.last, location, class);
        }
    }
}

macro_rules! content {
    ($self:ident, $action:ident, $call:expr) => {{
        let location = Location::caller();
        let site = site(&$self.operation, Action::$action, location);
        $self.plan.note(site, &$self.path);
        $self.sync(site, Place::Before)?;
        let result = $call;
        $self.see(location, class(&result));
        let done = result?;
        $self.sync(site, Place::After)?;
        Ok(done)
    }};
}

macro_rules! synced {
    ($self:ident, $call:expr) => {{
        let location = Location::caller();
        let site = site(&$self.operation, Action::SyncFile, location);
        $self.plan.note(site, &$self.path);
        if $self.plan.drops(site) {
            return Ok(());
        }
        let result = $call;
        $self.see(location, class(&result));
        result
    }};
}

impl VfsFile for EditedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let result = self.inner.read_at(buf, offset);
        let ended = matches!(result, Ok(0));
        self.see(Location::caller(), if ended { u32::MAX } else { class(&result) });
        result
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        content!(self, Write, self.inner.write_at(data, offset))
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        content!(self, SetLen, self.inner.set_len(len))
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        content!(self, Allocate, self.inner.allocate(offset, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        synced!(self, self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        synced!(self, self.inner.sync_all())
    }
}
