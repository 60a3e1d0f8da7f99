//! What a recovery costs under exploration, beside the very same recovery on a plain in-memory file system;
//! how recoveries grow with what was not synced; and what brute force would cost.
//!
//! `cargo bench -p unplug-scenarios --bench recovery`
//!
//! Each crash point's recoveries are run first, and the newest disk that leads to each of them is read out.
//! Then the same recoveries are timed on both: on the undetermined disk along the same answers, and on
//! [`MemFs`] with those files. All in one run, on one thread, so that the ratio means something on a busy
//! machine, too; of several rounds the fastest counts.

#![allow(clippy::unwrap_used, reason = "a failed benchmark is meant to panic")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use unplug::disk::{Choice, Chooser, CrashedLayer, Policy, Scratch, SimDisk, World};
use unplug::explore::{Settings, Step, crash_points, explore, outcomes, parse_workload};
use unplug::materialise::brute_force;
use unplug::model::{Model, Persisted};
use unplug::plain::{MemFs, Tree};
use unplug::subject::{Outcome, Subject};
use unplug::workload::kv::KvOp;
use unplug::workload::scenario::Scenario;
use unplug_scenarios::engine::Engine;
use unplug_vfs::{FileKind, OpenOptions, Vfs};

const ROUNDS: usize = 5;
/// Trees of more recoveries than this would not fit into memory: only some crash points of a long workload.
const RECOVERIES_MAX: usize = 4_000;

fn main() {
    let keys = |sync: &str, ops: &str| workload(&format!("{{ sync = \"{sync}\", value_len = 100 }}"), ops);
    let small = keys("manual", "repeat 32\n  put k{i} fill({i},100)\n  every 16 sync\nend\n");
    let long = workload(
        "{ compact_log_bytes = 0, compact_ops = 0, sync = \"manual\", value_len = 1000 }",
        "repeat 2000\n  put k{i%32} fill({i},1000)\n  every 16 sync\n  every 50 compact\nend\n",
    );
    compare("32 keys of 100 bytes, sync every 16", &small);
    compare("2,000 puts of 1,000 bytes, sync every 16, compact every 50", &long);
    whole("32 keys of 100 bytes, sync every 16", &small);
    whole("2,000 puts of 1,000 bytes, sync every 16, compact every 50", &long);
    growth();
    against_brute_force();
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

/// One recovery: the disk, the answers to its questions, and the files of the newest disk that it stands for.
struct Recovery {
    world: Arc<World>,
    path: Vec<Choice>,
    tree: Tree,
}

fn settings() -> Settings {
    Settings { jobs: 1, ..Settings::new("bench", Model::posix()) }
}

fn compare(what: &str, (engine, steps): &Workload) {
    let recoveries = recoveries(engine, steps);
    let count = recoveries.len() as u32;
    let mut scratch = Scratch::default();
    let mut explored = Duration::MAX;
    let mut fresh = Duration::MAX;
    let mut plain = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for recovery in &recoveries {
            let mut chooser = Chooser::default();
            chooser.start(recovery.path.clone(), Policy::Newest);
            let disk = SimDisk::new(recovery.world.clone(), chooser, u64::MAX, scratch);
            recover(engine, Arc::new(disk.clone()));
            let finished = disk.finish();
            scratch = finished.scratch;
            scratch.recycle(finished.recording);
        }
        explored = explored.min(start.elapsed());
        let start = Instant::now();
        for recovery in &recoveries {
            recover(engine, Arc::new(MemFs::from_tree(&recovery.tree)));
        }
        fresh = fresh.min(start.elapsed());
        let disks: Vec<MemFs> = recoveries.iter().map(|r| MemFs::from_tree(&r.tree)).collect();
        let start = Instant::now();
        for disk in &disks {
            recover(engine, Arc::new(disk.clone()));
        }
        plain = plain.min(start.elapsed());
    }
    let us = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(count);
    let ratio = |time: Duration| explored.as_secs_f64() / time.as_secs_f64();
    println!("{what}: the same {count} recoveries");
    println!("  undetermined disk       {:7.2} us, {:.0} a second", us(explored), 1e6 / us(explored));
    println!("  plain map of files      {:7.2} us, ratio {:.2}", us(plain), ratio(plain));
    println!("  and making it each time {:7.2} us, ratio {:.2}", us(fresh), ratio(fresh));
}

/// Opens and reads the store, which is all that a recovery is.
fn recover(engine: &Engine, vfs: Arc<dyn Vfs>) {
    let mut store = engine.open(vfs, Path::new("/")).unwrap();
    std::hint::black_box(engine.read(&mut store).unwrap());
}

/// Every recovery of every crash point, or of some, evenly spread.
fn recoveries(engine: &Engine, steps: &[Step<KvOp>]) -> Vec<Recovery> {
    let model = Model::posix();
    let empty = World::empty(model.rules());
    let disk = SimDisk::new(Arc::new(empty.clone()), Chooser::default(), u64::MAX, Scratch::default());
    let mut store = engine.open(Arc::new(disk.clone()), Path::new("/")).unwrap();
    for step in steps {
        let Step::Do(op) = step else { panic!("no reopening here") };
        assert!(matches!(engine.execute(&mut store, op), Outcome::Acknowledged { .. }));
    }
    let recording = Arc::new(disk.finish().recording);
    drop(store);
    let persisted = Arc::new(Persisted::new(&model, &recording));
    let points = crash_points(&recording.trace, &persisted);
    let at_each = |step: usize| {
        let mut all = Vec::new();
        for point in points.iter().skip(step / 2).step_by(step) {
            let layer =
                CrashedLayer { recording: recording.clone(), persisted: persisted.clone(), at: point.at };
            all.extend(leaves(engine, &Arc::new(empty.crash(layer, &[]))));
            if all.len() > RECOVERIES_MAX {
                return None;
            }
        }
        Some(all)
    };
    (0..).find_map(|doubled: u32| at_each(1 << doubled)).unwrap_or_default()
}

/// Depth first over the answers, as the exploration goes.
fn leaves(engine: &Engine, world: &Arc<World>) -> Vec<Recovery> {
    let mut all = Vec::new();
    let mut path: Vec<Choice> = Vec::new();
    loop {
        let mut chooser = Chooser::default();
        chooser.start(path, Policy::Newest);
        let disk = SimDisk::new(world.clone(), chooser, u64::MAX, Scratch::default());
        recover(engine, Arc::new(disk.clone()));
        let finished = disk.finish();
        path = finished.path;
        let mut decided = World::clone(world);
        decided.narrowed = finished.decided;
        all.push(Recovery { world: world.clone(), path: path.clone(), tree: newest(decided) });
        while let Some(last) = path.last_mut() {
            if last.answer + 1 < last.question.options {
                last.answer += 1;
                break;
            }
            path.pop();
        }
        if path.is_empty() {
            return all;
        }
    }
}

/// The newest disk that is left open, read out.
fn newest(world: World) -> Tree {
    let disk = SimDisk::new(Arc::new(world), Chooser::default(), u64::MAX, Scratch::default());
    let mut tree = Tree::new();
    read_out(&disk, Path::new("/"), &mut tree);
    tree
}

fn read_out(disk: &SimDisk, dir: &Path, tree: &mut Tree) {
    for entry in disk.read_dir(dir).unwrap() {
        let path = dir.join(&entry.name);
        let name = path.to_str().unwrap();
        if entry.kind == FileKind::Directory {
            tree.insert_dir(name);
            read_out(disk, &path, tree);
            continue;
        }
        let file = disk.open(&path, OpenOptions::READ).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        let len = file.read_fully_at(&mut bytes, 0).unwrap();
        bytes.truncate(len);
        tree.insert_file(name, bytes);
    }
}

/// The exploration as `unplug run` does it: the workload, every recovery, the oracle, the aftermath.
fn whole(what: &str, (engine, steps): &Workload) {
    let start = Instant::now();
    let report = explore(engine, steps, &settings());
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((report.violations.len(), report.probed, report.unexplored), (0, 0, 0));
    println!(
        "{what}: explored whole, {} crash points, 2^{} states, {} recoveries in {seconds:.3} s, {:.0} a second",
        report.crash_points,
        report.states_log2,
        report.recoveries,
        report.recoveries as f64 / seconds
    );
}

fn growth() {
    println!("un-synced puts of 1,000 bytes:");
    let mut before = None;
    for count in [4, 16, 64] {
        let (engine, steps) = workload(
            "{ sync = \"manual\", value_len = 1000 }",
            &format!("repeat {count}\n  put k{{i}} fill({{i}},1000)\nend\n"),
        );
        let report = explore(&engine, &steps, &settings());
        assert_eq!((report.violations.len(), report.probed, report.unexplored), (0, 0, 0));
        let recoveries = report.recoveries as f64;
        let grown = before.map(|b| format!(", {:.2} times as many", recoveries / b)).unwrap_or_default();
        println!(
            "  {count:2}: 2^{} states at one crash point, {recoveries} recoveries{grown}",
            report.states_log2_max
        );
        before = Some(recoveries);
    }
}

fn against_brute_force() {
    let (engine, steps) = workload(
        "{ sync = \"manual\", value_len = 100 }",
        "put ka fill(1,600)\nput kb fill(2,600)\nput kc fill(3,600)\nput kd fill(4,600)\nsync\n",
    );
    let start = Instant::now();
    let brute = brute_force(&engine, &steps, &Model::posix(), 1, 1 << 20).unwrap();
    let brute_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let lazy = outcomes(&engine, &steps, &settings());
    let lazy_seconds = start.elapsed().as_secs_f64();
    assert!(brute.iter().all(|o| lazy.contains(o)) && lazy.iter().all(|o| brute.contains(o)));
    println!(
        "4 puts of 600 bytes and a sync, {} outcomes: brute force {brute_seconds:.3} s, lazily \
         {lazy_seconds:.4} s, {:.0} times faster",
        lazy.len(),
        brute_seconds / lazy_seconds
    );
}
