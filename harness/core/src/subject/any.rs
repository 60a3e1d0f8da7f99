//! A subject with its types erased, so that subjects of different kinds stand in one registry.

use std::sync::Arc;

use crate::advise::{Edited, Plan};
use crate::explore::{Evidence, Exploration, Reproduction, Settings};

use super::Subject;

/// A workload line that a subject does not understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// Index of the line, from 0.
    pub line: usize,
    /// What was expected.
    pub message: String,
}

/// Any [`Subject`]; every subject is one. Workloads come as lines of text: an operation of the subject's own
/// language each, or `reopen` (close and open again).
pub trait AnySubject: Send + Sync {
    /// Says which line, if any, is not understood.
    fn check_workload(&self, lines: &[String]) -> Result<(), LineError>;

    /// Explores a workload.
    fn explore(&self, lines: &[String], settings: &Settings) -> Result<Exploration, LineError>;

    /// Shows a piece of evidence again.
    fn reproduce(
        &self,
        lines: &[String],
        settings: &Settings,
        evidence: &Evidence,
    ) -> Result<Reproduction, LineError>;

    /// Explores a workload with the subject's calls changed or noted.
    fn explore_with(
        &self,
        lines: &[String],
        settings: &Settings,
        plan: &Arc<Plan>,
    ) -> Result<Exploration, LineError>;

    /// Runs a workload, a recovery and what follows it, on a file system that loses nothing, with the
    /// subject's calls changed or noted.
    fn run_plainly(&self, lines: &[String], plan: &Arc<Plan>) -> Result<(), LineError>;

    /// Simpler lines that may take a line's place; see [`Subject::simpler`].
    fn simpler(&self, line: &str) -> Vec<String>;
}

impl<S: Subject> AnySubject for S {
    fn check_workload(&self, lines: &[String]) -> Result<(), LineError> {
        crate::explore::parse_workload(self, lines).map(drop)
    }

    fn explore(&self, lines: &[String], settings: &Settings) -> Result<Exploration, LineError> {
        let steps = crate::explore::parse_workload(self, lines)?;
        Ok(crate::explore::explore(self, &steps, settings))
    }

    fn reproduce(
        &self,
        lines: &[String],
        settings: &Settings,
        evidence: &Evidence,
    ) -> Result<Reproduction, LineError> {
        let steps = crate::explore::parse_workload(self, lines)?;
        Ok(crate::explore::reproduce(self, &steps, settings, evidence))
    }
    fn explore_with(
        &self,
        lines: &[String],
        settings: &Settings,
        plan: &Arc<Plan>,
    ) -> Result<Exploration, LineError> {
        Edited::new(self, plan.clone()).explore(lines, settings)
    }

    fn run_plainly(&self, lines: &[String], plan: &Arc<Plan>) -> Result<(), LineError> {
        let edited = Edited::new(self, plan.clone());
        let steps = crate::explore::parse_workload(&edited, lines)?;
        crate::explore::run_plainly(&edited, &steps, &|| plan.end_workload());
        Ok(())
    }

    fn simpler(&self, line: &str) -> Vec<String> {
        match self.parse_op(line) {
            Ok(op) => Subject::simpler(self, &op).iter().map(ToString::to_string).collect(),
            Err(_) => Vec::new(),
        }
    }
}
