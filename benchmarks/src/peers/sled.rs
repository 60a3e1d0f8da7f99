use std::path::Path;

use super::{Durability, Pair, Peer, Result};

struct Sled {
    db: sled::Db,
    durability: Durability,
}

pub fn open(dir: &Path, durability: Durability) -> Result<Box<dyn Peer>> {
    let db = sled::Config::new().path(dir).flush_every_ms(None).open()?;
    Ok(Box::new(Sled { db, durability }))
}

impl Sled {
    fn written(&self) -> Result<()> {
        if self.durability == Durability::Disk {
            self.db.flush()?;
        }
        Ok(())
    }
}

impl Peer for Sled {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.db.insert(key, value)?;
        self.written()
    }

    fn put_batch(&self, pairs: &[Pair]) -> Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in pairs {
            batch.insert(&key[..], &value[..]);
        }
        self.db.apply_batch(batch)?;
        self.written()
    }

    fn sync(&self) -> Result<()> {
        self.db.flush()?;
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<usize>> {
        Ok(self.db.get(key)?.map(|value| value.len()))
    }

    fn scan(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in self.db.iter() {
            let (key, value) = entry?;
            bytes += (key.len() + value.len()) as u64;
        }
        Ok(bytes)
    }
}
