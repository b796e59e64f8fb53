//! Owns host values and the boxes through which guests refer to them.
//! Does not own the conversion between `externref` and `anyref`: both are the same reference.

use std::any::Any;

use crate::heap::{Heap, OutOfMemory};
use crate::layout::Layouts;
use crate::memory::Memory;
use crate::object::{EXTERN_BOX_SIZE, FORWARDED, OFF_HANDLE, OFF_WORD, TYPE_EXTERN_BOX};
use crate::reference::Ref;
use crate::roots::Roots;
use crate::young::YOUNG_END;

/// A value of the host that a guest can hold.
pub type HostValue = Box<dyn Any + Send + Sync>;

#[derive(Default)]
struct Entry {
    value: Option<HostValue>,
    /// The box, while there is a value.
    object: u32,
}

/// Values by handle. A value lives as long as its box.
#[derive(Default)]
pub(crate) struct Externs {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Handles whose boxes are young.
    young: Vec<u32>,
}

impl Externs {
    /// After tracing: notes where boxes went; the values of those that died.
    pub fn sweep(&mut self, memory: &Memory, full: bool) -> Vec<HostValue> {
        let mut dead = Vec::new();
        let handles = match full {
            true => (0..self.entries.len() as u32).collect(),
            false => std::mem::take(&mut self.young),
        };
        self.young.clear();
        for handle in handles {
            let entry = &mut self.entries[handle as usize];
            if entry.value.is_none() {
                continue;
            }
            let word = memory.load32(entry.object + OFF_WORD);
            if word & FORWARDED == 0 {
                dead.extend(entry.value.take());
                self.free.push(handle);
                continue;
            }
            entry.object = word & !7;
            if entry.object < YOUNG_END {
                self.young.push(handle);
            }
        }
        dead
    }

    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

impl Heap {
    /// A new box around `value`. The value is dropped after a collection that finds the box unreachable, or with the heap.
    ///
    /// # Errors
    /// When there is no room for the box: then `value` is dropped.
    pub fn alloc_extern(
        &mut self,
        value: HostValue,
        layouts: &impl Layouts,
        roots: &mut impl Roots,
    ) -> Result<Ref, OutOfMemory> {
        let object = self.alloc(TYPE_EXTERN_BOX, u64::from(EXTERN_BOX_SIZE), layouts, roots)?;
        let externs = &mut self.externs;
        let handle = match externs.free.pop() {
            Some(handle) => handle,
            None => {
                externs.entries.push(Entry::default());
                externs.entries.len() as u32 - 1
            }
        };
        externs.entries[handle as usize] = Entry { value: Some(value), object: object.bits() };
        externs.young.push(handle);
        self.memory.store32(object.bits() + OFF_HANDLE, handle);
        Ok(object)
    }

    /// The host value in a box; `None` if `reference` is something else.
    pub fn extern_value(&self, reference: Ref) -> Option<&(dyn Any + Send + Sync)> {
        if self.type_of(reference)? != TYPE_EXTERN_BOX {
            return None;
        }
        let handle = self.memory.load32(reference.bits().wrapping_add(OFF_HANDLE));
        self.externs.entries.get(handle as usize)?.value.as_deref()
    }

    /// How many host values are held.
    pub fn extern_count(&self) -> usize {
        self.externs.len()
    }
}
