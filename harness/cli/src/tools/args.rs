//! The grammar of the tools.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// Print files piece by piece: each header, record and entry, with its offset and its verdict
    ///
    /// In front of a piece stands nothing if replay believes it, `stop` where replay stops, `behind` for what
    /// verifies behind that, `bad` for what does not. Damage is shown in bytes, too. The exit code is 0
    /// whatever the files hold.
    Dump {
        /// Files of a store, or text logs and snapshots
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Read the files in this format, instead of the one that takes most of them
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// Write the pieces as JSON (`-`: to stdout)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Check a store that nobody has open, on behind damage
    ///
    /// The exit code is 0 if the store is sound, or its log's end torn as a crash leaves it; 100 if it is
    /// damaged; 3 if it cannot be read. Nothing is written.
    Verify {
        /// The store's directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Write the findings as JSON (`-`: to stdout)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Save what can be proved of a damaged store in a new one; list what was dropped, and why
    ///
    /// The damaged store is only read. The new one appears when it is whole and has been read back. The exit
    /// code is 0 if it was written, whatever had to be dropped.
    Salvage {
        /// The damaged store's directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Where the new store goes: a new or empty directory
        #[arg(value_name = "OUT")]
        out: PathBuf,
        /// Take records that verify behind damage, too: each was written so, but the state as a whole may
        /// never have been
        #[arg(long)]
        behind_damage: bool,
        /// Write the report as JSON (`-`: to stdout)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Make a store of text logs and snapshots (KVSTORE_LOG_V1)
    ///
    /// Several files are taken one behind the other: a snapshot, then the log behind it. Reading a file stops at
    /// its first bad line; then the store holds what came before, what was left out is listed, and the exit
    /// code is 100.
    Import {
        /// Text files, in order
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where the new store goes: a new or empty directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Read the files in this format, instead of the one that takes most of them
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// Write the report as JSON (`-`: to stdout)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Write a store's state as a text log or snapshot (KVSTORE_LOG_V1)
    Export {
        /// The store's directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The new file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Format of the file [default: kvstore-v1, a log; kvstore-v4-snapshot is the other]
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// Write the report as JSON (`-`: to stdout)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
}
