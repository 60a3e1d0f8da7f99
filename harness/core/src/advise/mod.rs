//! Which sync is missing: a violation is explored again with one further sync at each place of the subject's
//! source in turn, the cheapest first, until one removes it. Then the next sync of the same file or
//! directory is left out: where that does no harm, moving it is enough.
//!
//! The subject runs unchanged: a [`Plan`] sits between it and its file system.

mod audit;
mod edited;
mod plan;
mod site;
mod vfs;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use audit::{Audited, Job, Judgement, audit};
pub(crate) use edited::Edited;
pub use plan::{Addition, Edit, Entry, Place, Plan, Target};
pub use site::{Action, Site};
pub(crate) use vfs::EditedVfs;

use crate::explore::{Exploration, Settings};
use crate::report::Violation;
use crate::subject::{AnySubject, LineError};

/// Recoveries that the search for advice on one violation may take.
const RECOVERIES_MAX: u64 = 300_000;

/// What would have prevented a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The further sync.
    pub add: Addition,
    /// A file or directory that it concerned.
    pub path: String,
    /// The call that came next after that place.
    pub next: Option<Site>,
    /// The sync that is not needed any more then.
    pub instead_of: Option<Site>,
    /// Syncs that the further one costs in the workload.
    pub cost: i64,
    /// Whether nothing at all is wrong with the workload then; else another violation is.
    pub removes_all: bool,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Addition { site, place, target } = self.add;
        let what = match target {
            Target::File => "the file",
            Target::Dir => "the directory",
        };
        let word = if place == Place::After { "after" } else { "before" };
        write!(f, "sync {what} {word} the {site} ({})", self.path)?;
        if let (Place::After, Some(next)) = (place, self.next) {
            write!(f, ", before the {next}")?;
        }
        match self.instead_of {
            Some(from) => write!(f, ", instead of the {from}")?,
            None if self.cost == 0 => write!(f, ": no more syncs but in recovery")?,
            None => write!(f, ": {} more in this workload", count(self.cost, "sync"))?,
        }
        if self.removes_all { Ok(()) } else { write!(f, "; it removes this violation, another one remains") }
    }
}

fn count(n: i64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Explores with changes.
fn explore(
    subject: &dyn AnySubject,
    lines: &[String],
    settings: &Settings,
    edits: Vec<Edit>,
) -> Result<Exploration, LineError> {
    subject.explore_with(lines, settings, &Arc::new(Plan::new(edits)))
}

/// Looks for the cheapest single sync that removes a violation of this workload. A sync that the subject makes
/// is called needless only if that holds for the workload `wider`, too: the one that the violation was found
/// with, before shrinking. Where calls fail there is no advice: a further sync may be the one that fails.
pub fn advise(
    subject: &dyn AnySubject,
    lines: &[String],
    wider: &[String],
    settings: &Settings,
    violation: &Violation,
) -> Result<Option<Advice>, LineError> {
    if !settings.faults.is_empty() {
        return Ok(None);
    }
    let plan = Arc::new(Plan::logging(Vec::new()));
    subject.run_plainly(lines, &plan)?;
    let (log, calls) = (plan.entries(), plan.workload().0);
    let mut candidates = Vec::new();
    for (addition, index) in additions(&log) {
        let plan = Arc::new(Plan::new(vec![Edit::Add(addition)]));
        subject.run_plainly(lines, &plan)?;
        candidates.push((plan.cost(), index, addition, plan.workload().1));
    }
    candidates.sort();
    let settings = &Settings { progress: None, ..settings.clone() };
    let mut recoveries = 0;
    let mut second_best = None;
    for (_, index, add, cost) in candidates {
        if recoveries > RECOVERIES_MAX {
            break;
        }
        let explored = explore(subject, lines, settings, vec![Edit::Add(add)])?;
        recoveries += explored.recoveries;
        let held = holds(&explored);
        let gone = held || explored.violations.iter().all(|v| v.cause() != violation.cause());
        if !gone || (!held && (second_best.is_some() || !got_further(&explored, violation))) {
            continue;
        }
        let path = log[index].path.display().to_string().trim_start_matches('/').to_string();
        let next = log[index + 1..calls.min(log.len()).max(index + 1)].first().map(|entry| entry.site);
        let mut advice = Advice { add, path, next, instead_of: None, cost, removes_all: held };
        if !held {
            second_best = Some(advice);
            continue;
        }
        if let Some(from) = next_sync(add.target, &log[index..calls.min(log.len()).max(index)]) {
            let edits = vec![Edit::Add(add), Edit::Drop(from)];
            let needless = holds(&explore(subject, lines, settings, edits.clone())?)
                && holds(&explore(subject, wider, settings, edits)?);
            advice.instead_of = needless.then_some(from);
        }
        return Ok(Some(advice));
    }
    Ok(second_best)
}

/// Whether nothing is wrong.
fn holds(explored: &Exploration) -> bool {
    explored.violations.is_empty() && explored.internal_error.is_none() && explored.unexplored == 0
}

/// Whether what is still wrong is wrong later.
fn got_further(explored: &Exploration, violation: &Violation) -> bool {
    explored.internal_error.is_none()
        && explored.violations.iter().all(|v| v.crash_point > violation.crash_point + 1)
}

/// The places where a further sync may help, each with the first call there.
fn additions(log: &[Entry]) -> Vec<(Addition, usize)> {
    let mut first: BTreeMap<Addition, usize> = BTreeMap::new();
    for (index, Entry { site, .. }) in log.iter().enumerate() {
        let places: &[(Place, Target)] = match site.action {
            action if action.is_content() => &[(Place::After, Target::File)],
            Action::Rename => &[
                (Place::Before, Target::File),
                (Place::Before, Target::Dir),
                (Place::After, Target::File),
                (Place::After, Target::Dir),
            ],
            Action::Remove | Action::RemoveDir => {
                &[(Place::Before, Target::Dir), (Place::After, Target::Dir)]
            }
            Action::Create | Action::CreateDir | Action::Link => &[(Place::After, Target::Dir)],
            _ => &[],
        };
        for &(place, target) in places {
            first.entry(Addition { site: *site, place, target }).or_insert(index);
        }
    }
    first.into_iter().collect()
}

/// The next sync of the same file or directory: the one that moving up may be enough of.
fn next_sync(target: Target, behind: &[Entry]) -> Option<Site> {
    let about = &behind.first()?.path;
    let (kind, about) = match target {
        Target::File => (Action::SyncFile, about.as_path()),
        Target::Dir => (Action::SyncDir, about.parent()?),
    };
    behind.iter().find(|entry| entry.site.action == kind && entry.path == about).map(|entry| entry.site)
}
