//! Owns translation of loads, stores and of the operators that are calls of the runtime.
//! Does not own their carrying out: `op::memory`, `op::builtin`.

use sterna_base::{MemoryIndex, TableIndex};
use sterna_isa::{Op, TrapCode, ValType};
use sterna_module::MemArg;

use super::Translator;
use super::fuse::Addend;
use super::stack::{Acc, Entry, Loc, Place, class};
use crate::op::builtin::{self, MEMORY_SIZE, TABLE_SIZE};
use crate::op::memory::{LoadForms, StoreForms, lane, load, load_sum, store};

/// How an access names its place.
enum Access {
    /// In memory 0: offset plus size.
    Near(u32),
    /// Anywhere: offset of the memory's slot in the vmctx, offset.
    Far(u32, u64),
    /// The same, in a shared memory: its length is not in the register, since other threads may change it, and its bytes are
    /// accessed atomically.
    Shared(u32, u64),
}

impl Translator<'_> {
    fn access_kind(&self, op: Op, memarg: MemArg) -> Access {
        let size = op.mem_type().map_or(0, |ty| ty.bytes());
        let memory = MemoryIndex::from_u32(memarg.memory);
        let shared = self.is_shared(memarg.memory);
        let near = memarg.memory == 0 && !self.source.module.memories()[0].is_64;
        match u32::try_from(memarg.offset.saturating_add(u64::from(size))) {
            _ if shared => Access::Shared(self.source.layout.memory(memory), memarg.offset),
            Ok(end) if near && memarg.offset <= u64::from(u32::MAX) => Access::Near(end),
            _ => Access::Far(self.source.layout.memory(memory), memarg.offset),
        }
    }

    fn is_shared(&self, memory: u32) -> bool {
        self.source.module.memories()[memory as usize].shared
    }

    /// A load or store.
    pub(super) fn access(&mut self, op: Op, memarg: MemArg) -> Result<(), TrapCode> {
        let access = self.access_kind(op, memarg);
        if let Some(forms) = load(op) {
            self.load(op, forms, access);
        } else if let Some(forms) = store(op) {
            self.store(forms, access);
        } else {
            return self.atomic(op, memarg);
        }
        Ok(())
    }

    /// The end offset with a constant address added, if that fits.
    fn absolute(end: u32, place: Place) -> Option<u32> {
        match place {
            Place::Const(bits) => end.checked_add(bits as u32),
            _ => None,
        }
    }

    fn load(&mut self, op: Op, forms: &LoadForms, access: Access) {
        let ty = match op.signature() {
            Some((_, [sterna_isa::Ty::I32])) => ValType::I32,
            Some((_, [sterna_isa::Ty::I64])) => ValType::I64,
            Some((_, [sterna_isa::Ty::F32])) => ValType::F32,
            Some((_, [sterna_isa::Ty::F64])) => ValType::F64,
            _ => ValType::V128,
        };
        let address = self.pop();
        if let (Access::Near(end), Some(forms)) = (&access, load_sum(op))
            && let Some(sum) = self.take_sum(forms, &address)
        {
            let pos = self.produce(ty, sum.dests, 24);
            self.asm.u16(pos, 10, sum.slot);
            self.asm.u32(pos, 12, *end);
            match sum.addend {
                Addend::Slot(slot) => self.asm.u16(pos, 16, slot),
                Addend::Immediate(value) => self.asm.u32(pos, 16, value),
            }
            return;
        }
        let place = self.place(&address);
        match access {
            Access::Near(end) => {
                let (pos, end) = match (Self::absolute(end, place), place) {
                    (Some(end), _) => (self.produce(ty, forms.i, 16), end),
                    (None, Place::Acc | Place::Slot { cached: true, .. }) => {
                        (self.produce(ty, forms.a, 16), end)
                    }
                    (None, _) => {
                        let slot = self.in_slot(&address);
                        let pos = self.produce(ty, forms.s, 16);
                        self.asm.u16(pos, 10, slot);
                        (pos, end)
                    }
                };
                self.asm.u32(pos, 12, end);
            }
            Access::Far(memory, offset) | Access::Shared(memory, offset) => {
                let shared = matches!(access, Access::Shared(..));
                let handler = if shared { forms.shared } else { forms.far };
                let slot = self.in_slot(&address);
                let pos = self.produce_in_slot(ty, handler, 24);
                self.asm.u16(pos, 10, slot);
                self.asm.u32(pos, 12, memory);
                self.asm.u64(pos, 16, offset);
            }
        }
    }

    fn store(&mut self, forms: &StoreForms, access: Access) {
        let value = self.pop();
        let address = self.pop();
        match access {
            Access::Near(end) => self.store_near(forms, &address, &value, end),
            Access::Far(memory, offset) | Access::Shared(memory, offset) => {
                let shared = matches!(access, Access::Shared(..));
                let handler = if shared { forms.shared } else { forms.far };
                let (address, value) = (self.in_slot(&address), self.in_slot(&value));
                let pos = self.emit(handler, 24);
                self.asm.u16(pos, 8, address);
                self.asm.u16(pos, 10, value);
                self.asm.u32(pos, 12, memory);
                self.asm.u64(pos, 16, offset);
            }
        }
    }

    fn store_near(&mut self, forms: &StoreForms, address: &Entry, value: &Entry, mut end: u32) {
        let mut from = self.place(value);
        if matches!(from, Place::Const(_)) && value.ty == ValType::V128 {
            from = Place::Slot { slot: self.in_slot(value), cached: false };
        }
        let base = self.place(address);
        // The integer accumulator cannot be address and value.
        let acc_taken = class(value.ty) == Some(0) && from == Place::Acc;
        let (values, slot) = match (Self::absolute(end, base), base) {
            (Some(absolute), _) => {
                end = absolute;
                (&forms.i, 0)
            }
            (None, Place::Acc) => (&forms.a, 0),
            (None, Place::Slot { cached: true, .. }) if !acc_taken => (&forms.a, 0),
            (None, _) => (&forms.s, self.in_slot(address)),
        };
        let address_in_acc = std::ptr::eq(values, &forms.a) && class(value.ty) == Some(0);
        let (handler, size) = match from {
            Place::Acc => (values.a, 16),
            Place::Slot { cached: true, .. } if !address_in_acc => (values.a, 16),
            Place::Slot { .. } => (values.s, 16),
            Place::Const(_) => (values.i, 24),
        };
        let pos = self.emit(handler, size);
        self.asm.u32(pos, 8, end);
        self.asm.u16(pos, 12, slot);
        match from {
            Place::Acc => {}
            Place::Slot { slot, .. } => self.asm.u16(pos, 14, slot),
            Place::Const(bits) => self.immediate(pos, 14, value.ty, bits),
        }
    }

    /// A load into a lane, a store from a lane.
    pub(super) fn lane_access(
        &mut self,
        op: Op,
        memarg: MemArg,
        index: u8,
    ) -> Result<(), TrapCode> {
        let handler = lane(op, self.is_shared(memarg.memory)).ok_or(TrapCode::Unsupported)?;
        let memory = self.source.layout.memory(MemoryIndex::from_u32(memarg.memory));
        let [address, vector, _] = self.pop_to_slots(2);
        let pos = match op.signature() {
            Some((_, [_])) => self.produce_in_slot(ValType::V128, handler, 32),
            _ => self.emit(handler, 32),
        };
        self.asm.u16(pos, 10, address);
        self.asm.u16(pos, 12, vector);
        self.asm.u16(pos, 14, u16::from(index));
        self.asm.u32(pos, 16, memory);
        self.asm.u64(pos, 24, memarg.offset);
        Ok(())
    }

    fn memory_type(&self, memory: u32) -> ValType {
        if self.source.module.memories()[memory as usize].is_64 {
            ValType::I64
        } else {
            ValType::I32
        }
    }

    fn table_type(&self, table: u32) -> ValType {
        if self.source.module.tables()[table as usize].is_64 { ValType::I64 } else { ValType::I32 }
    }

    /// An operator on memories, tables, segments or function references; `a` and `b` are its immediates.
    pub(super) fn builtin(&mut self, op: Op, a: u32, b: u32) -> Result<(), TrapCode> {
        let (operands, result) = match op {
            Op::MemorySize => {
                let memory = self.source.module.memories()[a as usize];
                let pos = self.produce(self.memory_type(a), MEMORY_SIZE, 16);
                self.asm.u16(pos, 10, memory.page_size_log2 as u16);
                self.asm.u32(pos, 12, self.source.layout.memory(MemoryIndex::from_u32(a)));
                return Ok(());
            }
            Op::TableSize => {
                let pos = self.produce(self.table_type(a), TABLE_SIZE, 16);
                self.asm.u32(pos, 12, self.source.layout.table(TableIndex::from_u32(a)));
                return Ok(());
            }
            Op::MemoryGrow => (1, Some(self.memory_type(a))),
            Op::TableGrow => (2, Some(self.table_type(a))),
            Op::TableGet => {
                (1, Some(ValType::Ref(self.source.module.tables()[a as usize].element)))
            }
            Op::TableSet => (2, None),
            Op::RefFunc => (0, Some(ValType::FUNCREF)),
            Op::DataDrop | Op::ElemDrop => (0, None),
            Op::MemoryFill
            | Op::MemoryCopy
            | Op::MemoryInit
            | Op::TableFill
            | Op::TableCopy
            | Op::TableInit => (3, None),
            _ => return Err(TrapCode::Unsupported),
        };
        let wide = result == Some(ValType::I64);
        let handler = builtin::handler(op, wide).ok_or(TrapCode::Unsupported)?;
        self.store_top(operands);
        let top = self.top();
        self.truncate((self.stack.len() - operands) as u32);
        let base = self.top();
        // The result may lie above operands: the frame must have room for it before the call.
        let top = top.max(base + 1);
        self.reach(top);
        let pos = self.emit(handler, 24);
        self.asm.u16(pos, 8, base as u16);
        self.asm.u16(pos, 10, top as u16);
        self.asm.u32(pos, 12, a);
        self.asm.u32(pos, 16, b);
        self.forget_accs();
        self.wrote(base, top - base);
        if let Some(ty) = result {
            self.push(ty, Loc::Temp);
            self.acc[0] = Acc::Slot(base);
        }
        Ok(())
    }
}
