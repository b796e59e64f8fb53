//! Owns choices between two values.
//! Does not own comparisons.

use super::{Assembler, Cc, Gen, Gpr, Rm, X64};
use crate::driver::values::{Val, width};
use crate::stack::{Bank, Cond, Ty};

impl Gen<'_, X64> {
    /// Replaces `dst` by `b` unless a condition holds.
    pub(super) fn choose(&mut self, ty: Ty, cond: Cond, dst: u8, b: Val) {
        match (ty.bank(), cond, b) {
            (Bank::Int, Cond::Cc(cc), Val::Reg(held)) => {
                self.asm().cmov(cc.inverted(), width(ty), Gpr(dst), Rm::Reg(held.gpr()));
            }
            (Bank::Int, Cond::Cc(cc), Val::Mem(mem)) => {
                self.asm().cmov(cc.inverted(), width(ty), Gpr(dst), Rm::Mem(mem));
            }
            (_, cond, _) => self.select_by_jump(ty, cond, dst, b),
        }
    }

    fn select_by_jump(&mut self, ty: Ty, cond: Cond, dst: u8, b: Val) {
        match cond {
            Cond::Cc(cc) => {
                let skip = self.asm().jcc_short(cc);
                self.val_to(ty, dst, b);
                self.asm().bind_short(skip);
            }
            Cond::FloatEq => {
                let unordered = self.asm().jcc_short(Cc::P);
                let skip = self.asm().jcc_short(Cc::E);
                self.asm().bind_short(unordered);
                self.val_to(ty, dst, b);
                self.asm().bind_short(skip);
            }
            Cond::FloatNe => {
                let unordered = self.asm().jcc_short(Cc::P);
                let skip = self.asm().jcc_short(Cc::Ne);
                self.val_to(ty, dst, b);
                self.asm().bind_short(skip);
                self.asm().bind_short(unordered);
            }
        }
    }
}
