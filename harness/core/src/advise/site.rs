//! A place that makes a file-system call.

use std::fmt;

use crate::trace::Origin;

/// What a call does to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Opens a file that is created or cut.
    Create,
    /// Writes.
    Write,
    /// Sets a length.
    SetLen,
    /// Reserves space.
    Allocate,
    /// Renames.
    Rename,
    /// Makes a hard link.
    Link,
    /// Removes a file.
    Remove,
    /// Makes a directory.
    CreateDir,
    /// Removes a directory.
    RemoveDir,
    /// Syncs a file.
    SyncFile,
    /// Syncs a directory.
    SyncDir,
}

impl Action {
    /// Whether it is a sync.
    pub fn is_sync(self) -> bool {
        matches!(self, Action::SyncFile | Action::SyncDir)
    }

    /// Whether it changes what a file holds.
    pub fn is_content(self) -> bool {
        matches!(self, Action::Write | Action::SetLen | Action::Allocate)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Create => "create",
            Action::Write => "write",
            Action::SetLen => "set_len",
            Action::Allocate => "allocate",
            Action::Rename => "rename",
            Action::Link => "link",
            Action::Remove => "remove",
            Action::CreateDir => "create_dir",
            Action::RemoveDir => "remove_dir",
            Action::SyncFile => "file sync",
            Action::SyncDir => "directory sync",
        })
    }
}

/// A place that makes calls, and what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The place.
    pub origin: Origin,
    /// What a call there does.
    pub action: Action,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.action, self.origin)
    }
}
