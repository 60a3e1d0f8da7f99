//! The advice for a planted missing or misplaced sync names the place where it was planted.

use std::collections::BTreeMap;
use std::sync::Arc;

use unplug::advise::{self, Action, Advice, Entry, Place, Plan, Site, Target};
use unplug::explore::Settings;
use unplug::model::Model;
use unplug::shrink::{self, Case};
use unplug::subject::AnySubject;
use unplug::workload::Options;
use unplug::workload::scenario::Scenario;
use unplug_scenarios::engine::Engine;
use unplug_scenarios::suite::SCENARIOS;

/// Planted bugs that are syncs left out or made too late: too late for a later call, or for the answer to the write
/// that they are about.
const MISSING_SYNCS: [&str; 15] = [
    "acknowledged-before-sync",
    "wal-sync-dropped",
    "wal-sync-delayed",
    "segment-entry-not-synced",
    "dead-tail-cut-not-synced",
    "manifest-sync-dropped",
    "dir-sync-dropped",
    "parent-dir-sync-dropped",
    "dir-not-synced-after-rename",
    "snapshot-not-synced",
    "old-files-removed-early",
    "segment-removed-early",
    "interval-acknowledged-early",
    "follower-acknowledged-early",
    "group-acknowledged-early",
];

/// There is no advice for it: the write is answered before it is in the log, so no sync at that time would hold it.
const NOT_YET_WRITTEN: &str = "group-acknowledged-early";

fn engine(options: &Options, bug: Option<&str>) -> Result<Box<dyn AnySubject>, String> {
    Ok(Box::new(Engine::new(options, bug)?))
}

/// Shrinks a bug's scenario and asks for advice.
fn advice(name: &str) -> (Case, Option<Advice>) {
    let (_, text) = SCENARIOS.iter().find(|(known, _)| *known == name).unwrap();
    let scenario = Scenario::parse(name, text).unwrap();
    let build = |options: &Options| engine(options, scenario.bug.as_deref());
    let lines = scenario.expand(name).unwrap().lines;
    let Scenario { options, depth, kill: kills, faults, .. } = scenario.clone();
    let case = Case { lines, options, depth, kills, faults };
    let settings = Settings { jobs: 1, ..Settings::new(name, Model::posix()) };
    let subject = build(&case.options).unwrap();
    let explored = subject.explore(&case.lines, &case.settings(&settings)).unwrap();
    let violation = explored.violations.first().unwrap();
    let small = shrink::shrink(&build, &case, violation, &settings, shrink::EXPLORATIONS_MAX);
    let subject = build(&small.case.options).unwrap();
    let settings = small.case.settings(&settings);
    let advice =
        advise::advise(&*subject, &small.case.lines, &case.lines, &settings, &small.violation).unwrap();
    (small.case, advice)
}

/// How often each kind of sync comes behind a call: of a file, the last call that is no sync; of a directory, the
/// last call that changes names.
fn syncs_behind(log: &[Entry]) -> BTreeMap<(Site, Target), u32> {
    let mut counts = BTreeMap::new();
    let (mut last, mut last_name) = (None, None);
    for Entry { site, .. } in log {
        let behind = match site.action {
            Action::SyncFile => last.map(|last| (last, Target::File)),
            Action::SyncDir => last_name.map(|last| (last, Target::Dir)),
            action => {
                last = Some(*site);
                last_name = if action.is_content() { last_name } else { last };
                None
            }
        };
        if let Some(behind) = behind {
            *counts.entry(behind).or_default() += 1;
        }
    }
    counts
}

/// The calls behind which the store as it should be makes a sync, and the one with the bug does not. If both make the
/// same, the answer came before the sync: the place is behind what was written last.
fn planted(case: &Case, bug: &str) -> Vec<(Site, Target)> {
    let log = |bug| {
        let plan = Arc::new(Plan::logging(Vec::new()));
        engine(&case.options, bug).unwrap().run_plainly(&case.lines, &plan).unwrap();
        let mut workload = plan.entries();
        let all = workload.clone();
        workload.truncate(plan.workload().0);
        (all, workload)
    };
    let ((right, _), (wrong, workload)) = (log(None), log(Some(bug)));
    if right == wrong {
        let last = workload.iter().rev().find(|entry| entry.site.action.is_content());
        return last.map(|entry| (entry.site, Target::File)).into_iter().collect();
    }
    let (right, wrong) = (syncs_behind(&right), syncs_behind(&wrong));
    let fewer = |(place, count): (&(Site, Target), &u32)| wrong.get(place).is_none_or(|n| n < count);
    right.iter().filter(|entry| fewer(*entry)).map(|(place, _)| *place).collect()
}

#[test]
fn the_advice_names_the_line_where_a_sync_is_missing() {
    let mut wrong = Vec::new();
    let mut lines = Vec::new();
    for name in MISSING_SYNCS {
        let (case, advice) = advice(name);
        let places = planted(&case, name);
        assert!(!places.is_empty(), "{name}: the planted place was not found");
        let right = advice.as_ref().is_some_and(|advice| {
            advice.add.place == Place::After && places.contains(&(advice.add.site, advice.add.target))
        });
        if !right {
            wrong.push(name);
        }
        lines.push(format!("{name}: {}", advice.map_or("none".to_string(), |advice| advice.to_string())));
    }
    assert_eq!(wrong, [NOT_YET_WRITTEN], "{}", lines.join("\n"));
}

#[test]
fn a_sync_that_only_comes_too_late_is_to_be_moved() {
    let (_, advice) = advice("old-files-removed-early");
    let advice = advice.unwrap();
    assert_eq!((advice.add.site.action, advice.add.target), (Action::Rename, Target::Dir));
    assert!(advice.instead_of.is_some_and(|site| site.action == Action::SyncDir), "{advice}");
}

#[test]
fn where_no_single_sync_helps_there_is_no_advice() {
    let moved = ["orphans-removed-early", "wal-dropped-before-switch", "batch-applied-early"];
    for name in moved.into_iter().chain([NOT_YET_WRITTEN]) {
        assert_eq!(advice(name).1, None, "{name}");
    }
}
