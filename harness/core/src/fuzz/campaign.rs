//! Cases by the thousand.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Behaviour, Generator, Random};
use crate::advise::{Advice, Plan, advise};
use crate::explore::{Exploration, Progress, Settings};
use crate::model::{Model, log2_sum};
use crate::report::Violation;
use crate::shrink::{Build, Case, EXPLORATIONS_MAX, Shrunk, shrink};

/// Cases that are made from one state of the corpus.
const ROUND: u64 = 16;
/// Cases kept at most.
const CORPUS_MAX: usize = 1024;
/// Recoveries on one disk after which a case is probed.
const CAP: u64 = 500;
/// Recoveries at one crash point of a case after which it is given up.
const LIMIT: u64 = 1_000;
/// Recoveries after which the rest of a case is given up: many small cases find more than a few large ones.
const CASE_LIMIT: u64 = 2_500;

/// How to fuzz.
#[derive(Clone)]
pub struct FuzzSettings {
    /// Seed of all cases.
    pub seed: u64,
    /// Each case runs under one of these.
    pub models: Vec<Model>,
    /// Worker threads. Decides nothing.
    pub jobs: usize,
    /// Stop after so many cases.
    pub cases_max: Option<u64>,
    /// Stop then.
    pub deadline: Option<Instant>,
    /// Set from outside to stop.
    pub cancel: Arc<AtomicBool>,
    /// Stop at the first violation.
    pub stop_at_first: bool,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Cases.
    pub cases: u64,
    /// Crash points considered.
    pub crash_points: u64,
    /// Of which all legal states were covered.
    pub exhausted: u64,
    /// Opens of the subject.
    pub recoveries: u64,
    /// log2 of the sum of the numbers of legal states, which a floating-point number may be too small for.
    pub states_log2: f64,
    /// Cases that showed a violation.
    pub violating: u64,
}

/// One bug, as its first case showed it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What tells it apart.
    pub cause: String,
    /// Cases that showed it.
    pub count: u64,
    /// The number of the first.
    pub first_case: u64,
    /// The model it was found under.
    pub model: Model,
    /// The smallest case.
    pub shrunk: Shrunk,
    /// Which sync would have prevented it.
    pub advice: Option<Advice>,
}

/// Told of progress; called between cases, must not decide anything.
pub trait FuzzProgress: Sync {
    /// A case is done; there are so many findings, behaviours and cases of the corpus.
    fn case(&self, totals: &Totals, findings: usize, behaviours: usize, corpus: usize);
    /// A violation that was not known was found; it is being shrunk.
    fn found(&self, cause: &str);
}

/// A run of the fuzzer, with all that it has learnt.
pub struct Campaign<'a> {
    build: Build<'a>,
    generator: &'a dyn Generator,
    settings: FuzzSettings,
    /// What was done.
    pub totals: Totals,
    /// Behaviour seen.
    pub behaviours: BTreeSet<u32>,
    /// Cases that reached behaviour first.
    pub corpus: Vec<Case>,
    /// How many of them the current round may use: those that were there when it began.
    pub corpus_in_use: usize,
    /// Violations.
    pub findings: Vec<Finding>,
    /// Causes that are known from before, not to be shrunk again, with their counts.
    pub known: Vec<(String, u64)>,
    /// Set if the harness contradicted itself.
    pub internal_error: Option<String>,
}

/// What came of a case.
struct CaseResult {
    number: u64,
    model: Model,
    case: Case,
    explored: Result<Exploration, String>,
    behaviour: Vec<u32>,
    /// Whether it was ended from outside.
    interrupted: bool,
}

/// Watches a case: how much its recoveries had to ask, and whether it is time to end it. On one thread, so that
/// where a case ends depends on nothing but the case.
struct Watch {
    behaviour: Arc<Behaviour>,
    recoveries: AtomicU64,
    over: Arc<AtomicBool>,
    interrupted: AtomicBool,
    deadline: Option<Instant>,
    cancel: Arc<AtomicBool>,
}

impl Progress for Watch {
    fn started(&self, _: u64) {}

    fn explored(&self, recoveries: u64) {
        let before = self.recoveries.fetch_add(recoveries, Ordering::Relaxed);
        let size = u64::from(recoveries.checked_ilog2().unwrap_or(0));
        self.behaviour.add("recoveries", size);
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late || self.cancel.load(Ordering::Relaxed) {
            self.interrupted.store(true, Ordering::Relaxed);
        }
        if self.interrupted.load(Ordering::Relaxed) || before + recoveries >= CASE_LIMIT {
            self.over.store(true, Ordering::Relaxed);
        }
    }
}

impl<'a> Campaign<'a> {
    /// A new one.
    pub fn new(build: Build<'a>, generator: &'a dyn Generator, settings: FuzzSettings) -> Campaign<'a> {
        Campaign {
            build,
            generator,
            settings,
            totals: Totals::default(),
            behaviours: BTreeSet::new(),
            corpus: Vec::new(),
            corpus_in_use: 0,
            findings: Vec::new(),
            known: Vec::new(),
            internal_error: None,
        }
    }

    fn is_over(&self) -> bool {
        let FuzzSettings { cases_max, deadline, cancel, stop_at_first, .. } = &self.settings;
        cases_max.is_some_and(|max| self.totals.cases >= max)
            || deadline.is_some_and(|deadline| Instant::now() >= deadline)
            || cancel.load(Ordering::Relaxed)
            || (*stop_at_first && !self.findings.is_empty())
            || self.internal_error.is_some()
    }

    /// Runs until it is time to stop.
    pub fn run(&mut self, progress: &dyn FuzzProgress) {
        while !self.step(progress) {}
    }

    /// Runs for a short while; says whether it is time to stop.
    pub fn step(&mut self, progress: &dyn FuzzProgress) -> bool {
        if !self.is_over() {
            self.round(progress);
        }
        self.is_over()
    }

    /// Cases from one state of the corpus, explored by all workers and merged in order.
    fn round(&mut self, progress: &dyn FuzzProgress) {
        let first = self.totals.cases;
        if first.is_multiple_of(ROUND) {
            self.corpus_in_use = self.corpus.len();
        }
        let round_end = (first / ROUND + 1) * ROUND;
        let end = self.settings.cases_max.map_or(round_end, |max| max.min(round_end));
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<CaseResult>> = Mutex::new(Vec::new());
        let work = || {
            loop {
                let number = first + next.fetch_add(1, Ordering::Relaxed) as u64;
                let late = self.settings.deadline.is_some_and(|deadline| Instant::now() >= deadline);
                if number >= end || late || self.settings.cancel.load(Ordering::Relaxed) {
                    break;
                }
                let result = self.case(number);
                results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.settings.jobs.max(1) {
                scope.spawn(work);
            }
            work();
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|result| result.number);
        for result in results {
            // Whoever was interrupted left a gap: what lies behind it will be made again.
            if result.number != self.totals.cases
                || result.interrupted
                || (self.settings.stop_at_first && self.is_over())
            {
                break;
            }
            self.merge(result, progress);
            progress.case(&self.totals, self.findings.len(), self.behaviours.len(), self.corpus.len());
        }
    }

    fn case(&self, number: u64) -> CaseResult {
        let mut random = Random::new(self.settings.seed, number);
        let corpus = &self.corpus[..self.corpus_in_use.min(self.corpus.len())];
        let case = match (random.percent(50), random.pick(corpus), random.pick(corpus)) {
            (true, Some(case), Some(other)) => self.generator.mutate(case, other, &mut random),
            _ => self.generator.fresh(&mut random),
        };
        let model = random.pick(&self.settings.models).cloned().unwrap_or_else(Model::posix);
        let behaviour = Arc::new(Behaviour::default());
        let plan = Arc::new(Plan::observing(behaviour.clone()));
        let over = Arc::new(AtomicBool::new(false));
        let watch = Arc::new(Watch {
            behaviour: behaviour.clone(),
            recoveries: AtomicU64::new(0),
            over: over.clone(),
            interrupted: AtomicBool::new(false),
            deadline: self.settings.deadline,
            cancel: self.settings.cancel.clone(),
        });
        let settings = Settings {
            progress: Some(watch.clone()),
            cancel: Some(over),
            ..self.explore_settings(&case, &model, 1)
        };
        let explored = (self.build)(&case.options)
            .and_then(|subject| subject.explore_with(&case.lines, &settings, &plan).map_err(|e| e.message));
        let interrupted = watch.interrupted.load(Ordering::Relaxed);
        CaseResult { number, model, case, explored, behaviour: behaviour.members(), interrupted }
    }

    fn explore_settings(&self, case: &Case, model: &Model, jobs: usize) -> Settings {
        let base = Settings {
            seed: self.settings.seed,
            jobs,
            cap: CAP,
            limit: LIMIT,
            ..Settings::new("fuzz", model.clone())
        };
        case.settings(&base)
    }

    fn merge(&mut self, result: CaseResult, progress: &dyn FuzzProgress) {
        let CaseResult { number, model, case, explored, behaviour, .. } = result;
        self.totals.cases += 1;
        let explored = match explored {
            Ok(explored) => explored,
            Err(message) => {
                let message = format!("case {number} does not run: {message}");
                self.internal_error.get_or_insert(message);
                return;
            }
        };
        self.totals.crash_points += explored.crash_points;
        self.totals.exhausted += explored.exhausted;
        self.totals.recoveries += explored.recoveries;
        let states = [self.totals.states_log2, explored.states_log2];
        self.totals.states_log2 = log2_sum(states.into_iter());
        if let Some(message) = explored.internal_error {
            let message = format!("case {number} ({}): {message}", case.lines.join("; "));
            self.internal_error.get_or_insert(message);
            return;
        }
        let before = self.behaviours.len();
        self.behaviours.extend(behaviour);
        match explored.violations.first() {
            Some(violation) => self.violated(number, &case, &model, violation, progress),
            None if self.behaviours.len() > before && self.corpus.len() < CORPUS_MAX => {
                self.corpus.push(case);
            }
            None => {}
        }
    }

    fn violated(
        &mut self,
        number: u64,
        case: &Case,
        model: &Model,
        violation: &Violation,
        progress: &dyn FuzzProgress,
    ) {
        self.totals.violating += 1;
        let cause = violation.cause();
        if let Some((_, count)) = self.known.iter_mut().find(|(known, _)| known == cause) {
            *count += 1;
            return;
        }
        if let Some(finding) = self.findings.iter_mut().find(|finding| finding.cause == cause) {
            finding.count += 1;
            return;
        }
        progress.found(cause);
        let jobs = self.settings.jobs;
        let cancel = Some(self.settings.cancel.clone());
        let settings = Settings { cancel, ..self.explore_settings(case, model, jobs) };
        let shrunk = shrink(self.build, case, violation, &settings, EXPLORATIONS_MAX);
        let settings = self.explore_settings(&shrunk.case, model, jobs);
        let advice = (self.build)(&shrunk.case.options).ok().and_then(|subject| {
            advise(&*subject, &shrunk.case.lines, &case.lines, &settings, &shrunk.violation).ok().flatten()
        });
        let finding = Finding {
            cause: cause.to_string(),
            count: 1,
            first_case: number,
            model: model.clone(),
            shrunk,
            advice,
        };
        self.findings.push(finding);
    }
}
