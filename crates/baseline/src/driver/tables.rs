//! Owns table accesses, references to functions, null tests, and the operators that the runtime carries out.
//! Does not own calls as such (`call`).

use sterna_abi::{Builtin, FuncRef, TableDef};
use sterna_base::TableIndex;
use sterna_isa::{Op, TrapCode, ValType};
use sterna_module::Imm;

use super::call::Arg;
use super::values::Val;
use super::{Alu, Assembler, Cc, Done, Gen, Gpr, Machine, Mem, Rm, W32, W64, refused};
use crate::stack::{Bank, Cond, Ty};

impl<M: Machine> Gen<'_, M> {
    /// An operator of class Builtin.
    // tidy: dispatch
    pub(crate) fn builtin(&mut self, op: Op, imm: &Imm<'_>) -> Done {
        let (a, b) = match *imm {
            Imm::Index(a) => (a, 0),
            Imm::Index2(a, b) => (a, b),
            _ => return Err(refused(op)),
        };
        let module = self.input.module;
        let address = |is_64: bool| if is_64 { Ty::I64 } else { Ty::I32 };
        match op {
            Op::MemorySize => self.memory_size(a),
            Op::TableSize => self.table_size(a),
            Op::TableGet => self.table_get(a),
            Op::MemoryGrow => {
                let ty = address(self.memory_type(a).is_64);
                self.runtime(Builtin::memory_grow, &[a], 1);
                self.push_builtin_result(ty);
            }
            Op::TableGrow => {
                let ty = address(module.tables()[a as usize].is_64);
                self.runtime(Builtin::table_grow, &[a], 2);
                self.push_builtin_result(ty);
            }
            Op::MemoryFill => self.runtime(Builtin::memory_fill, &[a], 3),
            Op::MemoryCopy => self.runtime(Builtin::memory_copy, &[a, b], 3),
            Op::MemoryInit => self.runtime(Builtin::memory_init, &[b, a], 3),
            Op::DataDrop => self.runtime(Builtin::data_drop, &[a], 0),
            Op::TableSet => self.runtime(Builtin::table_set, &[a], 2),
            Op::TableFill => self.runtime(Builtin::table_fill, &[a], 3),
            Op::TableCopy => self.runtime(Builtin::table_copy, &[a, b], 3),
            Op::TableInit => self.runtime(Builtin::table_init, &[b, a], 3),
            Op::ElemDrop => self.runtime(Builtin::elem_drop, &[a], 0),
            _ => return Err(refused(op)),
        }
        Ok(())
    }

    /// Has the runtime carry out an operator: immediates, then operands.
    fn runtime(&mut self, builtin: Builtin, immediates: &[u32], operands: usize) {
        let mut args = [Arg::Imm(0); 5];
        let count = immediates.len();
        for (arg, &immediate) in args.iter_mut().zip(immediates) {
            *arg = Arg::Imm(u64::from(immediate));
        }
        for arg in args[count..count + operands].iter_mut().rev() {
            let ty = self.top().ty;
            *arg = Arg::Val(ty, self.pop());
        }
        self.call_builtin(builtin, &args[..count + operands]);
    }

    fn table_size(&mut self, table: u32) {
        let ty = if self.input.module.tables()[table as usize].is_64 { Ty::I64 } else { Ty::I32 };
        let dst = Gpr(self.result(Bank::Int));
        let offset = self.input.layout.table(TableIndex::from_u32(table));
        self.asm().load(W64, dst, Mem::new(M::VMCTX, offset as i32));
        let w = if ty == Ty::I64 { W64 } else { W32 };
        self.asm().load(w, dst, Mem::new(dst, TableDef::OFF_LEN as i32));
        self.push_result(ty, dst.0);
    }

    fn table_get(&mut self, table: u32) {
        let element = self.input.module.tables()[table as usize].element;
        let ty = Ty::of(self.input.module, ValType::Ref(element));
        let address = self.table_element(table, TrapCode::TableOutOfBounds);
        let offset = if ty == Ty::Func { FuncRef::OFF_THIS as i32 } else { 0 };
        self.asm().load(W64, address, Mem::new(address, offset));
        self.push_gpr(ty, address);
    }

    /// An operator of class Ref.
    pub(crate) fn reference(&mut self, op: Op, imm: &Imm<'_>) -> Done {
        match (op, imm) {
            (Op::RefNull, &Imm::HeapType(heap)) => {
                let ty = Ty::of_heap(self.input.module, heap);
                self.push_const(ty, 0);
            }
            (Op::RefFunc, &Imm::Index(func)) => {
                self.call_builtin(Builtin::ref_func, &[Arg::Imm(u64::from(func))]);
                self.push_builtin_result(Ty::Func);
            }
            (Op::RefIsNull, _) => self.test_null(Cc::E),
            (Op::RefEq, _) => {
                let b = self.pop();
                let a = self.pop_reg();
                self.alu_val(Alu::Cmp, W64, a.gpr(), b);
                self.release(Bank::Int, a);
                self.release_val(Bank::Int, b);
                self.push_flags(Cond::Cc(Cc::E));
            }
            (Op::RefAsNonNull, _) => {
                let ty = self.top().ty;
                let reg = self.pop_own();
                self.asm().test(W64, Gpr(reg), Gpr(reg));
                self.trap_if(Cc::E, TrapCode::NullReference);
                self.push_reg(ty, reg);
            }
            (Op::BrOnNull, &Imm::Index(depth)) => self.br_on_null(depth),
            (Op::BrOnNonNull, &Imm::Index(depth)) => self.br_on_non_null(depth),
            _ => return Err(refused(op)),
        }
        Ok(())
    }

    /// Pops a reference and compares it with null.
    pub(crate) fn test_null(&mut self, cc: Cc) {
        match self.val_of(&self.top()) {
            Val::Mem(mem) => {
                self.pop();
                self.asm().alu_i(Alu::Cmp, W64, Rm::Mem(mem), 0);
            }
            _ => {
                let held = self.pop_reg();
                self.asm().test(W64, held.gpr(), held.gpr());
                self.release(Bank::Int, held);
            }
        }
        self.push_flags(Cond::Cc(cc));
    }
}
