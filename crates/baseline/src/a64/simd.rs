//! Owns vector operators in registers.
//! Does not own lanes and their order (`simd_lane`), memory (`simd_memory`), nor which operators are one instruction (`simd_codes`).

use sterna_eval::NanShape;
use sterna_isa::{Class, Op};
use sterna_module::Imm;

use super::A64;
use super::asm::vector_codes::{self as v, Code2, Code3, CodeShift};
use super::asm::{Lanes, Rrr, Vreg, float_imm, vector_imm};
use super::simd_codes::{lanes, narrow, narrower, three, two, two_steps};
use crate::driver::values::Val;
use crate::driver::{Done, Gen, refused};
use crate::machine::{Assembler, Cc, Gpr, Machine, W32, W64};
use crate::stack::{Bank, Cond, Ty};

const FLOAT: Bank = Bank::Float;

impl Gen<'_, A64> {
    /// An operator that has vectors among its operands or results.
    pub(super) fn vector(&mut self, op: Op, imm: &Imm<'_>) -> Done {
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
        if let Some((code, reversed)) = three(op) {
            self.vector_three(code, reversed);
        } else if let Some(code) = two(op) {
            self.vector_two(code);
        } else if let Some((first, second)) = two_steps(op) {
            self.vector_two(first);
            self.vector_two(second);
        } else if let Some(code) = narrow(op) {
            self.narrow(code);
        } else {
            match op {
                I8x16Ne | I16x8Ne | I32x4Ne | I64x2Ne => self.unequal(v::CMEQ.of(lanes(op))),
                F32x4Ne | F64x2Ne => self.unequal(v::FCMEQ.float(lanes(op))),
                V128Bitselect
                | I8x16RelaxedLaneselect
                | I16x8RelaxedLaneselect
                | I32x4RelaxedLaneselect
                | I64x2RelaxedLaneselect => self.bitselect(),
                V128AnyTrue => self.any_true(),
                I8x16AllTrue | I16x8AllTrue | I32x4AllTrue | I64x2AllTrue => self.all_true(op),
                I8x16Bitmask | I16x8Bitmask | I32x4Bitmask | I64x2Bitmask => self.bitmask(op),
                I8x16Splat | I16x8Splat | I32x4Splat | I64x2Splat => self.splat_integer(op),
                F32x4Splat | F64x2Splat => self.splat_float(op),
                I64x2Mul => self.multiply64(),
                I32x4DotI16x8S => self.dot(),
                I8x16Shl | I16x8Shl | I32x4Shl | I64x2Shl => self.shift_left(op),
                I8x16ShrS | I16x8ShrS | I32x4ShrS | I64x2ShrS => {
                    self.shift_right(op, v::SSHR, v::SSHL);
                }
                I8x16ShrU | I16x8ShrU | I32x4ShrU | I64x2ShrU => {
                    self.shift_right(op, v::USHR, v::USHL);
                }
                I16x8RelaxedDotI8x16I7x16S => self.dot_bytes(),
                I32x4RelaxedDotI8x16I7x16AddS => self.dot_bytes_add(),
                F32x4PMin | F64x2PMin => self.pseudo_extreme(op, false),
                F32x4PMax | F64x2PMax => self.pseudo_extreme(op, true),
                F32x4RelaxedMadd | F64x2RelaxedMadd => self.multiply_add(op, v::FADD, false),
                F32x4RelaxedNmadd | F64x2RelaxedNmadd => self.multiply_add(op, v::FSUB, true),
                F64x2ConvertLowI32x4S => {
                    self.widen(v::SSHLL, Lanes::S4);
                    self.vector_two(v::SCVTF.float(Lanes::D2));
                }
                F64x2ConvertLowI32x4U => {
                    self.widen(v::USHLL, Lanes::S4);
                    self.vector_two(v::UCVTF.float(Lanes::D2));
                }
                _ => self.extend(op)?,
            }
        }
        self.canonicalize_lanes(op);
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ building blocks

    pub(super) fn push_vector(&mut self, reg: Vreg) {
        self.push_reg(Ty::V128, reg.0);
    }

    /// An instruction with two sources.
    fn vector_three(&mut self, code: Code3, reversed: bool) {
        let b = self.pop_reg();
        let a = self.pop_reg();
        self.release(FLOAT, a);
        self.release(FLOAT, b);
        let dst = self.result(FLOAT);
        let (first, second) = if reversed { (b, a) } else { (a, b) };
        self.asm().v3(code, Vreg(dst), first.vreg(), second.vreg());
        self.push_result(Ty::V128, dst);
    }

    /// An instruction with one source.
    fn vector_two(&mut self, code: Code2) {
        let a = self.pop_reg();
        self.release(FLOAT, a);
        let dst = self.result(FLOAT);
        self.asm().v2(code, Vreg(dst), a.vreg());
        self.push_result(Ty::V128, dst);
    }

    /// Puts a constant into a register.
    pub(super) fn vector_const(&mut self, reg: Vreg, bits: u128) {
        let temp = A64::TEMP;
        let (low, high) = (bits as u64, (bits >> 64) as u64);
        let repeats = low == high && low >> 32 == low & 0xffff_ffff;
        let single = if repeats { float_imm(W32, low & 0xffff_ffff) } else { None };
        let double = if low == high { float_imm(W64, low) } else { None };
        let asm = self.asm();
        if let Some(word) = vector_imm(bits) {
            asm.v_imm(reg, word);
        } else if let Some(imm) = single {
            asm.fmov_lanes(Lanes::S4, reg, imm);
        } else if let Some(imm) = double {
            asm.fmov_lanes(Lanes::D2, reg, imm);
        } else if repeats {
            asm.mov_i(temp, low & 0xffff_ffff);
            asm.dup_gpr(Lanes::S4, reg, temp);
        } else {
            let pieces = (0..8).filter(|at| (bits >> (16 * at)) as u16 != 0).count();
            if low != high && pieces > 3 {
                return asm.v_literal(reg, bits);
            }
            asm.mov_i(temp, low);
            if low == high {
                return asm.dup_gpr(Lanes::D2, reg, temp);
            }
            asm.fmov_from_gpr(W64, reg, temp);
            if high != 0 {
                asm.mov_i(temp, high);
                asm.fmov_high_from_gpr(reg, temp);
            }
        }
    }

    /// `v128.const`.
    pub(super) fn push_vector_const(&mut self, bits: u128) {
        let reg = Vreg(self.result(FLOAT));
        self.vector_const(reg, bits);
        self.push_result(Ty::V128, reg.0);
    }

    // ------------------------------------------------------------------------------------------ bits and comparisons

    fn unequal(&mut self, equal: Code3) {
        self.vector_three(equal, false);
        self.vector_two(v::NOT);
    }

    /// `a & mask | b & !mask`.
    fn bitselect(&mut self) {
        let mask = Vreg(self.pop_own());
        let b = self.pop_reg();
        let a = self.pop_reg();
        self.asm().v3(v::BSL, mask, a.vreg(), b.vreg());
        self.release(FLOAT, a);
        self.release(FLOAT, b);
        self.push_vector(mask);
    }

    /// Sets the flags to whether a vector has ones: the largest of each two neighbours are in its lower half.
    fn test_vector(&mut self, reg: Vreg) {
        let (temp, temp_v) = (A64::TEMP, A64::TEMP_V);
        self.asm().v3(v::UMAXP.of(Lanes::S4), temp_v, reg, reg);
        self.asm().fmov_to_gpr(W64, temp, temp_v);
        self.asm().test(W64, temp, temp);
    }

    fn any_true(&mut self) {
        let a = self.pop_reg();
        self.test_vector(a.vreg());
        self.release(FLOAT, a);
        self.push_flags(Cond::Cc(Cc::Ne));
    }

    /// No lane is zero.
    fn all_true(&mut self, op: Op) {
        let a = self.pop_reg();
        self.asm().v2(v::CMEQ_ZERO.of(lanes(op)), A64::TEMP_V, a.vreg());
        self.test_vector(A64::TEMP_V);
        self.release(FLOAT, a);
        self.push_flags(Cond::Cc(Cc::E));
    }

    /// The signs become the lowest bits of lanes. Then the signs of each upper neighbour are put above those of the lower one, in lanes of twice the
    /// width, until each half has its signs together.
    fn bitmask(&mut self, op: Op) {
        let a = self.pop_reg();
        let (mut lanes, signs) = (lanes(op), A64::TEMP_V);
        let half = 64 / lanes.bits();
        let mut by = lanes.bits() - 1;
        self.asm().v_shift(v::USHR, lanes, signs, a.vreg(), by);
        self.release(FLOAT, a);
        while lanes != Lanes::D2 {
            lanes = lanes.wider();
            self.asm().v_shift(v::USRA, lanes, signs, signs, by);
            by *= 2;
        }
        let dst = Gpr(self.result(Bank::Int));
        let asm = self.asm();
        asm.umov(Lanes::B16, dst, signs, 0);
        asm.umov(Lanes::B16, A64::TEMP, signs, 8);
        asm.shifted(Rrr::Orr, W32, dst, dst, (A64::TEMP, half));
        self.push_result(Ty::I32, dst.0);
    }

    // ------------------------------------------------------------------------------------------ arithmetic

    /// `a` into the lower half, `b` into the upper one.
    fn narrow(&mut self, code: Code2) {
        let b = self.pop_reg();
        let a = Vreg(self.pop_own());
        self.asm().v2(code, a, a);
        self.asm().v2(code.high(), a, b.vreg());
        self.release(FLOAT, b);
        self.push_vector(a);
    }

    /// The product of the low halves, plus the sum of both mixed products times 2^32.
    fn multiply64(&mut self) {
        let b = self.pop_reg();
        let a = Vreg(self.pop_own());
        let (sum, low) = (self.alloc_vreg(), A64::TEMP_V);
        let asm = self.asm();
        asm.v2(v::REV64.of(Lanes::S4), sum, b.vreg());
        asm.v3(v::MUL.of(Lanes::S4), sum, sum, a);
        asm.v2(v::UADDLP.of(Lanes::S4), sum, sum);
        asm.v_shift(v::SHL, Lanes::D2, sum, sum, 32);
        asm.v2(v::XTN.of(Lanes::S4), low, b.vreg());
        asm.v2(v::XTN.of(Lanes::S4), a, a);
        asm.v3(v::UMLAL.of(Lanes::S4), sum, a, low);
        self.free_vreg(a);
        self.release(FLOAT, b);
        self.push_vector(sum);
    }

    /// Sums of two neighbouring products.
    fn dot(&mut self) {
        let b = self.pop_reg();
        let a = Vreg(self.pop_own());
        let asm = self.asm();
        asm.v3(v::SMULL.of(Lanes::H8), A64::TEMP_V, a, b.vreg());
        asm.v3(v::SMULL.of(Lanes::H8).high(), a, a, b.vreg());
        asm.v3(v::ADDP.of(Lanes::S4), a, A64::TEMP_V, a);
        self.release(FLOAT, b);
        self.push_vector(a);
    }

    /// Saturating sums of two products of signed bytes each: the products fit 16 bits, the sums are made in 32.
    fn dot_bytes(&mut self) {
        let b = self.pop_reg();
        let a = Vreg(self.pop_own());
        let low = A64::TEMP_V;
        let dst = self.alloc_vreg();
        let asm = self.asm();
        asm.v3(v::SMULL.of(Lanes::B16), low, a, b.vreg());
        asm.v3(v::SMULL.of(Lanes::B16).high(), a, a, b.vreg());
        asm.v2(v::SADDLP.of(Lanes::H8), low, low);
        asm.v2(v::SADDLP.of(Lanes::H8), a, a);
        asm.v2(v::SQXTN.of(Lanes::H8), dst, low);
        asm.v2(v::SQXTN.of(Lanes::H8).high(), dst, a);
        self.free_vreg(a);
        self.release(FLOAT, b);
        self.push_vector(dst);
    }

    fn dot_bytes_add(&mut self) {
        let c = Vreg(self.pop_own());
        self.dot_bytes();
        self.vector_two(v::SADDLP.of(Lanes::H8));
        self.push_vector(c);
        self.vector_three(v::ADD.of(Lanes::S4), false);
    }

    /// `pmin` is `b < a ? b : a`, `pmax` is `a < b ? b : a`.
    fn pseudo_extreme(&mut self, op: Op, max: bool) {
        let b = self.pop_reg();
        let a = self.pop_reg();
        let (large, small) = if max { (b, a) } else { (a, b) };
        let dst = self.alloc_vreg();
        self.asm().v3(v::FCMGT.float(lanes(op)), dst, large.vreg(), small.vreg());
        self.asm().v3(v::BSL, dst, b.vreg(), a.vreg());
        self.release(FLOAT, a);
        self.release(FLOAT, b);
        self.push_vector(dst);
    }

    /// `a * b + c`, or `c - a * b`, which is the same as `-a * b + c`, rounded twice.
    fn multiply_add(&mut self, op: Op, add: Code3, negate: bool) {
        let c = self.pop_reg();
        let b = self.pop_reg();
        let a = self.pop_reg();
        let product = A64::TEMP_V;
        self.asm().v3(v::FMUL.float(lanes(op)), product, a.vreg(), b.vreg());
        self.release(FLOAT, a);
        self.release(FLOAT, b);
        self.release(FLOAT, c);
        let dst = self.result(FLOAT);
        let (first, second) = if negate { (c.vreg(), product) } else { (product, c.vreg()) };
        self.asm().v3(add.float(lanes(op)), Vreg(dst), first, second);
        self.push_result(Ty::V128, dst);
    }

    /// Replaces the NaNs in the vector on top that an operator may have made, if that is asked for.
    fn canonicalize_lanes(&mut self, op: Op) {
        let (lanes, nan) = match sterna_eval::nan_shape(op) {
            Some(NanShape::F32x4) => (Lanes::S4, 0x7fc0_0000_7fc0_0000_7fc0_0000_7fc0_0000),
            Some(NanShape::F64x2) => (Lanes::D2, 0x7ff8_0000_0000_0000_7ff8_0000_0000_0000),
            _ => return,
        };
        if !self.input.settings.deterministic {
            return;
        }
        let a = self.pop_reg();
        let ordered = self.alloc_vreg();
        self.asm().v3(v::FCMEQ.float(lanes), ordered, a.vreg(), a.vreg());
        self.vector_const(A64::TEMP_V, nan);
        self.asm().v3(v::BSL, ordered, a.vreg(), A64::TEMP_V);
        self.release(FLOAT, a);
        self.push_vector(ordered);
    }

    // ------------------------------------------------------------------------------------------ widening

    /// Widens half of the lanes.
    fn widen(&mut self, code: CodeShift, lanes: Lanes) {
        let a = self.pop_reg();
        self.release(FLOAT, a);
        let dst = self.result(FLOAT);
        self.asm().v_shift(code, lanes, Vreg(dst), a.vreg(), 0);
        self.push_result(Ty::V128, dst);
    }

    fn extend(&mut self, op: Op) -> Done {
        use Op::*;
        let code = match op {
            I16x8ExtendLowI8x16S | I32x4ExtendLowI16x8S | I64x2ExtendLowI32x4S => v::SSHLL,
            I16x8ExtendHighI8x16S | I32x4ExtendHighI16x8S | I64x2ExtendHighI32x4S => {
                v::SSHLL.high()
            }
            I16x8ExtendLowI8x16U | I32x4ExtendLowI16x8U | I64x2ExtendLowI32x4U => v::USHLL,
            I16x8ExtendHighI8x16U | I32x4ExtendHighI16x8U | I64x2ExtendHighI32x4U => {
                v::USHLL.high()
            }
            _ => return Err(refused(op)),
        };
        self.widen(code, narrower(op));
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ shifts

    /// Pops the amount, modulo the width of a lane: a constant, or `None` and it is in each lane of the free register, as a negative number if it is
    /// to the right.
    fn pop_amount(&mut self, lanes: Lanes, right: bool) -> Option<u32> {
        let mask = lanes.bits() - 1;
        let amount = self.pop();
        if let Val::Const(amount) = amount {
            return Some(amount as u32 & mask);
        }
        let held = self.in_reg(Ty::I32, amount);
        let (asm, temp) = (&mut self.s.asm, A64::TEMP);
        asm.and_imm(W32, temp, held.gpr(), low_bits(mask));
        if right {
            asm.neg(W32, temp, temp);
        }
        asm.dup_gpr(lanes, A64::TEMP_V, temp);
        self.release(Bank::Int, held);
        None
    }

    fn shift_left(&mut self, op: Op) {
        let lanes = lanes(op);
        let amount = self.pop_amount(lanes, false);
        self.shift_lanes(lanes, amount, v::SHL, v::USHL);
    }

    fn shift_right(&mut self, op: Op, by_constant: CodeShift, by_register: Code3) {
        let lanes = lanes(op);
        let amount = self.pop_amount(lanes, true);
        self.shift_lanes(lanes, amount, by_constant, by_register);
    }

    fn shift_lanes(
        &mut self,
        lanes: Lanes,
        amount: Option<u32>,
        by_constant: CodeShift,
        by_register: Code3,
    ) {
        if amount == Some(0) {
            return;
        }
        let a = self.pop_reg();
        self.release(FLOAT, a);
        let dst = Vreg(self.result(FLOAT));
        match amount {
            Some(amount) => self.asm().v_shift(by_constant, lanes, dst, a.vreg(), amount),
            None => self.asm().v3(by_register.of(lanes), dst, a.vreg(), A64::TEMP_V),
        }
        self.push_result(Ty::V128, dst.0);
    }
}

/// An immediate of ones at the bottom.
fn low_bits(mask: u32) -> super::asm::LogicalImm {
    super::asm::logical_imm(u64::from(mask), W32).expect("a run of ones has an encoding")
}
