//! One call inside `cargo test`.

use crate::explore::{Exploration, Settings, Step, explore, parse_workload};
use crate::fault::Sweep;
use crate::model::Model;
use crate::subject::Subject;

/// A crash test: a subject, a workload, and how hard to look. See the [crate documentation](crate) for a
/// whole example.
///
/// ```no_run
/// # use unplug::subject::Subject;
/// # fn demo<S: Subject>(my_store: S) {
/// unplug::CrashTest::new(my_store).ops("put a 1\nsync\nput a 2").depth(2).run().assert_held();
/// # }
/// ```
pub struct CrashTest<S: Subject> {
    pub(crate) subject: S,
    steps: Vec<Step<S::Op>>,
    pub(crate) settings: Settings,
    pub(crate) models: Vec<Model>,
    #[cfg(feature = "proptest")]
    pub(crate) random: crate::check_random::RandomOptions,
}

impl<S: Subject> CrashTest<S> {
    /// A test of a subject under the `posix` model, with an empty workload.
    pub fn new(subject: S) -> CrashTest<S> {
        CrashTest {
            subject,
            steps: Vec::new(),
            settings: Settings::new("test", Model::posix()),
            models: Vec::new(),
            #[cfg(feature = "proptest")]
            random: Default::default(),
        }
    }

    /// Appends a workload as text: a line an operation, or `reopen`. Empty lines do not count.
    ///
    /// # Panics
    ///
    /// If the subject does not understand a line; the message says which, and what was expected.
    pub fn ops(mut self, text: &str) -> Self {
        let lines: Vec<String> =
            text.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect();
        match parse_workload(&self.subject, &lines) {
            Ok(steps) => self.steps.extend(steps),
            Err(e) => panic!("in `{}`: {}", lines[e.line], e.message),
        }
        self
    }

    /// Appends operations.
    pub fn steps(mut self, ops: impl IntoIterator<Item = S::Op>) -> Self {
        self.steps.extend(ops.into_iter().map(Step::Do));
        self
    }

    /// The persistence model.
    pub fn model(mut self, model: Model) -> Self {
        self.settings.model = model;
        self
    }

    /// Several persistence models, one after another, instead of a single one.
    pub fn models(mut self, models: impl IntoIterator<Item = Model>) -> Self {
        self.models = models.into_iter().collect();
        self
    }

    /// Crashes in a row: 1 (the default) crashes the workload; 2 also crashes the recovery from each of
    /// those crashes, and the operations after it.
    pub fn depth(mut self, depth: u32) -> Self {
        self.settings.depth = depth;
        self
    }

    /// Has calls fail, by a [rule](crate::fault) such as `sync_data wal-* #3 -> EIO`; may be repeated.
    ///
    /// # Panics
    ///
    /// If the rule does not parse; the message shows where.
    pub fn fault(mut self, rule: &str) -> Self {
        match rule.parse() {
            Ok(rule) => self.settings.faults.push(rule),
            Err(e) => panic!("{e}"),
        }
        self
    }

    /// Instead of the workload as it is, explores it with each of its calls failing in turn, in each way that
    /// it can, and with each call of the recovery after it.
    pub fn sweep(mut self) -> Self {
        self.settings.sweep = Sweep::Full;
        self
    }

    /// Anything else.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Runs the workload and explores all of its crashes; of several models, up to the first with a violation.
    pub fn run(&self) -> Exploration {
        self.run_steps(&self.steps)
    }

    pub(crate) fn run_steps(&self, steps: &[Step<S::Op>]) -> Exploration {
        self.run_under(steps, &self.settings)
    }

    pub(crate) fn run_under(&self, steps: &[Step<S::Op>], settings: &Settings) -> Exploration {
        let Some((last, others)) = self.models.split_last() else {
            return explore(&self.subject, steps, settings);
        };
        let under = |model: &Model| {
            explore(&self.subject, steps, &Settings { model: model.clone(), ..settings.clone() })
        };
        let wrong = |explored: &Exploration| {
            !explored.violations.is_empty()
                || explored.internal_error.is_some()
                || explored.probed + explored.unexplored > 0
        };
        others.iter().map(under).find(wrong).unwrap_or_else(|| under(last))
    }
}

impl Exploration {
    /// # Panics
    ///
    /// If there is a violation (the message is its story), or if the exploration was not exhaustive.
    #[track_caller]
    pub fn assert_held(&self) {
        if let Some(violation) = self.violations.first() {
            panic!("crash consistency violated\n{}", violation.story.join("\n"));
        }
        if let Some(error) = &self.internal_error {
            panic!("the harness contradicts itself, please report it: {error}");
        }
        assert!(
            self.probed + self.unexplored == 0,
            "not exhausted: {} crash points probed, {} unexplored of {}",
            self.probed,
            self.unexplored,
            self.crash_points
        );
    }
}
