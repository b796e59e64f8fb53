//! Owns translation of the operators on structures, arrays, `i31` and casts.
//! Does not own what they do: the runtime does.

use sterna_abi::{CAST_NULLABLE, heap_type_code, object_immediates};
use sterna_isa::{HeapType, Op, RefType, TrapCode, ValType};
use sterna_module::Imm;

use super::Translator;
use super::stack::Loc;
use crate::op::gc::OBJECT;

/// Operands that an operator pops, and the type of its result.
type Shape = (usize, Option<ValType>);

fn reference(index: u32) -> Option<ValType> {
    Some(ValType::Ref(RefType::non_null(HeapType::Concrete(index))))
}

impl Translator<'_> {
    /// An operator on objects.
    pub(super) fn object(&mut self, op: Op, imm: &Imm<'_>) -> Result<(), TrapCode> {
        match (op, imm) {
            (Op::BrOnCast | Op::BrOnCastFail, Imm::BrOnCast { label, to, .. }) => {
                self.br_on_cast(op, *label, *to);
                return Ok(());
            }
            (Op::RefEq, _) => return self.plain(Op::I64Eq),
            (Op::AnyConvertExtern, _) => return self.retype(RefType::nullable(HeapType::Any)),
            (Op::ExternConvertAny, _) => return self.retype(RefType::nullable(HeapType::Extern)),
            _ => {}
        }
        let (a, b) = object_immediates(op, imm);
        let (operands, result) = self.shape(op, imm, a, b)?;
        self.emit_object(op, a, b, operands);
        if let Some(ty) = result {
            self.push(ty, Loc::Temp);
        }
        Ok(())
    }

    fn shape(&self, op: Op, imm: &Imm<'_>, a: u32, b: u32) -> Result<Shape, TrapCode> {
        let types = self.source.module.types();
        let cast = |nullable| match imm {
            Imm::HeapType(heap) => Some(ValType::Ref(RefType { nullable, heap: *heap })),
            _ => None,
        };
        let field = || {
            let fields = types[a as usize].as_struct().expect("validated: a structure type");
            fields[b as usize].storage.unpacked()
        };
        let element = || {
            let element = types[a as usize].as_array().expect("validated: an array type");
            element.storage.unpacked()
        };
        Ok(match op {
            Op::StructNew => {
                let fields = types[a as usize].as_struct().expect("validated: a structure type");
                (fields.len(), reference(a))
            }
            Op::StructNewDefault => (0, reference(a)),
            Op::StructGet | Op::StructGetS | Op::StructGetU => (1, Some(field())),
            Op::StructSet => (2, None),
            Op::ArrayNew | Op::ArrayNewData | Op::ArrayNewElem => (2, reference(a)),
            Op::ArrayNewDefault => (1, reference(a)),
            Op::ArrayNewFixed => (b as usize, reference(a)),
            Op::ArrayGet | Op::ArrayGetS | Op::ArrayGetU => (2, Some(element())),
            Op::ArraySet => (3, None),
            Op::ArrayLen | Op::I31GetS | Op::I31GetU => (1, Some(ValType::I32)),
            Op::ArrayFill | Op::ArrayInitData | Op::ArrayInitElem => (4, None),
            Op::ArrayCopy => (5, None),
            Op::RefTestNonNull | Op::RefTestNullable => (1, Some(ValType::I32)),
            Op::RefCastNonNull => (1, cast(false)),
            Op::RefCastNullable => (1, cast(true)),
            Op::RefI31 => (1, Some(ValType::Ref(RefType::non_null(HeapType::I31)))),
            _ => return Err(TrapCode::Unsupported),
        })
    }

    /// Has the runtime carry out `op` on the top `operands` entries, which are popped. Its result is at the first one's slot.
    fn emit_object(&mut self, op: Op, a: u32, b: u32, operands: usize) {
        self.store_top(operands);
        let top = self.top();
        self.truncate((self.stack.len() - operands) as u32);
        let base = self.top();
        // The result may lie above operands: the frame must have room for it before the call.
        let top = top.max(base + 2);
        self.reach(top);
        let pos = self.emit(OBJECT, 24);
        self.asm.u16(pos, 8, base as u16);
        self.asm.u16(pos, 10, top as u16);
        self.asm.u32(pos, 12, op as u32);
        self.asm.u32(pos, 16, a);
        self.asm.u32(pos, 20, b);
        self.forget_accs();
        self.wrote(base, top - base);
    }

    /// An operator that changes nothing but the type of its operand.
    fn retype(&mut self, ty: RefType) -> Result<(), TrapCode> {
        self.stack.last_mut().expect("validated: there is an operand").ty = ValType::Ref(ty);
        Ok(())
    }

    /// `br_on_cast` and `br_on_cast_fail`: a test of a copy of the operand, then `br_if`.
    fn br_on_cast(&mut self, op: Op, label: u32, to: RefType) {
        self.settle(1);
        let entry = *self.stack.last().expect("validated: there is an operand");
        let slot = self.top();
        self.reach(slot + 1);
        self.copy_value(entry.ty, slot, entry.slot as u16);
        self.push(entry.ty, Loc::Temp);
        let nullable = if to.nullable { CAST_NULLABLE } else { 0 };
        self.emit_object(op, heap_type_code(to.heap), nullable, 1);
        self.push(ValType::I32, Loc::Temp);
        self.br_if(label);
    }

    /// Slots of locals that hold references to objects.
    pub(super) fn local_roots(&self) -> Box<[u16]> {
        let roots = self.locals.iter().filter(|local| self.is_object(local.ty));
        roots.map(|local| local.slot).collect()
    }

    /// Slots of the operand stack that hold references to objects.
    pub(super) fn stack_roots(&self) -> impl Iterator<Item = u16> + '_ {
        let roots = self.stack.iter().filter(|entry| match entry.loc {
            Loc::Temp => self.is_object(entry.ty),
            // Locals are roots themselves; what is in an accumulator is not there at a call; constants do not move.
            Loc::Local(_) | Loc::Acc | Loc::Const(_) => false,
        });
        roots.map(|entry| entry.slot as u16)
    }

    /// Whether values of a type can refer to objects of the heap.
    fn is_object(&self, ty: ValType) -> bool {
        matches!(ty, ValType::Ref(ty) if !self.source.module.is_func_heap(ty.heap))
    }
}
