//! A protocol under test: a bare list of file-system steps, with marks for what was promised, and
//! requirements on what a crash may leave. No engine, no Rust: the subject `protocol`.
//!
//! ```toml
//! name = "replace-a-file"
//! guards = "A file replaced by rename is the old one or the new one."
//! subject = "protocol"
//! models = { posix = "held" }
//! ops = '''
//! create CURRENT
//! write CURRENT 0 "MANIFEST-1"
//! begin                  # what stands above is durable; from here on crashes count
//! create tmp
//! write tmp 0 "MANIFEST-2"
//! fsync tmp
//! rename tmp CURRENT
//! sync_dir .
//! mark done              # the user was told
//! '''
//! requires = '''
//! always: CURRENT is "MANIFEST-1" | "MANIFEST-2"
//! after done: CURRENT is "MANIFEST-2"
//! '''
//! ```
//!
//! # Steps
//!
//! | step | what it does |
//! |---|---|
//! | `create F` | creates an empty file; the name must be free |
//! | `mkdir D` · `rmdir D` | |
//! | `write F OFFSET CONTENT` · `append F CONTENT` | writes to an existing file |
//! | `truncate F LEN` · `allocate F OFFSET LEN` | |
//! | `rename A B` · `link A B` · `unlink F` | |
//! | `fsync F` · `fdatasync F` · `sync_dir D` | `.` is the directory that everything is in |
//! | `mark NAME` | from here on something is promised |
//! | `begin` | syncs all files and directories; once in each protocol |
//!
//! A content is a `"text"` (escapes `\"`, `\\`, `\n`, `\x00`), `fill(SEED,LEN)` (bytes that look random), or a
//! name; `*N` behind it repeats it, `+` joins several.
//!
//! # Requirements
//!
//! One a line; a line that begins with a blank goes on with the one before; `#` starts a comment.
//!
//! ```text
//! let NAME = CONTENT            for use in requirements and steps
//! always: P                     from `begin` on
//! after MARK [and MARK…]: P     once those marks were passed
//! until MARK: P                 from `begin` until the mark
//!
//! P:  F exists | F missing | F is CONTENT [| CONTENT…] | F is a prefix of CONTENT
//!     F starts with CONTENT [| …] | F at OFFSET is CONTENT [| …]
//!     not P | P and P | P or P | (P) | if P then P
//! ```
//!
//! A file that is missing is, starts with, and has at any offset, nothing at all: such a predicate is false.

mod content;
mod evaluate;
mod lexer;
mod requirement;
mod step;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug_vfs::Vfs;

use crate::explore;
use crate::oracle::Failure;
use crate::plain::MemFs;
use crate::subject::{AnySubject, LineError, Outcome, Subject, SubjectError};
use crate::workload::Options;
use evaluate::Evaluation;
use requirement::{Requirement, When};
pub use requirement::{RequirementError, Requirements};
use step::Kind;
pub use step::Step;

/// The name of the option, and of the scenario key, that holds the requirements.
pub const REQUIRES: &str = "requires";

/// A protocol: what its steps must guarantee.
#[derive(Clone, Debug)]
pub struct Protocol {
    requirements: Requirements,
}

/// What was promised, or what a crash left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolState {
    /// What the steps so far promise.
    Promised {
        /// Whether `begin` is behind.
        begun: bool,
        /// The marks that were passed.
        marks: Vec<String>,
    },
    /// For each requirement, what was seen instead if it does not hold.
    Found(Vec<Option<Vec<String>>>),
}

/// A running protocol.
pub struct Running {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
    stopped: bool,
}

impl Protocol {
    /// A protocol with these requirements.
    pub fn new(requirements: Requirements) -> Protocol {
        Protocol { requirements }
    }

    /// The factory of the subject `protocol`: takes the option `requires`, and no bug.
    pub fn from_options(options: &Options, bug: Option<&str>) -> Result<Box<dyn AnySubject>, String> {
        let mut reader = options.reader();
        let text = reader.text(REQUIRES)?.unwrap_or_default().to_string();
        reader.finish()?;
        if let Some(bug) = bug {
            return Err(format!("expected no bug: a protocol has none to switch on, found `{bug}`"));
        }
        let requirements = Requirements::parse(&text)
            .map_err(|e| format!("line {} of `{REQUIRES}`: {}", e.line + 1, e.message))?;
        if requirements.all.is_empty() {
            return Err(format!("expected a key `{REQUIRES}` with at least one requirement"));
        }
        Ok(Box::new(Protocol::new(requirements)))
    }

    fn find(&self, vfs: &dyn Vfs, root: &Path) -> Result<ProtocolState, SubjectError> {
        let mut found = Vec::new();
        for requirement in &self.requirements.all {
            let mut evaluation = Evaluation { vfs, root, seen: Vec::new() };
            let holds = evaluation.holds(&requirement.what)?;
            evaluation.seen.dedup();
            found.push((!holds).then_some(evaluation.seen));
        }
        Ok(ProtocolState::Found(found))
    }

    /// The requirements that count and do not hold, with what was seen.
    fn broken<'a>(
        &'a self,
        promised: &'a ProtocolState,
        got: &'a ProtocolState,
    ) -> impl Iterator<Item = (&'a Requirement, &'a [String])> {
        let (begun, marks, found) = match (promised, got) {
            (ProtocolState::Promised { begun, marks }, ProtocolState::Found(found)) => {
                (*begun, marks.as_slice(), found.as_slice())
            }
            // What a recovery read is no promise of the protocol.
            _ => (false, &[][..], &[][..]),
        };
        let counts = move |when: &When| match when {
            When::Always => begun,
            When::After(needed) => needed.iter().all(|mark| marks.contains(mark)),
            When::Until(mark) => begun && !marks.contains(mark),
        };
        self.requirements.all.iter().zip(found).filter_map(move |(requirement, seen)| {
            let seen = seen.as_ref()?;
            counts(&requirement.when).then_some((requirement, seen.as_slice()))
        })
    }
}

impl Subject for Protocol {
    type Op = Step;
    type State = ProtocolState;
    type Store = Running;

    fn parse_op(&self, line: &str) -> Result<Step, String> {
        Step::parse(line, &self.requirements.names)
    }

    /// Runs the steps on a plain file system: each must be possible, and the end as required.
    fn check_steps(&self, steps: &[explore::Step<Step>]) -> Result<(), LineError> {
        let fail = |line: usize, message: String| Err(LineError { line, message });
        let vfs: Arc<dyn Vfs> = Arc::new(MemFs::new());
        let root = Path::new("/");
        let mut state = self.initial_state();
        for (line, step) in steps.iter().enumerate() {
            let explore::Step::Do(step) = step else { continue };
            if let ProtocolState::Promised { begun, marks } = &state {
                match &step.0 {
                    Kind::Begin if *begun => {
                        return fail(line, "expected `begin` once, found another".into());
                    }
                    Kind::Mark { .. } if !begun => {
                        return fail(line, "expected `begin` before a mark".into());
                    }
                    Kind::Mark { name } if marks.contains(name) => {
                        return fail(line, format!("expected another name: `{name}` was marked before"));
                    }
                    _ => {}
                }
            }
            if let Err(e) = step.run(&*vfs, root) {
                return fail(line, format!("expected a step that is possible here; without a crash: {e}"));
            }
            self.apply(&mut state, step);
        }
        let last = steps.len().saturating_sub(1);
        if !matches!(state, ProtocolState::Promised { begun: true, .. }) {
            return fail(last, "expected a line `begin` after the set-up".into());
        }
        let found = self.find(&*vfs, root).map_err(|e| LineError { line: last, message: e.to_string() })?;
        match self.broken(&state, &found).next() {
            Some((requirement, seen)) => {
                let seen = seen.join(", ");
                fail(last, format!("expected `{requirement}` at the end, without a crash; but {seen}"))
            }
            None => Ok(()),
        }
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Running, SubjectError> {
        Ok(Running { vfs, root: root.to_path_buf(), stopped: false })
    }

    fn execute(&self, store: &mut Running, step: &Step) -> Outcome {
        if store.stopped {
            return Outcome::Refused("a step before this one failed".to_string());
        }
        match step.run(&*store.vfs, &store.root) {
            Ok(()) => Outcome::Acknowledged { durable: matches!(step.0, Kind::Mark { .. } | Kind::Begin) },
            Err(e) => {
                store.stopped = true;
                Outcome::Unknown(e.to_string())
            }
        }
    }

    fn read(&self, store: &mut Running) -> Result<ProtocolState, SubjectError> {
        self.find(&*store.vfs, &store.root)
    }

    fn initial_state(&self) -> ProtocolState {
        ProtocolState::Promised { begun: false, marks: Vec::new() }
    }

    fn apply(&self, state: &mut ProtocolState, step: &Step) {
        let ProtocolState::Promised { begun, marks } = state else { return };
        match &step.0 {
            Kind::Begin => *begun = true,
            Kind::Mark { name } => marks.push(name.clone()),
            _ => {}
        }
    }

    fn allows(&self, promised: &ProtocolState, got: &ProtocolState) -> bool {
        self.broken(promised, got).next().is_none()
    }

    fn calls_by_operation(&self) -> bool {
        true
    }

    fn failure(&self, promised: &ProtocolState, got: &ProtocolState) -> Option<Failure> {
        let mut broken = self.broken(promised, got).peekable();
        let summary = format!("`{}` does not hold", broken.peek()?.0);
        let details = broken.flat_map(|(requirement, seen)| {
            [format!("required: {requirement}"), format!("found:    {}", seen.join(", "))]
        });
        let details = details.collect();
        Some(Failure { check: "requirement", summary, details })
    }
}
