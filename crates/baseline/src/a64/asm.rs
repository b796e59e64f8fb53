//! Owns the encoding of AArch64 instructions into one growing buffer, and jumps whose targets are not known yet.
//! Does not choose instructions, apart from constants ([`Asm::mov_i`]).
//!
//! Methods and opcodes have the architecture's names. Where an instruction exists in two widths, [`W`] says which: of integers, or `W32` for
//! single and `W64` for double precision.

mod atomic;
mod float;
mod immediates;
mod integer;
mod jumps;
mod memory;
mod operands;
mod portable;
#[cfg(test)]
mod tests;
mod vector;
pub(crate) mod vector_codes;

#[allow(unused_imports, reason = "operators on floats are to come")]
pub(crate) use float::float_imm;
pub(crate) use immediates::{Imm12, LogicalImm, imm12, logical_imm};
pub(crate) use integer::Rrr;
pub(crate) use memory::{Access, Step};
pub(crate) use operands::*;

#[allow(unused_imports, reason = "operators on vectors are to come")]
pub(crate) use vector::vector_imm;

pub(crate) use crate::machine::{Gpr, Label, Short, Vreg, W};

/// The code of a function as it grows.
#[derive(Default)]
pub(crate) struct Asm {
    bytes: Vec<u8>,
    len: usize,
    /// Whether conditional jumps to places not known yet are to reach as far as others, by two instructions each. Otherwise they reach 1 MiB.
    pub far: bool,
    /// Whether a jump did not reach its target: the code must not be used. If [`Asm::far`] was not set, it may help.
    pub overflow: bool,
}

impl Asm {
    pub fn clear(&mut self) {
        self.len = 0;
        self.far = false;
        self.overflow = false;
    }

    /// Bytes so far.
    pub fn pos(&self) -> u32 {
        self.len as u32
    }

    pub fn code(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Makes room for `count` bytes and one instruction.
    #[inline(always)]
    pub fn ensure(&mut self, count: usize) {
        if self.bytes.len() < self.len + count + 16 {
            let len = (self.len + count + 16).max(self.bytes.len() * 2).max(4096);
            self.bytes.resize(len, 0);
        }
    }

    pub fn patch32(&mut self, at: u32, value: u32) {
        self.bytes[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn read32(&self, at: u32) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[at as usize..at as usize + 4]);
        u32::from_le_bytes(word)
    }

    /// An instruction, or data.
    #[inline(always)]
    pub fn word32(&mut self, word: u32) {
        self.ensure(0);
        self.bytes[self.len..self.len + 4].copy_from_slice(&word.to_le_bytes());
        self.len += 4;
    }
}
