//! What fails in a case.

use super::Random;
use crate::fault::Rule;

/// Places in a file that may rot: its head, its second sector, anywhere in a few sectors.
const PLACES: [(usize, usize); 3] = [(0, 64), (512, 512), (0, 2048)];
/// How much of a failed write took effect.
const PARTS: [usize; 5] = [1, 100, 512, 4096, 8192];

/// Which faults a subject's cases have.
#[derive(Clone, Debug)]
pub struct FaultChoices {
    percent: usize,
    /// What names of files begin with, and in how many bytes of such a file's head damage must be reported.
    files: Vec<(&'static str, usize)>,
    /// Options that cannot be together with faults.
    pub(super) not_with: Vec<&'static str>,
}

impl FaultChoices {
    /// In so many of a hundred cases.
    pub fn new(percent: usize) -> FaultChoices {
        FaultChoices { percent, files: Vec::new(), not_with: Vec::new() }
    }

    /// The subject has files whose names begin so. Half of the rules are about one of these kinds of files.
    #[must_use]
    pub fn file(mut self, prefix: &'static str) -> Self {
        self.files.push((prefix, 0));
        self
    }

    /// The same, of files that the subject reads only if they are complete: damage in so many bytes of their heads
    /// must be reported. (Further on, damage may hit what carries nothing.)
    #[must_use]
    pub fn sealed(mut self, prefix: &'static str, head_bytes: usize) -> Self {
        self.files.push((prefix, head_bytes));
        self
    }

    /// This option of the subject cannot be together with faults.
    #[must_use]
    pub fn not_with(mut self, option: &'static str) -> Self {
        self.not_with.push(option);
        self
    }

    /// Some rules, or none.
    pub(crate) fn draw(&self, random: &mut Random) -> Vec<Rule> {
        let rules = match (random.percent(self.percent), random.percent(30)) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        (0..rules).filter_map(|_| self.text(random).parse().ok()).collect()
    }

    fn text(&self, random: &mut Random) -> String {
        let (prefix, head) = random.pick(&self.files).copied().unwrap_or_default();
        // One file, if names end in numbers.
        let one = if random.percent(10) { random.below(10).to_string() } else { String::new() };
        let on = if prefix.is_empty() { String::new() } else { format!(" {prefix}*{one}") };
        let word = |words: &[&'static str], random: &mut Random| random.pick(words).copied().unwrap_or("any");
        let error = word(&["EIO", "EIO", "ENOSPC"], random);
        let applied = if random.percent(30) { ", applied" } else { "" };
        let which = which(random);
        let anywhere = random.percent(50);
        let any_on = if anywhere { "" } else { &on };
        match random.below(14) {
            0 | 1 => {
                let call = word(&["any-sync", "sync_data", "sync_dir"], random);
                let on = if call == "sync_dir" { "" } else { any_on };
                format!("{call}{on} {which} -> {error}{applied}")
            }
            2 | 3 => {
                let part = random.pick(&PARTS).map_or(String::new(), |len| format!(", part {len}"));
                let part = if random.percent(60) { part } else { String::new() };
                format!("write{any_on} {which} -> {error}{part}")
            }
            4 => format!("any-metadata{any_on} {which} -> {error}{applied}"),
            5..=7 => {
                let call = word(&["open", "open", "open", "any-read"], random);
                let error = if call == "open" { "EMFILE" } else { "EIO" };
                format!("{call}{on} {which} -> {error}")
            }
            8 => format!("any-write -> full {}", 1024 * random.between(1, 24)),
            9..=11 => {
                let calls = ["read", "read", "read", "any-read", "any-write", "any-sync", "any-metadata"];
                let call = word(&calls, random);
                let on = if call == "read" { &on } else { any_on };
                format!("recovery: {call}{on} {which} -> {error}")
            }
            12 => {
                let lie = word(&["lost", "misdirected 512"], random);
                format!("write{on} #{} -> {lie}", random.between(1, 6))
            }
            _ => {
                let (start, len) = random.pick(&PLACES).copied().unwrap_or_default();
                let place = start + random.below(len);
                let bit = 1_u8 << random.below(8);
                let reported = if place < head { ", reported" } else { "" };
                format!("read{on} @{place} -> rot {bit:02x}{reported}")
            }
        }
    }
}

fn which(random: &mut Random) -> String {
    // Early calls are made by all workloads.
    let last = random.pick(&[1, 2, 3, 5, 8]).copied().unwrap_or(1);
    let n = random.between(1, last);
    if random.percent(70) { format!("#{n}") } else { format!("#{n}..") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_one() {
        for choices in [FaultChoices::new(9), FaultChoices::new(9).file("log-").sealed("table-", 512)] {
            for stream in 0..500 {
                let text = choices.text(&mut Random::new(9, stream));
                assert_eq!(text.parse::<Rule>().map(|rule| rule.to_string()), Ok(text));
            }
        }
    }

    #[test]
    fn cases_have_no_rule_or_one_or_two() {
        let choices = FaultChoices::new(50).file("log-");
        let mut counts = [0; 3];
        (0..200).for_each(|stream| counts[choices.draw(&mut Random::new(4, stream)).len()] += 1);
        assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    }
}
