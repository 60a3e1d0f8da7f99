//! The seam between a storage engine and a file system.
//!
//! An engine that does its input and output through [`Vfs`] and [`VfsFile`] runs unchanged on the kernel's
//! file system ([`OsFs`]) and on unplug's simulated disk. The traits are small on purpose: positional reads
//! and writes, `&self` everywhere, plain [`std::io::Error`] values that carry the operating system's own
//! error number (`raw_os_error`).
//!
//! Every method says what a crash may undo after it has returned. "Crash" means power loss: everything that
//! only the operating system's cache holds is gone. A killed process loses nothing that a call has returned.
//!
//! Methods are `#[track_caller]`: a file system that records calls can tell the line of the engine's source
//! that made each of them. An engine's own helpers should carry the attribute on.

mod os;

use std::ffi::OsString;
use std::io;
use std::path::Path;

pub use os::OsFs;

/// What a directory entry or a path refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// What [`Vfs::metadata`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// File or directory.
    pub kind: FileKind,
    /// Length in bytes; 0 for a directory.
    pub len: u64,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without its directory.
    pub name: OsString,
    /// What it refers to.
    pub kind: FileKind,
}

/// How [`Vfs::open`] opens a file. The fields mean what they mean in [`std::fs::OpenOptions`]; there is no
/// append mode, because all writes are positional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Reads are allowed.
    pub read: bool,
    /// Writes, `set_len` and `allocate` are allowed.
    pub write: bool,
    /// Create the file if it is missing (needs `write`).
    pub create: bool,
    /// Create the file; fail with `AlreadyExists` if the name is taken (needs `write`).
    pub create_new: bool,
    /// Cut an existing file to zero bytes (needs `write`).
    pub truncate: bool,
}

impl OpenOptions {
    /// Read an existing file.
    pub const READ: OpenOptions =
        OpenOptions { read: true, write: false, create: false, create_new: false, truncate: false };
    /// Read and write an existing file.
    pub const READ_WRITE: OpenOptions = OpenOptions { write: true, ..OpenOptions::READ };
    /// Read and write a file that must not exist yet.
    pub const CREATE_NEW: OpenOptions = OpenOptions { create_new: true, ..OpenOptions::READ_WRITE };
    /// Read and write a file, created if missing, cut to zero bytes if not.
    pub const CREATE_TRUNCATE: OpenOptions =
        OpenOptions { create: true, truncate: true, ..OpenOptions::READ_WRITE };
    /// Read and write a file, created if missing.
    pub const CREATE: OpenOptions = OpenOptions { create: true, ..OpenOptions::READ_WRITE };

    /// Whether the combination is one that the kernel takes: reading or writing, and creation or truncation
    /// only together with writing.
    pub fn is_valid(&self) -> bool {
        let changes = self.create || self.create_new || self.truncate;
        self.write || (self.read && !changes)
    }
}

/// Holds an advisory lock on a directory until it is dropped. See [`Vfs::lock`].
pub trait VfsLock: Send + Sync {}

/// A file system. Paths are taken as they are given; `.` and `..` components and symbolic links are not
/// supported by every implementation and should not be used.
pub trait Vfs: Send + Sync {
    /// Opens, and with the options creates or truncates, a file. A directory gives `IsADirectory`; options
    /// that are not [valid](OpenOptions::is_valid) give `InvalidInput`.
    ///
    /// *Durability:* a created name may vanish in a crash until [`sync_dir`](Vfs::sync_dir) of its directory
    /// has returned, whatever was synced in the file itself; a truncation may be undone, or be visible, until
    /// the file is synced.
    ///
    /// *Errors:* `NotFound`, `AlreadyExists` (`create_new`), `IsADirectory`, `NotADirectory` (a path through
    /// a file), or the kernel's own.
    #[track_caller]
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>>;

    /// Gives the file or directory at `from` the name `to`; a file or an empty directory already there is
    /// replaced. If both names are links to one file, nothing happens.
    ///
    /// *Durability:* until the directories of both names are synced, a crash may leave the old name, the new
    /// one, or (across directories) both. It says nothing of the file's content: sync that first.
    ///
    /// *Errors:* `NotFound`; `IsADirectory` (a file over a directory), `NotADirectory` (a directory over a
    /// file), `DirectoryNotEmpty`, `InvalidInput` (a directory into itself).
    #[track_caller]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Open handles stay usable; the content goes with the last name and handle.
    ///
    /// *Durability:* until the directory is synced, a crash may bring the name back, with its content.
    ///
    /// *Errors:* `NotFound`; `IsADirectory` for a directory.
    #[track_caller]
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Creates an empty directory.
    ///
    /// *Durability:* as a created file: sync the *parent* to keep its name.
    ///
    /// *Errors:* `AlreadyExists`, `NotFound` (the parent).
    #[track_caller]
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// *Durability:* as [`remove_file`](Vfs::remove_file).
    ///
    /// *Errors:* `NotFound`, `DirectoryNotEmpty`, `NotADirectory`.
    #[track_caller]
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory, sorted by name, without `.` and `..`.
    ///
    /// *Durability:* shows what the cache holds: names seen here may still vanish, and removed ones return.
    ///
    /// *Errors:* `NotFound`, `NotADirectory`.
    #[track_caller]
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Kind and length of what a path refers to.
    ///
    /// *Durability:* the length is the cache's; after a crash it may be any length that was not synced.
    ///
    /// *Errors:* `NotFound`, `NotADirectory` (a path through a file).
    #[track_caller]
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Gives an existing file a second name.
    ///
    /// *Durability:* as a created name. Both names show one content, always.
    ///
    /// *Errors:* `NotFound`, `AlreadyExists`, `PermissionDenied` for a directory.
    #[track_caller]
    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()>;

    /// Makes a directory's entries durable: names created, renamed in or out, and removed before the call
    /// began survive any crash after it has returned. It promises nothing about the content of the files.
    ///
    /// *Errors:* `NotFound`, `NotADirectory`, and any failure of the disk. After a failure the entries may be
    /// durable or not, and a repeated call may return Ok without having written anything.
    #[track_caller]
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes an exclusive advisory lock on a directory, without waiting. It leaves nothing on the disk; it
    /// ends when the returned value is dropped or the process dies.
    ///
    /// *Errors:* `WouldBlock` if another holder has it, in this process or any other; `NotFound`,
    /// `NotADirectory`.
    #[track_caller]
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn VfsLock>>;
}

/// An open file. A handle refers to the file itself, not to its name: it stays valid when the file is renamed
/// or removed, and syncing it covers what was written under any name and through any handle.
pub trait VfsFile: Send + Sync {
    /// Reads up to `buf.len()` bytes at `offset` and returns how many; 0 means the end of the file (or an
    /// empty `buf`). Fewer than asked is legal and happens anywhere, not only at the end: loop, or use
    /// [`read_fully_at`](VfsFile::read_fully_at).
    ///
    /// *Durability:* what is read may not be durable; after a kill, it may still vanish at power loss.
    #[track_caller]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes up to `data.len()` bytes at `offset` and returns how many. Fewer than asked is legal. Writing
    /// past the end extends the file, with zeros in any gap.
    ///
    /// *Durability:* nothing until a sync has returned. A crash may keep any part of it: each 512-byte sector
    /// on its own, the length without the data, the data without the length, an older version of a sector
    /// that was written twice.
    #[track_caller]
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize>;

    /// The file's length in bytes. Errors as the kernel's `fstat`. After a crash every un-synced length is
    /// possible, so recovery code does better to read to the end.
    #[track_caller]
    fn len(&self) -> io::Result<u64>;

    /// Whether the file is empty; see [`len`](VfsFile::len).
    #[track_caller]
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or extends the file to `len` bytes; an extension reads as zeros.
    ///
    /// *Durability:* nothing until a sync has returned: the old length with the old content, the old length
    /// with the cut part zeroed, and the new length are all possible.
    #[track_caller]
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space for `offset..offset + len` and extends the file to its end; what was not written
    /// before reads as zeros. `len` 0 gives `InvalidInput`.
    ///
    /// *Durability:* as [`set_len`](VfsFile::set_len).
    #[track_caller]
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// `fdatasync`: when it has returned, content and length as they were when it began survive any crash.
    /// Not the file's name: see [`Vfs::sync_dir`].
    ///
    /// *Errors:* after a failure the written data may or may not be on the disk, the kernel has marked it
    /// clean, and a repeated call returns Ok *without writing it*. Treat the first error as final for
    /// everything written since the last success.
    #[track_caller]
    fn sync_data(&self) -> io::Result<()>;

    /// `fsync`: as [`sync_data`](VfsFile::sync_data), with the file's other attributes.
    #[track_caller]
    fn sync_all(&self) -> io::Result<()>;

    /// Reads until `buf` is full or the file ends; returns how many bytes were read. Repeats after
    /// `Interrupted`.
    #[track_caller]
    fn read_fully_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read_at(&mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }

    /// Writes all of `data`. Repeats after short writes and `Interrupted`; on any other error an unknown
    /// part may have been written.
    #[track_caller]
    fn write_fully_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut written = 0;
        while written < data.len() {
            match self.write_at(&data[written..], offset + written as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
