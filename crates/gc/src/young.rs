//! Owns the young generation's part of the address space: eden and the two survivor spaces, and their sizes.
//! Does not copy anything: `collect` does.

use crate::memory::NULL_GUARD;

/// Everything below is young (unless null), everything above old or large: one comparison tells.
pub(crate) const YOUNG_END: u32 = 128 << 20;
/// First byte of each survivor space; eden lies below.
const SURVIVORS: [u32; 2] = [64 << 20, 96 << 20];
/// Largest eden, in bytes.
pub(crate) const MAX_EDEN: u32 = SURVIVORS[0] - NULL_GUARD;
/// Smallest eden: any small object fits.
pub(crate) const MIN_EDEN: u32 = 64 * 1024;

/// A space that is filled from the bottom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bump {
    pub start: u32,
    pub next: u32,
    pub end: u32,
}

impl Bump {
    /// Room for `size` bytes (at most `MAX_INLINE_SIZE`), or `None`.
    #[inline(always)]
    pub fn alloc(&mut self, size: u32) -> Option<u32> {
        let at = self.next;
        if self.end - at < size {
            return None;
        }
        self.next = at + size;
        Some(at)
    }

    pub fn used(&self) -> u32 {
        self.next - self.start
    }

    #[inline(always)]
    pub fn contains(&self, at: u32) -> bool {
        at.wrapping_sub(self.start) < self.end - self.start
    }
}

#[derive(Debug)]
pub(crate) struct Young {
    /// Bytes of eden in use.
    pub eden: u32,
    max: u32,
    ages: bool,
    /// Where survivors of the last collection are.
    pub survivors: Bump,
}

impl Young {
    /// An eden of `eden` bytes that may grow to `max`; `ages` says whether survivors stay young once.
    pub fn new(eden: u32, max: u32, ages: bool) -> Young {
        let mut young = Young { eden, max, ages, survivors: space(0, 0) };
        young.set_max(max, true);
        young
    }

    /// Sets how far eden may grow. If it is larger, it shrinks to that if it is `empty`.
    pub fn set_max(&mut self, max: u32, empty: bool) {
        self.max = max.clamp(MIN_EDEN, MAX_EDEN) & !7;
        if empty && self.survivors.used() == 0 {
            self.eden = self.eden.clamp(MIN_EDEN, self.max) & !7;
        }
    }

    pub fn eden_start(&self) -> u32 {
        NULL_GUARD
    }

    pub fn eden_end(&self) -> u32 {
        NULL_GUARD + self.eden
    }

    /// The space that the next minor collection copies to.
    pub fn empty_survivors(&self) -> Bump {
        let other = usize::from(self.survivors.start == SURVIVORS[0]);
        space(other, if self.ages { self.survivor_capacity() } else { 0 })
    }

    /// Bytes that may be charged to the young generation.
    pub fn capacity(&self) -> u32 {
        self.eden + if self.ages { 2 * self.survivor_capacity() } else { 0 }
    }

    fn survivor_capacity(&self) -> u32 {
        (self.eden / 4) & !7
    }

    /// After a minor collection that kept `survived` bytes: a larger eden if many survived, so that fewer will.
    pub fn adapt(&mut self, survived: u64) {
        if survived * 10 > u64::from(self.eden) && self.eden < self.max {
            self.eden = (self.eden * 2).min(self.max);
        }
    }
}

fn space(index: usize, len: u32) -> Bump {
    let start = SURVIVORS[index];
    Bump { start, next: start, end: start + len }
}
