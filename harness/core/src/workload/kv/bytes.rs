//! Keys and values as text.

use std::fmt;
use std::sync::Arc;

/// The longest `fill(SEED,LEN)`: enough for any store's limits, small enough not to exhaust memory by a slip.
const FILL_LEN_MAX: usize = 64 << 20;

/// `len` bytes that look random: the little-endian words of splitmix64 started at `seed`. Part of the
/// scenario format: it never changes.
pub fn fill(seed: u64, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len.next_multiple_of(8));
    let mut state = seed;
    while out.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    out.truncate(len);
    out
}

/// A key or a value of an operation, with the way it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KvBytes {
    bytes: Arc<[u8]>,
    /// Set if it was written as `fill(SEED,LEN)`, and prints so.
    seed: Option<u64>,
}

impl KvBytes {
    /// What `fill(seed,len)` stands for.
    pub fn filled(seed: u64, len: usize) -> KvBytes {
        KvBytes { bytes: fill(seed, len).into(), seed: Some(seed) }
    }

    /// The first `len` bytes; all if there are fewer.
    pub fn cut(&self, len: usize) -> KvBytes {
        KvBytes { bytes: self.bytes.get(..len).unwrap_or(&self.bytes).into(), seed: self.seed }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, shared.
    pub fn shared(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

impl From<&[u8]> for KvBytes {
    fn from(bytes: &[u8]) -> KvBytes {
        KvBytes { bytes: bytes.into(), seed: None }
    }
}

impl fmt::Debug for KvBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for KvBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seed {
            Some(seed) => write!(f, "fill({seed},{})", self.bytes.len()),
            None => f.write_str(&literal(&self.bytes)),
        }
    }
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

/// A bare word where the bytes allow it, else a quoted text.
pub(super) fn literal(bytes: &[u8]) -> String {
    if !bytes.is_empty() && bytes.iter().all(|b| is_bare(*b)) {
        return bytes.iter().map(|b| char::from(*b)).collect();
    }
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Reads words, quoted texts and fills from a line.
pub(super) struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(line: &'a str) -> Lexer<'a> {
        Lexer { rest: line.trim() }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// A bare word, for a verb; empty if something else comes.
    pub(super) fn word(&mut self) -> &'a str {
        self.skip_blanks();
        let len = self.rest.bytes().take_while(|b| is_bare(*b)).count();
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        word
    }

    /// Whether a `;` comes; takes it.
    pub(super) fn separator(&mut self) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(';');
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Fails unless the line is at its end.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.skip_blanks();
        match self.rest {
            "" => Ok(()),
            rest => Err(format!("expected the end of the line, found `{rest}`")),
        }
    }

    /// A key or value; `what` names it in errors.
    pub(super) fn bytes(&mut self, what: &str) -> Result<KvBytes, String> {
        self.skip_blanks();
        if let Some(rest) = self.rest.strip_prefix('"') {
            return self.quoted(rest);
        }
        let before = self.rest;
        let word = self.word();
        if word == "fill"
            && let Some(arguments) = self.rest.strip_prefix('(')
        {
            return self.fill(arguments);
        }
        if word.is_empty() {
            let found = before.chars().next().map_or("the end".to_string(), |c| format!("`{c}`"));
            return Err(format!(
                "expected {what} (a word of A-Z a-z 0-9 _ . -, a \"quoted text\" or fill(SEED,LEN)), \
                 found {found}"
            ));
        }
        Ok(KvBytes::from(word.as_bytes()))
    }

    fn fill(&mut self, arguments: &'a str) -> Result<KvBytes, String> {
        let expected = || "expected fill(SEED,LEN), two whole numbers".to_string();
        let (inside, rest) = arguments.split_once(')').ok_or_else(expected)?;
        let (seed, len) = inside.split_once(',').ok_or_else(expected)?;
        let seed = seed.trim().parse().map_err(|_| expected())?;
        let len = len.trim().parse().map_err(|_| expected())?;
        if len > FILL_LEN_MAX {
            return Err(format!(
                "expected a length of at most {FILL_LEN_MAX} in fill(SEED,LEN), found {len}"
            ));
        }
        self.rest = rest;
        Ok(KvBytes::filled(seed, len))
    }

    fn quoted(&mut self, mut rest: &'a str) -> Result<KvBytes, String> {
        let mut bytes = Vec::new();
        loop {
            let stop = rest.find(['"', '\\']).ok_or("expected a closing `\"`, found the end of the line")?;
            bytes.extend_from_slice(&rest.as_bytes()[..stop]);
            if rest.as_bytes()[stop] == b'"' {
                self.rest = &rest[stop + 1..];
                return Ok(KvBytes::from(bytes.as_slice()));
            }
            let (byte, after) = escape(&rest[stop + 1..])?;
            bytes.push(byte);
            rest = after;
        }
    }
}

/// Decodes what follows a backslash.
fn escape(text: &str) -> Result<(u8, &str), String> {
    let mut chars = text.chars();
    let byte = match chars.next() {
        Some('"') => b'"',
        Some('\\') => b'\\',
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('x') => {
            let digits = chars.as_str().get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            let digits = digits.ok_or("expected two hexadecimal digits after `\\x`")?;
            let byte = u8::from_str_radix(digits, 16).map_err(|e| e.to_string())?;
            return Ok((byte, &chars.as_str()[2..]));
        }
        _ => return Err("expected one of `\\\"`, `\\\\`, `\\n`, `\\r`, `\\t`, `\\x00` after a `\\`".into()),
    };
    Ok((byte, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_is_what_it_always_was() {
        assert_eq!(fill(0, 8), 0xe220_a839_7b1d_cdaf_u64.to_le_bytes());
        assert_eq!(fill(1, 11), [0xc1, 0x5c, 0x02, 0x89, 0xec, 0x2d, 0x0a, 0x91, 0x67, 0xec, 0x8e]);
        assert!(fill(7, 0).is_empty());
    }

    #[test]
    fn a_text_in_quotes_takes_every_byte() {
        let all: Vec<u8> = (0..=255).collect();
        let text = KvBytes::from(all.as_slice()).to_string();
        assert!(text.is_ascii());
        let back = Lexer::new(&text).bytes("a value").unwrap();
        assert_eq!(back.as_slice(), all);
    }
}
