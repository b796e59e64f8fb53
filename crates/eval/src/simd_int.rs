//! Lane-wise integer operators and bitwise operators of vectors.
//! Operators that change the lane size are in `simd_widen`.

use crate::V128;
use crate::v128::{Lane, map1, map2};

ops! {
    v128_not(a: V128) -> V128 = V128::from_bits(!a.to_bits());
    v128_and(a: V128, b: V128) -> V128 = V128::from_bits(a.to_bits() & b.to_bits());
    v128_andnot(a: V128, b: V128) -> V128 = V128::from_bits(a.to_bits() & !b.to_bits());
    v128_or(a: V128, b: V128) -> V128 = V128::from_bits(a.to_bits() | b.to_bits());
    v128_xor(a: V128, b: V128) -> V128 = V128::from_bits(a.to_bits() ^ b.to_bits());
    v128_bitselect(a: V128, b: V128, mask: V128) -> V128 =
        V128::from_bits(a.to_bits() & mask.to_bits() | b.to_bits() & !mask.to_bits());
    v128_any_true(a: V128) -> i32 = i32::from(a.to_bits() != 0);

    i8x16_eq(a: V128, b: V128) -> V128 = map2(a, b, |x: i8, y: i8| -i8::from(x == y));
    i8x16_ne(a: V128, b: V128) -> V128 = map2(a, b, |x: i8, y: i8| -i8::from(x != y));
    i8x16_lt_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i8, y: i8| -i8::from(x < y));
    i8x16_lt_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u8, y: u8| -i8::from(x < y));
    i8x16_gt_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i8, y: i8| -i8::from(x > y));
    i8x16_gt_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u8, y: u8| -i8::from(x > y));
    i8x16_le_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i8, y: i8| -i8::from(x <= y));
    i8x16_le_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u8, y: u8| -i8::from(x <= y));
    i8x16_ge_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i8, y: i8| -i8::from(x >= y));
    i8x16_ge_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u8, y: u8| -i8::from(x >= y));
    i8x16_abs(a: V128) -> V128 = map1(a, i8::wrapping_abs);
    i8x16_neg(a: V128) -> V128 = map1(a, i8::wrapping_neg);
    i8x16_popcnt(a: V128) -> V128 = map1(a, |x: u8| x.count_ones() as u8);
    i8x16_all_true(a: V128) -> i32 = all_true::<i8, _>(a);
    i8x16_bitmask(a: V128) -> i32 = {
        let [low, high] = u64::split(a);
        sign_bits(low) | sign_bits(high) << 8
    };
    i8x16_shl(a: V128, n: i32) -> V128 = map1(a, |x: i8| x.wrapping_shl(n as u32));
    i8x16_shr_s(a: V128, n: i32) -> V128 = map1(a, |x: i8| x.wrapping_shr(n as u32));
    i8x16_shr_u(a: V128, n: i32) -> V128 = map1(a, |x: u8| x.wrapping_shr(n as u32));
    i8x16_add(a: V128, b: V128) -> V128 = map2(a, b, i8::wrapping_add);
    i8x16_sub(a: V128, b: V128) -> V128 = map2(a, b, i8::wrapping_sub);
    i8x16_add_sat_s(a: V128, b: V128) -> V128 = map2(a, b, i8::saturating_add);
    i8x16_add_sat_u(a: V128, b: V128) -> V128 = map2(a, b, u8::saturating_add);
    i8x16_sub_sat_s(a: V128, b: V128) -> V128 = map2(a, b, i8::saturating_sub);
    i8x16_sub_sat_u(a: V128, b: V128) -> V128 = map2(a, b, u8::saturating_sub);
    i8x16_min_s(a: V128, b: V128) -> V128 = map2(a, b, i8::min);
    i8x16_min_u(a: V128, b: V128) -> V128 = map2(a, b, u8::min);
    i8x16_max_s(a: V128, b: V128) -> V128 = map2(a, b, i8::max);
    i8x16_max_u(a: V128, b: V128) -> V128 = map2(a, b, u8::max);
    i8x16_avgr_u(a: V128, b: V128) -> V128 =
        map2(a, b, |x: u8, y: u8| (u16::from(x) + u16::from(y)).div_ceil(2) as u8);

    i16x8_eq(a: V128, b: V128) -> V128 = map2(a, b, |x: i16, y: i16| -i16::from(x == y));
    i16x8_ne(a: V128, b: V128) -> V128 = map2(a, b, |x: i16, y: i16| -i16::from(x != y));
    i16x8_lt_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i16, y: i16| -i16::from(x < y));
    i16x8_lt_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u16, y: u16| -i16::from(x < y));
    i16x8_gt_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i16, y: i16| -i16::from(x > y));
    i16x8_gt_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u16, y: u16| -i16::from(x > y));
    i16x8_le_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i16, y: i16| -i16::from(x <= y));
    i16x8_le_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u16, y: u16| -i16::from(x <= y));
    i16x8_ge_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i16, y: i16| -i16::from(x >= y));
    i16x8_ge_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u16, y: u16| -i16::from(x >= y));
    i16x8_abs(a: V128) -> V128 = map1(a, i16::wrapping_abs);
    i16x8_neg(a: V128) -> V128 = map1(a, i16::wrapping_neg);
    i16x8_all_true(a: V128) -> i32 = all_true::<i16, _>(a);
    i16x8_bitmask(a: V128) -> i32 = {
        // As `sign_bits`: the product moves bit 16i + 15 to bit 60 + i.
        let [low, high] = u64::split(a).map(|half| {
            let signs = half & 0x8000_8000_8000_8000;
            (signs.wrapping_mul(0x0000_2000_4000_8001) >> 60) as i32
        });
        low | high << 4
    };
    i16x8_shl(a: V128, n: i32) -> V128 = map1(a, |x: i16| x.wrapping_shl(n as u32));
    i16x8_shr_s(a: V128, n: i32) -> V128 = map1(a, |x: i16| x.wrapping_shr(n as u32));
    i16x8_shr_u(a: V128, n: i32) -> V128 = map1(a, |x: u16| x.wrapping_shr(n as u32));
    i16x8_add(a: V128, b: V128) -> V128 = map2(a, b, i16::wrapping_add);
    i16x8_sub(a: V128, b: V128) -> V128 = map2(a, b, i16::wrapping_sub);
    i16x8_mul(a: V128, b: V128) -> V128 = map2(a, b, i16::wrapping_mul);
    i16x8_add_sat_s(a: V128, b: V128) -> V128 = map2(a, b, i16::saturating_add);
    i16x8_add_sat_u(a: V128, b: V128) -> V128 = map2(a, b, u16::saturating_add);
    i16x8_sub_sat_s(a: V128, b: V128) -> V128 = map2(a, b, i16::saturating_sub);
    i16x8_sub_sat_u(a: V128, b: V128) -> V128 = map2(a, b, u16::saturating_sub);
    i16x8_min_s(a: V128, b: V128) -> V128 = map2(a, b, i16::min);
    i16x8_min_u(a: V128, b: V128) -> V128 = map2(a, b, u16::min);
    i16x8_max_s(a: V128, b: V128) -> V128 = map2(a, b, i16::max);
    i16x8_max_u(a: V128, b: V128) -> V128 = map2(a, b, u16::max);
    i16x8_avgr_u(a: V128, b: V128) -> V128 =
        map2(a, b, |x: u16, y: u16| (u32::from(x) + u32::from(y)).div_ceil(2) as u16);
    i16x8_q15mulr_sat_s(a: V128, b: V128) -> V128 = map2(a, b, q15mulr_sat);

    i32x4_eq(a: V128, b: V128) -> V128 = map2(a, b, |x: i32, y: i32| -i32::from(x == y));
    i32x4_ne(a: V128, b: V128) -> V128 = map2(a, b, |x: i32, y: i32| -i32::from(x != y));
    i32x4_lt_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i32, y: i32| -i32::from(x < y));
    i32x4_lt_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u32, y: u32| -i32::from(x < y));
    i32x4_gt_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i32, y: i32| -i32::from(x > y));
    i32x4_gt_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u32, y: u32| -i32::from(x > y));
    i32x4_le_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i32, y: i32| -i32::from(x <= y));
    i32x4_le_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u32, y: u32| -i32::from(x <= y));
    i32x4_ge_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i32, y: i32| -i32::from(x >= y));
    i32x4_ge_u(a: V128, b: V128) -> V128 = map2(a, b, |x: u32, y: u32| -i32::from(x >= y));
    i32x4_abs(a: V128) -> V128 = map1(a, i32::wrapping_abs);
    i32x4_neg(a: V128) -> V128 = map1(a, i32::wrapping_neg);
    i32x4_all_true(a: V128) -> i32 = all_true::<i32, _>(a);
    i32x4_bitmask(a: V128) -> i32 = bitmask(a, |x: i32| x < 0);
    i32x4_shl(a: V128, n: i32) -> V128 = map1(a, |x: i32| x.wrapping_shl(n as u32));
    i32x4_shr_s(a: V128, n: i32) -> V128 = map1(a, |x: i32| x.wrapping_shr(n as u32));
    i32x4_shr_u(a: V128, n: i32) -> V128 = map1(a, |x: u32| x.wrapping_shr(n as u32));
    i32x4_add(a: V128, b: V128) -> V128 = map2(a, b, i32::wrapping_add);
    i32x4_sub(a: V128, b: V128) -> V128 = map2(a, b, i32::wrapping_sub);
    i32x4_mul(a: V128, b: V128) -> V128 = map2(a, b, i32::wrapping_mul);
    i32x4_min_s(a: V128, b: V128) -> V128 = map2(a, b, i32::min);
    i32x4_min_u(a: V128, b: V128) -> V128 = map2(a, b, u32::min);
    i32x4_max_s(a: V128, b: V128) -> V128 = map2(a, b, i32::max);
    i32x4_max_u(a: V128, b: V128) -> V128 = map2(a, b, u32::max);

    i64x2_eq(a: V128, b: V128) -> V128 = map2(a, b, |x: i64, y: i64| -i64::from(x == y));
    i64x2_ne(a: V128, b: V128) -> V128 = map2(a, b, |x: i64, y: i64| -i64::from(x != y));
    i64x2_lt_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i64, y: i64| -i64::from(x < y));
    i64x2_gt_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i64, y: i64| -i64::from(x > y));
    i64x2_le_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i64, y: i64| -i64::from(x <= y));
    i64x2_ge_s(a: V128, b: V128) -> V128 = map2(a, b, |x: i64, y: i64| -i64::from(x >= y));
    i64x2_abs(a: V128) -> V128 = map1(a, i64::wrapping_abs);
    i64x2_neg(a: V128) -> V128 = map1(a, i64::wrapping_neg);
    i64x2_all_true(a: V128) -> i32 = all_true::<i64, _>(a);
    i64x2_bitmask(a: V128) -> i32 = bitmask(a, |x: i64| x < 0);
    i64x2_shl(a: V128, n: i32) -> V128 = map1(a, |x: i64| x.wrapping_shl(n as u32));
    i64x2_shr_s(a: V128, n: i32) -> V128 = map1(a, |x: i64| x.wrapping_shr(n as u32));
    i64x2_shr_u(a: V128, n: i32) -> V128 = map1(a, |x: u64| x.wrapping_shr(n as u32));
    i64x2_add(a: V128, b: V128) -> V128 = map2(a, b, i64::wrapping_add);
    i64x2_sub(a: V128, b: V128) -> V128 = map2(a, b, i64::wrapping_sub);
    i64x2_mul(a: V128, b: V128) -> V128 = map2(a, b, i64::wrapping_mul);
}

/// Whether no lane is zero.
#[inline(always)]
fn all_true<T: Lane<N> + Default + PartialEq, const N: usize>(a: V128) -> i32 {
    i32::from(T::split(a).iter().fold(true, |all, lane| all & (*lane != T::default())))
}

/// Bit i of the result: the highest bit of byte i. The product moves bit 8i + 7 to bit 56 + i.
#[inline(always)]
fn sign_bits(bytes: u64) -> i32 {
    let signs = bytes & 0x8080_8080_8080_8080;
    (signs.wrapping_mul(0x0002_0408_1020_4081) >> 56) as i32
}

/// Bit i of the result: whether lane i is negative.
#[inline(always)]
fn bitmask<T: Lane<N>, const N: usize>(a: V128, negative: impl Fn(T) -> bool) -> i32 {
    let lanes = T::split(a);
    (0..N).fold(0, |mask, i| mask | i32::from(negative(lanes[i])) << i)
}

/// Product of two Q15 fixed-point numbers, rounded half up; only -1 times -1 saturates.
#[inline(always)]
fn q15mulr_sat(x: i16, y: i16) -> i16 {
    let rounded = (i32::from(x) * i32::from(y) + 0x4000) >> 15;
    rounded.min(i32::from(i16::MAX)) as i16
}
