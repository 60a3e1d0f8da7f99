//! The suite: one readable file a scenario, all of them part of the program.

macro_rules! suite {
    ($($name:literal)*) => {
        /// Name and text of each scenario, in the order of a run.
        pub const SCENARIOS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../suite/", $name, ".toml"))),)*];
    };
}

suite! {
    "fresh-store"
    "append"
    "sync-every-write"
    "batches"
    "overwrite-and-delete"
    "rotation"
    "rotation-synced"
    "compaction"
    "compaction-every-step"
    "compaction-twice"
    "compaction-automatic"
    "compaction-large"
    "value-64k"
    "key-limits"
    "tiny-ops"
    "recycling"
    "reopen"
    "many-segments"
    "unsynced-4"
    "unsynced-16"
    "unsynced-64"
    "puts-2000"
    "acknowledged-before-sync"
    "wal-sync-dropped"
    "wal-sync-delayed"
    "segment-entry-not-synced"
    "wal-crc-unchecked"
    "no-segment-identity"
    "malformed-record-skipped"
    "dead-tail-not-cut"
    "dead-tail-cut-not-synced"
    "batch-applied-early"
    "manifest-in-place"
    "manifest-sync-dropped"
    "dir-sync-dropped"
    "parent-dir-sync-dropped"
    "dir-not-synced-after-rename"
    "snapshot-not-synced"
    "snapshot-after-log-replaced"
    "wal-dropped-before-switch"
    "old-files-removed-early"
    "orphans-removed-early"
    "version-header-dropped"
    "manifest-fallback"
    "snapshot-crc-unchecked"
}
