//! What is simpler than a fault, or than an option's value.

use crate::fault::{CallKind, CallSet, Effect, Outcome, Rule, Which};

/// Calls of a kind to try at most.
const NUMBER_MAX: u32 = 6;

/// Rules that ask less of the disk than this one, the simplest first.
pub(super) fn weaker(rule: &Rule) -> Vec<Rule> {
    let mut out: Vec<Rule> = Vec::new();
    // Of what lies on the disk, the place is all.
    let numbered = !rule.outcome.is_on_medium() && !matches!(rule.outcome, Outcome::Full(_));
    let call = |n| Rule { which: Which::Nth(n), ..rule.clone() };
    match rule.which {
        Which::Every if numbered => out.push(call(1)),
        Which::From(n) | Which::Until(n) => out.push(call(n)),
        Which::Nth(n) => out.extend(smaller(i64::from(n)).filter_map(|n| u32::try_from(n).ok()).map(call)),
        _ => {}
    }
    let effect = |effect| Rule { effect, ..rule.clone() };
    match rule.effect {
        Effect::Applied => out.push(effect(Effect::None)),
        Effect::Part(len) => {
            out.push(effect(Effect::None));
            out.extend([1, 512, 4096].into_iter().filter(|l| *l < len).map(|len| effect(Effect::Part(len))));
        }
        _ => {}
    }
    out
}

/// The same rule about an earlier call, for a workload that makes fewer.
pub(super) fn earlier(rule: &Rule, by: u32) -> Option<Rule> {
    let which = match rule.which {
        Which::Nth(n) if n > by => Which::Nth(n - by),
        Which::From(n) if n > by => Which::From(n - by),
        Which::Until(n) if n > by => Which::Until(n - by),
        _ => return None,
    };
    Some(Rule { which, ..rule.clone() })
}

/// The one call that a rule about a call out of several is about, each in turn.
pub(super) fn narrower(rule: &Rule) -> Vec<Rule> {
    let (false, Which::Nth(last)) = (matches!(rule.call, CallSet::One(_)), rule.which) else {
        return Vec::new();
    };
    let calls = CallKind::ALL.into_iter().filter(|call| rule.call.has(*call));
    let one = |(call, n)| Rule { call: CallSet::One(call), which: Which::Nth(n), ..rule.clone() };
    calls.flat_map(|call| (1..=last.min(NUMBER_MAX)).map(move |n| (call, n))).map(one).collect()
}

/// Numbers to try in place of `n`, the smallest first.
pub(super) fn smaller(n: i64) -> impl Iterator<Item = i64> {
    // One by one would take too long from far up.
    let numbers = [1, n / 2, if n > 16 { n / 4 * 3 } else { n - 1 }];
    let first = move |i: usize| !numbers[..i].contains(&numbers[i]);
    (0..3).filter(move |i| (1..n).contains(&numbers[*i]) && first(*i)).map(move |i| numbers[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(rules: &[Rule]) -> Vec<String> {
        rules.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rules_get_weaker_until_nothing_is_weaker() {
        let rule = |text: &str| text.parse::<Rule>().unwrap();
        assert_eq!(
            texts(&weaker(&rule("any-sync #6.. -> EIO, applied"))),
            ["any-sync #6 -> EIO, applied", "any-sync #6.. -> EIO"]
        );
        assert_eq!(
            texts(&weaker(&rule("write #6 -> ENOSPC, part 700"))),
            [
                "write #1 -> ENOSPC, part 700",
                "write #3 -> ENOSPC, part 700",
                "write #5 -> ENOSPC, part 700",
                "write #6 -> ENOSPC",
                "write #6 -> ENOSPC, part 1",
                "write #6 -> ENOSPC, part 512"
            ]
        );
        for last in ["sync_dir #1 -> EIO", "read snap-* @7 -> rot 01, reported", "any-write -> full 4096"] {
            assert!(weaker(&rule(last)).is_empty(), "{last}");
        }
        let mut rule = rule("write #..9 -> ENOSPC, part 5000");
        let mut steps = 0;
        while let Some(next) = weaker(&rule).pop() {
            rule = next;
            steps += 1;
            assert!(steps < 50, "{rule}");
        }
    }

    #[test]
    fn a_class_of_calls_narrows_to_one() {
        let rule: Rule = "any-sync wal-* #2 -> EIO".parse().unwrap();
        assert_eq!(
            texts(&narrower(&rule)),
            [
                "sync_data wal-* #1 -> EIO",
                "sync_data wal-* #2 -> EIO",
                "sync_all wal-* #1 -> EIO",
                "sync_all wal-* #2 -> EIO",
                "sync_dir wal-* #1 -> EIO",
                "sync_dir wal-* #2 -> EIO"
            ]
        );
        assert!(narrower(&"sync_data #2 -> EIO".parse().unwrap()).is_empty());
    }

    #[test]
    fn numbers_get_smaller_and_stay_above_zero() {
        let of = |n| smaller(n).collect::<Vec<_>>();
        assert_eq!((of(9), of(3), of(2)), (vec![1, 4, 8], vec![1, 2], vec![1]));
        assert_eq!(of(1000), [1, 500, 750]);
        assert!(of(1).is_empty() && of(0).is_empty() && of(-3).is_empty());
    }
}
