//! Owns which vector operator does on lanes what a scalar one does on numbers.
//! Does not own when that may be used (`pack`).
//!
//! Left out on purpose: minimum and maximum of floats, whose vector forms make other NaNs; products of 64-bit integers, which are slower as
//! vectors.

use sterna_isa::Op;

/// What a lane holds. Integers narrower than 32 bits stand for the low bits of an `i32`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Lane {
    pub fn bits(self) -> u32 {
        match self {
            Lane::I8 => 8,
            Lane::I16 => 16,
            Lane::I32 | Lane::F32 => 32,
            Lane::I64 | Lane::F64 => 64,
        }
    }

    /// Lanes of integers of the same width.
    pub fn int(self) -> Lane {
        match self {
            Lane::F32 => Lane::I32,
            Lane::F64 => Lane::I64,
            lane => lane,
        }
    }

    pub fn splat(self) -> Op {
        match self {
            Lane::I8 => Op::I8x16Splat,
            Lane::I16 => Op::I16x8Splat,
            Lane::I32 => Op::I32x4Splat,
            Lane::I64 => Op::I64x2Splat,
            Lane::F32 => Op::F32x4Splat,
            Lane::F64 => Op::F64x2Splat,
        }
    }

    pub fn load_splat(self) -> Op {
        match self.bits() {
            8 => Op::V128Load8Splat,
            16 => Op::V128Load16Splat,
            32 => Op::V128Load32Splat,
            _ => Op::V128Load64Splat,
        }
    }

    /// Takes a lane out, narrow ones as unsigned numbers.
    pub fn extract(self) -> Op {
        match self {
            Lane::I8 => Op::I8x16ExtractLaneU,
            Lane::I16 => Op::I16x8ExtractLaneU,
            Lane::I32 => Op::I32x4ExtractLane,
            Lane::I64 => Op::I64x2ExtractLane,
            Lane::F32 => Op::F32x4ExtractLane,
            Lane::F64 => Op::F64x2ExtractLane,
        }
    }

    /// The bits of a constant in all lanes.
    pub fn repeat(self, bits: u128) -> u128 {
        let lane = bits & ((1 << self.bits()) - 1);
        (0..128 / self.bits()).fold(0, |all, i| all | lane << (i * self.bits()))
    }

    /// Addition of integers.
    pub fn add(self) -> Op {
        match self.int() {
            Lane::I8 => Op::I8x16Add,
            Lane::I16 => Op::I16x8Add,
            Lane::I64 => Op::I64x2Add,
            _ => Op::I32x4Add,
        }
    }
}

/// The vector form of an operator with operands and results of one type, whose `i32` are lanes of kind `int`.
// tidy: dispatch
pub(super) fn elementwise(op: Op, int: Lane) -> Option<Op> {
    use Op::*;
    Some(match (op, int) {
        (I32Add, _) => int.add(),
        (I32Sub, Lane::I8) => I8x16Sub,
        (I32Sub, Lane::I16) => I16x8Sub,
        (I32Sub, _) => I32x4Sub,
        (I32Mul, Lane::I16) => I16x8Mul,
        (I32Mul, Lane::I32) => I32x4Mul,
        (I32And | I64And, _) => V128And,
        (I32Or | I64Or, _) => V128Or,
        (I32Xor | I64Xor, _) => V128Xor,
        (I64Add, _) => I64x2Add,
        (I64Sub, _) => I64x2Sub,
        (F32Add, _) => F32x4Add,
        (F32Sub, _) => F32x4Sub,
        (F32Mul, _) => F32x4Mul,
        (F32Div, _) => F32x4Div,
        (F32Sqrt, _) => F32x4Sqrt,
        (F32Abs, _) => F32x4Abs,
        (F32Neg, _) => F32x4Neg,
        (F32Ceil, _) => F32x4Ceil,
        (F32Floor, _) => F32x4Floor,
        (F32Trunc, _) => F32x4Trunc,
        (F32Nearest, _) => F32x4Nearest,
        (F64Add, _) => F64x2Add,
        (F64Sub, _) => F64x2Sub,
        (F64Mul, _) => F64x2Mul,
        (F64Div, _) => F64x2Div,
        (F64Sqrt, _) => F64x2Sqrt,
        (F64Abs, _) => F64x2Abs,
        (F64Neg, _) => F64x2Neg,
        (F64Ceil, _) => F64x2Ceil,
        (F64Floor, _) => F64x2Floor,
        (F64Trunc, _) => F64x2Trunc,
        (F64Nearest, _) => F64x2Nearest,
        _ => return None,
    })
}

/// The vector form of an operator from `i32` or `f32` to another type of the same width.
pub(super) fn conversion(op: Op) -> Option<Op> {
    Some(match op {
        Op::F32ConvertI32S => Op::F32x4ConvertI32x4S,
        Op::F32ConvertI32U => Op::F32x4ConvertI32x4U,
        Op::I32TruncSatF32S => Op::I32x4TruncSatF32x4S,
        Op::I32TruncSatF32U => Op::I32x4TruncSatF32x4U,
        _ => return None,
    })
}

/// The vector forms of an operator from 32 to 64 bits: for the low half of a vector and, if there is one, the high half.
pub(super) fn widening(op: Op) -> Option<(Op, Option<Op>)> {
    Some(match op {
        Op::I64ExtendI32S => (Op::I64x2ExtendLowI32x4S, Some(Op::I64x2ExtendHighI32x4S)),
        Op::I64ExtendI32U => (Op::I64x2ExtendLowI32x4U, Some(Op::I64x2ExtendHighI32x4U)),
        Op::F64ConvertI32S => (Op::F64x2ConvertLowI32x4S, None),
        Op::F64ConvertI32U => (Op::F64x2ConvertLowI32x4U, None),
        Op::F64PromoteF32 => (Op::F64x2PromoteLowF32x4, None),
        _ => return None,
    })
}

/// The vector form of a shift. Narrow lanes are those of numbers without sign.
pub(super) fn shift(op: Op, int: Lane) -> Option<Op> {
    use Op::*;
    Some(match (op, int) {
        (I32Shl, Lane::I16) => I16x8Shl,
        (I32ShrS | I32ShrU, Lane::I16) => I16x8ShrU,
        (I32Shl, Lane::I32) => I32x4Shl,
        (I32ShrS, Lane::I32) => I32x4ShrS,
        (I32ShrU, Lane::I32) => I32x4ShrU,
        (I64Shl, _) => I64x2Shl,
        (I64ShrU, _) => I64x2ShrU,
        _ => return None,
    })
}

/// The vector form of a comparison, and the lanes it compares.
// tidy: dispatch
pub(super) fn comparison(op: Op, int: Lane) -> Option<(Op, Lane)> {
    use Op::*;
    let of_i32 = |wide: Op, short: Op, byte: Op| {
        let op = match int {
            Lane::I8 => byte,
            Lane::I16 => short,
            _ => wide,
        };
        (op, int)
    };
    Some(match op {
        I32Eq => of_i32(I32x4Eq, I16x8Eq, I8x16Eq),
        I32Ne => of_i32(I32x4Ne, I16x8Ne, I8x16Ne),
        I32LtS => of_i32(I32x4LtS, I16x8LtU, I8x16LtU),
        I32LtU => of_i32(I32x4LtU, I16x8LtU, I8x16LtU),
        I32GtS => of_i32(I32x4GtS, I16x8GtU, I8x16GtU),
        I32GtU => of_i32(I32x4GtU, I16x8GtU, I8x16GtU),
        I32LeS => of_i32(I32x4LeS, I16x8LeU, I8x16LeU),
        I32LeU => of_i32(I32x4LeU, I16x8LeU, I8x16LeU),
        I32GeS => of_i32(I32x4GeS, I16x8GeU, I8x16GeU),
        I32GeU => of_i32(I32x4GeU, I16x8GeU, I8x16GeU),
        F32Eq => (F32x4Eq, Lane::F32),
        F32Ne => (F32x4Ne, Lane::F32),
        F32Lt => (F32x4Lt, Lane::F32),
        F32Gt => (F32x4Gt, Lane::F32),
        F32Le => (F32x4Le, Lane::F32),
        F32Ge => (F32x4Ge, Lane::F32),
        F64Eq => (F64x2Eq, Lane::F64),
        F64Ne => (F64x2Ne, Lane::F64),
        F64Lt => (F64x2Lt, Lane::F64),
        F64Gt => (F64x2Gt, Lane::F64),
        F64Le => (F64x2Le, Lane::F64),
        F64Ge => (F64x2Ge, Lane::F64),
        _ => return None,
    })
}
