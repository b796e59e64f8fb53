//! Owns atomic accesses.
//! Does not own their addresses.
//!
//! Loads are plain, stores exchange, and everything that modifies is locked: that is sequentially consistent on this machine.

use sterna_isa::{Class, Op, RmwOp};
use sterna_module::MemArg;

use super::{Alu, Assembler, Cc, Done, Gen, Gpr, Label, Mem, RAX, Rm, Unary, W32, W64, X64};
use crate::stack::{Bank, Ty};

const EXCHANGE: &[u8] = &[0x86];
const EXCHANGE_ADD: &[u8] = &[0x0f, 0xc0];
const COMPARE_EXCHANGE: &[u8] = &[0x0f, 0xb0];

impl Gen<'_, X64> {
    /// An atomic load, store, modification or exchange.
    pub(super) fn atomic_access(&mut self, op: Op, arg: &MemArg) -> Done {
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
}
