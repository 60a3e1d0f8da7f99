//! Paths and directory operations of the running process.

use std::ffi::OsString;
use std::panic::Location;
use std::path::{Component, Path};

use unplug_vfs::{DirEntry, FileKind, OpenOptions};

use super::Stop;
use super::sim::{Errno, Failure, Process};
use super::told::Listing;
use crate::trace::{Call, Inode, Name, ROOT};

type Source = &'static Location<'static>;

impl Process {
    /// What a name refers to, as the process sees it.
    fn lookup(&mut self, dir: Inode, name: &str) -> Result<Option<Inode>, Stop> {
        if let Some(found) = self.recording.newest_entry(dir, name) {
            return Ok(found);
        }
        if self.recording.created_here(dir) {
            return Ok(None);
        }
        self.below.entry(dir, name)
    }

    /// The directory that a path's last component is in, and that component; `None` for the root itself.
    fn parent<'p>(&mut self, path: &'p Path) -> Result<(Inode, Option<&'p str>), Failure> {
        let mut dir = ROOT;
        let mut last = None;
        for component in path.components() {
            let name = match component {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => name.to_str().ok_or(Errno::ILSEQ)?,
                Component::ParentDir | Component::Prefix(_) => return Err(Errno::INVAL.into()),
            };
            if let Some(previous) = last.replace(name) {
                dir = self.lookup(dir, previous)?.ok_or(Errno::NOENT)?;
                if !self.is_dir(dir) {
                    return Err(Errno::NOTDIR.into());
                }
            }
        }
        Ok((dir, last))
    }

    pub fn find(&mut self, path: &Path) -> Result<Inode, Failure> {
        match self.parent(path)? {
            (dir, Some(name)) => Ok(self.lookup(dir, name)?.ok_or(Errno::NOENT)?),
            (root, None) => Ok(root),
        }
    }

    pub fn find_dir(&mut self, path: &Path) -> Result<Inode, Failure> {
        let dir = self.find(path)?;
        if self.is_dir(dir) { Ok(dir) } else { Err(Errno::NOTDIR.into()) }
    }

    pub fn open(&mut self, path: &Path, options: OpenOptions, source: Source) -> Result<Inode, Failure> {
        if !options.is_valid() {
            return Err(Errno::INVAL.into());
        }
        let (dir, name) = self.parent(path)?;
        let Some(name) = name else {
            return Err(if options.create_new { Errno::EXIST } else { Errno::ISDIR }.into());
        };
        match self.lookup(dir, name)? {
            Some(_) if options.create_new => Err(Errno::EXIST.into()),
            Some(inode) if self.is_dir(inode) => Err(Errno::ISDIR.into()),
            Some(inode) => {
                if options.truncate {
                    self.set_len(inode, 0, source)?;
                }
                Ok(inode)
            }
            None if options.create || options.create_new => {
                let name = Name::from(name);
                let inode = self.recording.create(false);
                self.recording.change_entry(dir, &name, Some(inode));
                self.recording.call(Call::Create { dir, name, inode }, source);
                Ok(inode)
            }
            None => Err(Errno::NOENT.into()),
        }
    }

    pub fn create_dir(&mut self, path: &Path, source: Source) -> Result<(), Failure> {
        let (dir, name) = self.parent(path)?;
        let Some(name) = name else { return Err(Errno::EXIST.into()) };
        if self.lookup(dir, name)?.is_some() {
            return Err(Errno::EXIST.into());
        }
        let name = Name::from(name);
        let inode = self.recording.create(true);
        self.recording.change_entry(dir, &name, Some(inode));
        self.recording.call(Call::CreateDir { dir, name, inode }, source);
        Ok(())
    }

    pub fn remove_file(&mut self, path: &Path, source: Source) -> Result<(), Failure> {
        let (dir, name) = self.parent(path)?;
        let Some(name) = name else { return Err(Errno::ISDIR.into()) };
        let inode = self.lookup(dir, name)?.ok_or(Errno::NOENT)?;
        if self.is_dir(inode) {
            return Err(Errno::ISDIR.into());
        }
        let name = Name::from(name);
        self.recording.change_entry(dir, &name, None);
        self.recording.note_removed(inode);
        self.recording.call(Call::Remove { dir, name, inode }, source);
        Ok(())
    }

    pub fn remove_dir(&mut self, path: &Path, source: Source) -> Result<(), Failure> {
        let (dir, name) = self.parent(path)?;
        let Some(name) = name else { return Err(Errno::BUSY.into()) };
        let inode = self.lookup(dir, name)?.ok_or(Errno::NOENT)?;
        if !self.is_dir(inode) {
            return Err(Errno::NOTDIR.into());
        }
        if !self.entries(inode)?.is_empty() {
            return Err(Errno::NOTEMPTY.into());
        }
        let name = Name::from(name);
        self.recording.change_entry(dir, &name, None);
        self.recording.call(Call::RemoveDir { dir, name, inode }, source);
        Ok(())
    }

    pub fn hard_link(&mut self, existing: &Path, new: &Path, source: Source) -> Result<(), Failure> {
        let inode = self.find(existing)?;
        let (dir, name) = self.parent(new)?;
        let Some(name) = name else { return Err(Errno::EXIST.into()) };
        if self.lookup(dir, name)?.is_some() {
            return Err(Errno::EXIST.into());
        }
        if self.is_dir(inode) {
            return Err(Errno::PERM.into());
        }
        let name = Name::from(name);
        self.recording.change_entry(dir, &name, Some(inode));
        self.recording.call(Call::Link { dir, name, inode }, source);
        Ok(())
    }

    pub fn rename(&mut self, from: &Path, to: &Path, source: Source) -> Result<(), Failure> {
        let (from_dir, from_name) = self.parent(from)?;
        let (to_dir, to_name) = self.parent(to)?;
        let (Some(from_name), Some(to_name)) = (from_name, to_name) else {
            return Err(Errno::BUSY.into());
        };
        let inode = self.lookup(from_dir, from_name)?.ok_or(Errno::NOENT)?;
        let is_dir = self.is_dir(inode);
        if is_inside(to, from) {
            return Err(Errno::INVAL.into());
        }
        if is_inside(from, to) {
            return Err(Errno::NOTEMPTY.into());
        }
        if self.target_matters(inode, is_dir, to_dir, to_name)
            && let Some(target) = self.lookup(to_dir, to_name)?
        {
            if target == inode {
                return Ok(());
            }
            match (is_dir, self.is_dir(target)) {
                (false, true) => return Err(Errno::ISDIR.into()),
                (true, false) => return Err(Errno::NOTDIR.into()),
                (true, true) if !self.entries(target)?.is_empty() => return Err(Errno::NOTEMPTY.into()),
                _ => {}
            }
        }
        let (from, to) = (Name::from(from_name), Name::from(to_name));
        let rules = self.recording.rules();
        let in_steps = !is_dir && if from_dir == to_dir { rules.steps_within } else { rules.steps_across };
        if is_dir {
            self.recording.note_moved_dir();
        }
        if in_steps || rules.garbage {
            // What the target was decides which steps there are, and whose space becomes free.
            if let Some(target) = self.lookup(to_dir, &to)? {
                if in_steps {
                    self.recording.change_entry(to_dir, &to, None);
                }
                self.recording.note_removed(target);
            }
        }
        self.recording.change_entry(from_dir, &from, None);
        self.recording.change_entry(to_dir, &to, Some(inode));
        self.recording.call(Call::Rename { from_dir, from, to_dir, to, inode }, source);
        Ok(())
    }

    pub fn exchange(&mut self, a: &Path, b: &Path, source: Source) -> Result<(), Failure> {
        let (a_dir, a_name) = self.parent(a)?;
        let (b_dir, b_name) = self.parent(b)?;
        let (Some(a_name), Some(b_name)) = (a_name, b_name) else {
            return Err(Errno::BUSY.into());
        };
        let a_inode = self.lookup(a_dir, a_name)?.ok_or(Errno::NOENT)?;
        let b_inode = self.lookup(b_dir, b_name)?.ok_or(Errno::NOENT)?;
        if a_inode == b_inode {
            return Ok(());
        }
        let (a, b) = (Name::from(a_name), Name::from(b_name));
        self.recording.change_entry(a_dir, &a, Some(b_inode));
        self.recording.change_entry(b_dir, &b, Some(a_inode));
        self.recording.call(Call::Exchange { a_dir, a, a_inode, b_dir, b, b_inode }, source);
        Ok(())
    }

    /// Whether the outcome of a rename depends on what its target is. A plain file is replaced whether it is
    /// there or not: no reason to decide.
    fn target_matters(&mut self, inode: Inode, is_dir: bool, to_dir: Inode, to: &str) -> bool {
        if is_dir || self.recording.newest_entry(to_dir, to).is_some() || self.recording.created_here(to_dir)
        {
            return true;
        }
        let possible = self.below.possible_entries(to_dir, to);
        possible.into_iter().flatten().any(|target| target == inode || self.is_dir(target))
    }

    pub fn read_dir(&mut self, path: &Path) -> Result<Vec<DirEntry>, Failure> {
        let dir = self.find_dir(path)?;
        let entries = self.entries(dir)?;
        let kind = |is_dir| if is_dir { FileKind::Directory } else { FileKind::File };
        let entry =
            |(name, _, is_dir): (Name, _, _)| DirEntry { name: OsString::from(&*name), kind: kind(is_dir) };
        Ok(entries.into_iter().map(entry).collect())
    }

    /// The names of a directory, sorted, with what they refer to, and whether that is a directory.
    fn entries(&mut self, dir: Inode) -> Result<Listing, Stop> {
        let is_new = self.recording.created_here(dir);
        if !is_new && self.recording.slot(dir).is_none_or(|slot| slot.names.is_empty()) {
            return self.below.listing(dir);
        }
        let mut names = if is_new { Vec::new() } else { self.below.names(dir) };
        names.extend(
            self.recording.slot(dir).into_iter().flat_map(|s| s.names.iter().map(|(n, _)| n.clone())),
        );
        names.sort_unstable();
        names.dedup();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            if let Some(inode) = self.lookup(dir, &name)? {
                let is_dir = self.is_dir(inode);
                found.push((name, inode, is_dir));
            }
        }
        Ok(found)
    }
}

/// Whether `path` lies below `ancestor`. Told from the paths alone: it is no reason to decide anything.
fn is_inside(path: &Path, ancestor: &Path) -> bool {
    let names = |path| Path::components(path).filter(|c| matches!(c, Component::Normal(_)));
    let mut below = names(path);
    names(ancestor).all(|name| below.next() == Some(name)) && below.next().is_some()
}
