//! Owns the lowering of relaxed vector operators.
//! Does not use the freedom they give: a program that moves between tiers must see one choice, so every operator has the result that
//! `eval` defines, which is that of the deterministic profile.

use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8};
use cranelift_codegen::ir::{self, InstBuilder, types};
use sterna_isa::Op;
use sterna_opt::Inst;

use super::Lower;

impl Lower<'_> {
    /// Lowers a relaxed vector operator.
    pub(super) fn relaxed(&mut self, op: Op, inst: Inst) {
        use Op::*;
        let value = match op {
            I8x16RelaxedSwizzle => {
                let (a, b) = (self.vector_arg(inst, 0, I8X16), self.vector_arg(inst, 1, I8X16));
                self.pos.ins().swizzle(a, b)
            }
            I32x4RelaxedTruncF32x4S => {
                let a = self.vector_arg(inst, 0, F32X4);
                self.pos.ins().fcvt_to_sint_sat(types::I32X4, a)
            }
            I32x4RelaxedTruncF32x4U => {
                let a = self.vector_arg(inst, 0, F32X4);
                self.pos.ins().fcvt_to_uint_sat(types::I32X4, a)
            }
            I32x4RelaxedTruncF64x2SZero | I32x4RelaxedTruncF64x2UZero => {
                let a = self.vector_arg(inst, 0, F64X2);
                self.truncate_f64x2(a, op == I32x4RelaxedTruncF64x2SZero)
            }
            F32x4RelaxedMadd | F32x4RelaxedNmadd => {
                self.multiply_add(inst, F32X4, op == F32x4RelaxedNmadd)
            }
            F64x2RelaxedMadd | F64x2RelaxedNmadd => {
                self.multiply_add(inst, F64X2, op == F64x2RelaxedNmadd)
            }
            I8x16RelaxedLaneselect
            | I16x8RelaxedLaneselect
            | I32x4RelaxedLaneselect
            | I64x2RelaxedLaneselect => {
                let [a, b, mask] = [0, 1, 2].map(|i| self.vector_arg(inst, i, I8X16));
                self.pos.ins().bitselect(mask, a, b)
            }
            F32x4RelaxedMin | F32x4RelaxedMax => self.min_max(inst, F32X4, op == F32x4RelaxedMin),
            F64x2RelaxedMin | F64x2RelaxedMax => self.min_max(inst, F64X2, op == F64x2RelaxedMin),
            I16x8RelaxedQ15mulrS => {
                let (a, b) = (self.vector_arg(inst, 0, I16X8), self.vector_arg(inst, 1, I16X8));
                self.pos.ins().sqmul_round_sat(a, b)
            }
            I16x8RelaxedDotI8x16I7x16S => self.dot(inst),
            I32x4RelaxedDotI8x16I7x16AddS => {
                let dot = self.dot(inst);
                let (low, high) = (self.pos.ins().swiden_low(dot), self.pos.ins().swiden_high(dot));
                let sums = self.pos.ins().iadd_pairwise(low, high);
                let c = self.vector_arg(inst, 2, types::I32X4);
                self.pos.ins().iadd(sums, c)
            }
            _ => unreachable!("{op} is no relaxed operator"),
        };
        self.set(inst, value);
    }

    /// `a * b + c` or `-a * b + c`, rounded twice.
    fn multiply_add(&mut self, inst: Inst, ty: types::Type, negate: bool) -> ir::Value {
        let [a, b, c] = [0, 1, 2].map(|i| self.vector_arg(inst, i, ty));
        let a = if negate { self.pos.ins().fneg(a) } else { a };
        let product = self.pos.ins().fmul(a, b);
        self.pos.ins().fadd(product, c)
    }

    fn min_max(&mut self, inst: Inst, ty: types::Type, min: bool) -> ir::Value {
        let (a, b) = (self.vector_arg(inst, 0, ty), self.vector_arg(inst, 1, ty));
        if min { self.pos.ins().fmin(a, b) } else { self.pos.ins().fmax(a, b) }
    }

    /// Saturating sums of two products of signed bytes each.
    fn dot(&mut self, inst: Inst) -> ir::Value {
        let (a, b) = (self.vector_arg(inst, 0, I8X16), self.vector_arg(inst, 1, I8X16));
        let (a0, b0) = (self.pos.ins().swiden_low(a), self.pos.ins().swiden_low(b));
        let (a1, b1) = (self.pos.ins().swiden_high(a), self.pos.ins().swiden_high(b));
        // Products fit 16 bits; their sums do not, so they are made in 32 bits and narrowed with saturation.
        let sums = [(a0, b0), (a1, b1)].map(|(a, b)| {
            let product = self.pos.ins().imul(a, b);
            let (low, high) =
                (self.pos.ins().swiden_low(product), self.pos.ins().swiden_high(product));
            self.pos.ins().iadd_pairwise(low, high)
        });
        self.pos.ins().snarrow(sums[0], sums[1])
    }
}
