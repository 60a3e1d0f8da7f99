//! A plain in-memory file system.

/// A whole file tree as a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tree;
