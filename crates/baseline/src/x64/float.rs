//! Owns arithmetic and comparisons of scalar floats, and canonical NaNs.
//! Does not own conversions (`convert`).

use sterna_isa::Op;

use super::{Assembler, Cc, Done, Gen, Map, Pre, TEMP, TEMP_V, Vreg, W64, X64, Xm, refused};
use crate::driver::values::{Two, Val};
use crate::stack::{Bank, Cond, Ty};

const FLOAT: Bank = Bank::Float;

/// Prefix of instructions on scalars of a type.
pub(super) fn scalar(ty: Ty) -> Pre {
    if ty == Ty::F32 { Pre::PF3 } else { Pre::PF2 }
}

/// Prefix of instructions on whole registers, and of comparisons.
pub(super) fn packed(ty: Ty) -> Pre {
    if ty == Ty::F32 { Pre::None } else { Pre::P66 }
}

fn sign_bit(ty: Ty) -> u64 {
    if ty == Ty::F32 { 1 << 31 } else { 1 << 63 }
}

impl Gen<'_, X64> {
    // tidy: dispatch
    pub(super) fn float(&mut self, op: Op) -> Done {
        use Op::*;
        let (_, results) = op.signature().expect("these classes have signatures");
        let ty = Ty::of_fixed(results[0]);
        match op {
            F32Add | F64Add => self.float_two(op, ty, 0x58, true),
            F32Mul | F64Mul => self.float_two(op, ty, 0x59, true),
            F32Sub | F64Sub => self.float_two(op, ty, 0x5c, false),
            F32Div | F64Div => self.float_two(op, ty, 0x5e, false),
            F32Min | F64Min => self.min_max(op, ty, 0x5d, 0x56),
            F32Max | F64Max => self.min_max(op, ty, 0x5f, 0x54),
            F32Sqrt | F64Sqrt => self.float_one(op, ty, Map::M0F, 0x51, None),
            F32Nearest | F64Nearest => return self.round(op, ty, 0),
            F32Floor | F64Floor => return self.round(op, ty, 1),
            F32Ceil | F64Ceil => return self.round(op, ty, 2),
            F32Trunc | F64Trunc => return self.round(op, ty, 3),
            F32Abs | F64Abs => self.with_mask(ty, sign_bit(ty) - 1, 0x54),
            F32Neg | F64Neg => self.with_mask(ty, sign_bit(ty), 0x57),
            F32Copysign | F64Copysign => self.copysign(ty),
            _ => return Err(refused(op)),
        }
        Ok(())
    }

    /// An operand of an instruction on scalars.
    pub(super) fn xm(&mut self, ty: Ty, val: Val) -> Xm {
        match val {
            Val::Mem(mem) => Xm::Mem(mem),
            Val::Reg(held) => Xm::Reg(held.vreg()),
            Val::Const(bits) => {
                self.const_to(ty, TEMP_V.0, bits);
                Xm::Reg(TEMP_V)
            }
        }
    }

    fn float_two(&mut self, op: Op, ty: Ty, opcode: u8, commutative: bool) {
        let Two { a, b, dst, hint } = self.pop_two(FLOAT, commutative);
        self.val_to(ty, dst, a);
        if !a.is_in(dst) {
            self.release_val(FLOAT, a);
        }
        let source = self.xm(ty, b);
        self.asm().sse(scalar(ty), opcode, Vreg(dst), source);
        self.release_val(FLOAT, b);
        self.canonicalize(op, ty, Vreg(dst));
        self.push_result_at(ty, dst, hint);
    }

    /// An instruction with one source and a register to write.
    fn float_one(&mut self, op: Op, ty: Ty, map: Map, opcode: u8, imm: Option<u8>) {
        let held = self.pop_reg();
        self.release(FLOAT, held);
        let dst = self.result(FLOAT);
        let prefix = if map == Map::M0F { scalar(ty) } else { Pre::P66 };
        self.asm().sse_map(prefix, map, opcode, Vreg(dst), Xm::Reg(held.vreg()), imm);
        self.canonicalize(op, ty, Vreg(dst));
        self.push_result(ty, dst);
    }

    fn round(&mut self, op: Op, ty: Ty, mode: u8) -> Done {
        if !self.input.cpu.sse41 {
            return Err(refused(op));
        }
        let opcode = if ty == Ty::F32 { 0x0a } else { 0x0b };
        // Bit 3: no exception for inexact results.
        self.float_one(op, ty, Map::M0F3A, opcode, Some(mode | 8));
        Ok(())
    }

    /// `and` or `xor` with a constant.
    fn with_mask(&mut self, ty: Ty, mask: u64, opcode: u8) {
        let dst = Vreg(self.pop_own());
        self.asm().mov_i(TEMP, mask);
        self.asm().mov_to_v(W64, TEMP_V, TEMP);
        self.asm().sse(packed(ty), opcode, dst, Xm::Reg(TEMP_V));
        self.push_reg(ty, dst.0);
    }

    fn copysign(&mut self, ty: Ty) {
        let sign = Vreg(self.pop_own());
        let dst = Vreg(self.pop_own());
        let pre = packed(ty);
        self.asm().mov_i(TEMP, sign_bit(ty));
        self.asm().mov_to_v(W64, TEMP_V, TEMP);
        self.asm().sse(pre, 0x54, sign, Xm::Reg(TEMP_V));
        // andn: the mask is inverted.
        self.asm().sse(pre, 0x55, TEMP_V, Xm::Reg(dst));
        self.asm().mov_v(dst, TEMP_V);
        self.asm().sse(pre, 0x56, dst, Xm::Reg(sign));
        self.free_vreg(sign);
        self.push_reg(ty, dst.0);
    }

    /// The machine's instruction takes the second operand if they are equal (as zeros of different sign are) or unordered.
    fn min_max(&mut self, op: Op, ty: Ty, opcode: u8, if_equal: u8) {
        let b = self.pop_reg();
        let dst = Vreg(self.pop_own());
        let source = Xm::Reg(b.vreg());
        self.asm().sse(packed(ty), 0x2e, dst, source);
        let unordered = self.asm().jcc_short(Cc::P);
        let differ = self.asm().jcc_short(Cc::Ne);
        self.asm().sse(packed(ty), if_equal, dst, source);
        let equal_done = self.asm().jmp_short();
        self.asm().bind_short(unordered);
        // A sum with a NaN is a NaN.
        self.asm().sse(scalar(ty), 0x58, dst, source);
        let unordered_done = self.asm().jmp_short();
        self.asm().bind_short(differ);
        self.asm().sse(scalar(ty), opcode, dst, source);
        self.asm().bind_short(equal_done);
        self.asm().bind_short(unordered_done);
        self.release(FLOAT, b);
        self.canonicalize(op, ty, dst);
        self.push_reg(ty, dst.0);
    }

    /// Compares two operands; the flags are the result. `ucomis` says "below" for unordered operands, so less is asked as greater.
    pub(super) fn float_compare(&mut self, op: Op) -> Done {
        use Op::*;
        let ty = if matches!(op, F32Eq | F32Ne | F32Lt | F32Gt | F32Le | F32Ge) {
            Ty::F32
        } else {
            Ty::F64
        };
        let (cond, swap) = match op {
            F32Eq | F64Eq => (Cond::FloatEq, false),
            F32Ne | F64Ne => (Cond::FloatNe, false),
            F32Gt | F64Gt => (Cond::Cc(Cc::A), false),
            F32Ge | F64Ge => (Cond::Cc(Cc::Ae), false),
            F32Lt | F64Lt => (Cond::Cc(Cc::A), true),
            F32Le | F64Le => (Cond::Cc(Cc::Ae), true),
            // Copysign and the like have two operands, too, but a float result.
            _ => return Err(refused(op)),
        };
        let (a, b);
        if swap {
            a = self.pop_reg();
            b = self.pop();
        } else {
            b = self.pop();
            a = self.pop_reg();
        }
        let source = self.xm(ty, b);
        self.asm().sse(packed(ty), 0x2e, a.vreg(), source);
        self.release(FLOAT, a);
        self.release_val(FLOAT, b);
        self.push_flags(cond);
        Ok(())
    }

    /// Replaces a NaN that an operator may have made by the canonical one, if that is asked for.
    pub(super) fn canonicalize(&mut self, op: Op, ty: Ty, reg: Vreg) {
        if !self.input.settings.deterministic || sterna_eval::nan_shape(op).is_none() {
            return;
        }
        let nan = if ty == Ty::F32 { 0x7fc0_0000 } else { 0x7ff8_0000_0000_0000 };
        self.asm().sse(packed(ty), 0x2e, reg, Xm::Reg(reg));
        let ordered = self.asm().jcc_short(Cc::Np);
        self.asm().mov_i(TEMP, nan);
        self.asm().mov_to_v(W64, reg, TEMP);
        self.asm().bind_short(ordered);
    }
}
