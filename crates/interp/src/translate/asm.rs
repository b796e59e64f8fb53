//! Owns the buffer that code is written to, and label fix-ups in it.
//! Does not know what instructions mean.

use crate::machine::Handler;

/// No position.
pub(crate) const NONE: u32 = u32::MAX;

/// Code being written. Positions are byte offsets, multiples of 8 for instructions.
#[derive(Default)]
pub(crate) struct Asm {
    bytes: Vec<u8>,
}

impl Asm {
    /// Bytes written so far: the position of the next instruction.
    pub fn len(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Appends an instruction of `size` bytes whose operands are zero.
    pub fn op(&mut self, handler: Handler, size: usize) -> u32 {
        let pos = self.len();
        self.bytes.resize(self.bytes.len() + size, 0);
        self.set_handler(pos, handler);
        pos
    }

    /// Replaces the handler of the instruction at `pos`.
    pub fn set_handler(&mut self, pos: u32, handler: Handler) {
        self.u64(pos, 0, handler as usize as u64);
    }

    fn write<const N: usize>(&mut self, pos: u32, at: usize, bytes: [u8; N]) {
        let start = pos as usize + at;
        self.bytes[start..start + N].copy_from_slice(&bytes);
    }

    /// Writes an operand at byte `at` of the instruction at `pos`.
    pub fn u16(&mut self, pos: u32, at: usize, value: u16) {
        self.write(pos, at, value.to_ne_bytes());
    }

    /// As [`Asm::u16`].
    pub fn u32(&mut self, pos: u32, at: usize, value: u32) {
        self.write(pos, at, value.to_ne_bytes());
    }

    /// As [`Asm::u16`].
    pub fn u64(&mut self, pos: u32, at: usize, value: u64) {
        self.write(pos, at, value.to_ne_bytes());
    }

    /// As [`Asm::u16`].
    pub fn u128(&mut self, pos: u32, at: usize, value: u128) {
        self.write(pos, at, value.to_ne_bytes());
    }

    /// Removes and returns everything from `pos` on.
    pub fn take(&mut self, pos: u32) -> Vec<u8> {
        self.bytes.split_off(pos as usize)
    }

    /// Appends instructions got from [`Asm::take`]; they must not be branches. Returns their new position.
    pub fn append(&mut self, bytes: &[u8]) -> u32 {
        let pos = self.len();
        self.bytes.extend_from_slice(bytes);
        pos
    }

    /// Removes everything from `pos` on.
    pub fn truncate(&mut self, pos: u32) {
        self.bytes.truncate(pos as usize);
    }

    /// Writes the distance field at `field` for a branch to `target`.
    pub fn set_distance(&mut self, field: u32, target: u32) {
        self.u32(field, 0, target.wrapping_sub(field));
    }

    /// Prepends the distance field at `field` to a chain of fields that wait for their target.
    pub fn chain(&mut self, head: &mut u32, field: u32) {
        self.u32(field, 0, *head);
        *head = field;
    }

    /// Gives every field of a chain its target.
    pub fn resolve(&mut self, mut head: u32, target: u32) {
        while head != NONE {
            let at = head as usize;
            let mut next = [0; 4];
            next.copy_from_slice(&self.bytes[at..at + 4]);
            self.set_distance(head, target);
            head = u32::from_ne_bytes(next);
        }
    }

    /// The finished code, in words.
    pub fn finish(self) -> Box<[u64]> {
        let (words, rest) = self.bytes.as_chunks::<8>();
        debug_assert!(rest.is_empty(), "instructions are multiples of 8 bytes");
        words.iter().map(|word| u64::from_ne_bytes(*word)).collect()
    }
}
