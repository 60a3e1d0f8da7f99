//! Version chains, and what may be picked from them together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Base, Cell, record};
use crate::model::Model;
use crate::trace::{Inode, Pos, Trace};

/// What was made up to a crash: the versions of every cell, and which of them may be picked together.
#[derive(Clone, Debug)]
pub struct Chains {
    /// The cells that have a name or a size, and the pieces of files that were changed.
    pub(super) chains: BTreeMap<Cell, Chain>,
    pub(super) dirs: BTreeSet<Inode>,
    /// What each file held at the start.
    pub(super) files: BTreeMap<Inode, Vec<u8>>,
    /// Bytes in a [`Cell::Sector`].
    pub(super) unit: u64,
    /// In the order in which they were made.
    pub(super) rules: Vec<Rule>,
    rules_of: BTreeMap<Cell, Vec<usize>>,
}

/// One version of one cell: an index into the cell's chain.
pub(super) type Version = (Cell, usize);

/// What a cell may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Name(Option<Inode>),
    Size(u64),
    Data(Vec<u8>),
}

/// The versions of one cell, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub versions: Vec<Value>,
    /// The event that made each version; none for version 0.
    pub positions: Vec<Option<Pos>>,
    /// The oldest version that may be picked.
    pub lower: usize,
}

/// Whoever picks version `at_least` or a newer one of `cell` must pick version `then_at_least` or a newer one
/// of `then`.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub cell: Cell,
    pub at_least: usize,
    pub then: Cell,
    pub then_at_least: usize,
    /// Later calls may have taken it back.
    pub holds: bool,
}

impl Chain {
    pub fn new(durable: Value) -> Chain {
        Chain { versions: vec![durable], positions: vec![None], lower: 0 }
    }

    pub fn newest(&self) -> usize {
        self.versions.len() - 1
    }

    /// The inode that a version of a name refers to.
    pub fn inode(&self, version: usize) -> Option<Inode> {
        match self.versions.get(version) {
            Some(Value::Name(inode)) => *inode,
            _ => None,
        }
    }

    /// The bytes that a version of a size counts.
    pub fn size(&self, version: usize) -> Option<u64> {
        match self.versions.get(version) {
            Some(Value::Size(size)) => Some(*size),
            _ => None,
        }
    }
}

impl Chains {
    /// Takes the events before position `crash`, on a disk that held `base`, as `model` says.
    pub fn new(base: &Base, trace: &Trace, crash: Pos, model: &Model) -> Chains {
        record::chains(base, trace, crash, model)
    }

    /// What `base` holds, with nothing pending.
    pub(super) fn durable(base: &Base, unit: u64) -> Chains {
        let mut chains = BTreeMap::new();
        for (&dir, entries) in &base.dirs {
            for (name, &inode) in entries {
                chains.insert(Cell::Name { dir, name: name.clone() }, Chain::new(Value::Name(Some(inode))));
            }
        }
        for (&inode, content) in &base.files {
            chains.insert(Cell::Size { inode }, Chain::new(Value::Size(content.len() as u64)));
        }
        let dirs = base.dirs.keys().copied().collect();
        let files = base.files.clone();
        Chains { chains, dirs, files, unit, rules: Vec::new(), rules_of: BTreeMap::new() }
    }

    /// A new file, empty until its first change.
    pub(super) fn create_file(&mut self, inode: Inode) {
        self.chains.insert(Cell::Size { inode }, Chain::new(Value::Size(0)));
    }

    /// What a cell held at the start.
    fn initial(&self, cell: &Cell) -> Value {
        match cell {
            Cell::Name { .. } => Value::Name(None),
            Cell::Size { .. } => Value::Size(0),
            Cell::Sector { inode, index } => {
                let content = self.files.get(inode).map_or(&[][..], Vec::as_slice);
                Value::Data(piece(content, *index, self.unit))
            }
        }
    }

    /// Appends a version.
    pub(super) fn push(&mut self, pos: Pos, cell: Cell, value: Value) -> Version {
        if !self.chains.contains_key(&cell) {
            self.chains.insert(cell.clone(), Chain::new(self.initial(&cell)));
        }
        let mut newest = 0;
        if let Some(chain) = self.chains.get_mut(&cell) {
            chain.versions.push(value);
            chain.positions.push(Some(pos));
            newest = chain.newest();
        }
        (cell, newest)
    }

    /// Whoever picks `from` or newer must pick `then` or newer.
    pub(super) fn imply(&mut self, from: &Version, then: &Version) {
        if from.0 == then.0 {
            return;
        }
        self.rules_of.entry(from.0.clone()).or_default().push(self.rules.len());
        self.rules.push(Rule {
            cell: from.0.clone(),
            at_least: from.1,
            then: then.0.clone(),
            then_at_least: then.1,
            holds: true,
        });
    }

    /// Takes a rule back, unless what it asks for is durable.
    pub(super) fn take_back(&mut self, rule: usize) {
        let rule = &mut self.rules[rule];
        let durable = self.chains.get(&rule.then).map_or(0, |chain| chain.lower);
        rule.holds &= rule.then_at_least <= durable;
    }

    /// Makes versions durable, and what they imply.
    pub(super) fn raise(&mut self, mut versions: Vec<Version>) {
        while let Some((cell, version)) = versions.pop() {
            match self.chains.get_mut(&cell) {
                Some(chain) if chain.lower < version => chain.lower = version,
                _ => continue,
            }
            for &rule in self.rules_of.get(&cell).into_iter().flatten() {
                let rule = &self.rules[rule];
                if rule.holds && rule.at_least <= version {
                    versions.push((rule.then.clone(), rule.then_at_least));
                }
            }
        }
    }

    /// The changed pieces of a file whose numbers lie in a range, with their newest versions.
    pub(super) fn pieces(&self, inode: Inode, numbers: std::ops::Range<u64>) -> Vec<Version> {
        let cell = |index| Cell::Sector { inode, index };
        let range = self.chains.range(cell(numbers.start)..cell(numbers.end));
        range.map(|(cell, chain)| (cell.clone(), chain.newest())).collect()
    }
}

/// A piece of `unit` bytes, zeros past the end of the content.
pub(super) fn piece(content: &[u8], index: u64, unit: u64) -> Vec<u8> {
    let start = content.len().min((index * unit) as usize);
    let end = content.len().min(start + unit as usize);
    let mut piece = content[start..end].to_vec();
    piece.resize(unit as usize, 0);
    piece
}
