//! What lies below a running process. All that the process learns of the undetermined disk, it learns here.

use std::ops::Range;
use std::sync::Arc;

use super::read::Reader;
use super::settled::Settled;
use super::told::{Asked, Inquiry, Listing, Log, Step, Told};
use super::transcript::{Answer, Query, Transcript};
use super::{Bounds, Chooser, SECTOR, Stop, World};
use crate::trace::{Inode, Name};

/// The disk below a process, as far as this run has decided what it holds.
pub(super) struct Below {
    pub world: Arc<World>,
    pub bounds: Bounds,
    pub chooser: Chooser,
    pub settled: Settled,
    pub transcript: Transcript,
    /// Keeps what the process is told, if somebody wants to know.
    pub log: Option<Log>,
}

impl Below {
    fn reader(&mut self) -> (usize, Reader<'_>) {
        let reader = Reader { world: &self.world, bounds: &mut self.bounds, chooser: &mut self.chooser };
        (self.world.layers.len(), reader)
    }

    /// How much was asked and decided so far.
    pub fn step(&self) -> Step {
        Step { asked: self.chooser.asked(), decided: self.bounds.trail().len() }
    }

    /// Notes what was told at `step`.
    fn note<T>(
        &mut self,
        step: Step,
        result: &Result<T, Stop>,
        asked: impl FnOnce() -> Asked,
        told: impl FnOnce(&T) -> Told,
    ) {
        let Some(log) = &mut self.log else { return };
        let putting_off = self.chooser.is_putting_off();
        match result {
            Ok(value) => log.push(step, || (Inquiry { asked: asked(), putting_off }, told(value))),
            Err(Stop::PutOff) => log.push(step, || (Inquiry { asked: asked(), putting_off }, Told::PutOff)),
            Err(_) => {}
        }
    }

    /// Asks again what a process asked.
    pub fn answer(&mut self, inquiry: &Inquiry) -> Result<Told, Stop> {
        self.chooser.put_off(inquiry.putting_off);
        let told = self.answer_asked(&inquiry.asked);
        self.chooser.put_off(false);
        match told {
            Err(Stop::PutOff) => Ok(Told::PutOff),
            told => told,
        }
    }

    fn answer_asked(&mut self, asked: &Asked) -> Result<Told, Stop> {
        let mut memory = [0; SECTOR];
        let mut bytes = |len: usize, read: &mut dyn FnMut(&mut [u8]) -> Result<usize, Stop>| {
            let len = len.min(SECTOR);
            let read = read(&mut memory[..len])?;
            Ok(Told::bytes(&memory[..read]))
        };
        Ok(match *asked {
            Asked::Entry { dir, ref name } => Told::Entry(self.entry(dir, name)?),
            Asked::PossibleEntries { dir, ref name } => Told::Entries(self.possible_entries(dir, name)),
            Asked::Listing { dir } => Told::Listing(self.listing(dir)?),
            Asked::Names { dir } => Told::Names(self.names(dir)),
            Asked::IsDir { inode } => Told::Flag(self.is_dir(inode)),
            Asked::Size { inode, offset, len } => Told::Size(self.size(inode, offset, len)?),
            Asked::SizeRange { inode } => {
                let (min, max) = self.size_range(inode);
                Told::SizeRange(min, max)
            }
            Asked::Units { inode, offset } => Told::Units(self.units_from(inode, offset)),
            Asked::Data { inode, offset, len, is_inside } => {
                bytes(len, &mut |out| self.data(inode, offset, out, is_inside).map(|()| out.len()))?
            }
            Asked::Settled { inode, offset, len } => {
                let out = &mut memory[..len];
                if self.settled(inode, offset, out) { Told::bytes(out) } else { Told::Flag(false) }
            }
            Asked::Read { inode, offset, len } => bytes(len, &mut |out| self.read_anew(inode, out, offset))?,
        })
    }

    /// What a name refers to.
    pub fn entry(&mut self, dir: Inode, name: &str) -> Result<Option<Inode>, Stop> {
        let step = self.step();
        let (depth, mut reader) = self.reader();
        let entry = reader.entry(depth, dir, name);
        self.note(step, &entry, || Asked::Entry { dir, name: Name::from(name) }, |entry| Told::Entry(*entry));
        entry
    }

    /// All that a name may refer to, decided nothing.
    pub fn possible_entries(&mut self, dir: Inode, name: &str) -> Vec<Option<Inode>> {
        let entries = self.reader().1.possible_entries(dir, name);
        let asked = || Asked::PossibleEntries { dir, name: Name::from(name) };
        self.note(self.step(), &Ok(()), asked, |()| Told::Entries(entries.clone()));
        entries
    }

    /// The names that a directory may have, sorted.
    pub fn names(&mut self, dir: Inode) -> Vec<Name> {
        let names = self.settled.names(&self.world, dir).to_vec();
        self.note(self.step(), &Ok(()), || Asked::Names { dir }, |()| Told::Names(names.clone()));
        names
    }

    /// What a directory holds, sorted by name, with what each name refers to and whether that is a directory.
    pub fn listing(&mut self, dir: Inode) -> Result<Listing, Stop> {
        let step = self.step();
        let names = self.settled.names(&self.world, dir);
        let mut reader = Reader { world: &self.world, bounds: &mut self.bounds, chooser: &mut self.chooser };
        let depth = self.world.layers.len();
        let listing = names.iter().filter_map(|name| match reader.entry(depth, dir, name) {
            Ok(inode) => inode.map(|inode| Ok((name.clone(), inode, self.world.is_dir(inode)))),
            Err(stop) => Some(Err(stop)),
        });
        let listing = listing.collect();
        self.note(
            step,
            &listing,
            || Asked::Listing { dir },
            |listing: &Listing| Told::Listing(listing.clone()),
        );
        listing
    }

    /// Whether an inode is a directory.
    pub fn is_dir(&mut self, inode: Inode) -> bool {
        let is_dir = self.world.is_dir(inode);
        self.note(self.step(), &Ok(()), || Asked::IsDir { inode }, |()| Told::Flag(is_dir));
        is_dir
    }

    /// How many of the `len` bytes at `offset` are inside the file.
    pub fn size(&mut self, inode: Inode, offset: u64, len: u64) -> Result<u64, Stop> {
        let step = self.step();
        let (depth, mut reader) = self.reader();
        let size = reader.size(depth, inode, offset, len);
        self.note(step, &size, || Asked::Size { inode, offset, len }, |size| Told::Size(*size));
        size
    }

    /// The smallest and largest size that a file may have, decided nothing.
    pub fn size_range(&mut self, inode: Inode) -> (u64, u64) {
        let (min, max) = self.reader().1.size_range(inode);
        self.note(self.step(), &Ok(()), || Asked::SizeRange { inode }, |()| Told::SizeRange(min, max));
        (min, max)
    }

    /// The units of a file, from the one at byte `offset` on, that its processes have written.
    pub fn units_from(&mut self, inode: Inode, offset: u64) -> Vec<u64> {
        let units = self.world.units_from(inode, offset);
        self.note(self.step(), &Ok(()), || Asked::Units { inode, offset }, |()| Told::Units(units.clone()));
        units
    }

    /// Bytes of one sector of a file; zeros behind its size. With `is_inside` they are known to lie before it, and
    /// nothing is asked about it.
    pub fn data(&mut self, inode: Inode, offset: u64, out: &mut [u8], is_inside: bool) -> Result<(), Stop> {
        let step = self.step();
        let (depth, mut reader) = self.reader();
        let read = match is_inside {
            true => reader.data_inside(depth, inode, offset, out),
            false => reader.data(depth, inode, offset, out),
        };
        let asked = || Asked::Data { inode, offset, len: out.len(), is_inside };
        self.note(step, &read, asked, |()| Told::bytes(out));
        read
    }

    /// Bytes of one sector of a file, if they are the same on every disk of the world; its size is another
    /// question. Returns whether they are.
    pub fn settled(&mut self, inode: Inode, offset: u64, out: &mut [u8]) -> bool {
        let sector = self.settled.sector(&self.world, inode, offset / SECTOR as u64);
        let start = (offset % SECTOR as u64) as usize;
        let is_settled = match sector {
            Some(sector) => {
                out.copy_from_slice(&sector[start..start + out.len()]);
                true
            }
            None => false,
        };
        let asked = || Asked::Settled { inode, offset, len: out.len() };
        let told = |_: &()| if is_settled { Told::bytes(out) } else { Told::Flag(false) };
        self.note(self.step(), &Ok(()), asked, told);
        is_settled
    }

    /// Reads a file that the process has not changed. A read ends at the end of a sector. Where less than a
    /// sector may be torn, it ends before the first unit that it would have to ask about, its first one apart:
    /// a subject that reads a stream is not asked about more than it wants to know.
    pub fn read(&mut self, inode: Inode, buf: &mut [u8], offset: u64) -> Result<usize, Stop> {
        let (step, len) = (self.step(), buf.len());
        let query = Query { inode, offset, len, asked: step.asked };
        let read = match self.transcript.repeat(query, step.decided, buf) {
            Some((answer, narrowed)) => {
                self.bounds.repeat(&self.world, narrowed);
                self.chooser.pass(answer.asked);
                Ok(answer.len)
            }
            None => {
                let read = self.read_anew(inode, buf, offset);
                if let Ok(len) = read {
                    let Step { asked, decided } = self.step();
                    self.transcript.add(query, Answer { len, asked, decided }, &buf[..len]);
                }
                read
            }
        };
        self.note(step, &read, || Asked::Read { inode, offset, len }, |len| Told::bytes(&buf[..*len]));
        read
    }

    fn read_anew(&mut self, inode: Inode, buf: &mut [u8], offset: u64) -> Result<usize, Stop> {
        let in_sector = (offset % SECTOR as u64) as usize;
        let len = buf.len().min(SECTOR - in_sector);
        let unit_len = self.world.rules.unit;
        if unit_len == SECTOR {
            let (depth, mut reader) = self.reader();
            let inside = reader.size(depth, inode, offset, len as u64)? as usize;
            reader.data_inside(depth, inode, offset, &mut buf[..inside])?;
            return Ok(inside);
        }
        let size = |below: &mut Below, at: u64, len: usize| {
            let (depth, mut reader) = below.reader();
            reader.size(depth, inode, at, len as u64).map(|size| size as usize)
        };
        let known = unless_asked(self, |below| size(below, offset, len))?;
        if let Some(inside) = known
            && let Some(sector) = self.settled.sector(&self.world, inode, offset / SECTOR as u64)
        {
            buf[..inside].copy_from_slice(&sector[in_sector..in_sector + inside]);
            return Ok(inside);
        }
        unit_by_unit(self, (offset, len), unit_len, |below, piece| {
            let (at, wanted) = (offset + piece.start as u64, piece.len());
            let inside = match known {
                Some(inside) => inside.saturating_sub(piece.start).min(wanted),
                None => size(below, at, wanted)?,
            };
            let (depth, mut reader) = below.reader();
            reader.data_inside(depth, inode, at, &mut buf[piece][..inside])?;
            Ok(inside)
        })
    }
}

/// Who gets questions answered.
pub(super) trait Asks {
    fn chooser(&mut self) -> &mut Chooser;
}

impl Asks for Below {
    fn chooser(&mut self) -> &mut Chooser {
        &mut self.chooser
    }
}

/// Does something that asks no question; `None` if it would have to ask one.
pub(super) fn unless_asked<P: Asks, T>(
    process: &mut P,
    act: impl FnOnce(&mut P) -> Result<T, Stop>,
) -> Result<Option<T>, Stop> {
    process.chooser().put_off(true);
    let done = act(process);
    process.chooser().put_off(false);
    match done {
        Err(Stop::PutOff) => Ok(None),
        done => done.map(Some),
    }
}

/// Reads a range of a sector unit by unit: `read` is given the part of the range, and returns how much of it is
/// inside the file. Ends behind the first that is not all inside, and before the first that would be asked about,
/// the first one apart.
pub(super) fn unit_by_unit<P: Asks>(
    process: &mut P,
    (offset, len): (u64, usize),
    unit_len: usize,
    mut read: impl FnMut(&mut P, Range<usize>) -> Result<usize, Stop>,
) -> Result<usize, Stop> {
    let mut done = 0;
    while done < len {
        let in_unit = ((offset + done as u64) % unit_len as u64) as usize;
        let end = len.min(done + unit_len - in_unit);
        let piece = done..end;
        done += match done {
            0 => read(process, piece)?,
            _ => unless_asked(process, |process| read(process, piece))?.unwrap_or(0),
        };
        if done < end {
            break;
        }
    }
    Ok(done)
}
