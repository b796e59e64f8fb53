//! Integer vector operators whose operand and result lanes differ in size, and dot products.
//! The non-deterministic dot products are in `relaxed`.

use std::array::from_fn;

use crate::V128;
use crate::v128::Lane;

ops! {
    i16x8_extend_low_i8x16_s(a: V128) -> V128 =
        widen(a, |x: &[i8; 16], i| i16::from(x[i]));
    i16x8_extend_low_i8x16_u(a: V128) -> V128 =
        widen(a, |x: &[u8; 16], i| u16::from(x[i]));
    i16x8_extend_high_i8x16_s(a: V128) -> V128 =
        widen(a, |x: &[i8; 16], i| i16::from(x[i + 8]));
    i16x8_extend_high_i8x16_u(a: V128) -> V128 =
        widen(a, |x: &[u8; 16], i| u16::from(x[i + 8]));
    i16x8_extmul_low_i8x16_s(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[i8; 16], y, i| {
        i16::from(x[i]) * i16::from(y[i])
    });
    i16x8_extmul_low_i8x16_u(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[u8; 16], y, i| {
        u16::from(x[i]) * u16::from(y[i])
    });
    i16x8_extmul_high_i8x16_s(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[i8; 16], y, i| {
        i16::from(x[i + 8]) * i16::from(y[i + 8])
    });
    i16x8_extmul_high_i8x16_u(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[u8; 16], y, i| {
        u16::from(x[i + 8]) * u16::from(y[i + 8])
    });
    i16x8_extadd_pairwise_i8x16_s(a: V128) -> V128 = widen(a, |x: &[i8; 16], i| {
        i16::from(x[2 * i]) + i16::from(x[2 * i + 1])
    });
    i16x8_extadd_pairwise_i8x16_u(a: V128) -> V128 = widen(a, |x: &[u8; 16], i| {
        u16::from(x[2 * i]) + u16::from(x[2 * i + 1])
    });
    i8x16_narrow_i16x8_s(a: V128, b: V128) -> V128 =
        narrow(a, b, |x: i16| x.clamp(i8::MIN as i16, i8::MAX as i16) as i8);
    i8x16_narrow_i16x8_u(a: V128, b: V128) -> V128 =
        narrow(a, b, |x: i16| x.clamp(u8::MIN as i16, u8::MAX as i16) as u8);

    i32x4_extend_low_i16x8_s(a: V128) -> V128 =
        widen(a, |x: &[i16; 8], i| i32::from(x[i]));
    i32x4_extend_low_i16x8_u(a: V128) -> V128 =
        widen(a, |x: &[u16; 8], i| u32::from(x[i]));
    i32x4_extend_high_i16x8_s(a: V128) -> V128 =
        widen(a, |x: &[i16; 8], i| i32::from(x[i + 4]));
    i32x4_extend_high_i16x8_u(a: V128) -> V128 =
        widen(a, |x: &[u16; 8], i| u32::from(x[i + 4]));
    i32x4_extmul_low_i16x8_s(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[i16; 8], y, i| {
        i32::from(x[i]) * i32::from(y[i])
    });
    i32x4_extmul_low_i16x8_u(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[u16; 8], y, i| {
        u32::from(x[i]) * u32::from(y[i])
    });
    i32x4_extmul_high_i16x8_s(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[i16; 8], y, i| {
        i32::from(x[i + 4]) * i32::from(y[i + 4])
    });
    i32x4_extmul_high_i16x8_u(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[u16; 8], y, i| {
        u32::from(x[i + 4]) * u32::from(y[i + 4])
    });
    i32x4_extadd_pairwise_i16x8_s(a: V128) -> V128 = widen(a, |x: &[i16; 8], i| {
        i32::from(x[2 * i]) + i32::from(x[2 * i + 1])
    });
    i32x4_extadd_pairwise_i16x8_u(a: V128) -> V128 = widen(a, |x: &[u16; 8], i| {
        u32::from(x[2 * i]) + u32::from(x[2 * i + 1])
    });
    i16x8_narrow_i32x4_s(a: V128, b: V128) -> V128 =
        narrow(a, b, |x: i32| x.clamp(i16::MIN as i32, i16::MAX as i32) as i16);
    i16x8_narrow_i32x4_u(a: V128, b: V128) -> V128 =
        narrow(a, b, |x: i32| x.clamp(u16::MIN as i32, u16::MAX as i32) as u16);

    i64x2_extend_low_i32x4_s(a: V128) -> V128 =
        widen(a, |x: &[i32; 4], i| i64::from(x[i]));
    i64x2_extend_low_i32x4_u(a: V128) -> V128 =
        widen(a, |x: &[u32; 4], i| u64::from(x[i]));
    i64x2_extend_high_i32x4_s(a: V128) -> V128 =
        widen(a, |x: &[i32; 4], i| i64::from(x[i + 2]));
    i64x2_extend_high_i32x4_u(a: V128) -> V128 =
        widen(a, |x: &[u32; 4], i| u64::from(x[i + 2]));
    i64x2_extmul_low_i32x4_s(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[i32; 4], y, i| {
        i64::from(x[i]) * i64::from(y[i])
    });
    i64x2_extmul_low_i32x4_u(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[u32; 4], y, i| {
        u64::from(x[i]) * u64::from(y[i])
    });
    i64x2_extmul_high_i32x4_s(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[i32; 4], y, i| {
        i64::from(x[i + 2]) * i64::from(y[i + 2])
    });
    i64x2_extmul_high_i32x4_u(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[u32; 4], y, i| {
        u64::from(x[i + 2]) * u64::from(y[i + 2])
    });

    i32x4_dot_i16x8_s(a: V128, b: V128) -> V128 = widen2(a, b, |x: &[i16; 8], y, i| {
        let product = |j: usize| i32::from(x[j]) * i32::from(y[j]);
        product(2 * i).wrapping_add(product(2 * i + 1))
    });
}

/// The vector whose lane i is `f(lanes of a, i)`.
#[inline(always)]
pub(crate) fn widen<T: Lane<M>, R: Lane<N>, const M: usize, const N: usize>(
    a: V128,
    f: impl Fn(&[T; M], usize) -> R,
) -> V128 {
    let a = T::split(a);
    R::join(from_fn(|i| f(&a, i)))
}

/// The vector whose lane i is `f(lanes of a, lanes of b, i)`.
#[inline(always)]
pub(crate) fn widen2<T: Lane<M>, R: Lane<N>, const M: usize, const N: usize>(
    a: V128,
    b: V128,
    f: impl Fn(&[T; M], &[T; M], usize) -> R,
) -> V128 {
    let (a, b) = (T::split(a), T::split(b));
    R::join(from_fn(|i| f(&a, &b, i)))
}

/// The lanes of `a`, then those of `b`, each made smaller by `f`.
#[inline(always)]
fn narrow<T: Lane<M>, R: Lane<N>, const M: usize, const N: usize>(
    a: V128,
    b: V128,
    f: impl Fn(T) -> R,
) -> V128 {
    let (a, b) = (T::split(a), T::split(b));
    R::join(from_fn(|i| if i < M { f(a[i]) } else { f(b[i - M]) }))
}
