//! The oracle: was what came back allowed?
//!
//! One file a check. [`history`] knows what the workload did and was promised; [`epoch`] asks whether a
//! recovered state is one of its states, not older than what was acknowledged as durable and not newer than
//! what was issued; [`aftermath`] asks whether the recovered store is well: stable, alive, and without
//! litter.

pub mod aftermath;
pub mod epoch;
pub mod history;

pub use history::{History, Window};

/// What a failed check has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the check.
    pub check: &'static str,
    /// One sentence.
    pub summary: String,
    /// What was allowed and what came, line by line.
    pub details: Vec<String>,
}
