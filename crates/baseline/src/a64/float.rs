//! Owns arithmetic and comparisons of scalar floats, and canonical NaNs.
//! Does not own conversions (`convert`).
//!
//! The machine's minimum, maximum and rounding are those of the specification: NaNs stay, become quiet, and the negative zero is the smaller one.

use sterna_isa::Op;

use super::A64;
use super::asm::{Asm, Vreg, vector_codes as v};
use crate::driver::values::Val;
use crate::driver::{Done, Gen, refused};
use crate::machine::{Assembler, Cc, Machine, W, W32, W64};
use crate::stack::{Bank, Cond, Ty};

const FLOAT: Bank = Bank::Float;

// Conditions after a comparison of floats. Equality and "greater" are as after one of signed integers; all but "not equal" are ordered.
/// `mi`: less and ordered.
pub(super) const LESS: Cc = Cc::S;
/// `ls`: less or equal and ordered.
pub(super) const LESS_OR_EQUAL: Cc = Cc::Be;
/// `vs`.
pub(super) const UNORDERED: Cc = Cc::P;
/// `vc`.
const ORDERED: Cc = Cc::Np;

/// Precision of floats of a type.
pub(super) fn precision(ty: Ty) -> W {
    if ty == Ty::F32 { W32 } else { W64 }
}

/// An instruction on scalars with two sources.
type Three = fn(&mut Asm, W, Vreg, Vreg, Vreg);
/// With one.
type Two = fn(&mut Asm, W, Vreg, Vreg);

impl Gen<'_, A64> {
    // tidy: dispatch
    pub(super) fn float(&mut self, op: Op) -> Done {
        use Op::*;
        let (_, results) = op.signature().expect("these classes have signatures");
        let ty = Ty::of_fixed(results[0]);
        match op {
            F32Add | F64Add => self.float_two(op, ty, Asm::fadd),
            F32Sub | F64Sub => self.float_two(op, ty, Asm::fsub),
            F32Mul | F64Mul => self.float_two(op, ty, Asm::fmul),
            F32Div | F64Div => self.float_two(op, ty, Asm::fdiv),
            F32Min | F64Min => self.float_two(op, ty, Asm::fmin),
            F32Max | F64Max => self.float_two(op, ty, Asm::fmax),
            F32Sqrt | F64Sqrt => self.float_one(op, ty, Asm::fsqrt),
            F32Nearest | F64Nearest => self.float_one(op, ty, Asm::frintn),
            F32Floor | F64Floor => self.float_one(op, ty, Asm::frintm),
            F32Ceil | F64Ceil => self.float_one(op, ty, Asm::frintp),
            F32Trunc | F64Trunc => self.float_one(op, ty, Asm::frintz),
            F32Abs | F64Abs => self.float_one(op, ty, Asm::fabs),
            F32Neg | F64Neg => self.float_one(op, ty, Asm::fneg),
            F32Copysign | F64Copysign => self.copysign(ty),
            _ => return Err(refused(op)),
        }
        Ok(())
    }

    fn float_two(&mut self, op: Op, ty: Ty, emit: Three) {
        let b = self.pop_reg();
        let a = self.pop_reg();
        self.release(FLOAT, a);
        self.release(FLOAT, b);
        let dst = self.result(FLOAT);
        emit(self.asm(), precision(ty), Vreg(dst), a.vreg(), b.vreg());
        self.canonicalize(op, ty, Vreg(dst));
        self.push_result(ty, dst);
    }

    fn float_one(&mut self, op: Op, ty: Ty, emit: Two) {
        let a = self.pop_reg();
        self.release(FLOAT, a);
        let dst = self.result(FLOAT);
        emit(self.asm(), precision(ty), Vreg(dst), a.vreg());
        self.canonicalize(op, ty, Vreg(dst));
        self.push_result(ty, dst);
    }

    /// The sign's bit is inserted.
    fn copysign(&mut self, ty: Ty) {
        let sign = self.pop_reg();
        let dst = Vreg(self.pop_own());
        self.vector_const(A64::TEMP_V, sign_bits(ty));
        self.asm().v3(v::BIT, dst, sign.vreg(), A64::TEMP_V);
        self.release(FLOAT, sign);
        self.push_reg(ty, dst.0);
    }

    /// Compares two operands; the flags are the result.
    pub(super) fn float_compare(&mut self, op: Op) -> Done {
        use Op::*;
        let cc = match op {
            F32Eq | F64Eq => Cc::E,
            F32Ne | F64Ne => Cc::Ne,
            F32Lt | F64Lt => LESS,
            F32Le | F64Le => LESS_OR_EQUAL,
            F32Gt | F64Gt => Cc::G,
            F32Ge | F64Ge => Cc::Ge,
            _ => return Err(refused(op)),
        };
        let ty = self.top().ty;
        if let Val::Const(0) = self.val_of(&self.top()) {
            self.pop();
            let a = self.pop_reg();
            self.asm().fcmp_zero(precision(ty), a.vreg());
            self.release(FLOAT, a);
        } else {
            let b = self.pop_reg();
            let a = self.pop_reg();
            self.asm().fcmp(precision(ty), a.vreg(), b.vreg());
            self.release(FLOAT, a);
            self.release(FLOAT, b);
        }
        self.push_flags(Cond::Cc(cc));
        Ok(())
    }

    /// Replaces a NaN that an operator may have made by the canonical one, if that is asked for.
    pub(super) fn canonicalize(&mut self, op: Op, ty: Ty, reg: Vreg) {
        if !self.input.settings.deterministic || sterna_eval::nan_shape(op).is_none() {
            return;
        }
        let nan = if ty == Ty::F32 { 0x7fc0_0000 } else { 0x7ff8_0000_0000_0000 };
        let w = precision(ty);
        let asm = self.asm();
        asm.fcmp(w, reg, reg);
        let ordered = asm.jcc_short(ORDERED);
        asm.mov_i(A64::TEMP, nan);
        asm.fmov_from_gpr(w, reg, A64::TEMP);
        asm.bind_short(ordered);
    }
}

/// The sign of every lane.
fn sign_bits(ty: Ty) -> u128 {
    match precision(ty) {
        W32 => 0x8000_0000_8000_0000_8000_0000_8000_0000,
        W64 => 0x8000_0000_0000_0000_8000_0000_0000_0000,
    }
}
