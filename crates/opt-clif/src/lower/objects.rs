//! Owns the operators on structures, arrays and `i31`, and what keeps references to objects where the collector finds them.
//! Does not own tests of types (`casts`) nor which references are live at a safepoint (`sterna_opt::roots`).
//!
//! A reference that is live across some safepoint has a *home*: a stack slot that it is stored to where it is defined and loaded
//! from in every block that uses it. At a safepoint the homes of the live ones are in the call's stack map, and the collector
//! changes them there. A loaded value is never used beyond a safepoint, since a block ends there.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, BlockArg, InstBuilder, StackSlotData, StackSlotKind, UserStackMapEntry, types,
};
use sterna_abi::gc::{AllocArea, MAX_CONST_OFFSET, MAX_INLINE_SIZE, ObjectLayout, Storage, object};
use sterna_abi::{Builtin, StoreCtx};
use sterna_isa::{Op, TrapCode};
use sterna_opt::{Inst, Type, Value};

use super::{Lower, clif_type};

/// The object of an operator, and how one of its fields or elements is stored.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Address to which `offset` is added.
    pub address: ir::Value,
    pub offset: u32,
    pub storage: Storage,
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
                Some(place) => self.store_place(op, place, inst, 1),
                None => self.builtin_gc(op, inst),
            },
            Op::ArrayLen => {
                let array = self.object_address(inst, TrapCode::NullArrayReference);
                let len = self.load_len(array);
                self.set(inst, len);
            }
            Op::ArrayGet | Op::ArrayGetS | Op::ArrayGetU => match self.element(inst) {
                Some(place) => self.load_place(place, op == Op::ArrayGetS, inst),
                None => self.builtin_gc(op, inst),
            },
            Op::ArraySet => match self.element(inst) {
                Some(place) => self.store_place(op, place, inst, 2),
                None => self.builtin_gc(op, inst),
            },
            Op::StructNew | Op::StructNewDefault | Op::ArrayNewFixed => self.new_inline(op, inst),
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
    fn layout_of(&self, inst: Inst) -> ObjectLayout {
        let (ty, _) = self.input.graph.inst(inst).index2();
        let module = self.input.module;
        let layout = ObjectLayout::of(&module.types()[ty as usize], |ty| module.is_func_heap(ty));
        layout.expect("validated: a structure or array type")
    }

    pub(super) fn heap_base(&mut self) -> ir::Value {
        let store = self.store_ctx();
        let offset = StoreCtx::OFF_HEAP + AllocArea::OFF_BASE;
        // Not constant: the heap is made with the first object.
        self.pos.ins().load(types::I64, self.flags.context, store, offset as i32)
    }

    /// Checks the first operand for null; the address of the object.
    fn object_address(&mut self, inst: Inst, null: TrapCode) -> ir::Value {
        let reference = self.arg(inst, 0);
        self.trap_if_null(reference, null);
        let base = self.heap_base();
        self.pos.ins().iadd(base, reference)
    }

    fn load_len(&mut self, array: ir::Value) -> ir::Value {
        self.pos.ins().load(types::I32, self.flags.objects, array, object::OFF_LEN as i32)
    }

    /// The field of `struct.get` and `struct.set`; `None` if the runtime must see to it.
    fn field(&mut self, inst: Inst) -> Option<Place> {
        let (_, field) = self.input.graph.inst(inst).index2();
        let layout = self.layout_of(inst);
        let (storage, offset) = (layout.storage[field as usize], layout.offsets[field as usize]);
        if storage == Storage::Func || offset > MAX_CONST_OFFSET {
            return None;
        }
        let address = self.object_address(inst, TrapCode::NullStructureReference);
        Some(Place { address, offset, storage })
    }

    /// The element of `array.get` and `array.set`, whose index is checked.
    fn element(&mut self, inst: Inst) -> Option<Place> {
        let layout = self.layout_of(inst);
        let storage = layout.storage[0];
        if storage == Storage::Func {
            return None;
        }
        let reference = self.arg(inst, 0);
        let array = self.object_address(inst, TrapCode::NullArrayReference);
        let index = self.arg(inst, 1);
        let len = self.load_len(array);
        let out = self.pos.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        self.trap_if(out, TrapCode::ArrayOutOfBounds);
        // Wraps at 32 bits, so that it stays in the heap whatever the length was.
        let scaled = self.pos.ins().imul_imm_u(index, i64::from(storage.size()));
        let low = self.pos.ins().ireduce(types::I32, reference);
        let offset = self.pos.ins().iadd(low, scaled);
        let offset = self.pos.ins().uextend(types::I64, offset);
        let base = self.heap_base();
        let address = self.pos.ins().iadd(base, offset);
        Some(Place { address, offset: layout.layout.elements(), storage })
    }

    // ------------------------------------------------------------------------------------------ loads and stores

    fn load_place(&mut self, place: Place, signed: bool, inst: Inst) {
        let value = self.load_value(place, signed);
        self.set(inst, value);
    }

    pub(super) fn load_value(&mut self, place: Place, signed: bool) -> ir::Value {
        let Place { address, offset, storage } = place;
        let (flags, offset) = (self.flags.objects, offset as i32);
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
            Storage::Func => unreachable!("the runtime loads those"),
        }
    }

    /// Stores the operand at position `operand`; references with the write barrier.
    fn store_place(&mut self, op: Op, place: Place, inst: Inst, operand: usize) {
        if place.storage != Storage::Ref {
            let value = self.arg(inst, operand);
            return self.store_value(place, value);
        }
        let reference = self.arg(inst, 0);
        let base = self.heap_base();
        let header = self.pos.ins().iadd(base, reference);
        let flags = self.flags.objects;
        let word = self.pos.ins().load(types::I32, flags, header, object::OFF_WORD as i32);
        let loggable = self.pos.ins().band_imm_u(word, i64::from(object::LOGGABLE));
        let (cold, hot, next) = (self.new_cold_block(), self.new_block(), self.new_block());
        self.pos.ins().brif(loggable, cold, &[], hot, &[]);
        self.open(cold);
        self.builtin_gc(op, inst);
        self.pos.ins().jump(next, &[]);
        self.open(hot);
        let value = self.arg(inst, operand);
        self.store_value(place, value);
        self.pos.ins().jump(next, &[]);
        self.open(next);
    }

    pub(super) fn store_value(&mut self, place: Place, value: ir::Value) {
        let Place { address, offset, storage } = place;
        let value = self.canonical(value);
        let (flags, offset) = (self.flags.objects, offset as i32);
        let ins = self.pos.ins();
        match storage {
            Storage::I8 => ins.istore8(flags, value, address, offset),
            Storage::I16 => ins.istore16(flags, value, address, offset),
            Storage::Ref => ins.istore32(flags, value, address, offset),
            _ => ins.store(flags, value, address, offset),
        };
    }

    // ------------------------------------------------------------------------------------------ allocation

    /// Allocates `size` bytes from the free part of the nursery, and goes on where there is room. Returns the reference, the object's
    /// address, its header being written, and the block for when there is no room.
    pub(super) fn bump(&mut self, size: u32, id: ir::Value) -> (ir::Value, ir::Value, ir::Block) {
        let (hot, cold) = (self.new_block(), self.new_cold_block());
        let store = self.store_ctx();
        let flags = self.flags.context;
        let at_next = (StoreCtx::OFF_HEAP + AllocArea::OFF_NEXT) as i32;
        let at_limit = (StoreCtx::OFF_HEAP + AllocArea::OFF_LIMIT) as i32;
        let new = self.pos.ins().load(types::I32, flags, store, at_next);
        let limit = self.pos.ins().load(types::I32, flags, store, at_limit);
        // No overflow: the nursery ends far below 4 GiB.
        let end = self.pos.ins().iadd_imm_u(new, i64::from(size));
        let full = self.pos.ins().icmp(IntCC::UnsignedGreaterThan, end, limit);
        self.pos.ins().brif(full, cold, &[], hot, &[]);
        self.open(hot);
        self.pos.ins().store(flags, end, store, at_next);
        let new = self.pos.ins().uextend(types::I64, new);
        let base = self.heap_base();
        let address = self.pos.ins().iadd(base, new);
        let header = self.pos.ins().uextend(types::I64, id);
        let flags = self.flags.objects;
        self.pos.ins().store(flags, header, address, object::OFF_TYPE as i32);
        (new, address, cold)
    }

    /// Allocates from the free part of the nursery and fills in the fields; if there is none, the runtime does it all.
    fn new_inline(&mut self, op: Op, inst: Inst) {
        let layout = self.layout_of(inst);
        let (ty, len) = self.input.graph.inst(inst).index2();
        let array = op == Op::ArrayNewFixed;
        let size = match array {
            true => object::array_size(layout.layout.size(), len),
            false => u64::from(layout.layout.size()),
        };
        if layout.storage.contains(&Storage::Func) || size > u64::from(MAX_INLINE_SIZE) {
            return self.builtin_gc(op, inst);
        }
        let done = self.new_block();
        let result = self.pos.func.dfg.append_block_param(done, types::I64);
        let id = self.type_id(ty);
        let (new, address, cold) = self.bump(size as u32, id);
        if array {
            let len_value = self.pos.ins().iconst(types::I32, i64::from(len));
            let flags = self.flags.objects;
            self.pos.ins().store(flags, len_value, address, object::OFF_LEN as i32);
        }
        let count = if array { len as usize } else { layout.storage.len() };
        for at in 0..count {
            let (storage, offset) = match array {
                true => {
                    let storage = layout.storage[0];
                    (storage, layout.layout.elements() + at as u32 * storage.size())
                }
                false => (layout.storage[at], layout.offsets[at]),
            };
            let value = match op {
                Op::StructNewDefault => self.zero(storage),
                _ => self.arg(inst, at),
            };
            self.store_value(Place { address, offset, storage }, value);
        }
        self.pos.ins().jump(done, &[BlockArg::Value(new)]);
        self.open(cold);
        let made = self.call_gc(op, inst).expect("allocations have a result");
        self.pos.ins().jump(done, &[BlockArg::Value(made)]);
        self.open(done);
        self.set(inst, result);
    }

    fn zero(&mut self, storage: Storage) -> ir::Value {
        let ty = match storage {
            Storage::I8 | Storage::I16 | Storage::I32 => Type::I32,
            Storage::F32 => Type::F32,
            Storage::F64 => Type::F64,
            Storage::V128 => Type::V128,
            Storage::I64 | Storage::Ref | Storage::Func => Type::I64,
        };
        self.constant(ty, 0)
    }

    // ------------------------------------------------------------------------------------------ by the runtime

    /// Has the runtime carry out an instruction.
    pub(super) fn builtin_gc(&mut self, op: Op, inst: Inst) {
        if let Some(result) = self.call_gc(op, inst) {
            self.end_safepoint(inst);
            self.set(inst, result);
        }
    }

    /// Puts the operands into slots and calls builtin `gc`; the result, if there is one.
    fn call_gc(&mut self, op: Op, inst: Inst) -> Option<ir::Value> {
        let graph = self.input.graph;
        let area = self.operands_in_slots(inst);
        let (a, b) = graph.inst(inst).index2();
        let [number, a, b] =
            [op as u32, a, b].map(|imm| self.pos.ins().iconst(types::I32, i64::from(imm)));
        let operands = self.pos.ins().stack_addr(types::I64, area, 0);
        self.call_builtin_at(Builtin::gc, &[number, a, b, operands], Some(inst));
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
