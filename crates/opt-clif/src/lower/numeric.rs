//! Owns the lowering of scalar operators: integers, floats, conversions, wide arithmetic, canonical NaNs.
//! Does not own traps as such (`traps`), nor vectors (`vector`).

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, types};
use sterna_eval::NanShape;
use sterna_isa::{Op, TrapCode};
use sterna_opt::Inst;

use super::Lower;

impl Lower<'_> {
    /// Lowers an operator of class Pure without vectors.
    // tidy: dispatch
    pub(super) fn scalar(&mut self, op: Op, inst: Inst) {
        use Op::*;
        if let Some(cc) = int_comparison(op) {
            let (a, b) = (self.arg(inst, 0), self.arg(inst, 1));
            let value = self.pos.ins().icmp(cc, a, b);
            return self.set_bool(inst, value);
        }
        if let Some(cc) = float_comparison(op) {
            let (a, b) = (self.arg(inst, 0), self.arg(inst, 1));
            let value = self.pos.ins().fcmp(cc, a, b);
            return self.set_bool(inst, value);
        }
        let a = match op {
            I32Eqz | I64Eqz => self.condition(self.input.graph.args(inst)[0]),
            _ => self.arg(inst, 0),
        };
        if self.input.graph.args(inst).len() == 1 {
            return self.unary(op, inst, a);
        }
        let b = self.arg(inst, 1);
        let ins = self.pos.ins();
        let value = match op {
            I32Add | I64Add => ins.iadd(a, b),
            I32Sub | I64Sub => ins.isub(a, b),
            I32Mul | I64Mul => ins.imul(a, b),
            I32And | I64And => ins.band(a, b),
            I32Or | I64Or => ins.bor(a, b),
            I32Xor | I64Xor => ins.bxor(a, b),
            I32Shl | I64Shl => ins.ishl(a, b),
            I32ShrS | I64ShrS => ins.sshr(a, b),
            I32ShrU | I64ShrU => ins.ushr(a, b),
            I32Rotl | I64Rotl => ins.rotl(a, b),
            I32Rotr | I64Rotr => ins.rotr(a, b),
            F32Add | F64Add => ins.fadd(a, b),
            F32Sub | F64Sub => ins.fsub(a, b),
            F32Mul | F64Mul => ins.fmul(a, b),
            F32Div | F64Div => ins.fdiv(a, b),
            F32Min | F64Min => ins.fmin(a, b),
            F32Max | F64Max => ins.fmax(a, b),
            F32Copysign | F64Copysign => ins.fcopysign(a, b),
            _ => unreachable!("{op} is no pure scalar operator with two operands"),
        };
        self.set(inst, value);
    }

    // tidy: dispatch
    fn unary(&mut self, op: Op, inst: Inst, a: ir::Value) {
        use Op::*;
        if matches!(op, I32Eqz | I64Eqz) {
            let ty = self.pos.func.dfg.value_type(a);
            let zero = self.pos.ins().iconst(ty, 0);
            let value = self.pos.ins().icmp(IntCC::Equal, a, zero);
            return self.set_bool(inst, value);
        }
        let value = match op {
            I32Extend8S => self.extend(a, types::I8, types::I32),
            I32Extend16S => self.extend(a, types::I16, types::I32),
            I64Extend8S => self.extend(a, types::I8, types::I64),
            I64Extend16S => self.extend(a, types::I16, types::I64),
            I64Extend32S => self.extend(a, types::I32, types::I64),
            I32ReinterpretF32 => self.cast(a, types::I32),
            I64ReinterpretF64 => self.cast(a, types::I64),
            F32ReinterpretI32 => self.cast(a, types::F32),
            F64ReinterpretI64 => self.cast(a, types::F64),
            _ => {
                let ins = self.pos.ins();
                match op {
                    I32Clz | I64Clz => ins.clz(a),
                    I32Ctz | I64Ctz => ins.ctz(a),
                    I32Popcnt | I64Popcnt => ins.popcnt(a),
                    F32Abs | F64Abs => ins.fabs(a),
                    F32Neg | F64Neg => ins.fneg(a),
                    F32Ceil | F64Ceil => ins.ceil(a),
                    F32Floor | F64Floor => ins.floor(a),
                    F32Trunc | F64Trunc => ins.trunc(a),
                    F32Nearest | F64Nearest => ins.nearest(a),
                    F32Sqrt | F64Sqrt => ins.sqrt(a),
                    I32WrapI64 => ins.ireduce(types::I32, a),
                    I64ExtendI32S => ins.sextend(types::I64, a),
                    I64ExtendI32U => ins.uextend(types::I64, a),
                    F32ConvertI32S | F32ConvertI64S => ins.fcvt_from_sint(types::F32, a),
                    F32ConvertI32U | F32ConvertI64U => ins.fcvt_from_uint(types::F32, a),
                    F64ConvertI32S | F64ConvertI64S => ins.fcvt_from_sint(types::F64, a),
                    F64ConvertI32U | F64ConvertI64U => ins.fcvt_from_uint(types::F64, a),
                    F32DemoteF64 => ins.fdemote(types::F32, a),
                    F64PromoteF32 => ins.fpromote(types::F64, a),
                    I32TruncSatF32S | I32TruncSatF64S => ins.fcvt_to_sint_sat(types::I32, a),
                    I32TruncSatF32U | I32TruncSatF64U => ins.fcvt_to_uint_sat(types::I32, a),
                    I64TruncSatF32S | I64TruncSatF64S => ins.fcvt_to_sint_sat(types::I64, a),
                    I64TruncSatF32U | I64TruncSatF64U => ins.fcvt_to_uint_sat(types::I64, a),
                    _ => unreachable!("{op} is no pure scalar operator with one operand"),
                }
            }
        };
        self.set(inst, value);
    }

    /// Sign-extends the low bits of `a`.
    fn extend(&mut self, a: ir::Value, from: types::Type, to: types::Type) -> ir::Value {
        let low = self.pos.ins().ireduce(from, a);
        self.pos.ins().sextend(to, low)
    }

    /// Lowers an operator of class Wide.
    pub(super) fn wide(&mut self, op: Op, inst: Inst) {
        let (a, b) = (self.arg(inst, 0), self.arg(inst, 1));
        let wide = match op {
            Op::I64Add128 | Op::I64Sub128 => {
                let (c, d) = (self.arg(inst, 2), self.arg(inst, 3));
                let x = self.pos.ins().iconcat(a, b);
                let y = self.pos.ins().iconcat(c, d);
                if op == Op::I64Add128 {
                    self.pos.ins().iadd(x, y)
                } else {
                    self.pos.ins().isub(x, y)
                }
            }
            Op::I64MulWideS => {
                let x = self.pos.ins().sextend(types::I128, a);
                let y = self.pos.ins().sextend(types::I128, b);
                self.pos.ins().imul(x, y)
            }
            _ => {
                let x = self.pos.ins().uextend(types::I128, a);
                let y = self.pos.ins().uextend(types::I128, b);
                self.pos.ins().imul(x, y)
            }
        };
        let (low, high) = self.pos.ins().isplit(wide);
        for (result, value) in self.input.graph.results(inst).zip([low, high]) {
            self.define(result, value);
        }
    }

    /// Lowers an operator of class Trapping. Where hardware or Cranelift's own checks may fault, it does the checking.
    pub(super) fn trapping(&mut self, op: Op, inst: Inst) {
        use Op::*;
        let a = self.arg(inst, 0);
        if self.input.graph.args(inst).len() == 1 {
            return self.truncate(op, inst, a);
        }
        let b = self.arg(inst, 1);
        if self.input.settings.explicit_checks {
            self.check_division(op, a, b);
        }
        let ins = self.pos.ins();
        let value = match op {
            I32DivS | I64DivS => ins.sdiv(a, b),
            I32DivU | I64DivU => ins.udiv(a, b),
            I32RemS | I64RemS => ins.srem(a, b),
            _ => ins.urem(a, b),
        };
        self.set(inst, value);
    }

    fn check_division(&mut self, op: Op, a: ir::Value, b: ir::Value) {
        let ty = self.pos.func.dfg.value_type(a);
        let zero = self.pos.ins().iconst(ty, 0);
        let is_zero = self.pos.ins().icmp(IntCC::Equal, b, zero);
        self.trap_if(is_zero, TrapCode::IntegerDivideByZero);
        if matches!(op, Op::I32DivS | Op::I64DivS) {
            let minimum = if ty == types::I32 { 1 << 31 } else { i64::MIN };
            let ones = if ty == types::I32 { i64::from(u32::MAX) } else { -1 };
            let minimum = self.pos.ins().iconst(ty, minimum);
            let ones = self.pos.ins().iconst(ty, ones);
            let is_minimum = self.pos.ins().icmp(IntCC::Equal, a, minimum);
            let is_minus_one = self.pos.ins().icmp(IntCC::Equal, b, ones);
            let overflows = self.pos.ins().band(is_minimum, is_minus_one);
            self.trap_if(overflows, TrapCode::IntegerOverflow);
        }
    }

    /// A conversion of a float that may be out of range.
    fn truncate(&mut self, op: Op, inst: Inst, a: ir::Value) {
        use Op::*;
        let signed = matches!(op, I32TruncF32S | I32TruncF64S | I64TruncF32S | I64TruncF64S);
        let ty = match op {
            I32TruncF32S | I32TruncF64S | I32TruncF32U | I32TruncF64U => types::I32,
            _ => types::I64,
        };
        let value = if self.input.settings.explicit_checks {
            self.check_truncation(a, ty, signed);
            match signed {
                true => self.pos.ins().fcvt_to_sint_sat(ty, a),
                false => self.pos.ins().fcvt_to_uint_sat(ty, a),
            }
        } else {
            match signed {
                true => self.pos.ins().fcvt_to_sint(ty, a),
                false => self.pos.ins().fcvt_to_uint(ty, a),
            }
        };
        self.set(inst, value);
    }

    /// Traps unless the float `a`, rounded towards zero, is in range of the integer type `ty`.
    fn check_truncation(&mut self, a: ir::Value, ty: types::Type, signed: bool) {
        let is_nan = self.pos.ins().fcmp(FloatCC::Unordered, a, a);
        self.trap_if(is_nan, TrapCode::InvalidConversionToInteger);
        let float = self.pos.func.dfg.value_type(a);
        // In range are: -1 < a < 2^bits if unsigned, -2^(bits-1) - 1 < a < 2^(bits-1) if signed. The lower bound is exact
        // only for i32 from f64; elsewhere there is no float between it and -2^(bits-1), which is in range.
        let bits = i32::try_from(ty.bits()).expect("32 or 64") - i32::from(signed);
        let upper = 2f64.powi(bits);
        let (lower, too_low) = match signed {
            false => (-1.0, FloatCC::LessThanOrEqual),
            true if ty == types::I32 && float == types::F64 => {
                (-upper - 1.0, FloatCC::LessThanOrEqual)
            }
            true => (-upper, FloatCC::LessThan),
        };
        for (bound, cc) in [(lower, too_low), (upper, FloatCC::GreaterThanOrEqual)] {
            let bound = match float {
                types::F32 => self.pos.ins().f32const(bound as f32),
                _ => self.pos.ins().f64const(bound),
            };
            let out = self.pos.ins().fcmp(cc, a, bound);
            self.trap_if(out, TrapCode::IntegerOverflow);
        }
    }

    /// Replaces NaNs in the only result by canonical ones.
    pub(super) fn canonicalize_nan(&mut self, shape: NanShape, inst: Inst) {
        let result = self.input.graph.inst(inst).first_result;
        let value = ir::Value::from_u32(self.cx.values[result.index()].value);
        let canonical = match shape {
            NanShape::F32 | NanShape::F64 => {
                let nan = match shape {
                    NanShape::F32 => self.pos.ins().f32const(f32::from_bits(0x7fc0_0000)),
                    _ => self.pos.ins().f64const(f64::from_bits(0x7ff8_0000_0000_0000)),
                };
                let is_nan = self.pos.ins().fcmp(FloatCC::Unordered, value, value);
                self.pos.ins().select(is_nan, nan, value)
            }
            NanShape::F32x4 | NanShape::F64x2 => {
                let (ty, nan) = match shape {
                    NanShape::F32x4 => (types::F32X4, u128::MAX / 0xffff_ffff * 0x7fc0_0000),
                    _ => (types::F64X2, u128::MAX / 0xffff_ffff_ffff_ffff * 0x7ff8_0000_0000_0000),
                };
                let nan = self.vector_constant(ty, nan);
                let value = self.cast(value, ty);
                let is_nan = self.pos.ins().fcmp(FloatCC::Unordered, value, value);
                let mask = self.cast(is_nan, ty);
                self.pos.ins().bitselect(mask, nan, value)
            }
        };
        self.set(inst, canonical);
    }
}

/// Condition of a comparison of integers.
fn int_comparison(op: Op) -> Option<IntCC> {
    use Op::*;
    Some(match op {
        I32Eq | I64Eq => IntCC::Equal,
        I32Ne | I64Ne => IntCC::NotEqual,
        I32LtS | I64LtS => IntCC::SignedLessThan,
        I32LtU | I64LtU => IntCC::UnsignedLessThan,
        I32GtS | I64GtS => IntCC::SignedGreaterThan,
        I32GtU | I64GtU => IntCC::UnsignedGreaterThan,
        I32LeS | I64LeS => IntCC::SignedLessThanOrEqual,
        I32LeU | I64LeU => IntCC::UnsignedLessThanOrEqual,
        I32GeS | I64GeS => IntCC::SignedGreaterThanOrEqual,
        I32GeU | I64GeU => IntCC::UnsignedGreaterThanOrEqual,
        _ => return None,
    })
}

/// Condition of a comparison of scalar floats.
fn float_comparison(op: Op) -> Option<FloatCC> {
    use Op::*;
    Some(match op {
        F32Eq | F64Eq => FloatCC::Equal,
        F32Ne | F64Ne => FloatCC::NotEqual,
        F32Lt | F64Lt => FloatCC::LessThan,
        F32Gt | F64Gt => FloatCC::GreaterThan,
        F32Le | F64Le => FloatCC::LessThanOrEqual,
        F32Ge | F64Ge => FloatCC::GreaterThanOrEqual,
        _ => return None,
    })
}
