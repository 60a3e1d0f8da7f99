//! Writing a state as one of the text files.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{HEADER, TextFormat};

/// The text files that are written: those whose every line is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTarget {
    /// A log, as V4 writes it: [`TextFormat::V1`].
    Log,
    /// A snapshot, as V4 writes it: [`TextFormat::V4Snapshot`].
    Snapshot,
}

impl TextTarget {
    /// How the file is read again.
    pub fn format(self) -> TextFormat {
        match self {
            TextTarget::Log => TextFormat::V1,
            TextTarget::Snapshot => TextFormat::V4Snapshot,
        }
    }
}

/// Writes a state, keys ascending.
///
/// # Errors
///
/// Only those of `out`.
pub fn write(target: TextTarget, entries: &BTreeMap<i32, i64>, out: &mut impl Write) -> io::Result<()> {
    if target == TextTarget::Log {
        out.write_all(HEADER)?;
        out.write_all(b"\n")?;
    }
    for (key, value) in entries {
        let text = format!("PUT {key} {value}");
        writeln!(out, "{text}|{}", crc32fast::hash(text.as_bytes()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::read;

    #[test]
    fn what_is_written_reads_back() {
        let states = [
            BTreeMap::new(),
            BTreeMap::from([(0, 0)]),
            BTreeMap::from([(i32::MIN, i64::MAX), (-1, -7), (0, 0), (12, 5), (i32::MAX, i64::MIN)]),
        ];
        for target in [TextTarget::Log, TextTarget::Snapshot] {
            for state in &states {
                let mut bytes = Vec::new();
                write(target, state, &mut bytes).unwrap();
                let reading = read(target.format(), &bytes[..]).unwrap();
                assert_eq!((&reading.entries, reading.stopped), (state, None));
                assert_eq!(reading.records, state.len() as u64);
            }
        }
    }
}
