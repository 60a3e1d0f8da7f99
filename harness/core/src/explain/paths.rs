//! The paths that inodes have at a point of a trace, for people.

use std::collections::BTreeMap;

use crate::trace::{Call, EventKind, Inode, Name, Pos, ROOT, Trace};

/// By inode: the name it was last given.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    names: BTreeMap<Inode, (Inode, Name)>,
}

impl Paths {
    /// Takes in what the events before `at` did.
    pub fn after(mut self, trace: &Trace, at: Pos) -> Paths {
        for event in &trace.events[..at as usize] {
            if let EventKind::Call(call) = &event.kind {
                self.apply(call);
            }
        }
        self
    }

    /// Takes in one call.
    pub fn apply(&mut self, call: &Call) {
        match call {
            Call::Create { dir, name, inode }
            | Call::CreateDir { dir, name, inode }
            | Call::Rename { to_dir: dir, to: name, inode, .. }
            | Call::Link { dir, name, inode } => {
                self.names.insert(*inode, (*dir, name.clone()));
            }
            Call::Exchange { a_dir, a, a_inode, b_dir, b, b_inode } => {
                self.names.insert(*b_inode, (*a_dir, a.clone()));
                self.names.insert(*a_inode, (*b_dir, b.clone()));
            }
            _ => {}
        }
    }

    /// The path of an inode, without a leading slash.
    pub fn of(&self, inode: Inode) -> String {
        if inode == ROOT {
            return "/".to_string();
        }
        match self.names.get(&inode) {
            Some((dir, name)) => self.join(*dir, name),
            None => inode.to_string(),
        }
    }

    /// The path of a name in a directory.
    pub fn join(&self, dir: Inode, name: &str) -> String {
        if dir == ROOT { name.to_string() } else { format!("{}/{name}", self.of(dir)) }
    }
}
