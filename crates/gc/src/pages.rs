//! Owns which pages of the heap are free, and what the used ones hold.
//! Does not own the young spaces, which lie below all pages given out here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::memory::Memory;
use crate::young::YOUNG_END;

/// Bytes of a page, the unit in which the old and the large-object space grow.
pub(crate) const PAGE: u32 = 4096;
/// log2 of [`PAGE`].
pub(crate) const LOG2_PAGE: u32 = 12;
const PAGES: usize = 1 << (32 - LOG2_PAGE);
/// Pages of a run for small objects, where there is room for it; else a shorter one that still holds any small object.
const BLOCK_PAGES: [u32; 3] = [64, 8, 2];
/// Bytes at the end of a run that may stay unused, since objects are not split.
const BLOCK_WASTE: u64 = crate::object::MAX_INLINE_SIZE as u64;

/// What a page is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Use {
    /// Nothing, and no memory is behind it.
    Clean = 0,
    /// Nothing, but written to since it last was clean.
    Dirty,
    /// Small objects.
    Old,
    /// Small objects, being evacuated by the full collection that runs.
    From,
    /// Eden and survivors.
    Young,
    /// A large object allocated since the last collection.
    LargeYoung,
    /// A large object.
    Large,
}

/// A run of pages: bytes from `start` to `end`.
pub(crate) type Run = Range<u32>;

#[derive(Debug)]
pub(crate) struct Pages {
    uses: Box<[u8]>,
    /// Free runs: first page to number of pages.
    free: BTreeMap<u32, u32>,
    /// The same as (number, first page), for the best fit.
    by_len: BTreeSet<(u32, u32)>,
    dirty: u32,
}

impl Pages {
    pub fn new() -> Pages {
        // The allocator hands out zeroed memory, so that the table costs what is touched of it.
        let mut uses = vec![0; PAGES].into_boxed_slice();
        let first = YOUNG_END >> LOG2_PAGE;
        uses[..first as usize].fill(Use::Young as u8);
        let mut pages = Pages { uses, free: BTreeMap::new(), by_len: BTreeSet::new(), dirty: 0 };
        // The last page stays unused, so that the end of every run is a number of 32 bits.
        pages.insert(first, PAGES as u32 - 1 - first);
        pages
    }

    /// What the page that holds `at` is used for.
    #[inline(always)]
    pub fn of(&self, at: u32) -> Use {
        match self.uses[(at >> LOG2_PAGE) as usize] {
            0 => Use::Clean,
            1 => Use::Dirty,
            2 => Use::Old,
            3 => Use::From,
            4 => Use::Young,
            5 => Use::LargeYoung,
            _ => Use::Large,
        }
    }

    /// Notes a new use of a run that is in use.
    pub fn set(&mut self, run: &Run, value: Use) {
        let pages = (run.start >> LOG2_PAGE) as usize..(run.end >> LOG2_PAGE) as usize;
        self.uses[pages].fill(value as u8);
    }

    /// A run for small objects.
    pub fn alloc_block(&mut self) -> Option<Run> {
        let run = BLOCK_PAGES.iter().find_map(|len| self.take(*len, false))?;
        self.claim(&run, Use::Old);
        Some(run)
    }

    /// A run of `bytes` for a large object, and whether it is known to read as zero.
    pub fn alloc_large(&mut self, bytes: u32) -> Option<(Run, bool)> {
        let run = self.take(bytes.div_ceil(PAGE), true)?;
        let zero = self.claim(&run, Use::LargeYoung) == 0;
        Some((run, zero))
    }

    /// Gives a run back.
    pub fn release(&mut self, run: &Run) {
        self.set(run, Use::Dirty);
        let (mut start, mut len) = (run.start >> LOG2_PAGE, (run.end - run.start) >> LOG2_PAGE);
        self.dirty += len;
        if let Some((&before, &before_len)) = self.free.range(..start).next_back()
            && before + before_len == start
        {
            self.remove(before, before_len);
            (start, len) = (before, len + before_len);
        }
        if let Some(&after_len) = self.free.get(&(start + len)) {
            self.remove(start + len, after_len);
            len += after_len;
        }
        self.insert(start, len);
    }

    /// Gives the memory of free pages back until at most `keep` bytes of it remain.
    pub fn trim(&mut self, memory: &Memory, keep: u64) {
        let keep = u32::try_from(keep >> LOG2_PAGE).unwrap_or(u32::MAX);
        for (&start, &len) in self.free.iter().rev() {
            let excess = self.dirty.saturating_sub(keep);
            let uses = &mut self.uses[start as usize..(start + len) as usize];
            // From the end of the run, hardly more than needed: what is written to again is at its beginning.
            let (mut first, mut dirty) = (uses.len(), 0);
            for part in uses.rchunks(BLOCK_PAGES[0] as usize) {
                if dirty >= excess {
                    break;
                }
                first -= part.len();
                dirty += part.iter().filter(|value| **value == Use::Dirty as u8).count() as u32;
            }
            if dirty == 0 {
                continue;
            }
            // Whole system pages only: where those are larger than ours, the rest stays resident and is not counted.
            let from = start as usize + first;
            memory.discard(from << LOG2_PAGE..((start + len) as usize) << LOG2_PAGE);
            let exact = sterna_sys::vm::page_size() <= PAGE as usize;
            if exact {
                uses[first..].fill(Use::Clean as u8);
            }
            self.dirty -= dirty;
        }
    }

    /// Bytes of small objects that the free runs certainly have room for.
    pub fn room(&self) -> u64 {
        self.free.values().map(|len| room_of(*len)).sum()
    }

    /// Takes `len` pages from the free run that fits best, from its end if `high`.
    fn take(&mut self, len: u32, high: bool) -> Option<Run> {
        let &(free_len, free) = self.by_len.range((len, 0)..).next()?;
        self.remove(free, free_len);
        let start = if high { free + free_len - len } else { free };
        if free_len > len {
            self.insert(if high { free } else { free + len }, free_len - len);
        }
        Some(start << LOG2_PAGE..(start + len) << LOG2_PAGE)
    }

    /// Notes the use of a run just taken; the number of its pages that were dirty.
    fn claim(&mut self, run: &Run, value: Use) -> u32 {
        let pages = (run.start >> LOG2_PAGE) as usize..(run.end >> LOG2_PAGE) as usize;
        let dirty = self.uses[pages].iter().filter(|old| **old == Use::Dirty as u8).count() as u32;
        self.dirty = self.dirty.saturating_sub(dirty);
        self.set(run, value);
        dirty
    }

    fn insert(&mut self, start: u32, len: u32) {
        self.free.insert(start, len);
        self.by_len.insert((len, start));
    }

    fn remove(&mut self, start: u32, len: u32) {
        self.free.remove(&start);
        self.by_len.remove(&(len, start));
    }
}

/// Room for small objects in a free run of `len` pages, as [`Pages::alloc_block`] cuts it.
fn room_of(len: u32) -> u64 {
    let (blocks, rest) = (len / BLOCK_PAGES[0], len % BLOCK_PAGES[0]);
    let (small, tiny) = (rest / BLOCK_PAGES[1], rest % BLOCK_PAGES[1] / BLOCK_PAGES[2]);
    let room = |runs: u32, pages: u32| {
        u64::from(runs) * (u64::from(pages * PAGE)).saturating_sub(BLOCK_WASTE - 8)
    };
    room(blocks, BLOCK_PAGES[0]) + room(small, BLOCK_PAGES[1]) + room(tiny, BLOCK_PAGES[2])
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_PAGES, Memory, PAGE, Pages, Use};

    #[test]
    fn runs_merge_when_released() {
        let mut pages = Pages::new();
        let room = pages.room();
        let runs: Vec<_> = (1..40).filter_map(|n| pages.alloc_large(n * PAGE)).collect();
        let blocks: Vec<_> = (0..10).filter_map(|_| pages.alloc_block()).collect();
        assert!(runs.iter().all(|(run, zero)| *zero && pages.of(run.start) == Use::LargeYoung));
        assert_eq!(blocks[0].end - blocks[0].start, BLOCK_PAGES[0] * PAGE);
        for (run, _) in runs.iter().step_by(2).chain(runs.iter().skip(1).step_by(2)) {
            pages.release(run);
        }
        blocks.iter().for_each(|block| pages.release(block));
        assert_eq!((pages.free.len(), pages.by_len.len(), pages.room()), (1, 1, room));
        let dirty = (1..40).sum::<u32>() + 10 * BLOCK_PAGES[0];
        assert_eq!(pages.dirty, dirty);
    }

    #[test]
    fn trimming_keeps_the_lowest_pages() {
        let (mut pages, memory) = (Pages::new(), Memory::new().unwrap());
        let runs: Vec<_> = (0..4).filter_map(|_| pages.alloc_block()).collect();
        runs.iter().for_each(|run| pages.release(run));
        let block = BLOCK_PAGES[0];
        pages.trim(&memory, u64::from(3 * block / 2 * PAGE));
        assert!((block / 2..=3 * block / 2).contains(&pages.dirty));
        assert_eq!([0, 3].map(|at| pages.of(runs[at].start)), [Use::Dirty, Use::Clean]);
        pages.trim(&memory, 0);
        assert_eq!((pages.dirty, pages.of(runs[0].start)), (0, Use::Clean));
    }

    #[test]
    fn dirty_pages_are_not_zero() {
        let mut pages = Pages::new();
        let all = u32::MAX - super::YOUNG_END - 2 * PAGE;
        let (run, zero) = pages.alloc_large(all).unwrap();
        assert!(zero && pages.alloc_large(4 * PAGE).is_none());
        pages.release(&run);
        assert!(!pages.alloc_large(PAGE).unwrap().1);
    }
}
