//! What is the same in all runs on one disk, whatever they decide: sectors whose content is beyond doubt, which are
//! read as a whole, where a sector may be torn and each of its units had to be looked at; and the names that a
//! directory may have at all, of all those it ever had.

use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;

use super::read::Reader;
use super::{Bounds, Chooser, SECTOR, World};
use crate::trace::{Inode, Name};

/// Sectors of longer files (32 MiB) are not kept.
const SECTORS_MAX: u64 = 1 << 16;

/// What was found out about a sector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Found {
    #[default]
    Nothing,
    /// What it holds depends on the crash.
    InDoubt,
    /// Its bytes begin here.
    At(u32),
}

/// What was found out about a world so far.
#[derive(Debug, Default)]
pub(super) struct Settled {
    world: Weak<World>,
    /// As they are before anything is decided.
    bounds: Bounds,
    /// Answers nothing.
    chooser: Chooser,
    files: FxHashMap<Inode, Vec<Found>>,
    bytes: Vec<u8>,
    names: FxHashMap<Inode, Vec<Name>>,
}

impl Settled {
    /// A sector of a file, if it holds the same on every disk of the world; its size is another question.
    pub fn sector(&mut self, world: &Arc<World>, inode: Inode, sector: u64) -> Option<&[u8]> {
        if sector >= SECTORS_MAX || world.layers.is_empty() {
            return None;
        }
        self.begin(world);
        let sectors = self.files.entry(inode).or_default();
        let index = sector as usize;
        if sectors.len() <= index {
            sectors.resize(index + 1, Found::Nothing);
        }
        if sectors[index] == Found::Nothing {
            let start = self.bytes.len();
            self.bytes.resize(start + SECTOR, 0);
            let mut reader = Reader { world, bounds: &mut self.bounds, chooser: &mut self.chooser };
            let out = &mut self.bytes[start..];
            let read = reader.data_inside(world.layers.len(), inode, sector * SECTOR as u64, out);
            sectors[index] = match (read, u32::try_from(start)) {
                (Ok(()), Ok(start)) => Found::At(start),
                _ => {
                    self.bytes.truncate(start);
                    Found::InDoubt
                }
            };
        }
        match sectors[index] {
            Found::At(start) => Some(&self.bytes[start as usize..][..SECTOR]),
            _ => None,
        }
    }

    /// The names that a directory has on some disk of the world, sorted.
    pub fn names(&mut self, world: &Arc<World>, dir: Inode) -> &[Name] {
        self.begin(world);
        let Settled { bounds, chooser, names, .. } = self;
        names.entry(dir).or_insert_with(|| {
            let mut found = Vec::new();
            Reader { world, bounds, chooser }.possible_names(dir, &mut found);
            found.sort_unstable();
            found.dedup();
            found
        })
    }

    fn begin(&mut self, world: &Arc<World>) {
        if std::ptr::eq(self.world.as_ptr(), Arc::as_ptr(world)) {
            return;
        }
        self.world = Arc::downgrade(world);
        self.bounds.start(world);
        self.chooser.put_off(true);
        self.files.clear();
        self.bytes.clear();
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use unplug_vfs::{OpenOptions, Vfs};

    use super::super::{CrashedLayer, Scratch, SimDisk};
    use super::*;
    use crate::model::{Model, Persisted};
    use crate::trace::ROOT;

    fn crashed(last_write: u8) -> Arc<World> {
        let model = Model::by_name("paranoid").unwrap();
        let empty = Arc::new(World::empty(model.rules()));
        let disk = SimDisk::new(empty.clone(), Chooser::default(), u64::MAX, Scratch::default());
        let options = OpenOptions { write: true, create: true, ..OpenOptions::default() };
        let file = disk.open(Path::new("/a"), options).unwrap();
        file.write_at(&[1; 600], 0).unwrap();
        file.sync_all().unwrap();
        file.write_at(&[last_write; 8], 600).unwrap();
        let recording = Arc::new(disk.finish().recording);
        let persisted = Arc::new(Persisted::new(&model, &recording));
        let at = recording.trace.end();
        Arc::new(empty.crash(CrashedLayer { recording, persisted, at }, &[]))
    }

    #[test]
    fn a_sector_is_settled_if_no_crash_changes_it_and_each_world_has_its_own() {
        let mut settled = Settled::default();
        let file = Inode(ROOT.0 + 1);
        for last_write in [2, 3] {
            let world = crashed(last_write);
            for _ in 0..2 {
                assert_eq!(settled.sector(&world, file, 0), Some(&[1; SECTOR][..]));
                assert_eq!(settled.sector(&world, file, 1), None, "8 of its bytes were not synced");
            }
        }
        let nothing = Arc::new(World::empty(Model::by_name("paranoid").unwrap().rules()));
        assert_eq!(settled.sector(&nothing, file, 0), None);
    }
}
