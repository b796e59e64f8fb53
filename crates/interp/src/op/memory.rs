//! Owns loads and stores: the fast forms for memory 0 with 32-bit addresses, and the general ones.
//! Does not own whole-memory operators (`builtin`).

use std::marker::PhantomData;

use sterna_abi::MemorySlot;
use sterna_eval::{V128, repr};
use sterna_isa::{Op as WasmOp, TrapCode};
use sterna_sys::racy::{
    load_u8, load_u16, load_u32, load_u64, load_u128, store_u8, store_u16, store_u32, store_u64,
    store_u128,
};

use super::pure::Dests;
use crate::machine::{Handler, Op, Regs, Stop, step};
use crate::value::{A, Dest, I, S, Scalar, Source, ToAcc, ToSlot, Value};

/// A value as it lies in memory, little-endian.
pub(crate) trait Raw: Copy {
    /// Reads it.
    ///
    /// # Safety
    /// `at` must be readable for its size.
    unsafe fn read(at: *const u8) -> Self;
    /// Writes it.
    ///
    /// # Safety
    /// `at` must be writable for its size.
    unsafe fn write(self, at: *mut u8);
    /// Reads it where other threads may write.
    ///
    /// # Safety
    /// As `sterna_sys::racy` says.
    unsafe fn read_racy(at: *const u8) -> Self;
    /// Writes it where other threads may read and write.
    ///
    /// # Safety
    /// As `sterna_sys::racy` says.
    unsafe fn write_racy(self, at: *mut u8);
}

macro_rules! raw {
    ($($ty:ty, $load:ident, $store:ident;)*) => {$(
        impl Raw for $ty {
            #[inline(always)]
            unsafe fn read(at: *const u8) -> Self {
                // SAFETY: the caller's promise.
                Self::from_le_bytes(unsafe { at.cast::<[u8; size_of::<$ty>()]>().read() })
            }
            #[inline(always)]
            unsafe fn write(self, at: *mut u8) {
                // SAFETY: the caller's promise.
                unsafe { at.cast::<[u8; size_of::<$ty>()]>().write(self.to_le_bytes()) }
            }
            #[inline(always)]
            unsafe fn read_racy(at: *const u8) -> Self {
                // SAFETY: the caller's promise.
                Self::from_le_bytes(unsafe { $load(at) }.to_ne_bytes())
            }
            #[inline(always)]
            unsafe fn write_racy(self, at: *mut u8) {
                // SAFETY: the caller's promise.
                unsafe { $store(at, FromBytes::from_ne(self.to_le_bytes())) }
            }
        }
    )*};
}
raw! {
    i8, load_u8, store_u8;
    u8, load_u8, store_u8;
    i16, load_u16, store_u16;
    u16, load_u16, store_u16;
    i32, load_u32, store_u32;
    u32, load_u32, store_u32;
    i64, load_u64, store_u64;
    u64, load_u64, store_u64;
    f32, load_u32, store_u32;
    f64, load_u64, store_u64;
    u128, load_u128, store_u128;
}

/// The integer that `racy` moves in place of a value of its size.
trait FromBytes<const N: usize> {
    fn from_ne(bytes: [u8; N]) -> Self;
}

macro_rules! from_bytes {
    ($($ty:ident)*) => {$(
        impl FromBytes<{ size_of::<$ty>() }> for $ty {
            #[inline(always)]
            fn from_ne(bytes: [u8; size_of::<$ty>()]) -> $ty {
                $ty::from_ne_bytes(bytes)
            }
        }
    )*};
}
from_bytes! { u8 u16 u32 u64 u128 }

/// A memory that is, or is not, shared with other threads.
pub(crate) trait Sharing {
    /// Reads a value.
    ///
    /// # Safety
    /// `at` must point to a value inside such a memory.
    unsafe fn read<R: Raw>(at: *const u8) -> R;
    /// Writes a value.
    ///
    /// # Safety
    /// As for reading.
    unsafe fn write<R: Raw>(raw: R, at: *mut u8);
}

/// Of this store alone.
pub(crate) struct Own;
/// Shared.
pub(crate) struct Shared;

impl Sharing for Own {
    #[inline(always)]
    unsafe fn read<R: Raw>(at: *const u8) -> R {
        // SAFETY: the caller's promise.
        unsafe { R::read(at) }
    }
    #[inline(always)]
    unsafe fn write<R: Raw>(raw: R, at: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { raw.write(at) }
    }
}

impl Sharing for Shared {
    #[inline(always)]
    unsafe fn read<R: Raw>(at: *const u8) -> R {
        // SAFETY: inside a shared memory, whose bytes guests and the host access atomically.
        unsafe { R::read_racy(at) }
    }
    #[inline(always)]
    unsafe fn write<R: Raw>(raw: R, at: *mut u8) {
        // SAFETY: as above.
        unsafe { raw.write_racy(at) }
    }
}

/// A load.
pub(crate) trait Load {
    /// What lies in memory.
    type Raw: Raw;
    /// What it becomes.
    type Value;
    /// The conversion.
    fn eval(raw: Self::Raw) -> Self::Value;
}

/// A store.
pub(crate) trait Store {
    /// The operand.
    type Value;
    /// What lies in memory.
    type Raw: Raw;
    /// The conversion.
    fn eval(value: Self::Value) -> Self::Raw;
}

const OUT_OF_BOUNDS: Stop = Stop::Trap(TrapCode::MemoryOutOfBounds);

/// The pointer to the `size` bytes of memory 0 that end `end` bytes behind address `base`.
#[inline(always)]
fn near(r: &Regs, base: u32, end: u32, size: usize) -> Result<*mut u8, Stop> {
    let end = u64::from(base) + u64::from(end);
    if end > r.len as u64 {
        return Err(OUT_OF_BOUNDS);
    }
    // SAFETY: `end` was compared with the length of the memory; the operand `end` is at least `size` (translator).
    Ok(unsafe { r.mem.add(end as usize - size) })
}

/// The pointer to the `size` bytes at `address + offset` of the memory whose slot is at `memory` in the vmctx.
#[inline(always)]
pub(crate) fn far(
    r: &Regs,
    memory: u32,
    address: u64,
    offset: u64,
    size: usize,
) -> Result<*mut u8, Stop> {
    let slot: MemorySlot = r.vm_load(memory);
    // SAFETY: `def` points to the live memory for the life of the instance.
    let len = unsafe { (*slot.def).len() };
    let start = address.checked_add(offset).ok_or(OUT_OF_BOUNDS)?;
    let end = start.checked_add(size as u64).ok_or(OUT_OF_BOUNDS)?;
    if end > len as u64 {
        return Err(OUT_OF_BOUNDS);
    }
    // SAFETY: compared with the length.
    Ok(unsafe { slot.base.add(start as usize) })
}

/// An address operand of a fast form: its first slot is the 16-bit operand at `at`, a second slot or an immediate that it adds
/// (modulo 2^32, like `i32.add`) is at 16.
pub(crate) trait Address {
    /// Whether there is something at 16.
    const EXTENDED: bool = false;
    /// Reads it.
    fn read(r: &Regs, at: usize) -> u32;
}

macro_rules! addresses {
    ($($(#[$doc:meta])* $address:ty, $extended:literal, |$r:ident, $at:ident| $value:expr;)*) => {$(
        $(#[$doc])*
        impl Address for $address {
            const EXTENDED: bool = $extended;
            #[inline(always)]
            fn read($r: &Regs, $at: usize) -> u32 {
                $value
            }
        }
    )*};
}

/// A slot shifted left, for [`Address`].
pub(crate) struct Scaled<const SHIFT: u32>;

addresses! {
    S, false, |r, at| i32::get(r, r.u16(at)) as u32;
    A, false, |r, _at| r.acc as u32;
    /// All of the address is in the offset.
    I, false, |_r, _at| 0;
    (S, I), true, |r, at| (i32::get(r, r.u16(at)) as u32).wrapping_add(r.u32(16));
    (A, I), true, |r, _at| (r.acc as u32).wrapping_add(r.u32(16));
    (S, S), true, |r, at| (i32::get(r, r.u16(at)) as u32).wrapping_add(i32::get(r, r.u16(16)) as u32);
    (A, S), true, |r, _at| (r.acc as u32).wrapping_add(i32::get(r, r.u16(16)) as u32);
    (Scaled<1>, I), true, |r, at| ((i32::get(r, r.u16(at)) as u32) << 1).wrapping_add(r.u32(16));
    (Scaled<2>, I), true, |r, at| ((i32::get(r, r.u16(at)) as u32) << 2).wrapping_add(r.u32(16));
    (Scaled<3>, I), true, |r, at| ((i32::get(r, r.u16(at)) as u32) << 3).wrapping_add(r.u32(16));
    (Scaled<1>, S), true, |r, at| ((i32::get(r, r.u16(at)) as u32) << 1).wrapping_add(i32::get(r, r.u16(16)) as u32);
    (Scaled<2>, S), true, |r, at| ((i32::get(r, r.u16(at)) as u32) << 2).wrapping_add(i32::get(r, r.u16(16)) as u32);
    (Scaled<3>, S), true, |r, at| ((i32::get(r, r.u16(at)) as u32) << 3).wrapping_add(i32::get(r, r.u16(16)) as u32);
}

/// Destination at 8, address at 10, offset plus size (u32) at 12.
pub(crate) struct LoadOp<O, X, D>(PhantomData<(O, X, D)>);

impl<O: Load, X: Address, D: Dest<O::Value>> Op for LoadOp<O, X, D> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let at = near(r, X::read(r, 10), r.u32(12), size_of::<O::Raw>())?;
        // SAFETY: `near` checked the bounds.
        let raw = unsafe { O::Raw::read(at) };
        D::write(r, O::eval(raw));
        r.advance(if X::EXTENDED { 24 } else { 16 });
        Ok(())
    }
}

/// Destination at 8, address slot at 10, memory at 12, offset (u64) at 16.
pub(crate) struct FarLoadOp<O, M>(PhantomData<(O, M)>);

impl<O: Load, M: Sharing> Op for FarLoadOp<O, M>
where
    O::Value: Value,
{
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let at = far(r, r.u32(12), r.slot(r.u16(10)), r.u64(16), size_of::<O::Raw>())?;
        // SAFETY: `far` checked the bounds.
        let raw: O::Raw = unsafe { M::read(at) };
        ToSlot::write(r, O::eval(raw));
        r.advance(24);
        Ok(())
    }
}

/// Offset plus size (u32) at 8, address at 12, value at 14; 8 bytes longer with an immediate value.
pub(crate) struct StoreOp<O, X, V>(PhantomData<(O, X, V)>);

impl<O: Store, X: Address, V: Source<O::Value>> Op for StoreOp<O, X, V> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let value = V::read(r, 14);
        let at = near(r, X::read(r, 12), r.u32(8), size_of::<O::Raw>())?;
        // SAFETY: `near` checked the bounds.
        unsafe { O::eval(value).write(at) };
        r.advance(if V::IMMEDIATE { 24 } else { 16 });
        Ok(())
    }
}

/// Address slot at 8, value slot at 10, memory at 12, offset (u64) at 16.
pub(crate) struct FarStoreOp<O, M>(PhantomData<(O, M)>);

impl<O: Store, M: Sharing> Op for FarStoreOp<O, M>
where
    O::Value: Value,
{
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let value = O::Value::get(r, r.u16(10));
        let at = far(r, r.u32(12), r.slot(r.u16(8)), r.u64(16), size_of::<O::Raw>())?;
        // SAFETY: `far` checked the bounds.
        unsafe { M::write(O::eval(value), at) };
        r.advance(24);
        Ok(())
    }
}

/// Destination at 8, address slot at 10, vector slot at 12, lane at 14, memory at 16, offset (u64) at 24.
pub(crate) struct LoadLaneOp<O, M>(PhantomData<(O, M)>);

/// A load into one lane.
pub(crate) trait LoadLane {
    /// What lies in memory.
    type Raw: Raw;
    /// The insertion.
    fn eval(raw: Self::Raw, vector: V128, lane: u8) -> V128;
}

impl<O: LoadLane, M: Sharing> Op for LoadLaneOp<O, M> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let at = far(r, r.u32(16), r.slot(r.u16(10)), r.u64(24), size_of::<O::Raw>())?;
        // SAFETY: `far` checked the bounds.
        let raw: O::Raw = unsafe { M::read(at) };
        ToSlot::write(r, O::eval(raw, V128::get(r, r.u16(12)), r.u16(14) as u8));
        r.advance(32);
        Ok(())
    }
}

/// As [`LoadLaneOp`], without destination.
pub(crate) struct StoreLaneOp<O, M>(PhantomData<(O, M)>);

/// A store of one lane.
pub(crate) trait StoreLane {
    /// What lies in memory.
    type Raw: Raw;
    /// The extraction.
    fn eval(vector: V128, lane: u8) -> Self::Raw;
}

impl<O: StoreLane, M: Sharing> Op for StoreLaneOp<O, M> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let at = far(r, r.u32(16), r.slot(r.u16(10)), r.u64(24), size_of::<O::Raw>())?;
        let raw = O::eval(V128::get(r, r.u16(12)), r.u16(14) as u8);
        // SAFETY: `far` checked the bounds.
        unsafe { M::write(raw, at) };
        r.advance(32);
        Ok(())
    }
}

/// Forms of a load.
pub(crate) struct LoadForms {
    /// Address in a slot.
    pub s: Dests,
    /// Address in the accumulator.
    pub a: Dests,
    /// Address in the offset.
    pub i: Dests,
    /// [`FarLoadOp`].
    pub far: Handler,
    /// The same, in a shared memory.
    pub shared: Handler,
}

/// Forms of a load whose address is a sum.
pub(crate) struct SumForms {
    /// Slot or accumulator plus immediate.
    pub si: Dests,
    pub ai: Dests,
    /// Slot or accumulator plus slot.
    pub ss: Dests,
    pub as_: Dests,
    /// Slot shifted left by 1, 2, 3 plus immediate.
    pub scaled_i: [Dests; 3],
    /// Slot shifted left by 1, 2, 3 plus slot.
    pub scaled_s: [Dests; 3],
}

/// Forms of a store, by address; each by value.
pub(crate) struct StoreForms {
    /// Address in a slot.
    pub s: Values,
    /// Address in the accumulator.
    pub a: Values,
    /// Address in the offset.
    pub i: Values,
    /// [`FarStoreOp`].
    pub far: Handler,
    /// The same, in a shared memory.
    pub shared: Handler,
}

/// Handlers by place of the stored value.
pub(crate) struct Values {
    /// In a slot.
    pub s: Handler,
    /// In the accumulator of its class (which is not that of the address, or the form is not used).
    pub a: Handler,
    /// Immediate.
    pub i: Handler,
}

macro_rules! load_forms {
    ($op:ty, $acc:ident) => {
        LoadForms {
            s: Dests { acc: step::<LoadOp<$op, S, $acc>>, slot: step::<LoadOp<$op, S, ToSlot>> },
            a: Dests { acc: step::<LoadOp<$op, A, $acc>>, slot: step::<LoadOp<$op, A, ToSlot>> },
            i: Dests { acc: step::<LoadOp<$op, I, $acc>>, slot: step::<LoadOp<$op, I, ToSlot>> },
            far: step::<FarLoadOp<$op, Own>>,
            shared: step::<FarLoadOp<$op, Shared>>,
        }
    };
}

macro_rules! sum_forms {
    ($op:ty, $acc:ident) => {
        SumForms {
            si: sum_forms!(@one $op, $acc, (S, I)),
            ai: sum_forms!(@one $op, $acc, (A, I)),
            ss: sum_forms!(@one $op, $acc, (S, S)),
            as_: sum_forms!(@one $op, $acc, (A, S)),
            scaled_i: [
                sum_forms!(@one $op, $acc, (Scaled<1>, I)),
                sum_forms!(@one $op, $acc, (Scaled<2>, I)),
                sum_forms!(@one $op, $acc, (Scaled<3>, I)),
            ],
            scaled_s: [
                sum_forms!(@one $op, $acc, (Scaled<1>, S)),
                sum_forms!(@one $op, $acc, (Scaled<2>, S)),
                sum_forms!(@one $op, $acc, (Scaled<3>, S)),
            ],
        }
    };
    (@one $op:ty, $acc:ident, $address:ty) => {
        Dests { acc: step::<LoadOp<$op, $address, $acc>>, slot: step::<LoadOp<$op, $address, ToSlot>> }
    };
}

const fn load_forms<O: Load>() -> LoadForms
where
    O::Value: Scalar,
{
    load_forms!(O, ToAcc)
}

const fn vector_load_forms<O: Load<Value = V128>>() -> LoadForms {
    load_forms!(O, ToSlot)
}

macro_rules! store_forms {
    ($op:ty, $a:ident, $i:ident) => {
        StoreForms {
            s: store_forms!(@values $op, S, $a, $i),
            a: store_forms!(@values $op, A, $a, $i),
            i: store_forms!(@values $op, I, $a, $i),
            far: step::<FarStoreOp<$op, Own>>,
            shared: step::<FarStoreOp<$op, Shared>>,
        }
    };
    (@values $op:ty, $address:ident, $a:ident, $i:ident) => {
        Values {
            s: step::<StoreOp<$op, $address, S>>,
            a: step::<StoreOp<$op, $address, $a>>,
            i: step::<StoreOp<$op, $address, $i>>,
        }
    };
}

const fn store_forms<O: Store>() -> StoreForms
where
    O::Value: Scalar,
{
    store_forms!(O, A, I)
}

const fn vector_store_forms<O: Store<Value = V128>>() -> StoreForms {
    store_forms!(O, S, S)
}

macro_rules! define {
    (@load $($op:ident, $name:ident, $code:tt, $text:literal, Load($raw:ident), [Addr] -> [$r:ident], MemArg, $feature:ident;)*) => {
        $(pub(crate) struct $op;
        impl Load for $op {
            type Raw = $raw;
            type Value = repr::$r;
            #[inline(always)]
            fn eval(raw: $raw) -> repr::$r {
                sterna_eval::$name(raw)
            }
        })*
    };
    (@store $($op:ident, $name:ident, $code:tt, $text:literal, Store($raw:ident), [Addr $v:ident] -> [], MemArg, $feature:ident;)*) => {
        $(pub(crate) struct $op;
        impl Store for $op {
            type Value = repr::$v;
            type Raw = $raw;
            #[inline(always)]
            fn eval(value: repr::$v) -> $raw {
                sterna_eval::$name(value)
            }
        })*
    };
    (@load_lane $($op:ident, $name:ident, $code:tt, $text:literal, LoadLane($raw:ident), [Addr V128] -> [V128], MemArgLane, $feature:ident;)*) => {
        $(pub(crate) struct $op;
        impl LoadLane for $op {
            type Raw = $raw;
            #[inline(always)]
            fn eval(raw: $raw, vector: V128, lane: u8) -> V128 {
                sterna_eval::$name(raw, vector, lane)
            }
        })*
    };
    (@store_lane $($op:ident, $name:ident, $code:tt, $text:literal, StoreLane($raw:ident), [Addr V128] -> [], MemArgLane, $feature:ident;)*) => {
        $(pub(crate) struct $op;
        impl StoreLane for $op {
            type Raw = $raw;
            #[inline(always)]
            fn eval(vector: V128, lane: u8) -> $raw {
                sterna_eval::$name(vector, lane)
            }
        })*
    };
}

/// The operators' types, named as in the table.
mod ops {
    use super::{Load, LoadLane, Store, StoreLane, V128, repr};
    sterna_isa::for_each_load! { define [ @load ] }
    sterna_isa::for_each_store! { define [ @store ] }
    sterna_isa::for_each_load_lane! { define [ @load_lane ] }
    sterna_isa::for_each_store_lane! { define [ @store_lane ] }
}

macro_rules! match_rows {
    ($value:expr, $scalar:ident, $vector:ident;
     $($op:ident, $name:ident, $code:tt, $text:literal, $class:ident($raw:ident), [$($p:ident)*] -> [$($r:ident)?], MemArg, $feature:ident;)*) => {
        match $value {
            $(WasmOp::$op => Some(match_rows! { @one $op, $scalar, $vector, [$($p)* $($r)?] }),)*
            _ => None,
        }
    };
    (@one $op:ident, $scalar:ident, $vector:ident, [Addr V128]) => { const { &$vector::<ops::$op>() } };
    (@one $op:ident, $scalar:ident, $vector:ident, [Addr $value:ident]) => { const { &$scalar::<ops::$op>() } };
}

macro_rules! match_lanes {
    ($value:expr, $kind:ident, $sharing:ident; $($op:ident, $name:ident, $code:tt, $text:literal, $class:tt ($raw:ident), $p:tt -> $r:tt, $imm:ident, $feature:ident;)*) => {
        match $value {
            $(WasmOp::$op => Some(step::<$kind<ops::$op, $sharing>> as Handler),)*
            _ => None,
        }
    };
}

/// The forms of a load.
pub(crate) fn load(op: WasmOp) -> Option<&'static LoadForms> {
    sterna_isa::for_each_load! { match_rows [ op, load_forms, vector_load_forms; ] }
}

/// The forms of the most frequent loads for addresses that are sums.
pub(crate) fn load_sum(op: WasmOp) -> Option<&'static SumForms> {
    macro_rules! table {
        ($($acc:ident: $($op:ident)*;)*) => {
            match op {
                $($(WasmOp::$op => Some(const { &sum_forms!(ops::$op, $acc) }),)*)*
                _ => None,
            }
        };
    }
    table! {
        ToAcc: I32Load I64Load F32Load F64Load I32Load8S I32Load8U I32Load16S I32Load16U
            I64Load8U I64Load16U I64Load32S I64Load32U;
        ToSlot: V128Load;
    }
}

/// The forms of a store.
pub(crate) fn store(op: WasmOp) -> Option<&'static StoreForms> {
    sterna_isa::for_each_store! { match_rows [ op, store_forms, vector_store_forms; ] }
}

/// The handler of a lane load or store.
pub(crate) fn lane(op: WasmOp, shared: bool) -> Option<Handler> {
    if shared {
        let load = sterna_isa::for_each_load_lane! { match_lanes [ op, LoadLaneOp, Shared; ] };
        let store =
            || sterna_isa::for_each_store_lane! { match_lanes [ op, StoreLaneOp, Shared; ] };
        return load.or_else(store);
    }
    let load = sterna_isa::for_each_load_lane! { match_lanes [ op, LoadLaneOp, Own; ] };
    let store = || sterna_isa::for_each_store_lane! { match_lanes [ op, StoreLaneOp, Own; ] };
    load.or_else(store)
}
