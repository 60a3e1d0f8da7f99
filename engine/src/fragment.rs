//! Records cut into fragments that never cross a 512-byte block, the unit a disk writes whole.
//!
//! ```text
//! block   ┌─────────────┬─────────────┬──────────────┬──────┐
//!         │ whole       │ whole       │ first        │      │  each fragment:
//!         ├─────────────┴─────────────┴──────────────┴──────┤  0      4      8     10     11
//!         │ middle                                          │  ┌──────┬──────┬─────┬──────┬─────────┐
//!         ├──────────┬──────────────┬───────────────────────┤  │crc32 │ tag  │ len │ kind │ payload │
//!         │ last     │ whole        │ zeros                 │  └──────┴──────┴─────┴──────┴─────────┘
//!         └──────────┴──────────────┴───────────────────────┘
//! ```
//!
//! The checksum covers the file's identity (kind, epoch, number), the fragment's offset in the file, tag,
//! length, kind and payload: a fragment verifies in its own file at its own place only. The tag is the low
//! half of the file's number, in the clear. A fragment without payload does not exist; fewer than 12 bytes at
//! the end of a block stay zero. A header of zeros ends the log.
//!
//! Because each fragment is verified on its own, a reader decides about one sector at a time and need never
//! look at a whole record before it knows that every part of it is sound.

use crc32fast::Hasher;

/// A block, and what this format takes a disk to write whole.
pub(crate) const BLOCK: usize = 512;

/// The bytes before a fragment's payload.
pub(crate) const FRAGMENT_HEADER: usize = 11;

pub(crate) const WHOLE: u8 = 1;
pub(crate) const FIRST: u8 = 2;
pub(crate) const MIDDLE: u8 = 3;
pub(crate) const LAST: u8 = 4;

/// What a file holds, as it enters the checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    Wal = 1,
    Snapshot = 2,
    Manifest = 3,
}

/// What a fragment's checksum is seeded with.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) tag: u32,
    seed: Hasher,
    by_offset: bool,
}

impl Identity {
    pub(crate) fn new(domain: Domain, epoch: u64, number: u64) -> Identity {
        let mut bytes = [0; 17];
        bytes[0] = domain as u8;
        bytes[1..9].copy_from_slice(&epoch.to_le_bytes());
        bytes[9..].copy_from_slice(&number.to_le_bytes());
        let mut seed = Hasher::new();
        seed.update(&bytes);
        Identity { tag: number as u32, seed, by_offset: true }
    }

    /// An identity that is the same for every file and every offset.
    pub(crate) fn without_seed(number: u64) -> Identity {
        Identity { tag: number as u32, seed: Hasher::new(), by_offset: false }
    }

    /// The checksum of a fragment at a file offset, given its header and payload.
    pub(crate) fn crc(&self, offset: u64, header: &[u8], payload: &[u8]) -> u32 {
        // One update for all the small parts: each costs as much as a hundred bytes of payload.
        let mut place = [0; 8 + FRAGMENT_HEADER - 4];
        place[..8].copy_from_slice(&if self.by_offset { offset } else { 0 }.to_le_bytes());
        place[8..].copy_from_slice(&header[4..FRAGMENT_HEADER]);
        let mut hasher = self.seed.clone();
        hasher.update(&place);
        hasher.update(payload);
        hasher.finalize()
    }
}

/// Cuts records into fragments, in a buffer that stands for the end of a file.
pub(crate) struct Fragmenter {
    identity: Identity,
    buf: Vec<u8>,
    /// The file offset of the buffer's first byte: a block's.
    start: u64,
}

/// Above this, a buffer that one large record needed is given back.
const BUFFER_KEPT_MAX: usize = 1 << 20;

impl Fragmenter {
    /// Begins behind `start` bytes of whole blocks, with the first bytes of the next block given.
    pub(crate) fn new(identity: Identity, start: u64, tail: &[u8]) -> Fragmenter {
        let mut buf = Vec::with_capacity(tail.len() + 4 * BLOCK);
        buf.extend_from_slice(tail);
        Fragmenter { identity, buf, start }
    }

    /// The file offset behind the last fragment.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.buf.len() as u64
    }

    /// How many bytes wait in the buffer, those of a block already written in part included.
    pub(crate) fn buffered(&self) -> usize {
        self.buf.len()
    }

    /// Appends a record, which must not be empty.
    pub(crate) fn push(&mut self, record: &[u8]) {
        debug_assert!(!record.is_empty());
        let blocks = record.len() / (BLOCK - FRAGMENT_HEADER) + 2;
        self.buf.reserve(record.len() + blocks * FRAGMENT_HEADER + BLOCK);
        let mut rest = record;
        let mut begun = false;
        while !rest.is_empty() {
            let room = BLOCK - self.buf.len() % BLOCK;
            if room <= FRAGMENT_HEADER {
                self.buf.resize(self.buf.len() + room, 0);
                continue;
            }
            let (payload, behind) = rest.split_at(rest.len().min(room - FRAGMENT_HEADER));
            let kind = match (begun, behind.is_empty()) {
                (false, true) => WHOLE,
                (false, false) => FIRST,
                (true, false) => MIDDLE,
                (true, true) => LAST,
            };
            self.fragment(kind, payload);
            begun = true;
            rest = behind;
        }
    }

    fn fragment(&mut self, kind: u8, payload: &[u8]) {
        let offset = self.end();
        let mut header = [0; FRAGMENT_HEADER];
        header[4..8].copy_from_slice(&self.identity.tag.to_le_bytes());
        header[8..10].copy_from_slice(&(payload.len() as u16).to_le_bytes());
        header[10] = kind;
        let crc = self.identity.crc(offset, &header, payload);
        header[..4].copy_from_slice(&crc.to_le_bytes());
        self.buf.extend_from_slice(&header);
        self.buf.extend_from_slice(payload);
    }

    /// Hands over what waits, padded with zeros to whole blocks, and its file offset; then keeps only the
    /// bytes of a last block that is not full, to be written again with what follows. If that fails,
    /// everything still waits.
    pub(crate) fn flush<E>(&mut self, write: impl FnOnce(&[u8], u64) -> Result<(), E>) -> Result<(), E> {
        let used = self.buf.len();
        let full = used / BLOCK * BLOCK;
        self.buf.resize(used.next_multiple_of(BLOCK), 0);
        let result = write(&self.buf, self.start);
        self.buf.truncate(used);
        result?;
        self.buf.drain(..full);
        self.start += full as u64;
        if self.buf.capacity() > BUFFER_KEPT_MAX {
            self.buf.shrink_to(2 * BLOCK);
        }
        Ok(())
    }

    /// Takes back what was pushed behind `end`, which still waits.
    pub(crate) fn rewind(&mut self, end: u64) {
        if let Some(kept) = end.checked_sub(self.start) {
            self.buf.truncate(kept as usize);
        }
    }
}
