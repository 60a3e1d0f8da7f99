//! The store's states, and every way from one to another.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// What the store is doing, and so what it lets a caller do.
///
/// ```text
///            Locked             Recovered
/// Opening ───────────▶ Recovering ───────────▶ Ready ◀──────────────▶ Compacting
///                          │                    ▲ │    CompactionBegan    ▲ │
///                          │ FoundDamage        │ │    CompactionEnded    │ │
///                          ▼      SpaceReturned │ │ SpaceRanOut           │ │
///                       ReadOnly                │ ▼                       │ ▼
///                          │                    Full ◀── (either way) ── Full
///                          │                     │
///                          └────────────▶ Failed ◀── DiskFailed, from any
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Taking the lock and looking for files.
    Opening,
    /// Reading the files and making what they prove durable again.
    Recovering,
    /// Reads and writes.
    Ready,
    /// Reads and writes, while the log is being replaced by a snapshot.
    Compacting,
    /// Reads, and writes as soon as there is space: the disk was full at the last one.
    Full,
    /// Reads only: damage was found and the policy is to look only.
    ReadOnly,
    /// Reads only, for good: the disk refused a write or a sync, and what it holds is unknown.
    Failed,
}

/// What happened to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
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

/// A change of state, and why; or an event that changed none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// What happened.
    pub event: Event,
    /// The state after.
    pub to: State,
}

/// Is told of transitions as they happen, by the thread that makes them. It must not call the store.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(Transition) + Send + Sync>);

impl Observer {
    /// Calls this.
    pub fn new(tell: impl Fn(Transition) + Send + Sync + 'static) -> Observer {
        Observer(Arc::new(tell))
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// The state, changed only by events that are legal in it.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    /// A compaction is at work, which a full disk interrupts in name only.
    compacting: bool,
    observer: Option<Observer>,
}

impl Machine {
    pub(crate) fn new(observer: Option<Observer>) -> Machine {
        Machine { state: State::Opening, compacting: false, observer }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Goes where the event leads; an event that is illegal in this state changes nothing.
    pub(crate) fn step(&mut self, event: Event) -> Result<(), Error> {
        let next = match (self.state, event) {
            (State::Opening, Event::Locked) => State::Recovering,
            (State::Recovering, Event::Recovered) => State::Ready,
            (State::Recovering, Event::FoundDamage) => State::ReadOnly,
            (State::Ready, Event::CompactionBegan) => State::Compacting,
            (State::Compacting, Event::CompactionEnded) => State::Ready,
            (State::Ready | State::Compacting, Event::SpaceRanOut) => State::Full,
            (State::Full, Event::SpaceReturned) if self.compacting => State::Compacting,
            (State::Full, Event::SpaceReturned) => State::Ready,
            (state @ (State::Full | State::Failed), Event::CompactionEnded) if self.compacting => state,
            (_, Event::DiskFailed) => State::Failed,
            _ => return Err(Error::Internal { what: "illegal state transition" }),
        };
        let from = std::mem::replace(&mut self.state, next);
        match event {
            Event::CompactionBegan => self.compacting = true,
            Event::CompactionEnded => self.compacting = false,
            _ => {}
        }
        if let Some(Observer(tell)) = &self.observer {
            tell(Transition { from, event, to: next });
        }
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
        for (from, compacting) in STATES.into_iter().flat_map(|state| [(state, false), (state, true)]) {
            if (from == State::Ready && compacting) || (from == State::Compacting && !compacting) {
                continue;
            }
            for event in EVENTS {
                let mut machine = Machine { state: from, compacting, observer: None };
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
            (State::Compacting, Event::SpaceRanOut, State::Full),
            (State::Full, Event::SpaceReturned, State::Ready),
            (State::Full, Event::SpaceReturned, State::Compacting),
            (State::Full, Event::CompactionEnded, State::Full),
            (State::Failed, Event::CompactionEnded, State::Failed),
        ];
        drawn.extend(STATES.map(|s| (s, Event::DiskFailed, State::Failed)));
        for t in &drawn {
            assert!(legal.contains(t), "{t:?} is drawn and not legal");
        }
        legal.dedup();
        for t in &legal {
            assert!(drawn.contains(t), "{t:?} is legal and not drawn");
        }
    }

    #[test]
    fn nothing_leaves_failed() {
        for event in EVENTS {
            let mut machine = Machine { state: State::Failed, compacting: true, observer: None };
            let _ = machine.step(event);
            assert_eq!(machine.state(), State::Failed);
        }
    }
}
