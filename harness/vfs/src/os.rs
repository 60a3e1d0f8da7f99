//! The kernel's file system behind the seam.

/// The kernel's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFs;
