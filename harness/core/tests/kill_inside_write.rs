//! A process that is killed inside a write of several pages leaves the first of them in the cache.
//!
//! Bug class: the harness knows kills between calls only, and passes a store that relies on its writes being whole
//! as long as the power stays.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::settings;
use unplug::explore::{Settings, Step, Token, explore, kill_outcomes, reproduce};
use unplug::materialise::brute_force_kills;
use unplug::model::Model;
use unplug::report::Shard;
use unplug::subject::{Outcome, Subject, SubjectError};
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

/// Keeps a number at the start of each of two pages and writes both with one call, in place.
struct TwoPages;

struct Store {
    vfs: Arc<dyn Vfs>,
    file: Box<dyn VfsFile>,
}

const PAGE: usize = 4096;

impl TwoPages {
    fn write(store: &Store, number: u8) -> std::io::Result<()> {
        let mut both = vec![0; PAGE + 1];
        (both[0], both[PAGE]) = (number, number);
        store.file.write_fully_at(&both, 0)?;
        store.file.sync_all()?;
        store.vfs.sync_dir(Path::new("/"))
    }
}

impl Subject for TwoPages {
    type Op = u8;
    type State = [u8; 2];
    type Store = Store;

    fn parse_op(&self, line: &str) -> Result<u8, String> {
        line.parse().map_err(|e| format!("`{line}`: {e}"))
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Store, SubjectError> {
        let file = vfs.open(&root.join("numbers"), OpenOptions::CREATE)?;
        Ok(Store { vfs, file })
    }

    fn execute(&self, store: &mut Store, op: &u8) -> Outcome {
        match TwoPages::write(store, *op) {
            Ok(()) => Outcome::Acknowledged { durable: true },
            Err(e) => Outcome::Unknown(e.to_string()),
        }
    }

    fn read(&self, store: &mut Store) -> Result<[u8; 2], SubjectError> {
        let mut numbers = [0; 2];
        store.file.read_fully_at(&mut numbers[..1], 0)?;
        store.file.read_fully_at(&mut numbers[1..], PAGE as u64)?;
        Ok(numbers)
    }

    fn initial_state(&self) -> [u8; 2] {
        [0; 2]
    }

    fn apply(&self, state: &mut [u8; 2], op: &u8) {
        *state = [*op; 2];
    }
}

fn steps() -> Vec<Step<u8>> {
    vec![Step::Do(1), Step::Do(2)]
}

#[test]
fn the_first_page_may_be_written_and_the_second_not() {
    let lazy = kill_outcomes(&TwoPages, &steps(), &settings(Model::btrfs(), 1));
    let brute = brute_force_kills(&TwoPages, &steps(), &Model::btrfs(), 1000).unwrap();
    assert!(lazy.iter().all(|outcome| brute.contains(outcome)), "{lazy:#?}\n{brute:#?}");
    assert!(brute.iter().all(|outcome| lazy.contains(outcome)), "{lazy:#?}\n{brute:#?}");
    assert!(lazy.iter().any(|o| (o.issued, o.durable, o.state) == (2, 1, Some([2, 1]))));
}

#[test]
fn a_kill_inside_a_write_is_reported_and_shown_again() {
    let mut shown = 0;
    // So many shards that most have one crash point alone: the violation is not hidden behind that of a power loss.
    for index in 1..=64 {
        let shard = Shard { index, count: 64 };
        let settings = Settings { kills: true, shard, ..settings(Model::posix(), 1) };
        let found = explore(&TwoPages, &steps(), &settings);
        assert_eq!(found.internal_error, None);
        for violation in found.violations.iter().filter(|violation| violation.kind == "kill") {
            let token: Token = violation.token.parse().unwrap();
            assert_eq!(token.evidence.written as usize, PAGE, "{violation:#?}");
            let again = reproduce(&TwoPages, &steps(), &settings, &token.evidence);
            assert!(again.exact);
            assert_eq!(again.violation.unwrap().check, violation.check);
            shown += 1;
        }
    }
    assert!(shown > 0);
}
