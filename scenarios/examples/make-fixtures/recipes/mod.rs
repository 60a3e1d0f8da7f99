//! How each fixture is made, and what must therefore come out of it.
//!
//! Nothing here reads a fixture back: an expectation follows from what the recipe wrote and where it damaged it.

#![expect(clippy::expect_used, reason = "a recipe that does not fit the files it made must not go on")]

use std::collections::BTreeMap;

mod manifest;
mod readme;
mod snapshot;
pub mod store;
mod stores;
mod text;
mod wal;

/// A damaged (or clean) file or store directory.
pub struct Fixture {
    /// Path under `fixtures/`.
    pub path: String,
    /// What is in it.
    pub content: Content,
    /// How it was made, in a sentence.
    pub made: String,
    /// What replay must say of it, one entry a reading.
    pub expect: Vec<Expect>,
}

/// What a fixture is.
pub enum Content {
    /// One file.
    File(Vec<u8>),
    /// A store directory: names and their content.
    Store(Vec<(String, Vec<u8>)>),
}

/// Sorted keys and their values.
pub type State = Vec<(Vec<u8>, Vec<u8>)>;

/// What one reading must be.
#[derive(Clone)]
pub struct Expect {
    /// The format's name.
    pub format: &'static str,
    /// Good records before the stop.
    pub records: u64,
    /// Offset in bytes and reason of the stop.
    pub stop: Option<(u64, &'static str)>,
    /// Records behind the damage that verify.
    pub good_records_after: u64,
    /// The resulting state.
    pub state: State,
}

/// All fixtures, sorted by path.
pub fn all() -> Vec<Fixture> {
    let mut fixtures = manifest::fixtures();
    fixtures.extend(snapshot::fixtures());
    fixtures.extend(stores::fixtures());
    fixtures.extend(text::fixtures());
    fixtures.extend(wal::fixtures());
    fixtures.sort_by(|a, b| a.path.cmp(&b.path));
    fixtures
}

/// Every file under `fixtures/`, by path: the fixtures, what is expected of each, and the table of all.
pub fn files() -> BTreeMap<String, Vec<u8>> {
    let fixtures = all();
    let mut files = BTreeMap::new();
    for fixture in &fixtures {
        files.insert(format!("{}.expect", fixture.path), sidecar(fixture).into_bytes());
        match &fixture.content {
            Content::File(bytes) => {
                files.insert(fixture.path.clone(), bytes.clone());
            }
            Content::Store(inner) => {
                files.extend(inner.iter().map(|(name, b)| (format!("{}/{name}", fixture.path), b.clone())));
            }
        }
    }
    // A checkout that turns line ends would damage more than was meant.
    files.insert(".gitattributes".into(), b"* -text\n".to_vec());
    files.insert("README.md".into(), readme::page(&fixtures).into_bytes());
    files
}

/// The expectation as `replay` reads it.
fn sidecar(fixture: &Fixture) -> String {
    let mut text = format!("made = \"{}\"\n", fixture.made);
    for expect in &fixture.expect {
        text += &format!("\n[[reading]]\nformat = \"{}\"\nrecords = {}\n", expect.format, expect.records);
        if let Some((offset, reason)) = expect.stop {
            text += &format!("stopped_at = {offset}\nreason = \"{reason}\"\n");
        }
        text += &format!("good_records_after = {}\n", expect.good_records_after);
        text += &format!("state_entries = {}\n", expect.state.len());
        text += &format!("state_digest = \"{}\"\n", digest(&expect.state));
    }
    text
}

/// The digest of a state, by its definition: 64-bit FNV-1a over each entry's key and value in order, each
/// preceded by its length as eight bytes, lowest first.
pub fn digest(state: &State) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for field in state.iter().flat_map(|(key, value)| [key, value]) {
        for byte in (field.len() as u64).to_le_bytes().iter().chain(field) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}
