//! Owns splats, shuffles, and single lanes of vectors in registers.
//! Does not own lanes in memory (`simd_memory`).

use sterna_isa::Op;

use super::simd::{HIGH, SHUFFLE_BYTES, SHUFFLE_LANES};
use super::simd_codes::{OR, insert, p66};
use super::{Gen, Map, Pre, Rm, TEMP_V, Vreg, W32, W64, X64};
use crate::driver::values::Held;
use crate::stack::{Bank, Ty};

const FLOAT: Bank = Bank::Float;

impl Gen<'_, X64> {
    pub(super) fn splat_integer(&mut self, op: Op) {
        let a = self.pop_reg();
        let dst = self.alloc_vreg();
        let width = if op == Op::I64x2Splat { W64 } else { W32 };
        self.asm().mov_to_v(width, dst, a.gpr());
        self.release(Bank::Int, a);
        let bytes = match op {
            Op::I8x16Splat => 1,
            Op::I16x8Splat => 2,
            Op::I32x4Splat => 4,
            _ => 8,
        };
        self.splat(dst, bytes);
        self.push_vector(dst);
    }

    /// Copies the lowest lane to all others.
    pub(super) fn splat(&mut self, reg: Vreg, bytes: u32) {
        match bytes {
            1 => {
                self.zero(TEMP_V);
                self.vv(SHUFFLE_BYTES, reg, TEMP_V);
            }
            2 => {
                self.vvi((Pre::PF2, Map::M0F, 0x70), reg, reg, 0);
                self.vvi(SHUFFLE_LANES, reg, reg, 0);
            }
            4 => self.vvi(SHUFFLE_LANES, reg, reg, 0),
            _ => self.vv(p66(0x6c), reg, reg),
        }
    }

    pub(super) fn splat_float(&mut self, op: Op) {
        let a = self.pop_vector();
        self.splat(a, if op == Op::F32x4Splat { 4 } else { 8 });
        self.push_vector(a);
    }

    /// The machine's shuffle gives 0 where the index has its high bit, which adding 112 with saturation gives all above 15.
    pub(super) fn swizzle(&mut self) {
        let lanes = self.pop_vector();
        let a = self.pop_vector();
        self.vector_const(TEMP_V, 0x7070_7070_7070_7070_7070_7070_7070_7070);
        self.vv(p66(0xdc), lanes, TEMP_V);
        self.vv(SHUFFLE_BYTES, a, lanes);
        self.free_vreg(lanes);
        self.push_vector(a);
    }

    /// `i8x16.shuffle`: each operand with the indices of the other one out of range, joined.
    pub(super) fn shuffle(&mut self, lanes: [u8; 16]) {
        let b = self.pop_vector();
        let a = self.pop_vector();
        let of_a = lanes.map(|lane| if lane < 16 { lane } else { 0x80 });
        let of_b = lanes.map(|lane| if lane < 16 { 0x80 } else { lane - 16 });
        self.vector_const(TEMP_V, u128::from_le_bytes(of_a));
        self.vv(SHUFFLE_BYTES, a, TEMP_V);
        self.vector_const(TEMP_V, u128::from_le_bytes(of_b));
        self.vv(SHUFFLE_BYTES, b, TEMP_V);
        self.vv(OR, a, b);
        self.free_vreg(b);
        self.push_vector(a);
    }

    /// An operator of class Lane with one lane.
    // tidy: dispatch
    pub(super) fn lane(&mut self, op: Op, lane: u8) {
        use Op::*;
        match op {
            I8x16ExtractLaneS | I8x16ExtractLaneU | I16x8ExtractLaneS | I16x8ExtractLaneU
            | I32x4ExtractLane | I64x2ExtractLane => self.extract_integer(op, lane),
            F32x4ExtractLane | F64x2ExtractLane => {
                let a = self.pop_vector();
                let lanes = match (op, lane) {
                    (F32x4ExtractLane, lane) => lane,
                    (_, 0) => 0,
                    _ => HIGH,
                };
                if lane != 0 {
                    self.vvi(SHUFFLE_LANES, a, a, lanes);
                }
                self.push_reg(if op == F32x4ExtractLane { Ty::F32 } else { Ty::F64 }, a.0);
            }
            F32x4ReplaceLane => {
                let value = self.pop_reg();
                let a = self.pop_vector();
                self.vvi((Pre::P66, Map::M0F3A, 0x21), a, value.vreg(), lane << 4);
                self.release(FLOAT, value);
                self.push_vector(a);
            }
            F64x2ReplaceLane => {
                let value = self.pop_reg();
                let a = self.pop_vector();
                // `movsd` keeps the high half, `unpcklpd` the low one.
                let code = if lane == 0 { (Pre::PF2, Map::M0F, 0x10) } else { p66(0x14) };
                self.vv(code, a, value.vreg());
                self.release(FLOAT, value);
                self.push_vector(a);
            }
            _ => {
                let value = self.pop_reg();
                let a = self.pop_vector();
                let (code, width) = insert(op);
                self.asm().sse_gpr(code, width, a, Rm::Reg(value.gpr()), Some(lane));
                self.release(Bank::Int, value);
                self.push_vector(a);
            }
        }
    }

    fn extract_integer(&mut self, op: Op, lane: u8) {
        use Op::*;
        let Held { reg, owned } = self.pop_reg();
        let dst = self.alloc_gpr();
        let (opcode, width) = match op {
            I8x16ExtractLaneS | I8x16ExtractLaneU => (0x14, W32),
            I16x8ExtractLaneS | I16x8ExtractLaneU => (0x15, W32),
            I32x4ExtractLane => (0x16, W32),
            _ => (0x16, W64),
        };
        let code = (Pre::P66, Map::M0F3A, opcode);
        self.asm().sse_gpr(code, width, Vreg(reg), Rm::Reg(dst), Some(lane));
        match op {
            I8x16ExtractLaneS => self.asm().movsx8(W32, dst, Rm::Reg(dst)),
            I16x8ExtractLaneS => self.asm().movsx16(W32, dst, Rm::Reg(dst)),
            _ => {}
        }
        self.release(FLOAT, Held { reg, owned });
        self.push_gpr(if width == W64 { Ty::I64 } else { Ty::I32 }, dst);
    }
}
