//! Whole stores: a snapshot, and one record in each of five segments behind it.

use unplug_engine::Options;

use super::store::{BLOCK, FRAGMENT_HEADER, Files, Op, Writer, fill, ops, options, seal_header, state};
use super::{Content, Expect, Fixture, State};

/// A store, and the files it had at earlier times.
struct Made {
    files: Files,
    /// Before the compaction.
    old: Files,
    /// Before it was opened again.
    before_reopen: Files,
}

/// The records behind the snapshot: each fills its segment.
fn tail() -> Vec<Op> {
    ["t1", "t2", "t3", "t4", "t5"]
        .into_iter()
        .zip(10..)
        .map(|(key, seed)| Op::Put(key, fill(seed, 300)))
        .collect()
}

/// The manifest, written when the store was opened again, lists three of the segments; two were rotated in
/// since.
fn made() -> Made {
    let mut writer = Writer::create(Options { segment_size: 1024, ..options() });
    let old = writer.write(&ops()).files();
    let before_reopen = writer.compact().write(&tail()[..3]).files();
    let files = writer.reopen().write(&tail()[3..]).files();
    assert_eq!(files.names("wal-").len(), 5, "one record a segment");
    Made { files, old, before_reopen }
}

/// The state of the snapshot and the first `n` records behind it.
fn state_after(n: usize) -> State {
    state(&[&ops()[..], &tail()[..n]].concat())
}

fn fixture(
    name: &str,
    made: &str,
    files: Files,
    records: u64,
    stop: Option<(usize, &'static str)>,
    after: u64,
    state: State,
) -> Fixture {
    let stop = stop.map(|(offset, reason)| (offset as u64, reason));
    Fixture {
        path: format!("store/{name}"),
        content: Content::Store(files.0.into_iter().collect()),
        made: made.into(),
        expect: vec![Expect { format: "store", records, stop, good_records_after: after, state }],
    }
}

pub fn fixtures() -> Vec<Fixture> {
    let made = made();
    let mut fixtures = logs(&made.files);
    fixtures.extend(snapshots(&made.files));
    fixtures.extend(manifests(&made));
    fixtures
}

/// A copy of the store with something done to it.
fn edited(files: &Files, edit: impl FnOnce(&mut Files)) -> Files {
    let mut files = files.clone();
    edit(&mut files);
    files
}

fn logs(files: &Files) -> Vec<Fixture> {
    let wal = files.names("wal-");
    let [first, second, third, fourth, last] = [0, 1, 2, 3, 4].map(|i| wal[i].as_str());
    let cut = |name: &str, len: usize| edited(files, |f| f.get(name).truncate(len));
    // After so many good records, and in the plain case nothing verifies behind the stop.
    let fixture = |name, made, files, records: usize, stop| {
        fixture(name, made, files, records as u64, stop, 0, state_after(records))
    };
    vec![
        fixture(
            "clean",
            "a snapshot, three segments that the manifest lists, two rotated in since",
            files.clone(),
            5,
            None,
        ),
        fixture(
            "torn-tail",
            "the last segment cut 100 bytes into its record",
            cut(last, BLOCK + 100),
            4,
            Some((BLOCK, "torn-tail")),
        ),
        fixture(
            "empty-last-segment",
            "the last segment cut behind its header block: rotation finished, nothing was written",
            cut(last, BLOCK),
            4,
            None,
        ),
        fixture(
            "torn-rotation",
            "the last segment cut inside its header block: the rotation did not finish",
            cut(last, 200),
            4,
            Some((0, "bad-header")),
        ),
        fixture(
            "rot-in-sealed-segment",
            "a bit in the second segment's record",
            edited(files, |f| f.get(second)[BLOCK + FRAGMENT_HEADER + 200] ^= 1),
            1,
            Some((BLOCK, "bad-crc")),
        ),
        fixture(
            "sealed-segment-cut-short",
            "the second segment cut behind its header block: the third is not its continuation",
            cut(second, BLOCK),
            1,
            Some((0, "sequence-gap")),
        ),
        fixture(
            "missing-middle-segment",
            "the second segment removed",
            edited(files, |f| {
                f.0.remove(second);
            }),
            1,
            Some((0, "bad-header")),
        ),
        fixture(
            "missing-rotated-segment",
            "the fourth segment removed, which no manifest lists: the fifth begins behind what is proved",
            edited(files, |f| {
                f.0.remove(fourth);
            }),
            3,
            Some((0, "sequence-gap")),
        ),
        fixture(
            "swapped-segments",
            "the first two segments under each other's names",
            edited(files, |f| {
                let (a, b) = (f.get(first).clone(), f.get(second).clone());
                *f.get(first) = b;
                *f.get(second) = a;
            }),
            0,
            Some((0, "bad-header")),
        ),
        // Opening refuses another version's file before it looks at any record.
        Fixture {
            expect: vec![Expect {
                format: "store",
                records: 0,
                stop: Some((0, "bad-header")),
                good_records_after: 0,
                state: Vec::new(),
            }],
            ..fixture(
                "future-version-segment",
                "format version 2 in the third segment, checksum right: the store does not open",
                edited(files, |f| {
                    f.get(third)[8] = 2;
                    seal_header(f.get(third));
                }),
                0,
                None,
            )
        },
    ]
}

fn snapshots(files: &Files) -> Vec<Fixture> {
    let snap = files.names("snap-").remove(0);
    // The long second entry has its second fragment in the third block; three entries and the footer behind
    // the one that is cut short are one block further on.
    let long_at = BLOCK + FRAGMENT_HEADER + 5;
    vec![
        fixture(
            "missing-snapshot",
            "the snapshot removed: no log makes sense without it",
            edited(files, |f| {
                f.0.remove(&snap);
            }),
            0,
            Some((0, "bad-header")),
            0,
            Vec::new(),
        ),
        fixture(
            "snapshot-with-bad-block",
            "a bit in the snapshot's third block: the entry before it is proved, and no log on part of a snapshot",
            edited(files, |f| f.get(&snap)[2 * BLOCK + 100] ^= 1),
            0,
            Some((long_at, "bad-crc")),
            4,
            state_after(0)[..1].to_vec(),
        ),
    ]
}

fn manifests(made: &Made) -> Vec<Fixture> {
    let files = &made.files;
    let newest = files.names("MANIFEST-").remove(0);
    let (older, older_bytes) = {
        let name = made.before_reopen.names("MANIFEST-").remove(0);
        let bytes = made.before_reopen.last("MANIFEST-").to_vec();
        (name, bytes)
    };
    let refused = |name, what, files| fixture(name, what, files, 0, Some((0, "bad-header")), 0, Vec::new());
    let with_older = |edit: &dyn Fn(&mut Vec<u8>)| {
        edited(files, |f| {
            f.0.insert(older.clone(), older_bytes.clone());
            edit(f.get(&newest));
        })
    };
    let leftovers = edited(files, |f| {
        let manifest = f.get(&newest).clone();
        f.0.insert("MANIFEST-00000090.tmp".into(), manifest[..100].to_vec());
        f.0.insert("snap-00000091.tmp".into(), Vec::new());
        f.0.insert("wal-00000089.damaged".into(), fill(9, 50));
        f.0.insert(older.clone(), older_bytes.clone());
        let orphan = made.old.names("wal-").remove(0);
        f.0.insert(orphan.clone(), made.old.0[&orphan].clone());
    });
    let created =
        edited(&Writer::create(options()).files(), |f| f.0.retain(|name, _| name.starts_with("MANIFEST-")));
    vec![
        refused(
            "newest-manifest-damaged",
            "a bit in the newest manifest, the one before it still there: no silent step back",
            with_older(&|bytes| bytes[40] ^= 1),
        ),
        refused(
            "newest-manifest-torn",
            "the newest manifest cut after 200 bytes, the one before it still there",
            with_older(&|bytes| bytes.truncate(200)),
        ),
        refused(
            "manifest-renamed",
            "the manifest under a number that is not its own",
            edited(files, |f| {
                let bytes = f.0.remove(&newest).unwrap_or_default();
                f.0.insert("MANIFEST-00000090".into(), bytes);
            }),
        ),
        refused(
            "data-without-manifest",
            "the manifest removed: damage, not an empty store",
            edited(files, |f| {
                f.0.remove(&newest);
            }),
        ),
        fixture(
            "leftovers",
            "an older manifest, an older epoch's segment, two unfinished files and one set aside as damaged: \
             none of them counts",
            leftovers,
            5,
            None,
            0,
            state_after(5),
        ),
        fixture(
            "creation-cut-short",
            "a new store's manifest alone: its first segment was never made",
            created,
            0,
            None,
            0,
            Vec::new(),
        ),
    ]
}
