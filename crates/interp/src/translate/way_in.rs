//! Owns finding where a function can be entered in the middle: at its beginning, at a loop, behind a call.
//! Does not own entering it: `crate::resume`.
//!
//! As for the probe, translation is done again; here with a position in the module as what is looked for.

use sterna_base::FuncIndex;
use sterna_isa::ValType;

use super::{Source, Translator};

/// A search.
pub(super) struct WayIn {
    /// Byte offset in the module of a body, a loop, or a call.
    wanted: u32,
    found: Option<Entrance>,
}

/// A place where all values are in their slots, or not looked for there.
pub(crate) struct Entrance {
    /// Byte offset in the code. Behind a call: the address to which functions of the same instance return.
    pub position: u32,
    /// Whether it is behind a call. Then its results are in slots from `base` on, the first also in the accumulators.
    pub is_call: bool,
    /// First slot above the operand stack, where the frame of the function called begins.
    pub base: u32,
    /// Slot of the record.
    pub record: u32,
    /// Slots of the frame.
    pub frame_slots: u32,
    /// Types and slots of locals.
    pub locals: Vec<(ValType, u32)>,
    /// And of the operand stack, without the call's results.
    pub stack: Vec<(ValType, u32)>,
}

/// Translates a function once more to find the way in at a byte offset in the module.
pub(crate) fn way_in(source: Source<'_>, func: FuncIndex, wanted: u32) -> Option<Entrance> {
    let mut way = WayIn { wanted, found: None };
    let mut translator = Translator::new(source, func, None);
    translator.way_in = Some(&mut way);
    let translated = translator.run().ok()?;
    way.found.map(|found| Entrance { frame_slots: translated.frame_slots, ..found })
}

impl Translator<'_> {
    /// Called where the next instruction is a way in.
    pub(super) fn note_way_in(&mut self, is_call: bool) {
        let base = self.top();
        let Some(way) = &mut self.way_in else { return };
        if way.wanted != self.offset {
            return;
        }
        let local = |local: &super::Local| (local.ty, u32::from(local.slot));
        way.found = Some(Entrance {
            position: self.asm.len(),
            is_call,
            base,
            record: self.record,
            frame_slots: 0,
            locals: self.locals.iter().map(local).collect(),
            stack: self.stack.iter().map(|entry| (entry.ty, entry.slot)).collect(),
        });
    }
}
