//! The stores under measurement, behind one interface.

mod bare;
mod fjall;
mod redb;
mod sled;
mod unplug;

use std::path::Path;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Failure>;
pub type Pair = ([u8; 16], Vec<u8>);

/// What has become of a write when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is in the process: a kill may take it.
    Process,
    /// The kernel has it: a power loss may take it.
    Kernel,
    /// It is on the disk.
    Disk,
}

impl Durability {
    pub const ALL: [Durability; 3] = [Durability::Process, Durability::Kernel, Durability::Disk];

    pub fn name(self) -> &'static str {
        match self {
            Durability::Process => "process",
            Durability::Kernel => "kernel",
            Durability::Disk => "disk",
        }
    }
}

/// A store that many threads use.
pub trait Peer: Send + Sync {
    /// Puts, and returns when that is as durable as the store was opened for.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;
    /// The same for many at once, all or none of them.
    fn put_batch(&self, pairs: &[Pair]) -> Result<()>;
    /// Makes everything durable.
    fn sync(&self) -> Result<()>;
    /// The length of the value.
    fn get(&self, key: &[u8]) -> Result<Option<usize>>;
    /// Reads all entries in order, and returns their bytes.
    fn scan(&self) -> Result<u64>;
}

/// How to open one.
pub struct Kind {
    pub name: &'static str,
    pub open: fn(&Path, Durability) -> Result<Box<dyn Peer>>,
    pub durabilities: &'static [Durability],
}

/// The engine first.
static KINDS: [Kind; 4] = [
    Kind { name: "unplug", open: unplug::open, durabilities: &Durability::ALL },
    Kind { name: "redb", open: redb::open, durabilities: &[Durability::Process, Durability::Disk] },
    Kind { name: "fjall", open: fjall::open, durabilities: &Durability::ALL },
    Kind { name: "sled", open: sled::open, durabilities: &[Durability::Process, Durability::Disk] },
];

/// The disk alone.
pub static BARE: Kind = Kind { name: "bare", open: bare::open, durabilities: &[Durability::Disk] };

/// Those that are to be measured.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|kind| crate::results::wanted(kind.name))
}

pub use unplug::options as unplug_options;
