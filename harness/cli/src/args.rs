//! The command line's grammar.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use unplug::fault::Rule;
use unplug::report::Shard;

const AFTER_HELP: &str = "Exit codes:
  0    everything ended as declared
  1    internal error
  2    usage: a wrong option, scenario, report or token
  3    a file or disk that cannot be read or written
  4    nothing selected
  5    a budget, a limit or ^C ended the work before it was done
  100  an unexpected verdict, a fixture mismatch, a reproduced violation";

/// Pulls the plug on a store at every instant, in every way a disk and a file system allow, and checks what
/// comes back.
///
/// Without a command: `run`, the whole suite.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunFlags,
    #[command(flatten)]
    pub common: CommonFlags,
}

#[derive(Debug, Args)]
pub(crate) struct CommonFlags {
    /// Colour the output
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: Color,
    /// Tell only what is unexpected
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell the story of expected violations too
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios: crash a store everywhere and check what it recovers
    Run {
        /// Names, globs (`wal-*`), or paths of scenario files; none: the whole suite
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        flags: RunFlags,
    },
    /// Replay logs, snapshots and store directories; say where each stops, why, and what was kept
    Replay {
        /// Files or directories
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Write the readings as JSON (`-`: to stdout)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Show a violation again, from its token or from a JSON report
    Repro {
        /// A token, or a report that `run --json` wrote
        #[arg(value_name = "FILE|TOKEN")]
        evidence: String,
        /// Write the files that the crash left into this empty directory
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// The scenario's file, if it is not part of the suite
        #[arg(long, value_name = "FILE")]
        scenario: Option<PathBuf>,
        /// The model's file, if it is not built in
        #[arg(long, value_name = "FILE")]
        model: Option<PathBuf>,
        /// Worker threads
        #[arg(long, value_name = "N", value_parser = at_least_one)]
        jobs: Option<usize>,
    },
    /// Hold what real file systems left after crashes against the models
    Observed {
        /// Files of recordings, one workload a line
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Persistence model; may be repeated; `all`: every built-in one. Default: the file system's own, and
        /// posix
        #[arg(long, value_name = "MODEL")]
        model: Vec<String>,
        /// Write a JSON report (`-`: to stdout)
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Worker threads; no result depends on it. Default: one per core
        #[arg(long, value_name = "N", value_parser = at_least_one)]
        jobs: Option<usize>,
    },
    #[command(flatten)]
    Tool(crate::tools::ToolCommand),
    /// Kill a writing process on a real directory, again and again, and check what it left
    ///
    /// Each time the store is opened again, and must hold a state between the last operation that was
    /// acknowledged as durable and the last one issued. What the kernel's cache holds survives a kill: a missing
    /// sync shows in `run`, not here. Operations and moments are drawn from the seed; where exactly a kill falls
    /// is the kernel's doing. Ends with 100 if something is found, and else with 0 when the time is over or
    /// on ^C.
    Kill(crate::kill::KillFlags),
    #[command(hide = true)]
    KillChild(crate::kill::ChildFlags),
    /// Explore random workloads; shrink what goes wrong and name the sync that is missing
    ///
    /// Ends when the budget or the number of cases is reached, or on ^C, with 0 if all was well and 100 if not;
    /// with --bug the other way round. Without any bound it goes on until ^C.
    Fuzz(crate::fuzz::FuzzFlags),
    /// Leave out each of a store's syncs in turn, and tell which are load-bearing and which redundant
    Audit(crate::audit::AuditFlags),
    /// List scenarios, planted bugs, subjects and models
    List {
        /// What to list; none: everything
        what: Vec<Listing>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    Scenarios,
    Bugs,
    Subjects,
    Models,
}

#[derive(Debug, Args)]
pub(crate) struct RunFlags {
    /// Persistence model; may be repeated; `all`: every model that a scenario declares. One that it does not
    /// declare runs too if the scenario is given by its own name or path and should hold. Default: posix, or
    /// all that a scenario declares if posix is not among them
    #[arg(long, value_name = "MODEL")]
    pub model: Vec<String>,
    /// Seed of everything random
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = seed)]
    pub seed: u64,
    /// Stop after this time (`500ms`, `60s`, `5m`, `1h`)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub budget: Option<Duration>,
    /// Switch a planted bug on in the named scenarios; without names: run the bug's own scenario
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// Worker threads; no result depends on it. Default: one per core
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub jobs: Option<usize>,
    /// Have calls fail, in addition to what the scenario says (`sync_data wal-* #3 -> EIO`); may be repeated
    #[arg(long, value_name = "RULE")]
    pub fault: Vec<Rule>,
    /// Have each call fail in turn, in each way that it can, in the workload and in the recovery after it; without
    /// names, in the scenarios that are sweeps (without this flag they try one or two errors a call)
    #[arg(long)]
    pub sweep: bool,
    /// Crashes in a row, instead of what the scenario says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub depth: Option<u32>,
    /// Kill the process too, at every call, and cut the power to its successor, whatever the scenario says
    #[arg(long, conflicts_with = "sweep")]
    pub kill: bool,
    /// Take only part I of N of the crash points, I from 1
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = shard)]
    pub shard: Shard,
    /// Write a JSON report (`-`: to stdout)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a JUnit report (`-`: to stdout)
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or("expected a whole number from 1 up".into())
}

pub(crate) fn seed(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| "expected a whole number of 64 bits, decimal or 0x…".into())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(|b| b.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let millis = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms)).filter(|ms| *ms > 0);
    millis.map(Duration::from_millis).ok_or("expected a time such as 500ms, 60s, 5m or 1h".into())
}

fn shard(text: &str) -> Result<Shard, String> {
    let parse = || {
        let (index, count) = text.split_once('/')?;
        let shard = Shard { index: index.parse().ok()?, count: count.parse().ok()? };
        (1..=shard.count).contains(&shard.index).then_some(shard)
    };
    parse().ok_or("expected I/N, I from 1 to N, for example 2/4".into())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_shards_and_seeds_are_read() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(shard("2/4"), Ok(Shard { index: 2, count: 4 }));
        assert_eq!(seed("0xff"), Ok(255));
        for bad in ["", "s", "0s", "5 s", "5d", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "1", "0/4", "5/4", "1/0", "a/b", "1/2/3"] {
            assert!(shard(bad).is_err(), "{bad}");
        }
        assert!(seed("-1").is_err() && seed("0x").is_err());
    }

    #[test]
    fn no_command_takes_the_flags_of_run() {
        let cli = Cli::parse_from(["unplug", "--seed", "7", "-q"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.run.seed, 7);
        assert!(cli.common.quiet);
        assert!(Cli::try_parse_from(["unplug", "append"]).is_err());
    }
}
