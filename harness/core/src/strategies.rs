//! Strategies for proptest: random workloads of key-value stores, which shrink as proptest's values do. With
//! the feature `proptest`. [`CrashTest::assert_random`](crate::CrashTest::assert_random) takes them.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::explore::Step;
use crate::fault::Rule;
use crate::fuzz::{FaultChoices, Random};
use crate::workload::kv::{KvBytes, KvChange, KvOp};

/// Keys `ka`, `kb` and so on.
pub fn kv_keys(count: u8) -> impl Strategy<Value = KvBytes> {
    (0..count.clamp(1, 26)).prop_map(|n| KvBytes::from(&[b'k', b'a' + n][..]))
}

/// Values of these lengths that differ from each other.
pub fn kv_values(len: RangeInclusive<usize>) -> impl Strategy<Value = KvBytes> {
    (0..1000u64, len).prop_map(|(seed, len)| KvBytes::filled(seed, len))
}

/// Puts and, less often, deletions, with keys of [`kv_keys`] and values of [`kv_values`].
pub fn kv_changes(keys: u8, len: RangeInclusive<usize>) -> impl Strategy<Value = KvChange> {
    prop_oneof![
        3 => (kv_keys(keys), kv_values(len)).prop_map(|(key, value)| KvChange::Put { key, value }),
        1 => kv_keys(keys).prop_map(|key| KvChange::Del { key }),
    ]
}

/// Operations: changes, batches, syncs and compactions.
pub fn kv_ops(keys: u8, len: RangeInclusive<usize>) -> impl Strategy<Value = KvOp> {
    prop_oneof![
        6 => kv_changes(keys, len.clone()).prop_map(KvOp::Change),
        1 => vec(kv_changes(keys, len), 1..4).prop_map(KvOp::Batch),
        2 => Just(KvOp::Sync),
        1 => Just(KvOp::Compact),
    ]
}

/// Whole workloads of up to `steps_max` operations, with reopening in between.
pub fn kv_steps(
    keys: u8,
    len: RangeInclusive<usize>,
    steps_max: usize,
) -> impl Strategy<Value = Vec<Step<KvOp>>> {
    let step = prop_oneof![
        9 => kv_ops(keys, len).prop_map(Step::Do),
        1 => Just(Step::Reopen),
    ];
    vec(step, 0..=steps_max)
}

/// What fails: in half of the draws nothing, else one rule or two of those that
/// [`FaultChoices`] makes. Together with a workload, `(kv_steps(…), faults(…))`, it is what
/// [`CrashTest::assert_random`](crate::CrashTest::assert_random) takes.
pub fn faults(choices: FaultChoices) -> impl Strategy<Value = Vec<Rule>> {
    let drawn = any::<u64>().prop_map(move |seed| choices.draw(&mut Random::new(seed, 0)));
    prop_oneof![Just(Vec::new()), drawn]
}
