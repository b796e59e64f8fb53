//! Owns the opcodes of instructions on whole vectors of 128 bits, by the architecture's names.
//! Does not emit them (`vector`).
// tidy: flat-table

use super::Lanes;

/// An instruction `dst = op(a, b)`, its word without registers and lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Code3(pub(super) u32);

/// An instruction `dst = op(src)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Code2(pub(super) u32);

/// A shift by a constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CodeShift(pub(super) u32, pub(super) bool);

impl Code3 {
    /// With a width of lanes.
    pub const fn of(self, lanes: Lanes) -> Code3 {
        Code3(self.0 | (lanes as u32) << 22)
    }

    /// Of floats, `S4` or `D2`.
    pub const fn float(self, lanes: Lanes) -> Code3 {
        Code3(self.0 | (lanes as u32 & 1) << 22)
    }

    /// On the upper half of the sources, where it widens them.
    pub const fn high(self) -> Code3 {
        Code3(self.0 | 1 << 30)
    }
}

impl Code2 {
    /// With a width of lanes: of the source, or the narrower one where they differ.
    pub const fn of(self, lanes: Lanes) -> Code2 {
        Code2(self.0 | (lanes as u32) << 22)
    }

    /// Of floats, `S4` or `D2`: the wider one where they differ.
    pub const fn float(self, lanes: Lanes) -> Code2 {
        Code2(self.0 | (lanes as u32 & 1) << 22)
    }

    /// Into the upper half of the destination, or from that of the source.
    pub const fn high(self) -> Code2 {
        Code2(self.0 | 1 << 30)
    }
}

macro_rules! codes {
    ($ty:ident $($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: $ty = $ty($word);)*
    };
}

// Bitwise, without lanes.
codes! { Code3
    AND 0x4e20_1c00;
    /// `a & !b`.
    BIC 0x4e60_1c00;
    ORR 0x4ea0_1c00;
    EOR 0x6e20_1c00;
    /// `dst ? a : b` for each bit.
    BSL 0x6e60_1c00;
    /// `b ? a : dst`.
    BIT 0x6ea0_1c00;
}

// Integers.
codes! { Code3
    ADD 0x4e20_8400;
    SUB 0x6e20_8400;
    /// Not of `D2`.
    MUL 0x4e20_9c00;
    CMEQ 0x6e20_8c00;
    CMGT 0x4e20_3400;
    CMGE 0x4e20_3c00;
    /// Unsigned.
    CMHI 0x6e20_3400;
    CMHS 0x6e20_3c00;
    SMAX 0x4e20_6400;
    SMIN 0x4e20_6c00;
    UMAX 0x6e20_6400;
    UMIN 0x6e20_6c00;
    SQADD 0x4e20_0c00;
    UQADD 0x6e20_0c00;
    SQSUB 0x4e20_2c00;
    UQSUB 0x6e20_2c00;
    /// Half of the sum, rounded up.
    URHADD 0x6e20_1400;
    /// The upper half of twice the product, rounded; `H8` or `S4`.
    SQRDMULH 0x6e20_b400;
    /// By a signed amount for each lane, to the right if it is negative.
    SSHL 0x4e20_4400;
    USHL 0x6e20_4400;
    /// Sums of neighbours, of `a` in the lower half.
    ADDP 0x4e20_bc00;
    /// The largest of neighbours.
    UMAXP 0x6e20_a400;
    /// Products with lanes of twice the width, of the lower halves.
    SMULL 0x0e20_c000;
    UMULL 0x2e20_c000;
    /// `dst` plus them.
    UMLAL 0x2e20_8000;
}

// Lanes moved.
codes! { Code3
    /// Even lanes of `a`, then of `b`.
    UZP1 0x4e00_1800;
    /// Odd lanes.
    UZP2 0x4e00_5800;
    /// Lower halves, alternating.
    ZIP1 0x4e00_3800;
    /// Upper halves.
    ZIP2 0x4e00_7800;
    /// Even lanes, alternating.
    TRN1 0x4e00_2800;
    /// Odd lanes.
    TRN2 0x4e00_6800;
    /// Bytes of `a` by the indices in `b`, 0 where they are out of range. Without lanes.
    TBL 0x4e00_0000;
    /// The same, but lanes stay where the index is out of range.
    TBX 0x4e00_1000;
}

// Floats.
codes! { Code3
    FADD 0x4e20_d400;
    FSUB 0x4ea0_d400;
    FMUL 0x6e20_dc00;
    FDIV 0x6e20_fc00;
    FMAX 0x4e20_f400;
    FMIN 0x4ea0_f400;
    FCMEQ 0x4e20_e400;
    FCMGE 0x6e20_e400;
    FCMGT 0x6ea0_e400;
}

// Bits and integers, one source.
codes! { Code2
    /// Without lanes.
    NOT 0x6e20_5800;
    /// Bits that are set, of bytes.
    CNT 0x4e20_5800;
    /// Exchanges the lanes within each 64 bits,
    REV64 0x4e20_0800;
    /// within 32,
    REV32 0x6e20_0800;
    /// within 16: bytes only.
    REV16 0x4e20_1800;
    ABS 0x4e20_b800;
    NEG 0x6e20_b800;
    CMEQ_ZERO 0x4e20_9800;
    /// Sums of neighbours, with lanes of twice the width.
    SADDLP 0x4e20_2800;
    UADDLP 0x6e20_2800;
    /// Lanes of half the width into the lower half, clearing the upper one: truncated,
    XTN 0x0e21_2800;
    /// saturated,
    SQXTN 0x0e21_4800;
    /// from signed to unsigned,
    SQXTUN 0x2e21_2800;
    /// from unsigned to unsigned.
    UQXTN 0x2e21_4800;
    /// The sum of all lanes, in the lowest one.
    ADDV 0x4e31_b800;
}

// Floats, one source.
codes! { Code2
    FABS 0x4ea0_f800;
    FNEG 0x6ea0_f800;
    FSQRT 0x6ea1_f800;
    FRINTN 0x4e21_8800;
    FRINTM 0x4e21_9800;
    FRINTP 0x4ea1_8800;
    FRINTZ 0x4ea1_9800;
    FCVTZS 0x4ea1_b800;
    FCVTZU 0x6ea1_b800;
    SCVTF 0x4e21_d800;
    UCVTF 0x6e21_d800;
    /// Wider, from the lower half.
    FCVTL 0x0e21_7800;
    /// Narrower, into the lower half, clearing the upper one.
    FCVTN 0x0e21_6800;
}

/// Shifts: to the left, or else to the right.
pub(crate) const SHL: CodeShift = CodeShift(0x4f00_5400, true);
pub(crate) const SSHR: CodeShift = CodeShift(0x4f00_0400, false);
pub(crate) const USHR: CodeShift = CodeShift(0x6f00_0400, false);
pub(crate) const USRA: CodeShift = CodeShift(0x6f00_1400, false);
/// The lower half widened, then to the left; lanes are those of the source.
pub(crate) const SSHLL: CodeShift = CodeShift(0x0f00_a400, true);
pub(crate) const USHLL: CodeShift = CodeShift(0x2f00_a400, true);

impl CodeShift {
    /// With the upper half of the source, or of the result.
    pub const fn high(self) -> CodeShift {
        CodeShift(self.0 | 1 << 30, self.1)
    }
}
