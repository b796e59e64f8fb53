//! Owns exceptions as objects of the heap: making them, and reading their tag and payload.
//! Does not own throwing them, nor what the host has of them (`crate::exception`).

use std::ptr::NonNull;

use sterna_abi::Slot;
use sterna_abi::gc::ObjectLayout;
use sterna_gc::{Ref, Storage, object};
use sterna_isa::TrapCode;

use super::fields::{self, slots_of};
use crate::store::Store;
use crate::tag::Tag;

/// The fields of a payload: how each is stored, where in the object, and its first slot.
fn payload(layout: &ObjectLayout) -> impl Iterator<Item = (Storage, u32, usize)> {
    let mut slot = 0;
    layout.storage.iter().zip(&layout.offsets).map(move |(&storage, &offset)| {
        let at = slot;
        slot += slots_of(storage);
        (storage, offset, at)
    })
}

impl Store {
    /// A new exception of a tag, its payload in slots at `from`.
    ///
    /// # Errors
    /// When the heap is exhausted.
    ///
    /// # Safety
    /// The tag must be of this store; the slots must hold values of its type, and may be changed: objects move.
    pub(crate) unsafe fn new_exception(
        &mut self,
        tag: NonNull<Tag>,
        from: *mut Slot,
    ) -> Result<Ref, TrapCode> {
        // SAFETY: tags live at fixed addresses as long as their store.
        let tag = unsafe { tag.as_ref() };
        let layout = tag.layout();
        let type_id = tag.ty.id | object::EXCEPTION_BIT;
        let inline =
            |heap: &mut Box<sterna_gc::Heap>| heap.alloc_inline(type_id, layout.layout.size());
        let exn = match self.gc.heap.as_mut().and_then(inline) {
            Some(exn) => exn,
            None => {
                let references = payload(layout).filter(|(storage, ..)| *storage == Storage::Ref);
                let roots: Vec<_> = references.map(|(.., slot)| from.wrapping_add(slot)).collect();
                self.with_roots(&roots, |heap, engine, roots| {
                    heap.alloc_struct(type_id, &engine.types.layouts(), roots)
                })?
            }
        };
        let heap = self.heap()?;
        heap.store_u32(exn, object::OFF_TAG, tag.number);
        for (storage, offset, slot) in payload(layout) {
            // SAFETY: the caller's promise.
            let low = unsafe { from.wrapping_add(slot).read() };
            let high = match storage {
                // SAFETY: as above; a vector has two slots.
                Storage::V128 => unsafe { from.wrapping_add(slot + 1).read() },
                _ => 0,
            };
            fields::store(heap, exn, offset, storage, [low, high])?;
        }
        Ok(exn)
    }

    /// The tag of an exception, which is not null.
    pub(crate) fn tag_of(&self, exn: Ref) -> &Tag {
        let heap = self.gc.heap.as_ref().expect("an exception is in the heap");
        &self.tags[heap.load_u32(exn, object::OFF_TAG) as usize]
    }

    /// Copies the payload of an exception, which is not null, into slots.
    ///
    /// # Safety
    /// There must be room for it.
    pub(crate) unsafe fn read_payload(&self, exn: Ref, to: *mut Slot) {
        let heap = self.gc.heap.as_ref().expect("an exception is in the heap");
        for (storage, offset, slot) in payload(self.tag_of(exn).layout()) {
            let [low, high] = fields::load(heap, exn, offset, storage, false);
            // SAFETY: the caller's promise.
            unsafe { to.wrapping_add(slot).write(low) };
            if storage == Storage::V128 {
                // SAFETY: as above; a vector has two slots.
                unsafe { to.wrapping_add(slot + 1).write(high) };
            }
        }
    }
}
