//! Owns which instruction an operator on vectors of integers is, where there is one.
//! Does not own operators that take several (`simd`).

use sterna_isa::Op;

use super::{Map, Pre, W, W32, W64};

/// An instruction: prefix, map and opcode.
pub(super) type Code = (Pre, Map, u8);

/// With prefix 66.
pub(super) const fn p66(opcode: u8) -> Code {
    (Pre::P66, Map::M0F, opcode)
}

/// With prefix 66 and map 0F 38.
pub(super) const fn p38(opcode: u8) -> Code {
    (Pre::P66, Map::M0F38, opcode)
}

/// Bitwise operators.
pub(super) const AND: Code = p66(0xdb);
/// `!a & b`.
pub(super) const AND_NOT: Code = p66(0xdf);
pub(super) const OR: Code = p66(0xeb);
pub(super) const XOR: Code = p66(0xef);

/// Opcodes by lane width.
pub(super) struct Shifts {
    pub bits: u32,
    pub left: Code,
    pub logical: Code,
    pub arithmetic: Code,
    /// Of the forms with an immediate amount.
    pub by_imm: u8,
}

/// The instruction that puts an integer into a lane.
pub(super) fn insert(op: Op) -> (Code, W) {
    use Op::*;
    match op {
        I8x16ReplaceLane | V128Load8Lane => ((Pre::P66, Map::M0F3A, 0x20), W32),
        I16x8ReplaceLane | V128Load16Lane => (p66(0xc4), W32),
        I32x4ReplaceLane | V128Load32Lane => ((Pre::P66, Map::M0F3A, 0x22), W32),
        _ => ((Pre::P66, Map::M0F3A, 0x22), W64),
    }
}

/// Operators that are one instruction `a op b`.
pub(super) fn direct(op: Op) -> Option<Code> {
    use Op::*;
    Some(match op {
        V128And => AND,
        V128Or => OR,
        V128Xor => XOR,
        I8x16Eq | I16x8Eq | I32x4Eq | I64x2Eq => equal(op),
        I8x16GtS | I16x8GtS | I32x4GtS | I64x2GtS => greater(op),
        I8x16Add => p66(0xfc),
        I16x8Add => p66(0xfd),
        I32x4Add => p66(0xfe),
        I64x2Add => p66(0xd4),
        I8x16Sub => p66(0xf8),
        I16x8Sub => p66(0xf9),
        I32x4Sub => p66(0xfa),
        I64x2Sub => p66(0xfb),
        I8x16AddSatS => p66(0xec),
        I16x8AddSatS => p66(0xed),
        I8x16AddSatU => p66(0xdc),
        I16x8AddSatU => p66(0xdd),
        I8x16SubSatS => p66(0xe8),
        I16x8SubSatS => p66(0xe9),
        I8x16SubSatU => p66(0xd8),
        I16x8SubSatU => p66(0xd9),
        I16x8Mul => p66(0xd5),
        I32x4Mul => p38(0x40),
        I8x16MinS => p38(0x38),
        I16x8MinS => p66(0xea),
        I32x4MinS => p38(0x39),
        I8x16MaxS => p38(0x3c),
        I16x8MaxS => p66(0xee),
        I32x4MaxS => p38(0x3d),
        I8x16MinU | I16x8MinU | I32x4MinU => unsigned_extreme(op, false),
        I8x16MaxU | I16x8MaxU | I32x4MaxU => unsigned_extreme(op, true),
        I8x16AvgrU => p66(0xe0),
        I16x8AvgrU => p66(0xe3),
        I8x16NarrowI16x8S => p66(0x63),
        I8x16NarrowI16x8U => p66(0x67),
        I16x8NarrowI32x4S => p66(0x6b),
        I16x8NarrowI32x4U => p38(0x2b),
        I32x4DotI16x8S => p66(0xf5),
        _ => return None,
    })
}

/// Operators that are one instruction `b op a`, and whether its result is to be inverted.
pub(super) fn reversed(op: Op) -> Option<(Code, bool)> {
    use Op::*;
    Some(match op {
        // The first operand is the inverted one.
        V128AndNot => (AND_NOT, false),
        I8x16LtS | I16x8LtS | I32x4LtS | I64x2LtS => (greater(op), false),
        I8x16GeS | I16x8GeS | I32x4GeS | I64x2GeS => (greater(op), true),
        _ => return None,
    })
}

pub(super) fn equal(op: Op) -> Code {
    match lane_bits(op) {
        8 => p66(0x74),
        16 => p66(0x75),
        32 => p66(0x76),
        _ => p38(0x29),
    }
}

pub(super) fn greater(op: Op) -> Code {
    match lane_bits(op) {
        8 => p66(0x64),
        16 => p66(0x65),
        32 => p66(0x66),
        _ => p38(0x37),
    }
}

pub(super) fn unsigned_extreme(op: Op, max: bool) -> Code {
    match (lane_bits(op), max) {
        (8, false) => p66(0xda),
        (16, false) => p38(0x3a),
        (_, false) => p38(0x3b),
        (8, true) => p66(0xde),
        (16, true) => p38(0x3e),
        (_, true) => p38(0x3f),
    }
}

pub(super) fn shifts(op: Op) -> Shifts {
    match lane_bits(op) {
        16 => Shifts {
            bits: 16,
            left: p66(0xf1),
            logical: p66(0xd1),
            arithmetic: p66(0xe1),
            by_imm: 0x71,
        },
        32 => Shifts {
            bits: 32,
            left: p66(0xf2),
            logical: p66(0xd2),
            arithmetic: p66(0xe2),
            by_imm: 0x72,
        },
        _ => Shifts {
            bits: 64,
            left: p66(0xf3),
            logical: p66(0xd3),
            arithmetic: p66(0xd3),
            by_imm: 0x73,
        },
    }
}

/// Width of the lanes of an operator on integers, as its name begins.
fn lane_bits(op: Op) -> u32 {
    match op.name().as_bytes() {
        [b'i', b'8', ..] => 8,
        [b'i', b'1', ..] => 16,
        [b'i', b'3', ..] => 32,
        _ => 64,
    }
}
