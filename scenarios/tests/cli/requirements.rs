//! The tables of the store's requirements name tests, commands and files: all of them exist.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{as_str, expect};

const ROWS: &str = "A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 B1 B2 B3 B4 B5 B6 B7 B8";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// All Rust sources below a directory, as one text.
fn sources(dir: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all += &fs::read_to_string(&path).unwrap();
        }
    }
    all
}

/// The rows of the requirements' table in a page: id, and what shows it.
fn rows(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let id = cells.next().filter(|id| ROWS.split(' ').any(|row| row == *id))?;
        cells.nth(1).map(|shown| (id.to_string(), shown.to_string()))
    };
    text.lines().filter_map(row).collect()
}

/// Whether a test, a file of tests, or a command with all that it names, exists.
fn exists(name: &str, sources: &str) -> bool {
    let words: Vec<&str> = name.split(' ').map(|word| word.trim_matches('\'')).collect();
    match words[..] {
        ["unplug", "run", ..] => {
            let list = expect(0, &["list", "scenarios"]).stdout;
            let listed = |name: &str| {
                let prefix = name.strip_suffix('*');
                list.split_whitespace()
                    .any(|word| word == name || prefix.is_some_and(|p| word.starts_with(p)))
            };
            words[2..].iter().all(|name| listed(name))
        }
        ["unplug", "replay", path] => root().join(path).exists(),
        ["unplug", command] => expect(0, &["--help"]).stdout.split_whitespace().any(|word| word == command),
        ["cargo", "test", "-p", "unplug-scenarios", "--test", test, ..] => {
            let tests = root().join("scenarios/tests");
            tests.join(test).is_dir() || tests.join(format!("{test}.rs")).is_file()
        }
        ["cargo", "bench", "-p", "unplug-engine"] => root().join("engine/benches/store.rs").is_file(),
        [file] if root().join(file).is_file() => true,
        [test] => {
            sources.contains(&format!("fn {test}()"))
                || sources.contains(&format!("fn {test}(\n"))
                || root().join("engine/tests").join(format!("{test}.rs")).is_file()
        }
        _ => false,
    }
}

#[test]
fn everything_that_is_said_to_show_a_requirement_exists() {
    let sources = sources(&root().join("engine")) + &sources(&root().join("scenarios/tests"));
    for page in ["docs/ENGINE.md", "README.md"] {
        let rows = rows(page);
        let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids.join(" "), ROWS, "{page}");
        for (id, shown) in &rows {
            let mut said = 0;
            for (i, part) in shown.split('`').enumerate() {
                // Every second part stands between backticks; a link's text stands for its target.
                if i % 2 == 1 && !shown.contains(&format!("[`{part}`]")) {
                    assert!(exists(part, &sources), "{page}, {id}: there is no `{part}`");
                    said += 1;
                }
            }
            for target in shown.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
                let path = root().join(page).parent().unwrap().join(target);
                assert!(path.exists(), "{page}, {id}: there is no {}", as_str(&path));
                said += 1;
            }
            assert!(said > 0, "{page}, {id}: nothing shows it");
        }
    }
}
