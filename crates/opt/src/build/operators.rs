//! Owns the translation of operators that do not branch.
//! Does not know what most of them mean: it follows class and signature, and asks `passes::fold` for shortcuts.

use sterna_base::{FuncIndex, GlobalIndex, TableIndex, TypeIndex};
use sterna_isa::{Class, FuncType, Op, RefType, Ty, ValType};
use sterna_module::{Imm, MemArg, Operator};

use super::{Build, BuildError};
use crate::graph::{MemAccess, Opcode, Type, Value};
use crate::passes::{Pass, fold};

impl Build<'_> {
    /// Translates one operator.
    pub(super) fn operator(&mut self, operator: &Operator<'_>) -> Result<(), BuildError> {
        if !self.reachable {
            return self.skip(operator);
        }
        let op = operator.op;
        match op.class() {
            Class::Local => self.local(op, &operator.imm),
            Class::Const => self.constant(&operator.imm),
            Class::Pure | Class::Lane | Class::Trapping => self.pure(op, &operator.imm),
            Class::Wide => {
                let (params, _) =
                    op.signature().expect("the table gives wide operators signatures");
                self.emit_stack(op, params.len(), 0, &[Type::I64, Type::I64]);
            }
            Class::AtomicWait if op == Op::AtomicFence => {
                self.emit_stack(op, 0, 0, &[]);
            }
            Class::Load
            | Class::Store
            | Class::LoadLane
            | Class::StoreLane
            | Class::AtomicLoad
            | Class::AtomicStore
            | Class::AtomicRmw
            | Class::AtomicCmpxchg
            | Class::AtomicWait => self.memory_access(op, &operator.imm),
            Class::Global => self.global(op, &operator.imm)?,
            Class::Parametric => self.parametric(op),
            Class::Control => self.control(operator)?,
            Class::Exception => self.exception(operator)?,
            Class::Call => self.call(op, &operator.imm)?,
            Class::Builtin => self.builtin(op, &operator.imm)?,
            Class::Ref => self.reference(op, &operator.imm)?,
            Class::Gc => self.object(op, &operator.imm)?,
        }
        Ok(())
    }

    fn local(&mut self, op: Op, imm: &Imm<'_>) {
        let Imm::Index(local) = *imm else { unreachable!("locals have an index") };
        let local = local + self.activation().locals;
        if op == Op::LocalGet {
            let value = self.cx.locals.get(local);
            return self.push(value);
        }
        let value = *self.cx.stack.last().expect("validated: operands are on the stack");
        let mark = self.mark();
        self.cx.locals.set(local, value, mark);
        if op == Op::LocalSet {
            self.pop();
        }
    }

    fn constant(&mut self, imm: &Imm<'_>) {
        let (ty, bits) = match *imm {
            Imm::I32(value) => (Type::I32, u128::from(value as u32)),
            Imm::I64(value) => (Type::I64, u128::from(value as u64)),
            Imm::F32(bits) => (Type::F32, u128::from(bits)),
            Imm::F64(bits) => (Type::F64, u128::from(bits)),
            Imm::V128(bits) => (Type::V128, bits),
            _ => unreachable!("constants have a value"),
        };
        let value = self.graph.make_const(ty, bits);
        self.push(value);
    }

    /// A function of its operands, trapping or not.
    fn pure(&mut self, op: Op, imm: &Imm<'_>) {
        let (params, results) = op.signature().expect("the table gives pure operators signatures");
        let imm = match *imm {
            Imm::Lane(lane) => u64::from(lane),
            Imm::Shuffle(lanes) => {
                self.graph.consts.push(u128::from_le_bytes(lanes));
                self.graph.consts.len() as u64 - 1
            }
            _ => 0,
        };
        let at = self.cx.stack.len() - params.len();
        let ty = fixed(results[0]);
        if !self.options.disabled.contains(Pass::Fold)
            && let Some(value) = fold::simplify(self.graph, op, imm, ty, &mut self.cx.stack[at..])
        {
            self.cx.stack.truncate(at);
            return self.push(value);
        }
        self.emit_stack(op, params.len(), imm, &[ty]);
    }

    fn memory_access(&mut self, op: Op, imm: &Imm<'_>) {
        let (MemArg { offset, memory, .. }, lane) = match *imm {
            Imm::MemArg(arg) => (arg, 0),
            Imm::MemArgLane(arg, lane) => (arg, lane),
            _ => unreachable!("memory accesses have a memarg"),
        };
        let (params, results) = op.signature().expect("the table gives memory accesses signatures");
        self.graph.accesses.push(MemAccess {
            offset,
            memory,
            lane,
            in_bounds: false,
            is_near: false,
        });
        let imm = self.graph.accesses.len() as u64 - 1;
        match results.first() {
            Some(&ty) => self.emit_stack(op, params.len(), imm, &[fixed(ty)]),
            None => self.emit_stack(op, params.len(), imm, &[]),
        };
    }

    fn global(&mut self, op: Op, imm: &Imm<'_>) -> Result<(), BuildError> {
        let Imm::Index(global) = *imm else { unreachable!("globals have an index") };
        if op == Op::GlobalSet {
            self.emit_stack(op, 1, u64::from(global), &[]);
        } else {
            let ty = self.supported(self.module.global_type(GlobalIndex::from_u32(global)).ty)?;
            self.emit_stack(op, 0, u64::from(global), &[ty]);
        }
        Ok(())
    }

    fn parametric(&mut self, op: Op) {
        match op {
            Op::Drop => {
                self.pop();
            }
            Op::Select | Op::TypedSelect => {
                let at = self.cx.stack.len() - 3;
                let [a, b, condition] = [0, 1, 2].map(|i| self.cx.stack[at + i]);
                let chosen = match self.graph.constant(condition) {
                    Some(0) => Some(b),
                    Some(_) => Some(a),
                    None => (a == b).then_some(a),
                };
                if let Some(value) = chosen {
                    self.cx.stack.truncate(at);
                    return self.push(value);
                }
                let ty = self.graph.ty(a).joined();
                self.emit_stack(Op::Select, 3, 0, &[ty]);
            }
            _ => {}
        }
    }

    // ------------------------------------------------------------------------------------------ calls

    fn call(&mut self, op: Op, imm: &Imm<'_>) -> Result<(), BuildError> {
        let module = self.module;
        let (op, imm) = match self.known_callee(op, imm) {
            Some((op, func)) => (op, &Imm::Index(func)),
            None => (op, imm),
        };
        let (ty, imm, callee) = match (op, imm) {
            (Op::Call | Op::ReturnCall, &Imm::Index(func)) => {
                (module.func_type(FuncIndex::from_u32(func)), u64::from(func), 0)
            }
            (Op::CallIndirect | Op::ReturnCallIndirect, &Imm::Index2(ty, table)) => {
                let signature = module.signature(TypeIndex::from_u32(ty));
                (signature, u64::from(ty) | u64::from(table) << 32, 1)
            }
            (Op::CallRef | Op::ReturnCallRef, &Imm::Index(ty)) => {
                (module.signature(TypeIndex::from_u32(ty)), u64::from(ty), 1)
            }
            _ => return Err(BuildError::Unsupported(op.to_string())),
        };
        if op == Op::Call && self.inline(FuncIndex::from_u32(imm as u32))?
            || matches!(op, Op::CallIndirect | Op::CallRef) && self.inline_guarded(op, imm, ty)?
        {
            return Ok(());
        }
        self.emit_call(op, imm, ty, ty.params.len() + callee)
    }

    /// A call with `args` operands, the callee included.
    pub(super) fn emit_call(
        &mut self,
        op: Op,
        imm: u64,
        ty: &FuncType,
        args: usize,
    ) -> Result<(), BuildError> {
        if matches!(op, Op::ReturnCall | Op::ReturnCallIndirect | Op::ReturnCallRef) {
            let args = self.pop_list(args);
            self.terminate(op, args, imm);
            return Ok(());
        }
        let args = self.pop_list(args);
        let landed = self.landed();
        let inst = self.emit(op, args, imm);
        self.land(inst, landed);
        self.record_state(inst);
        for &result in &ty.results {
            let ty = self.supported(result)?;
            let value = self.graph.push_result(inst, ty);
            self.push(value);
        }
        Ok(())
    }

    /// A call through a reference that was just made of a function is a call of that function; so is one through a constant index of a
    /// constant table. Drops the reference or index. Not if that is an import where calls of imports have a convention of their own: which one a
    /// call was made in must follow from its operator, for its results may be taken from where they are.
    fn known_callee(&mut self, op: Op, imm: &Imm<'_>) -> Option<(Op, u32)> {
        let callee = *self.cx.stack.last()?;
        let func = match (op, imm) {
            (Op::CallRef | Op::ReturnCallRef, _) => self.func_of(callee)?,
            (Op::CallIndirect | Op::ReturnCallIndirect, &Imm::Index2(ty, table)) => {
                let index = self.graph.constant(callee)? as u64;
                let func = self.module.constant_table(TableIndex::from_u32(table))?.get(index)?;
                self.has_type(func, ty).then_some(func.as_u32())?
            }
            _ => return None,
        };
        let is_import = (func as usize) < self.module.num_imported_funcs();
        if is_import && self.module.needs_tail_convention() {
            return None;
        }
        self.pop();
        let is_tail = matches!(op, Op::ReturnCallRef | Op::ReturnCallIndirect);
        Some((if is_tail { Op::ReturnCall } else { Op::Call }, func))
    }

    /// The function that a reference was made of.
    fn func_of(&self, reference: Value) -> Option<u32> {
        let inst = self.graph.inst(self.graph.def_inst(reference)?);
        (inst.op == Opcode::Wasm(Op::RefFunc)).then(|| inst.index())
    }

    // ------------------------------------------------------------------------------------------ builtins and references

    fn builtin(&mut self, op: Op, imm: &Imm<'_>) -> Result<(), BuildError> {
        let (a, b) = match *imm {
            Imm::Index(index) => (index, 0),
            Imm::Index2(a, b) => (a, b),
            _ => return Err(BuildError::Unsupported(op.to_string())),
        };
        let memory = |index: u32| addr(self.module.memories()[index as usize].is_64);
        let table = |index: u32| addr(self.module.tables()[index as usize].is_64);
        let (args, result) = match op {
            Op::MemorySize => (0, Some(memory(a))),
            Op::MemoryGrow => (1, Some(memory(a))),
            Op::TableSize => (0, Some(table(a))),
            Op::TableGrow => (2, Some(table(a))),
            Op::TableGet => {
                let element = sterna_isa::ValType::Ref(self.module.tables()[a as usize].element);
                (1, Some(self.supported(element)?))
            }
            Op::TableSet => (2, None),
            Op::DataDrop | Op::ElemDrop => (0, None),
            Op::MemoryInit
            | Op::MemoryCopy
            | Op::MemoryFill
            | Op::TableInit
            | Op::TableCopy
            | Op::TableFill => (3, None),
            _ => return Err(BuildError::Unsupported(op.to_string())),
        };
        self.emit_stack(op, args, u64::from(a) | u64::from(b) << 32, result.as_slice());
        Ok(())
    }

    fn reference(&mut self, op: Op, imm: &Imm<'_>) -> Result<(), BuildError> {
        match (op, imm) {
            (Op::RefNull, &Imm::HeapType(heap)) => {
                let ty = self.supported(ValType::Ref(RefType::nullable(heap)))?;
                self.null(ty);
            }
            (Op::RefAsNonNull, _) => {
                let operand = *self.cx.stack.last().expect("validated: operands are on the stack");
                if self.func_of(operand).is_none() {
                    self.emit_stack(op, 1, 0, &[self.graph.ty(operand)]);
                }
            }
            (Op::BrOnNull, &Imm::Index(depth)) => self.br_on_null(depth),
            (Op::BrOnNonNull, &Imm::Index(depth)) => self.br_on_non_null(depth),
            (Op::RefIsNull, _) => {
                let operand = *self.cx.stack.last().expect("validated: operands are on the stack");
                if let Some(bits) = self.graph.constant(operand) {
                    self.pop();
                    let value = self.graph.make_const(Type::I32, u128::from(bits == 0));
                    self.push(value);
                } else {
                    self.emit_stack(op, 1, 0, &[Type::I32]);
                }
            }
            (Op::RefEq, _) => {
                self.emit_stack(op, 2, 0, &[Type::I32]);
            }
            (Op::RefFunc, &Imm::Index(func)) => {
                self.emit_stack(op, 0, u64::from(func), &[Type::FuncRef]);
            }
            _ => return Err(BuildError::Unsupported(op.to_string())),
        }
        Ok(())
    }

    fn null(&mut self, ty: Type) {
        let value: Value = self.graph.make_const(ty, 0);
        self.push(value);
    }
}

fn addr(is_64: bool) -> Type {
    if is_64 { Type::I64 } else { Type::I32 }
}

/// The type of a result that does not depend on context.
fn fixed(ty: Ty) -> Type {
    match ty {
        Ty::I32 => Type::I32,
        Ty::I64 => Type::I64,
        Ty::F32 => Type::F32,
        Ty::F64 => Type::F64,
        Ty::V128 => Type::V128,
        Ty::Addr | Ty::EqRef | Ty::ArrayRef | Ty::I31Ref | Ty::I31RefNull => {
            unreachable!("no such results in the classes translated here")
        }
    }
}
