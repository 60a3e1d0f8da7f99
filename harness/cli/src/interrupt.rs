//! ^C: long work stops in order and tells what it has; a second one ends the program at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGINT;
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::error::CliError;

/// The exit code of a program that a second ^C ends: what shells use.
const INTERRUPTED: i32 = 130;

/// A flag that ^C sets from now on.
pub(crate) fn flag() -> Result<Arc<AtomicBool>, CliError> {
    let flag = Arc::new(AtomicBool::new(false));
    let fail = |e| CliError::environment(format!("failed to listen for ^C: {e}"));
    // In this order, so that the first ^C finds the flag unset.
    register_conditional_shutdown(SIGINT, INTERRUPTED, flag.clone()).map_err(fail)?;
    register(SIGINT, flag.clone()).map_err(fail)?;
    Ok(flag)
}
