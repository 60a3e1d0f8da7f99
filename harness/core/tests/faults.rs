//! Calls that fail, and disks that lie.
//!
//! Bug class: a simulator whose failures are tamer than real ones (a failed sync that can be retried, an error
//! that always comes before the call, a descriptor that never tells), so that a store passes which loses data.
//! The second half holds failed syncs and lost writes against the independent materialiser on random calls.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

#[path = "common/disks.rs"]
mod disks;
#[path = "common/models.rs"]
mod models;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disks::{crashed, explore, finished, found_on, shown};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use unplug::CrashTest;
use unplug::disk::SimDisk;
use unplug::fault::{FaultyVfs, Injector, Rule};
use unplug::materialise::{Base, trees_at};
use unplug::model::Model;
use unplug::plain::{MemFs, Tree};
use unplug::subject::{Outcome, Subject, SubjectError};
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap_or_else(|e| panic!("{e}"))).collect()
}

fn inject(disk: &SimDisk, texts: &[&str]) {
    disk.inject(Injector::for_workload(&rules(texts)));
}

fn open(fs: &dyn Vfs, path: &str) -> Box<dyn VfsFile> {
    fs.open(Path::new(path), OpenOptions::CREATE).unwrap()
}

/// A file `/a` whose name is durable, with some durable content.
fn durable(fs: &dyn Vfs, content: &[u8]) {
    let file = open(fs, "/a");
    file.write_fully_at(content, 0).unwrap();
    file.sync_all().unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
}

/// What `/a` may hold after a crash at the end of `work`.
fn left(model: &Model, work: impl Fn(&SimDisk)) -> BTreeSet<Vec<u8>> {
    let trees = found_on(&crashed(model, work), |_| {});
    trees.iter().map(|tree| tree.content("a").unwrap().to_vec()).collect()
}

fn read(file: &dyn VfsFile, len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    let got = file.read_fully_at(&mut content, 0).unwrap();
    content.truncate(got);
    content
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|e| e.raw_os_error())
}

const EIO: Option<i32> = Some(5);
const ENOSPC: Option<i32> = Some(28);

#[test]
fn a_failed_sync_is_not_made_good_by_a_second_one() {
    for model in models::built_in() {
        let held = left(&model, |disk| {
            durable(disk, b"old");
            inject(disk, &["any-sync #1 -> EIO"]);
            let file = open(disk, "/a");
            file.write_fully_at(b"new", 0).unwrap();
            assert_eq!(errno(file.sync_data()), EIO);
            file.sync_data().unwrap();
            file.sync_all().unwrap();
            assert_eq!(read(&*file, 9), b"new", "the cache shows it");
        });
        assert_eq!(held, BTreeSet::from([b"old".to_vec(), b"new".to_vec()]), "{}", model.name);
    }
}

#[test]
fn a_page_that_is_made_dirty_again_is_synced_as_a_whole_and_no_other() {
    let held = left(&Model::posix(), |disk| {
        durable(disk, &[0; 8192]);
        inject(disk, &["any-sync #1 -> EIO"]);
        let file = open(disk, "/a");
        file.write_fully_at(&[1; 512], 0).unwrap();
        file.write_fully_at(&[2; 512], 4096).unwrap();
        assert_eq!(errno(file.sync_data()), EIO);
        file.write_fully_at(&[3], 4095).unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(held.len(), 2);
    for content in held {
        assert!(content[..512] == [1; 512] && content[4095] == 3);
    }
}

#[test]
fn a_failed_sync_may_have_done_its_work() {
    let held = left(&Model::posix(), |disk| {
        durable(disk, b"old");
        inject(disk, &["any-sync #1 -> EIO, applied"]);
        let file = open(disk, "/a");
        file.write_fully_at(b"new", 0).unwrap();
        assert_eq!(errno(file.sync_data()), EIO);
    });
    assert_eq!(held, BTreeSet::from([b"new".to_vec()]));
}

#[test]
fn each_descriptor_that_was_open_tells_of_the_failure_once() {
    let disk = SimDisk::empty();
    inject(&disk, &["any-sync #1 -> EIO"]);
    let (one, two) = (open(&disk, "/a"), open(&disk, "/a"));
    one.write_fully_at(b"x", 0).unwrap();
    assert_eq!(errno(one.sync_data()), EIO);
    assert_eq!(errno(one.sync_data()), None);
    assert_eq!(errno(two.sync_all()), EIO);
    assert_eq!(errno(two.sync_all()), None);
    assert_eq!(errno(open(&disk, "/a").sync_data()), None);
}

#[test]
fn a_directory_whose_sync_failed_is_not_made_good_by_a_second_one() {
    for model in [Model::posix(), Model::xfs(), Model::btrfs(), Model::paranoid()] {
        let trees = found_on(
            &crashed(&model, |disk| {
                inject(disk, &["sync_dir #1 -> EIO"]);
                open(disk, "/a");
                assert_eq!(errno(disk.sync_dir(Path::new("/"))), EIO);
                disk.sync_dir(Path::new("/")).unwrap();
            }),
            |_| {},
        );
        assert_eq!(trees.len(), 2, "{}", model.name);
    }
}

#[test]
fn a_failed_write_leaves_what_the_rule_says() {
    for (rule, held) in [
        ("write #1 -> ENOSPC", "old"),
        ("write #1 -> ENOSPC, part 1", "nld"),
        ("write #1 -> ENOSPC, applied", "new"),
    ] {
        let disk = SimDisk::empty();
        durable(&disk, b"old");
        inject(&disk, &[rule]);
        let file = open(&disk, "/a");
        assert_eq!(errno(file.write_at(b"new", 0)), ENOSPC);
        assert_eq!(read(&*file, 9), held.as_bytes(), "{rule}");
    }
}

#[test]
fn short_calls_do_as_much_as_they_say() {
    let disk = SimDisk::empty();
    inject(&disk, &["write -> short 2", "read #..2 -> short 1"]);
    let file = open(&disk, "/a");
    assert_eq!(file.write_at(b"abc", 0).unwrap(), 2);
    file.write_fully_at(b"abcdef", 0).unwrap();
    assert_eq!(file.read_at(&mut [0; 9], 0).unwrap(), 1);
    assert_eq!(read(&*file, 9), b"abcdef");
}

#[test]
fn a_lost_write_is_in_the_cache_and_never_on_the_disk() {
    for model in models::built_in() {
        let held = left(&model, |disk| {
            durable(disk, b"old");
            inject(disk, &["write #1 -> lost"]);
            let file = open(disk, "/a");
            file.write_fully_at(b"new", 0).unwrap();
            file.sync_all().unwrap();
            disk.kill();
            assert_eq!(read(&*open(disk, "/a"), 9), b"new");
        });
        assert_eq!(held, BTreeSet::from([b"old".to_vec()]), "{}", model.name);
    }
}

#[test]
fn a_misdirected_write_shows_where_it_landed_after_a_crash_only() {
    let held = left(&Model::posix(), |disk| {
        durable(disk, &[b'.'; 1024]);
        inject(disk, &["write #1 -> misdirected 512"]);
        let file = open(disk, "/a");
        file.write_fully_at(b"new", 0).unwrap();
        file.sync_all().unwrap();
        assert_eq!(&read(&*file, 1024)[..4], b"new.");
        assert_eq!(&read(&*file, 1024)[512..516], b"....");
    });
    let content = held.into_iter().next().unwrap();
    assert_eq!((&content[..4], &content[512..516]), (&b"...."[..], &b"new."[..]));
}

#[test]
fn damage_of_the_medium_shows_after_a_crash_and_goes_when_it_is_lifted() {
    let rules = rules(&["read a @1 -> rot 01", "read a @600 -> bad-sector"]);
    let world = crashed(&Model::posix(), |disk| {
        durable(disk, &[b'x'; 1024]);
        disk.inject(Injector::for_workload(&rules));
        assert_eq!(read(&*open(disk, "/a"), 1024), [b'x'; 1024], "the cache is sound");
    });
    let process = |disk: &SimDisk| {
        disk.inject(Injector::for_recovery(&rules, false));
        let file = open(disk, "/a");
        let mut sector = [0; 512];
        file.read_fully_at(&mut sector, 0).unwrap();
        assert_eq!(&sector[..3], b"xyx");
        assert_eq!(errno(file.read_at(&mut sector, 512)), EIO);
        assert_eq!(errno(file.read_at(&mut sector, 1023)), EIO, "it stays bad");
        file.write_fully_at(&[b'z'; 512], 512).unwrap();
        assert_eq!(file.read_at(&mut sector, 512).unwrap(), 512, "what was written is in the cache");
        disk.lift_faults();
        file.read_fully_at(&mut sector, 0).unwrap();
        assert_eq!(&sector[..3], b"xxx", "the disk itself was never changed");
    };
    explore(&world, process, |(), finished| assert!(finished.stop.is_none()));
}

#[test]
fn a_full_disk_takes_what_fits_until_something_is_removed() {
    let disk = SimDisk::empty();
    inject(&disk, &["any-write -> full 8192"]);
    let file = open(&disk, "/a");
    assert_eq!(file.write_at(&[1; 10_000], 0).unwrap(), 8192);
    assert_eq!(errno(file.write_at(&[1], 8192)), ENOSPC);
    assert_eq!(errno(open(&disk, "/b").write_at(&[1], 0)), ENOSPC);
    assert_eq!(errno(open(&disk, "/b").allocate(0, 1)), ENOSPC);
    file.write_fully_at(&[2; 8192], 0).unwrap();
    disk.remove_file(Path::new("/a")).unwrap();
    open(&disk, "/b").write_fully_at(&[1], 0).unwrap();
    assert!(disk.lacked_only_space());
}

#[test]
fn rules_count_the_calls_that_match_them() {
    let disk = SimDisk::empty();
    inject(&disk, &["create b* #2.. -> EMFILE", "any-metadata #..1 -> EROFS"]);
    let create = |path: &str| errno(disk.open(Path::new(path), OpenOptions::CREATE_NEW));
    assert_eq!(create("/a"), Some(30), "the first change of a name fails");
    assert_eq!(create("/a"), None);
    assert_eq!(create("/b1"), None);
    assert_eq!((create("/b2"), create("/b3"), create("/c")), (Some(24), Some(24), None));
    disk.lift_faults();
    assert_eq!(create("/b2"), None);
}

#[test]
fn a_layer_over_another_file_system_fails_its_calls_in_the_same_way() {
    let faults = Injector::for_workload(&rules(&["write #1 -> ENOSPC, part 2", "sync_data -> EIO"]));
    let fs = FaultyVfs::new(Arc::new(MemFs::new()), faults);
    let file = open(&fs, "/a");
    assert_eq!(errno(file.write_at(b"new", 0)), ENOSPC);
    assert_eq!(read(&*file, 9), b"ne");
    assert_eq!(errno(file.sync_data()), EIO);
    fs.lift();
    file.sync_data().unwrap();
    assert_eq!(fs.faults().fired().len(), 2);
}

// Random calls, against the materialiser.

#[derive(Clone, Debug)]
enum Step {
    Write(&'static str, u64, usize, u8),
    SetLen(&'static str, u64),
    Sync(&'static str, bool),
    Rename(&'static str, &'static str),
    SyncDir,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || select(vec!["/a", "/b"]);
    let at = select(vec![0u64, 100, 512, 4000, 4096, 5000]);
    let step = prop_oneof![
        5 => (name(), at, select(vec![1usize, 600, 1500]), any::<u8>())
            .prop_map(|(name, at, len, fill)| Step::Write(name, at, len, fill)),
        1 => (name(), select(vec![0u64, 300, 4096])).prop_map(|(name, len)| Step::SetLen(name, len)),
        4 => (name(), any::<bool>()).prop_map(|(name, data_only)| Step::Sync(name, data_only)),
        1 => select(vec![("/a", "/b"), ("/b", "/a")]).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => Just(Step::SyncDir),
    ];
    vec(step, 1..7)
}

fn run(disk: &SimDisk, steps: &[Step]) {
    for step in steps {
        // Failures are what this is about, and missing names do no harm.
        let _ = match step {
            Step::Write(name, at, len, fill) => {
                open_if(disk, name).and_then(|f| f.write_at(&vec![*fill; *len], *at).map(drop))
            }
            Step::SetLen(name, len) => open_if(disk, name).and_then(|f| f.set_len(*len)),
            Step::Sync(name, true) => open_if(disk, name).and_then(|f| f.sync_data()),
            Step::Sync(name, false) => open_if(disk, name).and_then(|f| f.sync_all()),
            Step::Rename(from, to) => disk.rename(Path::new(from), Path::new(to)),
            Step::SyncDir => disk.sync_dir(Path::new("/")),
        };
    }
}

fn open_if(disk: &SimDisk, path: &str) -> io::Result<Box<dyn VfsFile>> {
    disk.open(Path::new(path), OpenOptions::CREATE)
}

fn faults() -> impl Strategy<Value = Vec<&'static str>> {
    let syncs =
        select(vec!["any-sync #2 -> EIO", "any-sync #..2 -> EIO", "any-sync #3.. -> EIO", "sync_dir -> EIO"]);
    let other =
        select(vec!["write #3 -> lost", "write #2 -> misdirected 512", "write #4 -> ENOSPC, part 300"]);
    (syncs, proptest::option::of(other)).prop_map(|(sync, other)| [sync].into_iter().chain(other).collect())
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = default.cases * 3 / 8;
    ProptestConfig { cases, failure_persistence: None, max_global_rejects: 100_000, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_found_after_faults_is_exactly_the_legal_disks(steps in steps(), faults in faults(), model in models::models()) {
        // What a misdirected write does to a page that is never torn is left open.
        prop_assume!(model.torn_unit < 4096 || faults.iter().all(|fault| !fault.contains("misdirected")));
        let work = |disk: &SimDisk| {
            durable(disk, &[b'o'; 700]);
            inject(disk, &faults);
            run(disk, &steps);
        };
        let trace = finished(&model, work).recording.trace;
        let legal = trees_at(&Base::empty(), &trace, trace.end(), &model, 3000);
        prop_assume!(legal.is_ok());
        let found = found_on(&crashed(&model, work), |_| {});
        let legal: BTreeSet<Tree> = legal.unwrap().iter().map(shown).collect();
        let extra: Vec<_> = found.difference(&legal).take(1).collect();
        let missing: Vec<_> = legal.difference(&found).take(1).collect();
        prop_assert!(extra.is_empty() && missing.is_empty(), "not legal: {extra:#?}\nnever shown: {missing:#?}");
    }
}

/// Holds what is found after `work` against the legal disks, under every model.
fn assert_agreed(work: impl Fn(&SimDisk)) {
    for model in Model::NAMES.map(|name| Model::by_name(name).unwrap()) {
        let trace = finished(&model, &work).recording.trace;
        let legal = trees_at(&Base::empty(), &trace, trace.end(), &model, 3000).unwrap();
        let legal: BTreeSet<Tree> = legal.iter().map(shown).collect();
        let found = found_on(&crashed(&model, &work), |_| {});
        assert!(found == legal, "under {}", model.name);
    }
}

#[test]
fn a_sector_that_a_lost_write_was_meant_for_counts_as_written() {
    for fault in ["write #2 -> misdirected 512", "write #2 -> lost"] {
        assert_agreed(|disk| {
            durable(disk, &[b'o'; 700]);
            inject(disk, &[fault]);
            let file = open(disk, "/b");
            // The last of these writes a part of the sector that the one before was meant for.
            for (content, offset) in [(&[1; 1][..], 4000), (&[2; 600], 512), (&[3; 600], 0)] {
                file.write_at(content, offset).unwrap();
            }
            file.sync_all().unwrap();
        });
    }
}

#[test]
fn a_page_that_a_lost_write_was_meant_for_is_dirty_again() {
    assert_agreed(|disk| {
        durable(disk, &[b'o'; 700]);
        inject(disk, &["sync_all #1 -> EIO", "write #2 -> lost"]);
        let file = open(disk, "/a");
        file.write_at(&[1], 0).unwrap();
        file.sync_all().unwrap_err();
        file.write_at(&[2], 0).unwrap();
        file.sync_all().unwrap();
    });
}

// The oracle, on a store of one number: a log of records, of which the last one counts.

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
