//! The JUnit report: one test case per scenario and model.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use unplug::report::{RunReport, ScenarioReport};

use super::Ending;
use super::terminal::story;
use crate::error::CliError;

/// The report's text.
pub(super) fn render(run: &RunReport, endings: &[Ending]) -> Result<String, CliError> {
    let mut suite = TestSuite::new("unplug");
    for (scenario, ending) in run.scenarios.iter().zip(endings) {
        let mut case = TestCase::new(&scenario.name, status(scenario, *ending));
        case.set_classname(format!("{}.{}", scenario.subject, scenario.model));
        case.set_time(Duration::from_secs_f64(scenario.seconds));
        suite.add_test_case(case);
    }
    let mut report = Report::new("unplug");
    report.add_test_suite(suite);
    report.to_string().map_err(|e| CliError::environment(format!("failed to build the JUnit report: {e}")))
}

fn status(scenario: &ScenarioReport, ending: Ending) -> TestCaseStatus {
    let failure = |kind, message: String| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(message);
        status
    };
    match ending {
        Ending::Held | Ending::Caught => TestCaseStatus::success(),
        Ending::NotHere => TestCaseStatus::skipped(),
        Ending::Incomplete => failure(
            NonSuccessKind::Error,
            format!("{} of {} crash points unexplored", scenario.unexplored, scenario.crash_points),
        ),
        Ending::Missed => failure(NonSuccessKind::Failure, "expected a violation, found none".into()),
        Ending::Broken => {
            let check = scenario.violations.first().map_or("", |violation| violation.check.as_str());
            let mut status = failure(NonSuccessKind::Failure, format!("violated: {check}"));
            let lines = scenario.violations.iter().flat_map(|violation| {
                let mut lines = story(violation, "violation");
                lines.push(format!("token: {}", violation.token));
                lines
            });
            status.set_description(lines.collect::<Vec<_>>().join("\n"));
            status
        }
    }
}
