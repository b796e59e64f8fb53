//! Owns accesses that order others, exclusive ones, and those that modify memory at once (version 8.1 of the architecture).
//! Does not own plain accesses.

use super::{Asm, Gpr};

/// An access at an address in a register, or the stack pointer, with nothing added. `bytes` are 1, 2, 4 or 8.
fn word(base: u32, bytes: u32, status_or_value: Gpr, reg: Gpr, address: Gpr) -> u32 {
    let size = bytes.trailing_zeros() << 30;
    let registers = u32::from(status_or_value.0) << 16 | u32::from(address.0) << 5;
    base | size | registers | u32::from(reg.0)
}

/// `name word` a line: methods `name(bytes, value, old, address)` that combine memory with `value` and leave in `old` what was there, with zeros
/// above. They acquire and release.
macro_rules! modify {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {
        impl Asm {
            $($(#[$doc])*
            pub fn $name(&mut self, bytes: u32, value: Gpr, old: Gpr, address: Gpr) {
                self.word32(word($word, bytes, value, old, address));
            })*
        }
    };
}

modify! {
    ldaddal 0x38e0_0000;
    /// Clears the bits that are set in `value`.
    ldclral 0x38e0_1000;
    ldeoral 0x38e0_2000;
    ldsetal 0x38e0_3000;
    swpal 0x38e0_8000;
}

impl Asm {
    /// If memory is as `expected`, puts `new` there; `expected` becomes what was there.
    pub fn casal(&mut self, bytes: u32, expected: Gpr, new: Gpr, address: Gpr) {
        self.word32(word(0x08e0_fc00, bytes, expected, new, address));
    }

    pub fn ldar(&mut self, bytes: u32, dst: Gpr, address: Gpr) {
        self.word32(word(0x08c0_fc00, bytes, Gpr(31), dst, address));
    }

    pub fn stlr(&mut self, bytes: u32, src: Gpr, address: Gpr) {
        self.word32(word(0x0880_fc00, bytes, Gpr(31), src, address));
    }

    /// Begins an exclusive access.
    pub fn ldaxr(&mut self, bytes: u32, dst: Gpr, address: Gpr) {
        self.word32(word(0x0840_fc00, bytes, Gpr(31), dst, address) | 0x7c00);
    }

    /// Ends an exclusive access: `status` becomes 0 if it stored, else 1.
    pub fn stlxr(&mut self, bytes: u32, status: Gpr, src: Gpr, address: Gpr) {
        self.word32(word(0x0800_fc00, bytes, status, src, address));
    }

    /// Orders all accesses before with all behind.
    pub fn dmb_ish(&mut self) {
        self.word32(0xd503_3bbf);
    }
}
