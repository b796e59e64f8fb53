//! Owns atomic accesses.
//! Does not own their addresses.
//!
//! Loads acquire and stores release, in the one order of all such; modifications do both. Processors without instructions that modify
//! memory take a loop with exclusive accesses.

use sterna_isa::{Class, Op, RmwOp};
use sterna_module::MemArg;

use super::{A64, Asm, Done, Gen, Gpr, Label, TEMP, VALUE, W, W32, W64};
use crate::driver::memory::Address;
use crate::machine::Alu;
use crate::stack::{Bank, Ty};

impl Gen<'_, A64> {
    /// An atomic load, store, modification or exchange.
    pub(super) fn atomic_access(&mut self, op: Op, arg: &MemArg) -> Done {
        let (_, results) = op.signature().expect("atomic accesses have signatures");
        let bytes = op.mem_type().expect("atomic accesses have a width").bytes();
        match (op.class(), results) {
            (Class::AtomicLoad, &[ty]) => {
                let address = self.aligned_address(arg, bytes);
                self.release_address(&address);
                let dst = self.alloc_gpr();
                let at = self.access_at(&address);
                self.note_access(&address);
                self.asm().ldar(bytes, dst, at);
                self.push_gpr(Ty::of_fixed(ty), dst);
            }
            (Class::AtomicStore, _) => {
                let value = self.pop_reg();
                let address = self.aligned_address(arg, bytes);
                let at = self.access_at(&address);
                self.note_access(&address);
                self.asm().stlr(bytes, value.gpr(), at);
                self.release_address(&address);
                self.release(Bank::Int, value);
            }
            (Class::AtomicRmw, &[ty]) => self.modify(op, arg, bytes, Ty::of_fixed(ty)),
            (_, &[ty]) => self.compare_exchange(arg, bytes, Ty::of_fixed(ty)),
            _ => unreachable!("{op} has no result"),
        }
        Ok(())
    }

    /// The address of an access in a register by itself, which is one of it or the assembler's for addresses.
    fn access_at(&mut self, address: &Address) -> Gpr {
        self.asm().address(address.mem)
    }

    fn modify(&mut self, op: Op, arg: &MemArg, bytes: u32, ty: Ty) {
        let op = op.rmw_op().expect("the operator modifies");
        let value = self.pop_reg();
        let address = self.aligned_address(arg, bytes);
        let old = self.alloc_gpr();
        let at = self.access_at(&address);
        if self.input.cpu.lse {
            let (asm, mut operand) = (self.asm(), value.gpr());
            match op {
                RmwOp::Sub => {
                    asm.neg(W64, VALUE, operand);
                    operand = VALUE;
                }
                RmwOp::And => {
                    asm.mvn(W64, VALUE, operand);
                    operand = VALUE;
                }
                _ => {}
            }
            self.note_access(&address);
            let asm = self.asm();
            match op {
                RmwOp::Add | RmwOp::Sub => asm.ldaddal(bytes, operand, old, at),
                RmwOp::And => asm.ldclral(bytes, operand, old, at),
                RmwOp::Or => asm.ldsetal(bytes, operand, old, at),
                RmwOp::Xor => asm.ldeoral(bytes, operand, old, at),
                RmwOp::Xchg => asm.swpal(bytes, operand, old, at),
            }
        } else {
            let mut again = Label::NEW;
            Asm::bind(self.asm(), &mut again);
            self.note_access(&address);
            let (asm, value) = (self.asm(), value.gpr());
            asm.ldaxr(bytes, old, at);
            match op {
                RmwOp::Add => asm.alu_three(Alu::Add, W64, VALUE, old, value),
                RmwOp::Sub => asm.alu_three(Alu::Sub, W64, VALUE, old, value),
                RmwOp::And => asm.alu_three(Alu::And, W64, VALUE, old, value),
                RmwOp::Or => asm.alu_three(Alu::Or, W64, VALUE, old, value),
                RmwOp::Xor => asm.alu_three(Alu::Xor, W64, VALUE, old, value),
                RmwOp::Xchg => Asm::mov(asm, W64, VALUE, value),
            }
            asm.stlxr(bytes, TEMP, VALUE, at);
            asm.cbnz(W32, TEMP, &mut again);
        }
        self.release_address(&address);
        self.release(Bank::Int, value);
        self.push_gpr(ty, old);
    }

    fn compare_exchange(&mut self, arg: &MemArg, bytes: u32, ty: Ty) {
        let value = self.pop_reg();
        let expected = Gpr(self.pop_own());
        let address = self.aligned_address(arg, bytes);
        let at = self.access_at(&address);
        if self.input.cpu.lse {
            self.note_access(&address);
            self.asm().casal(bytes, expected, value.gpr(), at);
        } else {
            self.exchange_by_loop(bytes, expected, value.gpr(), at, &address);
        }
        self.release_address(&address);
        self.release(Bank::Int, value);
        self.push_gpr(ty, expected);
    }

    /// What is in memory is left in `expected`.
    fn exchange_by_loop(
        &mut self,
        bytes: u32,
        expected: Gpr,
        value: Gpr,
        at: Gpr,
        address: &Address,
    ) {
        let w = if bytes == 8 { W64 } else { W32 };
        let (mut again, mut done) = (Label::NEW, Label::NEW);
        Asm::bind(self.asm(), &mut again);
        self.note_access(address);
        let asm = self.asm();
        asm.ldaxr(bytes, VALUE, at);
        compare_low(asm, bytes, w, expected);
        asm.b_cond(super::asm::Cc::Ne, &mut done);
        asm.stlxr(bytes, TEMP, value, at);
        asm.cbnz(W32, TEMP, &mut again);
        Asm::bind(asm, &mut done);
        Asm::mov(asm, w, expected, VALUE);
    }
}

/// Compares a value with zeros above in [`VALUE`] with the low bytes of another.
fn compare_low(asm: &mut Asm, bytes: u32, w: W, expected: Gpr) {
    if bytes < 4 {
        asm.ubfm(W32, TEMP, expected, 0, bytes * 8 - 1);
        return asm.cmp(w, VALUE, TEMP);
    }
    asm.cmp(w, VALUE, expected);
}
