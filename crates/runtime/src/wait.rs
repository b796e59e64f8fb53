//! Owns the threads that wait on addresses of a shared memory: parking them, waking them in order.
//! Does not own the operators' checks of address and type (`builtins`).

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

/// A waiting thread.
struct Waiter {
    thread: Thread,
    /// Set by who took it out of its queue.
    woken: AtomicBool,
}

type Queues = HashMap<u64, VecDeque<Arc<Waiter>>>;

/// The waiting threads of one shared memory, by address.
#[derive(Default)]
pub(crate) struct WaitQueues {
    /// Threads that wait or are about to, so that notifying nobody needs no lock.
    waiting: AtomicUsize,
    queues: Mutex<Queues>,
}

/// How waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Notified.
    Woken,
    /// The value at the address was not the expected one.
    NotEqual,
    /// The time was up.
    TimedOut,
    /// The host wants the guest to stop.
    Interrupted,
}

impl WaitQueues {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at `address` until notified, if `is_expected` holds then. Between the look at the value and being in the queue no
    /// notification gets through. Whoever makes `interrupted` true must unpark this thread.
    pub fn wait(
        &self,
        address: u64,
        deadline: Option<Instant>,
        is_expected: impl FnOnce() -> bool,
        interrupted: impl Fn() -> bool,
    ) -> Waited {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let ended = self.wait_counted(address, deadline, is_expected, interrupted);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        ended
    }

    fn wait_counted(
        &self,
        address: u64,
        deadline: Option<Instant>,
        is_expected: impl FnOnce() -> bool,
        interrupted: impl Fn() -> bool,
    ) -> Waited {
        let waiter = Arc::new(Waiter { thread: thread::current(), woken: AtomicBool::new(false) });
        {
            let mut queues = self.lock();
            // Either this sees what a notifier has written before, or the notifier sees `waiting`.
            fence(Ordering::SeqCst);
            if !is_expected() {
                return Waited::NotEqual;
            }
            queues.entry(address).or_default().push_back(waiter.clone());
        }
        loop {
            if waiter.woken.load(Ordering::Acquire) {
                return Waited::Woken;
            }
            // Who is no longer in the queue has been notified in the meantime.
            if interrupted() {
                let left = self.leave(address, &waiter);
                return if left { Waited::Interrupted } else { Waited::Woken };
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(rest) if !rest.is_zero() => thread::park_timeout(rest),
                Some(_) => {
                    let left = self.leave(address, &waiter);
                    return if left { Waited::TimedOut } else { Waited::Woken };
                }
            }
        }
    }

    /// Takes a waiter out of its queue; `false` if it is not there any more.
    fn leave(&self, address: u64, waiter: &Arc<Waiter>) -> bool {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(&address) else { return false };
        let Some(position) = queue.iter().position(|other| Arc::ptr_eq(other, waiter)) else {
            return false;
        };
        queue.remove(position);
        if queue.is_empty() {
            queues.remove(&address);
        }
        true
    }

    /// Wakes up to `count` threads that wait at `address`, those first that have waited longest. Returns how many.
    pub fn notify(&self, address: u64, count: u32) -> u32 {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return 0;
        }
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(&address) else { return 0 };
        let woken = queue.len().min(count as usize);
        for waiter in queue.drain(..woken) {
            waiter.woken.store(true, Ordering::Release);
            waiter.thread.unpark();
        }
        if queue.is_empty() {
            queues.remove(&address);
        }
        woken as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn what_is_not_expected_or_has_no_time_does_not_wait() {
        let queues = WaitQueues::default();
        assert_eq!(queues.wait(8, None, || false, || false), Waited::NotEqual);
        assert_eq!(queues.wait(8, Some(Instant::now()), || true, || false), Waited::TimedOut);
        assert_eq!(queues.wait(8, None, || true, || true), Waited::Interrupted);
        assert_eq!(queues.notify(8, 1), 0);
        assert!(queues.lock().is_empty(), "nobody waits any more");
    }

    #[test]
    fn threads_are_woken_in_order_at_their_address_only() {
        let queues = &WaitQueues::default();
        let woken = &AtomicU32::new(0);
        let (sender, order) = mpsc::channel();
        thread::scope(|scope| {
            for (number, address) in [8, 16, 8, 8].into_iter().enumerate() {
                let sender = sender.clone();
                scope.spawn(move || {
                    assert_eq!(queues.wait(address, None, || true, || false), Waited::Woken);
                    woken.fetch_add(1, Ordering::SeqCst);
                    sender.send(number).unwrap();
                });
                // The next one waits behind this one.
                while queues.lock().values().map(VecDeque::len).sum::<usize>() != number + 1 {
                    thread::yield_now();
                }
            }
            assert_eq!(queues.notify(24, u32::MAX), 0);
            assert_eq!(queues.notify(8, 0), 0);
            assert_eq!(queues.notify(8, 1), 1);
            assert_eq!(order.recv(), Ok(0));
            assert_eq!(queues.notify(8, u32::MAX), 2);
            let mut next = [order.recv().unwrap(), order.recv().unwrap()];
            next.sort();
            assert_eq!(next, [2, 3]);
            assert_eq!(woken.load(Ordering::SeqCst), 3);
            assert_eq!(queues.notify(16, 1), 1);
        });
        assert_eq!(queues.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_timeout_ends_a_wait_and_leaves_no_trace() {
        let queues = WaitQueues::default();
        let deadline = Instant::now() + Duration::from_millis(1);
        assert_eq!(queues.wait(0, Some(deadline), || true, || false), Waited::TimedOut);
        assert!(queues.lock().is_empty());
    }
}
