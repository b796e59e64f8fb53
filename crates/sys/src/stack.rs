//! Owns guest stacks: their memory, a pool of them, and the switch between stacks.
//! Does not decide how large they are, or where on them compiled code must stop.

use std::cell::Cell;
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::vm::{Reservation, page_size};

mod switch;

pub(crate) use switch::CONTEXT_SP;
pub use switch::{Context, FiberEntry, on_stack};

/// Bytes that are never accessible at each end and between the two stacks. Code that moves the stack pointer by more than
/// this in one step must touch the pages between (Rust's own code does).
pub const GUARD_BYTES: usize = 64 * 1024;

/// Stacks at least this large ask for small pages: the system may otherwise back the first touch with 2 MiB.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// A native stack and a value stack for one thread of guest execution, in one piece of address space:
///
/// ```text
/// guard | native stack, grows down | guard | value stack, grows up | guard
/// ```
///
/// Memory comes with the first touch of each page.
#[derive(Debug)]
pub struct GuestStack {
    space: Reservation,
    native_bytes: usize,
    value_bytes: usize,
    /// The host's stack pointer while [`GuestStack::call_on_stack`] runs on this stack, else 0.
    pub(crate) host_sp: Cell<usize>,
}

impl GuestStack {
    /// A stack of `native_bytes` and `value_bytes`, both rounded up to pages.
    ///
    /// # Errors
    /// When the system has no such address range, or too many mappings.
    pub fn new(native_bytes: usize, value_bytes: usize) -> io::Result<GuestStack> {
        let round = |bytes: usize| {
            bytes.max(1).checked_next_multiple_of(page_size()).ok_or(io::ErrorKind::OutOfMemory)
        };
        let (native_bytes, value_bytes) = (round(native_bytes)?, round(value_bytes)?);
        let total = (3 * GUARD_BYTES)
            .checked_add(native_bytes)
            .and_then(|sum| sum.checked_add(value_bytes));
        let space = Reservation::new(total.ok_or(io::ErrorKind::OutOfMemory)?)?;
        let stack = GuestStack { space, native_bytes, value_bytes, host_sp: Cell::new(0) };
        for (start, len) in
            [(stack.native_offset(), native_bytes), (stack.value_offset(), value_bytes)]
        {
            stack.space.commit(start..start + len)?;
            if len >= HUGE_PAGE_BYTES {
                stack.space.prefer_small_pages(start..start + len);
            }
        }
        Ok(stack)
    }

    /// One past the highest byte of the native stack; aligned to a page.
    pub fn native_top(&self) -> *mut u8 {
        self.space.base().wrapping_add(self.native_offset() + self.native_bytes)
    }

    /// The lowest stack pointer that leaves `reserve` bytes of the native stack for code that does not check.
    ///
    /// # Panics
    /// If the native stack is not larger than `reserve`.
    pub fn native_limit(&self, reserve: usize) -> *mut u8 {
        assert!(
            reserve < self.native_bytes,
            "a native stack of {} bytes has no room to reserve {reserve}",
            self.native_bytes
        );
        self.space.base().wrapping_add(self.native_offset() + reserve)
    }

    /// First byte of the value stack; aligned to a page.
    pub fn value_base(&self) -> *mut u8 {
        self.space.base().wrapping_add(self.value_offset())
    }

    /// One past the last accessible byte of the value stack.
    pub fn value_end(&self) -> *mut u8 {
        self.value_base().wrapping_add(self.value_bytes)
    }

    /// Gives back the memory of both stacks except the `keep` bytes of each that are used first.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Panics
    /// If code is running on the stack.
    pub fn trim(&self, keep: usize) -> io::Result<()> {
        assert_eq!(self.host_sp.get(), 0, "a stack in use cannot be trimmed");
        let native = self.native_offset();
        self.space.discard(native..native + self.native_bytes.saturating_sub(keep))?;
        let value = self.value_offset();
        self.space.discard(value + keep.min(self.value_bytes)..value + self.value_bytes)
    }

    fn native_offset(&self) -> usize {
        GUARD_BYTES
    }

    fn value_offset(&self) -> usize {
        self.native_offset() + self.native_bytes + GUARD_BYTES
    }
}

/// Keeps a few idle stacks of one size for reuse, from any thread.
#[derive(Debug)]
pub struct StackPool {
    native_bytes: usize,
    value_bytes: usize,
    max_idle: usize,
    keep_resident: usize,
    idle: Mutex<Vec<GuestStack>>,
}

impl StackPool {
    /// A pool of stacks of the given sizes. At most `max_idle` stacks are kept, each with at most `keep_resident` bytes of
    /// memory per stack kind.
    pub fn new(
        native_bytes: usize,
        value_bytes: usize,
        max_idle: usize,
        keep_resident: usize,
    ) -> StackPool {
        StackPool {
            native_bytes,
            value_bytes,
            max_idle,
            keep_resident,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// An idle stack or a new one. Its contents are arbitrary.
    ///
    /// # Errors
    /// As [`GuestStack::new`].
    pub fn get(&self) -> io::Result<GuestStack> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(stack) => Ok(stack),
            None => GuestStack::new(self.native_bytes, self.value_bytes),
        }
    }

    /// Takes back a stack of [`StackPool::get`].
    ///
    /// # Panics
    /// If code is running on the stack.
    pub fn put(&self, stack: GuestStack) {
        // A stack whose memory the system does not take back is unmapped instead.
        if stack.trim(self.keep_resident).is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < self.max_idle {
                idle.push(stack);
            }
        }
    }

    /// Number of idle stacks.
    pub fn idle(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
