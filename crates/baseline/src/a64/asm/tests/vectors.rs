//! Tests of instructions on vectors.
//! Does not test scalar floats.

use super::super::vector_codes::*;
use super::super::*;
use super::{check, words};
use Gpr as R;
use Lanes::*;
use Vreg as V;

const D: Vreg = V(1);
const A: Vreg = V(30);
const B: Vreg = V(31);

#[test]
fn three() {
    check! {
        0x4e3f_1fc1 "and v1.16b, v30.16b, v31.16b": v3(AND, D, A, B);
        0x4e7f_1fc1 "bic v1.16b, v30.16b, v31.16b": v3(BIC, D, A, B);
        0x4ebf_1fc1 "orr v1.16b, v30.16b, v31.16b": v3(ORR, D, A, B);
        0x6e3f_1fc1 "eor v1.16b, v30.16b, v31.16b": v3(EOR, D, A, B);
        0x6e7f_1fc1 "bsl v1.16b, v30.16b, v31.16b": v3(BSL, D, A, B);
        0x6ebf_1fc1 "bit v1.16b, v30.16b, v31.16b": v3(BIT, D, A, B);
        0x4ea2_1c5f "mov v31.16b, v2.16b": mov_v(B, V(2));
        0x4e3f_87c1 "add v1.16b, v30.16b, v31.16b": v3(ADD.of(B16), D, A, B);
        0x4eff_87c1 "add v1.2d, v30.2d, v31.2d": v3(ADD.of(D2), D, A, B);
        0x6e7f_87c1 "sub v1.8h, v30.8h, v31.8h": v3(SUB.of(H8), D, A, B);
        0x4ebf_9fc1 "mul v1.4s, v30.4s, v31.4s": v3(MUL.of(S4), D, A, B);
        0x6eff_8fc1 "cmeq v1.2d, v30.2d, v31.2d": v3(CMEQ.of(D2), D, A, B);
        0x4ebf_37c1 "cmgt v1.4s, v30.4s, v31.4s": v3(CMGT.of(S4), D, A, B);
        0x4e3f_3fc1 "cmge v1.16b, v30.16b, v31.16b": v3(CMGE.of(B16), D, A, B);
        0x6e7f_37c1 "cmhi v1.8h, v30.8h, v31.8h": v3(CMHI.of(H8), D, A, B);
        0x6ebf_3fc1 "cmhs v1.4s, v30.4s, v31.4s": v3(CMHS.of(S4), D, A, B);
        0x4e3f_67c1 "smax v1.16b, v30.16b, v31.16b": v3(SMAX.of(B16), D, A, B);
        0x4e7f_6fc1 "smin v1.8h, v30.8h, v31.8h": v3(SMIN.of(H8), D, A, B);
        0x6ebf_67c1 "umax v1.4s, v30.4s, v31.4s": v3(UMAX.of(S4), D, A, B);
        0x6e3f_6fc1 "umin v1.16b, v30.16b, v31.16b": v3(UMIN.of(B16), D, A, B);
        0x4e3f_0fc1 "sqadd v1.16b, v30.16b, v31.16b": v3(SQADD.of(B16), D, A, B);
        0x6e7f_0fc1 "uqadd v1.8h, v30.8h, v31.8h": v3(UQADD.of(H8), D, A, B);
        0x4e3f_2fc1 "sqsub v1.16b, v30.16b, v31.16b": v3(SQSUB.of(B16), D, A, B);
        0x6e7f_2fc1 "uqsub v1.8h, v30.8h, v31.8h": v3(UQSUB.of(H8), D, A, B);
        0x6e3f_17c1 "urhadd v1.16b, v30.16b, v31.16b": v3(URHADD.of(B16), D, A, B);
        0x6e7f_b7c1 "sqrdmulh v1.8h, v30.8h, v31.8h": v3(SQRDMULH.of(H8), D, A, B);
        0x4eff_47c1 "sshl v1.2d, v30.2d, v31.2d": v3(SSHL.of(D2), D, A, B);
        0x6e3f_47c1 "ushl v1.16b, v30.16b, v31.16b": v3(USHL.of(B16), D, A, B);
        0x4ebf_bfc1 "addp v1.4s, v30.4s, v31.4s": v3(ADDP.of(S4), D, A, B);
        0x6ebf_a7c1 "umaxp v1.4s, v30.4s, v31.4s": v3(UMAXP.of(S4), D, A, B);
        0x0e3f_c3c1 "smull v1.8h, v30.8b, v31.8b": v3(SMULL.of(B16), D, A, B);
        0x4e7f_c3c1 "smull2 v1.4s, v30.8h, v31.8h": v3(SMULL.of(H8).high(), D, A, B);
        0x2ebf_c3c1 "umull v1.2d, v30.2s, v31.2s": v3(UMULL.of(S4), D, A, B);
        0x6ebf_c3c1 "umull2 v1.2d, v30.4s, v31.4s": v3(UMULL.of(S4).high(), D, A, B);
        0x2ebf_83c1 "umlal v1.2d, v30.2s, v31.2s": v3(UMLAL.of(S4), D, A, B);
        0x4e1f_1bc1 "uzp1 v1.16b, v30.16b, v31.16b": v3(UZP1.of(B16), D, A, B);
        0x4e5f_5bc1 "uzp2 v1.8h, v30.8h, v31.8h": v3(UZP2.of(H8), D, A, B);
        0x4e9f_3bc1 "zip1 v1.4s, v30.4s, v31.4s": v3(ZIP1.of(S4), D, A, B);
        0x4edf_7bc1 "zip2 v1.2d, v30.2d, v31.2d": v3(ZIP2.of(D2), D, A, B);
        0x4e9f_2bc1 "trn1 v1.4s, v30.4s, v31.4s": v3(TRN1.of(S4), D, A, B);
        0x4e9f_6bc1 "trn2 v1.4s, v30.4s, v31.4s": v3(TRN2.of(S4), D, A, B);
        0x4e1f_03c1 "tbl v1.16b, {v30.16b}, v31.16b": v3(TBL, D, A, B);
        0x4e1f_13c1 "tbx v1.16b, {v30.16b}, v31.16b": v3(TBX, D, A, B);
        0x4e3f_d7c1 "fadd v1.4s, v30.4s, v31.4s": v3(FADD.float(S4), D, A, B);
        0x4e7f_d7c1 "fadd v1.2d, v30.2d, v31.2d": v3(FADD.float(D2), D, A, B);
        0x4eff_d7c1 "fsub v1.2d, v30.2d, v31.2d": v3(FSUB.float(D2), D, A, B);
        0x6e3f_dfc1 "fmul v1.4s, v30.4s, v31.4s": v3(FMUL.float(S4), D, A, B);
        0x6e7f_ffc1 "fdiv v1.2d, v30.2d, v31.2d": v3(FDIV.float(D2), D, A, B);
        0x4e3f_f7c1 "fmax v1.4s, v30.4s, v31.4s": v3(FMAX.float(S4), D, A, B);
        0x4eff_f7c1 "fmin v1.2d, v30.2d, v31.2d": v3(FMIN.float(D2), D, A, B);
        0x4e3f_e7c1 "fcmeq v1.4s, v30.4s, v31.4s": v3(FCMEQ.float(S4), D, A, B);
        0x6e7f_e7c1 "fcmge v1.2d, v30.2d, v31.2d": v3(FCMGE.float(D2), D, A, B);
        0x6ebf_e7c1 "fcmgt v1.4s, v30.4s, v31.4s": v3(FCMGT.float(S4), D, A, B);
        0x6e1f_7bc1 "ext v1.16b, v30.16b, v31.16b, #15": ext(D, A, B, 15);
    }
}

#[test]
fn two() {
    check! {
        0x6e20_5bc1 "not v1.16b, v30.16b": v2(NOT, D, A);
        0x4e20_5bc1 "cnt v1.16b, v30.16b": v2(CNT, D, A);
        0x4e20_0bc1 "rev64 v1.16b, v30.16b": v2(REV64.of(B16), D, A);
        0x4ea0_0bc1 "rev64 v1.4s, v30.4s": v2(REV64.of(S4), D, A);
        0x6e60_0bc1 "rev32 v1.8h, v30.8h": v2(REV32.of(H8), D, A);
        0x4e20_1bc1 "rev16 v1.16b, v30.16b": v2(REV16, D, A);
        0x4ee0_bbc1 "abs v1.2d, v30.2d": v2(ABS.of(D2), D, A);
        0x6e60_bbc1 "neg v1.8h, v30.8h": v2(NEG.of(H8), D, A);
        0x4e20_9bc1 "cmeq v1.16b, v30.16b, #0": v2(CMEQ_ZERO.of(B16), D, A);
        0x4e20_2bc1 "saddlp v1.8h, v30.16b": v2(SADDLP.of(B16), D, A);
        0x6e60_2bc1 "uaddlp v1.4s, v30.8h": v2(UADDLP.of(H8), D, A);
        0x0e21_2bc1 "xtn v1.8b, v30.8h": v2(XTN.of(B16), D, A);
        0x4ea1_2bc1 "xtn2 v1.4s, v30.2d": v2(XTN.of(S4).high(), D, A);
        0x0e21_4bc1 "sqxtn v1.8b, v30.8h": v2(SQXTN.of(B16), D, A);
        0x4e61_4bc1 "sqxtn2 v1.8h, v30.4s": v2(SQXTN.of(H8).high(), D, A);
        0x2e61_2bc1 "sqxtun v1.4h, v30.4s": v2(SQXTUN.of(H8), D, A);
        0x2ea1_4bc1 "uqxtn v1.2s, v30.2d": v2(UQXTN.of(S4), D, A);
        0x4e31_bbc1 "addv b1, v30.16b": v2(ADDV.of(B16), D, A);
        0x4eb1_bbc1 "addv s1, v30.4s": v2(ADDV.of(S4), D, A);
        0x4ea0_fbc1 "fabs v1.4s, v30.4s": v2(FABS.float(S4), D, A);
        0x6ee0_fbc1 "fneg v1.2d, v30.2d": v2(FNEG.float(D2), D, A);
        0x6ea1_fbc1 "fsqrt v1.4s, v30.4s": v2(FSQRT.float(S4), D, A);
        0x4e61_8bc1 "frintn v1.2d, v30.2d": v2(FRINTN.float(D2), D, A);
        0x4e21_9bc1 "frintm v1.4s, v30.4s": v2(FRINTM.float(S4), D, A);
        0x4ee1_8bc1 "frintp v1.2d, v30.2d": v2(FRINTP.float(D2), D, A);
        0x4ea1_9bc1 "frintz v1.4s, v30.4s": v2(FRINTZ.float(S4), D, A);
        0x4ee1_bbc1 "fcvtzs v1.2d, v30.2d": v2(FCVTZS.float(D2), D, A);
        0x6ea1_bbc1 "fcvtzu v1.4s, v30.4s": v2(FCVTZU.float(S4), D, A);
        0x4e21_dbc1 "scvtf v1.4s, v30.4s": v2(SCVTF.float(S4), D, A);
        0x6e61_dbc1 "ucvtf v1.2d, v30.2d": v2(UCVTF.float(D2), D, A);
        0x0e61_7bc1 "fcvtl v1.2d, v30.2s": v2(FCVTL.float(D2), D, A);
        0x0e61_6bc1 "fcvtn v1.2s, v30.2d": v2(FCVTN.float(D2), D, A);
    }
}

#[test]
fn shifts() {
    check! {
        0x4f08_57c1 "shl v1.16b, v30.16b, #0": v_shift(SHL, B16, D, A, 0);
        0x4f7f_57c1 "shl v1.2d, v30.2d, #63": v_shift(SHL, D2, D, A, 63);
        0x4f08_07c1 "sshr v1.16b, v30.16b, #8": v_shift(SSHR, B16, D, A, 8);
        0x4f1f_07c1 "sshr v1.8h, v30.8h, #1": v_shift(SSHR, H8, D, A, 1);
        0x6f21_07c1 "ushr v1.4s, v30.4s, #31": v_shift(USHR, S4, D, A, 31);
        0x6f40_07c1 "ushr v1.2d, v30.2d, #64": v_shift(USHR, D2, D, A, 64);
        0x6f5f_17c1 "usra v1.2d, v30.2d, #33": v_shift(USRA, D2, D, A, 33);
        0x0f08_a7c1 "sshll v1.8h, v30.8b, #0": v_shift(SSHLL, B16, D, A, 0);
        0x4f1f_a7c1 "sshll2 v1.4s, v30.8h, #15": v_shift(SSHLL.high(), H8, D, A, 15);
        0x2f20_a7c1 "ushll v1.2d, v30.2s, #0": v_shift(USHLL, S4, D, A, 0);
    }
}

#[test]
fn lanes() {
    check! {
        0x4e1f_07c1 "dup v1.16b, v30.b[15]": dup(B16, D, A, 15);
        0x4e18_07c1 "dup v1.2d, v30.d[1]": dup(D2, D, A, 1);
        0x4e02_0fc1 "dup v1.8h, w30": dup_gpr(H8, D, R(30));
        0x4e08_0fc1 "dup v1.2d, x30": dup_gpr(D2, D, R(30));
        0x6e1d_7fc1 "mov v1.b[14], v30.b[15]": ins(B16, (D, 14), (A, 15));
        0x6e1e_67c1 "mov v1.h[7], v30.h[6]": ins(H8, (D, 7), (A, 6));
        0x6e1c_47c1 "mov v1.s[3], v30.s[2]": ins(S4, (D, 3), (A, 2));
        0x6e08_47c1 "mov v1.d[0], v30.d[1]": ins(D2, (D, 0), (A, 1));
        0x4e1f_1fc1 "mov v1.b[15], w30": ins_gpr(B16, (D, 15), R(30));
        0x4e16_1fc1 "mov v1.h[5], w30": ins_gpr(H8, (D, 5), R(30));
        0x4e1c_1fc1 "mov v1.s[3], w30": ins_gpr(S4, (D, 3), R(30));
        0x4e18_1fc1 "mov v1.d[1], x30": ins_gpr(D2, (D, 1), R(30));
        0x0e1f_3fdd "umov w29, v30.b[15]": umov(B16, R(29), A, 15);
        0x0e1e_3fdd "umov w29, v30.h[7]": umov(H8, R(29), A, 7);
        0x0e1c_3fdd "umov w29, v30.s[3]": umov(S4, R(29), A, 3);
        0x4e18_3fdd "umov x29, v30.d[1]": umov(D2, R(29), A, 1);
        0x0e1f_2fdd "smov w29, v30.b[15]": smov(B16, R(29), A, 15);
        0x0e1e_2fdd "smov w29, v30.h[7]": smov(H8, R(29), A, 7);
        0x5e1f_07c1 "mov b1, v30.b[15]": mov_lane(B16, D, A, 15);
        0x5e1e_07c1 "mov h1, v30.h[7]": mov_lane(H8, D, A, 7);
        0x5e1c_07c1 "mov s1, v30.s[3]": mov_lane(S4, D, A, 3);
        0x5e18_07c1 "mov d1, v30.d[1]": mov_lane(D2, D, A, 1);
    }
}

#[test]
fn constants() {
    let imm = |low: u64| vector_imm(u128::from(low) << 64 | u128::from(low)).unwrap();
    check! {
        0x6f00_e41f "movi v31.2d, #0": zero_v(B);
        0x6f05_e63f "movi v31.2d, #0xff00ffff000000ff": v_imm(B, imm(0xff00_ffff_0000_00ff));
        0x4f05_e4bf "movi v31.16b, #0xa5": v_imm(B, imm(0xa5a5_a5a5_a5a5_a5a5));
        0x4f05_84bf "movi v31.8h, #0xa5": v_imm(B, imm(0x00a5_00a5_00a5_00a5));
        0x4f05_a4bf "movi v31.8h, #0xa5, lsl #8": v_imm(B, imm(0xa500_a500_a500_a500));
        0x6f02_875f "mvni v31.8h, #0x5a": v_imm(B, imm(0xffa5_ffa5_ffa5_ffa5));
        0x4f05_04bf "movi v31.4s, #0xa5": v_imm(B, imm(0xa5_0000_00a5));
        0x4f04_641f "movi v31.4s, #0x80, lsl #24": v_imm(B, imm(0x8000_0000_8000_0000));
        0x6f04_641f "mvni v31.4s, #0x80, lsl #24": v_imm(B, imm(0x7fff_ffff_7fff_ffff));
        0x6f00_465f "mvni v31.4s, #0x12, lsl #16": v_imm(B, imm(0xffed_ffff_ffed_ffff));
        0x4f00_f41f "fmov v31.4s, #2.0": fmov_lanes(S4, B, float_imm(W32, u64::from(2f32.to_bits())).unwrap());
        0x6f07_f7ff "fmov v31.2d, #-1.9375": fmov_lanes(D2, B, float_imm(W64, (-1.9375f64).to_bits()).unwrap());
    }
    let mut asm = Asm::default();
    asm.v_literal(B, 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    let data = [0x0d0e_0f10, 0x090a_0b0c, 0x0506_0708, 0x0102_0304];
    assert_eq!(words(&asm), [&[0x9c00_005f, 0x1400_0005][..], &data].concat());
    for bits in [
        1,
        u128::MAX - 1,
        0x7ff8_0000_0000_0000_7ff8_0000_0000_0000,
        0x0102_0102_0102_0102_0102_0102_0102_0102,
    ] {
        assert_eq!(vector_imm(bits), None, "{bits:x}");
    }
}
