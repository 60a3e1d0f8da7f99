//! What `replay` reads: the engine's files and stores, and the text files of KVStore V3 and V4.
//!
//! A file's first bytes tell its format; where they are damaged, its name does (`wal-…`, `snap-…`,
//! `MANIFEST-…`). A directory that holds files numbered as the engine numbers them is a store.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use unplug_cli::replay::{Reading, Reason, ReplayError, Replayer};
use unplug_engine::inspect::{self, Format};
use unplug_engine::text::{self, Recognised, TextReading};
use unplug_engine::{Error, Reason as EngineReason};
use unplug_vfs::OsFs;

/// Reads the engine's files and stores and the text files.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileReplayer;

impl Replayer for FileReplayer {
    fn is_store(&self, dir: &Path) -> bool {
        let Ok(entries) = fs::read_dir(dir) else {
            return false;
        };
        entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_store_name))
    }

    fn replay(&self, path: &Path) -> Result<Vec<Reading>, ReplayError> {
        if path.is_dir() {
            let reading = inspect::store(Arc::new(OsFs), path).map_err(|e| refused(path, e))?;
            return Ok(vec![native(reading)]);
        }
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        file.by_ref().take(text::RECOGNISE_LEN as u64).read_to_end(&mut bytes)?;
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let inspect = match inspect::kind_of(&name, &bytes) {
            Some(Format::Wal) => inspect::wal,
            Some(Format::Snapshot) => inspect::snapshot,
            Some(Format::Manifest) => inspect::manifest,
            _ => return text_file(path, &bytes),
        };
        file.read_to_end(&mut bytes)?;
        Ok(vec![native(inspect(&bytes))])
    }
}

/// Whether a file is named as the engine names them: a kind and at least eight digits.
fn is_store_name(name: &str) -> bool {
    let number = ["wal-", "snap-", "MANIFEST-"].iter().find_map(|kind| name.strip_prefix(kind));
    number.is_some_and(|number| number.len() >= 8 && number.bytes().all(|b| b.is_ascii_digit()))
}

fn text_file(path: &Path, head: &[u8]) -> Result<Vec<Reading>, ReplayError> {
    let formats = match text::recognise(head) {
        Recognised::As(formats) => formats,
        Recognised::Unsupported(why) => {
            return Err(ReplayError::Unrecognised(format!("unsupported, because {why}")));
        }
        Recognised::No => {
            let known = "no log, snapshot, manifest or KVStore text file";
            return Err(ReplayError::Unrecognised(known.to_owned()));
        }
    };
    formats.iter().map(|&format| Ok(from_text(text::read(format, File::open(path)?)?))).collect()
}

pub(crate) fn native(reading: inspect::Reading) -> Reading {
    let entries = reading.entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    let note = match (&reading.file, reading.detail) {
        (Some(file), detail) => Some(format!("{file}: {detail}")),
        (None, detail) => Some(detail).filter(|detail| !detail.is_empty()),
    };
    Reading {
        format: reading.format.as_str().to_owned(),
        records: reading.records,
        stopped_at: reading.stopped_at,
        reason: reading.reason.map(reason),
        good_records_after: reading.good_records_after,
        state_entries: reading.entries.len() as u64,
        state_digest: state_digest(entries),
        note,
    }
}

fn from_text(reading: TextReading) -> Reading {
    let numbers: Vec<(String, String)> =
        reading.entries.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let entries = numbers.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
    let detail = reading.stopped.as_ref().map(|stopped| stopped.detail.clone());
    Reading {
        format: reading.format.name().to_owned(),
        records: reading.records,
        stopped_at: reading.stopped.as_ref().map(|stopped| stopped.offset),
        reason: reading.stopped.as_ref().map(|stopped| reason(stopped.reason)),
        good_records_after: reading.good_records_after,
        state_entries: reading.entries.len() as u64,
        state_digest: state_digest(entries),
        note: detail.or(reading.format.caveat().map(str::to_owned)),
    }
}

/// The fingerprint of a state: 64-bit FNV-1a, in hexadecimal, over each key and value in key order, each
/// preceded by its length as eight bytes, lowest first. A text file's numbers enter in the order of the
/// numbers, as their decimal text.
pub fn state_digest<'a>(entries: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let absorb = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    let hash = entries.flat_map(|(key, value)| [key, value]).fold(OFFSET_BASIS, |hash, field| {
        let hash = (field.len() as u64).to_le_bytes().iter().fold(hash, absorb);
        field.iter().fold(hash, absorb)
    });
    format!("{hash:016x}")
}

pub(crate) fn reason(reason: EngineReason) -> Reason {
    match reason {
        EngineReason::TornTail => Reason::TornTail,
        EngineReason::BadCrc => Reason::BadCrc,
        EngineReason::BadLength => Reason::BadLength,
        EngineReason::BadHeader => Reason::BadHeader,
        EngineReason::SequenceGap => Reason::SequenceGap,
        EngineReason::WrongEpoch => Reason::WrongEpoch,
        _ => Reason::Malformed,
    }
}

fn refused(path: &Path, error: Error) -> ReplayError {
    match error {
        Error::Io { source, .. } | Error::NoSpace { source, .. } => ReplayError::Io(source),
        Error::NotFound { .. } => ReplayError::Unrecognised(format!("no store in {}", path.display())),
        other => ReplayError::Unrecognised(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_fnv_1a_over_lengths_and_bytes() {
        let none: [(&[u8], &[u8]); 0] = [];
        assert_eq!(state_digest(none.into_iter()), "cbf29ce484222325");
        let digest = |key: &[u8], value: &[u8]| state_digest([(key, value)].into_iter());
        // Lengths keep fields apart.
        assert_ne!(digest(b"ab", b"c"), digest(b"a", b"bc"));
        assert_ne!(digest(b"", b""), state_digest(none.into_iter()));
    }

    #[test]
    fn store_names_carry_a_kind_and_a_number() {
        for name in ["wal-00000001", "snap-00000012", "MANIFEST-123456789"] {
            assert!(is_store_name(name), "{name}");
        }
        for name in ["wal-clean", "wal-1", "wal-00000001.tmp", "manifest-00000001", "README.md", ""] {
            assert!(!is_store_name(name), "{name}");
        }
    }
}
