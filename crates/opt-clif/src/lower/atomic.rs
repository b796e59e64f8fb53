//! Owns atomic operators: accesses, and the calls of the runtime that wait and notify.
//! Does not own bounds and addresses (`memory`).
//!
//! Cranelift's atomic instructions are sequentially consistent, and no access to memory moves across one: that orders plain
//! accesses to shared memories, too. Plain accesses in between may be merged, which other threads cannot tell from having come
//! between them.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AtomicRmwOp, InstBuilder, types};
use sterna_abi::Builtin;
use sterna_isa::{Class, MemType, Op, RmwOp, TrapCode};
use sterna_opt::Inst;

use super::Lower;
use super::memory::Address;

impl Lower<'_> {
    /// Lowers an operator of the atomic classes.
    pub(super) fn atomic(&mut self, op: Op, inst: Inst) {
        match op.class() {
            Class::AtomicWait => self.wait(op, inst),
            Class::AtomicStore => {
                let value = self.atomic_operand(op, inst, 1);
                let (address, flags) = self.atomic_address(op, inst);
                self.pos.ins().atomic_store(flags, value, address);
            }
            class => {
                let operands: Vec<_> = (1..self.input.graph.args(inst).len())
                    .map(|i| self.atomic_operand(op, inst, i))
                    .collect();
                let (address, flags) = self.atomic_address(op, inst);
                let ty = raw_type(op);
                let old = match (class, &operands[..]) {
                    (Class::AtomicLoad, []) => self.pos.ins().atomic_load(ty, flags, address),
                    (Class::AtomicRmw, &[value]) => {
                        let function = rmw_op(op);
                        self.pos.ins().atomic_rmw(ty, flags, function, address, value)
                    }
                    (Class::AtomicCmpxchg, &[expected, value]) => {
                        self.pos.ins().atomic_cas(flags, address, expected, value)
                    }
                    _ => unreachable!("{op} is no atomic access"),
                };
                let result = self.input.graph.inst(inst).first_result;
                let wanted = super::clif_type(self.input.graph.ty(result));
                let old = if wanted == ty { old } else { self.pos.ins().uextend(wanted, old) };
                self.set(inst, old);
            }
        }
    }

    /// An operand, cut to the width of the access.
    fn atomic_operand(&mut self, op: Op, inst: Inst, i: usize) -> ir::Value {
        let value = self.arg(inst, i);
        let ty = raw_type(op);
        if self.pos.func.dfg.value_type(value) == ty {
            return value;
        }
        self.pos.ins().ireduce(ty, value)
    }

    /// The address of an access: alignment is checked first, then bounds. Always here, not by the hardware: some of the instructions
    /// become loops, of which only parts could say where they trapped.
    fn atomic_address(&mut self, op: Op, inst: Inst) -> (ir::Value, ir::MemFlagsData) {
        let size = op.mem_type().expect("atomic accesses have a width").bytes();
        let access = self.input.graph.access(inst);
        let index = self.input.graph.args(inst)[0];
        let mask = i64::from(size) - 1;
        if mask != 0 {
            let value = self.value(index);
            let value = self.index64(value);
            // Only the low bits count, so it does not matter that the sum may wrap.
            let low = self.iconst(access.offset as i64 & mask);
            let sum = self.pos.ins().iadd(value, low);
            let mask = self.iconst(mask);
            let rest = self.pos.ins().band(sum, mask);
            let zero = self.iconst(0);
            let unaligned = self.pos.ins().icmp(IntCC::NotEqual, rest, zero);
            self.trap_if(unaligned, TrapCode::UnalignedAtomic);
        }
        let Address { base, offset, flags } = self.checked_address(index, access, size);
        let offset = self.iconst(i64::from(offset));
        (self.pos.ins().iadd(base, offset), flags)
    }

    fn wait(&mut self, op: Op, inst: Inst) {
        let (builtin, operands) = match op {
            Op::AtomicFence => {
                self.pos.ins().fence();
                return;
            }
            Op::MemoryAtomicWait32 => (Builtin::memory_wait32, 3),
            Op::MemoryAtomicWait64 => (Builtin::memory_wait64, 3),
            Op::MemoryAtomicNotify => (Builtin::memory_notify, 2),
            _ => unreachable!("{op} neither waits nor notifies"),
        };
        let access = self.input.graph.access(inst);
        let memory = self.pos.ins().iconst(types::I32, i64::from(access.memory));
        let address = self.arg(inst, 0);
        let address = self.index64(address);
        let offset = self.iconst(access.offset as i64);
        let mut args = vec![memory, address, offset];
        args.extend((1..operands).map(|i| self.arg(inst, i)));
        let result = self.call_builtin(builtin, &args);
        let result = self.pos.ins().ireduce(types::I32, result);
        self.set(inst, result);
    }
}

/// What lies in memory.
fn raw_type(op: Op) -> types::Type {
    match op.mem_type() {
        Some(MemType::U8) => types::I8,
        Some(MemType::U16) => types::I16,
        Some(MemType::U32) => types::I32,
        _ => types::I64,
    }
}

fn rmw_op(op: Op) -> AtomicRmwOp {
    match op.rmw_op().expect("the operator modifies") {
        RmwOp::Add => AtomicRmwOp::Add,
        RmwOp::Sub => AtomicRmwOp::Sub,
        RmwOp::And => AtomicRmwOp::And,
        RmwOp::Or => AtomicRmwOp::Or,
        RmwOp::Xor => AtomicRmwOp::Xor,
        RmwOp::Xchg => AtomicRmwOp::Xchg,
    }
}
