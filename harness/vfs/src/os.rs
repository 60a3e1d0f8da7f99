//! The kernel's file system behind the seam.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

/// The kernel's file system. Every error carries the kernel's own number (`raw_os_error`).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFs;

impl Vfs for OsFs {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        if !options.is_valid() {
            return Err(Errno::INVAL.into());
        }
        let file = File::from(open_fd(path, flags_of(options))?);
        // The kernel refuses to open a directory for writing, but not for reading.
        if !options.write && file.metadata()?.is_dir() {
            return Err(Errno::ISDIR.into());
        }
        Ok(Box::new(OsFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::rename(from, to)?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::unlink(path)?)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::mkdir(path, Mode::from_raw_mode(0o777))?)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::rmdir(path)?)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            entries.push(DirEntry { name: entry.file_name(), kind: kind_of(entry.file_type()?.is_dir()) });
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let metadata = fs::metadata(path)?;
        let kind = kind_of(metadata.is_dir());
        let len = match kind {
            FileKind::File => metadata.len(),
            FileKind::Directory => 0,
        };
        Ok(Metadata { kind, len })
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        Ok(rustix::fs::link(existing, new)?)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::from(open_dir(path)?).sync_all()
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>> {
        // The lock belongs to this open description: it ends with us, or when we drop it.
        let fd = open_dir(dir)?;
        rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(OsLock(fd)))
    }
}

struct OsFile(File);

impl VfsFile for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(data, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::ftruncate(&self.0, len))?)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fallocate(&self.0, FallocateFlags::empty(), offset, len))?)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

struct OsLock(OwnedFd);

impl VfsLock for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        // Closing does not end it while a process that another thread is starting has a copy of the descriptor.
        // If this fails, closing is all that can be done.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

fn flags_of(options: OpenOptions) -> OFlags {
    let mut flags = match (options.read, options.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    flags.set(OFlags::CREATE, options.create || options.create_new);
    flags.set(OFlags::EXCL, options.create_new);
    flags.set(OFlags::TRUNC, options.truncate);
    flags
}

fn open_fd(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mode = Mode::from_raw_mode(0o666);
    Ok(retry_on_intr(|| rustix::fs::open(path, flags | OFlags::CLOEXEC, mode))?)
}

fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    open_fd(path, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn kind_of(is_dir: bool) -> FileKind {
    if is_dir { FileKind::Directory } else { FileKind::File }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn with_dir(check: impl FnOnce(&Path)) {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path());
    }

    fn write(path: &Path, data: &[u8]) {
        let file = OsFs.open(path, OpenOptions::CREATE_TRUNCATE).unwrap();
        file.write_fully_at(data, 0).unwrap();
    }

    fn read(path: &Path) -> Vec<u8> {
        let file = OsFs.open(path, OpenOptions::READ).unwrap();
        let mut buf = vec![0; file.len().unwrap() as usize + 1];
        let n = file.read_fully_at(&mut buf, 0).unwrap();
        buf.truncate(n);
        buf
    }

    #[track_caller]
    fn fails<T>(result: io::Result<T>, kind: ErrorKind, errno: Errno) {
        let error = result.err().expect("the call must fail");
        assert_eq!((error.kind(), error.raw_os_error()), (kind, Some(errno.raw_os_error())));
    }

    #[test]
    fn written_bytes_are_read_back_and_survive_syncs() {
        with_dir(|dir| {
            let path = dir.join("f");
            let file = OsFs.open(&path, OpenOptions::CREATE_NEW).unwrap();
            file.write_fully_at(b"cd", 2).unwrap();
            file.sync_data().unwrap();
            file.sync_all().unwrap();
            OsFs.sync_dir(dir).unwrap();
            assert_eq!(read(&path), b"\0\0cd");
            assert!(!file.is_empty().unwrap());
            assert_eq!(OsFs.metadata(&path).unwrap(), Metadata { kind: FileKind::File, len: 4 });
        });
    }

    #[test]
    fn open_tells_apart_missing_existing_directory_and_path_through_a_file() {
        with_dir(|dir| {
            let file = dir.join("f");
            fails(OsFs.open(&file, OpenOptions::READ), ErrorKind::NotFound, Errno::NOENT);
            write(&file, b"x");
            fails(OsFs.open(&file, OpenOptions::CREATE_NEW), ErrorKind::AlreadyExists, Errno::EXIST);
            for options in [OpenOptions::READ, OpenOptions::READ_WRITE, OpenOptions::CREATE_TRUNCATE] {
                fails(OsFs.open(dir, options), ErrorKind::IsADirectory, Errno::ISDIR);
            }
            let through = file.join("g");
            fails(OsFs.open(&through, OpenOptions::CREATE), ErrorKind::NotADirectory, Errno::NOTDIR);
            fails(OsFs.open(&file, OpenOptions::default()), ErrorKind::InvalidInput, Errno::INVAL);
        });
    }

    #[test]
    fn handles_refuse_what_they_were_not_opened_for() {
        with_dir(|dir| {
            let path = dir.join("f");
            write(&path, b"x");
            let reader = OsFs.open(&path, OpenOptions::READ).unwrap();
            assert_eq!(
                reader.write_at(b"y", 0).unwrap_err().raw_os_error(),
                Some(Errno::BADF.raw_os_error())
            );
            let write_only = OpenOptions { write: true, ..OpenOptions::default() };
            let writer = OsFs.open(&path, write_only).unwrap();
            let error = writer.read_at(&mut [0], 0).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::BADF.raw_os_error()));
            fails(writer.allocate(0, 0), ErrorKind::InvalidInput, Errno::INVAL);
        });
    }

    #[test]
    fn lengths_are_cut_extended_and_reserved() {
        with_dir(|dir| {
            let path = dir.join("f");
            write(&path, b"abcdef");
            let file = OsFs.open(&path, OpenOptions::READ_WRITE).unwrap();
            file.set_len(2).unwrap();
            file.set_len(4).unwrap();
            assert_eq!(read(&path), b"ab\0\0");
            file.allocate(1, 5).unwrap();
            assert_eq!(read(&path), b"ab\0\0\0\0");
            file.allocate(0, 1).unwrap();
            assert_eq!(file.len().unwrap(), 6);
            assert_eq!(file.read_at(&mut [0; 4], 100).unwrap(), 0);
        });
    }

    #[test]
    fn directories_are_made_listed_in_order_and_removed_only_when_empty() {
        with_dir(|dir| {
            let sub = dir.join("b");
            OsFs.create_dir(&sub).unwrap();
            write(&dir.join("c"), b"");
            write(&dir.join("a"), b"");
            let names: Vec<_> = OsFs.read_dir(dir).unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
            let expected = [("a", FileKind::File), ("b", FileKind::Directory), ("c", FileKind::File)]
                .map(|(n, k)| (n.into(), k));
            assert_eq!(names, expected);
            assert_eq!(OsFs.metadata(&sub).unwrap(), Metadata { kind: FileKind::Directory, len: 0 });
            fails(OsFs.create_dir(&sub), ErrorKind::AlreadyExists, Errno::EXIST);
            fails(OsFs.remove_file(&sub), ErrorKind::IsADirectory, Errno::ISDIR);
            fails(OsFs.remove_dir(&dir.join("a")), ErrorKind::NotADirectory, Errno::NOTDIR);
            write(&sub.join("x"), b"");
            fails(OsFs.remove_dir(&sub), ErrorKind::DirectoryNotEmpty, Errno::NOTEMPTY);
            OsFs.remove_file(&sub.join("x")).unwrap();
            OsFs.remove_dir(&sub).unwrap();
            fails(OsFs.read_dir(&sub), ErrorKind::NotFound, Errno::NOENT);
            fails(OsFs.sync_dir(&sub), ErrorKind::NotFound, Errno::NOENT);
            fails(OsFs.sync_dir(&dir.join("a")), ErrorKind::NotADirectory, Errno::NOTDIR);
        });
    }

    #[test]
    fn hard_links_share_content_and_renaming_one_over_the_other_does_nothing() {
        with_dir(|dir| {
            let (a, b) = (dir.join("a"), dir.join("b"));
            write(&a, b"1");
            OsFs.hard_link(&a, &b).unwrap();
            OsFs.rename(&a, &b).unwrap();
            assert_eq!(OsFs.read_dir(dir).unwrap().len(), 2);
            OsFs.open(&b, OpenOptions::READ_WRITE).unwrap().write_fully_at(b"2", 0).unwrap();
            assert_eq!(read(&a), b"2");
            fails(OsFs.hard_link(&a, &b), ErrorKind::AlreadyExists, Errno::EXIST);
            fails(OsFs.hard_link(dir, &dir.join("d")), ErrorKind::PermissionDenied, Errno::PERM);
        });
    }

    #[test]
    fn handles_follow_their_file_through_rename_and_removal() {
        with_dir(|dir| {
            let (a, b) = (dir.join("a"), dir.join("b"));
            write(&a, b"old");
            write(&b, b"gone");
            let moved = OsFs.open(&a, OpenOptions::READ_WRITE).unwrap();
            let removed = OsFs.open(&b, OpenOptions::READ).unwrap();
            OsFs.rename(&a, &b).unwrap();
            moved.write_fully_at(b"new", 0).unwrap();
            assert_eq!(read(&b), b"new");
            let mut buf = [0; 4];
            assert_eq!(removed.read_fully_at(&mut buf, 0).unwrap(), 4);
            assert_eq!(&buf, b"gone");
        });
    }

    #[test]
    fn a_directory_is_locked_once_until_the_lock_is_dropped() {
        with_dir(|dir| {
            let held = OsFs.lock(dir).unwrap();
            fails(OsFs.lock(dir), ErrorKind::WouldBlock, Errno::AGAIN);
            drop(held);
            drop(OsFs.lock(dir).unwrap());
            assert!(OsFs.read_dir(dir).unwrap().is_empty());
            write(&dir.join("f"), b"");
            fails(OsFs.lock(&dir.join("f")), ErrorKind::NotADirectory, Errno::NOTDIR);
        });
    }
}
