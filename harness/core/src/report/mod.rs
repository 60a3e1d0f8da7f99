//! Results as data. Field names are the JSON report's interface (`format` 1).

use serde::{Deserialize, Serialize};

/// How a scenario ended, or is declared to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No violation in any crash state.
    Held,
    /// At least one violation.
    Violated,
    /// A budget or limit ended the work before it was done, without a violation.
    Incomplete,
}

/// The part of the work that a report covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// One-based.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

impl Shard {
    /// All of the work.
    pub const WHOLE: Shard = Shard { index: 1, count: 1 };
}

/// The whole report of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this format: 1.
    pub format: u32,
    /// Version of the program.
    pub version: String,
    /// The seed of everything random in the run.
    pub seed: u64,
    /// Which shard of the work this is.
    pub shard: Shard,
    /// One object per scenario and model.
    pub scenarios: Vec<ScenarioReport>,
}

/// The result of one scenario under one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// The scenario's name.
    pub name: String,
    /// The subject's name.
    pub subject: String,
    /// The persistence model's name.
    pub model: String,
    /// The verdict that the scenario declares for this model.
    pub expected: Verdict,
    /// The verdict that came out.
    pub verdict: Verdict,
    /// The planted bug's id.
    pub bug: Option<String>,
    /// Operations in the workload.
    pub ops: u64,
    /// Crash points considered.
    pub crash_points: u64,
    /// Crash points of which every legal state was covered.
    pub exhausted: u64,
    /// Crash points that were sampled past their cap.
    pub probed: u64,
    /// Crash points that were not, or not fully, explored.
    pub unexplored: u64,
    /// Opens of the subject, nested ones included.
    pub recoveries: u64,
    /// The recovery (counted from 1, in canonical order) that showed the first violation.
    pub first_violation_recovery: Option<u64>,
    /// log2 of the number of legal disk states, summed over the crash points.
    pub states_log2: f64,
    /// The same for the crash point with the most.
    pub states_log2_max: f64,
    /// Whether those counts are exact, not lower bounds.
    pub states_exact: bool,
    /// Time taken; the only field that differs between two runs with the same seed.
    pub seconds: f64,
    /// Faults that were injected, in the workload and in recoveries.
    #[serde(default)]
    pub faults_fired: u64,
    /// What a sweep over faults tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepReport>,
    /// What went wrong.
    pub violations: Vec<Violation>,
}

/// What a sweep tried: each call of a workload, and of the recovery after it, failing in each way that it can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepReport {
    /// Calls of the workload that failed in turn.
    pub workload_calls: u64,
    /// Calls of the recovery that did.
    pub recovery_calls: u64,
    /// Combinations of call, error, effect, and once or from there on.
    pub cases: u64,
    /// Of which so many were explored (all, unless one was violated or the time ran out).
    pub explored: u64,
    /// Of those: so many whose workload made the very same calls, promises and reads as that of another, so that
    /// what that one's crashes may leave was not explored twice.
    #[serde(default)]
    pub alike: u64,
    /// Whether every error and effect was tried; otherwise one or two errors a call, each once.
    #[serde(default)]
    pub full: bool,
}

/// One violation, confirmed on a materialised disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The oracle check that failed: `durability`, `epoch`, `refusal`, `stability`, `liveness`, `leak`,
    /// `panic`, `hang`, `determinism`.
    pub check: String,
    /// The kind of crash: `power-loss`, `kill`, `kill-then-power-loss`, `none`.
    pub kind: String,
    /// The injected fault, if any.
    pub fault: Option<String>,
    /// Position of the (first) crash in the workload's trace.
    pub crash_point: u32,
    /// Number of crashes: 1, or more when recovery was crashed too.
    pub depth: u32,
    /// Every model that permits it.
    pub models: Vec<String>,
    /// Equal for findings that are the same bug.
    pub signature: String,
    /// Where the calls that matter were made: source lines, `file:line`, or `operation N` of a bare protocol.
    pub source: Vec<String>,
    /// Shows it again: `unplug repro TOKEN`.
    pub token: String,
    /// For people, a line each.
    pub story: Vec<String>,
    /// The sync that would have prevented it, if known.
    pub advice: Option<String>,
}

impl Violation {
    /// The order that was relied on and is not there, in a sentence, if it is known.
    pub fn order(&self) -> Option<&str> {
        self.story.iter().find_map(|line| line.strip_prefix("missing order: "))
    }

    /// The part of the signature that says which updates went wrong, if it is known: the bug, whichever of its
    /// symptoms was seen. Else the whole signature.
    pub fn cause(&self) -> &str {
        match self.signature.split_once(": ") {
            Some((_, pair)) if pair.contains(" before ") || pair.starts_with("torn ") => pair,
            _ => &self.signature,
        }
    }
}
