//! Is a store sound?

use std::path::Path;
use std::sync::Arc;

use unplug_cli::tools::{StoreFile, StoreVerdict, ToolError, Verification};
use unplug_engine::inspect::{self, Role};
use unplug_vfs::{OsFs, Vfs};

use super::{damaged, refused};
use crate::replay::native;

pub(super) fn verify(dir: &Path) -> Result<Verification, ToolError> {
    let vfs: Arc<dyn Vfs> = Arc::new(OsFs);
    let _lock = lock(&*vfs, dir)?;
    let store = inspect::store(vfs.clone(), dir).map_err(refused)?;
    let roles = inspect::roles(vfs.clone(), dir).map_err(refused)?;
    let mut reasons = Vec::new();
    let mut verdict = StoreVerdict::Sound;
    if let Some(reason) = store.reason {
        let place = damaged(store.file.as_deref(), store.stopped_at, Some(reason), &store.detail);
        if store.sealed {
            verdict = StoreVerdict::Damaged;
            reasons.push(format!("{place}; no crash explains it: `salvage` saves what can be proved"));
        } else if store.good_records_after > 0 {
            verdict = StoreVerdict::Damaged;
            let behind = records(store.good_records_after);
            reasons.push(format!(
                "{place}; behind it are {behind} that verify, and opening the store drops them: that is right if they \
                 were written and not synced when the power went, and damage otherwise"
            ));
        } else {
            verdict = StoreVerdict::Torn;
            reasons.push(format!("{place}; that is what a crash leaves, and opening the store cuts it off"));
        }
    }
    let mut files = Vec::new();
    for (file, reading) in inspect::files(&*vfs, dir).map_err(refused)? {
        let role = roles.get(&file).copied().unwrap_or(Role::Leftover);
        if role == Role::Headless && reading.good_records_after > 0 {
            verdict = StoreVerdict::Damaged;
            let behind = records(reading.good_records_after);
            reasons.push(format!(
                "{file}: its header is damaged, and in it are {behind} that verify; opening the store drops them: \
                 `salvage` saves them"
            ));
        }
        let mut reading = native(reading);
        reading.note = reading.note.map(|note| match note.strip_prefix(&format!("{file}: ")) {
            Some(rest) => rest.to_string(),
            None => note,
        });
        let live = matches!(role, Role::Manifest | Role::Snapshot | Role::Segment | Role::Headless);
        files.push(StoreFile { file, role: role.as_str(), live, reading });
    }
    Ok(Verification { verdict, reasons, store: native(store), files })
}

/// A number of records.
fn records(n: u64) -> String {
    if n == 1 { "1 record".to_string() } else { format!("{n} records") }
}

/// Keeps a store from being opened while it is looked at: a write in between would look like damage.
pub(super) fn lock(vfs: &dyn Vfs, dir: &Path) -> Result<Box<dyn unplug_vfs::VfsLock>, ToolError> {
    vfs.lock(dir).map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => refused(unplug_engine::Error::Locked { path: dir.to_path_buf() }),
        _ => ToolError::io("lock", dir, &e),
    })
}
