//! Owns the instructions on vectors: by opcode, moves of lanes, constants.
//! Does not own the opcodes (`vector_codes`) nor loads and stores (`memory`).

use super::vector_codes::{Code2, Code3, CodeShift};
use super::{Asm, Gpr, Lanes, Vreg};

fn three(dst: u8, a: u8, b: u8) -> u32 {
    u32::from(b) << 16 | u32::from(a) << 5 | u32::from(dst)
}

/// The field that says lane and width at once.
fn lane_field(lanes: Lanes, lane: u8) -> u32 {
    (u32::from(lane) << 1 | 1) << lanes as u32
}

/// The instruction, without its register, that makes a constant at once, if there is one: of bytes 0 and 255; of equal bytes; of lanes whose bytes but one are
/// all 0, or all 255.
pub(crate) fn vector_imm(bits: u128) -> Option<u32> {
    const MOVI: u32 = 0x4f00_0400;
    const INVERT: u32 = 1 << 29;
    let low = bits as u64;
    if low != (bits >> 64) as u64 {
        return None;
    }
    let word = |op: u32, cmode: u32, imm: u32| {
        Some(MOVI | op | cmode << 12 | (imm >> 5) << 16 | (imm & 31) << 5)
    };
    let bytes = low.to_le_bytes();
    if bytes.iter().all(|&byte| byte == 0 || byte == 255) {
        let mask = bytes.iter().rev().fold(0, |mask, &byte| mask << 1 | u32::from(byte & 1));
        return word(INVERT, 14, mask);
    }
    if bytes == [bytes[0]; 8] {
        return word(0, 14, u32::from(bytes[0]));
    }
    let lane = low as u32;
    if lane != (low >> 32) as u32 {
        return None;
    }
    for (op, lane) in [(0, lane), (INVERT, !lane)] {
        if lane >> 16 == lane & 0xffff {
            let half = lane & 0xffff;
            for at in 0..2 {
                if half & !(0xff << (8 * at)) == 0 {
                    return word(op, 8 | at << 1, half >> (8 * at));
                }
            }
        }
        for at in 0..4 {
            if lane & !(0xff << (8 * at)) == 0 {
                return word(op, at << 1, lane >> (8 * at));
            }
        }
    }
    None
}

impl Asm {
    // ------------------------------------------------------------------------------------------ by opcode

    #[inline(always)]
    pub fn v3(&mut self, code: Code3, dst: Vreg, a: Vreg, b: Vreg) {
        self.word32(code.0 | three(dst.0, a.0, b.0));
    }

    #[inline(always)]
    pub fn v2(&mut self, code: Code2, dst: Vreg, src: Vreg) {
        self.word32(code.0 | three(dst.0, src.0, 0));
    }

    /// By less than the width of a lane to the left, by 1 to that width to the right.
    pub fn v_shift(&mut self, code: CodeShift, lanes: Lanes, dst: Vreg, src: Vreg, by: u32) {
        let bits = lanes.bits();
        let amount = if code.1 { bits + by } else { 2 * bits - by };
        self.word32(code.0 | (amount & 0x7f) << 16 | three(dst.0, src.0, 0));
    }

    /// A whole register.
    #[inline(always)]
    pub fn mov_v(&mut self, dst: Vreg, src: Vreg) {
        self.v3(super::vector_codes::ORR, dst, src, src);
    }

    /// 16 bytes from the one numbered `from` on of `a`, continued by `b`.
    pub fn ext(&mut self, dst: Vreg, a: Vreg, b: Vreg, from: u8) {
        self.word32(0x6e00_0000 | u32::from(from & 15) << 11 | three(dst.0, a.0, b.0));
    }

    // ------------------------------------------------------------------------------------------ lanes

    /// A lane into all.
    pub fn dup(&mut self, lanes: Lanes, dst: Vreg, src: Vreg, lane: u8) {
        self.word32(0x4e00_0400 | lane_field(lanes, lane) << 16 | three(dst.0, src.0, 0));
    }

    /// An integer register into all lanes.
    pub fn dup_gpr(&mut self, lanes: Lanes, dst: Vreg, src: Gpr) {
        self.word32(0x4e00_0c00 | lane_field(lanes, 0) << 16 | three(dst.0, src.0, 0));
    }

    /// A lane into another one; the others stay.
    pub fn ins(&mut self, lanes: Lanes, (dst, to): (Vreg, u8), (src, from): (Vreg, u8)) {
        let from = u32::from(from) << (lanes as u32) << 11;
        self.word32(0x6e00_0400 | lane_field(lanes, to) << 16 | from | three(dst.0, src.0, 0));
    }

    /// An integer register into a lane.
    pub fn ins_gpr(&mut self, lanes: Lanes, (dst, to): (Vreg, u8), src: Gpr) {
        self.word32(0x4e00_1c00 | lane_field(lanes, to) << 16 | three(dst.0, src.0, 0));
    }

    /// A lane into an integer register, with zeros above.
    pub fn umov(&mut self, lanes: Lanes, dst: Gpr, src: Vreg, lane: u8) {
        let wide = u32::from(lanes == Lanes::D2) << 30;
        self.word32(0x0e00_3c00 | wide | lane_field(lanes, lane) << 16 | three(dst.0, src.0, 0));
    }

    /// A lane into an integer register of 32 bits, sign-extended; `B16` or `H8`.
    pub fn smov(&mut self, lanes: Lanes, dst: Gpr, src: Vreg, lane: u8) {
        self.word32(0x0e00_2c00 | lane_field(lanes, lane) << 16 | three(dst.0, src.0, 0));
    }

    /// A lane as the lowest one; what is above becomes zero.
    pub fn mov_lane(&mut self, lanes: Lanes, dst: Vreg, src: Vreg, lane: u8) {
        self.word32(0x5e00_0400 | lane_field(lanes, lane) << 16 | three(dst.0, src.0, 0));
    }

    // ------------------------------------------------------------------------------------------ constants

    /// A constant of those that [`vector_imm`] finds.
    pub fn v_imm(&mut self, dst: Vreg, word: u32) {
        self.word32(word | u32::from(dst.0));
    }

    /// Any constant: it follows in the code, jumped over.
    pub fn v_literal(&mut self, dst: Vreg, bits: u128) {
        // `ldr dst, .+8`; `b .+20`.
        self.word32(0x9c00_0040 | u32::from(dst.0));
        self.word32(0x1400_0005);
        for at in 0..4 {
            self.word32((bits >> (32 * at)) as u32);
        }
    }

    pub fn zero_v(&mut self, dst: Vreg) {
        self.v_imm(dst, 0x6f00_e400);
    }

    /// Lanes of a float of [`super::float_imm`].
    pub fn fmov_lanes(&mut self, lanes: Lanes, dst: Vreg, imm: u32) {
        let wide = u32::from(lanes == Lanes::D2) << 29;
        let imm = (imm >> 5 & 7) << 16 | (imm & 31) << 5;
        self.word32(0x4f00_f400 | wide | imm | u32::from(dst.0));
    }
}
