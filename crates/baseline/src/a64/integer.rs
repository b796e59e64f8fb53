//! Owns operators on integers with integer results.
//! Does not own those that are the same on all machines, nor conversions from and to floats.
//!
//! The first operand is in a register, the second one in a register or an immediate; the result goes to a register of its own, or straight to the pinned local that
//! the next operator sets.

use sterna_isa::{Op, TrapCode};

use super::asm::vector_codes::{ADDV, CNT};
use super::{A64, Alu, Asm, Cc, Done, Gen, Gpr, Lanes, TEMP_V, VALUE, W, W32, W64, refused};
use crate::driver::values::{Held, Val, width};
use crate::machine::{Assembler, Shift};
use crate::stack::{Bank, Loc, Ty};

const INT: Bank = Bank::Int;

impl Gen<'_, A64> {
    // tidy: dispatch
    pub(super) fn integer(&mut self, op: Op) -> Done {
        use Op::*;
        let (_, results) = op.signature().expect("these classes have signatures");
        let ty = Ty::of_fixed(results[0]);
        match op {
            I32Add | I64Add => self.arithmetic(Alu::Add, ty),
            I32Sub | I64Sub => self.arithmetic(Alu::Sub, ty),
            I32And | I64And => self.arithmetic(Alu::And, ty),
            I32Or | I64Or => self.arithmetic(Alu::Or, ty),
            I32Xor | I64Xor => self.arithmetic(Alu::Xor, ty),
            I32Mul | I64Mul => self.multiply(ty),
            I32Shl | I64Shl => self.shift(Shift::Shl, ty),
            I32ShrS | I64ShrS => self.shift(Shift::Sar, ty),
            I32ShrU | I64ShrU => self.shift(Shift::Shr, ty),
            I32Rotl | I64Rotl => self.shift(Shift::Rol, ty),
            I32Rotr | I64Rotr => self.shift(Shift::Ror, ty),
            I32DivS | I64DivS => self.divide(ty, true, false),
            I32DivU | I64DivU => self.divide(ty, false, false),
            I32RemS | I64RemS => self.divide(ty, true, true),
            I32RemU | I64RemU => self.divide(ty, false, true),
            I32Clz | I64Clz => self.unary(ty, Asm::clz),
            I32Ctz | I64Ctz => self.unary(ty, |asm, w, dst, src| {
                asm.rbit(w, dst, src);
                asm.clz(w, dst, dst);
            }),
            I32Popcnt | I64Popcnt => self.unary(ty, |asm, w, dst, src| {
                asm.fmov_from_gpr(w, TEMP_V, src);
                asm.v2(CNT.of(Lanes::B16), TEMP_V, TEMP_V);
                asm.v2(ADDV.of(Lanes::B16), TEMP_V, TEMP_V);
                asm.fmov_to_gpr(W32, dst, TEMP_V);
            }),
            I32Extend8S | I64Extend8S => self.unary(ty, Asm::sxtb),
            I32Extend16S | I64Extend16S => self.unary(ty, Asm::sxth),
            I64Extend32S | I64ExtendI32S => {
                self.unary(ty, |asm, _, dst, src| asm.sxtw(dst, src));
            }
            _ => return Err(refused(op)),
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ two operands

    /// Pops two operands, the first one into a register; a constant comes second if it may.
    fn operands(&mut self, ty: Ty, commutative: bool) -> (Held, Val) {
        let mut b = self.pop();
        let mut a = self.pop();
        if commutative && matches!(a, Val::Const(_)) {
            std::mem::swap(&mut a, &mut b);
        }
        (self.in_reg(ty, a), b)
    }

    /// Gives back the operands, and takes a register for the result, which may be one of theirs.
    fn result_of(&mut self, a: Held, b: Val) -> Gpr {
        self.release(INT, a);
        self.release_val(INT, b);
        Gpr(self.result(INT))
    }

    /// An operand in a register, if need be the assembler's.
    fn second(&mut self, ty: Ty, b: Val) -> Gpr {
        match b {
            Val::Reg(held) => held.gpr(),
            other => {
                self.val_to(ty, VALUE.0, other);
                VALUE
            }
        }
    }

    fn arithmetic(&mut self, op: Alu, ty: Ty) {
        let w = width(ty);
        let (a, b) = self.operands(ty, op != Alu::Sub);
        let dst = self.result_of(a, b);
        if let Val::Const(bits) = b {
            self.asm().alu_const(op, w, dst, a.gpr(), bits);
        } else {
            let b = self.second(ty, b);
            self.asm().alu_three(op, w, dst, a.gpr(), b);
        }
        self.push_result(ty, dst.0);
    }

    fn multiply(&mut self, ty: Ty) {
        let w = width(ty);
        let (a, b) = self.operands(ty, true);
        let dst = self.result_of(a, b);
        match b {
            Val::Const(bits) if bits.is_power_of_two() => {
                self.asm().lsl_imm(w, dst, a.gpr(), bits.trailing_zeros());
            }
            _ => {
                let b = self.second(ty, b);
                self.asm().mul(w, dst, a.gpr(), b);
            }
        }
        self.push_result(ty, dst.0);
    }

    fn shift(&mut self, op: Shift, ty: Ty) {
        let w = width(ty);
        let (a, b) = self.operands(ty, false);
        let dst = self.result_of(a, b);
        if let Val::Const(by) = b {
            let by = by as u32 & (w.bits() - 1);
            let (asm, a) = (self.asm(), a.gpr());
            match op {
                Shift::Shl => asm.lsl_imm(w, dst, a, by),
                Shift::Shr => asm.lsr_imm(w, dst, a, by),
                Shift::Sar => asm.asr_imm(w, dst, a, by),
                Shift::Ror => asm.ror_imm(w, dst, a, by),
                Shift::Rol => asm.ror_imm(w, dst, a, by.wrapping_neg()),
            }
            return self.push_result(ty, dst.0);
        }
        let by = self.second(ty, b);
        let (asm, a) = (self.asm(), a.gpr());
        match op {
            Shift::Shl => asm.lslv(w, dst, a, by),
            Shift::Shr => asm.lsrv(w, dst, a, by),
            Shift::Sar => asm.asrv(w, dst, a, by),
            Shift::Ror => asm.rorv(w, dst, a, by),
            Shift::Rol => {
                asm.neg(w, VALUE, by);
                asm.rorv(w, dst, a, VALUE);
            }
        }
        self.push_result(ty, dst.0);
    }

    /// Division by zero and the quotient that is too large do not trap by themselves.
    fn divide(&mut self, ty: Ty, signed: bool, remainder: bool) {
        let w = width(ty);
        let divisor = match self.top().loc {
            Loc::Const(bits) => Some(bits),
            _ => None,
        };
        if let Some(bits) = divisor
            && bits.is_power_of_two()
            && !signed
        {
            return self.divide_by_power(ty, bits, remainder);
        }
        let b = self.pop();
        let a = self.pop();
        let b = self.in_reg(ty, b);
        self.banks[0].locked |= 1 << b.reg;
        let a = self.in_reg(ty, a);
        if divisor.is_none_or(|bits| bits == 0) {
            self.asm().compare_zero(w, b.gpr());
            self.trap_if(Cc::E, TrapCode::IntegerDivideByZero);
        }
        let minus_one = if w == W32 { u64::from(u32::MAX) } else { u64::MAX };
        if signed && !remainder && divisor.is_none_or(|bits| bits == minus_one) {
            // Only the smallest number overflows when one is taken away, which is looked at if the divisor is -1.
            self.asm().alu_const(Alu::Cmp, w, b.gpr(), b.gpr(), u64::MAX);
            self.asm().ccmp_imm(w, a.gpr(), 1, 0, super::asm::Cc::Eq);
            self.trap_if(Cc::O, TrapCode::IntegerOverflow);
        }
        let dst = self.result_of(a, Val::Reg(b));
        let (asm, a, b) = (self.asm(), a.gpr(), b.gpr());
        let quotient = if remainder { VALUE } else { dst };
        if signed {
            asm.sdiv(w, quotient, a, b);
        } else {
            asm.udiv(w, quotient, a, b);
        }
        if remainder {
            asm.msub(w, dst, VALUE, b, a);
        }
        self.push_result(ty, dst.0);
    }

    fn divide_by_power(&mut self, ty: Ty, bits: u64, remainder: bool) {
        let w = width(ty);
        let (a, b) = self.operands(ty, false);
        let dst = self.result_of(a, b);
        match remainder {
            true => self.asm().alu_const(Alu::And, w, dst, a.gpr(), bits - 1),
            false => self.asm().lsr_imm(w, dst, a.gpr(), bits.trailing_zeros()),
        }
        self.push_result(ty, dst.0);
    }

    // ------------------------------------------------------------------------------------------ one operand

    fn unary(&mut self, ty: Ty, emit: impl FnOnce(&mut Asm, W, Gpr, Gpr)) {
        let a = self.pop_reg();
        self.release(INT, a);
        let dst = Gpr(self.result(INT));
        emit(self.asm(), width(ty), dst, a.gpr());
        self.push_result(ty, dst.0);
    }

    // ------------------------------------------------------------------------------------------ wide arithmetic

    /// Operators on pairs of 64 bits.
    pub(super) fn wide(&mut self, op: Op) {
        let is_product = matches!(op, Op::I64MulWideS | Op::I64MulWideU);
        let b = self.pop_reg();
        if is_product {
            let a = self.pop_reg();
            let (low, high) = (self.alloc_gpr(), self.alloc_gpr());
            let asm = self.asm();
            asm.mul(W64, low, a.gpr(), b.gpr());
            match op {
                Op::I64MulWideS => asm.smulh(high, a.gpr(), b.gpr()),
                _ => asm.umulh(high, a.gpr(), b.gpr()),
            }
            self.release(INT, a);
            self.release(INT, b);
            self.push_gpr(Ty::I64, low);
            return self.push_gpr(Ty::I64, high);
        }
        let b_low = self.pop_reg();
        let a_high = Gpr(self.pop_own());
        let a_low = Gpr(self.pop_own());
        let asm = self.asm();
        if op == Op::I64Add128 {
            asm.adds(W64, a_low, a_low, b_low.gpr());
            asm.adc(W64, a_high, a_high, b.gpr());
        } else {
            asm.subs(W64, a_low, a_low, b_low.gpr());
            asm.sbc(W64, a_high, a_high, b.gpr());
        }
        self.release(INT, b_low);
        self.release(INT, b);
        self.push_gpr(Ty::I64, a_low);
        self.push_gpr(Ty::I64, a_high);
    }
}
