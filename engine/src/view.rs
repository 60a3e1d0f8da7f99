//! A state that stays as it is.

use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use unplug_vfs::Vfs;

use crate::error::Error;
use crate::memory::{Entries, Memory};
use crate::salvage;

/// The whole state of a store at one moment. It shares what has not changed since with the store and keeps
/// nothing waiting; it may outlive the store.
#[derive(Clone, Debug)]
pub struct View {
    memory: Memory,
    sequence: u64,
}

impl View {
    pub(crate) fn new(memory: Memory, sequence: u64) -> View {
        View { memory, sequence }
    }

    /// The number of the last write that it shows.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Option<Arc<[u8]>> {
        self.memory.get(key).cloned()
    }

    /// The entries whose keys lie in a range, in key order; none if the bounds are the wrong way round.
    pub fn range<'k>(&self, range: impl RangeBounds<&'k [u8]>) -> Entries<'_> {
        self.memory.range(range)
    }

    /// All entries in key order.
    pub fn iter(&self) -> Entries<'_> {
        self.memory.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.memory.len() == 0
    }

    /// Writes a store of its own that holds this state: a backup, which is there whole or not at all, and
    /// durable when this returns. `to` must be missing or an empty directory. The store that the view is of
    /// takes writes meanwhile.
    pub fn back_up(&self, vfs: Arc<dyn Vfs>, to: &Path) -> Result<(), Error> {
        salvage::write_state(vfs, to, &self.memory)
    }
}
