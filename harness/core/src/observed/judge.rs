//! Can the crash have left exactly this? A directed search through an undetermined disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug_vfs::{OpenOptions, Vfs};

use super::{Files, Node, Outcome, Replayed, Workload};
use crate::disk::{CellKey, Choice, Chooser, CrashedLayer, Policy, SECTOR, Scratch, SimDisk, World};
use crate::model::{Model, Persisted};
use crate::trace::Pos;

/// A workload under a model, ready to be asked what its crashes may leave.
#[derive(Clone, Debug)]
pub struct Judge {
    pub(super) replayed: Replayed,
    persisted: Arc<Persisted>,
    rules: crate::disk::Rules,
}

impl Judge {
    /// Makes the workload on the simulated disk and applies the model.
    pub fn new(workload: &Workload, model: &Model) -> Result<Judge, String> {
        let replayed = Replayed::new(workload, model)?;
        let persisted = Arc::new(Persisted::new(model, &replayed.recording));
        Ok(Judge { replayed, persisted, rules: model.rules() })
    }

    /// The disk that a crash leaves.
    pub(super) fn world(&self, at: Pos) -> Arc<World> {
        let layer = CrashedLayer {
            recording: self.replayed.recording.clone(),
            persisted: self.persisted.clone(),
            at,
        };
        Arc::new(World::empty(self.rules).crash(layer, &[]))
    }

    /// Whether the model permits an outcome, where it was seen.
    pub fn is_legal(&self, outcome: &Outcome) -> io::Result<bool> {
        let world = self.world(self.replayed.crash_position(outcome.returned_max));
        let questions = Questions::new(&self.replayed, &outcome.files);
        let mut path: Vec<Choice> = Vec::new();
        let mut scratch = Scratch::default();
        loop {
            let mut chooser = Chooser::default();
            chooser.start(path, Policy::Newest);
            let disk = SimDisk::new(world.clone(), chooser, u64::MAX, scratch);
            let mut matched = 0;
            let fits = questions.ask(&disk, &mut matched);
            let finished = disk.finish();
            if fits? {
                return Ok(true);
            }
            path = finished.path;
            scratch = finished.scratch;
            scratch.recycle(finished.recording);
            if !next_path(&mut path, |depth, choice| depth < matched && self.is_settled(choice)) {
                return Ok(false);
            }
        }
    }

    /// Whether an answer that matched needs no other to be tried: content or a size that nothing else
    /// depends on. (A name is never settled: other names may need the file it refers to.)
    fn is_settled(&self, choice: &Choice) -> bool {
        let cell = choice.question.cell;
        let is_name = matches!(self.replayed.recording.cell(cell).key, CellKey::Entry { .. });
        !is_name && !self.persisted.is_constrained(cell)
    }
}

/// Turns a path into the next one, depth first; `false` if there is none. Answers that are `settled` (given
/// their place in the path) have no alternatives.
pub(super) fn next_path(path: &mut Vec<Choice>, settled: impl Fn(usize, &Choice) -> bool) -> bool {
    while let Some(mut choice) = path.pop() {
        if choice.answer + 1 < choice.question.options && !settled(path.len(), &choice) {
            choice.answer += 1;
            path.push(choice);
            return true;
        }
    }
    false
}

/// What is asked of a disk, in order. Each answer that differs ends the questions.
struct Questions {
    expected: Vec<(PathBuf, Option<Expected>)>,
}

enum Expected {
    Dir,
    File(Vec<u8>),
}

impl Questions {
    /// First what must be there, with its content; then what must not: every name that there ever was, in
    /// every directory that must be there.
    fn new(replayed: &Replayed, files: &Files) -> Questions {
        let mut expected = Vec::new();
        for (path, node) in files {
            let node = match node {
                Node::Dir => Expected::Dir,
                Node::File(content) => Expected::File(content.to_bytes()),
            };
            expected.push((PathBuf::from(path), Some(node)));
        }
        let listed = files.iter().filter(|(_, node)| **node == Node::Dir).map(|(path, _)| path.as_str());
        for dir in [""].into_iter().chain(Workload::DIRS).chain(listed) {
            for name in &replayed.names {
                let is_unlisted = dir.is_empty() && Workload::UNLISTED.contains(&&**name);
                let path = if dir.is_empty() { name.to_string() } else { format!("{dir}/{name}") };
                if !is_unlisted && !files.contains_key(&path) {
                    expected.push((PathBuf::from(path), None));
                }
            }
        }
        Questions { expected }
    }

    /// Asks. `matched` becomes the number of the disk's choices up to the last answer that was as expected.
    fn ask(&self, disk: &SimDisk, matched: &mut usize) -> io::Result<bool> {
        for (path, expected) in &self.expected {
            if !fits(disk, path, expected.as_ref(), matched)? {
                return Ok(false);
            }
            *matched = disk.questions_asked();
        }
        Ok(true)
    }
}

fn fits(disk: &SimDisk, path: &Path, expected: Option<&Expected>, matched: &mut usize) -> io::Result<bool> {
    let file = match (disk.open(path, OpenOptions::READ), expected) {
        (Ok(file), Some(Expected::File(content))) => (file, content),
        (Err(e), Some(Expected::Dir)) => return Ok(e.kind() == io::ErrorKind::IsADirectory),
        (Err(e), None) => return Ok(e.kind() == io::ErrorKind::NotFound),
        (Ok(_) | Err(_), _) => return Ok(false),
    };
    let (file, content) = file;
    *matched = disk.questions_asked();
    if file.len()? != content.len() as u64 {
        return Ok(false);
    }
    *matched = disk.questions_asked();
    let mut buf = [0; SECTOR];
    let mut at = 0;
    while at < content.len() {
        let count = file.read_at(&mut buf, at as u64)?;
        if count == 0 || buf[..count] != content[at..at + count] {
            return Ok(false);
        }
        *matched = disk.questions_asked();
        at += count;
    }
    Ok(true)
}
