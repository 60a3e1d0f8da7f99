//! Manifests: one header block, and a record behind it if the segments are many.

use unplug_engine::Options;

use super::store::{BLOCK, FRAGMENT_HEADER, Files, Op, Writer, fill, ops, options, seal_header};
use super::{Content, Expect, Fixture};

fn fixture(name: &str, made: &str, bytes: Vec<u8>, stop: Option<(u64, &'static str)>) -> Fixture {
    let records = u64::from(stop.is_none());
    let expect = Expect { format: "manifest", records, stop, good_records_after: 0, state: Vec::new() };
    Fixture {
        path: format!("manifest/MANIFEST-{name}"),
        content: Content::File(bytes),
        made: made.into(),
        expect: vec![expect],
    }
}

pub fn fixtures() -> Vec<Fixture> {
    let files: Files = Writer::create(options()).write(&ops()).compact().files();
    let clean = files.last("MANIFEST-").to_vec();
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = clean.clone();
        edit(&mut bytes);
        bytes
    };
    let bad = Some((0, "bad-header"));
    let mut fixtures = vec![
        fixture("clean", "as a compaction leaves it", clean.clone(), None),
        fixture("empty", "cut to nothing", Vec::new(), bad),
        fixture("torn", "cut after 300 bytes", clean[..300].to_vec(), bad),
        fixture("zeroed", "its block zeroed", vec![0; BLOCK], bad),
        fixture("bit-in-crc", "a bit of the checksum", edited(&|b| b[12] ^= 1), bad),
        fixture("bit-in-field", "a bit of the snapshot's number", edited(&|b| b[32] ^= 1), bad),
        fixture(
            "future-version",
            "format version 2, checksum right",
            edited(&|b| {
                b[8] = 2;
                seal_header(b);
            }),
            bad,
        ),
        fixture(
            "contradiction",
            "a next file number of 1, smaller than the numbers of the store's files, checksum right",
            edited(&|b| {
                b[40..48].copy_from_slice(&1_u64.to_le_bytes());
                seal_header(b);
            }),
            Some((0, "malformed")),
        ),
    ];
    fixtures.extend(long());
    fixtures
}

/// 60 segments: more numbers than the header block holds.
fn long() -> Vec<Fixture> {
    let mut writer = Writer::create(Options { segment_size: 1024, ..options() });
    // Records of 400 bytes, one a segment; opening again lists all that were rotated in.
    writer.write(&(0..60).map(|i| Op::Put("key", fill(i, 400))).collect::<Vec<_>>());
    let clean = writer.reopen().files().last("MANIFEST-").to_vec();
    let list = BLOCK as u64;
    let mut flipped = clean.clone();
    flipped[BLOCK + FRAGMENT_HEADER] ^= 1;
    vec![
        fixture("long", "60 segments: their numbers go on behind the header block", clean.clone(), None),
        fixture(
            "long-torn",
            "the same, cut 20 bytes into the list behind the header block",
            clean[..BLOCK + 20].to_vec(),
            Some((list, "torn-tail")),
        ),
        fixture(
            "long-without-list",
            "the same, cut behind the header block",
            clean[..BLOCK].to_vec(),
            Some((list, "torn-tail")),
        ),
        fixture(
            "long-bit-in-list",
            "the same, a bit in the list behind the header block",
            flipped,
            Some((list, "bad-crc")),
        ),
    ]
}
