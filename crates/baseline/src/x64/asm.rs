//! Owns the encoding of x86-64 instructions into one growing buffer, and jumps whose targets are not known yet.
//! Does not choose instructions.
//!
//! An instruction is put together ([`encoding`]) in two words, which are written to the buffer whole; [`Asm::ensure`] has made sure that it has room. Jumps to an unbound [`Label`] form a list in the code itself: each one's displacement field holds the position of the one
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
use encoding::{Code, Enc};
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
        let room = self.bytes.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut::<16>);
        let Some(room) = room else {
            return self.commit_grown(enc.head, enc.head_len, enc.tail, enc.tail_len);
        };
        let head = enc.head_len.min(8) as usize;
        room[..8].copy_from_slice(&enc.head.to_le_bytes());
        room[head..head + 8].copy_from_slice(&enc.tail.to_le_bytes());
        self.len += head + enc.tail_len as usize;
    }

    #[cold]
    #[inline(never)]
    fn commit_grown(&mut self, head: u64, head_len: u32, tail: u64, tail_len: u32) {
        self.ensure(512);
        self.commit(Enc { head, head_len, tail, tail_len });
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
        self.commit(Enc::bytes(&[byte]));
    }

    pub fn word32(&mut self, word: u32) {
        self.commit(Enc::bytes(&[]).imm(word.into(), 4));
    }
}
