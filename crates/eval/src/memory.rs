//! What loads make of the raw value in memory, and stores of their operand.
//! The access itself, its address and its bounds belong to tiers.
//!
//! `i32_load8_s(raw: i8) -> i32`, `i32_store8(value: i32) -> u8`: raw values are typed as the
//! row's `Load(raw)`, `Store(raw)`, `LoadLane(raw)` or `StoreLane(raw)` says.

use crate::V128;
use crate::v128::Lane;

ops! {
    i32_load(raw: i32) -> i32 = raw;
    i64_load(raw: i64) -> i64 = raw;
    f32_load(raw: f32) -> f32 = raw;
    f64_load(raw: f64) -> f64 = raw;
    i32_load8_s(raw: i8) -> i32 = i32::from(raw);
    i32_load8_u(raw: u8) -> i32 = i32::from(raw);
    i32_load16_s(raw: i16) -> i32 = i32::from(raw);
    i32_load16_u(raw: u16) -> i32 = i32::from(raw);
    i64_load8_s(raw: i8) -> i64 = i64::from(raw);
    i64_load8_u(raw: u8) -> i64 = i64::from(raw);
    i64_load16_s(raw: i16) -> i64 = i64::from(raw);
    i64_load16_u(raw: u16) -> i64 = i64::from(raw);
    i64_load32_s(raw: i32) -> i64 = i64::from(raw);
    i64_load32_u(raw: u32) -> i64 = i64::from(raw);
    v128_load(raw: u128) -> V128 = V128::from_bits(raw);
    v128_load8x8_s(raw: u64) -> V128 = crate::i16x8_extend_low_i8x16_s(low(raw));
    v128_load8x8_u(raw: u64) -> V128 = crate::i16x8_extend_low_i8x16_u(low(raw));
    v128_load16x4_s(raw: u64) -> V128 = crate::i32x4_extend_low_i16x8_s(low(raw));
    v128_load16x4_u(raw: u64) -> V128 = crate::i32x4_extend_low_i16x8_u(low(raw));
    v128_load32x2_s(raw: u64) -> V128 = crate::i64x2_extend_low_i32x4_s(low(raw));
    v128_load32x2_u(raw: u64) -> V128 = crate::i64x2_extend_low_i32x4_u(low(raw));
    v128_load8_splat(raw: u8) -> V128 = Lane::join([raw; 16]);
    v128_load16_splat(raw: u16) -> V128 = Lane::join([raw; 8]);
    v128_load32_splat(raw: u32) -> V128 = Lane::join([raw; 4]);
    v128_load64_splat(raw: u64) -> V128 = Lane::join([raw; 2]);
    v128_load32_zero(raw: u32) -> V128 = V128::from_bits(u128::from(raw));
    v128_load64_zero(raw: u64) -> V128 = low(raw);

    i32_store(value: i32) -> i32 = value;
    i64_store(value: i64) -> i64 = value;
    f32_store(value: f32) -> f32 = value;
    f64_store(value: f64) -> f64 = value;
    i32_store8(value: i32) -> u8 = value as u8;
    i32_store16(value: i32) -> u16 = value as u16;
    i64_store8(value: i64) -> u8 = value as u8;
    i64_store16(value: i64) -> u16 = value as u16;
    i64_store32(value: i64) -> u32 = value as u32;
    v128_store(value: V128) -> u128 = value.to_bits();

    v128_load8_lane(raw: u8, vector: V128, lane: u8) -> V128 = vector.with_lane(lane, raw);
    v128_load16_lane(raw: u16, vector: V128, lane: u8) -> V128 = vector.with_lane(lane, raw);
    v128_load32_lane(raw: u32, vector: V128, lane: u8) -> V128 = vector.with_lane(lane, raw);
    v128_load64_lane(raw: u64, vector: V128, lane: u8) -> V128 = vector.with_lane(lane, raw);
    v128_store8_lane(vector: V128, lane: u8) -> u8 = vector.lane(lane);
    v128_store16_lane(vector: V128, lane: u8) -> u16 = vector.lane(lane);
    v128_store32_lane(vector: V128, lane: u8) -> u32 = vector.lane(lane);
    v128_store64_lane(vector: V128, lane: u8) -> u64 = vector.lane(lane);
}

/// The vector with this low half and a zero high half.
#[inline(always)]
fn low(half: u64) -> V128 {
    V128::from_bits(u128::from(half))
}
