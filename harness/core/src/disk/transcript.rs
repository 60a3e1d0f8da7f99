//! What the run before read: most runs differ from it in their last answers only, and need not find out anew
//! what they read before those.
//!
//! What a read of a file returns that the process has not changed, and what it decides about the disk, depends
//! on the disk and on the answers to the questions so far, and on nothing else.

use std::sync::{Arc, Weak};

use super::{Choice, Narrowing, World};
use crate::trace::Inode;

/// Bytes kept of one run.
const BYTES_MAX: usize = 64 << 20;

/// A read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub inode: Inode,
    pub offset: u64,
    /// How many bytes are wanted.
    pub len: usize,
    /// How many questions were asked before it.
    pub asked: usize,
}

/// What it returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// How many bytes were read.
    pub len: usize,
    /// How many questions were asked after it.
    pub asked: usize,
    /// How much was decided after it.
    pub decided: usize,
}

/// The reads of a run, in order.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    world: Weak<World>,
    reads: Vec<(Query, Answer)>,
    /// What they returned, one behind the other.
    bytes: Vec<u8>,
    /// How many of the reads, and of their bytes, this run has repeated or added.
    done: usize,
    done_bytes: usize,
    /// What the run before decided.
    decided: Vec<Narrowing>,
    /// Its path, to check the promise that this one begins like it.
    path: Vec<Choice>,
}

impl Transcript {
    /// Begins a run on a world. Of its `path`, the first `shared` answers are those of the last run, if that
    /// was on the same world; `decided` is what the last run decided, and is taken.
    pub fn begin(
        &mut self,
        world: &Arc<World>,
        (path, shared): (&[Choice], usize),
        decided: &mut Vec<Narrowing>,
    ) {
        std::mem::swap(&mut self.decided, decided);
        if !std::ptr::eq(self.world.as_ptr(), Arc::as_ptr(world)) {
            self.world = Arc::downgrade(world);
            self.reads.clear();
        }
        debug_assert!(self.reads.is_empty() || path.get(..shared) == self.path.get(..shared));
        let is_shared = |(_, answer): &(Query, Answer)| answer.asked <= shared;
        self.reads.truncate(self.reads.partition_point(is_shared));
        (self.done, self.done_bytes) = (0, 0);
    }

    /// Notes the path of a run that is over.
    pub fn end(&mut self, path: &[Choice]) {
        if cfg!(debug_assertions) {
            self.path = path.to_vec();
        }
    }

    /// What the run before was answered here, if it is known, copied to `out`; the first `decided` of what it
    /// decided are decided in this run. Returns the answer and what has to be decided now.
    pub fn repeat(&mut self, query: Query, decided: usize, out: &mut [u8]) -> Option<(Answer, &[Narrowing])> {
        let (_, answer) = *self.reads.get(self.done).filter(|(known, _)| *known == query)?;
        out[..answer.len].copy_from_slice(&self.bytes[self.done_bytes..][..answer.len]);
        self.done += 1;
        self.done_bytes += answer.len;
        Some((answer, &self.decided[decided..answer.decided]))
    }

    /// Adds a read whose answer was not known.
    pub fn add(&mut self, query: Query, answer: Answer, bytes: &[u8]) {
        self.reads.truncate(self.done);
        self.bytes.truncate(self.done_bytes);
        if self.bytes.len() + bytes.len() > BYTES_MAX {
            return;
        }
        self.reads.push((query, answer));
        self.bytes.extend_from_slice(bytes);
        self.done += 1;
        self.done_bytes += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Question;
    use super::super::recording::Rules;
    use super::*;

    fn world() -> Arc<World> {
        Arc::new(World::empty(Rules::default()))
    }

    fn choice(answer: u32) -> Choice {
        Choice { question: Question { layer: 0, cell: 0, start: 0, end: 8, options: 2 }, answer }
    }

    fn narrowing(lo: u32) -> Narrowing {
        Narrowing { layer: 0, cell: 0, lo, hi: lo }
    }

    fn query(offset: u64, asked: usize) -> Query {
        Query { inode: Inode(7), offset, len: 2, asked }
    }

    /// Two reads, the second of which asks a question, then a third that asks another.
    fn run(transcript: &mut Transcript, world: &Arc<World>) -> Vec<Choice> {
        transcript.begin(world, (&[], 0), &mut Vec::new());
        transcript.add(query(0, 0), Answer { len: 2, asked: 0, decided: 0 }, b"ab");
        transcript.add(query(2, 0), Answer { len: 1, asked: 1, decided: 1 }, b"c");
        transcript.add(query(4, 1), Answer { len: 2, asked: 2, decided: 3 }, b"de");
        let path = vec![choice(0), choice(0)];
        transcript.end(&path);
        path
    }

    #[test]
    fn reads_are_repeated_up_to_the_first_new_answer() {
        let (world, mut transcript, mut out) = (world(), Transcript::default(), [0; 2]);
        run(&mut transcript, &world);
        let mut decided = vec![narrowing(1), narrowing(2), narrowing(3)];
        transcript.begin(&world, (&[choice(0), choice(1)], 1), &mut decided);
        let (answer, narrowed) = transcript.repeat(query(0, 0), 0, &mut out).unwrap();
        assert_eq!((answer.len, answer.asked, narrowed, &out), (2, 0, &[][..], b"ab"));
        let (answer, narrowed) = transcript.repeat(query(2, 0), 0, &mut out).unwrap();
        assert_eq!((answer.len, answer.asked, narrowed, out[0]), (1, 1, &[narrowing(1)][..], b'c'));
        assert!(transcript.repeat(query(4, 1), 1, &mut out).is_none(), "it asks what is answered anew");
    }

    #[test]
    fn nothing_is_repeated_on_another_disk_or_for_another_read() {
        let (world, mut transcript, mut out) = (world(), Transcript::default(), [0; 2]);
        let path = run(&mut transcript, &world);
        transcript.begin(&world, (&path, 1), &mut Vec::new());
        assert!(transcript.repeat(query(2, 0), 0, &mut out).is_none());
        transcript.add(query(2, 0), Answer { len: 2, asked: 0, decided: 0 }, b"cd");
        assert!(transcript.repeat(query(2, 0), 0, &mut out).is_none(), "the rest is of another run");
        transcript.end(&path);
        transcript.begin(&world, (&path, 1), &mut Vec::new());
        assert!(transcript.repeat(query(2, 0), 0, &mut out).is_some());
        let other = Arc::new(World::clone(&world));
        transcript.begin(&other, (&path, 1), &mut Vec::new());
        assert!(transcript.repeat(query(2, 0), 0, &mut out).is_none());
    }
}
