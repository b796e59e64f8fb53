//! Owns operators on structures, arrays and `i31`, and tests of types.
//! Does not know how objects lie in the heap: layouts say.
//!
//! The frequent operators are compiled; the others are carried out by the runtime, with operands in slots at the bottom of the frame. The first access to an
//! object finds out whether the reference is null: it faults then, unless checks are to be explicit.

use sterna_abi::gc::{
    AllocArea, CAST_NULLABLE, FUNC_MASK, FUNCS_AT, MAX_CONST_OFFSET, NULL_GUARD, ObjectLayout,
    Storage, heap_type_code, heap_type_of_code, object, object_immediates,
};
use sterna_abi::{Builtin, StoreCtx, VmCtx};
use sterna_base::TypeIndex;
use sterna_isa::{HeapType, MemType, Op, RefType, TrapCode};
use sterna_module::Imm;

use super::call::Arg;
use super::values::{Held, Val};
use super::{
    Alu, Assembler, Cc, Done, Gen, Gpr, Label, Machine, Mem, Rm, Shift, Vreg, W32, W64, refused,
};
use crate::stack::{Bank, Cond, Ty};

impl<M: Machine> Gen<'_, M> {
    pub(crate) fn object(&mut self, op: Op, imm: &Imm<'_>) -> Done {
        if let (Op::BrOnCast | Op::BrOnCastFail, &Imm::BrOnCast { label, to, .. }) = (op, imm) {
            self.br_on_cast(op, label, to);
            return Ok(());
        }
        let (a, b) = object_immediates(op, imm);
        self.object_operator(op, a, b)
    }

    /// The same but for branches, with the immediates of builtin `gc`.
    // tidy: dispatch
    pub(crate) fn object_operator(&mut self, op: Op, a: u32, b: u32) -> Done {
        match op {
            Op::RefI31 => {
                let reg = Gpr(self.pop_own());
                self.asm().alu(Alu::Add, W32, reg, Rm::Reg(reg));
                self.asm().alu_i(Alu::Or, W32, Rm::Reg(reg), 1);
                self.push_gpr(Ty::Any, reg);
            }
            Op::I31GetS | Op::I31GetU => {
                let reg = Gpr(self.pop_own());
                self.asm().test(W64, reg, reg);
                self.trap_if(Cc::E, TrapCode::NullI31Reference);
                let shift = if op == Op::I31GetS { Shift::Sar } else { Shift::Shr };
                self.asm().shift_i(shift, W32, reg, 1);
                self.push_gpr(Ty::I32, reg);
            }
            Op::AnyConvertExtern => self.retype(Ty::Any),
            Op::ExternConvertAny => self.retype(Ty::Extern),
            Op::StructGet | Op::StructGetS | Op::StructGetU => self.struct_get(op, a, b),
            Op::StructSet => self.struct_set(a, b),
            Op::ArrayLen => self.array_len(),
            Op::ArrayGet | Op::ArrayGetS | Op::ArrayGetU => self.array_get(op, a),
            Op::ArraySet => self.array_set(a),
            Op::RefTestNonNull | Op::RefTestNullable => {
                let tested = self.test(a, b);
                let height = self.s.stack.len() - 1;
                self.truncate(height);
                self.push_gpr(Ty::I32, tested);
            }
            Op::RefCastNonNull | Op::RefCastNullable => {
                let tested = self.test(a, b);
                self.asm().test(W32, tested, tested);
                self.free_gpr(tested);
                self.trap_if(Cc::E, TrapCode::CastFailure);
            }
            Op::StructNew | Op::StructNewDefault | Op::ArrayNewFixed
                if self.new_inline(op, a, b) => {}
            _ => return self.by_runtime(op, a, b),
        }
        Ok(())
    }

    fn retype(&mut self, ty: Ty) {
        if self.top().ty == ty {
            return;
        }
        let val = self.pop();
        match val {
            Val::Const(bits) => self.push_const(ty, bits),
            other => {
                let reg = self.in_own_reg(ty, other);
                self.push_reg(ty, reg);
            }
        }
    }

    // ------------------------------------------------------------------------------------------ by the runtime

    /// Pops operands into slots at the bottom of the frame, with room for a result.
    pub(crate) fn operands_in_slots(&mut self, count: usize) {
        let base = self.s.stack.len() - count;
        let mut offset = 0;
        for at in base..self.s.stack.len() {
            self.s.asm.ensure(64);
            let entry = self.s.stack[at];
            let val = self.val_of(&entry);
            self.operand_to_slot(entry.ty, val, Mem::new(M::SP, offset));
            offset += entry.ty.slots() as i32 * 8;
        }
        self.out_size = self.out_size.max(offset.max(16) as u32);
        self.truncate(base);
    }

    /// Stores an operand in a slot, zero-extended.
    pub(crate) fn operand_to_slot(&mut self, ty: Ty, val: Val, to: Mem) {
        match (ty, val) {
            (Ty::V128, val) => self.val_to_mem(Ty::V128, to, val),
            (_, Val::Const(bits)) => self.store_const(Ty::I64, to, bits),
            (Ty::F32, Val::Reg(held)) => {
                self.asm().mov_from_v(W32, M::TEMP, Vreg(held.reg));
                self.asm().store(W64, to, M::TEMP);
            }
            (Ty::I32 | Ty::F32, Val::Mem(mem)) => {
                self.asm().load(W32, M::TEMP, mem);
                self.asm().store(W64, to, M::TEMP);
            }
            (Ty::I32, val) => self.val_to_mem(Ty::I64, to, val),
            (ty, val) => self.val_to_mem(ty, to, val),
        }
    }

    /// Has the runtime carry out an operator.
    fn by_runtime(&mut self, op: Op, a: u32, b: u32) -> Done {
        let types = self.input.module.types();
        let fields = || types[a as usize].as_struct().expect("validated: a structure type");
        let (operands, result) = match op {
            Op::StructNew => (fields().len(), Some(Ty::Any)),
            Op::StructNewDefault => (0, Some(Ty::Any)),
            Op::ArrayNew | Op::ArrayNewData | Op::ArrayNewElem => (2, Some(Ty::Any)),
            Op::ArrayNewDefault => (1, Some(Ty::Any)),
            Op::ArrayNewFixed => (b as usize, Some(Ty::Any)),
            Op::StructGet | Op::StructGetS | Op::StructGetU => {
                let field = fields()[b as usize].storage.unpacked();
                (1, Some(Ty::of(self.input.module, field)))
            }
            Op::StructSet => (2, None),
            Op::ArraySet => (3, None),
            Op::ArrayFill | Op::ArrayInitData | Op::ArrayInitElem => (4, None),
            Op::ArrayCopy => (5, None),
            Op::RefTestNonNull | Op::RefTestNullable => (1, Some(Ty::I32)),
            _ => return Err(refused(op)),
        };
        self.operands_in_slots(operands);
        self.call_gc(op, a, b);
        if let Some(ty) = result {
            let dst = self.alloc(ty.bank());
            self.load_from(ty, dst, Mem::new(M::SP, 0));
            self.push_reg(ty, dst);
        }
        Ok(())
    }

    fn call_gc(&mut self, op: Op, a: u32, b: u32) {
        let [number, a, b] = [op as u32, a, b].map(|imm| Arg::Imm(u64::from(imm)));
        self.call_builtin(Builtin::gc, &[number, a, b, Arg::Address(Mem::new(M::SP, 0))]);
    }

    // ------------------------------------------------------------------------------------------ objects

    /// The register that has the heap's base: that of memory 0 in functions that do not access that, else the free one, into which it is loaded.
    pub(crate) fn heap_base(&mut self) -> Gpr {
        if self.has_heap_base() {
            return M::MEMORY;
        }
        self.load_heap_base(M::TEMP);
        M::TEMP
    }

    pub(crate) fn load_heap_base(&mut self, to: Gpr) {
        let asm = self.asm();
        asm.load(W64, to, Mem::new(M::VMCTX, VmCtx::OFF_STORE as i32));
        asm.load(W64, to, Mem::new(to, (StoreCtx::OFF_HEAP + AllocArea::OFF_BASE) as i32));
    }

    /// How a field of a structure, or the elements of an array, are stored, and the offset of it or them.
    fn field_of(&self, ty: u32, field: u32) -> (Storage, u32) {
        let module = self.input.module;
        let is_func = |ty| module.is_func_heap(ty);
        let found = ObjectLayout::field(&module.types()[ty as usize], field as usize, is_func);
        found.expect("validated: a structure with such a field, or an array")
    }

    /// Before the first access to an object, at `offset`: has it trap if the reference is null. Then the access may be told to fault.
    fn check_null(&mut self, object: Gpr, offset: u32, null: TrapCode) -> bool {
        // Below the guard it lies wholly in the guard.
        if self.input.settings.explicit_checks || offset >= NULL_GUARD - 16 {
            self.asm().test(W64, object, object);
            self.trap_if(Cc::E, null);
            return false;
        }
        true
    }

    /// The operand of the first access to an object, in a form that the next instruction can use: it may fault, if the reference is null.
    fn first_access(&mut self, mem: Mem, bytes: u32, null: Option<TrapCode>) -> Mem {
        let Some(null) = null else { return mem };
        let mem = self.asm().direct(mem, bytes);
        self.trap_here(null);
        mem
    }

    /// Loads a field of an object in the heap at `base`.
    pub(crate) fn load_field(
        &mut self,
        storage: Storage,
        signed: bool,
        dst: u8,
        base: Gpr,
        mem: Mem,
    ) {
        let to = Gpr(dst);
        let asm = self.asm();
        match storage {
            Storage::I8 if signed => asm.load_as(MemType::I8, W32, to, mem),
            Storage::I8 => asm.load_as(MemType::U8, W32, to, mem),
            Storage::I16 if signed => asm.load_as(MemType::I16, W32, to, mem),
            Storage::I16 => asm.load_as(MemType::U16, W32, to, mem),
            Storage::I32 | Storage::Ref => asm.load(W32, to, mem),
            Storage::I64 => asm.load(W64, to, mem),
            Storage::F32 => asm.load_v(4, Vreg(dst), mem),
            Storage::F64 => asm.load_v(8, Vreg(dst), mem),
            Storage::V128 => asm.load_v(16, Vreg(dst), mem),
            Storage::Func => {
                // Functions are in a table before it or behind it.
                asm.load(W32, to, mem);
                asm.alu_i(Alu::And, W32, Rm::Reg(to), FUNC_MASK as i32);
                asm.load(W64, to, Mem::indexed(base, to, 3, FUNCS_AT));
            }
        }
    }

    pub(crate) fn store_field(&mut self, storage: Storage, mem: Mem, reg: u8) {
        let from = Gpr(reg);
        let asm = self.asm();
        match storage {
            Storage::I8 => asm.store8(mem, from),
            Storage::I16 => asm.store16(mem, from),
            Storage::I32 | Storage::Ref | Storage::Func => asm.store(W32, mem, from),
            Storage::I64 => asm.store(W64, mem, from),
            Storage::F32 => asm.store_v(4, mem, Vreg(reg)),
            Storage::F64 => asm.store_v(8, mem, Vreg(reg)),
            Storage::V128 => asm.store_v(16, mem, Vreg(reg)),
        }
    }

    fn struct_get(&mut self, op: Op, ty: u32, field: u32) {
        let (storage, offset) = self.field_of(ty, field);
        if offset > MAX_CONST_OFFSET {
            self.by_runtime(op, ty, field).expect("the runtime carries it out");
            return;
        }
        let fields = self.input.module.types()[ty as usize].as_struct();
        let fields = fields.expect("validated: a structure type");
        let result = Ty::of(self.input.module, fields[field as usize].storage.unpacked());
        let object = self.pop_reg();
        let null = TrapCode::NullStructureReference;
        let faults = self.check_null(object.gpr(), offset, null);
        let base = self.heap_base();
        self.release(Bank::Int, object);
        let dst = self.alloc(result.bank());
        let mem = Mem::indexed(base, object.gpr(), 0, offset as i32);
        let mem = self.first_access(mem, storage.size(), faults.then_some(null));
        self.load_field(storage, op == Op::StructGetS, dst, base, mem);
        self.push_reg(result, dst);
    }

    fn struct_set(&mut self, ty: u32, field: u32) {
        let (storage, offset) = self.field_of(ty, field);
        if offset > MAX_CONST_OFFSET || storage == Storage::Func {
            self.by_runtime(Op::StructSet, ty, field).expect("the runtime carries it out");
            return;
        }
        let bank = self.top().ty.bank();
        let value = self.pop_reg();
        let object = self.pop_reg();
        let null = TrapCode::NullStructureReference;
        let first = if storage == Storage::Ref { object::OFF_WORD } else { offset };
        let faults = self.check_null(object.gpr(), first, null);
        let base = self.heap_base();
        let mem = Mem::indexed(base, object.gpr(), 0, offset as i32);
        let null = faults.then_some(null);
        if storage == Storage::Ref {
            self.barrier(base, object.gpr(), None, offset, null);
            self.store_field(storage, mem, value.reg);
        } else {
            let mem = self.first_access(mem, storage.size(), null);
            self.store_field(storage, mem, value.reg);
        }
        self.release(Bank::Int, object);
        self.release(bank, value);
    }

    /// Before a reference is stored into an object, at `offset` from the heap's base plus `element`, or from the object: calls the write barrier if the object is old.
    /// The heap's base is in `base`, before and after.
    /// Its first access may find that the reference is null.
    fn barrier(
        &mut self,
        base: Gpr,
        object: Gpr,
        element: Option<Gpr>,
        offset: u32,
        null: Option<TrapCode>,
    ) {
        let word = Mem::indexed(base, object, 0, object::OFF_WORD as i32);
        let word = self.first_access(word, 4, null);
        self.asm().test_i(W32, Rm::Mem(word), object::LOGGABLE as i32);
        let mut hot = Label::NEW;
        self.asm().jcc(Cc::E, &mut hot);
        // The thunk preserves all registers, so only those of its arguments must be kept.
        let saved = [M::C_PARAMS[2], M::C_PARAMS[1], M::C_PARAMS[0]];
        self.asm().push_all(&saved);
        match element {
            None => {
                self.asm().mov(W64, M::C_PARAMS[1], object);
                self.asm().mov_i(M::C_PARAMS[2], u64::from(offset));
            }
            Some(element) => {
                self.asm().mov(W64, M::TEMP, element);
                self.asm().alu(Alu::Sub, W32, M::TEMP, Rm::Reg(object));
                self.asm().mov(W64, M::C_PARAMS[1], object);
                self.asm().lea(W32, M::C_PARAMS[2], Mem::new(M::TEMP, offset as i32));
            }
        }
        self.asm().mov(W64, M::C_PARAMS[0], M::VMCTX);
        self.call_thunk(Builtin::barrier);
        self.call_site(self.wasm, None, false);
        self.asm().pop_all(&saved);
        if base == M::TEMP {
            self.load_heap_base(M::TEMP);
        }
        self.asm().bind(&mut hot);
    }

    // ------------------------------------------------------------------------------------------ arrays

    fn array_len(&mut self) {
        let object = self.pop_reg();
        let null = TrapCode::NullArrayReference;
        let faults = self.check_null(object.gpr(), object::OFF_LEN, null);
        let base = self.heap_base();
        self.release(Bank::Int, object);
        let dst = self.alloc_gpr();
        let len = Mem::indexed(base, object.gpr(), 0, object::OFF_LEN as i32);
        let len = self.first_access(len, 4, faults.then_some(null));
        self.asm().load(W32, dst, len);
        self.push_gpr(Ty::I32, dst);
    }

    /// Pops an index and an array, checks both, and computes where the element is from the heap's base: the array, that, the base's register.
    fn element(&mut self, size: u32) -> (Held, Gpr, Gpr) {
        let index = self.pop_reg();
        let object = self.pop_reg();
        let null = TrapCode::NullArrayReference;
        let faults = self.check_null(object.gpr(), object::OFF_LEN, null);
        let base = self.heap_base();
        let len = Mem::indexed(base, object.gpr(), 0, object::OFF_LEN as i32);
        let len = self.first_access(len, 4, faults.then_some(null));
        self.asm().alu(Alu::Cmp, W32, index.gpr(), Rm::Mem(len));
        self.trap_if(Cc::Ae, TrapCode::ArrayOutOfBounds);
        let element = self.alloc_gpr();
        // Wraps at 32 bits, so that it stays in the heap whatever the length was.
        if size == 16 {
            self.asm().mov(W32, element, index.gpr());
            self.asm().shift_i(Shift::Shl, W32, element, 4);
            self.asm().alu(Alu::Add, W32, element, Rm::Reg(object.gpr()));
        } else {
            let scale = size.trailing_zeros() as u8;
            let mem = Mem::indexed(object.gpr(), index.gpr(), scale, 0);
            self.asm().lea(W32, element, mem);
        }
        self.release(Bank::Int, index);
        (object, element, base)
    }

    fn array_get(&mut self, op: Op, ty: u32) {
        let (storage, offset) = self.field_of(ty, 0);
        let element = self.input.module.types()[ty as usize].as_array();
        let element = element.expect("validated: an array type").storage.unpacked();
        let result = Ty::of(self.input.module, element);
        let (object, element, base) = self.element(storage.size());
        self.release(Bank::Int, object);
        self.free_gpr(element);
        let dst = self.alloc(result.bank());
        let mem = Mem::indexed(base, element, 0, offset as i32);
        self.load_field(storage, op == Op::ArrayGetS, dst, base, mem);
        self.push_reg(result, dst);
    }

    fn array_set(&mut self, ty: u32) {
        let (storage, offset) = self.field_of(ty, 0);
        if storage == Storage::Func {
            self.by_runtime(Op::ArraySet, ty, 0).expect("the runtime carries it out");
            return;
        }
        let bank = self.top().ty.bank();
        let value = self.pop_reg();
        let (object, element, base) = self.element(storage.size());
        if storage == Storage::Ref {
            self.barrier(base, object.gpr(), Some(element), offset, None);
        }
        let mem = Mem::indexed(base, element, 0, offset as i32);
        self.store_field(storage, mem, value.reg);
        self.release(Bank::Int, object);
        self.free_gpr(element);
        self.release(bank, value);
    }

    // ------------------------------------------------------------------------------------------ tests of types

    /// Whether the topmost reference, which stays, has a type: a register that is 1 or 0.
    fn test(&mut self, code: u32, flags: u32) -> Gpr {
        let nullable = flags & CAST_NULLABLE != 0;
        let entry = self.top();
        match heap_type_of_code(code) {
            HeapType::Concrete(ty) if entry.ty == Ty::Any => self.test_object(ty, nullable),
            HeapType::I31 => self.test_i31(nullable),
            _ => {
                self.spill_all();
                let val = self.val_of(&self.top());
                match val {
                    Val::Const(bits) => self.store_const(Ty::I64, Mem::new(M::SP, 0), bits),
                    other => self.val_to_mem(Ty::I64, Mem::new(M::SP, 0), other),
                }
                self.out_size = self.out_size.max(16);
                let op = if nullable { Op::RefTestNullable } else { Op::RefTestNonNull };
                self.call_gc(op, code, flags);
                let dst = self.alloc_gpr();
                self.asm().load(W32, dst, Mem::new(M::SP, 0));
                dst
            }
        }
    }

    /// The topmost reference, which stays, in a register.
    fn top_in_reg(&mut self) -> Gpr {
        let ty = self.top().ty;
        let reg = self.pop_own();
        self.push_reg(ty, reg);
        // Not to be spilled while it is looked at.
        self.banks[0].locked |= 1 << reg;
        Gpr(reg)
    }

    fn test_i31(&mut self, nullable: bool) -> Gpr {
        let reference = self.top_in_reg();
        let dst = self.alloc_gpr();
        self.asm().mov(W32, dst, reference);
        self.asm().alu_i(Alu::And, W32, Rm::Reg(dst), 1);
        if nullable {
            self.asm().test(W64, reference, reference);
            self.asm().set_bool(Cond::Cc(Cc::E), M::TEMP);
            self.asm().alu(Alu::Or, W32, dst, Rm::Reg(M::TEMP));
        }
        dst
    }

    fn test_object(&mut self, ty: u32, nullable: bool) -> Gpr {
        let module = self.input.module;
        let reference = self.top_in_reg();
        let (dst, id) = (self.alloc_gpr(), self.alloc_gpr());
        let (mut yes, mut done) = (Label::NEW, Label::NEW);
        let asm = self.asm();
        asm.mov_i(dst, u64::from(nullable));
        asm.test(W64, reference, reference);
        asm.jcc(Cc::E, &mut done);
        asm.mov_i(dst, 0);
        asm.test_i(W32, Rm::Reg(reference), 7);
        asm.jcc(Cc::Ne, &mut done);
        let base = self.heap_base();
        let actual = Mem::indexed(base, reference, 0, object::OFF_TYPE as i32);
        let asm = self.asm();
        asm.load(W32, id, actual);
        asm.load(W64, M::TEMP, Mem::new(M::VMCTX, VmCtx::OFF_TYPE_IDS as i32));
        asm.load(W32, M::TEMP, Mem::new(M::TEMP, ty as i32 * 4));
        asm.alu(Alu::Cmp, W32, id, Rm::Reg(M::TEMP));
        if module.types()[ty as usize].is_final {
            asm.jcc(Cc::Ne, &mut done);
        } else {
            asm.jcc(Cc::E, &mut yes);
            self.supertype_at(id, module.type_depth(TypeIndex::from_u32(ty)));
            self.asm().alu(Alu::Cmp, W32, id, Rm::Reg(M::TEMP));
            self.asm().jcc(Cc::Ne, &mut done);
        }
        self.asm().bind(&mut yes);
        self.asm().mov_i(dst, 1);
        self.asm().bind(&mut done);
        self.free_gpr(id);
        dst
    }

    fn br_on_cast(&mut self, op: Op, label: u32, to: RefType) {
        let flags = if to.nullable { CAST_NULLABLE } else { 0 };
        let tested = self.test(heap_type_code(to.heap), flags);
        self.asm().test(W32, tested, tested);
        self.free_gpr(tested);
        let cc = if op == Op::BrOnCast { Cc::Ne } else { Cc::E };
        self.branch_if(Cond::Cc(cc), label);
    }
}
