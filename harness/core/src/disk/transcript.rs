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
    pub fn repeat(
        &mut self,
        query: Query,
        decided: usize,
        out: &mut [u8],
    ) -> Option<(Answer, &[Narrowing])> {
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
