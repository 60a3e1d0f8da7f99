//! What a program's own files are looked at, checked, saved and converted with: `dump`, `verify`, `salvage`,
//! `import`, `export`. The program brings a [`Toolbox`]; the commands are the same for everybody's.

mod args;
mod dump;
mod export;
mod hex;
mod import;
mod salvage;
mod text;
mod verify;

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::args::CommonFlags;
use crate::error::CliError;
use crate::registry::Registry;
use crate::replay::{Reading, Reason};
pub(crate) use args::ToolCommand;

/// Why a tool did nothing.
#[derive(Debug)]
pub enum ToolError {
    /// What was asked for cannot be: exit code 2. One line that says what, where, and what to do.
    Usage(String),
    /// A file or directory that cannot be read or written: exit code 3. One line as above.
    Environment(String),
}

impl ToolError {
    /// A call of the file system failed; `verb` as in "failed to read".
    pub fn io(verb: &str, path: &Path, error: &io::Error) -> ToolError {
        ToolError::Environment(CliError::file(verb, path, error).to_string())
    }
}

impl From<ToolError> for CliError {
    fn from(error: ToolError) -> CliError {
        match error {
            ToolError::Usage(message) => CliError::usage(message),
            ToolError::Environment(message) => CliError::environment(message),
        }
    }
}

/// What replay makes of a piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PieceVerdict {
    /// Believed.
    Good,
    /// Replay stops here.
    Stop,
    /// It verifies, but lies behind the stop: replay drops it.
    Behind,
    /// It does not verify, and lies behind the stop or behind the end.
    Bad,
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins.
    pub offset: u64,
    /// Where it ends.
    pub end: u64,
    /// What it is: `header`, `record`, `entry`, `footer`, `zeros`, `damage`, …
    pub kind: &'static str,
    /// What replay makes of it.
    pub verdict: PieceVerdict,
    /// Its numbers, by name; several of one name are a list.
    pub fields: Vec<(&'static str, u64)>,
    /// What it does: keys, with the value if one is put.
    pub ops: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// What is wrong with it.
    pub damage: Option<PieceDamage>,
}

/// What is wrong with a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceDamage {
    /// The kind of damage.
    pub reason: Reason,
    /// The same in words.
    pub detail: String,
    /// Where the bad bytes begin.
    pub bad_at: u64,
    /// How many places in a row are damaged like this.
    pub places: u64,
}

/// What became of a store's check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreVerdict {
    /// All that was written is there.
    Sound,
    /// The log's end is torn, as a crash leaves it; opening the store cuts it off, and loses no whole record.
    Torn,
    /// Something is lost or in doubt that a crash need not explain.
    Damaged,
}

/// A file of a store, and how it was found.
#[derive(Clone, Debug, Serialize)]
pub struct StoreFile {
    /// Its name.
    pub file: String,
    /// What it is there for: `manifest`, `snapshot`, `segment`, `leftover`, …
    pub role: &'static str,
    /// Whether it counts: the store does without leftovers.
    pub live: bool,
    /// What reading it gave.
    #[serde(flatten)]
    pub reading: Reading,
}

/// What a check of a store found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// The answer.
    pub verdict: StoreVerdict,
    /// Why, if not sound: what, where, what to do; a line each.
    pub reasons: Vec<String>,
    /// The store as a whole.
    pub store: Reading,
    /// Its files, by name.
    pub files: Vec<StoreFile>,
}

/// What a file gave to a new store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TakenFrom {
    /// The file.
    pub file: String,
    /// What of it, for people: `5 records`, …
    pub what: String,
    /// How many.
    pub count: u64,
    /// How many of them lie behind damage.
    pub behind_damage: u64,
}

/// What a file did not give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotTaken {
    /// The file; null where no file holds it.
    pub file: Option<String>,
    /// Where in it.
    pub offset: Option<u64>,
    /// The kind of damage, if it is that.
    pub reason: Option<Reason>,
    /// Why, in words.
    pub detail: String,
    /// Records or entries that verify and were not taken.
    pub records: u64,
}

/// What became of a salvage or an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Entries in the new store or file.
    pub entries: u64,
    /// The fingerprint of its state, as `replay` tells it.
    pub state_digest: String,
    /// What was taken, in order.
    pub taken: Vec<TakenFrom>,
    /// What was not, and why.
    pub not_taken: Vec<NotTaken>,
    /// Anything more, for people.
    pub notes: Vec<String>,
}

/// A program's own tools.
pub trait Toolbox: Send + Sync {
    /// The formats in which a file can be read, the likeliest first; never none.
    fn formats(&self, path: &Path) -> Result<Vec<String>, ToolError>;

    /// Hands out the pieces of a file in one of its formats, in order, until `each` breaks.
    fn dump(
        &self,
        path: &Path,
        format: &str,
        each: &mut dyn FnMut(Piece) -> ControlFlow<()>,
    ) -> Result<(), ToolError>;

    /// Checks a store that nobody has open. Damage is an answer, not an error.
    fn verify(&self, dir: &Path) -> Result<Verification, ToolError>;

    /// Writes what can be proved of the store in `dir` into a new store in `out`; with `behind_damage`, what
    /// verifies behind damage too.
    fn salvage(&self, dir: &Path, out: &Path, behind_damage: bool) -> Result<Transfer, ToolError>;

    /// Writes a new store in `dir` with what foreign files say, one after another, in this format or the
    /// likeliest.
    fn import(&self, files: &[PathBuf], dir: &Path, format: Option<&str>) -> Result<Transfer, ToolError>;

    /// The formats that [`export`](Toolbox::export) writes, the default first.
    fn export_formats(&self) -> &'static [&'static str];

    /// Writes a store's state into a new foreign file.
    fn export(&self, dir: &Path, file: &Path, format: &str) -> Result<Transfer, ToolError>;
}

impl Registry {
    /// Sets what `dump`, `verify`, `salvage`, `import` and `export` work with.
    #[must_use]
    pub fn toolbox(mut self, toolbox: impl Toolbox + 'static) -> Registry {
        self.toolbox = Some(Box::new(toolbox));
        self
    }
}

/// Runs one of the commands; returns the exit code.
pub(crate) fn run(registry: &Registry, command: &ToolCommand, common: &CommonFlags) -> Result<u8, CliError> {
    let Some(toolbox) = registry.toolbox.as_deref() else {
        return Err(CliError::usage("this program has no tools: it looks into no files"));
    };
    match command {
        ToolCommand::Dump { files, format, json } => {
            dump::dump(toolbox, files, format.as_deref(), json.as_deref(), common)
        }
        ToolCommand::Verify { dir, json } => verify::verify(toolbox, dir, json.as_deref(), common),
        ToolCommand::Salvage { dir, out, behind_damage, json } => {
            salvage::salvage(toolbox, dir, out, *behind_damage, json.as_deref(), common)
        }
        ToolCommand::Import { files, dir, format, json } => {
            import::import(toolbox, files, dir, format.as_deref(), json.as_deref(), common)
        }
        ToolCommand::Export { dir, file, format, json } => {
            export::export(toolbox, dir, file, format.as_deref(), json.as_deref(), common)
        }
    }
}
