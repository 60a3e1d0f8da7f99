//! Fuzzing finds planted bugs without a scenario for them, tells bugs apart, and finds nothing else.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use unplug::fuzz::{Campaign, FuzzProgress, FuzzSettings, Totals};
use unplug::model::Model;
use unplug::subject::AnySubject;
use unplug::workload::Options;
use unplug_scenarios::engine::{self, Engine};

struct Silent;

impl FuzzProgress for Silent {
    fn case(&self, _: &Totals, _: usize, _: usize, _: usize) {}
    fn found(&self, _: &str) {}
}

fn settings(cases: u64, jobs: usize, stop_at_first: bool) -> FuzzSettings {
    FuzzSettings {
        seed: 1,
        models: vec![Model::posix()],
        jobs,
        cases_max: Some(cases),
        deadline: None,
        cancel: Arc::new(AtomicBool::new(false)),
        stop_at_first,
    }
}

fn build(bug: Option<&'static str>) -> impl Fn(&Options) -> Result<Box<dyn AnySubject>, String> + Sync {
    move |options| Ok(Box::new(Engine::new(options, bug)?) as Box<dyn AnySubject>)
}

#[test]
fn planted_bugs_are_found_and_shrunk_to_a_few_operations() {
    for bug in ["acknowledged-before-sync", "snapshot-not-synced", "no-segment-identity"] {
        let (build, generator) = (build(Some(bug)), engine::generator());
        let mut campaign = Campaign::new(&build, &generator, settings(64, 2, true));
        campaign.run(&Silent);
        assert_eq!(campaign.internal_error, None);
        let finding = campaign.findings.first().unwrap_or_else(|| panic!("{bug} was not found"));
        let lines = &finding.shrunk.case.lines;
        assert!(lines.len() <= 6, "{bug}: {lines:?}");
    }
}

#[test]
fn the_number_of_jobs_decides_nothing() {
    let run = |jobs| {
        let (build, generator) = (build(Some("wal-sync-dropped")), engine::generator());
        let mut campaign = Campaign::new(&build, &generator, settings(6, jobs, false));
        campaign.run(&Silent);
        let found =
            |f: &unplug::fuzz::Finding| (f.cause.clone(), f.count, f.first_case, f.shrunk.case.clone());
        let findings: Vec<_> = campaign.findings.iter().map(found).collect();
        (campaign.totals, campaign.behaviours, campaign.corpus, findings)
    };
    let (one, two) = (run(1), run(2));
    assert!(!one.3.is_empty());
    assert_eq!(one, two);
}

#[test]
fn a_campaign_that_goes_on_makes_the_cases_it_would_have_made() {
    let (build, generator) = (build(None), engine::generator());
    let run = |parts: &[u64]| {
        let mut campaign = Campaign::new(&build, &generator, settings(0, 2, false));
        for end in parts {
            let before = campaign;
            campaign = Campaign::new(&build, &generator, settings(*end, 2, false));
            campaign.totals = before.totals;
            campaign.behaviours = before.behaviours;
            campaign.corpus = before.corpus;
            campaign.corpus_in_use = before.corpus_in_use;
            campaign.run(&Silent);
            assert_eq!((campaign.internal_error.clone(), campaign.findings.len()), (None, 0));
        }
        (campaign.totals, campaign.behaviours, campaign.corpus)
    };
    let whole = run(&[22]);
    assert_eq!(whole.0.cases, 22);
    assert_eq!(run(&[6, 18, 22]), whole);
}
