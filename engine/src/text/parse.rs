//! One line's text to a record, and back to nothing else: see the strictness rules of the [module](super).

/// A record of the text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextRecord {
    /// A key and its new value.
    Put(i32, i64),
    /// A key that goes.
    Del(i32),
}

/// `PUT <int> <long>` or `DEL <int>`, exactly as it was printed.
pub(super) fn record(text: &[u8]) -> Option<TextRecord> {
    if let Some(fields) = text.strip_prefix(b"PUT ") {
        let blank = fields.iter().position(|&b| b == b' ')?;
        let key = i32::try_from(integer(&fields[..blank])?).ok()?;
        Some(TextRecord::Put(key, integer(&fields[blank + 1..])?))
    } else {
        let key = i32::try_from(integer(text.strip_prefix(b"DEL ")?)?).ok()?;
        Some(TextRecord::Del(key))
    }
}

/// A 64-bit number as `printf("%ld")` prints it.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = digits.iter().all(u8::is_ascii_digit)
        && match digits {
            [] => false,
            [b'0'] => text.len() == 1,
            [first, ..] => *first != b'0',
        };
    if !canonical {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A CRC as `printf("%u")` prints it.
pub(super) fn crc(text: &[u8]) -> Option<u32> {
    u32::try_from(integer(text)?).ok()
}

/// Whether more bytes could make `text` a `PUT` entry, or it is one.
pub(super) fn is_start_of_put(text: &[u8]) -> bool {
    const STEM: &[u8] = b"PUT ";
    let Some(fields) = text.strip_prefix(STEM) else {
        return STEM.starts_with(text);
    };
    let start_of_integer = |t: &[u8]| t.is_empty() || t == b"-" || integer(t).is_some();
    match fields.iter().position(|&b| b == b' ') {
        None => start_of_integer(fields),
        Some(blank) => integer(&fields[..blank]).is_some() && start_of_integer(&fields[blank + 1..]),
    }
}

/// `text` without blanks at its end.
pub(super) fn trim_end(text: &[u8]) -> &[u8] {
    let len = text.iter().rposition(|&b| b != b' ').map_or(0, |last| last + 1);
    &text[..len]
}

/// `text` without blanks at its start.
pub(super) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| b != b' ').unwrap_or(text.len());
    &text[start..]
}
