//! Owns calls of all kinds: wasm functions, builtins, polls; parallel moves; what the site table says of a call.
//! Does not own where parameters are (`crate::signature`).

use sterna_abi::{
    Builtin, CallSite, CodeReloc, Convention, FuncEntry, FuncRef, Leave, NULL_TYPE, PendingTail,
    ROW_DISPLAY, StoreCtx, TableDef, TypeRow, ValuePlace, VmCtx,
};
use sterna_base::{FuncIndex, TableIndex, TypeIndex};
use sterna_isa::{FuncType, Op, TrapCode};

use super::values::{Held, Owner, Val, width};
use super::{
    Alu, Assembler, Cc, Done, Gen, Gpr, Label, Machine, Mem, Rm, Scratch, Shift, Vreg, W, W32, W64,
    refused,
};
use crate::signature::{Params, Place, Results, area_size};
use crate::stack::{Bank, Loc, NO_REG, Ty};

/// Where a move takes a value from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Reg(u8),
    Mem(Mem),
    Const(u64),
    /// The address itself.
    Address(Mem),
}

/// One of several moves that happen at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    ty: Ty,
    to: u8,
    from: Source,
}

/// One of them from register to register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegisterMove {
    ty: Ty,
    to: u8,
    from: u8,
}

impl Move {
    pub fn int(to: u8, from: u8, w: W) -> Move {
        Move { ty: if w == W64 { Ty::I64 } else { Ty::I32 }, to, from: Source::Reg(from) }
    }

    pub fn reg(ty: Ty, to: u8, from: u8) -> Move {
        Move { ty, to, from: Source::Reg(from) }
    }

    pub fn load(ty: Ty, to: u8, from: Mem) -> Move {
        Move { ty, to, from: Source::Mem(from) }
    }

    pub fn constant(to: u8, bits: u64) -> Move {
        Move { ty: Ty::I64, to, from: Source::Const(bits) }
    }

    pub fn address(to: u8, of: Mem) -> Move {
        Move { ty: Ty::I64, to, from: Source::Address(of) }
    }

    pub fn val(ty: Ty, to: u8, val: Val) -> Move {
        let from = match val {
            Val::Const(bits) => Source::Const(bits),
            Val::Reg(held) => Source::Reg(held.reg),
            Val::Mem(mem) => Source::Mem(mem),
        };
        Move { ty, to, from }
    }
}

/// A poll that has found the flag set.
pub(crate) struct PendingPoll {
    label: Label,
    back: Label,
    wasm: u32,
    state: Option<u32>,
}

/// What is called.
#[derive(Clone, Copy)]
enum Callee {
    /// A function of this module.
    Direct(FuncIndex),
    /// Its entry in [`Machine::CALLEE`], then the address of its code, and the register of the callee's vmctx.
    Indirect(Gpr),
}

/// An argument of a builtin.
#[derive(Clone, Copy)]
pub(crate) enum Arg {
    Imm(u64),
    Val(Ty, Val),
    Address(Mem),
}

impl<M: Machine> Gen<'_, M> {
    // ------------------------------------------------------------------------------------------ moves

    /// Carries out the moves in `s.moves`, none of which may see another's result.
    pub(crate) fn do_moves(&mut self) {
        let Scratch { moves, register_moves, .. } = &mut *self.s;
        register_moves.clear();
        for &Move { ty, to, from } in &*moves {
            if let Source::Reg(from) = from
                && from != to
            {
                register_moves.push(RegisterMove { ty, to, from });
            }
        }
        match self.s.register_moves[..] {
            [] => {}
            [RegisterMove { ty, to, from }] => self.move_reg(ty, to, from),
            _ => self.do_register_moves(),
        }
        for at in 0..self.s.moves.len() {
            let Move { ty, to, from } = self.s.moves[at];
            match from {
                Source::Reg(_) => {}
                Source::Mem(mem) => self.load_from(ty, to, mem),
                Source::Const(bits) => self.const_to(ty, to, bits),
                Source::Address(mem) => self.s.asm.lea(W64, Gpr(to), mem),
            }
        }
        self.s.moves.clear();
    }

    fn do_register_moves(&mut self) {
        while !self.s.register_moves.is_empty() {
            let registers = &mut self.s.register_moves;
            let mut read = [0u32; 2];
            for m in &*registers {
                read[m.ty.bank() as usize] |= 1 << m.from;
            }
            let is_ready = |m: &RegisterMove| read[m.ty.bank() as usize] >> m.to & 1 == 0;
            let at = registers.iter().position(is_ready).unwrap_or_else(|| {
                // A cycle: keep what the first one overwrites.
                let first = registers[0];
                let bank = first.ty.bank();
                let temp = match bank {
                    Bank::Int => {
                        self.s.asm.mov(W64, M::TEMP, Gpr(first.to));
                        M::TEMP.0
                    }
                    Bank::Float => {
                        self.s.asm.mov_v(M::TEMP_V, Vreg(first.to));
                        M::TEMP_V.0
                    }
                };
                for m in registers {
                    if m.from == first.to && m.ty.bank() == bank {
                        m.from = temp;
                    }
                }
                0
            });
            let RegisterMove { ty, to, from } = self.s.register_moves.swap_remove(at);
            self.move_reg(ty, to, from);
        }
    }

    // ------------------------------------------------------------------------------------------ sites

    /// Notes that the call just emitted returns here.
    pub(crate) fn call_site(&mut self, wasm: u32, state: Option<u32>, with_roots: bool) {
        let roots = if with_roots { self.record_roots() } else { None };
        let code = self.s.asm.pos();
        self.s.sites.calls.push(CallSite { code, wasm, state, roots });
    }

    /// The references that the frame holds: in homes of locals and operands.
    pub(crate) fn record_roots(&mut self) -> Option<u32> {
        if self.s.objects.is_empty() {
            if self.s.root_locals.is_empty() {
                return None;
            }
            let roots = self.plain_roots.unwrap_or_else(|| self.s.sites.roots(&self.s.root_locals));
            self.plain_roots = Some(roots);
            return self.plain_roots;
        }
        let mut places = std::mem::take(&mut self.s.places);
        places.clear();
        places.extend_from_slice(&self.s.root_locals);
        for &at in &self.s.objects {
            let entry = self.s.stack[at as usize];
            if entry.loc == Loc::Home {
                places.push(self.home(&entry).disp);
            }
        }
        let roots = (!places.is_empty()).then(|| self.s.sites.roots(&places));
        self.s.places = places;
        roots
    }

    /// Where a local is while a call is pending.
    fn local_place(&self, index: u32) -> ValuePlace {
        let pin = self.s.locals[index as usize].pin;
        if pin == NO_REG || self.s.lost_pins.contains(&index) {
            ValuePlace::Frame(self.local_home(index).disp)
        } else {
            ValuePlace::Register(pin)
        }
    }

    /// Records locals and operands, if that is asked for. `area` is how far above the stack pointer the pending call leaves results.
    #[inline(always)]
    pub(crate) fn record_state(&mut self, area: u32) -> Option<u32> {
        self.input.settings.capture_state.then(|| self.record_values(area))
    }

    fn record_values(&mut self, area: u32) -> u32 {
        let locals = self.s.locals.len() as u32;
        let mut values = Vec::with_capacity(self.s.locals.len() + self.s.stack.len());
        for index in 0..locals {
            let ty = self.s.locals[index as usize].ty.val_type();
            values.push((ty, self.local_place(index)));
        }
        for entry in &self.s.stack {
            let place = match entry.loc {
                Loc::Const(bits) => ValuePlace::Const(bits.into()),
                Loc::Local { index, .. } => self.local_place(index),
                _ => ValuePlace::Frame(self.home(entry).disp),
            };
            values.push((entry.ty.val_type(), place));
        }
        let has_address = self.begins_at_loop() || area_size(&self.ty.results) > 0;
        let leave = Leave {
            vmctx: ValuePlace::Register(M::VMCTX.0),
            results: if has_address {
                ValuePlace::Frame(Self::AT_AREA)
            } else {
                ValuePlace::Const(0)
            },
            area: ValuePlace::Frame(area as i32),
        };
        self.s.sites.state(locals, values, leave)
    }

    // ------------------------------------------------------------------------------------------ wasm calls

    /// An operator of class Call with its immediates.
    pub(crate) fn call(&mut self, op: Op, a: u32, b: u32) -> Done {
        let module = self.input.module;
        let (callee, ty) = match op {
            Op::Call | Op::ReturnCall => {
                let func = FuncIndex::from_u32(a);
                (self.direct_callee(func), module.func_type(func))
            }
            Op::CallIndirect | Op::ReturnCallIndirect => {
                let ty = TypeIndex::from_u32(a);
                (self.indirect_callee(ty, b), module.signature(ty))
            }
            Op::CallRef | Op::ReturnCallRef => {
                (self.ref_callee(), module.signature(TypeIndex::from_u32(a)))
            }
            _ => return Err(refused(op)),
        };
        if !matches!(op, Op::Call | Op::ReturnCall) {
            self.record_callee();
        }
        self.count_call();
        let is_tail = !matches!(op, Op::Call | Op::CallIndirect | Op::CallRef);
        if is_tail && self.begins_at_loop() {
            self.leave_tail_call(callee, ty);
            return Ok(());
        }
        if let Callee::Indirect(_) = callee {
            self.load_code();
        }
        match is_tail {
            false => self.plain_call(callee, ty),
            true => self.tail_call(callee, ty),
        }
        Ok(())
    }

    fn direct_callee(&mut self, func: FuncIndex) -> Callee {
        if func.index() >= self.input.module.num_imported_funcs() {
            return Callee::Direct(func);
        }
        let offset = self.input.layout.imported_func(func) as i32;
        self.take(Bank::Int, M::CALLEE.0);
        let instance = self.alloc_gpr();
        let at = Mem::new(M::VMCTX, offset);
        self.asm().load(W64, M::CALLEE, at.plus(FuncRef::OFF_ENTRY as i32));
        self.asm().load(W64, instance, at.plus(FuncRef::OFF_INSTANCE as i32));
        Callee::Indirect(instance)
    }

    /// From the `FuncEntry` in [`Machine::CALLEE`] to its code.
    fn load_code(&mut self) {
        let offset = match self.input.convention {
            Convention::Reg => FuncEntry::OFF_REG,
            Convention::Tail => FuncEntry::OFF_TAIL,
        };
        self.asm().load(W64, M::CALLEE, Mem::new(M::CALLEE, offset as i32));
    }

    /// Has the address of a function reference in an own register; it goes to entry and instance.
    fn callee_of(&mut self, func_ref: Gpr) -> Callee {
        let entry = Mem::new(func_ref, FuncRef::OFF_ENTRY as i32);
        if func_ref == M::CALLEE {
            let instance = self.alloc_gpr();
            self.asm().load(W64, instance, Mem::new(M::CALLEE, FuncRef::OFF_INSTANCE as i32));
            self.asm().load(W64, M::CALLEE, entry);
            return Callee::Indirect(instance);
        }
        self.take(Bank::Int, M::CALLEE.0);
        self.asm().load(W64, M::CALLEE, entry);
        self.asm().load(W64, func_ref, Mem::new(func_ref, FuncRef::OFF_INSTANCE as i32));
        Callee::Indirect(func_ref)
    }

    /// A call through a table: bounds, null and type are checked.
    fn indirect_callee(&mut self, ty: TypeIndex, table: u32) -> Callee {
        let element = self.table_element(table, TrapCode::UndefinedElement);
        let ids = Mem::new(M::VMCTX, VmCtx::OFF_TYPE_IDS as i32);
        self.asm().load(W64, M::TEMP, ids);
        self.asm().load(W32, M::TEMP, Mem::new(M::TEMP, ty.as_u32() as i32 * 4));
        let actual = Mem::new(element, FuncRef::OFF_TYPE as i32);
        self.asm().alu(Alu::Cmp, W32, M::TEMP, Rm::Mem(actual));
        let mut same = Label::NEW;
        self.asm().jcc(Cc::E, &mut same);
        self.asm().alu_i(Alu::Cmp, W32, Rm::Mem(actual), NULL_TYPE as i32);
        self.trap_if(Cc::E, TrapCode::UninitializedElement);
        let module = self.input.module;
        if module.types()[ty.index()].is_final {
            self.trap(TrapCode::IndirectCallTypeMismatch);
        } else {
            let id = self.alloc_gpr();
            self.asm().load(W32, id, actual);
            self.supertype_at(id, module.type_depth(ty));
            self.asm().alu(Alu::Cmp, W32, id, Rm::Reg(M::TEMP));
            self.trap_if(Cc::Ne, TrapCode::IndirectCallTypeMismatch);
            self.free_gpr(id);
        }
        self.asm().bind(&mut same);
        self.callee_of(element)
    }

    /// Replaces the id of a type by that of its supertype at a depth.
    pub(crate) fn supertype_at(&mut self, id: Gpr, depth: u32) {
        let asm = self.asm();
        asm.shift_i(Shift::Shl, W64, id, TypeRow::LOG2_SIZE as u8);
        asm.alu(Alu::Add, W64, id, Rm::Mem(Mem::new(M::VMCTX, VmCtx::OFF_TYPE_ROWS as i32)));
        match depth.checked_sub(ROW_DISPLAY as u32) {
            None => {
                let at = TypeRow::OFF_DISPLAY + depth * 4;
                asm.load(W32, id, Mem::new(id, at as i32));
            }
            Some(rest) => {
                asm.load(W64, id, Mem::new(id, TypeRow::OFF_MORE as i32));
                asm.load(W32, id, Mem::new(id, rest as i32 * 4));
            }
        }
    }

    /// Pops an index of a table and computes the element's address in an own register. Speculation past the check sees element 0.
    pub(crate) fn table_element(&mut self, table: u32, trap: TrapCode) -> Gpr {
        let module = self.input.module;
        let ty = &module.tables()[table as usize];
        let index = self.pop_reg();
        let (base, address) = (self.alloc_gpr(), self.alloc_gpr());
        let offset = self.input.layout.table(TableIndex::from_u32(table));
        let shift = if module.is_func_heap(ty.element.heap) { FuncRef::LOG2_SIZE } else { 3 };
        let asm = self.asm();
        asm.load(W64, M::TEMP, Mem::new(M::VMCTX, offset as i32));
        asm.load(W64, base, Mem::new(M::TEMP, TableDef::OFF_BASE as i32));
        asm.mov(W64, address, index.gpr());
        asm.shift_i(Shift::Shl, W64, address, shift as u8);
        asm.alu(Alu::Add, W64, address, Rm::Reg(base));
        match i32::try_from(ty.min) {
            Ok(len) if ty.max == Some(ty.min) => {
                asm.alu_i(Alu::Cmp, W64, Rm::Reg(index.gpr()), len);
            }
            _ => {
                let len = Mem::new(M::TEMP, TableDef::OFF_LEN as i32);
                asm.alu(Alu::Cmp, W64, index.gpr(), Rm::Mem(len));
            }
        }
        asm.cmov(Cc::Ae, W64, address, Rm::Reg(base));
        self.trap_if(Cc::Ae, trap);
        self.release(Bank::Int, index);
        self.free_gpr(base);
        address
    }

    /// A call through a reference, which may be null.
    fn ref_callee(&mut self) -> Callee {
        let func_ref = Gpr(self.pop_own());
        let null = TrapCode::NullFunctionReference;
        if self.input.settings.explicit_checks {
            self.asm().test(W64, func_ref, func_ref);
            self.trap_if(Cc::E, null);
        }
        if func_ref == M::CALLEE {
            let other = self.alloc_gpr();
            self.asm().mov(W64, other, M::CALLEE);
            self.free_gpr(M::CALLEE);
            self.trap_on_null(other, null);
            return self.callee_of(other);
        }
        self.trap_on_null(func_ref, null);
        self.callee_of(func_ref)
    }

    /// In signal mode, faults if a function reference is null: nothing is mapped at address 0.
    fn trap_on_null(&mut self, func_ref: Gpr, null: TrapCode) {
        if !self.input.settings.explicit_checks {
            self.trap_here(null);
            self.asm().load(W64, M::TEMP, Mem::new(func_ref, FuncRef::OFF_ENTRY as i32));
        }
    }

    /// Stores the operands below `base` that are in registers to their homes.
    pub(crate) fn spill_below(&mut self, base: usize) {
        for bank in [Bank::Int, Bank::Float] {
            let mut operands = self.banks[bank as usize].operands;
            while operands != 0 {
                let reg = operands.trailing_zeros() as u8;
                operands &= operands - 1;
                if let Owner::Operand(at) = self.banks[bank as usize].owner(reg)
                    && (at as usize) < base
                {
                    self.spill(at);
                }
            }
        }
    }

    /// Puts the arguments of a call where the callee expects them, and pops them. Returns bytes of arguments on the stack and of the result area.
    fn arguments(&mut self, callee: Callee, ty: &FuncType, tail: bool) -> u32 {
        let base = self.s.stack.len() - ty.params.len();
        if !tail {
            self.spill_below(base);
            self.save_pins();
        }
        let area = area_size(&ty.results);
        let registers = self.registers();
        self.s.moves.clear();
        let instance = match callee {
            Callee::Direct(_) => M::VMCTX,
            Callee::Indirect(instance) => instance,
        };
        self.s.moves.push(Move::int(registers.params[0], instance.0, W64));
        let mut places = Params::new(registers, area > 0);
        for (at, &param) in ty.params.iter().enumerate() {
            let entry = self.s.stack[base + at];
            let val = self.val_of(&entry);
            match places.next(param) {
                Place::Int(reg) | Place::Float(reg) => {
                    self.s.moves.push(Move::val(entry.ty, reg, val));
                }
                Place::Memory(offset) => {
                    self.s.asm.ensure(64);
                    self.val_to_mem(entry.ty, Mem::new(M::SP, offset as i32), val);
                }
            }
        }
        let stack = places.stack_size();
        if area > 0 && tail {
            // The callee's results are this function's.
            self.s.moves.push(Move::load(
                Ty::I64,
                registers.params[1],
                Mem::new(M::FP, Self::AT_AREA),
            ));
        } else if area > 0 {
            self.s.moves.push(Move::address(registers.params[1], Mem::new(M::SP, stack as i32)));
        }
        self.out_size = self.out_size.max(stack + area);
        self.do_moves();
        self.truncate(base);
        stack
    }

    /// Has linking fill in a callee.
    fn relocate(&mut self, offset: u32, target: FuncIndex) {
        let (kind, addend) = M::CALL;
        self.s.relocs.push(CodeReloc { offset, kind, target, addend });
    }

    /// Replaces this function's frame by the callee's.
    fn tail_call(&mut self, callee: Callee, ty: &FuncType) {
        self.count_branch(0);
        let stack = self.arguments(callee, ty, true);
        self.restore_saved();
        if stack == 0 && self.own_stack == 0 {
            self.asm().leave();
        } else {
            self.shift_arguments(stack);
        }
        match callee {
            Callee::Direct(target) => {
                let offset = self.asm().jmp_func();
                self.relocate(offset, target);
            }
            Callee::Indirect(instance) => {
                self.asm().jmp_rm(Rm::Reg(M::CALLEE));
                self.free_gpr(instance);
                self.free_gpr(M::CALLEE);
            }
        }
        self.end_reachable();
    }

    /// In code that begins at a loop: leaves a tail call to the interpreter, whose frame is the one to be replaced.
    fn leave_tail_call(&mut self, callee: Callee, ty: &FuncType) {
        self.count_branch(0);
        let base = self.s.stack.len() - ty.params.len();
        let load = |asm: &mut M::Asm| {
            asm.load(W64, M::TEMP, Mem::new(M::VMCTX, VmCtx::OFF_STORE as i32));
            asm.load(W64, M::TEMP, Mem::new(M::TEMP, StoreCtx::OFF_VALUE_SP as i32));
        };
        self.slots_behind(base, load);
        self.truncate(base);
        self.s.asm.ensure(64);
        let instance = match callee {
            Callee::Direct(func) => {
                let asm = self.asm();
                asm.load(W64, M::CALLEE, Mem::new(M::VMCTX, VmCtx::OFF_ENTRIES as i32));
                asm.lea(
                    W64,
                    M::CALLEE,
                    Mem::new(M::CALLEE, (func.as_u32() * FuncEntry::SIZE) as i32),
                );
                M::VMCTX
            }
            Callee::Indirect(instance) => {
                self.free_gpr(instance);
                self.free_gpr(M::CALLEE);
                instance
            }
        };
        let asm = self.asm();
        asm.load(W64, M::TEMP, Mem::new(M::VMCTX, VmCtx::OFF_STORE as i32));
        let field = |field| Mem::new(M::TEMP, (StoreCtx::OFF_PENDING_TAIL + field) as i32);
        asm.store(W64, field(PendingTail::OFF_ENTRY), M::CALLEE);
        asm.store(W64, field(PendingTail::OFF_INSTANCE), instance);
        self.epilogue();
        self.end_reachable();
    }

    /// Moves arguments from the bottom of the frame to where the caller expects to find this function's gone, the return address below them, and
    /// leaves the frame. They move upwards: the last one goes first.
    fn shift_arguments(&mut self, stack: u32) {
        let up = self.own_stack as i32 - stack as i32;
        let asm = &mut self.s.asm;
        asm.take_record();
        for offset in (0..stack as i32).step_by(8).rev() {
            asm.ensure(64);
            asm.load_v(8, M::TEMP_V, Mem::new(M::SP, offset));
            asm.store_v(8, Mem::new(M::FP, 16 + up + offset), M::TEMP_V);
        }
        asm.leave_moved(up);
    }

    fn plain_call(&mut self, callee: Callee, ty: &FuncType) {
        let stack = self.arguments(callee, ty, false);
        match callee {
            Callee::Direct(target) => {
                let offset = self.asm().call_func();
                self.relocate(offset, target);
            }
            Callee::Indirect(instance) => {
                self.asm().call_rm(Rm::Reg(M::CALLEE));
                self.free_gpr(instance);
                self.free_gpr(M::CALLEE);
            }
        }
        let state = self.record_state(stack);
        self.call_site(self.wasm, state, true);
        self.land_here();
        if self.input.convention == Convention::Tail && stack > 0 {
            self.asm().lower_stack(stack);
        }
        self.drop_caches();
        self.restore_pins();
        self.push_results(ty, stack);
    }

    /// Pushes the results that a call has left.
    fn push_results(&mut self, ty: &FuncType, stack: u32) {
        let is_one = ty.results.len() == 1;
        let mut places = Results::new(self.registers());
        for &result in &ty.results {
            let ty = Ty::of(self.input.module, result);
            match places.next(result) {
                Place::Int(reg) if is_one && self.result_hint(Bank::Int).is_some() => {
                    let pin = self.result(Bank::Int);
                    self.asm().mov(width(ty), Gpr(pin), Gpr(reg));
                    self.push_result(ty, pin);
                }
                Place::Int(reg) => {
                    if ty == Ty::I32 {
                        self.asm().mov(W32, Gpr(reg), Gpr(reg));
                    }
                    self.push_reg(ty, reg);
                }
                Place::Float(reg) => self.push_reg(ty, reg),
                Place::Memory(offset) => {
                    self.s.asm.ensure(64);
                    self.push(ty, Loc::Home);
                    let home = self.home(&self.top());
                    self.copy(ty, home, Mem::new(M::SP, (stack + offset) as i32));
                }
            }
        }
    }

    // ------------------------------------------------------------------------------------------ builtins

    /// Calls a builtin through its thunk. The operands among the arguments are popped and given back. The result is in [`Machine::RESULT`], which nobody owns.
    pub(crate) fn call_builtin(&mut self, builtin: Builtin, args: &[Arg]) {
        self.spill_all();
        self.save_pins();
        self.s.moves.clear();
        self.s.moves.push(Move::int(M::C_PARAMS[0].0, M::VMCTX.0, W64));
        for (&arg, &to) in args.iter().zip(&M::C_PARAMS[1..]) {
            self.s.moves.push(match arg {
                Arg::Imm(bits) => Move::constant(to.0, bits),
                Arg::Val(ty, val) => Move::val(ty, to.0, val),
                Arg::Address(mem) => Move::address(to.0, mem),
            });
        }
        self.do_moves();
        for &arg in args {
            if let Arg::Val(ty, val) = arg {
                self.release_val(ty.bank(), val);
            }
        }
        self.call_thunk(builtin);
        self.call_site(self.wasm, None, true);
        self.drop_caches();
        self.restore_pins();
    }

    /// The call itself.
    pub(crate) fn call_thunk(&mut self, builtin: Builtin) {
        let asm = self.asm();
        asm.load(W64, M::TEMP, Mem::new(M::VMCTX, VmCtx::OFF_THUNKS as i32));
        asm.call_rm(Rm::Mem(Mem::new(M::TEMP, builtin.thunk_offset() as i32)));
    }

    /// Makes a builtin's result an operand.
    pub(crate) fn push_builtin_result(&mut self, ty: Ty) {
        self.take(Bank::Int, M::RESULT.0);
        if ty == Ty::I32 {
            self.asm().mov(W32, M::RESULT, M::RESULT);
        }
        self.push_gpr(ty, M::RESULT);
    }

    // ------------------------------------------------------------------------------------------ polls

    /// Checks the interruption flag, with no operand in a register.
    pub(crate) fn poll(&mut self) {
        let state = self.record_state(0);
        let asm = &mut self.s.asm;
        asm.load(W64, M::TEMP, Mem::new(M::VMCTX, VmCtx::OFF_STORE as i32));
        asm.cmp8_i(Mem::new(M::TEMP, StoreCtx::OFF_INTERRUPT as i32), 0);
        let mut poll = PendingPoll { label: Label::NEW, back: Label::NEW, wasm: self.wasm, state };
        asm.jcc(Cc::Ne, &mut poll.label);
        asm.bind(&mut poll.back);
        self.s.polls.push(poll);
    }

    /// Emits the calls of polls, whose thunk preserves all registers.
    #[inline(never)]
    pub(crate) fn flush_polls(&mut self) {
        let mut polls = std::mem::take(&mut self.s.polls);
        for mut poll in polls.drain(..) {
            self.s.asm.ensure(128);
            self.s.asm.bind(&mut poll.label);
            if poll.state.is_some() {
                self.save_pins();
            }
            self.asm().mov(W64, M::C_PARAMS[0], M::VMCTX);
            self.call_thunk(Builtin::poll);
            self.call_site(poll.wasm, poll.state, false);
            self.s.asm.jmp(&mut poll.back);
        }
        self.s.polls = polls;
    }

    // ------------------------------------------------------------------------------------------ returns

    /// Returns the topmost operands, which stay on the abstract stack.
    pub(crate) fn emit_return(&mut self) {
        let ty = self.ty;
        let base = self.s.stack.len() - ty.results.len();
        if self.begins_at_loop() {
            return self.return_in_slots(base);
        }
        let mut places = Results::new(self.registers());
        self.s.moves.clear();
        for (at, &result) in ty.results.iter().enumerate() {
            let entry = self.s.stack[base + at];
            let val = self.val_of(&entry);
            match places.next(result) {
                Place::Int(reg) | Place::Float(reg) => {
                    self.s.moves.push(Move::val(entry.ty, reg, val));
                }
                Place::Memory(offset) => self.return_in_area(entry.ty, val, offset),
            }
        }
        self.do_moves();
        self.epilogue();
    }

    /// Stores a result in the caller's area.
    pub(crate) fn return_in_area(&mut self, ty: Ty, val: Val, offset: u32) {
        let load = |asm: &mut M::Asm| asm.load(W64, M::TEMP, Mem::new(M::FP, Self::AT_AREA));
        self.val_behind(ty, val, offset, load);
    }

    /// Stores a value at an offset from an address that `load` loads to the free register, where it is then.
    pub(crate) fn val_behind(&mut self, ty: Ty, val: Val, offset: u32, load: impl Fn(&mut M::Asm)) {
        self.s.asm.ensure(64);
        // A value needs the free register unless it is in one of its own.
        let to = Mem::new(M::TEMP, offset as i32);
        match val {
            Val::Reg(Held { reg, .. }) => {
                load(self.asm());
                self.store_to(ty, to, reg);
            }
            _ => {
                // Any bits go through the free vector register.
                let (reg, wide) = (M::TEMP_V.0, if ty == Ty::V128 { Ty::V128 } else { Ty::F64 });
                match val {
                    Val::Const(bits) => self.const_to(wide, reg, bits),
                    Val::Mem(mem) => self.load_from(wide, reg, mem),
                    Val::Reg(_) => {}
                }
                load(self.asm());
                self.store_to(wide, to, reg);
            }
        }
    }
}
