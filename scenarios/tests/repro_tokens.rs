//! Each violation that the suite reports is real: its token shows it again, without the planted bug it is
//! gone, and the files of its crash, written to a real directory, make the store on the kernel's file system
//! go wrong in the same way.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use unplug::disk::{Chooser, CrashedLayer, Scratch, SimDisk, World};
use unplug::explore::{Step, Token, parse_workload};
use unplug::fault::{Injector, Phase, Rule};
use unplug::model::{Model, Persisted};
use unplug::oracle::History;
use unplug::oracle::aftermath::{self, Machine};
use unplug::report::{RunReport, Verdict, Violation};
use unplug::subject::{Outcome, Subject};
use unplug::trace::{Mark, Pos};
use unplug::workload::kv::{KvOp, KvState};
use unplug::workload::scenario::Scenario;
use unplug_scenarios::engine::Engine;
use unplug_scenarios::suite::SCENARIOS;
use unplug_vfs::{OsFs, Vfs};

const CALLS_MAX: u64 = 1_000_000;

/// Runs the binary; returns its exit code and standard output.
fn unplug(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_unplug")).args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn suite() -> impl Iterator<Item = (Scenario, &'static str)> {
    SCENARIOS.iter().map(|(name, text)| (Scenario::parse(name, text).unwrap(), *text))
}

/// A scenario of the engine that is declared violated, its text, and what its run reported.
type Reported = (Scenario, &'static str, Vec<Violation>);

/// Whether what goes wrong is not in the files that a crash leaves: the recovery's calls fail, or the medium is bad.
fn is_elsewhere(rule: &Rule) -> bool {
    rule.phase == Phase::Recovery || rule.outcome.is_on_medium()
}

/// One run of all of them, for all tests.
fn reported() -> &'static [Reported] {
    static REPORTED: OnceLock<Vec<Reported>> = OnceLock::new();
    REPORTED.get_or_init(|| {
        let posix = ("posix".to_string(), Verdict::Violated);
        let violated: Vec<_> =
            suite().filter(|(s, _)| s.subject == "engine" && s.models.contains(&posix)).collect();
        let names = violated.iter().map(|(scenario, _)| scenario.name.as_str());
        let args: Vec<&str> = ["run", "-q", "--json", "-"].into_iter().chain(names).collect();
        let (code, json) = unplug(&args);
        assert_eq!(code, Some(0));
        let report: RunReport = serde_json::from_str(&json).unwrap();
        assert_eq!(report.scenarios.len(), violated.len());
        let pairs = violated.into_iter().zip(report.scenarios);
        pairs
            .map(|((scenario, text), report)| {
                assert!(!report.violations.is_empty(), "{}", scenario.name);
                (scenario, text, report.violations)
            })
            .collect()
    })
}

#[test]
fn there_are_tokens_of_every_planted_bug_that_posix_permits() {
    let bugs = unplug_scenarios::planted::BUGS.iter().filter(|bug| bug.models.contains(&"posix"));
    for bug in bugs {
        assert!(reported().iter().any(|(scenario, ..)| scenario.name == bug.scenario), "{}", bug.id);
    }
}

#[test]
fn a_reported_token_shows_the_same_violation_of_the_same_crash_again() {
    for (scenario, _, violations) in reported() {
        for violation in violations {
            let (code, shown) = unplug(&["repro", &violation.token]);
            assert_eq!(code, Some(100), "{}\n{shown}", scenario.name);
            assert!(
                shown.contains(&format!("violation: {}, ", violation.check)),
                "{}\n{shown}",
                scenario.name
            );
            let missing = violation.story.iter().find(|line| !shown.contains(line.trim()));
            assert_eq!(missing, None, "{}\n{shown}", scenario.name);
        }
    }
}

#[test]
fn without_the_planted_bug_the_violation_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    for (scenario, text, violations) in reported() {
        let bug = scenario.bug.as_ref().unwrap();
        let mended = text.replace(&format!("bug = \"{bug}\"\n"), "");
        assert_ne!(mended, *text);
        let path = dir.path().join(format!("{}.toml", scenario.name));
        fs::write(&path, mended).unwrap();
        for violation in violations {
            let (code, shown) = unplug(&["repro", &violation.token, "--scenario", path.to_str().unwrap()]);
            assert_eq!(code, Some(0), "{}\n{shown}", scenario.name);
            assert!(shown.contains("gone: the violation does not show any more"), "{shown}");
        }
    }
}

#[test]
fn the_files_of_a_crash_make_the_store_on_the_real_file_system_go_wrong_in_the_same_way() {
    let in_files = |scenario: &Scenario| !scenario.kill && !scenario.faults.iter().any(is_elsewhere);
    for (scenario, _, violations) in reported().iter().filter(|(scenario, ..)| in_files(scenario)) {
        let engine = Engine::new(&scenario.factory_options(), scenario.bug.as_deref()).unwrap();
        for violation in violations {
            let tmp = tempfile::tempdir().unwrap();
            let dir = tmp.path().join("image");
            let (code, shown) = unplug(&["repro", &violation.token, "--out", dir.to_str().unwrap()]);
            assert_eq!(code, Some(100), "{}\n{shown}", scenario.name);
            let well = goes_wrong(&engine, scenario, violation, &dir).err();
            assert_eq!(well, None, "{} ({})\n{shown}", scenario.name, violation.check);
        }
    }
}

/// A real directory. Dropping the store is all there is to killing the process: its files stay.
struct RealDirectory;

impl Machine for RealDirectory {
    fn vfs(&self) -> Arc<dyn Vfs> {
        Arc::new(OsFs)
    }

    fn kill(&self) {}
}

/// Opens the store, its bug planted, on the crash's files. An error says what is right although it should be
/// wrong.
fn goes_wrong(engine: &Engine, scenario: &Scenario, violation: &Violation, dir: &Path) -> Result<(), String> {
    let token: Token = violation.token.parse().unwrap();
    let mut store = match engine.open(RealDirectory.vfs(), dir) {
        Err(_) if violation.check == "liveness" => return Ok(()),
        Err(other) => return Err(format!("the store does not open: {other}")),
        Ok(store) => store,
    };
    let state = engine.read(&mut store).unwrap();
    if token.evidence.aftermath {
        return match aftermath::check(engine, &RealDirectory, dir, store, &state, &mut 0) {
            Err(failure) if failure.check == violation.check => Ok(()),
            other => Err(format!("the aftermath is {other:?}")),
        };
    }
    match violation.check.as_str() {
        "liveness" => {
            let dies = |op: &KvOp| !matches!(engine.execute(&mut store, op), Outcome::Acknowledged { .. });
            let dead = engine.epilogue().iter().any(dies);
            if dead { Ok(()) } else { Err("the store opens and works".to_string()) }
        }
        "durability" | "epoch" | "refusal" | "stability" => {
            if Promises::new(engine, scenario, &token).allow(engine, violation.crash_point, &state) {
                Err(format!("{state:?} is allowed"))
            } else {
                Ok(())
            }
        }
        other => Err(format!("no test for the check {other}")),
    }
}

/// What the crashed processes had been promised, the workload's first: worked out anew from the token, by
/// running them on the simulated disk.
struct Promises {
    layers: Vec<Promised>,
}

struct Promised {
    history: History<KvState>,
    /// Where its own recovery was over; before that, the promises of the process before it count.
    recovered_at: Option<Pos>,
    /// Where it was crashed.
    at: Pos,
}

impl Promises {
    fn new(engine: &Engine, scenario: &Scenario, token: &Token) -> Promises {
        let model = Model::by_name(&token.model).unwrap();
        let lines = scenario.expand(&scenario.name).unwrap().lines;
        let steps = parse_workload(engine, &lines).unwrap();
        let epilogue: Vec<Step<KvOp>> = engine.epilogue().into_iter().map(Step::Do).collect();
        let crashes = &token.evidence.crashes;
        assert!(crashes.len() <= 2, "what was decided before a second crash would have to be known");
        let mut world = Arc::new(World::empty(model.rules()));
        let mut chooser = Chooser::default();
        let mut layers: Vec<Promised> = Vec::new();
        for crash in crashes {
            let nested = !layers.is_empty();
            let disk = SimDisk::new(world.clone(), chooser, CALLS_MAX, Scratch::default());
            if !nested {
                disk.inject(Injector::for_workload(&scenario.faults));
            }
            let mut store = engine.open(Arc::new(disk.clone()), Path::new("/")).unwrap();
            let initial = engine.read(&mut store).unwrap();
            let recovered_at = nested.then(|| disk.position());
            if nested {
                disk.mark(Mark::Recovered);
            }
            let steps = if nested { &epilogue } else { &steps };
            let outcomes = run(engine, store, &disk, steps);
            let recording = Arc::new(disk.finish().recording);
            let from = recovered_at.unwrap_or(0);
            let history = History::new(engine, initial, steps, &outcomes, &recording.trace, from);
            layers.push(Promised { history, recovered_at, at: crash.at });
            let persisted = Arc::new(Persisted::new(&model, &recording));
            let end = recording.trace.end();
            assert!(
                crash.at == end || persisted.barriers().contains(&crash.at),
                "{}: not the same calls, crash at {} of {end}",
                scenario.name,
                crash.at
            );
            let layer = CrashedLayer { recording, persisted, at: crash.at };
            world = Arc::new(world.crash(layer, &[]));
            chooser = Chooser::default();
            chooser.start_script(crash.choices.clone());
        }
        Promises { layers }
    }

    /// Whether they allow a state that came back from the last crash; `first` is where the workload's came.
    fn allow(&self, engine: &Engine, first: Pos, state: &KvState) -> bool {
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let at = if index == 0 { first } else { layer.at };
            if layer.recovered_at.is_some_and(|recovered| at <= recovered) {
                continue;
            }
            let windows = layer.history.windows(at, at);
            assert!(!windows.is_empty());
            return windows
                .iter()
                .any(|w| (w.durable..=w.issued).any(|i| layer.history.allows(engine, i, state)));
        }
        unreachable!("the workload begins with no recovery")
    }
}

/// Runs steps on an open store with the marks that the harness would leave.
fn run(
    engine: &Engine,
    mut store: <Engine as Subject>::Store,
    disk: &SimDisk,
    steps: &[Step<KvOp>],
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (op, step) in (1..).zip(steps) {
        disk.mark(Mark::Issued { op });
        let outcome = match step {
            Step::Do(operation) => engine.execute(&mut store, operation),
            Step::Lift => Outcome::Acknowledged { durable: false },
            Step::Reopen => {
                engine.close(store).unwrap();
                store = engine.open(Arc::new(disk.clone()), Path::new("/")).unwrap();
                Outcome::Acknowledged { durable: true }
            }
        };
        disk.mark(match &outcome {
            Outcome::Acknowledged { durable } => Mark::Acknowledged { op, durable: *durable },
            Outcome::Refused(_) => Mark::Refused { op },
            Outcome::Unknown(_) => Mark::Unknown { op },
        });
        outcomes.push(outcome);
    }
    // The harness looks at the end, too.
    engine.read(&mut store).unwrap();
    outcomes
}
