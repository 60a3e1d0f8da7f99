//! Which of a subject's calls matter: each is left out, one place after the other, and what it was for shows in
//! what goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Action, Edit, Plan, Site, explore};
use crate::explore::Settings;
use crate::report::Violation;
use crate::subject::{AnySubject, LineError};
use crate::trace::Origin;

/// A workload that holds.
pub struct Job<'a> {
    /// Its name.
    pub name: &'a str,
    /// The subject.
    pub subject: &'a dyn AnySubject,
    /// The operations.
    pub lines: &'a [String],
    /// How to explore.
    pub settings: Settings,
}

/// What leaving a call out did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// This went wrong.
    LoadBearing {
        /// The workload that shows it.
        job: String,
        /// The violation.
        violation: Box<Violation>,
    },
    /// Nothing, in any state of any crash of the workloads.
    Redundant {
        /// Workloads that make the call.
        jobs: u64,
        /// Their crash points, all exhausted.
        crash_points: u64,
    },
    /// Nothing, but not all was explored.
    Unknown,
}

/// A place and what was found about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// The place.
    pub site: Site,
    /// The workload that the place is an operation of, if it is one.
    pub job: Option<String>,
    /// Calls that the workloads make there, recoveries from crashes apart.
    pub calls: u64,
    /// The judgement.
    pub judgement: Judgement,
}

/// One job's calls at a site.
struct Use {
    job: usize,
    recoveries: u64,
}

/// Audits the calls that `wanted` selects, of all jobs together, in the order of the source. `told` hears of
/// each as it is done.
pub fn audit(
    jobs: &[Job<'_>],
    wanted: &dyn Fn(Action) -> bool,
    told: &mut dyn FnMut(&Audited),
) -> Result<Vec<Audited>, LineError> {
    // Operations of the same number are not the same place in different workloads.
    let mut uses: BTreeMap<(Option<usize>, Site), (u64, Vec<Use>)> = BTreeMap::new();
    for (index, job) in jobs.iter().enumerate() {
        let log = Arc::new(Plan::logging(Vec::new()));
        job.subject.run_plainly(job.lines, &log)?;
        let plan = Arc::new(Plan::collecting(Vec::new()));
        let explored = job.subject.explore_with(job.lines, &job.settings, &plan)?;
        for site in plan.sites().into_iter().filter(|site| wanted(site.action)) {
            let own_job = matches!(site.origin, Origin::Operation(_)).then_some(index);
            let (calls, users) = uses.entry((own_job, site)).or_default();
            let own = log.entries()[..log.workload().0].iter().filter(|entry| entry.site == site).count();
            *calls += own as u64;
            users.push(Use { job: index, recoveries: explored.recoveries });
        }
    }
    let mut audited = Vec::new();
    for ((own_job, site), (calls, mut users)) in uses {
        // The cheapest first: most calls are needed soon.
        users.sort_by_key(|user| (user.recoveries, user.job));
        let judgement = judge(jobs, site, &users)?;
        let job = own_job.map(|index| jobs[index].name.to_string());
        let result = Audited { site, job, calls, judgement };
        told(&result);
        audited.push(result);
    }
    Ok(audited)
}

fn judge(jobs: &[Job<'_>], site: Site, users: &[Use]) -> Result<Judgement, LineError> {
    let (mut crash_points, mut complete) = (0, true);
    for user in users {
        let job = &jobs[user.job];
        let explored = explore(job.subject, job.lines, &job.settings, vec![Edit::Drop(site)])?;
        if let Some(violation) = explored.violations.into_iter().next() {
            let job = job.name.to_string();
            return Ok(Judgement::LoadBearing { job, violation: Box::new(violation) });
        }
        crash_points += explored.exhausted;
        complete &= explored.internal_error.is_none() && explored.exhausted == explored.crash_points;
    }
    let jobs = users.len() as u64;
    Ok(if complete { Judgement::Redundant { jobs, crash_points } } else { Judgement::Unknown })
}
