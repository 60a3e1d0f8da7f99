//! The text logs and snapshots, as KVStore V3 and V4 print them.

use super::store::crc32;
use super::{Content, Expect, Fixture, State};

const V1: &str = "kvstore-v1";
const V1_SPACED: &str = "kvstore-v1-spaced";
const V3_COMPACTED: &str = "kvstore-v3-compacted";
const V3_SNAPSHOT: &str = "kvstore-v3-snapshot";
const V4_SNAPSHOT: &str = "kvstore-v4-snapshot";

const HEADER: &str = "KVSTORE_LOG_V1\n";

/// The operations that most logs hold.
const OPS: [&str; 6] = ["PUT 1 100", "PUT 2 200", "PUT -7 -70", "PUT 1 101", "DEL 2", "PUT 2147483647 5"];

/// The state after the first `n` of [`OPS`], worked out by hand.
fn state(n: usize) -> State {
    let entries: &[(i64, i64)] = match n {
        0 => &[],
        1 => &[(1, 100)],
        2 => &[(1, 100), (2, 200)],
        3 => &[(-7, -70), (1, 100), (2, 200)],
        4 => &[(-7, -70), (1, 101), (2, 200)],
        5 => &[(-7, -70), (1, 101)],
        _ => &[(-7, -70), (1, 101), (2_147_483_647, 5)],
    };
    numbers(entries)
}

/// A state of numbers: in the order of the numbers, each as its decimal text.
fn numbers(entries: &[(i64, i64)]) -> State {
    entries.iter().map(|(k, v)| (k.to_string().into_bytes(), v.to_string().into_bytes())).collect()
}

fn v4_line(text: &str) -> String {
    format!("{text}|{}\n", crc32(text.as_bytes()))
}

fn v3_line(text: &str) -> String {
    format!("{text} | {}\n", crc32(text.as_bytes()))
}

/// A log under construction, with the offset of each line (the header not counted).
struct Log {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Log {
    fn of(header: &str, lines: impl IntoIterator<Item = String>) -> Log {
        let mut log = Log { bytes: header.as_bytes().to_vec(), starts: Vec::new() };
        for line in lines {
            log.starts.push(log.bytes.len());
            log.bytes.extend_from_slice(line.as_bytes());
        }
        log
    }

    /// [`OPS`] as V4 logs them.
    fn v4() -> Log {
        Log::of(HEADER, OPS.map(v4_line))
    }

    /// [`OPS`] as V3 logs them.
    fn v3() -> Log {
        Log::of(HEADER, OPS.map(v3_line))
    }

    /// Offset of a character in a line, both counted from 0.
    fn at(&self, line: usize, text: &str) -> usize {
        let start = self.starts[line];
        let found = self.bytes[start..].windows(text.len()).position(|w| w == text.as_bytes());
        start + found.expect("the recipe names text of its own line")
    }

    fn flip(mut self, at: usize, bit: u8) -> Log {
        self.bytes[at] ^= bit;
        self
    }

    fn cut(mut self, len: usize) -> Log {
        self.bytes.truncate(len);
        self
    }

    fn append(mut self, bytes: &[u8]) -> Log {
        self.bytes.extend_from_slice(bytes);
        self
    }
}

fn expect(
    format: &'static str,
    records: usize,
    stop: Option<(usize, &'static str)>,
    after: u64,
    state: State,
) -> Expect {
    let stop = stop.map(|(offset, reason)| (offset as u64, reason));
    Expect { format, records: records as u64, stop, good_records_after: after, state }
}

/// A log that both readings see alike: `n` good lines of [`OPS`], then perhaps a stop.
fn alike(n: usize, stop: Option<(usize, &'static str)>, after: u64) -> Vec<Expect> {
    [V1, V1_SPACED].map(|format| expect(format, n, stop, after, state(n))).to_vec()
}

/// A log of V3: strict reading refuses its first line, which is right only without the blanks.
fn v3_only(n: usize, stop: Option<(usize, &'static str)>, after: u64) -> Vec<Expect> {
    let strict = expect(V1, 0, Some((HEADER.len(), "bad-crc")), 0, Vec::new());
    vec![strict, expect(V1_SPACED, n, stop, after, state(n))]
}

fn fixture(name: &str, made: &str, bytes: Vec<u8>, expect: Vec<Expect>) -> Fixture {
    Fixture { path: format!("text/{name}"), content: Content::File(bytes), made: made.into(), expect }
}

pub fn fixtures() -> Vec<Fixture> {
    let mut fixtures = tails();
    fixtures.extend(flips());
    fixtures.extend(headers());
    fixtures.extend(lines());
    fixtures.extend(compacted());
    fixtures.extend(snapshots());
    fixtures
}

/// Logs whose end is wrong, and the clean ones.
fn tails() -> Vec<Fixture> {
    let v4 = Log::v4();
    let last = v4.starts[5];
    let len = v4.bytes.len();
    let v3_last = Log::v3().starts[5];
    let mut zeros = Log::v4().cut(v4.starts[4]).bytes;
    zeros.resize(1024, 0);
    vec![
        fixture("v4-clean.log", "six records as V4 logs them", Log::v4().bytes, alike(6, None, 0)),
        fixture("v3-clean.log", "six records as V3 logs them", Log::v3().bytes, v3_only(6, None, 0)),
        fixture(
            "v4-torn-in-payload.log",
            "the last line cut behind `PUT 2147`",
            Log::v4().cut(last + 8).bytes,
            alike(5, Some((last, "torn-tail")), 0),
        ),
        fixture(
            "v4-torn-in-crc.log",
            "the last line cut two digits before its end",
            Log::v4().cut(len - 3).bytes,
            alike(5, Some((last, "torn-tail")), 0),
        ),
        fixture(
            "v4-line-end-missing.log",
            "only the last line end cut off",
            Log::v4().cut(len - 1).bytes,
            alike(5, Some((last, "torn-tail")), 0),
        ),
        fixture(
            "v3-torn-in-payload.log",
            "the last line cut behind `PUT 2147`",
            Log::v3().cut(v3_last + 8).bytes,
            v3_only(5, Some((v3_last, "torn-tail")), 0),
        ),
        fixture(
            "v4-zero-tail.log",
            "cut behind the fourth record, then zeros up to 1,024 bytes",
            zeros,
            alike(4, Some((v4.starts[4], "torn-tail")), 0),
        ),
        fixture(
            "v4-garbage-tail.log",
            "bytes that are no text, a line end, and one good line appended",
            Log::v4().append(b"\xd3\x07\x99|\x80\x00\xfe\n").append(v4_line("PUT 9 9").as_bytes()).bytes,
            alike(6, Some((len, "malformed")), 1),
        ),
    ]
}

/// One bit flipped.
fn flips() -> Vec<Fixture> {
    let v4 = Log::v4();
    let third = v4.starts[2];
    let v3 = Log::v3();
    let v3_third = v3.starts[2];
    // The lowest bit turns a digit into another digit.
    let crc_digit = v4.starts[3] - 2;
    vec![
        fixture(
            "v4-bit-in-payload.log",
            "a bit flipped in the third record's value",
            Log::v4().flip(v4.at(2, "70"), 1).bytes,
            alike(2, Some((third, "bad-crc")), 3),
        ),
        fixture(
            "v3-bit-in-payload.log",
            "a bit flipped in the third record's value",
            Log::v3().flip(v3.at(2, "70"), 1).bytes,
            v3_only(2, Some((v3_third, "bad-crc")), 3),
        ),
        fixture(
            "v4-bit-in-crc.log",
            "a bit flipped in the last digit of the third record's CRC",
            Log::v4().flip(crc_digit, 1).bytes,
            alike(2, Some((third, "bad-crc")), 3),
        ),
        fixture(
            "v4-bit-in-bar.log",
            "a bit flipped in the third record's bar",
            Log::v4().flip(v4.at(2, "|"), 0x40).bytes,
            alike(2, Some((third, "malformed")), 3),
        ),
        fixture(
            "v4-bit-in-line-end.log",
            "a bit flipped in the third record's line end: it and the fourth are one line",
            Log::v4().flip(v4.starts[3] - 1, 0x40).bytes,
            alike(2, Some((third, "malformed")), 2),
        ),
    ]
}

/// Headers that are wrong or not there.
fn headers() -> Vec<Fixture> {
    let lost_v4 = Log::of("", OPS.map(v4_line));
    let lost_v3 = Log::of("", OPS.map(v3_line));
    let none = || {
        vec![
            expect(V1, 0, Some((0, "bad-header")), 0, Vec::new()),
            expect(V1_SPACED, 0, Some((0, "bad-header")), 6, Vec::new()),
        ]
    };
    // A log in which a DEL comes early enough to show that it is no snapshot.
    let del_first = Log::of("", ["DEL 2", "PUT 1 100"].map(v4_line));
    vec![
        fixture(
            "v4-future-version.log",
            "the header says KVSTORE_LOG_V2",
            Log::of("KVSTORE_LOG_V2\n", OPS.map(v4_line)).bytes,
            alike(0, Some((0, "bad-header")), 6),
        ),
        fixture(
            "v4-bit-in-header.log",
            "a bit flipped in the header",
            Log::v4().flip(3, 0x20).bytes,
            alike(0, Some((0, "bad-header")), 6),
        ),
        fixture(
            "v4-torn-header.log",
            "cut inside the header",
            Log::v4().cut(9).bytes,
            alike(0, Some((0, "torn-tail")), 0),
        ),
        fixture("v3-header-dropped.log", "six records of V3, the header line missing", lost_v3.bytes, none()),
        fixture(
            "v4-header-dropped.log",
            "two records of V4, a DEL first, the header line missing",
            del_first.bytes,
            alike(0, Some((0, "bad-header")), 2),
        ),
        fixture(
            "v4-header-dropped-like-snapshot.log",
            "six records of V4, the header line missing: it looks like a snapshot until a key does not ascend",
            lost_v4.bytes.clone(),
            vec![expect(V4_SNAPSHOT, 2, Some((lost_v4.starts[2], "malformed")), 3, state(2))],
        ),
    ]
}

/// Lines that no version prints, and what a text log cannot notice.
fn lines() -> Vec<Fixture> {
    let v4 = Log::v4();
    let insert = |line: String| {
        let mut log = Log::v4();
        let at = v4.starts[3];
        log.bytes.splice(at..at, line.into_bytes());
        log.bytes
    };
    let fourth = v4.starts[3];
    let hole = {
        // Long enough that the line from the second record's start to the fourth's end is over every limit.
        let mut bytes = Log::v4().cut(v4.starts[1] + 4).bytes;
        bytes.resize(bytes.len() + 512, 0);
        bytes.extend_from_slice(&v4.bytes[fourth + 6..]);
        bytes
    };
    let crlf = String::from_utf8(v4.bytes.clone()).expect("a log is text").replace('\n', "\r\n").into_bytes();
    vec![
        fixture(
            "v4-key-out-of-range.log",
            "a line with the right CRC and key 2147483648 put before the fourth record",
            insert(v4_line("PUT 2147483648 1")),
            alike(3, Some((fourth, "malformed")), 3),
        ),
        fixture(
            "v4-value-out-of-range.log",
            "a line with the right CRC and value 9223372036854775808 put before the fourth record",
            insert(v4_line("PUT 8 9223372036854775808")),
            alike(3, Some((fourth, "malformed")), 3),
        ),
        fixture(
            "v4-unknown-command.log",
            "a line `INC 1 1` with the right CRC put before the fourth record",
            insert(v4_line("INC 1 1")),
            alike(3, Some((fourth, "malformed")), 3),
        ),
        fixture(
            "v4-long-line.log",
            "a line of 600 bytes put before the fourth record",
            insert(format!("PUT 8 {}\n", "1".repeat(594))),
            alike(3, Some((fourth, "bad-length")), 3),
        ),
        fixture(
            "v4-zero-hole.log",
            "512 zeros in place of the second record's key to the fourth's",
            hole,
            alike(1, Some((v4.starts[1], "bad-length")), 2),
        ),
        fixture(
            "v4-duplicated-line.log",
            "the second record twice more at the end: nothing in the format tells, and it takes effect",
            Log::v4().append(v4_line(OPS[1]).repeat(2).as_bytes()).bytes,
            [V1, V1_SPACED]
                .map(|f| expect(f, 8, None, 0, numbers(&[(-7, -70), (1, 101), (2, 200), (2_147_483_647, 5)])))
                .to_vec(),
        ),
        fixture(
            "v4-crlf.log",
            "every line end turned into CR LF",
            crlf,
            alike(0, Some((0, "bad-header")), 0),
        ),
    ]
}

/// What V3's compaction leaves.
fn compacted() -> Vec<Fixture> {
    let bare = || ["PUT -7 -70\n", "PUT 1 101\n", "PUT 5 50\n"].map(str::to_owned);
    let clean = Log::of("", bare());
    let logged = Log::of("", bare().into_iter().chain(["PUT 6 60", "DEL 5"].map(v3_line)));
    let (first_logged, flipped) = (logged.starts[3], logged.at(3, "60"));
    let three = || numbers(&[(-7, -70), (1, 101), (5, 50)]);
    let two = || numbers(&[(-7, -70), (1, 101)]);
    vec![
        fixture(
            "v3-compacted.log",
            "three entries as V3's compaction leaves them: bare lines, no header",
            clean.bytes.clone(),
            vec![expect(V3_COMPACTED, 3, None, 0, three())],
        ),
        fixture(
            "v3-compacted-torn.log",
            "the same, cut inside the third line",
            clean.bytes[..clean.starts[2] + 7].to_vec(),
            vec![expect(V3_COMPACTED, 2, Some((clean.starts[2], "torn-tail")), 0, two())],
        ),
        fixture(
            "v3-compacted-then-logged.log",
            "three bare lines, then two records logged after the compaction",
            logged.bytes.clone(),
            vec![expect(V3_COMPACTED, 5, None, 0, numbers(&[(-7, -70), (1, 101), (6, 60)]))],
        ),
        fixture(
            "v3-compacted-then-logged-bit.log",
            "the same, a bit flipped in the first logged record",
            logged.flip(flipped, 1).bytes,
            vec![expect(V3_COMPACTED, 3, Some((first_logged, "bad-crc")), 1, three())],
        ),
        fixture(
            "v3-compacted-letter.log",
            "a letter in the second line's value",
            b"PUT -7 -70\nPUT 1 1o1\nPUT 5 50\n".to_vec(),
            vec![expect(V3_COMPACTED, 1, Some((11, "malformed")), 1, numbers(&[(-7, -70)]))],
        ),
    ]
}

/// Snapshots of V3 and V4.
fn snapshots() -> Vec<Fixture> {
    let three = || numbers(&[(-7, -70), (1, 101), (5, 50)]);
    let v4 = || Log::of("", ["PUT -7 -70", "PUT 1 101", "PUT 5 50"].map(v4_line));
    let (second, third) = (v4().starts[1], v4().starts[2]);
    let value = v4().at(1, "101");
    vec![
        fixture(
            "v3-clean.snapshot",
            "three entries as V3's snapshot writes them: bare, one behind the other",
            b"PUT -7 -70PUT 1 101PUT 5 50".to_vec(),
            vec![expect(V3_SNAPSHOT, 3, None, 0, three())],
        ),
        fixture(
            "v3-torn.snapshot",
            "the same, cut behind the third key",
            b"PUT -7 -70PUT 1 101PUT 5".to_vec(),
            vec![expect(V3_SNAPSHOT, 2, Some((19, "torn-tail")), 0, numbers(&[(-7, -70), (1, 101)]))],
        ),
        fixture(
            "v4-clean.snapshot",
            "three entries as V4's snapshot writes them: with CRCs, without a header",
            v4().bytes,
            vec![expect(V4_SNAPSHOT, 3, None, 0, three())],
        ),
        fixture(
            "v4-torn.snapshot",
            "the same, cut inside the third line",
            v4().cut(third + 6).bytes,
            vec![expect(V4_SNAPSHOT, 2, Some((third, "torn-tail")), 0, numbers(&[(-7, -70), (1, 101)]))],
        ),
        fixture(
            "v4-bit-in-payload.snapshot",
            "the same, a bit flipped in the second line's value",
            v4().flip(value, 1).bytes,
            vec![expect(V4_SNAPSHOT, 1, Some((second, "bad-crc")), 1, numbers(&[(-7, -70)]))],
        ),
    ]
}
