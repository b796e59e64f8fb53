//! Owns access to structures, arrays and `i31`, and what keeps references to objects where the collector finds them.
//! Does not own allocation (`allocation`), tests of types (`casts`), nor which references are live at a safepoint (`sterna_opt::roots`).
//!
//! A reference that is live across some safepoint has a *home*: a stack slot that it is stored to where it is defined and loaded
//! from in every block that uses it. At a safepoint the homes of the live ones are in the call's stack map, and the collector
//! changes them there. A loaded value is never used beyond a safepoint, since a block ends there.
//!
//! The first access to an object finds out whether the reference is null: it faults then, unless checks are to be explicit.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, BlockArg, InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, UserStackMapEntry,
    types,
};
use sterna_abi::gc::{
    AllocArea, FUNC_MASK, FUNCS_AT, MAX_CONST_OFFSET, NULL_GUARD, ObjectLayout, Storage, object,
};
use sterna_abi::{Builtin, FuncRef, StoreCtx};
use sterna_isa::{Op, TrapCode};
use sterna_opt::{Inst, Value};

use super::{Lower, clif_type};
use crate::artifact::clif_trap;

/// The object of an operator, and how one of its fields or elements is stored.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Address to which `offset` is added.
    pub address: ir::Value,
    pub offset: u32,
    pub storage: Storage,
    /// Of an access to it.
    pub flags: MemFlagsData,
}

impl Lower<'_> {
    // ------------------------------------------------------------------------------------------ homes

    /// Gives a graph value its CLIF value, and a kept one its home.
    pub(super) fn define(&mut self, value: Value, made: ir::Value) {
        if !self.cx.roots.is_kept(value) {
            self.cx.values[value.index()].value = made.as_u32();
            return;
        }
        let home = self.home(value);
        self.pos.ins().stack_store(types::I64, made, home, 0);
        let lowered = &mut self.cx.values[value.index()];
        lowered.cached = made.as_u32();
        lowered.cached_in = self.block.as_u32();
    }

    /// Loads a kept reference.
    pub(super) fn load_home(&mut self, value: Value) -> ir::Value {
        let home = self.home(value);
        self.pos.ins().stack_load(types::I64, types::I64, home, 0)
    }

    pub(super) fn home(&mut self, value: Value) -> ir::StackSlot {
        *self.cx.homes.entry(value).or_insert_with(|| {
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 8, 3);
            self.pos.func.create_sized_stack_slot(data)
        })
    }

    /// Makes a call the safepoint of an instruction.
    pub(super) fn safepoint(&mut self, inst: Inst, call: ir::Inst) {
        for at in 0..self.cx.roots.at(inst).len() {
            let slot = self.home(self.cx.roots.at(inst)[at]);
            let entry = UserStackMapEntry { ty: types::I64, slot, offset: 0 };
            self.pos.func.dfg.append_user_stack_map_entry(call, entry);
        }
    }

    /// Ends the block after a safepoint, unless it kept nothing.
    pub(super) fn end_safepoint(&mut self, inst: Inst) {
        if !self.cx.roots.at(inst).is_empty() {
            let next = self.new_block();
            self.pos.ins().jump(next, &[]);
            self.open(next);
        }
    }

    // ------------------------------------------------------------------------------------------ operators

    /// Lowers an operator of class Gc.
    pub(super) fn object(&mut self, op: Op, inst: Inst) {
        match op {
            Op::RefI31 => {
                let value = self.arg(inst, 0);
                let shifted = self.pos.ins().ishl_imm_u(value, 1);
                let tagged = self.pos.ins().bor_imm_u(shifted, 1);
                let reference = self.pos.ins().uextend(types::I64, tagged);
                self.set(inst, reference);
            }
            Op::I31GetS | Op::I31GetU => self.i31_get(op, inst),
            Op::AnyConvertExtern | Op::ExternConvertAny => {
                let reference = self.arg(inst, 0);
                self.set(inst, reference);
            }
            Op::StructGet | Op::StructGetS | Op::StructGetU => match self.field(inst) {
                Some(place) => self.load_place(place, op == Op::StructGetS, inst),
                None => self.builtin_gc(op, inst),
            },
            Op::StructSet => match self.field(inst) {
                Some(place) => self.store_place(place, inst, 1),
                None => self.builtin_gc(op, inst),
            },
            Op::ArrayLen => {
                let (_, len) = self.array(inst, 0);
                self.set(inst, len);
            }
            Op::ArrayGet | Op::ArrayGetS | Op::ArrayGetU => {
                let place = self.element(inst);
                self.load_place(place, op == Op::ArrayGetS, inst);
            }
            Op::ArraySet => {
                let place = self.element(inst);
                self.store_place(place, inst, 2);
            }
            Op::StructNew | Op::StructNewDefault | Op::ArrayNewFixed => self.new_inline(op, inst),
            Op::ArrayNew | Op::ArrayNewDefault => self.new_array(op, inst),
            Op::ArrayCopy => self.copy_array(inst),
            Op::RefTestNonNull | Op::RefTestNullable | Op::RefCastNonNull | Op::RefCastNullable => {
                self.cast_or_test(op, inst);
            }
            _ => self.builtin_gc(op, inst),
        }
    }

    fn i31_get(&mut self, op: Op, inst: Inst) {
        let reference = self.arg(inst, 0);
        self.trap_if_null(reference, TrapCode::NullI31Reference);
        let low = self.pos.ins().ireduce(types::I32, reference);
        let value = match op {
            Op::I31GetS => self.pos.ins().sshr_imm_u(low, 1),
            _ => self.pos.ins().ushr_imm_u(low, 1),
        };
        self.set(inst, value);
    }

    /// The layout of the type in an instruction's first immediate.
    pub(super) fn layout_of(&self, inst: Inst) -> ObjectLayout {
        let (ty, _) = self.input.graph.inst(inst).index2();
        let module = self.input.module;
        let layout = ObjectLayout::of(&module.types()[ty as usize], |ty| module.is_func_heap(ty));
        layout.expect("validated: a structure or array type")
    }

    pub(super) fn heap_base(&mut self) -> ir::Value {
        // Constant: the heap is made before the first instance of a module that touches it, and stays where it is.
        let store = self.store_ctx();
        let offset = StoreCtx::OFF_HEAP + AllocArea::OFF_BASE;
        self.pos.ins().load(types::I64, self.flags.constant, store, offset as i32)
    }

    /// The address of the object that an operand refers to, and flags for the first access to it, which is at `offset` and traps if the
    /// reference is null.
    pub(super) fn object_address(
        &mut self,
        inst: Inst,
        operand: usize,
        offset: u32,
        null: TrapCode,
    ) -> (ir::Value, MemFlagsData) {
        let reference = self.arg(inst, operand);
        let mut flags = self.flags.objects;
        // Below the guard it lies wholly in the guard.
        if self.input.settings.explicit_checks || offset >= NULL_GUARD - 16 {
            self.trap_if_null(reference, null);
        } else {
            flags = flags.with_trap_code(Some(clif_trap(null)));
        }
        let base = self.heap_base();
        (self.pos.ins().iadd(base, reference), flags)
    }

    /// The address of the array that an operand refers to, and its length.
    pub(super) fn array(&mut self, inst: Inst, operand: usize) -> (ir::Value, ir::Value) {
        let null = TrapCode::NullArrayReference;
        let (array, flags) = self.object_address(inst, operand, object::OFF_LEN, null);
        (array, self.pos.ins().load(types::I32, flags, array, object::OFF_LEN as i32))
    }

    /// The field of `struct.get` and `struct.set`; `None` if the runtime must see to it.
    fn field(&mut self, inst: Inst) -> Option<Place> {
        let (_, field) = self.input.graph.inst(inst).index2();
        let layout = self.layout_of(inst);
        let (storage, offset) = (layout.storage[field as usize], layout.offsets[field as usize]);
        if offset > MAX_CONST_OFFSET {
            return None;
        }
        let null = TrapCode::NullStructureReference;
        let (address, flags) = self.object_address(inst, 0, offset, null);
        Some(Place { address, offset, storage, flags })
    }

    /// The element of `array.get` and `array.set`, whose index is checked.
    fn element(&mut self, inst: Inst) -> Place {
        let layout = self.layout_of(inst);
        let storage = layout.storage[0];
        let (_, len) = self.array(inst, 0);
        let index = self.arg(inst, 1);
        let out = self.pos.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        self.trap_if(out, TrapCode::ArrayOutOfBounds);
        let address = self.element_address(inst, 0, index, storage);
        Place { address, offset: layout.layout.elements(), storage, flags: self.flags.objects }
    }

    /// The address to which the offset of the first element is added for the element at an index.
    pub(super) fn element_address(
        &mut self,
        inst: Inst,
        operand: usize,
        index: ir::Value,
        storage: Storage,
    ) -> ir::Value {
        let reference = self.arg(inst, operand);
        // Wraps at 32 bits, so that it stays in the heap whatever the length was.
        let scaled = self.pos.ins().imul_imm_u(index, i64::from(storage.size()));
        let low = self.pos.ins().ireduce(types::I32, reference);
        let offset = self.pos.ins().iadd(low, scaled);
        let offset = self.pos.ins().uextend(types::I64, offset);
        let base = self.heap_base();
        self.pos.ins().iadd(base, offset)
    }

    // ------------------------------------------------------------------------------------------ loads and stores

    fn load_place(&mut self, place: Place, signed: bool, inst: Inst) {
        let value = self.load_value(place, signed);
        self.set(inst, value);
    }

    pub(super) fn load_value(&mut self, place: Place, signed: bool) -> ir::Value {
        let Place { address, offset, storage, flags } = place;
        let offset = offset as i32;
        let ins = self.pos.ins();
        match storage {
            Storage::I8 if signed => ins.sload8(types::I32, flags, address, offset),
            Storage::I8 => ins.uload8(types::I32, flags, address, offset),
            Storage::I16 if signed => ins.sload16(types::I32, flags, address, offset),
            Storage::I16 => ins.uload16(types::I32, flags, address, offset),
            Storage::I32 => ins.load(types::I32, flags, address, offset),
            Storage::I64 => ins.load(types::I64, flags, address, offset),
            Storage::F32 => ins.load(types::F32, flags, address, offset),
            Storage::F64 => ins.load(types::F64, flags, address, offset),
            Storage::V128 => ins.load(types::I8X16, flags, address, offset),
            Storage::Ref => ins.uload32(flags, address, offset),
            Storage::Func => {
                let index = ins.uload32(flags, address, offset);
                self.func_at(index)
            }
        }
    }

    /// The function reference that an index in a field stands for.
    fn func_at(&mut self, index: ir::Value) -> ir::Value {
        let index = self.pos.ins().band_imm_u(index, i64::from(FUNC_MASK));
        let offset = self.pos.ins().ishl_imm_u(index, 3);
        let base = self.heap_base();
        let entry = self.pos.ins().iadd(base, offset);
        self.pos.ins().load(types::I64, self.flags.context, entry, FUNCS_AT)
    }

    /// What stands for a function reference in fields, as a number of 64 bits.
    fn func_index(&mut self, func: ir::Value) -> ir::Value {
        let (some, new, done) = (self.new_block(), self.new_cold_block(), self.new_block());
        let index = self.pos.func.dfg.append_block_param(done, types::I64);
        self.pos.ins().brif(func, some, &[], done, &[BlockArg::Value(func)]);
        self.open(some);
        let flags = self.flags.tables;
        let known = self.pos.ins().uload32(flags, func, FuncRef::OFF_HEAP_INDEX as i32);
        self.pos.ins().brif(known, done, &[BlockArg::Value(known)], new, &[]);
        self.open(new);
        let made = self.call_builtin(Builtin::intern_func, &[func]);
        self.pos.ins().jump(done, &[BlockArg::Value(made)]);
        self.open(done);
        index
    }

    /// Stores the operand at position `operand`; references with the write barrier.
    fn store_place(&mut self, place: Place, inst: Inst, operand: usize) {
        if place.storage != Storage::Ref {
            let value = self.field_operand(inst, operand, place.storage);
            return self.store_value(place, value);
        }
        let loggable = self.is_loggable(inst, 0, place.flags);
        let (cold, hot) = (self.new_cold_block(), self.new_block());
        self.pos.ins().brif(loggable, cold, &[], hot, &[]);
        self.open(cold);
        let object = self.arg(inst, 0);
        let base = self.heap_base();
        let start = self.pos.ins().iadd(base, object);
        let distance = self.pos.ins().isub(place.address, start);
        let offset = self.pos.ins().iadd_imm_u(distance, i64::from(place.offset));
        self.call_preserving(Builtin::barrier, &[object, offset], None);
        self.pos.ins().jump(hot, &[]);
        self.open(hot);
        let value = self.arg(inst, operand);
        self.store_value(Place { flags: self.flags.objects, ..place }, value);
    }

    /// Whether a store of a reference into the object of an operand needs the write barrier: not zero.
    pub(super) fn is_loggable(
        &mut self,
        inst: Inst,
        operand: usize,
        flags: MemFlagsData,
    ) -> ir::Value {
        let reference = self.arg(inst, operand);
        let base = self.heap_base();
        let header = self.pos.ins().iadd(base, reference);
        let word = self.pos.ins().load(types::I32, flags, header, object::OFF_WORD as i32);
        self.pos.ins().band_imm_u(word, i64::from(object::LOGGABLE))
    }

    /// An operand as a field holds it.
    pub(super) fn field_operand(&mut self, inst: Inst, at: usize, storage: Storage) -> ir::Value {
        let value = self.arg(inst, at);
        if storage == Storage::Func { self.func_index(value) } else { value }
    }

    pub(super) fn store_value(&mut self, place: Place, value: ir::Value) {
        let Place { address, offset, storage, flags } = place;
        let value = self.canonical(value);
        let offset = offset as i32;
        let ins = self.pos.ins();
        match storage {
            Storage::I8 => ins.istore8(flags, value, address, offset),
            Storage::I16 => ins.istore16(flags, value, address, offset),
            Storage::Ref | Storage::Func => ins.istore32(flags, value, address, offset),
            _ => ins.store(flags, value, address, offset),
        };
    }

    // ------------------------------------------------------------------------------------------ by the runtime

    /// Has the runtime carry out an instruction.
    pub(super) fn builtin_gc(&mut self, op: Op, inst: Inst) {
        if let Some(result) = self.call_gc(Builtin::gc, op, inst) {
            self.end_safepoint(inst);
            self.set(inst, result);
        }
    }

    /// Puts the operands into slots and calls builtin `gc` or `gc_slow`; the result, if there is one.
    pub(super) fn call_gc(&mut self, builtin: Builtin, op: Op, inst: Inst) -> Option<ir::Value> {
        let graph = self.input.graph;
        let area = self.operands_in_slots(inst);
        let (a, b) = graph.inst(inst).index2();
        let [number, a, b] =
            [op as u32, a, b].map(|imm| self.pos.ins().iconst(types::I32, i64::from(imm)));
        let operands = self.pos.ins().stack_addr(types::I64, area, 0);
        let args = [number, a, b, operands];
        match builtin {
            Builtin::gc => {
                self.call_builtin_at(builtin, &args, Some(inst));
            }
            _ => self.call_preserving(builtin, &args, Some(inst)),
        }
        let result = graph.results(inst).next()?;
        let ty = clif_type(graph.ty(result));
        Some(self.pos.ins().stack_load(types::I64, ty, area, 0))
    }

    /// Puts the operands of an instruction into slots, with room for a result.
    pub(super) fn operands_in_slots(&mut self, inst: Inst) -> ir::StackSlot {
        let graph = self.input.graph;
        let args = graph.args(inst);
        let slots: u32 = args.iter().map(|&arg| graph.ty(arg).val_type().slots() as u32).sum();
        let area = self.grow_operands(slots.max(2) * 8);
        let mut offset = 0;
        for (at, &arg) in args.iter().enumerate() {
            let value = self.arg(inst, at);
            let value = self.as_slots(value);
            self.pos.ins().stack_store(types::I64, value, area, offset);
            offset += graph.ty(arg).val_type().slots() as i32 * 8;
        }
        area
    }

    /// A value as it lies in slots: of 32 bits, zero-extended.
    fn as_slots(&mut self, value: ir::Value) -> ir::Value {
        let value = self.canonical(value);
        match self.pos.func.dfg.value_type(value) {
            types::I32 => self.pos.ins().uextend(types::I64, value),
            types::F32 => {
                let bits = self.cast(value, types::I32);
                self.pos.ins().uextend(types::I64, bits)
            }
            _ => value,
        }
    }

    /// The slot for operands of builtin `gc`, at least `size` bytes.
    pub(super) fn grow_operands(&mut self, size: u32) -> ir::StackSlot {
        let slot = *self.cached.operands.get_or_insert_with(|| {
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, size, 4);
            self.pos.func.create_sized_stack_slot(data)
        });
        let data = &mut self.pos.func.sized_stack_slots[slot];
        data.size = data.size.max(size);
        slot
    }
}
