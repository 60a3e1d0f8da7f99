//! Known crash-consistency mistakes that can be switched on, one a store: canaries for whoever tests it.

macro_rules! planted {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A mistake to make on purpose. [`Planted::None`] is the store as it should be.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Planted {
            /// No mistake.
            #[default]
            None,
            $($(#[$doc])* $variant,)*
        }

        impl Planted {
            /// The names of all mistakes, in a fixed order.
            pub const NAMES: &[&str] = &[$($name,)*];

            /// The mistake of this name.
            pub fn from_name(name: &str) -> Option<Planted> {
                match name {
                    $($name => Some(Planted::$variant),)*
                    _ => None,
                }
            }

            /// This mistake's name; `none` without one.
            pub fn name(self) -> &'static str {
                match self {
                    Planted::None => "none",
                    $(Planted::$variant => $name,)*
                }
            }
        }
    };
}

planted! {
    /// Compaction removes the old log segments before the manifest that does without them is installed.
    WalDroppedBeforeSwitch = "wal-dropped-before-switch",
    /// Compaction makes the new, empty log current first, and writes the snapshot only then.
    SnapshotAfterLogReplaced = "snapshot-after-log-replaced",
    /// Replay believes a log fragment without its checksum (and so without the segment it is tagged for).
    WalCrcUnchecked = "wal-crc-unchecked",
    /// Replay goes on behind bad fragments and holes; the sequence check is off with it.
    MalformedRecordSkipped = "malformed-record-skipped",
    /// Open goes on writing behind the last good record; what lies further on stays there.
    DeadTailNotCut = "dead-tail-not-cut",
    /// Open copies the good records into a fresh segment and does not sync it.
    DeadTailCutNotSynced = "dead-tail-cut-not-synced",
    /// Checksums are not seeded with epoch, segment and offset, and the segment tag is not compared.
    NoSegmentIdentity = "no-segment-identity",
    /// Replay applies a batch's operations as its fragments arrive.
    BatchAppliedEarly = "batch-applied-early",
    /// There is one manifest name: truncated, written, then synced.
    ManifestInPlace = "manifest-in-place",
    /// Compaction removes the old files after the manifest's rename, before the directory is synced.
    OldFilesRemovedEarly = "old-files-removed-early",
    /// Open removes what it thinks is garbage before its new manifest is durable.
    OrphansRemovedEarly = "orphans-removed-early",
    /// A newest manifest that does not verify silently gives way to the next older one.
    ManifestFallback = "manifest-fallback",
    /// Compaction's new segment lacks its header block.
    VersionHeaderDropped = "version-header-dropped",
    /// Snapshot fragments are believed without their checksum.
    SnapshotCrcUnchecked = "snapshot-crc-unchecked",
    /// The header blocks of all files are believed without their checksum.
    HeaderCrcUnchecked = "header-crc-unchecked",
    /// Writes return before the log is synced, although the policy is to sync every one.
    AcknowledgedBeforeSync = "acknowledged-before-sync",
    /// Rotation does not sync the directory that holds the new segment's name.
    SegmentEntryNotSynced = "segment-entry-not-synced",
    /// A snapshot is renamed into place without having been synced.
    SnapshotNotSynced = "snapshot-not-synced",
    /// The directory is not synced after the renames of a compaction's snapshot and of any manifest.
    DirNotSyncedAfterRename = "dir-not-synced-after-rename",
    /// With syncs at intervals, writes count as durable as soon as they are written.
    IntervalAcknowledgedEarly = "interval-acknowledged-early",
    /// After a write that found the disk full, the log goes on behind what that left.
    FullDiskTailKept = "full-disk-tail-kept",
    /// Compaction removes the log before it has synced the snapshot that replaces it.
    SegmentRemovedEarly = "segment-removed-early",
    /// Recovery applies the first incremental snapshot of a chain once more behind the last one.
    IncrementalAppliedTwice = "incremental-applied-twice",
    /// An incremental snapshot replaces the one that it builds on, whose file is removed.
    BaseRemovedEarly = "base-removed-early",
    /// Group commit answers the writes that were submitted while its sync ran together with those before it.
    GroupAcknowledgedEarly = "group-acknowledged-early",
    /// Group commit answers all but the first write of a group before its sync.
    FollowerAcknowledgedEarly = "follower-acknowledged-early",
    /// A failed sync of the log is tried again, and believed when it succeeds.
    FailedSyncRetried = "failed-sync-retried",
    /// A record that was refused for want of space is kept, and written behind the next one.
    RefusedRecordKept = "refused-record-kept",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_mistake_and_back() {
        assert_eq!(Planted::NAMES.len(), 28);
        for name in Planted::NAMES {
            assert_eq!(Planted::from_name(name).map(Planted::name), Some(*name));
        }
        assert_eq!(Planted::from_name("none"), None);
        assert_eq!(Planted::default(), Planted::None);
    }
}
