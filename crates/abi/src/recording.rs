//! Owns what code of the lower tiers writes down while it runs, for the optimizing tier: cells and counters at fixed addresses.
//! Does not own what is made of it (`request::Observed`), nor who writes when (the tiers).
//!
//! Everything here is written by threads at the same time without coordination: lost increments do not matter.

use core::mem::offset_of;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sterna_base::FuncIndex;

use crate::context::FuncEntry;

/// Where an indirect call went: the callee that has most of the calls, by Boyer and Moore's vote.
#[repr(C)]
#[derive(Debug, Default)]
pub struct CallCell {
    /// The callee's entry, or anything else that is no function of the module; null before the first call.
    entry: AtomicPtr<FuncEntry>,
    /// Calls of it since it took over.
    hits: AtomicU32,
    /// Calls of others since then.
    misses: AtomicU32,
}

/// Calls before a cell says anything.
const MIN_CALLS: u32 = 8;
/// Nearly all: at most one in so many goes elsewhere.
const MISSES: u32 = 16;

impl CallCell {
    /// Byte offset of the callee's entry.
    pub const OFF_ENTRY: u32 = offset_of!(CallCell, entry) as u32;
    /// Byte offset of the number of its calls, 32 bits.
    pub const OFF_HITS: u32 = offset_of!(CallCell, hits) as u32;
    /// Byte offset of the number of other calls, 32 bits.
    pub const OFF_MISSES: u32 = offset_of!(CallCell, misses) as u32;

    /// The callee of nearly all calls.
    pub fn target(&self) -> Option<*const FuncEntry> {
        let entry = self.entry.load(Ordering::Relaxed);
        let (hits, misses) = (&self.hits, &self.misses);
        let (hits, misses) = (hits.load(Ordering::Relaxed), misses.load(Ordering::Relaxed));
        let is_usual = !entry.is_null() && hits >= MIN_CALLS && misses <= hits / MISSES;
        is_usual.then_some(entry.cast_const())
    }

    /// Notes a call.
    #[inline(always)]
    pub fn count(&self, entry: *const FuncEntry) {
        if self.entry.load(Ordering::Relaxed).cast_const() == entry {
            let hits = self.hits.load(Ordering::Relaxed);
            self.hits.store(hits.saturating_add(1), Ordering::Relaxed);
        } else {
            self.miss(entry);
        }
    }

    #[cold]
    #[inline(never)]
    fn miss(&self, entry: *const FuncEntry) {
        let misses = self.misses.load(Ordering::Relaxed).saturating_add(1);
        self.misses.store(misses, Ordering::Relaxed);
        if misses > self.hits.load(Ordering::Relaxed) {
            self.entry.store(entry.cast_mut(), Ordering::Relaxed);
            self.hits.store(1, Ordering::Relaxed);
            self.misses.store(0, Ordering::Relaxed);
        }
    }
}

/// What is written down of a module. Nothing in it moves or goes away before the whole: code has addresses of it.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Addresses of the module's entries.
    entries: Range<usize>,
    /// By byte offset of the indirect call in the module.
    #[allow(clippy::vec_box, reason = "their addresses must not change")]
    cells: Mutex<HashMap<u32, Box<CallCell>>>,
}

impl Recorder {
    /// For a module with these entries, which outlive it.
    pub fn new(entries: &[FuncEntry]) -> Recorder {
        let range = entries.as_ptr_range();
        let entries = range.start as usize..range.end as usize;
        Recorder { entries, cells: Mutex::default() }
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<u32, Box<CallCell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no code writes here.
    pub fn is_empty(&self) -> bool {
        self.cells().is_empty()
    }

    /// The cell of the indirect call at a byte offset of the module.
    pub fn call_cell(&self, offset: u32) -> *const CallCell {
        &raw const **self.cells().entry(offset).or_default()
    }

    /// The function of this module that the indirect call at a byte offset nearly always goes to.
    pub fn target(&self, offset: u32) -> Option<FuncIndex> {
        self.function(self.cells().get(&offset)?)
    }

    /// Lists the indirect calls that nearly always go to one function of this module: byte offset, function.
    pub fn call_targets(&self, visit: &mut dyn FnMut(u32, FuncIndex)) {
        for (&offset, cell) in self.cells().iter() {
            if let Some(func) = self.function(cell) {
                visit(offset, func);
            }
        }
    }

    fn function(&self, cell: &CallCell) -> Option<FuncIndex> {
        let address = cell.target()? as usize;
        let behind = self.entries.contains(&address).then(|| address - self.entries.start)?;
        Some(FuncIndex::from_u32((behind / size_of::<FuncEntry>()) as u32))
    }
}
