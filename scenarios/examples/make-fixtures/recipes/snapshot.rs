//! Snapshots.

use super::store::{
    BLOCK, Domain, FRAGMENT_HEADER, Fragment, Writer, lay_out, ops, options, seal, seal_header,
};
use super::store::{fill, state};
use super::{Content, Expect, Fixture, State};

/// The state of [`ops`] as a compaction wrote it, and where its entries lie; the footer is the last.
struct Snapshot {
    bytes: Vec<u8>,
    entries: Vec<Vec<Fragment>>,
}

impl Snapshot {
    fn written() -> Snapshot {
        let bytes = Writer::create(options()).write(&ops()).compact().files().last("snap-").to_vec();
        // An entry: tag u8, key length u32, key, value. The footer: tag u8, count u64.
        let lens = state(&ops()).into_iter().map(|(key, value)| 5 + key.len() + value.len());
        Snapshot { bytes, entries: lay_out(BLOCK, lens.chain([9])) }
    }

    fn start(&self, entry: usize) -> usize {
        self.entries[entry][0].at
    }

    fn cut(mut self, len: usize) -> Snapshot {
        self.bytes.truncate(len);
        self
    }

    fn zero(mut self, from: usize) -> Snapshot {
        self.bytes[from..].fill(0);
        self
    }

    fn flip(mut self, at: usize, bit: u8) -> Snapshot {
        self.bytes[at] ^= bit;
        self
    }

    fn seal(mut self, at: usize) -> Snapshot {
        seal(&mut self.bytes, Domain::Snapshot, at);
        self
    }
}

/// Entries of the state: the empty key, cherry (long), date, elder, fig (crosses a block), grape.
const LONG: usize = 1;
const DATE: usize = 2;
const FIG: usize = 4;
const ALL: usize = 6;

fn fixture(
    name: &str,
    made: &str,
    snapshot: Snapshot,
    entries: usize,
    stop: Option<(usize, &'static str)>,
    after: u64,
) -> Fixture {
    let whole: State = state(&ops());
    let expect = Expect {
        format: "snapshot",
        records: entries as u64,
        stop: stop.map(|(offset, reason)| (offset as u64, reason)),
        good_records_after: after,
        state: whole[..entries].to_vec(),
    };
    Fixture {
        path: format!("snapshot/snap-{name}"),
        content: Content::File(snapshot.bytes),
        made: made.into(),
        expect: vec![expect],
    }
}

pub fn fixtures() -> Vec<Fixture> {
    let s = Snapshot::written();
    let (long, date, fig, footer) = (s.start(LONG), s.start(DATE), s.start(FIG), s.start(ALL));
    let long_middle = s.entries[LONG][1].at;
    let fig_end = s.entries[FIG][1].at;
    let mut appended = Snapshot::written();
    appended.bytes.extend_from_slice(&fill(9, BLOCK));
    let mut future = Snapshot::written().flip(8, 3);
    seal_header(&mut future.bytes);
    let mut duplicated = Snapshot::written();
    let copy = duplicated.bytes[fig_end..fig_end + BLOCK].to_vec();
    duplicated.bytes.splice(fig_end..fig_end, copy);
    vec![
        fixture("clean", "six entries as a compaction writes them", Snapshot::written(), ALL, None, 0),
        fixture(
            "bad-block",
            "a bit in the long entry's second fragment",
            Snapshot::written().flip(long_middle + 100, 1),
            LONG,
            Some((long, "bad-crc")),
            (ALL - LONG - 1) as u64,
        ),
        fixture(
            "without-footer",
            "cut behind the last entry",
            Snapshot::written().cut(footer),
            ALL,
            Some((footer, "torn-tail")),
            0,
        ),
        fixture(
            "zeroed-footer",
            "zeros in place of the footer",
            Snapshot::written().zero(footer),
            ALL,
            Some((footer, "torn-tail")),
            0,
        ),
        fixture(
            "torn-in-entry",
            "cut at the block's end inside the fifth entry",
            Snapshot::written().cut(fig_end),
            FIG,
            Some((fig, "torn-tail")),
            0,
        ),
        fixture(
            "duplicated-block",
            "the last block twice: the first copy is in its place, the second is never read",
            duplicated,
            ALL,
            None,
            0,
        ),
        fixture(
            "garbage-appended",
            "a block of noise behind the footer: nothing reads it",
            appended,
            ALL,
            None,
            0,
        ),
        fixture(
            "footer-count",
            "a count of 7 entries in the footer, checksum right",
            Snapshot::written().flip(footer + FRAGMENT_HEADER + 1, 1).seal(footer),
            ALL,
            Some((footer, "malformed")),
            0,
        ),
        fixture(
            "keys-out-of-order",
            "the third key turned from `date` into `bate`, checksum right: it does not ascend",
            Snapshot::written().flip(date + FRAGMENT_HEADER + 5, b'd' ^ b'b').seal(date),
            DATE,
            Some((date, "malformed")),
            (ALL - DATE - 1) as u64,
        ),
        fixture("empty", "cut to nothing", Snapshot::written().cut(0), 0, Some((0, "bad-header")), 0),
        fixture(
            "bit-in-header",
            "a bit of the next sequence number in the header block",
            Snapshot::written().flip(32, 1),
            0,
            Some((0, "bad-header")),
            0,
        ),
        fixture(
            "future-version",
            "format version 2 in the header block, checksum right",
            future,
            0,
            Some((0, "bad-header")),
            0,
        ),
    ]
}
