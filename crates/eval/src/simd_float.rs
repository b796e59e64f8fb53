//! Lane-wise float operators of vectors, and conversions to and from float lanes.
//! Relaxed forms are in `relaxed`.
//!
//! Minimum, maximum and rounding are the scalar algorithms of `float` written with masks instead of
//! branches, step by step over all lanes and without leaving the lane size: the optimizer makes
//! vector instructions of that, but not of a scalar function applied to every lane.

use crate::V128;
use crate::v128::{Lane, map1, map2, map3};
use crate::{float, simd_widen::widen};

ops! {
    f32x4_eq(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x == y));
    f32x4_ne(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x != y));
    f32x4_lt(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x < y));
    f32x4_gt(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x > y));
    f32x4_le(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x <= y));
    f32x4_ge(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| -i32::from(x >= y));
    f32x4_abs(a: V128) -> V128 = map1(a, float::f32_abs);
    f32x4_neg(a: V128) -> V128 = map1(a, float::f32_neg);
    f32x4_sqrt(a: V128) -> V128 = map1(a, float::f32_sqrt);
    f32x4_add(a: V128, b: V128) -> V128 = map2(a, b, float::f32_add);
    f32x4_sub(a: V128, b: V128) -> V128 = map2(a, b, float::f32_sub);
    f32x4_mul(a: V128, b: V128) -> V128 = map2(a, b, float::f32_mul);
    f32x4_div(a: V128, b: V128) -> V128 = map2(a, b, float::f32_div);
    f32x4_min(a: V128, b: V128) -> V128 = {
        let other = select_u32(or_u32(a, b), f32x4_add(a, b), f32x4_eq(a, b));
        select_u32(a, select_u32(b, other, f32x4_lt(b, a)), f32x4_lt(a, b))
    };
    f32x4_max(a: V128, b: V128) -> V128 = {
        let other = select_u32(and_u32(a, b), f32x4_add(a, b), f32x4_eq(a, b));
        select_u32(a, select_u32(b, other, f32x4_gt(b, a)), f32x4_gt(a, b))
    };
    f32x4_nearest(a: V128) -> V128 = integral_f32x4(a, |rounded| rounded);
    f32x4_ceil(a: V128) -> V128 = integral_f32x4(a, |rounded| {
        f32x4_add(rounded, one_f32x4(f32x4_lt(rounded, a)))
    });
    f32x4_floor(a: V128) -> V128 = integral_f32x4(a, |rounded| {
        f32x4_sub(rounded, one_f32x4(f32x4_gt(rounded, a)))
    });
    f32x4_trunc(a: V128) -> V128 = integral_f32x4(a, |rounded| {
        let too_far = one_f32x4(f32x4_gt(f32x4_abs(rounded), f32x4_abs(a)));
        f32x4_sub(rounded, copysign_f32x4(too_far, a))
    });
    f32x4_pmin(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| if y < x { y } else { x });
    f32x4_pmax(a: V128, b: V128) -> V128 = map2(a, b, |x: f32, y: f32| if x < y { y } else { x });

    f64x2_eq(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x == y));
    f64x2_ne(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x != y));
    f64x2_lt(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x < y));
    f64x2_gt(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x > y));
    f64x2_le(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x <= y));
    f64x2_ge(a: V128, b: V128) -> V128 = map2(a, b, |x: f64, y: f64| -i64::from(x >= y));
    f64x2_abs(a: V128) -> V128 = map1(a, float::f64_abs);
    f64x2_neg(a: V128) -> V128 = map1(a, float::f64_neg);
    f64x2_sqrt(a: V128) -> V128 = map1(a, float::f64_sqrt);
    f64x2_add(a: V128, b: V128) -> V128 = map2(a, b, float::f64_add);
    f64x2_sub(a: V128, b: V128) -> V128 = map2(a, b, float::f64_sub);
    f64x2_mul(a: V128, b: V128) -> V128 = map2(a, b, float::f64_mul);
    f64x2_div(a: V128, b: V128) -> V128 = map2(a, b, float::f64_div);
    f64x2_min(a: V128, b: V128) -> V128 = {
        let other = select_u64(or_u64(a, b), f64x2_add(a, b), f64x2_eq(a, b));
        select_u64(a, select_u64(b, other, f64x2_lt(b, a)), f64x2_lt(a, b))
    };
    f64x2_max(a: V128, b: V128) -> V128 = {
        let other = select_u64(and_u64(a, b), f64x2_add(a, b), f64x2_eq(a, b));
        select_u64(a, select_u64(b, other, f64x2_gt(b, a)), f64x2_gt(a, b))
    };
    f64x2_nearest(a: V128) -> V128 = integral_f64x2(a, |rounded| rounded);
    f64x2_ceil(a: V128) -> V128 = integral_f64x2(a, |rounded| {
        f64x2_add(rounded, one_f64x2(f64x2_lt(rounded, a)))
    });
    f64x2_floor(a: V128) -> V128 = integral_f64x2(a, |rounded| {
        f64x2_sub(rounded, one_f64x2(f64x2_gt(rounded, a)))
    });
    f64x2_trunc(a: V128) -> V128 = integral_f64x2(a, |rounded| {
        let too_far = one_f64x2(f64x2_gt(f64x2_abs(rounded), f64x2_abs(a)));
        f64x2_sub(rounded, copysign_f64x2(too_far, a))
    });
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

/// 1.0 in the lanes that the mask selects, else 0.0.
#[inline(always)]
fn one_f32x4(mask: V128) -> V128 {
    and_u32(mask, V128::from([1f32; 4]))
}

/// The magnitudes of `a` with the signs of `b`.
#[inline(always)]
fn copysign_f32x4(a: V128, b: V128) -> V128 {
    select_u32(b, a, V128::from([-0f32; 4]))
}

/// See `float::integral_f32`.
#[inline(always)]
fn integral_f32x4(a: V128, fix: impl Fn(V128) -> V128) -> V128 {
    let limit = V128::from([8_388_608f32; 4]);
    let magic = copysign_f32x4(limit, a);
    let rounded = copysign_f32x4(fix(f32x4_sub(f32x4_add(a, magic), magic)), a);
    let quiet = and_u32(f32x4_ne(a, a), V128::from([0x0040_0000u32; 4]));
    select_u32(rounded, or_u32(a, quiet), f32x4_lt(f32x4_abs(a), limit))
}

/// 1.0 in the lanes that the mask selects, else 0.0.
#[inline(always)]
fn one_f64x2(mask: V128) -> V128 {
    and_u64(mask, V128::from([1f64; 2]))
}

/// The magnitudes of `a` with the signs of `b`.
#[inline(always)]
fn copysign_f64x2(a: V128, b: V128) -> V128 {
    select_u64(b, a, V128::from([-0f64; 2]))
}

/// See `float::integral_f64`.
#[inline(always)]
fn integral_f64x2(a: V128, fix: impl Fn(V128) -> V128) -> V128 {
    let limit = V128::from([4_503_599_627_370_496f64; 2]);
    let magic = copysign_f64x2(limit, a);
    let rounded = copysign_f64x2(fix(f64x2_sub(f64x2_add(a, magic), magic)), a);
    let quiet = and_u64(f64x2_ne(a, a), V128::from([0x0008_0000_0000_0000u64; 2]));
    select_u64(rounded, or_u64(a, quiet), f64x2_lt(f64x2_abs(a), limit))
}

#[inline(always)]
fn and_u32(a: V128, b: V128) -> V128 {
    map2(a, b, |x: u32, y: u32| x & y)
}

#[inline(always)]
fn or_u32(a: V128, b: V128) -> V128 {
    map2(a, b, |x: u32, y: u32| x | y)
}

#[inline(always)]
fn select_u32(a: V128, b: V128, mask: V128) -> V128 {
    map3(a, b, mask, |x: u32, y: u32, mask: u32| x & mask | y & !mask)
}

#[inline(always)]
fn and_u64(a: V128, b: V128) -> V128 {
    map2(a, b, |x: u64, y: u64| x & y)
}

#[inline(always)]
fn or_u64(a: V128, b: V128) -> V128 {
    map2(a, b, |x: u64, y: u64| x | y)
}

#[inline(always)]
fn select_u64(a: V128, b: V128, mask: V128) -> V128 {
    map3(a, b, mask, |x: u64, y: u64, mask: u64| x & mask | y & !mask)
}
