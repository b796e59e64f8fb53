//! Owns the ways to places in memory: which place is accessed, by which pointer, constant and static offset.
//! Does not own what is done there (`body`).

use super::body::{Body, static_part};
use crate::configurations::RESERVE;

/// Static offsets around what machines and guard regions make of them.
const OFFSETS: [u64; 12] = [
    0x7fff_ffff,
    0x8000_0000,
    0xffff_0000,
    0xffff_ffff,
    0x01ff_ffff,
    0x0200_0000,
    0x01ff_0000,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_0000,
    0xffff_ffff_ffff_ffff,
];

impl Body<'_> {
    /// Sets a pointer.
    pub(super) fn point(&mut self, at: usize) {
        let (index, bytes) = (self.plan.memories.index, self.plan.memories.bytes());
        let mask = [0, 1, 7, 8, 15][self.random.below(5) as usize];
        let to = match self.random.below(8) {
            0..3 => 40 + self.random.below(200),
            3..6 => bytes - self.random.below(250),
            6 => 0u64.wrapping_sub(1 + self.random.below(120)),
            _ => bytes / 2,
        };
        let near = match self.random.below(30) {
            0 => "(local.get $a)".to_owned(),
            _ => format!("(i32.and (local.get $a) (i32.const {mask}))"),
        };
        let near = self.extended(near, "u");
        let to = self.wrapped(to);
        self.pointers[at] = (to, 0);
        self.line(&format!("(local.set $p{at} ({index}.add {near} ({index}.const {to})))"));
    }

    /// A number as an index of a memory.
    pub(super) fn wrapped(&self, number: u64) -> u64 {
        if self.plan.memories.index == "i32" { u64::from(number as u32) } else { number }
    }

    /// An `i32` as an index of a memory.
    fn extended(&self, value: String, sign: &str) -> String {
        match self.plan.memories.index {
            "i64" => format!("(i64.extend_i32_{sign} {value})"),
            _ => value,
        }
    }

    /// The instruction's static part and the index for some place, `size` bytes of which are accessed.
    pub(super) fn address(&mut self, size: u64) -> (String, String) {
        let (pointer, delta) = match self.places.len() as u64 {
            len if len > 0 && !self.random.one_in(3) => {
                let (pointer, delta) = self.places[self.random.below(len) as usize];
                let by = if self.random.one_in(3) { self.random.below(17) } else { 8 };
                (pointer, delta.wrapping_add(by).wrapping_sub(8))
            }
            _ => self.place(size),
        };
        self.places.push((pointer, delta));
        let (offset, at) = self.way(pointer, delta, 40);
        (static_part(offset), at)
    }

    /// The same for a place at a distance from a pointer; one time in `wraps` its index wraps before the offset is added, where that is not
    /// all that a function does.
    pub(super) fn way(&mut self, pointer: usize, delta: u64, wraps: u64) -> (u64, String) {
        let place = self.pointers[pointer].0.wrapping_add(delta);
        let offset = match self.random.below(40) {
            _ if self.inside > 0 && self.random.one_in(wraps) => {
                self.wrapped(place).saturating_add(1 + self.random.below(20))
            }
            0..22 => 0,
            22..32 => self.random.below(64),
            32..35 => {
                let down = self.pointers[pointer].1.min(0).unsigned_abs();
                self.wrapped(place).saturating_sub(down + self.random.below(40))
            }
            35 | 36 => {
                let count = if self.plan.memories.index == "i32" { 7 } else { 12 };
                let offset = OFFSETS[self.random.below(count) as usize];
                let nearer = offset.saturating_sub(self.random.below(3) * 8);
                // Mostly too far: seldom where it would be all that a function does.
                if self.inside > 0 || place > 1 << 21 { nearer } else { 8 }
            }
            _ if delta < 1 << 20 => delta,
            _ => 0,
        };
        let index = self.plan.memories.index;
        let offset = self.wrapped(offset);
        let by = self.wrapped(delta.wrapping_sub(offset));
        let local = format!("(local.get $p{pointer})");
        let at = match (by, self.random.below(4)) {
            (0, _) => local,
            (_, 0) => {
                format!(
                    "({index}.sub {local} ({index}.const {}))",
                    self.wrapped(0u64.wrapping_sub(by))
                )
            }
            _ => format!("({index}.add {local} ({index}.const {by}))"),
        };
        (offset, at)
    }

    /// A place, as a pointer and how far from it.
    pub(super) fn place(&mut self, size: u64) -> (usize, u64) {
        let bytes = self.plan.memories.bytes();
        let pointer = self.random.below(3) as usize;
        let (from, span) = self.pointers[pointer];
        // What keeps all of a loop in memory.
        let (up, down) = (span.max(0) as u64, span.min(0).unsigned_abs());
        let to = match self.random.below(16) {
            0..6 => down + self.random.below(300),
            6..11 => bytes - size - up - 16 - self.random.below(120),
            11..13 if from >= down && from.saturating_add(up + 24) < bytes => {
                from.saturating_add(self.random.below(9))
            }
            // The last that is in bounds, or next to it.
            13 => bytes.wrapping_sub(size + up + 1).wrapping_add(self.random.below(3)),
            14 => down.wrapping_add(self.random.below(9)).wrapping_sub(1),
            // Where the space reserved for a 64-bit memory ends: far out of bounds.
            15 if self.inside > 0 && self.random.one_in(4) => {
                bytes + RESERVE + self.random.below(40) - 20
            }
            _ => down + 64 + self.random.below(64),
        };
        (pointer, to.wrapping_sub(from))
    }
}
