//! The meaning of every pure and trapping operator, each as one Rust function named by its table row.
//! Not here: memory, control, references: an operator's effects belong to tiers and runtime.
//!
//! Interpreter handlers, constant folding and test oracles all call these functions, so that no
//! two of them can disagree. Operands are typed as the row says, in [`repr`]: `i32_add(i32, i32)`,
//! `i32_div_s(i32, i32) -> Result<i32, TrapCode>`, `i8x16_add(V128, V128) -> V128`.
//!
//! NaNs: moves, `reinterpret`, `abs`, `neg` and `copysign` keep every bit. Arithmetic gives some
//! NaN that the specification allows (section 4.3.3), whichever the machine makes; a
//! deterministic embedding applies [`canonicalize`] to the results of operators with a
//! [`nan_shape`].

#![forbid(unsafe_code)]

/// Defines functions of the table's names, always inlined: they are the bodies of handlers.
macro_rules! ops {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $result:ty = $body:expr;)*) => {$(
        #[doc = concat!("The operator `", stringify!($name), "` of the table.")]
        #[inline(always)]
        pub fn $name($($arg: $ty),*) -> $result {
            $body
        }
    )*};
}

mod convert;
mod float;
mod fold;
mod int;
mod memory;
mod nan;
mod relations;
mod relaxed;
mod simd_float;
mod simd_int;
mod simd_lane;
mod simd_widen;
mod v128;

pub use convert::*;
pub use float::*;
pub use fold::{Value, Values, fold, fold_lane};
pub use int::*;
pub use memory::*;
pub use nan::{NanShape, canon_f32, canon_f32x4, canon_f64, canon_f64x2, canonicalize, nan_shape};
pub use relations::{negated, swapped};
pub use relaxed::*;
pub use simd_float::*;
pub use simd_int::*;
pub use simd_lane::*;
pub use simd_widen::*;
pub use sterna_isa::TrapCode;
pub use v128::V128;

/// The Rust type of each type name in table rows, for macros over the table.
pub mod repr {
    pub use super::V128;
    /// 32-bit integer.
    pub type I32 = i32;
    /// 64-bit integer.
    pub type I64 = i64;
    /// 32-bit float.
    pub type F32 = f32;
    /// 64-bit float.
    pub type F64 = f64;
}
