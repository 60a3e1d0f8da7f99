//! Random workloads, explored like any other, guided by the behaviour they reach.
//!
//! A [`Generator`] makes cases: a workload, options of the subject, crashes in a row, faults. Each case leaves out some
//! kinds of operations and varies sizes and policies (swarm testing). Its crashes are explored exhaustively, up
//! to a small cap. Cases that reach [`Behaviour`] not seen before are kept as the corpus, and half of the new
//! cases are mutations of it. Violations are told apart by their [cause](crate::report::Violation::cause),
//! counted, and [shrunk](crate::shrink) when they first show.
//!
//! Case number *n* is a function of the seed, *n* and the corpus after an earlier case, and cases are merged in
//! order. So the number of threads decides nothing, and a campaign that was interrupted goes on as if it had
//! not been.

mod behaviour;
mod campaign;
mod faults;
mod generate;
mod kv;
mod random;

pub use behaviour::Behaviour;
pub(crate) use behaviour::Step;
pub use campaign::{Campaign, Finding, FuzzProgress, FuzzSettings, Totals};
pub use faults::FaultChoices;
pub use generate::{Generator, OptionChoices};
pub use kv::KvGenerator;
pub use random::Random;
