//! `salvage`: what can be proved of a damaged store.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use unplug_engine::{Options, Store, SyncPolicy};
use unplug_vfs::OsFs;

use super::{as_str, contents, expect, fixtures, open, stores, unplug};

type State = BTreeMap<Vec<u8>, Vec<u8>>;

fn state(store: &Store) -> State {
    store.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[test]
fn every_fixture_gives_what_can_be_proved() {
    for (snapshot, more) in [("salvage_fixtures", &[][..]), ("salvage_behind_damage", &["--behind-damage"])] {
        let mut text = String::new();
        for name in stores() {
            let tmp = tempfile::tempdir().unwrap();
            let out = tmp.path().join("out");
            let dir = format!("store/{name}");
            let before = contents(&fixtures().join(&dir));
            let ran = unplug(&[&["salvage", &dir, as_str(&out)], more].concat());
            text += &format!("{name}\n{}{}exit code {}\n\n", ran.stdout, ran.stderr, ran.code);
            assert_eq!(contents(&fixtures().join(&dir)), before, "{name}");
            if ran.code == 0 {
                expect(0, &["verify", as_str(&out)]);
                open(&out).close().unwrap();
            } else {
                assert!(!out.exists(), "{name}");
            }
            text = text.replace(as_str(tmp.path()), "TMP");
        }
        insta::assert_snapshot!(snapshot, text);
    }
}

/// A store of several segments, synced at every write, with the state after each record.
fn written(dir: &Path, options: Options) -> Vec<State> {
    let options = Options {
        segment_size: 2048,
        compact_log_bytes: None,
        compact_live_ratio: None,
        sync: SyncPolicy::EveryWrite,
        ..options
    };
    let mut store = Store::open(Arc::new(OsFs), dir, options).unwrap();
    let mut states = vec![State::new()];
    for i in 0..40u64 {
        match i % 5 {
            4 => drop(store.delete(&(i - 4).to_be_bytes()).unwrap()),
            _ => store.put(&i.to_be_bytes(), &vec![i as u8; (i * 37 % 300) as usize]).unwrap(),
        }
        states.push(state(&store));
    }
    store.close().unwrap();
    states
}

/// A log that is never compacted.
fn never() -> Options {
    Options { compact_ops: None, ..Options::default() }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn whatever_bit_is_flipped_the_salvaged_state_is_one_that_was() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let states = written(&dir, never());
    let mut found = Vec::new();
    for (file, bytes) in contents(&dir) {
        for at in (3..bytes.len()).step_by(411) {
            flip(&dir.join(&file), at);
            let out = tmp.path().join("out");
            expect(0, &["salvage", "-q", as_str(&dir), as_str(&out)]);
            let saved = state(&open(&out));
            let which = states.iter().position(|state| *state == saved);
            found.push(which.unwrap_or_else(|| panic!("{file} byte {at}: a state that never was")));
            fs::remove_dir_all(out).unwrap();
            flip(&dir.join(&file), at);
        }
    }
    // Headers and manifests cost nothing, records cost what lies behind them.
    assert!(found.contains(&40) && found.iter().any(|n| *n < 10), "{found:?}");
}

#[test]
fn a_store_without_a_manifest_comes_back_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let compacted = |every, snapshot_chain_max, compaction_step_bytes| Options {
        compact_ops: Some(every),
        snapshot_chain_max,
        compaction_step_bytes,
        ..Options::default()
    };
    for (name, options) in [
        ("log", never()),
        ("compacted", compacted(11, 0, None)),
        ("chain", compacted(9, 3, None)),
        ("in-steps", compacted(7, 0, Some(100))),
    ] {
        let (dir, out) = (tmp.path().join(name), tmp.path().join(format!("{name}-saved")));
        let states = written(&dir, options);
        for (file, _) in contents(&dir).iter().filter(|(file, _)| file.starts_with("MANIFEST-")) {
            fs::remove_file(dir.join(file)).unwrap();
        }
        let ran = expect(0, &["salvage", as_str(&dir), as_str(&out)]);
        assert!(ran.stdout.contains("there is no manifest"), "{}", ran.stdout);
        assert_eq!(state(&open(&out)), states[40], "{name}");
    }
}

#[test]
fn of_a_chain_of_snapshots_what_is_left_of_each_is_taken() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let options = Options { compact_ops: Some(9), snapshot_chain_max: 8, ..Options::default() };
    let states = written(&dir, options);
    expect(0, &["verify", as_str(&dir)]);
    let files = contents(&dir);
    let chain: Vec<&str> =
        files.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("snap-")).collect();
    assert!(chain.len() > 2, "{chain:?}");
    for lost in chain {
        let out = tmp.path().join(format!("without-{lost}"));
        let bytes = fs::read(dir.join(lost)).unwrap();
        fs::remove_file(dir.join(lost)).unwrap();
        let ran = expect(0, &["salvage", as_str(&dir), as_str(&out)]);
        assert!(ran.stdout.contains("entries of the snapshot are lost"), "{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("dropped  {lost}, byte 0")), "{}", ran.stdout);
        let saved = state(&open(&out));
        assert!(!saved.is_empty() && saved != states[40], "{lost}");
        fs::write(dir.join(lost), bytes).unwrap();
    }
}

#[test]
fn behind_damage_later_writes_are_taken_too() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, out) = (tmp.path().join("db"), tmp.path().join("out"));
    let states = written(&dir, never());
    flip(&dir.join("wal-00000002"), 700);
    expect(0, &["salvage", as_str(&dir), as_str(&out), "--behind-damage"]);
    let saved = state(&open(&out));
    let last = &states[40];
    let wrong: Vec<_> = saved.iter().filter(|(key, value)| last.get(*key) != Some(value)).collect();
    let lost: Vec<_> = last.keys().filter(|key| !saved.contains_key(*key)).collect();
    // One record was hit: what it did is all that may be missing.
    assert!(wrong.len() + lost.len() <= 1, "{wrong:?} {lost:?}");
    assert!(!states.contains(&saved) || wrong.len() + lost.len() == 0);
}

#[test]
fn the_target_must_be_new_or_empty_and_nothing_is_left_of_a_failure() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("out");
    fs::create_dir(&out).unwrap();
    expect(0, &["salvage", "store/clean", as_str(&out)]);
    let before = contents(&out);
    let ran = expect(2, &["salvage", "store/clean", as_str(&out)]);
    assert_eq!(
        ran.stderr.replace(as_str(tmp.path()), "TMP"),
        "error: TMP/out is not empty: name a new or empty directory\n"
    );
    assert_eq!(contents(&out), before);
    let missing = tmp.path().join("missing/out");
    expect(3, &["salvage", "store/clean", as_str(&missing)]);
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
}
