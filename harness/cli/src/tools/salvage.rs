//! `salvage`: what can be proved of a damaged store, in a new one.

use std::path::Path;

use super::Toolbox;
use super::text::{count, must_be_directory, tell_transfer, write_json};
use crate::args::CommonFlags;
use crate::error::CliError;
use crate::exit;
use crate::output::{Out, ReportFile, is_stdout};

/// Runs the command; returns the exit code.
pub(super) fn salvage(
    toolbox: &dyn Toolbox,
    dir: &Path,
    to: &Path,
    behind_damage: bool,
    json: Option<&Path>,
    common: &CommonFlags,
) -> Result<u8, CliError> {
    must_be_directory(dir)?;
    let json_file = json.map(ReportFile::open).transpose()?;
    let mut out = Out::new(json.is_some_and(is_stdout), common.color);
    let transfer = toolbox.salvage(dir, to, behind_damage)?;
    if !common.quiet {
        let entries = count(transfer.entries, "entry");
        out.line(format!("{}: {entries}, state {}", to.display(), transfer.state_digest))?;
        tell_transfer(&transfer, &mut out)?;
    }
    out.finish()?;
    write_json(json_file, &transfer)?;
    Ok(exit::OK)
}
