//! What a recovery costs under exploration, beside the very same recovery on a plain in-memory file system;
//! how recoveries grow with what was not synced; and what brute force would cost.
//!
//! `cargo bench -p unplug-scenarios --bench recovery`; `-- NAME` picks some, `-- ratio` only the closing table.
//!
//! Criterion times each by itself. The ratios of the closing table are taken in one go, turn by turn, so that
//! they mean something on a busy machine, too; of several rounds the fastest counts. One thread throughout.

#![allow(clippy::unwrap_used, reason = "a failed benchmark is meant to panic")]

mod recoveries;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use unplug::disk::Scratch;
use unplug::explore::{Exploration, Settings, Step, explore, outcomes, parse_workload};
use unplug::materialise::brute_force;
use unplug::model::Model;
use unplug::plain::MemFs;
use unplug::workload::kv::KvOp;
use unplug::workload::scenario::Scenario;
use unplug_scenarios::engine::Engine;

use recoveries::{Recovery, recoveries};

const ROUNDS: usize = 5;

const SMALL: &str = "32 keys of 100 bytes, sync every 16";
const LONG: &str = "2,000 puts of 1,000 bytes, sync every 16, compact every 50";
const TINY: &str = "4 puts of 600 bytes and a sync";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    one_recovery(&mut criterion, SMALL, &small());
    whole(&mut criterion);
    lazy_and_brute(&mut criterion);
    criterion.final_summary();
    // Without `--bench`, cargo only asks whether everything still runs.
    if std::env::args().any(|arg| arg == "--bench") {
        println!();
        ratios(SMALL, &small());
        ratios(LONG, &long());
        growth();
    }
}

/// A subject and its workload.
type Workload = (Engine, Vec<Step<KvOp>>);

fn workload(options: &str, ops: &str) -> Workload {
    let text = format!(
        "name = \"bench\"\nguards = \"Nothing.\"\nsubject = \"engine\"\noptions = {options}\n\
         models = {{ posix = \"held\" }}\nops = '''\n{ops}'''\n"
    );
    let scenario = Scenario::parse("bench", &text).unwrap_or_else(|e| panic!("{e}"));
    let engine = Engine::new(&scenario.factory_options(), None).unwrap();
    let lines = scenario.expand("bench").unwrap().lines;
    let steps = parse_workload(&engine, &lines).unwrap();
    (engine, steps)
}

fn small() -> Workload {
    let ops = "repeat 32\n  put k{i} fill({i},100)\n  every 16 sync\nend\n";
    workload("{ sync = \"manual\", value_len = 100 }", ops)
}

fn long() -> Workload {
    workload(
        "{ compact_log_bytes = 0, compact_ops = 0, sync = \"manual\", value_len = 1000 }",
        "repeat 2000\n  put k{i%32} fill({i},1000)\n  every 16 sync\n  every 50 compact\nend\n",
    )
}

fn tiny() -> Workload {
    workload(
        "{ sync = \"manual\", value_len = 100 }",
        "put ka fill(1,600)\nput kb fill(2,600)\nput kc fill(3,600)\nput kd fill(4,600)\nsync\n",
    )
}

fn settings() -> Settings {
    Settings { jobs: 1, ..Settings::new("bench", Model::posix()) }
}

fn group<'a>(criterion: &'a mut Criterion, name: &str, elements: u64) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(elements));
    group
}

/// All recoveries of a workload, each by itself: opening the store and reading it, which is all that one is.
fn one_recovery(criterion: &mut Criterion, what: &str, (engine, steps): &Workload) {
    let all = recoveries(engine, steps);
    let mut group = group(criterion, &format!("recovery: {what}"), all.len() as u64);
    group.bench_function("undetermined disk", |bencher| {
        let mut scratch = Some(Scratch::default());
        bencher.iter(|| scratch = Some(on_undetermined(engine, &all, scratch.take().unwrap_or_default())));
    });
    group.bench_function("plain map of files", |bencher| {
        bencher.iter_with_setup(|| files(&all), |disks| on_plain(engine, &disks));
    });
    group.bench_function("plain map of files, made each time", |bencher| {
        bencher.iter(|| on_plain(engine, &files(&all)));
    });
    group.finish();
}

fn on_undetermined(engine: &Engine, all: &[Recovery], scratch: Scratch) -> Scratch {
    all.iter().fold(scratch, |scratch, recovery| recovery.explored(engine, scratch))
}

fn files(all: &[Recovery]) -> Vec<MemFs> {
    all.iter().map(Recovery::files).collect()
}

fn on_plain(engine: &Engine, disks: &[MemFs]) {
    for disk in disks {
        Recovery::plain(engine, disk.clone());
    }
}

/// The exploration as `unplug run` does it: the workload, every recovery, the oracle, the aftermath.
fn whole(criterion: &mut Criterion) {
    for (what, (engine, steps)) in [(SMALL, small()), (LONG, long())] {
        let report = explored(&engine, &steps);
        let mut group = group(criterion, &format!("exploration: {what}"), report.recoveries);
        group.bench_function("recoveries", |bencher| bencher.iter(|| black_box(explored(&engine, &steps))));
        group.finish();
    }
}

fn explored(engine: &Engine, steps: &[Step<KvOp>]) -> Exploration {
    let report = explore(engine, steps, &settings());
    assert_eq!((report.violations.len(), report.probed, report.unexplored), (0, 0, 0));
    report
}

/// The same small case lazily and by brute force, which must find the same outcomes.
fn lazy_and_brute(criterion: &mut Criterion) {
    let (engine, steps) = tiny();
    let brute = || brute_force(&engine, &steps, &Model::posix(), 1, 1 << 20).unwrap();
    let lazy = || outcomes(&engine, &steps, &settings());
    let (by_brute, by_lazy) = (brute(), lazy());
    assert!(by_brute.iter().all(|o| by_lazy.contains(o)) && by_lazy.iter().all(|o| by_brute.contains(o)));
    let mut group = group(criterion, &format!("all outcomes: {TINY}"), by_lazy.len() as u64);
    group.bench_function("lazily", |bencher| bencher.iter(|| black_box(lazy())));
    group.bench_function("brute force", |bencher| bencher.iter(|| black_box(brute())));
    group.finish();
}

/// The same recoveries on both, by turns.
fn ratios(what: &str, (engine, steps): &Workload) {
    let all = recoveries(engine, steps);
    let mut scratch = Scratch::default();
    let [mut explored, mut fresh, mut plain] = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        scratch = on_undetermined(engine, &all, scratch);
        explored = explored.min(start.elapsed());
        let start = Instant::now();
        on_plain(engine, &files(&all));
        fresh = fresh.min(start.elapsed());
        let disks = files(&all);
        let start = Instant::now();
        on_plain(engine, &disks);
        plain = plain.min(start.elapsed());
    }
    let us = |time: Duration| time.as_secs_f64() * 1e6 / all.len() as f64;
    let ratio = |time: Duration| explored.as_secs_f64() / time.as_secs_f64();
    println!("{what}: the same {} recoveries", all.len());
    println!("  undetermined disk       {:7.2} us, {:.0} a second", us(explored), 1e6 / us(explored));
    println!("  plain map of files      {:7.2} us, ratio {:.2}", us(plain), ratio(plain));
    println!("  and making it each time {:7.2} us, ratio {:.2}", us(fresh), ratio(fresh));
}

fn growth() {
    println!("un-synced puts of 1,000 bytes:");
    let mut before = None;
    for count in [4, 16, 64] {
        let (engine, steps) = workload(
            "{ sync = \"manual\", value_len = 1000 }",
            &format!("repeat {count}\n  put k{{i}} fill({{i}},1000)\nend\n"),
        );
        let report = explored(&engine, &steps);
        let recoveries = report.recoveries as f64;
        let grown = before.map(|b| format!(", {:.2} times as many", recoveries / b)).unwrap_or_default();
        println!(
            "  {count:2}: 2^{} states at one crash point, {recoveries} recoveries{grown}",
            report.states_log2_max
        );
        before = Some(recoveries);
    }
}
