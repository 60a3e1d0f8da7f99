//! Reading fragments back, as a stream: one block at a time, in order, up to the first bad one.

use crate::dir::File;
use crate::error::{Error, Reason};
use crate::fragment::{BLOCK, FIRST, FRAGMENT_HEADER, Identity, LAST, MIDDLE, WHOLE};
use crate::header::u32_at;

/// Where bytes come from.
pub(crate) trait Source {
    /// Reads at an offset, as short as it likes; 0 at the end.
    fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, Error>;
}

impl Source for &File {
    #[track_caller]
    fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, Error> {
        File::read(self, buf, offset)
    }
}

impl Source for &[u8] {
    fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, Error> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// A read asks for one block. A source that always gives all that was asked for is asked for more each time,
/// up to this: a real disk then reads fast, and one that answers sector by sector is never asked ahead.
const ASK_MAX: usize = 64 << 10;

/// Buffers that outlive a reader, so that a recovery allocates them once.
#[derive(Default)]
pub(crate) struct Scratch {
    buf: Vec<u8>,
    record: Vec<u8>,
}

/// Which checks a reader makes: all of them, in a store without planted mistakes.
#[derive(Clone, Copy)]
pub(crate) struct Checks {
    /// Compare checksums.
    pub(crate) crc: bool,
    /// Compare the fragment's tag with the file's.
    pub(crate) tag: bool,
    /// Hand out the beginnings of records that are not complete yet.
    pub(crate) partial: bool,
}

impl Checks {
    pub(crate) const ALL: Checks = Checks { crc: true, tag: true, partial: false };
}

/// What a reader came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A complete, verified record: see [`Records::payload`].
    Record,
    /// The verified beginning of a record that goes on, if [`Checks::partial`] asks for it.
    Partial,
    /// Nothing more: the file ends here (`eof`), or a header of zeros stands here.
    End { eof: bool },
    /// Not believable from [`Records::offset`] on.
    Bad(Reason),
}

/// Whole blocks of a source, in order, through a scratch buffer.
struct Blocks<'a, S> {
    source: S,
    scratch: &'a mut Scratch,
    /// The buffer holds `have` bytes from this file offset on.
    start: u64,
    have: usize,
    ask: usize,
    growing: bool,
}

impl<S: Source> Blocks<'_, S> {
    /// Makes `need` bytes at `offset`, at most a block, available and returns where in the buffer they lie:
    /// fewer only at the end of the file. What a short read gives is enough if it is as much as needed: bytes
    /// that nobody needs are not asked for.
    #[track_caller]
    fn load(&mut self, offset: u64, need: usize) -> Result<std::ops::Range<usize>, Error> {
        let mut at = match offset.checked_sub(self.start) {
            Some(at) if at <= self.have as u64 => at as usize,
            _ => {
                self.start = offset;
                self.have = 0;
                0
            }
        };
        while self.have - at < need {
            if at > 0 {
                self.scratch.buf.copy_within(at..self.have, 0);
                self.have -= at;
                self.start = offset;
                at = 0;
            }
            let room = self.have + self.ask;
            if self.scratch.buf.len() < room {
                self.scratch.buf.resize(room, 0);
            }
            let from = self.start + self.have as u64;
            let n = self.source.read(&mut self.scratch.buf[self.have..room], from)?;
            self.growing &= n == self.ask;
            self.ask = if self.growing { (2 * self.ask).min(ASK_MAX) } else { BLOCK };
            self.have += n;
            if n == 0 {
                break;
            }
        }
        Ok(at..(at + need).min(self.have))
    }
}

/// The records of a file.
pub(crate) struct Records<'a, S> {
    blocks: Blocks<'a, S>,
    identity: Option<Identity>,
    checks: Checks,
    /// Where the next fragment is looked for.
    pos: u64,
    /// Where the last record, or what stands in its place, begins.
    offset: u64,
    payload: Payload,
    /// A record has begun and not ended.
    begun: bool,
    /// Where to look on behind a bad fragment.
    resume: u64,
}

enum Payload {
    InBlock(std::ops::Range<usize>),
    Assembled,
}

impl<'a, S: Source> Records<'a, S> {
    pub(crate) fn new(source: S, scratch: &'a mut Scratch) -> Records<'a, S> {
        let blocks = Blocks { source, scratch, start: 0, have: 0, ask: BLOCK, growing: true };
        Records {
            blocks,
            identity: None,
            checks: Checks::ALL,
            pos: 0,
            offset: 0,
            payload: Payload::Assembled,
            begun: false,
            resume: 0,
        }
    }

    /// The file's first block, or what there is of it.
    #[track_caller]
    pub(crate) fn header_block(&mut self) -> Result<&[u8], Error> {
        self.beginning(BLOCK)
    }

    /// The file's first `need` bytes, or what there is of them.
    #[track_caller]
    pub(crate) fn beginning(&mut self, need: usize) -> Result<&[u8], Error> {
        let range = self.blocks.load(0, need)?;
        Ok(&self.blocks.scratch.buf[range])
    }

    /// From here on, [`next`](Records::next) reads the fragments of this file from `pos`.
    pub(crate) fn begin(&mut self, identity: Identity, checks: Checks, pos: u64) {
        self.identity = Some(identity);
        self.checks = checks;
        self.pos = pos;
    }

    /// Where the last record, or what stands in its place, begins: all before it is good.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Behind the last record; after [`Next::Bad`], where the bad fragment stands.
    pub(crate) fn position(&self) -> u64 {
        self.pos
    }

    /// Where [`skip`](Records::skip) goes on.
    pub(crate) fn resume(&self) -> u64 {
        self.resume
    }

    /// The verified bytes of the last record.
    pub(crate) fn payload(&self) -> &[u8] {
        match &self.payload {
            Payload::InBlock(range) => &self.blocks.scratch.buf[range.clone()],
            Payload::Assembled => &self.blocks.scratch.record,
        }
    }

    /// The bytes of the block that holds [`offset`](Records::offset), up to there.
    pub(crate) fn tail(&mut self) -> Result<Vec<u8>, Error> {
        let within = (self.offset % BLOCK as u64) as usize;
        let range = self.blocks.load(self.offset - within as u64, BLOCK)?;
        Ok(self.blocks.scratch.buf[range].iter().copied().take(within).collect())
    }

    /// Behind a bad fragment or a hole: look on at the next place where a fragment can begin.
    pub(crate) fn skip(&mut self) {
        self.pos = self.resume;
    }

    /// Reads up to the end of the next record. Nothing of a record is looked at before its fragment has
    /// verified, so that memory holds no more than what was verified.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Result<Next, Error> {
        let next = self.advance()?;
        self.begun = next == Next::Partial;
        Ok(next)
    }

    #[track_caller]
    fn advance(&mut self) -> Result<Next, Error> {
        let Some(identity) = &self.identity else {
            return Err(Error::Internal { what: "fragments read before the file's identity is known" });
        };
        let mut begun = self.begun;
        if !begun {
            self.blocks.scratch.record.clear();
        }
        loop {
            let within = (self.pos % BLOCK as u64) as usize;
            let room = BLOCK - within;
            if room <= FRAGMENT_HEADER {
                self.pos += room as u64;
                continue;
            }
            if !begun {
                self.offset = self.pos;
            }
            let next_block = self.pos + room as u64;
            self.resume = next_block;
            let range = self.blocks.load(self.pos, FRAGMENT_HEADER)?;
            let header = &self.blocks.scratch.buf[range];
            let eof = header.len() < FRAGMENT_HEADER;
            if header.iter().all(|b| *b == 0) {
                return Ok(if begun { Next::Bad(Reason::TornTail) } else { Next::End { eof } });
            }
            if eof {
                return Ok(Next::Bad(Reason::TornTail));
            }
            let len = usize::from(u16::from_le_bytes([header[8], header[9]]));
            let kind = header[10];
            if len == 0 || len > room - FRAGMENT_HEADER {
                return Ok(Next::Bad(Reason::BadLength));
            }
            let range = self.blocks.load(self.pos, FRAGMENT_HEADER + len)?;
            let bytes = &self.blocks.scratch.buf[range.clone()];
            if bytes.len() < FRAGMENT_HEADER + len {
                return Ok(Next::Bad(Reason::TornTail));
            }
            let header = &bytes[..FRAGMENT_HEADER];
            let end = self.pos + (FRAGMENT_HEADER + len) as u64;
            let payload = &bytes[FRAGMENT_HEADER..FRAGMENT_HEADER + len];
            self.resume = end;
            if self.checks.tag && u32_at(header, 4) != identity.tag && (WHOLE..=LAST).contains(&kind) {
                return Ok(Next::Bad(Reason::WrongEpoch));
            }
            if self.checks.crc && u32_at(header, 0) != identity.crc(self.pos, header, payload) {
                return Ok(Next::Bad(Reason::BadCrc));
            }
            let fills = len == room - FRAGMENT_HEADER;
            match (kind, begun) {
                (WHOLE, false) => {
                    let from = range.start + FRAGMENT_HEADER;
                    self.payload = Payload::InBlock(from..from + len);
                    self.pos = end;
                    return Ok(Next::Record);
                }
                (FIRST, false) | (MIDDLE, true) if fills => {}
                (LAST, true) => {}
                (WHOLE | FIRST, true) => {
                    // The record before it never ended; this one may be good.
                    self.resume = self.pos;
                    return Ok(Next::Bad(Reason::Malformed));
                }
                _ => return Ok(Next::Bad(Reason::Malformed)),
            }
            let (buf, record) = (&self.blocks.scratch.buf, &mut self.blocks.scratch.record);
            let from = range.start + FRAGMENT_HEADER;
            record.extend_from_slice(&buf[from..from + len]);
            begun = true;
            self.payload = Payload::Assembled;
            self.pos = end;
            if kind == LAST {
                return Ok(Next::Record);
            }
            if self.checks.partial {
                return Ok(Next::Partial);
            }
            if record.len() > RECORD_MAX {
                return Ok(Next::Bad(Reason::Malformed));
            }
        }
    }
}

/// No writer makes a record longer than this.
pub(crate) const RECORD_MAX: usize = crate::record::BATCH_BYTES_MAX + 64;
