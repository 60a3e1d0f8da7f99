//! Fuzzes for each planted bug in turn and prints the table of `docs/FUZZING.md`:
//!
//! ```sh
//! cargo run --release -p unplug-scenarios --example fuzz-table [SEEDS] [BUG]...
//! ```
//!
//! A row: how long it took from the start to the first finding, which case that was (medians over seeds from 1
//! up), and of the largest of the shrunk cases its operations and what it needs besides power loss.

use std::error::Error;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use unplug::fuzz::{Campaign, FuzzProgress, FuzzSettings, Totals};
use unplug::model::Model;
use unplug::shrink::Case;
use unplug::subject::AnySubject;
use unplug::workload::Options;
use unplug_scenarios::engine::{self, Engine};
use unplug_scenarios::planted::BUGS;

const BUDGET: Duration = Duration::from_secs(60);

/// Notes when the first violation was found.
struct Watch {
    started: Instant,
    found: Mutex<Option<Duration>>,
}

impl FuzzProgress for Watch {
    fn case(&self, _: &Totals, _: usize, _: usize, _: usize) {}

    fn found(&self, _: &str) {
        if let Ok(mut found) = self.found.lock() {
            found.get_or_insert_with(|| self.started.elapsed());
        }
    }
}

struct Found {
    seconds: f64,
    number: u64,
    case: Case,
}

fn fuzz(bug: &'static str, seed: u64) -> Result<Option<Found>, Box<dyn Error>> {
    let build = move |options: &Options| -> Result<Box<dyn AnySubject>, String> {
        Ok(Box::new(Engine::new(options, Some(bug))?))
    };
    let watch = Watch { started: Instant::now(), found: Mutex::new(None) };
    let settings = FuzzSettings {
        seed,
        models: vec![Model::posix()],
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        cases_max: None,
        deadline: Some(watch.started + BUDGET),
        cancel: Arc::new(AtomicBool::new(false)),
        stop_at_first: true,
    };
    let generator = engine::generator();
    let mut campaign = Campaign::new(&build, &generator, settings);
    campaign.run(&watch);
    if let Some(error) = campaign.internal_error {
        return Err(error.into());
    }
    let seconds = watch.found.lock().ok().and_then(|found| *found).unwrap_or(BUDGET).as_secs_f64();
    Ok(campaign.findings.into_iter().next().map(|finding| Found {
        seconds,
        number: finding.first_case,
        case: finding.shrunk.case,
    }))
}

fn needs(case: &Case) -> String {
    let mut needs: Vec<String> = case.faults.iter().map(|rule| format!("`{rule}`")).collect();
    if case.depth > 1 {
        needs.push("2 crashes".to_string());
    }
    if case.kills {
        needs.push("a kill".to_string());
    }
    if needs.is_empty() { "·".to_string() } else { needs.join(", ") }
}

/// The one in the middle.
fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let seeds: u64 = args.next().map_or(Ok(3), |text| text.parse())?;
    let only: Vec<String> = args.collect();
    if let Some(unknown) = only.iter().find(|name| BUGS.iter().all(|bug| bug.id != **name)) {
        return Err(format!("no planted bug `{unknown}`").into());
    }
    println!("| bug | found | seconds | case | operations | needs |");
    println!("|---|---:|---:|---:|---:|---|");
    let mut all = Vec::new();
    for bug in BUGS.iter().filter(|bug| only.is_empty() || only.iter().any(|name| name == bug.id)) {
        let mut found: Vec<Found> = Vec::new();
        for seed in 1..=seeds {
            found.extend(fuzz(bug.id, seed)?);
        }
        let (seconds, cases) = (found.iter().map(|f| f.seconds), found.iter().map(|f| f.number + 1));
        all.extend(seconds.clone());
        let row = format!("| `{}` | {} of {seeds} |", bug.id, found.len());
        match (median(seconds.collect()), median(cases.collect())) {
            (Some(seconds), Some(case)) => {
                let longest = found.iter().max_by_key(|f| f.case.lines.len());
                let (ops, needs) = longest.map(|f| (f.case.lines.len(), needs(&f.case))).unwrap_or_default();
                println!("{row} {seconds:.2} | {case} | {ops} | {needs} |");
            }
            _ => println!("{row} | | | |"),
        }
    }
    let median = median(all).unwrap_or_default();
    println!("\nMedian time to the first finding, over all bugs and seeds: {median:.2} s.");
    Ok(())
}
