//! Owns vector operators on floats, conversions between vectors of floats and of integers, and canonical NaNs in vectors.
//! Does not own integers and bits (`simd`).

use sterna_eval::NanShape;
use sterna_isa::Op;

use super::simd_codes::{Code, p38, p66};
use super::{Assembler, Done, Gen, Map, Pre, TEMP_V, Vreg, X64, refused};
use crate::stack::Bank;

const FLOAT: Bank = Bank::Float;
/// The condition "unordered" of a vector comparison.
const UNORDERED: u8 = 3;

/// Of a shape: its prefix, and the logical shift of lanes of its width.
#[derive(Clone, Copy)]
struct Shape {
    pre: Pre,
    shift: u8,
    bits: u8,
}

const F32X4: Shape = Shape { pre: Pre::None, shift: 0x72, bits: 32 };
const F64X2: Shape = Shape { pre: Pre::P66, shift: 0x73, bits: 64 };

impl Shape {
    fn of(op: Op) -> Shape {
        if op.name().starts_with("f32x4") { F32X4 } else { F64X2 }
    }

    fn code(self, opcode: u8) -> Code {
        (self.pre, Map::M0F, opcode)
    }
}

const fn splat32(bits: u32) -> u128 {
    let bits = bits as u128;
    bits << 96 | bits << 64 | bits << 32 | bits
}

const fn splat64(bits: u64) -> u128 {
    (bits as u128) << 64 | bits as u128
}

impl Gen<'_, X64> {
    // tidy: dispatch
    pub(super) fn simd_float(&mut self, op: Op) -> Done {
        use Op::*;
        let shape = Shape::of(op);
        match op {
            F32x4Add | F64x2Add => self.vector_two(shape.code(0x58)),
            F32x4Sub | F64x2Sub => self.vector_two(shape.code(0x5c)),
            F32x4Mul | F64x2Mul => self.vector_two(shape.code(0x59)),
            F32x4Div | F64x2Div => self.vector_two(shape.code(0x5e)),
            F32x4Sqrt | F64x2Sqrt => self.vector_one(shape.code(0x51)),
            // The machine's instructions are `x < y ? x : y` and `x > y ? x : y`.
            F32x4PMin | F64x2PMin => self.vector_two_reversed(shape.code(0x5d)),
            F32x4PMax | F64x2PMax => self.vector_two_reversed(shape.code(0x5f)),
            F32x4Min | F64x2Min | F32x4RelaxedMin | F64x2RelaxedMin => self.min_lanes(shape),
            F32x4Max | F64x2Max | F32x4RelaxedMax | F64x2RelaxedMax => self.max_lanes(shape),
            F32x4Abs | F64x2Abs => self.change_signs(shape, 2, 1, p66(0xdb)),
            F32x4Neg | F64x2Neg => self.change_signs(shape, 6, shape.bits - 1, p66(0xef)),
            F32x4Nearest | F64x2Nearest => self.round_lanes(shape, 0),
            F32x4Floor | F64x2Floor => self.round_lanes(shape, 1),
            F32x4Ceil | F64x2Ceil => self.round_lanes(shape, 2),
            F32x4Trunc | F64x2Trunc => self.round_lanes(shape, 3),
            F32x4Eq | F64x2Eq => self.compare_lanes(shape, 0, false),
            F32x4Lt | F64x2Lt => self.compare_lanes(shape, 1, false),
            F32x4Le | F64x2Le => self.compare_lanes(shape, 2, false),
            F32x4Ne | F64x2Ne => self.compare_lanes(shape, 4, false),
            F32x4Gt | F64x2Gt => self.compare_lanes(shape, 1, true),
            F32x4Ge | F64x2Ge => self.compare_lanes(shape, 2, true),
            F32x4RelaxedMadd | F64x2RelaxedMadd => self.multiply_add(shape, false),
            F32x4RelaxedNmadd | F64x2RelaxedNmadd => self.multiply_add(shape, true),
            F32x4DemoteF64x2Zero => self.vector_one(p66(0x5a)),
            F64x2PromoteLowF32x4 => self.vector_one((Pre::None, Map::M0F, 0x5a)),
            F32x4ConvertI32x4S => self.vector_one((Pre::None, Map::M0F, 0x5b)),
            F64x2ConvertLowI32x4S => self.vector_one((Pre::PF3, Map::M0F, 0xe6)),
            F32x4ConvertI32x4U => self.convert_unsigned_to_f32(),
            F64x2ConvertLowI32x4U => self.convert_unsigned_to_f64(),
            I32x4TruncSatF32x4S | I32x4RelaxedTruncF32x4S => self.truncate_f32_signed(),
            I32x4TruncSatF32x4U | I32x4RelaxedTruncF32x4U => self.truncate_f32_unsigned(),
            I32x4TruncSatF64x2SZero | I32x4RelaxedTruncF64x2SZero => self.truncate_f64_signed(),
            I32x4TruncSatF64x2UZero | I32x4RelaxedTruncF64x2UZero => self.truncate_f64_unsigned(),
            _ => return Err(refused(op)),
        }
        self.canonicalize_lanes(op);
        Ok(())
    }

    /// `and` or `xor` with all ones, shifted.
    fn change_signs(&mut self, shape: Shape, direction: u8, by: u8, code: Code) {
        let a = self.pop_vector();
        self.ones(TEMP_V);
        self.shift_by(shape.shift, direction, TEMP_V, by);
        self.vv(code, a, TEMP_V);
        self.push_vector(a);
    }

    fn round_lanes(&mut self, shape: Shape, mode: u8) {
        let a = self.pop_vector();
        let opcode = if shape.bits == 32 { 0x08 } else { 0x09 };
        // Bit 3: no exception for inexact results.
        self.vvi((Pre::P66, Map::M0F3A, opcode), a, a, mode | 8);
        self.push_vector(a);
    }

    fn compare_lanes(&mut self, shape: Shape, condition: u8, swap: bool) {
        let (code, b) = (shape.code(0xc2), self.pop_reg());
        if swap {
            let dst =
                Vreg(self.in_own_reg(crate::stack::Ty::V128, crate::driver::values::Val::Reg(b)));
            let a = self.pop_reg();
            self.vvi(code, dst, a.vreg(), condition);
            self.release(FLOAT, a);
            return self.push_vector(dst);
        }
        let a = self.pop_vector();
        self.vvi(code, a, b.vreg(), condition);
        self.release(FLOAT, b);
        self.push_vector(a);
    }

    /// The machine's instruction gives its second operand for zeros and NaNs: so it is asked both ways. Joining the results makes the
    /// smaller zero, and keeps a NaN.
    fn min_lanes(&mut self, shape: Shape) {
        let b = self.pop_vector();
        let a = self.pop_reg();
        self.asm().mov_v(TEMP_V, a.vreg());
        self.vv(shape.code(0x5d), TEMP_V, b);
        self.vv(shape.code(0x5d), b, a.vreg());
        self.vv(shape.code(0x56), TEMP_V, b);
        self.release(FLOAT, a);
        self.quiet(shape, b);
    }

    /// The same for the larger one: subtracting what differs makes the larger zero, and keeps a NaN.
    fn max_lanes(&mut self, shape: Shape) {
        let b = self.pop_vector();
        let a = self.pop_reg();
        self.asm().mov_v(TEMP_V, a.vreg());
        self.vv(shape.code(0x5f), TEMP_V, b);
        self.vv(shape.code(0x5f), b, a.vreg());
        self.vv(shape.code(0x57), b, TEMP_V);
        self.vv(shape.code(0x56), TEMP_V, b);
        self.vv(shape.code(0x5c), TEMP_V, b);
        self.release(FLOAT, a);
        self.quiet(shape, b);
    }

    /// Pushes `xmm15` with quiet NaNs without payload, made in `reg`: all bits of a NaN are set, and those of the payload cleared.
    fn quiet(&mut self, shape: Shape, reg: Vreg) {
        self.vvi(shape.code(0xc2), reg, TEMP_V, UNORDERED);
        self.vv(shape.code(0x56), TEMP_V, reg);
        let sign_exponent_quiet = if shape.bits == 32 { 10 } else { 13 };
        self.shift_by(shape.shift, 2, reg, sign_exponent_quiet);
        self.vv(p66(0xdf), reg, TEMP_V);
        self.push_vector(reg);
    }

    /// `a * b + c`, or `-a * b + c`, rounded twice.
    fn multiply_add(&mut self, shape: Shape, negate: bool) {
        let c = self.pop_reg();
        let b = self.pop_reg();
        let a = self.pop_vector();
        if negate {
            self.ones(TEMP_V);
            self.shift_by(shape.shift, 6, TEMP_V, shape.bits - 1);
            self.vv(p66(0xef), a, TEMP_V);
        }
        self.vv(shape.code(0x59), a, b.vreg());
        self.vv(shape.code(0x58), a, c.vreg());
        self.release(FLOAT, b);
        self.release(FLOAT, c);
        self.push_vector(a);
    }

    // ------------------------------------------------------------------------------------------ conversions

    /// Both halves are exact, and so is the upper one times 65536: only the sum is rounded.
    fn convert_unsigned_to_f32(&mut self) {
        const TO_F32: Code = (Pre::None, Map::M0F, 0x5b);
        let high = self.pop_vector();
        let low = self.alloc_vreg();
        self.asm().mov_v(low, high);
        self.shift_by(0x72, 6, low, 16);
        self.shift_by(0x72, 2, low, 16);
        self.shift_by(0x72, 2, high, 16);
        self.vv(TO_F32, low, low);
        self.vv(TO_F32, high, high);
        self.vector_const(TEMP_V, splat32(65536f32.to_bits()));
        self.vv(F32X4.code(0x59), high, TEMP_V);
        self.vv(F32X4.code(0x58), high, low);
        self.free_vreg(low);
        self.push_vector(high);
    }

    /// With the upper half of 2^52 each number becomes 2^52 more.
    fn convert_unsigned_to_f64(&mut self) {
        const TWO_TO_52: u64 = 0x4330_0000_0000_0000;
        let a = self.pop_vector();
        self.vector_const(TEMP_V, splat32((TWO_TO_52 >> 32) as u32));
        self.vv(p66(0x62), a, TEMP_V);
        self.vector_const(TEMP_V, splat64(TWO_TO_52));
        self.vv(F64X2.code(0x5c), a, TEMP_V);
        self.push_vector(a);
    }

    /// NaNs become 0 first. The machine gives the smallest number where it does not fit: right for negative ones, to be inverted for others.
    fn truncate_f32_signed(&mut self) {
        let a = self.pop_vector();
        self.asm().mov_v(TEMP_V, a);
        self.vvi(F32X4.code(0xc2), TEMP_V, TEMP_V, 0);
        self.vv(p66(0xdb), a, TEMP_V);
        // The sign is set where the number is ordered and not negative,
        self.vv(p66(0xef), TEMP_V, a);
        self.vv((Pre::PF3, Map::M0F, 0x5b), a, a);
        // and now where the result is the smallest number all the same.
        self.vv(p66(0xdb), TEMP_V, a);
        self.shift_by(0x72, 4, TEMP_V, 31);
        self.vv(p66(0xef), a, TEMP_V);
        self.push_vector(a);
    }

    /// What is above 2^31 is truncated by itself and added: 0x8000_0000 plus the rest, or plus 0x7fff_ffff if it does not fit.
    fn truncate_f32_unsigned(&mut self) {
        const TRUNCATE: Code = (Pre::PF3, Map::M0F, 0x5b);
        let a = self.pop_vector();
        self.zero(TEMP_V);
        // NaNs and negative numbers become 0.
        self.vv(F32X4.code(0x5f), a, TEMP_V);
        let rest = self.alloc_vreg();
        self.asm().mov_v(rest, a);
        self.vector_const(TEMP_V, splat32(2_147_483_648f32.to_bits()));
        self.vv(TRUNCATE, a, a);
        self.vv(F32X4.code(0x5c), rest, TEMP_V);
        self.vvi(F32X4.code(0xc2), TEMP_V, rest, 2);
        self.vv(TRUNCATE, rest, rest);
        self.vv(p66(0xef), rest, TEMP_V);
        self.zero(TEMP_V);
        self.vv(p38(0x3d), rest, TEMP_V);
        self.vv(p66(0xfe), a, rest);
        self.free_vreg(rest);
        self.push_vector(a);
    }

    /// Limited from above, NaNs become 0: `min` gives its second operand for them, which is 0 there. From below the machine saturates.
    fn truncate_f64_signed(&mut self) {
        let a = self.pop_vector();
        let limit = self.alloc_vreg();
        self.asm().mov_v(limit, a);
        self.vvi(F64X2.code(0xc2), limit, limit, 0);
        self.vector_const(TEMP_V, splat64(f64::from(i32::MAX).to_bits()));
        self.vv(p66(0xdb), limit, TEMP_V);
        self.vv(F64X2.code(0x5d), a, limit);
        self.vv(p66(0xe6), a, a);
        self.free_vreg(limit);
        self.push_vector(a);
    }

    /// Limited and rounded; adding 2^52 leaves the number in the low halves.
    fn truncate_f64_unsigned(&mut self) {
        let a = self.pop_vector();
        self.zero(TEMP_V);
        self.vv(F64X2.code(0x5f), a, TEMP_V);
        self.vector_const(TEMP_V, splat64(f64::from(u32::MAX).to_bits()));
        self.vv(F64X2.code(0x5d), a, TEMP_V);
        self.vvi((Pre::P66, Map::M0F3A, 0x09), a, a, 3 | 8);
        self.vector_const(TEMP_V, splat64(0x4330_0000_0000_0000));
        self.vv(F64X2.code(0x58), a, TEMP_V);
        self.zero(TEMP_V);
        self.vvi((Pre::None, Map::M0F, 0xc6), a, TEMP_V, 0x88);
        self.push_vector(a);
    }

    /// Replaces the NaNs in the vector on top that an operator may have made, if that is asked for.
    fn canonicalize_lanes(&mut self, op: Op) {
        let (shape, nan) = match sterna_eval::nan_shape(op) {
            Some(NanShape::F32x4) => (F32X4, splat32(0x7fc0_0000)),
            Some(NanShape::F64x2) => (F64X2, splat64(0x7ff8_0000_0000_0000)),
            _ => return,
        };
        if !self.input.settings.deterministic {
            return;
        }
        let a = self.pop_vector();
        let unordered = self.alloc_vreg();
        self.asm().mov_v(unordered, a);
        self.vvi(shape.code(0xc2), unordered, unordered, UNORDERED);
        self.vector_const(TEMP_V, nan);
        self.vv(p66(0xdb), TEMP_V, unordered);
        self.vv(p66(0xdf), unordered, a);
        self.vv(p66(0xeb), unordered, TEMP_V);
        self.free_vreg(a);
        self.push_vector(unordered);
    }
}
