//! Group commit: writes that come while a sync runs wait for the next one, which is theirs together.
//!
//! It is a machine of three steps, so that a thread, or a test, can make each when it likes:
//! [`begin`](Group::begin) puts all writes that wait into the log, [`Flight::run`] syncs it, and
//! [`finish`](Group::finish) makes them visible and answers them. What is submitted behind `begin` was not
//! written before the sync began, and waits for the next round. Writes reach the log, and memory, in the order
//! in which they were submitted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::Core;
use crate::error::Error;
use crate::memory::Memory;
use crate::planted::Planted;
use crate::record::{self, Batch, Op};
use crate::store::Store;
use crate::wal::Syncing;

/// Stands for a write that was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Writes that wait, those whose sync runs, and the answers that were not fetched yet.
#[derive(Default)]
pub(crate) struct Group {
    next: u64,
    waiting: Vec<(Ticket, Vec<Op>)>,
    in_flight: bool,
    answers: BTreeMap<Ticket, Result<(), Error>>,
}

/// Writes that are in the log, and the sync that makes them durable.
pub(crate) struct Flight {
    members: Vec<(Ticket, Vec<Op>)>,
    /// The last of them.
    sequence: u64,
    syncing: Option<Syncing>,
}

impl Flight {
    /// The last record of the log that it makes durable.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many writes it answers.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The sync; it needs nothing of the store.
    #[track_caller]
    pub(crate) fn run(&self) -> Result<(), Error> {
        match &self.syncing {
            Some(syncing) => syncing.run(),
            None => Ok(()),
        }
    }
}

impl Group {
    pub(crate) fn submit(&mut self, ops: Vec<Op>) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push((ticket, ops));
        ticket
    }

    /// How many writes wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether writes wait and no sync runs.
    pub(crate) fn can_begin(&self) -> bool {
        !self.waiting.is_empty() && !self.in_flight
    }

    /// Puts what waits into the log. Those that it refuses are answered at once.
    pub(crate) fn begin(&mut self, core: &mut Core) -> Option<Flight> {
        if self.in_flight {
            return None;
        }
        let mut members = Vec::new();
        let mut unwritten = None;
        let mut waiting = std::mem::take(&mut self.waiting);
        while !waiting.is_empty() {
            let lens = waiting.iter().map(|(_, ops)| record::encoded_len(ops));
            let together = if core.belong_together(lens) { waiting.len() } else { 1 };
            let behind = waiting.split_off(together);
            let appended = core.check_writable().and_then(|()| match &*waiting {
                [(_, ops)] => core.append(ops.len(), |record| record::push_ops(record, ops)),
                all => core.append_group(all.iter().map(|(_, ops)| &**ops)),
            });
            match appended {
                Ok(()) => members.append(&mut waiting),
                Err(e) => {
                    if !e.is_refused() {
                        unwritten = Some(e.again());
                    }
                    let refused = waiting.iter().map(|(ticket, _)| (*ticket, Err(e.again())));
                    self.answers.extend(refused);
                }
            }
            waiting = behind;
        }
        let sequence = core.last_sequence();
        let flight = Flight { members, sequence, syncing: None };
        // What stopped the store left the writes before it in the log, and without a sync.
        if core.is_failed()
            && let Some(cause) = unwritten
        {
            self.answer(flight, Err(cause));
            return None;
        }
        match core.begin_sync() {
            Ok(syncing) => {
                self.in_flight = true;
                if core.options.planted == Planted::FollowerAcknowledgedEarly {
                    let followers = flight.members.iter().skip(1).map(|(ticket, _)| (*ticket, Ok(())));
                    self.answers.extend(followers);
                }
                Some(Flight { syncing, ..flight })
            }
            Err(e) => {
                self.answer(flight, Err(e));
                None
            }
        }
    }

    /// Ends a flight whose sync came to this result.
    pub(crate) fn finish(
        &mut self,
        core: &mut Core,
        mut flight: Flight,
        (start, result): (Option<Duration>, Result<(), Error>),
        apply: impl FnOnce(&mut dyn Iterator<Item = Vec<Op>>),
    ) {
        self.in_flight = false;
        let result = match &flight.syncing {
            Some(syncing) => core.finish_sync(syncing, flight.sequence, result),
            None => Ok(()),
        };
        if result.is_ok() {
            core.synced(start);
            apply(&mut flight.members.iter_mut().map(|(_, ops)| std::mem::take(ops)));
            if core.options.planted == Planted::GroupAcknowledgedEarly {
                let early = self.waiting.iter().map(|(ticket, _)| (*ticket, Ok(())));
                self.answers.extend(early);
            }
        }
        self.answer(flight, result);
    }

    fn answer(&mut self, flight: Flight, result: Result<(), Error>) {
        for (ticket, _) in flight.members {
            let answer = match &result {
                Ok(()) => Ok(()),
                Err(e) => Err(e.again()),
            };
            self.answers.insert(ticket, answer);
        }
    }

    /// The answer to a write, once it is there.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Result<(), Error>> {
        self.answers.remove(&ticket)
    }
}

/// A store whose writes are committed in groups, step by step: what [`Shared`](crate::Shared) does with many
/// threads, in the hands of one. For tests and simulations.
pub struct GroupCommit {
    store: Store,
    group: Group,
    flight: Option<Flight>,
}

impl GroupCommit {
    /// Over an open store.
    pub fn new(store: Store) -> GroupCommit {
        GroupCommit { store, group: Group::default(), flight: None }
    }

    /// Submits a write. Nothing is done yet; an error is one of its arguments.
    pub fn submit(&mut self, batch: Batch) -> Result<Ticket, Error> {
        batch.check()?;
        Ok(self.group.submit(batch.ops))
    }

    /// Puts the writes that wait into the log, unless others are on their way; returns whether it did.
    pub fn begin(&mut self) -> bool {
        if !self.group.can_begin() {
            return false;
        }
        self.flight = self.group.begin(&mut self.store.core);
        true
    }

    /// Syncs what was put into the log, and answers it.
    pub fn finish(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        let start = self.store.core.recorder.start();
        let result = flight.run();
        let Store { core, memory } = &mut self.store;
        self.group.finish(core, flight, (start, result), |all| all.for_each(|ops| memory.apply_all(ops)));
        core.maintain(memory);
    }

    /// The answer to a write, if it is there; it is handed out once.
    pub fn answer(&mut self, ticket: Ticket) -> Option<Result<(), Error>> {
        self.group.take(ticket)
    }

    /// Commits all that was submitted.
    pub fn drive(&mut self) {
        self.finish();
        while self.begin() {
            self.finish();
        }
    }

    /// The store, with all that was submitted.
    pub fn store(&mut self) -> &mut Store {
        self.drive();
        &mut self.store
    }

    /// Gives the store back, with all that was submitted.
    pub fn into_store(mut self) -> Store {
        self.drive();
        self.store
    }
}

impl Memory {
    /// Applies the operations of one record.
    pub(crate) fn apply_all(&mut self, ops: Vec<Op>) {
        ops.into_iter().for_each(|op| self.apply_op(op));
    }
}
