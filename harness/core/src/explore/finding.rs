//! From something found to a violation that people can read and run again.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::confirm;
use super::crash_point::{Crashed, Explorer, Found, Walk, worth_crashing};
use super::crew::Crew;
use super::kill::written;
use super::pool::{Prepared, fnv1a};
use super::process::End;
use super::token::CrashEvidence;
use super::{CrashPoint, Evidence, Reproduction, Settings, Step, Token, kill_points};
use crate::disk::{Chooser, CrashedLayer, Narrowing, World};
use crate::explain;
use crate::fault::Injector;
use crate::materialise::Fill;
use crate::model::{Model, Persisted};
use crate::oracle::history::after;
use crate::oracle::{Failure, History};
use crate::plain::Tree;
use crate::report::Violation;
use crate::subject::Subject;
use crate::trace::{EventKind, Pos, Trace};

/// A violation that needs no crash: the store does not do what its model does.
pub(super) fn without_crash<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
    prepared: &Prepared<S>,
) -> Option<Violation> {
    let (op, failure) = if let Some((op, expected, state)) = wrong_read(subject, steps, prepared) {
        let details = expected.map(|expected| subject.diff(&expected, state)).unwrap_or_default();
        let summary =
            format!("without any crash, the store does not hold what it should after operation {op}");
        (op, Failure { check: "epoch", summary, details })
    } else if let Some((op, summary)) = &prepared.run.wrong {
        (*op, Failure { check: "liveness", summary: summary.clone(), details: Vec::new() })
    } else {
        let (op, end) = prepared.run.broken.as_ref()?;
        let (check, why) = match end {
            End::Panicked(message) => ("panic", format!("the subject panicked: {message}")),
            End::Failed(why) => ("liveness", why.clone()),
            _ => ("hang", "the workload made more file-system calls than a run may".to_string()),
        };
        let summary = format!("without any crash, at operation {op}: {why}");
        (*op, Failure { check, summary, details: Vec::new() })
    };
    let mut story = vec![failure.summary.clone()];
    if let Some(Step::Do(last)) = (op as usize).checked_sub(1).and_then(|i| steps.get(i)) {
        story.push(format!("operation {op}: {last}"));
    }
    story.extend(failure.details.iter().cloned());
    let evidence = Evidence {
        trace_fingerprint: fingerprint(&prepared.recording.trace),
        check: failure.check.to_string(),
        aftermath: false,
        killed_at: None,
        written: 0,
        crashes: Vec::new(),
    };
    Some(Violation {
        check: failure.check.to_string(),
        kind: "none".to_string(),
        fault: settings.fault_text(),
        crash_point: prepared.recording.trace.end(),
        depth: 0,
        models: Model::NAMES.iter().map(|name| name.to_string()).collect(),
        signature: failure.check.to_string(),
        source: Vec::new(),
        token: token(settings, evidence),
        story,
        advice: None,
    })
}

/// An operation, a state that there could be after it, and the one that was read.
type WrongRead<'a, St> = (u32, Option<St>, &'a St);

/// The first state read that is none of those that it could be: its operation, one that it could be, and it.
/// What a process has once been seen to hold it holds until the store is opened again; where a failed operation
/// is in doubt, that decides.
fn wrong_read<'a, S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    prepared: &'a Prepared<S>,
) -> Option<WrongRead<'a, S::State>> {
    let (run, history) = (&prepared.run, &prepared.history);
    let mut possible = history.candidates(0).to_vec();
    let mut reads = run.reads.iter().peekable();
    for op in 0..=steps.len() as u32 {
        if let Some(index) = (op as usize).checked_sub(1) {
            if run.reopened.contains(&op) {
                possible = history.candidates(op).to_vec();
            } else if let (Some(step), Some(outcome)) = (steps.get(index), run.outcomes.get(index)) {
                possible = after(subject, possible, step, outcome);
            }
        }
        while let Some((_, _, state)) = reads.next_if(|(_, at, _)| *at == op) {
            if !possible.iter().any(|candidate| subject.allows(candidate, state)) {
                return Some((op, possible.first().cloned(), state));
            }
            possible.retain(|candidate| subject.allows(candidate, state));
        }
    }
    None
}

/// Confirms what was found on a materialised disk and tells its story.
pub(super) fn confirm<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
    prepared: &Prepared<S>,
    found: &Found<S::State>,
) -> Result<Violation, String> {
    confirm::confirm(subject, &prepared.epilogue, &settings.model, found)?;
    let op_line = |layer: usize, op: u32| {
        let list = if layer == 0 { steps } else { &prepared.epilogue };
        match (op as usize).checked_sub(1).and_then(|i| list.get(i)) {
            Some(Step::Do(op)) => op.to_string(),
            Some(Step::Reopen) => "reopen".to_string(),
            Some(Step::Lift) => "lift".to_string(),
            None => "opening the store".to_string(),
        }
    };
    let kind = match (found.killed_at, confirm::killed_only(found)) {
        (None, _) => "power-loss",
        (Some(_), true) => "kill",
        (Some(_), false) => "kill-then-power-loss",
    };
    let told = explain::tell(
        found.failure.check,
        &found.world,
        &found.decided,
        &found.positions,
        found.killed_at,
        &explain::Names { op_line: &op_line, by_operation: subject.calls_by_operation() },
    );
    let mut story = told.lines;
    story.push(format!("{}: {}", found.failure.check, found.failure.summary));
    story.extend(found.failure.details.iter().map(|line| format!("  {line}")));
    let evidence = Evidence {
        trace_fingerprint: fingerprint(&prepared.recording.trace),
        check: found.failure.check.to_string(),
        aftermath: found.aftermath,
        killed_at: found.killed_at,
        written: written(&prepared.recording, &found.world.layers[0].recording, found.killed_at),
        crashes: found.crashes.clone(),
    };
    Ok(Violation {
        check: found.failure.check.to_string(),
        kind: kind.to_string(),
        fault: settings.fault_text(),
        crash_point: found.positions.first().copied().unwrap_or(0),
        depth: (found.crashes.len() + usize::from(found.killed_at.is_some())) as u32,
        models: super::permit::permitting(&settings.model, found),
        signature: told.signature,
        source: told.source,
        token: token(settings, evidence),
        story,
        advice: None,
    })
}

fn token(settings: &Settings, evidence: Evidence) -> String {
    let Settings { scenario, model, depth, seed, .. } = settings;
    let (scenario, model) = (scenario.clone(), model.name.clone());
    let faults = settings.faults.iter().map(ToString::to_string).collect();
    Token { scenario, model, depth: *depth, seed: *seed, faults, evidence }.to_string()
}

/// A number that changes when the workload's calls or marks change.
fn fingerprint(trace: &Trace) -> u64 {
    fingerprint_of(trace, trace.events.iter().map(|event| format!("{:?}", event.kind)))
}

/// A number that changes when what is written, or the text of an event, changes.
pub(super) fn fingerprint_of(trace: &Trace, texts: impl Iterator<Item = String>) -> u64 {
    let mut text = String::new();
    for (event, shown) in trace.events.iter().zip(texts) {
        use std::fmt::Write;
        let _ = write!(text, "{shown};");
        if let EventKind::Call(crate::trace::Call::Write { data, .. }) = &event.kind {
            let _ = write!(text, "{:x};", fnv1a(trace.bytes(*data)));
        }
    }
    fnv1a(text.as_bytes())
}

/// Shows a piece of evidence again: exactly, if the workload's trace is the same; else by exploring anew for
/// the same check.
pub(super) fn reproduce<S: Subject>(
    subject: &S,
    steps: &[Step<S::Op>],
    settings: &Settings,
    evidence: &Evidence,
) -> Reproduction {
    let prepared = Prepared::new(subject, steps, settings);
    let exact = fingerprint(&prepared.recording.trace) == evidence.trace_fingerprint;
    if exact {
        if evidence.crashes.is_empty() && evidence.killed_at.is_none() {
            let violation = without_crash(subject, steps, settings, &prepared);
            return Reproduction { violation, exact, image: None };
        }
        if let Some(found) = follow(subject, settings, &prepared, evidence) {
            let image = confirm::image(&found, &settings.model, Fill::Newest).ok();
            let violation = confirm(subject, steps, settings, &prepared, &found).ok();
            return Reproduction { violation, exact, image };
        }
        return Reproduction {
            violation: None,
            exact,
            image: last_image(subject, settings, &prepared, evidence),
        };
    }
    let explored = super::explore(subject, steps, settings);
    let violation = explored.violations.into_iter().find(|v| v.check == evidence.check);
    let image = violation.as_ref().and_then(|v| v.token.parse::<Token>().ok()).and_then(|token| {
        let found = follow(subject, settings, &prepared, &token.evidence)?;
        confirm::image(&found, &settings.model, Fill::Newest).ok()
    });
    Reproduction { violation, exact, image }
}

/// Runs along the evidence and returns what is wrong at its end, if anything.
fn follow<S: Subject>(
    subject: &S,
    settings: &Settings,
    prepared: &Prepared<S>,
    evidence: &Evidence,
) -> Option<Box<Found<S::State>>> {
    let crew = Crew::new(0);
    let mut explorer = Explorer::new(subject, settings, &prepared.epilogue, &crew);
    if let (Some(at), []) = (evidence.killed_at, &evidence.crashes[..]) {
        let point = killed(prepared, at, evidence.written)?;
        return explorer.resume(prepared, point).break_value();
    }
    let (world, stack) = walk(&mut explorer, prepared, evidence)?;
    explorer.killed_at = evidence.killed_at;
    let last = evidence.crashes.last()?;
    let mut chooser = Chooser::default();
    chooser.start_script(last.choices.clone());
    let walk = if evidence.aftermath {
        explorer.aftermath(&world, &stack, &evidence.crashes, chooser)
    } else {
        explorer.once(&world, &stack, &evidence.crashes, chooser)
    };
    match walk {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    }
}

fn killed<S: Subject>(prepared: &Prepared<S>, at: Pos, written: u32) -> Option<CrashPoint> {
    let points = kill_points(&prepared.recording.trace);
    points.into_iter().find(|point| (point.at, point.written) == (at, written))
}

type Walked<St> = (Arc<World>, Vec<Crashed<St>>);

/// The disk after the evidence's last crash.
fn walk<S: Subject>(
    explorer: &mut Explorer<'_, S>,
    prepared: &Prepared<S>,
    evidence: &Evidence,
) -> Option<Walked<S::State>> {
    let first = evidence.crashes.first()?;
    if let Some(at) = evidence.killed_at {
        let point = killed(prepared, at, evidence.written)?;
        let ControlFlow::Continue(successor) = explorer.resume(prepared, point) else { return None };
        return successor.crashes().into_iter().find(|(world, _)| world.layers[0].at == first.at);
    }
    let point = *prepared.points.iter().find(|point| point.at == first.at)?;
    let mut world = prepared.world(point);
    let mut stack = vec![prepared.crashed(point)];
    for pair in evidence.crashes.windows(2) {
        (world, stack) = explorer.crash_again(&world, stack, &pair[0], &pair[1])?;
    }
    Some((world, stack))
}

/// The files of the evidence's crash although nothing is wrong with them any more.
fn last_image<S: Subject>(
    subject: &S,
    settings: &Settings,
    prepared: &Prepared<S>,
    evidence: &Evidence,
) -> Option<Tree> {
    let crew = Crew::new(0);
    let mut explorer = Explorer::new(subject, settings, &prepared.epilogue, &crew);
    let (world, stack) = walk(&mut explorer, prepared, evidence)?;
    let decided: Vec<Narrowing> = Vec::new();
    let positions = world.layers.iter().map(|layer| layer.at).collect();
    let found = Found {
        failure: Failure { check: "epoch", summary: String::new(), details: Vec::new() },
        world,
        decided,
        crashes: Vec::new(),
        positions,
        failing: None,
        killed_at: evidence.killed_at,
        aftermath: false,
        faults: Injector::default(),
        lying: false,
        stack,
    };
    confirm::image(&found, &settings.model, Fill::Newest).ok()
}

impl<S: Subject> Explorer<'_, S> {
    /// One recovery with given answers, checked.
    fn once(
        &mut self,
        world: &Arc<World>,
        stack: &[Crashed<S::State>],
        crashes: &[CrashEvidence],
        chooser: Chooser,
    ) -> Walk<S::State> {
        let nested = (stack.len() as u32) < self.settings.depth;
        let leaf = self.run(world, chooser, nested);
        self.made.update(world, &leaf.finished.decided, 0);
        self.check(world, stack, crashes, &leaf).map_continue(drop)
    }

    /// Lets recovery run with the answers of `before` and crashes it where `next` says.
    fn crash_again(
        &mut self,
        world: &Arc<World>,
        mut stack: Vec<Crashed<S::State>>,
        before: &CrashEvidence,
        next: &CrashEvidence,
    ) -> Option<Walked<S::State>> {
        let mut chooser = Chooser::default();
        chooser.start_script(before.choices.clone());
        let leaf = self.run(world, chooser, true);
        let End::State(state) = leaf.end else { return None };
        let recording = Arc::new(leaf.finished.recording);
        let persisted = Arc::new(Persisted::new(&self.settings.model, &recording));
        let from = leaf.recovered_at.unwrap_or(recording.trace.end());
        let state = S::State::clone(&state);
        let history =
            History::new(self.subject, state, self.epilogue, &leaf.outcomes, &recording.trace, from);
        let mut first = 0;
        for barrier in worth_crashing(&leaf.finished.barriers, &persisted) {
            if barrier.at == next.at {
                let layer = CrashedLayer { recording, persisted, at: barrier.at };
                let world = world.crash(layer, &leaf.finished.decided[..barrier.decided]);
                let (history, recovered_at) = (Arc::new(history), leaf.recovered_at);
                let at = barrier.at;
                stack.push(Crashed { layer: world.layers.len() - 1, history, recovered_at, first, at });
                return Some((Arc::new(world), stack));
            }
            first = barrier.at + 1;
        }
        None
    }
}
