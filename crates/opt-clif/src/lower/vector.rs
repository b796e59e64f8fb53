//! Owns the lowering of 128-bit vector operators of fixed meaning.
//! Does not own vector loads and stores (`memory`), nor relaxed operators (`relaxed`).
//!
//! A vector's CLIF type may be any 128-bit vector type inside a block: each operator casts its operands to the type it works on
//! and leaves its result in that type.

use std::sync::LazyLock;

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{self, ConstantData, InstBuilder, types};
use sterna_isa::{Class, Op};
use sterna_opt::Inst;

use super::Lower;

/// The halves of a vector whose lanes are widened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Low,
    High,
}

impl Lower<'_> {
    /// An operand as a vector of type `ty`.
    pub(super) fn vector_arg(&mut self, inst: Inst, i: usize, ty: types::Type) -> ir::Value {
        let value = self.arg(inst, i);
        self.cast(value, ty)
    }

    /// Lowers a vector operator of class Pure or Lane.
    pub(super) fn vector(&mut self, op: Op, inst: Inst) {
        if op.class() == Class::Lane {
            return self.lane(op, inst);
        }
        if let Some((ty, cc)) = int_comparison(op) {
            let (a, b) = (self.vector_arg(inst, 0, ty), self.vector_arg(inst, 1, ty));
            let value = self.pos.ins().icmp(cc, a, b);
            return self.set(inst, value);
        }
        if let Some((ty, cc)) = float_comparison(op) {
            let (a, b) = (self.vector_arg(inst, 0, ty), self.vector_arg(inst, 1, ty));
            let value = self.pos.ins().fcmp(cc, a, b);
            return self.set(inst, value);
        }
        if let Some((ty, half, signed)) = widening(op) {
            let value = self.widened_arg(inst, 0, ty, half, signed);
            return self.set(inst, value);
        }
        if let Some((ty, half, signed)) = widening_product(op) {
            let a = self.widened_arg(inst, 0, ty, half, signed);
            let b = self.widened_arg(inst, 1, ty, half, signed);
            let value = self.pos.ins().imul(a, b);
            return self.set(inst, value);
        }
        match self.input.graph.args(inst).len() {
            1 => self.vector_unary(op, inst),
            2 => self.vector_binary(op, inst),
            _ => {
                let [a, b, mask] = [0, 1, 2].map(|i| self.vector_arg(inst, i, I8X16));
                let value = self.pos.ins().bitselect(mask, a, b);
                self.set(inst, value);
            }
        }
    }

    // tidy: dispatch
    fn vector_unary(&mut self, op: Op, inst: Inst) {
        use Op::*;
        if let Some(ty) = splat_type(op) {
            let lane = self.arg(inst, 0);
            let lane = if ty.lane_bits() < 32 {
                self.pos.ins().ireduce(ty.lane_type(), lane)
            } else {
                lane
            };
            let value = self.pos.ins().splat(ty, lane);
            return self.set(inst, value);
        }
        let ty = shape(op);
        let a = self.vector_arg(inst, 0, ty);
        let value = match op {
            V128AnyTrue => {
                let value = self.pos.ins().vany_true(a);
                return self.set_bool(inst, value);
            }
            I8x16AllTrue | I16x8AllTrue | I32x4AllTrue | I64x2AllTrue => {
                let value = self.pos.ins().vall_true(a);
                return self.set_bool(inst, value);
            }
            I16x8ExtAddPairwiseI8x16S | I32x4ExtAddPairwiseI16x8S => {
                let (low, high) = (self.pos.ins().swiden_low(a), self.pos.ins().swiden_high(a));
                self.pos.ins().iadd_pairwise(low, high)
            }
            I16x8ExtAddPairwiseI8x16U | I32x4ExtAddPairwiseI16x8U => {
                let (low, high) = (self.pos.ins().uwiden_low(a), self.pos.ins().uwiden_high(a));
                self.pos.ins().iadd_pairwise(low, high)
            }
            I32x4TruncSatF64x2SZero | I32x4TruncSatF64x2UZero => {
                self.truncate_f64x2(a, op == I32x4TruncSatF64x2SZero)
            }
            F64x2ConvertLowI32x4S => {
                let wide = self.pos.ins().swiden_low(a);
                self.pos.ins().fcvt_from_sint(F64X2, wide)
            }
            F64x2ConvertLowI32x4U => {
                let wide = self.pos.ins().uwiden_low(a);
                self.pos.ins().fcvt_from_uint(F64X2, wide)
            }
            _ => {
                let ins = self.pos.ins();
                match op {
                    V128Not => ins.bnot(a),
                    I8x16Abs | I16x8Abs | I32x4Abs | I64x2Abs => ins.iabs(a),
                    I8x16Neg | I16x8Neg | I32x4Neg | I64x2Neg => ins.ineg(a),
                    I8x16Popcnt => ins.popcnt(a),
                    I8x16Bitmask | I16x8Bitmask | I32x4Bitmask | I64x2Bitmask => {
                        ins.vhigh_bits(types::I32, a)
                    }
                    F32x4Abs | F64x2Abs => ins.fabs(a),
                    F32x4Neg | F64x2Neg => ins.fneg(a),
                    F32x4Sqrt | F64x2Sqrt => ins.sqrt(a),
                    F32x4Ceil | F64x2Ceil => ins.ceil(a),
                    F32x4Floor | F64x2Floor => ins.floor(a),
                    F32x4Trunc | F64x2Trunc => ins.trunc(a),
                    F32x4Nearest | F64x2Nearest => ins.nearest(a),
                    F32x4DemoteF64x2Zero => ins.fvdemote(a),
                    F64x2PromoteLowF32x4 => ins.fvpromote_low(a),
                    I32x4TruncSatF32x4S => ins.fcvt_to_sint_sat(I32X4, a),
                    I32x4TruncSatF32x4U => ins.fcvt_to_uint_sat(I32X4, a),
                    F32x4ConvertI32x4S => ins.fcvt_from_sint(F32X4, a),
                    F32x4ConvertI32x4U => ins.fcvt_from_uint(F32X4, a),
                    _ => unreachable!("{op} is no vector operator with one operand"),
                }
            }
        };
        self.set(inst, value);
    }

    /// Two f64 to two saturated i32, then two zeros.
    pub(super) fn truncate_f64x2(&mut self, a: ir::Value, signed: bool) -> ir::Value {
        let zero = self.vector_constant(I64X2, 0);
        if signed {
            let wide = self.pos.ins().fcvt_to_sint_sat(I64X2, a);
            self.pos.ins().snarrow(wide, zero)
        } else {
            let wide = self.pos.ins().fcvt_to_uint_sat(I64X2, a);
            self.pos.ins().uunarrow(wide, zero)
        }
    }

    // tidy: dispatch
    fn vector_binary(&mut self, op: Op, inst: Inst) {
        use Op::*;
        let ty = shape(op);
        let a = self.vector_arg(inst, 0, ty);
        if let Some(shift) = shift(op) {
            let amount = self.arg(inst, 1);
            let value = shift(self.pos.ins(), a, amount);
            return self.set(inst, value);
        }
        let b = self.vector_arg(inst, 1, ty);
        let value = match op {
            // `b < a ? b : a`, and the other way round.
            F32x4PMin | F64x2PMin => self.select_less(b, a, b, a),
            F32x4PMax | F64x2PMax => self.select_less(a, b, b, a),
            I32x4DotI16x8S => {
                let (a0, b0) = (self.pos.ins().swiden_low(a), self.pos.ins().swiden_low(b));
                let (a1, b1) = (self.pos.ins().swiden_high(a), self.pos.ins().swiden_high(b));
                let low = self.pos.ins().imul(a0, b0);
                let high = self.pos.ins().imul(a1, b1);
                self.pos.ins().iadd_pairwise(low, high)
            }
            _ => {
                let ins = self.pos.ins();
                match op {
                    I8x16Swizzle => ins.swizzle(a, b),
                    V128And => ins.band(a, b),
                    V128AndNot => ins.band_not(a, b),
                    V128Or => ins.bor(a, b),
                    V128Xor => ins.bxor(a, b),
                    I8x16NarrowI16x8S | I16x8NarrowI32x4S => ins.snarrow(a, b),
                    I8x16NarrowI16x8U | I16x8NarrowI32x4U => ins.unarrow(a, b),
                    I8x16Add | I16x8Add | I32x4Add | I64x2Add => ins.iadd(a, b),
                    I8x16AddSatS | I16x8AddSatS => ins.sadd_sat(a, b),
                    I8x16AddSatU | I16x8AddSatU => ins.uadd_sat(a, b),
                    I8x16Sub | I16x8Sub | I32x4Sub | I64x2Sub => ins.isub(a, b),
                    I8x16SubSatS | I16x8SubSatS => ins.ssub_sat(a, b),
                    I8x16SubSatU | I16x8SubSatU => ins.usub_sat(a, b),
                    I16x8Mul | I32x4Mul | I64x2Mul => ins.imul(a, b),
                    I8x16MinS | I16x8MinS | I32x4MinS => ins.smin(a, b),
                    I8x16MinU | I16x8MinU | I32x4MinU => ins.umin(a, b),
                    I8x16MaxS | I16x8MaxS | I32x4MaxS => ins.smax(a, b),
                    I8x16MaxU | I16x8MaxU | I32x4MaxU => ins.umax(a, b),
                    I8x16AvgrU | I16x8AvgrU => ins.avg_round(a, b),
                    I16x8Q15MulrSatS => ins.sqmul_round_sat(a, b),
                    F32x4Add | F64x2Add => ins.fadd(a, b),
                    F32x4Sub | F64x2Sub => ins.fsub(a, b),
                    F32x4Mul | F64x2Mul => ins.fmul(a, b),
                    F32x4Div | F64x2Div => ins.fdiv(a, b),
                    F32x4Min | F64x2Min => ins.fmin(a, b),
                    F32x4Max | F64x2Max => ins.fmax(a, b),
                    _ => unreachable!("{op} is no vector operator with two operands"),
                }
            }
        };
        self.set(inst, value);
    }

    /// Per lane: `x < y ? then : other`.
    fn select_less(
        &mut self,
        x: ir::Value,
        y: ir::Value,
        then: ir::Value,
        other: ir::Value,
    ) -> ir::Value {
        let ty = self.pos.func.dfg.value_type(x);
        let less = self.pos.ins().fcmp(FloatCC::LessThan, x, y);
        let mask = self.cast(less, ty);
        self.pos.ins().bitselect(mask, then, other)
    }

    /// One half of an operand with lanes of `ty`, widened.
    fn widened_arg(
        &mut self,
        inst: Inst,
        i: usize,
        ty: types::Type,
        half: Half,
        signed: bool,
    ) -> ir::Value {
        let value = self.vector_arg(inst, i, ty);
        let ins = self.pos.ins();
        match (half, signed) {
            (Half::Low, true) => ins.swiden_low(value),
            (Half::Low, false) => ins.uwiden_low(value),
            (Half::High, true) => ins.swiden_high(value),
            (Half::High, false) => ins.uwiden_high(value),
        }
    }

    /// Lowers an operator of class Lane.
    fn lane(&mut self, op: Op, inst: Inst) {
        use Op::*;
        let lane = self.input.graph.inst(inst).index() as u8;
        let ty = shape(op);
        let a = self.vector_arg(inst, 0, ty);
        let value = match op {
            I8x16Shuffle => {
                let b = self.vector_arg(inst, 1, ty);
                let mask = ConstantData::from(&self.input.graph.shuffle(inst).to_le_bytes()[..]);
                let mask = self.pos.func.dfg.immediates.push(mask);
                self.pos.ins().shuffle(a, b, mask)
            }
            I8x16ExtractLaneS | I16x8ExtractLaneS => {
                let element = self.pos.ins().extractlane(a, lane);
                self.pos.ins().sextend(types::I32, element)
            }
            I8x16ExtractLaneU | I16x8ExtractLaneU => {
                let element = self.pos.ins().extractlane(a, lane);
                self.pos.ins().uextend(types::I32, element)
            }
            I32x4ExtractLane | I64x2ExtractLane | F32x4ExtractLane | F64x2ExtractLane => {
                self.pos.ins().extractlane(a, lane)
            }
            _ => {
                let element = self.arg(inst, 1);
                let element = if ty.lane_bits() < 32 {
                    self.pos.ins().ireduce(ty.lane_type(), element)
                } else {
                    element
                };
                self.pos.ins().insertlane(a, element, lane)
            }
        };
        self.set(inst, value);
    }
}

fn splat_type(op: Op) -> Option<types::Type> {
    Some(match op {
        Op::I8x16Splat => I8X16,
        Op::I16x8Splat => I16X8,
        Op::I32x4Splat => I32X4,
        Op::I64x2Splat => I64X2,
        Op::F32x4Splat => F32X4,
        Op::F64x2Splat => F64X2,
        _ => return None,
    })
}

type Shift = fn(
    ir::InsertBuilder<'_, &mut cranelift_codegen::cursor::FuncCursor<'_>>,
    ir::Value,
    ir::Value,
) -> ir::Value;

fn shift(op: Op) -> Option<Shift> {
    use Op::*;
    Some(match op {
        I8x16Shl | I16x8Shl | I32x4Shl | I64x2Shl => |ins, a, b| ins.ishl(a, b),
        I8x16ShrS | I16x8ShrS | I32x4ShrS | I64x2ShrS => |ins, a, b| ins.sshr(a, b),
        I8x16ShrU | I16x8ShrU | I32x4ShrU | I64x2ShrU => |ins, a, b| ins.ushr(a, b),
        _ => return None,
    })
}

/// Type of the operands that are vectors.
fn shape(op: Op) -> types::Type {
    SHAPES[op as usize]
}

/// [`shape`] of every operator, from their names: where an operator changes the shape, its name ends in that of the operands.
static SHAPES: LazyLock<Vec<types::Type>> = LazyLock::new(|| {
    let shapes = [
        ("i8x16", I8X16),
        ("i16x8", I16X8),
        ("i32x4", I32X4),
        ("i64x2", I64X2),
        ("f32x4", F32X4),
        ("f64x2", F64X2),
    ];
    let shape = |op: &Op| {
        let found =
            shapes.iter().filter_map(|&(text, ty)| op.name().rfind(text).map(|at| (at, ty)));
        found.max_by_key(|&(at, _)| at).map_or(I8X16, |(_, ty)| ty)
    };
    Op::ALL.iter().map(shape).collect()
});

fn int_comparison(op: Op) -> Option<(types::Type, IntCC)> {
    use Op::*;
    let cc = match op {
        I8x16Eq | I16x8Eq | I32x4Eq | I64x2Eq => IntCC::Equal,
        I8x16Ne | I16x8Ne | I32x4Ne | I64x2Ne => IntCC::NotEqual,
        I8x16LtS | I16x8LtS | I32x4LtS | I64x2LtS => IntCC::SignedLessThan,
        I8x16LtU | I16x8LtU | I32x4LtU => IntCC::UnsignedLessThan,
        I8x16GtS | I16x8GtS | I32x4GtS | I64x2GtS => IntCC::SignedGreaterThan,
        I8x16GtU | I16x8GtU | I32x4GtU => IntCC::UnsignedGreaterThan,
        I8x16LeS | I16x8LeS | I32x4LeS | I64x2LeS => IntCC::SignedLessThanOrEqual,
        I8x16LeU | I16x8LeU | I32x4LeU => IntCC::UnsignedLessThanOrEqual,
        I8x16GeS | I16x8GeS | I32x4GeS | I64x2GeS => IntCC::SignedGreaterThanOrEqual,
        I8x16GeU | I16x8GeU | I32x4GeU => IntCC::UnsignedGreaterThanOrEqual,
        _ => return None,
    };
    Some((shape(op), cc))
}

fn float_comparison(op: Op) -> Option<(types::Type, FloatCC)> {
    use Op::*;
    let cc = match op {
        F32x4Eq | F64x2Eq => FloatCC::Equal,
        F32x4Ne | F64x2Ne => FloatCC::NotEqual,
        F32x4Lt | F64x2Lt => FloatCC::LessThan,
        F32x4Gt | F64x2Gt => FloatCC::GreaterThan,
        F32x4Le | F64x2Le => FloatCC::LessThanOrEqual,
        F32x4Ge | F64x2Ge => FloatCC::GreaterThanOrEqual,
        _ => return None,
    };
    Some((shape(op), cc))
}

fn widening(op: Op) -> Option<(types::Type, Half, bool)> {
    use Op::*;
    let (half, signed) = match op {
        I16x8ExtendLowI8x16S | I32x4ExtendLowI16x8S | I64x2ExtendLowI32x4S => (Half::Low, true),
        I16x8ExtendHighI8x16S | I32x4ExtendHighI16x8S | I64x2ExtendHighI32x4S => (Half::High, true),
        I16x8ExtendLowI8x16U | I32x4ExtendLowI16x8U | I64x2ExtendLowI32x4U => (Half::Low, false),
        I16x8ExtendHighI8x16U | I32x4ExtendHighI16x8U | I64x2ExtendHighI32x4U => {
            (Half::High, false)
        }
        _ => return None,
    };
    Some((shape(op), half, signed))
}

fn widening_product(op: Op) -> Option<(types::Type, Half, bool)> {
    use Op::*;
    let (half, signed) = match op {
        I16x8ExtMulLowI8x16S | I32x4ExtMulLowI16x8S | I64x2ExtMulLowI32x4S => (Half::Low, true),
        I16x8ExtMulHighI8x16S | I32x4ExtMulHighI16x8S | I64x2ExtMulHighI32x4S => (Half::High, true),
        I16x8ExtMulLowI8x16U | I32x4ExtMulLowI16x8U | I64x2ExtMulLowI32x4U => (Half::Low, false),
        I16x8ExtMulHighI8x16U | I32x4ExtMulHighI16x8U | I64x2ExtMulHighI32x4U => {
            (Half::High, false)
        }
        _ => return None,
    };
    Some((shape(op), half, signed))
}
