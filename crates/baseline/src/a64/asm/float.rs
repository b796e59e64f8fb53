//! Owns the instructions on scalar floats.
//! Does not own vectors.

use super::{Asm, Cc, Gpr, Vreg, W, W32, W64};

/// The field of a float that an instruction has as an immediate: 4 bits of fraction, an exponent from -3 to 4.
pub(crate) fn float_imm(w: W, bits: u64) -> Option<u32> {
    // As double precision: single precision has the same bits nearer together.
    let bits = match w {
        W32 => {
            let value = f32::from_bits(bits as u32);
            if !value.is_normal() {
                return None;
            }
            f64::from(value).to_bits()
        }
        W64 => bits,
    };
    let exponent = (bits >> 52 & 0x7ff) as u32;
    let exact = bits << 16 == 0 && (0x3fc..=0x403).contains(&exponent);
    let small = u32::from(exponent < 0x400);
    let sign = (bits >> 63) as u32;
    exact.then_some(sign << 7 | small << 6 | (exponent & 3) << 4 | (bits >> 48 & 15) as u32)
}

fn three(dst: Vreg, a: Vreg, b: Vreg) -> u32 {
    u32::from(b.0) << 16 | u32::from(a.0) << 5 | u32::from(dst.0)
}

/// Bit of the precision.
fn precision(w: W) -> u32 {
    w.bit() << 22
}

/// `name word` a line: methods `name(w, dst, a, b)`.
macro_rules! float_three {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        impl Asm {
            $($(#[$doc])*
            pub fn $name(&mut self, w: W, dst: Vreg, a: Vreg, b: Vreg) {
                self.word32($word | precision(w) | three(dst, a, b));
            })*
        }
    };
}

float_three! {
    fmul 0x1e20_0800;
    fdiv 0x1e20_1800;
    fadd 0x1e20_2800;
    fsub 0x1e20_3800;
    /// NaN if one of them is; the positive zero of two.
    fmax 0x1e20_4800;
    /// NaN if one of them is; the negative zero of two.
    fmin 0x1e20_5800;
}

/// `name word` a line: methods `name(w, dst, src)`.
macro_rules! float_two {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        impl Asm {
            $($(#[$doc])*
            pub fn $name(&mut self, w: W, dst: Vreg, src: Vreg) {
                self.word32($word | precision(w) | three(dst, src, Vreg(0)));
            })*
        }
    };
}

float_two! {
    fabs 0x1e20_c000;
    fneg 0x1e21_4000;
    fsqrt 0x1e21_c000;
    /// To the nearest integer, ties to even.
    frintn 0x1e24_4000;
    /// Up.
    frintp 0x1e24_c000;
    /// Down.
    frintm 0x1e25_4000;
    /// Towards zero.
    frintz 0x1e25_c000;
}

impl Asm {
    /// Sets the flags: see [`Cc`].
    pub fn fcmp(&mut self, w: W, a: Vreg, b: Vreg) {
        self.word32(0x1e20_2000 | precision(w) | three(Vreg(0), a, b));
    }

    /// Compares with 0.0.
    pub fn fcmp_zero(&mut self, w: W, a: Vreg) {
        self.word32(0x1e20_2008 | precision(w) | three(Vreg(0), a, Vreg(0)));
    }

    /// `a` if the condition holds, else `b`.
    pub fn fcsel(&mut self, w: W, dst: Vreg, a: Vreg, b: Vreg, cc: Cc) {
        self.word32(0x1e20_0c00 | precision(w) | (cc as u32) << 12 | three(dst, a, b));
    }

    /// A constant, of those that [`float_imm`] finds.
    pub fn fmov_imm(&mut self, w: W, dst: Vreg, imm: u32) {
        self.word32(0x1e20_1000 | precision(w) | (imm & 0xff) << 13 | u32::from(dst.0));
    }

    /// Bits of an integer register; what is above becomes zero.
    pub fn fmov_from_gpr(&mut self, w: W, dst: Vreg, src: Gpr) {
        let word = 0x1e27_0000 | w.bit() << 31 | precision(w);
        self.word32(word | three(dst, Vreg(src.0), Vreg(0)));
    }

    /// Bits to an integer register; with `W32` the upper half becomes zero.
    pub fn fmov_to_gpr(&mut self, w: W, dst: Gpr, src: Vreg) {
        let word = 0x1e26_0000 | w.bit() << 31 | precision(w);
        self.word32(word | three(Vreg(dst.0), src, Vreg(0)));
    }

    /// The upper half of a vector from an integer register; the lower one stays.
    pub fn fmov_high_from_gpr(&mut self, dst: Vreg, src: Gpr) {
        self.word32(0x9eaf_0000 | three(dst, Vreg(src.0), Vreg(0)));
    }

    /// To the other precision; `from` is that of the source.
    pub fn fcvt(&mut self, from: W, dst: Vreg, src: Vreg) {
        let word = if from == W64 { 0x1e62_4000 } else { 0x1e22_c000 };
        self.word32(word | three(dst, src, Vreg(0)));
    }

    fn convert(&mut self, word: u32, int: W, float: W, dst: u8, src: u8) {
        let widths = int.bit() << 31 | precision(float);
        self.word32(word | widths | three(Vreg(dst), Vreg(src), Vreg(0)));
    }

    /// Truncates to a signed integer of width `to`, the nearest there is; 0 for NaN.
    pub fn fcvtzs(&mut self, to: W, from: W, dst: Gpr, src: Vreg) {
        self.convert(0x1e38_0000, to, from, dst.0, src.0);
    }

    /// Truncates to an unsigned integer.
    pub fn fcvtzu(&mut self, to: W, from: W, dst: Gpr, src: Vreg) {
        self.convert(0x1e39_0000, to, from, dst.0, src.0);
    }

    /// A float of precision `to` from a signed integer of width `from`.
    pub fn scvtf(&mut self, to: W, from: W, dst: Vreg, src: Gpr) {
        self.convert(0x1e22_0000, from, to, dst.0, src.0);
    }

    /// From an unsigned integer.
    pub fn ucvtf(&mut self, to: W, from: W, dst: Vreg, src: Gpr) {
        self.convert(0x1e23_0000, from, to, dst.0, src.0);
    }
}
