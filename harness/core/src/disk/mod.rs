//! The simulated disk.
//!
//! # The fault model in prose
//!
//! A disk is a set of **cells**: one for each 512-byte sector of a file's content, one for each file's size,
//! one for each name in a directory. A cell has a chain of **versions**. Version 0 is what the disk held
//! before the running process started; each call that changes the cell appends one. All of this belongs to
//! inodes, never to paths: a file renamed or removed keeps its pending versions, and two names of a file show
//! one content.
//!
//! While the process runs, it sees the newest version of everything (the operating system's cache). When the
//! power goes, the disk holds *one* version of each cell: any that is not older than what a completed sync
//! made durable, subject to the implications of the persistence [model](crate::model). So an un-synced write
//! may survive or not, sector by sector; an older un-synced version may survive where a newer one does not;
//! the size may survive without the data (which then reads as zeros) or the data without the size; a created
//! name may be missing, and a removed one may be back. What was cut off a file within its last block may be there
//! again when the file grows, even after a sync.
//!
//! After the crash the disk is **undetermined**: nothing is chosen until somebody asks. The next process, the
//! subject's recovery, runs on it as a new **layer**. A read, a lookup or a question for a size whose answer
//! is not the same in all legal states is a choice point, answered by the explorer; the answer narrows the
//! legal versions of that cell, and through the model's implications those of others. What the new process
//! writes never forces a choice: its versions are patches over the undetermined cells below. It may crash in
//! turn, which puts one more layer on the stack.
//!
//! At a reboot, bytes beyond the size that survived are gone: if the file grows again they read as zeros.
//!
//! # Not modelled
//!
//! Access times and other attributes; permissions; symbolic links; memory mapping; `O_DIRECT` and `O_SYNC`;
//! file names that are not UTF-8; limits of the file system (name length, free space); races between threads
//! inside one call. Bytes beyond the surviving size never come back through a later extension.

mod below;
mod bounds;
mod choose;
mod faulty;
mod made;
mod memo;
mod names;
mod read;
mod recording;
mod replay;
mod settled;
mod sim;
mod size;
mod told;
mod transcript;
mod world;

pub use bounds::{Bounds, Narrowing};
pub use choose::{Choice, Chooser, Policy, Question, Stop};
pub use made::Made;
pub use memo::Memo;
pub use recording::{Cell, CellId, CellKey, Recording, Rules, Update, Value, Version};
pub use sim::{Barrier, Finished, Scratch, SimDisk, Stopped};
pub use size::SizeFn;
pub use world::{CrashedLayer, World};

/// Bytes in a sector: the unit that a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// Bytes in a block of the file system: the unit in which an extending write moves the size.
pub const BLOCK: u64 = 4096;
