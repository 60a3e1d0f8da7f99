//! The sweep: each call of a workload fails in turn, in each way that it can, and each call of the recovery after
//! it; every case is explored as a workload of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{CallKind, CallSet, Effect, ErrorCode, Glob, Outcome, Phase, Rule, Which};
use crate::explore::{
    Behaviour, Exploration, Part, Progress, Settings, Step, behaviour, calls_made, explore_part, fnv1a,
};
use crate::model::log2_sum;
use crate::report::{Shard, SweepReport};
use crate::subject::Subject;

/// How often each call is made.
pub(crate) type Calls = BTreeMap<CallKind, u32>;

/// How much a sweep tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sweep {
    /// There is none.
    #[default]
    Off,
    /// Each call fails once with EIO, and with ENOSPC if it can, without effect and applied.
    Brief,
    /// Each call fails in every way.
    Full,
}

impl Sweep {
    /// A brief one, or none.
    pub fn brief_if(wanted: bool) -> Sweep {
        if wanted { Sweep::Brief } else { Sweep::Off }
    }
}

/// Everything that can go wrong with the calls made, one rule a case.
pub(crate) fn cases(workload: &Calls, recovery: &Calls, sweep: Sweep) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (phase, calls) in [(Phase::Workload, workload), (Phase::Recovery, recovery)] {
        for (call, count) in calls {
            for n in 1..=*count {
                match sweep {
                    Sweep::Off => {}
                    Sweep::Brief => brief_cases_of(phase, *call, n, &mut rules),
                    Sweep::Full => cases_of(phase, *call, n, &mut rules),
                }
            }
        }
        if sweep == Sweep::Full {
            // The whole device goes.
            for n in 1..=calls.values().sum::<u32>() {
                let outcome = Outcome::Error(ErrorCode::Eio);
                rules.push(rule(phase, CallSet::Any, Which::From(n), outcome, Effect::None));
            }
        }
    }
    rules
}

fn rule(phase: Phase, call: CallSet, which: Which, outcome: Outcome, effect: Effect) -> Rule {
    Rule { phase, call, path: Glob::any(), which, outcome, effect }
}

fn brief_cases_of(phase: Phase, call: CallKind, n: u32, rules: &mut Vec<Rule>) {
    let mut add = |code, effect| {
        rules.push(rule(phase, CallSet::One(call), Which::Nth(n), Outcome::Error(code), effect));
    };
    add(ErrorCode::Eio, Effect::None);
    if call.changes() {
        add(ErrorCode::Eio, Effect::Applied);
    }
    if errors(call).contains(&ErrorCode::Enospc) {
        add(ErrorCode::Enospc, Effect::None);
    }
}

fn cases_of(phase: Phase, call: CallKind, n: u32, rules: &mut Vec<Rule>) {
    let mut add =
        |which, outcome, effect| rules.push(rule(phase, CallSet::One(call), which, outcome, effect));
    for code in errors(call) {
        let outcome = Outcome::Error(*code);
        if *code == ErrorCode::Eintr {
            // A signal that never ends is none.
            add(Which::Nth(n), outcome, Effect::None);
            continue;
        }
        let mut effects = vec![Effect::None];
        if call.changes() {
            effects.push(Effect::Applied);
        }
        if call == CallKind::Write {
            effects.push(Effect::Part(PART_BYTES));
        }
        for effect in effects {
            add(Which::Nth(n), outcome, effect);
            add(Which::From(n), outcome, effect);
        }
    }
    if matches!(call, CallKind::Read | CallKind::Write) {
        add(Which::Nth(n), Outcome::Short(1), Effect::None);
        add(Which::From(n), Outcome::Short(PART_BYTES), Effect::None);
    }
}

/// Within a sector, and not at the end of anything.
const PART_BYTES: u32 = 300;

/// What a call can fail with.
fn errors(call: CallKind) -> &'static [ErrorCode] {
    use ErrorCode::*;
    match call {
        CallKind::Open => &[Eio, Emfile, Eacces, Estale],
        CallKind::Create => &[Eio, Enospc, Edquot, Erofs, Emfile, Eacces],
        CallKind::Read => &[Eio, Eintr, Estale],
        CallKind::Write => &[Eio, Enospc, Edquot, Eintr],
        CallKind::SetLen => &[Eio, Enospc, Eintr],
        CallKind::Allocate => &[Eio, Enospc, Edquot, Eintr],
        CallKind::SyncData | CallKind::SyncAll => &[Eio, Enospc, Edquot],
        CallKind::SyncDir => &[Eio, Enospc],
        CallKind::Rename | CallKind::Link | CallKind::CreateDir => &[Eio, Enospc, Edquot, Erofs, Eacces],
        CallKind::Remove | CallKind::RemoveDir => &[Eio, Erofs, Eacces],
        CallKind::ReadDir => &[Eio, Emfile],
        CallKind::Metadata => &[Eio, Eacces, Estale],
        CallKind::Len => &[Eio, Estale],
        CallKind::Lock => &[Eio, Eintr],
    }
}

/// Explores a workload with each of its calls failing in turn.
///
/// What crashes leave before a fault happens is the same in every case. So the workload is explored once without
/// any, and of each case only what comes behind its fault.
pub(crate) fn sweep<S: Subject>(subject: &S, steps: &[Step<S::Op>], settings: &Settings) -> Exploration {
    let plain = Settings { sweep: Sweep::Off, progress: None, ..settings.clone() };
    let (workload, recovery) = calls_made(subject, steps, &plain);
    let all = cases(&workload, &recovery, settings.sweep);
    let count = |calls: &Calls| calls.values().map(|n| u64::from(*n)).sum();
    let mut counts = SweepReport {
        workload_calls: count(&workload),
        recovery_calls: count(&recovery),
        cases: all.len() as u64,
        explored: 0,
        alike: 0,
        full: settings.sweep == Sweep::Full,
    };
    let mut chosen = vec![Case { rule: None, alike: 0 }];
    chosen.extend(distinct(subject, steps, &plain, all));
    chosen.retain(|case| is_of_shard(settings, case.rule.as_ref()));
    if let Some(progress) = &settings.progress {
        progress.started(chosen.len() as u64);
    }
    let results = explore_cases(subject, steps, &plain, settings, &chosen);
    let left = chosen.len() - results.len();
    let mut report = Exploration { ops: steps.len() as u64, states_exact: true, ..Exploration::default() };
    let mut states = Vec::new();
    for (case, result) in chosen.iter().zip(results) {
        if let Some(first) = result.first_violation_recovery {
            report.first_violation_recovery = Some(report.recoveries + first);
        }
        report.crash_points += result.crash_points;
        report.exhausted += result.exhausted;
        report.probed += result.probed;
        report.unexplored += result.unexplored;
        report.recoveries += result.recoveries;
        report.faults_fired += result.faults_fired;
        report.states_log2_max = report.states_log2_max.max(result.states_log2_max);
        report.states_exact &= result.states_exact;
        states.push(result.states_log2);
        if case.rule.is_some() && (result.unexplored == 0 || !result.violations.is_empty()) {
            counts.explored += 1 + case.alike;
            counts.alike += case.alike;
        }
        report.violations.extend(result.violations);
        report.internal_error = report.internal_error.or(result.internal_error);
    }
    // A case that was not begun counts as one crash point that was not explored.
    report.crash_points += left as u64;
    report.unexplored += left as u64;
    report.states_log2 = (log2_sum(states.into_iter()) * 10.0).round() / 10.0;
    report.sweep = Some(counts);
    report
}

/// What to explore: a rule, or nothing that fails; and how many other rules lead to the same.
struct Case {
    rule: Option<Rule>,
    alike: u64,
}

/// The rules without those under which the workload does just what it does under an earlier one. A recovery's
/// faults are all different: they meet many recoveries.
fn distinct<S: Subject>(subject: &S, steps: &[Step<S::Op>], plain: &Settings, rules: Vec<Rule>) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut known: Vec<(usize, Behaviour<S::State>)> = Vec::new();
    for rule in rules {
        let mut settings = plain.clone();
        settings.faults.insert(0, rule.clone());
        let shown = match rule.phase {
            Phase::Workload => behaviour(subject, steps, &settings),
            Phase::Recovery => None,
        };
        if let Some(shown) = shown {
            if let Some((index, _)) = known.iter().find(|(_, other)| *other == shown) {
                cases[*index].alike += 1;
                continue;
            }
            known.push((cases.len(), shown));
        }
        cases.push(Case { rule: Some(rule), alike: 0 });
    }
    cases
}

fn is_of_shard(settings: &Settings, rule: Option<&Rule>) -> bool {
    let Settings { scenario, model, seed, shard: Shard { index, count }, .. } = settings;
    let rule = rule.map(ToString::to_string).unwrap_or_default();
    let text = format!("{scenario}\0{}\0{seed}\0{rule}", model.name);
    fnv1a(text.as_bytes()) % u64::from((*count).max(1)) == u64::from((*index).max(1) - 1)
}

/// Explores cases on `settings.jobs` threads. The results, in order, end with the first violation.
fn explore_cases<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    plain: &Settings,
    settings: &Settings,
    cases: &[Case],
) -> Vec<Exploration> {
    let next = AtomicUsize::new(0);
    let violated = AtomicUsize::new(usize::MAX);
    let results: Mutex<Vec<Option<Exploration>>> = Mutex::new(Vec::new());
    let lock = || results.lock().unwrap_or_else(PoisonError::into_inner);
    lock().resize_with(cases.len(), || None);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(Case { rule, .. }) = cases.get(index) else { break };
            if violated.load(Ordering::Relaxed) < index || settings.is_interrupted() {
                break;
            }
            let mut case = Settings { jobs: 1, shard: Shard::WHOLE, ..plain.clone() };
            // With faults of the user's, which one comes first is another question.
            let part = if plain.faults.is_empty() { Part::BehindFaults } else { Part::Whole };
            let result = match rule {
                Some(rule) => {
                    case.faults.insert(0, rule.clone());
                    explore_part(subject, steps, &case, part)
                }
                None => {
                    // As deep as the cases in which recoveries fail.
                    case.depth = case.depth.max(2);
                    explore_part(subject, steps, &case, Part::Whole)
                }
            };
            if !result.violations.is_empty() || result.internal_error.is_some() {
                violated.fetch_min(index, Ordering::Relaxed);
            }
            if let Some(progress) = &settings.progress {
                Progress::explored(&**progress, result.recoveries);
            }
            lock()[index] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..settings.jobs.clamp(1, cases.len().max(1)) {
            scope.spawn(work);
        }
        work();
    });
    let last = violated.load(Ordering::Relaxed);
    let all = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.into_iter().take(last.saturating_add(1)).map_while(|result| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_a_rule_that_parses() {
        let calls: Calls = CallKind::ALL.into_iter().map(|call| (call, 2)).collect();
        let all = cases(&calls, &calls, Sweep::Full);
        for rule in &all {
            assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule.clone()));
        }
        let texts: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), all.len(), "each case once");
        assert!(
            texts.contains("write #2.. -> ENOSPC, part 300") && texts.contains("recovery: any #36.. -> EIO")
        );
        let brief = cases(&calls, &calls, Sweep::Brief);
        assert!(brief.len() > CallKind::ALL.len() * 4 && brief.len() * 4 < all.len());
        assert!(
            brief.iter().all(|rule| texts.contains(&rule.to_string())),
            "a brief sweep is a part of a full one"
        );
    }
}
