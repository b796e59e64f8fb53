//! Owns operators on integers with integer results.
//! Does not own conversions from and to floats (`convert`).
//!
//! Each tries its forms in order: an immediate, an operand in memory, registers. The result goes to the first operand's register if that is
//! free for it, or straight to the pinned local that the next operator sets.

use sterna_isa::{Op, TrapCode};

use super::{
    Alu, Assembler, Cc, Done, Gen, Gpr, Mem, RAX, RCX, RDX, Rm, Shift, TEMP, Unary, W, W32, W64,
    WithCarry, X64, refused,
};
use crate::driver::values::{Held, Two, Val, width};
use crate::stack::{Bank, Loc, Ty};

const INT: Bank = Bank::Int;

impl Gen<'_, X64> {
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
            I32Clz | I64Clz => self.leading_zeros(ty),
            I32Ctz | I64Ctz => self.trailing_zeros(ty),
            I32Popcnt | I64Popcnt if self.input.cpu.popcnt => {
                self.unary(ty, |asm, w, dst, src| asm.count(0xb8, w, dst, src));
            }
            I32Extend8S | I64Extend8S => self.extend(ty, 1),
            I32Extend16S | I64Extend16S => self.extend(ty, 2),
            I64Extend32S | I64ExtendI32S => self.extend(ty, 4),
            _ => return Err(refused(op)),
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ two operands

    /// Pops two operands and has `emit` combine them: the destination, the first operand where it is in another register, the second one.
    fn two(
        &mut self,
        ty: Ty,
        commutative: bool,
        emit: impl FnOnce(&mut Self, Gpr, Option<Held>, Val),
    ) {
        let Two { a, b, dst, hint } = self.pop_two(INT, commutative);
        let source = match a {
            Val::Reg(held) if held.reg != dst => Some(held),
            Val::Reg(_) => None,
            other => {
                self.val_to(ty, dst, other);
                None
            }
        };
        emit(self, Gpr(dst), source, b);
        if let Some(held) = source {
            self.release(INT, held);
        }
        self.release_val(INT, b);
        self.push_result_at(ty, dst, hint);
    }

    fn arithmetic(&mut self, op: Alu, ty: Ty) {
        let w = width(ty);
        self.two(ty, op != Alu::Sub, |code, dst, source, b| {
            if let Some(source) = source {
                if code.add_by_lea(op, w, dst, source.gpr(), b) {
                    return;
                }
                code.asm().mov(w, dst, source.gpr());
            }
            code.alu_val(op, w, dst, b);
        });
    }

    /// An addition with a result in a third register.
    fn add_by_lea(&mut self, op: Alu, w: W, dst: Gpr, source: Gpr, b: Val) -> bool {
        let imm = |bits: u64| match w {
            W32 => Some(bits as i32),
            W64 => i32::try_from(bits as i64).ok(),
        };
        let mem = match (op, b) {
            (Alu::Add, Val::Reg(held)) => Mem::indexed(source, held.gpr(), 0, 0),
            (Alu::Add, Val::Const(bits)) => match imm(bits) {
                Some(imm) => Mem::new(source, imm),
                None => return false,
            },
            (Alu::Sub, Val::Const(bits)) => match imm(bits).and_then(i32::checked_neg) {
                Some(imm) => Mem::new(source, imm),
                None => return false,
            },
            _ => return false,
        };
        self.asm().lea(w, dst, mem);
        true
    }

    fn multiply(&mut self, ty: Ty) {
        let w = width(ty);
        self.two(ty, true, |code, dst, source, b| {
            let from = source.map_or(dst, Held::gpr);
            match b {
                Val::Const(bits) if bits.is_power_of_two() => {
                    code.asm().mov_if(w, dst, from);
                    code.asm().shift_i(Shift::Shl, w, dst, bits.trailing_zeros() as u8);
                }
                Val::Const(bits) => match (w, i32::try_from(bits as i64)) {
                    (W32, _) => code.asm().imul_i(w, dst, Rm::Reg(from), bits as i32),
                    (W64, Ok(imm)) => code.asm().imul_i(w, dst, Rm::Reg(from), imm),
                    (W64, Err(_)) => {
                        code.asm().mov_i(TEMP, bits);
                        code.asm().mov_if(w, dst, from);
                        code.asm().imul(w, dst, Rm::Reg(TEMP));
                    }
                },
                Val::Reg(held) => {
                    code.asm().mov_if(w, dst, from);
                    code.asm().imul(w, dst, Rm::Reg(held.gpr()));
                }
                Val::Mem(mem) => {
                    code.asm().mov_if(w, dst, from);
                    code.asm().imul(w, dst, Rm::Mem(mem));
                }
            }
        });
    }

    fn shift(&mut self, op: Shift, ty: Ty) {
        let w = width(ty);
        let by = self.top();
        if let Loc::Const(bits) = by.loc {
            let by = bits as u8 & if w == W32 { 31 } else { 63 };
            return self.two(ty, false, |code, dst, source, _| {
                code.asm().mov_if(w, dst, source.map_or(dst, Held::gpr));
                if by != 0 {
                    code.asm().shift_i(op, w, dst, by);
                }
            });
        }
        if self.input.cpu.bmi2 && !matches!(op, Shift::Rol | Shift::Ror) {
            let by = self.pop_reg();
            let a = self.pop();
            let source = match a {
                Val::Mem(mem) => Rm::Mem(mem),
                other => {
                    let held = self.in_reg(ty, other);
                    self.release(INT, held);
                    Rm::Reg(held.gpr())
                }
            };
            self.release(INT, by);
            let dst = self.result(INT);
            self.asm().shift_x(op, w, Gpr(dst), source, by.gpr());
            return self.push_result(ty, dst);
        }
        let by = self.pop();
        let a = self.pop();
        let (a, by_held) = self.count_in_cl(ty, a, by);
        let dst = self.in_own_reg(ty, a);
        self.asm().shift_cl(op, w, Gpr(dst));
        self.release(INT, by_held);
        self.push_reg(ty, dst);
    }

    /// Has a shift count in `cl`, and the shifted value elsewhere.
    fn count_in_cl(&mut self, ty: Ty, mut a: Val, by: Val) -> (Val, Held) {
        if let Val::Reg(held) = a
            && held.reg == RCX.0
        {
            let other = self.alloc_but(INT, 1 << RCX.0);
            self.move_reg(ty, other, RCX.0);
            self.release(INT, held);
            a = Val::Reg(Held { reg: other, owned: true });
        }
        if let Val::Reg(held) = by
            && held.reg == RCX.0
        {
            return (a, held);
        }
        self.take(INT, RCX.0);
        self.val_to(ty, RCX.0, by);
        self.release_val(INT, by);
        (a, Held { reg: RCX.0, owned: true })
    }

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
        self.val_to(ty, TEMP.0, b);
        self.release_val(INT, b);
        match a {
            Val::Reg(held) if held.reg == RAX.0 && held.owned => {}
            _ => {
                self.take(INT, RAX.0);
                self.val_to(ty, RAX.0, a);
                self.release_val(INT, a);
            }
        }
        self.take(INT, RDX.0);
        if divisor.is_none_or(|bits| bits == 0) && (signed || self.input.settings.explicit_checks) {
            self.asm().test(w, TEMP, TEMP);
            self.trap_if(Cc::E, TrapCode::IntegerDivideByZero);
        }
        let minus_one = if w == W32 { u64::from(u32::MAX) } else { u64::MAX };
        let may_overflow = divisor.is_none_or(|bits| bits == minus_one);
        if signed && remainder && may_overflow {
            self.asm().alu_i(Alu::Cmp, w, Rm::Reg(TEMP), -1);
            let other = self.asm().jcc_short(Cc::Ne);
            self.asm().alu(Alu::Xor, W32, RDX, Rm::Reg(RDX));
            let done = self.asm().jmp_short();
            self.asm().bind_short(other);
            self.asm().sign_to_dx(w);
            self.asm().unary(Unary::IDiv, w, Rm::Reg(TEMP));
            self.asm().bind_short(done);
        } else if signed {
            if may_overflow && self.input.settings.explicit_checks {
                self.check_quotient(w);
            }
            self.asm().sign_to_dx(w);
            self.trap_here(TrapCode::IntegerOverflow);
            self.asm().unary(Unary::IDiv, w, Rm::Reg(TEMP));
        } else {
            self.asm().alu(Alu::Xor, W32, RDX, Rm::Reg(RDX));
            self.trap_here(TrapCode::IntegerDivideByZero);
            self.asm().unary(Unary::Div, w, Rm::Reg(TEMP));
        }
        let (result, other) = if remainder { (RDX, RAX) } else { (RAX, RDX) };
        self.free_gpr(other);
        self.push_gpr(ty, result);
    }

    /// Traps if the smallest number in `rax` is to be divided by -1.
    fn check_quotient(&mut self, w: W) {
        self.asm().alu_i(Alu::Cmp, w, Rm::Reg(TEMP), -1);
        let fine = self.asm().jcc_short(Cc::Ne);
        // Only the smallest number overflows when negated.
        self.asm().mov(w, RDX, RAX);
        self.asm().unary(Unary::Neg, w, Rm::Reg(RDX));
        self.trap_if(Cc::O, TrapCode::IntegerOverflow);
        self.asm().bind_short(fine);
    }

    fn divide_by_power(&mut self, ty: Ty, bits: u64, remainder: bool) {
        let w = width(ty);
        self.two(ty, false, |code, dst, source, _| {
            code.asm().mov_if(w, dst, source.map_or(dst, Held::gpr));
            if remainder {
                code.alu_val(Alu::And, w, dst, Val::Const(bits - 1));
            } else if bits > 1 {
                code.asm().shift_i(Shift::Shr, w, dst, bits.trailing_zeros() as u8);
            }
        });
    }

    // ------------------------------------------------------------------------------------------ one operand

    /// An instruction with any source and a register to write.
    pub(super) fn unary(&mut self, ty: Ty, emit: impl FnOnce(&mut super::Asm, W, Gpr, Rm)) {
        let a = self.pop();
        let source = match a {
            Val::Mem(mem) => Rm::Mem(mem),
            other => {
                let held = self.in_reg(ty, other);
                self.release(INT, held);
                Rm::Reg(held.gpr())
            }
        };
        let dst = self.result(INT);
        emit(self.asm(), width(ty), Gpr(dst), source);
        self.push_result(ty, dst);
    }

    fn leading_zeros(&mut self, ty: Ty) {
        if self.input.cpu.lzcnt {
            return self.unary(ty, |asm, w, dst, src| asm.count(0xbd, w, dst, src));
        }
        let bits = if ty == Ty::I32 { 32 } else { 64 };
        let a = self.pop_reg();
        let dst = self.alloc_gpr();
        let w = width(ty);
        // Without bits set, `bsr` leaves its result undefined.
        self.asm().mov_i(TEMP, 2 * bits - 1);
        self.asm().op_rm(w == W64, &[0x0f, 0xbd], dst.0, Rm::Reg(a.gpr()));
        self.asm().cmov(Cc::E, w, dst, Rm::Reg(TEMP));
        self.asm().alu_i(Alu::Xor, w, Rm::Reg(dst), bits as i32 - 1);
        self.release(INT, a);
        self.push_gpr(ty, dst);
    }

    fn trailing_zeros(&mut self, ty: Ty) {
        if self.input.cpu.bmi1 {
            return self.unary(ty, |asm, w, dst, src| asm.count(0xbc, w, dst, src));
        }
        let bits = if ty == Ty::I32 { 32 } else { 64 };
        let a = self.pop_reg();
        let dst = self.alloc_gpr();
        let w = width(ty);
        self.asm().mov_i(TEMP, bits);
        self.asm().op_rm(w == W64, &[0x0f, 0xbc], dst.0, Rm::Reg(a.gpr()));
        self.asm().cmov(Cc::E, w, dst, Rm::Reg(TEMP));
        self.release(INT, a);
        self.push_gpr(ty, dst);
    }

    /// Sign-extends the low bytes.
    fn extend(&mut self, ty: Ty, bytes: u32) {
        self.unary(ty, |asm, w, dst, src| match bytes {
            1 => asm.movsx8(w, dst, src),
            2 => asm.movsx16(w, dst, src),
            _ => asm.movsxd(dst, src),
        });
    }

    // ------------------------------------------------------------------------------------------ wide arithmetic

    /// Operators on pairs of 64 bits.
    pub(super) fn wide(&mut self, op: Op) {
        if matches!(op, Op::I64MulWideS | Op::I64MulWideU) {
            let b = self.pop();
            let a = self.pop();
            self.val_to(Ty::I64, TEMP.0, b);
            self.release_val(INT, b);
            match a {
                Val::Reg(held) if held.reg == RAX.0 && held.owned => {}
                _ => {
                    self.take(INT, RAX.0);
                    self.val_to(Ty::I64, RAX.0, a);
                    self.release_val(INT, a);
                }
            }
            self.take(INT, RDX.0);
            let op = if op == Op::I64MulWideS { Unary::IMul } else { Unary::Mul };
            self.asm().unary(op, W64, Rm::Reg(TEMP));
            self.push_gpr(Ty::I64, RAX);
            self.push_gpr(Ty::I64, RDX);
            return;
        }
        let (first, second) = match op {
            Op::I64Add128 => (Alu::Add, WithCarry::Adc),
            _ => (Alu::Sub, WithCarry::Sbb),
        };
        let b_high = self.pop_reg();
        let b_low = self.pop_reg();
        let a_high = Gpr(self.pop_own());
        let a_low = Gpr(self.pop_own());
        self.asm().alu(first, W64, a_low, Rm::Reg(b_low.gpr()));
        self.asm().alu_carry(second, a_high, b_high.gpr());
        self.release(INT, b_low);
        self.release(INT, b_high);
        self.push_gpr(Ty::I64, a_low);
        self.push_gpr(Ty::I64, a_high);
    }
}
