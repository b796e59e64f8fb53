//! Owns the set of address ranges that hold compiled code, readable from a signal handler without a lock.
//! Does not own what the ranges' lookup functions read.
//!
//! Readers search an immutable sorted snapshot. Writers, one at a time, publish a new one and wait until nobody reads the
//! old one: lookups take no time and readers are threads that have just trapped.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a lookup knows about an instruction that may trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapInfo {
    /// Trap code to raise; must not be 0.
    pub code: u32,
}

/// Finds the trap of the instruction at `pc`; `None` if it is not expected to trap. Called in a signal handler: must not
/// allocate, lock or unwind.
pub type Lookup = unsafe fn(data: *const u8, pc: usize) -> Option<TrapInfo>;

/// A registered range, for [`unregister_code`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "without its handle a range cannot be unregistered"]
pub struct CodeHandle {
    start: usize,
}

#[derive(Clone, Copy)]
struct Range {
    start: usize,
    end: usize,
    lookup: Lookup,
    data: *const u8,
}

type Snapshot = Vec<Range>;

/// Null or a leaked box.
static SNAPSHOT: AtomicPtr<Snapshot> = AtomicPtr::new(ptr::null_mut());
/// Threads that may be reading some snapshot. Both are accessed in one total order: a reader that a writer does not see in
/// here sees the writer's snapshot.
static READERS: AtomicUsize = AtomicUsize::new(0);
static WRITER: Mutex<()> = Mutex::new(());

/// Declares that `start..end` holds compiled code whose traps `lookup(data, pc)` knows. Ranges must not overlap.
///
/// # Safety
/// Until the range is unregistered, `lookup(data, pc)` must be callable from any thread, within a signal handler, for every pc
/// of the range; and every pc for which it finds a trap must belong to code entered by `enter_compiled`.
///
/// # Panics
/// If the range is empty or overlaps a registered one.
pub unsafe fn register_code(
    start: usize,
    end: usize,
    lookup: Lookup,
    data: *const u8,
) -> CodeHandle {
    assert!(start < end, "a range of code has at least one byte");
    update(|ranges| {
        let at = ranges.partition_point(|range| range.end <= start);
        assert!(
            ranges.get(at).is_none_or(|next| next.start >= end),
            "{start:#x}..{end:#x} overlaps registered code"
        );
        ranges.insert(at, Range { start, end, lookup, data });
    });
    CodeHandle { start }
}

/// Forgets a range. When this returns, its lookup is not running and will not be called again.
pub fn unregister_code(handle: CodeHandle) {
    update(|ranges| ranges.retain(|range| range.start != handle.start));
}

/// Publishes a changed copy of the snapshot.
fn update(change: impl FnOnce(&mut Snapshot)) {
    let _writer: MutexGuard<'_, ()> = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
    let old = SNAPSHOT.load(Ordering::SeqCst);
    // SAFETY: null or a snapshot; only writers free them, and we are the writer.
    let mut ranges = unsafe { old.as_ref() }.cloned().unwrap_or_default();
    change(&mut ranges);
    SNAPSHOT.store(Box::into_raw(Box::new(ranges)), Ordering::SeqCst);
    while READERS.load(Ordering::SeqCst) != 0 {
        std::thread::yield_now();
    }
    if !old.is_null() {
        // SAFETY: it came from a box, is no longer published, and nobody reads it any more.
        drop(unsafe { Box::from_raw(old) });
    }
}

/// The trap registered for `pc`. Callable in a signal handler.
pub(super) fn lookup(pc: usize) -> Option<TrapInfo> {
    READERS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: null or a snapshot that is not freed while READERS counts us.
    let ranges = unsafe { SNAPSHOT.load(Ordering::SeqCst).as_ref() };
    let found = ranges.and_then(|ranges| {
        let range = ranges.get(ranges.partition_point(|range| range.end <= pc))?;
        if pc < range.start {
            return None;
        }
        // SAFETY: `register_code` was promised that this may be called for a pc of the range while it is registered.
        unsafe { (range.lookup)(range.data, pc) }
    });
    READERS.fetch_sub(1, Ordering::SeqCst);
    found
}
