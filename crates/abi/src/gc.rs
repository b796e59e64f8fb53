//! Owns how references to objects lie in slots, and how types to test for are told to builtin `gc`.
//! Does not own the heap: that is `sterna-gc`.
//!
//! A reference of the hierarchies `any` and `extern` is 32 bits, zero-extended in a slot: 0 = null; odd = `i31`, the value shifted left by
//! one; a multiple of 8 = an object, by its offset in the store's heap. A value of the host is an object, too: a box that names it. So
//! both views of a reference are the same number.

use sterna_isa::{CompositeType, HeapType, Op, StorageType, SubType, ValType};
use sterna_module::Imm;

pub use sterna_gc::{
    AllocArea, FUNC_MASK, FUNCS_AT, Layout, MAX_CONST_OFFSET, MAX_INLINE_SIZE, NULL_GUARD, Storage,
    object,
};

/// Set in the code of an abstract heap type; the rest is its position in [`HeapType::ABSTRACT`].
const ABSTRACT: u32 = 1 << 31;

/// Immediate `b` of a test or cast: null passes.
pub const CAST_NULLABLE: u32 = 1;

/// A heap type as immediate `a` of a test or cast.
pub fn heap_type_code(ty: HeapType) -> u32 {
    let position = HeapType::ABSTRACT.iter().position(|abstract_| *abstract_ == ty);
    match (ty, position) {
        (HeapType::Concrete(index), _) => index,
        (_, Some(position)) => ABSTRACT | position as u32,
        (_, None) => unreachable!("the list has all abstract types"),
    }
}

/// The immediates of builtin `gc` for an operator on objects, but for the branches, which are tests.
pub fn object_immediates(op: Op, imm: &Imm<'_>) -> (u32, u32) {
    match (op, imm) {
        (Op::RefTestNullable | Op::RefCastNullable, Imm::HeapType(heap)) => {
            (heap_type_code(*heap), CAST_NULLABLE)
        }
        (_, Imm::HeapType(heap)) => (heap_type_code(*heap), 0),
        (_, Imm::Index(a)) => (*a, 0),
        (_, Imm::Index2(a, b)) => (*a, *b),
        _ => (0, 0),
    }
}

/// The heap type of a code.
///
/// # Panics
/// If there is no such code.
pub fn heap_type_of_code(code: u32) -> HeapType {
    match code & ABSTRACT {
        0 => HeapType::Concrete(code),
        _ => HeapType::ABSTRACT[(code & !ABSTRACT) as usize],
    }
}

/// How objects of a type lie in the heap.
pub struct ObjectLayout {
    /// For the heap.
    pub layout: Layout,
    /// How each field is stored; an array's elements as one; the payload of an exception.
    pub storage: Box<[Storage]>,
    /// Byte offset of each field of a structure or exception.
    pub offsets: Box<[u32]>,
}

impl ObjectLayout {
    /// The layout of a structure or array type. `is_func` says whether a heap type is one of functions.
    pub fn of(def: &SubType, is_func: impl Fn(HeapType) -> bool) -> Option<ObjectLayout> {
        let storage = |ty| storage_of_field(ty, &is_func);
        match &def.composite {
            CompositeType::Func(_) => None,
            CompositeType::Struct(fields) => {
                let storage: Box<[Storage]> =
                    fields.iter().map(|field| storage(field.storage)).collect();
                let made = Layout::of_struct(&storage);
                Some(ObjectLayout { layout: made.layout, storage, offsets: made.offsets })
            }
            CompositeType::Array(element) => {
                let storage = storage(element.storage);
                let layout = Layout::of_array(storage);
                Some(ObjectLayout { layout, storage: [storage].into(), offsets: [].into() })
            }
        }
    }

    /// How one field of a structure is stored, and its byte offset; of an array type, the same of the first element. Cheaper than all of
    /// [`ObjectLayout::of`].
    pub fn field(
        def: &SubType,
        field: usize,
        is_func: impl Fn(HeapType) -> bool,
    ) -> Option<(Storage, u32)> {
        match &def.composite {
            CompositeType::Func(_) => None,
            CompositeType::Struct(fields) => {
                let last = storage_of_field(fields.get(field)?.storage, &is_func);
                // All references take the same space, so what they refer to does not matter before that.
                let before = fields[..field].iter();
                let before = before.map(|field| storage_of_field(field.storage, &|_| false));
                Some((last, Layout::offset_behind(before, last)))
            }
            CompositeType::Array(element) => {
                let storage = storage_of_field(element.storage, &is_func);
                Some((storage, Layout::of_array(storage).elements()))
            }
        }
    }

    /// The fields of a structure as in `storage` and `offsets`; of an array type, its elements from the first one on. Nothing of a function type.
    pub fn fields(
        def: &SubType,
        is_func: impl Fn(HeapType) -> bool,
    ) -> impl Iterator<Item = (Storage, u32)> {
        let (fields, elements): (&[_], _) = match &def.composite {
            CompositeType::Func(_) => (&[], None),
            CompositeType::Struct(fields) => (fields, None),
            CompositeType::Array(element) => {
                (&[], Some(storage_of_field(element.storage, &is_func)))
            }
        };
        let elements = elements.into_iter().flat_map(|storage| {
            let first = Layout::of_array(storage).elements();
            (0..).map(move |at| (storage, first + at * storage.size()))
        });
        let fields = fields.iter().map(move |field| storage_of_field(field.storage, &is_func));
        Layout::places(fields).chain(elements)
    }

    /// The layout of exceptions of a tag with these parameters.
    pub fn of_exception(params: &[ValType], is_func: impl Fn(HeapType) -> bool) -> ObjectLayout {
        let storage: Box<[Storage]> = params.iter().map(|&ty| storage_of(ty, &is_func)).collect();
        let made = Layout::of_exception(&storage);
        ObjectLayout { layout: made.layout, storage, offsets: made.offsets }
    }
}

fn storage_of_field(ty: StorageType, is_func: &impl Fn(HeapType) -> bool) -> Storage {
    match ty {
        StorageType::I8 => Storage::I8,
        StorageType::I16 => Storage::I16,
        StorageType::Val(ty) => storage_of(ty, is_func),
    }
}

fn storage_of(ty: ValType, is_func: impl Fn(HeapType) -> bool) -> Storage {
    match ty {
        ValType::I32 => Storage::I32,
        ValType::I64 => Storage::I64,
        ValType::F32 => Storage::F32,
        ValType::F64 => Storage::F64,
        ValType::V128 => Storage::V128,
        ValType::Ref(ty) if is_func(ty.heap) => Storage::Func,
        ValType::Ref(_) => Storage::Ref,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        let concrete = [0, 1, 1_000_000].map(HeapType::Concrete);
        for ty in HeapType::ABSTRACT.into_iter().chain(concrete) {
            assert_eq!(heap_type_of_code(heap_type_code(ty)), ty);
        }
    }
}
