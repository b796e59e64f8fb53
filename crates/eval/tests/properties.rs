//! Operators against independent formulations: wider integers, the standard library, scalar forms.
//! Not here: hand-picked cases, which are in `edges`.

use sterna_eval::*;

/// A fixed sequence of numbers in which edge values are frequent.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let random = self.0 ^ self.0 >> 29;
        match self.0 >> 61 {
            0 => [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 31, 0xffff_ffff, 0x8000_0000_8000]
                [(random % 8) as usize],
            1 => 1 << (random % 64),
            2 => random >> (random % 64),
            _ => random,
        }
    }

    fn vector(&mut self) -> V128 {
        V128::from([self.next(), self.next()])
    }
}

const ROUNDS: usize = 20_000;

#[test]
fn integers_against_wider_ones() {
    let mut numbers = Numbers(1);
    for _ in 0..ROUNDS {
        let (a, b) = (numbers.next() as i64, numbers.next() as i64);
        let (x, y) = (a as i32, b as i32);
        let (wa, wb) = (i128::from(a), i128::from(b));
        let (ua, ub) = (u128::from(a as u64), u128::from(b as u64));
        assert_eq!(i64_add(a, b), (wa + wb) as i64);
        assert_eq!(i64_sub(a, b), (wa - wb) as i64);
        assert_eq!(i64_mul(a, b), wa.wrapping_mul(wb) as i64);
        assert_eq!(i32_mul(x, y), (i64::from(x) * i64::from(y)) as i32);
        assert_eq!(i64_lt_u(a, b), i32::from(ua < ub));
        assert_eq!(i64_le_s(a, b), i32::from(wa <= wb));
        assert_eq!(i64_shr_u(a, b), (ua >> (b & 63)) as i64);
        assert_eq!(i64_shr_s(a, b), (wa >> (b & 63)) as i64);
        assert_eq!(i64_rotl(a, b), ((ua << 64 | ua) << (b & 63) >> 64) as i64);
        assert_eq!(i64_rotr(a, b), ((ua << 64 | ua) >> (b & 63)) as i64);
        let (ux, uy) = (u64::from(x as u32), u64::from(y as u32));
        assert_eq!(i32_rotl(x, y), ((ux << 32 | ux) << (y & 31) >> 32) as i32);
        assert_eq!(i32_rotr(x, y), ((ux << 32 | ux) >> (y & 31)) as i32);
        if b != 0 {
            let quotient = wa / wb;
            let fits = i64::try_from(quotient).map_err(|_| TrapCode::IntegerOverflow);
            assert_eq!(i64_div_s(a, b), fits);
            assert_eq!(i64_rem_s(a, b), Ok((wa % wb) as i64));
            assert_eq!(i64_div_u(a, b), Ok((ua / ub) as i64));
            assert_eq!(i64_rem_u(a, b), Ok((ua % ub) as i64));
        }
        if y != 0 {
            let fits = i32::try_from(i64::from(x) / i64::from(y));
            assert_eq!(i32_div_s(x, y), fits.map_err(|_| TrapCode::IntegerOverflow));
            assert_eq!(i32_rem_s(x, y), Ok((i64::from(x) % i64::from(y)) as i32));
            assert_eq!(i32_div_u(x, y), Ok((ux / uy) as i32));
            assert_eq!(i32_rem_u(x, y), Ok((ux % uy) as i32));
        }
        let (low, high) = i64_mul_wide_s(a, b);
        assert_eq!(i128::from(high) << 64 | i128::from(low as u64), wa * wb);
        let (low, high) = i64_mul_wide_u(a, b);
        assert_eq!(u128::from(high as u64) << 64 | u128::from(low as u64), ua * ub);
        let (low, high) = i64_sub128(a, b, x.into(), y.into());
        assert_eq!(i64_add128(low, high, x.into(), y.into()), (a, b));
    }
}

#[test]
fn rounding_against_the_standard_library() {
    let same32 =
        |ours: f32, std: f32| ours.to_bits() == std.to_bits() || ours.is_nan() && std.is_nan();
    let same64 =
        |ours: f64, std: f64| ours.to_bits() == std.to_bits() || ours.is_nan() && std.is_nan();
    let check32 = |x: f32| {
        assert!(same32(f32_nearest(x), x.round_ties_even()), "nearest {x:e}");
        assert!(same32(f32_ceil(x), x.ceil()), "ceil {x:e}");
        assert!(same32(f32_floor(x), x.floor()), "floor {x:e}");
        assert!(same32(f32_trunc(x), x.trunc()), "trunc {x:e}");
    };
    let check64 = |x: f64| {
        assert!(same64(f64_nearest(x), x.round_ties_even()), "nearest {x:e}");
        assert!(same64(f64_ceil(x), x.ceil()), "ceil {x:e}");
        assert!(same64(f64_floor(x), x.floor()), "floor {x:e}");
        assert!(same64(f64_trunc(x), x.trunc()), "trunc {x:e}");
    };
    for bits in (0..=u32::MAX).step_by(4093) {
        check32(f32::from_bits(bits));
    }
    let mut numbers = Numbers(2);
    for i in 0..ROUNDS {
        check64(f64::from_bits(numbers.next()));
        for delta in [-1i64, 0, 1] {
            let half = (i as f64 - 10_000.0) / 2.0;
            check64(f64::from_bits((half.to_bits() as i64 + delta) as u64));
            check32(f32::from_bits(((half as f32).to_bits() as i64 + delta) as u32));
        }
        check64(f64::from_bits(
            0x4320_0000_0000_0000 + (i as u64 * 0x10_0001) % 0x20_0000_0000_0000,
        ));
    }
}

#[test]
fn truncation_against_exact_bounds() {
    let mut numbers = Numbers(3);
    for i in 0..ROUNDS {
        let near = [31, 32, 63, 64][i % 4];
        let bound = 2f64.powi(near) * if i & 4 == 0 { 1.0 } else { -1.0 };
        let x = match i & 8 {
            0 => f64::from_bits(bound.to_bits().wrapping_add(numbers.next() % 8).wrapping_sub(4)),
            _ => f64::from_bits(numbers.next()),
        };
        // Every finite value this small is exact in an i128 once truncated.
        let exact = if x.abs() < 1e30 { Some(x.trunc() as i128) } else { None };
        let trap = if x.is_nan() {
            TrapCode::InvalidConversionToInteger
        } else {
            TrapCode::IntegerOverflow
        };
        let fit = |min: i128, max: i128| {
            exact.filter(|_| !x.is_nan()).filter(|exact| (min..=max).contains(exact)).ok_or(trap)
        };
        let (i32s, u32s) = (fit(i32::MIN.into(), i32::MAX.into()), fit(0, u32::MAX.into()));
        let (i64s, u64s) = (fit(i64::MIN.into(), i64::MAX.into()), fit(0, u64::MAX.into()));
        assert_eq!(i32_trunc_f64_s(x), i32s.map(|y| y as i32), "{x:e}");
        assert_eq!(i32_trunc_f64_u(x), u32s.map(|y| y as i32), "{x:e}");
        assert_eq!(i64_trunc_f64_s(x), i64s.map(|y| y as i64), "{x:e}");
        assert_eq!(i64_trunc_f64_u(x), u64s.map(|y| y as i64), "{x:e}");
        if f64::from(x as f32).to_bits() == x.to_bits() {
            let x = x as f32;
            assert_eq!(i32_trunc_f32_s(x), i32s.map(|y| y as i32), "{x:e}");
            assert_eq!(i32_trunc_f32_u(x), u32s.map(|y| y as i32), "{x:e}");
            assert_eq!(i64_trunc_f32_s(x), i64s.map(|y| y as i64), "{x:e}");
            assert_eq!(i64_trunc_f32_u(x), u64s.map(|y| y as i64), "{x:e}");
        }
        if let Ok(y) = i32s {
            assert_eq!(i32_trunc_sat_f64_s(x), y as i32);
        }
        if let Ok(y) = u64s {
            assert_eq!(i64_trunc_sat_f64_u(x), y as i64);
        }
    }
}

/// Every lane of a vector operator against a closure over wide integers.
macro_rules! lanewise {
    ($a:ident, $b:ident; $($ty:ty, $n:literal { $($op:ident |$x:ident, $y:ident| $body:expr;)* })*) => {
        $($({
            let (x, y): ([$ty; $n], [$ty; $n]) = ($a.into(), $b.into());
            let expected: [$ty; $n] = std::array::from_fn(|i| {
                let ($x, $y) = (i128::from(x[i]), i128::from(y[i]));
                $body as $ty
            });
            assert_eq!($op($a, $b), V128::from(expected), "{} {:?} {:?}", stringify!($op), x, y);
        })*)*
    };
}

fn clamp(x: i128, min: impl Into<i128>, max: impl Into<i128>) -> i128 {
    x.clamp(min.into(), max.into())
}

fn mask(set: bool) -> i128 {
    -i128::from(set)
}

#[test]
fn integer_lanes_against_wide_integers() {
    let mut numbers = Numbers(4);
    for _ in 0..ROUNDS {
        let (a, b) = (numbers.vector(), numbers.vector());
        lanewise! { a, b;
            i8, 16 {
                i8x16_add |x, y| x + y;
                i8x16_sub |x, y| x - y;
                i8x16_add_sat_s |x, y| clamp(x + y, i8::MIN, i8::MAX);
                i8x16_sub_sat_s |x, y| clamp(x - y, i8::MIN, i8::MAX);
                i8x16_min_s |x, y| x.min(y);
                i8x16_max_s |x, y| x.max(y);
                i8x16_eq |x, y| mask(x == y);
                i8x16_ne |x, y| mask(x != y);
                i8x16_lt_s |x, y| mask(x < y);
                i8x16_ge_s |x, y| mask(x >= y);
            }
            u8, 16 {
                i8x16_add_sat_u |x, y| clamp(x + y, 0, u8::MAX);
                i8x16_sub_sat_u |x, y| clamp(x - y, 0, u8::MAX);
                i8x16_min_u |x, y| x.min(y);
                i8x16_max_u |x, y| x.max(y);
                i8x16_avgr_u |x, y| (x + y + 1) / 2;
                i8x16_gt_u |x, y| mask(x > y);
                i8x16_le_u |x, y| mask(x <= y);
            }
            i16, 8 {
                i16x8_add |x, y| x + y;
                i16x8_sub |x, y| x - y;
                i16x8_mul |x, y| x * y;
                i16x8_add_sat_s |x, y| clamp(x + y, i16::MIN, i16::MAX);
                i16x8_sub_sat_s |x, y| clamp(x - y, i16::MIN, i16::MAX);
                i16x8_q15mulr_sat_s |x, y| clamp((x * y + 0x4000) >> 15, i16::MIN, i16::MAX);
                i16x8_min_s |x, y| x.min(y);
                i16x8_gt_s |x, y| mask(x > y);
                i16x8_le_s |x, y| mask(x <= y);
            }
            u16, 8 {
                i16x8_add_sat_u |x, y| clamp(x + y, 0, u16::MAX);
                i16x8_sub_sat_u |x, y| clamp(x - y, 0, u16::MAX);
                i16x8_max_u |x, y| x.max(y);
                i16x8_avgr_u |x, y| (x + y + 1) / 2;
                i16x8_lt_u |x, y| mask(x < y);
            }
            i32, 4 {
                i32x4_add |x, y| x + y;
                i32x4_sub |x, y| x - y;
                i32x4_mul |x, y| x * y;
                i32x4_max_s |x, y| x.max(y);
                i32x4_lt_s |x, y| mask(x < y);
            }
            u32, 4 {
                i32x4_min_u |x, y| x.min(y);
                i32x4_ge_u |x, y| mask(x >= y);
            }
            i64, 2 {
                i64x2_add |x, y| x + y;
                i64x2_sub |x, y| x - y;
                i64x2_mul |x, y| x.wrapping_mul(y);
                i64x2_eq |x, y| mask(x == y);
                i64x2_gt_s |x, y| mask(x > y);
                i64x2_le_s |x, y| mask(x <= y);
            }
        }
    }
}

/// Lanes `[from..]` of one vector as wide integers.
macro_rules! wide {
    ($a:expr, $ty:ty, $n:literal) => {{
        let lanes: [$ty; $n] = $a.into();
        lanes.map(i128::from)
    }};
}

#[test]
fn lane_sizes_against_wide_integers() {
    let mut numbers = Numbers(5);
    for _ in 0..ROUNDS {
        let (a, b) = (numbers.vector(), numbers.vector());
        let (s8, t8) = (wide!(a, i8, 16), wide!(b, i8, 16));
        let (u8s, v8s) = (wide!(a, u8, 16), wide!(b, u8, 16));
        let (s16, t16) = (wide!(a, i16, 8), wide!(b, i16, 8));
        let (u32s, v32s) = (wide!(a, u32, 4), wide!(b, u32, 4));
        for i in 0..8 {
            let lane = |vector: V128| wide!(vector, i16, 8)[i];
            let ulane = |vector: V128| wide!(vector, u16, 8)[i];
            assert_eq!(lane(i16x8_extend_low_i8x16_s(a)), s8[i]);
            assert_eq!(lane(i16x8_extend_high_i8x16_u(a)), u8s[i + 8]);
            assert_eq!(lane(i16x8_extmul_high_i8x16_s(a, b)), s8[i + 8] * t8[i + 8]);
            assert_eq!(ulane(i16x8_extmul_low_i8x16_u(a, b)), u8s[i] * v8s[i]);
            assert_eq!(lane(i16x8_extadd_pairwise_i8x16_s(a)), s8[2 * i] + s8[2 * i + 1]);
            assert_eq!(ulane(i16x8_extadd_pairwise_i8x16_u(a)), u8s[2 * i] + u8s[2 * i + 1]);
            let dot = s8[2 * i] * t8[2 * i] + s8[2 * i + 1] * t8[2 * i + 1];
            let relaxed = i16x8_relaxed_dot_i8x16_i7x16_s(a, b);
            assert_eq!(lane(relaxed), clamp(dot, i16::MIN, i16::MAX));
            let narrow = |vector: V128| (wide!(vector, i8, 16)[i], wide!(vector, i8, 16)[i + 8]);
            let clamp8 = |x| clamp(x, i8::MIN, i8::MAX);
            assert_eq!(narrow(i8x16_narrow_i16x8_s(a, b)), (clamp8(s16[i]), clamp8(t16[i])));
            let narrow = wide!(i8x16_narrow_i16x8_u(a, b), u8, 16);
            assert_eq!(narrow[i], clamp(s16[i], 0, u8::MAX));
            assert_eq!(narrow[i + 8], clamp(t16[i], 0, u8::MAX));
        }
        for i in 0..4 {
            let dot = s16[2 * i] * t16[2 * i] + s16[2 * i + 1] * t16[2 * i + 1];
            assert_eq!(wide!(i32x4_dot_i16x8_s(a, b), i32, 4)[i], i128::from(dot as i32));
        }
        for i in 0..2 {
            let product = wide!(i64x2_extmul_low_i32x4_u(a, b), u64, 2)[i];
            assert_eq!(product, u32s[i] * v32s[i]);
            let product = wide!(i64x2_extmul_high_i32x4_u(a, b), u64, 2)[i];
            assert_eq!(product, u32s[i + 2] * v32s[i + 2]);
        }
        for i in 0..16u8 {
            let index = usize::from(i);
            assert_eq!(i128::from(i8x16_extract_lane_s(a, i)), s8[index]);
            assert_eq!(i8x16_bitmask(a) >> i & 1, i32::from(s8[index] < 0));
            let picked = wide!(i8x16_swizzle(a, b), u8, 16)[index];
            let from = v8s[index] as usize;
            assert_eq!(picked, if from < 16 { u8s[from] } else { 0 });
        }
        assert_eq!(i8x16_all_true(a), i32::from(u8s.iter().all(|&lane| lane != 0)));
        assert_eq!(i32x4_all_true(a), i32::from(u32s.iter().all(|&lane| lane != 0)));
    }
}

/// Every lane of a float vector operator against the scalar operator, NaNs made canonical.
macro_rules! against_scalars {
    ($a:ident, $b:ident, $canon:ident, $ty:ty, $n:literal;
     $($unary:ident $scalar:ident,)* ; $($binary:ident $scalar2:ident,)*) => {
        let (x, y): ([$ty; $n], [$ty; $n]) = ($a.into(), $b.into());
        $({
            let expected = V128::from(x.map($scalar));
            assert_eq!($canon($unary($a)), $canon(expected), "{} {x:?}", stringify!($unary));
        })*
        $({
            let expected: [$ty; $n] = std::array::from_fn(|i| $scalar2(x[i], y[i]));
            let actual = $canon($binary($a, $b));
            assert_eq!(actual, $canon(expected.into()), "{} {x:?} {y:?}", stringify!($binary));
        })*
    };
}

#[test]
fn float_lanes_against_scalars() {
    let mut numbers = Numbers(6);
    for i in 0..ROUNDS {
        let (mut a, mut b) = (numbers.vector(), numbers.vector());
        if i % 2 == 0 {
            // Random bits are rarely near an integer or equal: use halves from a small range.
            let half = |bits: u64| (bits % 64) as f32 / 2.0 - 16.0;
            a = V128::from([half(numbers.next()), -0.0, half(numbers.next()), 8_388_607.5]);
            b = V128::from([half(numbers.next()), 0.0, f32::NAN, half(numbers.next())]);
        }
        against_scalars! { a, b, canon_f32x4, f32, 4;
            f32x4_nearest f32_nearest, f32x4_ceil f32_ceil, f32x4_floor f32_floor,
            f32x4_trunc f32_trunc, f32x4_sqrt f32_sqrt, f32x4_neg f32_neg, f32x4_abs f32_abs, ;
            f32x4_min f32_min, f32x4_max f32_max, f32x4_add f32_add, f32x4_sub f32_sub,
            f32x4_mul f32_mul, f32x4_div f32_div,
        }
        let trunc: [i32; 4] = i32x4_trunc_sat_f32x4_s(a).into();
        assert_eq!(trunc, <[f32; 4]>::from(a).map(i32_trunc_sat_f32_s));
        let trunc: [u32; 4] = i32x4_trunc_sat_f32x4_u(a).into();
        assert_eq!(trunc, <[f32; 4]>::from(a).map(|x| i32_trunc_sat_f32_u(x) as u32));
        let (a, b) = (f64x2_promote_low_f32x4(a), f64x2_promote_low_f32x4(b));
        let (a, b) = if i % 4 == 0 { (a, b) } else { (numbers.vector(), numbers.vector()) };
        against_scalars! { a, b, canon_f64x2, f64, 2;
            f64x2_nearest f64_nearest, f64x2_ceil f64_ceil, f64x2_floor f64_floor,
            f64x2_trunc f64_trunc, f64x2_sqrt f64_sqrt, f64x2_neg f64_neg, f64x2_abs f64_abs, ;
            f64x2_min f64_min, f64x2_max f64_max, f64x2_add f64_add, f64x2_sub f64_sub,
            f64x2_mul f64_mul, f64x2_div f64_div,
        }
    }
}
