//! Litmus tests and published protocols: each ends as its file declares under all five models, the broken
//! ones are caught, the repaired ones hold, and the table in the docs says the same.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use unplug::advise::{self, Action, Audited, Job, Judgement};
use unplug::explore::{Exploration, Settings};
use unplug::model::Model;
use unplug::report::Verdict;
use unplug::workload::protocol::Protocol;
use unplug::workload::scenario::Scenario;
use unplug_scenarios::suite::SCENARIOS;

const DOCS: &str = include_str!("../../docs/PROTOCOLS.md");

fn protocols() -> Vec<Scenario> {
    let all = SCENARIOS.iter().map(|(name, text)| Scenario::parse(name, text).unwrap());
    let protocols: Vec<Scenario> = all.filter(|scenario| scenario.subject == "protocol").collect();
    assert!(protocols.len() >= 40);
    protocols
}

fn explored(scenario: &Scenario, model: &str) -> Exploration {
    let subject = Protocol::from_options(&scenario.factory_options(), None).unwrap();
    let workload = scenario.expand(&scenario.name).unwrap();
    let settings = Settings::new(scenario.name.as_str(), Model::by_name(model).unwrap());
    subject.explore(&workload.lines, &settings).unwrap()
}

fn violated(scenario: &Scenario) -> Vec<&str> {
    let violated = scenario.models.iter().filter(|(_, expected)| *expected == Verdict::Violated);
    violated.map(|(model, _)| model.as_str()).collect()
}

#[test]
fn every_protocol_ends_as_it_declares_under_every_model() {
    for scenario in protocols() {
        let name = &scenario.name;
        let models: Vec<&str> = scenario.models.iter().map(|(model, _)| model.as_str()).collect();
        assert_eq!(models, Model::NAMES, "{name}");
        for (model, expected) in &scenario.models {
            let explored = explored(&scenario, model);
            assert_eq!(explored.internal_error, None, "{name} under {model}");
            if *expected == Verdict::Held {
                explored.assert_held();
                continue;
            }
            let violation = explored.violations.first();
            let violation = violation.unwrap_or_else(|| panic!("{name} is held under {model}"));
            assert_eq!(violation.check, "requirement", "{name} under {model}");
            assert_ne!(violation.kind, "none", "{name} under {model} is wrong without a crash");
        }
    }
}

#[test]
fn whatever_a_file_system_breaks_posix_breaks_and_whatever_posix_breaks_paranoid_breaks() {
    for scenario in protocols() {
        let violated = violated(&scenario);
        if ["ext4", "xfs", "btrfs"].iter().any(|model| violated.contains(model)) {
            assert!(violated.contains(&"posix"), "{}", scenario.name);
        }
        assert!(!violated.contains(&"posix") || violated.contains(&"paranoid"), "{}", scenario.name);
    }
}

#[test]
fn a_violation_names_steps_of_the_protocol_and_no_line_of_the_harness() {
    for scenario in protocols() {
        for model in violated(&scenario) {
            let violation = explored(&scenario, model).violations.into_iter().next().unwrap();
            let (name, steps) = (&scenario.name, scenario.expand(&scenario.name).unwrap().lines.len());
            assert!(!violation.story.join("\n").contains(".rs:"), "{name}: {:?}", violation.story);
            assert!(!violation.signature.contains(".rs:"), "{name}: {}", violation.signature);
            for step in &violation.source {
                let number: usize = step.strip_prefix("operation ").unwrap().parse().unwrap();
                assert!((1..=steps).contains(&number), "{name}: {step}");
            }
        }
    }
}

/// A file replaced without a sync, in steps that are numbered across a reopening.
const UNSYNCED: &str = "
name = 'unsynced'
guards = 'A file replaced by rename is the old one or the new one.'
subject = 'protocol'
models = { posix = 'violated' }
ops = '''
create file
append file \"old\"
begin
reopen
create file.new
append file.new \"new\"
rename file.new file
'''
requires = '''
always: file is \"old\" | \"new\"
'''
";

#[test]
fn the_story_and_the_advice_number_steps_alike() {
    let scenario = Scenario::parse("unsynced", UNSYNCED).unwrap();
    let subject = Protocol::from_options(&scenario.factory_options(), None).unwrap();
    let violation = explored(&scenario, "posix").violations.into_iter().next().unwrap();
    assert_eq!(violation.source, ["operation 6"]);
    let lines = scenario.expand("unsynced").unwrap().lines;
    let settings = Settings::new("unsynced", Model::by_name("posix").unwrap());
    let advice = advise::advise(&*subject, &lines, &lines, &settings, &violation).unwrap().unwrap();
    assert_eq!(
        advice.to_string(),
        "sync the file after the write at operation 6 (file.new), before the rename at operation 7: 1 sync more in this \
         workload"
    );
}

#[test]
fn the_audit_of_a_protocol_judges_each_step_by_itself() {
    let scenario = protocols().into_iter().find(|scenario| scenario.name == "alice-boltdb-fixed").unwrap();
    let subject = Protocol::from_options(&scenario.factory_options(), None).unwrap();
    let lines = scenario.expand(&scenario.name).unwrap().lines;
    let settings = Settings::new(scenario.name.as_str(), Model::by_name("posix").unwrap());
    let job = |name| Job { name, subject: &*subject, lines: &lines, settings: settings.clone() };
    let audited = advise::audit(&[job("first"), job("second")], &Action::is_sync, &mut |_| {}).unwrap();
    let needed = |audited: &Audited| match audited.judgement {
        Judgement::LoadBearing { .. } => true,
        Judgement::Redundant { .. } => false,
        Judgement::Unknown => panic!("{audited:?}"),
    };
    for name in ["first", "second"] {
        let own = audited.iter().filter(|audited| audited.job.as_deref() == Some(name));
        let judged: Vec<(String, bool)> = own.map(|a| (a.site.to_string(), needed(a))).collect();
        let step = |number: usize| lines[number - 1].as_str();
        let expected = [
            ("directory sync at operation 1", false),
            ("file sync at operation 5", false),
            ("directory sync at operation 6", true),
            ("file sync at operation 8", false),
            ("file sync at operation 10", true),
        ];
        assert_eq!(judged, expected.map(|(site, needed)| (site.to_string(), needed)));
        assert_eq!((step(6), step(10)), ("sync_dir .", "fdatasync my.db"));
    }
}

#[test]
fn a_published_protocol_is_caught_and_its_repair_holds() {
    let all = protocols();
    let repaired = |name: &str| all.iter().find(|scenario| scenario.name == name);
    for broken in all.iter().filter(|s| s.name.starts_with("alice-") && !s.name.ends_with("-fixed")) {
        assert!(!violated(broken).is_empty(), "{}", broken.name);
    }
    for fixed in all.iter().filter(|scenario| scenario.name.ends_with("-fixed")) {
        let before = repaired(fixed.name.strip_suffix("-fixed").unwrap());
        assert!(before.is_some(), "{} repairs nothing", fixed.name);
        let left = violated(fixed);
        assert!(left.is_empty() || left == ["paranoid"], "{}", fixed.name);
        assert!(left.len() < violated(before.unwrap()).len(), "{}", fixed.name);
    }
}

#[test]
fn the_table_in_the_docs_says_what_the_files_declare() {
    for scenario in protocols() {
        let cell = |verdict: &Verdict| if *verdict == Verdict::Violated { "**V**" } else { "·" };
        let cells: Vec<&str> = scenario.models.iter().map(|(_, verdict)| cell(verdict)).collect();
        let row = format!("| `{}` | {} |", scenario.name, cells.join(" | "));
        assert!(DOCS.lines().any(|line| line.starts_with(&row)), "expected a row {row}");
    }
    let rows = DOCS.lines().filter(|line| line.starts_with("| `litmus-") || line.starts_with("| `alice-"));
    assert_eq!(rows.count(), protocols().len());
}

#[test]
fn every_protocol_says_where_it_comes_from() {
    for scenario in protocols() {
        assert!(scenario.comment.lines().count() >= 1, "{}", scenario.name);
    }
}
