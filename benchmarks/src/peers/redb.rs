use std::path::Path;

use redb::{
    Database, Durability as Commit, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use super::{Durability, Pair, Peer, Result};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("kv");

struct Redb {
    db: Database,
    commit: Commit,
}

pub fn open(dir: &Path, durability: Durability) -> Result<Box<dyn Peer>> {
    std::fs::create_dir_all(dir)?;
    let db = Database::create(dir.join("redb"))?;
    let commit = if durability == Durability::Disk { Commit::Immediate } else { Commit::None };
    let redb = Redb { db, commit };
    // A reader wants the table to be there.
    redb.write(Commit::Immediate, |txn| {
        txn.open_table(TABLE)?;
        Ok(())
    })?;
    Ok(Box::new(redb))
}

impl Redb {
    fn write(&self, commit: Commit, run: impl FnOnce(&WriteTransaction) -> Result<()>) -> Result<()> {
        let mut txn = self.db.begin_write()?;
        txn.set_durability(commit)?;
        run(&txn)?;
        Ok(txn.commit()?)
    }
}

impl Peer for Redb {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(self.commit, |txn| {
            txn.open_table(TABLE)?.insert(key, value)?;
            Ok(())
        })
    }

    fn put_batch(&self, pairs: &[Pair]) -> Result<()> {
        self.write(self.commit, |txn| {
            let mut table = txn.open_table(TABLE)?;
            for (key, value) in pairs {
                table.insert(&key[..], &value[..])?;
            }
            Ok(())
        })
    }

    fn sync(&self) -> Result<()> {
        self.write(Commit::Immediate, |_| Ok(()))
    }

    fn get(&self, key: &[u8]) -> Result<Option<usize>> {
        let table = self.db.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key)?.map(|value| value.value().len()))
    }

    fn scan(&self) -> Result<u64> {
        let table = self.db.begin_read()?.open_table(TABLE)?;
        let mut bytes = 0;
        for entry in table.iter()? {
            let (key, value) = entry?;
            bytes += (key.value().len() + value.value().len()) as u64;
        }
        Ok(bytes)
    }
}
