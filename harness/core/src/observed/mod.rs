//! The models against real file systems: what a kernel really left after a crash must be legal.
//!
//! A line of an observation file is a small workload that ran on a real file system, and what was found after
//! crashes of it ([`Workload`]; the format is described in `fixtures/observed/README.md`). The workload is
//! made again on the simulated disk ([`Replayed`]), crashed where the real one was, and the undetermined disk
//! that this leaves is asked one thing only ([`Judge::is_legal`]): *can it be exactly this?* Each answer that
//! differs from what was seen ends that branch at once, so no budget is needed. [`Judge::allowed`] goes the
//! other way: all that the model allows, to see how much looser it is than what was seen.
//!
//! What was seen proves that the kernel does it; what was not seen proves nothing. So a model that forbids
//! what was seen is wrong, and one that allows more is only loose.

mod allowed;
mod call;
mod content;
mod examine;
mod judge;
mod parse;
mod replay;

pub use allowed::Allowed;
pub use call::{Call, Fallocate, Step};
pub use content::Content;
pub use examine::Examined;
pub use judge::Judge;
pub use parse::{Files, Node, Outcome, Workload};
pub use replay::Replayed;
