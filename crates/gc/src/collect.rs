//! Owns tracing: copying what is reachable, once for minor and once for full collections.
//! Does not decide when, and does not free anything: `heap` does.

use crate::heap::{Block, Heap};
use crate::large::Large;
use crate::layout::{Kind, Layout, Layouts};
use crate::memory::{LOG2_CARD, Memory, NULL_GUARD};
use crate::object::{
    self, CARDS, FORWARDED, LOGGABLE, MARKED, OFF_LEN, OFF_TYPE, OFF_WORD, REMEMBERED,
    TYPE_EXTERN_BOX, array_size,
};
use crate::pages::{PAGE, Pages, Use};
use crate::reference::Ref;
use crate::remember::{elements_of, forget};
use crate::roots::{HostRoots, Roots};
use crate::young::{Bump, YOUNG_END};

/// Elements of an array between the one being forwarded and the one whose object is being fetched.
const AHEAD: u32 = 8;

/// Slots that wait while what they refer to is being fetched.
const WAITING: usize = 8;

/// A slot that is not forwarded yet, and the old object to be remembered if it then refers to a young one (0: none).
#[derive(Clone, Copy, Default)]
struct Waiting {
    slot: u32,
    holder: u32,
}

/// What a collection copied.
pub(crate) struct Traced {
    /// Bytes that are in the old space now.
    pub promoted: u64,
    /// Bytes that are in the survivor space now.
    pub kept_young: u64,
}

/// The state of one collection. The copies that were not scanned yet are the work list (Cheney): those in the survivor space from
/// `survivor_scan`, those in the old run being filled from `old_scan`, those in runs filled before (`filled`), and marked large objects.
pub(crate) struct Tracer<'a, L: ?Sized, const FULL: bool> {
    memory: &'a Memory,
    layouts: &'a L,
    pages: &'a mut Pages,
    large: &'a mut Large,
    remembered: &'a mut Vec<u32>,
    blocks: &'a mut Vec<Block>,
    old_bytes: &'a mut u64,
    old: &'a mut Bump,
    old_scan: u32,
    filled: Vec<std::ops::Range<u32>>,
    survivors: &'a mut Bump,
    survivor_scan: u32,
    /// Survivors of the last collection: young for the second time.
    aged: Bump,
    marked: Vec<u32>,
    promoted: u64,
    /// A ring: an object's header is asked for when a slot is put in, and read when the slot is taken out.
    waiting: [Waiting; WAITING],
    next_waiting: usize,
}

impl Heap {
    /// Turns every run of the old space into one to be evacuated, forgets the remembered set, and lets nothing stay young.
    pub(crate) fn begin_full(&mut self) -> Vec<Block> {
        forget(&self.memory, &mut self.remembered);
        let from = std::mem::take(&mut self.blocks);
        from.iter().for_each(|block| self.pages.set(&block.run, Use::From));
        self.old_bytes = 0;
        self.old = Bump { start: 0, next: 0, end: 0 };
        from
    }
}

impl<'a, L: Layouts + ?Sized, const FULL: bool> Tracer<'a, L, FULL> {
    pub fn new(heap: &'a mut Heap, layouts: &'a L) -> Self {
        let aged = heap.young.survivors;
        let mut survivors = heap.young.empty_survivors();
        if FULL {
            survivors.end = survivors.start;
        }
        heap.young.survivors = survivors;
        Tracer {
            memory: &heap.memory,
            layouts,
            pages: &mut heap.pages,
            large: &mut heap.large,
            remembered: &mut heap.remembered,
            blocks: &mut heap.blocks,
            old_bytes: &mut heap.old_bytes,
            old_scan: heap.old.next,
            old: &mut heap.old,
            filled: Vec::new(),
            survivor_scan: survivors.start,
            survivors: &mut heap.young.survivors,
            aged,
            marked: Vec::new(),
            promoted: 0,
            waiting: [Waiting::default(); WAITING],
            next_waiting: 0,
        }
    }

    /// Traces from the roots to the end.
    pub fn run(mut self, roots: &mut (impl Roots + ?Sized), host_roots: &mut HostRoots) -> Traced {
        roots.visit(&mut |reference| Ref::from_bits(self.forward(reference.bits())));
        host_roots.visit(|reference| Ref::from_bits(self.forward(reference.bits())));
        self.drain();
        if let Some(block) = self.blocks.last_mut() {
            block.used = self.old.next;
        }
        Traced { promoted: self.promoted, kept_young: u64::from(self.survivors.used()) }
    }

    /// Scans old objects that may refer to young ones; those that still do stay remembered.
    pub fn trace_remembered(&mut self) {
        for at in std::mem::take(self.remembered) {
            let word = self.memory.load32(at + OFF_WORD);
            if word & CARDS != 0 {
                self.memory.store32(at + OFF_WORD, word & !REMEMBERED);
                self.scan_cards(at);
            } else {
                self.memory.store32(at + OFF_WORD, word | LOGGABLE);
                self.scan_old(at);
            }
        }
    }

    fn drain(&mut self) {
        loop {
            if self.survivor_scan < self.survivors.next {
                let at = self.survivor_scan;
                self.survivor_scan = at + self.scan(at, 0);
            } else if self.old_scan < self.old.next {
                let at = self.old_scan;
                // Before the scan, which may go on to another run and leave the rest of this one in `filled`.
                self.old_scan = at + self.size_of(at);
                self.scan_old(at);
            } else if let Some(range) = self.filled.pop() {
                self.scan_range(range);
            } else if let Some(at) = self.marked.pop() {
                self.scan_large(at);
            } else if !self.forward_waiting() {
                return;
            }
        }
    }

    /// Forwards all slots that wait; whether there were any.
    fn forward_waiting(&mut self) -> bool {
        let mut any = false;
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.slot != 0 {
                self.forward_slot(waiting);
                any = true;
            }
        }
        any
    }

    /// Lets a slot wait, and forwards the one that has waited longest.
    #[inline(always)]
    fn wait(&mut self, slot: u32, holder: u32) {
        let target = self.memory.load32(slot);
        if target & 7 != 0 || target < NULL_GUARD {
            return;
        }
        if !FULL && target >= YOUNG_END && self.large.young_bytes == 0 {
            return;
        }
        self.memory.prefetch(target);
        let at = self.next_waiting;
        self.next_waiting = (at + 1) % WAITING;
        let first = std::mem::replace(&mut self.waiting[at], Waiting { slot, holder });
        if first.slot != 0 {
            self.forward_slot(first);
        }
    }

    #[inline(always)]
    fn forward_slot(&mut self, Waiting { slot, holder }: Waiting) {
        if self.scan_slot(slot) && holder != 0 {
            let word = self.memory.load32(holder + OFF_WORD);
            if word & LOGGABLE != 0 {
                self.memory.store32(holder + OFF_WORD, word & !LOGGABLE);
                self.remembered.push(holder);
            }
        }
    }

    fn scan_range(&mut self, range: std::ops::Range<u32>) {
        let mut at = range.start;
        while at < range.end {
            at += self.scan_old(at);
        }
    }

    /// Where the object of a reference is after this collection.
    #[inline(always)]
    fn forward(&mut self, at: u32) -> u32 {
        // Null, `i31`; and what no sound program has.
        if at & 7 != 0 || at < NULL_GUARD {
            return at;
        }
        if FULL { self.forward_full(at) } else { self.forward_minor(at) }
    }

    #[inline(always)]
    fn forward_minor(&mut self, at: u32) -> u32 {
        if at >= YOUNG_END {
            if self.large.young_bytes != 0 && self.pages.of(at) == Use::LargeYoung {
                self.mark(at);
            }
            return at;
        }
        let word = self.memory.load32(at + OFF_WORD);
        if word & FORWARDED != 0 {
            return word & !7;
        }
        if self.survivors.contains(at) {
            return at;
        }
        let size = self.size_of(at);
        let to = match self.aged.contains(at) {
            true => None,
            false => self.survivors.alloc(size),
        };
        match to {
            Some(to) => self.copy(at, to, size, 0),
            None => self.promote(at, size),
        }
    }

    #[inline(always)]
    fn forward_full(&mut self, at: u32) -> u32 {
        match self.pages.of(at) {
            Use::Young | Use::From => {
                let word = self.memory.load32(at + OFF_WORD);
                if word & FORWARDED != 0 {
                    return word & !7;
                }
                let size = self.size_of(at);
                self.promote(at, size)
            }
            Use::Large | Use::LargeYoung => {
                self.mark(at);
                at
            }
            Use::Old | Use::Clean | Use::Dirty => at,
        }
    }

    #[inline(always)]
    fn promote(&mut self, at: u32, size: u32) -> u32 {
        let to = match self.old.alloc(size) {
            Some(to) => to,
            None => self.next_block(size),
        };
        self.promoted += u64::from(size);
        self.copy(at, to, size, LOGGABLE)
    }

    #[inline(always)]
    fn copy(&mut self, from: u32, to: u32, size: u32, word: u32) -> u32 {
        self.memory.copy_words(from, to, size);
        self.memory.store32(to + OFF_WORD, word);
        self.memory.store32(from + OFF_WORD, to | FORWARDED);
        to
    }

    /// Goes on in a fresh run, with `size` bytes of it.
    #[cold]
    #[inline(never)]
    fn next_block(&mut self, size: u32) -> u32 {
        if let Some(block) = self.blocks.last_mut() {
            block.used = self.old.next;
            self.filled.push(self.old_scan..self.old.next);
        }
        let run = self.pages.alloc_block().expect("`Heap::collect` has checked that there is room");
        *self.old_bytes += u64::from(run.end - run.start);
        *self.old = Bump { start: run.start, next: run.start, end: run.end };
        self.old_scan = run.start;
        self.blocks.push(Block { used: run.start, run });
        self.old.alloc(size).expect("every run has room for a small object")
    }

    /// Marks a large object and puts it on the work list, unless that was done before.
    #[cold]
    fn mark(&mut self, at: u32) {
        let word = self.memory.load32(at + OFF_WORD);
        if word & MARKED != 0 {
            return;
        }
        let layout = self.layout(at);
        let cards = layout.kind() == Kind::Array && layout.has_references();
        let cards = if cards { CARDS } else { 0 };
        self.memory.store32(at + OFF_WORD, MARKED | LOGGABLE | cards);
        self.marked.push(at);
    }

    #[inline(always)]
    fn layout(&self, at: u32) -> &'a Layout {
        match self.memory.load32(at + OFF_TYPE) {
            TYPE_EXTERN_BOX => &object::EXTERN_BOX,
            type_id => self.layouts.layout(type_id),
        }
    }

    /// Bytes of a small object.
    #[inline(always)]
    fn size_of(&self, at: u32) -> u32 {
        let layout = self.layout(at);
        match layout.kind() {
            Kind::Struct => layout.size(),
            Kind::Array => array_size(layout.size(), self.memory.load32(at + OFF_LEN)) as u32,
        }
    }

    /// Forwards the reference at `slot`; whether it is to a young object now.
    #[inline(always)]
    fn scan_slot(&mut self, slot: u32) -> bool {
        let old = self.memory.load32(slot);
        let new = self.forward(old);
        if new != old {
            self.memory.store32(slot, new);
        }
        !FULL && is_young(new)
    }

    /// Scans an object; its size. `holder` is it, if it is old, or 0.
    #[inline(always)]
    fn scan(&mut self, at: u32, holder: u32) -> u32 {
        let layout = self.layout(at);
        match layout.kind() {
            Kind::Struct => {
                let mut bits = layout.near_references();
                while bits != 0 {
                    self.wait(at + object::HEADER + 4 * bits.trailing_zeros(), holder);
                    bits &= bits - 1;
                }
                for offset in layout.far_references() {
                    self.wait(at + offset, holder);
                }
                layout.size()
            }
            Kind::Array => {
                let len = self.memory.load32(at + OFF_LEN);
                if layout.has_references() {
                    for index in 0..len {
                        self.wait(at + layout.elements() + 4 * index, holder);
                    }
                }
                array_size(layout.size(), len) as u32
            }
        }
    }

    /// Scans an object that is old now; its size. It will be remembered if it refers to young ones.
    #[inline(always)]
    fn scan_old(&mut self, at: u32) -> u32 {
        self.scan(at, at)
    }

    fn scan_large(&mut self, at: u32) {
        if self.memory.load32(at + OFF_WORD) & CARDS == 0 {
            if self.layout(at).has_references() {
                self.scan_old(at);
            }
            return;
        }
        let elements = elements_of(self.memory, at);
        let young = self.scan_elements(elements, |tracer, slot| tracer.memory.set_card(slot, true));
        self.remember_cards(at, young);
    }

    /// Scans the dirty cards of a large array; those that refer to young objects stay dirty.
    fn scan_cards(&mut self, at: u32) {
        let elements = elements_of(self.memory, at);
        let mut any = false;
        let mut page = at;
        while page < elements.end {
            if self.memory.any_card(page) {
                for card in page >> LOG2_CARD..(page + PAGE) >> LOG2_CARD {
                    any |= self.scan_card(card << LOG2_CARD, &elements);
                }
            }
            page += PAGE;
        }
        self.remember_cards(at, any);
    }

    fn scan_card(&mut self, card: u32, elements: &std::ops::Range<u32>) -> bool {
        if !self.memory.card(card) {
            return false;
        }
        self.memory.set_card(card, false);
        let part = card.max(elements.start)..(card + (1 << LOG2_CARD)).min(elements.end);
        let young = self.scan_elements(part, |_, _| ());
        self.memory.set_card(card, young);
        young
    }

    fn scan_elements(
        &mut self,
        slots: std::ops::Range<u32>,
        mut found: impl FnMut(&mut Self, u32),
    ) -> bool {
        let mut any = false;
        for slot in slots.step_by(4) {
            // A header that the slot after next but some will ask for; beyond the end is harmless.
            self.memory.prefetch(self.memory.load32(slot + 4 * AHEAD));
            if self.scan_slot(slot) {
                any = true;
                found(self, slot);
            }
        }
        any
    }

    fn remember_cards(&mut self, at: u32, young: bool) {
        if young {
            let word = self.memory.load32(at + OFF_WORD);
            self.memory.store32(at + OFF_WORD, word | REMEMBERED);
            self.remembered.push(at);
        }
    }
}

/// Whether a reference is to an object in eden or a survivor space.
#[inline(always)]
pub(crate) fn is_young(at: u32) -> bool {
    at & 7 == 0 && (NULL_GUARD..YOUNG_END).contains(&at)
}
