//! Random workloads in `cargo test`: through proptest, with regressions that outlive their strategy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use unplug::CrashTest;
use unplug::explore::Step;
use unplug::fuzz::FaultChoices;
use unplug::model::Model;
use unplug::strategies::{faults, kv_steps};
use unplug::workload::kv::KvOp;
use unplug::workload::{OptionValue, Options};
use unplug_scenarios::engine::Engine;

fn engine(bug: Option<&str>) -> Engine {
    let mut options = Options::new();
    options.set("segment_size", OptionValue::Int(1024));
    Engine::new(&options, bug).unwrap()
}

/// What a test that fails says.
fn panic_of(test: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(test)).unwrap_err();
    *payload.downcast::<String>().unwrap()
}

fn saved(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

#[test]
fn the_engine_holds_on_random_workloads_under_several_models() {
    let models = [Model::posix(), Model::by_name("ext4").unwrap()];
    CrashTest::new(engine(None)).models(models).cases(32).assert_random(kv_steps(3, 0..=700, 6));
}

#[test]
fn the_engine_holds_on_random_workloads_with_random_faults() {
    let choices = FaultChoices::new(100).file("wal-").sealed("snap-", 512).sealed("MANIFEST-", 512);
    CrashTest::new(engine(None)).cases(64).assert_random((kv_steps(3, 0..=700, 5), faults(choices)));
}

#[test]
fn a_saved_regression_replays_after_the_strategy_has_changed() {
    let tmp = tempfile::tempdir().unwrap();
    let test = |bug| CrashTest::new(engine(bug)).name("changes").regressions(tmp.path()).cases(16);
    let bug = Some("wal-sync-delayed");
    let said = panic_of(|| test(bug).assert_random(kv_steps(2, 0..=100, 5)));
    assert!(said.contains("crash consistency violated by") && said.contains("saved as "), "{said}");
    let [file] = &saved(tmp.path())[..] else { panic!("one file is saved: {said}") };

    // A strategy under which the old seeds mean nothing: no writes at all.
    let syncs = || proptest::collection::vec(Just(Step::Do(KvOp::Sync)), 0..3);
    let said = panic_of(|| test(bug).assert_random(syncs()));
    assert!(said.contains(&format!("the regression {} is back", file.display())), "{said}");
    // And with the store mended:
    test(None).assert_random(syncs());
    assert_eq!(saved(tmp.path()).len(), 1);
}

#[test]
fn a_saved_regression_keeps_its_faults() {
    let tmp = tempfile::tempdir().unwrap();
    let test = |bug| CrashTest::new(engine(bug)).name("faults").regressions(tmp.path()).cases(16);
    let failing = "sync_data wal-* #2 -> EIO".parse::<unplug::fault::Rule>().unwrap();
    let bug = Some("failed-sync-retried");
    let drawn = || (kv_steps(2, 1..=100, 5), Just(vec![failing.clone()]));
    let said = panic_of(|| test(bug).assert_random(drawn()));
    assert!(said.contains("fault sync_data wal-* #2 -> EIO"), "{said}");
    let none = kv_steps(1, 0..=1, 0);
    let said = panic_of(|| test(bug).assert_random(none));
    assert!(said.contains(" is back"), "{said}");
    test(None).assert_random(drawn());
}
