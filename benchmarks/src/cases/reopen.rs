//! How long a store takes to be ready again after a kill: a copy of its files, made while it was open, is opened.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::load::{Values, key};
use crate::peers::{Durability, Result, kinds, unplug_options};
use crate::results::Results;

/// Length of values, how many are put, and to how many keys.
const LOADS: [(usize, u64, u64); 2] = [(100, 1_000_000, 10_000), (4096, 100_000, 1_000)];

/// Again and again, as long as a store's own threads remove files meanwhile.
fn copy_live(from: &Path, to: &Path) -> Result<()> {
    for _ in 0..10 {
        std::thread::sleep(std::time::Duration::from_secs(1));
        match copy(from, to) {
            Err(e) if e.to_string().contains("os error 2") => fs::remove_dir_all(to)?,
            copied => return copied,
        }
    }
    Err("the files of the store do not come to rest".into())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
            fs::File::open(&to)?.sync_all()?;
        }
    }
    Ok(())
}

pub fn run(results: &mut Results, dir: &Path) -> Result<()> {
    let values = Values::new();
    for (value_len, count, keys) in LOADS {
        let setting = format!("{value_len}-byte values");
        for kind in kinds() {
            let tmp = tempfile::tempdir_in(dir)?;
            let (live, image) = (tmp.path().join("live"), tmp.path().join("image"));
            let open: Box<dyn crate::peers::Peer> = match kind.name {
                // All of it is to be in the log.
                "unplug" => {
                    let options = unplug_engine::Options {
                        compact_log_bytes: None,
                        ..unplug_options(Durability::Process)
                    };
                    Box::new(unplug_engine::Shared::open(
                        std::sync::Arc::new(unplug_vfs::OsFs),
                        &live,
                        options,
                    )?)
                }
                _ => (kind.open)(&live, Durability::Process)?,
            };
            // In batches, for the sake of those that are slow one by one.
            for from in (0..count).step_by(100) {
                let pair = |i: u64| (key(i.wrapping_mul(7919) % keys), values.get(i, value_len).to_vec());
                match kind.name {
                    "redb" => open.put_batch(&(from..from + 100).map(pair).collect::<Vec<_>>())?,
                    _ => (from..from + 100).map(pair).try_for_each(|(k, v)| open.put(&k, &v))?,
                }
            }
            open.sync()?;
            copy_live(&live, &image)?;
            drop(open);
            let start = Instant::now();
            let open = (kind.open)(&image, Durability::Process)?;
            if open.get(&key(0))? != Some(value_len) {
                return Err(format!("{}: an entry is missing", kind.name).into());
            }
            let seconds = start.elapsed().as_secs_f64();
            results.add("reopen", &setting, kind.name, "ms", seconds * 1e3);
            results.add("reopen", &setting, kind.name, "per_s", count as f64 / seconds);
            let bytes = count as f64 * value_len as f64;
            results.add("reopen", &setting, kind.name, "mb_per_s", bytes / seconds / 1e6);
        }
    }
    Ok(())
}
