//! Files in a store's directory that the store does not need: they would stay there for ever.

use std::path::Path;

use unplug::subject::SubjectError;
use unplug_engine::inspect;
use unplug_vfs::{OpenOptions, Vfs};

/// Names of such files. A freshly opened store has one manifest, which lists all others but those that it was told
/// to retain.
pub(super) fn leaks(vfs: &dyn Vfs, dir: &Path, retain: usize) -> Result<Vec<String>, SubjectError> {
    let entries = vfs.read_dir(dir)?;
    let names: Vec<String> = entries.iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect();
    let manifests = names.iter().filter(|name| number(name, "MANIFEST-").is_some());
    let Some(manifest) = manifests.max() else { return Ok(names.clone()) };
    let bytes = read(vfs, &dir.join(manifest))?;
    let mut listed = listed(&inspect::manifest(&bytes).detail);
    // The snapshots that an incremental one builds on.
    let mut at = 0;
    while let Some(number) = listed.get(at) {
        let path = dir.join(format!("snap-{number:08}"));
        if let Ok(header) = read_some(vfs, &path, 512) {
            listed.extend(inspect::base_of_snapshot(&header));
        }
        at += 1;
    }
    let retained = names.iter().filter(|name| name.ends_with(".old")).count() <= retain;
    let needed = |name: &String| {
        name == manifest
            || (retained && name.starts_with("wal-") && name.ends_with(".old"))
            || number(name, "snap-").is_some_and(|n| listed.contains(&n))
            || number(name, "wal-").is_some_and(|n| listed.contains(&n))
    };
    Ok(names.iter().filter(|name| !needed(name)).cloned().collect())
}

/// The number of a finished file of one kind.
fn number(name: &str, prefix: &str) -> Option<u64> {
    name.strip_prefix(prefix)?.parse().ok()
}

/// The numbers in a manifest's description: its epoch, which is no file, and then files only.
fn listed(detail: &str) -> Vec<u64> {
    let words = detail.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    words.skip(1).collect()
}

fn read_some(vfs: &dyn Vfs, path: &Path, len: usize) -> Result<Vec<u8>, SubjectError> {
    let mut bytes = vec![0; len];
    let len = vfs.open(path, OpenOptions::READ)?.read_fully_at(&mut bytes, 0)?;
    bytes.truncate(len);
    Ok(bytes)
}

fn read(vfs: &dyn Vfs, path: &Path) -> Result<Vec<u8>, SubjectError> {
    const MANIFEST_LEN_MAX: usize = 1 << 20;
    let file = vfs.open(path, OpenOptions::READ)?;
    let mut bytes = vec![0; 4096];
    loop {
        let len = file.read_fully_at(&mut bytes, 0)?;
        if len < bytes.len() || len >= MANIFEST_LEN_MAX {
            bytes.truncate(len);
            return Ok(bytes);
        }
        bytes.resize(bytes.len() * 2, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unplug::plain::{MemFs, Tree};
    use unplug_engine::{Options, Store};

    use super::*;

    #[test]
    fn files_that_no_manifest_lists_are_found_and_no_others() {
        let fs = MemFs::new();
        let dir = Path::new("store");
        let options = Options { segment_size: 1024, ..Options::default() };
        let mut store = Store::open(Arc::new(fs.clone()), dir, options.clone()).unwrap();
        for i in 0..9 {
            store.put(&[i], &[i; 300]).unwrap();
        }
        store.compact().unwrap();
        for i in 0..9 {
            store.put(&[i], &[i; 300]).unwrap();
        }
        store.close().unwrap();
        drop(Store::open(Arc::new(fs.clone()), dir, options).unwrap());
        assert_eq!(leaks(&fs, dir, 0).unwrap(), [""; 0]);

        let mut tree: Tree = fs.tree();
        for name in [
            "wal-00000001",
            "snap-00000777",
            "MANIFEST-00000001",
            "wal-00000009.tmp",
            "wal-00000002.old",
            "x",
        ] {
            tree.insert_file(&format!("store/{name}"), "");
        }
        assert_eq!(
            leaks(&MemFs::from_tree(&tree), dir, 1).unwrap(),
            ["MANIFEST-00000001", "snap-00000777", "wal-00000001", "wal-00000009.tmp", "x"]
        );
        let left = leaks(&MemFs::from_tree(&tree), dir, 0).unwrap();
        assert!(left.contains(&"wal-00000002.old".to_string()));
    }
}
