//! File contents as runs of one byte: `A1p+.4p` is 4,096 bytes `A` and 16,384 zeros. A byte that is no
//! character of its own stands as two hexadecimal digits: `<2e>100` is 100 full stops.

use std::fmt;

/// Bytes of a page (`p`).
const PAGE_LEN: u64 = 4096;
/// Bytes of a sector (`s`).
const SECTOR_LEN: u64 = 512;
/// The largest content or size that is accepted: what is beyond it is a mistake, not a small workload.
const LEN_MAX: u64 = 1 << 30;

/// What a file holds: runs of one byte, none empty, no two alike side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Content {
    runs: Vec<(u8, u64)>,
}

impl Content {
    /// Reads the notation: runs joined by `+`, each a character and a size; `.` is a zero byte, `<2e>` the byte
    /// of that number.
    pub fn parse(text: &str) -> Result<Content, String> {
        let mut content = Content::default();
        let mut len: u64 = 0;
        if text.is_empty() {
            return Ok(content);
        }
        for run in text.split('+') {
            let Some((byte, count)) = parse_run(run) else {
                return Err(format!("expected a character and a size such as `A2p`, found {run:?}"));
            };
            len = len.saturating_add(count);
            if len > LEN_MAX {
                return Err(format!("expected at most {LEN_MAX} bytes of content"));
            }
            content.push(byte, count);
        }
        Ok(content)
    }

    /// Appends `count` bytes.
    pub fn push(&mut self, byte: u8, count: u64) {
        match self.runs.last_mut() {
            _ if count == 0 => {}
            Some(last) if last.0 == byte => last.1 += count,
            _ => self.runs.push((byte, count)),
        }
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        for run in bytes.chunk_by(|a, b| a == b) {
            self.push(run[0], run.len() as u64);
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.1).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len() as usize);
        for (byte, count) in &self.runs {
            bytes.resize(bytes.len() + *count as usize, *byte);
        }
        bytes
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (byte, count)) in self.runs.iter().enumerate() {
            let plus = if i > 0 { "+" } else { "" };
            let byte = match byte {
                0 => ".".to_string(),
                byte if byte.is_ascii_graphic() && !b".+<".contains(byte) => char::from(*byte).to_string(),
                byte => format!("<{byte:02x}>"),
            };
            match (count % PAGE_LEN, count % SECTOR_LEN) {
                (0, _) => write!(f, "{plus}{byte}{}p", count / PAGE_LEN)?,
                (_, 0) => write!(f, "{plus}{byte}{}s", count / SECTOR_LEN)?,
                _ => write!(f, "{plus}{byte}{count}")?,
            }
        }
        Ok(())
    }
}

fn parse_run(run: &str) -> Option<(u8, u64)> {
    let (byte, size) = match run.strip_prefix('<') {
        Some(rest) => {
            let (digits, size) = rest.split_once('>')?;
            (u8::from_str_radix(digits, 16).ok()?, size)
        }
        None => {
            let byte = *run.as_bytes().first().filter(|byte| byte.is_ascii())?;
            (if byte == b'.' { 0 } else { byte }, &run[1..])
        }
    };
    Some((byte, parse_size(size).ok()?))
}

/// A number of bytes, with a unit: `p` pages of 4,096, `s` sectors of 512, `k` of 1,024.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'p') => (&text[..text.len() - 1], PAGE_LEN),
        Some(b's') => (&text[..text.len() - 1], SECTOR_LEN),
        Some(b'k') => (&text[..text.len() - 1], 1024),
        _ => (text, 1),
    };
    let number = Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let size = number.and_then(|d| d.parse::<u64>().ok()).and_then(|n| n.checked_mul(unit));
    size.filter(|n| *n <= LEN_MAX).ok_or_else(|| {
        format!("expected a size such as `100`, `4p`, `3s` or `8k`, up to {LEN_MAX} bytes, found {text:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_read_and_print_back() {
        for text in ["", "A1p", "A2500+.1596", "A1p+.1p+C1p", "B904", "x3s+.1", "<2e>1p+.1p"] {
            assert_eq!(Content::parse(text).unwrap().to_string(), text);
        }
        let content = Content::parse("A2+.3").unwrap();
        assert_eq!(content.to_bytes(), b"AA\0\0\0");
        assert_eq!(content.len(), 5);
        let mut joined = Content::default();
        joined.extend(b"AA\0");
        joined.extend(b"\0\0");
        assert_eq!(joined, content);
    }

    #[test]
    fn the_same_bytes_are_the_same_content() {
        assert_eq!(Content::parse("A1p+A1p+B0").unwrap(), Content::parse("A2p").unwrap());
        assert_eq!(Content::parse("A8s").unwrap(), Content::parse("A4096").unwrap());
    }

    #[test]
    fn mistakes_are_told() {
        for bad in [
            "A",
            "+",
            "A1p+",
            "A-1",
            "é4",
            "A1q",
            "<2e",
            "<2g>1",
            "<2e>",
            "A99999999999999999999",
            "A999999999p",
            "A600000000+B600000000",
        ] {
            assert!(Content::parse(bad).is_err(), "{bad}");
        }
    }
}
