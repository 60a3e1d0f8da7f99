//! Random workloads for the store: which options vary, and over what.

use unplug::fuzz::{FaultChoices, KvGenerator};
use unplug::workload::OptionValue;

/// What makes them.
pub fn generator() -> KvGenerator {
    let texts = |texts: &[&str]| -> Vec<OptionValue> {
        texts.iter().map(|text| OptionValue::Text(text.to_string())).collect()
    };
    let numbers = |numbers: &[i64]| -> Vec<OptionValue> {
        numbers.iter().map(|number| OptionValue::Int(*number)).collect()
    };
    // One block of header, with a checksum over all of it.
    let faults =
        FaultChoices::new(50).file("wal-").sealed("snap-", 512).sealed("MANIFEST-", 512).not_with("group");
    KvGenerator::new()
        .option("sync", 70, texts(&["manual", "manual", "every-n", "interval"]))
        .option("sync_writes", 20, numbers(&[2, 3]))
        .option("sync_period_s", 20, numbers(&[2, 3]))
        .option("segment_size", 70, numbers(&[1024, 1536, 2048, 4096]))
        .option("compact_ops", 60, numbers(&[1, 2, 3, 5]))
        .option("recycle", 40, [OptionValue::Bool(true)])
        .option("compaction_step", 20, numbers(&[100, 700]))
        .option("snapshot_chain", 20, numbers(&[1, 2]))
        .option("write_buffer", 10, numbers(&[600, 4096]))
        .option("preallocate", 30, numbers(&[0, 2048]))
        .option("group", 10, numbers(&[2, 3]))
        .faults(faults)
        .value_len("value_len")
}
