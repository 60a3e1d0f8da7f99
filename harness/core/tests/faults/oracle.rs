//! The oracle, on a store of one number: a log of records, of which the last one counts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug::CrashTest;
use unplug::subject::{Outcome, Subject, SubjectError};
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// A record whose write failed is kept, and written again behind the next one.
    FailedRecordKept,
    /// It goes on after a failed sync.
    SyncRetried,
    /// It panics where a write fails.
    Panics,
    /// It tries for ever.
    Loops,
    /// It serves nothing once a write has failed.
    ReadsRefused,
    /// Its recovery takes a read error for the end of the log.
    ReadErrorAsEnd,
}

struct Register(Mistake);

struct Running {
    log: Box<dyn VfsFile>,
    end: u64,
    value: u8,
    kept: Option<u8>,
    failed: bool,
}

const RECORD: u64 = 512;

impl Register {
    fn append(&self, store: &mut Running, value: u8) -> io::Result<()> {
        let mut written = store.log.write_fully_at(&[value; RECORD as usize], store.end);
        while self.0 == Mistake::Loops && written.is_err() {
            written = store.log.write_fully_at(&[value; RECORD as usize], store.end);
        }
        match (self.0, &written) {
            (Mistake::Panics, Err(_)) => panic!("no space"),
            (Mistake::FailedRecordKept, Err(_)) => store.kept = Some(value),
            _ => {}
        }
        written?;
        store.end += RECORD;
        if let Some(kept) = store.kept.take() {
            self.append(store, kept)?;
        }
        let synced = store.log.sync_data();
        if self.0 == Mistake::SyncRetried && synced.is_err() { store.log.sync_data() } else { synced }
    }
}

impl Subject for Register {
    type Op = u8;
    type State = u8;
    type Store = Running;

    fn parse_op(&self, line: &str) -> Result<u8, String> {
        line.parse().map_err(|_| "expected a number".to_string())
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Running, SubjectError> {
        let path: PathBuf = root.join("log");
        let old = vfs.open(&path, OpenOptions::CREATE)?;
        let (mut end, mut value) = (0, 0);
        let mut record = [0; RECORD as usize];
        loop {
            let got = match old.read_fully_at(&mut record, end) {
                Err(_) if self.0 == Mistake::ReadErrorAsEnd => 0,
                got => got?,
            };
            if got < record.len() || record[0] == 0 {
                break;
            }
            (value, end) = (record[0], end + RECORD);
        }
        // Old records are written anew: what the cache shows need not be on the disk.
        let tmp = root.join("tmp");
        let log = vfs.open(&tmp, OpenOptions::CREATE_TRUNCATE)?;
        if value != 0 {
            log.write_fully_at(&[value; RECORD as usize], 0)?;
        }
        log.sync_all()?;
        vfs.rename(&tmp, &path)?;
        vfs.sync_dir(root)?;
        Ok(Running { log, end: if value == 0 { 0 } else { RECORD }, value, kept: None, failed: false })
    }

    fn execute(&self, store: &mut Running, value: &u8) -> Outcome {
        let goes_on = matches!(self.0, Mistake::FailedRecordKept);
        if store.failed && !goes_on {
            return Outcome::Refused("it failed before".to_string());
        }
        match self.append(store, *value) {
            Ok(()) => {
                store.value = *value;
                Outcome::Acknowledged { durable: true }
            }
            Err(e) => {
                store.failed = true;
                Outcome::Unknown(e.to_string())
            }
        }
    }

    fn read(&self, store: &mut Running) -> Result<u8, SubjectError> {
        if store.failed && self.0 == Mistake::ReadsRefused {
            return Err("it failed before".into());
        }
        Ok(store.value)
    }

    fn initial_state(&self) -> u8 {
        0
    }

    fn apply(&self, state: &mut u8, value: &u8) {
        *state = *value;
    }
}

fn checks(mistake: Mistake, fault: &str) -> Vec<String> {
    let test = CrashTest::new(Register(mistake)).ops("1\n2\n3").fault(fault);
    let found = test.settings(|settings| settings.calls_max = 5_000).run();
    assert_eq!(found.internal_error, None);
    assert!(found.violations.iter().all(|violation| violation.fault.as_deref() == Some(fault)));
    found.violations.into_iter().map(|violation| violation.check).collect()
}

#[test]
fn a_store_that_stops_at_the_first_failure_passes_whatever_fails() {
    let found = CrashTest::new(Register(Mistake::None)).ops("1\n2\nreopen\n3").sweep().run();
    found.assert_held();
    let sweep = found.sweep.unwrap();
    assert_eq!(sweep.explored, sweep.cases);
    assert!(sweep.cases > 300, "{sweep:?}");
}

#[test]
fn what_a_store_gets_wrong_when_a_call_fails_is_found() {
    assert_eq!(checks(Mistake::None, "write #2 -> ENOSPC"), [""; 0]);
    assert_eq!(checks(Mistake::FailedRecordKept, "write #2 -> ENOSPC"), ["durability"]);
    assert_eq!(checks(Mistake::SyncRetried, "sync_data #2 -> EIO"), ["durability"]);
    assert_eq!(checks(Mistake::Panics, "write #2 -> ENOSPC"), ["panic"]);
    assert_eq!(checks(Mistake::Loops, "write #2.. -> ENOSPC"), ["hang"]);
    assert_eq!(checks(Mistake::ReadsRefused, "write #2 -> ENOSPC"), ["liveness"]);
}

/// Each call of the store that a sweep fails, in most of the ways that it does.
fn ways_to_fail() -> Vec<String> {
    let mut rules = Vec::new();
    for phase in ["", "recovery: "] {
        for call in ["open", "create", "read", "write", "sync_data", "sync_dir"] {
            for which in (1..=8).flat_map(|n| [format!("#{n}"), format!("#{n}..")]) {
                for error in ["EIO", "ENOSPC"] {
                    rules.push(format!("{phase}{call} {which} -> {error}"));
                    if call != "read" && call != "open" {
                        rules.push(format!("{phase}{call} {which} -> {error}, applied"));
                    }
                }
            }
        }
    }
    rules
}

#[test]
fn a_sweep_finds_what_its_faults_find_one_by_one() {
    use Mistake::{FailedRecordKept, None, Panics, ReadErrorAsEnd, ReadsRefused, SyncRetried};
    for mistake in [None, FailedRecordKept, SyncRetried, Panics, ReadsRefused, ReadErrorAsEnd] {
        let test = || CrashTest::new(Register(mistake)).ops("1\n2");
        let found = |test: CrashTest<Register>| {
            let violations = test.settings(|settings| settings.jobs = 1).run().violations;
            violations.into_iter().next().and_then(|violation| violation.fault)
        };
        let one_by_one: Vec<String> =
            ways_to_fail().into_iter().filter(|rule| found(test().fault(rule)).is_some()).collect();
        assert_eq!(one_by_one.is_empty(), mistake == None);
        match found(test().sweep()) {
            Some(rule) => assert_eq!(found(test().fault(&rule)), Some(rule)),
            Option::None => assert!(one_by_one.is_empty(), "{one_by_one:?}"),
        }
    }
}

#[test]
fn want_of_space_is_over_when_it_is_lifted() {
    let test = CrashTest::new(Register(Mistake::None)).ops("1\n2\nlift\n3").fault("write #2 -> ENOSPC");
    let found = test.run();
    assert_eq!(found.violations[0].check, "liveness", "it could go on and does not");
    let test = CrashTest::new(Register(Mistake::None)).ops("1\n2\nlift\n3").fault("write #2 -> EIO");
    test.run().assert_held();
}

#[test]
fn the_same_rules_give_the_same_report_on_any_number_of_threads() {
    let report = |jobs: usize| {
        let test = CrashTest::new(Register(Mistake::SyncRetried)).ops("1\n2\n3").sweep();
        format!("{:?}", test.settings(|settings| settings.jobs = jobs).run())
    };
    let one = report(1);
    assert_eq!(one, report(1));
    assert_eq!(one, report(3));
    assert!(one.contains("sync_data #1 -> EIO"), "{one}");
}
