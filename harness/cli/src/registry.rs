//! What a program brings to the command line: its subjects, scenarios, planted bugs and replayer.

use unplug::fuzz::Generator;
use unplug::report::Verdict;
use unplug::subject::AnySubject;
use unplug::workload::Options;
use unplug::workload::protocol::Protocol;
use unplug::workload::scenario::Scenario;

use crate::kill::AnyVictim;
use crate::replay::Replayer;
use crate::tools::Toolbox;

type Factory = dyn Fn(&Options, Option<&str>) -> Result<Box<dyn AnySubject>, String> + Send + Sync;

/// A kind of store under test.
pub(crate) struct SubjectEntry {
    pub name: &'static str,
    pub summary: &'static str,
    pub factory: Box<Factory>,
}

/// A scenario that is part of the program.
pub(crate) struct Embedded {
    pub name: &'static str,
    pub text: &'static str,
}

/// A crash-consistency mistake that can be switched on: what watches the watcher.
#[derive(Clone, Copy, Debug)]
pub struct PlantedBug {
    /// Its name, as in `--bug NAME`.
    pub id: &'static str,
    /// What the store does wrong, in a sentence.
    pub summary: &'static str,
    /// What that breaks, for the one who relies on the store.
    pub breaks: &'static str,
    /// Checks of the store that are off while it is on, since they would hide it.
    pub disables: &'static [&'static str],
    /// Its smallest scenario.
    pub scenario: &'static str,
    /// Models under which it shows.
    pub models: &'static [&'static str],
    /// The other models that its scenario declares, and why it cannot happen there.
    pub impossible: &'static [Impossible],
}

/// Models under which a planted bug cannot happen.
#[derive(Clone, Copy, Debug)]
pub struct Impossible {
    /// The models.
    pub models: &'static [&'static str],
    /// What prevents it there.
    pub why: &'static str,
}

impl PlantedBug {
    /// Why it cannot happen under a model, if so.
    pub fn why_not(&self, model: &str) -> Option<&'static str> {
        self.impossible.iter().find(|impossible| impossible.models.contains(&model)).map(|i| i.why)
    }

    /// Where this and the verdicts that its scenario declares disagree, a line each.
    fn disagreements(&self, scenario: &Scenario) -> Vec<String> {
        let (id, name) = (self.id, &scenario.name);
        let mut problems = Vec::new();
        if scenario.bug.as_deref() != Some(id) {
            problems.push(format!("{id}: its scenario `{name}` does not switch it on"));
        }
        for (model, expected) in &scenario.models {
            let said = (self.models.contains(&model.as_str()), self.why_not(model).is_some());
            if said != (*expected == Verdict::Violated, *expected == Verdict::Held) {
                problems.push(format!("{id}: it and its scenario `{name}` disagree about {model}"));
            }
        }
        let declared = |model: &&str| scenario.models.iter().any(|(name, _)| name == model);
        let elsewhere = self.impossible.iter().flat_map(|impossible| impossible.models);
        for model in self.models.iter().chain(elsewhere).filter(|model| !declared(model)) {
            problems.push(format!("{id}: its scenario `{name}` says nothing of {model}"));
        }
        problems
    }
}

/// All that a program brings.
pub struct Registry {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) subjects: Vec<SubjectEntry>,
    pub(crate) bugs: Vec<PlantedBug>,
    pub(crate) scenarios: Vec<Embedded>,
    pub(crate) generators: Vec<(&'static str, Box<dyn Generator>)>,
    pub(crate) replayer: Option<Box<dyn Replayer>>,
    pub(crate) toolbox: Option<Box<dyn Toolbox>>,
    pub(crate) victim: Option<Box<dyn AnyVictim>>,
}

impl Registry {
    /// A registry of a program with this name and version. It has the subject `protocol`, which needs no
    /// store: see [`unplug::workload::protocol`].
    pub fn new(name: &'static str, version: &'static str) -> Registry {
        Registry {
            name,
            version,
            subjects: vec![SubjectEntry {
                name: "protocol",
                summary: "a bare list of file-system steps with requirements",
                factory: Box::new(Protocol::from_options),
            }],
            bugs: Vec::new(),
            scenarios: Vec::new(),
            generators: Vec::new(),
            replayer: None,
            toolbox: None,
            victim: None,
        }
    }

    /// Adds a subject. The factory gets a scenario's options and the planted bug's name, if any; its error
    /// says what was expected.
    #[must_use]
    pub fn subject<F>(mut self, name: &'static str, summary: &'static str, factory: F) -> Registry
    where
        F: Fn(&Options, Option<&str>) -> Result<Box<dyn AnySubject>, String> + Send + Sync + 'static,
    {
        self.subjects.push(SubjectEntry { name, summary, factory: Box::new(factory) });
        self
    }

    /// Sets what makes random workloads for a subject, for `fuzz`.
    #[must_use]
    pub fn generator(mut self, subject: &'static str, generator: impl Generator + 'static) -> Registry {
        self.generators.push((subject, Box::new(generator)));
        self
    }

    /// Adds planted bugs.
    #[must_use]
    pub fn bugs(mut self, bugs: &[PlantedBug]) -> Registry {
        self.bugs.extend_from_slice(bugs);
        self
    }

    /// Adds a scenario: its name and the text of its file.
    #[must_use]
    pub fn scenario(mut self, name: &'static str, text: &'static str) -> Registry {
        self.scenarios.push(Embedded { name, text });
        self
    }

    /// Sets what `replay` reads files with.
    #[must_use]
    pub fn replayer(mut self, replayer: impl Replayer + 'static) -> Registry {
        self.replayer = Some(Box::new(replayer));
        self
    }

    /// What is wrong with the registry itself, a line each: for a test of the program that owns it.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (at, embedded) in self.scenarios.iter().enumerate() {
            let name = embedded.name;
            if self.scenarios[..at].iter().any(|other| other.name == name) {
                problems.push(format!("{name}: there are two scenarios of this name"));
            }
            if let Err(problem) = self.check_embedded(embedded) {
                problems.push(format!("{name}: {problem}"));
            }
        }
        for (at, bug) in self.bugs.iter().enumerate() {
            let id = bug.id;
            if self.bugs[..at].iter().any(|other| other.id == id) {
                problems.push(format!("{id}: there are two planted bugs of this name"));
            }
            let scenario = self.scenarios.iter().find(|embedded| embedded.name == bug.scenario);
            match scenario.map(|embedded| Scenario::parse(embedded.name, embedded.text)) {
                None => problems.push(format!("{id}: its scenario `{}` is missing", bug.scenario)),
                Some(Ok(scenario)) => problems.extend(bug.disagreements(&scenario)),
                Some(Err(_)) => {}
            }
        }
        problems
    }

    fn check_embedded(&self, embedded: &Embedded) -> Result<(), String> {
        let file = embedded.name;
        let scenario = Scenario::parse(file, embedded.text).map_err(|e| e.to_string())?;
        if scenario.name != embedded.name {
            return Err(format!("expected its file to say the same name, found `{}`", scenario.name));
        }
        if scenario.to_string() != embedded.text {
            return Err("expected its text in canonical form".into());
        }
        if let Some(bug) = &scenario.bug
            && !self.bugs.iter().any(|known| known.id == bug)
        {
            return Err(format!("expected a planted bug of this program, found `{bug}`"));
        }
        let entry = self.subjects.iter().find(|entry| entry.name == scenario.subject);
        let entry =
            entry.ok_or(format!("expected a subject of this program, found `{}`", scenario.subject))?;
        let subject = (entry.factory)(&scenario.factory_options(), scenario.bug.as_deref())?;
        let workload = scenario.expand(file).map_err(|e| e.to_string())?;
        subject
            .check_workload(&workload.lines)
            .map_err(|e| format!("line {}: {}", workload.origins[e.line], e.message))
    }
}
