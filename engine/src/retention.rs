//! Log segments that a snapshot has replaced, and that are kept for others: for a copy of the log elsewhere, or to
//! look at what was written. The store gives them names of their own and never reads them again. A crash
//! while a compaction sweeps up may take them: nothing of the store depends on them.

use std::path::PathBuf;

use crate::core::Core;
use crate::error::Error;
use crate::names::Name;
use crate::reader::{Records, Scratch};
use crate::wal::SegmentHeader;

/// What becomes of segments that a compaction has replaced.
pub(crate) struct Kept {
    /// The first of them that is retained.
    pub(crate) from: usize,
    /// Retained before, and too many now.
    pub(crate) dropped: Vec<Name>,
    pub(crate) numbers: Vec<u64>,
}

impl Core {
    /// Makes room among the retained for so many new ones.
    pub(crate) fn retain(&mut self, count: usize) -> Kept {
        let max = self.options.retain_segments as usize;
        let from = count.saturating_sub(max);
        let retained = &mut self.live.retained;
        let excess = (retained.len() + count - from).saturating_sub(max);
        let dropped = retained.drain(..excess).map(|number| Name::wal(number).retained()).collect();
        Kept { from, dropped, numbers: Vec::new() }
    }

    /// The retained segments, oldest first.
    pub(crate) fn retained_log(&self) -> Vec<PathBuf> {
        let path = |number: &u64| self.dir.path_of(Name::wal(*number).retained());
        self.live.retained.iter().map(path).collect()
    }

    /// Whether the log, but for retained segments, holds no write before this one.
    pub(crate) fn is_log_clean_before(&self, sequence: u64) -> bool {
        self.live.first_sequence >= sequence.min(self.live.next_sequence)
    }

    /// Removes those with nothing but writes before this one; returns whether there were any.
    pub(crate) fn drop_retained_before(&mut self, sequence: u64) -> Result<bool, Error> {
        let mut scratch = Scratch::default();
        let mut count = 0;
        for i in 0..self.live.retained.len() {
            // A segment ends where the next one begins; behind the last is the log.
            let end = match self.live.retained.get(i + 1) {
                None => self.live.first_sequence,
                Some(next) => {
                    let file = self.dir.open(Name::wal(*next).retained())?;
                    let header =
                        Records::new(&file, &mut scratch).header_block().map(SegmentHeader::decode)?;
                    // One that cannot be read is of no use to anybody.
                    header.map_or(0, |header| header.first_sequence)
                }
            };
            if end > sequence {
                break;
            }
            count = i + 1;
        }
        let names: Vec<Name> = self.live.retained.drain(..count).map(|n| Name::wal(n).retained()).collect();
        let left = self.dir.sweep(&names);
        self.live.garbage.extend(left);
        Ok(count > 0)
    }
}
