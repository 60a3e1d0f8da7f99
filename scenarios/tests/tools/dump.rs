//! `dump`: every file of every kind, piece by piece.

use std::fs;

use super::{expect, fixtures};

#[test]
fn each_piece_is_shown_with_its_place_and_verdict() {
    for (name, files) in [
        ("dump_wal", &["wal/wal-clean", "wal/wal-bit-in-middle-fragment", "wal/wal-zero-hole"][..]),
        ("dump_recycled", &["wal/wal-recycled-last-block-stale", "wal/wal-bit-in-magic"]),
        ("dump_snapshot", &["snapshot/snap-clean", "snapshot/snap-without-footer"]),
        ("dump_manifest", &["manifest/MANIFEST-clean", "manifest/MANIFEST-bit-in-field"]),
        ("dump_text", &["text/v4-bit-in-payload.log", "text/v3-clean.log", "text/v4-clean.snapshot"]),
    ] {
        let ran = expect(0, &[&["dump"], files].concat());
        assert_eq!(ran.stderr, "");
        insta::assert_snapshot!(name, ran.stdout);
    }
}

/// Every fixture that is a file.
fn every_file() -> Vec<String> {
    let mut files = Vec::new();
    for kind in ["wal", "snapshot", "manifest", "text"] {
        for entry in fs::read_dir(fixtures().join(kind)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !name.ends_with(".expect") {
                files.push(format!("{kind}/{name}"));
            }
        }
    }
    files.sort();
    assert!(files.len() > 80);
    files
}

#[test]
fn the_pieces_agree_with_what_replay_says_of_the_same_file() {
    for file in every_file() {
        // A file of another version of the program, or none at all, is refused by both.
        let replayed = super::unplug(&["replay", &file, "--json", "-", "-q"]);
        if replayed.code == 3 {
            expect(3, &["dump", &file]);
            continue;
        }
        let readings: serde_json::Value = serde_json::from_str(&replayed.stdout).unwrap();
        for reading in readings.as_array().unwrap() {
            let format = reading["format"].as_str().unwrap();
            let ran = expect(0, &["dump", &file, "--format", format, "--json", "-", "-q"]);
            let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
            let pieces = report[0]["pieces"].as_array().unwrap();
            let what = match format {
                "snapshot" => "entry",
                "manifest" => "header",
                _ => "record",
            };
            let count = |verdict: &str| {
                pieces.iter().filter(|p| p["kind"] == what && p["verdict"] == verdict).count() as u64
            };
            assert_eq!(count("good"), reading["records"].as_u64().unwrap(), "{file} as {format}");
            assert_eq!(
                count("behind"),
                reading["good_records_after"].as_u64().unwrap(),
                "{file} as {format}"
            );
            let stop = pieces.iter().find(|piece| piece["verdict"] == "stop");
            let place = |value: &serde_json::Value| value.as_u64();
            assert_eq!(stop.and_then(|p| place(&p["offset"])), place(&reading["stopped_at"]), "{file}");
            if let Some(stop) = stop {
                assert_eq!(stop["reason"], reading["reason"], "{file} as {format}");
            }
        }
    }
}

#[test]
fn json_has_whole_keys_and_values_and_lists() {
    let ran = expect(0, &["dump", "manifest/MANIFEST-long", "wal/wal-clean", "--json", "-"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(report[0]["pieces"][0]["segments"].as_array().unwrap().len() > 56);
    let record = &report[1]["pieces"][1];
    assert_eq!(
        (&record["kind"], &record["sequence"], &record["offset"]),
        (&"record".into(), &1.into(), &512.into())
    );
    assert_eq!(record["ops"][0], serde_json::json!({ "op": "put", "key": "apple", "value": "red" }));
    // People's text goes out of the way.
    assert!(ran.stderr.contains("wal/wal-clean: wal, "), "{}", ran.stderr);
}

#[test]
fn quiet_shows_damage_alone_and_verbose_whole_values() {
    let quiet = expect(0, &["dump", "-q", "wal/wal-bit-in-payload"]).stdout;
    assert!(quiet.contains("\nstop ") && !quiet.contains("record  sequence 1,"), "{quiet}");
    let verbose = expect(0, &["dump", "-v", "wal/wal-clean"]).stdout;
    assert!(!verbose.contains('…'), "{verbose}");
}
