//! What a subject was seen to do, as a set of numbers: three source lines that made file-system calls
//! one after the other, each with how it ended. New triples are new behaviour.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

const BITS: usize = 1 << 16;

/// The set. Many threads add to it; what is in it at the end does not depend on their order.
pub struct Behaviour {
    words: Vec<AtomicU64>,
}

/// Where the calls of one open store have come to.
#[derive(Debug, Default)]
pub(crate) struct Step(AtomicU64);

impl Default for Behaviour {
    fn default() -> Behaviour {
        Behaviour { words: (0..BITS / 64).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl std::fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behaviour").field("count", &self.members().len()).finish()
    }
}

impl Behaviour {
    /// The members, in order.
    pub fn members(&self) -> Vec<u32> {
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed)).enumerate();
        let bits = |(i, word): (usize, u64)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| (i * 64 + bit) as u32)
        };
        words.flat_map(bits).collect()
    }

    /// Adds a member for anything else that is worth telling apart.
    pub fn add(&self, kind: &str, value: u64) {
        self.set(mix(hash(kind.as_bytes(), 0), value as u32 ^ (value >> 32) as u32));
    }

    /// One call.
    pub(crate) fn step(&self, last: &Step, location: &'static Location<'static>, class: u32) {
        let here = mix(hash(location.file().as_bytes(), location.line()), class);
        let before = last.0.load(Ordering::Relaxed);
        last.0.store(before << 32 | u64::from(here), Ordering::Relaxed);
        // Calls that are repeated in a loop are one step.
        if before as u32 != here {
            self.set(mix(mix((before >> 32) as u32, 1).wrapping_add(before as u32).rotate_left(5), here));
        }
    }

    fn set(&self, member: u32) {
        let bit = member as usize % BITS;
        let mask = 1 << (bit % 64);
        let word = &self.words[bit / 64];
        if word.load(Ordering::Relaxed) & mask == 0 {
            word.fetch_or(mask, Ordering::Relaxed);
        }
    }
}

/// FNV-1a over the last bytes: names of source files differ at their ends.
fn hash(bytes: &[u8], seed: u32) -> u32 {
    let tail = &bytes[bytes.len().saturating_sub(12)..];
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    tail.iter().fold(0x811c_9dc5 ^ seed, step)
}

fn mix(a: u32, b: u32) -> u32 {
    let mut x = (a ^ b.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}
