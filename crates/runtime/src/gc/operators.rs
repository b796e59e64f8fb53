//! Owns carrying out the operators on structures, arrays and `i31` on operands in slots.
//! Does not own how fields are stored (`fields`) nor tests of types (`casts`).

use std::ops::Range;
use std::sync::Arc;

use sterna_abi::gc::ObjectLayout;
use sterna_abi::{FuncRef, Slot, VmCtx};
use sterna_gc::{Heap, Ref, Storage, object};
use sterna_isa::{Op, TrapCode};

use super::fields::{self, slots_of as slots};
use crate::builtins;
use crate::instance::Instance;
use crate::store::Store;
use crate::types::TypeInfo;

type Done = Result<(), TrapCode>;

/// What is to be allocated.
#[derive(Clone, Copy)]
pub(crate) enum AllocSize {
    /// A structure.
    Struct,
    /// An array of that many elements.
    Array(u32),
}

/// Builtin `gc`.
///
/// # Safety
/// Guest code must call it with its vmctx, an operator's number and immediates, and its operands.
pub(crate) unsafe extern "C" fn gc(vmctx: *mut VmCtx, op: u32, a: u32, b: u32, at: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, instance) = unsafe { builtins::context(vmctx) };
    let operands = Operands(at as *mut Slot);
    if let Err(code) = store.object_operator(instance, Op::ALL[op as usize], a, b, operands) {
        store.set_trap(code, None);
    }
    0
}

/// Builtin `barrier`.
///
/// # Safety
/// Guest code must call it with its vmctx and a reference to an object.
pub(crate) unsafe extern "C" fn barrier(vmctx: *mut VmCtx, object: u64, offset: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, _) = unsafe { builtins::context(vmctx) };
    if let Some(heap) = &mut store.gc.heap {
        heap.barrier(Ref::from_bits(object as u32), offset as u32);
    }
    0
}

/// Builtin `intern_func`.
///
/// # Safety
/// Guest code must call it with its vmctx and a reference to a function of its store.
pub(crate) unsafe extern "C" fn intern_func(vmctx: *mut VmCtx, func: u64) -> u64 {
    // SAFETY: called by guest code with its vmctx.
    let (store, _) = unsafe { builtins::context(vmctx) };
    let index = store.heap().and_then(|heap| heap.intern_func(func).ok_or(TrapCode::HeapExhausted));
    match index {
        Ok(index) => {
            let at = (func as *mut FuncRef).wrapping_byte_add(FuncRef::OFF_HEAP_INDEX as usize);
            // SAFETY: a function reference is the address of a live `FuncRef`, which guest code and the runtime reach through raw pointers.
            unsafe { at.cast::<u32>().write(index) };
            u64::from(index)
        }
        Err(code) => {
            store.set_trap(code, None);
            0
        }
    }
}

/// The operands of an operator, and where its result goes: live slots that nobody else uses meanwhile.
#[derive(Clone, Copy)]
struct Operands(*mut Slot);

impl Operands {
    fn at(self, index: usize) -> *mut Slot {
        self.0.wrapping_add(index)
    }

    fn get(self, index: usize) -> Slot {
        // SAFETY: callers ask for slots that the operator has.
        unsafe { self.at(index).read() }
    }

    fn int(self, index: usize) -> u32 {
        self.get(index) as u32
    }

    fn reference(self, index: usize) -> Ref {
        Ref::from_bits(self.int(index))
    }

    /// A value of one or two slots.
    fn value(self, index: usize, storage: Storage) -> [Slot; 2] {
        let high = if storage == Storage::V128 { self.get(index + 1) } else { 0 };
        [self.get(index), high]
    }

    fn set(self, value: Slot) -> Done {
        // SAFETY: there is room for the result.
        unsafe { self.0.write(value) };
        Ok(())
    }

    fn set_value(self, value: [Slot; 2], storage: Storage) -> Done {
        if storage == Storage::V128 {
            // SAFETY: as above.
            unsafe { self.at(1).write(value[1]) };
        }
        self.set(value[0])
    }
}

/// An array's element type, and its elements that an operator names.
pub(super) struct Elements {
    array: Ref,
    pub(super) storage: Storage,
    /// Byte offset of the first one.
    start: u32,
    len: u32,
}

impl Elements {
    /// The first `len` elements.
    pub(super) fn all(array: Ref, ty: &TypeInfo, len: u32) -> Elements {
        let object = object_of(ty);
        Elements { array, storage: object.storage[0], start: object.layout.elements(), len }
    }

    pub(super) fn offset(&self, index: u32) -> u32 {
        self.start + index * self.storage.size()
    }

    fn bytes(&self) -> u32 {
        self.len * self.storage.size()
    }
}

impl Store {
    fn object_operator(
        &mut self,
        instance: &mut Instance,
        op: Op,
        a: u32,
        b: u32,
        operands: Operands,
    ) -> Done {
        // tidy: dispatch
        match op {
            Op::StructNew => self.struct_new(instance, a, operands),
            Op::StructNewDefault => {
                let new = self.allocate(type_of(instance, a), AllocSize::Struct, &[])?;
                operands.set(new.bits().into())
            }
            Op::StructGet | Op::StructGetU => self.struct_get(instance, a, b, operands, false),
            Op::StructGetS => self.struct_get(instance, a, b, operands, true),
            Op::StructSet => self.struct_set(instance, a, b, operands),
            Op::ArrayNew => self.array_new(instance, a, operands),
            Op::ArrayNewDefault => {
                let size = AllocSize::Array(operands.int(0));
                let new = self.allocate(type_of(instance, a), size, &[])?;
                operands.set(new.bits().into())
            }
            Op::ArrayNewFixed => self.array_new_fixed(instance, a, b, operands),
            Op::ArrayNewData => self.array_new_data(instance, a, b, operands),
            Op::ArrayNewElem => self.array_new_elem(instance, a, b, operands),
            Op::ArrayGet | Op::ArrayGetU => self.array_get(instance, a, operands, false),
            Op::ArrayGetS => self.array_get(instance, a, operands, true),
            Op::ArraySet => self.array_set(instance, a, operands),
            Op::ArrayLen => {
                let array = not_null(operands.reference(0), TrapCode::NullArrayReference)?;
                let len = self.heap()?.array_len(array);
                operands.set(len.into())
            }
            Op::ArrayFill => self.array_fill(instance, a, operands),
            Op::ArrayCopy => self.array_copy(instance, a, b, operands),
            Op::ArrayInitData => self.array_init_data(instance, a, b, operands),
            Op::ArrayInitElem => self.array_init_elem(instance, a, b, operands),
            Op::RefTestNonNull | Op::RefTestNullable | Op::BrOnCast => {
                let is = self.is_of_type(instance, operands.get(0), a, b);
                operands.set(is.into())
            }
            Op::BrOnCastFail => {
                let is = self.is_of_type(instance, operands.get(0), a, b);
                operands.set((!is).into())
            }
            Op::RefCastNonNull | Op::RefCastNullable => {
                let is = self.is_of_type(instance, operands.get(0), a, b);
                if is { Ok(()) } else { Err(TrapCode::CastFailure) }
            }
            // Both hierarchies refer to the same objects in the same way.
            Op::AnyConvertExtern | Op::ExternConvertAny => Ok(()),
            Op::RefI31 => operands.set(Ref::from_i31(operands.int(0)).bits().into()),
            Op::I31GetS => {
                let value = not_null(operands.reference(0), TrapCode::NullI31Reference)?;
                operands.set(Slot::from(value.i31_signed() as u32))
            }
            Op::I31GetU => {
                let value = not_null(operands.reference(0), TrapCode::NullI31Reference)?;
                operands.set(value.i31_unsigned().into())
            }
            _ => Err(TrapCode::Unsupported),
        }
    }

    /// An operator of a constant expression, on operands in `slots`; its result is left in the first one. `below` are references that must
    /// be kept besides.
    ///
    /// # Safety
    /// `slots` must hold the operator's operands, and have room for its result.
    pub(crate) unsafe fn const_operator(
        &mut self,
        instance: &mut Instance,
        op: Op,
        a: u32,
        b: u32,
        slots: &mut [Slot],
        below: &[*mut Slot],
    ) -> Done {
        self.gc.kept.extend(below);
        let done = self.object_operator(instance, op, a, b, Operands(slots.as_mut_ptr()));
        self.gc.kept.clear();
        done
    }

    /// A new object, its fields zero or null. `operands` hold references that must be kept.
    pub(crate) fn allocate(
        &mut self,
        ty: &TypeInfo,
        size: AllocSize,
        operands: &[*mut Slot],
    ) -> Result<Ref, TrapCode> {
        let id = ty.id;
        if let Some(new) = self.allocate_inline(ty, size) {
            return Ok(new);
        }
        self.with_roots(operands, |heap, engine, roots| {
            let layouts = engine.types.layouts();
            match size {
                AllocSize::Struct => heap.alloc_struct(id, &layouts, roots),
                AllocSize::Array(len) => heap.alloc_array(id, len, &layouts, roots),
            }
        })
    }

    /// As compiled code would: without a collection, if there is room.
    fn allocate_inline(&mut self, ty: &TypeInfo, size: AllocSize) -> Option<Ref> {
        let layout = &object_of(ty).layout;
        let heap = self.gc.heap.as_mut()?;
        let (bytes, len) = match size {
            AllocSize::Struct => (u64::from(layout.size()), None),
            AllocSize::Array(len) => (object::array_size(layout.size(), len), Some(len)),
        };
        let bytes = u32::try_from(bytes).ok()?;
        let new = heap.alloc_inline(ty.id, bytes)?;
        heap.fill_bytes(new, object::HEADER, 0, bytes - object::HEADER);
        if let Some(len) = len {
            heap.store_u32(new, object::OFF_LEN, len);
        }
        Some(new)
    }

    fn struct_new(&mut self, instance: &Instance, a: u32, operands: Operands) -> Done {
        let ty = type_of(instance, a).clone();
        let object = object_of(&ty);
        let mut at = 0;
        let mut places = Vec::with_capacity(object.storage.len());
        let mut roots = Vec::new();
        for &storage in &object.storage {
            places.push(at);
            if storage == Storage::Ref {
                roots.push(operands.at(at));
            }
            at += slots(storage);
        }
        let new = self.allocate(&ty, AllocSize::Struct, &roots)?;
        let heap = self.heap()?;
        for ((&storage, &offset), place) in object.storage.iter().zip(&object.offsets).zip(places) {
            fields::store(heap, new, offset, storage, operands.value(place, storage))?;
        }
        operands.set(new.bits().into())
    }

    fn struct_get(
        &mut self,
        instance: &Instance,
        a: u32,
        b: u32,
        operands: Operands,
        signed: bool,
    ) -> Done {
        let object = object_of(type_of(instance, a));
        let (offset, storage) = (object.offsets[b as usize], object.storage[b as usize]);
        let reference = not_null(operands.reference(0), TrapCode::NullStructureReference)?;
        let value = fields::load(self.heap()?, reference, offset, storage, signed);
        operands.set_value(value, storage)
    }

    fn struct_set(&mut self, instance: &Instance, a: u32, b: u32, operands: Operands) -> Done {
        let object = object_of(type_of(instance, a));
        let (offset, storage) = (object.offsets[b as usize], object.storage[b as usize]);
        let reference = not_null(operands.reference(0), TrapCode::NullStructureReference)?;
        fields::store(self.heap()?, reference, offset, storage, operands.value(1, storage))
    }

    /// Elements `start..start + len` of an array of type index `a`.
    fn elements(
        &mut self,
        instance: &Instance,
        a: u32,
        array: Ref,
        start: u32,
        len: u32,
    ) -> Result<Elements, TrapCode> {
        let object = object_of(type_of(instance, a));
        let array = not_null(array, TrapCode::NullArrayReference)?;
        let end = start.checked_add(len).ok_or(TrapCode::ArrayOutOfBounds)?;
        if end > self.heap()?.array_len(array) {
            return Err(TrapCode::ArrayOutOfBounds);
        }
        let storage = object.storage[0];
        let start = object.layout.elements() + start * storage.size();
        Ok(Elements { array, storage, start, len })
    }

    fn array_new(&mut self, instance: &Instance, a: u32, operands: Operands) -> Done {
        let ty = type_of(instance, a).clone();
        let storage = object_of(&ty).storage[0];
        let len = operands.int(slots(storage));
        let root = [operands.at(0)];
        let roots = if storage == Storage::Ref { &root[..] } else { &[] };
        let new = self.allocate(&ty, AllocSize::Array(len), roots)?;
        let elements = self.elements(instance, a, new, 0, len)?;
        fill(self.heap()?, &elements, operands.value(0, storage))?;
        operands.set(new.bits().into())
    }

    fn array_new_fixed(
        &mut self,
        instance: &Instance,
        a: u32,
        len: u32,
        operands: Operands,
    ) -> Done {
        let ty = type_of(instance, a).clone();
        let storage = object_of(&ty).storage[0];
        let roots: Vec<*mut Slot> = match storage {
            Storage::Ref => (0..len as usize).map(|index| operands.at(index)).collect(),
            _ => Vec::new(),
        };
        let new = self.allocate(&ty, AllocSize::Array(len), &roots)?;
        let elements = self.elements(instance, a, new, 0, len)?;
        let heap = self.heap()?;
        for index in 0..len {
            let value = operands.value(index as usize * slots(storage), storage);
            fields::store(heap, new, elements.offset(index), storage, value)?;
        }
        operands.set(new.bits().into())
    }

    fn array_new_data(&mut self, instance: &Instance, a: u32, b: u32, operands: Operands) -> Done {
        let ty = type_of(instance, a).clone();
        let len = operands.int(1);
        let range = data_range(instance, b, operands.int(0), len, object_of(&ty).storage[0])?;
        let new = self.allocate(&ty, AllocSize::Array(len), &[])?;
        let elements = self.elements(instance, a, new, 0, len)?;
        let module = instance.module().clone();
        let data = module.module().data(&module.module().data_segments()[b as usize]);
        self.heap()?.write_bytes(new, elements.start, data.get(range).unwrap_or_default());
        operands.set(new.bits().into())
    }

    fn array_new_elem(&mut self, instance: &Instance, a: u32, b: u32, operands: Operands) -> Done {
        let ty = type_of(instance, a).clone();
        let (start, len) = (operands.int(0), operands.int(1));
        // Before the allocation, for the trap; and after it, since objects move.
        instance.elem_values(b, start.into(), len.into()).ok_or(TrapCode::TableOutOfBounds)?;
        let new = self.allocate(&ty, AllocSize::Array(len), &[])?;
        let elements = self.elements(instance, a, new, 0, len)?;
        self.write_elems(instance, b, start, &elements)?;
        operands.set(new.bits().into())
    }

    fn write_elems(
        &mut self,
        instance: &Instance,
        segment: u32,
        start: u32,
        elements: &Elements,
    ) -> Done {
        let values = instance.elem_values(segment, start.into(), elements.len.into());
        let values = values.ok_or(TrapCode::TableOutOfBounds)?;
        let heap = self.heap()?;
        for (index, value) in values.into_iter().enumerate() {
            let offset = elements.offset(index as u32);
            fields::store(heap, elements.array, offset, elements.storage, [value, 0])?;
        }
        Ok(())
    }

    fn array_get(&mut self, instance: &Instance, a: u32, operands: Operands, signed: bool) -> Done {
        let element = self.elements(instance, a, operands.reference(0), operands.int(1), 1)?;
        let (array, storage) = (element.array, element.storage);
        let value = fields::load(self.heap()?, array, element.start, storage, signed);
        operands.set_value(value, storage)
    }

    fn array_set(&mut self, instance: &Instance, a: u32, operands: Operands) -> Done {
        let element = self.elements(instance, a, operands.reference(0), operands.int(1), 1)?;
        let value = operands.value(2, element.storage);
        fields::store(self.heap()?, element.array, element.start, element.storage, value)
    }

    fn array_fill(&mut self, instance: &Instance, a: u32, operands: Operands) -> Done {
        let storage = object_of(type_of(instance, a)).storage[0];
        let (array, start) = (operands.reference(0), operands.int(1));
        let len = operands.int(2 + slots(storage));
        let elements = self.elements(instance, a, array, start, len)?;
        fill(self.heap()?, &elements, operands.value(2, storage))
    }

    fn array_copy(&mut self, instance: &Instance, a: u32, b: u32, operands: Operands) -> Done {
        let len = operands.int(4);
        let to = self.elements(instance, a, operands.reference(0), operands.int(1), len)?;
        let from = self.elements(instance, b, operands.reference(2), operands.int(3), len)?;
        let heap = self.heap()?;
        if to.storage == Storage::Ref {
            heap.barrier_range(to.array, to.start, to.bytes());
        }
        heap.copy_bytes((to.array, to.start), (from.array, from.start), to.bytes());
        Ok(())
    }

    fn array_init_data(&mut self, instance: &Instance, a: u32, b: u32, operands: Operands) -> Done {
        let len = operands.int(3);
        let to = self.elements(instance, a, operands.reference(0), operands.int(1), len)?;
        let range = data_range(instance, b, operands.int(2), len, to.storage)?;
        let module = instance.module().clone();
        let data = module.module().data(&module.module().data_segments()[b as usize]);
        self.heap()?.write_bytes(to.array, to.start, data.get(range).unwrap_or_default());
        Ok(())
    }

    fn array_init_elem(&mut self, instance: &Instance, a: u32, b: u32, operands: Operands) -> Done {
        let len = operands.int(3);
        let to = self.elements(instance, a, operands.reference(0), operands.int(1), len)?;
        self.write_elems(instance, b, operands.int(2), &to)
    }
}

fn type_of(instance: &Instance, index: u32) -> &Arc<TypeInfo> {
    &instance.module().types()[index as usize]
}

pub(super) fn object_of(ty: &TypeInfo) -> &ObjectLayout {
    ty.object.as_ref().expect("validated: a structure or array type")
}

fn not_null(reference: Ref, trap: TrapCode) -> Result<Ref, TrapCode> {
    if reference.is_null() { Err(trap) } else { Ok(reference) }
}

/// Bytes of a data segment for `len` elements from byte `start` on.
fn data_range(
    instance: &Instance,
    segment: u32,
    start: u32,
    len: u32,
    storage: Storage,
) -> Result<Range<usize>, TrapCode> {
    let module = instance.module().module();
    let size = match instance.data_dropped[segment as usize] {
        true => 0,
        false => module.data(&module.data_segments()[segment as usize]).len() as u64,
    };
    let end = u64::from(start) + u64::from(len) * u64::from(storage.size());
    if end > size {
        return Err(TrapCode::MemoryOutOfBounds);
    }
    Ok(start as usize..end as usize)
}

/// Sets elements to a value.
pub(super) fn fill(heap: &mut Heap, elements: &Elements, value: [Slot; 2]) -> Done {
    let Elements { array, storage, start, len } = *elements;
    if storage == Storage::I8 {
        heap.fill_bytes(array, start, value[0] as u8, len);
        return Ok(());
    }
    if value == [0, 0] {
        heap.fill_bytes(array, start, 0, elements.bytes());
        return Ok(());
    }
    if storage == Storage::Ref {
        heap.barrier_range(array, start, elements.bytes());
        for index in 0..len {
            heap.store_u32(array, elements.offset(index), value[0] as u32);
        }
        return Ok(());
    }
    (0..len)
        .try_for_each(|index| fields::store(heap, array, elements.offset(index), storage, value))
}
