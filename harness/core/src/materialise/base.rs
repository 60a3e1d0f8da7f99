//! The durable state that a record of calls starts from.

use std::collections::BTreeMap;

use crate::plain::{Tree, TreeNode};
use crate::trace::{Inode, Name, ROOT};

/// A durable disk state: directories and files by inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The names in each directory. The root is always there.
    pub dirs: BTreeMap<Inode, BTreeMap<Name, Inode>>,
    /// The bytes of each file.
    pub files: BTreeMap<Inode, Vec<u8>>,
}

impl Base {
    /// A disk that holds nothing but the root.
    pub fn empty() -> Base {
        Base { dirs: BTreeMap::from([(ROOT, BTreeMap::new())]), files: BTreeMap::new() }
    }

    /// The state of a disk that holds `tree`, numbered as [`Tree::inodes`] says.
    pub fn from_tree(tree: &Tree) -> Base {
        let mut base = Base::empty();
        let mut by_path: BTreeMap<&str, Inode> = BTreeMap::from([("", ROOT)]);
        for (path, inode, node) in tree.inodes() {
            by_path.insert(path, inode);
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let parent = by_path.get(parent).copied().unwrap_or(ROOT);
            base.dirs.entry(parent).or_default().insert(name.into(), inode);
            match node {
                TreeNode::Dir => {
                    base.dirs.entry(inode).or_default();
                }
                TreeNode::File { content, .. } => {
                    base.files.insert(inode, content.to_vec());
                }
            }
        }
        base
    }
}

impl Default for Base {
    fn default() -> Base {
        Base::empty()
    }
}
