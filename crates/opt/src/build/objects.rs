//! Owns the translation of the operators on structures, arrays, `i31` and casts.
//! Does not know how objects lie in the heap.

use sterna_abi::{CAST_NULLABLE, heap_type_code, heap_type_of_code, object_immediates};
use sterna_isa::{Op, RefType, ValType};
use sterna_module::Imm;

use super::{Build, BuildError};
use crate::graph::{List, Type};

/// Operands that an operator pops, and the type of its result.
type Shape = (usize, Option<Type>);

impl Build<'_> {
    /// An operator of class Gc. Its immediates are those of builtin `gc`.
    pub(super) fn object(&mut self, op: Op, imm: &Imm<'_>) -> Result<(), BuildError> {
        if let (Op::BrOnCast | Op::BrOnCastFail, Imm::BrOnCast { label, to, .. }) = (op, imm) {
            self.br_on_cast(op, *label, *to);
            return Ok(());
        }
        let (a, b) = object_immediates(op, imm);
        let (operands, result) = self.shape(op, a, b)?;
        let args = self.pop_list(operands);
        let inst = self.emit(op, args, u64::from(a) | u64::from(b) << 32);
        self.record_state(inst);
        if let Some(ty) = result {
            let value = self.graph.push_result(inst, ty);
            self.push(value);
        }
        Ok(())
    }

    fn shape(&self, op: Op, a: u32, b: u32) -> Result<Shape, BuildError> {
        let types = self.module.types();
        let fields = || types[a as usize].as_struct().expect("validated: a structure type");
        let operand = || *self.cx.stack.last().expect("validated: operands are on the stack");
        let (operands, result): (usize, Option<ValType>) = match op {
            Op::StructNew => return Ok((fields().len(), Some(Type::ObjectRef))),
            Op::StructNewDefault => return Ok((0, Some(Type::ObjectRef))),
            Op::ArrayNew | Op::ArrayNewData | Op::ArrayNewElem => {
                return Ok((2, Some(Type::ObjectRef)));
            }
            Op::ArrayNewDefault => return Ok((1, Some(Type::ObjectRef))),
            Op::RefI31 | Op::AnyConvertExtern => return Ok((1, Some(Type::AnyRef))),
            Op::ArrayNewFixed => return Ok((b as usize, Some(Type::ObjectRef))),
            Op::RefCastNonNull | Op::RefCastNullable => {
                let same = self.graph.ty(operand());
                let heap = heap_type_of_code(a);
                let to = Type::of_heap(self.module, heap).filter(|to| *to == Type::ObjectRef);
                return Ok((1, Some(to.unwrap_or(same))));
            }
            Op::StructGet | Op::StructGetS | Op::StructGetU => {
                (1, Some(fields()[b as usize].storage.unpacked()))
            }
            Op::ArrayGet | Op::ArrayGetS | Op::ArrayGetU => {
                let element = types[a as usize].as_array().expect("validated: an array type");
                (2, Some(element.storage.unpacked()))
            }
            Op::StructSet => (2, None),
            Op::ArraySet => (3, None),
            Op::ArrayLen | Op::I31GetS | Op::I31GetU | Op::RefTestNonNull | Op::RefTestNullable => {
                (1, Some(ValType::I32))
            }
            Op::ArrayFill | Op::ArrayInitData | Op::ArrayInitElem => (4, None),
            Op::ArrayCopy => (5, None),
            Op::ExternConvertAny => (1, Some(ValType::EXTERNREF)),
            _ => return Err(BuildError::Unsupported(op.to_string())),
        };
        Ok((operands, result.map(|ty| self.supported(ty)).transpose()?))
    }

    /// `br_on_cast` and `br_on_cast_fail`: a test of the operand, which stays where it is, then a branch.
    fn br_on_cast(&mut self, op: Op, label: u32, to: RefType) {
        let operand = *self.cx.stack.last().expect("validated: operands are on the stack");
        let args = self.graph.push_list(&[operand]);
        let (test, nullable) = match to.nullable {
            true => (Op::RefTestNullable, CAST_NULLABLE),
            false => (Op::RefTestNonNull, 0),
        };
        let imm = u64::from(heap_type_code(to.heap)) | u64::from(nullable) << 32;
        let inst = self.emit(test, args, imm);
        let is = self.graph.push_result(inst, Type::I32);
        let args: List = self.graph.push_list(&[is]);
        let first = if op == Op::BrOnCast {
            let taken = self.new_edge();
            let next = self.graph.push_block();
            self.graph.push_edge(next);
            self.connect(taken, label);
            (taken, next)
        } else {
            let next = self.graph.push_block();
            let passed = self.graph.push_edge(next);
            let failed = self.new_edge();
            self.connect(failed, label);
            (passed, next)
        };
        self.terminate_edges(Op::BrIf, args, first.0, 2);
        self.open_block(first.1);
    }
}
