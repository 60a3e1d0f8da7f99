//! Planted bugs × models: each ends as its scenario declares, and `docs/BUGS.md` says how. After a change that
//! moves its numbers, `UNPLUG_UPDATE_DOCS=1 cargo test -p unplug-scenarios --test bug_table` writes them anew.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use unplug::explore::Settings;
use unplug::fault::Sweep;
use unplug::model::Model;
use unplug::report::Verdict;
use unplug::subject::AnySubject as _;
use unplug::workload::scenario::Scenario;
use unplug_cli::PlantedBug;
use unplug_scenarios::engine::Engine;
use unplug_scenarios::planted::BUGS;
use unplug_scenarios::suite::SCENARIOS;

/// The only one that takes more than a second: its row's last number is kept as it stands, unless the page is
/// being written. `unplug run dead-tail-not-cut --model all` has it.
const LONG: (&str, &str) = ("dead-tail-not-cut", "paranoid");

/// The recovery that showed each bug under each model.
static CAUGHT_AT: LazyLock<BTreeMap<(&str, &str), Option<u64>>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for bug in BUGS {
        for model in Model::NAMES {
            if (bug.id, model) != LONG || updating() {
                all.insert((bug.id, model), caught_at(bug, model));
            }
        }
    }
    all
});

fn updating() -> bool {
    std::env::var_os("UNPLUG_UPDATE_DOCS").is_some()
}

fn scenario_of(bug: &PlantedBug) -> Scenario {
    let (name, text) = SCENARIOS.iter().find(|(name, _)| *name == bug.scenario).unwrap();
    Scenario::parse(name, text).unwrap()
}

fn caught_at(bug: &PlantedBug, model: &str) -> Option<u64> {
    let scenario = scenario_of(bug);
    let engine = Engine::new(&scenario.factory_options(), scenario.bug.as_deref()).unwrap();
    let workload = scenario.expand(&scenario.name).unwrap();
    let settings = Settings {
        depth: scenario.depth,
        kills: scenario.kill,
        faults: scenario.faults.clone(),
        sweep: Sweep::brief_if(scenario.sweep),
        ..Settings::new(scenario.name.as_str(), Model::by_name(model).unwrap())
    };
    let explored = engine.explore(&workload.lines, &settings).unwrap();
    assert_eq!(explored.internal_error, None, "{} under {model}", bug.id);
    assert_eq!(explored.probed, 0, "{} under {model}", bug.id);
    if explored.violations.is_empty() {
        assert_eq!(explored.exhausted, explored.crash_points, "{} under {model}", bug.id);
    }
    explored.first_violation_recovery
}

#[test]
fn every_bug_is_caught_under_a_model_or_cannot_happen_there() {
    for bug in BUGS {
        let scenario = scenario_of(bug);
        let declared: Vec<&str> = scenario.models.iter().map(|(model, _)| model.as_str()).collect();
        assert_eq!(declared, Model::NAMES, "{}", bug.id);
        for (model, expected) in &scenario.models {
            let model = model.as_str();
            assert_eq!(
                *expected == Verdict::Violated,
                bug.why_not(model).is_none(),
                "{} under {model}",
                bug.id
            );
            if let Some(caught) = CAUGHT_AT.get(&(bug.id, model)) {
                assert_eq!(*expected == Verdict::Violated, caught.is_some(), "{} under {model}", bug.id);
            }
        }
    }
}

#[test]
fn nothing_is_caught_under_a_file_system_s_model_that_posix_does_not_catch() {
    for bug in BUGS {
        let shows = |model| bug.models.contains(&model);
        if ["ext4", "xfs", "btrfs"].into_iter().any(shows) {
            assert!(shows("posix"), "{}", bug.id);
        }
        assert!(!shows("posix") || shows("paranoid"), "{}", bug.id);
    }
}

#[test]
fn the_tables_in_the_docs_say_what_was_found() {
    let path = docs().join("BUGS.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let kept = |model: &str| {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` | ", LONG.0)))?;
        let cell = row.split('|').nth(2 + Model::NAMES.iter().position(|name| *name == model)?)?.trim();
        cell.parse::<u64>().ok()
    };
    let written = replaced(&page, "by model", &by_model(kept));
    let written = replaced(&written, "mistakes", &mistakes());
    if updating() {
        // The other tests read the page meanwhile.
        let new = path.with_extension("md.new");
        std::fs::write(&new, &written).unwrap();
        std::fs::rename(&new, &path).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(
        page == written,
        "{} is not what was found: write it anew as this file's head says",
        path.display()
    );
}

#[test]
fn what_the_docs_name_exists() {
    let page = std::fs::read_to_string(docs().join("BUGS.md")).unwrap();
    let mut links = 0;
    for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let file = target.split('#').next().unwrap();
        assert!(file.is_empty() || docs().join(file).exists(), "{target}");
        links += 1;
    }
    assert!(links >= 10, "{links} links");
    let seeds = page.split("## The seeds' mistakes").nth(1).unwrap();
    let names =
        seeds.split('`').skip(1).step_by(2).filter(|word| word.contains(['-', '_']) && !word.contains('.'));
    for word in names {
        let bug = BUGS.iter().any(|bug| bug.id == word);
        assert!(bug || SCENARIOS.iter().any(|(name, _)| *name == word) || is_test(word), "`{word}`");
    }
}

/// Whether the engine has a test of this name.
fn is_test(name: &str) -> bool {
    let tests = std::fs::read_dir(docs().join("../engine/tests")).unwrap();
    let files = tests.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let signature = format!("fn {name}()");
    files.into_iter().any(|file| std::fs::read_to_string(file).unwrap().contains(&signature))
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The page with another text between the two comments that name this part.
fn replaced(page: &str, part: &str, text: &str) -> String {
    let (from, to) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->\n"));
    let (before, rest) = page.split_once(&from).unwrap_or_else(|| panic!("no {from}"));
    let (_, after) = rest.split_once(&to).unwrap_or_else(|| panic!("no {to}"));
    format!("{before}{from}\n{text}\n{to}{after}")
}

fn by_model(kept: impl Fn(&str) -> Option<u64>) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    let mut table =
        format!("| bug | {} |\n|---|{}\n", Model::NAMES.join(" | "), "---:|".repeat(Model::NAMES.len()));
    for bug in BUGS {
        let cells = Model::NAMES.map(|model| match bug.why_not(model) {
            Some(why) => {
                let known = reasons.iter().position(|reason| *reason == why);
                let at = known.unwrap_or_else(|| {
                    reasons.push(why);
                    reasons.len() - 1
                });
                format!("· {}", footnote(at + 1))
            }
            None => {
                let caught = CAUGHT_AT.get(&(bug.id, model)).copied().unwrap_or_else(|| kept(model));
                caught.map_or("?".to_string(), |recovery| recovery.to_string())
            }
        });
        writeln!(table, "| `{}` | {} |", bug.id, cells.join(" | ")).unwrap();
    }
    for (at, why) in reasons.iter().enumerate() {
        write!(table, "\n{} Cannot happen: {why}.\n", footnote(at + 1)).unwrap();
    }
    table
}

fn footnote(number: usize) -> String {
    number
        .to_string()
        .chars()
        .map(|digit| ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize - 48])
        .collect()
}

fn mistakes() -> String {
    let mut table = "| bug | the mistake | what it breaks |\n|---|---|---|\n".to_string();
    for bug in BUGS {
        let off = match bug.disables {
            [] => String::new(),
            checks => format!(" Off with it, since it would hide the bug: {}.", checks.join(", ")),
        };
        let id = bug.id;
        let scenario = format!("[`{id}`](../scenarios/suite/{})", file_of(bug.scenario));
        writeln!(table, "| {scenario} | {}{off} | {} |", bug.summary, bug.breaks).unwrap();
    }
    table
}

/// Where a scenario's file is, below the suite's directory.
fn file_of(scenario: &str) -> String {
    let suite = docs().join("../scenarios/suite");
    let name = format!("{scenario}.toml");
    let folders = std::fs::read_dir(&suite).unwrap().map(|entry| entry.unwrap());
    let mut folders: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    folders.sort();
    let inside = folders.into_iter().map(|folder| format!("{folder}/{name}"));
    std::iter::once(name.clone()).chain(inside).find(|file| suite.join(file).exists()).unwrap()
}
