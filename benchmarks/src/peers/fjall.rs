use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Durability, Pair, Peer, Result};

struct Fjall {
    db: Database,
    keyspace: Keyspace,
    durability: Durability,
}

pub fn open(dir: &Path, durability: Durability) -> Result<Box<dyn Peer>> {
    let manual = durability != Durability::Kernel;
    let db = Database::builder(dir).manual_journal_persist(manual).open()?;
    let options = || KeyspaceCreateOptions::default().manual_journal_persist(manual);
    let keyspace = db.keyspace("kv", options)?;
    Ok(Box::new(Fjall { db, keyspace, durability }))
}

impl Peer for Fjall {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace.insert(key, value)?;
        if self.durability == Durability::Disk {
            self.db.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }

    fn put_batch(&self, pairs: &[Pair]) -> Result<()> {
        let mode = match self.durability {
            Durability::Process => None,
            Durability::Kernel => Some(PersistMode::Buffer),
            Durability::Disk => Some(PersistMode::SyncData),
        };
        let mut batch = self.db.batch().durability(mode);
        for (key, value) in pairs {
            batch.insert(&self.keyspace, &key[..], &value[..]);
        }
        Ok(batch.commit()?)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.db.persist(PersistMode::SyncData)?)
    }

    fn get(&self, key: &[u8]) -> Result<Option<usize>> {
        Ok(self.keyspace.get(key)?.map(|value| value.len()))
    }

    fn scan(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in self.keyspace.iter() {
            let (key, value) = entry.into_inner()?;
            bytes += (key.len() + value.len()) as u64;
        }
        Ok(bytes)
    }
}
