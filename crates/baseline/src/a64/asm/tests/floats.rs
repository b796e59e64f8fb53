//! Tests of instructions on scalar floats.
//! Does not test vectors.

use super::super::*;
use super::{check, words};
use Gpr as R;
use Vreg as V;

#[test]
fn arithmetic() {
    check! {
        0x1e7f_2bc1 "fadd d1, d30, d31": fadd(W64, V(1), V(30), V(31));
        0x1e3f_2bc1 "fadd s1, s30, s31": fadd(W32, V(1), V(30), V(31));
        0x1e7f_3bc1 "fsub d1, d30, d31": fsub(W64, V(1), V(30), V(31));
        0x1e3f_0bc1 "fmul s1, s30, s31": fmul(W32, V(1), V(30), V(31));
        0x1e7f_1bc1 "fdiv d1, d30, d31": fdiv(W64, V(1), V(30), V(31));
        0x1e7f_4bc1 "fmax d1, d30, d31": fmax(W64, V(1), V(30), V(31));
        0x1e3f_5bc1 "fmin s1, s30, s31": fmin(W32, V(1), V(30), V(31));
        0x1e60_c3e1 "fabs d1, d31": fabs(W64, V(1), V(31));
        0x1e21_43e1 "fneg s1, s31": fneg(W32, V(1), V(31));
        0x1e61_c3e1 "fsqrt d1, d31": fsqrt(W64, V(1), V(31));
        0x1e64_43e1 "frintn d1, d31": frintn(W64, V(1), V(31));
        0x1e24_c3e1 "frintp s1, s31": frintp(W32, V(1), V(31));
        0x1e65_43e1 "frintm d1, d31": frintm(W64, V(1), V(31));
        0x1e25_c3e1 "frintz s1, s31": frintz(W32, V(1), V(31));
        0x1e7f_2220 "fcmp d17, d31": fcmp(W64, V(17), V(31));
        0x1e3f_2220 "fcmp s17, s31": fcmp(W32, V(17), V(31));
        0x1e60_23e8 "fcmp d31, #0.0": fcmp_zero(W64, V(31));
        0x1e7f_4fc1 "fcsel d1, d30, d31, mi": fcsel(W64, V(1), V(30), V(31), Cc::Mi);
        0x1e3f_6fc1 "fcsel s1, s30, s31, vs": fcsel(W32, V(1), V(30), V(31), Cc::Vs);
    }
}

#[test]
fn moves_and_conversions() {
    let double = |value: f64| float_imm(W64, value.to_bits()).unwrap();
    let single = |value: f32| float_imm(W32, u64::from(value.to_bits())).unwrap();
    check! {
        0x1e6e_101f "fmov d31, #1.0": fmov_imm(W64, V(31), double(1.0));
        0x1e78_101f "fmov d31, #-0.125": fmov_imm(W64, V(31), double(-0.125));
        0x1e67_f01f "fmov d31, #31.0": fmov_imm(W64, V(31), double(31.0));
        0x1e20_101f "fmov s31, #2.0": fmov_imm(W32, V(31), single(2.0));
        0x1e3f_f01f "fmov s31, #-1.9375": fmov_imm(W32, V(31), single(-1.9375));
        0x9e67_03df "fmov d31, x30": fmov_from_gpr(W64, V(31), R(30));
        0x1e27_03df "fmov s31, w30": fmov_from_gpr(W32, V(31), R(30));
        0x9e66_03fe "fmov x30, d31": fmov_to_gpr(W64, R(30), V(31));
        0x1e26_03fe "fmov w30, s31": fmov_to_gpr(W32, R(30), V(31));
        0x9eaf_03df "fmov v31.d[1], x30": fmov_high_from_gpr(V(31), R(30));
        0x1e22_c3e1 "fcvt d1, s31": fcvt(W32, V(1), V(31));
        0x1e62_43e1 "fcvt s1, d31": fcvt(W64, V(1), V(31));
        0x1e38_03fe "fcvtzs w30, s31": fcvtzs(W32, W32, R(30), V(31));
        0x9e38_03fe "fcvtzs x30, s31": fcvtzs(W64, W32, R(30), V(31));
        0x1e78_03fe "fcvtzs w30, d31": fcvtzs(W32, W64, R(30), V(31));
        0x9e79_03fe "fcvtzu x30, d31": fcvtzu(W64, W64, R(30), V(31));
        0x1e79_03fe "fcvtzu w30, d31": fcvtzu(W32, W64, R(30), V(31));
        0x9e22_03df "scvtf s31, x30": scvtf(W32, W64, V(31), R(30));
        0x1e62_03df "scvtf d31, w30": scvtf(W64, W32, V(31), R(30));
        0x9e63_03df "ucvtf d31, x30": ucvtf(W64, W64, V(31), R(30));
        0x1e23_03df "ucvtf s31, w30": ucvtf(W32, W32, V(31), R(30));
    }
    for value in [0.0, -0.0, 0.1, 32.0, 0.0625, 1.0 + 1.0 / 32.0, f64::NAN, f64::INFINITY, 5e-324] {
        assert_eq!(float_imm(W64, value.to_bits()), None, "{value}");
        assert_eq!(float_imm(W32, u64::from((value as f32).to_bits())), None, "{value}");
    }
}
