//! Tests of instructions on general-purpose registers, and of loads and stores.
//! Does not test jumps.

use super::super::*;
use super::{check, words};
use Gpr as R;

/// An immediate of an addition.
fn imm(value: u64) -> Imm12 {
    imm12(value).unwrap()
}

/// An immediate of a bitwise instruction.
fn bits(value: u64, w: W) -> LogicalImm {
    logical_imm(value, w).unwrap()
}

#[test]
fn arithmetic() {
    check! {
        0x8b1e_0041 "add x1, x2, x30": add(W64, R(1), R(2), R(30));
        0x0b1d_039b "add w27, w28, w29": add(W32, R(27), R(28), R(29));
        0xab17_0271 "adds x17, x19, x23": adds(W64, R(17), R(19), R(23));
        0xcb07_01fe "sub x30, x15, x7": sub(W64, R(30), R(15), R(7));
        0x6b19_0209 "subs w9, w16, w25": subs(W32, R(9), R(16), R(25));
        0xaa08_021e "orr x30, x16, x8": orr(W64, R(30), R(16), R(8));
        0xaa2b_030c "orn x12, x24, x11": orn(W64, R(12), R(24), R(11));
        0x4a13_0251 "eor w17, w18, w19": eor(W32, R(17), R(18), R(19));
        0xea01_03a0 "ands x0, x29, x1": ands(W64, R(0), R(29), R(1));
        0x9a16_02b4 "adc x20, x21, x22": adc(W64, R(20), R(21), R(22));
        0xda16_02b4 "sbc x20, x21, x22": sbc(W64, R(20), R(21), R(22));
        0x9ada_0949 "udiv x9, x10, x26": udiv(W64, R(9), R(10), R(26));
        0x1ada_0d49 "sdiv w9, w10, w26": sdiv(W32, R(9), R(10), R(26));
        0x9ade_21cd "lsl x13, x14, x30": lslv(W64, R(13), R(14), R(30));
        0x1ade_25cd "lsr w13, w14, w30": lsrv(W32, R(13), R(14), R(30));
        0x9ade_29cd "asr x13, x14, x30": asrv(W64, R(13), R(14), R(30));
        0x1ade_2dcd "ror w13, w14, w30": rorv(W32, R(13), R(14), R(30));
        0x9b1a_7f7c "mul x28, x27, x26": mul(W64, R(28), R(27), R(26));
        0x9b42_7fc1 "smulh x1, x30, x2": smulh(R(1), R(30), R(2));
        0x9bc2_7fc1 "umulh x1, x30, x2": umulh(R(1), R(30), R(2));
        0x1b07_f4c5 "msub w5, w6, w7, w29": msub(W32, R(5), R(6), R(7), R(29));
        0xdac0_0324 "rbit x4, x25": rbit(W64, R(4), R(25));
        0x5ac0_0324 "rbit w4, w25": rbit(W32, R(4), R(25));
        0xdac0_1324 "clz x4, x25": clz(W64, R(4), R(25));
        0xaa1d_03fe "mov x30, x29": mov(W64, R(30), R(29));
        0x2a00_03e9 "mov w9, w0": mov(W32, R(9), R(0));
        0x9100_03bf "mov sp, x29": mov_sp(SP, FP);
        0x9100_03fd "mov x29, sp": mov_sp(FP, SP);
        0xeb16_003f "cmp x1, x22": cmp(W64, R(1), R(22));
        0xea16_003f "tst x1, x22": tst(W64, R(1), R(22));
        0x4b16_03e1 "neg w1, w22": neg(W32, R(1), R(22));
        0xaa36_03e1 "mvn x1, x22": mvn(W64, R(1), R(22));
    }
}

#[test]
fn second_operands() {
    check! {
        0x8b03_fc41 "add x1, x2, x3, lsl #63": shifted(Rrr::Add, W64, R(1), R(2), (R(3), 63));
        0xeb03_3041 "subs x1, x2, x3, lsl #12": shifted(Rrr::Subs, W64, R(1), R(2), (R(3), 12));
        0xaa1c_83be "orr x30, x29, x28, lsl #32": shifted(Rrr::Orr, W64, R(30), R(29), (R(28), 32));
        0x8b21_4370 "add x16, x27, w1, uxtw": extended(Rrr::Add, W64, R(16), R(27), (R(1), Extend::Uxtw, 0));
        0x8b21_4f70 "add x16, x27, w1, uxtw #3": extended(Rrr::Add, W64, R(16), R(27), (R(1), Extend::Uxtw, 3));
        0xeb30_63ff "cmp sp, x16": extended(Rrr::Subs, W64, ZR, SP, (R(16), Extend::Uxtx, 0));
        0x8b21_c370 "add x16, x27, w1, sxtw": extended(Rrr::Add, W64, R(16), R(27), (R(1), Extend::Sxtw, 0));
        0x913f_ffbf "add sp, x29, #4095": add_imm(W64, SP, FP, imm(4095));
        0x117f_ffc1 "add w1, w30, #0xfff000": add_imm(W32, R(1), R(30), imm(0xff_f000));
        0xb140_07c1 "adds x1, x30, #1, lsl #12": adds_imm(W64, R(1), R(30), imm(4096));
        0xd100_43c1 "sub x1, x30, #16": sub_imm(W64, R(1), R(30), imm(16));
        0x7103_ffc1 "subs w1, w30, #255": subs_imm(W32, R(1), R(30), imm(255));
        0x9240_1fc2 "and x2, x30, #0xff": and_imm(W64, R(2), R(30), bits(0xff, W64));
        0x1201_07c2 "and w2, w30, #0x80000001": and_imm(W32, R(2), R(30), bits(0x8000_0001, W32));
        0xb27f_f7c2 "orr x2, x30, #0x7ffffffffffffffe": orr_imm(W64, R(2), R(30), bits(u64::MAX / 2 - 1, W64));
        0xd200_f3c2 "eor x2, x30, #0x5555555555555555": eor_imm(W64, R(2), R(30), bits(u64::MAX / 3, W64));
        0x520c_afc2 "eor w2, w30, #0xfff0fff0": eor_imm(W32, R(2), R(30), bits(0xfff0_fff0, W32));
        0x7206_cfc2 "ands w2, w30, #0x3c3c3c3c": ands_imm(W32, R(2), R(30), bits(0x3c3c_3c3c, W32));
        0xf240_0bdf "tst x30, #7": tst_imm(W64, R(30), bits(7, W64));
    }
}

#[test]
fn bits_and_conditions() {
    check! {
        0x9343_a3c1 "sbfm x1, x30, #3, #40": sbfm(W64, R(1), R(30), 3, 40);
        0xd37f_03c1 "ubfm x1, x30, #63, #0": ubfm(W64, R(1), R(30), 63, 0);
        0x93d1_ffc1 "extr x1, x30, x17, #63": extr(W64, R(1), R(30), R(17), 63);
        0x1391_7fc1 "extr w1, w30, w17, #31": extr(W32, R(1), R(30), R(17), 31);
        0xd341_03c1 "lsl x1, x30, #63": lsl_imm(W64, R(1), R(30), 63);
        0x531f_7bc1 "lsl w1, w30, #1": lsl_imm(W32, R(1), R(30), 1);
        0x5300_7fc1 "lsl w1, w30, #0": lsl_imm(W32, R(1), R(30), 32);
        0xd37f_ffc1 "lsr x1, x30, #63": lsr_imm(W64, R(1), R(30), 63);
        0x531f_7fc1 "lsr w1, w30, #31": lsr_imm(W32, R(1), R(30), 31);
        0x9341_ffc1 "asr x1, x30, #1": asr_imm(W64, R(1), R(30), 1);
        0x131f_7fc1 "asr w1, w30, #31": asr_imm(W32, R(1), R(30), 31);
        0x93de_87c1 "ror x1, x30, #33": ror_imm(W64, R(1), R(30), 33);
        0x139e_1fc1 "ror w1, w30, #7": ror_imm(W32, R(1), R(30), 7);
        0x9340_1fc1 "sxtb x1, w30": sxtb(W64, R(1), R(30));
        0x1300_1fc1 "sxtb w1, w30": sxtb(W32, R(1), R(30));
        0x9340_3fc1 "sxth x1, w30": sxth(W64, R(1), R(30));
        0x1300_3fc1 "sxth w1, w30": sxth(W32, R(1), R(30));
        0x9340_7fc1 "sxtw x1, w30": sxtw(R(1), R(30));
        0x9a9d_03c1 "csel x1, x30, x29, eq": csel(W64, R(1), R(30), R(29), Cc::Eq);
        0x1a9d_13c1 "csel w1, w30, w29, ne": csel(W32, R(1), R(30), R(29), Cc::Ne);
        0x9a9d_27c1 "csinc x1, x30, x29, hs": csinc(W64, R(1), R(30), R(29), Cc::Hs);
        0x1a9f_47fe "cset w30, pl": cset(W32, R(30), Cc::Pl);
        0x9a9f_77fe "cset x30, vs": cset(W64, R(30), Cc::Vs);
        0xfa5f_abc4 "ccmp x30, #31, #4, ge": ccmp_imm(W64, R(30), 31, 4, Cc::Ge);
        0x7a40_bbc8 "ccmp w30, #0, #8, lt": ccmp_imm(W32, R(30), 0, 8, Cc::Lt);
        0x1a9f_d7e1 "cset w1, gt": cset(W32, R(1), Cc::Gt);
        0x1a9f_c7e1 "cset w1, le": cset(W32, R(1), Cc::Le);
    }
}

#[test]
fn constants() {
    check! {
        0xd2ff_fffe "movz x30, #0xffff, lsl #48": movz(W64, R(30), 0xffff, 3);
        0x12a0_003e "movn w30, #1, lsl #16": movn(W32, R(30), 1, 1);
        0xf2c2_469e "movk x30, #0x1234, lsl #32": movk(W64, R(30), 0x1234, 2);
        0x5280_001e "movz w30, #0": mov_i(R(30), 0);
        0x529f_fffe "movz w30, #65535": mov_i(R(30), 0xffff);
        0x52b0_001e "movz w30, #0x8000, lsl #16": mov_i(R(30), 0x8000_0000);
        0xd2c0_003e "movz x30, #1, lsl #32": mov_i(R(30), 1 << 32);
        0x9280_001e "movn x30, #0": mov_i(R(30), u64::MAX);
        0x92a0_003e "movn x30, #1, lsl #16": mov_i(R(30), !0x1_0000);
        0xb240_7ffe "orr x30, xzr, #0xffffffff": mov_i(R(30), 0xffff_ffff);
        0x1282_469e "movn w30, #0x1234": mov_i(R(30), 0xffff_edcb);
        0x12a2_469e "movn w30, #0x1234, lsl #16": mov_i(R(30), 0xedcb_ffff);
        0xb200_f3fe "orr x30, xzr, #0x5555555555555555": mov_i(R(30), 0x5555_5555_5555_5555);
        0x3206_cffe "orr w30, wzr, #0x3c3c3c3c": mov_i(R(30), 0x3c3c_3c3c);
        0x92f0_001e "movn x30, #0x8000, lsl #48": mov_i(R(30), i64::MAX as u64);
    }
    let steps = |value| {
        let mut asm = Asm::default();
        asm.mov_i(R(5), value);
        words(&asm)
    };
    let movz = |imm: u32, at: u32| 0xd280_0005 | at << 21 | imm << 5;
    let movk = |imm: u32, at: u32| 0xf280_0005 | at << 21 | imm << 5;
    let movn = |imm: u32, at: u32| 0x9280_0005 | at << 21 | imm << 5;
    assert_eq!(
        steps(0x1234_5678_9abc_def0),
        [movz(0xdef0, 0), movk(0x9abc, 1), movk(0x5678, 2), movk(0x1234, 3)]
    );
    assert_eq!(steps(0x1234_0000_0000_def0), [movz(0xdef0, 0), movk(0x1234, 3)]);
    assert_eq!(steps(0xffff_1234_ffff_def0), [movn(0x210f, 0), movk(0x1234, 2)]);
    assert_eq!(steps(0x1234_5678), [movz(0x5678, 0) & !(1 << 31), movk(0x1234, 1)]);
}

#[test]
fn memory() {
    use Access::*;
    use Step::*;
    check! {
        0x393f_ffdd "strb w29, [x30, #4095]": ldst(Strb, 29, R(30), 4095);
        0x3940_03fd "ldrb w29, [sp]": ldst(Ldrb, 29, SP, 0);
        0x3980_07dd "ldrsb x29, [x30, #1]": ldst(LdrsbX, 29, R(30), 1);
        0x39c0_07dd "ldrsb w29, [x30, #1]": ldst(LdrsbW, 29, R(30), 1);
        0x793f_ffdd "strh w29, [x30, #8190]": ldst(Strh, 29, R(30), 8190);
        0x7940_07dd "ldrh w29, [x30, #2]": ldst(Ldrh, 29, R(30), 2);
        0x7980_07dd "ldrsh x29, [x30, #2]": ldst(LdrshX, 29, R(30), 2);
        0x79c0_07dd "ldrsh w29, [x30, #2]": ldst(LdrshW, 29, R(30), 2);
        0xb93f_ffdd "str w29, [x30, #16380]": ldst(StrW, 29, R(30), 16380);
        0xb940_07dd "ldr w29, [x30, #4]": ldst(LdrW, 29, R(30), 4);
        0xb980_07dd "ldrsw x29, [x30, #4]": ldst(Ldrsw, 29, R(30), 4);
        0xf93f_fffd "str x29, [sp, #32760]": ldst(StrX, 29, SP, 32760);
        0xf940_07dd "ldr x29, [x30, #8]": ldst(LdrX, 29, R(30), 8);
        0x3d00_0fdd "str b29, [x30, #3]": ldst(StrB, 29, R(30), 3);
        0x3d40_0fdd "ldr b29, [x30, #3]": ldst(LdrB, 29, R(30), 3);
        0x7d00_0fdd "str h29, [x30, #6]": ldst(StrH, 29, R(30), 6);
        0x7d40_0fdd "ldr h29, [x30, #6]": ldst(LdrH, 29, R(30), 6);
        0xbd00_07dd "str s29, [x30, #4]": ldst(StrS, 29, R(30), 4);
        0xbd40_07dd "ldr s29, [x30, #4]": ldst(LdrS, 29, R(30), 4);
        0xfd00_07dd "str d29, [x30, #8]": ldst(StrD, 29, R(30), 8);
        0xfd40_07dd "ldr d29, [x30, #8]": ldst(LdrD, 29, R(30), 8);
        0x3dbf_ffdd "str q29, [x30, #65520]": ldst(StrQ, 29, R(30), 65520);
        0x3dc0_07dd "ldr q29, [x30, #16]": ldst(LdrQ, 29, R(30), 16);
        0xf850_03dd "ldur x29, [x30, #-256]": ldst(LdrX, 29, R(30), -256);
        0xb80f_f3dd "stur w29, [x30, #255]": ldst(StrW, 29, R(30), 255);
        0x3cdf_83dd "ldur q29, [x30, #-8]": ldst(LdrQ, 29, R(30), -8);
        0x381f_f3dd "sturb w29, [x30, #-1]": ldst(Strb, 29, R(30), -1);
        0xb89f_d3dd "ldursw x29, [x30, #-3]": ldst(Ldrsw, 29, R(30), -3);
        0xf81f_0ffd "str x29, [sp, #-16]!": ldst_step(StrX, 29, SP, -16, Pre);
        0xf841_07fd "ldr x29, [sp], #16": ldst_step(LdrX, 29, SP, 16, Post);
        0x3c9f_0ffd "str q29, [sp, #-16]!": ldst_step(StrQ, 29, SP, -16, Pre);
        0xb87c_6bdd "ldr w29, [x30, x28]": ldst_index(LdrW, 29, R(30), (R(28), W64), false);
        0xf87c_4bdd "ldr x29, [x30, w28, uxtw]": ldst_index(LdrX, 29, R(30), (R(28), W32), false);
        0xf83c_7bdd "str x29, [x30, x28, lsl #3]": ldst_index(StrX, 29, R(30), (R(28), W64), true);
        0xb8bc_5bdd "ldrsw x29, [x30, w28, uxtw #2]": ldst_index(Ldrsw, 29, R(30), (R(28), W32), true);
        0x3cbc_4bdd "str q29, [x30, w28, uxtw]": ldst_index(StrQ, 29, R(30), (R(28), W32), false);
        0xbc7c_6bdd "ldr s29, [x30, x28]": ldst_index(LdrS, 29, R(30), (R(28), W64), false);
        0x783c_4bdd "strh w29, [x30, w28, uxtw]": ldst_index(Strh, 29, R(30), (R(28), W32), false);
        0xa9a0_7bfd "stp x29, x30, [sp, #-512]!": stp(W64, FP, LR, (SP, -512, Pre));
        0xa8df_fbfd "ldp x29, x30, [sp], #504": ldp(W64, FP, LR, (SP, 504, Post));
        0xa93f_53b3 "stp x19, x20, [x29, #-16]": stp(W64, R(19), R(20), (FP, -16, Offset));
        0x295f_d3b3 "ldp w19, w20, [x29, #252]": ldp(W32, R(19), R(20), (FP, 252, Offset));
        0x2900_d3b3 "stp w19, w20, [x29, #4]": stp(W32, R(19), R(20), (FP, 4, Offset));
    }
    for (access, offset) in [(LdrX, 32768), (LdrX, -257), (StrW, 257), (LdrQ, 65536), (Strb, 4096)]
    {
        let mut asm = Asm::default();
        assert!(!asm.ldst(access, 0, R(0), offset), "{access:?} {offset}");
        assert!(asm.code().is_empty());
    }
}

#[test]
fn atomic() {
    check! {
        0x08df_ffdd "ldarb w29, [x30]": ldar(1, R(29), R(30));
        0x48df_ffdd "ldarh w29, [x30]": ldar(2, R(29), R(30));
        0x88df_ffdd "ldar w29, [x30]": ldar(4, R(29), R(30));
        0xc8df_fffd "ldar x29, [sp]": ldar(8, R(29), SP);
        0x089f_ffdd "stlrb w29, [x30]": stlr(1, R(29), R(30));
        0x489f_ffdd "stlrh w29, [x30]": stlr(2, R(29), R(30));
        0x889f_ffdd "stlr w29, [x30]": stlr(4, R(29), R(30));
        0xc89f_ffdd "stlr x29, [x30]": stlr(8, R(29), R(30));
        0x085f_ffdd "ldaxrb w29, [x30]": ldaxr(1, R(29), R(30));
        0xc85f_ffdd "ldaxr x29, [x30]": ldaxr(8, R(29), R(30));
        0x4811_ffdd "stlxrh w17, w29, [x30]": stlxr(2, R(17), R(29), R(30));
        0x8811_ffdd "stlxr w17, w29, [x30]": stlxr(4, R(17), R(29), R(30));
        0x38f1_03dd "ldaddalb w17, w29, [x30]": ldaddal(1, R(17), R(29), R(30));
        0xf8f1_03dd "ldaddal x17, x29, [x30]": ldaddal(8, R(17), R(29), R(30));
        0x78f1_13dd "ldclralh w17, w29, [x30]": ldclral(2, R(17), R(29), R(30));
        0xf8f1_13dd "ldclral x17, x29, [x30]": ldclral(8, R(17), R(29), R(30));
        0xb8f1_23dd "ldeoral w17, w29, [x30]": ldeoral(4, R(17), R(29), R(30));
        0xf8f1_33dd "ldsetal x17, x29, [x30]": ldsetal(8, R(17), R(29), R(30));
        0x38f1_33dd "ldsetalb w17, w29, [x30]": ldsetal(1, R(17), R(29), R(30));
        0xf8f1_83dd "swpal x17, x29, [x30]": swpal(8, R(17), R(29), R(30));
        0x78f1_83dd "swpalh w17, w29, [x30]": swpal(2, R(17), R(29), R(30));
        0x08f1_ffdd "casalb w17, w29, [x30]": casal(1, R(17), R(29), R(30));
        0x48f1_ffdd "casalh w17, w29, [x30]": casal(2, R(17), R(29), R(30));
        0x88f1_ffdd "casal w17, w29, [x30]": casal(4, R(17), R(29), R(30));
        0xc8f1_ffdd "casal x17, x29, [x30]": casal(8, R(17), R(29), R(30));
        0xd503_3bbf "dmb ish": dmb_ish();
    }
}
