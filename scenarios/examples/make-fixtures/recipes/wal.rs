//! Log segments.

use unplug_engine::Options;

use super::store::{BLOCK, Domain, FRAGMENT_HEADER, Fragment, Op, Writer, lay_out, ops, options, record_len};
use super::store::{fill, seal, seal_header, state};
use super::{Content, Expect, Fixture};

/// A segment of [`ops`] as the engine wrote it, and where its records lie.
struct Segment {
    bytes: Vec<u8>,
    records: Vec<Vec<Fragment>>,
}

impl Segment {
    fn written() -> Segment {
        let bytes = Writer::create(options()).write(&ops()).files().last("wal-").to_vec();
        Segment::of(bytes, &ops())
    }

    fn of(bytes: Vec<u8>, ops: &[Op]) -> Segment {
        let records = lay_out(BLOCK, ops.iter().map(record_len));
        Segment { bytes, records }
    }

    /// Offset of a record, counted from 0.
    fn start(&self, record: usize) -> usize {
        self.records[record][0].at
    }

    /// Offset behind the last record.
    fn end(&self) -> usize {
        self.records
            .last()
            .and_then(|fragments| fragments.last())
            .map_or(BLOCK, |f| f.at + FRAGMENT_HEADER + f.len)
    }

    fn cut(mut self, len: usize) -> Segment {
        self.bytes.truncate(len);
        self
    }

    /// Zeros from `from` to the end.
    fn zero(mut self, from: usize) -> Segment {
        self.bytes[from..].fill(0);
        self
    }

    fn flip(mut self, at: usize, bit: u8) -> Segment {
        self.bytes[at] ^= bit;
        self
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Segment {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn seal(mut self, at: usize) -> Segment {
        seal(&mut self.bytes, Domain::Wal, at);
        self
    }

    fn seal_header(mut self) -> Segment {
        seal_header(&mut self.bytes);
        self
    }
}

/// The state is always that of the first `records` operations.
fn fixture(
    name: &str,
    made: &str,
    segment: Segment,
    records: usize,
    stop: Option<(usize, &'static str)>,
    after: u64,
) -> Fixture {
    let expect = Expect {
        format: "wal",
        records: records as u64,
        stop: stop.map(|(offset, reason)| (offset as u64, reason)),
        good_records_after: after,
        state: state(&ops()[..records]),
    };
    Fixture {
        path: format!("wal/wal-{name}"),
        content: Content::File(segment.bytes),
        made: made.into(),
        expect: vec![expect],
    }
}

/// The record with the long value, in three fragments.
const LONG: usize = 2;
/// A small record in the middle of a block, with another behind it there.
const SMALL: usize = 3;
/// The first record of a block.
const FIG: usize = 5;
/// The last record, in two fragments.
const LAST: usize = 7;
/// How many there are.
const ALL: usize = 8;

pub fn fixtures() -> Vec<Fixture> {
    let mut fixtures = torn();
    fixtures.extend(filled());
    fixtures.extend(flipped());
    fixtures.extend(headers());
    fixtures.extend(moved());
    fixtures.extend(forged());
    fixtures
}

fn torn() -> Vec<Fixture> {
    let s = Segment::written();
    let (long, small, fig, last) = (s.start(LONG), s.start(SMALL), s.start(FIG), s.start(LAST));
    let second_part = s.records[LONG][1].at;
    let torn = |at| Some((at, "torn-tail"));
    let cut = |len: usize| Segment::written().cut(len);
    vec![
        fixture("clean", "eight records as the engine writes them", Segment::written(), ALL, None, 0),
        fixture("cut-between-records", "cut behind the third record", cut(small), SMALL, None, 0),
        fixture(
            "cut-to-header",
            "cut behind the header block: a segment without records",
            cut(BLOCK),
            0,
            None,
            0,
        ),
        fixture(
            "torn-in-fragment-header",
            "cut 5 bytes into the fourth record",
            cut(small + 5),
            SMALL,
            torn(small),
            0,
        ),
        fixture("torn-in-payload", "cut 100 bytes into the sixth record", cut(fig + 100), FIG, torn(fig), 0),
        fixture(
            "torn-between-fragments",
            "cut at the block's end inside the long record",
            cut(second_part),
            LONG,
            torn(long),
            0,
        ),
        fixture(
            "torn-in-middle-fragment",
            "cut inside the long record's second fragment",
            cut(second_part + 200),
            LONG,
            torn(long),
            0,
        ),
        fixture(
            "torn-in-last-byte",
            "cut in the last byte of the last record",
            cut(s.end() - 1),
            LAST,
            torn(last),
            0,
        ),
    ]
}

/// Tails whose sectors hold something else.
fn filled() -> Vec<Fixture> {
    let s = Segment::written();
    let (long, small, fig, end) = (s.start(LONG), s.start(SMALL), s.start(FIG), s.end());
    let third_part = s.records[LONG][2].at;
    let mut appended = Segment::written();
    let len = appended.bytes.len();
    appended.bytes.extend_from_slice(&fill(9, BLOCK));
    vec![
        fixture(
            "zero-tail-between-records",
            "zeros from the fourth record on: the log ends before it",
            Segment::written().zero(small),
            SMALL,
            None,
            0,
        ),
        fixture(
            "zero-tail-in-record",
            "zeros from the long record's third fragment on, as if its sectors had not been written",
            Segment::written().zero(third_part),
            LONG,
            Some((long, "torn-tail")),
            0,
        ),
        fixture(
            "zero-tail-in-fragment",
            "zeros from 100 bytes into the sixth record on: its length is there, its payload is not",
            Segment::written().zero(fig + 100),
            FIG,
            Some((fig, "bad-crc")),
            0,
        ),
        fixture(
            "zero-hole",
            "zeros from the fourth record to its block's end, the blocks behind it whole",
            Segment::written().put(small, &vec![0; fig - small]),
            SMALL,
            Some((small, "torn-tail")),
            (ALL - FIG) as u64,
        ),
        fixture(
            "garbage-behind-last-record",
            "bytes 0xa5 from the end of the last record to the end of its block",
            Segment::written().put(end, &vec![0xa5; len - end]),
            ALL,
            Some((end, "bad-length")),
            0,
        ),
        fixture(
            "garbage-block-appended",
            "a block of noise behind the last one: the log ends before it, and nothing reads it",
            appended,
            ALL,
            None,
            0,
        ),
    ]
}

/// One bit, in each kind of field.
fn flipped() -> Vec<Fixture> {
    let s = Segment::written();
    let (long, small) = (s.start(LONG), s.start(SMALL));
    let flip = |at: usize, bit: u8| Segment::written().flip(at, bit);
    let at_small = |reason| Some((small, reason));
    // Behind a fragment whose length is not believed, reading goes on at the next block: the sixth record's.
    let from_next_block = (ALL - FIG) as u64;
    let from_next_record = (ALL - SMALL - 1) as u64;
    vec![
        fixture(
            "bit-in-crc",
            "a bit of the fourth record's CRC",
            flip(small, 4),
            SMALL,
            at_small("bad-crc"),
            from_next_record,
        ),
        fixture(
            "bit-in-tag",
            "a bit of the fourth record's segment tag",
            flip(small + 4, 0x10),
            SMALL,
            at_small("wrong-epoch"),
            from_next_record,
        ),
        fixture(
            "bit-in-length",
            "the lowest bit of the fourth record's length, up: it ends a byte late",
            flip(small + 8, 1),
            SMALL,
            at_small("bad-crc"),
            from_next_block,
        ),
        fixture(
            "huge-length",
            "the highest bit of the fourth record's length",
            flip(small + 9, 0x80),
            SMALL,
            at_small("bad-length"),
            from_next_block,
        ),
        fixture(
            "bit-in-kind",
            "a bit of the fourth record's kind",
            flip(small + 10, 0x40),
            SMALL,
            at_small("bad-crc"),
            from_next_record,
        ),
        fixture(
            "bit-in-payload",
            "a bit of the fourth record's key",
            flip(small + FRAGMENT_HEADER + 18, 1),
            SMALL,
            at_small("bad-crc"),
            from_next_record,
        ),
        fixture(
            "bit-in-middle-fragment",
            "a bit in the long record's second fragment",
            flip(s.records[LONG][1].at + 300, 1),
            LONG,
            Some((long, "bad-crc")),
            (ALL - LONG - 1) as u64,
        ),
        fixture(
            "zero-length",
            "the fourth record's length set to 0",
            Segment::written().put(small + 8, &[0, 0]),
            SMALL,
            at_small("bad-length"),
            from_next_block,
        ),
    ]
}

/// Header blocks. Where its fields are still what they were, so are the records' checksums.
fn headers() -> Vec<Fixture> {
    let bad = Some((0, "bad-header"));
    let all = ALL as u64;
    let written = Segment::written;
    vec![
        fixture("empty", "cut to nothing", written().cut(0), 0, bad, 0),
        fixture("torn-header", "cut 300 bytes into the header block", written().cut(300), 0, bad, 0),
        fixture("zero-header", "the header block zeroed", written().put(0, &[0; BLOCK]), 0, bad, 0),
        fixture("bit-in-magic", "a bit of the first byte", written().flip(0, 1), 0, bad, 0),
        fixture(
            "bit-in-epoch",
            "a bit of the epoch in the header block: no record's checksum is right any more",
            written().flip(16, 2),
            0,
            bad,
            0,
        ),
        fixture(
            "bit-in-header-padding",
            "a bit behind the fields of the header block",
            written().flip(400, 1),
            0,
            bad,
            all,
        ),
        fixture(
            "wrong-version",
            "format version 0 in the header block, checksum right",
            written().put(8, &[0]).seal_header(),
            0,
            bad,
            all,
        ),
        fixture(
            "future-version",
            "format version 2 in the header block, checksum right",
            written().put(8, &[2]).seal_header(),
            0,
            bad,
            all,
        ),
    ]
}

/// Sound bytes in the wrong place.
fn moved() -> Vec<Fixture> {
    let s = Segment::written();
    let (fig, last) = (s.start(FIG), s.start(LAST));
    let block = fig / BLOCK * BLOCK;
    let mut duplicated = Segment::written();
    let copy = duplicated.bytes[block..block + BLOCK].to_vec();
    duplicated.bytes.splice(block + BLOCK..block + BLOCK, copy);
    let misdirected = Segment::written().put(block, &s.bytes[BLOCK..2 * BLOCK]);
    let (recycled, crossing) = recycled();
    vec![
        fixture(
            "duplicated-block",
            "the fourth block of records twice: the copy stands where the last record's end was",
            duplicated,
            LAST,
            Some((last, "bad-crc")),
            0,
        ),
        fixture(
            "misdirected-block",
            "the first block of records written over the fourth",
            misdirected,
            FIG,
            Some((fig, "bad-crc")),
            0,
        ),
        recycled,
        crossing,
    ]
}

/// A segment that overwrote an older one, whole and with its last sector not written: there the older
/// segment's bytes show.
fn recycled() -> (Fixture, Fixture) {
    let mut writer = Writer::create(Options { segment_size: 4096, recycle_segments: true, ..options() });
    let older = writer.write(&ops()).files().last("wal-").to_vec();
    // The compaction retires the first segment; two long records fill the second; the third is the first, anew.
    writer.compact().write(&[Op::Put("l1", fill(5, 1500)), Op::Put("l2", fill(6, 1900))]);
    let newer = [Op::Put("x1", fill(7, 20)), Op::Put("x2", fill(8, 700))];
    let bytes = writer.write(&newer).files().last("wal-").to_vec();
    let s = Segment::of(bytes, &newer);
    let crossing_at = s.records[1][1].at;
    let stale = older[crossing_at..crossing_at + BLOCK].to_vec();
    let last_start = s.start(1) as u64;
    let expect = |records: usize, stop| Expect {
        format: "wal",
        records: records as u64,
        stop,
        good_records_after: 0,
        state: state(&newer[..records]),
    };
    let whole = Fixture {
        path: "wal/wal-recycled".into(),
        content: Content::File(s.bytes.clone()),
        made: "two records over an older segment's file, whose bytes go on behind their last block".into(),
        expect: vec![expect(2, None)],
    };
    let torn = Fixture {
        path: "wal/wal-recycled-last-block-stale".into(),
        content: Content::File(s.put(crossing_at, &stale).bytes),
        made: "the same, the second record's last block not written: the older segment's block is there"
            .into(),
        expect: vec![expect(1, Some((last_start, "wrong-epoch")))],
    };
    (whole, torn)
}

/// Right checksums over wrong content.
fn forged() -> Vec<Fixture> {
    let s = Segment::written();
    let small = s.start(SMALL);
    let payload = small + FRAGMENT_HEADER;
    let at_small = |reason| Some((small, reason));
    let after = (ALL - SMALL - 1) as u64;
    vec![
        fixture(
            "sequence-gap",
            "the fourth record's sequence number higher by 64, checksum right",
            Segment::written().flip(payload, 0x40).seal(small),
            SMALL,
            at_small("sequence-gap"),
            // It verifies all the same: it is one of those that only its number keeps out.
            after + 1,
        ),
        fixture(
            "malformed-operation",
            "an operation that does not exist in the fourth record, checksum right",
            Segment::written().put(payload + 12, &[9]).seal(small),
            SMALL,
            at_small("malformed"),
            after,
        ),
        fixture(
            "malformed-count",
            "a count of two operations in the fourth record, which holds one, checksum right",
            Segment::written().put(payload + 8, &[2]).seal(small),
            SMALL,
            at_small("malformed"),
            after,
        ),
        fixture(
            "malformed-huge-key-length",
            "a key of 4 GiB in the fourth record, checksum right",
            Segment::written().put(payload + 13, &[0xff; 4]).seal(small),
            SMALL,
            at_small("malformed"),
            after,
        ),
    ]
}
