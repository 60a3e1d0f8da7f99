//! The model of a key-value store.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::bytes::literal;
use super::{KvChange, KvOp};

/// One key with its value.
type Entry = (Arc<[u8]>, Arc<[u8]>);

/// What a key-value store holds: pairs sorted by key.
///
/// A sorted vector of shared bytes: cloned once per operation of a workload, and compared tens of thousands
/// of times per second with what a recovery read.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KvState {
    entries: Vec<Entry>,
}

impl KvState {
    /// The empty store.
    pub fn new() -> KvState {
        KvState::default()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The pairs, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(key, value)| (&**key, &**value))
    }

    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        // Stores are read in key order: the end is the usual place.
        match self.entries.last() {
            None => Err(0),
            Some((last, _)) if &**last < key => Err(self.entries.len()),
            Some(_) => self.entries.binary_search_by(|(probe, _)| (**probe).cmp(key)),
        }
    }

    /// A key's value.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.position(key).ok().map(|at| &*self.entries[at].1)
    }

    /// Sets a key.
    pub fn put(&mut self, key: impl Into<Arc<[u8]>> + AsRef<[u8]>, value: impl Into<Arc<[u8]>>) {
        match self.position(key.as_ref()) {
            Ok(at) => self.entries[at].1 = value.into(),
            Err(at) => self.entries.insert(at, (key.into(), value.into())),
        }
    }

    /// Deletes a key, there or not.
    pub fn delete(&mut self, key: &[u8]) {
        if let Ok(at) = self.position(key) {
            self.entries.remove(at);
        }
    }

    fn change(&mut self, change: &KvChange) {
        match change {
            KvChange::Put { key, value } => self.put(key.shared().clone(), value.shared().clone()),
            KvChange::Del { key } => self.delete(key.as_slice()),
        }
    }

    /// What an operation does.
    pub fn apply(&mut self, op: &KvOp) {
        match op {
            KvOp::Change(change) => self.change(change),
            KvOp::Batch(changes) => changes.iter().for_each(|change| self.change(change)),
            KvOp::Sync | KvOp::Compact => {}
        }
    }

    /// A few lines that say how `got` differs: keys that are missing, unexpected, or have another value.
    pub fn diff(&self, got: &KvState) -> Vec<String> {
        const LINES_MAX: usize = 8;
        let mut lines = Vec::new();
        let (mut allowed, mut found) = (self.entries.iter().peekable(), got.entries.iter().peekable());
        loop {
            let order = match (allowed.peek(), found.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let (want, have) = match order {
                Ordering::Less => (allowed.next(), None),
                Ordering::Greater => (None, found.next()),
                Ordering::Equal => (allowed.next(), found.next()),
            };
            match (want, have) {
                (Some((key, value)), None) => {
                    lines.push(format!("missing    {} = {}", brief(key), brief(value)));
                }
                (None, Some((key, value))) => {
                    lines.push(format!("unexpected {} = {}", brief(key), brief(value)));
                }
                (Some((key, value)), Some((_, other))) if value != other => {
                    lines.push(format!("different  {} = {}, not {}", brief(key), brief(other), brief(value)));
                }
                _ => {}
            }
        }
        if lines.len() > LINES_MAX {
            let more = lines.len() - LINES_MAX;
            lines.truncate(LINES_MAX);
            lines.push(format!("… and {more} more"));
        }
        lines
    }
}

/// The start of a key or value, with its length if it is cut.
fn brief(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 16;
    match bytes.get(..SHOWN_MAX) {
        Some(head) if bytes.len() > SHOWN_MAX => format!("{}… ({} bytes)", literal(head), bytes.len()),
        _ => literal(bytes),
    }
}

impl<K: Into<Arc<[u8]>> + AsRef<[u8]>, V: Into<Arc<[u8]>>> FromIterator<(K, V)> for KvState {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> KvState {
        let mut state = KvState::new();
        for (key, value) in pairs {
            state.put(key, value);
        }
        state
    }
}

impl fmt::Debug for KvState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.entries.iter().map(|(key, value)| (brief(key), brief(value)));
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn after(lines: &[&str]) -> KvState {
        let mut state = KvState::new();
        for line in lines {
            state.apply(&line.parse().unwrap());
        }
        state
    }

    #[test]
    fn operations_do_what_they_say() {
        let state =
            after(&["put b 1", "put a 2", "batch put c 3; del b; put a 4", "del x", "sync", "compact"]);
        let pairs: Vec<_> = state.iter().collect();
        assert_eq!(pairs, [(&b"a"[..], &b"4"[..]), (b"c", b"3")]);
        assert_eq!((state.get(b"a"), state.get(b"b")), (Some(&b"4"[..]), None));
    }

    #[test]
    fn a_difference_is_told_in_few_short_lines() {
        let allowed = after(&["put a 1", "put b fill(1,1000)", "put c 3"]);
        let got = after(&["put a 1", "put b 2", "put d \"x y\""]);
        assert_eq!(
            allowed.diff(&got),
            [
                "different  b = 2, not \"\\xc1\\\\\\x02\\x89\\xec-\\n\\x91g\\xec\\x8ee\\xa1\\x8d\\xeb\\xbe\"… (1000 bytes)",
                "missing    c = 3",
                "unexpected d = \"x y\"",
            ]
        );
        let many: KvState = (0..20u8).map(|i| (vec![b'a' + i], vec![])).collect();
        assert_eq!(KvState::new().diff(&many).last().unwrap(), "… and 12 more");
        assert_eq!(many.diff(&many), [""; 0]);
    }

    proptest! {
        #[test]
        fn it_behaves_as_an_ordered_map(ops in proptest::collection::vec((any::<bool>(), 0..8u8, any::<u8>()), 0..40)) {
            let (mut state, mut map) = (KvState::new(), BTreeMap::new());
            for (put, key, value) in ops {
                if put {
                    state.put(vec![key], vec![value]);
                    map.insert(vec![key], vec![value]);
                } else {
                    state.delete(&[key]);
                    map.remove(&vec![key]);
                }
            }
            let pairs: Vec<_> = state.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(pairs, map.into_iter().collect::<Vec<_>>());
        }
    }
}
