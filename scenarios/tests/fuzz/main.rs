//! From random workloads to the sync that is missing. One file per class of behaviour.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod advise;
mod audit;
mod campaign;
mod command;
mod random;
mod regressions;
mod terminal;
