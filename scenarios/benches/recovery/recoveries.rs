//! The recoveries of a workload, one by one: each with the answers that lead to it, and with the files of the
//! newest disk that it stands for.

use std::path::Path;
use std::sync::Arc;

use unplug::disk::{Choice, Chooser, CrashedLayer, Policy, Scratch, SimDisk, World};
use unplug::explore::{Step, crash_points};
use unplug::model::{Model, Persisted};
use unplug::plain::{MemFs, Tree};
use unplug::subject::{Outcome, Subject};
use unplug::workload::kv::KvOp;
use unplug_scenarios::engine::Engine;
use unplug_vfs::{FileKind, OpenOptions, Vfs};

/// Trees of more recoveries than this would not fit into memory: only some crash points of a long workload.
const RECOVERIES_MAX: usize = 4_000;

/// One recovery: the disk, the answers to its questions, and the files of the newest disk that it stands for.
pub struct Recovery {
    world: Arc<World>,
    path: Vec<Choice>,
    tree: Tree,
}

impl Recovery {
    /// Runs it on the undetermined disk, along its answers.
    pub fn explored(&self, engine: &Engine, scratch: Scratch) -> Scratch {
        let mut chooser = Chooser::default();
        chooser.start(self.path.clone(), Policy::Newest);
        let disk = SimDisk::new(self.world.clone(), chooser, u64::MAX, scratch);
        recover(engine, Arc::new(disk.clone()));
        let finished = disk.finish();
        let mut scratch = finished.scratch;
        scratch.recycle(finished.recording);
        scratch
    }

    /// Runs it on a plain file system.
    pub fn plain(engine: &Engine, disk: MemFs) {
        recover(engine, Arc::new(disk));
    }

    /// That plain file system.
    pub fn files(&self) -> MemFs {
        MemFs::from_tree(&self.tree)
    }
}

/// Opens and reads the store, which is all that a recovery is.
fn recover(engine: &Engine, vfs: Arc<dyn Vfs>) {
    let mut store = engine.open(vfs, Path::new("/")).unwrap();
    std::hint::black_box(engine.read(&mut store).unwrap());
}

/// Every recovery of every crash point, or of some, evenly spread.
pub fn recoveries(engine: &Engine, steps: &[Step<KvOp>]) -> Vec<Recovery> {
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
