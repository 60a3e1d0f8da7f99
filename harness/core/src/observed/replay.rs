//! A workload made again on the simulated disk.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use unplug_vfs::{FileKind, OpenOptions, Vfs};

use super::{Call, Fallocate, Workload};
use crate::disk::{CellKey, Chooser, Finished, Recording, Scratch, SimDisk, World};
use crate::model::Model;
use crate::trace::{Name, Pos};

/// A workload that was made on the simulated disk, as a model has it.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What was recorded, the setup included.
    pub recording: Arc<Recording>,
    /// The end of the trace after so many calls of the workload, from 0 on.
    after: Vec<Pos>,
    /// By call: whether it makes something durable when it returns.
    is_sync: Vec<bool>,
    /// All names that any directory ever had, sorted.
    pub(super) names: Vec<Name>,
}

impl Replayed {
    /// Makes the calls. Fails if the file system would not have taken one of them.
    pub fn new(workload: &Workload, model: &Model) -> Result<Replayed, String> {
        let world = Arc::new(World::empty(model.rules()));
        let disk = SimDisk::new(world, Chooser::default(), u64::MAX, Scratch::default());
        prepare(&disk).map_err(|e| format!("failed to prepare the simulated disk: {e}"))?;
        let make = |call: &Call, text: &str| {
            make(&disk, call)
                .map_err(|e| format!("failed to make the call {text:?} on the simulated disk: {e}"))
        };
        for step in &workload.setup {
            make(&step.call, &step.text)?;
        }
        settle(&disk, Path::new("")).map_err(|e| format!("failed to sync the simulated disk: {e}"))?;
        let mut after = vec![disk.position()];
        for step in &workload.calls {
            make(&step.call, &step.text)?;
            after.push(disk.position());
        }
        let is_sync = workload.calls.iter().map(|step| step.call.is_sync()).collect();
        let Finished { recording, .. } = disk.finish();
        let names: BTreeSet<Name> = recording
            .cells()
            .iter()
            .filter_map(|cell| match &cell.key {
                CellKey::Entry { name, .. } => Some(name.clone()),
                _ => None,
            })
            .collect();
        Ok(Replayed { recording: Arc::new(recording), after, is_sync, names: names.into_iter().collect() })
    }

    /// Where a crash with so many calls returned and the next one under way happens: after all that the next
    /// one does; but before a sync takes effect.
    pub fn crash_position(&self, returned: usize) -> Pos {
        let under_way = self.is_sync.get(returned) == Some(&false);
        let end = self.after.last().copied().unwrap_or(0);
        self.after.get(returned + usize::from(under_way)).copied().unwrap_or(end)
    }
}

/// What is there from the start.
fn prepare(disk: &SimDisk) -> io::Result<()> {
    for dir in Workload::DIRS {
        disk.create_dir(Path::new(dir))?;
    }
    for file in Workload::FILES {
        disk.open(Path::new(file), OpenOptions::CREATE_NEW)?;
    }
    Ok(())
}

/// Makes everything below a directory durable, whatever the model.
fn settle(disk: &SimDisk, dir: &Path) -> io::Result<()> {
    for entry in disk.read_dir(dir)? {
        let path = dir.join(&entry.name);
        match entry.kind {
            FileKind::Directory => settle(disk, &path)?,
            FileKind::File => disk.open(&path, OpenOptions::READ)?.sync_all()?,
        }
    }
    disk.sync_dir(dir)
}

fn make(disk: &SimDisk, call: &Call) -> io::Result<()> {
    let open = |path: &str, options| disk.open(Path::new(path), options);
    let bytes = |byte: u8, count: u64| vec![byte; count as usize];
    match call {
        Call::Create(path) => open(path, OpenOptions::CREATE).map(drop),
        Call::Make(path, byte, count) => {
            open(path, OpenOptions::CREATE)?.write_fully_at(&bytes(*byte, *count), 0)
        }
        Call::Replace(path, byte, count) => {
            open(path, OpenOptions::CREATE_TRUNCATE)?.write_fully_at(&bytes(*byte, *count), 0)
        }
        Call::Append(path, byte, count) => {
            let file = open(path, OpenOptions::CREATE)?;
            let end = file.len()?;
            file.write_fully_at(&bytes(*byte, *count), end)
        }
        Call::Write(path, offset, byte, count) => {
            open(path, OpenOptions::CREATE)?.write_fully_at(&bytes(*byte, *count), *offset)
        }
        Call::SetLen(path, len) => open(path, OpenOptions::READ_WRITE)?.set_len(*len),
        Call::Rename(from, to) => disk.rename(Path::new(from), Path::new(to)),
        Call::Exchange(a, b) => disk.exchange(Path::new(a), Path::new(b)),
        Call::Link(existing, new) => disk.hard_link(Path::new(existing), Path::new(new)),
        Call::Remove(path) => disk.remove_file(Path::new(path)),
        Call::CreateDir(path) => disk.create_dir(Path::new(path)),
        Call::RemoveDir(path) => disk.remove_dir(Path::new(path)),
        Call::Allocate(path, offset, len, Fallocate::Extend) => {
            open(path, OpenOptions::CREATE)?.allocate(*offset, *len)
        }
        Call::Allocate(path, _, _, Fallocate::KeepSize) => open(path, OpenOptions::CREATE).map(drop),
        Call::Allocate(path, offset, len, mode) => {
            open(path, OpenOptions::CREATE)?;
            disk.zero_range(Path::new(path), *offset, *len, *mode == Fallocate::PunchHole)
        }
        Call::SyncFile(path, data_only) => {
            let file = open(path, OpenOptions::READ)?;
            if *data_only { file.sync_data() } else { file.sync_all() }
        }
        Call::SyncDir(path) => disk.sync_dir(Path::new(path)),
        Call::SyncAll => disk.sync_all_files(),
        Call::Nothing => Ok(()),
    }
}
