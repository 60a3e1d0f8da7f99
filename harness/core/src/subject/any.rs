//! A subject with its types erased, so that subjects of different kinds stand in one registry.

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
}
