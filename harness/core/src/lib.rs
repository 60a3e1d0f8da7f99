//! unplug: crash-consistency testing for anything that keeps promises across a crash.

pub mod disk;
mod explain;
pub mod explore;
pub mod materialise;
pub mod model;
pub mod oracle;
pub mod plain;
pub mod report;
pub mod subject;
pub mod trace;
pub mod workload;
