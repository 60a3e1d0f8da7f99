//! What a part of a file holds that was given space and never written.

use super::SECTOR_LEN;
use super::chains::piece;

/// The garbage in piece `index`: of each sector either noise or, if a file was removed before, what that file
/// held at the same place.
pub(super) fn garbage(removed: Option<&[u8]>, index: u64, unit: u64) -> Vec<u8> {
    let sector = index * unit / SECTOR_LEN;
    match removed {
        Some(removed) if split_mix(sector).is_multiple_of(2) => piece(removed, index, unit),
        _ => noise(index, unit),
    }
}

/// Noise: 8 bytes at a time, a fixed function of the place.
fn noise(index: u64, unit: u64) -> Vec<u8> {
    let words = index * unit / 8..(index + 1) * unit / 8;
    words.flat_map(|word| split_mix(word).to_le_bytes()).collect()
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA '14).
fn split_mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
