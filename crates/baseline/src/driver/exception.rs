//! Owns exceptions: throws, landing pads, and the code that finds the clause of an exception.
//! Does not own labels (`control`), nor the search through frames: the runtime does that.
//!
//! A `try` has one *dispatch* point, where its exceptions arrive in [`Machine::RESULT`]: thrown by its body with a jump, or by calls in it through their landing
//! sites. Nothing is in registers there: no local is pinned in a function with handlers, and operands below the `try` are in their homes since it began.
//! There the clauses are tried in order; an exception that none of them wants goes on to the next outer `try`, or out of the function.
//! In the legacy form, the bodies of the clauses lie between the tests; the exception is an operand below theirs.

use sterna_abi::gc::{MAX_CONST_OFFSET, ObjectLayout, object};
use sterna_abi::{Builtin, LandingSite};
use sterna_base::TagIndex;
use sterna_isa::Op;
use sterna_module::{Catch, Imm, Operator, TryTable};

use super::call::Arg;
use super::values::Val;
use super::{Alu, Assembler, Cc, Done, Gen, Gpr, Label, Machine, Mem, Rm, W32, W64, refused};
use crate::stack::{Bank, FrameKind, Loc, NO_ENTRY, Ty};

/// A `try` whose body is being compiled.
#[derive(Clone, Copy)]
pub(crate) struct Handler {
    /// Position of its frame.
    frame: usize,
    /// Its dispatch point.
    label: Label,
    /// The last landing site that leads there; each one's `pad` is the one before it.
    landings: u32,
}

impl<M: Machine> Gen<'_, M> {
    pub(crate) fn exception(&mut self, operator: &Operator<'_>) -> Done {
        match (operator.op, &operator.imm) {
            (Op::Throw, &Imm::Index(tag)) => self.throw(tag),
            (Op::ThrowRef, _) => self.throw_ref(),
            (Op::TryTable, Imm::TryTable(table)) => self.begin_try_table(table),
            (Op::Try, &Imm::Block(ty)) => {
                self.flush();
                self.open(FrameKind::Try, ty);
                self.open_handler();
            }
            (Op::Catch, &Imm::Index(tag)) => self.catch(Some(TagIndex::from_u32(tag))),
            (Op::CatchAll, _) => self.catch(None),
            (Op::Rethrow, &Imm::Index(depth)) => self.rethrow(depth),
            (Op::Delegate, &Imm::Index(depth)) => {
                self.end_try(depth);
                self.end_construct();
            }
            (op, _) => return Err(refused(op)),
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ throwing

    /// After a call was emitted: exceptions of the callee land at the innermost open `try`.
    pub(crate) fn land_here(&mut self) {
        let Some(handler) = self.s.handlers.last_mut() else { return };
        let index = self.s.sites.landings.len() as u32;
        let pad = std::mem::replace(&mut handler.landings, index);
        self.s.sites.landings.push(LandingSite { code: self.s.asm.pos(), pad, below: 0 });
    }

    /// Throws the exception in [`Machine::RESULT`], which is not null, to the innermost of the first `handlers` open `try`s, or out of the function.
    fn throw_to(&mut self, handlers: usize) {
        match handlers.checked_sub(1) {
            Some(at) => self.s.asm.jmp(&mut self.s.handlers[at].label),
            None => self.unwind(),
        }
        self.end_reachable();
    }

    /// Has the runtime throw the exception in [`Machine::RESULT`].
    fn unwind(&mut self) {
        let exn = Val::Reg(super::values::Held { reg: M::RESULT.0, owned: false });
        self.call_builtin(Builtin::exn_unwind, &[Arg::Val(Ty::I64, exn)]);
        self.s.asm.stop();
    }

    fn throw(&mut self, tag: u32) {
        let count = self.input.module.tag_type(TagIndex::from_u32(tag)).params.len();
        self.operands_in_slots(count);
        let args = [Arg::Imm(u64::from(tag)), Arg::Address(Mem::new(M::SP, 0))];
        self.call_builtin(Builtin::exn_new, &args);
        self.throw_to(self.s.handlers.len());
    }

    fn throw_ref(&mut self) {
        let val = self.pop();
        match val {
            Val::Reg(held) if held.reg == M::RESULT.0 && held.owned => {}
            _ => {
                self.take(Bank::Int, M::RESULT.0);
                self.val_to(Ty::I64, M::RESULT.0, val);
                self.release_val(Bank::Int, val);
            }
        }
        self.free_gpr(M::RESULT);
        if let Some(at) = self.s.handlers.len().checked_sub(1) {
            self.asm().test(W64, M::RESULT, M::RESULT);
            self.s.asm.jcc(Cc::Ne, &mut self.s.handlers[at].label);
        }
        // Traps if it is null.
        self.unwind();
        self.end_reachable();
    }

    // ------------------------------------------------------------------------------------------ handlers

    fn open_handler(&mut self) {
        let frame = self.s.frames.len() - 1;
        self.s.handlers.push(Handler { frame, label: Label::NEW, landings: NO_ENTRY });
    }

    fn begin_try_table(&mut self, table: &TryTable) {
        self.flush();
        if table.catches.is_empty() {
            return self.open(FrameKind::Block, table.ty);
        }
        self.open(FrameKind::TryTable, table.ty);
        self.open_handler();
        self.s.catches.push(table.catches.clone());
    }

    /// Ends the body of the innermost construct, a `try`, and opens its dispatch point with the exception pushed. `false` if nothing is thrown there.
    fn end_body(&mut self) -> bool {
        if self.reachable {
            self.fall_to_end();
        }
        let mut handler = self.s.handlers.pop().expect("the body of a try is open");
        let height = self.s.frames[handler.frame].height as usize;
        self.reset(height);
        self.reachable = false;
        if !handler.label.is_used() && handler.landings == NO_ENTRY {
            return false;
        }
        self.s.asm.ensure(256);
        self.s.asm.bind(&mut handler.label);
        let pad = self.s.asm.pos();
        let mut at = handler.landings;
        while at != NO_ENTRY {
            at = std::mem::replace(&mut self.s.sites.landings[at as usize].pad, pad);
        }
        self.asm().load(W64, M::VMCTX, Mem::new(M::FP, Self::AT_VMCTX));
        self.load_base();
        self.reachable = true;
        self.push_reg(Ty::Exn, M::RESULT.0);
        let exn = self.s.stack.len() as u32 - 1;
        self.spill(exn);
        true
    }

    /// Loads the exception, whose entry is at `at`, into [`Machine::RESULT`].
    fn load_exception(&mut self, at: usize) {
        let home = self.home(&self.s.stack[at]);
        self.asm().load(W64, M::RESULT, home);
    }

    pub(crate) fn end_try_table(&mut self) {
        let is_used = self.end_body();
        let catches = self.s.catches.pop().expect("every try_table has put its clauses there");
        if !is_used {
            return;
        }
        let exn = self.s.stack.len() - 1;
        for catch in &catches {
            self.s.asm.ensure(256);
            if self.clause(exn, catch) {
                return self.end_reachable();
            }
        }
        self.load_exception(exn);
        self.throw_to(self.s.handlers.len());
    }

    /// Branches if an exception matches a clause. Whether it always does.
    fn clause(&mut self, exn: usize, catch: &Catch) -> bool {
        let mut next = Label::NEW;
        if let Some(tag) = catch.tag {
            self.match_tag(exn, tag, &mut next);
        }
        if catch.with_ref {
            let home = self.home(&self.s.stack[exn]);
            let reg = self.alloc_gpr();
            self.asm().load(W64, reg, home);
            self.push_gpr(Ty::Exn, reg);
        }
        // The frame of the try_table is still open.
        self.branch(catch.label + 1);
        self.reset(exn + 1);
        if next.is_used() {
            self.s.asm.bind(&mut next);
        }
        catch.tag.is_none()
    }

    /// Goes on where the exception has a tag, with its payload pushed, and to `next` if it has another.
    fn match_tag(&mut self, exn: usize, tag: TagIndex, next: &mut Label) {
        let module = self.input.module;
        let params = &module.tag_type(tag).params;
        let home = self.home(&self.s.stack[exn]);
        let (exn, number) = (self.alloc_gpr(), self.alloc_gpr());
        let at_tag = self.input.layout.tag(tag) as i32;
        self.asm().load(W64, exn, home);
        let base = self.heap_base();
        self.asm().load(W32, number, Mem::new(M::VMCTX, at_tag));
        let found = Mem::indexed(base, exn, 0, object::OFF_TAG as i32);
        self.asm().alu(Alu::Cmp, W32, number, Rm::Mem(found));
        self.free_gpr(number);
        self.s.asm.jcc(Cc::Ne, next);
        let layout = ObjectLayout::of_exception(params, |ty| module.is_func_heap(ty));
        if layout.offsets.last().is_some_and(|&offset| offset > MAX_CONST_OFFSET) {
            return self.payload_by_runtime(exn, params);
        }
        for ((&param, &storage), &offset) in params.iter().zip(&layout.storage).zip(&layout.offsets)
        {
            self.s.asm.ensure(128);
            let ty = Ty::of(module, param);
            let dst = self.alloc(ty.bank());
            let base = self.heap_base();
            let field = Mem::indexed(base, exn, 0, offset as i32);
            self.load_field(storage, false, dst, base, field);
            self.push_reg(ty, dst);
        }
        self.free_gpr(exn);
    }

    /// Has the runtime copy the payload of an exception.
    fn payload_by_runtime(&mut self, exn: Gpr, params: &[sterna_isa::ValType]) {
        let held = super::values::Held { reg: exn.0, owned: true };
        let args = [Arg::Val(Ty::I64, Val::Reg(held)), Arg::Address(Mem::new(M::SP, 0))];
        let slots: usize = params.iter().map(|ty| ty.slots()).sum();
        self.out_size = self.out_size.max(slots as u32 * 8);
        self.call_builtin(Builtin::exn_payload, &args);
        let mut offset = 0;
        for &param in params {
            self.s.asm.ensure(64);
            let ty = Ty::of(self.input.module, param);
            self.push(ty, Loc::Home);
            let home = self.home(&self.top());
            self.copy(ty, home, Mem::new(M::SP, offset));
            offset += ty.slots() as i32 * 8;
        }
    }

    // ------------------------------------------------------------------------------------------ the legacy form

    fn catch(&mut self, tag: Option<TagIndex>) {
        let at = self.s.frames.len() - 1;
        match self.s.frames[at].kind {
            FrameKind::Catch => self.reopen(at),
            _ => {
                self.end_body();
                self.s.frames[at].kind = FrameKind::Catch;
            }
        }
        self.s.frames[at].other = Label::NEW;
        if let (true, Some(tag)) = (self.reachable, tag) {
            let exn = self.s.frames[at].height as usize;
            let mut other = Label::NEW;
            self.match_tag(exn, tag, &mut other);
            self.s.frames[at].other = other;
        }
    }

    /// Ends the body of a clause and goes to the test of the next, if that can be reached.
    fn reopen(&mut self, at: usize) {
        if self.reachable {
            self.fall_to_end();
        }
        let mut frame = self.s.frames[at];
        self.reset(frame.height as usize);
        self.reachable = frame.other.is_used();
        if self.reachable {
            self.s.asm.bind(&mut frame.other);
            self.push(Ty::Exn, Loc::Home);
        }
    }

    /// Before the end of a `try` with clauses.
    pub(crate) fn end_clauses(&mut self, at: usize) {
        self.reopen(at);
        if self.reachable {
            let exn = self.s.stack.len() - 1;
            self.load_exception(exn);
            self.throw_to(self.s.handlers.len());
        }
    }

    /// Before the end of a `try` without clauses, which passes exceptions on to those `try`s that are not inside of the `delegate`th label outside of it.
    pub(crate) fn end_try(&mut self, delegate: u32) {
        let target = self.s.frames.len() - 2 - delegate as usize;
        if self.end_body() {
            let handlers = self.s.handlers.iter().filter(|open| open.frame <= target).count();
            let exn = self.s.stack.len() - 1;
            self.load_exception(exn);
            self.throw_to(handlers);
        }
    }

    fn rethrow(&mut self, depth: u32) {
        let frame = self.s.frames[self.s.frames.len() - 1 - depth as usize];
        self.load_exception(frame.height as usize);
        self.throw_to(self.s.handlers.len());
    }
}
