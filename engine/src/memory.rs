//! The whole current state, in key order.

use std::collections::{BTreeMap, btree_map};
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::record::{Op, Ops};

/// A key or a value.
pub(crate) type Bytes = Arc<[u8]>;

#[derive(Default)]
pub(crate) struct Memory {
    map: BTreeMap<Bytes, Bytes>,
}

impl Memory {
    /// A state from entries in strictly ascending order.
    pub(crate) fn from_sorted(entries: Vec<(Bytes, Bytes)>) -> Memory {
        Memory { map: BTreeMap::from_iter(entries) }
    }

    /// Applies operations read from a log.
    pub(crate) fn apply(&mut self, ops: Ops<'_>) {
        for (key, value) in ops {
            match value {
                Some(value) => drop(self.map.insert(key.into(), value.into())),
                None => drop(self.map.remove(key)),
            }
        }
    }

    /// Applies an operation that the log has taken.
    pub(crate) fn apply_op(&mut self, op: Op) {
        match op.value {
            Some(value) => drop(self.map.insert(op.key, value)),
            None => drop(self.map.remove(&op.key)),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.map.get(key)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.map.contains_key(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn iter(&self) -> Entries<'_> {
        self.range(..)
    }

    /// The entries between two bounds; none if the bounds are the wrong way round.
    pub(crate) fn range<'k>(&self, bounds: impl RangeBounds<&'k [u8]>) -> Entries<'_> {
        let (start, end) = (bounds.start_bound().cloned(), bounds.end_bound().cloned());
        let empty = match (start, end) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b) | Bound::Included(b)) => a >= b,
        };
        if empty {
            return Entries(None);
        }
        Entries(Some(self.map.range::<[u8], (Bound<&[u8]>, Bound<&[u8]>)>((start, end))))
    }
}

/// Entries in key order.
#[derive(Clone, Debug)]
pub struct Entries<'a>(Option<btree_map::Range<'a, Bytes, Bytes>>);

impl<'a> Iterator for Entries<'a> {
    /// Key and value.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next().map(|(key, value)| (&key[..], &value[..]))
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.as_mut()?.next_back().map(|(key, value)| (&key[..], &value[..]))
    }
}
