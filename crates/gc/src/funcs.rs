//! Owns the table through which fields of function type refer to functions, whose references are native pointers.
//! Does not know what the pointers point to.

use std::collections::HashMap;

use crate::heap::Heap;
use crate::memory::MAX_FUNCS;

/// Pointers to indices of the table, which lies in the heap's memory so that compiled code reaches it. Index 0 is null. Entries live
/// as long as the heap: a store has few functions.
#[derive(Debug, Default)]
pub(crate) struct Funcs {
    indices: HashMap<u64, u32>,
}

impl Heap {
    /// The index that stands for function reference `pointer` in fields; `None` when 2^24 are in use.
    pub fn intern_func(&mut self, pointer: u64) -> Option<u32> {
        if pointer == 0 {
            return Some(0);
        }
        if let Some(index) = self.funcs.indices.get(&pointer) {
            return Some(*index);
        }
        let at = self.funcs.indices.len() + 1;
        let index = u32::try_from(at).ok().filter(|_| at < MAX_FUNCS)?;
        self.funcs.indices.insert(pointer, index);
        self.memory.set_func(index, pointer);
        Some(index)
    }

    /// The function reference that `index` stands for; 0 (null) for an index that was never given out.
    pub fn func(&self, index: u32) -> u64 {
        self.memory.func(index)
    }
}
