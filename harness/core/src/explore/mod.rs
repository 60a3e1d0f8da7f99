//! Crash points and the exploration of what each of them may leave.

mod confirm;
mod crash_point;
mod crew;
mod finding;
mod judge;
mod kill;
mod nested;
mod outcomes;
mod permit;
mod plainly;
mod points;
mod pool;
mod probe;
mod process;
mod recovery;
pub mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::fault::{Phase, Rule, Sweep};
use crate::model::Model;
use crate::plain::Tree;
use crate::report::{Shard, SweepReport, Violation};
use crate::subject::{LineError, Subject};
pub use outcomes::{Outcome, kill_outcomes, outcomes};
pub(crate) use plainly::run_plainly;
pub use points::{CrashKind, CrashPoint, crash_points, kill_points};
pub(crate) use pool::{Behaviour, Part, behaviour, calls_made, explore_part, fnv1a};
pub use pool::{explore, reproduce};
pub use token::{Evidence, Token, TokenError};

/// How to explore one workload under one model.
#[derive(Clone)]
pub struct Settings {
    /// Name of the scenario, for tokens.
    pub scenario: String,
    /// The persistence model.
    pub model: Model,
    /// Crashes in a row: 1 crashes the workload only, 2 also crashes recovery and what follows it.
    pub depth: u32,
    /// Whether the process is also killed at every boundary between two calls and between two pages of a write, its
    /// successor's recovery judged, and the power cut at every barrier of that recovery and what follows it.
    pub kills: bool,
    /// Seed of everything random (probing).
    pub seed: u64,
    /// Worker threads. Does not change results.
    pub jobs: usize,
    /// Recoveries on one disk (the one a crash point leaves, or a nested crash) after which it is probed
    /// instead of exhausted.
    pub cap: u64,
    /// Recoveries at one crash point after which it is given up as unexplored.
    pub limit: u64,
    /// File-system calls that one run of the subject may make before it counts as hanging.
    pub calls_max: u64,
    /// When to stop; what is left then counts as unexplored.
    pub deadline: Option<Instant>,
    /// Set from outside to stop as at the deadline.
    pub cancel: Option<Arc<AtomicBool>>,
    /// Which crash points to take.
    pub shard: Shard,
    /// Told of progress while exploring.
    pub progress: Option<Arc<dyn Progress>>,
    /// What fails.
    pub faults: Vec<Rule>,
    /// Instead of exploring the workload as it is: with each of its calls failing in turn, and with each call of
    /// the recovery after it.
    pub sweep: Sweep,
}

impl Settings {
    /// Settings for a workload of this name: exhaustive for anything of reasonable size, all cores, seed 0.
    pub fn new(scenario: impl Into<String>, model: Model) -> Settings {
        Settings {
            scenario: scenario.into(),
            model,
            depth: 1,
            kills: false,
            seed: 0,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            cap: Settings::CAP,
            limit: Settings::LIMIT,
            calls_max: Settings::CALLS_MAX,
            deadline: None,
            cancel: None,
            shard: Shard::WHOLE,
            progress: None,
            faults: Vec::new(),
            sweep: Sweep::Off,
        }
    }

    /// Whether a disk is simulated that does not hold what it says it holds: then durability is not owed, but
    /// what comes back must have existed, or be an error.
    pub fn is_disk_lying(&self) -> bool {
        self.faults.iter().any(|rule| rule.outcome.is_lie())
    }

    /// Whether recoveries meet faults of their own.
    pub(crate) fn has_recovery_faults(&self) -> bool {
        self.faults.iter().any(|rule| rule.phase == Phase::Recovery || rule.outcome.is_on_medium())
    }

    /// Whether nothing fails in a recovery, and no disk lies to it.
    pub(crate) fn has_plain_recoveries(&self) -> bool {
        !self.has_recovery_faults() && !self.is_disk_lying()
    }

    /// Whether to stop: the time is over, or somebody said so.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed))
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The rules as a report has them.
    pub(crate) fn fault_text(&self) -> Option<String> {
        let texts: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    /// Default of `cap`: recoveries on one disk.
    pub const CAP: u64 = 50_000;
    /// Default of `limit`: recoveries at one crash point, nested ones included.
    pub const LIMIT: u64 = 2_000_000;
    /// Default of `calls_max`: file-system calls of one run.
    pub const CALLS_MAX: u64 = 1_000_000;
}

/// Receives progress. Called from worker threads; must not decide anything.
pub trait Progress: Send + Sync {
    /// The number of crash points is known.
    fn started(&self, crash_points: u64);
    /// One crash point is done, after so many recoveries.
    fn explored(&self, recoveries: u64);
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Exploration {
    /// Operations in the workload.
    pub ops: u64,
    /// Crash points considered.
    pub crash_points: u64,
    /// Of which every legal state was covered.
    pub exhausted: u64,
    /// Sampled past the cap.
    pub probed: u64,
    /// Not, or not fully, explored.
    pub unexplored: u64,
    /// Opens of the subject.
    pub recoveries: u64,
    /// The recovery, from 1, that showed the first violation.
    pub first_violation_recovery: Option<u64>,
    /// log2 of the number of legal states, summed over crash points.
    pub states_log2: f64,
    /// The same of the crash point with the most.
    pub states_log2_max: f64,
    /// Whether those are exact.
    pub states_exact: bool,
    /// Confirmed violations, in canonical order.
    pub violations: Vec<Violation>,
    /// Faults that were injected, in the workload and in recoveries.
    pub faults_fired: u64,
    /// What a sweep tried.
    pub sweep: Option<SweepReport>,
    /// Set if the harness contradicted itself: a violation that a plain run on the materialised disk does
    /// not show. A bug of the harness, never reported as one of the subject.
    pub internal_error: Option<String>,
}

/// What came of showing a piece of evidence again.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// The violation, if it is still there.
    pub violation: Option<Violation>,
    /// Whether the very same disk state was rebuilt (the trace had not changed); if not, the workload was
    /// explored anew for the same check.
    pub exact: bool,
    /// The files that the (last) crash left, for the user's own tools.
    pub image: Option<Tree>,
}

/// One step of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<Op> {
    /// An operation of the subject.
    Do(Op),
    /// Close the store in order and open it again.
    Reopen,
    /// From here on nothing fails any more.
    Lift,
}

/// Parses a workload of lines: `reopen`, `lift`, or an operation of the subject.
pub fn parse_workload<S: Subject>(subject: &S, lines: &[String]) -> Result<Vec<Step<S::Op>>, LineError> {
    let parse = |(line, text): (usize, &String)| match text.trim() {
        "reopen" => Ok(Step::Reopen),
        "lift" => Ok(Step::Lift),
        other => subject.parse_op(other).map(Step::Do).map_err(|message| LineError { line, message }),
    };
    let steps: Vec<Step<S::Op>> = lines.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
    subject.check_steps(&steps)?;
    Ok(steps)
}
