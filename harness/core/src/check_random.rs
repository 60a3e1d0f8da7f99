//! Random workloads inside `cargo test`, through proptest.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRng, TestRunner};

use crate::CrashTest;
use crate::explore::{Exploration, Settings, Step, parse_workload};
use crate::fault::Rule;
use crate::report::Verdict;
use crate::subject::Subject;
use crate::workload::scenario::Scenario;

/// Options that only random tests have.
#[derive(Clone, Debug, Default)]
pub struct RandomOptions {
    cases: Option<u32>,
    regressions: Option<PathBuf>,
}

/// Workloads that one test explores, unless it or `PROPTEST_CASES` says otherwise: each stands for all of its
/// crashes.
const CASES: u32 = 32;

/// What a regression's file has besides its workload.
const TEMPLATE: &str = "name = 'regression'\nguards = 'Found by a random test.'\nsubject = 'test'\n\
                        models = { posix = 'held' }\nops = ''\n";

/// What a random test explores: a workload, and what fails in it.
#[derive(Clone, Debug)]
pub struct RandomWorkload<Op> {
    /// The workload.
    pub steps: Vec<Step<Op>>,
    /// What fails, besides what the test itself lets fail.
    pub faults: Vec<Rule>,
}

impl<Op> From<Vec<Step<Op>>> for RandomWorkload<Op> {
    fn from(steps: Vec<Step<Op>>) -> Self {
        RandomWorkload { steps, faults: Vec::new() }
    }
}

impl<Op> From<(Vec<Step<Op>>, Vec<Rule>)> for RandomWorkload<Op> {
    fn from((steps, faults): (Vec<Step<Op>>, Vec<Rule>)) -> Self {
        RandomWorkload { steps, faults }
    }
}

impl<S: Subject> CrashTest<S> {
    /// How many workloads [`assert_random`](CrashTest::assert_random) explores; `PROPTEST_CASES` beats it.
    pub fn cases(mut self, cases: u32) -> Self {
        self.random.cases = Some(cases);
        self
    }

    /// What files of saved regressions are called; `test` if this is not called.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.scenario = name.into();
        self
    }

    /// A directory for workloads that went wrong: each is saved there as a scenario file, besides proptest's own
    /// seeds, and all that are there are explored first. A changed strategy makes seeds useless; workloads stay.
    pub fn regressions(mut self, dir: impl Into<PathBuf>) -> Self {
        self.random.regressions = Some(dir.into());
        self
    }

    /// Explores workloads drawn from a strategy, with faults perhaps: see [`crate::strategies`].
    ///
    /// # Panics
    ///
    /// If one shows a violation: with the smallest that proptest could make of it, and its story. Also if a
    /// saved regression does, or cannot be read.
    #[track_caller]
    pub fn assert_random<T>(&self, strategy: impl Strategy<Value = T>)
    where
        T: Into<RandomWorkload<S::Op>> + Clone + Debug,
    {
        if let Some(dir) = &self.random.regressions {
            self.replay(dir);
        }
        let mut config = Config::default();
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = self.random.cases.unwrap_or(CASES);
        }
        config.failure_persistence = self.random.regressions.as_ref().map(|dir| {
            // proptest wants a path that lives for ever; there is one a test.
            let path: &'static str = dir.join("seeds.txt").display().to_string().leak();
            Box::new(FileFailurePersistence::Direct(path)) as Box<_>
        });
        let rng = TestRng::deterministic_rng(config.rng_algorithm);
        let fixed = std::env::var_os("PROPTEST_RNG_SEED").is_none();
        let mut runner = if fixed { TestRunner::new_with_rng(config, rng) } else { TestRunner::new(config) };
        let outcome = runner.run(&strategy, |drawn| match wrong(&self.run_random(&drawn.into())) {
            None => Ok(()),
            Some(why) => Err(TestCaseError::fail(why)),
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Abort(why)) => panic!("no workloads could be drawn: {why}"),
            Err(TestError::Fail(why, drawn)) => {
                let RandomWorkload { steps, faults } = drawn.into();
                let lines: Vec<String> = steps.iter().map(line).collect();
                let faults: Vec<Rule> = self.settings.faults.iter().cloned().chain(faults).collect();
                let rules: String = faults.iter().map(|rule| format!("fault {rule}\n  ")).collect();
                let saved = self
                    .random
                    .regressions
                    .as_ref()
                    .map(|dir| save(dir, &self.settings.scenario, &lines, faults));
                let saved = saved.map_or(String::new(), |text| format!("\n{text}"));
                panic!("crash consistency violated by\n  {rules}{}\n{why}{saved}", lines.join("\n  "));
            }
        }
    }

    fn run_random(&self, drawn: &RandomWorkload<S::Op>) -> Exploration {
        if drawn.faults.is_empty() {
            return self.run_steps(&drawn.steps);
        }
        let mut settings = self.settings.clone();
        settings.faults.extend(drawn.faults.iter().cloned());
        self.run_under(&drawn.steps, &settings)
    }

    #[track_caller]
    fn replay(&self, dir: &Path) {
        for path in files(dir) {
            let label = path.display().to_string();
            match self.read(&path, &label) {
                Err(why) => panic!("failed to read the regression {label}: {why}"),
                Ok(RandomWorkload { steps, faults }) => {
                    let settings = Settings { faults, ..self.settings.clone() };
                    if let Some(why) = wrong(&self.run_under(&steps, &settings)) {
                        panic!("the regression {label} is back\n{why}");
                    }
                }
            }
        }
    }

    fn read(&self, path: &Path, label: &str) -> Result<RandomWorkload<S::Op>, String> {
        let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
        let scenario = Scenario::parse(label, &text).map_err(|e| e.to_string())?;
        let workload = scenario.expand(label).map_err(|e| e.to_string())?;
        let steps = parse_workload(&self.subject, &workload.lines).map_err(|e| e.message)?;
        Ok(RandomWorkload { steps, faults: scenario.faults })
    }
}

/// Why an exploration is not right, if it is not.
fn wrong(explored: &Exploration) -> Option<String> {
    match (explored.violations.first(), &explored.internal_error) {
        (Some(violation), _) => Some(violation.story.join("\n")),
        (None, Some(error)) => Some(format!("the harness contradicts itself, please report it: {error}")),
        (None, None) => None,
    }
}

fn line<Op: std::fmt::Display>(step: &Step<Op>) -> String {
    match step {
        Step::Do(op) => op.to_string(),
        Step::Reopen => "reopen".to_string(),
        Step::Lift => "lift".to_string(),
    }
}

/// The regressions of a directory, by name.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

/// Saves a workload; returns a line that says where, or why not.
fn save(dir: &Path, test: &str, lines: &[String], faults: Vec<Rule>) -> String {
    let ops: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let rules: String = faults.iter().map(|rule| format!("{rule}\n")).collect();
    let name = format!("{test}-{:016x}", crate::explore::fnv1a(format!("{rules}{ops}").as_bytes()));
    let scenario = match Scenario::parse("template", TEMPLATE) {
        Ok(template) => Scenario {
            name: name.clone(),
            subject: test.to_string(),
            models: vec![("posix".to_string(), Verdict::Held)],
            faults,
            ops,
            ..template
        },
        Err(e) => return format!("not saved: {e}"),
    };
    let path = dir.join(format!("{name}.toml"));
    match fs::create_dir_all(dir).and_then(|()| fs::write(&path, scenario.to_string())) {
        Ok(()) => format!("saved as {}", path.display()),
        Err(e) => format!("failed to save {}: {e}", path.display()),
    }
}
