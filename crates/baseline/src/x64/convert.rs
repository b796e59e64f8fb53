//! Owns conversions between integers and floats, and between floats.
//! Does not own conversions between integers (`integer`).
//!
//! The machine converts floats to signed integers and gives the smallest number for what is out of range. So a result is suspicious if it is
//! that number (or, where fewer bits are wanted than converted to, if it has more), and only then the operand is looked at.

use sterna_isa::{Op, TrapCode};

use super::float::{packed, scalar};
use super::{
    Alu, Assembler, Cc, Done, Gen, Gpr, Map, Pre, Rm, Shift, TEMP, TEMP_V, Vreg, W, W32, W64, X64,
    Xm, refused,
};
use crate::stack::{Bank, Ty};

const INVALID: TrapCode = TrapCode::InvalidConversionToInteger;
const OVERFLOW: TrapCode = TrapCode::IntegerOverflow;

/// A conversion from float to integer.
#[derive(Clone, Copy)]
struct Truncation {
    from: Ty,
    to: Ty,
    signed: bool,
    saturating: bool,
}

impl Gen<'_, X64> {
    // tidy: dispatch
    pub(super) fn convert(&mut self, op: Op) -> Done {
        use Op::*;
        let (params, results) = op.signature().expect("these classes have signatures");
        let (from, to) = (Ty::of_fixed(params[0]), Ty::of_fixed(results[0]));
        match op {
            F32ConvertI32S | F64ConvertI32S => self.signed_to_float(W32, from, to),
            F32ConvertI64S | F64ConvertI64S => self.signed_to_float(W64, from, to),
            // Its upper half is zero.
            F32ConvertI32U | F64ConvertI32U => self.signed_to_float(W64, from, to),
            F32ConvertI64U | F64ConvertI64U => self.unsigned_to_float(to),
            F32DemoteF64 | F64PromoteF32 => {
                let held = self.pop_reg();
                self.release(Bank::Float, held);
                let dst = Vreg(self.result(Bank::Float));
                self.asm().sse(scalar(from), 0x5a, dst, Xm::Reg(held.vreg()));
                self.canonicalize(op, to, dst);
                self.push_result(to, dst.0);
            }
            I32ReinterpretF32 | I64ReinterpretF64 => {
                let held = self.pop_reg();
                self.release(Bank::Float, held);
                let dst = self.result(Bank::Int);
                self.asm().mov_from_v(crate::driver::values::width(to), Gpr(dst), held.vreg());
                self.push_result(to, dst);
            }
            F32ReinterpretI32 | F64ReinterpretI64 => {
                let held = self.pop_reg();
                self.release(Bank::Int, held);
                let dst = self.result(Bank::Float);
                self.asm().mov_to_v(W64, Vreg(dst), held.gpr());
                self.push_result(to, dst);
            }
            _ => {
                let signed = matches!(
                    op,
                    I32TruncF32S
                        | I32TruncF64S
                        | I64TruncF32S
                        | I64TruncF64S
                        | I32TruncSatF32S
                        | I32TruncSatF64S
                        | I64TruncSatF32S
                        | I64TruncSatF64S
                );
                let saturating = op.class() == sterna_isa::Class::Pure;
                let is_truncation = from.bank() == Bank::Float && to.bank() == Bank::Int;
                if !is_truncation {
                    return Err(refused(op));
                }
                self.truncate_float(Truncation { from, to, signed, saturating });
            }
        }
        Ok(())
    }

    fn signed_to_float(&mut self, w: W, from: Ty, to: Ty) {
        debug_assert!(from.bank() == Bank::Int);
        let held = self.pop_reg();
        let dst = Vreg(self.result(Bank::Float));
        // The instruction keeps the upper part, so it would wait for whatever wrote that.
        self.asm().sse(Pre::None, 0x57, dst, Xm::Reg(dst));
        let op = (scalar(to), Map::M0F, 0x2a);
        self.asm().sse_gpr(op, w, dst, Rm::Reg(held.gpr()), None);
        self.release(Bank::Int, held);
        self.push_result(to, dst.0);
    }

    fn unsigned_to_float(&mut self, to: Ty) {
        let reg = Gpr(self.pop_own());
        let dst = self.alloc_vreg();
        let op = (scalar(to), Map::M0F, 0x2a);
        let asm = self.asm();
        asm.sse(Pre::None, 0x57, dst, Xm::Reg(dst));
        asm.test(W64, reg, reg);
        let large = asm.jcc_short(Cc::S);
        asm.sse_gpr(op, W64, dst, Rm::Reg(reg), None);
        let done = asm.jmp_short();
        asm.bind_short(large);
        // Half of it, rounded to odd, and twice the result.
        asm.mov(W64, TEMP, reg);
        asm.shift_i(Shift::Shr, W64, TEMP, 1);
        asm.alu_i(Alu::And, W32, Rm::Reg(reg), 1);
        asm.alu(Alu::Or, W64, TEMP, Rm::Reg(reg));
        asm.sse_gpr(op, W64, dst, Rm::Reg(TEMP), None);
        asm.sse(scalar(to), 0x58, dst, Xm::Reg(dst));
        asm.bind_short(done);
        self.free_gpr(reg);
        self.push_reg(to, dst.0);
    }

    fn truncate_float(&mut self, how: Truncation) {
        let held = self.pop_reg();
        let dst = self.alloc_gpr();
        let from = held.vreg();
        match (how.signed, how.to) {
            (true, _) => self.truncate_signed(how, dst, from),
            (false, Ty::I32) => self.truncate_u32(how, dst, from),
            (false, _) => self.truncate_u64(how, dst, from),
        }
        self.release(Bank::Float, held);
        self.push_gpr(how.to, dst);
    }

    fn cvtt(&mut self, ty: Ty, w: W, dst: Gpr, from: Vreg) {
        self.asm().sse_to_gpr(scalar(ty), 0x2c, w, dst, Xm::Reg(from));
    }

    /// Compares with a float constant.
    fn compare_float(&mut self, ty: Ty, a: Vreg, with: f64) {
        let bits = match ty {
            Ty::F32 => u64::from((with as f32).to_bits()),
            _ => with.to_bits(),
        };
        self.const_to(ty, TEMP_V.0, bits);
        self.asm().sse(packed(ty), 0x2e, a, Xm::Reg(TEMP_V));
    }

    fn truncate_signed(&mut self, how: Truncation, dst: Gpr, from: Vreg) {
        let w = crate::driver::values::width(how.to);
        self.cvtt(how.from, w, dst, from);
        // Only the smallest number overflows here.
        self.asm().alu_i(Alu::Cmp, w, Rm::Reg(dst), 1);
        let mut done = super::Label::NEW;
        self.asm().jcc(Cc::No, &mut done);
        self.asm().sse(packed(how.from), 0x2e, from, Xm::Reg(from));
        if how.saturating {
            let ordered = self.asm().jcc_short(Cc::Np);
            self.asm().alu(Alu::Xor, W32, dst, Rm::Reg(dst));
            self.asm().jmp(&mut done);
            self.asm().bind_short(ordered);
            self.compare_float(how.from, from, 0.0);
            self.asm().jcc(Cc::B, &mut done);
            let max = if w == W32 { i32::MAX as u64 } else { i64::MAX as u64 };
            self.asm().mov_i(dst, max);
        } else {
            self.trap_if(Cc::P, INVALID);
            // Just below the smallest integer there may be floats that round to it.
            let least = if w == W32 { -(2f64.powi(31)) } else { -(2f64.powi(63)) };
            let is_exact = how.to == Ty::I32 && how.from == Ty::F64;
            if is_exact {
                self.compare_float(how.from, from, least - 1.0);
                self.trap_if(Cc::Be, OVERFLOW);
            } else {
                self.compare_float(how.from, from, least);
                self.trap_if(Cc::B, OVERFLOW);
            }
            self.compare_float(how.from, from, 0.0);
            self.trap_if(Cc::A, OVERFLOW);
        }
        self.asm().bind(&mut done);
    }

    fn truncate_u32(&mut self, how: Truncation, dst: Gpr, from: Vreg) {
        // Every float in range is in range of 64 signed bits.
        self.cvtt(how.from, W64, dst, from);
        let asm = self.asm();
        asm.mov(W64, TEMP, dst);
        asm.shift_i(Shift::Shr, W64, TEMP, 32);
        let mut done = super::Label::NEW;
        self.asm().jcc(Cc::E, &mut done);
        self.asm().sse(packed(how.from), 0x2e, from, Xm::Reg(from));
        if how.saturating {
            // NaN and negative: 0, else the largest.
            self.asm().mov_i(dst, 0);
            self.asm().jcc(Cc::P, &mut done);
            self.compare_float(how.from, from, 0.0);
            self.asm().jcc(Cc::Be, &mut done);
            self.asm().mov_i(dst, u64::from(u32::MAX));
        } else {
            self.trap_if(Cc::P, INVALID);
            self.trap(OVERFLOW);
        }
        self.asm().bind(&mut done);
    }

    fn truncate_u64(&mut self, how: Truncation, dst: Gpr, from: Vreg) {
        let half = 2f64.powi(63);
        let mut done = super::Label::NEW;
        self.compare_float(how.from, from, half);
        let upper = self.asm().jcc_short(Cc::Ae);
        let mut upper_half = super::Label::NEW;
        let lower = self.asm().jmp_short();
        self.asm().bind_short(upper);
        // Unordered operands compare as below, so this is a number.
        self.asm().jmp(&mut upper_half);
        self.asm().bind_short(lower);
        self.cvtt(how.from, W64, dst, from);
        self.asm().test(W64, dst, dst);
        self.asm().jcc(Cc::Ns, &mut done);
        if how.saturating {
            self.asm().alu(Alu::Xor, W32, dst, Rm::Reg(dst));
        } else {
            self.asm().sse(packed(how.from), 0x2e, from, Xm::Reg(from));
            self.trap_if(Cc::P, INVALID);
            self.trap(OVERFLOW);
        }
        self.asm().jmp(&mut done);
        self.asm().bind(&mut upper_half);
        let bits =
            if how.from == Ty::F32 { u64::from((half as f32).to_bits()) } else { half.to_bits() };
        // TEMP_V = from - 2^63
        let shifted = self.alloc_vreg();
        self.asm().mov_v(shifted, from);
        self.const_to(how.from, TEMP_V.0, bits);
        self.asm().sse(scalar(how.from), 0x5c, shifted, Xm::Reg(TEMP_V));
        self.cvtt(how.from, W64, dst, shifted);
        self.free_vreg(shifted);
        self.asm().test(W64, dst, dst);
        if how.saturating {
            let fine = self.asm().jcc_short(Cc::Ns);
            self.asm().mov_i(dst, u64::MAX);
            self.asm().jmp(&mut done);
            self.asm().bind_short(fine);
        } else {
            self.trap_if(Cc::S, OVERFLOW);
        }
        self.asm().mov_i(TEMP, 1 << 63);
        self.asm().alu(Alu::Xor, W64, dst, Rm::Reg(TEMP));
        self.asm().bind(&mut done);
    }
}
