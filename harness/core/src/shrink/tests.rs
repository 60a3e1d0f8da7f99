use std::io;
use std::path::Path;
use std::sync::Arc;

use unplug_vfs::{OpenOptions, Vfs};

use super::*;
use crate::subject::{Outcome, Subject, SubjectError};
use crate::workload::OptionValue;

/// A store of one number with two bugs: `set` forgets to sync the new file, `add` forgets the directory.
struct Number;

struct Running {
    vfs: Arc<dyn Vfs>,
    value: u32,
}

impl Running {
    fn install(&self, sync_file: bool, sync_dir: bool) -> io::Result<()> {
        let file = self.vfs.open(Path::new("/tmp"), OpenOptions::CREATE_TRUNCATE)?;
        file.write_fully_at(&self.value.to_le_bytes(), 0)?;
        if sync_file {
            file.sync_data()?;
        }
        self.vfs.rename(Path::new("/tmp"), Path::new("/value"))?;
        if sync_dir {
            self.vfs.sync_dir(Path::new("/"))?;
        }
        Ok(())
    }
}

impl Subject for Number {
    type Op = String;
    type State = u32;
    type Store = Running;

    fn parse_op(&self, line: &str) -> Result<String, String> {
        match line.split_once(' ') {
            Some(("set" | "add" | "safe", number)) if number.parse::<u32>().is_ok() => Ok(line.to_string()),
            _ => Err("expected `set N`, `add N` or `safe N`".to_string()),
        }
    }

    fn open(&self, vfs: Arc<dyn Vfs>, _root: &Path) -> Result<Running, SubjectError> {
        let mut bytes = [0; 4];
        match vfs.open(Path::new("/value"), OpenOptions::READ) {
            Ok(file) if file.read_fully_at(&mut bytes, 0)? < 4 => return Err("cut short".into()),
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        Ok(Running { vfs, value: u32::from_le_bytes(bytes) })
    }

    fn execute(&self, store: &mut Running, op: &String) -> Outcome {
        let (verb, number) = op.split_once(' ').unwrap_or_default();
        let number: u32 = number.parse().unwrap_or_default();
        store.value = if verb == "add" { store.value.wrapping_add(number) } else { number };
        match store.install(verb != "set", verb != "add") {
            Ok(()) => Outcome::Acknowledged { durable: true },
            Err(e) => Outcome::Unknown(e.to_string()),
        }
    }

    fn read(&self, store: &mut Running) -> Result<u32, SubjectError> {
        Ok(store.value)
    }

    fn initial_state(&self) -> u32 {
        0
    }

    fn apply(&self, state: &mut u32, op: &String) {
        let (verb, number) = op.split_once(' ').unwrap_or_default();
        let number: u32 = number.parse().unwrap_or_default();
        *state = if verb == "add" { state.wrapping_add(number) } else { number };
    }

    fn simpler(&self, op: &String) -> Vec<String> {
        let (verb, number) = op.split_once(' ').unwrap_or_default();
        if number == "1" { Vec::new() } else { vec![format!("{verb} 1")] }
    }
}

fn build(_: &Options) -> Result<Box<dyn AnySubject>, String> {
    Ok(Box::new(Number))
}

fn first(case: &Case, settings: &Settings) -> Violation {
    let explored = Number.explore(&case.lines, &case.settings(settings)).unwrap();
    explored.violations.into_iter().next().expect("a violation")
}

fn case(lines: &[&str]) -> Case {
    let mut options = Options::new();
    options.set("colour", OptionValue::Bool(true));
    Case {
        lines: lines.iter().map(ToString::to_string).collect(),
        options,
        depth: 3,
        kills: true,
        faults: Vec::new(),
    }
}

fn shrunk(lines: &[&str]) -> Shrunk {
    let settings = Settings { jobs: 1, ..Settings::new("test", Model::posix()) };
    let case = case(lines);
    shrink(&build, &case, &first(&case, &settings), &settings, EXPLORATIONS_MAX)
}

#[test]
fn a_violation_shrinks_to_one_simple_operation_and_one_crash() {
    let shrunk = shrunk(&["safe 10", "safe 20", "reopen", "safe 30", "set 40", "safe 50", "safe 60"]);
    assert_eq!(shrunk.case.lines, ["set 1"]);
    assert_eq!((shrunk.case.depth, shrunk.case.kills), (1, false));
    assert!(shrunk.case.options.is_empty());
    assert_eq!(shrunk.violation.check, "liveness");
}

#[test]
fn shrinking_does_not_lead_over_to_another_bug() {
    let missing_dir = shrunk(&["safe 10", "safe 11", "add 20", "safe 40", "set 50"]);
    assert_eq!(missing_dir.case.lines, ["add 1"]);
    let missing_file = shrunk(&["safe 10", "safe 11", "set 20", "safe 40", "add 50"]);
    assert_eq!(missing_file.case.lines, ["set 1"]);
    assert_ne!(missing_dir.violation.cause(), missing_file.violation.cause());
}

#[test]
fn the_bound_on_explorations_is_kept_and_leaves_a_case_that_shows_it() {
    let settings = Settings { jobs: 1, ..Settings::new("test", Model::posix()) };
    let case = case(&["safe 10", "safe 20", "safe 30", "set 40", "safe 50", "safe 60"]);
    let violation = first(&case, &settings);
    for max in [0, 1, 3, 7] {
        let shrunk = shrink(&build, &case, &violation, &settings, max);
        assert!(shrunk.explorations <= max + 5, "{} of {max}", shrunk.explorations);
        assert_eq!(first(&shrunk.case, &settings).cause(), violation.cause());
    }
}

#[test]
fn shrinking_twice_gives_the_same() {
    let lines = ["safe 10", "add 7", "reopen", "add 30", "set 40", "safe 50"];
    let (a, b) = (shrunk(&lines), shrunk(&lines));
    assert_eq!((a.case, a.violation, a.explorations), (b.case, b.violation, b.explorations));
}
