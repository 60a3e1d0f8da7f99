//! A disk that may lose whatever was not synced: every sector, length and name on its own, older versions of
//! each included. Which, is drawn at random. Small and independent of any exploring harness.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

use super::Rng;

const SECTOR: usize = 512;

/// All contents that a cell may be found with: one of `versions[low..]`.
#[derive(Clone, Debug)]
struct Cell<T> {
    versions: Vec<T>,
    low: usize,
    /// Changed since the last sync, failed or not.
    dirty: bool,
}

impl<T: Clone> Cell<T> {
    fn new(value: T) -> Cell<T> {
        Cell { versions: vec![value], low: 0, dirty: false }
    }

    fn newest(&self) -> &T {
        self.versions.last().unwrap()
    }

    fn push(&mut self, value: T) -> usize {
        self.versions.push(value);
        self.dirty = true;
        self.versions.len() - 1
    }

    fn sync(&mut self, fails: bool) {
        if self.dirty && !fails {
            self.low = self.versions.len() - 1;
        }
        self.dirty = false;
    }

    /// An index, with a liking for the extremes.
    fn draw(&self, rng: &mut Rng, bias: u64) -> usize {
        let last = self.versions.len() - 1;
        match (bias, rng.below(4)) {
            (0, 0..=2) => last,
            (1, 0..=2) => self.low,
            _ => self.low + rng.below((last - self.low + 1) as u64) as usize,
        }
    }
}

#[derive(Clone, Debug)]
struct Inode {
    size: Cell<u64>,
    sectors: BTreeMap<u64, Cell<[u8; SECTOR]>>,
}

#[derive(Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Cell<Option<usize>>>,
    /// Renames: the one name is at its version or later if and only if the other is.
    renames: Vec<((PathBuf, usize), (PathBuf, usize))>,
    dirs: Vec<PathBuf>,
    locked: bool,
    /// Calls until the machine stops; None for never.
    fuse: Option<u64>,
    /// Syncs until one fails; None for never.
    sync_fuse: Option<u64>,
    /// Sectors that are left; None for any number.
    space: Option<u64>,
    pub calls: u64,
}

#[derive(Clone)]
pub struct CrashFs(Arc<Mutex<Disk>>);

struct CrashFile(Arc<Mutex<Disk>>, usize);

struct CrashLock(Arc<Mutex<Disk>>);

fn held(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for CrashLock {
    fn drop(&mut self) {
        held(&self.0).locked = false;
    }
}

impl VfsLock for CrashLock {}

impl Disk {
    /// Every mutating call: fails once the machine has stopped. The call that stops it may have taken effect.
    fn step(&mut self) -> io::Result<bool> {
        self.calls += 1;
        match &mut self.fuse {
            None => Ok(false),
            Some(0) => Err(io::Error::other("the machine has stopped")),
            Some(left) => {
                *left -= 1;
                Ok(*left == 0)
            }
        }
    }

    fn sync_fails(&mut self) -> bool {
        match &mut self.sync_fuse {
            None => false,
            Some(left) => {
                *left = left.saturating_sub(1);
                let fails = *left == 0;
                if fails {
                    self.sync_fuse = None;
                }
                fails
            }
        }
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).and_then(|c| *c.newest()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn set_name(&mut self, path: &Path, inode: Option<usize>) -> usize {
        self.names.entry(path.to_path_buf()).or_insert_with(|| Cell::new(None)).push(inode)
    }
}

fn after(stopped: bool) -> io::Result<()> {
    if stopped { Err(io::Error::other("the machine has stopped")) } else { Ok(()) }
}

impl CrashFs {
    pub fn new() -> CrashFs {
        let disk = Disk { dirs: vec![PathBuf::from("/db")], ..Disk::default() };
        CrashFs(Arc::new(Mutex::new(disk)))
    }

    /// Stops the machine at a mutating call from now.
    pub fn stop_after(&self, calls: Option<u64>) {
        held(&self.0).fuse = calls;
    }

    /// Lets a sync from now fail, once.
    pub fn fail_sync_after(&self, syncs: Option<u64>) {
        held(&self.0).sync_fuse = syncs;
    }

    pub fn calls(&self) -> u64 {
        held(&self.0).calls
    }

    /// The process is gone, the cache is not.
    pub fn kill(&self) {
        let mut disk = held(&self.0);
        disk.fuse = None;
        disk.sync_fuse = None;
        disk.locked = false;
    }

    /// Power loss: a disk as it may be found afterwards.
    pub fn lose_power(&self, rng: &mut Rng) -> CrashFs {
        let disk = held(&self.0);
        let bias = rng.below(3);
        let mut chosen: BTreeMap<&PathBuf, usize> =
            disk.names.iter().map(|(name, cell)| (name, cell.draw(rng, bias))).collect();
        loop {
            let mut settled = true;
            for ((a, i), (b, j)) in &disk.renames {
                let (at_a, at_b) = (chosen[a], chosen[b]);
                if (at_a >= *i) != (at_b >= *j) {
                    chosen.insert(a, at_a.max(*i));
                    chosen.insert(b, at_b.max(*j));
                    settled = false;
                }
            }
            if settled {
                break;
            }
        }
        let mut new = Disk { dirs: disk.dirs.clone(), ..Disk::default() };
        for (name, at) in chosen {
            let Some(inode) = disk.names[name].versions[at] else {
                continue;
            };
            let old = &disk.inodes[inode];
            let data_bias = rng.below(3);
            let size = old.size.versions[old.size.draw(rng, data_bias)];
            let mut sectors = BTreeMap::new();
            for (index, cell) in &old.sectors {
                let mut bytes = cell.versions[cell.draw(rng, data_bias)];
                let inside = size.saturating_sub(index * SECTOR as u64).min(SECTOR as u64) as usize;
                bytes[inside..].fill(0);
                if inside > 0 {
                    sectors.insert(*index, Cell::new(bytes));
                }
            }
            new.inodes.push(Inode { size: Cell::new(size), sectors });
            new.names.insert(name.clone(), Cell::new(Some(new.inodes.len() - 1)));
        }
        CrashFs(Arc::new(Mutex::new(new)))
    }

    /// Leaves room for so many sectors.
    pub fn space(&self, sectors: Option<u64>) {
        held(&self.0).space = sectors;
    }

    pub fn file_names(&self) -> Vec<String> {
        let disk = held(&self.0);
        let present = disk.names.iter().filter(|(_, c)| c.newest().is_some());
        present.map(|(p, _)| p.file_name().unwrap().to_str().unwrap().to_string()).collect()
    }
}

impl Vfs for CrashFs {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        let mut disk = held(&self.0);
        let found = disk.inode(path);
        let creates = options.create || options.create_new;
        let stopped = if creates { disk.step()? } else { false };
        let inode = match found {
            Ok(_) if options.create_new => return Err(io::ErrorKind::AlreadyExists.into()),
            Ok(inode) => inode,
            Err(e) if !creates => return Err(e),
            Err(_) => {
                disk.inodes.push(Inode { size: Cell::new(0), sectors: BTreeMap::new() });
                let inode = disk.inodes.len() - 1;
                disk.set_name(path, Some(inode));
                inode
            }
        };
        if options.truncate {
            let file = &mut disk.inodes[inode];
            file.size.push(0);
            for cell in file.sectors.values_mut() {
                cell.push([0; SECTOR]);
            }
        }
        after(stopped)?;
        Ok(Box::new(CrashFile(self.0.clone(), inode)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = held(&self.0);
        let stopped = disk.step()?;
        let inode = disk.inode(from)?;
        let gone = disk.set_name(from, None);
        let there = disk.set_name(to, Some(inode));
        disk.renames.push(((from.to_path_buf(), gone), (to.to_path_buf(), there)));
        after(stopped)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = held(&self.0);
        let stopped = disk.step()?;
        disk.inode(path)?;
        disk.set_name(path, None);
        after(stopped)
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::DirectoryNotEmpty.into())
    }

    fn read_dir(&self, _: &Path) -> io::Result<Vec<DirEntry>> {
        let disk = held(&self.0);
        let present = disk.names.iter().filter(|(_, c)| c.newest().is_some());
        Ok(present
            .map(|(p, _)| DirEntry { name: p.file_name().unwrap().to_os_string(), kind: FileKind::File })
            .collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let disk = held(&self.0);
        let inode = disk.inode(path)?;
        Ok(Metadata { kind: FileKind::File, len: *disk.inodes[inode].size.newest() })
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        let mut disk = held(&self.0);
        let stopped = disk.step()?;
        let inode = disk.inode(existing)?;
        disk.set_name(new, Some(inode));
        after(stopped)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut disk = held(&self.0);
        let stopped = disk.step()?;
        after(stopped)?;
        let fails = disk.sync_fails();
        disk.names.values_mut().for_each(|c| c.sync(fails));
        if fails { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn VfsLock>> {
        let mut disk = held(&self.0);
        if disk.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        disk.locked = true;
        Ok(Box::new(CrashLock(self.0.clone())))
    }
}

impl VfsFile for CrashFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = held(&self.0);
        let file = &disk.inodes[self.1];
        let within = (offset % SECTOR as u64) as usize;
        let left = file.size.newest().saturating_sub(offset);
        let n = buf.len().min(SECTOR - within).min(left as usize);
        match file.sectors.get(&(offset / SECTOR as u64)) {
            Some(cell) => buf[..n].copy_from_slice(&cell.newest()[within..within + n]),
            None => buf[..n].fill(0),
        }
        Ok(n)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let mut disk = held(&self.0);
        let stopped = disk.step()?;
        let mut space = disk.space;
        let file = &mut disk.inodes[self.1];
        let mut at = 0;
        while at < data.len() {
            let from = offset + at as u64;
            let within = (from % SECTOR as u64) as usize;
            if from >= *file.size.newest() {
                match &mut space {
                    Some(0) if at == 0 => return Err(io::ErrorKind::StorageFull.into()),
                    Some(0) => break,
                    Some(left) => *left -= 1,
                    None => {}
                }
            }
            let n = (data.len() - at).min(SECTOR - within);
            let cell = file.sectors.entry(from / SECTOR as u64).or_insert_with(|| Cell::new([0; SECTOR]));
            let mut bytes = *cell.newest();
            bytes[within..within + n].copy_from_slice(&data[at..at + n]);
            cell.push(bytes);
            at += n;
            let end = from + n as u64;
            if end > *file.size.newest() {
                file.size.push(end);
            }
        }
        disk.space = space;
        after(stopped)?;
        Ok(at)
    }

    fn len(&self) -> io::Result<u64> {
        Err(io::Error::other("the store must not ask for lengths"))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = held(&self.0);
        let stopped = disk.step()?;
        let file = &mut disk.inodes[self.1];
        assert!(len.is_multiple_of(SECTOR as u64), "the store cuts at blocks, and grows by blocks");
        file.size.push(len);
        for (_, cell) in file.sectors.range_mut(len / SECTOR as u64..) {
            cell.push([0; SECTOR]);
        }
        after(stopped)
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = held(&self.0);
        let stopped = disk.step()?;
        after(stopped)?;
        let fails = disk.sync_fails();
        let file = &mut disk.inodes[self.1];
        file.size.sync(fails);
        file.sectors.values_mut().for_each(|c| c.sync(fails));
        if fails { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}
