//! The engine's side of `dump`, `verify`, `salvage`, `import` and `export`.

mod dump;
mod text;
mod verify;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug_cli::tools::{NotTaken, Piece, TakenFrom, ToolError, Toolbox, Transfer, Verification};
use unplug_engine::inspect;
use unplug_engine::salvage::{self, SalvageOptions};
use unplug_engine::{Error, Reason};
use unplug_vfs::OsFs;

use crate::replay::{self, state_digest};

/// The tools for the engine's files and the text files.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineTools;

impl Toolbox for EngineTools {
    fn formats(&self, path: &Path) -> Result<Vec<String>, ToolError> {
        dump::formats(path)
    }

    fn dump(
        &self,
        path: &Path,
        format: &str,
        each: &mut dyn FnMut(Piece) -> ControlFlow<()>,
    ) -> Result<(), ToolError> {
        dump::dump(path, format, each)
    }

    fn verify(&self, dir: &Path) -> Result<Verification, ToolError> {
        verify::verify(dir)
    }

    fn salvage(&self, dir: &Path, out: &Path, behind_damage: bool) -> Result<Transfer, ToolError> {
        let options = SalvageOptions { behind_damage };
        let report = salvage::salvage(Arc::new(OsFs), dir, out, options).map_err(refused)?;
        let mut notes = vec![match report.complete_upto {
            _ if report.was_a_state && report.complete_upto == 0 => "nothing was ever written".to_string(),
            0 => "entries of the snapshot are lost: the state is not one that the store was ever in"
                .to_string(),
            upto if report.was_a_state => format!("the state is that after record {upto} of the log"),
            upto => format!(
                "the state is complete up to record {upto} of the log; with what was taken behind it, it may \
                 be one that the store was never in"
            ),
        }];
        if !behind_damage && report.dropped.iter().any(|dropped| dropped.records > 0) {
            notes.push(
                "records that verify behind damage were dropped: --behind-damage takes them, too".into(),
            );
        }
        let taken = report.taken.into_iter().filter(|taken| taken.count > 0).map(|taken| TakenFrom {
            what: match (taken.snapshot, taken.count) {
                (true, 1) => "1 entry".to_string(),
                (true, n) => format!("{n} entries"),
                (false, 1) => "1 record".to_string(),
                (false, n) => format!("{n} records"),
            },
            file: taken.file,
            count: taken.count,
            behind_damage: taken.behind_damage,
        });
        let not_taken = report.dropped.into_iter().map(|dropped| NotTaken {
            file: dropped.file,
            offset: dropped.offset,
            reason: dropped.reason.map(replay::reason),
            detail: dropped.detail,
            records: dropped.records,
        });
        let reading = inspect::store(Arc::new(OsFs), out).map_err(refused)?;
        Ok(Transfer {
            entries: report.entries,
            state_digest: digest(&reading),
            taken: taken.collect(),
            not_taken: not_taken.collect(),
            notes,
        })
    }

    fn import(&self, files: &[PathBuf], dir: &Path, format: Option<&str>) -> Result<Transfer, ToolError> {
        text::import(files, dir, format)
    }

    fn export_formats(&self) -> &'static [&'static str] {
        text::EXPORT_FORMATS
    }

    fn export(&self, dir: &Path, file: &Path, format: &str) -> Result<Transfer, ToolError> {
        text::export(dir, file, format)
    }
}

fn digest(reading: &inspect::Reading) -> String {
    state_digest(reading.entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))
}

/// The engine's errors as the command line tells them.
fn refused(error: Error) -> ToolError {
    match error {
        Error::InvalidArgument { what } => ToolError::Usage(what),
        Error::Io { op, path, source } | Error::NoSpace { op, path, source, .. } => {
            ToolError::io(op, &path, &source)
        }
        Error::NotFound { path } => ToolError::Environment(format!(
            "failed to read {}: there is no store; name the directory that holds MANIFEST-… and wal-… files",
            path.display()
        )),
        other => ToolError::Environment(other.to_string()),
    }
}

/// A reason in words, for a store that is damaged.
fn damaged(file: Option<&str>, offset: Option<u64>, reason: Option<Reason>, detail: &str) -> String {
    let place = match (file, offset) {
        (Some(file), Some(offset)) => format!("{file}, byte {offset}: "),
        (Some(file), None) => format!("{file}: "),
        (None, _) => String::new(),
    };
    match reason {
        Some(reason) => format!("{place}{reason}: {detail}"),
        None => format!("{place}{detail}"),
    }
}
