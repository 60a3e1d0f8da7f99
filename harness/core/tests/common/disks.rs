//! What the simulated disk may hold after a crash, as whole trees. Each test takes a part of it.

#![allow(dead_code)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use unplug::disk::{Choice, Chooser, CrashedLayer, Finished, Policy, Scratch, SimDisk, World};
use unplug::model::{Model, Persisted};
use unplug::plain::{MemFs, Tree};
use unplug::trace::{Pos, Trace};
use unplug_vfs::{FileKind, OpenOptions, Vfs};

/// Runs `process` on `world` in every way that its choices allow.
pub fn explore<T>(world: &Arc<World>, process: impl Fn(&SimDisk) -> T, mut each: impl FnMut(T, Finished)) {
    let mut path = Vec::new();
    let mut scratch = Scratch::default();
    loop {
        let mut chooser = Chooser::default();
        chooser.start_beside(path, Policy::Newest);
        let disk = SimDisk::new(Arc::clone(world), chooser, u64::MAX, scratch);
        let result = process(&disk);
        let mut finished = disk.finish();
        scratch = std::mem::take(&mut finished.scratch);
        path = finished.path.clone();
        each(result, finished);
        match next_path(path) {
            Some(next) => path = next,
            None => return,
        }
    }
}

/// The path behind this one, depth first.
pub fn next_path(mut path: Vec<Choice>) -> Option<Vec<Choice>> {
    while path.last().is_some_and(|choice| choice.answer + 1 == choice.question.options) {
        path.pop();
    }
    path.last_mut()?.answer += 1;
    Some(path)
}

/// The disk that the power failing before event `at` leaves.
pub fn crash(world: &World, finished: Finished, at: Pos, model: &Model) -> Arc<World> {
    let persisted = Arc::new(Persisted::new(model, &finished.recording));
    let layer = CrashedLayer { recording: Arc::new(finished.recording), persisted, at };
    Arc::new(world.crash(layer, &finished.decided))
}

/// The disk that the power failing after `work` on an empty disk leaves.
pub fn crashed(model: &Model, work: impl Fn(&SimDisk)) -> Arc<World> {
    crashed_at(model, work, Pos::MAX)
}

/// The same, before event `at` of what `work` does.
pub fn crashed_at(model: &Model, work: impl Fn(&SimDisk), at: Pos) -> Arc<World> {
    let world = World::empty(model.rules());
    let finished = finished(model, work);
    let end = finished.recording.trace.end();
    crash(&world, finished, at.min(end), model)
}

/// The record of `work` on an empty disk.
pub fn recorded(model: &Model, work: impl Fn(&SimDisk)) -> Trace {
    finished(model, work).recording.trace
}

pub fn finished(model: &Model, work: impl Fn(&SimDisk)) -> Finished {
    let world = Arc::new(World::empty(model.rules()));
    let disk = SimDisk::new(world, Chooser::default(), u64::MAX, Scratch::default());
    work(&disk);
    disk.finish()
}

/// What the next process may find on the disk after it has done `work`.
pub fn found_on(world: &Arc<World>, work: impl Fn(&SimDisk)) -> BTreeSet<Tree> {
    let mut trees = BTreeSet::new();
    let process = |disk: &SimDisk| {
        work(disk);
        read(disk)
    };
    explore(world, process, |tree, _| {
        trees.insert(tree);
    });
    trees
}

/// A tree as reading it shows it, hard links as files of their own.
pub fn shown(tree: &Tree) -> Tree {
    read(&MemFs::from_tree(tree))
}

/// Everything that a file system shows; hard links count as files of their own.
pub fn read(fs: &dyn Vfs) -> Tree {
    let mut tree = Tree::new();
    read_dir(fs, "", &mut tree);
    tree
}

fn read_dir(fs: &dyn Vfs, dir: &str, tree: &mut Tree) {
    for entry in fs.read_dir(&Path::new("/").join(dir)).unwrap() {
        let path = Path::new("/").join(dir).join(entry.name).to_str().unwrap().to_owned();
        match entry.kind {
            FileKind::Directory => {
                tree.insert_dir(&path);
                read_dir(fs, &path, tree);
            }
            FileKind::File => {
                let file = fs.open(Path::new(&path), OpenOptions::READ).unwrap();
                let mut content = vec![0; 1 << 16];
                let len = file.read_fully_at(&mut content, 0).unwrap();
                content.truncate(len);
                tree.insert_file(&path, content);
            }
        }
    }
}
