//! The grammar of `kill`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::args::{at_least_one, duration, seed};

#[derive(Debug, Args)]
pub(crate) struct KillFlags {
    /// A new or empty directory, on the disk to try; emptied again unless something is found
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Stop after this time (`500ms`, `60s`, `5m`, `1h`)
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub budget: Duration,
    /// Stop after so many kills
    #[arg(long, value_name = "N", value_parser = kills)]
    pub kills: Option<u64>,
    /// Switch a planted bug on
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// Seed of the operations, the store's options and the moments of the kills
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = seed)]
    pub seed: u64,
    /// Write a JSON report (`-`: to stdout)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

fn kills(text: &str) -> Result<u64, String> {
    at_least_one(text).map(|n| n as u64)
}

/// What the parent tells the process that it will kill.
#[derive(Debug, Args)]
pub(crate) struct ChildFlags {
    pub dir: PathBuf,
    #[arg(long)]
    pub seed: u64,
    #[arg(long)]
    pub round: u64,
    #[arg(long)]
    pub bug: Option<String>,
}
