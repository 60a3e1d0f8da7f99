//! From a record of calls to version chains: the rules of the models, call by call.

use std::collections::{BTreeMap, BTreeSet};

use super::chains::{Chains, Rule, Value, Version};
use super::content::File;
use super::{Base, Cell, SECTOR_LEN};
use crate::model::{FileSync, Model, Order, Rename};
use crate::trace::{Call, EventKind, Inode, Name, Pos, Trace};

/// What the calls before a crash made.
pub(super) fn chains(base: &Base, trace: &Trace, crash: Pos, model: &Model) -> Chains {
    let unit = u64::from(model.torn_unit).min(SECTOR_LEN);
    let chains = Chains::durable(base, unit);
    let mut record = Record {
        model,
        chains,
        cache: base.files.clone(),
        removed: None,
        journal: Vec::new(),
        metadata_changed: false,
        trace,
        lost: BTreeSet::new(),
        names: BTreeMap::new(),
        renames: Vec::new(),
        pages: Vec::new(),
        clean: BTreeSet::new(),
        files: BTreeMap::new(),
    };
    for (pos, event) in (0..crash).zip(&trace.events) {
        if let EventKind::Call(call) = &event.kind {
            record.apply(pos, call);
            record.make_dirty(pos);
        }
    }
    record.chains
}

pub(super) struct Record<'a> {
    pub model: &'a Model,
    pub chains: Chains,
    /// The files as a running process sees them.
    pub cache: BTreeMap<Inode, Vec<u8>>,
    /// What the file that lost a name last held then.
    pub removed: Option<Vec<u8>>,
    pub trace: &'a Trace,
    /// The elements of the ordered class, oldest first.
    pub journal: Vec<Vec<Version>>,
    /// Whether the journal has anything to write: a name or a size, since any sync.
    pub metadata_changed: bool,
    /// The sectors that writes which the disk lost were meant for: they count as written.
    pub lost: BTreeSet<(Inode, u64)>,
    /// The changes of names, by the file or directory that a call made them for. A file that lost its name to
    /// another by a rename is not it.
    pub names: BTreeMap<Inode, BTreeSet<Version>>,
    /// The rules that renames made, by number, with their events.
    renames: Vec<(Pos, usize)>,
    /// The rules that tie sizes to the pages they end in, by number, with the pages.
    pub pages: Vec<(u64, usize)>,
    /// What a failed sync marked clean and nobody has changed since.
    pub clean: BTreeSet<Cell>,
    /// What else there is to know of a file.
    pub files: BTreeMap<Inode, File>,
}

impl Record<'_> {
    fn apply(&mut self, pos: Pos, call: &Call) {
        match call {
            Call::Create { dir, name, inode } => {
                self.name(pos, *dir, name, Some(*inode), *inode);
                self.chains.create_file(*inode);
                self.cache.insert(*inode, Vec::new());
            }
            Call::CreateDir { dir, name, inode } => {
                self.name(pos, *dir, name, Some(*inode), *inode);
                self.chains.dirs.insert(*inode);
            }
            Call::Link { dir, name, inode } => self.name(pos, *dir, name, Some(*inode), *inode),
            Call::Remove { dir, name, inode } => {
                self.keep_removed(*inode);
                self.name(pos, *dir, name, None, *inode);
            }
            Call::RemoveDir { dir, name, inode } => self.name(pos, *dir, name, None, *inode),
            Call::Rename { from_dir, from, to_dir, to, inode } => {
                self.rename(pos, (*from_dir, from), (*to_dir, to), *inode);
            }
            Call::Exchange { a_dir, a, a_inode, b_dir, b, b_inode } => {
                let names = [
                    self.push_name(pos, *a_dir, a, Some(*b_inode)),
                    self.push_name(pos, *b_dir, b, Some(*a_inode)),
                ];
                if self.rename_between(*a_dir, *b_dir) == Rename::Atomic {
                    self.tie_names(pos, |record| record.together(&names));
                }
                // Only a log of a file's names knows an exchange as a change of the file.
                let has_log =
                    self.model.fsync == FileSync::ItsNames || self.model.fdatasync == FileSync::ItsNames;
                let of = if has_log { vec![*a_inode, *b_inode] } else { Vec::new() };
                self.directory_operation(names.into(), &of);
            }
            Call::SyncFile { inode, data_only } => self.sync_file(*inode, *data_only),
            Call::SyncDir { dir } => self.sync_dir(*dir),
            Call::SyncAll => self.sync_all(),
            Call::Failed { sync: Some(sync), .. } => self.failed_sync(*sync),
            Call::Failed { sync: None, .. } => {}
            Call::Write { .. }
            | Call::SetLen { .. }
            | Call::Allocate { .. }
            | Call::ZeroRange { .. }
            | Call::LostWrite { .. } => self.change_content(pos, call),
        }
    }

    pub fn len(&self, inode: Inode) -> u64 {
        self.cache.get(&inode).map_or(0, |content| content.len() as u64)
    }

    /// One more element of the ordered class: each version implies all of the element before.
    pub fn in_order(&mut self, element: Vec<Version>) {
        if element.is_empty() {
            return;
        }
        for version in &element {
            for earlier in self.journal.last().into_iter().flatten() {
                self.chains.imply(version, earlier);
            }
        }
        self.journal.push(element);
    }

    /// Versions that survive all or none: each implies the next, and the last the first.
    pub fn together(&mut self, versions: &[Version]) {
        for (version, next) in versions.iter().zip(versions.iter().cycle().skip(1)) {
            self.chains.imply(version, next);
        }
    }

    // Names.

    /// Where names are free, their latest state is what counts: a name that changes again is no longer tied
    /// to the other one of an earlier rename.
    fn push_name(&mut self, pos: Pos, dir: Inode, name: &Name, refers_to: Option<Inode>) -> Version {
        self.metadata_changed = true;
        let cell = Cell::Name { dir, name: name.clone() };
        if self.model.directory_operations == Order::Free {
            for &(made, rule) in &self.renames {
                let Rule { cell: from, then, .. } = &self.chains.rules[rule];
                if made < pos && (*from == cell || *then == cell) {
                    self.chains.take_back(rule);
                }
            }
        }
        self.chains.push(pos, cell, Value::Name(refers_to))
    }

    /// Remembers the rules that `make` makes.
    fn tie_names(&mut self, pos: Pos, make: impl FnOnce(&mut Self)) {
        let first = self.chains.rules.len();
        make(self);
        self.renames.extend((first..self.chains.rules.len()).map(|rule| (pos, rule)));
    }

    /// Changes a name of `inode`.
    fn name(&mut self, pos: Pos, dir: Inode, name: &Name, refers_to: Option<Inode>, inode: Inode) {
        let version = self.push_name(pos, dir, name, refers_to);
        self.directory_operation(vec![version], &[inode]);
    }

    fn directory_operation(&mut self, versions: Vec<Version>, of: &[Inode]) {
        for inode in of {
            self.names.entry(*inode).or_default().extend(versions.iter().cloned());
        }
        if self.model.directory_operations == Order::InOrder {
            self.in_order(versions);
        }
    }

    fn rename_between(&self, a_dir: Inode, b_dir: Inode) -> Rename {
        if a_dir == b_dir { self.model.rename_within_directory } else { self.model.rename_across_directories }
    }

    fn rename(&mut self, pos: Pos, from: (Inode, &Name), to: (Inode, &Name), inode: Inode) {
        let target = Cell::Name { dir: to.0, name: to.1.clone() };
        let replaced = self.chains.chains.get(&target).and_then(|chain| chain.inode(chain.newest()));
        if let Some(replaced) = replaced {
            self.keep_removed(replaced);
        }
        // A directory moves as a whole, whatever happens to its names later.
        let is_dir = self.chains.dirs.contains(&inode);
        let how = if is_dir { Rename::Atomic } else { self.rename_between(from.0, to.0) };
        let mut versions = Vec::new();
        if how == Rename::Steps && replaced.is_some() {
            versions.push(self.push_name(pos, to.0, to.1, None));
        }
        let gone = self.push_name(pos, from.0, from.1, None);
        let there = self.push_name(pos, to.0, to.1, Some(inode));
        if is_dir {
            self.together(&[gone.clone(), there.clone()]);
        }
        self.tie_names(pos, |record| match how {
            Rename::Atomic if is_dir => {}
            Rename::Atomic if record.is_passing(&gone) => record.chains.imply(&gone, &there),
            Rename::Atomic => record.together(&[gone.clone(), there.clone()]),
            Rename::NewBeforeOld => record.chains.imply(&gone, &there),
            Rename::Steps => {}
        });
        versions.extend([gone, there]);
        self.directory_operation(versions, &[inode]);
    }

    /// Where names are free: whether the disk may have another file by a name that goes, which was the mover's in
    /// passing only.
    fn is_passing(&self, (cell, gone): &Version) -> bool {
        let Some(chain) = self.chains.chains.get(cell) else { return false };
        let made_by_creation = |pos: &Pos| {
            let event = &self.trace.events[*pos as usize].kind;
            matches!(event, EventKind::Call(Call::Create { .. } | Call::CreateDir { .. } | Call::Link { .. }))
        };
        // What was there at the start counts as a file unless something was created in its place.
        let started_empty =
            chain.positions.get(1).copied().flatten().is_some_and(|pos| made_by_creation(&pos));
        let was_file =
            |version: usize| if version == 0 { !started_empty } else { chain.inode(version).is_some() };
        self.model.directory_operations == Order::Free && (chain.lower..gone - 1).any(was_file)
    }

    /// What an inherited file held is not asked for: a disk that is read lazily may not have decided it.
    fn keep_removed(&mut self, inode: Inode) {
        let inherited = self.chains.files.contains_key(&inode);
        if let Some(content) = self.cache.get(&inode).filter(|_| !inherited) {
            self.removed = Some(content.clone());
        }
    }
}
