//! Chance, the same on every machine and with every version of the libraries.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of draws.
pub struct Random {
    source: ChaCha8Rng,
}

impl Random {
    /// Stream number `stream` of a seed. Streams do not overlap.
    pub fn new(seed: u64, stream: u64) -> Random {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        source.set_stream(stream);
        Random { source }
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.source.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number of a range, its end included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in so many of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some things; `None` if there are none.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.below(things.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_what_they_always_were() {
        let mut random = Random::new(1, 2);
        let draws: Vec<usize> = (0..8).map(|_| random.below(1000)).collect();
        assert_eq!(draws, [876, 682, 336, 511, 961, 444, 159, 376]);
    }

    #[test]
    fn draws_keep_to_their_bounds() {
        let mut random = Random::new(7, 0);
        for _ in 0..1000 {
            assert!((3..=5).contains(&random.between(3, 5)));
            assert_eq!((random.below(0), random.below(1)), (0, 0));
        }
        assert!(random.pick::<u8>(&[]).is_none());
        assert!(random.percent(100) && !random.percent(0));
    }
}
