use std::path::Path;
use std::sync::Arc;

use unplug_engine::{Batch, Options, Shared, SyncPolicy};
use unplug_vfs::OsFs;

use super::{Durability, Pair, Peer, Result};

/// Compaction after 64 MiB of log, where the peers flush their tables; else as a user gets it.
pub fn options(durability: Durability) -> Options {
    Options {
        compact_ops: None,
        compact_live_ratio: None,
        compact_log_bytes: Some(64 << 20),
        sync: match durability {
            Durability::Disk => SyncPolicy::EveryWrite,
            _ => SyncPolicy::Manual,
        },
        write_buffer_bytes: if durability == Durability::Process { 64 << 10 } else { 0 },
        ..Options::default()
    }
}

pub fn open(dir: &Path, durability: Durability) -> Result<Box<dyn Peer>> {
    Ok(Box::new(Shared::open(Arc::new(OsFs), dir, options(durability))?))
}

impl Peer for Shared {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(Shared::put(self, key, value)?)
    }

    fn put_batch(&self, pairs: &[Pair]) -> Result<()> {
        let mut batch = Batch::new();
        for (key, value) in pairs {
            batch.put(key, value);
        }
        Ok(self.write(batch)?)
    }

    fn sync(&self) -> Result<()> {
        Ok(Shared::sync(self)?)
    }

    fn get(&self, key: &[u8]) -> Result<Option<usize>> {
        Ok(Shared::get(self, key).map(|value| value.len()))
    }

    fn scan(&self) -> Result<u64> {
        Ok(self.view().iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }
}
