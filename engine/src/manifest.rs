//! The manifest: which snapshot and which log segments are the store.
//!
//! Everything that a manifest refers to is durable, names and content, before the manifest's own name exists.
//! So whoever sees a manifest, even one whose name would not survive power loss, may rely on its files.

use crate::damage::{Damage, Unreadable};
use crate::dir::Dir;
use crate::error::{Error, Reason};
use crate::fragment::{BLOCK, Domain, Fragmenter, Identity};
use crate::header::{self, FIELDS_MAX, Fault, MAGIC_MANIFEST, u64_at};
use crate::names::{NUMBER_MAX, Name};
use crate::planted::Planted;
use crate::reader::{Checks, Next, Records, Scratch, Source};

/// How many segment numbers fit in the header's block; more go into a record behind it.
const INLINE_MAX: usize = FIELDS_MAX - 6;

/// The only manifest number of a store that rewrites it in place.
const IN_PLACE: u64 = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) epoch: u64,
    /// The snapshot's number; 0 without one.
    pub(crate) snapshot: u64,
    /// The log's segments in order; segments rotated in later are not listed.
    pub(crate) segments: Vec<u64>,
    /// Larger than every number given so far.
    pub(crate) next_number: u64,
    /// The sequence number of the first record in the log; the snapshot holds all before it.
    pub(crate) first_sequence: u64,
}

impl Manifest {
    /// The file's bytes.
    fn encode(&self, number: u64) -> Vec<u8> {
        let (inline, more) = self.segments.split_at(self.segments.len().min(INLINE_MAX));
        let mut fields = [0; FIELDS_MAX];
        fields[..6].copy_from_slice(&[
            self.epoch,
            number,
            self.snapshot,
            self.next_number,
            self.first_sequence,
            self.segments.len() as u64,
        ]);
        fields[6..6 + inline.len()].copy_from_slice(inline);
        let block = header::encode(MAGIC_MANIFEST, &fields);
        if more.is_empty() {
            return block.to_vec();
        }
        let mut out = Fragmenter::new(identity(self.epoch, number), 0, &block);
        let record: Vec<u8> = more.iter().flat_map(|n| n.to_le_bytes()).collect();
        out.push(&record);
        let mut bytes = Vec::new();
        let Ok(()) = out.flush(|data, _| {
            bytes.extend_from_slice(data);
            Ok::<(), std::convert::Infallible>(())
        });
        bytes
    }

    /// Reads a manifest that must have this number, if one is given.
    #[track_caller]
    pub(crate) fn read<S: Source>(
        source: S,
        number: Option<u64>,
        planted: Planted,
        scratch: &mut Scratch,
    ) -> Result<Manifest, Unreadable> {
        let mut records = Records::new(source, scratch);
        let fields = header::decode_as(MAGIC_MANIFEST, records.header_block()?, planted)?;
        if number.is_some_and(|number| number != fields.get(1)) {
            return Err(Fault::Foreign.into());
        }
        let number = fields.get(1);
        let count = fields.get(5);
        let inline = count.min(INLINE_MAX as u64) as usize;
        let mut manifest = Manifest {
            epoch: fields.get(0),
            snapshot: fields.get(2),
            segments: (0..inline).map(|i| fields.get(6 + i)).collect(),
            next_number: fields.get(3),
            first_sequence: fields.get(4),
        };
        if count > INLINE_MAX as u64 {
            records.begin(identity(manifest.epoch, number), Checks::ALL, BLOCK as u64);
            let more = match records.next()? {
                Next::Record => records.payload(),
                Next::Bad(reason) => return Err(Damage::fragment(records.offset(), reason).into()),
                Next::End { .. } | Next::Partial => {
                    let detail = "the list of segments is cut";
                    return Err(Damage::new(records.offset(), Reason::TornTail, detail).into());
                }
            };
            if more.len() as u64 != (count - INLINE_MAX as u64) * 8 {
                let detail = "the list of segments has the wrong length";
                return Err(Damage::new(BLOCK as u64, Reason::Malformed, detail).into());
            }
            manifest.segments.extend((0..more.len() / 8).map(|i| u64_at(more, 8 * i)));
        }
        if !manifest.makes_sense(number) {
            let detail = "the numbers contradict each other";
            return Err(Damage::new(0, Reason::Malformed, detail).into());
        }
        Ok(manifest)
    }

    /// Whether it is one that creation begins with: it refers to nothing.
    pub(crate) fn is_blank(&self) -> bool {
        self.snapshot == 0 && self.segments.is_empty()
    }

    fn makes_sense(&self, number: u64) -> bool {
        let known = |n: u64| n > 0 && n < self.next_number;
        self.next_number <= NUMBER_MAX
            && self.epoch > 0
            && self.epoch <= NUMBER_MAX
            && self.first_sequence <= NUMBER_MAX
            && known(number)
            && (self.snapshot == 0 || known(self.snapshot))
            && self.segments.iter().all(|n| known(*n))
            && self.segments.is_sorted_by(|a, b| a < b)
    }

    /// Writes the manifest under a temporary name and syncs it.
    #[track_caller]
    pub(crate) fn stage(&self, dir: &Dir, number: u64, planted: Planted) -> Result<(), Error> {
        if planted == Planted::ManifestInPlace {
            return Ok(());
        }
        let file = dir.create(Name::manifest(number).tmp())?;
        file.write(&self.encode(number), 0)?;
        failpoint!("manifest::before_sync");
        file.sync()
    }

    /// The switch: gives the staged manifest its name, which no file had before. The directory is not synced
    /// yet.
    #[track_caller]
    pub(crate) fn switch(&self, dir: &Dir, number: u64, planted: Planted) -> Result<Name, Error> {
        if planted == Planted::ManifestInPlace {
            let file = dir.create_or_truncate(Name::manifest(IN_PLACE))?;
            file.write(&self.encode(IN_PLACE), 0)?;
            file.sync()?;
            return Ok(Name::manifest(IN_PLACE));
        }
        let name = Name::manifest(number);
        failpoint!("manifest::before_rename");
        dir.rename(name.tmp(), name)?;
        failpoint!("manifest::after_rename");
        Ok(name)
    }

    /// Stages, switches, and syncs the directory: the manifest is current and durable.
    #[track_caller]
    pub(crate) fn install(&self, dir: &Dir, number: u64, planted: Planted) -> Result<Name, Error> {
        self.stage(dir, number, planted)?;
        let name = self.switch(dir, number, planted)?;
        if planted != Planted::DirNotSyncedAfterRename {
            dir.sync()?;
        }
        Ok(name)
    }
}

fn identity(epoch: u64, number: u64) -> Identity {
    Identity::new(Domain::Manifest, epoch, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(segments: usize) -> Manifest {
        Manifest {
            epoch: 4,
            snapshot: 3,
            segments: (10..10 + segments as u64).collect(),
            next_number: 5000,
            first_sequence: 77,
        }
    }

    #[test]
    fn a_manifest_reads_back_whatever_the_number_of_its_segments() {
        for segments in [0, 1, 2, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 64, 65, 1000] {
            let manifest = sample(segments);
            let bytes = manifest.encode(9);
            assert_eq!(bytes.len() % BLOCK, 0);
            let back = Manifest::read(&bytes[..], Some(9), Planted::None, &mut Scratch::default());
            assert_eq!(back.ok(), Some(manifest));
        }
    }

    #[test]
    fn a_damaged_or_misnamed_manifest_is_refused() {
        let bytes = sample(200).encode(9);
        assert!(Manifest::read(&bytes[..], Some(8), Planted::None, &mut Scratch::default()).is_err());
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x20;
            let read = Manifest::read(&bad[..], Some(9), Planted::None, &mut Scratch::default()).ok();
            // Padding is not read; nothing else may change unnoticed.
            assert!(read.is_none_or(|m| m == sample(200)), "byte {at}");
            assert!(
                Manifest::read(&bytes[..at], Some(9), Planted::None, &mut Scratch::default())
                    .ok()
                    .is_none_or(|m| m == sample(200))
            );
        }
    }

    #[test]
    fn contradicting_numbers_are_refused() {
        let mut manifest = sample(3);
        manifest.next_number = 11;
        let bytes = manifest.encode(9);
        assert!(Manifest::read(&bytes[..], Some(9), Planted::None, &mut Scratch::default()).is_err());
    }
}
