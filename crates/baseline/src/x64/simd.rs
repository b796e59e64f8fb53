//! Owns vector operators on integers and bits. Two-operand instructions up to SSE4.2; without that a function with vectors stays below.
//! Does not own floats (`simd_float`), lanes (`simd_lane`), memory (`simd_memory`).
//!
//! Operands are in registers, never in memory: instructions of that age want memory operands aligned. `xmm15` is free within a step.

use sterna_isa::{Class, Op};
use sterna_module::Imm;

use super::simd_codes::{
    AND, AND_NOT, Code, OR, XOR, direct, equal, greater, p38, p66, reversed, shifts,
    unsigned_extreme,
};
use super::{
    Alu, Assembler, Cc, Done, Gen, Map, Pre, Rm, TEMP, TEMP_V, Vreg, W32, W64, X64, Xm, refused,
};
use crate::driver::values::Val;
use crate::stack::{Bank, Cond, Ty};

const FLOAT: Bank = Bank::Float;

/// Bytes by the indices in another register.
pub(super) const SHUFFLE_BYTES: Code = p38(0x00);
/// Lanes of 32 bits by an immediate.
pub(super) const SHUFFLE_LANES: Code = p66(0x70);
/// The high half for both.
pub(super) const HIGH: u8 = 0xee;

impl Gen<'_, X64> {
    /// An operator that has vectors among its operands or results.
    pub(super) fn vector(&mut self, op: Op, imm: &Imm<'_>) -> Done {
        if !self.input.cpu.simd {
            return Err(refused(op));
        }
        match (op.class(), imm) {
            (Class::Const, &Imm::V128(bits)) => self.push_vector_const(bits),
            (Class::Load, Imm::MemArg(arg)) => self.load_vector(op, arg),
            (Class::Store, Imm::MemArg(arg)) => self.store_vector(arg),
            (Class::LoadLane, &Imm::MemArgLane(ref arg, lane)) => self.load_lane(op, arg, lane),
            (Class::StoreLane, &Imm::MemArgLane(ref arg, lane)) => self.store_lane(op, arg, lane),
            (Class::Lane, &Imm::Shuffle(lanes)) => self.shuffle(lanes),
            (Class::Lane, &Imm::Lane(lane)) => self.lane(op, lane),
            _ => return self.pure_vector(op),
        }
        Ok(())
    }

    // tidy: dispatch
    fn pure_vector(&mut self, op: Op) -> Done {
        use Op::*;
        if let Some(code) = direct(op) {
            self.vector_two(code);
            return Ok(());
        }
        if let Some((code, negated)) = reversed(op) {
            self.vector_two_reversed(code);
            if negated {
                self.invert_top();
            }
            return Ok(());
        }
        match op {
            I8x16Ne | I16x8Ne | I32x4Ne | I64x2Ne => {
                self.vector_two(equal(op));
                self.invert_top();
            }
            I8x16LeS | I16x8LeS | I32x4LeS | I64x2LeS => {
                self.vector_two(greater(op));
                self.invert_top();
            }
            I8x16GeU | I16x8GeU | I32x4GeU => self.compare_unsigned(op, true, false),
            I8x16LeU | I16x8LeU | I32x4LeU => self.compare_unsigned(op, false, false),
            I8x16LtU | I16x8LtU | I32x4LtU => self.compare_unsigned(op, true, true),
            I8x16GtU | I16x8GtU | I32x4GtU => self.compare_unsigned(op, false, true),
            V128Not => self.invert_top(),
            V128Bitselect
            | I8x16RelaxedLaneselect
            | I16x8RelaxedLaneselect
            | I32x4RelaxedLaneselect
            | I64x2RelaxedLaneselect => self.bitselect(),
            V128AnyTrue => self.any_true(),
            I8x16AllTrue => self.all_true(p66(0x74)),
            I16x8AllTrue => self.all_true(p66(0x75)),
            I32x4AllTrue => self.all_true(p66(0x76)),
            I64x2AllTrue => self.all_true(p38(0x29)),
            I8x16Bitmask | I16x8Bitmask | I32x4Bitmask | I64x2Bitmask => self.bitmask(op),
            I8x16Abs => self.vector_one(p38(0x1c)),
            I16x8Abs => self.vector_one(p38(0x1d)),
            I32x4Abs => self.vector_one(p38(0x1e)),
            I64x2Abs => self.abs64(),
            I8x16Neg => self.negate(p66(0xf8)),
            I16x8Neg => self.negate(p66(0xf9)),
            I32x4Neg => self.negate(p66(0xfa)),
            I64x2Neg => self.negate(p66(0xfb)),
            I8x16Popcnt => self.popcnt8(),
            I8x16Splat | I16x8Splat | I32x4Splat | I64x2Splat => self.splat_integer(op),
            F32x4Splat | F64x2Splat => self.splat_float(op),
            I8x16Swizzle | I8x16RelaxedSwizzle => self.swizzle(),
            I64x2Mul => self.multiply64(),
            I16x8Q15MulrSatS | I16x8RelaxedQ15mulrS => self.q15_multiply(),
            I8x16Shl | I8x16ShrS | I8x16ShrU => self.shift8(op),
            I64x2ShrS => self.shift64_arithmetic(),
            I16x8Shl | I16x8ShrS | I16x8ShrU | I32x4Shl | I32x4ShrS | I32x4ShrU | I64x2Shl
            | I64x2ShrU => self.shift_lanes(op),
            I16x8ExtAddPairwiseI8x16S => self.pairwise_bytes(false),
            I16x8ExtAddPairwiseI8x16U => self.pairwise_bytes(true),
            I32x4ExtAddPairwiseI16x8S => {
                let x = self.pop_vector();
                self.pairwise_words(x);
            }
            I32x4ExtAddPairwiseI16x8U => self.pairwise_words_unsigned(),
            I16x8RelaxedDotI8x16I7x16S => self.dot_bytes(),
            I32x4RelaxedDotI8x16I7x16AddS => {
                let c = self.pop_vector();
                self.dot_bytes();
                let dot = self.pop_vector();
                self.pairwise_words(dot);
                self.push_reg(Ty::V128, c.0);
                self.vector_two(p66(0xfe));
            }
            _ if self.extend_lanes(op) || self.extended_product(op) => {}
            _ => return self.simd_float(op),
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ building blocks

    /// An instruction on two registers.
    pub(super) fn vv(&mut self, (prefix, map, opcode): Code, dst: Vreg, src: Vreg) {
        self.asm().sse_map(prefix, map, opcode, dst, Xm::Reg(src), None);
    }

    /// The same with an immediate.
    pub(super) fn vvi(&mut self, (prefix, map, opcode): Code, dst: Vreg, src: Vreg, imm: u8) {
        self.asm().sse_map(prefix, map, opcode, dst, Xm::Reg(src), Some(imm));
    }

    /// Shifts lanes by a constant: `extension` says in which direction.
    pub(super) fn shift_by(&mut self, opcode: u8, extension: u8, reg: Vreg, amount: u8) {
        self.asm().sse_map(Pre::P66, Map::M0F, opcode, Vreg(extension), Xm::Reg(reg), Some(amount));
    }

    /// Pops a vector into a register that the operator may change.
    pub(super) fn pop_vector(&mut self) -> Vreg {
        Vreg(self.pop_own())
    }

    pub(super) fn push_vector(&mut self, reg: Vreg) {
        self.push_reg(Ty::V128, reg.0);
    }

    /// Sets all bits.
    pub(super) fn ones(&mut self, reg: Vreg) {
        self.vv(p66(0x76), reg, reg);
    }

    /// Clears all bits.
    pub(super) fn zero(&mut self, reg: Vreg) {
        self.vv(XOR, reg, reg);
    }

    /// Puts a constant into a register.
    pub(super) fn vector_const(&mut self, reg: Vreg, bits: u128) {
        let (low, high) = (bits as u64, (bits >> 64) as u64);
        match (low, high) {
            (0, 0) => return self.zero(reg),
            (u64::MAX, u64::MAX) => return self.ones(reg),
            _ => {}
        }
        self.asm().mov_i(TEMP, low);
        self.asm().mov_to_v(W64, reg, TEMP);
        if high == low {
            self.vv(p66(0x6c), reg, reg);
        } else if high != 0 {
            self.asm().mov_i(TEMP, high);
            let insert = (Pre::P66, Map::M0F3A, 0x22);
            self.asm().sse_gpr(insert, W64, reg, Rm::Reg(TEMP), Some(1));
        }
    }

    /// `v128.const`.
    pub(super) fn push_vector_const(&mut self, bits: u128) {
        let reg = self.alloc_vreg();
        self.vector_const(reg, bits);
        self.push_vector(reg);
    }

    /// `a op b` where the instruction changes its first operand.
    pub(super) fn vector_two(&mut self, code: Code) {
        let b = self.pop_reg();
        let a = self.pop_vector();
        self.vv(code, a, b.vreg());
        self.release(FLOAT, b);
        self.push_vector(a);
    }

    /// `b op a`.
    pub(super) fn vector_two_reversed(&mut self, code: Code) {
        let b = self.pop_vector();
        let a = self.pop_reg();
        self.vv(code, b, a.vreg());
        self.release(FLOAT, a);
        self.push_vector(b);
    }

    /// An instruction with a destination of its own.
    pub(super) fn vector_one(&mut self, code: Code) {
        let a = self.pop_vector();
        self.vv(code, a, a);
        self.push_vector(a);
    }

    fn invert_top(&mut self) {
        let a = self.pop_vector();
        self.ones(TEMP_V);
        self.vv(XOR, a, TEMP_V);
        self.push_vector(a);
    }

    // ------------------------------------------------------------------------------------------ bits and comparisons

    /// `max(a, b) == a` is `a >= b`, and `min(a, b) == a` is `a <= b`.
    fn compare_unsigned(&mut self, op: Op, by_max: bool, negated: bool) {
        let b = self.pop_reg();
        let a = self.pop_vector();
        self.asm().mov_v(TEMP_V, a);
        self.vv(unsigned_extreme(op, by_max), TEMP_V, b.vreg());
        self.vv(equal(op), a, TEMP_V);
        self.release(FLOAT, b);
        self.push_vector(a);
        if negated {
            self.invert_top();
        }
    }

    /// `a & mask | b & !mask`.
    fn bitselect(&mut self) {
        let mask = self.pop_vector();
        let b = self.pop_reg();
        let a = self.pop_vector();
        self.vv(AND, a, mask);
        self.vv(AND_NOT, mask, b.vreg());
        self.vv(OR, a, mask);
        self.release(FLOAT, b);
        self.free_vreg(mask);
        self.push_vector(a);
    }

    fn any_true(&mut self) {
        let a = self.pop_reg();
        self.vv(p38(0x17), a.vreg(), a.vreg());
        self.release(FLOAT, a);
        self.push_flags(Cond::Cc(Cc::Ne));
    }

    /// No lane is equal to zero.
    fn all_true(&mut self, equal: Code) {
        let a = self.pop_reg();
        self.zero(TEMP_V);
        self.vv(equal, TEMP_V, a.vreg());
        self.vv(p38(0x17), TEMP_V, TEMP_V);
        self.release(FLOAT, a);
        self.push_flags(Cond::Cc(Cc::E));
    }

    fn bitmask(&mut self, op: Op) {
        let a = self.pop_reg();
        let dst = self.alloc_gpr();
        let source = Xm::Reg(a.vreg());
        match op {
            Op::I8x16Bitmask => self.asm().sse_to_gpr(Pre::P66, 0xd7, W32, dst, source),
            Op::I16x8Bitmask => {
                self.zero(TEMP_V);
                // Signs stay signs when words become bytes; the others come from the zeros, below.
                self.vv(p66(0x63), TEMP_V, a.vreg());
                self.asm().sse_to_gpr(Pre::P66, 0xd7, W32, dst, Xm::Reg(TEMP_V));
                self.asm().shift_i(super::Shift::Shr, W32, dst, 8);
            }
            Op::I32x4Bitmask => self.asm().sse_to_gpr(Pre::None, 0x50, W32, dst, source),
            _ => self.asm().sse_to_gpr(Pre::P66, 0x50, W32, dst, source),
        }
        self.release(FLOAT, a);
        self.push_gpr(Ty::I32, dst);
    }

    // ------------------------------------------------------------------------------------------ arithmetic

    /// `(x ^ sign) - sign`, where `sign` is all ones in negative lanes.
    fn abs64(&mut self) {
        let a = self.pop_vector();
        self.zero(TEMP_V);
        self.vv(p38(0x37), TEMP_V, a);
        self.vv(XOR, a, TEMP_V);
        self.vv(p66(0xfb), a, TEMP_V);
        self.push_vector(a);
    }

    fn negate(&mut self, subtract: Code) {
        let a = self.pop_reg();
        let dst = self.alloc_vreg();
        self.zero(dst);
        self.vv(subtract, dst, a.vreg());
        self.release(FLOAT, a);
        self.push_vector(dst);
    }

    /// Counts of both halves of each byte, looked up in a table of 16.
    fn popcnt8(&mut self) {
        const HALVES: u128 = 0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f;
        const COUNTS: u128 = 0x0403_0302_0302_0201_0302_0201_0201_0100;
        let high = self.pop_vector();
        let low = self.alloc_vreg();
        self.vector_const(TEMP_V, HALVES);
        self.asm().mov_v(low, high);
        self.vv(AND, low, TEMP_V);
        self.shift_by(0x71, 2, high, 4);
        self.vv(AND, high, TEMP_V);
        let count = self.alloc_vreg();
        self.vector_const(TEMP_V, COUNTS);
        self.asm().mov_v(count, TEMP_V);
        self.vv(SHUFFLE_BYTES, count, low);
        self.vv(SHUFFLE_BYTES, TEMP_V, high);
        self.vv(p66(0xfc), count, TEMP_V);
        self.free_vreg(high);
        self.free_vreg(low);
        self.push_vector(count);
    }

    /// The product of the low halves, plus both mixed products times 2^32.
    fn multiply64(&mut self) {
        const MULTIPLY: Code = p66(0xf4);
        let b = self.pop_reg();
        let a = self.pop_vector();
        let mixed = self.alloc_vreg();
        self.asm().mov_v(mixed, a);
        self.shift_by(0x73, 2, mixed, 32);
        self.vv(MULTIPLY, mixed, b.vreg());
        self.asm().mov_v(TEMP_V, b.vreg());
        self.shift_by(0x73, 2, TEMP_V, 32);
        self.vv(MULTIPLY, TEMP_V, a);
        self.vv(p66(0xd4), mixed, TEMP_V);
        self.shift_by(0x73, 6, mixed, 32);
        self.vv(MULTIPLY, a, b.vreg());
        self.vv(p66(0xd4), a, mixed);
        self.free_vreg(mixed);
        self.release(FLOAT, b);
        self.push_vector(a);
    }

    /// The machine's product of -1 and -1 is -1: there, and only there, the result must become the largest number.
    fn q15_multiply(&mut self) {
        let b = self.pop_reg();
        let a = self.pop_vector();
        self.vv(p38(0x0b), a, b.vreg());
        self.vector_const(TEMP_V, 0x8000_8000_8000_8000_8000_8000_8000_8000);
        self.vv(p66(0x75), TEMP_V, a);
        self.vv(XOR, a, TEMP_V);
        self.release(FLOAT, b);
        self.push_vector(a);
    }

    /// Sums of two neighbours of 16 bits.
    fn pairwise_words(&mut self, x: Vreg) {
        self.vector_const(TEMP_V, 0x0001_0001_0001_0001_0001_0001_0001_0001);
        self.vv(p66(0xf5), x, TEMP_V);
        self.push_vector(x);
    }

    /// As signed numbers 32768 lower; each sum is then lower by twice as much.
    fn pairwise_words_unsigned(&mut self) {
        let x = self.pop_vector();
        self.vector_const(TEMP_V, 0x8000_8000_8000_8000_8000_8000_8000_8000);
        self.vv(XOR, x, TEMP_V);
        self.pairwise_words(x);
        self.pop_entry();
        self.vector_const(TEMP_V, 0x0001_0000_0001_0000_0001_0000_0001_0000);
        self.vv(p66(0xfe), x, TEMP_V);
        self.push_vector(x);
    }

    /// `pmaddubsw` multiplies unsigned bytes, its destination, by signed ones.
    fn pairwise_bytes(&mut self, unsigned: bool) {
        const ONES: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;
        let x = self.pop_vector();
        self.vector_const(TEMP_V, ONES);
        if unsigned {
            self.vv(p38(0x04), x, TEMP_V);
            return self.push_vector(x);
        }
        self.vv(p38(0x04), TEMP_V, x);
        self.asm().mov_v(x, TEMP_V);
        self.push_vector(x);
    }

    /// Saturating sums of two products of signed bytes each: the products fit 16 bits, the sums are made in 32.
    fn dot_bytes(&mut self) {
        let b = self.pop_vector();
        let a = self.pop_vector();
        let low = self.alloc_vreg();
        self.vv(p38(0x20), low, a);
        self.vv(p38(0x20), TEMP_V, b);
        self.vv(p66(0xf5), low, TEMP_V);
        for reg in [a, b] {
            self.vvi(SHUFFLE_LANES, reg, reg, HIGH);
            self.vv(p38(0x20), reg, reg);
        }
        self.vv(p66(0xf5), a, b);
        self.vv(p66(0x6b), low, a);
        self.free_vreg(a);
        self.free_vreg(b);
        self.push_vector(low);
    }

    // ------------------------------------------------------------------------------------------ widening

    /// Sign- or zero-extends half of the lanes. `false` if it is another operator.
    fn extend_lanes(&mut self, op: Op) -> bool {
        use Op::*;
        let (code, high) = match op {
            I16x8ExtendLowI8x16S => (0x20, false),
            I16x8ExtendHighI8x16S => (0x20, true),
            I16x8ExtendLowI8x16U => (0x30, false),
            I16x8ExtendHighI8x16U => (0x30, true),
            I32x4ExtendLowI16x8S => (0x23, false),
            I32x4ExtendHighI16x8S => (0x23, true),
            I32x4ExtendLowI16x8U => (0x33, false),
            I32x4ExtendHighI16x8U => (0x33, true),
            I64x2ExtendLowI32x4S => (0x25, false),
            I64x2ExtendHighI32x4S => (0x25, true),
            I64x2ExtendLowI32x4U => (0x35, false),
            I64x2ExtendHighI32x4U => (0x35, true),
            _ => return false,
        };
        let a = self.pop_vector();
        if high {
            self.vvi(SHUFFLE_LANES, a, a, HIGH);
        }
        self.vv(p38(code), a, a);
        self.push_vector(a);
        true
    }

    /// Products of half of the lanes, widened before. `false` if it is another operator.
    fn extended_product(&mut self, op: Op) -> bool {
        use Op::*;
        const SIGNED64: Code = p38(0x28);
        const UNSIGNED64: Code = p66(0xf4);
        let (extend, multiply, high) = match op {
            I16x8ExtMulLowI8x16S => (Some(0x20), p66(0xd5), false),
            I16x8ExtMulHighI8x16S => (Some(0x20), p66(0xd5), true),
            I16x8ExtMulLowI8x16U => (Some(0x30), p66(0xd5), false),
            I16x8ExtMulHighI8x16U => (Some(0x30), p66(0xd5), true),
            I32x4ExtMulLowI16x8S => (Some(0x23), p38(0x40), false),
            I32x4ExtMulHighI16x8S => (Some(0x23), p38(0x40), true),
            I32x4ExtMulLowI16x8U => (Some(0x33), p38(0x40), false),
            I32x4ExtMulHighI16x8U => (Some(0x33), p38(0x40), true),
            // The machine multiplies the even lanes of 32 bits.
            I64x2ExtMulLowI32x4S => (None, SIGNED64, false),
            I64x2ExtMulHighI32x4S => (None, SIGNED64, true),
            I64x2ExtMulLowI32x4U => (None, UNSIGNED64, false),
            I64x2ExtMulHighI32x4U => (None, UNSIGNED64, true),
            _ => return false,
        };
        let b = self.pop_reg();
        let a = self.pop_vector();
        for (dst, src) in [(a, a), (TEMP_V, b.vreg())] {
            match extend {
                Some(extend) if high => {
                    self.vvi(SHUFFLE_LANES, dst, src, HIGH);
                    self.vv(p38(extend), dst, dst);
                }
                Some(extend) => self.vv(p38(extend), dst, src),
                None => {
                    let lanes = if high { 0xfa } else { 0x50 };
                    self.vvi(SHUFFLE_LANES, dst, src, lanes);
                }
            }
        }
        self.vv(multiply, a, TEMP_V);
        self.release(FLOAT, b);
        self.push_vector(a);
        true
    }

    // ------------------------------------------------------------------------------------------ shifts

    /// Pops the amount, modulo the width of a lane: a constant, or `None` and it is in `xmm15`, increased by `more`.
    fn pop_amount(&mut self, bits: u32, more: i32) -> Option<u8> {
        let amount = self.pop();
        if let Val::Const(amount) = amount {
            return Some((amount as u32 & (bits - 1)) as u8 + more as u8);
        }
        self.val_to(Ty::I32, TEMP.0, amount);
        self.release_val(Bank::Int, amount);
        self.asm().alu_i(Alu::And, W32, Rm::Reg(TEMP), bits as i32 - 1);
        if more != 0 {
            self.asm().alu_i(Alu::Add, W32, Rm::Reg(TEMP), more);
        }
        self.asm().mov_to_v(W32, TEMP_V, TEMP);
        None
    }

    fn shift_lanes(&mut self, op: Op) {
        use Op::*;
        let shifts = shifts(op);
        let amount = self.pop_amount(shifts.bits, 0);
        let a = self.pop_vector();
        let (code, extension) = match op {
            I16x8Shl | I32x4Shl | I64x2Shl => (shifts.left, 6),
            I16x8ShrU | I32x4ShrU | I64x2ShrU => (shifts.logical, 2),
            _ => (shifts.arithmetic, 4),
        };
        match amount {
            Some(amount) => self.shift_by(shifts.by_imm, extension, a, amount),
            None => self.vv(code, a, TEMP_V),
        }
        self.push_vector(a);
    }

    /// There is no arithmetic shift of 64 bits: `((x >>> n) ^ m) - m` with the sign bit's new place `m`.
    fn shift64_arithmetic(&mut self) {
        let amount = self.pop_amount(64, 0);
        let a = self.pop_vector();
        let sign = self.alloc_vreg();
        self.vector_const(sign, 0x8000_0000_0000_0000_8000_0000_0000_0000);
        for reg in [a, sign] {
            match amount {
                Some(amount) => self.shift_by(0x73, 2, reg, amount),
                None => self.vv(p66(0xd3), reg, TEMP_V),
            }
        }
        self.vv(XOR, a, sign);
        self.vv(p66(0xfb), a, sign);
        self.free_vreg(sign);
        self.push_vector(a);
    }

    /// There are no shifts of bytes. To the left: of words, and the bits that came from the byte below are removed. To the right: each
    /// byte, doubled to a word, by 8 more, and words become bytes again.
    fn shift8(&mut self, op: Op) {
        let more = if op == Op::I8x16Shl { 0 } else { 8 };
        if let Some(amount) = self.pop_amount(8, more) {
            self.asm().mov_i(TEMP, u64::from(amount));
            self.asm().mov_to_v(W32, TEMP_V, TEMP);
        }
        let a = self.pop_vector();
        let other = self.alloc_vreg();
        if op == Op::I8x16Shl {
            self.ones(other);
            self.vv(p66(0xf1), other, TEMP_V);
            self.vv(p66(0xf1), a, TEMP_V);
            self.splat(other, 1);
            self.vv(AND, a, other);
        } else {
            let (shift, pack) =
                if op == Op::I8x16ShrS { (p66(0xe1), p66(0x63)) } else { (p66(0xd1), p66(0x67)) };
            self.asm().mov_v(other, a);
            self.vv(p66(0x60), a, a);
            self.vv(p66(0x68), other, other);
            self.vv(shift, a, TEMP_V);
            self.vv(shift, other, TEMP_V);
            self.vv(pack, a, other);
        }
        self.free_vreg(other);
        self.push_vector(a);
    }
}
