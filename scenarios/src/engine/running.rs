//! The store while a workload runs: alone, or behind group commit that is driven step by step.

use std::time::Duration;

use unplug::subject::Outcome;
use unplug::workload::kv::{KvChange, KvOp, KvState};
use unplug_engine::{Batch, Error, GroupCommit, Store};

/// An open store. Time passes with its operations.
pub struct Running {
    store: Committer,
    /// What passes with each write.
    tick: Duration,
    now: Duration,
}

enum Committer {
    Alone(Box<Store>),
    Group(Box<Group>),
}

/// Writes of so many clients at a time. The last of them comes while the sync of the others runs.
struct Group {
    commit: GroupCommit,
    size: u64,
    submitted: u64,
}

impl Running {
    /// A store whose writes go through one by one, or in groups of `group`.
    pub(super) fn new(store: Store, group: u64, tick: Duration) -> Running {
        let store = match group {
            0 => Committer::Alone(Box::new(store)),
            size => Committer::Group(Box::new(Group { commit: GroupCommit::new(store), size, submitted: 0 })),
        };
        Running { store, tick, now: Duration::ZERO }
    }

    fn store(&mut self) -> &mut Store {
        match &mut self.store {
            Committer::Alone(store) => store,
            Committer::Group(group) => group.commit.store(),
        }
    }

    pub(super) fn close(self) -> Result<(), Error> {
        match self.store {
            Committer::Alone(store) => store.close(),
            Committer::Group(group) => group.commit.into_store().close(),
        }
    }

    pub(super) fn read(&mut self) -> KvState {
        self.store().iter().collect()
    }

    pub(super) fn execute(&mut self, op: &KvOp) -> Outcome {
        let result = match op {
            KvOp::Sync => self.store().sync(),
            KvOp::Compact => self.store().compact(),
            KvOp::Change(_) | KvOp::Batch(_) => match &mut self.store {
                Committer::Alone(store) => write(store, op),
                Committer::Group(group) => return group.write(op),
            },
        };
        self.now += self.tick;
        let now = self.now;
        let store = self.store();
        if let Err(error) = result {
            return failed(&error);
        }
        // A sync that fails here is the concern of the next operation, not of this one.
        let _ = store.tick(now);
        Outcome::Acknowledged { durable: store.durable_sequence() == store.last_sequence() }
    }
}

fn failed(error: &Error) -> Outcome {
    match error.is_refused() {
        true => Outcome::Refused(error.to_string()),
        false => Outcome::Unknown(error.to_string()),
    }
}

fn write(store: &mut Store, op: &KvOp) -> Result<(), Error> {
    match op {
        KvOp::Change(KvChange::Put { key, value }) => store.put(key.as_slice(), value.as_slice()),
        KvOp::Change(KvChange::Del { key }) => store.delete(key.as_slice()).map(drop),
        other => store.write(batch(other)),
    }
}

fn batch(op: &KvOp) -> Batch {
    let changes = match op {
        KvOp::Change(change) => std::slice::from_ref(change),
        KvOp::Batch(changes) => changes,
        KvOp::Sync | KvOp::Compact => &[],
    };
    let mut batch = Batch::new();
    for change in changes {
        match change {
            KvChange::Put { key, value } => batch.put(key.as_slice(), value.as_slice()),
            KvChange::Del { key } => batch.delete(key.as_slice()),
        };
    }
    batch
}

impl Group {
    /// A write that has its answer is durable. One that waits for it will be in the log behind all before it.
    fn write(&mut self, op: &KvOp) -> Outcome {
        let ticket = match self.commit.submit(batch(op)) {
            Ok(ticket) => ticket,
            Err(error) => return failed(&error),
        };
        let place = self.submitted % self.size;
        self.submitted += 1;
        if place + 2 == self.size || self.size == 1 {
            self.commit.begin();
        }
        if place + 1 == self.size {
            self.commit.finish();
        }
        match self.commit.answer(ticket) {
            Some(Ok(())) => Outcome::Acknowledged { durable: true },
            Some(Err(error)) => failed(&error),
            None => Outcome::Acknowledged { durable: false },
        }
    }
}
