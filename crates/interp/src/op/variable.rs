//! Owns constants, copies, globals, `select`, `unreachable`.
//! Does not own locals: they are slots, any instruction reads and writes them.

use std::marker::PhantomData;

use sterna_abi::GlobalCell;
use sterna_eval::V128;
use sterna_isa::TrapCode;

use super::pure::Dests;
use crate::machine::{Handler, Op, Regs, Stop, step};
use crate::value::{A, Dest, I, Pair, S, Scalar, Source, ToAcc, ToSlot, Value};

/// An instruction without stops, of fixed size.
trait Simple {
    /// Bytes.
    const SIZE: usize;
    /// Carries it out.
    fn apply(r: &mut Regs);
}

struct SimpleOp<O>(PhantomData<O>);

impl<O: Simple> Op for SimpleOp<O> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        O::apply(r);
        r.advance(O::SIZE);
        Ok(())
    }
}

macro_rules! simple {
    ($($(#[$doc:meta])* $handler:ident = $name:ident $(<$param:ident: $bound:ident>)?, $size:literal, |$r:ident| $body:expr;)*) => {$(
        struct $name $(<$param>(PhantomData<$param>))?;
        impl $(<$param: $bound>)? Simple for $name $(<$param>)? {
            const SIZE: usize = $size;
            #[inline(always)]
            fn apply($r: &mut Regs) {
                $body
            }
        }
    )*};
}

simple! {
    CONST32 = Const32, 16, |r| r.set_slot(r.u16(8), u64::from(r.u32(12)));
    CONST64 = Const64, 24, |r| r.set_slot(r.u16(8), r.u64(16));
    CONST128 = Const128, 32, |r| r.set_slot(r.u16(8), r.u128(16).to_le_bytes());
    COPY1 = Copy1, 16, |r| {
        let a = r.slot::<u64>(r.u16(10));
        r.set_slot(r.u16(8), a);
    };
    COPY2 = Copy2, 16, |r| {
        let (a, b) = (r.slot::<u64>(r.u16(10)), r.slot::<u64>(r.u16(12)));
        r.set_slot(r.u16(8), a);
        r.set_slot(r.u16(8) + 1, b);
    };
    COPY3 = Copy3, 16, |r| {
        let (a, b, c) = (r.slot::<u64>(r.u16(10)), r.slot::<u64>(r.u16(12)), r.slot::<u64>(r.u16(14)));
        r.set_slot(r.u16(8), a);
        r.set_slot(r.u16(8) + 1, b);
        r.set_slot(r.u16(8) + 2, c);
    };
    COPY_PAIR = CopyPair, 16, |r| {
        let a = r.slot::<u64>(r.u16(10));
        r.set_slot(r.u16(8), a);
        let b = r.slot::<u64>(r.u16(14));
        r.set_slot(r.u16(12), b);
    };
    COPY_DOWN = CopyDown, 16, |r| copy_slots(r, r.u16(10), r.u16(8), r.u16(12));
    STORE_ACC = StoreAcc<T: Scalar>, 16, |r| {
        let value = T::accumulator(r);
        r.set_slot(r.u16(8), value.to_slot());
    };
    GLOBAL_GET = VectorGlobalGet, 16, |r| {
        let value: [u8; 16] = r.vm_load(r.u32(12));
        ToSlot::write(r, V128(value));
    };
    GLOBAL_SET = VectorGlobalSet, 16, |r| {
        let value = V128::get(r, r.u16(10));
        set_global(r.vm_field(r.u32(12)), value.0);
    };
    IMPORTED_GET = VectorImportedGet, 16, |r| {
        let value = get_global::<[u8; 16]>(r.vm_load::<*const GlobalCell>(r.u32(12)));
        ToSlot::write(r, V128(value));
    };
    IMPORTED_SET = VectorImportedSet, 16, |r| {
        let value = V128::get(r, r.u16(10));
        set_global(r.vm_load::<*mut GlobalCell>(r.u32(12)), value.0);
    };
}

/// Destination at 8, bits at 12: a slot from 32 bits, zero-extended.
pub(crate) static CONST32: Handler = step::<SimpleOp<Const32>>;
/// Destination at 8, bits at 16.
pub(crate) static CONST64: Handler = step::<SimpleOp<Const64>>;
/// Destination at 8, bits at 16: two slots.
pub(crate) static CONST128: Handler = step::<SimpleOp<Const128>>;
/// Destination at 8, source slots from 10: one, two, three slots, consecutive at the destination.
pub(crate) static COPY: [Handler; 3] =
    [step::<SimpleOp<Copy1>>, step::<SimpleOp<Copy2>>, step::<SimpleOp<Copy3>>];
/// Two copies in order: destination at 8, source at 10; destination at 12, source at 14.
pub(crate) static COPY_PAIR: Handler = step::<SimpleOp<CopyPair>>;
/// Destination at 8, source at 10, count at 12: consecutive slots, to a lower place.
pub(crate) static COPY_DOWN: Handler = step::<SimpleOp<CopyDown>>;
/// Destination at 8: accumulators of i64 (or less), f32, f64 to a slot.
pub(crate) static STORE_ACC: [Handler; 3] = [
    step::<SimpleOp<StoreAcc<i64>>>,
    step::<SimpleOp<StoreAcc<f32>>>,
    step::<SimpleOp<StoreAcc<f64>>>,
];

/// Copies `count` slots of the frame, as if at once.
#[inline(always)]
pub(crate) fn copy_slots(r: &Regs, from: usize, to: usize, count: usize) {
    // SAFETY: both runs are in the frame.
    unsafe { std::ptr::copy(r.slot_ptr(from), r.slot_ptr(to), count) };
}

#[inline(always)]
fn get_global<T: Copy>(cell: *const GlobalCell) -> T {
    // SAFETY: cells are aligned and large enough for 16 bytes, and live as long as the instance that can name them.
    unsafe { cell.cast::<T>().read() }
}

#[inline(always)]
fn set_global<T: Copy>(cell: *mut GlobalCell, value: T) {
    // SAFETY: as for `get_global`.
    unsafe { cell.cast::<T>().write(value) }
}

/// Destination at 8, immediate (4 or 8 bytes) at 16: an operand without immediate form.
struct ConstOp<T, D>(PhantomData<(T, D)>);

impl<T: Scalar, D: Dest<T>> Op for ConstOp<T, D> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        D::write(r, T::from_slot(r.u64(16)));
        r.advance(24);
        Ok(())
    }
}

/// Destination at 8, offset of the cell, or of the pointer to it if `IMPORTED`, at 12.
struct GlobalGet<T, D, const IMPORTED: bool>(PhantomData<(T, D)>);

impl<T: Scalar, D: Dest<T>, const IMPORTED: bool> Op for GlobalGet<T, D, IMPORTED> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let bits = match IMPORTED {
            true => get_global(r.vm_load::<*const GlobalCell>(r.u32(12))),
            false => r.vm_load(r.u32(12)),
        };
        D::write(r, T::from_slot(bits));
        r.advance(16);
        Ok(())
    }
}

/// Value at 10, offset as for [`GlobalGet`] at 12.
struct GlobalSet<T, X, const IMPORTED: bool>(PhantomData<(T, X)>);

impl<T: Scalar, X: Source<T>, const IMPORTED: bool> Op for GlobalSet<T, X, IMPORTED> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let bits = X::read(r, 10).to_slot();
        match IMPORTED {
            true => set_global(r.vm_load::<*mut GlobalCell>(r.u32(12)), bits),
            false => set_global(r.vm_field(r.u32(12)), bits),
        }
        r.advance(16);
        Ok(())
    }
}

/// Destination at 8, condition at 10, then both values as a pair at 12.
struct Select<T, C, P, D>(PhantomData<(T, C, P, D)>);

impl<T: Scalar, C: Source<i32>, P: Pair<T, T>, D: Dest<T>> Op for Select<T, C, P, D> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let (a, b) = P::read(r, 12);
        let value = if C::read(r, 10) != 0 { a } else { b };
        D::write(r, value);
        r.advance(P::size(12));
        Ok(())
    }
}

/// [`Select`] of vectors: condition at 10, values at 12 and 14.
struct VectorSelect;

impl Op for VectorSelect {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let condition = i32::get(r, r.u16(10));
        let value = V128::get(r, r.u16(if condition != 0 { 12 } else { 14 }));
        ToSlot::write(r, value);
        r.advance(16);
        Ok(())
    }
}

/// Traps with `unreachable`.
struct Unreachable;

impl Op for Unreachable {
    #[inline(always)]
    fn run(_: &mut Regs) -> Result<(), Stop> {
        Err(Stop::Trap(TrapCode::Unreachable))
    }
}

/// Slot of a reference at 8: traps if it is null.
struct NonNull;

impl Op for NonNull {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        if r.slot::<u64>(r.u16(8)) == 0 {
            return Err(Stop::Trap(TrapCode::NullReference));
        }
        r.advance(16);
        Ok(())
    }
}

/// `ref.as_non_null`.
pub(crate) static NON_NULL: Handler = step::<NonNull>;
/// `unreachable`.
pub(crate) static UNREACHABLE: Handler = step::<Unreachable>;
/// `select` of vectors.
pub(crate) static VECTOR_SELECT: Handler = step::<VectorSelect>;

/// Forms of `select`, by pair of values.
pub(crate) struct SelectForms {
    pub ss: Dests,
    pub si: Dests,
    pub is: Dests,
    pub as_: Dests,
    pub sa: Dests,
    pub ai: Dests,
    pub ia: Dests,
}

/// Instructions on scalars whatever the operator, by type.
pub(crate) struct TypeForms {
    /// [`ConstOp`].
    pub constant: Dests,
    /// [`GlobalGet`], imported or not.
    pub global_get: [Dests; 2],
    /// [`GlobalSet`] from a slot, from the accumulator; imported or not.
    pub global_set: [[Handler; 2]; 2],
    /// [`Select`] with the condition in a slot, in the accumulator (then, for integers, no value is).
    pub select: [SelectForms; 2],
}

const fn type_forms<T: Scalar>() -> TypeForms {
    macro_rules! dests {
        ($c:ident, $pair:ty) => {
            Dests {
                acc: step::<Select<T, $c, $pair, ToAcc>>,
                slot: step::<Select<T, $c, $pair, ToSlot>>,
            }
        };
    }
    macro_rules! select {
        ($c:ident) => {
            SelectForms {
                ss: dests!($c, (S, S)),
                si: dests!($c, (S, I)),
                is: dests!($c, (I, S)),
                as_: dests!($c, (A, S)),
                sa: dests!($c, (S, A)),
                ai: dests!($c, (A, I)),
                ia: dests!($c, (I, A)),
            }
        };
    }
    TypeForms {
        constant: Dests { acc: step::<ConstOp<T, ToAcc>>, slot: step::<ConstOp<T, ToSlot>> },
        global_get: [
            Dests {
                acc: step::<GlobalGet<T, ToAcc, false>>,
                slot: step::<GlobalGet<T, ToSlot, false>>,
            },
            Dests {
                acc: step::<GlobalGet<T, ToAcc, true>>,
                slot: step::<GlobalGet<T, ToSlot, true>>,
            },
        ],
        global_set: [
            [step::<GlobalSet<T, S, false>>, step::<GlobalSet<T, A, false>>],
            [step::<GlobalSet<T, S, true>>, step::<GlobalSet<T, A, true>>],
        ],
        select: [select!(S), select!(A)],
    }
}

/// Forms for i32.
pub(crate) static I32: TypeForms = type_forms::<i32>();
/// Forms for i64 and references.
pub(crate) static I64: TypeForms = type_forms::<i64>();
/// Forms for f32.
pub(crate) static F32: TypeForms = type_forms::<f32>();
/// Forms for f64.
pub(crate) static F64: TypeForms = type_forms::<f64>();
/// `global.get` and `global.set` of vectors (a slot at 10), imported or not.
pub(crate) static VECTOR_GLOBAL: [[Handler; 2]; 2] = [
    [step::<SimpleOp<VectorGlobalGet>>, step::<SimpleOp<VectorGlobalSet>>],
    [step::<SimpleOp<VectorImportedGet>>, step::<SimpleOp<VectorImportedSet>>],
];
