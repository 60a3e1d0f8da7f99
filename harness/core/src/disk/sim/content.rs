//! What a running process does to the sizes and the content of files.

use std::panic::Location;

use super::super::below::{Asks, unit_by_unit, unless_asked};
use super::super::{Chooser, SECTOR, SizeFn, Stop};
use super::Process;
use crate::trace::{Call, Inode};

/// How much of a range is inside a file.
#[derive(Clone, Copy, Debug)]
struct Inside {
    /// In bytes.
    len: usize,
    /// How much of it was inside when the process began, where that had to be found out.
    below: Option<usize>,
}

impl Inside {
    /// The same for `len` bytes from byte `from` of the range on.
    fn from(self, from: usize, len: usize) -> Inside {
        let rest = |inside: usize| inside.saturating_sub(from).min(len);
        Inside { len: rest(self.len), below: self.below.map(rest) }
    }
}

impl Asks for Process {
    fn chooser(&mut self) -> &mut Chooser {
        &mut self.below.chooser
    }
}

impl Process {
    /// How many of the `len` bytes at `offset` are inside the file.
    pub(super) fn size(&mut self, inode: Inode, offset: u64, len: u64) -> Result<u64, Stop> {
        match self.recording.newest_size(inode).clamped(offset, len) {
            SizeFn::Absolute(size) => Ok(size),
            SizeFn::AtLeast(size) => Ok(self.below.size(inode, offset, len)?.max(size)),
        }
    }

    /// The smallest and largest size a file may have; decides nothing.
    fn size_range(&mut self, inode: Inode) -> (u64, u64) {
        let now = self.recording.newest_size(inode);
        if let SizeFn::Absolute(size) = now {
            return (size, size);
        }
        let (min, max) = self.below.size_range(inode);
        (now.over(min), now.over(max))
    }

    /// See [`Below::read`](super::super::below::Below::read).
    pub fn read(&mut self, inode: Inode, buf: &mut [u8], offset: u64) -> Result<usize, Stop> {
        if self.recording.has_changed(inode) {
            return self.read_changed(inode, buf, offset);
        }
        self.below.read(inode, buf, offset)
    }

    fn read_changed(&mut self, inode: Inode, buf: &mut [u8], offset: u64) -> Result<usize, Stop> {
        let in_sector = (offset % SECTOR as u64) as usize;
        let len = buf.len().min(SECTOR - in_sector);
        let unit_len = self.below.world.rules.unit;
        if unit_len == SECTOR {
            let inside = self.inside(inode, offset, len)?;
            self.read_inside(inode, &mut buf[..len], offset, inside)?;
            return Ok(inside.len);
        }
        let known = unless_asked(self, |process| process.inside(inode, offset, len))?;
        if let Some(Inside { len, below: Some(below) }) = known
            && len == below
            && !self.recording.has_data(inode)
            && self.below.settled(inode, offset, &mut buf[..len])
        {
            return Ok(len);
        }
        unit_by_unit(self, (offset, len), unit_len, |process, piece| {
            let at = offset + piece.start as u64;
            let inside = match known {
                Some(all) => all.from(piece.start, piece.len()),
                None => process.inside(inode, at, piece.len())?,
            };
            process.read_inside(inode, &mut buf[piece], at, inside)?;
            Ok(inside.len)
        })
    }

    /// How much of a range of one sector is inside the file.
    fn inside(&mut self, inode: Inode, offset: u64, len: usize) -> Result<Inside, Stop> {
        match self.recording.newest_size(inode).clamped(offset, len as u64) {
            SizeFn::Absolute(size) => Ok(Inside { len: size as usize, below: None }),
            SizeFn::AtLeast(size) => {
                let below = self.below.size(inode, offset, len as u64)?;
                Ok(Inside { len: below.max(size) as usize, below: Some(below as usize) })
            }
        }
    }

    /// Reads the bytes of one sector that are inside the file.
    fn read_inside(&mut self, inode: Inode, buf: &mut [u8], offset: u64, inside: Inside) -> Result<(), Stop> {
        let Process { recording, below, .. } = self;
        let (is_new, unit_len) = (recording.created_here(inode), recording.unit());
        // Bytes `from..` of the range, of which the world below may be known to have so many.
        let mut read_below = |from: usize, out: &mut [u8]| match inside.below {
            _ if is_new => {
                out.fill(0);
                Ok(())
            }
            Some(known) => {
                let known = known.saturating_sub(from).min(out.len());
                out[known..].fill(0);
                below.data(inode, offset + from as u64, &mut out[..known], true)
            }
            None => below.data(inode, offset + from as u64, out, false),
        };
        let mut done = 0;
        while done < inside.len {
            let at = offset + done as u64;
            let start = (at % unit_len as u64) as usize;
            let end = unit_len.min(start + inside.len - done);
            let out = &mut buf[done..done + end - start];
            let Some(patch) = recording.newest_data(inode, at / unit_len as u64) else {
                read_below(done, out)?;
                done += end - start;
                continue;
            };
            let patch = recording.patch(patch);
            let mut from = start;
            while from < end {
                let (covered, stop) = patch.run(from, end);
                let target = &mut out[from - start..stop - start];
                if covered {
                    target.copy_from_slice(&patch.bytes[from..stop]);
                } else {
                    read_below(done + from - start, target)?;
                }
                from = stop;
            }
            done += end - start;
        }
        Ok(())
    }

    /// The size the file had when this process began: what lies behind it was never written. Found out only
    /// where the model cares.
    fn inherited_size(&mut self, inode: Inode) -> Result<u64, Stop> {
        if self.recording.created_here(inode) || !self.recording.rules().garbage {
            return Ok(0);
        }
        self.below.size(inode, 0, u64::MAX)
    }

    /// The size before a change of it. Where the model cares in which block the file ended, finds out.
    pub fn settle_size(&mut self, inode: Inode) -> Result<SizeFn, Stop> {
        if self.recording.rules().sizes_matter {
            return Ok(SizeFn::Absolute(self.size(inode, 0, u64::MAX)?));
        }
        let (least, most) = self.size_range(inode);
        Ok(if least == most { SizeFn::Absolute(least) } else { SizeFn::AtLeast(least) })
    }

    pub fn write(
        &mut self,
        inode: Inode,
        data: &[u8],
        offset: u64,
        source: &'static Location<'static>,
    ) -> Result<usize, Stop> {
        let now = self.settle_size(inode)?;
        let inherited = self.inherited_size(inode)?;
        self.recording.write_data(inode, inherited, offset, data);
        self.recording.extend(inode, now, offset, offset + data.len() as u64);
        let data = self.recording.trace.store_bytes(data);
        self.recording.call(Call::Write { inode, offset, data }, source);
        Ok(data.len as usize)
    }

    pub(super) fn allocate(
        &mut self,
        inode: Inode,
        (offset, len): (u64, u64),
        source: &'static Location<'static>,
    ) -> Result<(), Stop> {
        let now = self.settle_size(inode)?;
        self.recording.reserve(inode, now, offset + len, false);
        self.recording.call(Call::Allocate { inode, offset, len }, source);
        Ok(())
    }

    pub(super) fn zero_range(
        &mut self,
        inode: Inode,
        (offset, len): (u64, u64),
        keep_size: bool,
        source: &'static Location<'static>,
    ) -> Result<(), Stop> {
        let now = self.settle_size(inode)?;
        let (_, mut most) = self.size_range(inode);
        if !keep_size {
            most = most.max(offset + len);
        }
        let below = self.units_below(inode, offset, most);
        self.recording.zero_data(inode, &below, offset, offset + len);
        self.recording.reserve(inode, now, offset + len, keep_size);
        self.recording.call(Call::ZeroRange { inode, offset, len, keep_size }, source);
        Ok(())
    }

    /// The units from the one at byte `offset` on that zeroing a file concerns although this process has not
    /// changed them; the file has at most `most` bytes now. What lies behind the size at the reboot is gone.
    fn units_below(&mut self, inode: Inode, offset: u64, most: u64) -> Vec<u64> {
        let (unit, unit_below) = (self.recording.unit() as u64, self.below.world.rules.unit as u64);
        let mut below = Vec::new();
        if !self.recording.created_here(inode) {
            let inherited = self.below.size_range(inode).1;
            below = self.below.units_from(inode, offset);
            below.iter_mut().for_each(|number| *number = *number * unit_below / unit);
            below.retain(|number| *number < inherited.max(most).div_ceil(unit));
        }
        below.extend(self.recording.holes(offset, most));
        below
    }

    pub fn set_len(
        &mut self,
        inode: Inode,
        len: u64,
        source: &'static Location<'static>,
    ) -> Result<(), Stop> {
        self.settle_size(inode)?;
        let (min, max) = self.size_range(inode);
        if (min, max) != (len, len) {
            if max > len {
                let below = self.units_below(inode, len, max);
                self.recording.zero_data(inode, &below, len, u64::MAX);
            }
            if min > len {
                self.recording.note_shrink();
            }
            self.recording.set_size(inode, len);
        }
        self.recording.call(Call::SetLen { inode, len }, source);
        Ok(())
    }
}
