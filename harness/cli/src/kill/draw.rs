//! Random choices from the seed: the same in the parent and in the process that it kills.

use std::ops::RangeInclusive;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of choices is for.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    /// The store's options.
    Options,
    /// The operations.
    Operations,
    /// The moment of the kill.
    Moment,
}

/// A stream of random choices.
pub struct Draw(ChaCha8Rng);

impl Draw {
    pub(super) fn new(seed: u64, round: u64, stream: Stream) -> Draw {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(round.wrapping_mul(4).wrapping_add(stream as u64));
        Draw(rng)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// A number of a range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        low + self.below((high - low).saturating_add(1))
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_depend_on_seed_round_and_stream_and_never_change() {
        let drawn = |seed, round, stream| {
            let mut draw = Draw::new(seed, round, stream);
            [draw.below(1000), draw.below(1000), draw.within(5..=9)]
        };
        assert_eq!(drawn(1, 0, Stream::Options), drawn(1, 0, Stream::Options));
        assert_ne!(drawn(1, 0, Stream::Options), drawn(2, 0, Stream::Options));
        assert_ne!(drawn(1, 0, Stream::Options), drawn(1, 1, Stream::Options));
        assert_ne!(drawn(1, 0, Stream::Options), drawn(1, 0, Stream::Operations));
        // A seed means the same workload in every version.
        assert_eq!(drawn(7, 3, Stream::Moment), [929, 459, 7]);
    }

    #[test]
    fn choices_keep_to_their_range() {
        let mut draw = Draw::new(1, 1, Stream::Moment);
        assert!((0..1000).all(|_| (3..=5).contains(&draw.within(3..=5))));
        assert_eq!((draw.below(0), draw.below(1), draw.pick(&[4])), (0, 0, 4));
    }
}
