//! What a sync makes durable.

use std::collections::BTreeMap;

use super::Cell;
use super::chains::{Chain, Version};
use super::record::Record;
use crate::model::{DirSync, FileSync};
use crate::trace::Inode;

impl Record<'_> {
    pub fn sync_file(&mut self, inode: Inode, data_only: bool) {
        let size = Cell::Size { inode };
        let resized = self.chains.chains.get(&size).is_some_and(Chain::is_pending);
        let names = self.pending_names_of(inode);
        let rule = if data_only { self.model.fdatasync } else { self.model.fsync };
        let besides = match rule {
            FileSync::Nothing => Vec::new(),
            FileSync::ItsNames => names.into_iter().filter(|name| self.is_logged(name, inode)).collect(),
            FileSync::OrderedIfResized if resized => self.ordered.clone(),
            FileSync::OrderedIfPending if resized || !names.is_empty() => self.ordered.clone(),
            FileSync::OrderedIfResized | FileSync::OrderedIfPending => Vec::new(),
        };
        let mut own = self.chains.pieces(inode, 0..u64::MAX);
        own.extend(self.newest(&size));
        own.retain(|(cell, _)| !self.clean.contains(cell));
        self.chains.raise(own);
        self.chains.raise(besides);
    }

    pub fn sync_dir(&mut self, dir: Inode) {
        let of_dir = |cell: &Cell| {
            matches!(cell, Cell::Name { dir: d, .. } if *d == dir) && !self.clean.contains(cell)
        };
        let entries = self.chains.chains.iter().filter(|(cell, _)| of_dir(cell));
        let changed = entries.clone().any(|(_, chain)| chain.is_pending());
        let entries = entries.map(|(cell, chain)| (cell.clone(), chain.newest())).collect();
        self.chains.raise(entries);
        match self.model.sync_dir {
            DirSync::Ordered => self.chains.raise(self.ordered.clone()),
            DirSync::OrderedIfChanged if changed => self.chains.raise(self.ordered.clone()),
            DirSync::OrderedIfChanged | DirSync::ItsEntries => {}
        }
    }

    pub fn sync_all(&mut self) {
        let dirty = self.chains.chains.iter().filter(|(cell, _)| !self.clean.contains(*cell));
        let all = dirty.map(|(cell, chain)| (cell.clone(), chain.newest()));
        self.chains.raise(all.collect());
    }

    fn newest(&self, cell: &Cell) -> Option<Version> {
        self.chains.chains.get(cell).map(|chain| (cell.clone(), chain.newest()))
    }

    /// Whether a log of the file's names has this change: one to the file, or one from it on the disk.
    fn is_logged(&self, (cell, version): &Version, inode: Inode) -> bool {
        let chain = self.chains.chains.get(cell);
        chain.is_some_and(|chain| [*version, chain.lower].map(|v| chain.inode(v)).contains(&Some(inode)))
    }

    /// The newest pending change of each name that gave the file that name or took it away.
    fn pending_names_of(&self, inode: Inode) -> Vec<Version> {
        let mut newest: BTreeMap<Cell, usize> = BTreeMap::new();
        for (cell, version) in self.names.get(&inode).into_iter().flatten() {
            let lower = self.chains.chains.get(cell).map_or(0, |chain| chain.lower);
            if *version > lower {
                newest.insert(cell.clone(), *version);
            }
        }
        newest.into_iter().collect()
    }
}
