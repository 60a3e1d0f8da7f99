//! A small log store to crash: whole in one file, as simple as a correct store can be, with mistakes that
//! can be switched on.

#![allow(dead_code)]

pub mod models;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug::explore::{Settings, Step};
use unplug::model::Model;
use unplug::subject::{Outcome, Subject, SubjectError};
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

/// What the store gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    None,
    /// `sync` acknowledges without syncing.
    NoSync,
    /// A record's check sum is not looked at.
    NoChecksum,
    /// The log's name is never made durable.
    NoDirSync,
    /// The tail behind the last good record stays in the file.
    TailKept,
    /// `compact` renames the new log before its content is durable.
    RenameBeforeSync,
    /// Recovery goes on behind a bad record.
    SkipsBad,
}

pub const MISTAKES: [Mistake; 7] = [
    Mistake::None,
    Mistake::NoSync,
    Mistake::NoChecksum,
    Mistake::NoDirSync,
    Mistake::TailKept,
    Mistake::RenameBeforeSync,
    Mistake::SkipsBad,
];

/// The subject: one-byte keys and values in records of `record_len` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Toy {
    pub mistake: Mistake,
    pub record_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Put(u8, u8),
    Sync,
    Compact,
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Op::Put(key, value) => write!(f, "put {key} {value}"),
            Op::Sync => write!(f, "sync"),
            Op::Compact => write!(f, "compact"),
        }
    }
}

pub struct Store {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    log: Box<dyn VfsFile>,
    end: u64,
    generation: u8,
    state: BTreeMap<u8, u8>,
}

impl Toy {
    fn record(&self, generation: u8, key: u8, value: u8) -> Vec<u8> {
        let mut record = vec![0x55; self.record_len];
        record[1..3].copy_from_slice(&[generation, key]);
        record[self.record_len - 1] = value;
        record[0] = checksum(&record[1..]);
        record
    }

    fn load(&self, file: &dyn VfsFile) -> io::Result<(BTreeMap<u8, u8>, u64, u8, bool)> {
        let mut state = BTreeMap::new();
        let mut generation = 0;
        let mut end = 0;
        let mut at = 0;
        let mut bad = false;
        loop {
            let mut record = vec![0; self.record_len];
            let got = file.read_fully_at(&mut record, at)?;
            if got < self.record_len {
                return Ok((state, end, generation, bad || got > 0));
            }
            at += self.record_len as u64;
            let good = record[0] == checksum(&record[1..]);
            if good || (self.mistake == Mistake::NoChecksum && record[2] != 0) {
                state.insert(record[2], record[self.record_len - 1]);
                generation = record[1];
                end = at;
            } else if self.mistake == Mistake::SkipsBad {
                bad = true;
            } else {
                return Ok((state, end, generation, true));
            }
        }
    }
}

impl Toy {
    pub fn read_state(&self, store: &Store) -> BTreeMap<u8, u8> {
        store.state.clone()
    }
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0xa5, |sum, b| sum.rotate_left(3) ^ b)
}

impl Subject for Toy {
    type Op = Op;
    type State = BTreeMap<u8, u8>;
    type Store = Store;

    fn parse_op(&self, line: &str) -> Result<Op, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| word.parse::<u8>().map_err(|e| format!("`{word}`: {e}"));
        match words[..] {
            ["put", key, value] => Ok(Op::Put(number(key)?, number(value)?)),
            ["sync"] => Ok(Op::Sync),
            ["compact"] => Ok(Op::Compact),
            _ => Err("expected `put KEY VALUE`, `sync` or `compact`".to_string()),
        }
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Store, SubjectError> {
        let dir = root.to_path_buf();
        let path = dir.join("log");
        let (state, end, generation, dirty) = match vfs.open(&path, OpenOptions::READ) {
            Ok(file) => self.load(&*file)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => (BTreeMap::new(), 0, 0, false),
            Err(e) => return Err(e.into()),
        };
        if self.mistake == Mistake::TailKept && (end > 0 || dirty) {
            let log = vfs.open(&path, OpenOptions::CREATE)?;
            log.sync_all()?;
            vfs.sync_dir(&dir)?;
            return Ok(Store { vfs, dir, log, end, generation, state });
        }
        let mut store =
            Store { log: vfs.open(&path, OpenOptions::CREATE)?, vfs, dir, end, generation, state };
        self.rewrite(&mut store)?;
        Ok(store)
    }

    fn execute(&self, store: &mut Store, op: &Op) -> Outcome {
        let done = match op {
            Op::Put(key, value) => {
                let record = self.record(store.generation, *key, *value);
                store.log.write_fully_at(&record, store.end).map(|()| {
                    store.end += record.len() as u64;
                    store.state.insert(*key, *value);
                    false
                })
            }
            Op::Sync if self.mistake == Mistake::NoSync => Ok(true),
            Op::Sync => store.log.sync_data().map(|()| true),
            Op::Compact => self.rewrite(store).map(|()| true),
        };
        match done {
            Ok(durable) => Outcome::Acknowledged { durable },
            Err(e) => Outcome::Unknown(e.to_string()),
        }
    }

    fn read(&self, store: &mut Store) -> Result<BTreeMap<u8, u8>, SubjectError> {
        Ok(store.state.clone())
    }

    fn initial_state(&self) -> BTreeMap<u8, u8> {
        BTreeMap::new()
    }

    fn apply(&self, state: &mut BTreeMap<u8, u8>, op: &Op) {
        if let Op::Put(key, value) = op {
            state.insert(*key, *value);
        }
    }

    fn epilogue(&self) -> Vec<Op> {
        vec![Op::Put(9, 9), Op::Sync]
    }
}

impl Toy {
    /// Writes the whole state into a new log and puts it in the old one's place.
    fn rewrite(&self, store: &mut Store) -> io::Result<()> {
        let tmp = store.dir.join("log.tmp");
        let log = store.vfs.open(&tmp, OpenOptions::CREATE_TRUNCATE)?;
        let generation = store.generation.wrapping_add(1);
        let mut bytes = Vec::new();
        for (key, value) in &store.state {
            bytes.extend(self.record(generation, *key, *value));
        }
        log.write_fully_at(&bytes, 0)?;
        if self.mistake != Mistake::RenameBeforeSync {
            log.sync_all()?;
        }
        store.vfs.rename(&tmp, &store.dir.join("log"))?;
        if self.mistake != Mistake::NoDirSync {
            store.vfs.sync_dir(&store.dir)?;
        }
        store.log = log;
        store.end = bytes.len() as u64;
        store.generation = generation;
        Ok(())
    }
}

/// Settings that exhaust small cases.
pub fn settings(model: Model, depth: u32) -> Settings {
    Settings { depth, jobs: 1, cap: u64::MAX, limit: u64::MAX, ..Settings::new("test", model) }
}

/// Steps from operations.
pub fn steps(ops: &[Op]) -> Vec<Step<Op>> {
    ops.iter().copied().map(Step::Do).collect()
}
