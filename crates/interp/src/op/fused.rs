//! Owns instructions that carry out two operators at once: those pairs that real programs are full of.
//! Does not own the recognition of pairs: `translate::fuse`.

use std::marker::PhantomData;

use sterna_isa::Op as WasmOp;

use super::pure::{Binary, Dests, ops};
use crate::machine::{Branch, Handler, Op, Regs, Stop, branch, step};
use crate::value::{A, Dest, I, Pair, S, Scalar, ToAcc, ToSlot, Value};

/// `Outer(Inner(P), c)`, or `Outer(c, Inner(P))` if not `LEFT`: destination at 8, operands of the inner operator from 10, slot of
/// `c` at 14, or where [`third_at`] says if the inner operator has an immediate.
pub(crate) struct FusedOp<Inner, P, Outer, const LEFT: bool, const IMMEDIATE: bool, D>(
    PhantomData<(Inner, P, Outer, D)>,
);

impl<T, Inner, P, Outer, const LEFT: bool, const IMMEDIATE: bool, D> Op
    for FusedOp<Inner, P, Outer, LEFT, IMMEDIATE, D>
where
    T: Scalar,
    Inner: Binary<Left = T, Right = T, Result = T>,
    Outer: Binary<Left = T, Right = T, Result = T>,
    P: Pair<T, T>,
    D: Dest<T>,
{
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let (a, b) = P::read(r, 10);
        let inner = Inner::eval(a, b).map_err(Stop::Trap)?;
        let c = T::get(r, r.u16(if IMMEDIATE { third_at(T::IMMEDIATE) } else { 14 }));
        let value = if LEFT { Outer::eval(inner, c) } else { Outer::eval(c, inner) };
        D::write(r, value.map_err(Stop::Trap)?);
        r.advance(if IMMEDIATE { 24 } else { 16 });
        Ok(())
    }
}

/// Where the third slot of a [`FusedOp`] with an immediate of `size` bytes is: beside it.
pub(crate) const fn third_at(size: usize) -> usize {
    if size == 8 { 12 } else { 16 }
}

/// Forms of a pair, by operands of the inner operator; those absent do not pay.
pub(crate) struct FusedForms {
    pub ss: Option<Dests>,
    pub as_: Option<Dests>,
    pub si: Option<Dests>,
    pub ai: Option<Dests>,
}

macro_rules! dests {
    ($inner:ident, $pair:ty, $outer:ident, $left:literal, $immediate:literal) => {
        Some(Dests {
            acc: step::<FusedOp<ops::$inner, $pair, ops::$outer, $left, $immediate, ToAcc>>,
            slot: step::<FusedOp<ops::$inner, $pair, ops::$outer, $left, $immediate, ToSlot>>,
        })
    };
}

macro_rules! table {
    ($key:expr; $($kind:ident $inner:ident $outer:ident $left:literal;)*) => {
        match $key {
            $((WasmOp::$inner, WasmOp::$outer, $left) => {
                Some(const { &table! { @$kind $inner $outer $left } })
            })*
            _ => None,
        }
    };
    (@slots $inner:ident $outer:ident $left:literal) => {
        FusedForms {
            ss: dests!($inner, (S, S), $outer, $left, false),
            as_: dests!($inner, (A, S), $outer, $left, false),
            si: None,
            ai: None,
        }
    };
    (@immediate $inner:ident $outer:ident $left:literal) => {
        FusedForms {
            ss: None,
            as_: None,
            si: dests!($inner, (S, I), $outer, $left, true),
            ai: dests!($inner, (A, I), $outer, $left, true),
        }
    };
    (@both $inner:ident $outer:ident $left:literal) => {
        FusedForms {
            ss: dests!($inner, (S, S), $outer, $left, false),
            as_: dests!($inner, (A, S), $outer, $left, false),
            si: dests!($inner, (S, I), $outer, $left, true),
            ai: dests!($inner, (A, I), $outer, $left, true),
        }
    };
}

/// The forms of `outer` applied to the result of `inner`, which is its left operand or not.
pub(crate) fn fused(inner: WasmOp, outer: WasmOp, left: bool) -> Option<&'static FusedForms> {
    table! { (inner, outer, left);
        immediate I32Shl I32Add true;
        immediate I32Shl I32Xor true;
        immediate I32Shl I32Or true;
        immediate I32ShrU I32Add true;
        immediate I32ShrU I32Xor true;
        immediate I32ShrU I32Or true;
        immediate I32Rotl I32Add true;
        immediate I32Rotl I32Xor true;
        immediate I32And I32Add true;
        immediate I32And I32Or true;
        immediate I32And I32Xor true;
        immediate I64Shl I64Add true;
        immediate I64Shl I64Xor true;
        immediate I64Shl I64Or true;
        immediate I64ShrU I64Add true;
        immediate I64ShrU I64Xor true;
        immediate I64ShrU I64Or true;
        immediate I64Rotl I64Add true;
        immediate I64Rotl I64Xor true;
        both I32Mul I32Add true;
        slots I64Mul I64Add true;
        slots F32Mul F32Add true;
        slots F32Mul F32Sub true;
        slots F32Mul F32Sub false;
        slots F64Mul F64Add true;
        slots F64Mul F64Sub true;
        slots F64Mul F64Sub false;
        slots F64Add F64Add true;
        slots F64Sub F64Add true;
    }
}

/// `local = a + immediate; branch if C(local, b)`: distance at 8, local at 12, `a` at 14, immediate (i32) at 16, `b` at 20 as `X` has
/// it.
pub(crate) struct StepBranch<C, X>(PhantomData<(C, X)>);

/// Where the right operand of a [`StepBranch`] is.
pub(crate) trait StepLimit {
    /// Reads it.
    fn limit(r: &Regs) -> i32;
}
impl StepLimit for S {
    #[inline(always)]
    fn limit(r: &Regs) -> i32 {
        i32::get(r, r.u16(20))
    }
}
impl StepLimit for I {
    #[inline(always)]
    fn limit(r: &Regs) -> i32 {
        r.u32(20) as i32
    }
}

impl<C: Binary<Left = i32, Right = i32, Result = i32>, X: StepLimit> Branch for StepBranch<C, X> {
    const TARGET: usize = 8;
    const BACK: bool = true;
    #[inline(always)]
    fn size() -> usize {
        24
    }
    #[inline(always)]
    fn test(r: &mut Regs) -> bool {
        let value = i32::get(r, r.u16(14)).wrapping_add(r.u32(16) as i32);
        let local = r.u16(12);
        value.put(r, local);
        matches!(C::eval(value, X::limit(r)), Ok(taken) if taken != 0)
    }
}

/// The backward [`StepBranch`] on a comparison with a slot or an immediate.
pub(crate) fn step_branch(op: WasmOp, immediate: bool) -> Option<Handler> {
    macro_rules! table {
        ($($op:ident)*) => {
            match (op, immediate) {
                $((WasmOp::$op, false) => Some(branch::<StepBranch<ops::$op, S>> as Handler),)*
                $((WasmOp::$op, true) => Some(branch::<StepBranch<ops::$op, I>> as Handler),)*
                _ => None,
            }
        };
    }
    table! { I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU }
}
