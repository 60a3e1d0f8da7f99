//! All that a model allows of a workload: how much looser it is than what was seen.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use unplug_vfs::{OpenOptions, Vfs, VfsFile};

use super::judge::next_path;
use super::{Content, Files, Judge, Node, Outcome, Workload};
use crate::disk::{Chooser, Policy, SECTOR, Scratch, SimDisk};
use crate::trace::Pos;

/// Directories inside directories are followed so deep: a directory that moved may be found inside itself.
const DEPTH_MAX: usize = 8;

/// What a model allows at the crashes of a workload that were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Different outcomes found to be allowed.
    pub outcomes: BTreeSet<Files>,
    /// Whether those are all.
    pub is_complete: bool,
}

impl Judge {
    /// Explores what the model allows at the crashes of `seen`; gives up when `reads_max` disks have been read
    /// at one of them.
    pub fn allowed(&self, seen: &[Outcome], reads_max: usize) -> io::Result<Allowed> {
        let mut allowed = Allowed { outcomes: BTreeSet::new(), is_complete: true };
        let positions: BTreeSet<Pos> =
            seen.iter().map(|o| self.replayed.crash_position(o.returned_max)).collect();
        for at in positions {
            allowed.is_complete = self.explore(at, reads_max, &mut allowed.outcomes)?;
            if !allowed.is_complete {
                break;
            }
        }
        Ok(allowed)
    }

    fn explore(&self, at: Pos, reads_max: usize, outcomes: &mut BTreeSet<Files>) -> io::Result<bool> {
        let world = self.world(at);
        let mut path = Vec::new();
        let mut scratch = Scratch::default();
        for _ in 0..reads_max {
            let mut chooser = Chooser::default();
            chooser.start(path, Policy::Newest);
            let disk = SimDisk::new(world.clone(), chooser, u64::MAX, scratch);
            let mut files = Files::new();
            for dir in [""].into_iter().chain(Workload::DIRS) {
                self.read_dir(&disk, dir, 0, &mut files)?;
            }
            outcomes.insert(files);
            let finished = disk.finish();
            path = finished.path;
            scratch = finished.scratch;
            scratch.recycle(finished.recording);
            if !next_path(&mut path, |_, _| false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_dir(&self, disk: &SimDisk, dir: &str, depth: usize, files: &mut Files) -> io::Result<()> {
        for name in &self.replayed.names {
            if dir.is_empty() && Workload::UNLISTED.contains(&&**name) {
                continue;
            }
            let path = if dir.is_empty() { name.to_string() } else { format!("{dir}/{name}") };
            match disk.open(&PathBuf::from(&path), OpenOptions::READ) {
                Ok(file) => {
                    files.insert(path, Node::File(read_file(&*file)?));
                }
                Err(e) if e.kind() == io::ErrorKind::IsADirectory => {
                    files.insert(path.clone(), Node::Dir);
                    if depth < DEPTH_MAX {
                        self.read_dir(disk, &path, depth + 1, files)?;
                    }
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
}

fn read_file(file: &dyn VfsFile) -> io::Result<Content> {
    let mut content = Content::default();
    let mut buf = [0; SECTOR];
    loop {
        let at = content.len();
        match file.read_at(&mut buf, at)? {
            0 => return Ok(content),
            count => content.extend(&buf[..count]),
        }
    }
}
