//! What each file of a store's directory is there for.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use unplug_vfs::{OpenOptions, Vfs};

use super::file_name;
use crate::damage::Unreadable;
use crate::dir::Dir;
use crate::error::Error;
use crate::fragment::BLOCK;
use crate::manifest::Manifest;
use crate::names::{Form, Kind, Name};
use crate::planted::Planted;
use crate::reader::Scratch;
use crate::snapshot::SnapshotHeader;
use crate::wal::SegmentHeader;

/// What a file of a store's directory is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The newest manifest.
    Manifest,
    /// The snapshot that it names, or one that this builds on.
    Snapshot,
    /// A segment that it names, or one that was rotated in since.
    Segment,
    /// A newer segment without a header that says whether it belongs to the log.
    Headless,
    /// Of no use any more: the next open removes it.
    Leftover,
    /// Never finished: the next open removes it.
    Unfinished,
    /// Set aside by a recovery that went on without it.
    Kept,
    /// Replaced by a snapshot, and kept on demand.
    Retained,
}

impl Role {
    /// The name that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Manifest => "manifest",
            Role::Snapshot => "snapshot",
            Role::Segment => "segment",
            Role::Headless => "headless",
            Role::Leftover => "leftover",
            Role::Unfinished => "unfinished",
            Role::Kept => "kept",
            Role::Retained => "retained",
        }
    }
}

/// The roles of a directory's files, by name. Without a manifest that verifies, files are told by their names
/// alone.
pub fn roles(vfs: Arc<dyn Vfs>, path: &Path) -> Result<BTreeMap<String, Role>, Error> {
    let dir = Dir::new(vfs.clone(), path);
    let listing = dir.list()?;
    let newest = listing.numbers(Kind::Manifest).next_back();
    let manifest = match newest {
        None => None,
        Some(number) => {
            let file = dir.open(Name::manifest(number))?;
            match Manifest::read(&file, Some(number), Planted::None, &mut Scratch::default()) {
                Ok(manifest) => Some(manifest),
                Err(Unreadable::Damage(_)) => None,
                Err(Unreadable::Error(error)) => return Err(error),
            }
        }
    };
    let snapshots = match &manifest {
        Some(manifest) => snapshots(&*vfs, &dir, manifest.snapshot)?,
        None => Vec::new(),
    };
    let mut roles = BTreeMap::new();
    for name in listing.names() {
        let role = match (name.form, name.kind, &manifest) {
            (Form::Tmp, ..) => Role::Unfinished,
            (Form::Damaged, ..) => Role::Kept,
            (Form::Retained, ..) => Role::Retained,
            (Form::Plain, Kind::Manifest, _) if Some(name.number) == newest => Role::Manifest,
            (Form::Plain, Kind::Manifest, _) => Role::Leftover,
            (Form::Plain, Kind::Snapshot, Some(_)) if !snapshots.contains(&name.number) => Role::Leftover,
            (Form::Plain, Kind::Snapshot, _) => Role::Snapshot,
            (Form::Plain, Kind::Wal, None) => Role::Segment,
            (Form::Plain, Kind::Wal, Some(manifest)) => segment(&*vfs, &dir, *name, manifest)?,
        };
        roles.extend(file_name(&dir.path_of(*name)).map(|file| (file, role)));
    }
    Ok(roles)
}

/// A snapshot and its bases, as far as their headers lead.
fn snapshots(vfs: &dyn Vfs, dir: &Dir, newest: u64) -> Result<Vec<u64>, Error> {
    let mut chain = Vec::new();
    let mut number = newest;
    while number > 0 {
        chain.push(number);
        let base = match first_block(vfs, &dir.path_of(Name::snapshot(number))) {
            Ok(block) => SnapshotHeader::decode(&block).map_or(0, |header| header.base),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        // A base is older than what builds on it.
        number = if base < number { base } else { 0 };
    }
    Ok(chain)
}

fn first_block(vfs: &dyn Vfs, path: &Path) -> Result<Vec<u8>, Error> {
    let mut block = vec![0; BLOCK];
    let file = vfs.open(path, OpenOptions::READ).map_err(|e| Error::io("open", path, e))?;
    let n = file.read_fully_at(&mut block, 0).map_err(|e| Error::io("read", path, e))?;
    block.truncate(n);
    Ok(block)
}

fn segment(vfs: &dyn Vfs, dir: &Dir, name: Name, manifest: &Manifest) -> Result<Role, Error> {
    if manifest.segments.contains(&name.number) {
        return Ok(Role::Segment);
    }
    if name.number < manifest.segments.last().copied().unwrap_or(0) {
        return Ok(Role::Leftover);
    }
    let epoch = manifest.epoch;
    Ok(match SegmentHeader::decode(&first_block(vfs, &dir.path_of(name))?) {
        // A compaction that never came to its end has begun segments of the epoch after this one.
        Ok(header) if header.number == name.number && (epoch..=epoch + 1).contains(&header.epoch) => {
            Role::Segment
        }
        Ok(_) => Role::Leftover,
        Err(_) => Role::Headless,
    })
}
