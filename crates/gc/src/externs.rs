//! Owns host values and the boxes through which guests refer to them.
//! Does not own the conversion between `externref` and `anyref`: there is none, both are the same reference.

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

/// Bytes of new values after which there is a collection even if eden has room: boxes are small, what is in them is not.
const MOST_NEW: u64 = 1 << 20;
/// Bytes of values up to which no collection is a full one because of them.
const MIN_FULL: u64 = 4 << 20;
/// A full collection has to look at all objects: for so many bytes of them, one more byte of values is left to pile up.
const PATIENCE: u64 = 4;

/// Bytes that a value is charged with, beside its box: its own size (not what it refers to), its entry, what an allocation costs.
fn cost(value: &HostValue) -> u64 {
    const OVERHEAD: usize = size_of::<Entry>() + 16;
    (size_of_val::<dyn Any + Send + Sync>(&**value) + OVERHEAD) as u64
}

/// Values by handle. A value lives as long as its box.
#[derive(Default)]
pub(crate) struct Externs {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Handles whose boxes are young.
    young: Vec<u32>,
    /// Bytes of all values; likewise below.
    bytes: u64,
    /// Of those made since the last collection.
    new: u64,
    /// How many may pile up before a full collection.
    full_at: u64,
    /// Values whose boxes died.
    dead: Vec<HostValue>,
}

impl Externs {
    /// Whether so many were made that dead ones ought to be looked for among old objects.
    pub fn crowded(&self) -> bool {
        self.bytes >= self.full_at.max(MIN_FULL)
    }

    /// Bytes that all values are charged with.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// After tracing, with `live` bytes of objects after a full collection: notes where boxes went, and which ones died.
    pub fn sweep(&mut self, memory: &Memory, live: Option<u64>) {
        let handles = match live {
            Some(_) => (0..self.entries.len() as u32).collect(),
            None => std::mem::take(&mut self.young),
        };
        self.new = 0;
        self.young.clear();
        for handle in handles {
            let entry = &mut self.entries[handle as usize];
            let Some(value) = &entry.value else { continue };
            let word = memory.load32(entry.object + OFF_WORD);
            if word & FORWARDED == 0 {
                self.bytes -= cost(value);
                self.dead.extend(entry.value.take());
                self.free.push(handle);
                continue;
            }
            entry.object = word & !7;
            if entry.object < YOUNG_END {
                self.young.push(handle);
            }
        }
        if let Some(live) = live {
            self.full_at = 2 * self.bytes + live / PATIENCE;
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

impl Heap {
    /// A new box around `value`. After a collection that finds the box unreachable, the value is one of [`Heap::take_dead`].
    /// Collects also when values of many bytes were made since the last time.
    ///
    /// # Errors
    /// When there is no room for the box: then `value` is dropped.
    pub fn alloc_extern(
        &mut self,
        value: HostValue,
        layouts: &impl Layouts,
        roots: &mut impl Roots,
    ) -> Result<Ref, OutOfMemory> {
        let cost = cost(&value);
        let extra = u32::try_from(cost).map_err(|_| OutOfMemory)?;
        if self.externs.new + cost > MOST_NEW || !self.fits(extra) {
            self.make_room(extra, layouts, roots)?;
        }
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
        externs.new += cost;
        externs.bytes += cost;
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

    /// Values that no reference leads to any more, for the caller to drop when arbitrary code may run. They are dropped with the heap at
    /// the latest.
    pub fn take_dead(&mut self) -> Vec<HostValue> {
        std::mem::take(&mut self.externs.dead)
    }

    /// Whether [`Heap::take_dead`] has something to take.
    pub fn has_dead(&self) -> bool {
        !self.externs.dead.is_empty()
    }
}
