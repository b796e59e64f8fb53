//! Owns the instructions of atomic operators: loads, stores, read-modify-write, compare-exchange, wait, notify, fence.
//! Does not own the queues of waiting threads: the runtime does.
//!
//! All are in the general form: any memory, operands in slots. Memories that are not shared take the same path.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

use sterna_abi::{BuiltinBodies, VmCtx};
use sterna_isa::{Op as WasmOp, TrapCode};

use super::memory::far;
use crate::exit::{bodies_of, is_trapping, suspend};
use crate::machine::{Handler, Op, Regs, Stop, step};
use crate::value::{Dest, ToSlot, Value};

/// An integer as it lies in memory. All of its operations are sequentially consistent; the machine's byte order is little-endian,
/// like the guest's.
trait Cell: Copy {
    /// The place of one.
    type Atomic: 'static;
    fn wrap(bits: u64) -> Self;
    fn extend(self) -> u64;
    fn load(at: &Self::Atomic) -> Self;
    fn store(at: &Self::Atomic, value: Self);
    fn exchange(at: &Self::Atomic, expected: Self, value: Self) -> Self;
}

/// The function of a read-modify-write.
trait Modify<C: Cell> {
    fn modify(at: &C::Atomic, value: C) -> C;
}

/// The functions, named as in the table.
mod functions {
    pub(super) struct Add;
    pub(super) struct Sub;
    pub(super) struct And;
    pub(super) struct Or;
    pub(super) struct Xor;
    pub(super) struct Xchg;
}

macro_rules! cells {
    ($($ty:ident, $atomic:ident;)*) => {$(
        impl Cell for $ty {
            type Atomic = $atomic;
            #[inline(always)]
            fn wrap(bits: u64) -> $ty {
                bits as $ty
            }
            #[inline(always)]
            fn extend(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn load(at: &$atomic) -> $ty {
                at.load(Ordering::SeqCst)
            }
            #[inline(always)]
            fn store(at: &$atomic, value: $ty) {
                at.store(value, Ordering::SeqCst)
            }
            #[inline(always)]
            fn exchange(at: &$atomic, expected: $ty, value: $ty) -> $ty {
                match at.compare_exchange(expected, value, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(old) | Err(old) => old,
                }
            }
        }
        cells!(@modify $ty, $atomic, Add fetch_add, Sub fetch_sub, And fetch_and, Or fetch_or, Xor fetch_xor, Xchg swap);
    )*};
    (@modify $ty:ident, $atomic:ident, $($function:ident $method:ident),*) => {$(
        impl Modify<$ty> for functions::$function {
            #[inline(always)]
            fn modify(at: &$atomic, value: $ty) -> $ty {
                at.$method(value, Ordering::SeqCst)
            }
        }
    )*};
}
cells! { u8, AtomicU8; u16, AtomicU16; u32, AtomicU32; u64, AtomicU64; }

/// The place of an access: address slot, memory and offset as for `far`.
#[inline(always)]
fn place<C: Cell>(
    r: &Regs,
    address: usize,
    memory: usize,
    offset: usize,
) -> Result<&C::Atomic, Stop> {
    let (address, offset) = (r.slot::<u64>(r.u16(address)), r.u64(offset));
    let size = size_of::<C>();
    // Before the bounds, which both tiers and the runtime check second.
    if !address.wrapping_add(offset).is_multiple_of(size as u64) {
        return Err(Stop::Trap(TrapCode::UnalignedAtomic));
    }
    let at = far(r, r.u32(memory), address, offset, size)?;
    // SAFETY: `far` checked the bounds; the base is aligned to pages, so the place is aligned. If other threads access it, they do so
    // atomically (see `sterna_sys::racy`); memories never shrink.
    Ok(unsafe { &*at.cast::<C::Atomic>() })
}

/// Destination at 8, address slot at 10, memory at 12, offset (u64) at 16. `V` is the type of the value on the stack.
struct AtomicLoadOp<C, V>(PhantomData<(C, V)>);

impl<C: Cell, V: Operand> Op for AtomicLoadOp<C, V> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let value = C::load(place::<C>(r, 10, 12, 16)?);
        ToSlot::write(r, V::from_bits(value.extend()));
        r.advance(24);
        Ok(())
    }
}

/// Address slot at 8, value slot at 10, memory at 12, offset (u64) at 16.
struct AtomicStoreOp<C>(PhantomData<C>);

impl<C: Cell> Op for AtomicStoreOp<C> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        C::store(place::<C>(r, 8, 12, 16)?, C::wrap(r.slot(r.u16(10))));
        r.advance(24);
        Ok(())
    }
}

/// Destination at 8, address slot at 10, value slot at 12, memory at 16, offset (u64) at 24.
struct AtomicRmwOp<C, F, V>(PhantomData<(C, F, V)>);

impl<C: Cell, F: Modify<C>, V: Operand> Op for AtomicRmwOp<C, F, V> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let old = F::modify(place::<C>(r, 10, 16, 24)?, C::wrap(r.slot(r.u16(12))));
        ToSlot::write(r, V::from_bits(old.extend()));
        r.advance(32);
        Ok(())
    }
}

/// As [`AtomicRmwOp`], with the expected value's slot at 12 and the replacement's at 14.
struct AtomicCmpxchgOp<C, V>(PhantomData<(C, V)>);

impl<C: Cell, V: Operand> Op for AtomicCmpxchgOp<C, V> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let (expected, value) = (C::wrap(r.slot(r.u16(12))), C::wrap(r.slot(r.u16(14))));
        let old = C::exchange(place::<C>(r, 10, 16, 24)?, expected, value);
        ToSlot::write(r, V::from_bits(old.extend()));
        r.advance(32);
        Ok(())
    }
}

/// The type of a result.
trait Operand: Value {
    fn from_bits(bits: u64) -> Self;
}

impl Operand for i32 {
    #[inline(always)]
    fn from_bits(bits: u64) -> i32 {
        bits as i32
    }
}

impl Operand for i64 {
    #[inline(always)]
    fn from_bits(bits: u64) -> i64 {
        bits as i64
    }
}

/// `atomic.fence`.
struct FenceOp;

impl Op for FenceOp {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        fence(Ordering::SeqCst);
        r.advance(8);
        Ok(())
    }
}

/// `atomic.fence`, 8 bytes.
pub(crate) const FENCE: Handler = step::<FenceOp>;

/// A call of the runtime: first operand (and result) slot at 8, first free slot at 10, memory at 12, offset (u64) at 16; 24 bytes.
struct WaitOp<O>(PhantomData<O>);

trait Wait {
    fn call(r: &Regs, bodies: &BuiltinBodies, vmctx: *mut VmCtx, operands: [u64; 3]) -> u64;
}

impl<O: Wait> Op for WaitOp<O> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        suspend(r, r.u16(10));
        let base = r.u16(8);
        // `memory.atomic.notify` has two operands: the third slot is its frame's, too, and not looked at.
        let operands = [r.slot(base), r.slot(base + 1), r.slot(base + 2)];
        let result = O::call(r, bodies_of(r.vmctx), r.vmctx, operands);
        if is_trapping(r.vmctx) {
            return Err(Stop::Unwind);
        }
        (result as i32).put(r, base);
        r.advance(24);
        Ok(())
    }
}

macro_rules! waits {
    ($($op:ident = |$r:ident, $bodies:ident, $vmctx:ident, [$a:ident, $b:ident, $c:ident]| $call:expr;)*) => {$(
        struct $op;
        impl Wait for $op {
            #[inline(always)]
            fn call($r: &Regs, $bodies: &BuiltinBodies, $vmctx: *mut VmCtx, [$a, $b, $c]: [u64; 3]) -> u64 {
                // SAFETY: the frame is suspended, operands have the types of the builtin's parameters.
                unsafe { $call }
            }
        }
    )*};
}

waits! {
    Notify = |r, bodies, vmctx, [address, count, _unused]|
        (bodies.memory_notify)(vmctx, r.u32(12), address, r.u64(16), count as u32);
    Wait32 = |r, bodies, vmctx, [address, expected, timeout]|
        (bodies.memory_wait32)(vmctx, r.u32(12), address, r.u64(16), expected as u32, timeout);
    Wait64 = |r, bodies, vmctx, [address, expected, timeout]|
        (bodies.memory_wait64)(vmctx, r.u32(12), address, r.u64(16), expected, timeout);
}

macro_rules! value {
    (I32) => {
        i32
    };
    (I64) => {
        i64
    };
}

macro_rules! define {
    (@load $value:expr; $($op:ident, $name:ident, $code:tt, $text:literal, $class:ident($raw:ident), $p:tt -> [$r:ident], $imm:ident, $feature:ident;)*) => {
        match $value {
            $(WasmOp::$op => Some(step::<AtomicLoadOp<$raw, value!($r)>> as Handler),)*
            _ => None,
        }
    };
    (@store $value:expr; $($op:ident, $name:ident, $code:tt, $text:literal, $class:ident($raw:ident), $p:tt -> [], $imm:ident, $feature:ident;)*) => {
        match $value {
            $(WasmOp::$op => Some(step::<AtomicStoreOp<$raw>> as Handler),)*
            _ => None,
        }
    };
    (@rmw $value:expr; $($op:ident, $name:ident, $code:tt, $text:literal, $class:ident($raw:ident, $function:ident), $p:tt -> [$r:ident], $imm:ident, $feature:ident;)*) => {
        match $value {
            $(WasmOp::$op => Some(step::<AtomicRmwOp<$raw, functions::$function, value!($r)>> as Handler),)*
            _ => None,
        }
    };
    (@cmpxchg $value:expr; $($op:ident, $name:ident, $code:tt, $text:literal, $class:ident($raw:ident), $p:tt -> [$r:ident], $imm:ident, $feature:ident;)*) => {
        match $value {
            $(WasmOp::$op => Some(step::<AtomicCmpxchgOp<$raw, value!($r)>> as Handler),)*
            _ => None,
        }
    };
}

/// The instruction of an atomic access.
pub(crate) fn access(op: WasmOp) -> Option<Handler> {
    let load = sterna_isa::for_each_atomic_load! { define [ @load op; ] };
    let store = || sterna_isa::for_each_atomic_store! { define [ @store op; ] };
    let rmw = || sterna_isa::for_each_atomic_rmw! { define [ @rmw op; ] };
    let cmpxchg = || sterna_isa::for_each_atomic_cmpxchg! { define [ @cmpxchg op; ] };
    load.or_else(store).or_else(rmw).or_else(cmpxchg)
}

/// The instruction of an operator that waits or notifies.
pub(crate) fn wait(op: WasmOp) -> Option<Handler> {
    Some(match op {
        WasmOp::MemoryAtomicNotify => step::<WaitOp<Notify>>,
        WasmOp::MemoryAtomicWait32 => step::<WaitOp<Wait32>>,
        WasmOp::MemoryAtomicWait64 => step::<WaitOp<Wait64>>,
        _ => return None,
    })
}
