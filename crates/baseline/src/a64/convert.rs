//! Owns conversions between integers and floats, and between floats.
//! Does not own conversions between integers (`integer`).
//!
//! The machine converts floats to the nearest integer there is, and NaN to 0. What is to trap is found in another way: a NaN is unordered; what
//! does not fit 32 bits is found in 64, what does not fit 64 by comparing with the bounds.

use sterna_isa::{Op, TrapCode};

use super::A64;
use super::asm::{Asm, Extend, Rrr, Vreg, ZR, float_imm};
use super::float::{LESS, LESS_OR_EQUAL, UNORDERED, precision};
use crate::driver::values::width;
use crate::driver::{Done, Gen, refused};
use crate::machine::{Cc, Gpr, Machine, W, W32, W64};
use crate::stack::{Bank, Ty};

const INVALID: TrapCode = TrapCode::InvalidConversionToInteger;
const OVERFLOW: TrapCode = TrapCode::IntegerOverflow;

impl Gen<'_, A64> {
    // tidy: dispatch
    pub(super) fn convert(&mut self, op: Op) -> Done {
        use Op::*;
        let (params, results) = op.signature().expect("these classes have signatures");
        let (from, to) = (Ty::of_fixed(params[0]), Ty::of_fixed(results[0]));
        match op {
            F32ConvertI32S | F64ConvertI32S | F32ConvertI64S | F64ConvertI64S => {
                self.make_float(from, to, |asm, to, from, dst, src| asm.scvtf(to, from, dst, src));
            }
            F32ConvertI32U | F64ConvertI32U | F32ConvertI64U | F64ConvertI64U => {
                self.make_float(from, to, |asm, to, from, dst, src| asm.ucvtf(to, from, dst, src));
            }
            F32ReinterpretI32 | F64ReinterpretI64 => {
                self.make_float(from, to, |asm, to, _, dst, src| asm.fmov_from_gpr(to, dst, src));
            }
            F32DemoteF64 | F64PromoteF32 => {
                let held = self.pop_reg();
                self.release(Bank::Float, held);
                let dst = Vreg(self.result(Bank::Float));
                self.asm().fcvt(precision(from), dst, held.vreg());
                self.canonicalize(op, to, dst);
                self.push_result(to, dst.0);
            }
            I32ReinterpretF32 | I64ReinterpretF64 => {
                self.make_integer(from, to, |asm, to, _, dst, src| asm.fmov_to_gpr(to, dst, src));
            }
            I32TruncSatF32S | I32TruncSatF64S | I64TruncSatF32S | I64TruncSatF64S => {
                self.make_integer(from, to, Asm::fcvtzs);
            }
            I32TruncSatF32U | I32TruncSatF64U | I64TruncSatF32U | I64TruncSatF64U => {
                self.make_integer(from, to, Asm::fcvtzu);
            }
            I32TruncF32S | I32TruncF64S => self.truncate32(from, Extend::Sxtw),
            I32TruncF32U | I32TruncF64U => self.truncate32(from, Extend::Uxtw),
            I64TruncF32S | I64TruncF64S => self.truncate64(from, true),
            I64TruncF32U | I64TruncF64U => self.truncate64(from, false),
            _ => return Err(refused(op)),
        }
        Ok(())
    }

    fn make_float(&mut self, from: Ty, to: Ty, emit: fn(&mut Asm, W, W, Vreg, Gpr)) {
        let held = self.pop_reg();
        self.release(Bank::Int, held);
        let dst = self.result(Bank::Float);
        emit(self.asm(), precision(to), width(from), Vreg(dst), held.gpr());
        self.push_result(to, dst);
    }

    fn make_integer(&mut self, from: Ty, to: Ty, emit: fn(&mut Asm, W, W, Gpr, Vreg)) {
        let held = self.pop_reg();
        self.release(Bank::Float, held);
        let dst = self.result(Bank::Int);
        emit(self.asm(), width(to), precision(from), Gpr(dst), held.vreg());
        self.push_result(to, dst);
    }

    /// Every float in range is in range of 64 signed bits, and none out of it comes back into it.
    fn truncate32(&mut self, from: Ty, extend: Extend) {
        let held = self.pop_reg();
        let dst = self.alloc_gpr();
        let w = precision(from);
        self.asm().fcvtzs(W64, w, dst, held.vreg());
        self.asm().fcmp(w, held.vreg(), held.vreg());
        self.trap_if(UNORDERED, INVALID);
        self.asm().extended(Rrr::Subs, W64, ZR, dst, (dst, extend, 0));
        self.trap_if(Cc::Ne, OVERFLOW);
        self.asm().mov(W32, dst, dst);
        self.release(Bank::Float, held);
        self.push_gpr(Ty::I32, dst);
    }

    /// The bounds are floats of either precision: the upper one is out of range, the lower one as well if unsigned.
    fn truncate64(&mut self, from: Ty, signed: bool) {
        let held = self.pop_reg();
        let (w, value, bound) = (precision(from), held.vreg(), A64::TEMP_V);
        let upper = 2f64.powi(if signed { 63 } else { 64 });
        let bits = if w == W32 { u64::from((upper as f32).to_bits()) } else { upper.to_bits() };
        self.asm().mov_i(A64::TEMP, bits);
        self.asm().fmov_from_gpr(w, bound, A64::TEMP);
        self.asm().fcmp(w, value, bound);
        self.trap_if(UNORDERED, INVALID);
        self.trap_if(Cc::Ge, OVERFLOW);
        if signed {
            self.asm().fneg(w, bound, bound);
        } else {
            let one = float_imm(W64, (-1f64).to_bits()).expect("-1 has an encoding");
            self.asm().fmov_imm(w, bound, one);
        }
        self.asm().fcmp(w, value, bound);
        self.trap_if(if signed { LESS } else { LESS_OR_EQUAL }, OVERFLOW);
        self.release(Bank::Float, held);
        let dst = Gpr(self.result(Bank::Int));
        if signed {
            self.asm().fcvtzs(W64, w, dst, value);
        } else {
            self.asm().fcvtzu(W64, w, dst, value);
        }
        self.push_result(Ty::I64, dst.0);
    }
}
