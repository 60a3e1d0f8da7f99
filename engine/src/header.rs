//! The first block of every file.
//!
//! ```text
//!  0        8        12       16       24
//! ┌────────┬────────┬────────┬────────┬────────┬─   ─┬──────────┐
//! │ magic  │version │ crc32  │ field 0│ field 1│ ... │ zeros    │ 512
//! └────────┴────────┴────────┴────────┴────────┴─   ─┴──────────┘
//! ```
//!
//! Little-endian; fields are u64. The checksum covers the block but for itself. It stands at the same place in
//! every future version, so that a foreign version is told from a torn block.

use crate::fragment::BLOCK;
use crate::planted::Planted;

/// The version of the on-disk format that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

pub(crate) const MAGIC_WAL: [u8; 8] = *b"UNPLGWAL";
pub(crate) const MAGIC_SNAPSHOT: [u8; 8] = *b"UNPLGSNP";
pub(crate) const MAGIC_MANIFEST: [u8; 8] = *b"UNPLGMAN";

/// How many fields fit.
pub(crate) const FIELDS_MAX: usize = (BLOCK - 16) / 8;

/// What is wrong with a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Missing, cut, or not a file of this kind.
    Unreadable,
    /// Another format version; `verified` if the checksum says that it was written so.
    Version { found: u32, verified: bool },
    /// The checksum is wrong.
    BadCrc,
    /// Sound, but of another file: its number, epoch or place in the log is not the expected one.
    Foreign,
}

impl Fault {
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Fault::Unreadable => "the header block is missing or cut",
            Fault::Version { .. } => "the format version is not supported",
            Fault::BadCrc => "the header block's checksum is wrong",
            Fault::Foreign => "the header block belongs to another file",
        }
    }
}

/// The fields of a verified header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    pub(crate) fn get(&self, index: usize) -> u64 {
        u64_at(self.0, 16 + 8 * index)
    }
}

pub(crate) fn encode(magic: [u8; 8], fields: &[u64]) -> [u8; BLOCK] {
    debug_assert!(fields.len() <= FIELDS_MAX);
    let mut block = [0; BLOCK];
    block[..8].copy_from_slice(&magic);
    block[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    for (slot, field) in block[16..].chunks_exact_mut(8).zip(fields) {
        slot.copy_from_slice(&field.to_le_bytes());
    }
    let crc = checksum(&block);
    block[12..16].copy_from_slice(&crc.to_le_bytes());
    block
}

/// Version first, then checksum.
pub(crate) fn decode(magic: [u8; 8], block: &[u8]) -> Result<Fields<'_>, Fault> {
    decode_as(magic, block, Planted::None)
}

/// As [`decode`], by a store that may make a mistake.
pub(crate) fn decode_as(magic: [u8; 8], block: &[u8], planted: Planted) -> Result<Fields<'_>, Fault> {
    if block.len() < 16 || block[..8] != magic {
        return Err(Fault::Unreadable);
    }
    let version = u32_at(block, 8);
    let unchecked = planted == Planted::HeaderCrcUnchecked;
    let verified = block.len() == BLOCK && (unchecked || u32_at(block, 12) == checksum(block));
    match (version == FORMAT_VERSION, verified) {
        (false, verified) => Err(Fault::Version { found: version, verified }),
        (true, true) => Ok(Fields(block)),
        (true, false) if block.len() < BLOCK => Err(Fault::Unreadable),
        (true, false) => Err(Fault::BadCrc),
    }
}

/// The same from the first bytes of a block, up to behind its last field; the padding counts as the zeros that
/// it was written as. A reader that needs no more asks for no more: under 8-byte tears, padding that did not
/// reach the disk is nobody's loss. A foreign version may have more fields, and needs the whole block.
pub(crate) fn decode_beginning<'b>(
    magic: [u8; 8],
    beginning: &[u8],
    block: &'b mut [u8; BLOCK],
    planted: Planted,
) -> Result<Fields<'b>, Fault> {
    let len = beginning.len().min(BLOCK);
    block[..len].copy_from_slice(&beginning[..len]);
    block[len..].fill(0);
    decode_as(magic, block, planted)
}

/// The length of a header with so many fields, its padding apart.
pub(crate) const fn len_of(fields: usize) -> usize {
    16 + 8 * fields
}

/// The fields of a block that does not verify, for a guess at what they were.
pub(crate) fn decode_damaged(magic: [u8; 8], block: &[u8]) -> Option<Fields<'_>> {
    (block.len() == BLOCK && block[..8] == magic).then_some(Fields(block))
}

fn checksum(block: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&block[..12]);
    hasher.update(&block[16..]);
    hasher.finalize()
}

/// Reads a little-endian u64; 0 where the bytes are not there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8).and_then(|b| b.try_into().ok()) {
        Some(b) => u64::from_le_bytes(b),
        None => 0,
    }
}

/// Reads a little-endian u32; 0 where the bytes are not there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4).and_then(|b| b.try_into().ok()) {
        Some(b) => u32::from_le_bytes(b),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_every_flipped_bit_is_noticed() {
        let block = encode(MAGIC_WAL, &[3, 9, 0, 17]);
        let fields = decode(MAGIC_WAL, &block).unwrap();
        assert_eq!((fields.get(0), fields.get(1), fields.get(2), fields.get(3)), (3, 9, 0, 17));
        for bit in 0..BLOCK * 8 {
            let mut bad = block;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(MAGIC_WAL, &bad).is_err(), "bit {bit}");
        }
        for len in 0..BLOCK {
            assert!(decode(MAGIC_WAL, &block[..len]).is_err(), "length {len}");
        }
        assert_eq!(decode(MAGIC_SNAPSHOT, &block).unwrap_err(), Fault::Unreadable);
    }

    #[test]
    fn a_future_version_is_told_from_a_damaged_one() {
        let mut block = encode(MAGIC_WAL, &[3, 9]);
        block[8] = 2;
        assert_eq!(decode(MAGIC_WAL, &block).unwrap_err(), Fault::Version { found: 2, verified: false });
        let crc = checksum(&block);
        block[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(MAGIC_WAL, &block).unwrap_err(), Fault::Version { found: 2, verified: true });
    }
}
