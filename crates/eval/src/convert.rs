//! Conversions between scalar types (core specification, 4.3.4).
//! Conversions of whole vectors are in `simd_widen` and `simd_float`.

use sterna_isa::TrapCode;

ops! {
    i32_wrap_i64(a: i64) -> i32 = a as i32;
    i64_extend_i32_s(a: i32) -> i64 = i64::from(a);
    i64_extend_i32_u(a: i32) -> i64 = i64::from(a as u32);

    i32_trunc_f32_s(a: f32) -> Result<i32, TrapCode> =
        in_range((-2_147_483_648.0..2_147_483_648.0).contains(&a), a.is_nan(), a as i32);
    i32_trunc_f32_u(a: f32) -> Result<i32, TrapCode> =
        in_range(a > -1.0 && a < 4_294_967_296.0, a.is_nan(), a as u32 as i32);
    i32_trunc_f64_s(a: f64) -> Result<i32, TrapCode> =
        in_range(a > -2_147_483_649.0 && a < 2_147_483_648.0, a.is_nan(), a as i32);
    i32_trunc_f64_u(a: f64) -> Result<i32, TrapCode> =
        in_range(a > -1.0 && a < 4_294_967_296.0, a.is_nan(), a as u32 as i32);
    i64_trunc_f32_s(a: f32) -> Result<i64, TrapCode> =
        in_range((-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&a), a.is_nan(), a as i64);
    i64_trunc_f32_u(a: f32) -> Result<i64, TrapCode> =
        in_range(a > -1.0 && a < 18_446_744_073_709_551_616.0, a.is_nan(), a as u64 as i64);
    i64_trunc_f64_s(a: f64) -> Result<i64, TrapCode> =
        in_range((-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&a), a.is_nan(), a as i64);
    i64_trunc_f64_u(a: f64) -> Result<i64, TrapCode> =
        in_range(a > -1.0 && a < 18_446_744_073_709_551_616.0, a.is_nan(), a as u64 as i64);

    // `as` saturates and takes NaN to 0.
    i32_trunc_sat_f32_s(a: f32) -> i32 = a as i32;
    i32_trunc_sat_f32_u(a: f32) -> i32 = a as u32 as i32;
    i32_trunc_sat_f64_s(a: f64) -> i32 = a as i32;
    i32_trunc_sat_f64_u(a: f64) -> i32 = a as u32 as i32;
    i64_trunc_sat_f32_s(a: f32) -> i64 = a as i64;
    i64_trunc_sat_f32_u(a: f32) -> i64 = a as u64 as i64;
    i64_trunc_sat_f64_s(a: f64) -> i64 = a as i64;
    i64_trunc_sat_f64_u(a: f64) -> i64 = a as u64 as i64;

    f32_convert_i32_s(a: i32) -> f32 = a as f32;
    f32_convert_i32_u(a: i32) -> f32 = a as u32 as f32;
    f32_convert_i64_s(a: i64) -> f32 = a as f32;
    f32_convert_i64_u(a: i64) -> f32 = a as u64 as f32;
    f64_convert_i32_s(a: i32) -> f64 = a as f64;
    f64_convert_i32_u(a: i32) -> f64 = a as u32 as f64;
    f64_convert_i64_s(a: i64) -> f64 = a as f64;
    f64_convert_i64_u(a: i64) -> f64 = a as u64 as f64;

    f32_demote_f64(a: f64) -> f32 = a as f32;
    f64_promote_f32(a: f32) -> f64 = f64::from(a);

    i32_reinterpret_f32(a: f32) -> i32 = a.to_bits() as i32;
    i64_reinterpret_f64(a: f64) -> i64 = a.to_bits() as i64;
    f32_reinterpret_i32(a: i32) -> f32 = f32::from_bits(a as u32);
    f64_reinterpret_i64(a: i64) -> f64 = f64::from_bits(a as u64);
}

/// The result of a trapping conversion, given whether the operand is in range or a NaN.
#[inline(always)]
fn in_range<T>(in_range: bool, is_nan: bool, value: T) -> Result<T, TrapCode> {
    if in_range {
        Ok(value)
    } else if is_nan {
        Err(TrapCode::InvalidConversionToInteger)
    } else {
        Err(TrapCode::IntegerOverflow)
    }
}
