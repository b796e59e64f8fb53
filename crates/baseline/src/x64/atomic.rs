//! Owns atomic operators: accesses, and the calls of the runtime that wait and notify.
//! Does not own bounds and addresses (`memory`).
//!
//! Loads are plain, stores exchange, and everything that modifies is locked: that is sequentially consistent on this machine.

use sterna_abi::Builtin;
use sterna_isa::{Class, Op, RmwOp, TrapCode};
use sterna_module::{Imm, MemArg};

use super::call::Arg;
use super::memory::Address;
use super::values::Val;
use super::{Alu, Cc, Done, Gen, Gpr, Label, Mem, RAX, Rm, TEMP, Unary, W32, W64};
use crate::stack::{Bank, Ty};

const EXCHANGE: &[u8] = &[0x86];
const EXCHANGE_ADD: &[u8] = &[0x0f, 0xc0];
const COMPARE_EXCHANGE: &[u8] = &[0x0f, 0xb0];

impl Gen<'_> {
    /// An operator of the atomic classes.
    pub(super) fn atomic(&mut self, op: Op, imm: &Imm<'_>) -> Done {
        let Imm::MemArg(arg) = imm else {
            self.asm().mfence();
            return Ok(());
        };
        if op.class() == Class::AtomicWait {
            self.wait(op, arg);
            return Ok(());
        }
        let (_, results) = op.signature().expect("atomic accesses have signatures");
        let bytes = op.mem_type().expect("atomic accesses have a width").bytes();
        match (op.class(), results) {
            (Class::AtomicLoad, &[ty]) => {
                let address = self.aligned_address(arg, bytes);
                self.release_address(&address);
                let dst = self.alloc_gpr();
                self.access(&address);
                self.load_raw(dst, address.mem, bytes);
                self.push_gpr(Ty::of_fixed(ty), dst);
            }
            (Class::AtomicStore, _) => {
                let value = Gpr(self.pop_own());
                let address = self.aligned_address(arg, bytes);
                self.access(&address);
                self.asm().atomic(false, bytes, EXCHANGE, value, address.mem);
                self.release_address(&address);
                self.free_gpr(value);
            }
            (Class::AtomicRmw, &[ty]) => self.modify(op, arg, bytes, Ty::of_fixed(ty)),
            (_, &[ty]) => self.compare_exchange(arg, bytes, Ty::of_fixed(ty)),
            _ => unreachable!("{op} has no result"),
        }
        Ok(())
    }

    /// Traps unless the address on top of the stack is aligned, then as [`Gen::address`].
    fn aligned_address(&mut self, arg: &MemArg, bytes: u32) -> Address {
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
                self.asm().lea(W32, TEMP, Mem::new(index, low as i32));
                self.asm().test_i(W32, Rm::Reg(TEMP), mask as i32);
                self.trap_if(Cc::Ne, TrapCode::UnalignedAtomic);
                self.push_gpr(ty, index);
            }
        }
        self.address(arg, bytes, true)
    }

    /// Loads with zeros above.
    fn load_raw(&mut self, dst: Gpr, mem: Mem, bytes: u32) {
        match bytes {
            1 => self.asm().movzx8(dst, Rm::Mem(mem)),
            2 => self.asm().movzx16(dst, Rm::Mem(mem)),
            4 => self.asm().load(W32, dst, mem),
            _ => self.asm().load(W64, dst, mem),
        }
    }

    /// Clears what is above the lowest bytes.
    fn zero_extend(&mut self, reg: Gpr, bytes: u32) {
        match bytes {
            1 => self.asm().movzx8(reg, Rm::Reg(reg)),
            2 => self.asm().movzx16(reg, Rm::Reg(reg)),
            4 => self.asm().mov(W32, reg, reg),
            _ => {}
        }
    }

    fn modify(&mut self, op: Op, arg: &MemArg, bytes: u32, ty: Ty) {
        let function = match op.rmw_op().expect("the operator modifies") {
            RmwOp::And => Alu::And,
            RmwOp::Or => Alu::Or,
            RmwOp::Xor => Alu::Xor,
            simple => {
                let value = Gpr(self.pop_own());
                let address = self.aligned_address(arg, bytes);
                let exchange = simple == RmwOp::Xchg;
                if simple == RmwOp::Sub {
                    self.asm().unary(Unary::Neg, W64, Rm::Reg(value));
                }
                self.access(&address);
                let opcode = if exchange { EXCHANGE } else { EXCHANGE_ADD };
                self.asm().atomic(!exchange, bytes, opcode, value, address.mem);
                self.release_address(&address);
                self.zero_extend(value, bytes);
                return self.push_gpr(ty, value);
            }
        };
        self.take(Bank::Int, RAX.0);
        let value = self.pop_reg();
        let address = self.aligned_address(arg, bytes);
        let new = self.alloc_gpr();
        self.access(&address);
        self.load_raw(RAX, address.mem, bytes);
        let mut again = Label::NEW;
        self.asm().bind(&mut again);
        self.asm().mov(W64, new, RAX);
        self.asm().alu(function, W64, new, Rm::Reg(value.gpr()));
        self.asm().atomic(true, bytes, COMPARE_EXCHANGE, new, address.mem);
        self.asm().jcc(Cc::Ne, &mut again);
        self.release_address(&address);
        self.release(Bank::Int, value);
        self.free_gpr(new);
        self.push_gpr(ty, RAX);
    }

    fn compare_exchange(&mut self, arg: &MemArg, bytes: u32, ty: Ty) {
        self.take(Bank::Int, RAX.0);
        let value = self.pop_reg();
        let expected = self.pop();
        self.val_to(ty, RAX.0, expected);
        self.release_val(Bank::Int, expected);
        let address = self.aligned_address(arg, bytes);
        self.access(&address);
        self.asm().atomic(true, bytes, COMPARE_EXCHANGE, value.gpr(), address.mem);
        self.release_address(&address);
        self.release(Bank::Int, value);
        self.zero_extend(RAX, bytes);
        self.push_gpr(ty, RAX);
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
        self.push_rax(Ty::I32);
    }
}
