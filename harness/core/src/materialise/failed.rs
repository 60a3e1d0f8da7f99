//! Syncs that failed, and writes that the disk lost.

use super::chains::{Value, Version, piece};
use super::content::page_of;
use super::record::Record;
use super::{Cell, PAGE_LEN, SECTOR_LEN};
use crate::model::FailedSize;
use crate::trace::{FailedSync, Inode, Pos};

impl Record<'_> {
    /// A failed sync makes nothing durable, and a later one leaves out what it was to sync.
    pub fn failed_sync(&mut self, sync: FailedSync) {
        let is_meant = |cell: &&Cell| match (sync, cell) {
            (FailedSync::File(file), Cell::Sector { inode, .. } | Cell::Size { inode }) => file == *inode,
            (FailedSync::Dir(failed), Cell::Name { dir, .. }) => failed == *dir,
            _ => false,
        };
        let meant: Vec<Cell> = self.chains.chains.keys().filter(is_meant).cloned().collect();
        self.clean.extend(meant);
        match sync {
            FailedSync::Dir(_) => self.journal.clear(),
            FailedSync::File(inode) if self.model.failed_sync_size == FailedSize::MayMove => {
                let size = Cell::Size { inode };
                for rule in 0..self.chains.rules.len() {
                    let made = &self.chains.rules[rule];
                    if made.cell == size && matches!(made.then, Cell::Sector { .. }) && !self.is_cut(rule) {
                        self.chains.take_back(rule);
                    }
                }
            }
            FailedSync::File(_) => {}
        }
    }

    /// Whether a rule ties the size of a file that shrank to what went with it: that is no data to wait for.
    fn is_cut(&self, rule: usize) -> bool {
        let rule = &self.chains.rules[rule];
        let back = |other: &super::chains::Rule| {
            (&other.cell, other.at_least, &other.then, other.then_at_least)
                == (&rule.then, rule.then_at_least, &rule.cell, rule.at_least)
        };
        self.chains.rules.iter().any(back)
    }

    /// What the event at `pos` changed is dirty: of a file whole pages, and the size if it ends in one of them.
    pub fn make_dirty(&mut self, pos: Pos) {
        if self.clean.is_empty() {
            return;
        }
        let is_new = |chain: &super::chains::Chain| chain.positions.last() == Some(&Some(pos));
        let changed = self.chains.chains.iter().filter(|(_, chain)| is_new(chain));
        for cell in changed.map(|(cell, _)| cell.clone()).collect::<Vec<_>>() {
            if let Cell::Sector { inode: file, index } = cell {
                self.make_page_dirty(file, index * self.chains.unit / PAGE_LEN);
            }
            self.clean.remove(&cell);
        }
    }

    fn make_page_dirty(&mut self, file: Inode, page: u64) {
        let ends_here = page_of(self.len(file)) == page;
        let unit = self.chains.unit;
        self.clean.retain(|clean| match clean {
            Cell::Sector { inode, index } => *inode != file || index * unit / PAGE_LEN != page,
            Cell::Size { inode } => *inode != file || !ends_here,
            Cell::Name { .. } => true,
        });
    }

    /// The cache has the data, the disk has them elsewhere or nowhere.
    pub fn lost_write(&mut self, pos: Pos, inode: Inode, (offset, lands): (u64, Option<u64>), data: &[u8]) {
        let (old_len, end) = (self.len(inode), offset + data.len() as u64);
        let content = self.cache.entry(inode).or_default();
        content.resize(old_len.max(end) as usize, 0);
        content[offset as usize..end as usize].copy_from_slice(data);
        let sectors = offset / SECTOR_LEN..end.div_ceil(SECTOR_LEN);
        self.lost.extend(sectors.map(|sector| (inode, sector)));
        if let (Some(lands), false) = (lands, data.is_empty()) {
            let mut landed = content.clone();
            let landed_end = lands + data.len() as u64;
            landed.resize(landed.len().max(landed_end as usize), 0);
            landed[lands as usize..landed_end as usize].copy_from_slice(data);
            let unit = self.chains.unit;
            for index in lands / unit..=(landed_end - 1) / unit {
                let value = Value::Data(piece(&landed, index, unit));
                self.chains.push(pos, Cell::Sector { inode, index }, value);
            }
        }
        self.fill_last_page(pos, inode, old_len, offset);
        let boundaries = (offset / PAGE_LEN + 1..).map(|page| page * PAGE_LEN);
        let sizes: Vec<u64> = boundaries.take_while(|&at| at < end).chain([end]).collect();
        let nothing: [Version; 0] = [];
        for size in sizes.into_iter().filter(|&size| size > old_len) {
            self.grow(pos, inode, (old_len, size), (&nothing, false));
        }
        for page in offset / PAGE_LEN..end.div_ceil(PAGE_LEN) {
            self.make_page_dirty(inode, page);
        }
    }
}
