//! Owns counting: what tells the tier above that a function is hot, and leaving a loop for that tier's code.
//! Does not decide when to leave: builtin `hot` does.
//!
//! At the function's entry and at loops a decrement in memory; behind the function's code, what happens when the budget is used up. To leave a
//! loop, locals and operands go to the value stack as a canonical frame, the code entered with it runs the function to its end, and its
//! results are returned. The frame left has no call site there: for backtraces and the collector it has gone. If that code may leave a tail
//! call instead of results, only code that the interpreter has entered can be left, which returns to where that is made.

use sterna_abi::{Builtin, COMPILED, FuncEntry, RECORD_SLOTS, StoreCtx, VmCtx};
use sterna_base::FuncIndex;
use sterna_isa::ValType;

use super::values::Owner;
use super::{Alu, Assembler, Cc, Gen, Gpr, Label, Machine, Mem, Rm, Vreg, W32, W64};
use crate::signature::{Place, Results};
use crate::stack::{Entry, Loc, NO_REG, Ty};

/// Most slots of a frame that is written to the value stack, which has room for so many beyond its limit.
const MAX_SLOTS: u32 = 1024;
/// Most operands at a loop that can be left: each such loop keeps a list of them.
const MAX_OPERANDS: usize = 64;
/// What `hot` takes for a loop that cannot be left.
const NO_EXIT: u32 = u32::MAX;

/// A place where a budget may turn out to be used up.
pub(crate) struct PendingCount {
    label: Label,
    back: Label,
    wasm: u32,
    /// As `hot` takes it.
    position: u32,
    /// Operands at a loop, if it can be left.
    operands: Vec<Entry>,
    /// Parameters that are in registers at the entry.
    cached: Vec<(u32, u8)>,
}

impl<M: Machine> Gen<'_, M> {
    /// Counts a call, or an iteration of the loop that begins here, if anybody wants to know.
    pub(crate) fn count(&mut self, is_loop: bool) {
        let Some(func) = self.input.counted else { return };
        let fits = self.local_slots + 2 * MAX_OPERANDS as u32 <= MAX_SLOTS
            && self.s.stack.len() <= MAX_OPERANDS
            && (self.begins_at_loop() || !self.s.scan.has_tail_calls);
        let (position, operands) = match (is_loop, fits) {
            (false, _) => (COMPILED, Vec::new()),
            (true, false) => (NO_EXIT, Vec::new()),
            (true, true) => (COMPILED | self.wasm, self.s.stack.clone()),
        };
        let cached = |reg: u8| match self.banks[0].owner(reg) {
            Owner::Local(local) => Some((local, reg)),
            _ => None,
        };
        let cached = (0..32).filter_map(cached).collect();
        let mut count = PendingCount {
            label: Label::NEW,
            back: Label::NEW,
            wasm: self.wasm,
            position,
            operands,
            cached,
        };
        let budget = func.as_u32() * FuncEntry::SIZE + FuncEntry::OFF_BUDGET;
        let asm = &mut self.s.asm;
        asm.load(W64, M::TEMP, Mem::new(M::VMCTX, VmCtx::OFF_ENTRIES as i32));
        asm.alu_i(Alu::Sub, W32, Rm::Mem(Mem::new(M::TEMP, budget as i32)), 1);
        asm.jcc(Cc::E, &mut count.label);
        asm.bind(&mut count.back);
        self.s.counts.push(count);
    }

    /// Emits what happens when budgets are used up.
    #[inline(never)]
    pub(crate) fn flush_counts(&mut self) {
        // Loops are left by the same code, but for their operands.
        let mut leave = Label::NEW;
        let mut is_left = false;
        let mut counts = std::mem::take(&mut self.s.counts);
        for mut count in counts.drain(..) {
            let func = self.input.counted.expect("nothing is counted else");
            self.s.asm.ensure(1024 + 64 * (self.s.locals.len() + count.operands.len()));
            self.s.asm.bind(&mut count.label);
            self.save_pins();
            let asm = self.asm();
            asm.mov(W64, M::C_PARAMS[0], M::VMCTX);
            asm.mov_i(M::C_PARAMS[1], func.as_u32().into());
            asm.mov_i(M::C_PARAMS[2], count.position.into());
            self.call_thunk(Builtin::hot);
            self.call_site(count.wasm, None, false);
            if !matches!(count.position, COMPILED | NO_EXIT) {
                is_left = true;
                self.asm().mov_other(M::CALLEE, M::RESULT);
                self.asm().test(W64, M::CALLEE, M::CALLEE);
                if count.operands.is_empty() {
                    self.asm().jcc(Cc::Ne, &mut leave);
                } else {
                    let mut stay = Label::NEW;
                    self.asm().jcc(Cc::E, &mut stay);
                    self.store_operands(&count.operands);
                    self.asm().jmp(&mut leave);
                    self.s.asm.bind(&mut stay);
                }
            }
            self.restore_pins();
            for &(local, reg) in &count.cached {
                let home = self.local_home(local);
                self.load_from(self.s.locals[local as usize].ty, reg, home);
            }
            self.s.asm.jmp(&mut count.back);
        }
        self.s.counts = counts;
        if let (true, Some(func)) = (is_left, self.input.counted) {
            self.s.asm.ensure(1024 + 64 * self.s.locals.len());
            self.s.asm.bind(&mut leave);
            self.leave_loop(func);
        }
    }

    /// Writes the operands at a loop to the canonical frame. Keeps [`Machine::CALLEE`].
    fn store_operands(&mut self, operands: &[Entry]) {
        self.load_frame();
        for entry in operands {
            let to = Mem::new(M::TEMP, (entry.slot + RECORD_SLOTS) as i32 * 8);
            match entry.loc {
                Loc::Const(bits) => {
                    self.asm().mov_i(M::SPARE, bits);
                    self.asm().store(W64, to, M::SPARE);
                }
                _ => self.copy_to_slot(entry.ty, to, self.home(entry)),
            }
        }
    }

    /// With the operands in the canonical frame, goes on in the code at [`Machine::CALLEE`], see [`sterna_abi::CodeEntry::Loop`], and returns what that
    /// leaves.
    fn leave_loop(&mut self, func: FuncIndex) {
        self.load_frame();
        let slot = |slot: u32| Mem::new(M::TEMP, slot as i32 * 8);
        for index in 0..self.s.locals.len() as u32 {
            let local = self.s.locals[index as usize];
            // Pinned ones that calls do not preserve have just been saved.
            if local.pin == NO_REG || self.s.lost_pins.contains(&index) {
                let home = self.local_home(index);
                self.copy_to_slot(local.ty, slot(local.slot), home);
            } else {
                self.asm().store(W64, slot(local.slot), Gpr(local.pin));
            }
        }
        let asm = self.asm();
        asm.mov(W64, M::C_PARAMS[0], M::VMCTX);
        asm.load(W64, M::C_PARAMS[1], Mem::new(M::VMCTX, VmCtx::OFF_ENTRIES as i32));
        asm.lea(
            W64,
            M::C_PARAMS[1],
            Mem::new(M::C_PARAMS[1], (func.as_u32() * FuncEntry::SIZE) as i32),
        );
        asm.mov(W64, M::C_PARAMS[2], M::TEMP);
        asm.call_rm(Rm::Reg(M::CALLEE));
        if self.begins_at_loop() {
            // The results are where they belong.
            return self.epilogue();
        }
        self.load_frame();
        let results = &self.ty.results;
        let mut places = Results::new(self.registers());
        let mut at = 0;
        for &ty in results {
            let from = Mem::new(M::TEMP, at * 8);
            at += ty.slots() as i32;
            match places.next(ty) {
                Place::Memory(offset) => {
                    self.asm().load(W64, M::SPARE, Mem::new(M::FP, Self::AT_AREA));
                    for half in 0..ty.slots() as i32 {
                        let to = Mem::new(M::SPARE, offset as i32 + half * 8);
                        self.copy(Ty::F64, to, from.plus(half * 8));
                    }
                }
                Place::Int(reg) if ty == ValType::I32 => self.asm().load(W32, Gpr(reg), from),
                Place::Int(reg) => self.asm().load(W64, Gpr(reg), from),
                Place::Float(reg) => {
                    let bytes = Ty::of(self.input.module, ty).bytes();
                    self.asm().load_v(bytes, Vreg(reg), from);
                }
            }
        }
        self.epilogue();
    }

    /// Where the canonical frame is to be, to the free register: at the end of the value stack, or where this one began.
    fn load_frame(&mut self) {
        if self.begins_at_loop() {
            return self.asm().load(W64, M::TEMP, Mem::new(M::FP, Self::AT_AREA));
        }
        let asm = self.asm();
        asm.load(W64, M::TEMP, Mem::new(M::VMCTX, VmCtx::OFF_STORE as i32));
        asm.load(W64, M::TEMP, Mem::new(M::TEMP, StoreCtx::OFF_VALUE_SP as i32));
    }

    fn copy_to_slot(&mut self, ty: Ty, to: Mem, from: Mem) {
        let asm = self.asm();
        let w = if ty.bytes() == 4 { W32 } else { W64 };
        asm.load(w, M::SPARE, from);
        asm.store(W64, to, M::SPARE);
        if ty == Ty::V128 {
            asm.load(W64, M::SPARE, from.plus(8));
            asm.store(W64, to.plus(8), M::SPARE);
        }
    }
}
