//! Walks over a tree.

use super::{Child, Entry, Node};

/// Entries in order, from both ends.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    root: &'a Node,
    from: usize,
    to: usize,
    left: usize,
    front: Option<Side<'a>>,
    back: Option<Side<'a>>,
}

impl<'a> Cursor<'a> {
    /// Over the entries from one rank up to another.
    pub(super) fn new(root: &'a Node, from: usize, to: usize) -> Cursor<'a> {
        Cursor { root, from, to, left: to.saturating_sub(from), front: None, back: None }
    }
}

/// A place in a tree: the children passed on the way down, and the leaf.
#[derive(Clone, Debug)]
struct Side<'a> {
    above: Vec<(&'a [Child], usize)>,
    leaf: &'a [Entry],
    at: usize,
}

impl<'a> Side<'a> {
    /// The place of the entry of this rank, which exists.
    fn at(mut node: &'a Node, mut rank: usize) -> Side<'a> {
        let mut above = Vec::new();
        loop {
            match node {
                Node::Leaf(entries) => return Side { above, leaf: entries, at: rank },
                Node::Inner(children) => {
                    let mut at = 0;
                    while at + 1 < children.len() && rank >= children[at].count {
                        rank -= children[at].count;
                        at += 1;
                    }
                    above.push((children, at));
                    node = &children[at].node;
                }
            }
        }
    }

    /// Goes to the next leaf, or to the one before it.
    fn turn(&mut self, forward: bool) {
        while let Some((children, at)) = self.above.pop() {
            let next = if forward { at + 1 } else { at.wrapping_sub(1) };
            let Some(mut child) = children.get(next) else { continue };
            self.above.push((children, next));
            loop {
                match &*child.node {
                    Node::Leaf(entries) => {
                        self.leaf = entries;
                        self.at = if forward { 0 } else { entries.len() - 1 };
                        return;
                    }
                    Node::Inner(inner) => {
                        let at = if forward { 0 } else { inner.len() - 1 };
                        self.above.push((inner, at));
                        child = &inner[at];
                    }
                }
            }
        }
    }
}

impl<'a> Iterator for Cursor<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let side = match &mut self.front {
            Some(side) => {
                side.at += 1;
                if side.at == side.leaf.len() {
                    side.turn(true);
                }
                side
            }
            none => none.insert(Side::at(self.root, self.from)),
        };
        side.leaf.get(side.at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> DoubleEndedIterator for Cursor<'a> {
    fn next_back(&mut self) -> Option<&'a Entry> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let side = match &mut self.back {
            Some(side) => {
                if side.at == 0 {
                    side.turn(false);
                } else {
                    side.at -= 1;
                }
                side
            }
            none => none.insert(Side::at(self.root, self.to - 1)),
        };
        side.leaf.get(side.at)
    }
}
