//! Who answers when the disk does not know.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::CellId;

/// A question whose answer is not the same in all legal states: a range of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The layer of the cell.
    pub layer: u32,
    /// The cell.
    pub cell: CellId,
    /// What was asked of it: the byte range of a sector, or the range that a size was clamped to.
    pub start: u64,
    /// End of that range.
    pub end: u64,
    /// The number of different answers.
    pub options: u32,
}

/// A question and the answer it got: 0 is the newest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The question.
    pub question: Question,
    /// The answer.
    pub answer: u32,
}

/// How questions are answered that no path answers.
#[derive(Clone, Debug, Default)]
pub enum Policy {
    /// The newest version.
    #[default]
    Newest,
    /// The oldest version.
    Oldest,
    /// Any, by a seeded generator.
    Random(Box<ChaCha8Rng>),
}

/// Why a run was ended from inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Not an end: the question was [put off](Chooser::put_off), and whoever asked does without the answer.
    PutOff,
    /// It made more file-system calls than allowed.
    TooManyCalls,
    /// It asked another question than the last time, all earlier answers being the same.
    NotDeterministic {
        /// The last time.
        before: Question,
        /// Now.
        now: Question,
    },
}

/// Answers questions: along a given path first, then by policy; writes down the path taken.
#[derive(Clone, Debug, Default)]
pub struct Chooser {
    path: Vec<Choice>,
    /// How much of it is the path of the run before.
    shared: usize,
    asked: usize,
    policy: Policy,
    /// Answers to give whatever the questions are, as a token has them.
    script: Vec<u32>,
    putting_off: bool,
}

impl Chooser {
    /// Begins a run that keeps to `path` (which may be empty) and then follows `policy`.
    pub fn start(&mut self, path: Vec<Choice>, policy: Policy) {
        self.path = path;
        self.shared = 0;
        self.asked = 0;
        self.policy = policy;
        self.script.clear();
        self.putting_off = false;
    }

    /// The same, for the run after one on the same disk with the same memory that took the same path as far as
    /// the last answer of this one, which is another.
    pub fn start_beside(&mut self, path: Vec<Choice>, policy: Policy) {
        self.start(path, policy);
        self.shared = self.path.len().saturating_sub(1);
    }

    /// The path, and how much of it is that of the run before.
    pub(super) fn shared(&self) -> (&[Choice], usize) {
        (&self.path, self.shared)
    }

    /// The questions of the path up to this number are asked and answered.
    pub(super) fn pass(&mut self, asked: usize) {
        self.asked = asked;
    }

    /// From here on, questions are refused with [`Stop::PutOff`], or answered again.
    pub fn put_off(&mut self, putting_off: bool) {
        self.putting_off = putting_off;
    }

    /// Begins the run again, all answers so far being its path; it shares at most `shared` of them with the run
    /// before.
    pub(super) fn start_again(&mut self, shared: usize) {
        self.shared = shared.min(self.path.len());
        self.asked = 0;
        self.putting_off = false;
    }

    pub(super) fn is_putting_off(&self) -> bool {
        self.putting_off
    }

    /// Begins a run that gives these answers to whatever is asked.
    pub fn start_script(&mut self, script: Vec<u32>) {
        self.start(Vec::new(), Policy::Newest);
        self.script = script;
    }

    /// How many questions were asked so far.
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// The path taken.
    pub fn take_path(&mut self) -> Vec<Choice> {
        self.path.truncate(self.asked);
        std::mem::take(&mut self.path)
    }

    /// Answers a question.
    pub fn choose(&mut self, question: Question) -> Result<u32, Stop> {
        if self.putting_off {
            return Err(Stop::PutOff);
        }
        let known = self.path.get(self.asked).copied();
        self.asked += 1;
        if let Some(choice) = known {
            if choice.question != question {
                return Err(Stop::NotDeterministic { before: choice.question, now: question });
            }
            return Ok(choice.answer);
        }
        let answer = match (self.script.get(self.asked - 1), &mut self.policy) {
            (Some(answer), _) => (*answer).min(question.options - 1),
            (None, Policy::Newest) => 0,
            (None, Policy::Oldest) => question.options - 1,
            (None, Policy::Random(rng)) => below(rng, question.options),
        };
        self.path.push(Choice { question, answer });
        Ok(answer)
    }
}

/// A draw from `0..bound`. Its own, so that a new version of the generator's crate changes no report.
fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(bound)) >> 32) as u32
}
