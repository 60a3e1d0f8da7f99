//! One workload under one model: what falls outside, and what was never seen.

use std::collections::BTreeSet;

use super::{Files, Judge, Workload};
use crate::model::Model;

/// What a model says of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Indexes of the outcomes that were seen and that the model forbids.
    pub outside: Vec<usize>,
    /// How many outcomes the model allows that were never seen; `None` if there were too many to explore.
    pub never_seen: Option<u64>,
}

impl Workload {
    /// Judges every outcome; and explores what else the model allows at the same crashes, unless more than
    /// `reads_max` disks would have to be read at one of them. Fails if a call cannot be made.
    pub fn examine(&self, model: &Model, reads_max: usize) -> Result<Examined, String> {
        let judge = Judge::new(self, model)?;
        let failed = |e: std::io::Error| format!("failed to read the simulated disk: {e}");
        let mut outside = Vec::new();
        for (index, outcome) in self.outcomes.iter().enumerate() {
            if !judge.is_legal(outcome).map_err(failed)? {
                outside.push(index);
            }
        }
        let allowed = judge.allowed(&self.outcomes, reads_max).map_err(failed)?;
        let seen: BTreeSet<&Files> = self.outcomes.iter().map(|outcome| &outcome.files).collect();
        let never_seen = allowed.outcomes.iter().filter(|files| !seen.contains(files)).count() as u64;
        Ok(Examined { outside, never_seen: allowed.is_complete.then_some(never_seen) })
    }
}
