//! Reading a whole file in one of the formats.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::ControlFlow;

use crate::error::Reason;
use crate::inspect::Verdict;

use super::lines::{Line, Lines};
use super::parse::{self, TextRecord as Record};
use super::{HEADER, HEADER_STEM, LINE_LEN_MAX, TextContent, TextFormat, TextItem, TextReading, TextStop};

/// Reads a file in the given format, whatever it holds. Memory is bounded by one line and the state.
///
/// # Errors
///
/// Only those of `source`; damage is in the reading.
pub fn read(format: TextFormat, source: impl Read) -> io::Result<TextReading> {
    walk(format, source, &mut |_| ControlFlow::Continue(()))
}

/// As [`read`], and tells of every piece of the file in order; the walk ends early where `visit` says so.
///
/// # Errors
///
/// Only those of `source`; damage is in the reading.
pub fn walk(
    format: TextFormat,
    source: impl Read,
    visit: &mut dyn FnMut(TextItem) -> ControlFlow<()>,
) -> io::Result<TextReading> {
    let mut reader = Reader::new(format, visit);
    match format {
        TextFormat::V3Snapshot => reader.run_on_entries(source)?,
        TextFormat::V1 | TextFormat::V1Spaced => {
            let mut lines = Lines::new(source);
            reader.header(&mut lines)?;
            reader.lines(&mut lines)?;
        }
        TextFormat::V3Compacted | TextFormat::V4Snapshot => reader.lines(&mut Lines::new(source))?,
    }
    Ok(reader.reading)
}

/// Why a line or entry was not taken.
type Refused = (Reason, String);

struct Reader<'v> {
    visit: &'v mut dyn FnMut(TextItem) -> ControlFlow<()>,
    /// The visitor has seen enough.
    ended: bool,
    reading: TextReading,
    /// In the part that a scan of the tree wrote: keys ascend, there is no `DEL`.
    in_scan: bool,
    last_key: Option<i32>,
}

impl<'v> Reader<'v> {
    fn new(format: TextFormat, visit: &'v mut dyn FnMut(TextItem) -> ControlFlow<()>) -> Reader<'v> {
        let reading = TextReading {
            format,
            records: 0,
            stopped: None,
            good_records_after: 0,
            entries: BTreeMap::new(),
        };
        let in_scan = !matches!(format, TextFormat::V1 | TextFormat::V1Spaced);
        Reader { visit, ended: false, reading, in_scan, last_key: None }
    }

    fn header(&mut self, lines: &mut Lines<impl Read>) -> io::Result<()> {
        let Some(line) = lines.next_line()? else {
            self.take(0, 0, Err((Reason::BadHeader, "the file is empty".into())));
            return Ok(());
        };
        let end = lines.offset();
        if line.ended && line.text == HEADER {
            self.tell(TextItem { offset: 0, end, content: TextContent::Header, verdict: Verdict::Good });
            return Ok(());
        }
        // A log whose header line is simply not there starts with a record: it is one that would verify.
        let record = self.checked_line(&line);
        self.take(0, if record.is_ok() { 0 } else { end }, Err(header_refused(&line)));
        if record.is_ok() {
            self.take(0, end, record);
        }
        Ok(())
    }

    fn lines(&mut self, lines: &mut Lines<impl Read>) -> io::Result<()> {
        while !self.ended
            && let Some(line) = lines.next_line()?
        {
            let outcome = self.line(&line);
            self.take(line.offset, lines.offset(), outcome);
        }
        Ok(())
    }

    /// V3's snapshot: an entry ends where the next one's `P` begins, or with the file.
    fn run_on_entries(&mut self, source: impl Read) -> io::Result<()> {
        let (mut entry, mut start, mut at) = (Vec::new(), 0_u64, 0_u64);
        let mut too_long = false;
        for byte in io::BufReader::new(source).bytes() {
            let byte = byte?;
            if self.ended {
                return Ok(());
            }
            if byte == b'P' && at > start {
                let outcome = self.entry(&entry, too_long, false);
                self.take(start, at, outcome);
                entry.clear();
                (start, too_long) = (at, false);
            }
            if entry.len() < LINE_LEN_MAX {
                entry.push(byte);
            } else {
                // Zeros behind a cut entry are a torn tail; see `entry`.
                too_long |= byte != 0;
            }
            at += 1;
        }
        if at > start {
            let outcome = self.entry(&entry, too_long, true);
            self.take(start, at, outcome);
        }
        Ok(())
    }

    fn entry(&self, entry: &[u8], too_long: bool, last: bool) -> Result<Record, Refused> {
        if too_long {
            return Err(too_long_refused());
        }
        let record = parse::record(entry);
        if record.is_none() && last {
            let len = entry.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
            if parse::is_start_of_put(&entry[..len]) {
                return Err((Reason::TornTail, "the last entry is cut short".into()));
            }
        }
        self.in_order(record.ok_or_else(not_a_record)?)
    }

    fn line(&mut self, line: &Line) -> Result<Record, Refused> {
        let format = self.reading.format;
        let bare = format == TextFormat::V3Compacted && self.in_scan && !line.text.contains(&b'|');
        if bare {
            whole(line)?;
            return self.in_order(parse::record(&line.text).ok_or_else(not_a_record)?);
        }
        let record = self.checked_line(line)?;
        if format == TextFormat::V3Compacted {
            // The first line with a CRC was logged after the compaction: from here on it is a log.
            self.in_scan = false;
        }
        self.in_order(record)
    }

    /// A line with a bar and a CRC.
    fn checked_line(&self, line: &Line) -> Result<Record, Refused> {
        whole(line)?;
        let Some(bar) = line.text.iter().position(|&b| b == b'|') else {
            return Err((Reason::Malformed, "there is no bar before a CRC".into()));
        };
        let spaced = matches!(self.reading.format, TextFormat::V1Spaced | TextFormat::V3Compacted);
        let text = if spaced { parse::trim_end(&line.text[..bar]) } else { &line.text[..bar] };
        let Some(stored) = parse::crc(parse::trim_start(&line.text[bar + 1..])) else {
            return Err((Reason::Malformed, "the CRC field is not a 32-bit decimal number".into()));
        };
        let computed = crc32fast::hash(text);
        if stored != computed {
            return Err((Reason::BadCrc, format!("the line says CRC {stored}, its text has {computed}")));
        }
        parse::record(parse::trim_end(text)).ok_or_else(not_a_record)
    }

    /// A scan writes ascending keys and no `DEL`. Behind a stop there is no order left to check.
    fn in_order(&self, record: Record) -> Result<Record, Refused> {
        if !self.in_scan || self.reading.stopped.is_some() {
            return Ok(record);
        }
        match record {
            Record::Del(_) => Err((Reason::Malformed, "a scan of the tree writes no DEL".into())),
            Record::Put(key, _) if self.last_key.is_some_and(|last| key <= last) => {
                Err((Reason::Malformed, format!("key {key} does not ascend, as a scan's keys do")))
            }
            Record::Put(..) => Ok(record),
        }
    }

    fn take(&mut self, offset: u64, end: u64, outcome: Result<Record, Refused>) {
        let behind = self.reading.stopped.is_some();
        let (content, verdict) = match outcome {
            Ok(record) if behind => {
                self.reading.good_records_after += 1;
                (TextContent::Record(record), Verdict::Behind)
            }
            Ok(record) => {
                self.reading.records += 1;
                match record {
                    Record::Put(key, value) => {
                        self.last_key = Some(key);
                        self.reading.entries.insert(key, value);
                    }
                    Record::Del(key) => {
                        self.reading.entries.remove(&key);
                    }
                }
                (TextContent::Record(record), Verdict::Good)
            }
            Err((reason, detail)) => {
                let verdict = if behind { Verdict::Bad } else { Verdict::Stop };
                if !behind {
                    self.reading.stopped = Some(TextStop { offset, reason, detail: detail.clone() });
                }
                (TextContent::Damage { reason, detail }, verdict)
            }
        };
        self.tell(TextItem { offset, end, content, verdict });
    }

    fn tell(&mut self, item: TextItem) {
        self.ended |= (self.visit)(item).is_break();
    }
}

/// Refuses a line that is too long or not written to its end.
fn whole(line: &Line) -> Result<(), Refused> {
    if line.too_long {
        return Err(too_long_refused());
    }
    if line.ended {
        return Ok(());
    }
    let detail = if line.text.iter().all(|&b| b == 0) {
        "zeros fill the rest of the file"
    } else {
        "the last line has no line end"
    };
    Err((Reason::TornTail, detail.into()))
}

fn too_long_refused() -> Refused {
    (Reason::BadLength, format!("a line is longer than {LINE_LEN_MAX} bytes"))
}

fn not_a_record() -> Refused {
    (Reason::Malformed, "the text is neither `PUT <int> <long>` nor `DEL <int>`".into())
}

fn header_refused(line: &Line) -> Refused {
    let text = &line.text;
    if !line.ended && HEADER.starts_with(text) {
        return (Reason::TornTail, "the header line is cut short".into());
    }
    let version = text.strip_prefix(HEADER_STEM).and_then(parse::integer);
    let detail = match version {
        Some(version) => format!("format version {version} is not supported; this reader knows version 1"),
        None => "the first line is not KVSTORE_LOG_V1".into(),
    };
    (Reason::BadHeader, detail)
}
