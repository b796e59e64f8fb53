//! Owns the table through which fields of function type refer to functions, whose references are native pointers.
//! Does not know what the pointers point to.

use std::collections::HashMap;

use crate::heap::Heap;

/// Pointers by index and back. Index 0 is null. Entries live as long as the heap: a store has few functions.
#[derive(Debug, Default)]
pub(crate) struct Funcs {
    indices: HashMap<u64, u32>,
    pointers: Vec<u64>,
}

impl Heap {
    /// The index that stands for function reference `pointer` in fields; `None` when 2^32 are in use.
    pub fn intern_func(&mut self, pointer: u64) -> Option<u32> {
        if pointer == 0 {
            return Some(0);
        }
        if let Some(index) = self.funcs.indices.get(&pointer) {
            return Some(*index);
        }
        let index = u32::try_from(self.funcs.pointers.len() + 1).ok()?;
        self.funcs.pointers.push(pointer);
        self.funcs.indices.insert(pointer, index);
        Some(index)
    }

    /// The function reference that `index` stands for, 0 being null; `None` for an index that was never given out.
    pub fn func(&self, index: u32) -> Option<u64> {
        match index.checked_sub(1) {
            None => Some(0),
            Some(at) => self.funcs.pointers.get(at as usize).copied(),
        }
    }
}
