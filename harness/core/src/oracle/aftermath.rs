//! Is the recovered store well? Stability (opened again it holds the same), liveness (it accepts writes,
//! syncs, maintenance, and opens again) and no litter. Runs on one completion of a crash state, not on the
//! undetermined disk: a directory listing would force every undetermined name.

use std::path::Path;
use std::sync::Arc;

use unplug_vfs::Vfs;

use super::Failure;
use crate::subject::{Outcome, Subject};

/// A running file system on which processes can be killed.
pub trait Machine {
    /// Its file system.
    fn vfs(&self) -> Arc<dyn Vfs>;
    /// Kills the running process; what it wrote stays in the cache.
    fn kill(&self);
}

/// Checks a store that has just recovered to `state`; counts the opens it makes in `opens`.
pub fn check<S: Subject>(
    subject: &S,
    machine: &dyn Machine,
    root: &Path,
    store: S::Store,
    state: &S::State,
    opens: &mut u64,
) -> Result<(), Failure> {
    drop(store);
    machine.kill();
    let mut store = reopen(subject, machine, root, state, opens, "killed right after recovery")?;
    let mut state = state.clone();
    for op in subject.epilogue() {
        match subject.execute(&mut store, &op) {
            Outcome::Acknowledged { .. } => subject.apply(&mut state, &op),
            Outcome::Refused(why) => return Err(dead(format!("`{op}` after recovery was refused: {why}"))),
            Outcome::Unknown(why) => return Err(dead(format!("`{op}` after recovery failed: {why}"))),
        }
    }
    same(subject, &mut store, &state, "after further operations")?;
    subject.close(store).map_err(|e| dead(format!("the recovered store does not close: {e}")))?;
    machine.kill();
    let store = reopen(subject, machine, root, &state, opens, "closed after further operations")?;
    let leaks = subject.leaks(&*machine.vfs(), root).map_err(|e| Failure {
        check: "leak",
        summary: format!("failed to look for litter: {e}"),
        details: Vec::new(),
    })?;
    drop(store);
    if leaks.is_empty() {
        return Ok(());
    }
    let summary = "files that nothing refers to stay behind after recovery".to_string();
    Err(Failure { check: "leak", summary, details: leaks })
}

fn reopen<S: Subject>(
    subject: &S,
    machine: &dyn Machine,
    root: &Path,
    state: &S::State,
    opens: &mut u64,
    when: &str,
) -> Result<S::Store, Failure> {
    *opens += 1;
    let mut store = subject
        .open(machine.vfs(), root)
        .map_err(|e| dead(format!("a recovered store, {when}, does not open again: {e}")))?;
    same(subject, &mut store, state, when)?;
    Ok(store)
}

fn same<S: Subject>(subject: &S, store: &mut S::Store, state: &S::State, when: &str) -> Result<(), Failure> {
    let got =
        subject.read(store).map_err(|e| dead(format!("a recovered store, {when}, does not read: {e}")))?;
    if got == *state {
        return Ok(());
    }
    let summary = format!("what recovery returned did not stay: {when}, the store holds something else");
    Err(Failure { check: "stability", summary, details: subject.diff(state, &got) })
}

fn dead(summary: String) -> Failure {
    Failure { check: "liveness", summary, details: Vec::new() }
}
