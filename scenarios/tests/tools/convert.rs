//! `import` and `export`: text files into a store and back.

use std::fs;
use std::sync::Arc;

use unplug_engine::{Options, Store};
use unplug_vfs::OsFs;

use super::{as_str, expect, fixtures, open, unplug};

#[test]
fn every_text_fixture_is_imported_as_far_as_it_holds() {
    let mut text = String::new();
    let mut names: Vec<String> = fs::read_dir(fixtures().join("text"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".expect"))
        .collect();
    names.sort();
    for name in names {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("db");
        let ran = unplug(&["import", &format!("text/{name}"), as_str(&dir)]);
        text += &format!("{name}\n{}{}exit code {}\n\n", ran.stdout, ran.stderr, ran.code);
        text = text.replace(as_str(tmp.path()), "TMP");
        match ran.code {
            0 | 100 => drop(expect(0, &["verify", "-q", as_str(&dir)])),
            _ => assert!(!dir.exists(), "{name}"),
        }
    }
    insta::assert_snapshot!("import_fixtures", text);
}

#[test]
fn a_snapshot_and_the_log_behind_it_are_taken_in_order() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |name: &str| tmp.path().join(name);
    fs::write(at("snapshot"), "PUT 1 10\nPUT 2 20\n").unwrap();
    fs::write(at("log"), "KVSTORE_LOG_V1\n").unwrap();
    let line = |text: &str| format!("{text}|{}\n", crc32(text));
    let log = ["DEL 1", "PUT 3 30", "PUT 2 -21"].map(line).concat();
    fs::write(at("log"), format!("KVSTORE_LOG_V1\n{log}")).unwrap();
    expect(0, &["import", as_str(&at("snapshot")), as_str(&at("log")), as_str(&at("db"))]);
    let store = open(&at("db"));
    let state: Vec<_> = store.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
    assert_eq!(state, [(b"2".to_vec(), b"-21".to_vec()), (b"3".to_vec(), b"30".to_vec())]);
}

/// CRC-32/IEEE, bit by bit.
fn crc32(text: &str) -> u32 {
    !text.bytes().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn what_is_exported_imports_as_the_same_state() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |name: &str| tmp.path().join(name);
    expect(0, &["import", "text/v4-clean.log", as_str(&at("db"))]);
    for format in ["kvstore-v1", "kvstore-v4-snapshot"] {
        let file = at(&format!("{format}.text"));
        let exported =
            expect(0, &["export", as_str(&at("db")), as_str(&file), "--format", format, "--json", "-"]);
        let exported: serde_json::Value = serde_json::from_str(&exported.stdout).unwrap();
        let replayed = expect(0, &["replay", as_str(&file), "--json", "-"]);
        let replayed: serde_json::Value = serde_json::from_str(&replayed.stdout).unwrap();
        assert_eq!(
            (&replayed[0]["format"], &replayed[0]["reason"]),
            (&format.into(), &serde_json::Value::Null)
        );
        assert_eq!(replayed[0]["state_digest"], exported["state_digest"]);
        let again = at(&format!("{format}.db"));
        expect(0, &["import", as_str(&file), as_str(&again)]);
        assert!(open(&again).iter().eq(open(&at("db")).iter()));
        expect(2, &["export", as_str(&at("db")), as_str(&file)]);
    }
}

#[test]
fn what_the_text_files_cannot_hold_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for (name, key, value) in [
        ("word", &b"apple"[..], &b"1"[..]),
        ("zero", b"007", b"1"),
        ("large", b"2147483648", b"1"),
        ("value", b"1", b"one"),
        ("bytes", &[255, 0, b'"'], &[7; 40]),
    ] {
        let dir = tmp.path().join(name);
        let mut store = Store::open(Arc::new(OsFs), &dir, Options::default()).unwrap();
        store.put(key, value).unwrap();
        store.close().unwrap();
        let file = tmp.path().join("out");
        lines +=
            &expect(2, &["export", as_str(&dir), as_str(&file)]).stderr.replace(as_str(tmp.path()), "TMP");
        assert!(!file.exists());
    }
    insta::assert_snapshot!("export_refused", lines);
}

#[test]
fn a_damaged_store_is_not_exported() {
    let tmp = tempfile::tempdir().unwrap();
    let ran = expect(3, &["export", "store/rot-in-sealed-segment", as_str(&tmp.path().join("x"))]);
    assert!(ran.stderr.ends_with("`salvage` it first\n"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0);
}
