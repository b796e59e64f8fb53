//! Operators that move lanes: splat, extract, replace, shuffle, swizzle.
//! Lanes loaded from and stored to memory are in `memory`.
//!
//! Lane numbers are immediates that validation has bounded; a number out of range is taken
//! modulo the number of lanes.

use std::array::from_fn;

use crate::V128;
use crate::v128::Lane;

ops! {
    i8x16_splat(a: i32) -> V128 = Lane::join([a as i8; 16]);
    i8x16_extract_lane_s(a: V128, lane: u8) -> i32 = i32::from(a.lane::<i8, _>(lane));
    i8x16_extract_lane_u(a: V128, lane: u8) -> i32 = i32::from(a.lane::<u8, _>(lane));
    i8x16_replace_lane(a: V128, b: i32, lane: u8) -> V128 = a.with_lane(lane, b as i8);
    i16x8_splat(a: i32) -> V128 = Lane::join([a as i16; 8]);
    i16x8_extract_lane_s(a: V128, lane: u8) -> i32 = i32::from(a.lane::<i16, _>(lane));
    i16x8_extract_lane_u(a: V128, lane: u8) -> i32 = i32::from(a.lane::<u16, _>(lane));
    i16x8_replace_lane(a: V128, b: i32, lane: u8) -> V128 = a.with_lane(lane, b as i16);
    i32x4_splat(a: i32) -> V128 = Lane::join([a; 4]);
    i32x4_extract_lane(a: V128, lane: u8) -> i32 = a.lane(lane);
    i32x4_replace_lane(a: V128, b: i32, lane: u8) -> V128 = a.with_lane(lane, b);
    i64x2_splat(a: i64) -> V128 = Lane::join([a; 2]);
    i64x2_extract_lane(a: V128, lane: u8) -> i64 = a.lane(lane);
    i64x2_replace_lane(a: V128, b: i64, lane: u8) -> V128 = a.with_lane(lane, b);
    f32x4_splat(a: f32) -> V128 = Lane::join([a; 4]);
    f32x4_extract_lane(a: V128, lane: u8) -> f32 = a.lane(lane);
    f32x4_replace_lane(a: V128, b: f32, lane: u8) -> V128 = a.with_lane(lane, b);
    f64x2_splat(a: f64) -> V128 = Lane::join([a; 2]);
    f64x2_extract_lane(a: V128, lane: u8) -> f64 = a.lane(lane);
    f64x2_replace_lane(a: V128, b: f64, lane: u8) -> V128 = a.with_lane(lane, b);

    i8x16_swizzle(a: V128, lanes: V128) -> V128 = {
        let (a, lanes) = (u8::split(a), u8::split(lanes));
        Lane::join(from_fn(|i| if lanes[i] < 16 { a[usize::from(lanes[i] & 15)] } else { 0 }))
    };
    i8x16_shuffle(a: V128, b: V128, lanes: [u8; 16]) -> V128 = {
        // Not `lanes.map`, which is not always inlined.
        let (a, b) = (u8::split(a), u8::split(b));
        Lane::join(from_fn(|i| {
            let from = if lanes[i] & 16 == 0 { &a } else { &b };
            from[usize::from(lanes[i] & 15)]
        }))
    };
}
