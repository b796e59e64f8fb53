//! Owns where values are: registers and their owners, operands popped and pushed, homes, constants.
//! Does not own moves at calls (`call`) nor where control flow meets (`control`).
//!
//! A register of a bank is free, or belongs to an operand, to a local as its cache, to the operator being compiled (which popped it, or took it
//! for a result), or is pinned. What an operator reads without owning it is *locked* until the next operator.

use sterna_eval::Value;
use sterna_isa::{Op, Ty as FixedTy};

use super::{Alu, Assembler, Gen, Gpr, Machine, Mem, Rm, Vreg, W, W32, W64};
use crate::stack::{Bank, Cond, Entry, Loc, NO_ENTRY, NO_REG, Ty};

/// Who a register belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Free,
    /// The operator being compiled.
    Step,
    /// The operand at this position.
    Operand(u32),
    /// A local, as its cache.
    Local(u32),
}

/// The registers of a bank, as sets of bits and by register.
pub(crate) struct BankState {
    pub free: u32,
    pub cached: u32,
    pub operands: u32,
    pub locked: u32,
    /// All that can be free.
    pub all: u32,
    owners: [Owner; 32],
}

impl BankState {
    pub fn new(all: u32) -> BankState {
        BankState { free: all, cached: 0, operands: 0, locked: 0, all, owners: [Owner::Free; 32] }
    }

    /// Takes a register out for good.
    pub fn pin(&mut self, reg: u8) {
        self.all &= !(1 << reg);
        self.free &= !(1 << reg);
    }

    pub fn set(&mut self, reg: u8, owner: Owner) {
        let bit = 1 << reg;
        self.free &= !bit;
        self.cached &= !bit;
        self.operands &= !bit;
        match owner {
            Owner::Free => self.free |= bit,
            Owner::Step => {}
            Owner::Operand(_) => self.operands |= bit,
            Owner::Local(_) => self.cached |= bit,
        }
        self.owners[usize::from(reg)] = owner;
    }

    pub fn owner(&self, reg: u8) -> Owner {
        self.owners[usize::from(reg)]
    }
}

/// A popped operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Val {
    Const(u64),
    Reg(Held),
    Mem(Mem),
}

/// A register that an operator reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub reg: u8,
    /// Whether it may change it, and must give it back.
    pub owned: bool,
}

impl Held {
    pub fn gpr(self) -> Gpr {
        Gpr(self.reg)
    }

    pub fn vreg(self) -> Vreg {
        Vreg(self.reg)
    }
}

/// Operand width of integers of a type.
pub(crate) fn width(ty: Ty) -> super::W {
    if ty == Ty::I32 { W32 } else { W64 }
}

/// The lowest register of a set.
fn lowest(set: u32) -> Option<u8> {
    (set != 0).then(|| set.trailing_zeros() as u8)
}

impl Val {
    /// Whether it is in a register of its bank.
    pub fn is_in(&self, reg: u8) -> bool {
        matches!(self, Val::Reg(held) if held.reg == reg)
    }
}

/// Two operands of an instruction that changes its first one, and the register for that.
pub(crate) struct Two {
    pub a: Val,
    pub b: Val,
    pub dst: u8,
    /// See [`Gen::result_hint`].
    pub hint: Option<u8>,
}

impl<M: Machine> Gen<'_, M> {
    pub(crate) fn asm(&mut self) -> &mut M::Asm {
        &mut self.s.asm
    }

    // ------------------------------------------------------------------------------------------ registers

    pub(crate) fn unlock(&mut self) {
        self.banks[0].locked = 0;
        self.banks[1].locked = 0;
    }

    /// A register for the current operator, none of a set of others.
    pub(crate) fn alloc_but(&mut self, bank: Bank, but: u32) -> u8 {
        let state = &mut self.banks[bank as usize];
        let usable = !state.locked & !but;
        if let Some(reg) = lowest(state.free & usable) {
            state.set(reg, Owner::Step);
            return reg;
        }
        if let Some(reg) = lowest(state.cached & usable) {
            self.drop_cache(bank, reg);
            self.banks[bank as usize].set(reg, Owner::Step);
            return reg;
        }
        let deepest = (0..32u8)
            .filter_map(|reg| match state.owner(reg) {
                Owner::Operand(at) if usable >> reg & 1 != 0 => Some((at, reg)),
                _ => None,
            })
            .min();
        let (at, reg) = deepest.expect("an operator holds fewer registers than there are");
        self.spill(at);
        self.banks[bank as usize].set(reg, Owner::Step);
        reg
    }

    pub(crate) fn alloc(&mut self, bank: Bank) -> u8 {
        self.alloc_but(bank, 0)
    }

    pub(crate) fn alloc_gpr(&mut self) -> Gpr {
        Gpr(self.alloc_but(Bank::Int, 0))
    }

    pub(crate) fn alloc_vreg(&mut self) -> Vreg {
        Vreg(self.alloc_but(Bank::Float, 0))
    }

    /// Makes a particular register the current operator's, which must not hold it yet.
    pub(crate) fn take(&mut self, bank: Bank, reg: u8) {
        match self.banks[bank as usize].owner(reg) {
            Owner::Free => {}
            Owner::Local(_) => self.drop_cache(bank, reg),
            Owner::Operand(at) => {
                let state = &self.banks[bank as usize];
                match lowest(state.free & !state.locked & !(1 << reg)) {
                    Some(other) => {
                        let ty = self.s.stack[at as usize].ty;
                        self.move_reg(ty, other, reg);
                        self.banks[bank as usize].set(other, Owner::Operand(at));
                        self.s.stack[at as usize].loc = Loc::Reg(other);
                    }
                    None => self.spill(at),
                }
            }
            Owner::Step => unreachable!("an operator takes a register that it holds"),
        }
        self.banks[bank as usize].set(reg, Owner::Step);
    }

    /// Gives back a register that the current operator owns.
    pub(crate) fn free(&mut self, bank: Bank, reg: u8) {
        self.banks[bank as usize].set(reg, Owner::Free);
    }

    pub(crate) fn free_gpr(&mut self, reg: Gpr) {
        self.free(Bank::Int, reg.0);
    }

    pub(crate) fn free_vreg(&mut self, reg: Vreg) {
        self.free(Bank::Float, reg.0);
    }

    pub(crate) fn release(&mut self, bank: Bank, held: Held) {
        if held.owned {
            self.free(bank, held.reg);
        }
    }

    /// Gives back what a popped operand holds.
    pub(crate) fn release_val(&mut self, bank: Bank, val: Val) {
        if let Val::Reg(held) = val {
            self.release(bank, held);
        }
    }

    fn drop_cache(&mut self, bank: Bank, reg: u8) {
        if let Owner::Local(local) = self.banks[bank as usize].owner(reg) {
            self.s.locals[local as usize].cache = NO_REG;
        }
        self.banks[bank as usize].set(reg, Owner::Free);
    }

    /// Forgets which locals registers hold.
    pub(crate) fn drop_caches(&mut self) {
        for bank in [Bank::Int, Bank::Float] {
            while let Some(reg) = lowest(self.banks[bank as usize].cached) {
                self.drop_cache(bank, reg);
            }
        }
    }

    /// Stores an operand in a register to its home.
    pub(crate) fn spill(&mut self, at: u32) {
        let entry = self.s.stack[at as usize];
        if let Loc::Reg(reg) = entry.loc {
            let home = self.home(&entry);
            self.store_to(entry.ty, home, reg);
            self.free(entry.ty.bank(), reg);
            self.s.stack[at as usize].loc = Loc::Home;
        }
    }

    /// Stores all operands in registers to their homes.
    pub(crate) fn spill_all(&mut self) {
        for bank in [Bank::Int, Bank::Float] {
            while let Some(reg) = lowest(self.banks[bank as usize].operands) {
                if let Owner::Operand(at) = self.banks[bank as usize].owner(reg) {
                    self.spill(at);
                }
            }
        }
    }

    // ------------------------------------------------------------------------------------------ places

    pub(crate) fn home(&self, entry: &Entry) -> Mem {
        Mem::new(M::FP, Self::slot_offset(entry.slot, entry.ty.slots()))
    }

    pub(crate) fn local_home(&self, index: u32) -> Mem {
        let local = &self.s.locals[index as usize];
        Mem::new(M::FP, Self::slot_offset(local.slot, local.ty.slots()))
    }

    pub(crate) fn move_reg(&mut self, ty: Ty, to: u8, from: u8) {
        if to == from {
            return;
        }
        match ty.bank() {
            Bank::Int => self.s.asm.mov(width(ty), Gpr(to), Gpr(from)),
            Bank::Float => self.s.asm.mov_v(Vreg(to), Vreg(from)),
        }
    }

    pub(crate) fn store_to(&mut self, ty: Ty, to: Mem, reg: u8) {
        match ty.bank() {
            Bank::Int => self.s.asm.store(width(ty), to, Gpr(reg)),
            Bank::Float => self.s.asm.store_v(ty.bytes(), to, Vreg(reg)),
        }
    }

    pub(crate) fn load_from(&mut self, ty: Ty, reg: u8, from: Mem) {
        match ty.bank() {
            Bank::Int => self.s.asm.load(width(ty), Gpr(reg), from),
            Bank::Float => self.s.asm.load_v(ty.bytes(), Vreg(reg), from),
        }
    }

    /// Copies a value in memory, through the registers that are always free.
    pub(crate) fn copy(&mut self, ty: Ty, to: Mem, from: Mem) {
        let reg = if ty.bank() == Bank::Int { M::TEMP.0 } else { M::TEMP_V.0 };
        self.load_from(ty, reg, from);
        self.store_to(ty, to, reg);
    }

    /// Puts a constant into a register; the flags stay.
    pub(crate) fn const_to(&mut self, ty: Ty, reg: u8, bits: u64) {
        match ty.bank() {
            Bank::Int => self.s.asm.mov_i(Gpr(reg), bits),
            Bank::Float if bits == 0 => self.s.asm.zero_v(Vreg(reg)),
            Bank::Float => {
                debug_assert_ne!(ty, Ty::V128, "vectors other than zero are in registers");
                let w = if ty == Ty::F32 { W32 } else { W64 };
                self.s.asm.const_v(w, Vreg(reg), bits);
            }
        }
    }

    /// Stores a constant in memory.
    pub(crate) fn store_const(&mut self, ty: Ty, to: Mem, bits: u64) {
        match ty.bytes() {
            4 => self.s.asm.store_i(4, to, bits as i32),
            16 => {
                self.store_const(Ty::I64, to, bits);
                self.s.asm.store_i(8, to.plus(8), 0);
            }
            _ => match i32::try_from(bits as i64) {
                Ok(imm) => self.s.asm.store_i(8, to, imm),
                Err(_) => {
                    self.s.asm.mov_i(M::TEMP, bits);
                    self.s.asm.store(W64, to, M::TEMP);
                }
            },
        }
    }

    /// Puts a value into a register.
    pub(crate) fn val_to(&mut self, ty: Ty, reg: u8, val: Val) {
        match val {
            Val::Const(bits) => self.const_to(ty, reg, bits),
            Val::Reg(held) => self.move_reg(ty, reg, held.reg),
            Val::Mem(mem) => self.load_from(ty, reg, mem),
        }
    }

    /// Puts a value into memory.
    pub(crate) fn val_to_mem(&mut self, ty: Ty, to: Mem, val: Val) {
        match val {
            Val::Const(bits) => self.store_const(ty, to, bits),
            Val::Reg(held) => self.store_to(ty, to, held.reg),
            Val::Mem(mem) => self.copy(ty, to, mem),
        }
    }

    // ------------------------------------------------------------------------------------------ the operand stack

    /// The home of the next operand.
    fn next_slot(&self) -> u32 {
        self.s.stack.last().map_or(self.local_slots, |top| top.slot + top.ty.slots())
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, ty: Ty, loc: Loc) {
        let slot = self.next_slot();
        self.max_slots = self.max_slots.max(slot + ty.slots());
        let at = self.s.stack.len() as u32;
        if ty.is_object() {
            self.s.objects.push(at);
        }
        if let Loc::Reg(reg) = loc {
            self.banks[ty.bank() as usize].set(reg, Owner::Operand(at));
        }
        self.s.stack.push(Entry { loc, ty, slot });
    }

    pub(crate) fn push_const(&mut self, ty: Ty, bits: u64) {
        self.push(ty, Loc::Const(bits));
    }

    /// Pushes a register that the operator owns.
    pub(crate) fn push_reg(&mut self, ty: Ty, reg: u8) {
        self.push(ty, Loc::Reg(reg));
    }

    pub(crate) fn push_gpr(&mut self, ty: Ty, reg: Gpr) {
        self.push(ty, Loc::Reg(reg.0));
    }

    pub(crate) fn push_flags(&mut self, cond: Cond) {
        self.push(Ty::I32, Loc::Flags(cond));
    }

    /// Pushes the current value of a local.
    pub(crate) fn push_local(&mut self, index: u32) {
        let at = self.s.stack.len() as u32;
        let local = &mut self.s.locals[index as usize];
        let below = std::mem::replace(&mut local.alias, at);
        let ty = local.ty;
        self.push(ty, Loc::Local { index, below });
    }

    pub(crate) fn top(&self) -> Entry {
        *self.s.stack.last().expect("validated: operands are on the stack")
    }

    /// Removes the topmost entry; a register of its own becomes the operator's.
    pub(crate) fn pop_entry(&mut self) -> Entry {
        let entry = self.s.stack.pop().expect("validated: operands are on the stack");
        self.clean = self.clean.min(self.s.stack.len());
        match entry.loc {
            Loc::Reg(reg) => self.banks[entry.ty.bank() as usize].set(reg, Owner::Step),
            Loc::Local { index, below } => self.s.locals[index as usize].alias = below,
            _ => {}
        }
        if entry.ty.is_object() {
            self.s.objects.pop();
        }
        entry
    }

    pub(crate) fn pop(&mut self) -> Val {
        let entry = self.pop_entry();
        let val = self.val_of(&entry);
        if let (Val::Reg(held), Loc::Local { .. }) = (val, entry.loc) {
            self.banks[entry.ty.bank() as usize].locked |= 1 << held.reg;
        }
        val
    }

    /// Where an entry's value is.
    pub(crate) fn val_of(&self, entry: &Entry) -> Val {
        match entry.loc {
            Loc::Const(bits) => Val::Const(bits),
            Loc::Reg(reg) => Val::Reg(Held { reg, owned: true }),
            Loc::Home => Val::Mem(self.home(entry)),
            Loc::Local { index, .. } => {
                let local = &self.s.locals[index as usize];
                match (local.pin, local.cache) {
                    (NO_REG, NO_REG) => Val::Mem(self.local_home(index)),
                    (NO_REG, reg) | (reg, _) => Val::Reg(Held { reg, owned: false }),
                }
            }
            Loc::Flags(_) => unreachable!("flags are settled before anything else is compiled"),
        }
    }

    /// Pops an operand into a register, to be read.
    pub(crate) fn pop_reg(&mut self) -> Held {
        let entry = self.top();
        if let Loc::Local { index, .. } = entry.loc {
            self.cache_local(index);
        }
        let val = self.pop();
        self.in_reg(entry.ty, val)
    }

    /// Has an unpinned local's value in a register.
    fn cache_local(&mut self, index: u32) {
        let local = self.s.locals[index as usize];
        if local.pin == NO_REG && local.cache == NO_REG {
            let bank = local.ty.bank();
            let reg = self.alloc(bank);
            let home = self.local_home(index);
            self.load_from(local.ty, reg, home);
            self.banks[bank as usize].set(reg, Owner::Local(index));
            self.s.locals[index as usize].cache = reg;
        }
    }

    /// A value in a register, to be read.
    pub(crate) fn in_reg(&mut self, ty: Ty, val: Val) -> Held {
        match val {
            Val::Reg(held) => held,
            other => {
                let reg = self.alloc(ty.bank());
                self.val_to(ty, reg, other);
                Held { reg, owned: true }
            }
        }
    }

    /// A value in a register that the operator may change.
    pub(crate) fn in_own_reg(&mut self, ty: Ty, val: Val) -> u8 {
        match val {
            Val::Reg(Held { reg, owned: true }) => reg,
            other => {
                let reg = self.alloc(ty.bank());
                self.val_to(ty, reg, other);
                reg
            }
        }
    }

    /// Pops an operand into a register that the operator may change.
    pub(crate) fn pop_own(&mut self) -> u8 {
        let ty = self.top().ty;
        let val = self.pop();
        self.in_own_reg(ty, val)
    }

    /// Removes entries until `height` are left.
    pub(crate) fn truncate(&mut self, height: usize) {
        while self.s.stack.len() > height {
            let Some(entry) = self.s.stack.pop() else { break };
            match entry.loc {
                Loc::Reg(reg) => self.free(entry.ty.bank(), reg),
                Loc::Local { index, below } => self.s.locals[index as usize].alias = below,
                _ => {}
            }
            if entry.ty.is_object() {
                self.s.objects.pop();
            }
        }
        self.clean = self.clean.min(self.s.stack.len());
    }

    /// Puts the operands above `clean` into their homes, constants apart.
    pub(crate) fn flush(&mut self) {
        for at in (self.clean..self.s.stack.len()).rev() {
            let entry = self.s.stack[at];
            match entry.loc {
                Loc::Reg(_) => self.spill(at as u32),
                Loc::Local { index, below } => {
                    self.s.locals[index as usize].alias = below;
                    let val = self.val_of(&entry);
                    let home = self.home(&entry);
                    self.val_to_mem(entry.ty, home, val);
                    self.s.stack[at].loc = Loc::Home;
                }
                _ => {}
            }
        }
        self.clean = self.s.stack.len();
    }

    // ------------------------------------------------------------------------------------------ results

    /// The register of the local that the next operator sets, if it is pinned, of this bank, and nobody needs its old value.
    pub(crate) fn result_hint(&self, bank: Bank) -> Option<u8> {
        if self.next_set == NO_ENTRY {
            return None;
        }
        let local = &self.s.locals[self.next_set as usize];
        (local.pin != NO_REG && local.alias == NO_ENTRY && local.ty.bank() == bank)
            .then_some(local.pin)
    }

    /// A register for a result: that of the local which the next operator sets, or a new one.
    pub(crate) fn result(&mut self, bank: Bank) -> u8 {
        match self.result_hint(bank) {
            Some(pin) => pin,
            None => self.alloc(bank),
        }
    }

    /// Pops two operands, exchanged where that saves a move, and chooses the register for the result. It may be that of the first operand.
    pub(crate) fn pop_two(&mut self, bank: Bank, commutative: bool) -> Two {
        let mut b = self.pop();
        let mut a = self.pop();
        let owned = |val: &Val| matches!(val, Val::Reg(held) if held.owned);
        if commutative && (matches!(a, Val::Const(_)) || (owned(&b) && !owned(&a))) {
            std::mem::swap(&mut a, &mut b);
        }
        let mut hint = self.result_hint(bank);
        if let Some(pin) = hint
            && b.is_in(pin)
            && !a.is_in(pin)
        {
            if commutative {
                std::mem::swap(&mut a, &mut b);
            } else {
                hint = None;
            }
        }
        let dst = match (hint, a) {
            (Some(pin), _) => pin,
            (None, Val::Reg(Held { reg, owned: true })) => reg,
            _ => self.alloc(bank),
        };
        Two { a, b, dst, hint }
    }

    /// Pushes a result in a register of [`Gen::result`].
    pub(crate) fn push_result(&mut self, ty: Ty, reg: u8) {
        if self.result_hint(ty.bank()) == Some(reg) {
            self.push_local(self.next_set);
        } else {
            self.push_reg(ty, reg);
        }
    }

    /// Pushes a result that went to a hinted register, or one of its own.
    pub(crate) fn push_result_at(&mut self, ty: Ty, dst: u8, hint: Option<u8>) {
        match hint {
            Some(_) => self.push_local(self.next_set),
            None => self.push_reg(ty, dst),
        }
    }

    /// An instruction with a second operand wherever it is.
    pub(crate) fn alu_val(&mut self, op: Alu, w: W, dst: Gpr, b: Val) {
        match b {
            Val::Const(bits) => match (w, i32::try_from(bits as i64)) {
                (W32, _) => self.asm().alu_i(op, w, Rm::Reg(dst), bits as i32),
                (W64, Ok(imm)) => self.asm().alu_i(op, w, Rm::Reg(dst), imm),
                (W64, Err(_)) => {
                    self.asm().mov_i(M::TEMP, bits);
                    self.asm().alu(op, w, dst, Rm::Reg(M::TEMP));
                }
            },
            Val::Reg(held) => self.asm().alu(op, w, dst, Rm::Reg(held.gpr())),
            Val::Mem(mem) => self.asm().alu(op, w, dst, Rm::Mem(mem)),
        }
    }

    // ------------------------------------------------------------------------------------------ flags and constants

    /// Turns a comparison on top of the stack into a number.
    #[inline(always)]
    pub(crate) fn settle_flags(&mut self) {
        if let Some(&Entry { loc: Loc::Flags(cond), .. }) = self.s.stack.last() {
            self.number_of_flags(cond);
        }
    }

    fn number_of_flags(&mut self, cond: Cond) {
        self.pop_entry();
        let reg = Gpr(self.alloc(Bank::Int));
        self.s.asm.set_bool(cond, reg);
        self.push_gpr(Ty::I32, reg);
    }

    /// Evaluates an operator whose operands are constants. `false` if they are not, or it traps.
    pub(crate) fn fold(&mut self, op: Op) -> bool {
        let (params, results) = op.signature().expect("these classes have signatures");
        let at = self.s.stack.len() - params.len();
        if !matches!(self.s.stack[at], Entry { loc: Loc::Const(_), .. }) {
            return false;
        }
        let mut args = [Value::I32(0); 2];
        for (i, &ty) in params.iter().enumerate() {
            let (Loc::Const(bits), Some(arg)) = (self.s.stack[at + i].loc, args.get_mut(i)) else {
                return false;
            };
            *arg = match ty {
                FixedTy::I32 => Value::I32(bits as i32),
                FixedTy::I64 => Value::I64(bits as i64),
                FixedTy::F32 => Value::F32(bits as u32),
                FixedTy::F64 => Value::F64(bits),
                _ => return false,
            };
        }
        let Some(Ok(values)) = sterna_eval::fold(op, &args[..params.len()]) else { return false };
        let [mut value] = *values else { return false };
        if let (true, Some(shape)) = (self.input.settings.deterministic, sterna_eval::nan_shape(op))
        {
            value = sterna_eval::canonicalize(shape, value);
        }
        let bits = match value {
            Value::I32(value) => u64::from(value as u32),
            Value::I64(value) => value as u64,
            Value::F32(bits) => u64::from(bits),
            Value::F64(bits) => bits,
            Value::V128(_) => return false,
        };
        self.truncate(at);
        self.push_const(Ty::of_fixed(results[0]), bits);
        true
    }
}
