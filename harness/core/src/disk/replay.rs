//! The same calls under another model's rules.

use super::recording::{Recording, Rules};
use super::{SizeFn, World};
use crate::trace::{Call, EventKind, Inode, Pos};

impl Recording {
    /// What this recording would be by other rules, for a process that began on `below`. A file's size before
    /// the process began is taken as unknown.
    pub fn replayed(&self, rules: Rules, below: &World) -> Recording {
        self.replayed_until(rules, below, self.trace.end())
    }

    /// The same, of the events before `end` only.
    pub fn replayed_until(&self, rules: Rules, below: &World, end: Pos) -> Recording {
        let mut copy = Recording::new(below.next_inode(), rules);
        for event in &self.trace.events[..end as usize] {
            match &event.kind {
                EventKind::Mark(mark) => drop(copy.mark(*mark)),
                EventKind::Call(call) => {
                    let call = copy.replay(self, call, below);
                    copy.push_call(call, event.source);
                }
            }
        }
        copy
    }

    /// The same, of the events before `end`; of the last of them, a write, only the first `written` bytes.
    pub fn replayed_into_write(&self, rules: Rules, below: &World, end: Pos, written: u32) -> Recording {
        let last = end.saturating_sub(1);
        let mut copy = self.replayed_until(rules, below, last);
        let event = &self.trace.events[last as usize];
        if let EventKind::Call(Call::Write { inode, offset, data }) = &event.kind {
            let bytes = &self.trace.bytes(*data)[..written.min(data.len) as usize];
            let call = copy.replay_write(*inode, *offset, bytes);
            copy.push_call(call, event.source);
        }
        copy
    }

    fn replay_write(&mut self, inode: Inode, offset: u64, bytes: &[u8]) -> Call {
        self.write_data(inode, u64::MAX, offset, bytes);
        let now = self.newest_size(inode);
        self.extend(inode, now, offset, offset + bytes.len() as u64);
        Call::Write { inode, offset, data: self.trace.store_bytes(bytes) }
    }

    fn replay(&mut self, from: &Recording, call: &Call, below: &World) -> Call {
        match call {
            Call::Create { dir, name, .. } | Call::CreateDir { dir, name, .. } => {
                let inode = self.create(matches!(call, Call::CreateDir { .. }));
                self.change_entry(*dir, name, Some(inode));
            }
            Call::Link { dir, name, inode } => self.change_entry(*dir, name, Some(*inode)),
            Call::Remove { dir, name, inode } => {
                self.change_entry(*dir, name, None);
                self.note_removed(*inode);
            }
            Call::RemoveDir { dir, name, .. } => self.change_entry(*dir, name, None),
            Call::Rename { from_dir, from: old, to_dir, to, inode } => {
                let rules = self.rules();
                let is_dir = from.moves_dir(self.trace.end());
                let steps = if from_dir == to_dir { rules.steps_within } else { rules.steps_across };
                let in_steps = steps && !is_dir;
                if is_dir {
                    self.note_moved_dir();
                }
                if let Some(Some(target)) = self.newest_entry(*to_dir, to) {
                    if in_steps {
                        self.change_entry(*to_dir, to, None);
                    }
                    self.note_removed(target);
                }
                self.change_entry(*from_dir, old, None);
                self.change_entry(*to_dir, to, Some(*inode));
            }
            Call::Exchange { a_dir, a, a_inode, b_dir, b, b_inode } => {
                self.change_entry(*a_dir, a, Some(*b_inode));
                self.change_entry(*b_dir, b, Some(*a_inode));
            }
            Call::Write { inode, offset, data } => {
                return self.replay_write(*inode, *offset, from.trace.bytes(*data));
            }
            Call::Allocate { inode, offset, len } => {
                let now = self.newest_size(*inode);
                self.reserve(*inode, now, offset + len, false);
            }
            Call::ZeroRange { inode, offset, len, keep_size } => {
                let now = self.newest_size(*inode);
                let mut units = below.units_from(*inode, *offset);
                if let SizeFn::Absolute(size) = now {
                    let most = if *keep_size { size } else { size.max(offset + len) };
                    units.extend(self.holes(*offset, most));
                }
                self.zero_data(*inode, &units, *offset, offset + len);
                self.reserve(*inode, now, offset + len, *keep_size);
            }
            Call::SetLen { inode, len } => self.replay_set_len(*inode, *len, below),
            Call::LostWrite { inode, offset, data, lands } => {
                let bytes = from.trace.bytes(*data);
                self.lose_data(*inode, *offset, bytes, *lands);
                let now = self.newest_size(*inode);
                self.extend(*inode, now, *offset, offset + bytes.len() as u64);
                let data = self.trace.store_bytes(bytes);
                return Call::LostWrite { inode: *inode, offset: *offset, data, lands: *lands };
            }
            Call::SyncFile { .. } | Call::SyncDir { .. } | Call::SyncAll | Call::Failed { .. } => {}
        }
        call.clone()
    }

    fn replay_set_len(&mut self, inode: Inode, len: u64, below: &World) {
        let now = self.newest_size(inode);
        if now == SizeFn::Absolute(len) {
            return;
        }
        if !matches!(now, SizeFn::Absolute(size) if size < len) {
            let mut units = below.units_from(inode, len);
            if let SizeFn::Absolute(size) = now {
                units.extend(self.holes(len, size));
            }
            self.zero_data(inode, &units, len, u64::MAX);
        }
        if matches!(now, SizeFn::Absolute(size) | SizeFn::AtLeast(size) if size > len) {
            self.note_shrink();
        }
        self.set_size(inode, len);
    }
}
