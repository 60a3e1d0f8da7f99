//! Crash-consistency mistakes that can be switched on: the suite must catch every one.
//!
//! Missing and moved syncs are planted from outside, by a file system between the store and the disk
//! ([`SyncFault`]); what cannot be planted there are hidden options of the store.

mod sync_fault;
mod table;

pub use sync_fault::{SyncFault, SyncFaultVfs};
pub use table::BUGS;
