//! Owns what code of the lower tiers writes down while it runs, for the optimizing tier: cells and counters at fixed addresses.
//! Does not own what is made of it (`request::Observed`), nor who writes when (the tiers).
//!
//! Everything here is written by threads at the same time without coordination: lost increments do not matter.

use core::mem::offset_of;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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
    counters: Mutex<HashMap<FuncIndex, Arc<Counters>>>,
}

impl Recorder {
    /// For a module with these entries, which outlive it.
    pub fn new(entries: &[FuncEntry]) -> Recorder {
        let range = entries.as_ptr_range();
        let entries = range.start as usize..range.end as usize;
        Recorder { entries, ..Recorder::default() }
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<u32, Box<CallCell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no calls are noted here.
    pub fn has_no_cells(&self) -> bool {
        self.cells().is_empty()
    }

    fn all_counters(&self) -> MutexGuard<'_, HashMap<FuncIndex, Arc<Counters>>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of a function, made for so many when somebody first asks.
    pub fn counters(&self, func: FuncIndex, count: u32) -> Arc<Counters> {
        let new = || {
            let counters = (0..count).map(|_| AtomicU32::new(0)).collect();
            Arc::new(Counters { counters, plan: OnceLock::new() })
        };
        self.all_counters().entry(func).or_insert_with(new).clone()
    }

    /// How often which operators of a function have run while they were counted, by ascending offset.
    pub fn counts(&self, func: FuncIndex) -> Vec<SiteCount> {
        let counters = self.all_counters().get(&func).cloned();
        counters.map_or_else(Vec::new, |counters| counters.read())
    }

    /// All functions with counters.
    pub fn counted(&self) -> Vec<FuncIndex> {
        self.all_counters().keys().copied().collect()
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

/// How often something ran, in terms of what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// The counter with this number.
    Counter(u32),
    /// The rest of one count when another one is taken away, both by their place in [`CountPlan::counts`], where they come before it.
    Rest(u32, u32),
}

/// No count, in [`CountedSite::taken`].
pub const NO_COUNT: u32 = u32::MAX;

/// An operator whose count is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedSite {
    /// Its byte offset in the module; for the function itself, that of its body.
    pub offset: u32,
    /// The place in [`CountPlan::counts`] that says how often it ran.
    pub runs: u32,
    /// The same for [`SiteCount::taken`], or [`NO_COUNT`].
    pub taken: u32,
}

/// What the counters of a function mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountPlan {
    /// All counts.
    pub counts: Vec<Count>,
    /// By ascending offset.
    pub sites: Vec<CountedSite>,
}

/// The counters of a function, of 32 bits, which go round.
#[derive(Debug)]
pub struct Counters {
    counters: Box<[AtomicU32]>,
    plan: OnceLock<CountPlan>,
}

impl Counters {
    /// The address of one.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn address(&self, number: u32) -> u64 {
        (&raw const self.counters[number as usize]) as u64
    }

    /// Says what they mean. The first one to say it is right: all code of a function uses them alike.
    pub fn set_plan(&self, plan: CountPlan) {
        let _ = self.plan.set(plan);
    }

    /// What they say now.
    pub fn read(&self) -> Vec<SiteCount> {
        let Some(CountPlan { counts, sites }) = self.plan.get() else { return Vec::new() };
        let mut values: Vec<u32> = Vec::with_capacity(counts.len());
        for &count in counts {
            let at = |place: u32| values.get(place as usize).copied().unwrap_or(0);
            let value = match count {
                Count::Counter(number) => self.counters[number as usize].load(Ordering::Relaxed),
                Count::Rest(of, other) => at(of).saturating_sub(at(other)),
            };
            values.push(value);
        }
        let value = |place: u32| values.get(place as usize).copied().unwrap_or(0);
        let site = |site: &CountedSite| SiteCount {
            offset: site.offset,
            runs: value(site.runs),
            taken: value(site.taken),
        };
        sites.iter().map(site).collect()
    }
}

/// How often an operator ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteCount {
    /// Its byte offset in the module; for a function itself, that of its body.
    pub offset: u32,
    /// How often it ran: of a loop, iterations.
    pub runs: u32,
    /// Of a branch, how often it was taken; of an `if`, its first half; of a loop, how often it was entered from above. Else 0.
    pub taken: u32,
}
