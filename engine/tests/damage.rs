//! Each kind of damage by its name, and what the recovery policies make of it.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

mod common;

use std::collections::BTreeMap;

use common::{MemFs, State, db, open, small, state_of};
use unplug_engine::inspect::{self, Format, Reading};
use unplug_engine::{Batch, Options, Planted, Reason, RecoveryPolicy, Store};

type Image = BTreeMap<String, Vec<u8>>;

/// Five records of one block each, in the store's first segment: record i is the block at 512 × (i + 1).
const VALUE: usize = 478;

fn five_records() -> Image {
    let fs = MemFs::new();
    let mut store = open(&fs, Options { preallocate_bytes: 0, ..small() });
    for i in 0..5u8 {
        store.put(&[i], &[i + 1; VALUE]).unwrap();
    }
    drop(store);
    fs.image(db())
}

fn name(image: &Image, prefix: &str) -> String {
    image.keys().rfind(|n| n.starts_with(prefix)).unwrap().clone()
}

fn wal(image: &Image) -> &Vec<u8> {
    &image[&name(image, "wal-")]
}

#[track_caller]
fn check(reading: &Reading, records: u64, stop: Option<(u64, Reason)>, good_after: u64) {
    let found = reading.stopped_at.zip(reading.reason);
    assert_eq!(
        (reading.records, found, reading.good_records_after),
        (records, stop, good_after),
        "{reading:?}"
    );
}

#[track_caller]
fn check_wal(damage: impl FnOnce(&mut Vec<u8>), records: u64, stop: Option<(u64, Reason)>, good_after: u64) {
    let mut image = five_records();
    let name = name(&image, "wal-");
    let bytes = image.get_mut(&name).unwrap();
    assert_eq!(bytes.len(), 6 * 512);
    damage(bytes);
    let reading = inspect::wal(bytes);
    check(&reading, records, stop, good_after);
    assert_eq!(reading.entries.len() as u64, records);
    // Opening the store comes to the same state, unless it knows that the file was finished.
    if reading.reason != Some(Reason::BadHeader) {
        let store = open(&MemFs::with_files(db(), &image), small());
        assert_eq!(state_of(&store), reading.entries);
    }
}

#[test]
fn every_kind_of_damage_to_a_log_has_its_reason() {
    check_wal(|_| {}, 5, None, 0);
    check_wal(|b| b.truncate(3 * 512), 2, None, 0);
    check_wal(|b| b.truncate(3 * 512 + 7), 2, Some((1536, Reason::TornTail)), 0);
    check_wal(|b| b.truncate(3 * 512 + 100), 2, Some((1536, Reason::TornTail)), 0);
    check_wal(|b| b[1536..].fill(0), 2, None, 0);
    check_wal(|b| b.resize(20 * 512, 0), 5, None, 0);
    check_wal(|b| b[1536..2048].fill(0), 2, Some((1536, Reason::TornTail)), 2);
    check_wal(|b| b[1536] ^= 1, 2, Some((1536, Reason::BadCrc)), 2);
    let then_zeros = |b: &mut Vec<u8>| {
        b[1536] ^= 1;
        b.resize(20 * 512, 0);
    };
    check_wal(then_zeros, 2, Some((1536, Reason::BadCrc)), 2);
    check_wal(|b| b[1536 + 200] ^= 1, 2, Some((1536, Reason::BadCrc)), 2);
    check_wal(|b| b[1536 + 10] = 9, 2, Some((1536, Reason::BadCrc)), 2);
    check_wal(|b| b[1536 + 9] = 0xff, 2, Some((1536, Reason::BadLength)), 2);
    check_wal(|b| b[1536 + 8..1536 + 10].fill(0), 2, Some((1536, Reason::BadLength)), 2);
    check_wal(|b| b[1536 + 4] ^= 1, 2, Some((1536, Reason::WrongEpoch)), 2);
    check_wal(|b| b.copy_within(1024..1536, 1536), 2, Some((1536, Reason::BadCrc)), 2);
    check_wal(|b| b.extend([0xa5; 700]), 5, Some((3072, Reason::BadLength)), 0);
    check_wal(|b| b.clear(), 0, Some((0, Reason::BadHeader)), 0);
    check_wal(|b| b.truncate(300), 0, Some((0, Reason::BadHeader)), 0);
    check_wal(|b| b[0] ^= 1, 0, Some((0, Reason::BadHeader)), 0);
    check_wal(|b| b[100] ^= 1, 0, Some((0, Reason::BadHeader)), 5);
    check_wal(|b| b[8] = 2, 0, Some((0, Reason::BadHeader)), 5);
}

#[test]
fn a_record_over_several_blocks_is_torn_wherever_one_is_missing() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    store.put(b"a", b"1").unwrap();
    store.put(b"long", &[7; 1600]).unwrap();
    drop(store);
    let image = fs.image(db());
    let begin = 512 + 11 + 12 + 9 + 2;
    for (cut, reason) in [(1024, Reason::TornTail), (1536, Reason::TornTail), (600, Reason::TornTail)] {
        let mut bytes = wal(&image).clone();
        bytes.truncate(cut);
        check(&inspect::wal(&bytes), 1, Some((begin, reason)), 0);
    }
    for block in [1024, 1536, 2048] {
        let mut bytes = wal(&image).clone();
        bytes[block..block + 512].fill(0);
        check(&inspect::wal(&bytes), 1, Some((begin, Reason::TornTail)), 0);
    }
}

#[test]
fn a_version_that_is_not_known_is_a_clear_error() {
    for prefix in ["wal-", "snap-", "MANIFEST-"] {
        let fs = MemFs::new();
        let mut store = open(&fs, small());
        store.put(b"a", b"1").unwrap();
        store.compact().unwrap();
        drop(store);
        let mut image = fs.image(db());
        let name = name(&image, prefix);
        image.get_mut(&name).unwrap()[8] = 7;
        let error = Store::open(MemFs::with_files(db(), &image), db(), small()).unwrap_err();
        assert!(error.is_unsupported_version(), "{name}: {error}");
        assert!(error.to_string().contains("version 7"), "{error}");
        let reading = inspect::store(MemFs::with_files(db(), &image), db()).unwrap();
        assert_eq!((reading.reason, reading.file), (Some(Reason::BadHeader), Some(name)));
    }
}

/// A store of several sealed segments, of which the second is damaged in its second record.
fn with_rot() -> (Image, String, State) {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    let mut proved = State::new();
    for i in 0..30u8 {
        store.put(&[i], &[i; VALUE]).unwrap();
        if i < 8 {
            proved.insert(vec![i], vec![i; VALUE]);
        }
    }
    drop(store);
    let mut image = fs.image(db());
    let second = image.keys().filter(|n| n.starts_with("wal-")).nth(1).unwrap().clone();
    image.get_mut(&second).unwrap()[1024 + 50] ^= 1;
    (image, second, proved)
}

#[test]
fn rot_in_a_sealed_segment_stops_replay_there_and_keeps_the_files() {
    let (image, second, proved) = with_rot();
    let fs = MemFs::with_files(db(), &image);
    let mut store = open(&fs, small());
    assert!(state_of(&store) == proved, "{:?}", store.recovery());
    let stopped = store.recovery().stopped.clone().unwrap();
    assert_eq!((stopped.offset, stopped.reason, stopped.sealed), (1024, Reason::BadCrc, true));
    assert_eq!(stopped.file, db().join(&second));
    assert_eq!(store.recovery().kept.len(), image.keys().filter(|n| n.starts_with("wal-")).count() - 1);
    let kept = fs.image(db());
    for path in &store.recovery().kept {
        let kept_name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(kept[kept_name], image[kept_name.trim_end_matches(".damaged")]);
    }
    store.put(b"new", b"1").unwrap();
    store.compact().unwrap();
    drop(store);
    let store = open(&fs, small());
    assert_eq!((store.len(), &store.recovery().stopped), (proved.len() + 1, &None));
    assert!(fs.image(db()).contains_key(&format!("{second}.damaged")));
}

#[test]
fn rot_is_refused_or_shown_read_only_by_policy() {
    let (image, second, proved) = with_rot();
    let fs = MemFs::with_files(db(), &image);
    let refuse = Options { recovery: RecoveryPolicy::Refuse, ..small() };
    let error = Store::open(fs.clone(), db(), refuse).unwrap_err();
    assert!(error.is_corrupted() && error.to_string().contains(&second), "{error}");
    let look = Options { recovery: RecoveryPolicy::ReadOnly, ..small() };
    let mut store = open(&fs, look);
    assert!(state_of(&store) == proved, "{:?}", store.recovery());
    assert_eq!(store.state(), unplug_engine::State::ReadOnly);
    assert!(store.put(b"a", b"1").unwrap_err().is_read_only());
    assert!(store.compact().unwrap_err().is_read_only());
    store.close().unwrap();
    assert_eq!(fs.image(db()), image, "neither policy may write");
}

#[test]
fn a_torn_end_is_cut_under_every_policy() {
    for recovery in [RecoveryPolicy::Stop, RecoveryPolicy::Refuse, RecoveryPolicy::ReadOnly] {
        let mut image = five_records();
        let name = name(&image, "wal-");
        image.get_mut(&name).unwrap().truncate(5 * 512 + 99);
        let fs = MemFs::with_files(db(), &image);
        let mut store = open(&fs, Options { recovery, ..small() });
        assert!(store.recovery().stopped.as_ref().is_some_and(|s| !s.sealed));
        store.put(b"more", b"1").unwrap();
        assert_eq!(store.len(), 5);
    }
}

#[test]
fn a_missing_sealed_segment_stops_replay_before_it() {
    let (mut image, second, _) = with_rot();
    image.remove(&second);
    let fs = MemFs::with_files(db(), &image);
    let store = open(&fs, small());
    assert_eq!(store.len(), 7);
    let stopped = store.recovery().stopped.clone().unwrap();
    assert_eq!((stopped.reason, stopped.sealed), (Reason::SequenceGap, true));
    let after = fs.image(db());
    for (name, bytes) in image.iter().filter(|(name, _)| name.starts_with("wal-")) {
        assert_eq!(after.get(&format!("{name}.damaged")), Some(bytes), "what lies behind must be kept");
    }
    let refuse = Options { recovery: RecoveryPolicy::Refuse, ..small() };
    assert!(Store::open(MemFs::with_files(db(), &image), db(), refuse).unwrap_err().is_corrupted());
}

/// What was rotated in since the manifest was written is known by its headers alone.
#[test]
fn a_missing_segment_that_no_manifest_lists_stops_replay_before_it() {
    let fs = MemFs::new();
    let options = Options { segment_size: 1024, ..small() };
    let mut store = open(&fs, options.clone());
    for i in 0..3u8 {
        store.put(&[i], &[i; VALUE]).unwrap();
    }
    drop(store);
    let mut store = open(&fs, options.clone());
    for i in 3..8u8 {
        store.put(&[i], &[i; VALUE]).unwrap();
    }
    drop(store);
    let image = fs.image(db());
    let manifest = inspect::manifest(&image[&name(&image, "MANIFEST-")]);
    let number = |name: &str| name.strip_prefix("wal-").and_then(|number| number.parse::<u64>().ok());
    let is_listed = |number: u64| {
        manifest.detail.split(|c: char| !c.is_ascii_digit()).skip(2).any(|word| word.parse() == Ok(number))
    };
    let rotated: Vec<&String> =
        image.keys().filter(|name| number(name).is_some_and(|number| !is_listed(number))).collect();
    assert!(rotated.len() >= 4, "{rotated:?}");
    // The last one's loss leaves nothing that could tell.
    for gone in &rotated[..rotated.len() - 1] {
        let mut damaged = image.clone();
        let lost = inspect::wal(&damaged.remove(*gone).unwrap());
        let first = *lost.entries.keys().next().unwrap().first().unwrap();
        let fs = MemFs::with_files(db(), &damaged);
        let reading = inspect::store(fs.clone(), db()).unwrap();
        check(&reading, u64::from(first), Some((0, Reason::SequenceGap)), 0);
        let store = open(&fs, options.clone());
        assert_eq!(store.len(), usize::from(first));
        assert!(store.recovery().stopped.as_ref().is_some_and(|stopped| stopped.sealed));
        let after = fs.image(db());
        for behind in rotated.iter().filter(|name| *name > gone) {
            assert_eq!(after.get(&format!("{behind}.damaged")), damaged.get(*behind), "must be kept");
        }
        let refuse = Options { recovery: RecoveryPolicy::Refuse, ..options.clone() };
        let refused = Store::open(MemFs::with_files(db(), &damaged), db(), refuse);
        assert!(refused.unwrap_err().is_corrupted());
    }
}

#[test]
fn a_damaged_snapshot_or_manifest_is_an_error() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    for i in 0..20u8 {
        store.put(&[i], &[i; VALUE]).unwrap();
    }
    store.compact().unwrap();
    store.put(b"later", b"1").unwrap();
    drop(store);
    for prefix in ["snap-", "MANIFEST-"] {
        let mut image = fs.image(db());
        let name = name(&image, prefix);
        let bytes = image.get_mut(&name).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 0x10;
        let error = Store::open(MemFs::with_files(db(), &image), db(), small()).unwrap_err();
        assert!(error.is_corrupted() && error.to_string().contains(&name), "{error}");
        image.remove(&name);
        let error = Store::open(MemFs::with_files(db(), &image), db(), small()).unwrap_err();
        assert!(error.is_corrupted(), "{name} missing: {error}");
    }
    // Read-only, the snapshot's good entries can still be had, without the log.
    let mut image = fs.image(db());
    let name = name(&image, "snap-");
    image.get_mut(&name).unwrap()[512 * 5 + 100] ^= 1;
    let look = Options { recovery: RecoveryPolicy::ReadOnly, ..small() };
    let store = open(&MemFs::with_files(db(), &image), look);
    assert_eq!(store.len(), store.recovery().snapshot_entries as usize);
    assert!((3..6).contains(&store.len()), "{}", store.len());
    let reading = inspect::snapshot(&image[&name]);
    assert_eq!(reading.reason, Some(Reason::BadCrc));
    assert!(reading.good_records_after > 10);
}

#[test]
fn mistakes_that_need_rot_are_visible_with_rot() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    store.put(b"old", &[1; 50]).unwrap();
    drop(store);
    let older = fs.image(db());
    let mut store = open(&fs, small());
    store.put(b"new", &[2; 50]).unwrap();
    store.compact().unwrap();
    drop(store);
    // A bad block of the snapshot is served as if it were good.
    let mut image = fs.image(db());
    let snapshot = name(&image, "snap-");
    let at = image[&snapshot].windows(50).position(|w| w == [2; 50]).unwrap();
    image.get_mut(&snapshot).unwrap()[at] = 3;
    let trusting = Options { planted: Planted::from_name("snapshot-crc-unchecked").unwrap(), ..small() };
    let open_image = |image: &Image, options| Store::open(MemFs::with_files(db(), image), db(), options);
    assert!(open_image(&image, small()).unwrap_err().is_corrupted());
    let served = open_image(&image, trusting).unwrap();
    assert_ne!(
        [&b"old"[..], b"new"].map(|k| served.get(k).map(|v| v.to_vec())),
        [Some(vec![1; 50]), Some(vec![2; 50])]
    );
    // A bad newest manifest gives way to the one before, if a crash has left that.
    let mut image = fs.image(db());
    let newest = name(&image, "MANIFEST-");
    image.get_mut(&newest).unwrap()[40] ^= 1;
    image.extend(older);
    let falling = Options { planted: Planted::from_name("manifest-fallback").unwrap(), ..small() };
    assert!(open_image(&image, small()).unwrap_err().is_corrupted());
    let served = open_image(&image, falling).unwrap();
    assert_eq!((served.len(), served.get(b"new")), (1, None));
}

#[test]
fn files_are_known_by_their_first_bytes_or_their_names() {
    let fs = MemFs::new();
    let mut store = open(&fs, small());
    let mut batch = Batch::new();
    batch.put(b"a", b"1").put(b"b", b"2");
    store.write(batch).unwrap();
    store.compact().unwrap();
    drop(store);
    let image = fs.image(db());
    for (name, bytes) in &image {
        let format = inspect::kind_of("anything", bytes).unwrap();
        assert_eq!(inspect::kind_of(name, b""), Some(format));
    }
    assert_eq!(inspect::kind_of("/x/wal-00000003.damaged", b"?"), Some(Format::Wal));
    assert_eq!(inspect::kind_of("notes.txt", b"hello"), None);
    let files = inspect::files(&*fs, db()).unwrap();
    assert_eq!(
        files.iter().map(|(_, r)| r.format.as_str()).collect::<Vec<_>>(),
        ["manifest", "snapshot", "wal"]
    );
    assert_eq!(files.iter().map(|(_, r)| r.records).collect::<Vec<_>>(), [1, 2, 0]);
}
