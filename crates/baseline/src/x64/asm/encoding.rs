//! Owns the bytes of one instruction: prefixes, ModRM and displacements, put together in an array of 16 bytes.
//! Does not know instructions.

use super::Mem;

/// One instruction being put together.
pub(super) struct Enc {
    pub(super) bytes: [u8; 16],
    pub(super) len: usize,
}

impl Enc {
    #[inline(always)]
    pub(super) fn new() -> Enc {
        Enc { bytes: [0; 16], len: 0 }
    }

    #[inline(always)]
    pub(super) fn put(&mut self, byte: u8) {
        self.bytes[self.len & 15] = byte;
        self.len += 1;
    }

    #[inline(always)]
    pub(super) fn put32(&mut self, value: u32) {
        let at = self.len.min(12);
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self.len += 4;
    }

    #[inline(always)]
    pub(super) fn rex(&mut self, w: bool, reg: u8, index: u8, base: u8, force: bool) {
        let rex = u8::from(w) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        if rex != 0 || force {
            self.put(0x40 | rex);
        }
    }

    #[inline(always)]
    pub(super) fn modrm_reg(&mut self, reg: u8, rm: u8) {
        self.put(0xc0 | (reg & 7) << 3 | rm & 7);
    }

    #[inline(always)]
    pub(super) fn modrm_mem(&mut self, reg: u8, mem: Mem) {
        let base = mem.base.0 & 7;
        let short = i8::try_from(mem.disp).is_ok();
        let mode = match mem.disp {
            0 if base != 5 => 0,
            _ if short => 0x40,
            _ => 0x80,
        };
        let reg = (reg & 7) << 3;
        match mem.index {
            None if base != 4 => self.put(mode | reg | base),
            index => {
                self.put(mode | reg | 4);
                let index = index.map_or(4, |index| index.0 & 7);
                self.put(mem.scale << 6 | index << 3 | base);
            }
        }
        match mode {
            0 => {}
            0x40 => self.put(mem.disp as u8),
            _ => self.put32(mem.disp as u32),
        }
    }

    #[inline(always)]
    pub(super) fn rex_mem(&mut self, w: bool, reg: u8, mem: Mem, force: bool) {
        self.rex(w, reg, mem.index.map_or(0, |index| index.0), mem.base.0, force);
    }
}
