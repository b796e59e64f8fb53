//! Owns what instructions are made of: registers, widths, extensions, conditions, lanes, each with its number in the encoding.
//! Does not encode.

use crate::machine::{Gpr, W};
pub(crate) use W::{W32, W64};

/// Reads as 0; what is written to it is lost.
pub(crate) const ZR: Gpr = Gpr(31);
/// The stack pointer, where an instruction takes it.
pub(crate) const SP: Gpr = Gpr(31);
/// The return address.
pub(crate) const LR: Gpr = Gpr(30);
/// The frame pointer.
pub(crate) const FP: Gpr = Gpr(29);

impl W {
    pub(super) fn bit(self) -> u32 {
        u32::from(self == W::W64)
    }

    pub fn bits(self) -> u32 {
        if self == W::W64 { 64 } else { 32 }
    }
}

/// How the second operand of an instruction is extended, by the number in the encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Extend {
    Uxtw = 2,
    Uxtx = 3,
    Sxtw = 6,
}

/// A condition by its number in the encoding. After a comparison of floats, `Mi` is less, `Ls` less or equal, `Gt` and `Ge` are greater (or equal), all
/// ordered; `Vs` is unordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Cc {
    Eq = 0,
    Ne = 1,
    Hs = 2,
    Lo = 3,
    Mi = 4,
    Pl = 5,
    Vs = 6,
    Vc = 7,
    Hi = 8,
    Ls = 9,
    Ge = 10,
    Lt = 11,
    Gt = 12,
    Le = 13,
}

impl Cc {
    /// True exactly when this one is false.
    pub fn inverted(self) -> Cc {
        use Cc::*;
        const ALL: [Cc; 14] = [Eq, Ne, Hs, Lo, Mi, Pl, Vs, Vc, Hi, Ls, Ge, Lt, Gt, Le];
        ALL[self as usize ^ 1]
    }
}

/// The lanes of a vector of 128 bits: width and number; their discriminant is log2 of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Lanes {
    B16 = 0,
    H8 = 1,
    S4 = 2,
    D2 = 3,
}

impl Lanes {
    /// Width of a lane.
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }

    /// Of twice the width.
    ///
    /// # Panics
    /// If there are none.
    pub fn wider(self) -> Lanes {
        match self {
            Lanes::B16 => Lanes::H8,
            Lanes::H8 => Lanes::S4,
            Lanes::S4 => Lanes::D2,
            Lanes::D2 => unreachable!("no lanes are wider"),
        }
    }
}
