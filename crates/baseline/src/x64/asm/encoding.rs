//! Owns the bytes of one instruction: prefixes, opcode, ModRM, displacement and immediate, put together in two words.
//! Does not know instructions.

use super::{Mem, Rm};

/// One instruction: its bytes up to ModRM and SIB, and those of the displacement and immediates. Each part has 8 bytes at most.
///
/// In words: bytes that are written one by one to memory and read from there together take the processor long. Everything is computed as if there were
/// a REX prefix, which is shifted out in the end if there is none: this needs no branches, and positions are constants.
pub(super) struct Enc {
    pub(super) head: u64,
    pub(super) head_len: u32,
    pub(super) tail: u64,
    pub(super) tail_len: u32,
}

/// Bytes as a word.
#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// What comes before the operands' encoding.
#[derive(Clone, Copy)]
pub(super) struct Code<'a> {
    /// Legacy prefixes.
    pub prefix: &'a [u8],
    /// Whether an operand has 64 bits.
    pub w: bool,
    /// Whether a REX prefix is needed for a byte of a register, whatever is in it.
    pub force: bool,
    pub opcode: &'a [u8],
}

impl<'a> Code<'a> {
    #[inline(always)]
    pub fn new(w: bool, opcode: &'a [u8]) -> Code<'a> {
        Code { prefix: &[], w, force: false, opcode }
    }

    #[inline(always)]
    pub fn prefix(self, prefix: &'a [u8]) -> Code<'a> {
        Code { prefix, ..self }
    }

    #[inline(always)]
    pub fn force(self, force: bool) -> Code<'a> {
        Code { force, ..self }
    }
}

impl Enc {
    /// Just these, at most 8.
    #[inline(always)]
    pub fn bytes(bytes: &[u8]) -> Enc {
        Enc { head: word(bytes), head_len: bytes.len() as u32, tail: 0, tail_len: 0 }
    }

    #[inline(always)]
    fn new(code: Code<'_>, rex: u8, operands: u64, len: u32) -> Enc {
        let rex = rex | u8::from(code.w) << 3;
        let is_there = u32::from(rex != 0 || code.force);
        let rest = word(code.opcode) | operands << (8 * code.opcode.len());
        let with_rex = (u64::from(0x40 | rex) | rest << 8) >> (8 - 8 * is_there);
        let head = word(code.prefix) | with_rex << (8 * code.prefix.len());
        let head_len = (code.prefix.len() + code.opcode.len()) as u32 + is_there + len;
        Enc { head, head_len, tail: 0, tail_len: 0 }
    }

    /// With a register in the opcode.
    #[inline(always)]
    pub fn in_opcode(w: bool, opcode: u8, reg: u8) -> Enc {
        Enc::new(Code::new(w, &[opcode | reg & 7]), reg >> 3, 0, 0)
    }

    #[inline(always)]
    pub fn reg(code: Code<'_>, reg: u8, rm: u8) -> Enc {
        let modrm = 0xc0 | (reg & 7) << 3 | rm & 7;
        Enc::new(code, (reg >> 3) << 2 | rm >> 3, modrm.into(), 1)
    }

    #[inline(always)]
    pub fn mem(code: Code<'_>, reg: u8, mem: Mem) -> Enc {
        let index = mem.index.map_or(0, |index| index.0);
        let rex = (reg >> 3) << 2 | (index >> 3) << 1 | mem.base.0 >> 3;
        let operands = Operands::new(reg, mem);
        let enc = Enc::new(code, rex, operands.bytes, operands.len);
        Enc { tail: operands.disp, tail_len: operands.disp_len, ..enc }
    }

    #[inline(always)]
    pub fn rm(code: Code<'_>, reg: u8, rm: Rm) -> Enc {
        match rm {
            Rm::Reg(rm) => Enc::reg(code, reg, rm.0),
            Rm::Mem(mem) => Enc::mem(code, reg, mem),
        }
    }

    /// One that encodes a vector's length or a third operand: the three bytes of its prefix, of which the second one has no bits for registers yet.
    #[inline(always)]
    pub fn vex(prefix: [u8; 3], opcode: u8, reg: u8, rm: Rm) -> Enc {
        let (base, index) = match rm {
            Rm::Reg(rm) => (rm.0, 0),
            Rm::Mem(mem) => (mem.base.0, mem.index.map_or(0, |index| index.0)),
        };
        let inverted = |reg: u8, bit: u8| (!reg >> 3 & 1) << bit;
        let second = prefix[1] | inverted(reg, 7) | inverted(index, 6) | inverted(base, 5);
        let start = word(&[prefix[0], second, prefix[2], opcode]);
        let operands = match rm {
            Rm::Reg(rm) => {
                let modrm = 0xc0 | (reg & 7) << 3 | rm.0 & 7;
                Operands { bytes: modrm.into(), len: 1, disp: 0, disp_len: 0 }
            }
            Rm::Mem(mem) => Operands::new(reg, mem),
        };
        let Operands { bytes, len, disp, disp_len } = operands;
        Enc { head: start | bytes << 32, head_len: 4 + len, tail: disp, tail_len: disp_len }
    }

    /// Then the low bytes of an immediate, behind a displacement at most.
    #[inline(always)]
    pub fn imm(self, value: u64, bytes: u32) -> Enc {
        let displacement = self.tail & ((1 << (8 * self.tail_len)) - 1);
        let tail = displacement | value << (8 * self.tail_len);
        Enc { tail, tail_len: self.tail_len + bytes, ..self }
    }
}

/// A register and an operand in memory.
struct Operands {
    /// ModRM, then SIB, which is only meant if there are two of them.
    bytes: u64,
    len: u32,
    /// The displacement, of which only the low bytes are meant.
    disp: u64,
    disp_len: u32,
}

impl Operands {
    #[inline(always)]
    fn new(reg: u8, mem: Mem) -> Operands {
        let base = mem.base.0 & 7;
        let (mode, disp_len) = match mem.disp {
            0 if base != 5 => (0, 0),
            disp if disp == i32::from(disp as i8) => (0x40, 1),
            _ => (0x80, 4),
        };
        let (low, sib, len) = match mem.index {
            None => (base, 0x24, 1 + u32::from(base == 4)),
            Some(index) => (4, mem.scale << 6 | (index.0 & 7) << 3 | base, 2),
        };
        let modrm = mode | (reg & 7) << 3 | low;
        let bytes = u64::from(modrm) | u64::from(sib) << 8;
        Operands { bytes, len, disp: u64::from(mem.disp as u32), disp_len }
    }
}
