//! The whole of it: run the workload, explore its crash points on all cores, report in canonical order.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::crash_point::{Coverage, Crashed, Explorer, Walk};
use super::crew::{Crew, Explored};
use super::process::{self, WorkloadRun};
use super::{
    CrashKind, CrashPoint, Evidence, Exploration, Reproduction, Settings, Step, crash_points, kill_points,
};
use crate::disk::{Chooser, CrashedLayer, Finished, Policy, Recording, SimDisk, World};
use crate::fault::{CallKind, Calls, Injector, Sweep, sweep};
use crate::model::{Persisted, count_states, log2_sum};
use crate::oracle::History;
use crate::subject::{Outcome, Subject};
use crate::trace::{Call, EventKind, Pos};

/// A workload that ran to its end, ready to be crashed.
pub(super) struct Prepared<S: Subject> {
    pub epilogue: Vec<Step<S::Op>>,
    pub run: WorkloadRun<S::State>,
    pub recording: Arc<Recording>,
    pub persisted: Arc<Persisted>,
    pub history: Arc<History<S::State>>,
    pub points: Vec<CrashPoint>,
    /// Faults that were injected.
    pub faults_fired: u64,
    /// Where in the trace the first of them happened.
    pub first_fault_at: Option<Pos>,
}

impl<S: Subject> Prepared<S> {
    /// Runs the workload.
    pub fn new(subject: &S, steps: &[Step<S::Op>], settings: &Settings) -> Prepared<S> {
        let calls_max = settings.calls_max.saturating_mul(1 + steps.len() as u64);
        let world = Arc::new(World::empty(settings.model.rules()));
        let disk = SimDisk::new(world, Default::default(), calls_max, Default::default());
        disk.inject(Injector::for_workload(&settings.faults));
        let run = process::run_workload(subject, &disk, steps);
        let Finished { recording, faults, .. } = disk.finish();
        let recording = Arc::new(recording);
        let persisted = Arc::new(Persisted::new(&settings.model, &recording));
        let returned =
            |(_, op, state): &(_, u32, S::State)| run.reopened.contains(op).then(|| (*op, state.clone()));
        let recoveries: Vec<(u32, S::State)> = run.reads.iter().filter_map(returned).collect();
        let initial = subject.initial_state();
        let outcomes = (steps, &run.outcomes[..]);
        let reopened = (&recoveries[..], &run.unclosed[..]);
        let history = History::seen(subject, initial, outcomes, reopened, &recording.trace, 0);
        let points = crash_points(&recording.trace, &persisted);
        let epilogue = subject.epilogue().into_iter().map(Step::Do).collect();
        Prepared {
            epilogue,
            run,
            recording,
            persisted,
            history: Arc::new(history),
            points,
            faults_fired: faults.fired().len() as u64,
            first_fault_at: faults.first_at(),
        }
    }

    /// The disk that a crash leaves.
    pub fn world(&self, point: CrashPoint) -> Arc<World> {
        let layer = CrashedLayer {
            recording: self.recording.clone(),
            persisted: self.persisted.clone(),
            at: point.at,
        };
        Arc::new(World::empty(self.recording.rules()).crash(layer, &[]))
    }

    pub fn crashed(&self, point: CrashPoint) -> Crashed<S::State> {
        let (first, at) = (point.first, point.at);
        Crashed { layer: 0, history: self.history.clone(), recovered_at: None, first, at }
    }
}

impl<S: Subject> Explorer<'_, S> {
    /// Explores a crash point of either kind.
    pub(super) fn point(&mut self, prepared: &Prepared<S>, point: CrashPoint) -> Walk<S::State> {
        if self.stopped() {
            return ControlFlow::Continue(());
        }
        match point.kind {
            CrashKind::PowerLoss => self.crash_point(&prepared.world(point), prepared.crashed(point)),
            CrashKind::Kill => self.kill_point(prepared, point),
        }
    }
}

/// Runs the workload on the simulated disk and explores every crash of it.
pub fn explore<S: Subject>(subject: &S, steps: &[Step<S::Op>], settings: &Settings) -> Exploration {
    if settings.sweep != Sweep::Off {
        return sweep(subject, steps, settings);
    }
    explore_part(subject, steps, settings, Part::Whole)
}

/// What of a workload to explore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All.
    Whole,
    /// The crashes behind the first fault: before it all is as without faults.
    BehindFaults,
}

pub(crate) fn explore_part<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
    part: Part,
) -> Exploration {
    let settings = &deep_enough(settings);
    let prepared = Prepared::new(subject, steps, settings);
    let mut report = Exploration { ops: steps.len() as u64, ..Exploration::default() };
    report.recoveries = prepared.run.opens;
    report.faults_fired = prepared.faults_fired;
    if let Some(violation) = super::finding::without_crash(subject, steps, settings, &prepared) {
        report.first_violation_recovery = Some(report.recoveries);
        report.states_exact = true;
        report.violations.push(violation);
        return report;
    }
    let is_known = |point: &CrashPoint| {
        part == Part::BehindFaults
            && !settings.has_recovery_faults()
            && prepared.first_fault_at.is_none_or(|first| point.at < first)
    };
    let mut power_losses = of_shard(settings, &prepared.points);
    power_losses.retain(|point| !is_known(point));
    let mut chosen = power_losses.clone();
    if settings.kills {
        chosen.extend(of_shard(settings, &kill_points(&prepared.recording.trace)));
        chosen.retain(|point| !is_known(point));
    }
    if let Some(progress) = &settings.progress {
        progress.started(chosen.len() as u64);
    }
    let results = explore_points(subject, settings, &prepared, &chosen, part);
    for result in results {
        report.crash_points += 1;
        report.recoveries += result.recoveries;
        report.faults_fired += result.faults_fired;
        match result.coverage {
            _ if result.found.is_some() => report.unexplored += 1,
            Coverage::Exhausted => report.exhausted += 1,
            Coverage::Probed => report.probed += 1,
            Coverage::Unexplored => report.unexplored += 1,
        }
        if let Some(found) = result.found {
            report.first_violation_recovery = Some(report.recoveries);
            match super::finding::confirm(subject, steps, settings, &prepared, &found) {
                Ok(violation) => report.violations.push(violation),
                Err(message) => report.internal_error = Some(message),
            }
        }
    }
    let left = chosen.len() as u64 - report.crash_points;
    report.crash_points += left;
    report.unexplored += left;
    let counts = count_states(&prepared.recording, &prepared.persisted, &power_losses);
    report.states_log2 = round(log2_sum(counts.iter().map(|c| c.log2)));
    report.states_log2_max = round(counts.iter().map(|c| c.log2).fold(0.0, f64::max));
    report.states_exact = counts.iter().all(|c| c.exact);
    report
}

/// What a recovery that met faults leaves shows in the next one.
fn deep_enough(settings: &Settings) -> Settings {
    let depth = if settings.has_recovery_faults() { settings.depth.max(2) } else { settings.depth };
    Settings { depth, ..settings.clone() }
}

/// All that the crashes of a workload depend on: its calls, whatever the errors of those that failed, the marks
/// between them, and what was read. Of two workloads that are equal in it only one needs to be explored.
#[derive(PartialEq, Eq)]
pub(crate) struct Behaviour<St> {
    calls: u64,
    reads: Vec<(Pos, u32, St)>,
    reopened: Vec<u32>,
    outcomes: Vec<std::mem::Discriminant<Outcome>>,
}

/// What a workload does; `None` if anything is wrong without a crash.
pub(crate) fn behaviour<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
) -> Option<Behaviour<S::State>> {
    let Prepared { run, recording, .. } = Prepared::new(subject, steps, settings);
    if run.broken.is_some() || run.wrong.is_some() {
        return None;
    }
    let trace = &recording.trace;
    let kinds = trace.events.iter().map(|event| match &event.kind {
        EventKind::Call(Call::Failed { sync, .. }) => format!("{sync:?}"),
        other => format!("{other:?}"),
    });
    let calls = super::finding::fingerprint_of(trace, kinds);
    let outcomes = run.outcomes.iter().map(std::mem::discriminant).collect();
    Some(Behaviour { calls, reads: run.reads, reopened: run.reopened, outcomes })
}

/// How often a workload makes each call, and how often a recovery after it and what follows does, at most.
pub(crate) fn calls_made<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
) -> (Calls, Calls) {
    let count = |seen: &[CallKind]| {
        let mut calls = Calls::new();
        seen.iter().for_each(|call| *calls.entry(*call).or_default() += 1);
        calls
    };
    let world = Arc::new(World::empty(settings.model.rules()));
    let disk = SimDisk::new(world, Default::default(), settings.calls_max, Default::default());
    disk.inject(Injector::for_workload(&settings.faults).watching());
    process::run_workload(subject, &disk, steps);
    let workload = count(disk.finish().faults.seen());

    let prepared = Prepared::new(subject, steps, settings);
    let mut recovery = Calls::new();
    for point in &prepared.points {
        for policy in [Policy::Newest, Policy::Oldest] {
            let mut chooser = Chooser::default();
            chooser.start(Vec::new(), policy);
            let world = prepared.world(*point);
            let disk = SimDisk::new(world, chooser, settings.calls_max, Default::default());
            disk.inject(Injector::default().watching());
            if let Ok((mut store, _)) = process::recover(subject, Arc::new(disk.clone())) {
                // How it ends is the exploration's business.
                let _ = process::go_on(subject, &mut store, &disk, &prepared.epilogue);
            }
            for (call, times) in count(disk.finish().faults.seen()) {
                let most = recovery.entry(call).or_default();
                *most = times.max(*most);
            }
        }
    }
    (workload, recovery)
}

/// The crash points of this shard: dealt out by a hash of scenario, model, seed and crash point. The hash is
/// part of the report's format, so that shards made by different builds fit together.
fn of_shard(settings: &Settings, points: &[CrashPoint]) -> Vec<CrashPoint> {
    let Settings { scenario, model, seed, shard, .. } = settings;
    let dealt = |point: &CrashPoint| {
        let mut text = format!("{scenario}\0{}\0{seed}\0{:?} {}", model.name, point.kind, point.at);
        if point.written > 0 {
            text.push_str(&format!(" {}", point.written));
        }
        fnv1a(text.as_bytes()) % u64::from(shard.count.max(1)) == u64::from(shard.index.max(1) - 1)
    };
    points.iter().copied().filter(dealt).collect()
}

/// FNV-1a, 64 bits.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// One digit behind the point: enough to read, and the same on every machine.
fn round(log2: f64) -> f64 {
    (log2 * 10.0).round() / 10.0
}

/// Explores crash points on `settings.jobs` threads. The results, in order, end with the first violation.
fn explore_points<S: Subject>(
    subject: &S,
    settings: &Settings,
    prepared: &Prepared<S>,
    points: &[CrashPoint],
    part: Part,
) -> Vec<Explored<S::State>> {
    let next = AtomicUsize::new(0);
    let jobs = settings.jobs.max(1);
    let workers = jobs.min(points.len().max(1));
    let crew = Crew::new(jobs - workers);
    let results: Mutex<Vec<Option<Explored<S::State>>>> = Mutex::new(Vec::new());
    let lock = || results.lock().unwrap_or_else(PoisonError::into_inner);
    lock().resize_with(points.len(), || None);
    let work = || {
        let mut explorer = Explorer::new(subject, settings, &prepared.epilogue, &crew);
        explorer.behind_faults = part == Part::BehindFaults;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(point) = points.get(index) else { break };
            if crew.violated() < index {
                break;
            }
            explorer.index = index;
            let result = explorer.counted(|explorer| explorer.point(prepared, *point));
            if result.found.is_some() {
                crew.note_violated(index);
            }
            if let Some(progress) = &settings.progress {
                progress.explored(result.recoveries);
            }
            lock()[index] = Some(result);
        }
        crew.release();
    };
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(work);
        }
        work();
    });
    let last = crew.violated();
    let all = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.into_iter().take(last.saturating_add(1)).flatten().collect()
}

/// Shows a piece of evidence again.
pub fn reproduce<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
    evidence: &Evidence,
) -> Reproduction {
    super::finding::reproduce(subject, steps, &deep_enough(settings), evidence)
}
