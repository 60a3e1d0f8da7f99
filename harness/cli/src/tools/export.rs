//! `export`: a store's state as a foreign file.

use std::path::Path;

use super::Toolbox;
use super::text::{chosen, count, must_be_directory, tell_transfer, write_json};
use crate::args::CommonFlags;
use crate::error::CliError;
use crate::exit;
use crate::output::{Out, ReportFile, is_stdout};

/// Runs the command; returns the exit code.
pub(super) fn export(
    toolbox: &dyn Toolbox,
    dir: &Path,
    file: &Path,
    format: Option<&str>,
    json: Option<&Path>,
    common: &CommonFlags,
) -> Result<u8, CliError> {
    must_be_directory(dir)?;
    let formats = toolbox.export_formats();
    let format = match (format, formats.first()) {
        (Some(format), _) => format,
        (None, Some(first)) => first,
        (None, None) => return Err(CliError::usage("this program exports nothing")),
    };
    chosen(format, formats, "what can be written")?;
    let json_file = json.map(ReportFile::open).transpose()?;
    let mut out = Out::new(json.is_some_and(is_stdout), common.color);
    let transfer = toolbox.export(dir, file, format)?;
    if !common.quiet {
        let entries = count(transfer.entries, "entry");
        out.line(format!("{}: {format}, {entries}, state {}", file.display(), transfer.state_digest))?;
        tell_transfer(&transfer, &mut out)?;
    }
    out.finish()?;
    write_json(json_file, &transfer)?;
    Ok(exit::OK)
}
