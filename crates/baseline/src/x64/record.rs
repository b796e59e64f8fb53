//! Owns what code writes down for the optimizing tier while it counts: where indirect calls go.
//! Does not own the places where that is written (`sterna_abi::Recorder`), nor what becomes of it.
//!
//! The cell of a call is the interpreter's own, so that its vote goes on. A call of the callee that leads is a comparison and an increment; for the
//! others, each function has a routine behind its code that all its calls share.

use sterna_abi::CallCell;

use super::{Alu, Cc, Gen, Label, Mem, RAX, Rm, TEMP, W32, W64};

/// A call that does not go to the callee that leads.
pub(crate) struct PendingMiss {
    label: Label,
    back: Label,
}

impl Gen<'_> {
    /// Notes in the call's cell that the function with its entry in `rax` is called, if anybody wants to know.
    pub(super) fn record_callee(&mut self) {
        let Some(recorder) = self.input.recorder else { return };
        let cell = recorder.call_cell(self.wasm) as u64;
        let mut miss = PendingMiss { label: Label::NEW, back: Label::NEW };
        let asm = self.asm();
        asm.mov_i(TEMP, cell);
        asm.alu(Alu::Cmp, W64, RAX, Rm::Mem(Mem::new(TEMP, CallCell::OFF_ENTRY as i32)));
        asm.jcc(Cc::Ne, &mut miss.label);
        asm.alu_i(Alu::Add, W32, Rm::Mem(Mem::new(TEMP, CallCell::OFF_HITS as i32)), 1);
        asm.bind(&mut miss.back);
        self.s.misses.push(miss);
    }

    /// Emits what happens at other callees.
    pub(super) fn flush_misses(&mut self) {
        if self.s.misses.is_empty() {
            return;
        }
        let mut vote = Label::NEW;
        for mut miss in std::mem::take(&mut self.s.misses) {
            self.s.asm.ensure(64);
            self.s.asm.bind(&mut miss.label);
            let call = self.s.asm.call_rel();
            self.s.asm.refer(&mut vote, call);
            self.s.asm.jmp(&mut miss.back);
        }
        self.s.asm.ensure(128);
        self.s.asm.bind(&mut vote);
        self.vote();
    }

    /// With a cell's address in the free register: a call that was not for the callee that leads. As [`CallCell::count`]; changes no
    /// register.
    fn vote(&mut self) {
        let [entry, hits, misses] = [CallCell::OFF_ENTRY, CallCell::OFF_HITS, CallCell::OFF_MISSES]
            .map(|offset| Mem::new(TEMP, offset as i32));
        let asm = self.asm();
        asm.push(RAX);
        asm.alu_i(Alu::Add, W32, Rm::Mem(misses), 1);
        asm.load(W32, RAX, misses);
        asm.alu(Alu::Cmp, W32, RAX, Rm::Mem(hits));
        asm.pop(RAX);
        let stays = asm.jcc_short(Cc::Be);
        asm.store(W64, entry, RAX);
        asm.store_i(4, hits, 1);
        asm.store_i(4, misses, 0);
        asm.bind_short(stays);
        asm.ret(0);
    }
}
