//! Owns labels, jumps, calls and the stack instructions around them.
//! Does not own where jumps lead: the control structure does.

use super::{Asm, Cc, Enc, Gpr, Rm};

/// A place in the code that jumps lead to, before or after it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label {
    /// Where it is, if bound; else the last jump's displacement field, or `u32::MAX`.
    at: u32,
    bound: bool,
}

impl Label {
    pub const NEW: Label = Label { at: u32::MAX, bound: false };

    /// Whether its place is known.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Whether anything jumps here, not being bound.
    pub fn is_used(&self) -> bool {
        self.at != u32::MAX
    }
}

/// A short forward jump to be bound by [`Asm::bind_short`].
#[derive(Clone, Copy)]
#[must_use]
pub(crate) struct Short(usize);

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

    /// Makes a label the current place.
    pub fn bind(&mut self, label: &mut Label) {
        let here = self.pos();
        let mut at = label.at;
        while at != u32::MAX {
            let next = self.read32(at);
            self.patch32(at, here.wrapping_sub(at + 4));
            at = next;
        }
        *label = Label { at: here, bound: true };
    }

    pub fn jmp(&mut self, label: &mut Label) {
        if label.bound {
            let distance = i64::from(label.at) - i64::from(self.pos() + 2);
            if let Ok(distance) = i8::try_from(distance) {
                self.byte(0xeb);
                self.byte(distance as u8);
                return;
            }
        }
        self.byte(0xe9);
        self.word32(0);
        self.refer(label, self.pos() - 4);
    }

    pub fn jcc(&mut self, cc: Cc, label: &mut Label) {
        if label.bound {
            let distance = i64::from(label.at) - i64::from(self.pos() + 2);
            if let Ok(distance) = i8::try_from(distance) {
                self.byte(0x70 | cc as u8);
                self.byte(distance as u8);
                return;
            }
        }
        let mut e = Enc::new();
        e.put(0x0f);
        e.put(0x80 | cc as u8);
        e.put32(0);
        self.commit(e);
        self.refer(label, self.pos() - 4);
    }

    /// A conditional jump over at most 127 bytes.
    pub fn jcc_short(&mut self, cc: Cc) -> Short {
        self.byte(0x70 | cc as u8);
        self.byte(0);
        Short(self.len)
    }

    pub fn jmp_short(&mut self) -> Short {
        self.byte(0xeb);
        self.byte(0);
        Short(self.len)
    }

    pub fn bind_short(&mut self, short: Short) {
        let distance = i8::try_from(self.len - short.0).expect("short jumps skip few instructions");
        self.bytes[short.0 - 1] = distance as u8;
    }

    /// `call rel32`; where its displacement is.
    pub fn call_rel(&mut self) -> u32 {
        self.byte(0xe8);
        self.word32(0);
        self.pos() - 4
    }

    /// `jmp rel32`; where its displacement is.
    pub fn jmp_rel(&mut self) -> u32 {
        self.byte(0xe9);
        self.word32(0);
        self.pos() - 4
    }

    pub fn call_rm(&mut self, rm: Rm) {
        self.op_rm(false, &[0xff], 2, rm);
    }

    pub fn jmp_rm(&mut self, rm: Rm) {
        self.op_rm(false, &[0xff], 4, rm);
    }

    pub fn ret(&mut self, pop: u16) {
        match pop {
            0 => self.byte(0xc3),
            _ => {
                self.byte(0xc2);
                self.byte(pop as u8);
                self.byte((pop >> 8) as u8);
            }
        }
    }

    pub fn leave(&mut self) {
        self.byte(0xc9);
    }

    pub fn ud2(&mut self) {
        self.byte(0x0f);
        self.byte(0x0b);
    }

    pub fn push(&mut self, reg: Gpr) {
        let mut e = Enc::new();
        e.rex(false, 0, 0, reg.0, false);
        e.put(0x50 | reg.0 & 7);
        self.commit(e);
    }

    pub fn pop(&mut self, reg: Gpr) {
        let mut e = Enc::new();
        e.rex(false, 0, 0, reg.0, false);
        e.put(0x58 | reg.0 & 7);
        self.commit(e);
    }
}
