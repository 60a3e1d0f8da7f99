//! The unplug binary: the command line over this crate's subjects and suite.

use std::process::ExitCode;

fn main() -> ExitCode {
    unplug_cli::main(unplug_scenarios::registry())
}
