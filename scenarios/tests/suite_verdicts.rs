//! The whole suite but its longest scenario and most sweeps ends as declared, fully explored, and finds each bug
//! early.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::process::Command;

/// The long one takes minutes without optimisation; `unplug run` has it.
const LONG: &str = "puts-2000";

/// And the other sweeps are like this one.
const SWEEP: &str = "sweep-writes";

fn is_short((name, text): &(&str, &str)) -> bool {
    *name != LONG && (*name == SWEEP || !text.contains("sweep = true"))
}

#[test]
fn every_scenario_ends_as_declared_and_is_explored_to_the_end() {
    let names = unplug_scenarios::suite::SCENARIOS
        .iter()
        .filter(|scenario| is_short(scenario))
        .map(|(name, _)| *name);
    let output = Command::new(env!("CARGO_BIN_EXE_unplug"))
        .args(["run", "-q", "--json", "-"])
        .args(names)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for scenario in report["scenarios"].as_array().unwrap() {
        let name = &scenario["name"];
        assert_eq!(scenario["probed"], 0, "{name}");
        assert_eq!(scenario["verdict"], scenario["expected"], "{name}");
        if scenario["verdict"] == "violated" {
            assert!(scenario["first_violation_recovery"].as_u64().unwrap() <= 5000, "{name}");
        } else {
            assert_eq!(scenario["unexplored"], 0, "{name}");
            assert_eq!(scenario["exhausted"], scenario["crash_points"], "{name}");
        }
    }
}

#[test]
fn unsynced_records_cost_recoveries_in_proportion_not_exponentially() {
    let output = Command::new(env!("CARGO_BIN_EXE_unplug"))
        .args(["run", "-q", "--json", "-", "unsynced-16", "unsynced-64"])
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let field = |index: usize, name: &str| report["scenarios"][index][name].as_f64().unwrap();
    assert!(field(1, "states_log2_max") >= 120.0);
    let ratio = field(1, "recoveries") / field(0, "recoveries");
    assert!(ratio <= 4.5, "{ratio}");
}
