//! Owns what a host does with references: handles that keep objects alive, values of its own, access to fields and elements.
//! Does not own the public types for them (the engine's API) nor checks of types: callers have made those.

use std::any::Any;
use std::sync::Arc;

use sterna_abi::Slot;
use sterna_gc::{Heap, HostValue, Owned, Ref, ScopeMark, Scoped, Storage};
use sterna_isa::TrapCode;

use super::fields;
use super::operators::{AllocSize, Elements, fill, object_of};
use crate::store::Store;
use crate::types::TypeInfo;

/// A reference that is not null as a host holds it: an `i31` as itself (odd), else a scoped handle of the heap (even).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held(u64);

impl Held {
    /// `ref.i31`: the low 31 bits of `value`.
    pub fn from_i31(value: u32) -> Held {
        Held(Ref::from_i31(value).bits().into())
    }

    /// The value of an `i31`, sign-extended.
    pub fn i31(self) -> Option<i32> {
        let reference = Ref::from_bits(self.0 as u32);
        reference.is_i31().then(|| reference.i31_signed())
    }

    /// Whether too many were held when it was made.
    pub fn is_refused(self) -> bool {
        Scoped::from_bits(self.0).is_refused()
    }
}

impl Store {
    // ------------------------------------------------------------------------------------------ handles

    /// Keeps what a reference refers to alive until the innermost scope ends; without a scope, until the store is dropped.
    pub fn hold(&self, reference: Slot) -> Held {
        match &self.gc.heap {
            Some(heap) if Ref::from_bits(reference as u32).is_object() => {
                Held(heap.scope(Ref::from_bits(reference as u32)).to_bits())
            }
            _ => Held(reference),
        }
    }

    /// The reference that is held; `None` if its scope has ended, or if too many were held when it was made.
    pub fn held(&self, held: Held) -> Option<Slot> {
        if held.i31().is_some() {
            return Some(held.0);
        }
        let reference = self.gc.heap.as_ref()?.scoped(Scoped::from_bits(held.0))?;
        Some(reference.bits().into())
    }

    /// As [`Store::hold`], faster.
    #[inline]
    pub fn hold_mut(&mut self, reference: Slot) -> Held {
        match &mut self.gc.heap {
            Some(heap) if Ref::from_bits(reference as u32).is_object() => {
                Held(heap.scope_mut(Ref::from_bits(reference as u32)).to_bits())
            }
            _ => Held(reference),
        }
    }

    /// As [`Store::held`], faster.
    #[inline]
    pub fn held_mut(&mut self, held: Held) -> Option<Slot> {
        if held.i31().is_some() {
            return Some(held.0);
        }
        let reference = self.gc.heap.as_mut()?.scoped_mut(Scoped::from_bits(held.0))?;
        Some(reference.bits().into())
    }

    /// Keeps what a reference refers to alive until all clones of the result are dropped. `None` when 2^32 are kept so.
    pub fn own(&mut self, reference: Slot) -> Result<Owned, TrapCode> {
        self.heap()?.own(Ref::from_bits(reference as u32)).ok_or(TrapCode::HeapExhausted)
    }

    /// The reference that is owned; `None` if it is of another store.
    pub fn owned(&self, owned: &Owned) -> Option<Slot> {
        Some(self.gc.heap.as_ref()?.owned(owned)?.bits().into())
    }

    /// Begins a scope: what is held from now on is held until it ends.
    pub fn begin_scope(&mut self) -> ScopeMark {
        self.gc.heap.as_mut().map_or_else(ScopeMark::default, |heap| heap.begin_scope())
    }

    /// Ends a scope, and those inside of it.
    pub fn end_scope(&mut self, mark: ScopeMark) {
        if let Some(heap) = &mut self.gc.heap {
            heap.end_scope(mark);
        }
    }

    /// Ends the scope of a host function; whether values of the host are to be dropped then.
    pub(crate) fn end_host_call(&mut self, mark: ScopeMark) -> bool {
        self.gc.heap.as_mut().is_some_and(|heap| {
            heap.end_scope(mark);
            heap.has_dead()
        })
    }

    /// How many references are held in scopes.
    pub fn held_count(&self) -> usize {
        self.gc.heap.as_ref().map_or(0, |heap| heap.scoped_count())
    }

    // ------------------------------------------------------------------------------------------ values of the host

    /// An `externref` to a value of the host. The value is dropped some time after the last reference to it is gone.
    ///
    /// # Errors
    /// When the heap is exhausted: then the value is dropped.
    pub fn extern_ref(&mut self, value: HostValue) -> Result<Slot, TrapCode> {
        let made = self.with_roots(&[], |heap, engine, roots| {
            heap.alloc_extern(value, &engine.types.layouts(), roots)
        });
        self.drop_dead_values();
        Ok(made?.bits().into())
    }

    /// The host value of a reference; `None` if it refers to something else.
    pub fn extern_value(&self, reference: Slot) -> Option<&(dyn Any + Send + Sync)> {
        self.gc.heap.as_ref()?.extern_value(Ref::from_bits(reference as u32))
    }

    /// How many values of the host there are.
    pub fn extern_count(&self) -> usize {
        self.gc.heap.as_ref().map_or(0, |heap| heap.extern_count())
    }

    /// Drops the values of the host that nothing refers to any more. Not done where collections happen: a value's code may panic, and take
    /// locks of the engine.
    ///
    /// # Panics
    /// When a value's code does.
    pub(crate) fn drop_dead_values(&mut self) {
        if let Some(heap) = &mut self.gc.heap
            && heap.has_dead()
        {
            drop(heap.take_dead());
        }
    }

    // ------------------------------------------------------------------------------------------ objects

    /// The type of a structure or array; `None` for everything else.
    pub fn object_info(&self, reference: Slot) -> Option<Arc<TypeInfo>> {
        let id = self.object_type(Ref::from_bits(reference as u32))?;
        Some(self.engine.type_info(id))
    }

    /// A structure, with values of its fields' types.
    ///
    /// # Errors
    /// When the heap is exhausted.
    ///
    /// # Panics
    /// If it is no structure type, or of another number of fields.
    pub fn new_struct(
        &mut self,
        ty: &TypeInfo,
        values: &mut [[Slot; 2]],
    ) -> Result<Slot, TrapCode> {
        let object = object_of(ty);
        assert_eq!(object.storage.len(), values.len(), "callers have counted the fields");
        let new = self.allocate_for_host(ty, AllocSize::Struct, values)?;
        let heap = self.heap()?;
        for ((&storage, &offset), value) in object.storage.iter().zip(&object.offsets).zip(values) {
            fields::store(heap, new, offset, storage, *value)?;
        }
        Ok(new.bits().into())
    }

    /// An array of elements with the values, which are of the element type.
    ///
    /// # Errors
    /// When the heap is exhausted.
    ///
    /// # Panics
    /// If it is no array type.
    pub fn new_array(&mut self, ty: &TypeInfo, values: &mut [[Slot; 2]]) -> Result<Slot, TrapCode> {
        let len = u32::try_from(values.len()).map_err(|_| TrapCode::HeapExhausted)?;
        let new = self.allocate_for_host(ty, AllocSize::Array(len), values)?;
        let elements = Elements::all(new, ty, len);
        let heap = self.heap()?;
        for (index, value) in (0..).zip(values) {
            fields::store(heap, new, elements.offset(index), elements.storage, *value)?;
        }
        Ok(new.bits().into())
    }

    /// An array of `len` elements that are all `value`.
    ///
    /// # Errors
    /// When the heap is exhausted.
    ///
    /// # Panics
    /// If it is no array type.
    pub fn new_array_of(
        &mut self,
        ty: &TypeInfo,
        len: u32,
        value: [Slot; 2],
    ) -> Result<Slot, TrapCode> {
        let mut values = [value];
        let new = self.allocate_for_host(ty, AllocSize::Array(len), &mut values)?;
        fill(self.heap()?, &Elements::all(new, ty, len), values[0])?;
        Ok(new.bits().into())
    }

    /// Allocates, and updates references among the values.
    fn allocate_for_host(
        &mut self,
        ty: &TypeInfo,
        size: AllocSize,
        values: &mut [[Slot; 2]],
    ) -> Result<Ref, TrapCode> {
        let object = object_of(ty);
        let mut roots = Vec::new();
        for (index, value) in values.iter_mut().enumerate() {
            let storage = object.storage.get(index).or(object.storage.last());
            if storage == Some(&Storage::Ref) {
                roots.push(&raw mut value[0]);
            }
        }
        let new = self.allocate(ty, size, &roots);
        self.drop_dead_values();
        new
    }

    /// A field of a structure, zero-extended if it is packed. The type is the structure's.
    ///
    /// # Panics
    /// If the type has no such field.
    pub fn field(&self, reference: Slot, ty: &TypeInfo, index: usize) -> [Slot; 2] {
        let object = object_of(ty);
        self.load_at(reference, object.offsets[index], object.storage[index])
    }

    /// Sets a field of a structure to a value of its type. The type is the structure's.
    ///
    /// # Errors
    /// When the heap is exhausted.
    ///
    /// # Panics
    /// If the type has no such field.
    pub fn set_field(
        &mut self,
        reference: Slot,
        ty: &TypeInfo,
        index: usize,
        value: [Slot; 2],
    ) -> Result<(), TrapCode> {
        let object = object_of(ty);
        let (offset, storage) = (object.offsets[index], object.storage[index]);
        fields::store(self.heap()?, Ref::from_bits(reference as u32), offset, storage, value)
    }

    /// The length of an array.
    pub fn array_len(&self, reference: Slot) -> u32 {
        self.objects().array_len(Ref::from_bits(reference as u32))
    }

    /// An element of an array, zero-extended if it is packed. The type is the array's, which has such an element.
    pub fn element(&self, reference: Slot, ty: &TypeInfo, index: u32) -> [Slot; 2] {
        let elements = Elements::all(Ref::from_bits(reference as u32), ty, 0);
        self.load_at(reference, elements.offset(index), elements.storage)
    }

    /// Sets an element of an array to a value of its type. The type is the array's, which has such an element.
    ///
    /// # Errors
    /// When the heap is exhausted.
    pub fn set_element(
        &mut self,
        reference: Slot,
        ty: &TypeInfo,
        index: u32,
        value: [Slot; 2],
    ) -> Result<(), TrapCode> {
        let array = Ref::from_bits(reference as u32);
        let elements = Elements::all(array, ty, 0);
        fields::store(self.heap()?, array, elements.offset(index), elements.storage, value)
    }

    fn load_at(&self, reference: Slot, offset: u32, storage: Storage) -> [Slot; 2] {
        fields::load(self.objects(), Ref::from_bits(reference as u32), offset, storage, false)
    }

    fn objects(&self) -> &Heap {
        self.gc.heap.as_ref().expect("whoever has an object has a heap")
    }
}
