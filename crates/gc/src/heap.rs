//! Owns `Heap`: configuration, allocation, when to collect, access to objects.
//! Does not own how a collection works: that is `collect`.

use std::io;
use std::ptr::NonNull;
use std::time::Instant;

use crate::collect::Tracer;
use crate::externs::Externs;
use crate::funcs::Funcs;
use crate::large::Large;
use crate::layout::{Kind, Layouts};
use crate::memory::{Memory, NULL_GUARD, RESERVED_FOR_REFERENCES};
use crate::object::{
    self, HEADER, MAX_INLINE_SIZE, OFF_LEN, OFF_TYPE, OFF_WORD, TYPE_EXTERN_BOX, array_size,
};
use crate::pages::{Pages, Run};
use crate::reference::Ref;
use crate::roots::{HostRoots, Roots};
use crate::stats::{Collection, Stats};
use crate::young::{Bump, MIN_EDEN, YOUNG_END, Young};

/// Where compiled code allocates. `next += size`; if that exceeds `limit`, leave `next` and call the slow path; else the object is
/// at the old `next` (from `base`), and its first 8 bytes become the type id as a 64-bit number.
#[repr(C)]
#[derive(Debug)]
pub struct AllocArea {
    /// Offset of the next object, a multiple of 8.
    pub next: u32,
    /// Offset of the first byte that is not free.
    pub limit: u32,
    /// The heap's base.
    pub base: *mut u8,
}

impl AllocArea {
    /// Byte offset of [`AllocArea::next`].
    pub const OFF_NEXT: u32 = std::mem::offset_of!(AllocArea, next) as u32;
    /// Byte offset of [`AllocArea::limit`].
    pub const OFF_LIMIT: u32 = std::mem::offset_of!(AllocArea, limit) as u32;
    /// Byte offset of [`AllocArea::base`].
    pub const OFF_BASE: u32 = std::mem::offset_of!(AllocArea, base) as u32;
    /// Before there is a heap: every allocation is slow.
    pub const EMPTY: AllocArea = AllocArea { next: 0, limit: 0, base: std::ptr::null_mut() };
}

/// Torture of the collector and its callers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stress {
    /// None.
    #[default]
    Off,
    /// A minor collection at every allocation.
    Minor,
    /// A collection at every allocation, minor and full in turn.
    Alternate,
}

/// How a heap behaves. The default suits everything but tests.
#[derive(Clone, Debug)]
pub struct HeapConfig {
    /// Bytes that the heap may use between collections, free space in eden included. A full collection needs up to as much
    /// again for the copies. Address space bounds small objects to about 1.9 GiB in any case.
    pub limit: u64,
    /// Bytes of eden at the start.
    pub eden: u32,
    /// Bytes that eden may grow to.
    pub max_eden: u32,
    /// Whether objects must survive two minor collections to become old.
    pub ages: bool,
    /// Bytes of growth that are always allowed between full collections.
    pub min_growth: u64,
    /// Collections at every allocation.
    pub stress: Stress,
    /// Check the whole heap after each collection.
    pub verify: bool,
}

impl Default for HeapConfig {
    fn default() -> Self {
        Self {
            limit: 4 << 30,
            eden: 1 << 20,
            max_eden: 32 << 20,
            ages: true,
            min_growth: 32 << 20,
            stress: Stress::Off,
            verify: false,
        }
    }
}

/// An allocation failed although everything unreachable was freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

/// A run of pages with small objects from its start to `used`.
#[derive(Debug)]
pub(crate) struct Block {
    pub run: Run,
    pub used: u32,
}

/// The heap of one store.
///
/// Methods that take a [`Ref`] expect null, an `i31`, or a reference to an object of this heap. What they do with
/// other numbers is unspecified but stays inside the heap's memory, or panics.
pub struct Heap {
    pub(crate) memory: Memory,
    area: NonNull<AllocArea>,
    pub(crate) config: HeapConfig,
    pub(crate) pages: Pages,
    pub(crate) young: Young,
    /// Runs of the old space; the last is the one that is being filled, by `old`.
    pub(crate) blocks: Vec<Block>,
    pub(crate) old: Bump,
    /// Bytes of all blocks.
    pub(crate) old_bytes: u64,
    pub(crate) large: Large,
    pub(crate) remembered: Vec<u32>,
    pub(crate) host_roots: HostRoots,
    pub(crate) externs: Externs,
    pub(crate) funcs: Funcs,
    /// Bytes of old and large objects at which the next collection is a full one.
    threshold: u64,
    stats: Stats,
    full_next: bool,
    /// Whether large pages were asked for.
    dense: bool,
}

// SAFETY: `area` points to memory that `Heap::new`'s caller lets only the heap and the guest code on the heap's thread use;
// everything else is owned and `Send`.
unsafe impl Send for Heap {}

impl Heap {
    /// An empty heap that allocates through `area`, which is set up here and emptied when the heap is dropped.
    ///
    /// # Errors
    /// When the system has no address space left.
    ///
    /// # Safety
    /// `area` stays valid while the heap lives, and while a method of the heap runs nobody else uses it.
    pub unsafe fn new(area: NonNull<AllocArea>, config: HeapConfig) -> io::Result<Heap> {
        let young =
            Young::new(config.eden, config.max_eden.min(most_eden(config.limit)), config.ages);
        let mut heap = Heap {
            memory: Memory::new()?,
            area,
            pages: Pages::new(),
            young,
            blocks: Vec::new(),
            old: Bump { start: 0, next: 0, end: 0 },
            old_bytes: 0,
            large: Large::default(),
            remembered: Vec::new(),
            host_roots: HostRoots::default(),
            externs: Externs::default(),
            funcs: Funcs::default(),
            threshold: config.min_growth,
            stats: Stats::default(),
            full_next: false,
            dense: false,
            config,
        };
        heap.empty_eden();
        Ok(heap)
    }

    /// Changes the limit for what is allocated from now on.
    pub fn set_limit(&mut self, limit: u64) {
        self.config.limit = limit;
        let empty = self.eden_next() == self.young.eden_start();
        self.young.set_max(self.config.max_eden.min(most_eden(limit)), empty);
        if empty {
            self.empty_eden();
        }
    }

    /// First byte of the reservation; references are relative to it.
    pub fn base(&self) -> *mut u8 {
        self.memory.base()
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Bytes in use: eden and survivors at their full size, pages of old and large objects, values of the host.
    pub fn footprint(&self) -> u64 {
        u64::from(self.young.capacity())
            + self.old_bytes
            + self.large.old_bytes
            + self.large.young_bytes
            + self.externs.bytes()
    }

    fn area(&mut self) -> &mut AllocArea {
        // SAFETY: valid and not in use by anybody else now, by the contract of `new`.
        unsafe { self.area.as_mut() }
    }

    /// Offset up to which eden is used.
    pub(crate) fn eden_next(&self) -> u32 {
        // SAFETY: as in `area`.
        unsafe { self.area.as_ref() }.next
    }

    fn empty_eden(&mut self) {
        let (start, end) = (self.young.eden_start(), self.young.eden_end());
        let limit = if self.config.stress == Stress::Off { end } else { start };
        let base = self.base();
        *self.area() = AllocArea { next: start, limit, base };
    }

    /// Allocates as compiled code does: an object whose header is written and nothing else. `None`: call [`Heap::alloc`].
    #[inline(always)]
    pub fn alloc_inline(&mut self, type_id: u32, size: u32) -> Option<Ref> {
        let area = self.area();
        let at = area.next;
        if size > MAX_INLINE_SIZE || at + size > area.limit {
            return None;
        }
        area.next = at + size;
        self.memory.store64(at, u64::from(type_id));
        Some(Ref::from_bits(at))
    }

    /// Allocates an object of `size` bytes (header included, a multiple of 8), all zero but for the header; collects if need be.
    ///
    /// # Errors
    /// When a full collection did not free enough.
    pub fn alloc(
        &mut self,
        type_id: u32,
        size: u64,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) -> Result<Ref, OutOfMemory> {
        let at = match u32::try_from(size) {
            Ok(size) if size <= MAX_INLINE_SIZE => self.alloc_small(size, layouts, roots)?,
            Ok(size) => self.alloc_large(size, layouts, roots)?,
            Err(_) => return Err(OutOfMemory),
        };
        self.memory.store64(at, u64::from(type_id));
        Ok(Ref::from_bits(at))
    }

    /// Allocates a structure of type `type_id` with all fields zero or null.
    ///
    /// # Errors
    /// As [`Heap::alloc`].
    pub fn alloc_struct(
        &mut self,
        type_id: u32,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) -> Result<Ref, OutOfMemory> {
        let size = layouts.layout(type_id).size();
        self.alloc(type_id, u64::from(size), layouts, roots)
    }

    /// Allocates an array of type `type_id` with `len` elements, all zero or null.
    ///
    /// # Errors
    /// As [`Heap::alloc`].
    pub fn alloc_array(
        &mut self,
        type_id: u32,
        len: u32,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) -> Result<Ref, OutOfMemory> {
        let size = array_size(layouts.layout(type_id).size(), len);
        let array = self.alloc(type_id, size, layouts, roots)?;
        self.memory.store32(array.bits() + OFF_LEN, len);
        Ok(array)
    }

    fn alloc_small(
        &mut self,
        size: u32,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) -> Result<u32, OutOfMemory> {
        let size = size.max(HEADER);
        let stress = self.config.stress != Stress::Off;
        if stress || self.eden_next() + size > self.young.eden_end() {
            self.make_room(0, layouts, roots)?;
        }
        if self.eden_next() + size > self.young.eden_end() {
            return Err(OutOfMemory);
        }
        let area = self.area();
        let at = area.next;
        area.next = at + size;
        if stress {
            // Keep the next allocation slow.
            area.limit = at;
        }
        self.memory.fill(at, 0, size);
        Ok(at)
    }

    fn alloc_large(
        &mut self,
        size: u32,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) -> Result<u32, OutOfMemory> {
        const BUDGET: u64 = 16 << 20;
        let budget = BUDGET.max(u64::from(self.young.eden));
        let crowded = self.large.young_bytes + u64::from(size) > budget;
        if crowded || self.config.stress != Stress::Off || !self.fits(size) {
            self.make_room(size, layouts, roots)?;
        }
        let mut found = self.find_large(size);
        if found.is_none() {
            self.collect(Collection::Full, layouts, roots);
            found = self.find_large(size);
        }
        let (run, zero) = found.ok_or(OutOfMemory)?;
        self.stats.bytes_allocated += u64::from(size);
        let at = run.start;
        self.large.add(run);
        if !zero {
            self.memory.fill(at, 0, size);
        }
        Ok(at)
    }

    /// A run for a large object, if afterwards everything can still be evacuated.
    fn find_large(&mut self, size: u32) -> Option<(Run, bool)> {
        if !self.fits(size) {
            return None;
        }
        let (run, zero) = self.pages.alloc_large(size)?;
        if self.pages.room() < self.evacuation_need(u64::from(self.young.capacity())) {
            self.pages.release(&run);
            return None;
        }
        Some((run, zero))
    }

    pub(crate) fn fits(&self, extra: u32) -> bool {
        self.footprint() + u64::from(extra) <= self.config.limit
    }

    /// Room that a full collection may need if a minor one has copied `young` bytes before it, and so many are young again.
    fn evacuation_need(&self, young: u64) -> u64 {
        let small = self.old_bytes + 2 * young;
        small + small / 8
    }

    /// Collects, and again if that was not enough for the limit with `extra` bytes more.
    pub(crate) fn make_room(
        &mut self,
        extra: u32,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) -> Result<(), OutOfMemory> {
        let kind = self.next_kind();
        self.collect(kind, layouts, roots);
        if self.has_room(extra) {
            return Ok(());
        }
        if kind == Collection::Minor {
            self.collect(Collection::Full, layouts, roots);
        }
        if self.has_room(extra) { Ok(()) } else { Err(OutOfMemory) }
    }

    fn has_room(&self, extra: u32) -> bool {
        let young = u64::from(self.young.capacity());
        self.fits(extra) && self.pages.room() >= self.evacuation_need(young)
    }

    fn next_kind(&mut self) -> Collection {
        if self.config.stress == Stress::Alternate {
            self.full_next = !self.full_next;
            return if self.full_next { Collection::Full } else { Collection::Minor };
        }
        let used = self.old_bytes + self.large.old_bytes + self.large.young_bytes;
        let full = used >= self.threshold || self.externs.crowded();
        if full { Collection::Full } else { Collection::Minor }
    }

    /// Collects now. A minor collection becomes a full one when address space is short; a full one that has not even the
    /// address space to copy what is there does nothing, which only happens after an allocation has failed.
    pub fn collect(
        &mut self,
        kind: Collection,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) {
        let start = Instant::now();
        let used = u64::from(self.eden_next() - self.young.eden_start());
        let young = used + u64::from(self.young.survivors.used());
        self.stats.bytes_allocated += used;
        let room = self.pages.room();
        let full = kind == Collection::Full || room < self.evacuation_need(2 * young);
        if full && room < self.old_bytes + young {
            return;
        }
        match full {
            true => self.collect_full(layouts, roots),
            false => self.collect_minor(layouts, roots),
        }
        let pauses = match full {
            true => &mut self.stats.full_pauses,
            false => &mut self.stats.minor_pauses,
        };
        pauses.record(start.elapsed());
        if self.config.verify
            && let Err(problem) = self.verify(layouts, roots)
        {
            panic!("the heap is damaged after a collection: {problem}");
        }
        self.use_large_pages();
    }

    /// Large pages, once the heap is large enough for them not to be a waste.
    fn use_large_pages(&mut self) {
        const ENOUGH: u64 = 8 << 20;
        if !self.dense && self.old_bytes + self.large.old_bytes > ENOUGH {
            self.dense = true;
            self.memory.prefer_large_pages(YOUNG_END as usize..RESERVED_FOR_REFERENCES as usize);
        }
    }

    fn collect_minor(
        &mut self,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) {
        let mut host_roots = std::mem::take(&mut self.host_roots);
        let mut tracer = Tracer::<_, false>::new(self, layouts);
        tracer.trace_remembered();
        let traced = tracer.run(roots, &mut host_roots);
        self.host_roots = host_roots;
        self.stats.minor_collections += 1;
        self.stats.bytes_promoted += traced.promoted;
        self.stats.bytes_copied += traced.promoted + traced.kept_young;
        self.externs.sweep(&self.memory, None);
        self.large.sweep(&self.memory, &mut self.pages, false);
        self.young.adapt(traced.promoted + traced.kept_young);
        self.empty_eden();
    }

    fn collect_full(
        &mut self,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) {
        let from = self.begin_full();
        let mut host_roots = std::mem::take(&mut self.host_roots);
        let traced = Tracer::<_, true>::new(self, layouts).run(roots, &mut host_roots);
        self.host_roots = host_roots;
        self.large.sweep(&self.memory, &mut self.pages, true);
        self.stats.full_collections += 1;
        self.stats.bytes_copied += traced.promoted;
        let live = traced.promoted + self.large.old_bytes;
        self.externs.sweep(&self.memory, Some(live));
        from.iter().for_each(|block| self.pages.release(&block.run));
        self.stats.bytes_live = live;
        let growth = live.max(self.config.min_growth);
        self.threshold = self.old_bytes + self.large.old_bytes + growth;
        // Keep what the growth until the next full collection will use, and what that will copy to: memory that the system has to
        // provide anew costs more time than the copying.
        self.pages.trim(&self.memory, growth + live);
        self.empty_eden();
    }

    /// Gives memory that is free now back to the system, for a store that will be idle.
    pub fn trim(&mut self) {
        self.pages.trim(&self.memory, 0);
        let unused = self.eden_next() as usize..self.young.eden_end() as usize;
        self.memory.discard(unused);
    }

    /// The type id of an object; `None` for null and `i31`.
    #[inline]
    pub fn type_of(&self, reference: Ref) -> Option<u32> {
        let at = reference.bits();
        (at & 7 == 0 && at >= NULL_GUARD).then(|| self.memory.load32(at + OFF_TYPE))
    }

    /// Whether stores of references into the object need the barrier now.
    #[inline]
    pub fn is_loggable(&self, object: Ref) -> bool {
        self.memory.load32(object.bits() + OFF_WORD) & object::LOGGABLE != 0
    }

    /// The length of an array.
    #[inline]
    pub fn array_len(&self, array: Ref) -> u32 {
        self.memory.load32(array.bits() + OFF_LEN)
    }

    /// Bytes of an object whose header is at `at`, a multiple of 8.
    pub(crate) fn size_of(&self, at: u32, layouts: &(impl Layouts + ?Sized)) -> u64 {
        let type_id = self.memory.load32(at + OFF_TYPE);
        let layout = match type_id {
            TYPE_EXTERN_BOX => &object::EXTERN_BOX,
            _ => layouts.layout(type_id),
        };
        match layout.kind() {
            Kind::Struct => u64::from(layout.size()),
            Kind::Array => array_size(layout.size(), self.memory.load32(at + OFF_LEN)),
        }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        *self.area() = AllocArea::EMPTY;
    }
}

/// Bytes of eden that suit a limit of the heap.
fn most_eden(limit: u64) -> u32 {
    u32::try_from(limit / 4).unwrap_or(u32::MAX).max(MIN_EDEN)
}
