//! From a record of calls to version chains: the rules of the model, call by call.

use std::collections::{BTreeMap, BTreeSet};

use super::{Base, Cell, PAGE_LEN, SECTOR_LEN};
use crate::trace::{Call, EventKind, Inode, Name, Pos, ROOT, Trace};

/// What was made up to a crash: the versions of every cell, and which of them may be picked together.
#[derive(Clone, Debug)]
pub struct Chains {
    pub(super) names: BTreeMap<(Inode, Name), Chain<Option<Inode>>>,
    pub(super) sizes: BTreeMap<Inode, Chain<u64>>,
    pub(super) sectors: BTreeMap<(Inode, u64), Chain<Vec<u8>>>,
    pub(super) dirs: BTreeSet<Inode>,
    pub(super) rules: Vec<Rule>,
}

/// The versions of one cell, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Chain<T> {
    pub versions: Vec<T>,
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
}

impl<T> Chain<T> {
    fn new(durable: T) -> Chain<T> {
        Chain { versions: vec![durable], positions: vec![None], lower: 0 }
    }

    /// Appends a version and returns its index.
    fn push(&mut self, pos: Pos, value: T) -> usize {
        self.versions.push(value);
        self.positions.push(Some(pos));
        self.newest()
    }

    pub fn newest(&self) -> usize {
        self.versions.len() - 1
    }

    fn sync(&mut self) {
        self.lower = self.newest();
    }
}

impl Chains {
    /// Takes the events before position `crash`, on a disk that held `base`.
    pub fn new(base: &Base, trace: &Trace, crash: Pos) -> Chains {
        let mut chains = Chains {
            names: BTreeMap::new(),
            sizes: BTreeMap::new(),
            sectors: BTreeMap::new(),
            dirs: BTreeSet::from([ROOT]),
            rules: Vec::new(),
        };
        for (&dir, entries) in &base.dirs {
            chains.dirs.insert(dir);
            for (name, &inode) in entries {
                chains.names.insert((dir, name.clone()), Chain::new(Some(inode)));
            }
        }
        for (&inode, content) in &base.files {
            chains.sizes.insert(inode, Chain::new(content.len() as u64));
            for index in 0..(content.len() as u64).div_ceil(SECTOR_LEN) {
                chains.sectors.insert((inode, index), Chain::new(sector_of(content, index)));
            }
        }
        let mut cache = base.files.clone();
        for (pos, event) in (0..crash).zip(&trace.events) {
            if let EventKind::Call(call) = &event.kind {
                chains.apply(pos, call, trace, &mut cache);
            }
        }
        chains
    }

    fn apply(&mut self, pos: Pos, call: &Call, trace: &Trace, cache: &mut BTreeMap<Inode, Vec<u8>>) {
        match call {
            Call::Create { dir, name, inode } => {
                self.push_name(pos, *dir, name, Some(*inode));
                self.sizes.insert(*inode, Chain::new(0));
                cache.insert(*inode, Vec::new());
            }
            Call::CreateDir { dir, name, inode } => {
                self.push_name(pos, *dir, name, Some(*inode));
                self.dirs.insert(*inode);
            }
            Call::Link { dir, name, inode } => {
                self.push_name(pos, *dir, name, Some(*inode));
            }
            Call::Remove { dir, name, .. } | Call::RemoveDir { dir, name, .. } => {
                self.push_name(pos, *dir, name, None);
            }
            Call::Rename { from_dir, from, to_dir, to, inode } => {
                let gone_index = self.push_name(pos, *from_dir, from, None);
                let there_index = self.push_name(pos, *to_dir, to, Some(*inode));
                let gone = Cell::Name { dir: *from_dir, name: from.clone() };
                let there = Cell::Name { dir: *to_dir, name: to.clone() };
                self.imply((&gone, gone_index), (&there, there_index));
                if from_dir == to_dir {
                    self.imply((&there, there_index), (&gone, gone_index));
                }
            }
            Call::Write { inode, offset, data } => {
                self.write(pos, *inode, *offset, trace.bytes(*data), cache.entry(*inode).or_default());
            }
            Call::SetLen { inode, len } => {
                self.set_len(pos, *inode, *len, cache.entry(*inode).or_default());
            }
            Call::Allocate { inode, offset, len } => {
                let content = cache.entry(*inode).or_default();
                let end = offset + len;
                if end > content.len() as u64 {
                    self.set_len(pos, *inode, end, content);
                }
            }
            // Not made by any call of the seam.
            Call::Exchange { .. } | Call::ZeroRange { .. } | Call::SyncAll => {}
            Call::SyncFile { inode, .. } => {
                self.sizes.entry(*inode).or_insert_with(|| Chain::new(0)).sync();
                self.sectors.range_mut((*inode, 0)..=(*inode, u64::MAX)).for_each(|(_, chain)| chain.sync());
            }
            Call::SyncDir { dir } => {
                self.names.iter_mut().filter(|((d, _), _)| d == dir).for_each(|(_, chain)| chain.sync());
            }
        }
    }

    fn write(&mut self, pos: Pos, inode: Inode, offset: u64, data: &[u8], content: &mut Vec<u8>) {
        if data.is_empty() {
            return;
        }
        let old_len = content.len() as u64;
        let end = offset + data.len() as u64;
        if end > old_len {
            content.resize(end as usize, 0);
        }
        content[offset as usize..end as usize].copy_from_slice(data);

        for index in offset / SECTOR_LEN..=(end - 1) / SECTOR_LEN {
            self.push_sector(pos, inode, index, content);
        }
        let mut boundary = (offset / PAGE_LEN + 1) * PAGE_LEN;
        while boundary < end {
            if boundary > old_len {
                self.push_size(pos, inode, boundary);
            }
            boundary += PAGE_LEN;
        }
        if end > old_len {
            self.push_size(pos, inode, end);
        }
    }

    fn set_len(&mut self, pos: Pos, inode: Inode, len: u64, content: &mut Vec<u8>) {
        let old_len = content.len() as u64;
        content.resize(len as usize, 0);
        if len < old_len {
            let cut = self.sectors.range((inode, len / SECTOR_LEN)..=(inode, u64::MAX));
            let cut: Vec<u64> = cut.map(|((_, index), _)| *index).collect();
            for index in cut {
                self.push_sector(pos, inode, index, content);
            }
        }
        self.push_size(pos, inode, len);
    }

    fn push_name(&mut self, pos: Pos, dir: Inode, name: &Name, refers_to: Option<Inode>) -> usize {
        let chain = self.names.entry((dir, name.clone())).or_insert_with(|| Chain::new(None));
        chain.push(pos, refers_to)
    }

    fn push_size(&mut self, pos: Pos, inode: Inode, len: u64) {
        self.sizes.entry(inode).or_insert_with(|| Chain::new(0)).push(pos, len);
    }

    fn push_sector(&mut self, pos: Pos, inode: Inode, index: u64, content: &[u8]) {
        let empty = || Chain::new(vec![0; SECTOR_LEN as usize]);
        self.sectors.entry((inode, index)).or_insert_with(empty).push(pos, sector_of(content, index));
    }

    fn imply(&mut self, (cell, at_least): (&Cell, usize), (then, then_at_least): (&Cell, usize)) {
        self.rules.push(Rule { cell: cell.clone(), at_least, then: then.clone(), then_at_least });
    }
}

/// A sector as the cache shows it: zeros past the end of the file.
fn sector_of(content: &[u8], index: u64) -> Vec<u8> {
    let start = content.len().min((index * SECTOR_LEN) as usize);
    let end = content.len().min(start + SECTOR_LEN as usize);
    let mut sector = content[start..end].to_vec();
    sector.resize(SECTOR_LEN as usize, 0);
    sector
}
