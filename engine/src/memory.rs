//! The whole current state, in key order. A clone is a frozen state, and costs nothing.

use std::ops::{Bound, RangeBounds};

use crate::record::{Op, Ops};
use crate::tree::{Cursor, Tree, allocated_bytes};

pub(crate) use crate::key::Key;
pub(crate) use crate::tree::{Bytes, Entry};

#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    tree: Tree,
    /// Of all keys and values.
    bytes: u64,
    /// What keys and values occupy outside the nodes of the tree.
    allocated: u64,
}

/// What a value, and a key that is not kept in its node, occupy.
fn allocated_by(key_len: usize, value_len: usize) -> u64 {
    Key::allocated_bytes(key_len) + allocated_bytes(value_len)
}

impl Memory {
    /// A state from entries in strictly ascending order.
    pub(crate) fn from_sorted(entries: Vec<Entry>) -> Memory {
        let bytes = entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        let allocated = entries.iter().map(|(key, value)| allocated_by(key.len(), value.len())).sum();
        Memory { tree: Tree::from_sorted(entries), bytes, allocated }
    }

    /// Applies operations read from a log.
    pub(crate) fn apply(&mut self, ops: Ops<'_>) {
        for (key, value) in ops {
            match value {
                Some(value) => self.put(key, value.into()),
                None => self.remove(key),
            }
        }
    }

    /// Applies an operation that the log has taken.
    pub(crate) fn apply_op(&mut self, op: Op) {
        match op.value {
            Some(value) => self.put(op.key, value),
            None => self.remove(&op.key),
        }
    }

    pub(crate) fn put(&mut self, key: impl AsRef<[u8]> + Into<Key>, value: Bytes) {
        let key_len = key.as_ref().len();
        self.bytes += value.len() as u64;
        self.allocated += allocated_bytes(value.len());
        match self.tree.put(key, value) {
            Some(old) => {
                self.bytes -= old.len() as u64;
                self.allocated -= allocated_bytes(old.len());
            }
            None => {
                self.bytes += key_len as u64;
                self.allocated += Key::allocated_bytes(key_len);
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        if let Some((key, value)) = self.tree.remove(key) {
            self.bytes -= (key.len() + value.len()) as u64;
            self.allocated -= allocated_by(key.len(), value.len());
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.tree.get(key)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.tree.get(key).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.tree.len()
    }

    /// About what the state occupies in memory, in bytes; takes time in proportion to its nodes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.tree.node_bytes() + self.allocated
    }

    /// The bytes of all keys and values.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn iter(&self) -> Entries<'_> {
        Entries(self.tree.between(0, self.tree.len()))
    }

    /// The entries behind a key, or all.
    pub(crate) fn after(&self, key: Option<&[u8]>) -> Cursor<'_> {
        let from = key.map_or(0, |key| self.tree.rank(key, true));
        self.tree.between(from, self.tree.len())
    }

    /// The entries between two bounds; none if the bounds are the wrong way round.
    pub(crate) fn range<'k>(&self, bounds: impl RangeBounds<&'k [u8]>) -> Entries<'_> {
        let from = match bounds.start_bound() {
            Bound::Unbounded => 0,
            Bound::Included(key) => self.tree.rank(key, false),
            Bound::Excluded(key) => self.tree.rank(key, true),
        };
        let to = match bounds.end_bound() {
            Bound::Unbounded => self.tree.len(),
            Bound::Included(key) => self.tree.rank(key, true),
            Bound::Excluded(key) => self.tree.rank(key, false),
        };
        Entries(self.tree.between(from, to))
    }
}

/// Entries in key order.
#[derive(Clone, Debug)]
pub struct Entries<'a>(Cursor<'a>);

impl<'a> Iterator for Entries<'a> {
    /// Key and value.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (&key[..], &value[..]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(key, value)| (&key[..], &value[..]))
    }
}

impl ExactSizeIterator for Entries<'_> {}
