//! The number of worker threads decides nothing: the report of the whole suite but its longest scenario and most
//! sweeps is the same with one and with two, `seconds` apart.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::process::Command;

use unplug::report::RunReport;
use unplug_scenarios::suite::SCENARIOS;

/// The long one takes minutes without optimisation.
const LONG: &str = "puts-2000";

/// And the other sweeps are like this one.
const SWEEP: &str = "sweep-writes";

fn is_short((name, text): &(&str, &str)) -> bool {
    *name != LONG && (*name == SWEEP || !text.contains("sweep = true"))
}

fn report(jobs: &str) -> (Option<i32>, RunReport) {
    let names = SCENARIOS.iter().filter(|scenario| is_short(scenario)).map(|(name, _)| *name);
    let output = Command::new(env!("CARGO_BIN_EXE_unplug"))
        .args(["run", "-q", "--json", "-", "--seed", "7", "--jobs", jobs])
        .args(names)
        .output()
        .unwrap();
    let mut report: RunReport = serde_json::from_slice(&output.stdout).unwrap();
    for scenario in &mut report.scenarios {
        scenario.seconds = 0.0;
    }
    (output.status.code(), report)
}

#[test]
fn the_report_is_the_same_with_one_worker_thread_and_with_two() {
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| report("1"));
        let two = report("2");
        (one.join().unwrap(), two)
    });
    assert_eq!(one.0, Some(0));
    assert_eq!(two.0, Some(0));
    assert_eq!(one.1.scenarios.len(), SCENARIOS.iter().filter(|scenario| is_short(scenario)).count());
    let text = |report: &RunReport| serde_json::to_string_pretty(report).unwrap();
    let (one, two) = (text(&one.1), text(&two.1));
    let differs = one.lines().zip(two.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None);
    assert_eq!(one, two);
}
