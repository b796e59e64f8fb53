//! Owns how references to objects lie in slots, and how types to test for are told to builtin `gc`.
//! Does not own the heap: that is `sterna-gc`.
//!
//! A reference of the hierarchies `any`, `extern` and `exn` is 32 bits, zero-extended in a slot: 0 = null; odd = `i31`, the value shifted left by
//! one; a multiple of 8 = an object, by its offset in the store's heap; 2 modulo 8 = a handle of the store's table of
//! external values. Handles never change. The extern view of an object is a handle too, so an `externref` never moves.

use sterna_isa::HeapType;

pub use sterna_gc::AllocArea;

/// Low bits of a handle.
pub const HANDLE_TAG: u32 = 2;
/// Set in the code of an abstract heap type.
const ABSTRACT: u32 = 1 << 31;

/// In the order of their codes.
const ABSTRACT_TYPES: [HeapType; 12] = [
    HeapType::Func,
    HeapType::Extern,
    HeapType::Any,
    HeapType::Eq,
    HeapType::I31,
    HeapType::Struct,
    HeapType::Array,
    HeapType::Exn,
    HeapType::None,
    HeapType::NoFunc,
    HeapType::NoExtern,
    HeapType::NoExn,
];

/// Immediate `b` of a test or cast: null passes.
pub const CAST_NULLABLE: u32 = 1;

/// A heap type as immediate `a` of a test or cast.
pub fn heap_type_code(ty: HeapType) -> u32 {
    let position = ABSTRACT_TYPES.iter().position(|abstract_| *abstract_ == ty);
    match (ty, position) {
        (HeapType::Concrete(index), _) => index,
        (_, Some(position)) => ABSTRACT | position as u32,
        (_, None) => unreachable!("the list has all abstract types"),
    }
}

/// The heap type of a code.
///
/// # Panics
/// If there is no such code.
pub fn heap_type_of_code(code: u32) -> HeapType {
    match code & ABSTRACT {
        0 => HeapType::Concrete(code),
        _ => ABSTRACT_TYPES[(code & !ABSTRACT) as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        let concrete = [0, 1, 1_000_000].map(HeapType::Concrete);
        for ty in ABSTRACT_TYPES.into_iter().chain(concrete) {
            assert_eq!(heap_type_of_code(heap_type_code(ty)), ty);
        }
    }
}
