//! Owns structured control flow: labels, branches, and what happens where they meet.
//! Does not own exceptions (`exception`).
//!
//! At a label, operands below those that a branch carries are constants or in their homes, which they have been since the construct began. One carried operand is in
//! the first register of its bank, several are in their homes; those of a loop always are.

use sterna_isa::{Op, TrapCode};
use sterna_module::{BlockType, BrTable, Imm, Operator};

use super::values::Val;
use super::{Alu, Assembler, Cc, Done, Gen, Gpr, Label, Machine, Mem, Rm, W32, W64, refused};
use crate::stack::{Bank, Cond, Entry, Frame, FrameKind, Loc, Ty};

impl<M: Machine> Gen<'_, M> {
    // tidy: dispatch
    pub(crate) fn control(&mut self, operator: &Operator<'_>) -> Done {
        match (operator.op, &operator.imm) {
            (Op::Block, &Imm::Block(ty)) => {
                self.flush();
                self.open(FrameKind::Block, ty);
            }
            (Op::Loop, &Imm::Block(ty)) => self.begin_loop(ty),
            (Op::If, &Imm::Block(ty)) => self.begin_if(ty),
            (Op::BrTable, Imm::BrTable(table)) => self.br_table(table),
            (op, _) => return Err(refused(op)),
        }
        Ok(())
    }

    /// An operator of class Control without immediates.
    pub(crate) fn plain_control(&mut self, op: Op) {
        match op {
            Op::Else => self.begin_else(),
            Op::End => self.end(),
            Op::Return => {
                self.count_branch(0);
                self.emit_return();
                self.end_reachable();
            }
            Op::Unreachable => {
                self.trap(TrapCode::Unreachable);
                self.end_reachable();
            }
            _ => {}
        }
    }

    /// `br` or `br_if`.
    pub(crate) fn branch_operator(&mut self, op: Op, depth: u32) {
        if op == Op::BrIf {
            return self.br_if(depth);
        }
        self.branch(depth);
        self.end_reachable();
    }

    /// Follows nesting through unreachable code.
    pub(crate) fn skip(&mut self, operator: &Operator<'_>) -> Done {
        match operator.op {
            Op::Loop => {
                self.skipped += 1;
                self.skip_loop();
            }
            Op::Block | Op::If | Op::TryTable | Op::Try => self.skipped += 1,
            Op::End | Op::Delegate if self.skipped > 0 => self.skipped -= 1,
            Op::Catch | Op::CatchAll | Op::Delegate if self.skipped == 0 => {
                return self.exception(operator);
            }
            Op::End => self.end(),
            Op::Else if self.skipped == 0 => self.begin_else(),
            _ => {}
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ constructs

    /// Opens a construct whose parameters are on the stack.
    pub(crate) fn open(&mut self, kind: FrameKind, ty: BlockType) {
        let module = self.input.module;
        let params = module.block_params(ty).len() as u32;
        let results = module.block_results(&ty).len() as u32;
        let height = self.s.stack.len() as u32 - params;
        self.s.frames.push(Frame {
            kind,
            ty,
            height,
            params,
            results,
            label: Label::NEW,
            other: Label::NEW,
            saved: self.s.saved.len() as u32,
            runs: self.runs_here(),
            lowest: u32::MAX,
        });
    }

    fn begin_loop(&mut self, ty: BlockType) {
        self.flush();
        self.open(FrameKind::Loop, ty);
        let at = self.s.frames.len() - 1;
        let height = self.s.frames[at].height as usize;
        for at in height..self.s.stack.len() {
            let entry = self.s.stack[at];
            if let Loc::Const(bits) = entry.loc {
                let home = self.home(&entry);
                self.store_const(entry.ty, home, bits);
                self.s.stack[at].loc = Loc::Home;
            }
        }
        self.drop_caches();
        self.enter_loop();
        let mut label = Label::NEW;
        self.s.asm.bind(&mut label);
        self.s.frames[at].label = label;
        if self.input.settings.interruptible {
            self.poll();
        }
        self.count(true);
        self.count_iterations();
    }

    fn begin_if(&mut self, ty: BlockType) {
        if let Entry { loc: Loc::Const(bits), .. } = self.top() {
            self.pop_entry();
            let reg = self.alloc(Bank::Int);
            self.const_to(Ty::I32, reg, bits);
            self.push_reg(Ty::I32, reg);
        }
        let cond = self.pop_condition();
        // Only moves: the flags stay.
        self.flush();
        self.open(FrameKind::If, ty);
        let mut other = Label::NEW;
        self.jump_unless(cond, &mut other);
        let frame = self.s.frames.last_mut().expect("just opened");
        frame.other = other;
        let params = self.s.stack.len() - frame.params as usize;
        self.s.saved.extend_from_slice(&self.s.stack[params..]);
        self.count_then();
    }

    fn begin_else(&mut self) {
        if self.reachable {
            self.fall_to_end();
        }
        let at = self.s.frames.len() - 1;
        self.restart_if(at);
    }

    /// Begins the second half of an `if` with the state at its beginning.
    fn restart_if(&mut self, at: usize) {
        let mut frame = self.s.frames[at];
        self.reset(frame.height as usize);
        self.s.asm.bind(&mut frame.other);
        frame.kind = FrameKind::Block;
        self.s.frames[at] = frame;
        for saved in frame.saved as usize..self.s.saved.len() {
            let entry = self.s.saved[saved];
            self.push(entry.ty, entry.loc);
        }
        self.s.saved.truncate(frame.saved as usize);
        self.reachable = true;
        self.count_else(at);
    }

    pub(crate) fn end(&mut self) {
        let at = self.s.frames.len() - 1;
        match self.s.frames[at].kind {
            FrameKind::If => {
                if self.reachable {
                    self.fall_to_end();
                }
                // There is no second half: the parameters are the results.
                self.restart_if(at);
            }
            FrameKind::TryTable => self.end_try_table(),
            FrameKind::Try => self.end_try(0),
            FrameKind::Catch => self.end_clauses(at),
            FrameKind::Block | FrameKind::Loop => {}
        }
        self.end_construct();
    }

    /// Ends a construct, whose parts have all ended.
    pub(crate) fn end_construct(&mut self) {
        let at = self.s.frames.len() - 1;
        let frame = self.s.frames[at];
        if at == 0 {
            if self.reachable {
                self.emit_return();
            }
            self.s.frames.pop();
            return;
        }
        if frame.kind == FrameKind::Loop || !frame.label.is_used() {
            self.s.frames.pop();
            self.count_branch(frame.lowest as usize);
            self.count_silent_end(at, frame.runs, frame.lowest);
            if !self.reachable {
                self.reset(frame.height as usize);
            }
            return;
        }
        if self.reachable {
            self.carry(at);
        }
        let mut label = frame.label;
        self.reset(frame.height as usize);
        self.s.asm.bind(&mut label);
        self.s.frames.pop();
        self.count_branch(frame.lowest as usize);
        self.reachable = true;
        self.count_end(at, frame.runs, frame.lowest);
        let results = self.input.module.block_results(&frame.ty);
        self.push_carried(results.iter().map(|&ty| Ty::of(self.input.module, ty)));
    }

    /// Pushes what branches to a label carry.
    pub(crate) fn push_carried(&mut self, types: impl ExactSizeIterator<Item = Ty>) {
        let one = types.len() == 1;
        for ty in types {
            if one {
                self.push_reg(ty, M::RESULT.0);
            } else {
                self.push(ty, Loc::Home);
            }
        }
    }

    /// Drops operands down to a height, and everything in registers.
    pub(crate) fn reset(&mut self, height: usize) {
        self.truncate(height);
        self.drop_caches();
    }

    pub(crate) fn end_reachable(&mut self) {
        self.reachable = false;
        let height = self.s.frames.last().map_or(0, |frame| frame.height as usize);
        self.reset(height.min(self.s.stack.len()));
    }

    /// Jumps to the end of the innermost construct.
    pub(crate) fn fall_to_end(&mut self) {
        self.branch(0);
    }

    // ------------------------------------------------------------------------------------------ branches

    fn frame_at(&self, depth: u32) -> usize {
        self.s.frames.len() - 1 - depth as usize
    }

    /// Operands that branches to a label carry, and whether to their homes.
    fn arity(&self, at: usize) -> (usize, bool) {
        let frame = &self.s.frames[at];
        match frame.kind {
            FrameKind::Loop => (frame.params as usize, true),
            _ => (frame.results as usize, frame.results != 1),
        }
    }

    /// Whether a branch to a label takes no more than a jump.
    fn is_plain(&self, at: usize) -> bool {
        if at == 0 {
            return false;
        }
        match self.arity(at) {
            (0, _) => true,
            (1, false) => self.top().loc == Loc::Reg(M::RESULT.0),
            _ => false,
        }
    }

    /// Puts what a branch to a label carries where it is expected. The abstract stack stays as it is.
    fn carry(&mut self, at: usize) {
        let (count, to_homes) = self.arity(at);
        let base = self.s.stack.len() - count;
        if !to_homes {
            let entry = self.top();
            let val = self.val_of(&entry);
            return self.val_to(entry.ty, M::RESULT.0, val);
        }
        let height = self.s.frames[at].height as usize;
        let mut slot = match height.checked_sub(1) {
            None => self.local_slots,
            Some(below) => {
                let below = self.s.stack[below];
                below.slot + below.ty.slots()
            }
        };
        // Each goes down or stays, so none is overwritten before it has moved.
        for at in base..self.s.stack.len() {
            self.s.asm.ensure(64);
            let entry = self.s.stack[at];
            if entry.loc != Loc::Home || entry.slot != slot {
                let to = Mem::new(M::FP, Self::slot_offset(slot, entry.ty.slots()));
                let val = self.val_of(&entry);
                self.val_to_mem(entry.ty, to, val);
            }
            slot += entry.ty.slots();
        }
    }

    /// Branches to a label, or returns.
    pub(crate) fn branch(&mut self, depth: u32) {
        let at = self.frame_at(depth);
        self.count_branch(at);
        if at == 0 {
            return self.emit_return();
        }
        self.carry(at);
        self.s.asm.jmp(&mut self.s.frames[at].label);
    }

    pub(crate) fn jump_unless(&mut self, cond: Cond, label: &mut Label) {
        self.s.asm.jump_if(cond.inverted(), label);
    }

    fn br_if(&mut self, depth: u32) {
        if let Entry { loc: Loc::Const(bits), .. } = self.top() {
            self.pop_entry();
            if bits != 0 {
                self.branch(depth);
                self.end_reachable();
            }
            return;
        }
        let cond = self.pop_condition();
        self.branch_if(cond, depth);
        self.count_not_taken();
    }

    /// Branches to a label if a condition holds.
    pub(crate) fn branch_if(&mut self, cond: Cond, depth: u32) {
        let at = self.frame_at(depth);
        self.count_branch(at);
        if self.is_plain(at) {
            let mut label = self.s.frames[at].label;
            self.s.asm.jump_if(cond, &mut label);
            self.s.frames[at].label = label;
            return;
        }
        let mut next = Label::NEW;
        self.jump_unless(cond, &mut next);
        self.branch(depth);
        self.s.asm.bind(&mut next);
    }

    /// Labels that carry operands have a stub each.
    fn br_table(&mut self, table: &BrTable<'_>) {
        let index = Gpr(self.pop_own());
        if table.is_empty() {
            self.free_gpr(index);
            self.branch(table.default());
            return self.end_reachable();
        }
        let len = table.len();
        let asm = &mut self.s.asm;
        // Speculation past the check takes the default, too.
        asm.mov_i(M::TEMP, len as u64);
        asm.alu(Alu::Cmp, W32, index, Rm::Reg(M::TEMP));
        asm.cmov(Cc::A, W32, index, Rm::Reg(M::TEMP));
        asm.jump_by_table(index);
        self.free_gpr(index);
        let mut stubs = std::mem::take(&mut self.s.labels);
        stubs.clear();
        self.s.asm.ensure((len + 1) * 4);
        for depth in table.targets().chain([table.default()]) {
            let at = self.frame_at(depth);
            self.count_branch(at);
            if self.is_plain(at) {
                self.s.asm.table_entry(&mut self.s.frames[at].label);
                continue;
            }
            let known = match self.s.stub_of.get(at) {
                Some(&stub) if stubs.get(stub as usize).is_some_and(|(d, _)| *d == depth) => stub,
                _ => {
                    if self.s.stub_of.len() <= at {
                        self.s.stub_of.resize(at + 1, 0);
                    }
                    self.s.stub_of[at] = stubs.len() as u32;
                    stubs.push((depth, Label::NEW));
                    stubs.len() as u32 - 1
                }
            };
            self.s.asm.table_entry(&mut stubs[known as usize].1);
        }
        for (depth, label) in &mut stubs {
            self.s.asm.ensure(256);
            self.s.asm.bind(label);
            self.branch(*depth);
        }
        self.s.labels = stubs;
        self.end_reachable();
    }

    // ------------------------------------------------------------------------------------------ branches on references

    pub(crate) fn br_on_null(&mut self, depth: u32) {
        let ty = self.top().ty;
        let reg = self.pop_own();
        self.asm().test(W64, Gpr(reg), Gpr(reg));
        self.branch_if(Cond::Cc(Cc::E), depth);
        self.push_reg(ty, reg);
    }

    pub(crate) fn br_on_non_null(&mut self, depth: u32) {
        let entry = self.top();
        match self.val_of(&entry) {
            Val::Reg(held) => self.asm().test(W64, Gpr(held.reg), Gpr(held.reg)),
            Val::Mem(mem) => self.asm().alu_i(Alu::Cmp, W64, Rm::Mem(mem), 0),
            Val::Const(bits) => {
                self.asm().mov_i(M::TEMP, bits);
                self.asm().test(W64, M::TEMP, M::TEMP);
            }
        }
        self.branch_if(Cond::Cc(Cc::Ne), depth);
        let height = self.s.stack.len() - 1;
        self.truncate(height);
    }
}
