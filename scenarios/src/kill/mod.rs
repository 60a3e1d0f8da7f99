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
        let mut options = Options::new();
        let mut set = |name: &str, value: i64| options.set(name, OptionValue::Int(value));
        set("segment_size", draw.pick(&[1024, 2048, 8192, 65536]));
        set("compact_ops", draw.pick(&[4, 15, 40, 0]));
        set("compaction_step", draw.pick(&[0, 0, 300, 5000]));
        set("snapshot_chain", draw.pick(&[0, 0, 1, 3]));
        set("write_buffer", draw.pick(&[0, 0, 0, 700, 20_000]));
        set("preallocate", draw.pick(&[0, 2048, 65536]));
        set("group", draw.pick(&[0, 0, 0, 3]));
        set("sync_writes", draw.pick(&[2, 5]));
        set("sync_period_s", draw.pick(&[2, 6]));
        let sync = draw.pick(&["every-write", "every-write", "every-n", "interval", "manual"]);
        options.set("sync", OptionValue::Text(sync.into()));
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
