//! Owns counting: calls and loop iterations take from the function's budget, and code that has used it up asks the runtime what to do.
//! Does not decide that: the runtime does, see builtin `hot`.
//!
//! A loop that is told to go on elsewhere writes locals and operands to canonical slots behind those in use, calls the code there, and returns its results.

use sterna_abi::{Builtin, FuncEntry, RECORD_SLOTS, StoreCtx, VALUE_STACK_SLACK, VmCtx};

use super::call::Move;
use super::values::Val;
use super::{
    AT_AREA, Alu, Cc, Gen, Gpr, Label, Mem, R10, RAX, RBP, RDI, RDX, RSI, Rm, TEMP, VMCTX, W32, W64,
};
use crate::signature::{Place, Results, area_size};
use crate::stack::{Loc, Ty};

/// A budget that was used up.
pub(crate) struct PendingHot {
    label: Label,
    back: Label,
    /// Byte offset in the module of the loop's operator, 0 at the function's entry.
    position: u32,
    /// Operands at the loop's start, in their homes or constants.
    operands: Box<[(Ty, u32, Loc)]>,
}

impl Gen<'_> {
    /// This function's entry, with its address in the free register.
    fn entry_field(&mut self, offset: u32) -> Mem {
        self.asm().load(W64, TEMP, Mem::new(VMCTX, VmCtx::OFF_ENTRIES as i32));
        Mem::new(TEMP, (self.func * FuncEntry::SIZE + offset) as i32)
    }

    /// Counts a call, or an iteration of the loop at a position, with no operand in a register and no local cached.
    pub(super) fn count(&mut self, position: u32) {
        if !self.input.counts {
            return;
        }
        let budget = self.entry_field(FuncEntry::OFF_BUDGET);
        if position == 0 {
            let calls = budget.plus(FuncEntry::OFF_CALLS as i32 - FuncEntry::OFF_BUDGET as i32);
            self.asm().alu_i(Alu::Add, W32, Rm::Mem(calls), 1);
        }
        self.asm().alu_i(Alu::Sub, W32, Rm::Mem(budget), 1);
        let operands = self.s.stack.iter().map(|entry| (entry.ty, entry.slot, entry.loc));
        let operands = if position == 0 { Box::default() } else { operands.collect() };
        let mut hot = PendingHot { label: Label::NEW, back: Label::NEW, position, operands };
        self.asm().jcc(Cc::E, &mut hot.label);
        self.asm().bind(&mut hot.back);
        self.s.hots.push(hot);
    }

    /// Emits what happens with budgets that are used up.
    pub(super) fn flush_hots(&mut self) {
        for mut hot in std::mem::take(&mut self.s.hots) {
            self.s.asm.ensure(256);
            self.s.asm.bind(&mut hot.label);
            self.save_pins();
            self.s.moves.clear();
            self.s.moves.push(Move::int(RDI.0, VMCTX.0, W64));
            self.s.moves.push(Move::constant(RSI.0, u64::from(self.func)));
            self.s.moves.push(Move::constant(RDX.0, u64::from(hot.position)));
            self.do_moves();
            self.call_thunk(Builtin::hot);
            self.call_site(hot.position.max(self.body), None, false);
            let slots = self.local_slots + RECORD_SLOTS + self.max_slots;
            let can_leave = hot.position != 0
                && !self.input.module.has_tail_calls()
                && slots as usize + self.ty.result_slots() < VALUE_STACK_SLACK;
            let mut leave = Label::NEW;
            if can_leave {
                self.asm().test(W64, RAX, RAX);
                self.s.asm.jcc(Cc::Ne, &mut leave);
            }
            self.restore_pins();
            self.s.asm.jmp(&mut hot.back);
            if can_leave {
                self.s.asm.bind(&mut leave);
                self.leave_loop(&hot);
            }
        }
    }

    /// Runs the rest of the function at the address in `rax`, and returns.
    fn leave_loop(&mut self, hot: &PendingHot) {
        self.asm().load(W64, R10, Mem::new(VMCTX, VmCtx::OFF_STORE as i32));
        self.asm().load(W64, R10, Mem::new(R10, StoreCtx::OFF_VALUE_SP as i32));
        for index in 0..self.s.locals.len() {
            self.s.asm.ensure(64);
            let local = self.s.locals[index];
            let home = self.local_home(index as u32);
            let is_lost = self.s.lost_pins.contains(&(index as u32));
            let val = match local.pin {
                crate::stack::NO_REG => Val::Mem(home),
                _ if is_lost => Val::Mem(home),
                reg => Val::Reg(super::values::Held { reg, owned: false }),
            };
            self.store_canonical(local.ty, local.slot, val);
        }
        for &(ty, slot, loc) in &hot.operands {
            self.s.asm.ensure(64);
            let val = match loc {
                Loc::Const(bits) => Val::Const(bits),
                _ => Val::Mem(Mem::new(RBP, super::slot_offset(slot, ty.slots()))),
            };
            self.store_canonical(ty, slot + RECORD_SLOTS, val);
        }
        self.s.asm.ensure(256);
        self.asm().mov(W64, RDX, R10);
        let entry = self.entry_field(0);
        self.asm().lea(W64, RSI, entry);
        self.asm().mov(W64, RDI, VMCTX);
        // Not needed any more, and preserved.
        self.asm().mov(W64, VMCTX, RDX);
        self.asm().call_rm(Rm::Reg(RAX));
        self.canonical_results();
        self.epilogue();
    }

    /// Stores a value to a slot from `r10` on; one of 32 bits with zeros above.
    fn store_canonical(&mut self, ty: Ty, slot: u32, val: Val) {
        let to = Mem::new(R10, slot as i32 * 8);
        match (ty, val) {
            (Ty::I32 | Ty::F32, Val::Mem(mem)) => {
                self.asm().load(W32, TEMP, mem);
                self.asm().store(W64, to, TEMP);
            }
            (Ty::F32, Val::Reg(held)) => {
                self.asm().mov_from_x(W32, TEMP, held.xmm());
                self.asm().store(W64, to, TEMP);
            }
            (Ty::I32, val) => self.val_to_mem(Ty::I64, to, val),
            (Ty::F32, Val::Const(bits)) => self.store_const(Ty::I64, to, bits),
            (ty, val) => self.val_to_mem(ty, to, val),
        }
    }

    /// Loads results from the slots that `r14` points to.
    fn canonical_results(&mut self) {
        let ty = self.ty;
        if area_size(&ty.results) > 0 {
            self.asm().load(W64, R10, Mem::new(RBP, AT_AREA));
        }
        let mut places = Results::new(self.input.convention);
        let mut slot = 0;
        for &result in &ty.results {
            self.s.asm.ensure(64);
            let from = Mem::new(VMCTX, slot * 8);
            slot += result.slots() as i32;
            let ty = Ty::of(self.input.module, result);
            match places.next(result) {
                Place::Int(reg) => self.asm().load(W64, Gpr(reg), from),
                Place::Float(reg) => self.load_from(ty, reg, from),
                Place::Memory(offset) => self.copy(ty, Mem::new(R10, offset as i32), from),
            }
        }
    }
}
