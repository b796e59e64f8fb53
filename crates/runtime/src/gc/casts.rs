//! Owns whether a reference is of a type: `ref.test` and its relatives.
//! Does not own subtyping of defined types (`types`).

use sterna_abi::{CAST_NULLABLE, FuncRef, Slot, TypeKind, heap_type_of_code};
use sterna_gc::{Ref, object};
use sterna_isa::HeapType;

use crate::instance::Instance;
use crate::store::Store;

impl Store {
    /// Whether a reference is of the type in an operator's immediates.
    pub(super) fn is_of_type(&self, instance: &Instance, value: Slot, a: u32, b: u32) -> bool {
        if value == 0 {
            return b & CAST_NULLABLE != 0;
        }
        let ids = instance.module().type_ids();
        self.refers_to(value, heap_type_of_code(a).map(|index| ids[index as usize]))
    }

    /// Whether a reference that is not null is of a heap type with type ids for indices. The reference is of the same hierarchy.
    pub fn refers_to(&self, value: Slot, ty: HeapType) -> bool {
        let types = &self.engine.types;
        let reference = Ref::from_bits(value as u32);
        match ty {
            HeapType::Func | HeapType::Extern | HeapType::Any | HeapType::Exn => true,
            HeapType::None | HeapType::NoFunc | HeapType::NoExtern | HeapType::NoExn => false,
            HeapType::I31 => reference.is_i31(),
            HeapType::Eq => reference.is_i31() || self.object_type(reference).is_some(),
            HeapType::Struct => self.kind_of(reference) == Some(TypeKind::Struct),
            HeapType::Array => self.kind_of(reference) == Some(TypeKind::Array),
            HeapType::Concrete(of) if types.row_kind(of) == TypeKind::Func => {
                // SAFETY: a reference of the hierarchy of functions that is not null is the address of a live `FuncRef`.
                let id = unsafe { (*(value as *const FuncRef)).type_id };
                types.is_subtype(id, of)
            }
            HeapType::Concrete(of) => {
                self.object_type(reference).is_some_and(|id| types.is_subtype(id, of))
            }
        }
    }

    /// The type id of a structure or array; `None` for everything else.
    pub(super) fn object_type(&self, reference: Ref) -> Option<u32> {
        let id = self.gc.heap.as_ref()?.type_of(reference)?;
        (id != object::TYPE_EXTERN_BOX).then_some(id)
    }

    fn kind_of(&self, reference: Ref) -> Option<TypeKind> {
        Some(self.engine.types.row_kind(self.object_type(reference)?))
    }
}
