//! A new store with a given content, which is there only once it is whole.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug_vfs::{FileKind, Vfs};

use crate::dir::Dir;
use crate::error::Error;
use crate::memory::Memory;
use crate::options::Options;
use crate::planted::Planted;
use crate::reader::Scratch;
use crate::record::check_lengths;
use crate::replay::{self, Replay};
use crate::store::Store;

/// Writes a new store that holds these entries. It is built beside `to` under a name that ends in `.partial`,
/// and gets its own when it is durable and has been read back; `to` must be missing or an empty directory.
/// After an error, what was built is removed.
pub fn write_store<'a>(
    vfs: Arc<dyn Vfs>,
    to: &Path,
    entries: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<(), Error> {
    let mut state = Memory::default();
    for (key, value) in entries {
        check_lengths(key.len(), value.len())?;
        state.put(key, value.into());
    }
    write_state(vfs, to, &state)
}

/// As [`write_store`].
pub(crate) fn write_state(vfs: Arc<dyn Vfs>, to: &Path, state: &Memory) -> Result<(), Error> {
    check_target(&*vfs, to)?;
    let partial = partial_of(to)?;
    if vfs.metadata(&partial).is_ok() {
        let what = format!("{} is in the way, left by an earlier try: remove it first", partial.display());
        return Err(Error::InvalidArgument { what });
    }
    let built = fill(vfs.clone(), &partial, state).and_then(|()| {
        vfs.rename(&partial, to).map_err(|e| Error::io("rename", &partial, e))?;
        Dir::new(vfs.clone(), to).sync_parent(false)
    });
    if built.is_err() {
        remove(&*vfs, &partial);
    }
    built
}

/// Refuses a target that holds anything.
pub(super) fn check_target(vfs: &dyn Vfs, to: &Path) -> Result<(), Error> {
    let refuse = |why: &str| {
        let what = format!("{} {why}: name a new or empty directory", to.display());
        Err(Error::InvalidArgument { what })
    };
    match vfs.metadata(to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("look at", to, e)),
        Ok(metadata) if metadata.kind != FileKind::Directory => refuse("is not a directory"),
        Ok(_) => match vfs.read_dir(to) {
            Ok(entries) if entries.is_empty() => Ok(()),
            Ok(_) => refuse("is not empty"),
            Err(e) => Err(Error::io("list", to, e)),
        },
    }
}

fn partial_of(to: &Path) -> Result<PathBuf, Error> {
    let Some(name) = to.file_name() else {
        let what = format!("{} has no name of its own: name a new directory", to.display());
        return Err(Error::InvalidArgument { what });
    };
    let mut partial = OsString::from(name);
    partial.push(".partial");
    Ok(to.with_file_name(partial))
}

fn fill(vfs: Arc<dyn Vfs>, path: &Path, state: &Memory) -> Result<(), Error> {
    let mut store = Store::open(vfs.clone(), path, Options::default())?;
    if state.len() > 0 {
        // A snapshot of it, and no log: less to read, and nothing that could be taken for a torn end.
        store.memory = state.clone();
        store.compact()?;
    }
    store.close()?;
    let (dir, mut scratch) = (Dir::new(vfs, path), Scratch::default());
    let listing = dir.list()?;
    let proof = match replay::newest_manifest(&dir, &listing, Planted::None, &mut scratch)? {
        Some(newest) => Replay::new(&dir, &listing, newest, Planted::None, scratch, None).run()?,
        None => return Err(NOT_AS_WRITTEN),
    };
    match proof.stopped.is_none() && proof.memory.iter().eq(state.iter()) {
        true => Ok(()),
        false => Err(NOT_AS_WRITTEN),
    }
}

const NOT_AS_WRITTEN: Error = Error::Internal { what: "a new store does not read back as it was written" };

/// Removes what was built, as far as that can be done.
fn remove(vfs: &dyn Vfs, dir: &Path) {
    for entry in vfs.read_dir(dir).unwrap_or_default() {
        let _ = vfs.remove_file(&dir.join(entry.name));
    }
    let _ = vfs.remove_dir(dir);
}
