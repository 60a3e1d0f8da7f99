//! The engine as what `kill` kills: its options and operations, drawn at random.

use unplug::workload::kv::{KvBytes, KvChange, KvOp};
use unplug::workload::{OptionValue, Options};
use unplug_cli::kill::{Draw, Victim};

use crate::engine::Engine;

/// The engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineVictim;

/// Few keys, so that they are overwritten and deleted often.
const KEYS: u64 = 40;

impl Victim for EngineVictim {
    type Subject = Engine;

    fn subject(&self, draw: &mut Draw, bug: Option<&str>) -> Result<Engine, String> {
        // Small ones, so that rotations and compactions are among what is killed.
        let number = |n: i64| OptionValue::Int(n);
        let mut options = Options::new();
        options.set("segment_size", number(draw.pick(&[1024, 2048, 8192, 65536])));
        options.set("compact_ops", number(draw.pick(&[4, 15, 40, 0])));
        options.set("sync", OptionValue::Text(draw.pick(&["every-write", "every-write", "manual"]).into()));
        options.set("recycle", OptionValue::Bool(draw.once_in(3)));
        Engine::new(&options, bug)
    }

    fn operation(&self, draw: &mut Draw) -> KvOp {
        match draw.below(100) {
            0..=4 => KvOp::Compact,
            5..=12 => KvOp::Sync,
            13..=27 => {
                let count = draw.within(2..=8);
                KvOp::Batch((0..count).map(|_| change(draw)).collect())
            }
            _ => KvOp::Change(change(draw)),
        }
    }

    fn is_heavy(&self, op: &KvOp) -> bool {
        *op == KvOp::Compact
    }
}

fn change(draw: &mut Draw) -> KvChange {
    let key = KvBytes::from(format!("k{:02}", draw.below(KEYS)).as_bytes());
    if draw.once_in(5) {
        return KvChange::Del { key };
    }
    // Lengths vary, so that records end everywhere in their blocks; some cross many of them.
    let len = match draw.below(40) {
        0 => draw.within(10_000..=40_000),
        1..=8 => draw.within(500..=3_000),
        _ => draw.within(0..=200),
    };
    KvChange::Put { key, value: KvBytes::filled(draw.below(u64::MAX), len as usize) }
}
