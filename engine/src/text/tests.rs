use std::io::Read;

use proptest::prelude::*;

use super::*;

/// A line as V4 prints it.
fn v4(text: &str) -> String {
    format!("{text}|{}\n", crc32fast::hash(text.as_bytes()))
}

/// A line as V3 prints it.
fn v3(text: &str) -> String {
    format!("{text} | {}\n", crc32fast::hash(text.as_bytes()))
}

fn log(lines: &[String]) -> String {
    format!("KVSTORE_LOG_V1\n{}", lines.concat())
}

/// Format, content, and what must come out: records, stop, good records after, state.
#[track_caller]
fn check(
    format: TextFormat,
    content: impl AsRef<[u8]>,
    (records, stop, after): (u64, Option<(u64, &str)>, u64),
    state: &[(i32, i64)],
) -> String {
    let reading = read(format, content.as_ref()).unwrap();
    let got = reading.stopped.as_ref().map(|s| (s.offset, s.reason.as_str()));
    assert_eq!((reading.records, got, reading.good_records_after), (records, stop, after), "{reading:?}");
    assert_eq!(reading.entries.into_iter().collect::<Vec<_>>(), state);
    reading.stopped.map(|s| s.detail).unwrap_or_default()
}

use TextFormat::{V1, V1Spaced, V3Compacted, V3Snapshot, V4Snapshot};

#[test]
fn a_clean_log_is_its_last_values() {
    let log = log(&[v4("PUT 1 100"), v4("PUT -2 -200"), v4("PUT 1 101"), v4("DEL -2"), v4("DEL 77")]);
    check(V1, &log, (5, None, 0), &[(1, 101)]);
    check(V1Spaced, &log, (5, None, 0), &[(1, 101)]);
    check(V1, "KVSTORE_LOG_V1\n", (0, None, 0), &[]);
}

#[test]
fn the_crc_of_the_seed_is_the_common_one() {
    // The check value of CRC-32/IEEE, whose polynomial the C program's loop has; and a line from elsewhere.
    assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
    check(V1, "KVSTORE_LOG_V1\nPUT 1 100|3119437592\n", (1, None, 0), &[(1, 100)]);
}

#[test]
fn a_spaced_log_fails_its_own_strict_check() {
    let log = log(&[v3("PUT 1 100"), v3("DEL 1"), v3("PUT 2 7")]);
    check(V1, &log, (0, Some((15, "bad-crc")), 0), &[]);
    check(V1Spaced, &log, (3, None, 0), &[(2, 7)]);
}

#[test]
fn blanks_before_the_bar_belong_to_the_strict_text() {
    let line = format!("PUT 1 100 |{}\n", crc32fast::hash(b"PUT 1 100 "));
    check(V1, log(std::slice::from_ref(&line)), (1, None, 0), &[(1, 100)]);
    check(V1Spaced, log(&[line]), (0, Some((15, "bad-crc")), 0), &[]);
}

#[test]
fn a_wrong_crc_stops_and_later_lines_are_only_counted() {
    let mut content = log(&[v4("PUT 1 100"), v4("PUT 2 200"), v4("PUT 3 300"), v4("DEL 1")]);
    let second = 15 + v4("PUT 1 100").len();
    content.replace_range(second + 6..second + 7, "9");
    for format in [V1, V1Spaced] {
        let detail = check(format, &content, (1, Some((second as u64, "bad-crc")), 2), &[(1, 100)]);
        assert!(detail.contains("CRC"), "{detail}");
    }
}

#[test]
fn a_last_line_without_its_end_is_torn_wherever_it_is_cut() {
    let whole = log(&[v4("PUT 1 100"), v4("PUT 2 200")]);
    let second = 15 + v4("PUT 1 100").len();
    for len in second + 1..whole.len() {
        check(V1, &whole[..len], (1, Some((second as u64, "torn-tail")), 0), &[(1, 100)]);
    }
    check(V1, &whole[..second], (1, None, 0), &[(1, 100)]);
    for len in 1..15 {
        check(V1, &whole[..len], (0, Some((0, "torn-tail")), 0), &[]);
    }
}

#[test]
fn zeros_to_the_end_are_a_torn_tail_of_any_length() {
    for zeros in [1, 100, 255, 5000] {
        let mut content = log(&[v4("PUT 1 100")]).into_bytes();
        let at = content.len() as u64;
        content.resize(content.len() + zeros, 0);
        check(V1, &content, (1, Some((at, "torn-tail")), 0), &[(1, 100)]);
        let mut content = b"PUT 1 100PUT 2".to_vec();
        content.resize(content.len() + zeros, 0);
        check(V3Snapshot, &content, (1, Some((9, "torn-tail")), 0), &[(1, 100)]);
    }
}

#[test]
fn other_headers_are_refused_and_say_which() {
    let rest = v4("PUT 1 100");
    let newer = check(V1, format!("KVSTORE_LOG_V2\n{rest}"), (0, Some((0, "bad-header")), 1), &[]);
    assert!(newer.contains("version 2"), "{newer}");
    for header in
        ["KVSTORE_LOG_V12", "KVSTORE_LOG_V1 ", "KVSTORE_LOG_V1\r", "KVSTORE_LOG_V", "kvstore_log_v1", ""]
    {
        check(V1, format!("{header}\n{rest}"), (0, Some((0, "bad-header")), 1), &[]);
    }
    check(V1, "", (0, Some((0, "bad-header")), 0), &[]);
    check(V1, &rest, (0, Some((0, "bad-header")), 1), &[]);
}

#[test]
fn only_what_a_version_prints_is_a_record() {
    for text in [
        "PUT 1",
        "PUT 1 ",
        "PUT  1 1",
        "PUT 1  1",
        "PUT +1 1",
        "PUT 01 1",
        "PUT -0 1",
        "PUT 1 1x",
        "PUT x 1",
        "PUT 2147483648 1",
        "PUT -2147483649 1",
        "PUT 1 9223372036854775808",
        "DEL",
        "DEL ",
        "DEL 1 2",
        "DEL 2147483648",
        "put 1 1",
        "GET 1",
        "",
        " PUT 1 1",
        "PUT\t1 1",
        "PUT 1 1\r",
    ] {
        check(V1, log(&[v4(text)]), (0, Some((15, "malformed")), 0), &[]);
    }
    let extremes = [v4("PUT 2147483647 9223372036854775807"), v4("PUT -2147483648 -9223372036854775808")];
    check(V1, log(&extremes), (2, None, 0), &[(i32::MIN, i64::MIN), (i32::MAX, i64::MAX)]);
}

#[test]
fn a_crc_field_that_is_no_number_is_malformed() {
    let good = crc32fast::hash(b"PUT 1 100");
    for field in [String::new(), "-1".into(), format!("{good}x"), format!("0{good}"), "4294967296".into()] {
        check(V1, format!("KVSTORE_LOG_V1\nPUT 1 100|{field}\n"), (0, Some((15, "malformed")), 0), &[]);
    }
    check(V1, "KVSTORE_LOG_V1\nPUT 1 100\n", (0, Some((15, "malformed")), 0), &[]);
}

#[test]
fn a_line_too_long_is_a_bad_length_and_is_skipped_whole() {
    for len in [LINE_LEN_MAX + 1, 100_000] {
        let content = log(&[v4("PUT 1 100"), format!("{}\n", "x".repeat(len)), v4("PUT 2 200")]);
        check(V1, &content, (1, Some((36, "bad-length")), 1), &[(1, 100)]);
    }
    let content = log(&[format!("{}\n", "x".repeat(LINE_LEN_MAX))]);
    check(V1, &content, (0, Some((15, "malformed")), 0), &[]);
}

#[test]
fn a_compacted_log_is_bare_lines_then_logged_ones() {
    let content = format!("PUT 1 100\nPUT 2 200\n{}{}", v3("PUT 1 7"), v3("DEL 2"));
    check(V3Compacted, &content, (4, None, 0), &[(1, 7)]);
    // A bare line behind a logged one was not written by a compaction.
    let content = format!("PUT 1 100\n{}PUT 3 300\n{}", v3("PUT 1 7"), v3("DEL 1"));
    let bare = 10 + v3("PUT 1 7").len() as u64;
    check(V3Compacted, &content, (2, Some((bare, "malformed")), 1), &[(1, 7)]);
    check(V3Compacted, "PUT 1 100\nPUT 2 2", (1, Some((10, "torn-tail")), 0), &[(1, 100)]);
    check(V3Compacted, "PUT 2 200\nPUT 1 100\nPUT 3 1\n", (1, Some((10, "malformed")), 1), &[(2, 200)]);
    check(V3Compacted, "DEL 2\nPUT 3 1\n", (0, Some((0, "malformed")), 1), &[]);
}

#[test]
fn a_run_on_snapshot_is_split_at_its_entries() {
    check(V3Snapshot, "PUT 1 100PUT 2 200PUT 3 -1", (3, None, 0), &[(1, 100), (2, 200), (3, -1)]);
    for cut in ["P", "PUT", "PUT 3", "PUT 3 ", "PUT -", "PUT 3 -"] {
        check(V3Snapshot, format!("PUT 1 100{cut}"), (1, Some((9, "torn-tail")), 0), &[(1, 100)]);
    }
    check(V3Snapshot, "PUT 1 100PUT 2 2x0PUT 3 3", (1, Some((9, "malformed")), 1), &[(1, 100)]);
    check(V3Snapshot, "PUT 1 100PUT 2 200\n", (1, Some((9, "malformed")), 0), &[(1, 100)]);
    check(V3Snapshot, "PUT 1 100PUT 1 200", (1, Some((9, "malformed")), 0), &[(1, 100)]);
    let long = format!("PUT 1 100PUT 2 {}PUT 3 3", "1".repeat(300));
    check(V3Snapshot, long, (1, Some((9, "bad-length")), 1), &[(1, 100)]);
}

#[test]
fn a_v4_snapshot_is_checked_lines_in_order() {
    let content = [v4("PUT 1 100"), v4("PUT 2 200")].concat();
    check(V4Snapshot, &content, (2, None, 0), &[(1, 100), (2, 200)]);
    let content = [v4("PUT 1 100"), v4("DEL 1"), v4("PUT 2 200")].concat();
    check(V4Snapshot, &content, (1, Some((21, "malformed")), 1), &[(1, 100)]);
    let content = [v4("PUT 2 200"), v4("PUT 1 100")].concat();
    check(V4Snapshot, &content, (1, Some((21, "malformed")), 0), &[(2, 200)]);
    check(V4Snapshot, "", (0, None, 0), &[]);
}

#[test]
fn files_are_recognised_by_their_first_lines() {
    let log = Recognised::As(&[V1, V1Spaced]);
    assert_eq!(recognise(b"KVSTORE_LOG_V1\n"), log);
    assert_eq!(recognise(b"KVSTORE_LOG_V7\nanything"), log);
    assert_eq!(recognise(b"KVSTORE_L"), log);
    assert_eq!(recognise(b"KVSTORE\xffLOG_V1\nPUT 1 1|2\n"), log);
    assert_eq!(recognise(v3("PUT 1 1").as_bytes()), log);
    assert_eq!(recognise(v4("DEL 1").as_bytes()), log);
    assert_eq!(recognise(v4("PUT 1 1").as_bytes()), Recognised::As(&[V4Snapshot]));
    assert_eq!(recognise(b"PUT 1 1\n"), Recognised::As(&[V3Compacted]));
    assert_eq!(recognise(b"PUT 1 1PUT 2 2"), Recognised::As(&[V3Snapshot]));
    assert!(matches!(recognise(b"PUT 1 1"), Recognised::Unsupported(_)));
    for other in [&b""[..], b"KVS", b"\n", b"[package]\nname = 1\n", &[0; 600]] {
        assert_eq!(recognise(other), Recognised::No, "{other:?}");
    }
}

/// Hands out a few bytes a call, and is interrupted in between.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(3) {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let len = self.0.len().min(buf.len()).min(1 + self.1 % 7);
        buf[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

fn any_log() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        (any::<i32>(), any::<i64>()).prop_map(|(k, v)| v4(&format!("PUT {k} {v}"))),
        (0..4_i32, any::<i64>()).prop_map(|(k, v)| v3(&format!("PUT {k} {v}"))),
        (0..4_i32).prop_map(|k| v4(&format!("DEL {k}"))),
        (0..9_i32, 0..9_i64).prop_map(|(k, v)| format!("PUT {k} {v}")),
        (0..9_i32, 0..9_i64).prop_map(|(k, v)| format!("PUT {k} {v}\n")),
    ];
    (any::<bool>(), prop::collection::vec(line, 0..12)).prop_map(|(header, lines)| {
        format!("{}{}", if header { "KVSTORE_LOG_V1\n" } else { "" }, lines.concat()).into_bytes()
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        recognise(&bytes);
        for format in TextFormat::ALL {
            read(format, &bytes[..]).unwrap();
        }
    }

    #[test]
    fn damaged_logs_are_read_without_panic_and_stop_inside_the_file(
        mut bytes in any_log(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for (at, byte) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        recognise(&bytes);
        for format in TextFormat::ALL {
            let reading = read(format, &bytes[..]).unwrap();
            prop_assert!(reading.entries.len() as u64 <= reading.records);
            if let Some(stop) = &reading.stopped {
                prop_assert!(stop.offset <= bytes.len() as u64);
                // What is before the stop reads alike without what is behind it.
                let before = read(format, &bytes[..stop.offset as usize]).unwrap();
                prop_assert_eq!(before.records, reading.records);
                prop_assert_eq!(before.entries, reading.entries.clone());
            }
            let dribbled = read(format, Dribble(&bytes, 0)).unwrap();
            prop_assert_eq!(dribbled, reading);
        }
    }

    #[test]
    fn one_wrong_byte_in_a_checked_log_never_changes_a_value(
        lines in prop::collection::vec((0..9_i32, any::<i64>()), 1..8),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let clean = log(&lines.iter().map(|(k, v)| v4(&format!("PUT {k} {v}"))).collect::<Vec<_>>());
        let mut bytes = clean.into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let reading = read(V1, &bytes[..]).unwrap();
        let upto = usize::try_from(reading.records).unwrap();
        prop_assert!(upto < lines.len());
        let expected: BTreeMap<i32, i64> = lines[..upto].iter().copied().collect();
        prop_assert_eq!(reading.entries, expected);
    }
}
