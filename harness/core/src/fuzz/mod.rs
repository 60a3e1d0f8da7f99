//! Random workloads, guided by the behaviour they reach.

mod behaviour;

pub use behaviour::Behaviour;
pub(crate) use behaviour::Step;
