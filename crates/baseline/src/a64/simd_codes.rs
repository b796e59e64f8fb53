//! Owns which instruction an operator on vectors is, where there is one.
//! Does not own operators that take several (`simd`).

use sterna_isa::Op;

use super::asm::Lanes;
use super::asm::vector_codes::{self as v, Code2, Code3};

/// Operators that are one instruction on two sources, and whether it takes them in the other order.
// tidy: dispatch
pub(super) fn three(op: Op) -> Option<(Code3, bool)> {
    use Op::*;
    let lanes = lanes(op);
    let (code, reversed) = match op {
        V128And => return Some((v::AND, false)),
        V128Or => return Some((v::ORR, false)),
        V128Xor => return Some((v::EOR, false)),
        V128AndNot => return Some((v::BIC, false)),
        I8x16Eq | I16x8Eq | I32x4Eq | I64x2Eq => (v::CMEQ, false),
        I8x16GtS | I16x8GtS | I32x4GtS | I64x2GtS => (v::CMGT, false),
        I8x16GeS | I16x8GeS | I32x4GeS | I64x2GeS => (v::CMGE, false),
        I8x16GtU | I16x8GtU | I32x4GtU => (v::CMHI, false),
        I8x16GeU | I16x8GeU | I32x4GeU => (v::CMHS, false),
        I8x16LtS | I16x8LtS | I32x4LtS | I64x2LtS => (v::CMGT, true),
        I8x16LeS | I16x8LeS | I32x4LeS | I64x2LeS => (v::CMGE, true),
        I8x16LtU | I16x8LtU | I32x4LtU => (v::CMHI, true),
        I8x16LeU | I16x8LeU | I32x4LeU => (v::CMHS, true),
        I8x16Add | I16x8Add | I32x4Add | I64x2Add => (v::ADD, false),
        I8x16Sub | I16x8Sub | I32x4Sub | I64x2Sub => (v::SUB, false),
        I8x16AddSatS | I16x8AddSatS => (v::SQADD, false),
        I8x16AddSatU | I16x8AddSatU => (v::UQADD, false),
        I8x16SubSatS | I16x8SubSatS => (v::SQSUB, false),
        I8x16SubSatU | I16x8SubSatU => (v::UQSUB, false),
        I16x8Mul | I32x4Mul => (v::MUL, false),
        I8x16MinS | I16x8MinS | I32x4MinS => (v::SMIN, false),
        I8x16MinU | I16x8MinU | I32x4MinU => (v::UMIN, false),
        I8x16MaxS | I16x8MaxS | I32x4MaxS => (v::SMAX, false),
        I8x16MaxU | I16x8MaxU | I32x4MaxU => (v::UMAX, false),
        I8x16AvgrU | I16x8AvgrU => (v::URHADD, false),
        I16x8Q15MulrSatS | I16x8RelaxedQ15mulrS => (v::SQRDMULH, false),
        // Indices out of range give 0.
        I8x16Swizzle | I8x16RelaxedSwizzle => return Some((v::TBL, false)),
        _ => return product(op).map(|code| (code, false)).or_else(|| three_floats(op)),
    };
    Some((code.of(lanes), reversed))
}

/// Products of half of the lanes.
fn product(op: Op) -> Option<Code3> {
    use Op::*;
    let code = match op {
        I16x8ExtMulLowI8x16S | I32x4ExtMulLowI16x8S | I64x2ExtMulLowI32x4S => v::SMULL,
        I16x8ExtMulHighI8x16S | I32x4ExtMulHighI16x8S | I64x2ExtMulHighI32x4S => v::SMULL.high(),
        I16x8ExtMulLowI8x16U | I32x4ExtMulLowI16x8U | I64x2ExtMulLowI32x4U => v::UMULL,
        I16x8ExtMulHighI8x16U | I32x4ExtMulHighI16x8U | I64x2ExtMulHighI32x4U => v::UMULL.high(),
        _ => return None,
    };
    Some(code.of(narrower(op)))
}

fn three_floats(op: Op) -> Option<(Code3, bool)> {
    use Op::*;
    let (code, reversed) = match op {
        F32x4Add | F64x2Add => (v::FADD, false),
        F32x4Sub | F64x2Sub => (v::FSUB, false),
        F32x4Mul | F64x2Mul => (v::FMUL, false),
        F32x4Div | F64x2Div => (v::FDIV, false),
        F32x4Min | F64x2Min | F32x4RelaxedMin | F64x2RelaxedMin => (v::FMIN, false),
        F32x4Max | F64x2Max | F32x4RelaxedMax | F64x2RelaxedMax => (v::FMAX, false),
        F32x4Eq | F64x2Eq => (v::FCMEQ, false),
        F32x4Gt | F64x2Gt => (v::FCMGT, false),
        F32x4Ge | F64x2Ge => (v::FCMGE, false),
        F32x4Lt | F64x2Lt => (v::FCMGT, true),
        F32x4Le | F64x2Le => (v::FCMGE, true),
        _ => return None,
    };
    Some((code.float(lanes(op)), reversed))
}

/// Operators that are one instruction on one source.
// tidy: dispatch
pub(super) fn two(op: Op) -> Option<Code2> {
    use Op::*;
    let lanes = lanes(op);
    Some(match op {
        V128Not => v::NOT,
        I8x16Popcnt => v::CNT,
        I8x16Abs | I16x8Abs | I32x4Abs | I64x2Abs => v::ABS.of(lanes),
        I8x16Neg | I16x8Neg | I32x4Neg | I64x2Neg => v::NEG.of(lanes),
        I16x8ExtAddPairwiseI8x16S | I32x4ExtAddPairwiseI16x8S => v::SADDLP.of(narrower(op)),
        I16x8ExtAddPairwiseI8x16U | I32x4ExtAddPairwiseI16x8U => v::UADDLP.of(narrower(op)),
        F32x4Abs | F64x2Abs => v::FABS.float(lanes),
        F32x4Neg | F64x2Neg => v::FNEG.float(lanes),
        F32x4Sqrt | F64x2Sqrt => v::FSQRT.float(lanes),
        F32x4Nearest | F64x2Nearest => v::FRINTN.float(lanes),
        F32x4Floor | F64x2Floor => v::FRINTM.float(lanes),
        F32x4Ceil | F64x2Ceil => v::FRINTP.float(lanes),
        F32x4Trunc | F64x2Trunc => v::FRINTZ.float(lanes),
        // The nearest integer there is, and 0 for NaN.
        I32x4TruncSatF32x4S | I32x4RelaxedTruncF32x4S => v::FCVTZS.float(Lanes::S4),
        I32x4TruncSatF32x4U | I32x4RelaxedTruncF32x4U => v::FCVTZU.float(Lanes::S4),
        F32x4ConvertI32x4S => v::SCVTF.float(Lanes::S4),
        F32x4ConvertI32x4U => v::UCVTF.float(Lanes::S4),
        F32x4DemoteF64x2Zero => v::FCVTN.float(Lanes::D2),
        F64x2PromoteLowF32x4 => v::FCVTL.float(Lanes::D2),
        _ => return None,
    })
}

/// Operators that are two instructions on one source, the second one on the result of the first.
pub(super) fn two_steps(op: Op) -> Option<(Code2, Code2)> {
    use Op::*;
    // To integers of 64 bits, then saturating to 32.
    let signed = (v::FCVTZS.float(Lanes::D2), v::SQXTN.of(Lanes::S4));
    let unsigned = (v::FCVTZU.float(Lanes::D2), v::UQXTN.of(Lanes::S4));
    match op {
        I32x4TruncSatF64x2SZero | I32x4RelaxedTruncF64x2SZero => Some(signed),
        I32x4TruncSatF64x2UZero | I32x4RelaxedTruncF64x2UZero => Some(unsigned),
        _ => None,
    }
}

/// Saturation of both operands to lanes of half the width.
pub(super) fn narrow(op: Op) -> Option<Code2> {
    use Op::*;
    Some(match op {
        I8x16NarrowI16x8S | I16x8NarrowI32x4S => v::SQXTN.of(lanes(op)),
        I8x16NarrowI16x8U | I16x8NarrowI32x4U => v::SQXTUN.of(lanes(op)),
        _ => return None,
    })
}

/// Width of the lanes of an operator, as its name begins.
pub(super) fn lanes(op: Op) -> Lanes {
    match op.name().as_bytes() {
        [b'i', b'8', ..] => Lanes::B16,
        [b'i', b'1', ..] => Lanes::H8,
        [b'i' | b'f', b'3', ..] => Lanes::S4,
        _ => Lanes::D2,
    }
}

/// Half of that.
pub(super) fn narrower(op: Op) -> Lanes {
    match lanes(op) {
        Lanes::B16 | Lanes::H8 => Lanes::B16,
        Lanes::S4 => Lanes::H8,
        Lanes::D2 => Lanes::S4,
    }
}
