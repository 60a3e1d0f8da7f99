//! What was found once: each file of `scenarios/regressions` ends as it declares.

use std::path::{Path, PathBuf};

use unplug::explore::Settings;
use unplug::model::Model;
use unplug::report::Verdict;
use unplug::subject::AnySubject;
use unplug::workload::scenario::Scenario;
use unplug_scenarios::engine::Engine;

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

#[test]
fn saved_regressions_end_as_they_declare() {
    let files = files();
    assert!(!files.is_empty());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let label = path.file_name().unwrap().to_str().unwrap();
        let scenario = Scenario::parse(label, &text).unwrap();
        assert_eq!(scenario.to_string(), text, "{label} is not in canonical form");
        assert_eq!(format!("{}.toml", scenario.name), label);
        let lines = scenario.expand(label).unwrap().lines;
        let engine = Engine::new(&scenario.options, scenario.bug.as_deref()).unwrap();
        for (model, expected) in &scenario.models {
            let settings = Settings {
                depth: scenario.depth,
                kills: scenario.kill,
                faults: scenario.faults.clone(),
                jobs: 1,
                ..Settings::new(label, Model::by_name(model).unwrap())
            };
            let explored = engine.explore(&lines, &settings).unwrap();
            let held = explored.violations.is_empty() && explored.internal_error.is_none();
            assert_eq!(held, *expected == Verdict::Held, "{label} under {model}");
        }
    }
}
