//! Content and sizes of files, call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::chains::{Value, Version, piece};
use super::record::Record;
use super::{Cell, PAGE_LEN, SECTOR_LEN, garbage};
use crate::model::{Append, Order, SizeImplies, TornSide, Unwritten};
use crate::trace::{Call, Inode, Pos};

/// Changes of a file since its last sync.
#[derive(Clone, Copy)]
enum Unsynced {
    /// One write, or several that each began in the page where the last one ended, up to this one.
    UpToPage(u64),
    /// Any others.
    Anywhere,
}

/// What is remembered of a file's content.
#[derive(Default)]
pub(super) struct File {
    /// The smallest size since the last sync.
    least: u64,
    /// What of it waits to be written.
    unsynced: Option<Unsynced>,
    /// The rules by which sizes need all their data.
    carried: Vec<usize>,
    /// Pieces whose block has space of its own, with the version since which that is so.
    written: BTreeMap<Cell, usize>,
    /// The length that it was cut to last, unless it has grown since, and the zeros behind that.
    cut: Option<(u64, BTreeSet<Version>)>,
    /// Whether a sync has passed over those.
    cut_synced: bool,
}

impl Record<'_> {
    /// A call that changes the content or the size of a file.
    pub fn change_content(&mut self, pos: Pos, call: &Call) {
        match call {
            Call::Write { inode, offset, data } => {
                let data = self.trace.bytes(*data);
                let alone = self.begin_write(*inode, *offset, data.len() as u64);
                let zeros = self.write_over_cut(*inode, *offset, data.len() as u64);
                let written = self.write(pos, *inode, *offset, (data, alone));
                self.bring_zeros(&written, &zeros);
            }
            Call::SetLen { inode, len } => {
                if *len > 0 || self.file(*inode).unsynced.is_some() {
                    self.begin_change(*inode);
                }
                self.grown_to(*inode, *len);
                self.file(*inode).cut_synced = false;
                self.forget_pages(*inode, |_| true);
                self.set_len(pos, *inode, *len);
            }
            Call::Allocate { inode, offset, len } => {
                self.begin_change(*inode);
                self.grown_to(*inode, offset + len);
                self.reserve(pos, *inode, offset + len, false);
            }
            Call::ZeroRange { inode, offset, len, keep_size } => {
                self.begin_change(*inode);
                let end = offset + len;
                if !keep_size {
                    self.grown_to(*inode, end);
                }
                self.reserve(pos, *inode, end, *keep_size);
                for version in self.zero(pos, *inode, *offset, end) {
                    self.file(*inode).written.remove(&version.0);
                }
            }
            Call::LostWrite { inode, offset, data, lands } => {
                let data = self.trace.bytes(*data);
                self.begin_write(*inode, *offset, data.len() as u64);
                self.lost_write(pos, *inode, (*offset, *lands), data);
            }
            _ => {}
        }
    }

    fn file(&mut self, inode: Inode) -> &mut File {
        self.files.entry(inode).or_default()
    }

    /// A call changes a file in a place of its own. That may be written alone, and takes the size along: no size
    /// needs its data any longer.
    fn begin_change(&mut self, inode: Inode) {
        for rule in std::mem::take(&mut self.file(inode).carried) {
            self.chains.take_back(rule);
        }
        self.file(inode).unsynced = Some(Unsynced::Anywhere);
    }

    /// The same for a write, unless it goes on in the page where the last one ended, or is the first: says whether
    /// that is so.
    fn begin_write(&mut self, inode: Inode, offset: u64, len: u64) -> bool {
        if len == 0 {
            return true;
        }
        let goes_on = match self.file(inode).unsynced {
            None => true,
            Some(Unsynced::UpToPage(page)) => page == offset / PAGE_LEN,
            Some(Unsynced::Anywhere) => false,
        };
        if goes_on {
            self.file(inode).unsynced = Some(Unsynced::UpToPage((offset + len - 1) / PAGE_LEN));
        } else {
            self.begin_change(inode);
        }
        goes_on
    }

    /// A file that grows has its last page written, zeros and all.
    fn grown_to(&mut self, inode: Inode, end: u64) {
        self.file(inode).cut.take_if(|(len, _)| end > *len);
    }

    /// The zeros that are written with these bytes, since their page is.
    fn write_over_cut(&mut self, inode: Inode, offset: u64, len: u64) -> Vec<Version> {
        if len == 0 {
            return Vec::new();
        }
        let unit = self.chains.unit;
        let pages = offset / PAGE_LEN..=(offset + len - 1) / PAGE_LEN;
        let dirty = |zeros: &&Version| pages.contains(&(number_of(zeros) * unit / PAGE_LEN));
        let file = self.file(inode);
        let cut = file.cut.iter().flat_map(|(_, zeros)| zeros);
        let zeros: Vec<Version> = cut.filter(dirty).cloned().collect();
        file.cut.take_if(|_| !zeros.is_empty());
        let synced = file.cut_synced;
        self.grown_to(inode, offset + len);
        if synced { zeros } else { Vec::new() }
    }

    /// Zeros that a sync has passed over come with what is written to their page later, unless the disk tears
    /// sectors.
    fn bring_zeros(&mut self, written: &[Version], zeros: &[Version]) {
        let page_of = |version: &Version| number_of(version) * self.chains.unit / PAGE_LEN;
        let mut rules = Vec::new();
        for version in written.iter().filter(|_| u64::from(self.model.torn_unit) >= SECTOR_LEN) {
            let same_page = zeros.iter().filter(|zeros| page_of(zeros) == page_of(version));
            rules.extend(same_page.map(|zeros| (version.clone(), zeros.clone())));
        }
        for (version, zeros) in rules {
            self.chains.imply(&version, &zeros);
        }
    }

    pub fn note_synced_size(&mut self, inode: Inode) {
        self.file(inode).least = self.len(inode);
    }

    /// A sync of the file: what it writes of each piece.
    pub fn synced_pieces(&mut self, inode: Inode) -> Vec<Version> {
        let mut pieces = self.chains.pieces(inode, 0..u64::MAX);
        let file = self.file(inode);
        file.unsynced = None;
        file.carried.clear();
        file.cut_synced = true;
        if let Some((_, zeros)) = &file.cut {
            for piece in &mut pieces {
                while zeros.contains(piece) {
                    piece.1 -= 1;
                }
            }
        }
        pieces
    }

    /// Space up to `end`. Where the size behind that has yet to reach the disk, it stops there on its way.
    fn reserve(&mut self, pos: Pos, inode: Inode, end: u64, keep_size: bool) {
        let len = self.len(inode);
        let made_here = !self.chains.files.contains_key(&inode);
        if made_here && self.file(inode).least < end && end < len {
            for size in [end, len] {
                self.grow(pos, inode, (u64::MAX, size), (&[], false));
            }
        } else if end > len && !keep_size {
            self.set_len(pos, inode, end);
        }
    }

    /// The file grows behind a gap, from `start` on: its last page, zeroed to its end, may come first. Says
    /// whether there is such a page.
    pub fn fill_last_page(&mut self, pos: Pos, inode: Inode, old_len: u64, start: u64) -> bool {
        let boundary = old_len.next_multiple_of(PAGE_LEN);
        let made_here = !self.chains.files.contains_key(&inode);
        let fills = made_here && old_len < boundary && boundary <= start;
        if fills {
            self.file(inode).unsynced = Some(Unsynced::Anywhere);
            self.grow(pos, inode, (u64::MAX, boundary), (&[], false));
        }
        fills
    }

    /// Writes bytes; returns the versions of the pieces.
    fn write(&mut self, pos: Pos, inode: Inode, offset: u64, (data, alone): (&[u8], bool)) -> Vec<Version> {
        if data.is_empty() {
            return Vec::new();
        }
        let unit = self.chains.unit;
        let old_len = self.len(inode);
        let end = offset + data.len() as u64;
        let content = self.cache.entry(inode).or_default();
        content.resize(old_len.max(end) as usize, 0);
        content[offset as usize..end as usize].copy_from_slice(data);
        let content = content.clone();

        let per_sector = SECTOR_LEN / unit;
        let mut numbers: BTreeSet<u64> = (offset / unit..=(end - 1) / unit).collect();
        for sector in offset / SECTOR_LEN..=(end - 1) / SECTOR_LEN {
            if self.garbage(pos, inode, sector) {
                numbers.extend(sector * per_sector..(sector + 1) * per_sector);
            }
        }
        let mut written = Vec::new();
        for index in numbers {
            let cell = Cell::Sector { inode, index };
            written.push(self.chains.push(pos, cell, Value::Data(piece(&content, index, unit))));
        }
        for (cell, version) in &written {
            self.file(inode).written.entry(cell.clone()).or_insert(*version);
        }
        self.changed(inode, &written);

        // Behind a gap the write has two pages to write at least.
        let alone = !self.fill_last_page(pos, inode, old_len, offset) && alone;
        let boundaries = (offset / PAGE_LEN + 1..).map(|page| page * PAGE_LEN);
        let sizes = boundaries.take_while(|&boundary| boundary < end).chain([end]);
        for size in sizes.filter(|&size| size > old_len).collect::<Vec<_>>() {
            self.grow(pos, inode, (old_len, size), (&written, alone));
        }
        written
    }

    /// A sector that was never durable may hold anything when it is first given a place. Tells whether it was
    /// this write that gave it one.
    fn garbage(&mut self, pos: Pos, inode: Inode, sector: u64) -> bool {
        let per_sector = SECTOR_LEN / self.chains.unit;
        let pieces = sector * per_sector..(sector + 1) * per_sector;
        let durable_len = self.chains.files.get(&inode).map_or(0, |content| content.len() as u64);
        let fresh = sector * SECTOR_LEN >= durable_len
            && self.chains.pieces(inode, pieces.clone()).is_empty()
            && !self.lost.contains(&(inode, sector));
        let garbage = self.model.unwritten == Unwritten::Garbage && fresh;
        if garbage {
            let mut versions = Vec::new();
            for index in pieces {
                let garbage = garbage::garbage(self.removed.as_deref(), index, self.chains.unit);
                versions.push(self.chains.push(pos, Cell::Sector { inode, index }, Value::Data(garbage)));
            }
            self.together(&versions);
        }
        garbage
    }

    /// What must survive with what a call made of some pieces.
    fn changed(&mut self, inode: Inode, changed: &[Version]) {
        for version in changed {
            let number = number_of(version);
            for with in self.whole_page(number).chain(self.torn_side(number)) {
                for other in self.chains.pieces(inode, with..with + 1) {
                    self.chains.imply(version, &other);
                }
            }
        }
        if self.model.data == Order::InOrder {
            let sector_of = |version: &Version| number_of(version) * self.chains.unit / SECTOR_LEN;
            let by_sector = changed.chunk_by(|a, b| sector_of(a) == sector_of(b));
            for sector in by_sector.map(<[Version]>::to_vec).collect::<Vec<_>>() {
                self.in_order(sector);
            }
        }
    }

    /// Where pages are not torn: all pieces of a piece's page.
    fn whole_page(&self, number: u64) -> Range<u64> {
        let per_page = PAGE_LEN / self.chains.unit;
        let first = number / per_page * per_page;
        if u64::from(self.model.torn_unit) < PAGE_LEN { 0..0 } else { first..first + per_page }
    }

    /// Where sectors are torn: the piece's neighbour in its sector, on the side that survives.
    fn torn_side(&self, number: u64) -> Option<u64> {
        let per_sector = SECTOR_LEN / self.chains.unit;
        let neighbour = match self.model.torn_side {
            TornSide::Left => number.checked_sub(1)?,
            TornSide::Right => number + 1,
        };
        (neighbour / per_sector == number / per_sector).then_some(neighbour)
    }

    /// Takes back what earlier sizes needed of pages of their own.
    fn forget_pages(&mut self, inode: Inode, which: impl Fn(u64) -> bool) {
        for &(page, rule) in &self.pages {
            if self.chains.rules[rule].cell == (Cell::Size { inode }) && which(page) {
                self.chains.take_back(rule);
            }
        }
    }

    fn push_size(&mut self, pos: Pos, inode: Inode, len: u64) -> Version {
        self.metadata_changed = true;
        let file = self.file(inode);
        file.least = file.least.min(len);
        self.chains.push(pos, Cell::Size { inode }, Value::Size(len))
    }

    /// The file grew from a length to another, by a write that put `written` there or without one; whether all
    /// of that is bound to the size where the model binds it.
    pub fn grow(
        &mut self,
        pos: Pos,
        inode: Inode,
        (old_len, len): (u64, u64),
        (written, alone): (&[Version], bool),
    ) {
        let Append { size: order, size_implies } = self.append_rule(inode, old_len, len);
        // Pages are written back in any order, and each takes the size along: a size in another page needs no
        // longer what an earlier size needed of its own.
        self.forget_pages(inode, |page| page != page_of(len));
        let size = self.push_size(pos, inode, len);
        let unit = self.chains.unit;
        let first_rule = self.chains.rules.len();
        let from = match size_implies {
            SizeImplies::Nothing => len,
            SizeImplies::ItsPage => page_of(len) * PAGE_LEN,
            SizeImplies::ItsData if alone => 0,
            SizeImplies::ItsData => len,
        };
        for version in written {
            if (from..len).contains(&(number_of(version) * unit)) {
                self.chains.imply(&size, version);
            }
        }
        let rules = first_rule..self.chains.rules.len();
        match size_implies {
            SizeImplies::Nothing => {}
            SizeImplies::ItsPage => self.pages.extend(rules.map(|rule| (page_of(len), rule))),
            SizeImplies::ItsData => self.file(inode).carried.extend(rules),
        }
        if order == Order::InOrder {
            self.in_order(vec![size]);
        }
    }

    /// Which rule a growth follows: of the last block, if it stays in that and a sync had reached the block, and
    /// data in it.
    fn append_rule(&self, inode: Inode, old_len: u64, len: u64) -> Append {
        let block = old_len / PAGE_LEN * PAGE_LEN;
        let synced = self.chains.chains.get(&Cell::Size { inode }).filter(|chain| chain.lower > 0);
        let synced = synced.and_then(|chain| chain.size(chain.lower)).unwrap_or(0);
        let is_in_block = |cell: &Cell| match cell {
            Cell::Sector { index, .. } => index * self.chains.unit / PAGE_LEN == block / PAGE_LEN,
            _ => false,
        };
        let reached = |(cell, version): (&Cell, &usize)| {
            is_in_block(cell) && self.chains.chains.get(cell).is_some_and(|chain| *version <= chain.lower)
        };
        let has_data = || self.files.get(&inode).is_some_and(|file| file.written.iter().any(reached));
        if old_len > block && old_len < len && len <= block + PAGE_LEN && synced > block && has_data() {
            self.model.append_in_block
        } else {
            self.model.append_new_block
        }
    }

    fn set_len(&mut self, pos: Pos, inode: Inode, len: u64) {
        let old_len = self.len(inode);
        if len > old_len {
            self.cache.entry(inode).or_default().resize(len as usize, 0);
            self.fill_last_page(pos, inode, old_len, len - 1);
            self.grow(pos, inode, (old_len, len), (&[], false));
        } else if len < old_len {
            self.shrink(pos, inode, len);
        }
    }

    fn shrink(&mut self, pos: Pos, inode: Inode, len: u64) {
        let unit = self.chains.unit;
        let zeroed = self.zero(pos, inode, len, u64::MAX);
        self.cache.entry(inode).or_default().truncate(len as usize);
        let size = self.push_size(pos, inode, len);
        let behind = len.next_multiple_of(PAGE_LEN);
        let (tail, freed): (Vec<Version>, Vec<Version>) =
            zeroed.into_iter().partition(|version| number_of(version) * unit < behind);
        for (cell, _) in &freed {
            self.file(inode).written.remove(cell);
        }
        if self.model.shrink == Order::InOrder {
            for version in freed {
                self.together(&[size.clone(), version]);
            }
            self.in_order(vec![size]);
        } else {
            let cut = self.file(inode).cut.get_or_insert_default();
            cut.0 = len;
            cut.1.extend(tail);
        }
    }

    /// Zeroes a range of bytes, in each piece of the file, holes too, and each that ever held something.
    fn zero(&mut self, pos: Pos, inode: Inode, start: u64, end: u64) -> Vec<Version> {
        let unit = self.chains.unit;
        let content = self.cache.entry(inode).or_default();
        let len = content.len() as u64;
        content[start.min(len) as usize..end.min(len) as usize].fill(0);
        let content = content.clone();

        let numbers = start / unit..end.div_ceil(unit);
        let durable_len = self.chains.files.get(&inode).map_or(0, |content| content.len() as u64);
        let mut held: Vec<u64> = self.chains.pieces(inode, numbers.clone()).iter().map(number_of).collect();
        held.extend(numbers.start..numbers.end.min(durable_len.max(len).div_ceil(unit)));
        held.sort_unstable();
        held.dedup();
        let push = |index| {
            let cell = Cell::Sector { inode, index };
            self.chains.push(pos, cell, Value::Data(piece(&content, index, unit)))
        };
        let zeroed: Vec<Version> = held.into_iter().map(push).collect();
        self.changed(inode, &zeroed);
        zeroed
    }
}

/// The page that a file of this size ends in.
pub(super) fn page_of(len: u64) -> u64 {
    (len.max(1) - 1) / PAGE_LEN
}

/// The number of a piece within its file.
fn number_of((cell, _): &Version) -> u64 {
    match cell {
        Cell::Sector { index, .. } => *index,
        Cell::Name { .. } | Cell::Size { .. } => 0,
    }
}
