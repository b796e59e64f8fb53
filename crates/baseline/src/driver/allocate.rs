//! Owns making small objects without a call: structures, and arrays whose elements are listed.
//! Does not own other allocations, which the runtime carries out (`gc`).
//!
//! An object is taken from the free part of the nursery; if there is no room, behind the function's code, the runtime makes it. It may move objects then: no
//! operand that stays is in a register if it is a reference, and caches of locals are loaded again. All else survives in registers.

use sterna_abi::gc::{AllocArea, Layout, MAX_INLINE_SIZE, ObjectLayout, Storage, object};
use sterna_abi::{Builtin, StoreCtx, VmCtx};
use sterna_isa::Op;

use super::values::{Held, Owner, Val};
use super::{Alu, Assembler, Cc, Gen, Gpr, Label, Machine, Mem, Rm, W32, W64};
use crate::stack::{Bank, Entry, Loc, Ty};

/// Most fields that are set here.
const MAX_FIELDS: usize = 24;
/// Most of them that stay in registers.
const MAX_HELD: u32 = 4;

/// An object for which there may be no room.
pub(crate) struct PendingNew {
    label: Label,
    back: Label,
    wasm: u32,
    /// The operator with its immediates.
    imm: [u32; 3],
    operands: Vec<(Ty, Val)>,
    result: Gpr,
    /// Registers with locals that the collector may change.
    cached: Vec<(u32, u8)>,
    roots: Option<u32>,
}

impl<M: Machine> Gen<'_, M> {
    /// `struct.new`, `struct.new_default` and `array.new_fixed` (of `len` elements), if the object is small; whether it was.
    pub(crate) fn new_inline(&mut self, op: Op, ty: u32, len: u32) -> bool {
        let module = self.input.module;
        let is_array = op == Op::ArrayNewFixed;
        let def = &module.types()[ty as usize];
        let count = def.as_struct().map_or(len as usize, <[_]>::len);
        if count > MAX_FIELDS {
            return false;
        }
        // Of each field, how it is stored, and its offset.
        let mut fields = [(Storage::I32, 0); MAX_FIELDS];
        let fields = &mut fields[..count];
        let found = ObjectLayout::fields(def, |ty| module.is_func_heap(ty));
        for (field, found) in fields.iter_mut().zip(found) {
            *field = found;
        }
        let size = match (is_array, fields.first()) {
            (false, _) => Layout::struct_size(fields.last().copied()).into(),
            (true, first) => {
                object::array_size(first.map_or(1, |(storage, _)| storage.size()), len)
            }
        };
        // Functions in fields are numbers that the runtime knows.
        let is_func = |(storage, _): &(Storage, u32)| *storage == Storage::Func;
        let has_funcs = op != Op::StructNewDefault && fields.iter().any(is_func);
        if size > u64::from(MAX_INLINE_SIZE) || has_funcs {
            return false;
        }
        let taken = if op == Op::StructNewDefault { 0 } else { count };
        let base = self.s.stack.len() - taken;
        let (new, other, pending) = self.take_room(base, size as u32, [op as u32, ty, len]);
        let heap = self.write_header(new, other, ty);
        if is_array {
            let at = Mem::indexed(heap, new, 0, object::OFF_LEN as i32);
            self.asm().store_i(4, at, len as i32);
        }
        for (at, &(storage, offset)) in fields.iter().enumerate() {
            self.s.asm.ensure(64);
            let to = Mem::indexed(heap, new, 0, offset as i32);
            match pending.operands.get(at) {
                Some(&(ty, val)) => self.init_field(storage, to, ty, val, other),
                None => self.init_field(storage, to, Ty::I64, Val::Const(0), other),
            }
        }
        let mut pending = pending;
        self.s.asm.bind(&mut pending.back);
        self.s.news.push(pending);
        self.truncate(base);
        self.free_gpr(other);
        self.push_gpr(Ty::Any, new);
        true
    }

    /// Takes `size` bytes for an object that is made of the operands from `base` on: the reference, and a register to work with.
    fn take_room(&mut self, base: usize, size: u32, imm: [u32; 3]) -> (Gpr, Gpr, PendingNew) {
        let mut held = 0;
        for at in 0..self.s.stack.len() {
            let entry = self.s.stack[at];
            if !matches!(entry.loc, Loc::Reg(_)) {
                continue;
            }
            let is_field = at >= base;
            held += u32::from(is_field);
            if (!is_field && entry.ty.is_object()) || held > MAX_HELD {
                self.s.asm.ensure(64);
                self.spill(at as u32);
            }
        }
        let (new, other) = (self.alloc_gpr(), self.alloc_gpr());
        let operand = |entry: &Entry| (entry.ty, self.val_of(entry));
        let operands = self.s.stack[base..].iter().map(operand).collect();
        let mut cached = Vec::new();
        let mut caches = self.banks[0].cached;
        while caches != 0 {
            let reg = caches.trailing_zeros() as u8;
            caches &= caches - 1;
            match self.banks[0].owner(reg) {
                Owner::Local(local) if self.s.locals[local as usize].ty.is_object() => {
                    cached.push((local, reg));
                }
                _ => {}
            }
        }
        let roots = self.record_roots();
        let wasm = self.wasm;
        let mut label = Label::NEW;
        let (next, limit) = (AllocArea::OFF_NEXT, AllocArea::OFF_LIMIT);
        let [next, limit] =
            [next, limit].map(|field| Mem::new(M::TEMP, (StoreCtx::OFF_HEAP + field) as i32));
        let asm = self.asm();
        asm.load(W64, M::TEMP, Mem::new(M::VMCTX, VmCtx::OFF_STORE as i32));
        asm.load(W32, new, next);
        // No overflow: the nursery ends far below 4 GiB.
        asm.lea(W32, other, Mem::new(new, size as i32));
        asm.alu(Alu::Cmp, W32, other, Rm::Mem(limit));
        asm.jcc(Cc::A, &mut label);
        asm.store(W32, next, other);
        let back = Label::NEW;
        (new, other, PendingNew { label, back, wasm, imm, operands, result: new, cached, roots })
    }

    /// Writes an object's header; the register that has the heap's base.
    fn write_header(&mut self, new: Gpr, other: Gpr, ty: u32) -> Gpr {
        let heap = self.heap_base();
        let asm = self.asm();
        asm.load(W64, other, Mem::new(M::VMCTX, VmCtx::OFF_TYPE_IDS as i32));
        asm.load(W32, other, Mem::new(other, ty as i32 * 4));
        asm.store(W64, Mem::indexed(heap, new, 0, object::OFF_TYPE as i32), other);
        heap
    }

    fn init_field(&mut self, storage: Storage, to: Mem, ty: Ty, val: Val, other: Gpr) {
        let reg = match val {
            Val::Reg(Held { reg, .. }) => reg,
            Val::Const(bits) if storage == Storage::V128 => {
                self.store_const(Ty::I64, to, bits);
                return self.store_const(Ty::I64, to.plus(8), 0);
            }
            Val::Const(bits) if storage.size() < 8 => {
                return self.asm().store_i(storage.size(), to, bits as i32);
            }
            Val::Const(bits) if i32::try_from(bits as i64).is_ok() => {
                return self.asm().store_i(8, to, bits as i32);
            }
            Val::Const(bits) => {
                self.asm().mov_i(other, bits);
                return self.asm().store(W64, to, other);
            }
            Val::Mem(mem) => {
                let reg = if ty.bank() == Bank::Int { other.0 } else { M::TEMP_V.0 };
                self.load_from(ty, reg, mem);
                reg
            }
        };
        self.store_field(storage, to, reg);
    }

    /// Emits what happens where there is no room.
    #[inline(never)]
    pub(crate) fn flush_news(&mut self) {
        let mut news = std::mem::take(&mut self.s.news);
        for mut new in news.drain(..) {
            self.s.asm.ensure(512 + 64 * (new.operands.len() + new.cached.len()));
            self.s.asm.bind(&mut new.label);
            let mut offset = 0;
            for &(ty, val) in &new.operands {
                self.operand_to_slot(ty, val, Mem::new(M::SP, offset));
                offset += ty.slots() as i32 * 8;
            }
            self.out_size = self.out_size.max(offset.max(16) as u32);
            let [op, a, b] = new.imm.map(u64::from);
            let asm = self.asm();
            // What the call takes for itself.
            let saved = [3, 2, 1, 0, 4].map(|at| M::C_PARAMS[at]);
            let pushed = asm.push_all(&saved);
            asm.mov(W64, M::C_PARAMS[0], M::VMCTX);
            asm.mov_i(M::C_PARAMS[1], op);
            asm.mov_i(M::C_PARAMS[2], a);
            asm.mov_i(M::C_PARAMS[3], b);
            asm.lea(W64, M::C_PARAMS[4], Mem::new(M::SP, pushed));
            self.call_thunk(Builtin::gc_slow);
            let code = self.s.asm.pos();
            let (wasm, roots) = (new.wasm, new.roots);
            self.s.sites.calls.push(sterna_abi::CallSite { code, wasm, state: None, roots });
            let asm = self.asm();
            asm.pop_all(&saved);
            asm.load(W64, new.result, Mem::new(M::SP, 0));
            for &(local, reg) in &new.cached {
                let home = self.local_home(local);
                self.load_from(self.s.locals[local as usize].ty, reg, home);
            }
            self.s.asm.jmp(&mut new.back);
        }
        self.s.news = news;
    }
}
