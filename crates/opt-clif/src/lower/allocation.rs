//! Owns making objects without a call, and `array.copy` of few bytes.
//! Does not own access to single fields and elements (`objects`).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, BlockArg, InstBuilder, types};
use sterna_abi::gc::{AllocArea, MAX_INLINE_SIZE, Storage, object};
use sterna_abi::{Builtin, StoreCtx};
use sterna_isa::{Op, TrapCode};
use sterna_opt::{Inst, Type};

use super::Lower;
use super::objects::Place;

/// Most bytes that `array.copy` moves without a call.
const MAX_COPY: i64 = 256;
/// Where the elements begin that are set 8 bytes at a time; the length and 4 bytes of elements or padding lie before.
const WHOLE_WORDS: i32 = 16;

/// An object whose header is not written yet.
struct New {
    reference: ir::Value,
    address: ir::Value,
}

impl Lower<'_> {
    /// Takes `size` bytes, a number of 32 bits, from the free part of the nursery and goes on in the block `hot`; to `cold` if there is no room.
    fn take(&mut self, size: ir::Value, hot: ir::Block, cold: ir::Block) -> New {
        let store = self.store_ctx();
        let flags = self.flags.context;
        let at_next = (StoreCtx::OFF_HEAP + AllocArea::OFF_NEXT) as i32;
        let at_limit = (StoreCtx::OFF_HEAP + AllocArea::OFF_LIMIT) as i32;
        let new = self.pos.ins().load(types::I32, flags, store, at_next);
        let limit = self.pos.ins().load(types::I32, flags, store, at_limit);
        // No overflow: the nursery ends far below 4 GiB.
        let end = self.pos.ins().iadd(new, size);
        let full = self.pos.ins().icmp(IntCC::UnsignedGreaterThan, end, limit);
        self.pos.ins().brif(full, cold, &[], hot, &[]);
        self.open(hot);
        self.pos.ins().store(flags, end, store, at_next);
        let reference = self.pos.ins().uextend(types::I64, new);
        let base = self.heap_base();
        let address = self.pos.ins().iadd(base, reference);
        New { reference, address }
    }

    /// As [`Lower::take`] of a known size, and writes the header. Returns the reference, the object's address, and the block for when
    /// there is no room.
    pub(super) fn bump(&mut self, size: u32, id: ir::Value) -> (ir::Value, ir::Value, ir::Block) {
        let (hot, cold) = (self.new_block(), self.new_cold_block());
        let size = self.pos.ins().iconst(types::I32, i64::from(size));
        let new = self.take(size, hot, cold);
        self.write_header(&new, id);
        (new.reference, new.address, cold)
    }

    fn write_header(&mut self, new: &New, id: ir::Value) {
        let header = self.pos.ins().uextend(types::I64, id);
        self.pos.ins().store(self.flags.objects, header, new.address, object::OFF_TYPE as i32);
    }

    /// In block `cold`: has the runtime do it all. Ends an allocation, whose result is the parameter of `done`.
    fn finish_new(&mut self, op: Op, inst: Inst, cold: ir::Block, done: ir::Block) {
        self.open(cold);
        let made = self.call_gc(Builtin::gc_slow, op, inst).expect("allocations have a result");
        self.pos.ins().jump(done, &[BlockArg::Value(made)]);
        self.open(done);
        let result = self.pos.func.dfg.block_params(done)[0];
        self.set(inst, result);
    }

    /// Allocates an object of a known size and fills in the fields.
    pub(super) fn new_inline(&mut self, op: Op, inst: Inst) {
        let layout = self.layout_of(inst);
        let (ty, len) = self.input.graph.inst(inst).index2();
        let array = op == Op::ArrayNewFixed;
        let (count, size) = match array {
            true => (len as usize, object::array_size(layout.layout.size(), len)),
            false => (layout.storage.len(), u64::from(layout.layout.size())),
        };
        if size > u64::from(MAX_INLINE_SIZE) {
            return self.builtin_gc(op, inst);
        }
        let storage = |at: usize| layout.storage[if array { 0 } else { at }];
        let mut values = Vec::with_capacity(count);
        for at in 0..count {
            values.push(match op {
                Op::StructNewDefault => self.zero(storage(at)),
                _ => self.field_operand(inst, at, storage(at)),
            });
        }
        let done = self.new_block();
        self.pos.func.dfg.append_block_param(done, types::I64);
        let id = self.type_id(ty);
        let (new, address, cold) = self.bump(size as u32, id);
        let flags = self.flags.objects;
        if array {
            let len = self.pos.ins().iconst(types::I32, i64::from(len));
            self.pos.ins().store(flags, len, address, object::OFF_LEN as i32);
        }
        for (at, value) in values.into_iter().enumerate() {
            let storage = storage(at);
            let offset = match array {
                true => layout.layout.elements() + at as u32 * storage.size(),
                false => layout.offsets[at],
            };
            self.store_value(Place { address, offset, storage, flags }, value);
        }
        self.pos.ins().jump(done, &[BlockArg::Value(new)]);
        self.finish_new(op, inst, cold, done);
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

    // ------------------------------------------------------------------------------------------ arrays

    /// Allocates an array whose length is only known now, all elements alike: the header, then words of 8 bytes.
    pub(super) fn new_array(&mut self, op: Op, inst: Inst) {
        let layout = self.layout_of(inst);
        let storage = layout.storage[0];
        let (ty, _) = self.input.graph.inst(inst).index2();
        let pattern = match op {
            Op::ArrayNewDefault if storage != Storage::V128 => Some(self.iconst(0)),
            Op::ArrayNewDefault => None,
            _ => self.pattern(inst, storage),
        };
        let Some(pattern) = pattern else { return self.builtin_gc(op, inst) };
        let len = self.arg(inst, usize::from(op == Op::ArrayNew));
        let (small, hot) = (self.new_block(), self.new_block());
        let (cold, done) = (self.new_cold_block(), self.new_block());
        self.pos.func.dfg.append_block_param(done, types::I64);
        let elements = layout.layout.elements();
        let most = (MAX_INLINE_SIZE - elements) / storage.size();
        let large = self.pos.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, len, i64::from(most));
        self.pos.ins().brif(large, cold, &[], small, &[]);
        self.open(small);
        let bytes = self.pos.ins().imul_imm_u(len, i64::from(storage.size()));
        let bytes = self.pos.ins().iadd_imm_u(bytes, i64::from(elements + 7));
        let size = self.pos.ins().band_imm_u(bytes, i64::from(!7u32));
        let new = self.take(size, hot, cold);
        let id = self.type_id(ty);
        self.write_header(&new, id);
        let flags = self.flags.objects;
        let high = self.pos.ins().ushr_imm_u(pattern, 32);
        self.pos.ins().store(flags, len, new.address, object::OFF_LEN as i32);
        self.pos.ins().istore32(flags, high, new.address, object::OFF_LEN as i32 + 4);
        let size = self.pos.ins().uextend(types::I64, size);
        let end = self.pos.ins().iadd(new.address, size);
        self.fill_words(new.address, end, pattern);
        self.pos.ins().jump(done, &[BlockArg::Value(new.reference)]);
        self.finish_new(op, inst, cold, done);
    }

    /// Sets the words of an object from [`WHOLE_WORDS`] on to its end.
    fn fill_words(&mut self, object: ir::Value, end: ir::Value, pattern: ir::Value) {
        let (head, body, next) = (self.new_block(), self.new_block(), self.new_block());
        let at = self.pos.func.dfg.append_block_param(head, types::I64);
        let first = self.pos.ins().iadd_imm_u(object, i64::from(WHOLE_WORDS));
        self.pos.ins().jump(head, &[BlockArg::Value(first)]);
        self.open(head);
        let more = self.pos.ins().icmp(IntCC::UnsignedLessThan, at, end);
        self.pos.ins().brif(more, body, &[], next, &[]);
        self.open(body);
        self.pos.ins().store(self.flags.objects, pattern, at, 0);
        let after = self.pos.ins().iadd_imm_u(at, 8);
        self.pos.ins().jump(head, &[BlockArg::Value(after)]);
        self.open(next);
    }

    /// Eight bytes of elements equal to the first operand; `None` for those that are larger, or only known to the runtime.
    fn pattern(&mut self, inst: Inst, storage: Storage) -> Option<ir::Value> {
        if storage == Storage::V128 {
            return None;
        }
        let value = self.field_operand(inst, 0, storage);
        let bits = match storage {
            Storage::F32 => self.cast(value, types::I32),
            Storage::F64 => self.cast(value, types::I64),
            _ => value,
        };
        let bits = match self.pos.func.dfg.value_type(bits) {
            types::I32 => self.pos.ins().uextend(types::I64, bits),
            _ => bits,
        };
        let (mask, ones) = match storage.size() {
            1 => (0xff, 0x0101_0101_0101_0101),
            2 => (0xffff, 0x0001_0001_0001_0001),
            4 => (0xffff_ffff, 0x0000_0001_0000_0001),
            _ => return Some(bits),
        };
        let bits = self.pos.ins().band_imm_u(bits, mask);
        let ones = self.iconst(ones);
        Some(self.pos.ins().imul(bits, ones))
    }

    /// `array.copy`: of few bytes between different arrays a loop, else by the runtime.
    pub(super) fn copy_array(&mut self, inst: Inst) {
        let storage = self.layout_of(inst).storage[0];
        let elements = self.layout_of(inst).layout.elements() as i32;
        if self.is_cold || storage.size() > 8 {
            return self.builtin_gc(Op::ArrayCopy, inst);
        }
        let len = self.arg(inst, 4);
        let mut in_bounds = |array, start| {
            let (_, array_len) = self.array(inst, array);
            let start = self.arg(inst, start);
            let wide = [start, len, array_len].map(|v| self.pos.ins().uextend(types::I64, v));
            let end = self.pos.ins().iadd(wide[0], wide[1]);
            let out = self.pos.ins().icmp(IntCC::UnsignedGreaterThan, end, wide[2]);
            self.trap_if(out, TrapCode::ArrayOutOfBounds);
        };
        in_bounds(0, 1);
        in_bounds(2, 3);
        let (to, from) = (self.arg(inst, 0), self.arg(inst, 2));
        let most = MAX_COPY / i64::from(storage.size());
        let many = self.pos.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, len, most);
        let same = self.pos.ins().icmp(IntCC::Equal, to, from);
        let mut hard = self.pos.ins().bor(many, same);
        if storage == Storage::Ref {
            let loggable = self.is_loggable(inst, 0, self.flags.objects);
            let loggable = self.pos.ins().icmp_imm_u(IntCC::NotEqual, loggable, 0);
            hard = self.pos.ins().bor(hard, loggable);
        }
        let (easy, cold, next) = (self.new_block(), self.new_cold_block(), self.new_block());
        self.pos.ins().brif(hard, cold, &[], easy, &[]);
        self.open(cold);
        self.call_gc(Builtin::gc_slow, Op::ArrayCopy, inst);
        self.pos.ins().jump(next, &[]);
        self.open(easy);
        let [to_start, from_start] = [self.arg(inst, 1), self.arg(inst, 3)];
        let to = self.element_address(inst, 0, to_start, storage);
        let from = self.element_address(inst, 2, from_start, storage);
        let bytes = self.pos.ins().imul_imm_u(len, i64::from(storage.size()));
        let bytes = self.pos.ins().uextend(types::I64, bytes);
        let to = self.pos.ins().iadd_imm_u(to, i64::from(elements));
        let from = self.pos.ins().iadd_imm_u(from, i64::from(elements));
        self.copy_units(to, from, bytes, storage.size(), next);
        self.open(next);
    }

    /// Copies `bytes` bytes upwards: words as long as there are 8, then elements of `unit` bytes. Goes on in `next`.
    fn copy_units(
        &mut self,
        to: ir::Value,
        from: ir::Value,
        bytes: ir::Value,
        unit: u32,
        next: ir::Block,
    ) {
        let units = [(types::I64, 8), (unit_type(unit), i64::from(unit))];
        let count = if unit == 8 { 1 } else { 2 };
        let mut state = [to, from, bytes];
        for (at, (ty, size)) in units.into_iter().enumerate().take(count) {
            let (head, body, after) = (self.new_block(), self.new_block(), self.new_block());
            let params = [(); 3].map(|()| self.pos.func.dfg.append_block_param(head, types::I64));
            self.pos.ins().jump(head, &state.map(BlockArg::Value));
            self.open(head);
            let more =
                self.pos.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, params[2], size);
            let exit = if at + 1 == count { next } else { after };
            self.pos.ins().brif(more, body, &[], exit, &[]);
            self.open(body);
            let flags = self.flags.objects;
            let value = self.pos.ins().load(ty, flags, params[1], 0);
            self.pos.ins().store(flags, value, params[0], 0);
            let moved = [
                self.pos.ins().iadd_imm_u(params[0], size),
                self.pos.ins().iadd_imm_u(params[1], size),
                self.pos.ins().iadd_imm_s(params[2], -size),
            ];
            self.pos.ins().jump(head, &moved.map(BlockArg::Value));
            if at + 1 < count {
                self.open(after);
            }
            state = params;
        }
    }
}

fn unit_type(bytes: u32) -> types::Type {
    match bytes {
        1 => types::I8,
        2 => types::I16,
        4 => types::I32,
        _ => types::I64,
    }
}
