//! Owns reading and writing fields and elements of objects: between slots and how they are stored.
//! Does not check types, nulls or bounds: `operators` does.

use sterna_abi::Slot;
use sterna_gc::{Heap, Ref, Storage};
use sterna_isa::TrapCode;

/// Slots that a field's value takes.
pub(super) fn slots_of(storage: Storage) -> usize {
    if storage == Storage::V128 { 2 } else { 1 }
}

/// Reads a field at a byte offset, as two slots. Packed ones are sign-extended if `signed`.
pub(super) fn load(
    heap: &Heap,
    object: Ref,
    offset: u32,
    storage: Storage,
    signed: bool,
) -> [Slot; 2] {
    let low = match storage {
        Storage::I8 if signed => Slot::from(heap.load_u8(object, offset) as i8 as i32 as u32),
        Storage::I8 => Slot::from(heap.load_u8(object, offset)),
        Storage::I16 if signed => Slot::from(heap.load_u16(object, offset) as i16 as i32 as u32),
        Storage::I16 => Slot::from(heap.load_u16(object, offset)),
        Storage::I32 | Storage::F32 | Storage::Ref => Slot::from(heap.load_u32(object, offset)),
        Storage::I64 | Storage::F64 => heap.load_u64(object, offset),
        Storage::Func => heap.func(heap.load_u32(object, offset)),
        Storage::V128 => {
            let bits = heap.load_u128(object, offset);
            return [bits as u64, (bits >> 64) as u64];
        }
    };
    [low, 0]
}

/// Writes a field, with the write barrier.
///
/// # Errors
/// When the heap's table of functions is full.
pub(super) fn store(
    heap: &mut Heap,
    object: Ref,
    offset: u32,
    storage: Storage,
    value: [Slot; 2],
) -> Result<(), TrapCode> {
    let low = value[0];
    match storage {
        Storage::I8 => heap.store_u8(object, offset, low as u8),
        Storage::I16 => heap.store_u16(object, offset, low as u16),
        Storage::I32 | Storage::F32 => heap.store_u32(object, offset, low as u32),
        Storage::I64 | Storage::F64 => heap.store_u64(object, offset, low),
        Storage::V128 => {
            heap.store_u128(object, offset, u128::from(low) | u128::from(value[1]) << 64);
        }
        Storage::Ref => heap.store_ref(object, offset, Ref::from_bits(low as u32)),
        Storage::Func => {
            let index = heap.intern_func(low).ok_or(TrapCode::HeapExhausted)?;
            heap.store_u32(object, offset, index);
        }
    }
    Ok(())
}
