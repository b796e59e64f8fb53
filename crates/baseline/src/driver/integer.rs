//! Owns the operators on integers that take the same on all machines: comparisons, and conversions between widths that are moves.
//! Does not own the others.

use sterna_isa::Op;

use super::values::{Val, width};
use super::{Alu, Assembler, Cc, Done, Gen, Gpr, Machine, Rm, W32};
use crate::stack::{Bank, Cond, Entry, Loc, Ty};

impl<M: Machine> Gen<'_, M> {
    /// An operator on integers with an integer result.
    pub(super) fn integer_operator(&mut self, op: Op) -> Done {
        if let Some((cc, ty)) = comparison(op) {
            self.compare(cc, ty);
            return Ok(());
        }
        match op {
            Op::I32Eqz => self.eqz(Ty::I32),
            Op::I64Eqz => self.eqz(Ty::I64),
            Op::I32WrapI64 => self.wrap(),
            Op::I64ExtendI32U => self.extend_unsigned(),
            _ => return M::integer(self, op),
        }
        Ok(())
    }

    /// Compares two operands; the flags are the result.
    fn compare(&mut self, mut cc: Cc, ty: Ty) {
        let w = width(ty);
        let swap = matches!(self.s.stack[self.s.stack.len() - 2].loc, Loc::Const(_));
        let (a, b);
        if swap {
            a = self.pop_reg();
            b = self.pop();
            cc = cc.swapped();
        } else {
            b = self.pop();
            if let (Val::Const(bits), Val::Mem(mem)) = (b, self.val_of(&self.top())) {
                let fits = i32::try_from(bits as i64).is_ok();
                if w == W32 || fits {
                    self.pop();
                    self.asm().alu_i(Alu::Cmp, w, Rm::Mem(mem), bits as i32);
                    return self.push_flags(Cond::Cc(cc));
                }
            }
            a = self.pop_reg();
        }
        match b {
            Val::Const(0) => self.asm().compare_zero(w, a.gpr()),
            _ => self.alu_val(Alu::Cmp, w, a.gpr(), b),
        }
        self.release(Bank::Int, a);
        self.release_val(Bank::Int, b);
        self.push_flags(Cond::Cc(cc));
    }

    fn eqz(&mut self, ty: Ty) {
        if let Entry { loc: Loc::Flags(cond), .. } = self.top() {
            self.pop_entry();
            return self.push_flags(cond.inverted());
        }
        match self.val_of(&self.top()) {
            Val::Mem(mem) => {
                self.pop();
                self.asm().alu_i(Alu::Cmp, width(ty), Rm::Mem(mem), 0);
            }
            _ => {
                let a = self.pop_reg();
                self.asm().test(width(ty), a.gpr(), a.gpr());
                self.release(Bank::Int, a);
            }
        }
        self.push_flags(Cond::Cc(Cc::E));
    }

    fn wrap(&mut self) {
        let a = self.pop();
        match a {
            Val::Const(bits) => self.push_const(Ty::I32, bits & u64::from(u32::MAX)),
            Val::Mem(mem) => {
                let dst = self.result(Bank::Int);
                self.asm().load(W32, Gpr(dst), mem);
                self.push_result(Ty::I32, dst);
            }
            Val::Reg(held) => {
                self.release(Bank::Int, held);
                let dst = match self.result_hint(Bank::Int) {
                    Some(pin) => pin,
                    None => self.alloc(Bank::Int),
                };
                self.asm().mov(W32, Gpr(dst), held.gpr());
                self.push_result(Ty::I32, dst);
            }
        }
    }

    fn extend_unsigned(&mut self) {
        let a = self.pop();
        match a {
            Val::Const(bits) => self.push_const(Ty::I64, bits),
            Val::Reg(held) if held.owned => self.push_reg(Ty::I64, held.reg),
            other => {
                let dst = self.result(Bank::Int);
                self.val_to(Ty::I32, dst, other);
                self.push_result(Ty::I64, dst);
            }
        }
    }
}

/// Condition of a comparison of integers, and their type.
fn comparison(op: Op) -> Option<(Cc, Ty)> {
    use Op::*;
    let cc = match op {
        I32Eq | I64Eq => Cc::E,
        I32Ne | I64Ne => Cc::Ne,
        I32LtS | I64LtS => Cc::L,
        I32LtU | I64LtU => Cc::B,
        I32GtS | I64GtS => Cc::G,
        I32GtU | I64GtU => Cc::A,
        I32LeS | I64LeS => Cc::Le,
        I32LeU | I64LeU => Cc::Be,
        I32GeS | I64GeS => Cc::Ge,
        I32GeU | I64GeU => Cc::Ae,
        _ => return None,
    };
    let (params, _) = op.signature().expect("comparisons have signatures");
    Some((cc, Ty::of_fixed(params[0])))
}
