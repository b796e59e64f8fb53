//! Owns the encoding of x86-64 instructions into one growing buffer, and jumps whose targets are not known yet.
//! Does not choose instructions.
//!
//! An instruction is put together ([`encoding`]) in an array of 16 bytes and copied to the buffer whole, of which [`Asm::ensure`] has made sure that it
//! has room. Jumps to an unbound [`Label`] form a list in the code itself: each one's displacement field holds the position of the one
//! before it.

mod encoding;
mod integer;
mod jumps;
mod operands;
mod portable;
#[cfg(test)]
mod tests;
mod vector;

use super::TEMP;
use crate::machine::*;
use encoding::Enc;
pub(crate) use operands::*;

/// The code of a function as it grows.
#[derive(Default)]
pub(crate) struct Asm {
    bytes: Vec<u8>,
    len: usize,
}

impl Asm {
    #[inline(always)]
    fn commit(&mut self, enc: Enc) {
        self.ensure(0);
        self.bytes[self.len..self.len + 16].copy_from_slice(&enc.bytes);
        self.len += enc.len;
    }

    pub fn patch32(&mut self, at: u32, value: u32) {
        self.bytes[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn read32(&self, at: u32) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[at as usize..at as usize + 4]);
        u32::from_le_bytes(word)
    }

    pub fn byte(&mut self, byte: u8) {
        let mut e = Enc::new();
        e.put(byte);
        self.commit(e);
    }

    pub fn word32(&mut self, word: u32) {
        let mut e = Enc::new();
        e.put32(word);
        self.commit(e);
    }
}
