//! Lane-wise float operators of vectors, and conversions to and from float lanes.
//! Every lane is computed by the scalar operator; relaxed forms are in `relaxed`.

use crate::V128;
use crate::v128::{Lane, map1, map2};
use crate::{float, simd_widen::widen};

ops! {
    f32x4_eq(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x == y));
    f32x4_ne(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x != y));
    f32x4_lt(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x < y));
    f32x4_gt(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x > y));
    f32x4_le(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x <= y));
    f32x4_ge(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x >= y));
    f32x4_ceil(a: V128) -> V128 = map1(a, float::f32_ceil);
    f32x4_floor(a: V128) -> V128 = map1(a, float::f32_floor);
    f32x4_trunc(a: V128) -> V128 = map1(a, float::f32_trunc);
    f32x4_nearest(a: V128) -> V128 = map1(a, float::f32_nearest);
    f32x4_abs(a: V128) -> V128 = map1(a, float::f32_abs);
    f32x4_neg(a: V128) -> V128 = map1(a, float::f32_neg);
    f32x4_sqrt(a: V128) -> V128 = map1(a, float::f32_sqrt);
    f32x4_add(a: V128, b: V128) -> V128 = map2(a, b, float::f32_add);
    f32x4_sub(a: V128, b: V128) -> V128 = map2(a, b, float::f32_sub);
    f32x4_mul(a: V128, b: V128) -> V128 = map2(a, b, float::f32_mul);
    f32x4_div(a: V128, b: V128) -> V128 = map2(a, b, float::f32_div);
    f32x4_min(a: V128, b: V128) -> V128 = map2(a, b, float::f32_min);
    f32x4_max(a: V128, b: V128) -> V128 = map2(a, b, float::f32_max);
    f32x4_pmin(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| if y < x { y } else { x });
    f32x4_pmax(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| if x < y { y } else { x });

    f64x2_eq(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x == y));
    f64x2_ne(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x != y));
    f64x2_lt(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x < y));
    f64x2_gt(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x > y));
    f64x2_le(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x <= y));
    f64x2_ge(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x >= y));
    f64x2_ceil(a: V128) -> V128 = map1(a, float::f64_ceil);
    f64x2_floor(a: V128) -> V128 = map1(a, float::f64_floor);
    f64x2_trunc(a: V128) -> V128 = map1(a, float::f64_trunc);
    f64x2_nearest(a: V128) -> V128 = map1(a, float::f64_nearest);
    f64x2_abs(a: V128) -> V128 = map1(a, float::f64_abs);
    f64x2_neg(a: V128) -> V128 = map1(a, float::f64_neg);
    f64x2_sqrt(a: V128) -> V128 = map1(a, float::f64_sqrt);
    f64x2_add(a: V128, b: V128) -> V128 = map2(a, b, float::f64_add);
    f64x2_sub(a: V128, b: V128) -> V128 = map2(a, b, float::f64_sub);
    f64x2_mul(a: V128, b: V128) -> V128 = map2(a, b, float::f64_mul);
    f64x2_div(a: V128, b: V128) -> V128 = map2(a, b, float::f64_div);
    f64x2_min(a: V128, b: V128) -> V128 = map2(a, b, float::f64_min);
    f64x2_max(a: V128, b: V128) -> V128 = map2(a, b, float::f64_max);
    f64x2_pmin(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| if y < x { y } else { x });
    f64x2_pmax(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| if x < y { y } else { x });

    i32x4_trunc_sat_f32x4_s(a: V128) -> V128 = map1(a, |x: f32| x as i32);
    i32x4_trunc_sat_f32x4_u(a: V128) -> V128 = map1(a, |x: f32| x as u32);
    f32x4_convert_i32x4_s(a: V128) -> V128 = map1(a, |x: i32| x as f32);
    f32x4_convert_i32x4_u(a: V128) -> V128 = map1(a, |x: u32| x as f32);
    i32x4_trunc_sat_f64x2_s_zero(a: V128) -> V128 = low_half(a, |x: f64| x as i32);
    i32x4_trunc_sat_f64x2_u_zero(a: V128) -> V128 = low_half(a, |x: f64| x as u32);
    f32x4_demote_f64x2_zero(a: V128) -> V128 = low_half(a, |x: f64| x as f32);
    f64x2_convert_low_i32x4_s(a: V128) -> V128 = widen(a, |x: &[i32; 4], i| f64::from(x[i]));
    f64x2_convert_low_i32x4_u(a: V128) -> V128 = widen(a, |x: &[u32; 4], i| f64::from(x[i]));
    f64x2_promote_low_f32x4(a: V128) -> V128 = widen(a, |x: &[f32; 4], i| f64::from(x[i]));
}

/// Two lanes made smaller, then two zeros.
#[inline(always)]
fn low_half<R: Lane<4> + Default>(a: V128, f: impl Fn(f64) -> R) -> V128 {
    let [x, y] = f64::split(a);
    R::join([f(x), f(y), R::default(), R::default()])
}
