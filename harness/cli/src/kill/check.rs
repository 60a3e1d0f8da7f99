//! The oracle: the state that came back is that after one operation between the last promised and the last
//! issued.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use unplug::subject::Subject;
use unplug_vfs::{OsFs, Vfs};

use super::Victim;
use super::child::{self, brief, next_operation};
use super::draw::{Draw, Stream};
use super::words::Told;

/// How far a heavy operation is looked for.
const HEAVY_WITHIN: u64 = 60;
/// Operations that are shown around a violation.
const OPS_SHOWN_MAX: u64 = 8;
/// Lines of a difference that are shown.
const DIFF_SHOWN_MAX: usize = 12;

/// What a kill has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    /// Which check failed.
    pub check: &'static str,
    /// What is wrong, in a sentence.
    pub summary: String,
    /// More lines.
    pub details: Vec<String>,
}

impl Violation {
    pub(super) fn new(check: &'static str, summary: impl Into<String>) -> Violation {
        Violation { check, summary: summary.into(), details: Vec::new() }
    }
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landed {
    /// The state is that after this operation.
    pub operation: u64,
}

/// A [`Victim`] with its types erased.
pub(crate) trait AnyVictim: Send + Sync {
    /// Whether a planted bug can be switched on; if not, why not.
    fn check_bug(&self, bug: &str) -> Result<(), String>;

    /// What the killed process does.
    fn run(&self, dir: &Path, seed: u64, round: u64, bug: Option<&str>);

    /// The first operation from `after` on that is worth a kill in the middle of it, if one comes soon.
    fn heavy_after(&self, seed: u64, round: u64, after: u64) -> Option<u64>;

    /// Opens the store for the first time; the error says why it cannot be.
    fn begin<'v>(
        &'v self,
        dir: &'v Path,
        seed: u64,
        bug: Option<&'v str>,
    ) -> Result<Box<dyn AnyCheck + 'v>, String>;
}

/// The parent's view of the store, from kill to kill.
pub(crate) trait AnyCheck {
    /// Opens the store after a kill, and checks what it holds.
    fn after_kill(&mut self, round: u64, told: &Told) -> Result<Landed, Violation>;
}

impl<V: Victim> AnyVictim for V {
    fn check_bug(&self, bug: &str) -> Result<(), String> {
        self.subject(&mut Draw::new(0, 0, Stream::Options), Some(bug)).map(drop)
    }

    fn run(&self, dir: &Path, seed: u64, round: u64, bug: Option<&str>) {
        child::run(self, dir, seed, round, bug);
    }

    fn heavy_after(&self, seed: u64, round: u64, after: u64) -> Option<u64> {
        let mut draw = Draw::new(seed, round, Stream::Operations);
        let mut operations =
            (1..=after + HEAVY_WITHIN).map(|number| (number, next_operation(self, &mut draw).1));
        operations.find(|(number, op)| *number > after && self.is_heavy(op)).map(|(number, _)| number)
    }

    fn begin<'v>(
        &'v self,
        dir: &'v Path,
        seed: u64,
        bug: Option<&'v str>,
    ) -> Result<Box<dyn AnyCheck + 'v>, String> {
        let subject = self.subject(&mut Draw::new(seed, 0, Stream::Options), bug)?;
        let mut check = Check { victim: self, dir, seed, bug, state: subject.initial_state() };
        let state = check.recover(&subject).map_err(|violation| violation.summary)?;
        match subject.allows(&check.state, &state) {
            true => check.state = state,
            false => return Err("a new store is not empty".to_string()),
        }
        Ok(Box::new(check))
    }
}

struct Check<'v, V: Victim> {
    victim: &'v V,
    dir: &'v Path,
    seed: u64,
    bug: Option<&'v str>,
    /// What the store held when it was last looked at.
    state: <V::Subject as Subject>::State,
}

type StateOf<V> = <<V as Victim>::Subject as Subject>::State;

impl<V: Victim> Check<'_, V> {
    /// Opens the store, reads all of it, and closes it.
    fn recover(&self, subject: &V::Subject) -> Result<StateOf<V>, Violation> {
        let vfs: Arc<dyn Vfs> = Arc::new(OsFs);
        let look = || -> Result<StateOf<V>, String> {
            let mut store =
                subject.open(vfs, self.dir).map_err(|e| format!("the store does not open: {e}"))?;
            let state = subject.read(&mut store).map_err(|e| format!("the store cannot be read: {e}"))?;
            subject.close(store).map_err(|e| format!("the store does not close: {e}"))?;
            Ok(state)
        };
        match catch_unwind(AssertUnwindSafe(look)) {
            Ok(Ok(state)) => Ok(state),
            Ok(Err(why)) => Err(Violation::new("liveness", why)),
            Err(_) => Err(Violation::new("liveness", "recovery panics")),
        }
    }
}

impl<V: Victim> AnyCheck for Check<'_, V> {
    fn after_kill(&mut self, round: u64, told: &Told) -> Result<Landed, Violation> {
        let options = |why| Violation::new("liveness", why);
        let subject = self
            .victim
            .subject(&mut Draw::new(self.seed, round, Stream::Options), self.bug)
            .map_err(options)?;
        let got = self.recover(&subject)?;
        let mut draw = Draw::new(self.seed, round, Stream::Operations);
        let mut model = self.state.clone();
        let (mut landed, mut older, mut promised) = (None, None, model.clone());
        let mut shown = Vec::new();
        for number in 0..=told.issued {
            if number > 0 {
                let (_, op) = next_operation(self.victim, &mut draw);
                subject.apply(&mut model, &op);
                if told.issued - number < OPS_SHOWN_MAX {
                    let mark = match number {
                        n if n <= told.durable => "durable",
                        n if n <= told.done => "done",
                        _ => "issued",
                    };
                    shown.push(format!("operation {number}, {mark}: {}", brief(&op)));
                }
            }
            let allowed = subject.allows(&model, &got);
            if number < told.durable {
                older = allowed.then_some(number).or(older);
            } else {
                landed = allowed.then_some(number).or(landed);
            }
            if number == told.durable {
                promised = model.clone();
            }
        }
        if let Some(operation) = landed {
            self.state = got;
            return Ok(Landed { operation });
        }
        let Told { durable, issued, .. } = *told;
        let (check, summary) = match older {
            Some(0) => (
                "durability",
                format!(
                    "operation {durable} was acknowledged as durable; the state before operation 1 came back"
                ),
            ),
            Some(old) => (
                "durability",
                format!(
                    "operation {durable} was acknowledged as durable; the state after operation {old} came back"
                ),
            ),
            None => ("epoch", "a state came back that never existed".to_string()),
        };
        let range = match durable == issued {
            true => format!("allowed: the state after operation {issued}"),
            false => format!("allowed: a state after one of the operations {durable} to {issued}"),
        };
        let mut details = vec![range];
        let diff = subject.diff(&promised, &got);
        let more = diff.len().saturating_sub(DIFF_SHOWN_MAX);
        details.extend(diff.into_iter().take(DIFF_SHOWN_MAX));
        if more > 0 {
            details.push(format!("… and {more} more"));
        }
        details.extend(shown);
        Err(Violation { check, summary, details })
    }
}
