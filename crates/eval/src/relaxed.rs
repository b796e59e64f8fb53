//! Relaxed vector operators, each with the result of the specification's deterministic profile.
//! Faster choices that hardware offers are a tier's business, and then every tier's.
//!
//! | operator | choice (core specification, 4.3.6 "relaxed operations") |
//! |---|---|
//! | `relaxed_swizzle` | that of `swizzle`: 0 for every index above 15 |
//! | `relaxed_trunc` | saturates, NaN gives 0 |
//! | `relaxed_madd`, `relaxed_nmadd` | two roundings: multiply, then add; `nmadd` negates the first factor |
//! | `relaxed_laneselect` | bitwise |
//! | `relaxed_min`, `relaxed_max` | those of `min` and `max` |
//! | `relaxed_q15mulr` | saturates |
//! | `relaxed_dot` | both operands signed, sums of two products saturate to i16 |

use crate::v128::map3;
use crate::{V128, simd_float, simd_int, simd_lane, simd_widen};

ops! {
    i8x16_relaxed_swizzle(a: V128, lanes: V128) -> V128 = simd_lane::i8x16_swizzle(a, lanes);
    i32x4_relaxed_trunc_f32x4_s(a: V128) -> V128 = simd_float::i32x4_trunc_sat_f32x4_s(a);
    i32x4_relaxed_trunc_f32x4_u(a: V128) -> V128 = simd_float::i32x4_trunc_sat_f32x4_u(a);
    i32x4_relaxed_trunc_f64x2_s_zero(a: V128) -> V128 = simd_float::i32x4_trunc_sat_f64x2_s_zero(a);
    i32x4_relaxed_trunc_f64x2_u_zero(a: V128) -> V128 = simd_float::i32x4_trunc_sat_f64x2_u_zero(a);
    f32x4_relaxed_madd(a: V128, b: V128, c: V128) -> V128 =
        map3(a, b, c, |x: f32, y: f32, z: f32| x * y + z);
    f32x4_relaxed_nmadd(a: V128, b: V128, c: V128) -> V128 =
        map3(a, b, c, |x: f32, y: f32, z: f32| -x * y + z);
    f64x2_relaxed_madd(a: V128, b: V128, c: V128) -> V128 =
        map3(a, b, c, |x: f64, y: f64, z: f64| x * y + z);
    f64x2_relaxed_nmadd(a: V128, b: V128, c: V128) -> V128 =
        map3(a, b, c, |x: f64, y: f64, z: f64| -x * y + z);
    i8x16_relaxed_laneselect(a: V128, b: V128, mask: V128) -> V128 =
        simd_int::v128_bitselect(a, b, mask);
    i16x8_relaxed_laneselect(a: V128, b: V128, mask: V128) -> V128 =
        simd_int::v128_bitselect(a, b, mask);
    i32x4_relaxed_laneselect(a: V128, b: V128, mask: V128) -> V128 =
        simd_int::v128_bitselect(a, b, mask);
    i64x2_relaxed_laneselect(a: V128, b: V128, mask: V128) -> V128 =
        simd_int::v128_bitselect(a, b, mask);
    f32x4_relaxed_min(a: V128, b: V128) -> V128 = simd_float::f32x4_min(a, b);
    f32x4_relaxed_max(a: V128, b: V128) -> V128 = simd_float::f32x4_max(a, b);
    f64x2_relaxed_min(a: V128, b: V128) -> V128 = simd_float::f64x2_min(a, b);
    f64x2_relaxed_max(a: V128, b: V128) -> V128 = simd_float::f64x2_max(a, b);
    i16x8_relaxed_q15mulr_s(a: V128, b: V128) -> V128 = simd_int::i16x8_q15mulr_sat_s(a, b);
    i16x8_relaxed_dot_i8x16_i7x16_s(a: V128, b: V128) -> V128 =
        simd_widen::widen2(a, b, |x: &[i8; 16], y, i| {
            let product = |j: usize| i16::from(x[j]) * i16::from(y[j]);
            product(2 * i).saturating_add(product(2 * i + 1))
        });
    i32x4_relaxed_dot_i8x16_i7x16_add_s(a: V128, b: V128, c: V128) -> V128 = {
        let dot = i16x8_relaxed_dot_i8x16_i7x16_s(a, b);
        simd_int::i32x4_add(simd_widen::i32x4_extadd_pairwise_i16x8_s(dot), c)
    };
}
