//! Small stores written by the engine, and where in their files everything lies.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use unplug::plain::{MemFs, TreeNode};
use unplug_engine::{Batch, Options, Store};

use super::State;

/// A disk sector, and the unit of the engine's files.
pub const BLOCK: usize = 512;

/// Bytes before a fragment's payload: crc u32, tag u32, length u16, kind u8.
pub const FRAGMENT_HEADER: usize = 11;

/// One operation.
#[derive(Clone)]
pub enum Op {
    /// A put of a key and a value.
    Put(&'static str, Vec<u8>),
    /// A delete of a key.
    Del(&'static str),
    /// Several at once; no batch in it.
    Batch(Vec<Op>),
}

/// `len` bytes without a zero among them, different for each `seed`.
pub fn fill(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| 1 + ((i * 7 + usize::from(seed) * 31) % 251) as u8).collect()
}

/// The operations that most fixtures hold: small, empty and long values, a delete, a batch, records that
/// share a block and records cut in two and three fragments.
pub fn ops() -> Vec<Op> {
    vec![
        Op::Put("apple", b"red".to_vec()),
        Op::Put("banana", fill(1, 100)),
        Op::Put("cherry", fill(2, 1200)),
        Op::Del("apple"),
        Op::Batch(vec![Op::Put("date", b"1".to_vec()), Op::Put("elder", b"2".to_vec()), Op::Del("banana")]),
        Op::Put("fig", fill(3, 400)),
        Op::Put("", Vec::new()),
        Op::Put("grape", fill(4, 30)),
    ]
}

/// The state after some operations.
pub fn state(ops: &[Op]) -> State {
    fn apply(op: &Op, state: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        match op {
            Op::Put(key, value) => {
                state.insert(key.as_bytes().to_vec(), value.clone());
            }
            Op::Del(key) => {
                state.remove(key.as_bytes());
            }
            Op::Batch(ops) => ops.iter().for_each(|op| apply(op, state)),
        }
    }
    let mut state = BTreeMap::new();
    ops.iter().for_each(|op| apply(op, &mut state));
    state.into_iter().collect()
}

/// The bytes that an operation's record has: sequence u64, count u32, then for each operation a tag, a length
/// or two, the key and the value.
pub fn record_len(op: &Op) -> usize {
    fn op_len(op: &Op) -> usize {
        match op {
            Op::Put(key, value) => 1 + 4 + 4 + key.len() + value.len(),
            Op::Del(key) => 1 + 4 + key.len(),
            Op::Batch(ops) => ops.iter().map(op_len).sum(),
        }
    }
    8 + 4 + op_len(op)
}

/// A fragment of a record.
#[derive(Clone, Copy, Debug)]
pub struct Fragment {
    /// Where its header begins in the file.
    pub at: usize,
    /// Length of its payload.
    pub len: usize,
}

/// Where records of these lengths lie, one behind the other from `start`: no fragment crosses a block, and too
/// short an end of a block stays empty. Each record has at least one fragment.
pub fn lay_out(start: usize, lens: impl IntoIterator<Item = usize>) -> Vec<Vec<Fragment>> {
    let mut at = start;
    lens.into_iter()
        .map(|mut rest| {
            let mut fragments = Vec::new();
            while rest > 0 {
                let room = BLOCK - at % BLOCK;
                if room <= FRAGMENT_HEADER {
                    at += room;
                    continue;
                }
                let len = rest.min(room - FRAGMENT_HEADER);
                fragments.push(Fragment { at, len });
                at += FRAGMENT_HEADER + len;
                rest -= len;
            }
            fragments
        })
        .collect()
}

/// A store that never compacts by itself.
pub fn options() -> Options {
    Options { compact_log_bytes: None, compact_ops: None, preallocate_bytes: 0, ..Options::default() }
}

/// A store being written, in memory.
pub struct Writer {
    fs: MemFs,
    store: Store,
    options: Options,
}

impl Writer {
    /// A new store.
    pub fn create(options: Options) -> Writer {
        Writer::open(MemFs::new(), options)
    }

    fn open(fs: MemFs, options: Options) -> Writer {
        let vfs = Arc::new(fs.clone());
        let store = Store::open(vfs, Path::new("store"), options.clone()).expect("a sound store opens");
        Writer { fs, store, options }
    }

    /// Writes operations, each durable before the next.
    pub fn write(&mut self, ops: &[Op]) -> &mut Writer {
        for op in ops {
            let mut batch = Batch::new();
            add(op, &mut batch);
            self.store.write(batch).expect("memory takes every write");
        }
        self
    }

    /// Compacts: a new snapshot, a new segment.
    pub fn compact(&mut self) -> &mut Writer {
        self.store.compact().expect("memory takes every write");
        self
    }

    /// Closes the store and opens it again.
    pub fn reopen(self) -> Writer {
        let Writer { fs, store, options } = self;
        store.close().expect("memory takes every sync");
        Writer::open(fs, options)
    }

    /// The files as they are now.
    pub fn files(&self) -> Files {
        let tree = self.fs.tree();
        let files = tree.iter().filter_map(|(path, node)| match node {
            TreeNode::File { content, .. } => {
                Some((path.strip_prefix("store/")?.to_owned(), content.to_vec()))
            }
            TreeNode::Dir => None,
        });
        Files(files.collect())
    }
}

fn add(op: &Op, batch: &mut Batch) {
    match op {
        Op::Put(key, value) => {
            batch.put(key.as_bytes(), value);
        }
        Op::Del(key) => {
            batch.delete(key.as_bytes());
        }
        Op::Batch(ops) => ops.iter().for_each(|op| add(op, batch)),
    }
}

/// A store's files by name.
#[derive(Clone)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    /// The names that begin so, in order.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.0.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// A file, to damage it.
    pub fn get(&mut self, name: &str) -> &mut Vec<u8> {
        self.0.get_mut(name).expect("the recipe names a file that is there")
    }

    /// The last file whose name begins so.
    pub fn last(&self, prefix: &str) -> &[u8] {
        let found = self.0.iter().rev().find(|(name, _)| name.starts_with(prefix));
        found.map(|(_, bytes)| bytes.as_slice()).expect("the engine writes each kind of file")
    }
}

/// What a file's checksums are seeded with, besides its epoch and number.
#[derive(Clone, Copy)]
pub enum Domain {
    /// A log segment.
    Wal = 1,
    /// A snapshot.
    Snapshot = 2,
}

/// Gives the fragment at `at` the checksum of what it now holds: over domain, epoch, number (as the header
/// block says), offset, and the fragment from its tag on.
pub fn seal(bytes: &mut [u8], domain: Domain, at: usize) {
    let len = usize::from(u16::from_le_bytes([bytes[at + 8], bytes[at + 9]]));
    let mut covered = vec![domain as u8];
    covered.extend_from_slice(&bytes[16..32]);
    covered.extend_from_slice(&(at as u64).to_le_bytes());
    covered.extend_from_slice(&bytes[at + 4..at + FRAGMENT_HEADER + len]);
    let crc = crc32(&covered);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Gives the header block the checksum of what it now holds: over all of it but the checksum itself.
pub fn seal_header(bytes: &mut [u8]) {
    let crc = crc32(&[&bytes[..12], &bytes[16..BLOCK]].concat());
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
}

/// CRC-32/IEEE, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}
