//! The store's states, and every way from one to another.

use crate::error::Error;

/// What the store is doing, and so what it lets a caller do.
///
/// ```text
///            Locked             Recovered
/// Opening ───────────▶ Recovering ───────────▶ Ready ◀──────────────▶ Compacting
///                          │                    ▲ │    CompactionBegan     │
///                          │ FoundDamage        │ │    CompactionEnded     │
///                          ▼      SpaceReturned │ │ SpaceRanOut            │
///                       ReadOnly                │ ▼                        │
///                          │                    Full                       │
///                          │                     │                         │
///                          └────────────▶ Failed ◀── DiskFailed, from any ─┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Taking the lock and looking for files.
    Opening,
    /// Reading the files and making what they prove durable again.
    Recovering,
    /// Reads and writes.
    Ready,
    /// Reads; the log is being replaced by a snapshot, and no write is let in between.
    Compacting,
    /// Reads, and writes as soon as there is space: the disk was full at the last one.
    Full,
    /// Reads only: damage was found and the policy is to look only.
    ReadOnly,
    /// Reads only, for good: the disk refused a write or a sync, and what it holds is unknown.
    Failed,
}

/// What happened to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The directory's lock is held.
    Locked,
    /// The state is rebuilt and durable.
    Recovered,
    /// Recovery found damage that the policy says not to write over.
    FoundDamage,
    /// A compaction starts.
    CompactionBegan,
    /// A compaction is over: done or rolled back.
    CompactionEnded,
    /// The file system is full.
    SpaceRanOut,
    /// What the full file system left undone is undone; it may be tried again.
    SpaceReturned,
    /// A write or a sync failed.
    DiskFailed,
}

/// The state, changed only by events that are legal in it.
#[derive(Debug)]
pub(crate) struct Machine(State);

impl Machine {
    pub(crate) fn new() -> Machine {
        Machine(State::Opening)
    }

    pub(crate) fn state(&self) -> State {
        self.0
    }

    /// Goes where the event leads; an event that is illegal in this state changes nothing.
    pub(crate) fn step(&mut self, event: Event) -> Result<(), Error> {
        self.0 = match (self.0, event) {
            (State::Opening, Event::Locked) => State::Recovering,
            (State::Recovering, Event::Recovered) => State::Ready,
            (State::Recovering, Event::FoundDamage) => State::ReadOnly,
            (State::Ready, Event::CompactionBegan) => State::Compacting,
            (State::Compacting, Event::CompactionEnded) => State::Ready,
            (State::Ready, Event::SpaceRanOut) => State::Full,
            (State::Full, Event::SpaceReturned) => State::Ready,
            (_, Event::DiskFailed) => State::Failed,
            _ => return Err(Error::Internal { what: "illegal state transition" }),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 7] = [
        State::Opening,
        State::Recovering,
        State::Ready,
        State::Compacting,
        State::Full,
        State::ReadOnly,
        State::Failed,
    ];
    const EVENTS: [Event; 8] = [
        Event::Locked,
        Event::Recovered,
        Event::FoundDamage,
        Event::CompactionBegan,
        Event::CompactionEnded,
        Event::SpaceRanOut,
        Event::SpaceReturned,
        Event::DiskFailed,
    ];

    #[test]
    fn exactly_the_drawn_transitions_are_legal() {
        let mut legal = Vec::new();
        for from in STATES {
            for event in EVENTS {
                let mut machine = Machine(from);
                match machine.step(event) {
                    Ok(()) => legal.push((from, event, machine.state())),
                    Err(e) => {
                        assert!(matches!(e, Error::Internal { .. }));
                        assert_eq!(machine.state(), from, "a refused event must change nothing");
                    }
                }
            }
        }
        let mut drawn = vec![
            (State::Opening, Event::Locked, State::Recovering),
            (State::Recovering, Event::Recovered, State::Ready),
            (State::Recovering, Event::FoundDamage, State::ReadOnly),
            (State::Ready, Event::CompactionBegan, State::Compacting),
            (State::Compacting, Event::CompactionEnded, State::Ready),
            (State::Ready, Event::SpaceRanOut, State::Full),
            (State::Full, Event::SpaceReturned, State::Ready),
        ];
        drawn.extend(STATES.map(|s| (s, Event::DiskFailed, State::Failed)));
        for t in &drawn {
            assert!(legal.contains(t), "{t:?} is drawn and not legal");
        }
        assert_eq!(legal.len(), drawn.len());
    }

    #[test]
    fn nothing_leaves_failed() {
        for event in EVENTS {
            let mut machine = Machine(State::Failed);
            let _ = machine.step(event);
            assert_eq!(machine.state(), State::Failed);
        }
    }
}
