//! A B-tree whose clones share what has not changed: a clone costs nothing, and a change to one of two clones
//! copies the nodes on one path.

mod cursor;

use std::sync::Arc;

use crate::key::Key;
pub(crate) use cursor::Cursor;

/// A value.
pub(crate) type Bytes = Arc<[u8]>;

/// Entries of a leaf, or children of an inner node, at most.
const WIDTH_MAX: usize = 32;

/// A node with fewer is merged with a neighbour if one has room.
const WIDTH_MIN: usize = WIDTH_MAX / 4;

/// Nodes with as many items grow as vectors do.
const SMALL: usize = WIDTH_MAX / 2;

/// Key and value.
pub(crate) type Entry = (Key, Bytes);

#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// In strictly ascending key order.
    Leaf(Vec<Entry>),
    /// At least one.
    Inner(Vec<Child>),
}

#[derive(Clone, Debug)]
pub(crate) struct Child {
    /// No key below the child is smaller; none below the child before it is as large.
    first: Key,
    /// How many entries there are below.
    count: usize,
    node: Arc<Node>,
}

/// The root; an empty leaf for an empty tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    root: Arc<Node>,
}

/// What a shared allocation of `len` bytes occupies: two counters before them, and rounded up with a word of the
/// allocator's own to the 16 bytes that allocators commonly align to.
pub(crate) fn allocated_bytes(len: usize) -> u64 {
    (len + 2 * size_of::<usize>() + size_of::<usize>()).next_multiple_of(16) as u64
}

impl Default for Node {
    fn default() -> Node {
        Node::Leaf(Vec::new())
    }
}

impl Child {
    fn new(node: Node) -> Option<Child> {
        let first = match &node {
            Node::Leaf(entries) => entries.first()?.0.clone(),
            Node::Inner(children) => children.first()?.first.clone(),
        };
        Some(Child { first, count: node.count(), node: Arc::new(node) })
    }
}

impl Node {
    fn count(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(children) => children.iter().map(|child| child.count).sum(),
        }
    }

    fn width(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(children) => children.len(),
        }
    }

    /// Puts an entry below this node and returns the value that was there, and a new neighbour to the right
    /// if the node has become too wide.
    fn put(&mut self, key: impl AsRef<[u8]> + Into<Key>, value: Bytes) -> (Option<Bytes>, Option<Node>) {
        match self {
            Node::Leaf(entries) => match search(entries, key.as_ref()) {
                Ok(at) => (Some(std::mem::replace(&mut entries[at].1, value)), None),
                Err(at) => {
                    make_room(entries);
                    entries.insert(at, (key.into(), value));
                    (None, split(entries, at).map(Node::Leaf))
                }
            },
            Node::Inner(children) => {
                let at = child_of(children, key.as_ref());
                let child = &mut children[at];
                let (old, right) = Arc::make_mut(&mut child.node).put(key, value);
                child.count += usize::from(old.is_none());
                if let Some(right) = right.and_then(Child::new) {
                    child.count -= right.count;
                    make_room(children);
                    children.insert(at + 1, right);
                    return (old, split(children, at + 1).map(Node::Inner));
                }
                (old, None)
            }
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        match self {
            Node::Leaf(entries) => search(entries, key).ok().map(|at| entries.remove(at)),
            Node::Inner(children) => {
                let at = child_of(children, key);
                let removed = Arc::make_mut(&mut children[at].node).remove(key)?;
                children[at].count -= 1;
                if children[at].node.width() < WIDTH_MIN {
                    merge(children, at);
                }
                Some(removed)
            }
        }
    }
}

fn search(entries: &[Entry], key: &[u8]) -> Result<usize, usize> {
    entries.binary_search_by(|(other, _)| (**other).cmp(key))
}

/// The child below which a key lies.
fn child_of(children: &[Child], key: &[u8]) -> usize {
    children.partition_point(|child| *child.first <= *key).saturating_sub(1)
}

/// Makes room for as many items as a node ever has, and no more: on its own a vector would double what a clone of
/// a full node holds.
fn make_room<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() && items.len() > SMALL {
        items.reserve_exact((WIDTH_MAX + 1).saturating_sub(items.len()).max(1));
    }
}

/// Takes the right part of what has become too wide. Where entries come in ascending order, nodes stay full.
fn split<T>(items: &mut Vec<T>, inserted: usize) -> Option<Vec<T>> {
    if items.len() <= WIDTH_MAX {
        return None;
    }
    let at = if inserted == items.len() - 1 { inserted } else { items.len() / 2 };
    let mut right = Vec::with_capacity(WIDTH_MAX + 1);
    right.extend(items.drain(at..));
    Some(right)
}

/// Merges a narrow child with a neighbour that has room; one without entries goes.
fn merge(children: &mut Vec<Child>, at: usize) {
    if children[at].count == 0 && children.len() > 1 {
        children.remove(at);
        return;
    }
    let left = if at > 0 { at - 1 } else { at };
    let Some(right) = children.get(left + 1) else { return };
    if children[left].node.width() + right.node.width() > WIDTH_MAX {
        return;
    }
    let right = children.remove(left + 1);
    let left = &mut children[left];
    left.count += right.count;
    let node = Arc::unwrap_or_clone(right.node);
    match (Arc::make_mut(&mut left.node), node) {
        (Node::Leaf(to), Node::Leaf(from)) => to.extend(from),
        (Node::Inner(to), Node::Inner(from)) => to.extend(from),
        // All children of a node are as high as each other.
        _ => {}
    }
}

impl Tree {
    /// A tree of entries in strictly ascending order.
    pub(crate) fn from_sorted(entries: Vec<Entry>) -> Tree {
        let count = entries.len();
        let mut level: Vec<Child> = Vec::with_capacity(count.div_ceil(WIDTH_MAX));
        let mut entries = entries.into_iter();
        loop {
            let leaf: Vec<Entry> = entries.by_ref().take(WIDTH_MAX).collect();
            match Child::new(Node::Leaf(leaf)) {
                Some(child) => level.push(child),
                None => break,
            }
        }
        while level.len() > 1 {
            let mut children = level.into_iter();
            level = Vec::new();
            loop {
                let inner: Vec<Child> = children.by_ref().take(WIDTH_MAX).collect();
                match Child::new(Node::Inner(inner)) {
                    Some(child) => level.push(child),
                    None => break,
                }
            }
        }
        level.pop().map_or_else(Tree::default, |child| Tree { root: child.node })
    }

    pub(crate) fn len(&self) -> usize {
        self.root.count()
    }

    /// The bytes that the nodes occupy, those shared with other trees included; what entries point to is not.
    pub(crate) fn node_bytes(&self) -> u64 {
        let mut bytes = 0;
        let mut todo = vec![&*self.root];
        while let Some(node) = todo.pop() {
            bytes += allocated_bytes(size_of::<Node>());
            bytes += match node {
                Node::Leaf(entries) => allocated_bytes(entries.capacity() * size_of::<Entry>()),
                Node::Inner(children) => {
                    todo.extend(children.iter().map(|child| &*child.node));
                    allocated_bytes(children.capacity() * size_of::<Child>())
                }
            };
        }
        bytes
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(entries) => return search(entries, key).ok().map(|at| &entries[at].1),
                Node::Inner(children) => node = &children[child_of(children, key)].node,
            }
        }
    }

    /// Puts an entry and returns the value that was there.
    pub(crate) fn put(&mut self, key: impl AsRef<[u8]> + Into<Key>, value: Bytes) -> Option<Bytes> {
        let (old, right) = Arc::make_mut(&mut self.root).put(key, value);
        if let Some(right) = right.and_then(Child::new) {
            let left = std::mem::take(&mut self.root);
            let left = Child::new(Arc::unwrap_or_clone(left));
            self.root = Arc::new(Node::Inner(left.into_iter().chain([right]).collect()));
        }
        old
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        // Without this, a key that is not there would cost copies.
        self.get(key)?;
        let removed = Arc::make_mut(&mut self.root).remove(key);
        while let Node::Inner(children) = &*self.root
            && children.len() == 1
        {
            let only = children[0].node.clone();
            self.root = only;
        }
        removed
    }

    /// How many keys are smaller, or not larger if `inclusive`.
    pub(crate) fn rank(&self, key: &[u8], inclusive: bool) -> usize {
        let mut node = &*self.root;
        let mut rank = 0;
        loop {
            match node {
                Node::Leaf(entries) => {
                    return rank
                        + match search(entries, key) {
                            Ok(at) => at + usize::from(inclusive),
                            Err(at) => at,
                        };
                }
                Node::Inner(children) => {
                    let at = child_of(children, key);
                    rank += children[..at].iter().map(|child| child.count).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// The entries from one rank up to another.
    pub(crate) fn between(&self, from: usize, to: usize) -> Cursor<'_> {
        Cursor::new(&self.root, from, to)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(tree: &Tree, model: &BTreeMap<Vec<u8>, u8>) {
        let flat = |(k, v): &Entry| (k.to_vec(), v[0]);
        let expected: Vec<_> = model.iter().map(|(k, v)| (k.clone(), *v)).collect();
        assert_eq!(tree.len(), model.len());
        assert_eq!(tree.between(0, tree.len()).map(flat).collect::<Vec<_>>(), expected);
        let mut backward: Vec<_> = tree.between(0, tree.len()).rev().map(flat).collect();
        backward.reverse();
        assert_eq!(backward, expected);
        for (rank, (key, value)) in expected.iter().enumerate() {
            assert_eq!(tree.get(key).map(|v| v[0]), Some(*value));
            assert_eq!((tree.rank(key, false), tree.rank(key, true)), (rank, rank + 1));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_tree_is_a_map_and_its_clones_stay_as_they_were(
            ops in prop::collection::vec((0u16..600, any::<u8>(), 0..10u8), 0..1500),
        ) {
            let (mut tree, mut model) = (Tree::default(), BTreeMap::new());
            let mut kept: Vec<(Tree, BTreeMap<Vec<u8>, u8>)> = Vec::new();
            for (i, (key, value, kind)) in ops.into_iter().enumerate() {
                let key = key.to_be_bytes().to_vec();
                // Growing at first, shrinking later.
                if usize::from(kind) < i / 200 + 1 {
                    let removed = tree.remove(&key).map(|(_, v)| v[0]);
                    prop_assert_eq!(removed, model.remove(&key));
                } else {
                    let old = tree.put(key.as_slice(), [value].as_slice().into()).map(|v| v[0]);
                    prop_assert_eq!(old, model.insert(key, value));
                }
                if i % 300 == 7 {
                    kept.push((tree.clone(), model.clone()));
                }
            }
            kept.push((tree, model));
            for (tree, model) in &kept {
                check(tree, model);
                let sorted = tree.between(0, tree.len()).cloned().collect();
                check(&Tree::from_sorted(sorted), model);
            }
        }

        #[test]
        fn ranges_from_both_ends_meet(len in 0usize..300, from in 0usize..300, to in 0usize..300,
                                      turns in prop::collection::vec(any::<bool>(), 300)) {
            let entry = |i: usize| -> Entry { (i.to_be_bytes().as_slice().into(), [0].as_slice().into()) };
            let tree = Tree::from_sorted((0..len).map(entry).collect());
            let (from, to) = (from.min(len), to.min(len));
            let mut cursor = tree.between(from, to);
            let (mut low, mut high) = (from, to);
            for forward in turns {
                let got = if forward { cursor.next() } else { cursor.next_back() };
                let expected = (low < high).then(|| if forward { low } else { high - 1 });
                prop_assert_eq!(got.map(|(key, _)| key.clone()), expected.map(|i| entry(i).0));
                if low < high {
                    if forward { low += 1 } else { high -= 1 }
                }
            }
        }
    }
}
