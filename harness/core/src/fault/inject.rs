//! Decides, call by call, which rule hits.

use std::path::Path;

use super::rule::{CallKind, Effect, ErrorCode, Outcome, Phase, Rule};
use crate::trace::Pos;

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its result.
    pub outcome: Outcome,
    /// What it does all the same.
    pub effect: Effect,
}

/// A fault that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// The call.
    pub call: CallKind,
    /// What came of it.
    pub decision: Decision,
}

impl Fired {
    /// Whether it says no more than that there was no room, so that the store can go on once there is.
    pub fn is_want_of_space(&self) -> bool {
        let is_sync = super::CallSet::AnySync.has(self.call);
        match self.decision.outcome {
            Outcome::Full(_) => true,
            Outcome::Error(code) => code.is_no_space() && !is_sync && self.decision.effect == Effect::None,
            _ => false,
        }
    }
}

/// The rules of one process, and how often each matched.
#[derive(Clone, Debug, Default)]
pub struct Injector {
    rules: Vec<Rule>,
    matched: Vec<u32>,
    fired: Vec<Fired>,
    /// Where in the trace the first of them happened.
    first_at: Option<Pos>,
    lifted: bool,
    /// The calls that were made, if somebody wants to know.
    seen: Option<Vec<CallKind>>,
}

impl Injector {
    /// The rules that hold in the process that runs the workload.
    pub fn for_workload(rules: &[Rule]) -> Injector {
        let holds = |rule: &&Rule| rule.phase == Phase::Workload && !rule.outcome.is_on_medium();
        Injector::with(rules.iter().filter(holds).cloned().collect())
    }

    /// The rules that hold in a recovery: the first after a crash, or a later one.
    pub fn for_recovery(rules: &[Rule], is_first: bool) -> Injector {
        let holds = |rule: &&Rule| match rule.phase {
            Phase::Workload => rule.outcome.is_on_medium(),
            Phase::Recovery => is_first,
        };
        Injector::with(rules.iter().filter(holds).cloned().collect())
    }

    fn with(rules: Vec<Rule>) -> Injector {
        let matched = vec![0; rules.len()];
        Injector { rules, matched, ..Injector::default() }
    }

    /// Notes the calls that are made.
    pub fn watching(mut self) -> Injector {
        self.seen = Some(Vec::new());
        self
    }

    /// Whether there is nothing for it to do.
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty() && self.seen.is_none()
    }

    /// From now on nothing fails any more.
    pub fn lift(&mut self) {
        self.lifted = true;
    }

    /// The faults that happened.
    pub fn fired(&self) -> &[Fired] {
        &self.fired
    }

    /// The position in the trace at which the first of them happened, if any did.
    pub fn first_at(&self) -> Option<Pos> {
        self.first_at
    }

    /// Notes, once a call is decided, that the trace had this length.
    pub(crate) fn happened_at(&mut self, at: Pos) {
        if !self.fired.is_empty() {
            self.first_at.get_or_insert(at);
        }
    }

    /// The calls that were made, if it was [watching](Injector::watching).
    pub fn seen(&self) -> &[CallKind] {
        self.seen.as_deref().unwrap_or_default()
    }

    /// What is to become of a call on these paths; `None`: what always does.
    pub fn decide(&mut self, call: CallKind, paths: &[&Path]) -> Option<Decision> {
        if let Some(seen) = &mut self.seen {
            seen.push(call);
        }
        if self.lifted {
            return None;
        }
        let mut decision = None;
        for (rule, matched) in self.rules.iter().zip(&mut self.matched) {
            let special = rule.outcome.is_on_medium() || matches!(rule.outcome, Outcome::Full(_));
            if special || !rule.call.has(call) || !paths.iter().any(|path| rule.path.matches(path)) {
                continue;
            }
            *matched = matched.saturating_add(1);
            if decision.is_none() && rule.which.has(*matched) {
                decision = Some(Decision { outcome: rule.outcome, effect: rule.effect });
            }
        }
        if let Some(decision) = decision {
            self.fired.push(Fired { call, decision });
        }
        decision
    }

    /// The room on the disk, if a rule limits it for a call on this path. Tell [`Injector::was_full`] if the
    /// call does not fit.
    pub fn room(&self, call: CallKind, path: &Path) -> Option<u64> {
        self.full_rules(call, path).map(|(_, room)| room).min()
    }

    fn full_rules(&self, call: CallKind, path: &Path) -> impl Iterator<Item = (usize, u64)> + '_ {
        let path = path.to_path_buf();
        let rules = self.rules.iter().zip(&self.matched).enumerate();
        rules.filter(|_| !self.lifted).filter_map(move |(index, (rule, matched))| match rule.outcome {
            Outcome::Full(room)
                if rule.call.has(call) && rule.path.matches(&path) && rule.which.has(matched + 1) =>
            {
                Some((index, room))
            }
            _ => None,
        })
    }

    /// A call met the full disk.
    pub fn was_full(&mut self, call: CallKind, path: &Path) {
        let Some((index, room)) = self.full_rules(call, path).min_by_key(|(_, room)| *room) else { return };
        self.matched[index] = self.matched[index].saturating_add(1);
        let decision = Decision { outcome: Outcome::Full(room), effect: Effect::None };
        self.fired.push(Fired { call, decision });
    }

    /// Whether any rule is about what the disk returns.
    pub fn has_medium(&self) -> bool {
        !self.lifted && self.rules.iter().any(|rule| rule.outcome.is_on_medium())
    }

    /// What the disk returns for `bytes`, read at `offset` of a file; `from_disk` says of a byte whether it comes
    /// from there and not from the cache.
    pub fn medium(
        &mut self,
        path: &Path,
        offset: u64,
        bytes: &mut [u8],
        from_disk: impl Fn(u64) -> bool,
    ) -> Result<(), ErrorCode> {
        let end = offset + bytes.len() as u64;
        for rule in &self.rules {
            let super::Which::At(place) = rule.which else { continue };
            if self.lifted || !rule.path.matches(path) {
                continue;
            }
            let (first, last) = match rule.outcome {
                Outcome::Rot(_) => (place, place + 1),
                Outcome::BadSector => (place / 512 * 512, (place / 512 + 1).saturating_mul(512)),
                _ => continue,
            };
            let hit = (first.max(offset)..last.min(end)).find(|at| from_disk(*at));
            let Some(at) = hit else { continue };
            let decision = Decision { outcome: rule.outcome, effect: rule.effect };
            self.fired.push(Fired { call: CallKind::Read, decision });
            match rule.outcome {
                Outcome::Rot(bits) => bytes[(at - offset) as usize] ^= bits,
                _ => return Err(ErrorCode::Eio),
            }
        }
        Ok(())
    }
}
