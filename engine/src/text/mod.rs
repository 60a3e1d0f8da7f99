//! Readers of the text logs and snapshots of KVStore V3 and V4, the C programs this engine descends from.
//!
//! # What those programs wrote
//!
//! | format | written by | looks like |
//! |---|---|---|
//! | [`kvstore-v1`](TextFormat::V1) | V4's log | `KVSTORE_LOG_V1`, then `PUT 1 100\|<crc>` and `DEL 1\|<crc>` lines |
//! | [`kvstore-v1-spaced`](TextFormat::V1Spaced) | V3's log | the same with ` \| `, the CRC computed without the blanks |
//! | [`kvstore-v3-compacted`](TextFormat::V3Compacted) | V3's compaction | bare `PUT 1 100` lines, no header; what was logged later follows with ` \| <crc>` |
//! | [`kvstore-v3-snapshot`](TextFormat::V3Snapshot) | V3's snapshot | `PUT 1 100PUT 2 200`: no CRC, no line ends |
//! | [`kvstore-v4-snapshot`](TextFormat::V4Snapshot) | V4's snapshot | `PUT 1 100\|<crc>` lines, no header |
//!
//! The CRC is CRC-32/IEEE in decimal. V3 checks its lines over the text *up to the bar*, blank included, but
//! computes the CRC without it: its own logs fail its own check. Both readings are therefore offered for a file
//! with the header. `kvstore-v1` checks the text up to the bar; `kvstore-v1-spaced` drops the blanks on both
//! sides of the bar first.
//!
//! # Rules
//!
//! The C programs parse with `sscanf` and `strtoul`, which take much that no version ever wrote. Here a line is
//! taken only as a version wrote it, so that one state has one text:
//!
//! - Fields are separated by exactly one blank. Nothing follows the last one (in `kvstore-v1`, blanks before
//!   the bar belong to the checked text and mean nothing; blanks after it are skipped, as `strtoul` does).
//! - Numbers are decimal, with `-` if negative, without `+`, leading zeros or `-0`. A key is a C `int` (32
//!   bits), a value a C `long` (64 bits), a CRC 32 bits without sign. Out of range is malformed, not wrapped.
//! - A line ends with `\n`; `\r` is no part of any line. A header is `KVSTORE_LOG_V1` and nothing more (the C
//!   program compares 14 bytes and so takes `KVSTORE_LOG_V12` too).
//! - A line longer than [`LINE_LEN_MAX`] bytes is a bad length: the C program would cut it in two.
//! - A compaction and a snapshot scan a tree, so the keys of what they wrote ascend; others are malformed.
//! - `DEL` of a key that is not there changes nothing and counts as a record.
//!
//! Reading stops at the first bad line; what came before is the state, what verifies behind it is only counted:
//!
//! | reason | when |
//! |---|---|
//! | torn-tail | the last line has no `\n` (even if its CRC is right: its write did not finish), or zeros fill the rest of the file |
//! | bad-header | the first line is another version, damaged, or not there at all |
//! | bad-length | a line longer than [`LINE_LEN_MAX`] |
//! | bad-crc | the CRC field is a number, but not that of the text |
//! | malformed | no bar where there must be one, a CRC field that is no number, or a text that is no record |
//!
//! A damage that the format cannot show is told by [`TextFormat::caveat`].

mod lines;
mod parse;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use parse::TextRecord;
pub use read::{read, walk};
pub use write::{TextTarget, write};

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Reason;
use crate::inspect::Verdict;

/// The longest line, without its end, that is looked at. The longest line a version wrote has 49 bytes; the C
/// program reads lines into 256 bytes, line end and terminator included.
pub const LINE_LEN_MAX: usize = 254;

/// The first line of a log, without its end.
pub const HEADER: &[u8] = b"KVSTORE_LOG_V1";

/// The start of [`HEADER`] that every version's header shares.
const HEADER_STEM: &[u8] = b"KVSTORE_LOG_V";

/// How a text file is read. See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextFormat {
    /// A log with its header; the CRC covers the text up to the bar.
    V1,
    /// A log with its header; the CRC covers the text without the blanks before the bar.
    V1Spaced,
    /// What V3's compaction leaves: bare lines, then perhaps lines logged after it.
    V3Compacted,
    /// V3's snapshot: bare entries without line ends.
    V3Snapshot,
    /// V4's snapshot: lines with CRCs, without a header.
    V4Snapshot,
}

impl TextFormat {
    /// Every format.
    pub const ALL: [TextFormat; 5] = [
        TextFormat::V1,
        TextFormat::V1Spaced,
        TextFormat::V3Compacted,
        TextFormat::V3Snapshot,
        TextFormat::V4Snapshot,
    ];

    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            TextFormat::V1 => "kvstore-v1",
            TextFormat::V1Spaced => "kvstore-v1-spaced",
            TextFormat::V3Compacted => "kvstore-v3-compacted",
            TextFormat::V3Snapshot => "kvstore-v3-snapshot",
            TextFormat::V4Snapshot => "kvstore-v4-snapshot",
        }
    }

    /// What a reading of this format cannot notice, if there is anything beyond a CRC's odds.
    pub fn caveat(self) -> Option<&'static str> {
        match self {
            TextFormat::V1 | TextFormat::V1Spaced => None,
            TextFormat::V3Compacted => {
                Some("bare lines carry no CRC and no count: a changed digit or a missing line cannot be seen")
            }
            TextFormat::V3Snapshot => Some(
                "entries carry no CRC, no end and no count: a changed digit, a missing entry or a cut inside \
                 the last number cannot be seen",
            ),
            TextFormat::V4Snapshot => Some("there is no count: a missing line cannot be seen"),
        }
    }
}

impl fmt::Display for TextFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where reading stopped before the end of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextStop {
    /// Offset in bytes of the start of the bad line.
    pub offset: u64,
    /// What kind of damage it is.
    pub reason: Reason,
    /// The same in words.
    pub detail: String,
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextItem {
    /// Where it begins.
    pub offset: u64,
    /// Where it ends, its line end included.
    pub end: u64,
    /// What it is.
    pub content: TextContent,
    /// What reading makes of it.
    pub verdict: Verdict,
}

/// What stands at a place of a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextContent {
    /// The header line.
    Header,
    /// A record.
    Record(TextRecord),
    /// A line that is neither.
    Damage {
        /// What kind of damage it is.
        reason: Reason,
        /// The same in words.
        detail: String,
    },
}

/// What a file said, up to its first bad line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextReading {
    /// How it was read.
    pub format: TextFormat,
    /// Good records before the stop.
    pub records: u64,
    /// Where and why reading stopped; `None` if it reached the end.
    pub stopped: Option<TextStop>,
    /// Records behind the stop that would verify. They are not in `entries`.
    pub good_records_after: u64,
    /// The state after the good records.
    pub entries: BTreeMap<i32, i64>,
}

/// Which formats a file may have. See [`recognise`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// Read it in each of these.
    As(&'static [TextFormat]),
    /// It is one of these programs' files, but there is no telling what it says, because …
    Unsupported(&'static str),
    /// It is none of these programs' files.
    No,
}

/// Bytes of a file's start that [`recognise`] needs to see.
pub const RECOGNISE_LEN: usize = 2 * (LINE_LEN_MAX + 1);

/// Tells the formats of a file by its first [`RECOGNISE_LEN`] bytes (or all of it, if it is shorter).
///
/// A log that has lost its header is still a log (both readings say `bad-header`): by a `DEL`, or by blanks
/// around the bar, in its first line, as no snapshot has; or by a record in its second line.
pub fn recognise(head: &[u8]) -> Recognised {
    const LOG: Recognised = Recognised::As(&[TextFormat::V1, TextFormat::V1Spaced]);
    let (first, rest) = match head.iter().position(|&b| b == b'\n') {
        Some(end) => (&head[..end], Some(&head[end + 1..])),
        None => (head, None),
    };
    if first.starts_with(HEADER_STEM) || (first.len() >= 4 && rest.is_none() && HEADER.starts_with(first)) {
        return LOG;
    }
    if !starts_like_record(first) {
        return match rest {
            Some(second) if first.len() <= LINE_LEN_MAX && starts_like_record(second) => LOG,
            _ => Recognised::No,
        };
    }
    match first.iter().position(|&b| b == b'|') {
        Some(bar) => {
            let spaced = first[..bar].ends_with(b" ") || first[bar + 1..].starts_with(b" ");
            if spaced || first.starts_with(b"DEL ") { LOG } else { Recognised::As(&[TextFormat::V4Snapshot]) }
        }
        // "PUT 1 100PUT": an entry that runs on into the next, which only V3's snapshots do.
        None if first.windows(4).skip(1).any(|w| w == b"PUT ") => Recognised::As(&[TextFormat::V3Snapshot]),
        None if rest.is_some() => Recognised::As(&[TextFormat::V3Compacted]),
        None if first.len() > LINE_LEN_MAX => Recognised::No,
        None => Recognised::Unsupported(
            "a single bare entry without a line end is a whole V3 snapshot or any other file torn in its first \
             line",
        ),
    }
}

fn starts_like_record(line: &[u8]) -> bool {
    line.starts_with(b"PUT ") || line.starts_with(b"DEL ")
}
