//! Owns what atomic operators have in common on all machines: alignment, and the calls of the runtime that wait and notify.
//! Does not own bounds and addresses (`memory`), nor the accesses.

use sterna_abi::Builtin;
use sterna_isa::{Class, Op, TrapCode};
use sterna_module::{Imm, MemArg};

use super::call::Arg;
use super::memory::Address;
use super::values::Val;
use super::{Assembler, Cc, Done, Gen, Gpr, Machine, Mem, Rm, W32};
use crate::stack::Ty;

impl<M: Machine> Gen<'_, M> {
    /// An operator of the atomic classes.
    pub(crate) fn atomic(&mut self, op: Op, imm: &Imm<'_>) -> Done {
        let Imm::MemArg(arg) = imm else {
            M::fence(self.asm());
            return Ok(());
        };
        if op.class() == Class::AtomicWait {
            self.wait(op, arg);
            return Ok(());
        }
        M::atomic_access(self, op, arg)
    }

    /// Traps unless the address on top of the stack is aligned, then as [`Gen::address`].
    pub(crate) fn aligned_address(&mut self, arg: &MemArg, bytes: u32) -> Address {
        let mask = u64::from(bytes) - 1;
        // Only the low bits count, so it does not matter that sums may wrap.
        let low = arg.offset & mask;
        match self.val_of(&self.top()) {
            Val::Const(index) if index.wrapping_add(low) & mask != 0 => {
                self.trap(TrapCode::UnalignedAtomic)
            }
            Val::Const(_) => {}
            _ if mask == 0 => {}
            _ => {
                let ty = self.top().ty;
                let index = Gpr(self.pop_own());
                self.asm().lea(W32, M::TEMP, Mem::new(index, low as i32));
                self.asm().test_i(W32, Rm::Reg(M::TEMP), mask as i32);
                self.trap_if(Cc::Ne, TrapCode::UnalignedAtomic);
                self.push_gpr(ty, index);
            }
        }
        self.address(arg, bytes, true)
    }

    /// Has the runtime wait or notify: memory, address, offset, operands.
    fn wait(&mut self, op: Op, arg: &MemArg) {
        let (builtin, operands) = match op {
            Op::MemoryAtomicWait32 => (Builtin::memory_wait32, 2),
            Op::MemoryAtomicWait64 => (Builtin::memory_wait64, 2),
            _ => (Builtin::memory_notify, 1),
        };
        let mut args = [Arg::Imm(0); 5];
        for at in (0..operands).rev() {
            let ty = self.top().ty;
            args[3 + at] = Arg::Val(ty, self.pop());
        }
        let ty = self.top().ty;
        args[1] = Arg::Val(ty, self.pop());
        (args[0], args[2]) = (Arg::Imm(u64::from(arg.memory)), Arg::Imm(arg.offset));
        self.call_builtin(builtin, &args[..3 + operands]);
        self.push_builtin_result(Ty::I32);
    }
}
