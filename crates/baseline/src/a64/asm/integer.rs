//! Owns the instructions on general-purpose registers.
//! Does not own accesses to memory, nor jumps.

use super::{Asm, Cc, Extend, Gpr, Imm12, LogicalImm, W, W64, ZR};

/// An instruction `dst = a op b` on registers, by its word. None of them takes the stack pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Rrr {
    Add = 0x0b00_0000,
    Subs = 0x6b00_0000,
    Orr = 0x2a00_0000,
}

/// `name word` a line: methods `name(w, dst, a, b)`.
macro_rules! three {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        impl Asm {
            $($(#[$doc])*
            #[inline(always)]
            pub fn $name(&mut self, w: W, dst: Gpr, a: Gpr, b: Gpr) {
                self.word32($word | w.bit() << 31 | three(dst, a, b));
            })*
        }
    };
}

three! {
    add 0x0b00_0000;
    adds 0x2b00_0000;
    sub 0x4b00_0000;
    subs 0x6b00_0000;
    orr 0x2a00_0000;
    orn 0x2a20_0000;
    eor 0x4a00_0000;
    ands 0x6a00_0000;
    adc 0x1a00_0000;
    /// Less the inverted carry.
    sbc 0x5a00_0000;
    /// 0 if divided by 0.
    udiv 0x1ac0_0800;
    /// 0 if divided by 0; the smallest number by -1 is itself.
    sdiv 0x1ac0_0c00;
    /// Shifts are by `b` modulo the width.
    lslv 0x1ac0_2000;
    lsrv 0x1ac0_2400;
    asrv 0x1ac0_2800;
    rorv 0x1ac0_2c00;
    mul 0x1b00_7c00;
}

/// `name word` a line: methods `name(dst, a, b)`.
macro_rules! three_wide {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        impl Asm {
            $($(#[$doc])*
            pub fn $name(&mut self, dst: Gpr, a: Gpr, b: Gpr) {
                self.word32($word | three(dst, a, b));
            })*
        }
    };
}

three_wide! {
    /// The upper half of the product of 64-bit numbers.
    smulh 0x9b40_7c00;
    umulh 0x9bc0_7c00;
}

/// `name word` a line: methods `name(w, dst, src)`.
macro_rules! two {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        impl Asm {
            $($(#[$doc])*
            pub fn $name(&mut self, w: W, dst: Gpr, src: Gpr) {
                self.word32($word | w.bit() << 31 | three(dst, src, Gpr(0)));
            })*
        }
    };
}

two! {
    rbit 0x5ac0_0000;
    clz 0x5ac0_1000;
}

/// `name word` a line: methods `name(w, dst, a, b, cc)`.
macro_rules! selects {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        impl Asm {
            $($(#[$doc])*
            pub fn $name(&mut self, w: W, dst: Gpr, a: Gpr, b: Gpr, cc: Cc) {
                self.word32($word | w.bit() << 31 | (cc as u32) << 12 | three(dst, a, b));
            })*
        }
    };
}

selects! {
    /// `a` if the condition holds, else `b`.
    csel 0x1a80_0000;
    /// Else `b + 1`.
    csinc 0x1a80_0400;
}

/// `name type word` a line: methods `name(w, dst, src, imm)`.
macro_rules! immediates {
    ($($(#[$doc:meta])* $name:ident $imm:ident $word:literal;)*) => {
        impl Asm {
            $($(#[$doc])*
            #[inline(always)]
            pub fn $name(&mut self, w: W, dst: Gpr, src: Gpr, imm: $imm) {
                self.word32($word | w.bit() << 31 | imm.0 | three(dst, src, Gpr(0)));
            })*
        }
    };
}

immediates! {
    /// Both may be the stack pointer.
    add_imm Imm12 0x1100_0000;
    /// The source may be the stack pointer.
    adds_imm Imm12 0x3100_0000;
    /// Both may be the stack pointer.
    sub_imm Imm12 0x5100_0000;
    /// The source may be the stack pointer.
    subs_imm Imm12 0x7100_0000;
    /// The destination may be the stack pointer, of the next two as well.
    and_imm LogicalImm 0x1200_0000;
    orr_imm LogicalImm 0x3200_0000;
    eor_imm LogicalImm 0x5200_0000;
    ands_imm LogicalImm 0x7200_0000;
}

#[inline(always)]
fn three(dst: Gpr, a: Gpr, b: Gpr) -> u32 {
    u32::from(b.0) << 16 | u32::from(a.0) << 5 | u32::from(dst.0)
}

impl Asm {
    // ------------------------------------------------------------------------------------------ second operands

    /// With the second operand shifted to the left by less than the width.
    pub fn shifted(&mut self, op: Rrr, w: W, dst: Gpr, a: Gpr, (b, by): (Gpr, u32)) {
        self.word32(op as u32 | w.bit() << 31 | (by & 63) << 10 | three(dst, a, b));
    }

    /// An addition or subtraction with the second operand extended, then shifted to the left by up to 4. `a` may be the stack pointer, and `dst` if
    /// no flags are set.
    pub fn extended(
        &mut self,
        op: Rrr,
        w: W,
        dst: Gpr,
        a: Gpr,
        (b, extend, by): (Gpr, Extend, u32),
    ) {
        debug_assert!(matches!(op, Rrr::Add | Rrr::Subs));
        let extend = 1 << 21 | (extend as u32) << 13 | (by & 7) << 10;
        self.word32(op as u32 | w.bit() << 31 | extend | three(dst, a, b));
    }

    // ------------------------------------------------------------------------------------------ by other names

    /// Neither may be the stack pointer: see [`Asm::mov_sp`].
    #[inline(always)]
    pub fn mov(&mut self, w: W, dst: Gpr, src: Gpr) {
        self.orr(w, dst, ZR, src);
    }

    /// 64 bits; one of them may be the stack pointer.
    pub fn mov_sp(&mut self, dst: Gpr, src: Gpr) {
        self.add_imm(W64, dst, src, Imm12(0));
    }

    pub fn cmp(&mut self, w: W, a: Gpr, b: Gpr) {
        self.subs(w, ZR, a, b);
    }

    pub fn tst(&mut self, w: W, a: Gpr, b: Gpr) {
        self.ands(w, ZR, a, b);
    }

    pub fn tst_imm(&mut self, w: W, a: Gpr, imm: LogicalImm) {
        self.ands_imm(w, ZR, a, imm);
    }

    pub fn neg(&mut self, w: W, dst: Gpr, src: Gpr) {
        self.sub(w, dst, ZR, src);
    }

    pub fn mvn(&mut self, w: W, dst: Gpr, src: Gpr) {
        self.orn(w, dst, ZR, src);
    }

    /// 1 if a condition holds, else 0.
    pub fn cset(&mut self, w: W, dst: Gpr, cc: Cc) {
        self.csinc(w, dst, ZR, ZR, cc.inverted());
    }

    // ------------------------------------------------------------------------------------------ products

    /// `c - a * b`.
    pub fn msub(&mut self, w: W, dst: Gpr, a: Gpr, b: Gpr, c: Gpr) {
        self.word32(0x1b00_8000 | w.bit() << 31 | u32::from(c.0) << 10 | three(dst, a, b));
    }

    // ------------------------------------------------------------------------------------------ bytes and bits

    fn bitfield(&mut self, word: u32, w: W, dst: Gpr, src: Gpr, (immr, imms): (u32, u32)) {
        let mask = w.bits() - 1;
        let imm = w.bit() << 22 | (immr & mask) << 16 | (imms & mask) << 10;
        self.word32(word | w.bit() << 31 | imm | three(dst, src, Gpr(0)));
    }

    pub fn sbfm(&mut self, w: W, dst: Gpr, src: Gpr, immr: u32, imms: u32) {
        self.bitfield(0x1300_0000, w, dst, src, (immr, imms));
    }

    pub fn ubfm(&mut self, w: W, dst: Gpr, src: Gpr, immr: u32, imms: u32) {
        self.bitfield(0x5300_0000, w, dst, src, (immr, imms));
    }

    /// The bits from `by` on of `b`, with `a` above them.
    pub fn extr(&mut self, w: W, dst: Gpr, a: Gpr, b: Gpr, by: u32) {
        let imm = w.bit() << 22 | (by & (w.bits() - 1)) << 10;
        self.word32(0x1380_0000 | w.bit() << 31 | imm | three(dst, a, b));
    }

    /// Shifts by a constant, modulo the width.
    pub fn lsl_imm(&mut self, w: W, dst: Gpr, src: Gpr, by: u32) {
        let by = by & (w.bits() - 1);
        self.ubfm(w, dst, src, by.wrapping_neg(), w.bits() - 1 - by);
    }

    pub fn lsr_imm(&mut self, w: W, dst: Gpr, src: Gpr, by: u32) {
        self.ubfm(w, dst, src, by, w.bits() - 1);
    }

    pub fn asr_imm(&mut self, w: W, dst: Gpr, src: Gpr, by: u32) {
        self.sbfm(w, dst, src, by, w.bits() - 1);
    }

    pub fn ror_imm(&mut self, w: W, dst: Gpr, src: Gpr, by: u32) {
        self.extr(w, dst, src, src, by);
    }

    pub fn sxtb(&mut self, w: W, dst: Gpr, src: Gpr) {
        self.sbfm(w, dst, src, 0, 7);
    }

    pub fn sxth(&mut self, w: W, dst: Gpr, src: Gpr) {
        self.sbfm(w, dst, src, 0, 15);
    }

    pub fn sxtw(&mut self, dst: Gpr, src: Gpr) {
        self.sbfm(W64, dst, src, 0, 31);
    }

    // ------------------------------------------------------------------------------------------ conditional comparisons

    /// Compares with a number below 32 if a condition holds, else sets the flags to `nzcv`.
    pub fn ccmp_imm(&mut self, w: W, a: Gpr, imm: u8, nzcv: u32, cc: Cc) {
        let fields = (cc as u32) << 12 | nzcv & 15 | three(Gpr(0), a, Gpr(imm & 31));
        self.word32(0x7a40_0800 | w.bit() << 31 | fields);
    }
}
