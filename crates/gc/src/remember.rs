//! Owns the write barrier and the set of old objects that may refer to young ones.
//! Does not scan them: `collect` does.

use crate::heap::Heap;
use crate::memory::{LOG2_CARD, Memory, NULL_GUARD};
use crate::object::{CARDS, LOGGABLE, OFF_LEN, OFF_WORD, REMEMBERED};
use crate::reference::Ref;

impl Heap {
    /// The write barrier: a reference is stored into `object` at byte `offset` from it. Needed if the object's collector word
    /// has [`crate::object::LOGGABLE`]; else it does nothing.
    pub fn barrier(&mut self, object: Ref, offset: u32) {
        self.barrier_range(object, offset, 4);
    }

    /// As [`Heap::barrier`], for references stored anywhere in `len` bytes.
    pub fn barrier_range(&mut self, object: Ref, offset: u32, len: u32) {
        let at = object.bits();
        if at < NULL_GUARD || at & 7 != 0 || len == 0 {
            return;
        }
        let word = self.memory.load32(at + OFF_WORD);
        if word & LOGGABLE == 0 {
            return;
        }
        if word & CARDS == 0 {
            self.memory.store32(at + OFF_WORD, word & !LOGGABLE);
            self.remembered.push(at);
            return;
        }
        let first = at.wrapping_add(offset);
        let last = first.saturating_add(len - 1);
        for card in first >> LOG2_CARD..=last >> LOG2_CARD {
            self.memory.set_card(card << LOG2_CARD, true);
        }
        if word & REMEMBERED == 0 {
            self.memory.store32(at + OFF_WORD, word | REMEMBERED);
            self.remembered.push(at);
        }
    }
}

/// The bytes of a large array of references that hold its elements.
pub(crate) fn elements_of(memory: &Memory, at: u32) -> std::ops::Range<u32> {
    let start = at + crate::object::elements_offset(4);
    start..start + 4 * memory.load32(at + OFF_LEN)
}

/// Forgets everything before a full collection, which leaves nothing young.
pub(crate) fn forget(memory: &Memory, remembered: &mut Vec<u32>) {
    for at in remembered.drain(..) {
        if memory.load32(at + OFF_WORD) & CARDS == 0 {
            continue;
        }
        let elements = elements_of(memory, at);
        for card in at >> LOG2_CARD..=(elements.end - 1) >> LOG2_CARD {
            memory.set_card(card << LOG2_CARD, false);
        }
    }
}
