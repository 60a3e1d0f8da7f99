//! What ext4, xfs and btrfs of a real kernel left after crashes is legal in their models and in `posix`; and
//! the judge of that says yes to nothing that exploration does not find.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use unplug::model::Model;
use unplug::observed::{Content, Files, Judge, Node, Outcome, Workload};

/// The recordings of one file system, or of the second set (`second/ext4`).
fn recordings(fs: &str) -> Vec<(usize, Workload)> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/observed").join(format!("{fs}.jsonl"));
    Workload::parse_lines(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Demands that a model permits all that one file system left; returns workloads and crash states.
fn check(fs: &str, model: &Model) -> (usize, u64) {
    let recordings = recordings(fs);
    let mut states = 0;
    for (line, workload) in &recordings {
        let judge = Judge::new(workload, model).unwrap();
        for outcome in &workload.outcomes {
            let calls: Vec<&str> = workload.calls.iter().map(|step| step.text.as_str()).collect();
            assert!(
                judge.is_legal(outcome).unwrap(),
                "{fs}.jsonl:{line} {calls:?} under {}: {outcome:?}",
                model.name
            );
            states += outcome.states;
        }
    }
    (recordings.len(), states)
}

#[test]
fn all_that_ext4_left_is_legal_in_ext4_and_posix() {
    assert_eq!(check("ext4", &Model::ext4()), (265, 57_574));
    check("ext4", &Model::posix());
}

#[test]
fn all_that_xfs_left_is_legal_in_xfs_and_posix() {
    assert_eq!(check("xfs", &Model::xfs()), (265, 10_310));
    check("xfs", &Model::posix());
}

#[test]
fn all_that_btrfs_left_is_legal_in_btrfs_and_posix() {
    assert_eq!(check("btrfs", &Model::btrfs()), (344, 30_815));
    check("btrfs", &Model::posix());
}

#[test]
fn all_of_the_second_set_is_legal_too() {
    let sets = [
        ("ext4", Model::ext4(), (238, 15_686)),
        ("xfs", Model::xfs(), (240, 12_329)),
        ("btrfs", Model::btrfs(), (249, 16_334)),
    ];
    for (fs, model, count) in sets {
        assert_eq!(check(&format!("second/{fs}"), &model), count);
        check(&format!("second/{fs}"), &Model::posix());
    }
}

/// Disks read at one crash in the comparisons below.
const READS_MAX: usize = 256;

/// Each outcome with one file less, cut, extended or changed, and with a name more.
fn neighbours(files: &Files) -> Vec<Files> {
    let mut all = vec![files.clone()];
    for (path, node) in files {
        let mut with = |node: Option<Node>| {
            let mut files = files.clone();
            match node {
                Some(node) => files.insert(path.clone(), node),
                None => files.remove(path),
            };
            all.push(files);
        };
        let Node::File(content) = node else { continue };
        with(None);
        with(Some(Node::File(Content::default())));
        let (mut longer, mut other) = (content.clone(), Content::default());
        longer.extend(b"?");
        other.extend(&vec![0; content.len() as usize]);
        with(Some(Node::File(longer)));
        with(Some(Node::File(other)));
        let mut files = files.clone();
        files.insert(format!("{path}x"), Node::File(content.clone()));
        all.push(files);
    }
    all
}

/// Where all that a model allows can be explored, the directed search and the exploration agree: on what was
/// seen, on what was not, and on near misses.
#[test]
fn the_directed_search_agrees_with_exploration() {
    let (mut compared, mut forbidden) = (0, 0);
    for (fs, model) in [("ext4", Model::ext4()), ("xfs", Model::posix()), ("btrfs", Model::btrfs())] {
        for (_, workload) in recordings(fs).iter().step_by(3) {
            let judge = Judge::new(workload, &model).unwrap();
            for seen in workload.outcomes.iter().take(3) {
                let allowed = judge.allowed(std::slice::from_ref(seen), READS_MAX).unwrap();
                if !allowed.is_complete {
                    continue;
                }
                let near = neighbours(&seen.files);
                let candidates: BTreeSet<&Files> = allowed.outcomes.iter().chain(&near).collect();
                for files in candidates {
                    let outcome = Outcome { files: files.clone(), ..seen.clone() };
                    let is_legal = judge.is_legal(&outcome).unwrap();
                    assert_eq!(is_legal, allowed.outcomes.contains(files), "{:?}: {files:?}", workload.calls);
                    compared += 1;
                    forbidden += usize::from(!is_legal);
                }
            }
        }
    }
    assert!(compared > 1000 && forbidden > 300, "{compared} {forbidden}");
}
