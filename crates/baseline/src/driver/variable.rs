//! Owns locals, globals, constants, `drop` and `select`.
//! Does not own which locals are pinned (`pins`).

use sterna_abi::GlobalPlace;
use sterna_base::GlobalIndex;
use sterna_isa::Op;
use sterna_module::Imm;

use super::values::{Held, Owner, Val};
use super::{Alu, Assembler, Cc, Done, Gen, Machine, Mem, Rm, W32, W64};
use crate::stack::{Bank, Cond, Entry, Loc, NO_ENTRY, NO_REG, Ty};

impl<M: Machine> Gen<'_, M> {
    // ------------------------------------------------------------------------------------------ locals

    #[inline(always)]
    pub(crate) fn local(&mut self, op: Op, index: u32) {
        match op {
            Op::LocalGet => self.push_local(index),
            Op::LocalSet => self.set_local(index),
            _ => {
                self.set_local(index);
                self.push_local(index);
            }
        }
    }

    /// Pops an operand into a local.
    fn set_local(&mut self, index: u32) {
        if matches!(self.top().loc, Loc::Local { index: same, .. } if same == index) {
            self.pop_entry();
            return;
        }
        let val = self.pop();
        let ty = self.s.locals[index as usize].ty;
        if self.s.locals[index as usize].alias != NO_ENTRY {
            self.detach(index);
        }
        let local = self.s.locals[index as usize];
        let bank = ty.bank();
        if local.pin != NO_REG {
            self.val_to(ty, local.pin, val);
            return self.release_val(bank, val);
        }
        let home = self.local_home(index);
        self.val_to_mem(ty, home, val);
        if local.cache != NO_REG {
            self.free(bank, local.cache);
            self.s.locals[index as usize].cache = NO_REG;
        }
        if let Val::Reg(Held { reg, owned: true }) = val {
            self.banks[bank as usize].set(reg, Owner::Local(index));
            self.s.locals[index as usize].cache = reg;
        }
    }

    /// Gives the operands that are a local's value a place of their own, before the local changes.
    fn detach(&mut self, index: u32) {
        let local = &mut self.s.locals[index as usize];
        let mut at = std::mem::replace(&mut local.alias, NO_ENTRY);
        let ty = local.ty;
        while at != NO_ENTRY {
            let entry = self.s.stack[at as usize];
            let Loc::Local { below, .. } = entry.loc else { unreachable!("the list has aliases") };
            let val = self.val_of(&entry);
            let reg = self.alloc(ty.bank());
            self.val_to(ty, reg, val);
            self.s.stack[at as usize].loc = Loc::Reg(reg);
            self.banks[ty.bank() as usize].set(reg, Owner::Operand(at));
            at = below;
        }
    }

    // ------------------------------------------------------------------------------------------ constants

    pub(crate) fn constant(&mut self, imm: &Imm<'_>) -> Done {
        match *imm {
            Imm::I32(value) => self.push_const(Ty::I32, u64::from(value as u32)),
            Imm::I64(value) => self.push_const(Ty::I64, value as u64),
            Imm::F32(bits) => self.push_const(Ty::F32, u64::from(bits)),
            Imm::F64(bits) => self.push_const(Ty::F64, bits),
            ref other => return M::vector(self, Op::V128Const, other),
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ globals

    /// Where a global is; its address may need the free register.
    fn global_place(&mut self, index: u32) -> Mem {
        match self.input.layout.global(GlobalIndex::from_u32(index)) {
            GlobalPlace::Inline(offset) => Mem::new(M::VMCTX, offset as i32),
            GlobalPlace::Pointer(offset) => {
                self.asm().load(W64, M::TEMP, Mem::new(M::VMCTX, offset as i32));
                Mem::new(M::TEMP, 0)
            }
        }
    }

    pub(crate) fn global(&mut self, op: Op, index: u32) {
        let ty = self.input.module.global_type(GlobalIndex::from_u32(index)).ty;
        let ty = Ty::of(self.input.module, ty);
        let bank = ty.bank();
        if op == Op::GlobalGet {
            let dst = self.result(bank);
            let place = self.global_place(index);
            self.load_from(ty, dst, place);
            return self.push_result(ty, dst);
        }
        let val = self.pop();
        match val {
            Val::Const(bits) if i32::try_from(bits as i64).is_ok() || ty.bytes() == 4 => {
                let place = self.global_place(index);
                self.store_const(ty, place, bits);
            }
            _ => {
                let held = self.in_reg(ty, val);
                let place = self.global_place(index);
                self.store_to(ty, place, held.reg);
                self.release(bank, held);
            }
        }
    }

    // ------------------------------------------------------------------------------------------ drop and select

    pub(crate) fn parametric(&mut self, op: Op) {
        match op {
            Op::Drop => {
                let height = self.s.stack.len() - 1;
                self.truncate(height);
            }
            Op::Select | Op::TypedSelect => self.select(),
            _ => {}
        }
    }

    fn select(&mut self) {
        if let Entry { loc: Loc::Const(bits), .. } = self.top() {
            self.pop_entry();
            return self.select_known(bits != 0);
        }
        let cond = self.pop_condition();
        let ty = self.top().ty;
        let bank = ty.bank();
        let b = self.pop();
        let a = self.pop();
        // From here to the use of the flags only moves are emitted, which leave them alone.
        let b = match b {
            Val::Const(_) => Val::Reg(self.in_reg(ty, b)),
            other => other,
        };
        let dst = self.in_own_reg(ty, a);
        M::select(self, ty, cond, dst, b);
        self.release_val(bank, b);
        self.push_reg(ty, dst);
    }

    /// `select` between the two operands on top.
    fn select_known(&mut self, first: bool) {
        if first {
            let height = self.s.stack.len() - 1;
            return self.truncate(height);
        }
        let ty = self.top().ty;
        let val = self.pop();
        let height = self.s.stack.len() - 1;
        self.truncate(height);
        match val {
            Val::Const(bits) => self.push_const(ty, bits),
            other => {
                let reg = self.in_own_reg(ty, other);
                self.push_reg(ty, reg);
            }
        }
    }

    /// Pops a number as a condition: true if not zero.
    pub(crate) fn pop_condition(&mut self) -> Cond {
        if let Entry { loc: Loc::Flags(cond), .. } = self.top() {
            self.pop_entry();
            return cond;
        }
        match self.val_of(&self.top()) {
            Val::Mem(mem) => {
                self.pop();
                self.asm().alu_i(Alu::Cmp, W32, Rm::Mem(mem), 0);
            }
            _ => {
                let held = self.pop_reg();
                self.asm().test(W32, held.gpr(), held.gpr());
                self.release(Bank::Int, held);
            }
        }
        Cond::Cc(Cc::Ne)
    }
}
