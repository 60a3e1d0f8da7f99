//! Which of the store's syncs, renames and checksums matter: each is left out in turn. What leaving it out
//! breaks is found, and what it does not break is known, with the reason why it stays.

use std::path::Path;

use unplug::advise::{self, Action, Audited, Job, Judgement};
use unplug::explore::Settings;
use unplug::model::Model;
use unplug::subject::AnySubject;
use unplug::workload::scenario::Scenario;
use unplug_scenarios::engine::Engine;
use unplug_scenarios::suite::SCENARIOS;

/// Scenarios that make all of the store's calls between them.
const SCENARIOS_USED: [&str; 7] = [
    "unsynced-4",
    "write-buffer",
    "group-commit",
    "sync-interval",
    "compaction-live-ratio",
    "snapshot-chain-stepped",
    "parent-sync-fails-then-killed",
];

/// Syncs that no crash under `posix` needs: where the file's path begins so and the line says this.
/// `docs/FUZZING.md` says why they stay.
const REDUNDANT: [(&str, &str); 5] = [
    ("compaction", "self.dir.sweep(&some)"),
    ("recovery", "log.sync()?;"),
    ("recovery", "dir.sweep(&unfinished)"),
    ("recovery", "make_durable(dir, Draft::new(header, planted), planted)"),
    ("recovery", "dir.sweep(&orphans(live.manifest))"),
];

/// The same of renames.
const REDUNDANT_RENAMES: [(&str, &str); 1] = [("recovery", "dir.lock(options.create)?")];

fn scenario(name: &str) -> Scenario {
    let (_, text) = SCENARIOS.iter().find(|(known, _)| *known == name).unwrap();
    Scenario::parse(name, text).unwrap()
}

/// The file of a source line, and its text.
fn line(source: &str) -> (String, String) {
    let (path, number) = source.rsplit_once(':').unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().nth(number.parse::<usize>().unwrap() - 1).unwrap();
    (path.trim_start_matches("engine/src/").to_string(), line.trim().to_string())
}

fn audit() -> Vec<Audited> {
    let loaded: Vec<(Engine, Scenario, Vec<String>)> = SCENARIOS_USED
        .iter()
        .map(|name| {
            let scenario = scenario(name);
            let lines = scenario.expand(name).unwrap().lines;
            (Engine::new(&scenario.options, None).unwrap(), scenario, lines)
        })
        .collect();
    let jobs: Vec<Job<'_>> = loaded
        .iter()
        .map(|(engine, scenario, lines)| Job {
            name: &scenario.name,
            subject: engine,
            lines,
            settings: Settings {
                depth: scenario.depth,
                kills: scenario.kill,
                faults: scenario.faults.clone(),
                ..Settings::new(&scenario.name, Model::posix())
            },
        })
        .collect();
    let wanted = |action: Action| action.is_sync() || action == Action::Rename;
    advise::audit(&jobs, &wanted, &mut |_| {}).unwrap()
}

#[test]
fn a_store_without_any_one_of_its_syncs_and_renames_is_caught_or_known_to_be_no_worse() {
    let mut counts = (0, 0);
    for Audited { site, judgement, .. } in audit() {
        let source = site.origin.to_string();
        let (file, text) = line(&source);
        let lines = if site.action.is_sync() { &REDUNDANT[..] } else { &REDUNDANT_RENAMES };
        let known = lines.iter().any(|(path, said)| file.starts_with(path) && text.contains(said));
        match judgement {
            Judgement::LoadBearing { violation, .. } => {
                assert!(!known, "the {} at {source} is load-bearing: {}", site.action, violation.signature);
                counts.0 += 1;
            }
            Judgement::Redundant { .. } => {
                assert!(known, "nothing breaks without the {} at {source}", site.action);
                counts.1 += 1;
            }
            Judgement::Unknown => panic!("the {} at {source} was not decided", site.action),
        }
    }
    // All of them were there to be left out.
    assert!(counts.0 >= 20 && counts.1 >= REDUNDANT.len() + REDUNDANT_RENAMES.len(), "{counts:?}");
}

/// Stores that do not look at a checksum: a scenario that shows it, under a model, perhaps with rot in a byte of the
/// files whose names begin so.
const UNCHECKED: [(&str, &str, &str, &str); 5] = [
    ("wal-crc-unchecked", "wal-crc-unchecked", "posix", ""),
    ("snapshot-crc-unchecked", "snapshot-crc-unchecked", "posix", "read snap-* @624"),
    // The header of a segment; of a manifest, the snapshot's number; of a snapshot, the number of its base.
    ("header-crc-unchecked", "header-crc-unchecked", "paranoid", ""),
    ("header-crc-unchecked", "rot-in-header-believed", "posix", "read MANIFEST-* @32"),
    ("header-crc-unchecked", "snapshot-chain", "posix", "read snap-* @40"),
];

#[test]
fn a_store_that_does_not_look_at_a_checksum_is_caught() {
    for (bug, name, model, place) in UNCHECKED {
        let scenario = scenario(name);
        let lines = scenario.expand(name).unwrap().lines;
        let rots = (0..8).map(|bit| format!("{place} -> rot {:02x}", 1 << bit));
        let rules = if place.is_empty() { vec![Vec::new()] } else { rots.map(|rule| vec![rule]).collect() };
        let found = rules.into_iter().any(|rules| {
            let faults = rules.iter().map(|rule| rule.parse().unwrap()).collect();
            let settings = Settings { faults, ..Settings::new(bug, Model::by_name(model).unwrap()) };
            let is_caught = |bug| {
                let engine = Engine::new(&scenario.options, bug).unwrap();
                !engine.explore(&lines, &settings).unwrap().violations.is_empty()
            };
            assert!(!is_caught(None), "{name}: {rules:?}");
            is_caught(Some(bug))
        });
        assert!(found, "{bug} in {name}");
    }
}
