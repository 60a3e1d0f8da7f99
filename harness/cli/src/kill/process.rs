//! Starting the process, listening to it, killing it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::moment::{Moment, Pace};
use super::words::{Told, Word};
use crate::error::CliError;

/// A process that says nothing for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often an interruption is looked for.
const POLL: Duration = Duration::from_millis(100);
/// What `kill` sends.
const SIGKILL: i32 = 9;

/// How the process ended.
pub(super) enum End {
    /// By the kill.
    Killed(Told),
    /// Of itself, or not at all.
    Otherwise(Told, String),
    /// The user wants no more.
    Interrupted,
}

/// What to run.
pub(super) struct Run<'a> {
    pub live: &'a Path,
    pub stderr: &'a Path,
    pub seed: u64,
    pub round: u64,
    pub bug: Option<&'a str>,
}

/// Runs the process up to the moment and kills it.
pub(super) fn run_and_kill(
    run: &Run<'_>,
    moment: Moment,
    pace: &mut Pace,
    interrupted: &AtomicBool,
) -> Result<End, CliError> {
    let mut child = start(run)?;
    let words = listen(&mut child)?;
    let mut told = Told::default();
    let mut heard_at = Instant::now();
    let reached = |told: &Told| match moment.done {
        0 => told.opening || told.opened > 0,
        done => told.done >= done,
    };
    pace.begin();
    let mut verdict = None;
    loop {
        match words.recv_timeout(POLL) {
            Ok(word) => {
                heard_at = Instant::now();
                pace.heard(&word, heard_at);
                told.add(word);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if interrupted.load(Ordering::Relaxed) => {
                verdict = Some(End::Interrupted);
                break;
            }
            Err(RecvTimeoutError::Timeout) if heard_at.elapsed() > SILENCE_MAX => {
                let why = format!("the process hangs: not a word for {} s", SILENCE_MAX.as_secs());
                verdict = Some(End::Otherwise(told.clone(), why));
                break;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if reached(&told) {
            std::thread::sleep(moment.delay(pace));
            break;
        }
    }
    // It may be dead already, and then this does nothing.
    let _ = child.kill();
    let status =
        child.wait().map_err(|e| CliError::environment(format!("failed to wait for a process: {e}")))?;
    // What the process had said before it died is still on its way.
    while let Ok(word) = words.recv() {
        told.add(word);
    }
    if let Some(verdict) = verdict {
        return Ok(verdict);
    }
    Ok(match &told.failed {
        Some(why) => End::Otherwise(told.clone(), why.clone()),
        None if status.signal() == Some(SIGKILL) => End::Killed(told),
        // A second ^C, or the like.
        None if interrupted.load(Ordering::Relaxed) => End::Interrupted,
        None => End::Otherwise(told, died(status, run.stderr)),
    })
}

fn start(run: &Run<'_>) -> Result<Child, CliError> {
    let program = std::env::current_exe();
    let program = program.map_err(|e| CliError::environment(format!("failed to find this program: {e}")))?;
    let stderr = File::create(run.stderr).map_err(|e| CliError::file("create", run.stderr, &e))?;
    let mut command = Command::new(&program);
    command.arg("kill-child").arg(run.live);
    command.args(["--seed", &run.seed.to_string(), "--round", &run.round.to_string()]);
    if let Some(bug) = run.bug {
        command.args(["--bug", bug]);
    }
    // A group of its own: ^C is for the parent, which then knows that it killed nobody.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    command.spawn().map_err(|e| CliError::file("start", &program, &e))
}

fn listen(child: &mut Child) -> Result<Receiver<Word>, CliError> {
    let stdout = child.stdout.take().ok_or_else(|| CliError::internal("a process without its pipe"))?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout);
        let mut line = String::new();
        // A line without its end was cut by the kill.
        while lines.read_line(&mut line).is_ok_and(|n| n > 0) && line.ends_with('\n') {
            if let Some(word) = Word::parse(line.trim_end())
                && sender.send(word).is_err()
            {
                return;
            }
            line.clear();
        }
    });
    Ok(receiver)
}

/// How a process died that nobody killed, with the last thing that it said of it.
fn died(status: ExitStatus, stderr: &Path) -> String {
    let said = fs::read_to_string(stderr).unwrap_or_default();
    let said =
        said.lines().find(|line| line.contains("panicked")).or(said.lines().next()).unwrap_or_default();
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "in an unknown way".to_string(),
    };
    match said {
        "" => format!("the process ended of itself, {how}"),
        said => format!("the process ended of itself, {how}: {said}"),
    }
}
