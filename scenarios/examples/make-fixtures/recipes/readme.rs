//! The table of all fixtures.

use std::fmt::Write as _;

use super::{Content, Fixture};

const INTRO: &str = "# Fixtures

Damaged logs, snapshots, manifests and whole stores, each with what must come out of it. `unplug replay
fixtures` replays them all and compares.

All are made by really writing, with the engine or as the text formats' programs print, and then damaging:

```
cargo run -p unplug-scenarios --example make-fixtures -- fixtures
```

makes every file here again, byte for byte, this page included; a test holds the files against it. What must
come out is worked out in `scenarios/examples/make-fixtures/recipes/` from what was written and where it was
damaged. It stands beside each fixture in a file with `.expect` appended to its name.

*stop* is the offset in bytes of the first record that is not believed, and the reason; *after* counts records
behind it that would verify, and which are not part of the state. The digest of a state is 64-bit FNV-1a over
each key and value in order, each preceded by its length as eight bytes, lowest first; numbers of the text
formats enter as their decimal text.
";

pub fn page(fixtures: &[Fixture]) -> String {
    let mut page = INTRO.to_owned();
    let mut section = "";
    for fixture in fixtures {
        let (dir, name) = fixture.path.split_once('/').unwrap_or(("", &fixture.path));
        if dir != section {
            section = dir;
            let _ = write!(page, "\n## {dir}\n\n");
            page.push_str("| file | what was done | read as | good | stop | after | entries |\n");
            page.push_str("|---|---|---|---:|---|---:|---:|\n");
        }
        let mut first = true;
        for expect in &fixture.expect {
            let (name, made) =
                if first { (format!("`{name}`"), fixture.made.as_str()) } else { Default::default() };
            let stop = expect.stop.map_or("—".to_owned(), |(offset, reason)| format!("{offset} {reason}"));
            let slash = if first && matches!(fixture.content, Content::Store(_)) { "/" } else { "" };
            let _ = writeln!(
                page,
                "| {}{slash} | {} | {} | {} | {stop} | {} | {} |",
                name,
                made.replace('|', "\\|"),
                expect.format,
                expect.records,
                expect.good_records_after,
                expect.state.len(),
            );
            first = false;
        }
    }
    page
}
