//! `replay` on the engine's own files.

use std::fs;
use std::sync::Arc;

use unplug_engine::{Options, Store};
use unplug_vfs::OsFs;

use super::{as_str, expect};

#[test]
fn a_store_is_one_object_followed_by_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut store = Store::open(Arc::new(OsFs), &path, Options::default()).unwrap();
    store.put(b"a", b"1").unwrap();
    store.close().unwrap();
    let ran = expect(0, &["replay", as_str(dir.path()), "--json", "-"]);
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let formats: Vec<&str> = rows.as_array().unwrap().iter().map(|r| r["format"].as_str().unwrap()).collect();
    assert_eq!(formats, ["store", "manifest", "wal"]);
    assert_eq!((&rows[0]["state_entries"], &rows[0]["expected"]), (&1.into(), &serde_json::Value::Null));
}

#[test]
fn expectations_are_compared_field_by_field() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, "KVSTORE_LOG_V1\n").unwrap();
    let ran = expect(0, &["replay", as_str(&log), "--json", "-"]);
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let mut sidecar = String::new();
    for row in rows.as_array().unwrap() {
        sidecar += "[[reading]]\n";
        for field in ["format", "records", "good_records_after", "state_entries", "state_digest"] {
            sidecar += &format!("{field} = {}\n", row[field]);
        }
    }
    fs::write(dir.path().join("log.expect"), &sidecar).unwrap();
    assert!(expect(0, &["replay", as_str(dir.path())]).stdout.contains("as expected"));
    fs::write(dir.path().join("log.expect"), sidecar.replacen("records = 0", "records = 1", 1)).unwrap();
    let ran = expect(100, &["replay", as_str(dir.path())]);
    assert!(ran.stdout.contains("records: expected 1, found 0"), "{}", ran.stdout);
    fs::write(dir.path().join("log.expect"), "[[reading]]\nformat = 1\n").unwrap();
    assert!(expect(2, &["replay", as_str(&log)]).stderr.contains("log.expect: line 2: "));
    fs::remove_file(&log).unwrap();
    assert!(expect(3, &["replay", as_str(dir.path())]).stderr.contains("the fixture is missing"));
}
