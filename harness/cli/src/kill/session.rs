//! Kill after kill in one directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::check::{AnyVictim, Violation};
use super::draw::{Draw, Stream};
use super::moment::{Moment, Pace};
use super::process::{End, Run, run_and_kill};
use crate::error::CliError;

/// The directories in use.
pub(super) struct Place {
    dir: PathBuf,
    created: bool,
}

impl Place {
    /// Takes a new or empty directory.
    pub(super) fn claim(dir: &Path) -> Result<Place, CliError> {
        let created = match fs::read_dir(dir) {
            Ok(mut entries) => match entries.next() {
                None => false,
                Some(_) => {
                    let dir = dir.display();
                    return Err(CliError::usage(format!(
                        "{dir} is not empty: name a new or empty directory"
                    )));
                }
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(dir).map_err(|e| CliError::file("create", dir, &e))?;
                true
            }
            Err(e) => return Err(CliError::file("use", dir, &e)),
        };
        let place = Place { dir: dir.to_path_buf(), created };
        fs::create_dir(place.live()).map_err(|e| CliError::file("create", &place.live(), &e))?;
        Ok(place)
    }

    /// The root of the store that is killed.
    pub(super) fn live(&self) -> PathBuf {
        self.dir.join("live")
    }

    /// What the last kill left, before anybody opened it.
    pub(super) fn killed(&self) -> PathBuf {
        self.dir.join("killed")
    }

    fn stderr(&self) -> PathBuf {
        self.dir.join("stderr")
    }

    /// Keeps what a kill left, since opening the store changes it.
    fn keep(&self) -> Result<(), CliError> {
        let killed = self.killed();
        remove(&killed)?;
        copy(&self.live(), &killed).map_err(|e| CliError::file("copy", &self.live(), &e))
    }

    /// Removes everything.
    pub(super) fn clean(&self) -> Result<(), CliError> {
        remove(&self.live())?;
        remove(&self.killed())?;
        remove(&self.stderr())?;
        if self.created {
            fs::remove_dir(&self.dir).map_err(|e| CliError::file("remove", &self.dir, &e))?;
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), CliError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    };
    removed.map_err(|e| CliError::file("remove", path, &e))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => drop(fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}

/// What to do, and until when.
pub(super) struct Request<'a> {
    pub seed: u64,
    pub bug: Option<&'a str>,
    pub deadline: Instant,
    pub kills_max: Option<u64>,
    pub interrupted: &'a AtomicBool,
}

/// What the kills came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub kills: u64,
    /// Kills while the store was being opened.
    pub opening: u64,
    /// Kills while an operation was under way.
    pub under_way: u64,
    /// Those of them after which that operation had taken effect.
    pub applied: u64,
    /// Operations that took effect.
    pub operations: u64,
    pub seconds: f64,
    pub interrupted: bool,
    pub violation: Option<Violation>,
}

/// Kills until the end, or until something is found.
pub(super) fn run(
    victim: &dyn AnyVictim,
    place: &Place,
    request: &Request<'_>,
    progress: impl Fn(&Totals),
) -> Result<Totals, CliError> {
    let live = place.live();
    let begin = victim.begin(&live, request.seed, request.bug);
    let mut check = begin
        .map_err(|why| CliError::environment(format!("failed to begin in {}: {why}", live.display())))?;
    let mut totals = Totals::default();
    let mut pace = Pace::new();
    let more = |totals: &Totals| {
        request.kills_max.is_none_or(|max| totals.kills < max) && Instant::now() < request.deadline
    };
    for round in 1.. {
        if request.interrupted.load(Ordering::Relaxed) {
            totals.interrupted = true;
        }
        if totals.interrupted || !more(&totals) {
            break;
        }
        let heavy_after = |after| victim.heavy_after(request.seed, round, after);
        let moment = Moment::draw(&mut Draw::new(request.seed, round, Stream::Moment), heavy_after);
        let stderr = place.stderr();
        let run = Run { live: &live, stderr: &stderr, seed: request.seed, round, bug: request.bug };
        let (told, ended) = match run_and_kill(&run, moment, &mut pace, request.interrupted)? {
            End::Interrupted => continue,
            End::Killed(told) => (told, None),
            End::Otherwise(told, why) => (told, Some(why)),
        };
        place.keep()?;
        if let Some(why) = ended {
            // A full disk is nobody's mistake.
            if why.contains("no space left") {
                return Err(CliError::environment(format!("{}: {why}", live.display())));
            }
            totals.violation = Some(Violation::new("liveness", why));
            break;
        }
        totals.kills += 1;
        totals.operations += told.done;
        match check.after_kill(round, &told) {
            Ok(landed) => {
                let under_way = told.issued > told.done;
                totals.opening += u64::from(told.opening);
                totals.under_way += u64::from(under_way);
                totals.applied += u64::from(under_way && landed.operation == told.issued);
            }
            Err(violation) => {
                totals.violation = Some(violation);
                break;
            }
        }
        progress(&totals);
    }
    Ok(totals)
}
