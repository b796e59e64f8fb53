//! Hand-picked edge cases of every operator family, as tables of calls and results.
//! Not here: comparisons with independent formulations, which are in `properties`.

use sterna_eval::*;

/// Equality of bits, so that NaNs and zeros count.
trait Bits: std::fmt::Debug {
    fn bits(&self) -> Vec<u128>;
}

macro_rules! bits {
    ($($ty:ty, $value:ident => $bits:expr;)*) => {
        $(impl Bits for $ty {
            fn bits(&self) -> Vec<u128> {
                let $value = self;
                vec![$bits]
            }
        })*
    };
}
bits! {
    i32, value => *value as u32 as u128;
    i64, value => *value as u64 as u128;
    u8, value => u128::from(*value);
    u16, value => u128::from(*value);
    u32, value => u128::from(*value);
    f32, value => u128::from(value.to_bits());
    f64, value => u128::from(value.to_bits());
    V128, value => value.to_bits();
    TrapCode, value => u128::MAX - *value as u128;
}

impl<T: Bits> Bits for Result<T, TrapCode> {
    fn bits(&self) -> Vec<u128> {
        self.as_ref().map_or_else(Bits::bits, Bits::bits)
    }
}

impl Bits for (i64, i64) {
    fn bits(&self) -> Vec<u128> {
        [self.0.bits(), self.1.bits()].concat()
    }
}

fn check<T: Bits>(actual: T, expected: T, call: &str) {
    assert_eq!(actual.bits(), expected.bits(), "{call} = {actual:?}, not {expected:?}");
}

macro_rules! cases {
    ($($name:ident($($arg:expr),*) => $expected:expr;)*) => {
        $(check($name($($arg),*), $expected, stringify!($name($($arg),*)));)*
    };
}

/// The vector of these lanes.
fn v<T: Into<V128>>(lanes: T) -> V128 {
    lanes.into()
}

/// The vector with these bytes first, then zeros.
fn bytes(first: &[u8]) -> V128 {
    let mut bytes = [0; 16];
    bytes[..first.len()].copy_from_slice(first);
    V128(bytes)
}

fn f32_bits(bits: u32) -> f32 {
    f32::from_bits(bits)
}

fn f64_bits(bits: u64) -> f64 {
    f64::from_bits(bits)
}

const ZERO: Result<i32, TrapCode> = Err(TrapCode::IntegerDivideByZero);
const ZERO64: Result<i64, TrapCode> = Err(TrapCode::IntegerDivideByZero);
const OVERFLOW: Result<i32, TrapCode> = Err(TrapCode::IntegerOverflow);
const OVERFLOW64: Result<i64, TrapCode> = Err(TrapCode::IntegerOverflow);
const INVALID: Result<i32, TrapCode> = Err(TrapCode::InvalidConversionToInteger);
const INVALID64: Result<i64, TrapCode> = Err(TrapCode::InvalidConversionToInteger);
const SNAN32: u32 = 0x7fa0_0000;
const SNAN64: u64 = 0x7ff4_0000_0000_0000;

#[test]
fn division() {
    cases! {
        i32_div_s(7, 0) => ZERO;
        i32_div_s(i32::MIN, -1) => OVERFLOW;
        i32_div_s(-7, 2) => Ok(-3);
        i32_div_u(-1, 0) => ZERO;
        i32_div_u(i32::MIN, -1) => Ok(0);
        i32_div_u(-1, 2) => Ok(i32::MAX);
        i32_rem_s(1, 0) => ZERO;
        i32_rem_s(i32::MIN, -1) => Ok(0);
        i32_rem_s(-7, 2) => Ok(-1);
        i32_rem_u(1, 0) => ZERO;
        i32_rem_u(-1, 10) => Ok(5);
        i64_div_s(7, 0) => ZERO64;
        i64_div_s(i64::MIN, -1) => OVERFLOW64;
        i64_div_u(i64::MIN, -1) => Ok(0);
        i64_div_u(1, 0) => ZERO64;
        i64_rem_s(i64::MIN, -1) => Ok(0);
        i64_rem_s(1, 0) => ZERO64;
        i64_rem_u(-1, 10) => Ok(5);
        i64_rem_u(0, 0) => ZERO64;
    }
}

#[test]
fn shifts_rotations_and_counts() {
    cases! {
        i32_shl(1, 33) => 2;
        i32_shl(1, -1) => i32::MIN;
        i32_shr_s(i32::MIN, 63) => -1;
        i32_shr_u(i32::MIN, 31) => 1;
        i32_shr_u(-1, 32) => -1;
        i32_rotl(0x1234_5678, 36) => 0x2345_6781;
        i32_rotr(0x1234_5678, -4) => 0x2345_6781;
        i32_rotl(5, 0) => 5;
        i32_clz(0) => 32;
        i32_ctz(0) => 32;
        i32_popcnt(-1) => 32;
        i32_clz(1) => 31;
        i64_shl(1, 65) => 2;
        i64_shr_s(i64::MIN, 127) => -1;
        i64_shr_u(i64::MIN, 63) => 1;
        i64_rotl(i64::MIN, 1) => 1;
        i64_rotl(1, 0x1_0000_0001) => 2;
        i64_rotr(1, 65) => i64::MIN;
        i64_clz(0) => 64;
        i64_ctz(0) => 64;
        i64_popcnt(-1) => 64;
        i32_extend8_s(0x180) => -128;
        i32_extend16_s(0x1_7fff) => 0x7fff;
        i64_extend8_s(0xff) => -1;
        i64_extend16_s(0x8000) => -0x8000;
        i64_extend32_s(0x8000_0000) => -0x8000_0000;
        i32_eqz(0) => 1;
        i64_eqz(1 << 32) => 0;
        i32_lt_s(-1, 0) => 1;
        i32_lt_u(-1, 0) => 0;
        i64_ge_u(-1, 0) => 1;
        i64_gt_s(-1, 0) => 0;
    }
}

#[test]
fn wide_arithmetic() {
    cases! {
        i64_add128(-1, 0, 1, 0) => (0, 1);
        i64_add128(-1, -1, 1, 0) => (0, 0);
        i64_sub128(0, 1, 1, 0) => (-1, 0);
        i64_sub128(0, 0, 1, 0) => (-1, -1);
        i64_mul_wide_s(-1, -1) => (1, 0);
        i64_mul_wide_s(i64::MIN, 2) => (0, -1);
        i64_mul_wide_u(-1, -1) => (1, -2);
        i64_mul_wide_u(i64::MIN, 2) => (0, 1);
    }
}

#[test]
fn float_bit_operations_keep_payloads() {
    cases! {
        f32_neg(f32_bits(SNAN32)) => f32_bits(SNAN32 | 1 << 31);
        f32_abs(f32_bits(SNAN32 | 1 << 31)) => f32_bits(SNAN32);
        f32_copysign(f32_bits(SNAN32), -0.0) => f32_bits(SNAN32 | 1 << 31);
        f32_copysign(-1.0, f32_bits(SNAN32)) => 1.0;
        f32_reinterpret_i32(SNAN32 as i32) => f32_bits(SNAN32);
        i32_reinterpret_f32(f32_bits(SNAN32)) => SNAN32 as i32;
        f32_load(f32_bits(SNAN32)) => f32_bits(SNAN32);
        f32_store(f32_bits(SNAN32)) => f32_bits(SNAN32);
        f64_neg(f64_bits(SNAN64)) => f64_bits(SNAN64 | 1 << 63);
        f64_abs(f64_bits(SNAN64 | 1 << 63)) => f64_bits(SNAN64);
        f64_copysign(f64_bits(SNAN64), -0.0) => f64_bits(SNAN64 | 1 << 63);
        f64_reinterpret_i64(SNAN64 as i64) => f64_bits(SNAN64);
        i64_reinterpret_f64(f64_bits(SNAN64)) => SNAN64 as i64;
        f32x4_neg(v([SNAN32; 4])) => v([SNAN32 | 1 << 31; 4]);
        f32x4_abs(v([SNAN32 | 1 << 31; 4])) => v([SNAN32; 4]);
        f64x2_neg(v([SNAN64; 2])) => v([SNAN64 | 1 << 63; 2]);
        f32x4_splat(f32_bits(SNAN32)) => v([SNAN32; 4]);
        f32x4_extract_lane(v([0, SNAN32, 0, 0]), 1) => f32_bits(SNAN32);
        f32x4_pmin(v([SNAN32; 4]), v([1.0f32; 4])) => v([SNAN32; 4]);
        f32x4_pmax(v([1.0f32; 4]), v([SNAN32; 4])) => v([1.0f32; 4]);
    }
}

#[test]
fn min_max_and_rounding() {
    cases! {
        f32_min(0.0, -0.0) => -0.0;
        f32_min(-0.0, 0.0) => -0.0;
        f32_max(0.0, -0.0) => 0.0;
        f32_max(-0.0, -0.0) => -0.0;
        f32_min(f32::INFINITY, -1.0) => -1.0;
        f32_max(f32::NEG_INFINITY, -1.0) => -1.0;
        canon_f32(f32_min(f32::NAN, 1.0)) => f32_bits(0x7fc0_0000);
        canon_f32(f32_max(1.0, -f32::NAN)) => f32_bits(0x7fc0_0000);
        f64_min(-0.0, 0.0) => -0.0;
        f64_max(-0.0, 0.0) => 0.0;
        canon_f64(f64_max(-f64::NAN, 1.0)) => f64_bits(0x7ff8_0000_0000_0000);
        f32_nearest(0.5) => 0.0;
        f32_nearest(-0.5) => -0.0;
        f32_nearest(1.5) => 2.0;
        f32_nearest(2.5) => 2.0;
        f32_nearest(-3.5) => -4.0;
        f32_nearest(8_388_607.5) => 8_388_608.0;
        f32_nearest(8_388_609.0) => 8_388_609.0;
        f32_nearest(-0.0) => -0.0;
        f32_nearest(f32::NEG_INFINITY) => f32::NEG_INFINITY;
        f32_ceil(-0.9) => -0.0;
        f32_ceil(f32_bits(1)) => 1.0;
        f32_floor(0.9) => 0.0;
        f32_floor(f32_bits(0x8000_0001)) => -1.0;
        f32_floor(-0.0) => -0.0;
        f32_trunc(-1.9) => -1.0;
        f32_trunc(-0.9) => -0.0;
        f64_nearest(4_503_599_627_370_495.5) => 4_503_599_627_370_496.0;
        f64_nearest(0.499_999_999_999_999_94) => 0.0;
        f64_nearest(-2.5) => -2.0;
        f64_ceil(-0.1) => -0.0;
        f64_floor(-0.1) => -1.0;
        f64_trunc(1e300) => 1e300;
        f64_trunc(-4_503_599_627_370_495.5) => -4_503_599_627_370_495.0;
        f32_sqrt(-0.0) => -0.0;
        f32_div(1.0, -0.0) => f32::NEG_INFINITY;
        f32_eq(f32::NAN, f32::NAN) => 0;
        f32_ne(f32::NAN, f32::NAN) => 1;
        f64_eq(0.0, -0.0) => 1;
        f64_lt(f64::NAN, 1.0) => 0;
    }
}

#[test]
fn conversions() {
    cases! {
        i32_trunc_f32_s(2_147_483_520.0) => Ok(2_147_483_520);
        i32_trunc_f32_s(2_147_483_648.0) => OVERFLOW;
        i32_trunc_f32_s(-2_147_483_648.0) => Ok(i32::MIN);
        i32_trunc_f32_s(-2_147_483_904.0) => OVERFLOW;
        i32_trunc_f32_s(f32::NAN) => INVALID;
        i32_trunc_f32_s(f32::INFINITY) => OVERFLOW;
        i32_trunc_f32_u(-0.99) => Ok(0);
        i32_trunc_f32_u(-1.0) => OVERFLOW;
        i32_trunc_f32_u(4_294_967_040.0) => Ok(-256);
        i32_trunc_f32_u(4_294_967_296.0) => OVERFLOW;
        i32_trunc_f64_s(-2_147_483_648.9) => Ok(i32::MIN);
        i32_trunc_f64_s(-2_147_483_649.0) => OVERFLOW;
        i32_trunc_f64_s(2_147_483_647.9) => Ok(i32::MAX);
        i32_trunc_f64_s(2_147_483_648.0) => OVERFLOW;
        i32_trunc_f64_u(4_294_967_295.9) => Ok(-1);
        i32_trunc_f64_u(f64::NAN) => INVALID;
        i64_trunc_f32_s(-9_223_372_036_854_775_808.0) => Ok(i64::MIN);
        i64_trunc_f32_s(9_223_372_036_854_775_808.0) => OVERFLOW64;
        i64_trunc_f32_u(18_446_742_974_197_923_840.0) => Ok(-0x100_0000_0000);
        i64_trunc_f64_s(-9_223_372_036_854_777_856.0) => OVERFLOW64;
        i64_trunc_f64_s(9_223_372_036_854_774_784.0) => Ok(9_223_372_036_854_774_784);
        i64_trunc_f64_u(18_446_744_073_709_551_616.0) => OVERFLOW64;
        i64_trunc_f64_u(-0.9) => Ok(0);
        i64_trunc_f64_u(-f64::NAN) => INVALID64;
        i32_trunc_sat_f32_s(f32::NAN) => 0;
        i32_trunc_sat_f32_s(-1e30) => i32::MIN;
        i32_trunc_sat_f32_u(-1.0) => 0;
        i32_trunc_sat_f32_u(1e30) => -1;
        i32_trunc_sat_f64_s(2_147_483_648.0) => i32::MAX;
        i64_trunc_sat_f64_u(1e30) => -1;
        i64_trunc_sat_f32_s(f32::INFINITY) => i64::MAX;
        f32_convert_i32_s(0x0100_0001) => 16_777_216.0;
        f32_convert_i32_u(-1) => 4_294_967_296.0;
        f32_convert_i64_s(0x7fff_ff40_0000_0001) => 9_223_371_487_098_961_920.0;
        f32_convert_i64_u(-1) => 18_446_744_073_709_551_616.0;
        f64_convert_i64_s(0x0020_0000_0000_0001) => 9_007_199_254_740_992.0;
        f64_convert_i64_u(0x8000_0000_0000_0400u64 as i64) => 9_223_372_036_854_775_808.0;
        f64_convert_i64_u(0x8000_0000_0000_0401u64 as i64) => 9_223_372_036_854_777_856.0;
        f64_convert_i32_u(-1) => 4_294_967_295.0;
        f32_demote_f64(f64::MAX) => f32::INFINITY;
        f32_demote_f64(1e-50) => 0.0;
        f64_promote_f32(f32_bits(1)) => 2f64.powi(-149);
        i32_wrap_i64(-1 << 31) => i32::MIN;
        i64_extend_i32_u(-1) => 0xffff_ffff;
        i64_extend_i32_s(-1) => -1;
    }
}

#[test]
fn loads_and_stores() {
    cases! {
        i32_load8_s(-1) => -1;
        i32_load8_u(0xff) => 0xff;
        i64_load32_s(-1) => -1;
        i64_load32_u(0xffff_ffff) => 0xffff_ffff;
        i64_load16_s(i16::MIN) => -0x8000;
        v128_load(1) => v([1i64, 0]);
        v128_load8x8_s(0x80ff) => v([-1i16, -128, 0, 0, 0, 0, 0, 0]);
        v128_load8x8_u(0x80ff) => v([255i16, 128, 0, 0, 0, 0, 0, 0]);
        v128_load16x4_s(0x8000) => v([-0x8000i32, 0, 0, 0]);
        v128_load32x2_u(0xffff_ffff_0000_0001) => v([1i64, 0xffff_ffff]);
        v128_load32x2_s(0xffff_ffff_0000_0001) => v([1i64, -1]);
        v128_load8_splat(7) => v([7u8; 16]);
        v128_load64_splat(7) => v([7u64; 2]);
        v128_load32_zero(u32::MAX) => v([u32::MAX, 0, 0, 0]);
        v128_load64_zero(u64::MAX) => v([u64::MAX, 0]);
        v128_load16_lane(9, v([1u16; 8]), 2) => v([1u16, 1, 9, 1, 1, 1, 1, 1]);
        v128_store32_lane(v([1u32, 2, 3, 4]), 3) => 4u32;
        v128_store8_lane(bytes(&[1, 2]), 1) => 2u8;
        i32_store8(0x1ff) => 0xffu8;
        i64_store32(-2) => 0xffff_fffeu32;
        i64_store16(-2) => 0xfffeu16;
    }
}

#[test]
fn integer_vectors() {
    let max8 = v([i8::MAX; 16]);
    cases! {
        i8x16_add(max8, v([1i8; 16])) => v([i8::MIN; 16]);
        i8x16_add_sat_s(max8, v([1i8; 16])) => max8;
        i8x16_sub_sat_s(v([i8::MIN; 16]), v([1i8; 16])) => v([i8::MIN; 16]);
        i8x16_add_sat_u(v([255u8; 16]), v([1u8; 16])) => v([255u8; 16]);
        i8x16_sub_sat_u(v([0u8; 16]), v([1u8; 16])) => V128::ZERO;
        i16x8_add_sat_u(v([0xffffu16; 8]), v([2u16; 8])) => v([0xffffu16; 8]);
        i16x8_sub_sat_s(v([i16::MIN; 8]), v([1i16; 8])) => v([i16::MIN; 8]);
        i8x16_abs(v([i8::MIN; 16])) => v([i8::MIN; 16]);
        i64x2_abs(v([-5i64, i64::MIN])) => v([5i64, i64::MIN]);
        i32x4_neg(v([1, i32::MIN, 0, -1])) => v([-1, i32::MIN, 0, 1]);
        i8x16_avgr_u(v([255u8; 16]), v([254u8; 16])) => v([255u8; 16]);
        i16x8_avgr_u(v([1u16; 8]), v([2u16; 8])) => v([2u16; 8]);
        i8x16_popcnt(bytes(&[0, 1, 0xff, 0x55])) => bytes(&[0, 1, 8, 4]);
        i8x16_min_s(v([-1i8; 16]), v([1i8; 16])) => v([-1i8; 16]);
        i8x16_min_u(v([-1i8; 16]), v([1i8; 16])) => v([1i8; 16]);
        i32x4_max_s(v([-1; 4]), v([1; 4])) => v([1; 4]);
        i32x4_max_u(v([-1; 4]), v([1; 4])) => v([-1; 4]);
        i8x16_lt_s(v([-1i8; 16]), v([1i8; 16])) => v([-1i8; 16]);
        i8x16_lt_u(v([-1i8; 16]), v([1i8; 16])) => V128::ZERO;
        i64x2_ge_s(v([i64::MIN, 3]), v([0i64, 3])) => v([0i64, -1]);
        i16x8_shl(v([1i16; 8]), 17) => v([2i16; 8]);
        i8x16_shr_s(v([-128i8; 16]), 9) => v([-64i8; 16]);
        i8x16_shr_u(v([-128i8; 16]), 7) => v([1i8; 16]);
        i32x4_shr_u(v([-1; 4]), -1) => v([1; 4]);
        i64x2_shr_s(v([i64::MIN; 2]), 64 + 63) => v([-1i64; 2]);
        i64x2_mul(v([i64::MAX, 3]), v([2i64, -4])) => v([-2i64, -12]);
        v128_andnot(v([0b1100u8; 16]), v([0b1010u8; 16])) => v([0b0100u8; 16]);
        v128_bitselect(v([0b1100u8; 16]), v([0b1010u8; 16]), v([0b0110u8; 16])) => v([0b1100u8; 16]);
        v128_not(V128::ZERO) => v([-1i64; 2]);
        v128_any_true(V128::ZERO) => 0;
        v128_any_true(v([0i64, 1 << 63 >> 1])) => 1;
        i8x16_all_true(v([1i8; 16])) => 1;
        i16x8_all_true(v([1i16, 1, 1, 0, 1, 1, 1, 1])) => 0;
        i64x2_all_true(v([1i64, 1 << 40])) => 1;
        i8x16_bitmask(bytes(&[0x80, 0x7f, 0xff])) => 0b101;
        i8x16_bitmask(v([-1i8; 16])) => 0xffff;
        i16x8_bitmask(v([-1i16, 0, 0, 0, 0, 0, 0, -1])) => 0x81;
        i32x4_bitmask(v([0, i32::MIN, 1, -1])) => 0b1010;
        i64x2_bitmask(v([1i64, -1])) => 0b10;
        i16x8_q15mulr_sat_s(v([i16::MIN; 8]), v([i16::MIN; 8])) => v([i16::MAX; 8]);
        i16x8_q15mulr_sat_s(v([0x4000i16; 8]), v([1i16; 8])) => v([1i16; 8]);
        i16x8_q15mulr_sat_s(v([0x3fffi16; 8]), v([1i16; 8])) => V128::ZERO;
        i16x8_q15mulr_sat_s(v([-0x4000i16; 8]), v([1i16; 8])) => V128::ZERO;
    }
}

#[test]
fn widening_and_narrowing_vectors() {
    let ramp = v(std::array::from_fn::<i8, 16, _>(|i| i as i8 - 8));
    cases! {
        i8x16_narrow_i16x8_s(v([300i16, -300, 5, -5, 0, 0, 0, 0]), v([127i16; 8])) =>
            v([127i8, -128, 5, -5, 0, 0, 0, 0, 127, 127, 127, 127, 127, 127, 127, 127]);
        i8x16_narrow_i16x8_u(v([300i16, -300, 255, -1, 0, 0, 0, 0]), v([0i16; 8])) =>
            bytes(&[255, 0, 255, 0]);
        i16x8_narrow_i32x4_s(v([40_000, -40_000, 1, -1]), v([0; 4])) =>
            v([32_767i16, -32_768, 1, -1, 0, 0, 0, 0]);
        i16x8_narrow_i32x4_u(v([70_000, -1, 65_535, 0]), v([0; 4])) =>
            v([65_535u16, 0, 65_535, 0, 0, 0, 0, 0]);
        i16x8_extend_low_i8x16_s(ramp) => v([-8i16, -7, -6, -5, -4, -3, -2, -1]);
        i16x8_extend_high_i8x16_s(ramp) => v([0i16, 1, 2, 3, 4, 5, 6, 7]);
        i16x8_extend_low_i8x16_u(ramp) => v([248i16, 249, 250, 251, 252, 253, 254, 255]);
        i32x4_extend_high_i16x8_u(v([0i16, 0, 0, 0, -1, 1, 2, 3])) => v([65_535, 1, 2, 3]);
        i64x2_extend_high_i32x4_s(v([0, 0, -1, 1])) => v([-1i64, 1]);
        i64x2_extend_low_i32x4_u(v([-1, 1, 0, 0])) => v([0xffff_ffffi64, 1]);
        i16x8_extadd_pairwise_i8x16_s(ramp) => v([-15i16, -11, -7, -3, 1, 5, 9, 13]);
        i16x8_extadd_pairwise_i8x16_u(v([255u8; 16])) => v([510i16; 8]);
        i32x4_extadd_pairwise_i16x8_s(v([i16::MIN; 8])) => v([-65_536; 4]);
        i32x4_extadd_pairwise_i16x8_u(v([-1i16; 8])) => v([131_070; 4]);
        i16x8_extmul_low_i8x16_s(v([-128i8; 16]), v([-128i8; 16])) => v([16_384i16; 8]);
        i16x8_extmul_high_i8x16_u(v([255u8; 16]), v([255u8; 16])) => v([65_025u16; 8]);
        i64x2_extmul_low_i32x4_u(v([-1; 4]), v([-1; 4])) => v([0xffff_fffe_0000_0001u64; 2]);
        i64x2_extmul_high_i32x4_s(v([i32::MIN; 4]), v([i32::MIN; 4])) => v([1i64 << 62; 2]);
        i32x4_dot_i16x8_s(v([i16::MIN; 8]), v([i16::MIN; 8])) => v([i32::MIN; 4]);
        i32x4_dot_i16x8_s(v([1i16, 2, 3, 4, 5, 6, 7, 8]), v([1i16; 8])) => v([3, 7, 11, 15]);
    }
}

#[test]
fn lanes_move() {
    let ramp = v(std::array::from_fn::<u8, 16, _>(|i| i as u8));
    let high = v(std::array::from_fn::<u8, 16, _>(|i| i as u8 + 16));
    let picks = [0, 31, 1, 30, 2, 29, 3, 28, 15, 16, 14, 17, 13, 18, 12, 19];
    cases! {
        i8x16_splat(0x1ff) => v([255u8; 16]);
        i8x16_extract_lane_s(v([255u8; 16]), 15) => -1;
        i8x16_extract_lane_u(v([255u8; 16]), 0) => 255;
        i16x8_extract_lane_s(v([0x8000u16; 8]), 7) => -0x8000;
        i16x8_extract_lane_u(v([0x8000u16; 8]), 7) => 0x8000;
        i64x2_extract_lane(v([1i64, 2]), 1) => 2i64;
        f64x2_replace_lane(v([1.0, 2.0]), 3.0, 0) => v([3.0, 2.0]);
        i8x16_replace_lane(ramp, -1, 0) => i8x16_shuffle(v([255u8; 16]), ramp,
            [0, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);
        i8x16_swizzle(high, bytes(&[15, 16, 255, 1])) =>
            v([31u8, 0, 0, 17, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16]);
        i8x16_shuffle(ramp, high, picks) => V128(picks);
    }
}

#[test]
fn float_vectors() {
    let inf = f32::INFINITY;
    cases! {
        f32x4_min(v([0.0f32, -0.0, 1.0, -inf]), v([-0.0f32, 0.0, 2.0, inf])) =>
            v([-0.0f32, -0.0, 1.0, -inf]);
        f32x4_pmin(v([0.0f32, -0.0, 1.0, 2.0]), v([-0.0f32, 0.0, 2.0, 1.0])) =>
            v([0.0f32, -0.0, 1.0, 1.0]);
        f64x2_pmax(v([-0.0, 1.0]), v([0.0, 2.0])) => v([-0.0, 2.0]);
        f32x4_eq(v([f32::NAN, 0.0, 1.0, inf]), v([f32::NAN, -0.0, 2.0, inf])) => v([0, -1, 0, -1]);
        f64x2_ne(v([f64::NAN, 0.0]), v([0.0, 0.0])) => v([-1i64, 0]);
        f32x4_nearest(v([0.5f32, -1.5, 2.5, -0.0])) => v([0.0f32, -2.0, 2.0, -0.0]);
        f64x2_ceil(v([-0.5, 1.1])) => v([-0.0, 2.0]);
        i32x4_trunc_sat_f32x4_s(v([f32::NAN, inf, -inf, -1.9])) => v([0, i32::MAX, i32::MIN, -1]);
        i32x4_trunc_sat_f32x4_u(v([f32::NAN, inf, -1.0, 4e9])) => v([0, u32::MAX, 0, 4_000_000_000]);
        i32x4_trunc_sat_f64x2_s_zero(v([3e9, -3e9])) => v([i32::MAX, i32::MIN, 0, 0]);
        i32x4_trunc_sat_f64x2_u_zero(v([3e9, f64::NAN])) => v([3_000_000_000u32, 0, 0, 0]);
        f32x4_convert_i32x4_u(v([-1; 4])) => v([4_294_967_296.0f32; 4]);
        f64x2_convert_low_i32x4_s(v([-1, 2, 3, 4])) => v([-1.0, 2.0]);
        f64x2_convert_low_i32x4_u(v([-1, 2, 3, 4])) => v([4_294_967_295.0, 2.0]);
        f32x4_demote_f64x2_zero(v([1.5, 1e300])) => v([1.5f32, inf, 0.0, 0.0]);
        f64x2_promote_low_f32x4(v([1.5f32, -inf, 9.0, 9.0])) => v([1.5, f64::NEG_INFINITY]);
        canon_f32x4(f32x4_add(v([inf, 1.0, 0.0, 0.0]), v([-inf, 1.0, 0.0, 0.0]))) =>
            v([0x7fc0_0000u32, 2.0f32.to_bits(), 0, 0]);
    }
}

#[test]
fn relaxed_vectors_follow_the_deterministic_profile() {
    let third = f32_bits(0x3f80_0001); // 1 + 2^-23: its square needs more bits than an f32 has
    cases! {
        i8x16_relaxed_swizzle(v([7u8; 16]), bytes(&[16, 0x80])) =>
            v([0u8, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
        f32x4_relaxed_madd(v([third; 4]), v([third; 4]), v([-third * third; 4])) => v([0.0f32; 4]);
        f32x4_relaxed_madd(v([f32::MAX; 4]), v([2.0f32; 4]), v([-f32::MAX; 4])) =>
            v([f32::INFINITY; 4]);
        f64x2_relaxed_nmadd(v([2.0, 1.0]), v([3.0, 1.0]), v([10.0, 1.0])) => v([4.0, 0.0]);
        f32x4_relaxed_nmadd(v([1.0f32; 4]), v([0.0f32; 4]), v([-0.0f32; 4])) => v([-0.0f32; 4]);
        i8x16_relaxed_laneselect(v([0xf0u8; 16]), v([0x0fu8; 16]), v([0x81u8; 16])) => v([0x8eu8; 16]);
        i64x2_relaxed_laneselect(v([-1i64; 2]), v([0i64; 2]), v([1i64; 2])) => v([1i64; 2]);
        f32x4_relaxed_min(v([0.0f32; 4]), v([-0.0f32; 4])) => v([-0.0f32; 4]);
        i16x8_relaxed_q15mulr_s(v([i16::MIN; 8]), v([i16::MIN; 8])) => v([i16::MAX; 8]);
        i16x8_relaxed_dot_i8x16_i7x16_s(v([-128i8; 16]), v([-128i8; 16])) => v([i16::MAX; 8]);
        i16x8_relaxed_dot_i8x16_i7x16_s(v([-128i8; 16]), v([127i8; 16])) => v([-32_512i16; 8]);
        i16x8_relaxed_dot_i8x16_i7x16_s(v([-128i8; 16]), v([-127i8; 16])) => v([32_512i16; 8]);
        i32x4_relaxed_dot_i8x16_i7x16_add_s(v([-128i8; 16]), v([127i8; 16]), v([1, 2, 3, i32::MIN])) =>
            v([-65_023, -65_022, -65_021, i32::MIN.wrapping_sub(65_024)]);
        i32x4_relaxed_trunc_f32x4_s(v([f32::NAN, 1e30, -1e30, 2.9])) => v([0, i32::MAX, i32::MIN, 2]);
        i32x4_relaxed_trunc_f64x2_u_zero(v([-1.0, 5e9])) => v([0u32, u32::MAX, 0, 0]);
    }
}
