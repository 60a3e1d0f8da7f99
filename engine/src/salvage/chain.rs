//! Which segments, one behind the other, reach furthest.

use std::collections::BTreeMap;

use super::survey::Segment;

/// The chain of segments from the log's first record that proves the most records; of equal ones, that of the
/// newer files; as indexes. A copy that recovery made of a segment holds the same records, so chains never contradict each
/// other in what both of them prove.
pub(super) fn longest(segments: &[Segment], first_sequence: u64) -> Vec<usize> {
    let mut by_start: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, segment) in segments.iter().enumerate() {
        by_start.entry(segment.first_sequence).or_default().push(index);
    }
    // From the last record back to the first: how far one gets from there, and by which segments.
    let mut best: BTreeMap<u64, (u64, u64, Option<usize>)> = BTreeMap::new();
    for (&start, indexes) in by_start.iter().rev() {
        for &index in indexes {
            let segment = &segments[index];
            // An empty segment leads to itself.
            let reach = match segment.next_sequence > start {
                true => best.get(&segment.next_sequence).map_or(segment.next_sequence, |(reach, ..)| *reach),
                false => start,
            };
            let candidate = (reach, segment.number, Some(index));
            let entry = best.entry(start).or_insert((start, 0, None));
            *entry = candidate.max(*entry);
        }
    }
    let mut chain = Vec::new();
    let mut at = first_sequence;
    while let Some(&(_, _, Some(index))) = best.get(&at) {
        chain.push(index);
        if segments[index].next_sequence <= at {
            break;
        }
        at = segments[index].next_sequence;
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u64, first_sequence: u64, next_sequence: u64) -> Segment {
        Segment { number, first_sequence, next_sequence, ..Segment::default() }
    }

    #[test]
    fn the_chain_that_reaches_furthest_wins() {
        let segments = [
            segment(2, 1, 10),
            segment(3, 10, 15),
            // Stale: nothing leads to it.
            segment(4, 20, 40),
            // A copy of 3 that went on.
            segment(5, 10, 18),
            segment(6, 18, 18),
        ];
        assert_eq!(longest(&segments, 1), [0, 3, 4]);
        assert_eq!(longest(&segments, 20), [2]);
        assert_eq!(longest(&segments, 2), [0; 0]);
        assert_eq!(longest(&[], 1), [0; 0]);
    }

    #[test]
    fn of_two_equal_copies_the_newer_is_taken() {
        let segments = [segment(7, 1, 5), segment(9, 1, 5), segment(8, 1, 3)];
        assert_eq!(longest(&segments, 1), [1]);
    }
}
