//! Canonical NaNs, for embeddings that want the same bits everywhere.
//! Not here: when to canonicalize, which configuration and tiers decide.

use sterna_isa::Op;

use crate::v128::map1;
use crate::{V128, Value};

/// Where a result may hold a NaN whose bits depend on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NanShape {
    /// In an f32.
    F32,
    /// In an f64.
    F64,
    /// In the lanes of four f32.
    F32x4,
    /// In the lanes of two f64.
    F64x2,
}

/// The positive canonical NaN for every NaN, else the operand.
#[inline(always)]
pub fn canon_f32(a: f32) -> f32 {
    if a.is_nan() { f32::from_bits(0x7fc0_0000) } else { a }
}

/// The positive canonical NaN for every NaN, else the operand.
#[inline(always)]
pub fn canon_f64(a: f64) -> f64 {
    if a.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { a }
}

/// [`canon_f32`] of every lane.
#[inline(always)]
pub fn canon_f32x4(a: V128) -> V128 {
    map1(a, canon_f32)
}

/// [`canon_f64`] of every lane.
#[inline(always)]
pub fn canon_f64x2(a: V128) -> V128 {
    map1(a, canon_f64)
}

/// A result with the NaNs of its shape made canonical; values of other types stay.
pub fn canonicalize(shape: NanShape, value: Value) -> Value {
    match (shape, value) {
        (NanShape::F32, Value::F32(bits)) => canon_f32(f32::from_bits(bits)).into(),
        (NanShape::F64, Value::F64(bits)) => canon_f64(f64::from_bits(bits)).into(),
        (NanShape::F32x4, Value::V128(vector)) => canon_f32x4(vector).into(),
        (NanShape::F64x2, Value::V128(vector)) => canon_f64x2(vector).into(),
        _ => value,
    }
}

/// Where the operator's result may hold a NaN that it made; `None` for operators that only move
/// bits (`neg`, `pmin`, `reinterpret`, loads, …).
pub fn nan_shape(op: Op) -> Option<NanShape> {
    use Op::*;
    match op {
        F32Add | F32Sub | F32Mul | F32Div | F32Sqrt | F32Min | F32Max | F32Ceil | F32Floor
        | F32Trunc | F32Nearest | F32DemoteF64 => Some(NanShape::F32),
        F64Add | F64Sub | F64Mul | F64Div | F64Sqrt | F64Min | F64Max | F64Ceil | F64Floor
        | F64Trunc | F64Nearest | F64PromoteF32 => Some(NanShape::F64),
        F32x4Add | F32x4Sub | F32x4Mul | F32x4Div | F32x4Sqrt | F32x4Min | F32x4Max | F32x4Ceil
        | F32x4Floor | F32x4Trunc | F32x4Nearest | F32x4DemoteF64x2Zero | F32x4RelaxedMadd
        | F32x4RelaxedNmadd | F32x4RelaxedMin | F32x4RelaxedMax => Some(NanShape::F32x4),
        F64x2Add | F64x2Sub | F64x2Mul | F64x2Div | F64x2Sqrt | F64x2Min | F64x2Max | F64x2Ceil
        | F64x2Floor | F64x2Trunc | F64x2Nearest | F64x2PromoteLowF32x4 | F64x2RelaxedMadd
        | F64x2RelaxedNmadd | F64x2RelaxedMin | F64x2RelaxedMax => Some(NanShape::F64x2),
        _ => None,
    }
}
