//! What a sync makes durable.

use std::collections::BTreeMap;

use super::Cell;
use super::chains::Version;
use super::record::Record;
use crate::model::{DirSync, FileSync};
use crate::trace::Inode;

impl Record<'_> {
    pub fn sync_file(&mut self, inode: Inode, data_only: bool) {
        let size = Cell::Size { inode };
        let resized = self.newest(&size).filter(|newest| self.is_pending(newest));
        let names = self.pending_names_of(inode);
        let rule = if data_only { self.model.fdatasync } else { self.model.fsync };
        let besides = match rule {
            FileSync::Nothing => Vec::new(),
            FileSync::ItsNames => names.into_iter().filter(|name| self.is_logged(name, inode)).collect(),
            FileSync::OrderedIfResized => self.journal_until(resized.iter()),
            FileSync::OrderedIfPending => self.journal_until(resized.iter().chain(&names)),
        };
        self.note_synced_size(inode);
        let mut own = self.synced_pieces(inode);
        own.extend(self.newest(&size));
        own.retain(|(cell, _)| !self.clean.contains(cell));
        self.chains.raise(own);
        self.chains.raise(besides);
        self.metadata_changed = false;
    }

    pub fn sync_dir(&mut self, dir: Inode) {
        let of_dir = |cell: &Cell| {
            matches!(cell, Cell::Name { dir: d, .. } if *d == dir) && !self.clean.contains(cell)
        };
        let entries = self.chains.chains.iter().filter(|(cell, _)| of_dir(cell));
        let entries: Vec<Version> = entries.map(|(cell, chain)| (cell.clone(), chain.newest())).collect();
        let besides = match self.model.sync_dir {
            DirSync::Ordered => self.journal.last().cloned().unwrap_or_default(),
            DirSync::OrderedIfChanged => {
                self.journal_until(entries.iter().filter(|entry| self.is_pending(entry)))
            }
            DirSync::ItsEntries => Vec::new(),
        };
        self.chains.raise(entries);
        self.chains.raise(besides);
        self.metadata_changed = false;
    }

    /// Where the journal had nothing to write, nobody flushed the disk after the content.
    pub fn sync_all(&mut self) {
        let is_reached = |cell: &Cell| self.metadata_changed || !matches!(cell, Cell::Sector { .. });
        let is_dirty = |cell: &Cell| !self.clean.contains(cell) && is_reached(cell);
        let dirty: Vec<Cell> = self.chains.chains.keys().filter(|cell| is_dirty(cell)).cloned().collect();
        let mut all: Vec<Version> = dirty.iter().filter_map(|cell| self.newest(cell)).collect();
        let files: Vec<Inode> = self.cache.keys().copied().collect();
        files.iter().for_each(|inode| self.note_synced_size(*inode));
        if self.metadata_changed {
            let synced: BTreeMap<Cell, usize> =
                files.into_iter().flat_map(|inode| self.synced_pieces(inode)).collect();
            for (cell, version) in &mut all {
                *version = synced.get(cell).copied().unwrap_or(*version);
            }
        }
        self.chains.raise(all);
        self.metadata_changed = false;
    }

    fn is_pending(&self, (cell, version): &Version) -> bool {
        self.chains.chains.get(cell).is_some_and(|chain| chain.lower < *version)
    }

    /// The last element of the ordered class that was made before any of some changes was over.
    fn journal_until<'a>(&'a self, changes: impl Iterator<Item = &'a Version>) -> Vec<Version> {
        let made = |(cell, version): &Version| self.chains.chains.get(cell)?.positions[*version];
        let Some(last) = changes.filter_map(made).max() else { return Vec::new() };
        let is_made = |element: &&Vec<Version>| element.iter().all(|version| made(version) <= Some(last));
        self.journal.iter().rev().find(is_made).cloned().unwrap_or_default()
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
