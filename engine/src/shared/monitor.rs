//! A lock that can be waited at, so that the protocol on top can run under a scheduler that tries all orders.

use std::ops::DerefMut;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A value behind a lock, and a place to wait for its changes.
pub(super) trait Monitor<T> {
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    fn new(value: T) -> Self;

    fn lock(&self) -> Self::Guard<'_>;

    /// Lets the lock go until somebody calls [`notify_all`](Monitor::notify_all), or for no reason.
    fn wait<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a>;

    /// As [`wait`](Monitor::wait), for so long at most.
    fn wait_for<'a>(&'a self, guard: Self::Guard<'a>, time: Duration) -> Self::Guard<'a>;

    fn notify_all(&self);

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
    changed: Condvar,
}

impl<T> Monitor<T> for StdMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        StdMonitor { value: Mutex::new(value), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for<'a>(&'a self, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
        self.changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn notify_all(&self) {
        self.changed.notify_all();
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
