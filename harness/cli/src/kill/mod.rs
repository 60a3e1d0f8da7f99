//! `kill`: a process that writes is killed, again and again, on a real directory; each time the store is opened
//! again and must hold a state between the last operation that was acknowledged as durable and the last one
//! issued.
//!
//! The process is this program itself, under a hidden command. It draws its operations from the seed, as the
//! parent does, and says on its standard output when one is issued and how it ended. What the kernel's cache
//! holds survives a kill: a missing sync does not show here, but in `run`.

mod args;
mod check;
mod child;
mod draw;
mod moment;
mod process;
mod session;
mod tell;
mod words;

use std::path::Path;
use std::time::Instant;

use unplug::subject::Subject;

use crate::args::CommonFlags;
use crate::error::CliError;
use crate::exit;
use crate::interrupt;
use crate::output::{Out, ReportFile, is_stdout};
use crate::registry::Registry;
use crate::suggest::suggest;
pub(crate) use args::{ChildFlags, KillFlags};
pub(crate) use check::AnyVictim;
pub use draw::Draw;

/// A store that `kill` can write to and kill: a subject and a random workload for it.
pub trait Victim: Send + Sync {
    /// The store.
    type Subject: Subject;

    /// The store for the time up to the next kill, its options drawn; with a planted bug perhaps. The error says
    /// why that bug cannot be switched on. All of them share one directory, one behind the other.
    fn subject(&self, draw: &mut Draw, bug: Option<&str>) -> Result<Self::Subject, String>;

    /// The next operation.
    fn operation(&self, draw: &mut Draw) -> <Self::Subject as Subject>::Op;

    /// Whether an operation does so much that many kills should fall into it. None by default.
    fn is_heavy(&self, op: &<Self::Subject as Subject>::Op) -> bool {
        let _ = op;
        false
    }
}

impl Registry {
    /// Sets what `kill` kills.
    #[must_use]
    pub fn victim(mut self, victim: impl Victim + 'static) -> Registry {
        self.victim = Some(Box::new(victim));
        self
    }
}

fn victim<'r>(registry: &'r Registry, bug: Option<&str>) -> Result<&'r dyn AnyVictim, CliError> {
    let Some(victim) = registry.victim.as_deref() else {
        return Err(CliError::usage("this program has no store to kill"));
    };
    if let Some(bug) = bug {
        let ids = || registry.bugs.iter().map(|known| known.id);
        if !ids().any(|id| id == bug) {
            let hint = suggest(bug, ids());
            return Err(CliError::usage(format!("--bug {bug}: there is no such planted bug{hint}")));
        }
        victim.check_bug(bug).map_err(|why| CliError::usage(format!("--bug {bug}: {why}")))?;
    }
    Ok(victim)
}

/// Runs the command; returns the exit code.
pub(crate) fn kill(registry: &Registry, flags: &KillFlags, common: &CommonFlags) -> Result<u8, CliError> {
    let victim = victim(registry, flags.bug.as_deref())?;
    let json_file = flags.json.as_deref().map(ReportFile::open).transpose()?;
    let place = session::Place::claim(&flags.dir)?;
    let interrupted = interrupt::flag()?;
    let mut out = Out::new(flags.json.as_deref().is_some_and(is_stdout), common.color);
    if !common.quiet {
        out.line(format!("seed {}", flags.seed))?;
    }
    let started = Instant::now();
    let request = session::Request {
        seed: flags.seed,
        bug: flags.bug.as_deref(),
        deadline: started + flags.budget,
        kills_max: flags.kills,
        interrupted: &interrupted,
    };
    let bar = tell::Bar::new(flags.budget, common.quiet);
    let outcome = session::run(victim, &place, &request, |totals| bar.show(totals));
    bar.finish();
    let mut report = outcome?;
    report.seconds = started.elapsed().as_secs_f64();
    let held = report.violation.is_none();
    if held {
        place.clean()?;
    }
    tell::summary(&report, &place, registry.toolbox.is_some(), common.quiet, &mut out)?;
    out.finish()?;
    if let Some(file) = json_file {
        let text = serde_json::to_string_pretty(&tell::Json::new(registry.version, flags, &report));
        let text = text.map_err(|e| CliError::internal(format!("failed to build the report: {e}")))?;
        file.write(&(text + "\n"))?;
    }
    Ok(match held {
        true => exit::OK,
        false => exit::UNEXPECTED,
    })
}

/// What the killed process runs. It ends in order only if something is wrong.
pub(crate) fn child(registry: &Registry, flags: &ChildFlags) -> Result<u8, CliError> {
    let victim = victim(registry, flags.bug.as_deref())?;
    let dir: &Path = &flags.dir;
    victim.run(dir, flags.seed, flags.round, flags.bug.as_deref());
    Ok(exit::OK)
}
