//! What a fixture must give.

use std::path::Path;

use serde::Deserialize;

use super::{Reading, Reason};

/// A sidecar `X.expect` of the fixture `X`: TOML, one `[[reading]]` per reading in the order in which the
/// replayer gives them.
///
/// ```toml
/// made = "three records; one bit of the second record's checksum flipped"
///
/// [[reading]]
/// format = "wal"
/// records = 1
/// stopped_at = 560              # absent: it must not have stopped
/// reason = "bad-crc"            # absent: it must not have stopped
/// good_records_after = 1
/// state_entries = 1
/// state_digest = "89abcdef01234567"
/// ```
///
/// The sidecar of a store directory stands beside the directory. Its readings without `file` are the store's;
/// those with `file = "NAME"` are of that file in it. Files that it does not name are not compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// How the fixture was made.
    #[serde(default)]
    pub made: Option<String>,
    /// One per reading.
    pub reading: Vec<ExpectedReading>,
}

/// One reading as it must be. The fields are those of [`Reading`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedReading {
    /// For a file in a store directory: its path in it.
    pub file: Option<String>,
    /// See [`Reading::format`].
    pub format: String,
    /// See [`Reading::records`].
    pub records: u64,
    /// See [`Reading::stopped_at`].
    pub stopped_at: Option<u64>,
    /// See [`Reading::reason`].
    pub reason: Option<Reason>,
    /// See [`Reading::good_records_after`].
    pub good_records_after: u64,
    /// See [`Reading::state_entries`].
    pub state_entries: u64,
    /// See [`Reading::state_digest`].
    pub state_digest: String,
}

impl Expectations {
    /// Parses a sidecar's text. The error names the line.
    pub fn parse(text: &str) -> Result<Expectations, String> {
        toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("line {line}: {}", e.message().trim_end().replace('\n', ", "))
        })
    }

    /// What the readings of the fixture itself, or of a file in the store directory, must be. `None` if the
    /// sidecar does not speak of that file.
    pub fn of(&self, file: Option<&Path>) -> Option<Vec<&ExpectedReading>> {
        let matches = |r: &&ExpectedReading| r.file.as_deref().map(Path::new) == file;
        let expected: Vec<_> = self.reading.iter().filter(matches).collect();
        (file.is_none() || !expected.is_empty()).then_some(expected)
    }
}

impl ExpectedReading {
    /// How a reading differs, as `field: expected …, found …`; empty if it does not.
    pub fn differences(&self, found: &Reading) -> Vec<String> {
        let text = |value: Option<u64>| value.map_or("none".to_string(), |v| v.to_string());
        let reason = |value: Option<Reason>| value.map_or("none", Reason::as_str).to_string();
        let fields = [
            ("format", self.format.clone(), found.format.clone()),
            ("records", self.records.to_string(), found.records.to_string()),
            ("stopped_at", text(self.stopped_at), text(found.stopped_at)),
            ("reason", reason(self.reason), reason(found.reason)),
            ("good_records_after", self.good_records_after.to_string(), found.good_records_after.to_string()),
            ("state_entries", self.state_entries.to_string(), found.state_entries.to_string()),
            ("state_digest", self.state_digest.clone(), found.state_digest.clone()),
        ];
        let differs = fields.into_iter().filter(|(_, expected, found)| expected != found);
        differs
            .map(|(field, expected, found)| format!("{field}: expected {expected}, found {found}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"made = "by hand"

[[reading]]
format = "wal"
records = 1
stopped_at = 560
reason = "bad-crc"
good_records_after = 1
state_entries = 1
state_digest = "ab"
"#;

    fn reading() -> Reading {
        Reading {
            format: "wal".into(),
            records: 1,
            stopped_at: Some(560),
            reason: Some(Reason::BadCrc),
            good_records_after: 1,
            state_entries: 1,
            state_digest: "ab".into(),
            note: None,
        }
    }

    #[test]
    fn every_field_is_compared() {
        let expectations = Expectations::parse(TEXT).unwrap();
        let expected = expectations.of(None).unwrap()[0];
        assert_eq!(expected.differences(&reading()), [""; 0]);
        let other = Reading { stopped_at: None, reason: None, records: 2, ..reading() };
        assert_eq!(
            expected.differences(&other),
            [
                "records: expected 1, found 2",
                "stopped_at: expected 560, found none",
                "reason: expected bad-crc, found none"
            ]
        );
        let other = Reading {
            format: "x".into(),
            good_records_after: 0,
            state_entries: 0,
            state_digest: "".into(),
            ..reading()
        };
        assert_eq!(expected.differences(&other).len(), 4);
    }

    #[test]
    fn a_wrong_sidecar_says_where() {
        let error = |from: &str, to: &str| Expectations::parse(&TEXT.replace(from, to)).unwrap_err();
        assert!(error("records = 1", "recs = 1").starts_with("line 5: unknown field `recs`"));
        assert!(error("bad-crc", "bad").starts_with("line 7: unknown variant `bad`"));
    }

    #[test]
    fn a_store_s_sidecar_speaks_of_its_files() {
        let text = TEXT.replace("format", "file = \"wal-1\"\nformat");
        let expectations = Expectations::parse(&text).unwrap();
        assert_eq!(expectations.of(Some(Path::new("wal-1"))).unwrap().len(), 1);
        assert!(expectations.of(Some(Path::new("wal-2"))).is_none());
        assert_eq!(expectations.of(None).unwrap(), [] as [&ExpectedReading; 0]);
    }
}
