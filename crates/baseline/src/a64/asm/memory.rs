//! Owns loads and stores of single registers and of pairs.
//! Does not own atomic accesses, nor what addresses are made of.

use super::{Asm, Gpr, W, W64};

/// What a load or store moves, by the word of its form with a scaled offset. Loads of less than a register extend: to 32 bits (`W`), to 64 (`X`), or both at
/// once with zeros. `B` to `Q` are vector registers; loads clear what is above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Access {
    Strb = 0x3900_0000,
    Ldrb = 0x3940_0000,
    LdrsbX = 0x3980_0000,
    LdrsbW = 0x39c0_0000,
    Strh = 0x7900_0000,
    Ldrh = 0x7940_0000,
    LdrshX = 0x7980_0000,
    LdrshW = 0x79c0_0000,
    StrW = 0xb900_0000,
    LdrW = 0xb940_0000,
    Ldrsw = 0xb980_0000,
    StrX = 0xf900_0000,
    LdrX = 0xf940_0000,
    StrB = 0x3d00_0000,
    LdrB = 0x3d40_0000,
    StrH = 0x7d00_0000,
    LdrH = 0x7d40_0000,
    StrS = 0xbd00_0000,
    LdrS = 0xbd40_0000,
    StrD = 0xfd00_0000,
    LdrD = 0xfd40_0000,
    StrQ = 0x3d80_0000,
    LdrQ = 0x3dc0_0000,
}

impl Access {
    /// log2 of the bytes.
    pub fn log2(self) -> u32 {
        match self {
            Access::StrQ | Access::LdrQ => 4,
            other => other as u32 >> 30,
        }
    }
}

/// What an access with a constant offset does to its base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Nothing: the offset is added for the access.
    Offset,
    /// Adds the offset before.
    Pre,
    /// Adds the offset behind.
    Post,
}

fn registers(reg: u8, base: Gpr) -> u32 {
    u32::from(base.0) << 5 | u32::from(reg)
}

/// The bit of the forms other than with a scaled offset.
const SCALED: u32 = 1 << 24;

impl Asm {
    /// Accesses `base + offset`, if an instruction can: a multiple of the size below 4096 times that, or -256 to 255. The base may be the stack pointer, here
    /// and in all accesses.
    #[must_use]
    pub fn ldst(&mut self, access: Access, reg: u8, base: Gpr, offset: i64) -> bool {
        let scaled = offset >> access.log2();
        if (0..4096).contains(&scaled) && scaled << access.log2() == offset {
            self.word32(access as u32 | (scaled as u32) << 10 | registers(reg, base));
            return true;
        }
        let fits = (-256..256).contains(&offset);
        if fits {
            self.ldst_step(access, reg, base, offset as i32, Step::Offset);
        }
        fits
    }

    /// With an offset from -256 to 255.
    pub fn ldst_step(&mut self, access: Access, reg: u8, base: Gpr, offset: i32, step: Step) {
        debug_assert!((-256..256).contains(&offset));
        let step = match step {
            Step::Offset => 0,
            Step::Post => 1 << 10,
            Step::Pre => 3 << 10,
        };
        let word = access as u32 & !SCALED | step | (offset as u32 & 0x1ff) << 12;
        self.word32(word | registers(reg, base));
    }

    /// Accesses `base + index`, or with `scaled` the index times the size. An index of `W32` is extended with zeros.
    pub fn ldst_index(
        &mut self,
        access: Access,
        reg: u8,
        base: Gpr,
        (index, w): (Gpr, W),
        scaled: bool,
    ) {
        let extend = if w == W64 { 3 } else { 2 };
        let form = 1 << 21 | extend << 13 | u32::from(scaled) << 12 | 1 << 11;
        let word = access as u32 & !SCALED | form | u32::from(index.0) << 16;
        self.word32(word | registers(reg, base));
    }

    fn pair(&mut self, word: u32, log2: u32, regs: (u8, u8), at: (Gpr, i32, Step)) {
        let (base, offset, step) = at;
        let scaled = offset >> log2;
        debug_assert!((-64..64).contains(&scaled) && scaled << log2 == offset);
        let step = match step {
            Step::Post => 1 << 23,
            Step::Offset => 2 << 23,
            Step::Pre => 3 << 23,
        };
        let offset = (scaled as u32 & 0x7f) << 15;
        self.word32(word | step | offset | u32::from(regs.1) << 10 | registers(regs.0, base));
    }

    /// Two registers of 4 or 8 bytes next to each other. The offset is -64 to 63 times the size, of all pairs.
    pub fn stp(&mut self, w: W, a: Gpr, b: Gpr, at: (Gpr, i32, Step)) {
        self.pair(0x2800_0000 | w.bit() << 31, 2 + w.bit(), (a.0, b.0), at);
    }

    pub fn ldp(&mut self, w: W, a: Gpr, b: Gpr, at: (Gpr, i32, Step)) {
        self.pair(0x2840_0000 | w.bit() << 31, 2 + w.bit(), (a.0, b.0), at);
    }
}
