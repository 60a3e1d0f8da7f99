//! The unplug command line as a library: anybody's binary gets the whole of it for his own subjects.
//!
//! A [`Registry`] holds the program's subjects, planted bugs, scenarios and replayer; [`main`] does the rest.
//! This is a whole program (`examples/own_binary.rs`):
//!
//! ```no_run
#![doc = include_str!("../examples/own_binary.rs")]
//! ```

mod args;
mod audit;
mod bar;
mod error;
pub mod exit;
mod fuzz;
mod interrupt;
pub mod kill;
mod list;
mod observed;
mod output;
mod registry;
pub mod replay;
mod repro;
mod run;
mod select;
mod suggest;
pub mod tools;

use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command};
use error::CliError;
pub use registry::{Impossible, PlantedBug, Registry};

/// Runs the command line of the process. The exit code is one of [`exit`].
pub fn main(registry: Registry) -> ExitCode {
    ExitCode::from(run(&registry, std::env::args_os()))
}

/// Runs a command line, the program's name first. Returns one of the codes of [`exit`].
pub fn run(registry: &Registry, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    match catch_unwind(AssertUnwindSafe(|| dispatch(registry, &arguments))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            report_error(&error);
            error.code
        }
        // The panic's message is out already.
        Err(_) => exit::INTERNAL,
    }
}

/// One line on stderr. Nobody can be told if that fails.
pub(crate) fn report_error(error: &CliError) {
    if !error.is_quiet() {
        let _ = writeln!(std::io::stderr(), "error: {error}");
    }
}

fn dispatch(registry: &Registry, arguments: &[OsString]) -> Result<u8, CliError> {
    let program = arguments.first().and_then(|path| Path::new(path).file_name());
    let program = program.map_or(registry.name.to_string(), |name| name.to_string_lossy().into_owned());
    let command = Cli::command().name(registry.name).bin_name(&program).version(registry.version);
    let parsed = command.try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let stream = if error.use_stderr() { "stderr" } else { "stdout" };
            error.print().map_err(|e| CliError::stream(stream, &e))?;
            return Ok(if error.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    match &cli.command {
        None => run::run(registry, &[], &cli.run, &cli.common, &program),
        Some(Command::Run { names, flags }) => run::run(registry, names, flags, &cli.common, &program),
        Some(Command::Replay { paths, json }) => {
            replay::replay(registry, paths, json.as_deref(), &cli.common)
        }
        Some(Command::Repro { evidence, out, scenario, model, jobs }) => {
            let request = repro::Request {
                evidence,
                out: out.as_deref(),
                scenario: scenario.as_deref(),
                model: model.as_deref(),
                jobs: *jobs,
            };
            repro::repro(registry, &request, &cli.common)
        }
        Some(Command::Observed { files, model, json, jobs }) => {
            let request = observed::Request { files, models: model, json: json.as_deref(), jobs: *jobs };
            observed::observed(&request, registry.version, &cli.common)
        }
        Some(Command::Tool(command)) => tools::run(registry, command, &cli.common),
        Some(Command::Kill(flags)) => kill::kill(registry, flags, &cli.common),
        Some(Command::KillChild(flags)) => kill::child(registry, flags),
        Some(Command::Fuzz(flags)) => fuzz::fuzz(registry, flags, &cli.common, &program),
        Some(Command::Audit(flags)) => audit::audit(registry, flags, &cli.common),
        Some(Command::List { what }) => list::list(registry, what, &cli.common).map(|()| exit::OK),
    }
}
