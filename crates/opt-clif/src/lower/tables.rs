//! Owns globals, tables, references, and the operators that the runtime carries out.
//! Does not own calls as such (`calls`).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};
use sterna_abi::{Builtin, FuncRef, GlobalPlace, TableDef};
use sterna_base::{GlobalIndex, TableIndex};
use sterna_isa::{Op, TrapCode};
use sterna_module::TableType;
use sterna_opt::{Inst, Type};

use super::{Lower, clif_type};

impl<'a> Lower<'a> {
    // ------------------------------------------------------------------------------------------ globals

    /// Lowers `global.get` and `global.set`.
    pub(super) fn global(&mut self, op: Op, inst: Inst) {
        let index = GlobalIndex::from_u32(self.input.graph.inst(inst).index());
        let mutable = self.input.module.global_type(index).mutable;
        let (base, offset) = match self.layout.global(index) {
            GlobalPlace::Inline(offset) => (self.vmctx, offset),
            GlobalPlace::Pointer(offset) => (self.prelude_load(self.vmctx, offset), 0),
        };
        let mut flags = self.flags.globals;
        if op == Op::GlobalSet {
            let value = self.arg(inst, 0);
            let value = self.canonical(value);
            self.pos.ins().store(flags, value, base, offset as i32);
            return;
        }
        let ty = self.input.graph.ty(self.input.graph.inst(inst).first_result);
        // A collection changes references to objects.
        if !mutable && !ty.is_object() {
            flags = flags.with_readonly().with_can_move();
        }
        let value = self.pos.ins().load(clif_type(ty), flags, base, offset as i32);
        self.set(inst, value);
    }

    // ------------------------------------------------------------------------------------------ tables

    pub(super) fn table_type(&self, table: u32) -> &'a TableType {
        &self.input.module.tables()[table as usize]
    }

    /// Whether elements are [`FuncRef`]s.
    fn is_func_table(&self, ty: &TableType) -> bool {
        self.input.module.is_func_heap(ty.element.heap)
    }

    /// Flags for loads from a table's definition. One that cannot grow never changes.
    fn table_def_flags(&self, ty: &TableType) -> MemFlagsData {
        if ty.max == Some(ty.min) { self.flags.constant } else { self.flags.context }
    }

    fn table_def(&mut self, table: u32) -> ir::Value {
        let offset = self.layout.table(TableIndex::from_u32(table));
        self.prelude_load(self.vmctx, offset)
    }

    fn table_len(&mut self, table: u32, def: ir::Value) -> ir::Value {
        let ty = self.table_type(table);
        if ty.max == Some(ty.min) {
            return self.iconst(ty.min as i64);
        }
        self.pos.ins().load(types::I64, self.flags.context, def, TableDef::OFF_LEN as i32)
    }

    /// Checks an index of a table and computes the element's address. Speculation past the check sees element 0.
    pub(super) fn table_element(
        &mut self,
        table: u32,
        index: ir::Value,
        trap: TrapCode,
    ) -> ir::Value {
        let ty = self.table_type(table);
        let def = self.table_def(table);
        let len = self.table_len(table, def);
        let index = self.index64(index);
        let out = self.pos.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        self.trap_if(out, trap);
        let flags = self.table_def_flags(ty);
        let base = self.pos.ins().load(types::I64, flags, def, TableDef::OFF_BASE as i32);
        let log2 = if self.is_func_table(ty) { FuncRef::LOG2_SIZE } else { 3 };
        let offset = self.pos.ins().ishl_imm_u(index, i64::from(log2));
        let address = self.pos.ins().iadd(base, offset);
        self.pos.ins().select_spectre_guard(out, base, address)
    }

    fn table_get(&mut self, inst: Inst) {
        let table = self.input.graph.inst(inst).index();
        let index = self.arg(inst, 0);
        let element = self.table_element(table, index, TrapCode::TableOutOfBounds);
        let funcs = self.is_func_table(self.table_type(table));
        let offset = if funcs { FuncRef::OFF_THIS } else { 0 };
        let value = self.pos.ins().load(types::I64, self.flags.tables, element, offset as i32);
        self.set(inst, value);
    }

    // ------------------------------------------------------------------------------------------ references

    /// Lowers an operator of class Ref.
    pub(super) fn reference(&mut self, op: Op, inst: Inst) {
        if op == Op::RefIsNull {
            let value = self.arg(inst, 0);
            let zero = self.iconst(0);
            let is_null = self.pos.ins().icmp(IntCC::Equal, value, zero);
            return self.set_bool(inst, is_null);
        }
        if op == Op::RefEq {
            let (a, b) = (self.arg(inst, 0), self.arg(inst, 1));
            let same = self.pos.ins().icmp(IntCC::Equal, a, b);
            return self.set_bool(inst, same);
        }
        if op == Op::RefAsNonNull {
            let value = self.arg(inst, 0);
            self.trap_if_null(value, TrapCode::NullReference);
            return self.set(inst, value);
        }
        let func =
            self.pos.ins().iconst(types::I32, i64::from(self.input.graph.inst(inst).index()));
        let value = self.call_builtin(Builtin::ref_func, &[func]);
        self.set(inst, value);
    }

    // ------------------------------------------------------------------------------------------ builtins

    /// Lowers an operator of class Builtin.
    // tidy: dispatch
    pub(super) fn builtin(&mut self, op: Op, inst: Inst) {
        let (first, second) = self.input.graph.inst(inst).index2();
        let indices = [first, second];
        let builtin = match op {
            Op::MemorySize => return self.memory_size(inst),
            Op::TableSize => {
                let def = self.table_def(first);
                let len = self.table_len(first, def);
                return self.set_address(inst, len);
            }
            Op::TableGet => return self.table_get(inst),
            Op::MemoryGrow => Builtin::memory_grow,
            Op::MemoryFill if self.fill_inline(inst) => return,
            Op::MemoryFill => Builtin::memory_fill,
            Op::DataDrop => Builtin::data_drop,
            Op::TableSet => Builtin::table_set,
            Op::TableGrow => Builtin::table_grow,
            Op::TableFill => Builtin::table_fill,
            Op::ElemDrop => Builtin::elem_drop,
            Op::MemoryCopy if self.copy_inline(inst) => return,
            Op::MemoryCopy => return self.call_copy(Builtin::memory_copy, indices, inst),
            Op::TableCopy => return self.call_copy(Builtin::table_copy, indices, inst),
            // The builtins take the memory or table first, the operators name the segment first.
            Op::MemoryInit => return self.call_copy(Builtin::memory_init, [second, first], inst),
            Op::TableInit => return self.call_copy(Builtin::table_init, [second, first], inst),
            _ => unreachable!("{op} is no builtin"),
        };
        let index = self.pos.ins().iconst(types::I32, i64::from(first));
        let mut args = vec![index];
        self.builtin_args(builtin, inst, &mut args);
        let result = self.call_builtin(builtin, &args);
        if self.input.graph.inst(inst).results > 0 {
            self.set_address(inst, result);
        }
    }

    /// A builtin with two indices.
    fn call_copy(&mut self, builtin: Builtin, indices: [u32; 2], inst: Inst) {
        let mut args =
            indices.map(|index| self.pos.ins().iconst(types::I32, i64::from(index))).to_vec();
        self.builtin_args(builtin, inst, &mut args);
        self.call_builtin(builtin, &args);
    }

    /// Appends the operands, widened to what the builtin takes.
    fn builtin_args(&mut self, builtin: Builtin, inst: Inst, args: &mut Vec<ir::Value>) {
        let sizes = builtin.param_sizes();
        for i in 0..self.input.graph.args(inst).len() {
            let value = self.arg(inst, i);
            let value = if sizes[args.len()] == 8 { self.index64(value) } else { value };
            args.push(value);
        }
    }

    /// Sets a result that is an index of a memory or table, or a reference.
    fn set_address(&mut self, inst: Inst, value: ir::Value) {
        let result = self.input.graph.inst(inst).first_result;
        let value = match self.input.graph.ty(result) {
            Type::I32 => self.pos.ins().ireduce(types::I32, value),
            _ => value,
        };
        self.set(inst, value);
    }
}
