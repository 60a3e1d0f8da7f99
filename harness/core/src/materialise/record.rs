//! From a record of calls to version chains: the rules of the models, call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::chains::{Chains, Rule, Value, Version, piece};
use super::{Base, Cell, PAGE_LEN, SECTOR_LEN, garbage};
use crate::model::{Append, FileSync, Model, Order, Rename, SizeImplies, TornSide, Unwritten};
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
    removed: Option<Vec<u8>>,
    trace: &'a Trace,
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
    pages: Vec<(u64, usize)>,
    /// What a failed sync marked clean and nobody has changed since.
    pub clean: BTreeSet<Cell>,
    /// What else there is to know of a file.
    files: BTreeMap<Inode, File>,
}

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
struct File {
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
            Call::Write { inode, offset, data } => {
                let data = self.trace.bytes(*data);
                let alone = self.begin_write(*inode, *offset, data.len() as u64);
                self.write_over_cut(*inode, *offset, data.len() as u64);
                self.write(pos, *inode, *offset, (data, alone));
            }
            Call::SetLen { inode, len } => {
                if *len > 0 || self.file(*inode).unsynced.is_some() {
                    self.begin_change(*inode);
                }
                self.grown_to(*inode, *len);
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
            Call::SyncFile { inode, data_only } => self.sync_file(*inode, *data_only),
            Call::SyncDir { dir } => self.sync_dir(*dir),
            Call::SyncAll => self.sync_all(),
            Call::Failed { sync: Some(sync), .. } => self.failed_sync(*sync),
            Call::Failed { sync: None, .. } => {}
            Call::LostWrite { inode, offset, data, lands } => {
                let data = self.trace.bytes(*data);
                self.begin_write(*inode, *offset, data.len() as u64);
                self.lost_write(pos, *inode, (*offset, *lands), data);
            }
        }
    }

    pub fn len(&self, inode: Inode) -> u64 {
        self.cache.get(&inode).map_or(0, |content| content.len() as u64)
    }

    /// One more element of the ordered class: each version implies all of the element before.
    fn in_order(&mut self, element: Vec<Version>) {
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
    fn together(&mut self, versions: &[Version]) {
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

    // Content.

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

    fn write_over_cut(&mut self, inode: Inode, offset: u64, len: u64) {
        if len == 0 {
            return;
        }
        self.grown_to(inode, offset + len);
        let unit = self.chains.unit;
        let pages = offset / PAGE_LEN..=(offset + len - 1) / PAGE_LEN;
        let dirty = |zeros: &Version| pages.contains(&(number_of(zeros) * unit / PAGE_LEN));
        self.file(inode).cut.take_if(|(_, zeros)| zeros.iter().any(dirty));
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

    fn write(&mut self, pos: Pos, inode: Inode, offset: u64, (data, alone): (&[u8], bool)) {
        if data.is_empty() {
            return;
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

    // Sizes.

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
