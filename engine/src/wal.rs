//! Log segments: their header, making one, appending to one.
//!
//! A segment's header names its epoch, its own number, the number of the segment before it in the log (0 for
//! the first), and the sequence number its first record will have. A rotated segment is found by these: the
//! manifest does not list it.

use std::sync::Arc;

use crate::dir::{Dir, File};
use crate::error::Error;
use crate::fragment::{BLOCK, Domain, FRAGMENT_HEADER, Fragmenter, Identity};
use crate::header::{self, Fault, Fields, MAGIC_WAL};
use crate::names::Name;
use crate::planted::Planted;
use crate::reader::{Checks, Records, Source};

/// How many fields a segment's header has.
const FIELDS: usize = 4;

/// What a segment's first block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) epoch: u64,
    pub(crate) number: u64,
    pub(crate) predecessor: u64,
    pub(crate) first_sequence: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; BLOCK] {
        header::encode(
            MAGIC_WAL,
            &[self.epoch, self.number, self.predecessor, self.first_sequence] as &[u64; FIELDS],
        )
    }

    pub(crate) fn decode(block: &[u8]) -> Result<SegmentHeader, Fault> {
        SegmentHeader::decode_as(block, Planted::None)
    }

    /// As [`decode`](SegmentHeader::decode), by a store that may make a mistake.
    pub(crate) fn decode_as(block: &[u8], planted: Planted) -> Result<SegmentHeader, Fault> {
        header::decode_as(MAGIC_WAL, block, planted).map(SegmentHeader::from_fields)
    }

    /// The header of the file that `records` reads.
    #[track_caller]
    pub(crate) fn read<S: Source>(
        records: &mut Records<'_, S>,
        planted: Planted,
    ) -> Result<Result<SegmentHeader, Fault>, Error> {
        let beginning = records.beginning(header::len_of(FIELDS))?;
        if beginning.len() < header::len_of(FIELDS) {
            return Ok(Err(Fault::Unreadable));
        }
        let mut block = [0; BLOCK];
        match header::decode_beginning(MAGIC_WAL, beginning, &mut block, planted) {
            Err(Fault::Version { .. }) => Ok(SegmentHeader::decode_as(records.header_block()?, planted)),
            decoded => Ok(decoded.map(SegmentHeader::from_fields)),
        }
    }

    /// What a damaged header may have said.
    pub(crate) fn decode_damaged(block: &[u8]) -> Option<SegmentHeader> {
        header::decode_damaged(MAGIC_WAL, block).map(SegmentHeader::from_fields)
    }

    fn from_fields(fields: Fields<'_>) -> SegmentHeader {
        SegmentHeader {
            epoch: fields.get(0),
            number: fields.get(1),
            predecessor: fields.get(2),
            first_sequence: fields.get(3),
        }
    }

    pub(crate) fn identity(&self, planted: Planted) -> Identity {
        match planted {
            Planted::NoSegmentIdentity => Identity::without_seed(self.number),
            _ => Identity::new(Domain::Wal, self.epoch, self.number),
        }
    }
}

/// How a log's fragments are checked.
pub(crate) fn checks(planted: Planted) -> Checks {
    Checks {
        crc: planted != Planted::WalCrcUnchecked,
        tag: !matches!(planted, Planted::WalCrcUnchecked | Planted::NoSegmentIdentity),
        partial: planted == Planted::BatchAppliedEarly,
    }
}

/// A draft above this goes to its file early.
const SPILL_BYTES: usize = 1 << 20;

/// A segment that is being made and that nobody relies on yet.
pub(crate) struct Draft {
    header: SegmentHeader,
    out: Fragmenter,
    file: Option<File>,
    records: u64,
}

impl Draft {
    pub(crate) fn new(header: SegmentHeader, planted: Planted) -> Draft {
        let out = Fragmenter::new(header.identity(planted), 0, &header.encode());
        Draft { header, out, file: None, records: 0 }
    }

    /// As [`Draft::new`], with a hole in the header's place.
    pub(crate) fn without_header(header: SegmentHeader, planted: Planted) -> Draft {
        let out = Fragmenter::new(header.identity(planted), BLOCK as u64, &[]);
        Draft { header, out, file: None, records: 0 }
    }

    #[track_caller]
    pub(crate) fn push(&mut self, dir: &Dir, record: &[u8]) -> Result<(), Error> {
        self.out.push(record);
        self.records += 1;
        if self.out.buffered() >= SPILL_BYTES {
            self.spill(dir, None)?;
        }
        Ok(())
    }

    /// Writes the segment out, in a new file or over a retired one. Not synced yet.
    #[track_caller]
    pub(crate) fn finish(mut self, dir: &Dir, retired: Option<Name>) -> Result<Log, Error> {
        self.spill(dir, retired)?;
        let preallocation = match retired {
            None => Preallocation::new(self.out.end()),
            Some(_) => Preallocation::never(),
        };
        match self.file {
            Some(file) => Ok(Log {
                header: self.header,
                file: Arc::new(file),
                out: self.out,
                durable: 0,
                waiting: false,
                torn: false,
                preallocation,
                records: self.records,
            }),
            None => Err(Error::Internal { what: "a log segment was written without a file" }),
        }
    }

    #[track_caller]
    fn spill(&mut self, dir: &Dir, retired: Option<Name>) -> Result<(), Error> {
        let name = Name::wal(self.header.number);
        let file = match (self.file.take(), retired) {
            (Some(file), _) => file,
            (None, None) => dir.create(name)?,
            (None, Some(retired)) => {
                dir.rename(retired, name)?;
                dir.open_to_write(name)?
            }
        };
        let file = self.file.insert(file);
        self.out.flush(|data, offset| file.write(data, offset))
    }
}

/// Where a record ends that begins at this offset.
fn end_of(start: u64, record_len: usize) -> u64 {
    let room = BLOCK - (start % BLOCK as u64) as usize;
    let first = record_len.min(room.saturating_sub(FRAGMENT_HEADER));
    if first == record_len {
        return start + (FRAGMENT_HEADER + first) as u64;
    }
    let rest = record_len - first;
    let fragments = rest.div_ceil(BLOCK - FRAGMENT_HEADER);
    start + (room + fragments * FRAGMENT_HEADER + rest) as u64
}

/// A sync of a segment that is to be made, or being made, while records go on being appended.
pub(crate) struct Syncing {
    file: Arc<File>,
    number: u64,
    end: u64,
}

impl Syncing {
    #[track_caller]
    pub(crate) fn run(&self) -> Result<(), Error> {
        failpoint!("wal::before_sync");
        self.file.sync()
    }
}

/// Zeros written behind the last record.
///
/// A sync of a file that has grown writes the file's metadata as well; one of blocks that it already has does
/// not, and takes less time.
struct Preallocation {
    /// So many bytes at a time; none if 0.
    step: usize,
    /// No further than this.
    limit: u64,
    /// The file's length.
    len: u64,
}

impl Preallocation {
    /// For a new file, with nothing behind the last record.
    fn new(end: u64) -> Preallocation {
        Preallocation { step: 0, limit: 0, len: end.next_multiple_of(BLOCK as u64) }
    }

    /// For a file that holds old blocks.
    fn never() -> Preallocation {
        Preallocation { step: 0, limit: 0, len: u64::MAX }
    }

    /// Writes data, and zeros behind it if the file must grow. Where it does not grow in small steps they are
    /// of no use.
    #[track_caller]
    fn write(&mut self, file: &File, data: &[u8], offset: u64) -> Result<(), Error> {
        let end = offset + data.len() as u64;
        let len = (end + self.step as u64).min(self.limit) / BLOCK as u64 * BLOCK as u64;
        if end > self.len && len > end && data.len() <= self.step / 4 {
            let mut longer = data.to_vec();
            longer.resize((len - offset) as usize, 0);
            match file.write(&longer, offset) {
                // There may be space for the data.
                Err(Error::NoSpace { .. }) => self.step = 0,
                written => {
                    self.len = len;
                    return written;
                }
            }
        }
        self.len = self.len.max(end);
        file.write(data, offset)
    }

    /// The file ends here now.
    fn cut(&mut self, len: u64) {
        self.len = self.len.min(len);
    }
}

/// The segment that takes new records.
pub(crate) struct Log {
    header: SegmentHeader,
    file: Arc<File>,
    out: Fragmenter,
    /// All before this offset is durable.
    durable: u64,
    /// Records are in the buffer only.
    waiting: bool,
    /// A write has failed, and what it left is still there.
    torn: bool,
    preallocation: Preallocation,
    records: u64,
}

impl Log {
    /// Goes on behind `end`, given the bytes of its block before it.
    pub(crate) fn resume(header: SegmentHeader, file: File, end: u64, tail: &[u8], planted: Planted) -> Log {
        let out = Fragmenter::new(header.identity(planted), end - tail.len() as u64, tail);
        let records = u64::from(end > BLOCK as u64);
        Log {
            header,
            file: Arc::new(file),
            out,
            durable: end,
            waiting: false,
            torn: false,
            preallocation: Preallocation::never(),
            records,
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.header.epoch
    }

    /// Whether it has taken no record yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    /// The segment's length in bytes, up to its last record.
    pub(crate) fn len(&self) -> u64 {
        self.out.end()
    }

    /// Whether a record of this length should go to the next segment.
    pub(crate) fn is_full_for(&self, record_len: usize, segment_size: u64) -> bool {
        self.records > 0 && end_of(self.len(), record_len) > segment_size
    }

    /// From here on the file grows by so many bytes at a time, unless it is an old one.
    pub(crate) fn preallocate(&mut self, step: usize, segment_size: u64) {
        (self.preallocation.step, self.preallocation.limit) = (step, segment_size);
    }

    /// Whether records of these lengths belong into this segment, one behind the other.
    pub(crate) fn has_room_for(&self, record_lens: impl Iterator<Item = usize>, segment_size: u64) -> bool {
        record_lens.fold(self.len(), end_of) <= segment_size
    }

    /// Appends a record, and writes it out once more than `buffer` bytes wait. After an error the record is
    /// not in the log, but an unknown part of it is in the file: see [`mend`](Log::mend).
    #[track_caller]
    pub(crate) fn append(&mut self, record: &[u8], buffer: usize) -> Result<(), Error> {
        let end = self.out.end();
        self.out.push(record);
        if self.out.buffered() > buffer {
            if let Err(e) = self.flush() {
                self.out.rewind(end);
                return Err(e);
            }
        } else {
            self.waiting = true;
        }
        self.records += 1;
        Ok(())
    }

    /// Appends the records that are pushed, and writes them out at once. After an error none of them is in the
    /// log; what is in the file is as after [`append`](Log::append).
    #[track_caller]
    pub(crate) fn append_all(&mut self, records: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Result<(), Error> {
        let (end, count) = (self.len(), self.records);
        records(&mut |record| {
            self.out.push(record);
            self.records += 1;
        });
        let flushed = self.flush();
        if flushed.is_err() {
            self.out.rewind(end);
            self.records = count;
        }
        flushed
    }

    /// Writes out what waits.
    #[track_caller]
    fn flush(&mut self) -> Result<(), Error> {
        // Whole blocks are written, so that what an old file held behind the record is gone from its block.
        let file = &self.file;
        self.torn = true;
        failpoint!("wal::before_write");
        let preallocation = &mut self.preallocation;
        self.out.flush(|data, offset| preallocation.write(file, data, offset))?;
        failpoint!("wal::after_write");
        self.torn = false;
        self.waiting = false;
        Ok(())
    }

    /// Makes all records durable.
    #[track_caller]
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        if let Some(syncing) = self.begin_sync()? {
            syncing.run()?;
            self.finish_sync(&syncing);
        }
        Ok(())
    }

    /// Writes out what waits, and hands over the sync that would make it durable; None if all is.
    #[track_caller]
    pub(crate) fn begin_sync(&mut self) -> Result<Option<Syncing>, Error> {
        if self.waiting {
            self.flush()?;
        }
        let end = self.len();
        Ok((self.durable < end).then(|| Syncing { file: self.file.clone(), number: self.number(), end }))
    }

    /// Notes that a sync has succeeded.
    pub(crate) fn finish_sync(&mut self, syncing: &Syncing) {
        failpoint!("wal::after_sync");
        if syncing.number == self.number() {
            self.durable = self.durable.max(syncing.end);
        }
    }

    /// Cuts off what a failed write has left behind the last record, durably: fragments there would verify,
    /// and a later record could be completed by them. Returns whether there was anything to do.
    #[track_caller]
    pub(crate) fn mend(&mut self) -> Result<bool, Error> {
        if !self.torn {
            return Ok(false);
        }
        let end = self.out.end().next_multiple_of(BLOCK as u64);
        self.flush()?;
        self.torn = true;
        self.file.set_len(end)?;
        // Of a file that only ends earlier, btrfs writes nothing: what was cut comes back when the file grows
        // again. A file that grows has the rest of its page zeroed, which the sync writes.
        let zeroed = end + BLOCK as u64;
        self.file.set_len(zeroed)?;
        self.file.sync()?;
        (self.torn, self.durable) = (false, self.len());
        self.preallocation.cut(zeroed);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_record_is_where_the_fragmenter_puts_it() {
        for start in 0..BLOCK {
            for len in [1, 12, 400, 490, 500, 501, 502, 1000, 1002, 1003, 5000] {
                let identity = Identity::new(Domain::Wal, 1, 1);
                let mut out = Fragmenter::new(identity, 512, &vec![0; start]);
                out.push(&vec![1; len]);
                assert_eq!(end_of(512 + start as u64, len), out.end(), "{len} bytes at {start}");
            }
        }
    }
}
