//! The list of planted bugs.

use unplug::model::Model;
use unplug_cli::{Impossible, PlantedBug};

/// A bug that shows in its scenario of the same name, under every model.
const fn bug(id: &'static str, summary: &'static str, breaks: &'static str) -> PlantedBug {
    PlantedBug { id, summary, breaks, disables: &[], scenario: id, models: &Model::NAMES, impossible: &[] }
}

/// The models under which a bug shows that needs directory operations out of order.
const UNORDERED: &[&str] = &["posix", "btrfs", "paranoid"];
const ORDERED: &[&str] = &["ext4", "xfs"];

/// Every planted bug of the engine.
pub const BUGS: &[PlantedBug] = &[
    bug(
        "acknowledged-before-sync",
        "Writes return before the log is synced, although every write should be.",
        "A write that was reported as done is gone after power loss.",
    ),
    bug(
        "wal-sync-dropped",
        "Syncs of log segments return Ok and do nothing.",
        "All that was written since the last compaction is gone after power loss.",
    ),
    bug(
        "wal-sync-delayed",
        "A sync of a log segment is done only before the next write to it.",
        "The last write that was reported as done is gone after power loss.",
    ),
    PlantedBug {
        models: &["posix", "ext4", "paranoid"],
        impossible: &[
            Impossible {
                models: &["xfs"],
                why: "the sync of the segment itself commits what is pending of its name, be it a creation or a rename",
            },
            Impossible { models: &["btrfs"], why: "the sync of the segment itself makes its name durable" },
        ],
        ..bug(
            "segment-entry-not-synced",
            "Rotation does not sync the directory that holds the new segment's name.",
            "A whole segment of synced records is gone after power loss.",
        )
    },
    PlantedBug {
        disables: &["the fragment's segment number"],
        ..bug(
            "wal-crc-unchecked",
            "Replay believes log fragments without their checksum.",
            "In a recycled segment, values are put together from new and stale sectors.",
        )
    },
    PlantedBug {
        disables: &["the fragment's segment number"],
        ..bug(
            "no-segment-identity",
            "Checksums do not depend on the segment and the offset that a fragment was written for.",
            "In a recycled segment, values are put together from new and stale sectors.",
        )
    },
    PlantedBug {
        disables: &["contiguous sequence numbers"],
        ..bug(
            "malformed-record-skipped",
            "Replay skips bad records and goes on behind them, as the seeds' V3 did.",
            "Later writes come back without the earlier ones they build on.",
        )
    },
    bug(
        "dead-tail-not-cut",
        "Recovery goes on writing behind the last good record; what lies further on stays there.",
        "Lost records come back to life behind new ones of the same length.",
    ),
    bug(
        "dead-tail-cut-not-synced",
        "Recovery copies the good records into a fresh segment, makes it current and does not sync it.",
        "Synced writes survive the first power loss and are gone after the second.",
    ),
    bug(
        "batch-applied-early",
        "Replay applies a batch's operations as its fragments arrive.",
        "A part of a batch comes back.",
    ),
    bug(
        "manifest-in-place",
        "There is one manifest file: truncated, written again, then synced.",
        "Power loss in between leaves no manifest, and the store does not open.",
    ),
    bug(
        "manifest-sync-dropped",
        "Manifests are renamed into place without having been synced.",
        "The newest manifest is empty after power loss, and the store does not open.",
    ),
    PlantedBug {
        models: &["posix", "ext4", "btrfs", "paranoid"],
        impossible: &[Impossible {
            models: &["xfs"],
            why: "directory operations reach the disk in order, and the sync of a segment whose name is pending \
                  commits all before it",
        }],
        ..bug(
            "dir-sync-dropped",
            "The store never syncs its directory.",
            "Files that a manifest refers to have no name after power loss.",
        )
    },
    PlantedBug {
        models: UNORDERED,
        impossible: &[Impossible {
            models: ORDERED,
            why: "directory operations reach the disk in order, and the sync of the store's first file commits them: the store's directory was created before it",
        }],
        ..bug(
            "parent-dir-sync-dropped",
            "Creating the store does not sync the directory that it lies in.",
            "The whole store is gone after power loss.",
        )
    },
    PlantedBug {
        models: UNORDERED,
        impossible: &[Impossible {
            models: ORDERED,
            why: "directory operations reach the disk in order, so no old file is gone before the new one has its name; and the sync behind the removals comes before anything relies on them",
        }],
        ..bug(
            "dir-not-synced-after-rename",
            "The directory is not synced after the renames of a compaction's snapshot and of any manifest.",
            "The old files are gone and the new ones have no name after power loss.",
        )
    },
    bug(
        "snapshot-not-synced",
        "A snapshot is renamed into place without having been synced.",
        "The manifest refers to a snapshot that is empty or torn after power loss.",
    ),
    bug(
        "snapshot-after-log-replaced",
        "Compaction makes the new, empty log current first and writes the snapshot then, as the seeds did.",
        "Power loss in between leaves a store without its content.",
    ),
    bug(
        "wal-dropped-before-switch",
        "Compaction removes the old log before the manifest that does without it is installed.",
        "Power loss in between leaves a manifest whose log is gone.",
    ),
    PlantedBug {
        models: UNORDERED,
        impossible: &[Impossible {
            models: ORDERED,
            why: "directory operations reach the disk in order, so no old file is gone before the new manifest has its name",
        }],
        ..bug(
            "old-files-removed-early",
            "Compaction removes the old files after the manifest's rename, before the directory is synced.",
            "Power loss brings the old manifest back, whose files are gone.",
        )
    },
    bug(
        "orphans-removed-early",
        "Recovery removes what its new manifest will not need before that manifest is durable.",
        "Power loss during recovery brings the old manifest back, whose files are gone.",
    ),
    bug(
        "version-header-dropped",
        "Compaction's new segment starts without its header block.",
        "Everything written after a compaction is unreadable.",
    ),
    PlantedBug {
        models: &[],
        impossible: &[Impossible {
            models: &Model::NAMES,
            why: "a manifest is synced before it gets its name, so the newest one is whole; rot can damage it, \
                  which fixtures and the scenario `rot-in-manifest-hidden` show",
        }],
        ..bug(
            "manifest-fallback",
            "A newest manifest that does not verify silently gives way to the next older one.",
            "A damaged store opens with old content instead of an error.",
        )
    },
    PlantedBug {
        models: &[],
        impossible: &[Impossible {
            models: &Model::NAMES,
            why: "a snapshot is synced before a manifest refers to it, so one in use is whole; rot can damage \
                  it, which fixtures and the scenario `rot-in-snapshot-believed` show",
        }],
        ..bug(
            "snapshot-crc-unchecked",
            "Snapshot fragments are believed without their checksum.",
            "A damaged value is served.",
        )
    },
    PlantedBug {
        models: &["paranoid"],
        impossible: &[Impossible {
            models: &["posix", "ext4", "xfs", "btrfs"],
            why: "a header block is one sector, which reaches the disk whole; rot can damage it, which the \
                  scenario `rot-in-header-believed` shows",
        }],
        ..bug(
            "header-crc-unchecked",
            "The header blocks of all files are believed without their checksum.",
            "A torn header of a segment stops the store from opening; a damaged manifest's numbers are served.",
        )
    },
    bug(
        "interval-acknowledged-early",
        "With syncs at intervals, writes count as durable as soon as they are written.",
        "A write that was reported as durable is gone after power loss.",
    ),
    bug(
        "full-disk-tail-kept",
        "After a write that found the disk full, the log goes on behind what that left.",
        "Bytes of a refused write come back inside a later one.",
    ),
    bug(
        "failed-sync-retried",
        "A failed sync of the log is tried again, and believed when it succeeds.",
        "A write that was reported as done is gone after power loss.",
    ),
    bug(
        "segment-removed-early",
        "Compaction removes the log before it has synced the snapshot that replaces it.",
        "Power loss leaves a snapshot that is empty or torn, and no log.",
    ),
    bug(
        "incremental-applied-twice",
        "Recovery applies the first incremental snapshot of a chain once more behind the last one.",
        "Old values come back.",
    ),
    bug(
        "base-removed-early",
        "An incremental snapshot replaces the one that it builds on, whose file is removed.",
        "The store does not open.",
    ),
    bug(
        "group-acknowledged-early",
        "Group commit answers the writes that came while its sync ran together with those before it.",
        "A write that was reported as done is gone after power loss.",
    ),
    bug(
        "refused-record-kept",
        "A record that was refused for want of space is kept, and written behind the next one.",
        "A refused write comes back, over a later one of the same key.",
    ),
    bug(
        "sync-error-ignored",
        "Nobody looks at the result of a log segment's sync.",
        "A write that was reported as done is gone after power loss.",
    ),
    bug(
        "short-write-ignored",
        "A write to the log that did a part is taken for the whole.",
        "A write that was reported as done is gone after a crash.",
    ),
    bug(
        "read-error-as-end",
        "A read error is taken for the end of the log.",
        "Recovery drops synced writes for good.",
    ),
    bug(
        "reopen-error-ignored",
        "A recycled segment that could not be opened after its rename is taken for open.",
        "Writes that were reported as done have gone nowhere.",
    ),
    bug(
        "follower-acknowledged-early",
        "Group commit answers all but the first write of a group before the sync that they share.",
        "A write that was reported as done is gone after power loss.",
    ),
];
