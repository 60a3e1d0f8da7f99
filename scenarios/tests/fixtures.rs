//! One test per fixture: what replay says of it is what its sidecar declares.

use std::path::Path;

use unplug_cli::replay::{Expectations, Replayer};
use unplug_scenarios::replay::FileReplayer;

fn replays_as_declared(sidecar: &Path) -> datatest_stable::Result<()> {
    let expectations = Expectations::parse(&std::fs::read_to_string(sidecar)?)?;
    let expected = expectations.of(None).unwrap_or_default();
    assert!(!expected.is_empty(), "a sidecar that declares nothing");
    let fixture = sidecar.with_extension("");
    let readings = FileReplayer.replay(&fixture).map_err(|e| format!("{e:?}"))?;
    assert_eq!(readings.len(), expected.len(), "{readings:?}");
    for (reading, expected) in readings.iter().zip(expected) {
        let differences = expected.differences(reading);
        assert!(differences.is_empty(), "{}: {}\n{reading:?}", expected.format, differences.join("; "));
    }
    Ok(())
}

datatest_stable::harness! {
    { test = replays_as_declared, root = "../fixtures", pattern = r"\.expect$" },
}
