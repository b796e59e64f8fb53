//! Owns choices between two values.
//! Does not own comparisons.

use super::{A64, Asm, Gen, Gpr, TEMP_V, VALUE, Vreg};
use crate::driver::values::{Val, width};
use crate::stack::{Bank, Cond, Ty};

impl Gen<'_, A64> {
    /// Replaces `dst` by `b` unless a condition holds.
    pub(super) fn choose(&mut self, ty: Ty, cond: Cond, dst: u8, b: Val) {
        let cc = cond.native();
        if ty == Ty::V128 {
            let skip = self.asm().b_cond_short(cc);
            self.val_to(ty, dst, b);
            return Asm::bind_short(self.asm(), skip);
        }
        let other = match (b, ty.bank()) {
            (Val::Reg(held), _) => held.reg,
            (_, Bank::Int) => VALUE.0,
            (_, Bank::Float) => TEMP_V.0,
        };
        if !matches!(b, Val::Reg(_)) {
            self.val_to(ty, other, b);
        }
        let w = width(ty);
        match ty.bank() {
            Bank::Int => self.asm().csel(w, Gpr(dst), Gpr(dst), Gpr(other), cc),
            Bank::Float => {
                let w = if ty == Ty::F32 { super::W32 } else { super::W64 };
                self.asm().fcsel(w, Vreg(dst), Vreg(dst), Vreg(other), cc);
            }
        }
    }
}
