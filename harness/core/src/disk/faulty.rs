//! The injecting layer: calls of the running process that fail, or lie.

use std::panic::Location;
use std::path::Path;

use super::sim::{Errno, Failure, Process};
use super::{BLOCK, SizeFn, Stop};
use crate::fault::{CallKind, Decision, Effect, ErrorCode, Outcome};
use crate::trace::{Call, FailedSync, Inode, Name};

type Source = &'static Location<'static>;

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Failure {
        Failure::Os(Errno::from_raw_os_error(code.raw()))
    }
}

impl Process {
    /// Makes a call, or has it fail.
    pub fn faulty<T>(
        &mut self,
        call: CallKind,
        paths: &[&Path],
        source: Source,
        act: impl FnOnce(&mut Process) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(decision) = self.decide(call, paths) else { return act(self) };
        let Outcome::Error(code) = decision.outcome else { return act(self) };
        if decision.effect == Effect::Applied {
            act(self)?;
        }
        self.note_failed(None, &told(call, paths, decision), source);
        Err(code.into())
    }

    /// What the rules say of a call.
    pub fn decide(&mut self, call: CallKind, paths: &[&Path]) -> Option<Decision> {
        let faults = self.faults.as_mut()?;
        let decision = faults.decide(call, paths);
        faults.happened_at(self.recording.trace.end());
        decision
    }

    fn note_failed(&mut self, sync: Option<FailedSync>, text: &str, source: Source) {
        let text = Name::from(text);
        self.recording.call(Call::Failed { sync, text }, source);
    }

    /// `read_at` of a file that was opened by `path`.
    pub fn faulty_read(
        &mut self,
        inode: Inode,
        path: &Path,
        buf: &mut [u8],
        offset: u64,
        source: Source,
    ) -> Result<usize, Failure> {
        let mut len = buf.len();
        if let Some(decision) = self.decide(CallKind::Read, &[path]) {
            match decision.outcome {
                Outcome::Error(code) => {
                    self.note_failed(None, &told(CallKind::Read, &[path], decision), source);
                    return Err(code.into());
                }
                Outcome::Short(most) => len = len.min(most as usize),
                _ => {}
            }
        }
        let len = self.read(inode, &mut buf[..len], offset)?;
        self.read_medium(inode, path, &mut buf[..len], offset)?;
        Ok(len)
    }

    /// What the medium makes of bytes that come from it.
    fn read_medium(&mut self, inode: Inode, path: &Path, buf: &mut [u8], offset: u64) -> Result<(), Failure> {
        if !self.faults.as_ref().is_some_and(|faults| faults.has_medium()) {
            return Ok(());
        }
        let Some(mut faults) = self.faults.take() else { return Ok(()) };
        let recording = &self.recording;
        let unit_len = recording.unit() as u64;
        let from_disk = |at: u64| {
            if recording.created_here(inode) {
                return false;
            }
            let start = (at % unit_len) as usize;
            let patch = recording.newest_data(inode, at / unit_len).map(|patch| recording.patch(patch));
            !patch.is_some_and(|patch| patch.run(start, start + 1).0)
        };
        let result = faults.medium(path, offset, buf, from_disk);
        faults.happened_at(self.recording.trace.end());
        self.faults = Some(faults);
        Ok(result?)
    }

    /// `write_at` of a file that was opened by `path`.
    pub fn faulty_write(
        &mut self,
        inode: Inode,
        path: &Path,
        data: &[u8],
        offset: u64,
        source: Source,
    ) -> Result<usize, Failure> {
        let mut data = data;
        if let Some(decision) = self.decide(CallKind::Write, &[path]) {
            match decision.outcome {
                Outcome::Error(code) => {
                    let most = match decision.effect {
                        Effect::Applied => data.len(),
                        Effect::Part(most) => data.len().min(most as usize),
                        _ => 0,
                    };
                    if most > 0 {
                        self.write(inode, &data[..most], offset, source)?;
                    }
                    self.note_failed(None, &told(CallKind::Write, &[path], decision), source);
                    return Err(code.into());
                }
                Outcome::Short(most) => data = &data[..data.len().min(most as usize)],
                Outcome::Lost => return Ok(self.lose(inode, data, offset, None, source)?),
                Outcome::Misdirected(distance) => {
                    let lands = Some(offset.saturating_add(u64::from(distance)));
                    return Ok(self.lose(inode, data, offset, lands, source)?);
                }
                _ => {}
            }
        }
        if data.is_empty() {
            return Ok(0);
        }
        let fits = self.fitting(CallKind::Write, (inode, path), offset, data.len() as u64, source)?;
        Ok(self.write(inode, &data[..fits as usize], offset, source)?)
    }

    fn lose(
        &mut self,
        inode: Inode,
        data: &[u8],
        offset: u64,
        lands: Option<u64>,
        source: Source,
    ) -> Result<usize, Stop> {
        let now = self.settle_size(inode)?;
        self.recording.lose_data(inode, offset, data, lands);
        self.recording.extend(inode, now, offset, offset + data.len() as u64);
        let data = self.recording.trace.store_bytes(data);
        self.recording.call(Call::LostWrite { inode, offset, data, lands }, source);
        Ok(data.len as usize)
    }

    /// How many of the `len` bytes at `offset` a full disk has room for; fails if none.
    pub fn fitting(
        &mut self,
        call: CallKind,
        (inode, path): (Inode, &Path),
        offset: u64,
        len: u64,
        source: Source,
    ) -> Result<u64, Failure> {
        let Some(room) = self.faults.as_ref().and_then(|faults| faults.room(call, path)) else {
            return Ok(len);
        };
        let blocks = |bytes: u64| bytes.div_ceil(BLOCK);
        let own = match self.recording.newest_size(inode) {
            SizeFn::Absolute(size) | SizeFn::AtLeast(size) => blocks(size),
        };
        let others = self.recording.blocks_in_use().saturating_sub(own);
        let most = (room / BLOCK).saturating_sub(others).max(own) * BLOCK;
        let fits = most.saturating_sub(offset).min(len);
        if fits == len {
            return Ok(len);
        }
        if let Some(faults) = &mut self.faults {
            faults.was_full(call, path);
            faults.happened_at(self.recording.trace.end());
        }
        if fits > 0 && call == CallKind::Write {
            return Ok(fits);
        }
        let decision = Decision { outcome: Outcome::Error(ErrorCode::Enospc), effect: Effect::None };
        self.note_failed(None, &told(call, &[path], decision), source);
        Err(ErrorCode::Enospc.into())
    }

    /// A sync of a file that was opened by `path`; `seen` counts the errors that its descriptor has reported.
    pub fn faulty_sync(
        &mut self,
        (inode, path): (Inode, &Path),
        data_only: bool,
        seen: &mut u32,
        source: Source,
    ) -> Result<(), Failure> {
        let call = if data_only { CallKind::SyncData } else { CallKind::SyncAll };
        let decision = self.decide(call, &[path]);
        let errors = self.sync_errors(inode);
        let owed = *seen < errors;
        *seen = errors;
        match decision.map(|decision| (decision, decision.outcome)) {
            Some((decision, Outcome::Error(code))) if decision.effect == Effect::Applied => {
                self.sync(inode, data_only, source);
                self.note_failed(None, &told(call, &[path], decision), source);
                Err(code.into())
            }
            Some((decision, Outcome::Error(code))) => {
                self.sync_errors.insert(inode, errors + 1);
                *seen = errors + 1;
                let text = format!("{}, its pages are clean now", told(call, &[path], decision));
                self.note_failed(Some(FailedSync::File(inode)), &text, source);
                Err(code.into())
            }
            // Another descriptor was told of the failure; this one has not been.
            _ if owed => {
                let text = format!("{} {} -> EIO, as another descriptor before", call.name(), shown(path));
                self.note_failed(Some(FailedSync::File(inode)), &text, source);
                Err(ErrorCode::Eio.into())
            }
            _ => {
                self.sync(inode, data_only, source);
                Ok(())
            }
        }
    }

    /// How many syncs of a file have failed.
    pub fn sync_errors(&self, inode: Inode) -> u32 {
        self.sync_errors.get(&inode).copied().unwrap_or(0)
    }

    fn sync(&mut self, inode: Inode, data_only: bool, source: Source) {
        self.barrier();
        self.recording.call(Call::SyncFile { inode, data_only }, source);
    }

    /// `sync_dir`.
    pub fn faulty_sync_dir(&mut self, path: &Path, source: Source) -> Result<(), Failure> {
        let decision = self.decide(CallKind::SyncDir, &[path]);
        let dir = self.find_dir(path)?;
        let failed = decision.and_then(|decision| match decision.outcome {
            Outcome::Error(code) => Some((decision, code)),
            _ => None,
        });
        if failed.is_none_or(|(decision, _)| decision.effect == Effect::Applied) {
            self.barrier();
            self.recording.call(Call::SyncDir { dir }, source);
        }
        let Some((decision, code)) = failed else { return Ok(()) };
        let sync = (decision.effect == Effect::None).then_some(FailedSync::Dir(dir));
        self.note_failed(sync, &told(CallKind::SyncDir, &[path], decision), source);
        Err(code.into())
    }
}

/// A path as stories show it.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = text.trim_start_matches('/');
    if text.is_empty() { "/".to_string() } else { text.to_string() }
}

/// A call with its result.
fn told(call: CallKind, paths: &[&Path], decision: Decision) -> String {
    let paths: Vec<String> = paths.iter().map(|path| shown(path)).collect();
    let effect = match decision.effect {
        Effect::Applied => ", and was applied".to_string(),
        Effect::Part(len) => format!(", {len} bytes applied"),
        Effect::None | Effect::Reported => String::new(),
    };
    format!("{} {} -> {}{effect}", call.name(), paths.join(" "), decision.outcome)
}
