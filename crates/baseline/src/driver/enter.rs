//! Owns code that begins at a loop: the way in from a canonical frame, and results left there.
//! Does not own the way out to other such code (`count`).

use sterna_abi::{CodeEntry, RECORD_SLOTS};

use super::{Assembler, Gen, Label, Machine, Mem, W64};
use crate::stack::{Loc, NO_REG, Ty};

impl<M: Machine> Gen<'_, M> {
    /// Whether the code begins at a loop. The home of the result area's address then has that of the frame.
    pub(crate) fn begins_at_loop(&self) -> bool {
        self.input.entry != CodeEntry::Function
    }

    /// The rest of the prologue: goes to the loop. What comes before it in the function is only there for loops around it.
    pub(crate) fn begin_at_loop(&mut self) {
        self.s.asm.store(W64, Mem::new(M::FP, Self::AT_AREA), M::C_PARAMS[2]);
        self.s.asm.mov(W64, M::VMCTX, M::C_PARAMS[0]);
        self.load_base();
        self.note_root_locals();
        let mut entry = self.loop_entry;
        self.s.asm.jmp(&mut entry);
        self.loop_entry = entry;
    }

    /// At the start of a loop, with nothing in registers but pinned locals: if the code begins here, loads the state.
    pub(crate) fn enter_loop(&mut self) {
        if self.input.entry != CodeEntry::Loop(self.wasm) {
            return;
        }
        let mut header = Label::NEW;
        self.s.asm.ensure(1024 + 64 * (self.s.locals.len() + self.s.stack.len()));
        self.s.asm.jmp(&mut header);
        let mut entry = self.loop_entry;
        self.s.asm.bind(&mut entry);
        self.loop_entry = entry;
        self.s.asm.load(W64, M::TEMP, Mem::new(M::FP, Self::AT_AREA));
        let slot = |slot: u32| Mem::new(M::TEMP, slot as i32 * 8);
        for index in 0..self.s.locals.len() as u32 {
            let local = self.s.locals[index as usize];
            match local.pin {
                NO_REG => self.copy_from_slot(local.ty, self.local_home(index), slot(local.slot)),
                pin => self.load_from(local.ty, pin, slot(local.slot)),
            }
        }
        for at in 0..self.s.stack.len() {
            let entry = self.s.stack[at];
            if entry.loc == Loc::Home {
                let home = self.home(&entry);
                self.copy_from_slot(entry.ty, home, slot(entry.slot + RECORD_SLOTS));
            }
        }
        self.s.asm.bind(&mut header);
    }

    fn copy_from_slot(&mut self, ty: Ty, to: Mem, from: Mem) {
        for half in 0..ty.slots() as i32 {
            // No operand is in a register.
            self.asm().load(W64, M::RESULT, from.plus(half * 8));
            self.asm().store(W64, to.plus(half * 8), M::RESULT);
        }
    }

    /// Returns the operands from `base` on in the slots of the frame.
    pub(crate) fn return_in_slots(&mut self, base: usize) {
        self.slots_behind(base, |asm| asm.load(W64, M::TEMP, Mem::new(M::FP, Self::AT_AREA)));
        self.epilogue();
    }

    /// Stores the operands from `base` on in slots from an address on that `load` loads to the free register.
    pub(crate) fn slots_behind(&mut self, base: usize, load: impl Fn(&mut M::Asm)) {
        let mut offset = 0;
        for at in base..self.s.stack.len() {
            let entry = self.s.stack[at];
            let val = self.val_of(&entry);
            self.val_behind(entry.ty, val, offset, &load);
            if entry.ty.bytes() == 4 {
                // Slots are zero-extended.
                self.asm().store_i(4, Mem::new(M::TEMP, offset as i32 + 4), 0);
            }
            offset += entry.ty.slots() * 8;
        }
    }
}
