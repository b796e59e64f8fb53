//! Owns what `memory.atomic.wait` and `memory.atomic.notify` check and answer (threads proposal).
//! Does not own the queues of waiting threads (`wait`).

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sterna_isa::TrapCode;

use crate::memory::Memory;
use crate::shared_memory::Expected;
use crate::store::Store;
use crate::wait::Waited;

/// Where an operator wants to access `size` bytes.
pub(crate) struct Place {
    pub address: u64,
    pub offset: u64,
    pub size: u64,
}

impl Place {
    /// The effective address, which must be aligned and, then, inside.
    fn check(&self, memory: &Memory) -> Result<u64, TrapCode> {
        if !self.address.wrapping_add(self.offset).is_multiple_of(self.size) {
            return Err(TrapCode::UnalignedAtomic);
        }
        let address = self.address.checked_add(self.offset);
        let inside = |address: &u64| {
            address.checked_add(self.size).is_some_and(|end| end <= memory.len() as u64)
        };
        address.filter(inside).ok_or(TrapCode::MemoryOutOfBounds)
    }
}

/// Waits for at most `timeout` nanoseconds, forever if it is negative.
pub(crate) fn wait(
    store: &mut Store,
    memory: &Memory,
    place: Place,
    expected: &Expected,
    timeout: i64,
) -> u64 {
    let address = match (place.check(memory), memory.shared()) {
        (Ok(address), Some(_)) => address,
        (Ok(_), None) => return trapped(store, TrapCode::ExpectedSharedMemory),
        (Err(code), _) => return trapped(store, code),
    };
    // A time beyond what the clock can say never comes.
    let deadline = u64::try_from(timeout)
        .ok()
        .and_then(|timeout| Instant::now().checked_add(Duration::from_nanos(timeout)));
    let handle = store.interrupt_handle();
    let flag = &store.ctx().interrupt;
    let shared = memory.shared().expect("checked above");
    let waited = handle.while_waiting(|| {
        shared.wait(address, expected, deadline, || {
            TrapCode::from_byte(flag.load(Ordering::Acquire)).is_some()
        })
    });
    match waited.expect("the place is aligned and inside, and memories never shrink") {
        Waited::Woken => 0,
        Waited::NotEqual => 1,
        Waited::TimedOut => 2,
        Waited::Interrupted => {
            let byte = store.ctx().interrupt.swap(0, Ordering::AcqRel);
            trapped(store, TrapCode::from_byte(byte).unwrap_or(TrapCode::Interrupt))
        }
    }
}

/// Wakes up to `count` waiting threads; nobody waits on a memory that is not shared.
pub(crate) fn notify(store: &mut Store, memory: &Memory, place: Place, count: u32) -> u64 {
    match place.check(memory) {
        Ok(address) => memory.shared().map_or(0, |shared| u64::from(shared.notify(address, count))),
        Err(code) => trapped(store, code),
    }
}

fn trapped(store: &mut Store, code: TrapCode) -> u64 {
    store.set_trap(code, None);
    0
}
