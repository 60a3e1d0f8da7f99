//! What is measured, one file a subject.

pub mod compaction;
pub mod memory;
pub mod reads;
pub mod reopen;
pub mod writes;
