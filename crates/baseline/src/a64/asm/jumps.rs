//! Owns labels, jumps, calls, and what stops the machine.
//! Does not own where jumps lead: the control structure does.
//!
//! Jumps to an unbound label form a list in the code itself: each one's distance field says how many words before it the previous one is, 0 if there is none.
//! Which field a word has tells its opcode; words of data have none and are all distance.
//!
//! Conditional jumps reach 1 MiB, others 128 MiB. Where the target is known, a conditional jump that does not reach it is
//! inverted and skips an unconditional one. Where it is not known, [`Asm::far`] has the same done always.

use super::{Asm, Cc};
use crate::machine::{Gpr, Label, Short, W};

/// A distance field in units of words: its width, its lowest bit.
type Field = (u32, u32);
const DATA: Field = (26, 0);
const IMM26: Field = (26, 0);
const IMM19: Field = (19, 5);

const B: u32 = 0x1400_0000;
const BL: u32 = 0x9400_0000;
const B_COND: u32 = 0x5400_0000;
const CBNZ: u32 = 0x3500_0000;

/// Whether a word is a distance, or the end of a list of such.
fn is_data(word: u32) -> bool {
    word >> 26 == 0
}

fn field(word: u32) -> Field {
    match word {
        _ if is_data(word) => DATA,
        _ if word & 0x7c00_0000 == B => IMM26,
        _ => IMM19,
    }
}

/// A distance in words in a field of `word`, which is 0 there; `None` if it does not fit.
fn with_distance(word: u32, distance: i64) -> Option<u32> {
    if is_data(word) {
        return i32::try_from(distance * 4).ok().map(|bytes| bytes as u32);
    }
    let (bits, low) = field(word);
    let fits = (-1 << (bits - 1)..1 << (bits - 1)).contains(&distance);
    fits.then_some(word | (distance as u32 & ((1 << bits) - 1)) << low)
}

/// The inverse of a conditional jump.
fn inverted(word: u32) -> u32 {
    // `cbz` differs from `cbnz` in the lowest bit of the opcode.
    if word & 0xff00_0000 == B_COND { word ^ 1 } else { word ^ 1 << 24 }
}

impl Asm {
    // ------------------------------------------------------------------------------------------ labels

    /// Makes the jump or word of data at `at` refer to a label. Its distance field is 0. A word of data becomes the distance in bytes from itself.
    pub fn refer(&mut self, label: &mut Label, at: u32) {
        let word = self.read32(at);
        if label.bound {
            return self.set_distance(at, word, label.at);
        }
        if label.at == u32::MAX {
            label.at = at;
            return;
        }
        // Unlike a distance, this is not signed, and of data in words, too.
        let ((bits, low), back) = (field(word), (at - label.at) / 4);
        if back >> bits != 0 {
            self.overflow = true;
            return;
        }
        self.patch32(at, word | back << low);
        label.at = at;
    }

    fn set_distance(&mut self, at: u32, word: u32, target: u32) {
        match with_distance(word, (i64::from(target) - i64::from(at)) / 4) {
            Some(word) => self.patch32(at, word),
            None => self.overflow = true,
        }
    }

    /// Makes a label the current place.
    pub fn bind(&mut self, label: &mut Label) {
        let here = self.pos();
        let mut at = label.at;
        while at != u32::MAX && !label.bound {
            let word = self.read32(at);
            let (bits, low) = field(word);
            let mask = ((1 << bits) - 1) << low;
            let back = (word & mask) >> low;
            self.set_distance(at, word & !mask, here);
            at = if back == 0 { u32::MAX } else { at - back * 4 };
        }
        *label = Label { at: here, bound: true };
    }

    pub fn bind_short(&mut self, short: Short) {
        let word = self.read32(short.0);
        self.set_distance(short.0, word, self.pos());
    }

    // ------------------------------------------------------------------------------------------ jumps

    pub fn b(&mut self, label: &mut Label) {
        let at = self.pos();
        self.word32(B);
        self.refer(label, at);
    }

    /// A conditional jump to a label: `word` is the instruction without distance.
    fn conditional(&mut self, word: u32, label: &mut Label) {
        let at = self.pos();
        let reaches = if label.bound {
            with_distance(word, (i64::from(label.at) - i64::from(at)) / 4).is_some()
        } else {
            !self.far
        };
        if reaches {
            self.word32(word);
            return self.refer(label, at);
        }
        let skip = with_distance(inverted(word), 2).expect("two words are in reach of any jump");
        self.word32(skip);
        self.b(label);
    }

    pub fn b_cond(&mut self, cc: Cc, label: &mut Label) {
        self.conditional(B_COND | cc as u32, label);
    }

    /// Jumps if a register is not zero.
    pub fn cbnz(&mut self, w: W, reg: Gpr, label: &mut Label) {
        self.conditional(CBNZ | w.bit() << 31 | u32::from(reg.0), label);
    }

    pub fn b_cond_short(&mut self, cc: Cc) -> Short {
        self.word32(B_COND | cc as u32);
        Short(self.pos() - 4)
    }

    // ------------------------------------------------------------------------------------------ addresses

    /// The address of a place `distance` bytes from here, less than 1 MiB away.
    pub fn adr(&mut self, dst: Gpr, distance: i32) {
        debug_assert!((-(1 << 20)..1 << 20).contains(&distance));
        let distance = distance as u32;
        let fields = (distance & 3) << 29 | (distance >> 2 & 0x7_ffff) << 5;
        self.word32(0x1000_0000 | fields | u32::from(dst.0));
    }

    /// The distance of a label from this word, in bytes: an entry of a table.
    pub fn offset_of(&mut self, label: &mut Label) {
        let at = self.pos();
        self.word32(0);
        self.refer(label, at);
    }

    // ------------------------------------------------------------------------------------------ calls

    /// A call whose distance is filled in later; where it is.
    pub fn bl(&mut self) -> u32 {
        self.word32(BL);
        self.pos() - 4
    }

    /// A jump whose distance is filled in later; where it is.
    pub fn b_reloc(&mut self) -> u32 {
        self.word32(B);
        self.pos() - 4
    }

    pub fn blr(&mut self, target: Gpr) {
        self.word32(0xd63f_0000 | u32::from(target.0) << 5);
    }

    pub fn br(&mut self, target: Gpr) {
        self.word32(0xd61f_0000 | u32::from(target.0) << 5);
    }

    pub fn ret(&mut self) {
        self.word32(0xd65f_03c0);
    }

    // ------------------------------------------------------------------------------------------ stops

    /// No instruction, for ever: it faults.
    pub fn udf(&mut self, imm: u16) {
        self.word32(u32::from(imm));
    }
}
