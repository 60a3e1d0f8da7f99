//! A file as lines of bounded length.

use std::io::{self, BufRead, Read};

use super::LINE_LEN_MAX;

/// One line, or the piece of one that could be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its bytes without the line end; without the rest if it is too long.
    pub text: Vec<u8>,
    /// Whether it ends with a line end.
    pub ended: bool,
    /// Whether it is longer than [`LINE_LEN_MAX`], zeros at the end of the file not counted.
    pub too_long: bool,
}

/// Splits a stream into lines; holds one line of at most [`LINE_LEN_MAX`] bytes at a time.
pub(super) struct Lines<R> {
    source: io::BufReader<R>,
    offset: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R) -> Lines<R> {
        Lines { source: io::BufReader::new(source), offset: 0 }
    }

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut line = Line { offset: self.offset, text: Vec::new(), ended: false, too_long: false };
        // Length up to the last byte that is not zero: zeros to the end of the file are no text.
        let (mut len, mut len_nonzero) = (0_u64, 0_u64);
        loop {
            let chunk = match self.source.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let end = chunk.iter().position(|&b| b == b'\n');
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            let room = LINE_LEN_MAX.saturating_sub(line.text.len()).min(piece.len());
            line.text.extend_from_slice(&piece[..room]);
            if let Some(last) = piece.iter().rposition(|&b| b != 0) {
                len_nonzero = len + last as u64 + 1;
            }
            len += piece.len() as u64;
            let used = piece.len() + usize::from(end.is_some());
            let at_end = chunk.is_empty();
            self.source.consume(used);
            self.offset += used as u64;
            if end.is_some() {
                line.ended = true;
                line.too_long = len > LINE_LEN_MAX as u64;
                return Ok(Some(line));
            }
            if at_end {
                line.too_long = len_nonzero > LINE_LEN_MAX as u64;
                return Ok((len > 0).then_some(line));
            }
        }
    }
}
