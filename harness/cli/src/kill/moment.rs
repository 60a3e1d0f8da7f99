//! When to kill: after so many operations, and a little later. How much later is a share of what operations have
//! taken lately, so that kills fall into all parts of them whether the disk is fast or slow.

use std::time::{Duration, Instant};

use super::draw::Draw;
use super::words::Word;

/// When to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// After so many operations took effect; at 0, once the store is being opened.
    pub done: u64,
    /// And so much later.
    wait: Wait,
}

/// Thousandths of a time.
type Share = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    No,
    /// Of twice the usual time of an operation.
    Usual(Share),
    /// Of the longest time of one.
    Longest(Share),
    /// Of the time that opening the store takes.
    Opening(Share),
}

impl Moment {
    /// Draws a moment. `heavy_after` finds an operation that is worth a kill.
    pub(super) fn draw(draw: &mut Draw, heavy_after: impl Fn(u64) -> Option<u64>) -> Moment {
        let share = draw.below(1000) as Share;
        let (kind, few, many) = (draw.below(8), draw.within(1..=15), draw.within(1..=60));
        let heavy = || heavy_after(few).map(|number| Moment { done: number - 1, wait: Wait::Longest(share) });
        match kind {
            0 => Moment { done: 0, wait: Wait::No },
            1 | 2 => Moment { done: 0, wait: Wait::Opening(share) },
            3 => Moment { done: few, wait: Wait::No },
            4 => Moment { done: many, wait: Wait::Usual(share) },
            5 => Moment { done: many, wait: Wait::Longest(share) },
            _ => heavy().unwrap_or(Moment { done: few, wait: Wait::Usual(share) }),
        }
    }

    /// How long to wait, at this pace.
    pub(super) fn delay(self, pace: &Pace) -> Duration {
        match self.wait {
            Wait::No => Duration::ZERO,
            Wait::Usual(share) => pace.usual * (2 * share) / 1000,
            Wait::Longest(share) => pace.longest * share / 1000,
            Wait::Opening(share) => pace.opening * share / 1000,
        }
    }
}

/// How long things have taken lately.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    usual: Duration,
    longest: Duration,
    opening: Duration,
    since: Option<Instant>,
}

/// No wait is longer than a share of this.
const LONGEST_MAX: Duration = Duration::from_secs(2);

impl Pace {
    pub(super) fn new() -> Pace {
        let (usual, longest) = (Duration::from_micros(200), Duration::from_millis(2));
        Pace { usual, longest, opening: longest, since: None }
    }

    /// Another process begins; the longest time fades.
    pub(super) fn begin(&mut self) {
        self.longest = self.longest * 15 / 16;
        self.since = None;
    }

    pub(super) fn heard(&mut self, word: &Word, now: Instant) {
        let took = self.since.take().map(|since| now.saturating_duration_since(since).min(LONGEST_MAX));
        match (word, took) {
            (Word::Opening | Word::Issued(_), _) => self.since = Some(now),
            (Word::Ready, Some(took)) => self.opening = (self.opening * 3 + took) / 4,
            (Word::Done(..), Some(took)) => {
                self.usual = (self.usual * 31 + took) / 32;
                self.longest = self.longest.max(took);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::Stream;
    use super::*;

    #[test]
    fn moments_lie_in_openings_in_operations_and_in_heavy_ones() {
        let moment =
            |round| Moment::draw(&mut Draw::new(1, round, Stream::Moment), |after| Some(after + 500));
        let moments: Vec<Moment> = (0..200).map(moment).collect();
        assert!(moments.iter().any(|moment| moment.done == 0 && moment.wait == Wait::No));
        assert!(moments.iter().any(|moment| matches!(moment.wait, Wait::Opening(_))));
        assert!(moments.iter().any(|moment| (30..500).contains(&moment.done)));
        assert!(moments.iter().any(|moment| moment.done >= 500));
    }

    #[test]
    fn waits_follow_the_pace() {
        let mut pace = Pace::new();
        let start = Instant::now();
        let ms = |n| start + Duration::from_millis(n);
        pace.begin();
        for round in 0..200 {
            pace.heard(&Word::Issued(round), ms(100 * round));
            pace.heard(&Word::Done(round, true), ms(100 * round + if round == 150 { 80 } else { 8 }));
        }
        assert!(pace.usual > Duration::from_millis(7) && pace.usual < Duration::from_millis(30), "{pace:?}");
        assert_eq!(pace.longest, Duration::from_millis(80));
        let moment = Moment { done: 3, wait: Wait::Longest(500) };
        assert_eq!(moment.delay(&pace), Duration::from_millis(40));
    }
}
