//! Random workloads of key-value stores.

use super::{FaultChoices, Generator, OptionChoices, Random};
use crate::shrink::Case;
use crate::workload::kv::{KvBytes, KvChange, KvOp};
use crate::workload::{OptionValue, Options};

/// Operations of a case at most, by crashes in a row: what is crashed more often must be shorter.
const OPS_MAX: [usize; 2] = [16, 6];
/// Lengths of values: nothing, within a sector, its neighbourhood, more than one, more than a page.
const LENGTHS: [(usize, usize); 6] = [(0, 1), (1, 100), (380, 420), (480, 520), (600, 1100), (3900, 5000)];
/// From here on nothing fails any more.
const LIFT: &str = "lift";

/// Makes workloads in the operation language of [`kv`](crate::workload::kv).
#[derive(Clone, Debug, Default)]
pub struct KvGenerator {
    options: Vec<OptionChoices>,
    faults: Option<FaultChoices>,
    value_len: Option<&'static str>,
}

/// The kinds of operations, and sizes, of one case.
struct Swarm {
    /// How often each kind: put, del, batch, sync, compact, reopen.
    weights: [usize; 6],
    keys: usize,
    lengths: (usize, usize),
}

impl KvGenerator {
    /// Without options.
    pub fn new() -> KvGenerator {
        KvGenerator::default()
    }

    /// Lets an option of the subject have one of these values in so many of a hundred cases.
    #[must_use]
    pub fn option(
        mut self,
        name: &'static str,
        percent: usize,
        values: impl IntoIterator<Item = OptionValue>,
    ) -> Self {
        self.options.push(OptionChoices { name, percent, values: values.into_iter().collect() });
        self
    }

    /// Sets this option to the usual length of the case's values.
    #[must_use]
    pub fn value_len(mut self, name: &'static str) -> Self {
        self.value_len = Some(name);
        self
    }

    /// Lets calls fail, and the disk lie, in some cases.
    #[must_use]
    pub fn faults(mut self, faults: FaultChoices) -> Self {
        self.faults = Some(faults);
        self
    }

    fn draw_faults(&self, case: &mut Case, random: &mut Random) {
        case.lines.retain(|line| line != LIFT);
        case.faults = self.faults.as_ref().map_or(Vec::new(), |faults| faults.draw(random));
        if !case.faults.is_empty() && random.percent(30) {
            case.lines.insert(random.below(case.lines.len() + 1), LIFT.to_string());
        }
    }

    /// Leaves out what cannot be together with faults.
    fn reconcile(&self, case: &mut Case) {
        if let Some(faults) = self.faults.as_ref().filter(|_| !case.faults.is_empty()) {
            faults.not_with.iter().for_each(|name| case.options.remove(name));
        }
    }

    fn line(&self, swarm: &Swarm, number: usize, random: &mut Random) -> String {
        let mut draw = random.below(swarm.weights.iter().sum());
        let kind = swarm.weights.iter().position(|weight| {
            let hit = draw < *weight;
            draw = draw.saturating_sub(*weight);
            hit
        });
        match kind {
            Some(1) => KvOp::Change(del(swarm, random)).to_string(),
            Some(2) => {
                let parts = random.between(2, 3);
                let part = |i| match random.percent(75) {
                    true => put(swarm, number * 4 + i, random),
                    false => del(swarm, random),
                };
                KvOp::Batch((0..parts).map(part).collect()).to_string()
            }
            Some(3) => "sync".to_string(),
            Some(4) => "compact".to_string(),
            Some(5) => "reopen".to_string(),
            _ => KvOp::Change(put(swarm, number * 4, random)).to_string(),
        }
    }

    fn set_value_len(&self, options: &mut Options, len: usize) {
        if let Some(name) = self.value_len {
            options.set(name, OptionValue::Int(len as i64));
        }
    }
}

impl Swarm {
    fn draw(random: &mut Random) -> Swarm {
        let mut weights = [6, 2, 2, 3, 2, 2];
        for weight in &mut weights[1..] {
            if random.percent(50) {
                *weight = 0;
            }
        }
        let lengths = random.pick(&LENGTHS).copied().unwrap_or_default();
        Swarm { weights, keys: random.between(1, 4), lengths }
    }
}

fn key(swarm: &Swarm, random: &mut Random) -> KvBytes {
    let name = [b'k', b'a' + random.below(swarm.keys) as u8];
    KvBytes::from(&name[..])
}

fn put(swarm: &Swarm, seed: usize, random: &mut Random) -> KvChange {
    // Mostly of one length: what is lost and what comes after it then lie in the same place.
    let (low, high) = swarm.lengths;
    let len = if random.percent(70) { high } else { random.between(low, high) };
    KvChange::Put { key: key(swarm, random), value: KvBytes::filled(seed as u64 + 1, len) }
}

fn del(swarm: &Swarm, random: &mut Random) -> KvChange {
    KvChange::Del { key: key(swarm, random) }
}

impl Generator for KvGenerator {
    fn fresh(&self, random: &mut Random) -> Case {
        let swarm = Swarm::draw(random);
        let depth = if random.percent(35) { 2 } else { 1 };
        let len = random.between(1, OPS_MAX[depth - 1]);
        let mut lines: Vec<String> = (0..len).map(|number| self.line(&swarm, number, random)).collect();
        // The last operation is the one whose crash nothing follows: a change is worth most.
        if random.percent(50) {
            lines.push(KvOp::Change(put(&swarm, len * 4, random)).to_string());
        }
        let mut options = Options::new();
        for choices in &self.options {
            choices.draw(&mut options, random);
        }
        self.set_value_len(&mut options, swarm.lengths.1);
        let mut case =
            Case { lines, options, depth: depth as u32, kills: random.percent(20), faults: Vec::new() };
        self.draw_faults(&mut case, random);
        self.reconcile(&mut case);
        case
    }

    fn mutate(&self, case: &Case, other: &Case, random: &mut Random) -> Case {
        let mut out = case.clone();
        let swarm = Swarm::draw(random);
        for _ in 0..random.between(1, 3) {
            let at = random.below(out.lines.len() + 1);
            match random.below(8) {
                0 | 1 => out.lines.insert(at, self.line(&swarm, 100 + at, random)),
                2 if at < out.lines.len() => drop(out.lines.remove(at)),
                3 if at < out.lines.len() => {
                    let line = out.lines[at].clone();
                    out.lines.insert(at, line);
                }
                4 => {
                    out.lines.truncate(at);
                    out.lines.extend(other.lines.iter().skip(random.below(other.lines.len() + 1)).cloned());
                }
                5 => {
                    if let Some(choices) = random.pick(&self.options) {
                        choices.draw(&mut out.options, random);
                    }
                }
                6 => self.draw_faults(&mut out, random),
                _ => {
                    out.depth = if out.depth == 1 && random.percent(50) { 2 } else { 1 };
                    out.kills = random.percent(20);
                }
            }
        }
        out.lines.truncate(OPS_MAX[usize::from(out.depth > 1)]);
        self.reconcile(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator() -> KvGenerator {
        let sizes = [1024, 2048].map(OptionValue::Int);
        let faults = FaultChoices::new(50).file("log-").not_with("segment_size");
        KvGenerator::new().option("segment_size", 60, sizes).value_len("value_len").faults(faults)
    }

    #[test]
    fn every_line_is_an_operation_and_cases_stay_small() {
        let generator = generator();
        let mut kinds = std::collections::BTreeSet::new();
        let mut case = generator.fresh(&mut Random::new(3, 0));
        for stream in 1..300 {
            let mut random = Random::new(3, stream);
            let other = generator.fresh(&mut random);
            case = generator.mutate(&case, &other, &mut random);
            for line in case.lines.iter().chain(&other.lines) {
                kinds.insert(line.split(' ').next().unwrap().to_string());
                assert!(["reopen", "lift"].contains(&&**line) || line.parse::<KvOp>().is_ok(), "{line}");
            }
            assert!(case.lines.len() <= OPS_MAX[case.depth as usize - 1]);
            assert!(other.lines.len() <= OPS_MAX[other.depth as usize - 1] + 2);
            assert!(case.faults.is_empty() || case.options.iter().all(|(name, _)| name != "segment_size"));
        }
        assert_eq!(Vec::from_iter(kinds), ["batch", "compact", "del", "lift", "put", "reopen", "sync"]);
    }

    #[test]
    fn a_seed_and_a_stream_make_one_case() {
        let case = |stream| generator().fresh(&mut Random::new(5, stream));
        assert_eq!(case(1), case(1));
        assert_ne!(case(1), case(2));
    }
}
