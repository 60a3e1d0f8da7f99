//! What ends a command early.

use std::fmt;
use std::io;
use std::path::Path;

use crate::exit;

/// A message for one line of stderr, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CliError {
    pub code: u8,
    message: String,
}

impl CliError {
    pub fn usage(message: impl Into<String>) -> CliError {
        CliError { code: exit::USAGE, message: message.into() }
    }

    pub fn environment(message: impl Into<String>) -> CliError {
        CliError { code: exit::ENVIRONMENT, message: message.into() }
    }

    /// A mistake of this program, to be told to its makers.
    pub fn internal(message: impl Into<String>) -> CliError {
        let message = message.into();
        CliError { code: exit::INTERNAL, message: format!("internal: {message}; please report this") }
    }

    pub fn nothing(message: impl Into<String>) -> CliError {
        CliError { code: exit::NOTHING_SELECTED, message: message.into() }
    }

    /// `what` failed on a file; `verb` as in "failed to read".
    pub fn file(verb: &str, path: &Path, error: &io::Error) -> CliError {
        CliError::environment(format!("failed to {verb} {}: {}", path.display(), cause(error)))
    }

    /// Standard output or error could not be written. A reader that went away is no news to anybody.
    pub fn stream(name: &str, error: &io::Error) -> CliError {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return CliError::environment("");
        }
        CliError::environment(format!("failed to write to {name}: {}", cause(error)))
    }

    /// Whether there is nothing to say.
    pub fn is_quiet(&self) -> bool {
        self.message.is_empty()
    }
}

/// The operating system's words without its number.
pub(crate) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => error.kind().to_string(),
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
