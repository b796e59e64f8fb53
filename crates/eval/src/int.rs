//! Operators on i32 and i64, and wide arithmetic on pairs of i64.
//! Conversions to and from other types are in `convert`.

use sterna_isa::TrapCode;

ops! {
    i32_eqz(a: i32) -> i32 = i32::from(a == 0);
    i32_eq(a: i32, b: i32) -> i32 = i32::from(a == b);
    i32_ne(a: i32, b: i32) -> i32 = i32::from(a != b);
    i32_lt_s(a: i32, b: i32) -> i32 = i32::from(a < b);
    i32_lt_u(a: i32, b: i32) -> i32 = i32::from((a as u32) < b as u32);
    i32_gt_s(a: i32, b: i32) -> i32 = i32::from(a > b);
    i32_gt_u(a: i32, b: i32) -> i32 = i32::from((a as u32) > b as u32);
    i32_le_s(a: i32, b: i32) -> i32 = i32::from(a <= b);
    i32_le_u(a: i32, b: i32) -> i32 = i32::from((a as u32) <= b as u32);
    i32_ge_s(a: i32, b: i32) -> i32 = i32::from(a >= b);
    i32_ge_u(a: i32, b: i32) -> i32 = i32::from((a as u32) >= b as u32);
    i32_clz(a: i32) -> i32 = a.leading_zeros() as i32;
    i32_ctz(a: i32) -> i32 = a.trailing_zeros() as i32;
    i32_popcnt(a: i32) -> i32 = a.count_ones() as i32;
    i32_add(a: i32, b: i32) -> i32 = a.wrapping_add(b);
    i32_sub(a: i32, b: i32) -> i32 = a.wrapping_sub(b);
    i32_mul(a: i32, b: i32) -> i32 = a.wrapping_mul(b);
    i32_and(a: i32, b: i32) -> i32 = a & b;
    i32_or(a: i32, b: i32) -> i32 = a | b;
    i32_xor(a: i32, b: i32) -> i32 = a ^ b;
    i32_shl(a: i32, b: i32) -> i32 = a.wrapping_shl(b as u32);
    i32_shr_s(a: i32, b: i32) -> i32 = a.wrapping_shr(b as u32);
    i32_shr_u(a: i32, b: i32) -> i32 = (a as u32).wrapping_shr(b as u32) as i32;
    i32_rotl(a: i32, b: i32) -> i32 = a.rotate_left(b as u32 & 31);
    i32_rotr(a: i32, b: i32) -> i32 = a.rotate_right(b as u32 & 31);
    i32_extend8_s(a: i32) -> i32 = i32::from(a as i8);
    i32_extend16_s(a: i32) -> i32 = i32::from(a as i16);
    i32_div_s(a: i32, b: i32) -> Result<i32, TrapCode> = match b {
        0 => Err(TrapCode::IntegerDivideByZero),
        _ => a.checked_div(b).ok_or(TrapCode::IntegerOverflow),
    };
    i32_div_u(a: i32, b: i32) -> Result<i32, TrapCode> = (a as u32).checked_div(b as u32)
        .map(|quotient| quotient as i32)
        .ok_or(TrapCode::IntegerDivideByZero);
    i32_rem_s(a: i32, b: i32) -> Result<i32, TrapCode> = match b {
        0 => Err(TrapCode::IntegerDivideByZero),
        _ => Ok(a.wrapping_rem(b)),
    };
    i32_rem_u(a: i32, b: i32) -> Result<i32, TrapCode> = (a as u32).checked_rem(b as u32)
        .map(|remainder| remainder as i32)
        .ok_or(TrapCode::IntegerDivideByZero);

    i64_eqz(a: i64) -> i32 = i32::from(a == 0);
    i64_eq(a: i64, b: i64) -> i32 = i32::from(a == b);
    i64_ne(a: i64, b: i64) -> i32 = i32::from(a != b);
    i64_lt_s(a: i64, b: i64) -> i32 = i32::from(a < b);
    i64_lt_u(a: i64, b: i64) -> i32 = i32::from((a as u64) < b as u64);
    i64_gt_s(a: i64, b: i64) -> i32 = i32::from(a > b);
    i64_gt_u(a: i64, b: i64) -> i32 = i32::from((a as u64) > b as u64);
    i64_le_s(a: i64, b: i64) -> i32 = i32::from(a <= b);
    i64_le_u(a: i64, b: i64) -> i32 = i32::from((a as u64) <= b as u64);
    i64_ge_s(a: i64, b: i64) -> i32 = i32::from(a >= b);
    i64_ge_u(a: i64, b: i64) -> i32 = i32::from((a as u64) >= b as u64);
    i64_clz(a: i64) -> i64 = a.leading_zeros() as i64;
    i64_ctz(a: i64) -> i64 = a.trailing_zeros() as i64;
    i64_popcnt(a: i64) -> i64 = a.count_ones() as i64;
    i64_add(a: i64, b: i64) -> i64 = a.wrapping_add(b);
    i64_sub(a: i64, b: i64) -> i64 = a.wrapping_sub(b);
    i64_mul(a: i64, b: i64) -> i64 = a.wrapping_mul(b);
    i64_and(a: i64, b: i64) -> i64 = a & b;
    i64_or(a: i64, b: i64) -> i64 = a | b;
    i64_xor(a: i64, b: i64) -> i64 = a ^ b;
    i64_shl(a: i64, b: i64) -> i64 = a.wrapping_shl(b as u32);
    i64_shr_s(a: i64, b: i64) -> i64 = a.wrapping_shr(b as u32);
    i64_shr_u(a: i64, b: i64) -> i64 = (a as u64).wrapping_shr(b as u32) as i64;
    i64_rotl(a: i64, b: i64) -> i64 = a.rotate_left(b as u32 & 63);
    i64_rotr(a: i64, b: i64) -> i64 = a.rotate_right(b as u32 & 63);
    i64_extend8_s(a: i64) -> i64 = i64::from(a as i8);
    i64_extend16_s(a: i64) -> i64 = i64::from(a as i16);
    i64_extend32_s(a: i64) -> i64 = i64::from(a as i32);
    i64_div_s(a: i64, b: i64) -> Result<i64, TrapCode> = match b {
        0 => Err(TrapCode::IntegerDivideByZero),
        _ => a.checked_div(b).ok_or(TrapCode::IntegerOverflow),
    };
    i64_div_u(a: i64, b: i64) -> Result<i64, TrapCode> = (a as u64).checked_div(b as u64)
        .map(|quotient| quotient as i64)
        .ok_or(TrapCode::IntegerDivideByZero);
    i64_rem_s(a: i64, b: i64) -> Result<i64, TrapCode> = match b {
        0 => Err(TrapCode::IntegerDivideByZero),
        _ => Ok(a.wrapping_rem(b)),
    };
    i64_rem_u(a: i64, b: i64) -> Result<i64, TrapCode> = (a as u64).checked_rem(b as u64)
        .map(|remainder| remainder as i64)
        .ok_or(TrapCode::IntegerDivideByZero);

    i64_add128(a_low: i64, a_high: i64, b_low: i64, b_high: i64) -> (i64, i64) =
        halves(join(a_low, a_high).wrapping_add(join(b_low, b_high)));
    i64_sub128(a_low: i64, a_high: i64, b_low: i64, b_high: i64) -> (i64, i64) =
        halves(join(a_low, a_high).wrapping_sub(join(b_low, b_high)));
    i64_mul_wide_s(a: i64, b: i64) -> (i64, i64) = halves((i128::from(a) * i128::from(b)) as u128);
    i64_mul_wide_u(a: i64, b: i64) -> (i64, i64) =
        halves(u128::from(a as u64) * u128::from(b as u64));
}

#[inline(always)]
fn join(low: i64, high: i64) -> u128 {
    u128::from(high as u64) << 64 | u128::from(low as u64)
}

/// (Low half, high half), the order in which wide arithmetic leaves its results.
#[inline(always)]
fn halves(value: u128) -> (i64, i64) {
    (value as i64, (value >> 64) as i64)
}
