//! Owns which numbers fit the fields of instructions on integers, and constants of any size.
//! Does not own those of floats and vectors.

use super::{Asm, Gpr, W, W32, W64, ZR};

/// An immediate of an addition or subtraction: 12 bits, maybe 12 further to the left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Imm12(pub(super) u32);

/// Whether a number is an immediate of additions.
pub(crate) const fn imm12(value: u64) -> Option<Imm12> {
    match value {
        0..=0xfff => Some(Imm12((value as u32) << 10)),
        _ if value & !0xfff_000 == 0 => Some(Imm12(1 << 22 | (value as u32 >> 12) << 10)),
        _ => None,
    }
}

/// An immediate of a bitwise instruction: a run of ones, rotated, in each element of 2, 4, … or 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LogicalImm(pub(super) u32);

/// Whether a number is an immediate of bitwise instructions of a width. The upper half does not count in `W32`.
pub(crate) fn logical_imm(value: u64, w: W) -> Option<LogicalImm> {
    let value = match w {
        W32 => value & 0xffff_ffff | value << 32,
        W64 => value,
    };
    if value == 0 || value == u64::MAX {
        return None;
    }
    let mut size = 64;
    while size > 2 && value == value.rotate_right(size / 2) {
        size /= 2;
    }
    let mask = u64::MAX >> (64 - size);
    let element = value & mask;
    let ones = element.count_ones();
    // How far the run has come to the left; if it wraps around, its beginning lies behind the zeros.
    let start = if element & 1 == 0 {
        element.trailing_zeros()
    } else {
        let leading = (!element & mask).leading_zeros() - (64 - size);
        (size - leading) % size
    };
    let run = u64::MAX >> (64 - ones);
    let rotated = (run << start | run.checked_shr(size - start).unwrap_or(0)) & mask;
    if rotated != element {
        return None;
    }
    let rotate = (size - start) % size;
    let n = u32::from(size == 64);
    let imms = (!(2 * size - 1) & 0x3f) | (ones - 1);
    Some(LogicalImm(n << 22 | rotate << 16 | imms << 10))
}

impl Asm {
    fn mov_wide(&mut self, word: u32, w: W, dst: Gpr, imm: u16, at: u32) {
        self.word32(word | w.bit() << 31 | at << 21 | u32::from(imm) << 5 | u32::from(dst.0));
    }

    /// `imm << 16 * at`.
    pub fn movz(&mut self, w: W, dst: Gpr, imm: u16, at: u32) {
        self.mov_wide(0x5280_0000, w, dst, imm, at);
    }

    /// `!(imm << 16 * at)`.
    pub fn movn(&mut self, w: W, dst: Gpr, imm: u16, at: u32) {
        self.mov_wide(0x1280_0000, w, dst, imm, at);
    }

    /// Replaces 16 bits.
    pub fn movk(&mut self, w: W, dst: Gpr, imm: u16, at: u32) {
        self.mov_wide(0x7280_0000, w, dst, imm, at);
    }

    /// Any constant in 64 bits, in at most four instructions; the flags stay.
    pub fn mov_i(&mut self, dst: Gpr, value: u64) {
        let chunk = |at: u32| (value >> (16 * at)) as u16;
        let zeros = (0..4).filter(|&at| chunk(at) == 0).count();
        let ones = (0..4).filter(|&at| chunk(at) == u16::MAX).count();
        if zeros < 3 && ones < 3 {
            if let Some(imm) = logical_imm(value, W64) {
                return self.orr_imm(W64, dst, ZR, imm);
            }
            if value >> 32 == 0 {
                if value >> 16 == 0xffff {
                    return self.movn(W32, dst, !chunk(0), 0);
                }
                if chunk(0) == u16::MAX {
                    return self.movn(W32, dst, !chunk(1), 1);
                }
                if let Some(imm) = logical_imm(value, W32) {
                    return self.orr_imm(W32, dst, ZR, imm);
                }
            }
        }
        let inverted = ones > zeros;
        let rest = if inverted { u16::MAX } else { 0 };
        let first = (0..4).find(|&at| chunk(at) != rest).unwrap_or(0);
        if inverted {
            self.movn(W64, dst, !chunk(first), first);
        } else {
            let w = if value >> 32 == 0 { W32 } else { W64 };
            self.movz(w, dst, chunk(first), first);
        }
        for at in first + 1..4 {
            if chunk(at) != rest {
                self.movk(W64, dst, chunk(at), at);
            }
        }
    }
}
