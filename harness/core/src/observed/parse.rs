//! Lines of an observation file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Content, Step};

/// A workload that ran on a real file system, and what its crashes left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The file system.
    pub fs: String,
    /// Calls made before; then everything was synced.
    pub setup: Vec<Step>,
    /// The calls that were crashed.
    pub calls: Vec<Step>,
    /// How often it was recorded.
    pub runs: u64,
    /// What was found.
    pub outcomes: Vec<Outcome>,
}

/// What was found after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many crash images gave it.
    pub states: u64,
    /// At least so many calls had returned.
    pub returned_min: usize,
    /// At most so many. It is legal evidence for a crash while the next one was under way.
    pub returned_max: usize,
    /// All files and directories but those of [`Workload::UNLISTED`].
    pub files: Files,
}

/// Files and directories by path.
pub type Files = BTreeMap<String, Node>;

/// What a path refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A directory.
    Dir,
    /// A file.
    File(Content),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkload {
    fs: String,
    setup: Vec<String>,
    calls: Vec<String>,
    #[serde(default = "one")]
    runs: u64,
    outcomes: Vec<RawOutcome>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutcome {
    #[serde(default = "one")]
    states: u64,
    returned_min: usize,
    returned_max: usize,
    files: BTreeMap<String, String>,
}

fn one() -> u64 {
    1
}

impl Workload {
    /// The directories that exist from the start.
    pub const DIRS: [&'static str; 2] = ["d1", "d2"];
    /// The files that exist from the start.
    pub const FILES: [&'static str; 2] = ["u", "keep"];
    /// Names in the root that outcomes do not list.
    pub const UNLISTED: [&'static str; 5] = ["d1", "d2", "u", "keep", "dz"];

    /// Reads one line.
    pub fn parse(line: &str) -> Result<Workload, String> {
        let raw: RawWorkload = serde_json::from_str(line).map_err(|e| match e.classify() {
            serde_json::error::Category::Data => format!("expected a workload: {}", message(&e)),
            _ => format!("expected one JSON object a line: {}", message(&e)),
        })?;
        let steps = |calls: &[String]| calls.iter().map(|call| Step::parse(call)).collect::<Result<_, _>>();
        let (setup, calls): (_, Vec<Step>) = (steps(&raw.setup)?, steps(&raw.calls)?);
        let outcomes = raw.outcomes.iter().map(|o| outcome(o, calls.len())).collect::<Result<_, _>>()?;
        Ok(Workload { fs: raw.fs, setup, calls, runs: raw.runs, outcomes })
    }

    /// Reads a file's lines; blank ones are skipped. An error tells the line, from 1.
    pub fn parse_lines(text: &str) -> Result<Vec<(usize, Workload)>, (usize, String)> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        lines.map(|(n, line)| Workload::parse(line).map(|w| (n, w)).map_err(|e| (n, e))).collect()
    }
}

/// serde_json's message, its line dropped: it is always 1.
fn message(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

fn outcome(raw: &RawOutcome, calls: usize) -> Result<Outcome, String> {
    if raw.returned_min > raw.returned_max || raw.returned_max > calls {
        return Err(format!(
            "expected returned_min ≤ returned_max ≤ {calls} (the calls), found {} and {}",
            raw.returned_min, raw.returned_max
        ));
    }
    let mut files = Files::new();
    for (path, content) in &raw.files {
        let (path, node) = match path.strip_suffix('/') {
            Some(path) if content == "dir" => (path, Node::Dir),
            Some(_) => return Err(format!("expected \"dir\" for the directory {path:?}, found {content:?}")),
            None => {
                let content = Content::parse(content).map_err(|e| format!("{e} in the file {path:?}"))?;
                (path.as_str(), Node::File(content))
            }
        };
        if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(format!("expected a plain relative path, found {path:?}"));
        }
        files.insert(path.to_string(), node);
    }
    for path in files.keys() {
        let Some((parent, _)) = path.rsplit_once('/') else { continue };
        if !Workload::DIRS.contains(&parent) && files.get(parent) != Some(&Node::Dir) {
            return Err(format!("expected the directory of {path:?} to be listed"));
        }
    }
    let RawOutcome { states, returned_min, returned_max, .. } = *raw;
    Ok(Outcome { states, returned_min, returned_max, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"fs":"ext4","setup":["cr a"],"calls":["mkdir m","mk m/x A 1p","sync"],"runs":1,"outcomes":[{"states":77,"returned_min":0,"returned_max":2,"files":{"a":"","m/":"dir","m/x":"A1p"}}]}"#;

    #[test]
    fn a_line_is_read() {
        let workload = Workload::parse(LINE).unwrap();
        assert_eq!((workload.setup.len(), workload.calls.len()), (1, 3));
        let outcome = &workload.outcomes[0];
        assert_eq!((outcome.states, outcome.returned_max), (77, 2));
        assert_eq!(outcome.files["m"], Node::Dir);
        assert_eq!(outcome.files["m/x"], Node::File(Content::parse("A1p").unwrap()));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let text = format!("{LINE}\n\n{}\n", LINE.replace("mkdir", "mkdri"));
        let (line, message) = Workload::parse_lines(&text).unwrap_err();
        assert_eq!(line, 3);
        assert!(message.contains("mkdri"), "{message}");
        for (good, bad, told) in [
            ("\"fs\"", "\"sf\"", "expected a workload: unknown field `sf`"),
            ("]}", "]", "expected one JSON object a line: EOF"),
            ("\"returned_max\":2", "\"returned_max\":4", "returned_max ≤ 3"),
            ("\"dir\"", "\"\"", "expected \"dir\""),
            ("\"A1p\"", "\"A1q\"", "in the file \"m/x\""),
            ("\"m/\":\"dir\",", "", "the directory of \"m/x\" to be listed"),
            ("\"m/x\"", "\"../x\"", "expected a plain relative path"),
        ] {
            let error = Workload::parse(&LINE.replace(good, bad)).unwrap_err();
            assert!(error.contains(told), "{bad}: {error}");
        }
    }
}
