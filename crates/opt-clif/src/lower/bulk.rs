//! Owns `memory.copy` and `memory.fill` of few bytes, a number known when compiling: a handful of loads and stores.
//! Does not own the general case, which is a builtin (`tables`).

use cranelift_codegen::ir::{self, InstBuilder, types};
use sterna_opt::{Inst, MemAccess, Value};

use super::Lower;
use super::memory::Address;

/// Most bytes moved inline: four vectors.
const MAX_INLINE: u128 = 64;

impl Lower<'_> {
    /// The length operand of a bulk operator, if that is a constant small enough to go inline.
    fn small_len(&self, inst: Inst) -> Option<u32> {
        let len = self.input.graph.constant(self.input.graph.args(inst)[2])?;
        (1..=MAX_INLINE).contains(&len).then_some(len as u32)
    }

    /// The address of `len` bytes, all of which are known to be in bounds: nothing may be written before that is certain, so the
    /// hardware cannot be left to find out.
    fn range(&mut self, memory: u32, index: Value, len: u32) -> Address {
        let access = MemAccess { offset: 0, memory, lane: 0, in_bounds: false, is_near: false };
        self.checked_address(index, access, len)
    }

    /// Lowers a short `memory.copy`; `false` if it is not short. All bytes are loaded before any is stored: the ranges may overlap.
    pub(super) fn copy_inline(&mut self, inst: Inst) -> bool {
        let Some(len) = self.small_len(inst) else { return false };
        let (to_memory, from_memory) = self.input.graph.inst(inst).index2();
        let [to, from] = [0, 1].map(|i| self.input.graph.args(inst)[i]);
        let to = self.range(to_memory, to, len);
        let from = self.range(from_memory, from, len);
        let parts: Vec<_> = parts(len).collect();
        let load = |&(offset, ty): &(i32, types::Type)| {
            self.pos.ins().load(ty, from.flags, from.base, offset)
        };
        let values: Vec<_> = parts.iter().map(load).collect();
        for (&(offset, _), value) in parts.iter().zip(values) {
            self.pos.ins().store(to.flags, value, to.base, offset);
        }
        true
    }

    /// Lowers a short `memory.fill`; `false` if it is not short.
    pub(super) fn fill_inline(&mut self, inst: Inst) -> bool {
        let Some(len) = self.small_len(inst) else { return false };
        let memory = self.input.graph.inst(inst).index();
        let to = self.range(memory, self.input.graph.args(inst)[0], len);
        let value = self.arg(inst, 1);
        let byte = self.pos.ins().ireduce(types::I8, value);
        let mut widest: Option<ir::Value> = None;
        for (offset, ty) in parts(len) {
            let value = match ty {
                types::I8X16 => {
                    *widest.get_or_insert_with(|| self.pos.ins().splat(types::I8X16, byte))
                }
                types::I8 => byte,
                _ => {
                    // Every byte of the factor is 1, so every byte of the product is the value.
                    let wide = self.pos.ins().uextend(types::I64, byte);
                    let ones = self.iconst(0x0101_0101_0101_0101);
                    let repeated = self.pos.ins().imul(wide, ones);
                    if ty == types::I64 { repeated } else { self.pos.ins().ireduce(ty, repeated) }
                }
            };
            self.pos.ins().store(to.flags, value, to.base, offset);
        }
        true
    }
}

/// The accesses that `len` bytes are moved with, widest first: offset and type.
fn parts(len: u32) -> impl Iterator<Item = (i32, types::Type)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let (ty, size) = match len - offset {
            0 => return None,
            1 => (types::I8, 1),
            2..4 => (types::I16, 2),
            4..8 => (types::I32, 4),
            8..16 => (types::I64, 8),
            _ => (types::I8X16, 16),
        };
        let part = (offset as i32, ty);
        offset += size;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_length_without_gap_or_overlap() {
        for len in 1..=MAX_INLINE as u32 {
            let mut end = 0;
            for (offset, ty) in parts(len) {
                assert_eq!(offset, end);
                end += ty.bytes() as i32;
            }
            assert_eq!(end, len as i32);
        }
    }
}
