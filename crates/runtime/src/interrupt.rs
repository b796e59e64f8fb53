//! Owns `InterruptHandle`, which stops a store's guest code from another thread.
//! Does not own timers: an embedder's thread calls the handle.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};

use sterna_isa::TrapCode;

/// The value of the flag that asks for a sample: no trap code.
pub(crate) const SAMPLE: u8 = u8::MAX;

/// The value of the flag that only makes compiled code poll: no trap code.
pub(crate) const WATCH: u8 = u8::MAX - 1;

/// The flag of a live store, and the thread in which its guest waits for others, if it does.
struct Flag(*const AtomicU8, Option<Thread>);

// SAFETY: the pointer is only used under the mutex that the store takes to clear it before it goes away.
unsafe impl Send for Flag {}

/// Stops guest code of one store from any thread, at its next loop iteration or function entry, or while it waits for another thread. Clones refer to the same
/// store; after the store is gone they do nothing.
#[derive(Clone)]
pub struct InterruptHandle(
    /// `None` once the store is gone.
    Arc<Mutex<Option<Flag>>>,
);

impl InterruptHandle {
    pub(crate) fn new(flag: *const AtomicU8) -> InterruptHandle {
        InterruptHandle(Arc::new(Mutex::new(Some(Flag(flag, None)))))
    }

    /// Makes running (or, if none is running, the next) guest code trap with [`TrapCode::Interrupt`].
    pub fn interrupt(&self) {
        self.raise(TrapCode::Interrupt);
    }

    /// As [`InterruptHandle::interrupt`], with [`TrapCode::Timeout`].
    pub fn time_out(&self) {
        self.raise(TrapCode::Timeout);
    }

    /// Makes running guest code note where it is at its next loop iteration or function entry, if sampling has begun.
    pub fn sample(&self) {
        if let Some(Flag(flag, _)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // SAFETY: as in `raise`.
            let flag = unsafe { &**flag };
            // An interruption is more important.
            for unimportant in [0, WATCH] {
                let relaxed = Ordering::Relaxed;
                let _ = flag.compare_exchange(unimportant, SAMPLE, Ordering::Release, relaxed);
            }
        }
    }

    fn raise(&self, code: TrapCode) {
        let flag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Flag(flag, waiter)) = &*flag {
            // SAFETY: the store clears the flag, under this lock, before its memory goes away.
            let flag = unsafe { &**flag };
            flag.store(code as u8, Ordering::Release);
            if let Some(thread) = waiter {
                thread.unpark();
            }
        }
    }

    /// Has interruptions unpark this thread while `waiting` runs.
    pub(crate) fn while_waiting<R>(&self, waiting: impl FnOnce() -> R) -> R {
        self.set_waiter(Some(thread::current()));
        let result = waiting();
        self.set_waiter(None);
        result
    }

    fn set_waiter(&self, thread: Option<Thread>) {
        if let Some(Flag(_, waiter)) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            *waiter = thread;
        }
    }

    /// Called when the store goes away.
    pub(crate) fn detach(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
