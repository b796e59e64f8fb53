//! Owns the instructions of operators on vectors and of wide arithmetic: all operands in slots, results to slots.
//! Does not own vector loads and stores (`memory`).

use std::marker::PhantomData;

use sterna_eval::{V128, repr};
use sterna_isa::Op as WasmOp;

use crate::machine::{Handler, Op, Regs, Stop, step};
use crate::value::{Dest, ToSlot, Value};

/// A function of slots: destination at 8, operands from 10 (16 bits each), then further immediates.
pub(crate) trait Vector {
    /// Bytes of the instruction.
    const SIZE: usize;
    /// Reads operands, computes, writes the result.
    fn apply(r: &mut Regs);
}

/// The instruction of `O`.
pub(crate) struct VectorOp<O>(PhantomData<O>);

impl<O: Vector> Op for VectorOp<O> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        O::apply(r);
        r.advance(O::SIZE);
        Ok(())
    }
}

macro_rules! define {
    (@pure $($op:ident, $name:ident, $code:tt, $text:literal, Pure, [$($p:ident)*] -> [$r:ident], NoImm, $feature:ident;)*) => {
        $(pub(crate) struct $op;
        impl Vector for $op {
            const SIZE: usize = 16;
            #[inline(always)]
            fn apply(r: &mut Regs) {
                define! { @call r $name [$($p)*] }
            }
        })*
    };
    (@call $regs:ident $name:ident [$a:ident]) => {
        let a = repr::$a::get($regs, $regs.u16(10));
        ToSlot::write($regs, sterna_eval::$name(a));
    };
    (@call $regs:ident $name:ident [$a:ident $b:ident]) => {
        let a = repr::$a::get($regs, $regs.u16(10));
        let b = repr::$b::get($regs, $regs.u16(12));
        ToSlot::write($regs, sterna_eval::$name(a, b));
    };
    (@call $regs:ident $name:ident [$a:ident $b:ident $c:ident]) => {
        let a = repr::$a::get($regs, $regs.u16(10));
        let b = repr::$b::get($regs, $regs.u16(12));
        let c = repr::$c::get($regs, $regs.u16(14));
        ToSlot::write($regs, sterna_eval::$name(a, b, c));
    };
    (@lane $($op:ident, $name:ident, $code:tt, $text:literal, Lane, [$($p:ident)*] -> [$r:ident], $imm:ident, $feature:ident;)*) => {
        $(define! { @lane_one $op $name [$($p)*] $imm })*
    };
    (@lane_one $op:ident $name:ident [V128 V128] Shuffle) => {
        pub(crate) struct $op;
        impl Vector for $op {
            const SIZE: usize = 32;
            #[inline(always)]
            fn apply(r: &mut Regs) {
                let a = V128::get(r, r.u16(10));
                let b = V128::get(r, r.u16(12));
                ToSlot::write(r, sterna_eval::$name(a, b, r.u128(16).to_le_bytes()));
            }
        }
    };
    (@lane_one $op:ident $name:ident [V128] Lane) => {
        pub(crate) struct $op;
        impl Vector for $op {
            const SIZE: usize = 16;
            #[inline(always)]
            fn apply(r: &mut Regs) {
                let a = V128::get(r, r.u16(10));
                ToSlot::write(r, sterna_eval::$name(a, r.u16(14) as u8));
            }
        }
    };
    (@lane_one $op:ident $name:ident [V128 $b:ident] Lane) => {
        pub(crate) struct $op;
        impl Vector for $op {
            const SIZE: usize = 16;
            #[inline(always)]
            fn apply(r: &mut Regs) {
                let a = V128::get(r, r.u16(10));
                let b = repr::$b::get(r, r.u16(12));
                ToSlot::write(r, sterna_eval::$name(a, b, r.u16(14) as u8));
            }
        }
    };
    // Operands in consecutive slots from the destination on; two results there.
    (@wide $($op:ident, $name:ident, $code:tt, $text:literal, Wide, [$($p:ident)*] -> [I64 I64], NoImm, $feature:ident;)*) => {
        $(define! { @wide_one $op $name [$($p)*] })*
    };
    (@wide_one $op:ident $name:ident [I64 I64]) => {
        define! { @wide_impl $op $name 0 1 }
    };
    (@wide_one $op:ident $name:ident [I64 I64 I64 I64]) => {
        define! { @wide_impl $op $name 0 1 2 3 }
    };
    (@wide_impl $op:ident $name:ident $($i:literal)*) => {
        pub(crate) struct $op;
        impl Vector for $op {
            const SIZE: usize = 16;
            #[inline(always)]
            fn apply(r: &mut Regs) {
                let base = r.u16(8);
                let (low, high) = sterna_eval::$name($(i64::get(r, base + $i)),*);
                low.put(r, base);
                high.put(r, base + 1);
            }
        }
    };
}

/// The operators' types, named as in the table.
mod ops {
    use super::{Dest, Regs, ToSlot, V128, Value, Vector, repr};
    sterna_isa::for_each_pure_simd! { define [ @pure ] }
    sterna_isa::for_each_lane! { define [ @lane ] }
    sterna_isa::for_each_wide! { define [ @wide ] }

    macro_rules! canon {
        ($($op:ident, $name:ident;)*) => {$(
            /// Canonical NaNs, in deterministic mode.
            pub(crate) struct $op;
            impl Vector for $op {
                const SIZE: usize = 16;
                #[inline(always)]
                fn apply(r: &mut Regs) {
                    let a = V128::get(r, r.u16(10));
                    ToSlot::write(r, sterna_eval::$name(a));
                }
            }
        )*};
    }
    canon! {
        CanonF32x4, canon_f32x4;
        CanonF64x2, canon_f64x2;
    }
}

/// The handler that canonicalizes NaNs of f32 lanes.
pub(crate) const CANON_F32X4: Handler = step::<VectorOp<ops::CanonF32x4>>;
/// The handler that canonicalizes NaNs of f64 lanes.
pub(crate) const CANON_F64X2: Handler = step::<VectorOp<ops::CanonF64x2>>;

macro_rules! match_rows {
    ($value:expr; $($op:ident, $name:ident, $code:tt, $text:literal, $class:ident, $p:tt -> $r:tt, $imm:ident, $feature:ident;)*) => {
        match $value {
            $(WasmOp::$op => Some(step::<VectorOp<ops::$op>> as Handler),)*
            _ => None,
        }
    };
}

/// The handler of a pure operator on vectors, of a lane operator or of wide arithmetic.
pub(crate) fn handler(op: WasmOp) -> Option<Handler> {
    let pure = sterna_isa::for_each_pure_simd! { match_rows [ op; ] };
    let lane = || sterna_isa::for_each_lane! { match_rows [ op; ] };
    let wide = || sterna_isa::for_each_wide! { match_rows [ op; ] };
    pure.or_else(lane).or_else(wide)
}
