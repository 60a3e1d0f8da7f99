//! From a workload that shows a violation to the smallest that shows the same one.
//!
//! "The same" is decided by the violation's [cause](Violation::cause), so that a step which would lead over to
//! another bug is not taken. Tried in turn, until nothing helps any more: fewer crashes in a row, no
//! kills, fewer and weaker faults, fewer operations (delta debugging), simpler operations
//! ([`Subject::simpler`]), options at their defaults, smaller numbers in them. The exploration itself stops at
//! the earliest crash. No clock and no chance decide anything; the work is bounded by a number of explorations.
//!
//! [`Subject::simpler`]: crate::subject::Subject::simpler

mod weaker;

use crate::explore::Settings;
use crate::fault::Rule;
use crate::model::Model;
use crate::report::Violation;
use crate::subject::AnySubject;
use crate::workload::{OptionValue, Options};
use weaker::{earlier, narrower, smaller, weaker};

/// What is shrunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The workload.
    pub lines: Vec<String>,
    /// The subject's options.
    pub options: Options,
    /// Crashes in a row.
    pub depth: u32,
    /// Whether the process is killed, too.
    pub kills: bool,
    /// What fails.
    pub faults: Vec<Rule>,
}

impl Case {
    /// The settings to explore it with, given all others.
    pub fn settings(&self, base: &Settings) -> Settings {
        let faults = self.faults.clone();
        Settings { depth: self.depth, kills: self.kills, faults, progress: None, ..base.clone() }
    }
}

/// Makes a subject from options.
pub type Build<'a> = &'a (dyn Fn(&Options) -> Result<Box<dyn AnySubject>, String> + Sync);

/// The smallest case found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The case.
    pub case: Case,
    /// The violation as it shows in it.
    pub violation: Violation,
    /// The explorations it took.
    pub explorations: u32,
    /// The built-in models under which the workload shows a violation, the strongest first.
    pub models: Vec<String>,
}

/// Explorations after which the best so far is taken.
pub const EXPLORATIONS_MAX: u32 = 2000;

/// Recoveries at one crash point of a smaller case after which it is given up: what is smaller should be
/// quicker, too.
const LIMIT: u64 = 20_000;

struct Shrinker<'a> {
    build: Build<'a>,
    settings: Settings,
    cause: String,
    explorations: u32,
    explorations_max: u32,
}

impl Shrinker<'_> {
    fn is_over(&self) -> bool {
        let cancelled = |flag: &std::sync::Arc<std::sync::atomic::AtomicBool>| {
            flag.load(std::sync::atomic::Ordering::Relaxed)
        };
        self.explorations >= self.explorations_max || self.settings.cancel.as_ref().is_some_and(cancelled)
    }

    /// The violation, if the case still shows it.
    fn shows(&mut self, case: &Case) -> Option<Violation> {
        if self.is_over() {
            return None;
        }
        self.explorations += 1;
        let subject = (self.build)(&case.options).ok()?;
        let explored = subject.explore(&case.lines, &case.settings(&self.settings)).ok()?;
        explored.violations.into_iter().find(|violation| violation.cause() == self.cause)
    }

    /// Takes `candidate` in place of the best so far, if it shows the violation.
    fn take(&mut self, best: &mut (Case, Violation), candidate: Case) -> bool {
        if candidate == best.0 {
            return false;
        }
        let shown = self.shows(&candidate);
        let taken = shown.is_some();
        if let Some(violation) = shown {
            *best = (candidate, violation);
        }
        taken
    }

    fn crashes(&mut self, best: &mut (Case, Violation)) {
        for depth in 1..best.0.depth {
            let candidate = Case { depth, ..best.0.clone() };
            if self.take(best, candidate) {
                break;
            }
        }
        if best.0.kills {
            let candidate = Case { kills: false, ..best.0.clone() };
            self.take(best, candidate);
        }
    }

    /// Leaves out lines: large parts first, then ever smaller ones, from the end, where most are in vain.
    fn lines(&mut self, best: &mut (Case, Violation)) -> bool {
        let before = best.0.lines.len();
        let mut len = before.max(1);
        loop {
            let mut end = best.0.lines.len();
            while end > 0 {
                let start = end.saturating_sub(len);
                let mut candidate = best.0.clone();
                candidate.lines.drain(start..end);
                if !self.take(best, candidate.clone()) {
                    self.earlier(best, &candidate, end - start);
                }
                end = start.min(best.0.lines.len());
            }
            if len == 1 || self.is_over() {
                break;
            }
            len = len.div_ceil(2);
        }
        best.0.lines.len() < before
    }

    /// With fewer lines, the call that a rule is about has another number.
    fn earlier(&mut self, best: &mut (Case, Violation), fewer: &Case, lines: usize) {
        for index in 0..fewer.faults.len() {
            for by in [1, 2, 3, lines as u32, 2 * lines as u32] {
                if let Some(rule) = earlier(&fewer.faults[index], by) {
                    let mut candidate = fewer.clone();
                    candidate.faults[index] = rule;
                    if self.take(best, candidate) {
                        return;
                    }
                }
            }
        }
    }

    /// Fewer faults, and weaker ones.
    fn faults(&mut self, best: &mut (Case, Violation)) -> bool {
        let mut helped = false;
        for index in (0..best.0.faults.len()).rev() {
            let mut candidate = best.0.clone();
            candidate.faults.remove(index);
            helped |= self.take(best, candidate);
        }
        for index in 0..best.0.faults.len() {
            'again: loop {
                let rule = &best.0.faults[index];
                for rule in narrower(rule).into_iter().chain(weaker(rule)) {
                    let mut candidate = best.0.clone();
                    candidate.faults[index] = rule;
                    if self.take(best, candidate) {
                        helped = true;
                        continue 'again;
                    }
                }
                break;
            }
        }
        helped
    }

    fn operations(&mut self, subject: &dyn AnySubject, best: &mut (Case, Violation)) -> bool {
        let mut helped = false;
        for index in 0..best.0.lines.len() {
            // What replaces a line may be simplified in its turn.
            'again: loop {
                for line in subject.simpler(&best.0.lines[index]) {
                    let mut candidate = best.0.clone();
                    candidate.lines[index] = line;
                    if self.take(best, candidate) {
                        helped = true;
                        continue 'again;
                    }
                }
                break;
            }
        }
        helped
    }

    fn options(&mut self, best: &mut (Case, Violation)) -> bool {
        let mut helped = false;
        let names: Vec<String> = best.0.options.iter().map(|(name, _)| name.to_string()).collect();
        for name in names {
            let mut candidate = best.0.clone();
            candidate.options.remove(&name);
            helped |= self.take(best, candidate);
            'again: loop {
                let value = best.0.options.iter().find(|(option, _)| *option == name);
                let Some((_, &OptionValue::Int(number))) = value else { break };
                for number in smaller(number) {
                    let mut candidate = best.0.clone();
                    candidate.options.set(&name, OptionValue::Int(number));
                    if self.take(best, candidate) {
                        helped = true;
                        continue 'again;
                    }
                }
                break;
            }
        }
        helped
    }
}

/// Shrinks `case`, which was found to show `violation`. The result shows the same, or is the case itself.
pub fn shrink(
    build: Build<'_>,
    case: &Case,
    violation: &Violation,
    settings: &Settings,
    explorations_max: u32,
) -> Shrunk {
    let limit = settings.limit.min(LIMIT);
    let mut shrinker = Shrinker {
        build,
        settings: Settings { limit, cap: settings.cap.min(limit), ..settings.clone() },
        cause: violation.cause().to_string(),
        explorations: 0,
        explorations_max,
    };
    let mut best = (case.clone(), violation.clone());
    shrinker.crashes(&mut best);
    shrinker.faults(&mut best);
    shrinker.lines(&mut best);
    loop {
        let mut helped = shrinker.options(&mut best);
        helped |= shrinker.faults(&mut best);
        if let Ok(subject) = build(&best.0.options) {
            helped |= shrinker.operations(&*subject, &mut best);
        }
        helped |= shrinker.lines(&mut best);
        if !helped || shrinker.is_over() {
            break;
        }
    }
    shrinker.crashes(&mut best);
    let (case, violation) = best;
    let models = models(&mut shrinker, &case, &violation);
    Shrunk { case, violation, explorations: shrinker.explorations, models }
}

/// The built-in models under which the case shows a violation, whatever its cause, the strongest first: the
/// fewer others permit it with, the stronger.
fn models(shrinker: &mut Shrinker<'_>, case: &Case, violation: &Violation) -> Vec<String> {
    const STRONGEST_FIRST: [&str; 5] = ["xfs", "ext4", "btrfs", "posix", "paranoid"];
    let own = shrinker.settings.model.name.clone();
    let mut models = Vec::new();
    for name in STRONGEST_FIRST {
        let Some(model) = Model::by_name(name) else { continue };
        let shows = name == own || violation.models.iter().any(|m| m == name) || {
            shrinker.explorations += 1;
            let settings = Settings { model, ..case.settings(&shrinker.settings) };
            let subject = (shrinker.build)(&case.options).ok();
            let explored = subject.and_then(|subject| subject.explore(&case.lines, &settings).ok());
            explored.is_some_and(|explored| !explored.violations.is_empty())
        };
        if shows {
            models.push(name.to_string());
        }
    }
    models
}

#[cfg(test)]
mod tests;
