//! A lock that can be waited at, so that the protocol on top can run under a scheduler that tries all orders.

use std::ops::DerefMut;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where to wait: waking a thread that finds nothing to do takes time from those who have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// For a sync, a compaction or an answer that is on its way.
    Caller,
    /// For work: the store's own thread.
    Worker,
}

/// A value behind a lock, and places to wait for its changes.
pub(super) trait Monitor<T> {
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    fn new(value: T) -> Self;

    fn lock(&self) -> Self::Guard<'_>;

    /// Lets the lock go until somebody notifies those who wait at this place, or for no reason.
    fn wait<'a>(&'a self, place: Place, guard: Self::Guard<'a>) -> Self::Guard<'a>;

    /// As [`wait`](Monitor::wait), for so long at most.
    fn wait_for<'a>(&'a self, place: Place, guard: Self::Guard<'a>, time: Duration) -> Self::Guard<'a>;

    /// Wakes all who wait at this place.
    fn notify(&self, place: Place);

    /// Lets others have the lock until `enough`, for so long at most.
    fn gather<'a>(
        &'a self,
        guard: Self::Guard<'a>,
        time: Duration,
        enough: impl Fn(&T) -> bool,
    ) -> Self::Guard<'a>;
}

/// The standard library's. Whoever panics with the lock held leaves nothing half done that others rely on: the
/// store's own steps do not panic.
pub(super) struct StdMonitor<T> {
    value: Mutex<T>,
    changed: [Condvar; 2],
}

impl<T> Monitor<T> for StdMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        StdMonitor { value: Mutex::new(value), changed: Default::default() }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, place: Place, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.changed[place as usize].wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for<'a>(&'a self, place: Place, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
        let waited = self.changed[place as usize].wait_timeout(guard, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn notify(&self, place: Place) {
        self.changed[place as usize].notify_all();
    }

    fn gather<'a>(
        &'a self,
        mut guard: MutexGuard<'a, T>,
        time: Duration,
        enough: impl Fn(&T) -> bool,
    ) -> MutexGuard<'a, T> {
        let start = Instant::now();
        while !enough(&guard) && start.elapsed() < time {
            drop(guard);
            // Those who are waited for were woken a moment ago: they need no more than a turn.
            std::thread::yield_now();
            guard = self.lock();
        }
        guard
    }
}
