//! Directories as maps, and the walk from the root to a path.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

use rustix::io::Errno;
use unplug_vfs::FileKind;

use super::file::Node;
use super::tree::{Tree, TreeNode};
use crate::trace::{Inode, Name, ROOT};

/// The longest name, in bytes.
const NAME_LEN_MAX: usize = 255;

#[derive(Debug)]
pub(super) struct Dir {
    pub inode: Inode,
    pub entries: BTreeMap<Name, Entry>,
}

#[derive(Debug)]
pub(super) enum Entry {
    Dir(Dir),
    File(Arc<Node>),
}

impl Entry {
    pub fn inode(&self) -> Inode {
        match self {
            Entry::Dir(dir) => dir.inode,
            Entry::File(node) => node.inode,
        }
    }

    pub fn kind(&self) -> FileKind {
        match self {
            Entry::Dir(_) => FileKind::Directory,
            Entry::File(_) => FileKind::File,
        }
    }
}

/// A name, taken or free, in a directory that exists.
pub(super) struct Place<'d, 'p> {
    pub dir: &'d Dir,
    pub name: &'p str,
}

impl<'d> Place<'d, '_> {
    /// What the name refers to. A name that is too long is found out only here, once all parents exist.
    pub fn entry(&self) -> Result<Option<&'d Entry>, Errno> {
        check_len(self.name)?;
        Ok(self.dir.entries.get(self.name))
    }

    /// What the name refers to, which must be something.
    pub fn existing(&self) -> Result<&'d Entry, Errno> {
        self.entry()?.ok_or(Errno::NOENT)
    }
}

impl Dir {
    pub fn new(inode: Inode) -> Dir {
        Dir { inode, entries: BTreeMap::new() }
    }

    /// Where `path` leads; `None` for the root itself.
    pub fn place<'d, 'p>(&'d self, path: &'p Path) -> Result<Option<Place<'d, 'p>>, Errno> {
        let Some((parents, last)) = split(path)? else {
            return Ok(None);
        };
        let mut dir = self;
        for name in parents {
            let place = Place { dir, name: name_of(name)? };
            dir = match place.existing()? {
                Entry::File(_) => return Err(Errno::NOTDIR),
                Entry::Dir(dir) => dir,
            };
        }
        Ok(Some(Place { dir, name: name_of(last)? }))
    }

    /// The directory at `path`.
    pub fn dir(&self, path: &Path) -> Result<&Dir, Errno> {
        let Some(place) = self.place(path)? else {
            return Ok(self);
        };
        match place.existing()? {
            Entry::File(_) => Err(Errno::NOTDIR),
            Entry::Dir(dir) => Ok(dir),
        }
    }

    /// The directory that holds the last name of `path`.
    pub fn parent_mut(&mut self, path: &Path) -> Result<&mut Dir, Errno> {
        let Some((parents, _)) = split(path)? else {
            return Err(Errno::BUSY);
        };
        let mut dir = self;
        for name in parents {
            dir = match dir.entries.get_mut(name_of(name)?) {
                None => return Err(Errno::NOENT),
                Some(Entry::File(_)) => return Err(Errno::NOTDIR),
                Some(Entry::Dir(dir)) => dir,
            };
        }
        Ok(dir)
    }

    /// The root directory that `tree` describes, and the first inode number that is free.
    pub fn from_tree(tree: &Tree) -> (Dir, u32) {
        let mut root = Dir::new(ROOT);
        let mut files: BTreeMap<Inode, Arc<Node>> = BTreeMap::new();
        let mut next_inode = ROOT.0 + 1;
        for (path, inode, node) in tree.inodes() {
            next_inode = next_inode.max(inode.0 + 1);
            let entry = match node {
                TreeNode::Dir => Entry::Dir(Dir::new(inode)),
                TreeNode::File { content, .. } => {
                    let fresh = || Arc::new(Node::new(inode, Arc::clone(content)));
                    Entry::File(Arc::clone(files.entry(inode).or_insert_with(fresh)))
                }
            };
            let name = path.rsplit('/').next().unwrap_or(path);
            // A tree lists a directory before what is in it, so the parent is always there.
            if let Ok(parent) = root.parent_mut(Path::new(path)) {
                parent.entries.insert(Name::from(name), entry);
            }
        }
        (root, next_inode)
    }

    pub fn to_tree(&self) -> Tree {
        let mut nodes = BTreeMap::new();
        self.collect("", &mut nodes);
        Tree::from_nodes(nodes)
    }

    fn collect(&self, prefix: &str, nodes: &mut BTreeMap<String, TreeNode>) {
        for (name, entry) in &self.entries {
            let path = format!("{prefix}{name}");
            match entry {
                Entry::Dir(dir) => {
                    dir.collect(&format!("{path}/"), nodes);
                    nodes.insert(path, TreeNode::Dir);
                }
                Entry::File(node) => {
                    nodes.insert(path, TreeNode::File { content: node.content(), id: node.inode.0 });
                }
            }
        }
    }
}

/// Whether `path` lies below `ancestor`, at any depth.
pub(super) fn is_inside(path: &Path, ancestor: &Path) -> bool {
    let mut path = components(path);
    components(ancestor).all(|name| path.next() == Some(name)) && path.next().is_some()
}

fn components(path: &Path) -> impl DoubleEndedIterator<Item = Component<'_>> {
    path.components().filter(|c| !matches!(c, Component::RootDir | Component::CurDir))
}

type Split<'p, I> = Option<(I, Component<'p>)>;

/// The components before the last, and the last; `None` for the root.
fn split(path: &Path) -> Result<Split<'_, impl Iterator<Item = Component<'_>>>, Errno> {
    if path.as_os_str().is_empty() {
        return Err(Errno::NOENT);
    }
    let mut parents = components(path);
    Ok(parents.next_back().map(|last| (parents, last)))
}

fn name_of(component: Component<'_>) -> Result<&str, Errno> {
    let Component::Normal(name) = component else {
        return Err(Errno::INVAL);
    };
    let name = name.to_str().ok_or(Errno::ILSEQ)?;
    if name.contains('\0') {
        return Err(Errno::INVAL);
    }
    Ok(name)
}

fn check_len(name: &str) -> Result<(), Errno> {
    if name.len() > NAME_LEN_MAX { Err(Errno::NAMETOOLONG) } else { Ok(()) }
}
