//! Persistence models: which parts of a trace may survive a crash. A model is data, not code paths.
//!
//! # How a model works
//!
//! All models speak of the same cells (see [`disk`](crate::disk)) and differ in three things: which
//! versions a call appends, which implications `version a ⇒ version b` hold, and what a sync makes durable.
//! There are implications only, no exclusions: the legal states form a distributive lattice, and bounds
//! propagation decides exactly what is still possible.
//!
//! **The ordered class.** Some changes reach the disk in the order in which they were made, like entries of
//! a journal: each implies all earlier ones of the class. Which changes belong to it is the model's data:
//! directory operations ([`Model::directory_operations`]), shrinking ([`Model::shrink`]), growth
//! ([`Append::size`]), file content ([`Model::data`]).
//!
//! **Appends.** A write that extends a file appends a size version for each 4 KiB block boundary it crosses
//! and one for its end; behind a gap, first one for the end of the file's last block, whose rest is zeroed (xfs was
//! seen to write that alone). A size version that stays inside the block that was the file's last, if a sync by the
//! same process had made durable what was written to that block, follows [`Model::append_in_block`]; every other
//! one follows [`Model::append_new_block`]. A block that was only reserved, that was punched or cut off since, or that
//! lies in a hole, has no space of its own: ext4 moves the size when it is written.
//!
//! **Reserved space.** Space that is reserved, zeroed or punched inside a file takes a size that has yet to reach the
//! disk there first, to the end of that space: ext4 was seen to do so.
//!
//! **What is recorded is the latest.** Where directory operations are free, the two names of a rename are tied
//! to each other only until one of them changes again before the rename is durable: btrfs logs the state of
//! names, not the operations (`mv s t; mv n t; mv t x; fsync x` left `s` gone and the replaced `t` back). A name that
//! was the file's in passing only, and another one's on the disk, need not be gone where the new one is
//! (`mk n; mv n t; mv t x; fsync x` left `x`, and the other `t`). A size implies its page only until a later write moves the
//! size into another page, or the file is given a length: the kernel writes pages
//! back in any order, each takes the size along to its own end (`A1p+.1p+C1p` on xfs). A size implies *all* its data
//! only while that is all there is to write of the file, or goes on in the page where the write before it ended: on
//! btrfs, whatever is written back takes the size of the cache along (`w f 0 C; ap f D; sfr f 0 1p` left the size of
//! the append without its data). A crash before the
//! call that takes an implication back is still bound by it.
//!
//! **What was cut** off a file within its last block is zeroed in the cache. Where shrinking is free, a sync writes
//! those zeros only once the file has grown again, or the page was written: until then the disk has what was cut
//! (`tr f 2500; fsync f; tr f 2p` left the old bytes behind 2500 on btrfs). What is written to the page after such a
//! sync brings the zeros with it, where sectors are not torn: no file system is known that both writes them late and
//! tears the page.
//!
//! **Directories** move atomically under every model: none shows one under two names, or loses it.
//!
//! **What is pending.** A file has pending metadata if its size, or a name that refers or referred to it
//! (created, linked, renamed, removed), has versions that are not durable yet. That a rename gave its name to
//! another file, or an exchange another name to it, does not count: looser than ext4. A sync that brings the ordered
//! class along brings it up to the last of that: a journal may have been committed in between, and then has nothing
//! to write for the sake of this file (`cr x; sleep 6; cr n; fsync x` lost `n` on ext4).
//!
//! **A sync of everything**, which no store can ask for through the seam and recordings have, makes content durable
//! only if a name or a size has changed since the last sync of anything: xfs flushes the disk when it has something
//! to log, and then only (`w f 0 B; cr n; fsync n; sync` lost `B`).
//!
//! # The built-in models
//!
//! | knob | `posix` | `ext4` | `xfs` | `btrfs` | `paranoid` |
//! |---|---|---|---|---|---|
//! | directory operations | free | in order | in order | free | free |
//! | rename within a directory | atomic | atomic | atomic | atomic | steps |
//! | rename across directories | new before old | atomic | atomic | new before old | steps |
//! | append in the last block | free | size in order | size implies its page | size implies its data, if alone | free |
//! | append into new blocks | free | free | size implies its page | size implies its data, if alone | free |
//! | shrink | free, cut bytes may stay | in order | in order | free, cut bytes may stay | free, cut bytes may stay |
//! | content | free | free | free | free | free |
//! | fsync of a file, besides itself | nothing | ordered class, up to its last pending metadata | the same | its names | nothing |
//! | fdatasync of a file, besides itself | nothing | ordered class, up to its pending size | ordered class, up to its last pending metadata | its names | nothing |
//! | fsync of a directory | its entries | ordered class | ordered class, up to its last pending entry | its entries | its entries |
//! | torn unit | 512 | 512 | 512 | 4096 | 8, and garbage |
//! | size after a failed sync | may move | may move | needs its data | may move | may move |
//!
//! Evidence: crash states of real ext4 (data=ordered), xfs and btrfs of Linux 6.18.44 (`fixtures/observed`).
//! A model may be looser than its file system, never stricter. Knowingly looser: `ext4` and `xfs` order an
//! append with other metadata only where the same process had synced the block (the kernel does so for any
//! allocated block); a sync of everything flushes the disk on ext4 and btrfs in any case; `ext4` lets a file
//! replaced by rename without fsync come back empty, which `auto_da_alloc`
//! turns into old or new or zeros; `btrfs` lets pages of one fsync mix; a sync makes no parent directory
//! durable; after a failed sync ext4 was seen to move the size and btrfs to show the new one and take it back later,
//! both of which `may-move` permits at any time. The first sources for the older kernels were ALICE (OSDI '14, tables 1 to 3), Ferrite
//! (ASPLOS '16, figure 3) and CuttleFS (ATC '20).

mod content;
mod count;
mod failed;
mod file;
mod pass;
mod persisted;
mod sync;

use serde::{Deserialize, Serialize};

use crate::disk::{Rules, SECTOR};

pub use count::{StateCount, count_states, log2_sum};
pub use file::ModelError;
pub use persisted::Persisted;
pub(crate) use persisted::TakenBack;

/// Whether changes of a kind belong to the ordered class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Each on its own.
    Free,
    /// In the ordered class: each implies all earlier ones.
    InOrder,
}

/// What a crash may leave of a rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rename {
    /// All of it or nothing.
    Atomic,
    /// The old name goes only if the new one is there; both may be.
    NewBeforeOld,
    /// Three steps, each on its own: the target goes, the source goes, the new name comes.
    Steps,
}

/// What the size that an append leaves implies of the appended data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SizeImplies {
    /// Nothing: the bytes may read as zeros (or garbage).
    Nothing,
    /// What the write put into the 4 KiB page that the size ends in.
    ItsPage,
    /// All that the write put before the size, as long as nothing waits to be written elsewhere in the file.
    ItsData,
}

/// How an append persists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Append {
    /// Whether the size moves in the ordered class.
    pub size: Order,
    /// What of the data the size implies.
    pub size_implies: SizeImplies,
}

/// What a sync of a file makes durable besides the file's own content and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSync {
    /// Nothing.
    Nothing,
    /// The names of the file: those it has, and the loss of those that it had on the disk.
    ItsNames,
    /// If the file's size is pending: the ordered class, up to the last change of it.
    OrderedIfResized,
    /// If the file has pending metadata: the ordered class, up to the last change of it.
    OrderedIfPending,
}

/// What a sync of a directory makes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirSync {
    /// Its own entries.
    ItsEntries,
    /// Its own entries and the whole ordered class.
    Ordered,
    /// Its own entries and the ordered class, up to the last change of them that is pending.
    OrderedIfChanged,
}

/// Which part of a torn unit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TornSide {
    /// Within a 512-byte sector, a piece implies the one before it: the beginning survives.
    Left,
    /// A piece implies the one behind it: the end survives.
    Right,
}

/// What a part of a file reads as that is inside the size and was never made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unwritten {
    /// Zeros.
    Zeros,
    /// Zeros, noise, or what a removed file held at the same place: a fixed function of the place.
    Garbage,
}

/// What a failed sync of a file leaves of its size. Its pages are in the cache, new and marked clean, and on the
/// disk each may be written or not; a retry succeeds and writes nothing that is clean; a page is synced again once
/// it was made dirty again, as a whole, and the size once it changes again or the page that it ends in does. Each
/// descriptor that was open reports the error once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedSize {
    /// It may move, whether the data is there or not.
    MayMove,
    /// It moves only where the data does that it implies.
    NeedsItsData,
}

/// A persistence model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Where it comes from: a paper, a kernel version, a measurement.
    pub source: String,
    /// Creations, links, renames, removals, among themselves.
    pub directory_operations: Order,
    /// Renames inside one directory.
    pub rename_within_directory: Rename,
    /// Renames from one directory into another.
    pub rename_across_directories: Rename,
    /// Growth inside the last block, where what was written to that is durable.
    pub append_in_block: Append,
    /// Any other growth.
    pub append_new_block: Append,
    /// Shrinking: in the ordered class, the size does, and whole blocks behind it go with it; the kept
    /// block's tail is zeroed as data of its own, which a sync writes at once; free, only when the file grows again.
    pub shrink: Order,
    /// File content: in the ordered class (a journal that takes data too) or free.
    pub data: Order,
    /// `fsync` of a file.
    pub fsync: FileSync,
    /// `fdatasync` of a file.
    pub fdatasync: FileSync,
    /// `fsync` of a directory.
    pub sync_dir: DirSync,
    /// The file's size after a failed sync.
    pub failed_sync_size: FailedSize,
    /// Bytes that survive or not as a whole: 8, 512 or 4096, aligned in the file.
    pub torn_unit: u32,
    /// Which part of a torn sector survives, for units below 512.
    pub torn_side: TornSide,
    /// What never-durable parts read as.
    pub unwritten: Unwritten,
}

const FREE: Append = Append { size: Order::Free, size_implies: SizeImplies::Nothing };

impl Model {
    /// The default model: what POSIX and its common implementations promise, and nothing more. It permits
    /// everything that `ext4`, `xfs` and `btrfs` permit.
    pub fn posix() -> Model {
        Model {
            name: "posix".to_string(),
            source: "the union of what ext4, xfs and btrfs of Linux 6.18 were seen to leave".to_string(),
            directory_operations: Order::Free,
            rename_within_directory: Rename::Atomic,
            rename_across_directories: Rename::NewBeforeOld,
            append_in_block: FREE,
            append_new_block: FREE,
            shrink: Order::Free,
            data: Order::Free,
            fsync: FileSync::Nothing,
            fdatasync: FileSync::Nothing,
            sync_dir: DirSync::ItsEntries,
            failed_sync_size: FailedSize::MayMove,
            torn_unit: 512,
            torn_side: TornSide::Left,
            unwritten: Unwritten::Zeros,
        }
    }

    /// ext4 as it is mounted by default: `data=ordered`, delayed allocation.
    pub fn ext4() -> Model {
        Model {
            name: "ext4".to_string(),
            source: "ext4, data=ordered, of Linux 6.18.44, measured".to_string(),
            directory_operations: Order::InOrder,
            rename_across_directories: Rename::Atomic,
            append_in_block: Append { size: Order::InOrder, ..FREE },
            shrink: Order::InOrder,
            fsync: FileSync::OrderedIfPending,
            fdatasync: FileSync::OrderedIfResized,
            sync_dir: DirSync::Ordered,
            ..Model::posix()
        }
    }

    /// xfs as it is mounted by default.
    pub fn xfs() -> Model {
        let page = Append { size: Order::Free, size_implies: SizeImplies::ItsPage };
        Model {
            name: "xfs".to_string(),
            source: "xfs of Linux 6.18.44, measured".to_string(),
            append_in_block: page,
            append_new_block: page,
            fdatasync: FileSync::OrderedIfPending,
            sync_dir: DirSync::OrderedIfChanged,
            failed_sync_size: FailedSize::NeedsItsData,
            ..Model::ext4()
        }
    }

    /// btrfs as it is mounted by default.
    pub fn btrfs() -> Model {
        let data = Append { size: Order::Free, size_implies: SizeImplies::ItsData };
        Model {
            name: "btrfs".to_string(),
            source: "btrfs of Linux 6.18.44, measured".to_string(),
            append_in_block: data,
            append_new_block: data,
            fsync: FileSync::ItsNames,
            fdatasync: FileSync::ItsNames,
            torn_unit: 4096,
            ..Model::posix()
        }
    }

    /// Worse than any known file system: everything on its own, 8-byte tears, garbage, renames in steps.
    pub fn paranoid() -> Model {
        Model {
            name: "paranoid".to_string(),
            source: "no file system: the least that a careful engine may rely on".to_string(),
            rename_within_directory: Rename::Steps,
            rename_across_directories: Rename::Steps,
            torn_unit: 8,
            unwritten: Unwritten::Garbage,
            ..Model::posix()
        }
    }

    /// How calls become versions.
    pub fn rules(&self) -> Rules {
        Rules {
            unit: (self.torn_unit as usize).min(SECTOR),
            steps_within: self.rename_within_directory == Rename::Steps,
            steps_across: self.rename_across_directories == Rename::Steps,
            garbage: self.unwritten == Unwritten::Garbage,
            sizes_matter: self.append_in_block != self.append_new_block
                || self.shrink == Order::InOrder
                || self.torn_unit < SECTOR as u32
                || self.unwritten == Unwritten::Garbage,
        }
    }

    /// Names of the built-in models, the default first.
    pub const NAMES: [&'static str; 5] = ["posix", "ext4", "xfs", "btrfs", "paranoid"];

    /// A built-in model by its name.
    pub fn by_name(name: &str) -> Option<Model> {
        match name {
            "posix" => Some(Model::posix()),
            "ext4" => Some(Model::ext4()),
            "xfs" => Some(Model::xfs()),
            "btrfs" => Some(Model::btrfs()),
            "paranoid" => Some(Model::paranoid()),
            _ => None,
        }
    }
}
