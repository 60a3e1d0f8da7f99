//! `verify`: is a store sound?

use std::fs;
use std::sync::Arc;

use unplug_engine::{Options, Store, SyncPolicy};
use unplug_vfs::OsFs;

use super::{as_str, contents, expect, fixtures, stores, unplug};

#[test]
fn every_fixture_gets_its_verdict() {
    let mut text = String::new();
    for name in stores() {
        let dir = format!("store/{name}");
        let before = contents(&fixtures().join(&dir));
        let ran = unplug(&["verify", &dir]);
        assert_eq!(ran.stderr, "");
        text += &format!("{}exit code {}\n\n", ran.stdout, ran.code);
        assert_eq!(contents(&fixtures().join(&dir)), before, "{name}");
    }
    insta::assert_snapshot!("verify_fixtures", text);
}

#[test]
fn the_json_report_says_the_same() {
    let ran = expect(100, &["verify", "store/rot-in-sealed-segment", "--json", "-", "-q"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["format"], &report["verdict"]), (&1.into(), &"damaged".into()));
    assert_eq!(report["store"]["reason"], "bad-crc");
    assert_eq!(report["files"][2]["role"], "segment");
    assert_eq!(report["files"][3]["file"], "wal-00000010");
    assert_eq!(report["files"][3]["stopped_at"], 512);
    assert_eq!(report["reasons"].as_array().unwrap().len(), 1);
}

fn store_of(dir: &std::path::Path, sync: SyncPolicy) -> Store {
    let options = Options { sync, compact_ops: None, compact_log_bytes: None, ..Options::default() };
    Store::open(Arc::new(OsFs), dir, options).unwrap()
}

#[test]
fn a_lost_record_with_others_behind_it_is_damage_and_a_cut_end_is_not() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let mut store = store_of(&dir, SyncPolicy::EveryWrite);
    for i in 0..20u8 {
        store.put(&[i], &[i; 300]).unwrap();
    }
    store.close().unwrap();
    expect(0, &["verify", as_str(&dir)]);
    let log = dir.join("wal-00000002");
    let bytes = fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(&log, &bytes[..end - 200]).unwrap();
    assert!(expect(0, &["verify", as_str(&dir)]).stdout.contains("sound, with a torn end"));
    let mut rotten = bytes.clone();
    rotten[1500] ^= 1;
    fs::write(&log, &rotten).unwrap();
    let ran = expect(100, &["verify", as_str(&dir)]);
    assert!(ran.stdout.contains("that verify, and opening the store drops them"), "{}", ran.stdout);
    // Nobody misses what never was: opening such a store and closing it makes it sound again.
    store_of(&dir, SyncPolicy::EveryWrite).close().unwrap();
    expect(0, &["verify", as_str(&dir)]);
}

#[test]
fn a_store_that_is_open_is_not_looked_at() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let store = store_of(&dir, SyncPolicy::EveryWrite);
    for tool in [&["verify", as_str(&dir)][..], &["export", as_str(&dir), as_str(&tmp.path().join("x"))]] {
        let ran = expect(3, tool);
        assert!(ran.stderr.contains("is open elsewhere; close it there first"), "{}", ran.stderr);
    }
    let ran = expect(3, &["salvage", as_str(&dir), as_str(&tmp.path().join("out"))]);
    assert!(ran.stderr.contains("is open elsewhere"), "{}", ran.stderr);
    drop(store);
    expect(0, &["verify", as_str(&dir)]);
}
