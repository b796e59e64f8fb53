//! Operators on f32 and f64 (core specification, 4.3.3).
//! Conversions are in `convert`, canonical NaNs in `nan`.
//!
//! Rounding to an integral value is done by adding and subtracting the power of two above which
//! every float is integral: baseline x86-64 has no instruction for it, and these forms vectorize.

ops! {
    f32_eq(a: f32, b: f32) -> i32 = i32::from(a == b);
    f32_ne(a: f32, b: f32) -> i32 = i32::from(a != b);
    f32_lt(a: f32, b: f32) -> i32 = i32::from(a < b);
    f32_gt(a: f32, b: f32) -> i32 = i32::from(a > b);
    f32_le(a: f32, b: f32) -> i32 = i32::from(a <= b);
    f32_ge(a: f32, b: f32) -> i32 = i32::from(a >= b);
    f32_abs(a: f32) -> f32 = a.abs();
    f32_neg(a: f32) -> f32 = -a;
    f32_copysign(a: f32, b: f32) -> f32 = a.copysign(b);
    f32_add(a: f32, b: f32) -> f32 = a + b;
    f32_sub(a: f32, b: f32) -> f32 = a - b;
    f32_mul(a: f32, b: f32) -> f32 = a * b;
    f32_div(a: f32, b: f32) -> f32 = a / b;
    f32_sqrt(a: f32) -> f32 = a.sqrt();
    f32_min(a: f32, b: f32) -> f32 = if a < b {
        a
    } else if b < a {
        b
    } else if a == b {
        f32::from_bits(a.to_bits() | b.to_bits()) // either, and -0 of zeros of both signs
    } else {
        a + b // a quiet NaN
    };
    f32_max(a: f32, b: f32) -> f32 = if a > b {
        a
    } else if b > a {
        b
    } else if a == b {
        f32::from_bits(a.to_bits() & b.to_bits()) // either, and +0 of zeros of both signs
    } else {
        a + b // a quiet NaN
    };
    f32_nearest(a: f32) -> f32 = integral_f32(a, |rounded| rounded);
    f32_ceil(a: f32) -> f32 = integral_f32(a, |rounded| if rounded < a { rounded + 1.0 } else { rounded });
    f32_floor(a: f32) -> f32 = integral_f32(a, |rounded| if rounded > a { rounded - 1.0 } else { rounded });
    f32_trunc(a: f32) -> f32 = integral_f32(a, |rounded| {
        if rounded.abs() > a.abs() { rounded - f32_copysign(1.0, a) } else { rounded }
    });

    f64_eq(a: f64, b: f64) -> i32 = i32::from(a == b);
    f64_ne(a: f64, b: f64) -> i32 = i32::from(a != b);
    f64_lt(a: f64, b: f64) -> i32 = i32::from(a < b);
    f64_gt(a: f64, b: f64) -> i32 = i32::from(a > b);
    f64_le(a: f64, b: f64) -> i32 = i32::from(a <= b);
    f64_ge(a: f64, b: f64) -> i32 = i32::from(a >= b);
    f64_abs(a: f64) -> f64 = a.abs();
    f64_neg(a: f64) -> f64 = -a;
    f64_copysign(a: f64, b: f64) -> f64 = a.copysign(b);
    f64_add(a: f64, b: f64) -> f64 = a + b;
    f64_sub(a: f64, b: f64) -> f64 = a - b;
    f64_mul(a: f64, b: f64) -> f64 = a * b;
    f64_div(a: f64, b: f64) -> f64 = a / b;
    f64_sqrt(a: f64) -> f64 = a.sqrt();
    f64_min(a: f64, b: f64) -> f64 = if a < b {
        a
    } else if b < a {
        b
    } else if a == b {
        f64::from_bits(a.to_bits() | b.to_bits()) // either, and -0 of zeros of both signs
    } else {
        a + b // a quiet NaN
    };
    f64_max(a: f64, b: f64) -> f64 = if a > b {
        a
    } else if b > a {
        b
    } else if a == b {
        f64::from_bits(a.to_bits() & b.to_bits()) // either, and +0 of zeros of both signs
    } else {
        a + b // a quiet NaN
    };
    f64_nearest(a: f64) -> f64 = integral_f64(a, |rounded| rounded);
    f64_ceil(a: f64) -> f64 = integral_f64(a, |rounded| if rounded < a { rounded + 1.0 } else { rounded });
    f64_floor(a: f64) -> f64 = integral_f64(a, |rounded| if rounded > a { rounded - 1.0 } else { rounded });
    f64_trunc(a: f64) -> f64 = integral_f64(a, |rounded| {
        if rounded.abs() > a.abs() { rounded - f64_copysign(1.0, a) } else { rounded }
    });
}

/// Rounds to the nearest integral value, ties to even, then lets `fix` correct the result.
///
/// Values from 2^23 on are integral and stay; NaNs become quiet; a zero keeps the operand's sign.
#[inline(always)]
fn integral_f32(a: f32, fix: impl Fn(f32) -> f32) -> f32 {
    let magic = f32_copysign(8_388_608.0, a);
    let rounded = fix((a + magic) - magic);
    if a.abs() < 8_388_608.0 {
        f32_copysign(rounded, a)
    } else if a.is_nan() {
        f32::from_bits(a.to_bits() | 0x0040_0000)
    } else {
        a
    }
}

/// Rounds to the nearest integral value, ties to even, then lets `fix` correct the result.
///
/// Values from 2^52 on are integral and stay; NaNs become quiet; a zero keeps the operand's sign.
#[inline(always)]
fn integral_f64(a: f64, fix: impl Fn(f64) -> f64) -> f64 {
    let magic = f64_copysign(4_503_599_627_370_496.0, a);
    let rounded = fix((a + magic) - magic);
    if a.abs() < 4_503_599_627_370_496.0 {
        f64_copysign(rounded, a)
    } else if a.is_nan() {
        f64::from_bits(a.to_bits() | 0x0008_0000_0000_0000)
    } else {
        a
    }
}
