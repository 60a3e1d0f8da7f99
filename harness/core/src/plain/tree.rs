//! A directory tree as a plain value.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::trace::{Inode, ROOT};

/// The files and directories below a root, as a value: compare it, keep it, write it out.
///
/// Two trees are equal if no program could tell them apart by names, contents and hard links. Every directory
/// above an entry is itself an entry, so a tree can always be written out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tree {
    nodes: BTreeMap<String, TreeNode>,
}

/// What a path in a [`Tree`] refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TreeNode {
    /// A directory.
    Dir,
    /// A file.
    File {
        /// Its bytes.
        content: Arc<Vec<u8>>,
        /// Names of one file (hard links) have the same number. Files are numbered from 0 in the order of
        /// their first names.
        id: u32,
    },
}

impl Tree {
    /// A tree with nothing in it.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Takes nodes whose file numbers are any numbers, and renumbers them.
    pub(crate) fn from_nodes(nodes: BTreeMap<String, TreeNode>) -> Tree {
        let mut tree = Tree { nodes };
        tree.renumber();
        tree
    }

    fn renumber(&mut self) {
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        for node in self.nodes.values_mut() {
            if let TreeNode::File { id, .. } = node {
                let next = numbers.len() as u32;
                *id = *numbers.entry(*id).or_insert(next);
            }
        }
    }

    /// Puts a file at `path`, in place of what is there, with the directories above it. Components that are
    /// empty, `.` or `..` are dropped.
    pub fn insert_file(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.insert(path, TreeNode::File { content: Arc::new(content.into()), id: u32::MAX });
    }

    /// Puts a directory at `path`, with those above it; leaves one that is there.
    pub fn insert_dir(&mut self, path: &str) {
        if self.get(path) != Some(&TreeNode::Dir) {
            self.insert(path, TreeNode::Dir);
        }
    }

    /// Gives the file at `existing` one more name. Returns whether there is such a file.
    pub fn insert_link(&mut self, existing: &str, path: &str) -> bool {
        match self.get(existing) {
            Some(node @ TreeNode::File { .. }) => {
                let node = node.clone();
                self.insert(path, node);
                true
            }
            _ => false,
        }
    }

    fn insert(&mut self, path: &str, node: TreeNode) {
        let path = normal(path);
        if path.is_empty() {
            return;
        }
        for (at, _) in path.match_indices('/') {
            let parent = self.nodes.entry(path[..at].to_owned()).or_insert(TreeNode::Dir);
            *parent = TreeNode::Dir;
        }
        let below = format!("{path}/");
        self.nodes.retain(|other, _| !other.starts_with(&below));
        self.nodes.insert(path, node);
        self.renumber();
    }

    /// What is at `path`; the root itself is no entry.
    pub fn get(&self, path: &str) -> Option<&TreeNode> {
        self.nodes.get(&normal(path))
    }

    /// The bytes of the file at `path`.
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        match self.get(path)? {
            TreeNode::Dir => None,
            TreeNode::File { content, .. } => Some(content),
        }
    }

    /// All entries, sorted by path; paths have no leading slash.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &TreeNode)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All entries with the inode numbers they have in a file system made from this tree: from 1, sorted by
    /// path, a file with several names counted at its first.
    pub fn inodes(&self) -> Vec<(&str, Inode, &TreeNode)> {
        let mut files: BTreeMap<u32, Inode> = BTreeMap::new();
        let mut next = ROOT.0;
        let mut fresh = || {
            next += 1;
            Inode(next)
        };
        let mut list = Vec::with_capacity(self.nodes.len());
        for (path, node) in self.iter() {
            let inode = match node {
                TreeNode::Dir => fresh(),
                TreeNode::File { id, .. } => *files.entry(*id).or_insert_with(&mut fresh),
            };
            list.push((path, inode, node));
        }
        list
    }

    /// Writes the tree into `dir`, made if missing. A file that is already there is an error, never
    /// overwritten.
    pub fn write_to(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir).map_err(|e| failed("create directory", dir, e))?;
        let mut first_names: BTreeMap<u32, &str> = BTreeMap::new();
        for (path, node) in self.iter() {
            let place = dir.join(path);
            match node {
                TreeNode::Dir => {
                    fs::create_dir_all(&place).map_err(|e| failed("create directory", &place, e))?
                }
                TreeNode::File { content, id } => match first_names.get(id) {
                    Some(first) => {
                        fs::hard_link(dir.join(first), &place).map_err(|e| failed("link", &place, e))?;
                    }
                    None => {
                        first_names.insert(*id, path);
                        write_new(&place, content).map_err(|e| failed("write", &place, e))?;
                    }
                },
            }
        }
        Ok(())
    }

    /// Reads a real directory. Names that are not UTF-8, and anything but files and directories, are errors.
    pub fn read_from(dir: &Path) -> io::Result<Tree> {
        let mut nodes = BTreeMap::new();
        let mut numbers: BTreeMap<(u64, u64), u32> = BTreeMap::new();
        read_into(dir, "", &mut nodes, &mut numbers)?;
        Ok(Tree::from_nodes(nodes))
    }
}

fn read_into(
    dir: &Path,
    prefix: &str,
    nodes: &mut BTreeMap<String, TreeNode>,
    numbers: &mut BTreeMap<(u64, u64), u32>,
) -> io::Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| failed("read directory", dir, e))? {
        let place = entry.map_err(|e| failed("read directory", dir, e))?.path();
        let unsupported = |what| failed("read", &place, io::Error::new(io::ErrorKind::InvalidInput, what));
        let name = place.file_name().and_then(|name| name.to_str());
        let path = format!("{prefix}{}", name.ok_or_else(|| unsupported("its name is not UTF-8"))?);
        let metadata = fs::symlink_metadata(&place).map_err(|e| failed("read", &place, e))?;
        if metadata.is_dir() {
            read_into(&place, &format!("{path}/"), nodes, numbers)?;
            nodes.insert(path, TreeNode::Dir);
        } else if metadata.is_file() {
            let next = numbers.len() as u32;
            let id = *numbers.entry((metadata.dev(), metadata.ino())).or_insert(next);
            let content = Arc::new(fs::read(&place).map_err(|e| failed("read", &place, e))?);
            nodes.insert(path, TreeNode::File { content, id });
        } else {
            return Err(unsupported("it is neither a file nor a directory"));
        }
    }
    Ok(())
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    io::Write::write_all(&mut fs::File::create_new(path)?, content)
}

fn failed(what: &str, path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {what} {}: {error}", path.display()))
}

fn normal(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for name in path.split('/').filter(|name| !matches!(*name, "" | "." | "..")) {
        if !out.is_empty() {
            out.push('/');
        }
        out.push_str(name);
    }
    out
}
