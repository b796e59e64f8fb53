//! Owns tests of the types of objects: `ref.test` and `ref.cast`.
//! Does not own branches on them: the graph has a test and a branch.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, types};
use sterna_abi::gc::{CAST_NULLABLE, heap_type_of_code, object};
use sterna_isa::{HeapType, Op, TrapCode};
use sterna_opt::{Inst, Type};

use super::Lower;

/// Low bits of a reference: all zero for an object.
const TAG_BITS: i64 = 7;

impl Lower<'_> {
    /// The engine-wide id of a type of the module.
    pub(super) fn type_id(&mut self, ty: u32) -> ir::Value {
        let ids = self.type_ids();
        self.pos.ins().load(types::I32, self.flags.constant, ids, ty as i32 * 4)
    }

    /// Lowers `ref.test` and `ref.cast`.
    pub(super) fn cast_or_test(&mut self, op: Op, inst: Inst) {
        let (code, flags) = self.input.graph.inst(inst).index2();
        let operand = self.input.graph.args(inst)[0];
        let is_any = self.input.graph.ty(operand).is_any();
        let is = match heap_type_of_code(code) {
            HeapType::Concrete(ty) if op == Op::RefCastNonNull && self.is_object_operand(inst) => {
                return self.cast_object(inst, ty);
            }
            HeapType::Concrete(ty) if is_any => {
                self.is_object_of(inst, ty, flags & CAST_NULLABLE != 0)
            }
            HeapType::I31 => self.is_i31(inst, flags & CAST_NULLABLE != 0),
            _ => return self.builtin_gc(op, inst),
        };
        if matches!(op, Op::RefTestNonNull | Op::RefTestNullable) {
            return self.set_bool(inst, is);
        }
        let failed = self.pos.ins().icmp_imm_u(IntCC::Equal, is, 0);
        self.trap_if(failed, TrapCode::CastFailure);
        let value = self.arg(inst, 0);
        self.set(inst, value);
    }

    /// Whether the operand cannot be an `i31` or a value of the host.
    fn is_object_operand(&self, inst: Inst) -> bool {
        self.input.graph.ty(self.input.graph.args(inst)[0]) == Type::ObjectRef
    }

    /// `ref.cast` of an object or null to a defined type, where null does not pass.
    fn cast_object(&mut self, inst: Inst, ty: u32) {
        let failure = TrapCode::CastFailure;
        let (address, flags) = self.object_address(inst, 0, object::OFF_TYPE, failure);
        let actual = self.pos.ins().load(types::I32, flags, address, object::OFF_TYPE as i32);
        let wanted = self.type_id(ty);
        let module = self.input.module;
        if module.types()[ty as usize].is_final {
            let differs = self.pos.ins().icmp(IntCC::NotEqual, actual, wanted);
            self.trap_if(differs, failure);
        } else {
            let (other, next) = (self.new_block(), self.new_block());
            let same = self.pos.ins().icmp(IntCC::Equal, actual, wanted);
            self.pos.ins().brif(same, next, &[], other, &[]);
            self.open(other);
            let depth = module.type_depth(sterna_base::TypeIndex::from_u32(ty));
            let found = self.supertype_at(actual, depth);
            let differs = self.pos.ins().icmp(IntCC::NotEqual, found, wanted);
            self.trap_if(differs, failure);
            self.pos.ins().jump(next, &[]);
            self.open(next);
        }
        let value = self.arg(inst, 0);
        self.set(inst, value);
    }

    fn is_i31(&mut self, inst: Inst, nullable: bool) -> ir::Value {
        let reference = self.arg(inst, 0);
        let low = self.pos.ins().ireduce(types::I8, reference);
        let bit = self.pos.ins().band_imm_u(low, 1);
        if !nullable {
            return bit;
        }
        let is_null = self.pos.ins().icmp_imm_u(IntCC::Equal, reference, 0);
        self.pos.ins().bor(bit, is_null)
    }

    /// Whether the operand refers to an object of a defined type, or is null if that passes.
    fn is_object_of(&mut self, inst: Inst, ty: u32, nullable: bool) -> ir::Value {
        let done = self.new_block();
        let result = self.pos.func.dfg.append_block_param(done, types::I8);
        let reference = self.arg(inst, 0);
        let (yes, no) = (self.pos.ins().iconst(types::I8, 1), self.pos.ins().iconst(types::I8, 0));
        let if_null = [BlockArg::Value(if nullable { yes } else { no })];
        let not_null = self.new_block();
        self.pos.ins().brif(reference, not_null, &[], done, &if_null);
        self.open(not_null);
        if !self.is_object_operand(inst) {
            let tag = self.pos.ins().band_imm_u(reference, TAG_BITS);
            let is_object = self.new_block();
            self.pos.ins().brif(tag, done, &[BlockArg::Value(no)], is_object, &[]);
            self.open(is_object);
        }
        let base = self.heap_base();
        let address = self.pos.ins().iadd(base, reference);
        let flags = self.flags.objects;
        let actual = self.pos.ins().load(types::I32, flags, address, object::OFF_TYPE as i32);
        let wanted = self.type_id(ty);
        let same = self.pos.ins().icmp(IntCC::Equal, actual, wanted);
        let module = self.input.module;
        if module.types()[ty as usize].is_final {
            self.pos.ins().jump(done, &[BlockArg::Value(same)]);
        } else {
            let differs = self.new_block();
            self.pos.ins().brif(same, done, &[BlockArg::Value(yes)], differs, &[]);
            self.open(differs);
            let depth = module.type_depth(sterna_base::TypeIndex::from_u32(ty));
            let found = self.supertype_at(actual, depth);
            let is = self.pos.ins().icmp(IntCC::Equal, found, wanted);
            self.pos.ins().jump(done, &[BlockArg::Value(is)]);
        }
        self.open(done);
        result
    }
}
