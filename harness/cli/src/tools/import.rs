//! `import`: a store from foreign files.

use std::path::{Path, PathBuf};

use super::Toolbox;
use super::text::{count, tell_transfer, write_json};
use crate::args::CommonFlags;
use crate::error::CliError;
use crate::exit;
use crate::output::{Out, ReportFile, is_stdout};

/// Runs the command; returns the exit code.
pub(super) fn import(
    toolbox: &dyn Toolbox,
    files: &[PathBuf],
    dir: &Path,
    format: Option<&str>,
    json: Option<&Path>,
    common: &CommonFlags,
) -> Result<u8, CliError> {
    for file in files {
        let metadata = std::fs::metadata(file).map_err(|e| CliError::file("read", file, &e))?;
        if metadata.is_dir() {
            let file = file.display();
            return Err(CliError::environment(format!(
                "failed to read {file}: it is a directory: name a file"
            )));
        }
    }
    let json_file = json.map(ReportFile::open).transpose()?;
    let mut out = Out::new(json.is_some_and(is_stdout), common.color);
    let transfer = toolbox.import(files, dir, format)?;
    let whole = transfer.not_taken.is_empty();
    if !common.quiet || !whole {
        let entries = count(transfer.entries, "entry");
        out.line(format!("{}: {entries}, state {}", dir.display(), transfer.state_digest))?;
        tell_transfer(&transfer, &mut out)?;
    }
    out.finish()?;
    write_json(json_file, &transfer)?;
    Ok(if whole { exit::OK } else { exit::UNEXPECTED })
}
