//! Owns labels, jumps, calls and the stack instructions around them.
//! Does not own where jumps lead: the control structure does.

use super::{Asm, Assembler, Enc, Label, Short};

impl Asm {
    /// Makes the 4 bytes at `at`, which hold a displacement relative to their end, refer to a label.
    pub fn refer(&mut self, label: &mut Label, at: u32) {
        if label.bound {
            self.patch32(at, label.at.wrapping_sub(at + 4));
        } else {
            self.patch32(at, label.at);
            label.at = at;
        }
    }

    pub fn jmp_short(&mut self) -> Short {
        self.commit(Enc::bytes(&[0xeb, 0]));
        Short(self.pos())
    }

    pub fn ud2(&mut self) {
        self.commit(Enc::bytes(&[0x0f, 0x0b]));
    }
}
