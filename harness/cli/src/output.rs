//! Where text goes: to people on a terminal or in a pipe, and to report files. Every write error is noticed,
//! those of the last flush too.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::AutoStream;

use crate::args::Color;
use crate::error::CliError;

/// Text for people. Goes to stdout, or to stderr where a report has stdout.
pub(crate) struct Out {
    stream: AutoStream<Box<dyn Write>>,
    name: &'static str,
    /// Columns to keep to, if known.
    pub width: Option<usize>,
}

/// An [`AutoStream`] that decides by the real stream but writes through a box.
fn auto(stream: Box<dyn Write>, is_terminal: bool, color: Color) -> AutoStream<Box<dyn Write>> {
    let wanted = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    if wanted { AutoStream::always_ansi(stream) } else { AutoStream::never(stream) }
}

impl Out {
    /// Text to stdout, or to stderr.
    pub fn new(to_stderr: bool, color: Color) -> Out {
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let (stream, name, terminal): (Box<dyn Write>, _, _) = if to_stderr {
            (Box::new(io::stderr()), "stderr", io::stderr().is_terminal())
        } else {
            (Box::new(io::stdout()), "stdout", io::stdout().is_terminal())
        };
        let width = match (columns, terminal) {
            (Some(columns), _) => Some(columns),
            (None, true) => terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
            (None, false) => None,
        };
        Out { stream: auto(stream, terminal, color), name, width }
    }

    /// Writes a line.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        let write = writeln!(self.stream, "{}", text.as_ref());
        write.map_err(|e| CliError::stream(self.name, &e))
    }

    /// Flushes.
    pub fn finish(&mut self) -> Result<(), CliError> {
        self.stream.flush().map_err(|e| CliError::stream(self.name, &e))
    }
}

/// A number of things.
pub(crate) fn count(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// A path as a shell takes it.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Where a report goes. Opened before the work begins, so that a wrong path costs no waiting.
pub(crate) struct ReportFile {
    path: PathBuf,
    file: Option<File>,
}

impl ReportFile {
    /// Opens a file, or takes stdout for `-`.
    pub fn open(path: &Path) -> Result<ReportFile, CliError> {
        let file = match is_stdout(path) {
            true => None,
            false => Some(File::create(path).map_err(|e| CliError::file("create", path, &e))?),
        };
        Ok(ReportFile { path: path.to_path_buf(), file })
    }

    /// Writes the whole report.
    pub fn write(mut self, text: &str) -> Result<(), CliError> {
        let Some(file) = &mut self.file else {
            let mut stdout = io::stdout().lock();
            let write = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
            return write.map_err(|e| CliError::stream("stdout", &e));
        };
        let write = file.write_all(text.as_bytes()).and_then(|()| file.flush());
        write.map_err(|e| CliError::file("write", &self.path, &e))
    }
}

/// Whether a report's path means standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}
