//! Owns accesses to linear memory: addresses, bounds, loads and stores of all widths, and the size of a memory.
//! Does not own operators on whole memories (`tables` calls the builtins).
//!
//! # Bounds
//! The access at `index + offset`, `size` bytes wide, must end at or before the memory's length. In order of preference:
//! 1. The index is a constant and the end is below the memory's minimum size, or the graph says that it is in bounds: nothing to do.
//! 2. A 32-bit memory of whole host pages in signal mode, `offset + size` within the guard region: the hardware checks.
//! 3. A 64-bit memory likewise: trap if the index is beyond the space reserved for it, unless the graph says that it is near; hardware checks the rest.
//! 4. `offset + size` is at most the minimum size: trap if `index > length - (offset + size)`, which cannot underflow.
//! 5. A 32-bit index: trap if `index + (offset + size) > length`, which cannot overflow in 64 bits.
//! 6. Otherwise the sum is checked for overflow too.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};
use sterna_abi::{MemoryDef, MemorySlot};
use sterna_base::MemoryIndex;
use sterna_isa::{MemType, Op, TrapCode};
use sterna_module::MemoryType;
use sterna_opt::{Inst, MemAccess, Value};

use super::Lower;

/// log2 of the smallest host page.
const HOST_PAGE_LOG2: u32 = 12;

/// A checked address: `base + offset`.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub base: ir::Value,
    pub offset: i32,
    pub flags: MemFlagsData,
}

impl Lower<'_> {
    pub(super) fn memory_type(&self, memory: u32) -> MemoryType {
        self.input.module.memories()[memory as usize]
    }

    fn memory_base(&mut self, memory: u32) -> ir::Value {
        if memory == 0
            && let Some(base) = self.cached.memory_base
        {
            return base;
        }
        let offset = self.layout.memory(MemoryIndex::from_u32(memory)) + MemorySlot::OFF_BASE;
        let base = self.prelude_load(self.vmctx, offset);
        if memory == 0 {
            self.cached.memory_base = Some(base);
        }
        base
    }

    fn memory_def(&mut self, memory: u32) -> ir::Value {
        let def = match (memory, self.cached.memory_def) {
            (0, Some(def)) => def,
            _ => {
                let offset =
                    self.layout.memory(MemoryIndex::from_u32(memory)) + MemorySlot::OFF_DEF;
                self.prelude_load(self.vmctx, offset)
            }
        };
        if memory == 0 {
            self.cached.memory_def = Some(def);
        }
        def
    }

    /// The current length in bytes.
    pub(super) fn memory_len(&mut self, memory: u32) -> ir::Value {
        let def = self.memory_def(memory);
        let ty = self.memory_type(memory);
        // Memories that cannot grow have one length for life. A shared one may grow while this loads: the aligned word is read whole, and
        // what was read stays in bounds, since memories never shrink. After synchronizing, atomic instructions being fences to
        // Cranelift, it is loaded again.
        let flags = if ty.max == Some(ty.min) { self.flags.constant } else { self.flags.context };
        self.pos.ins().load(types::I64, flags, def, MemoryDef::OFF_LEN as i32)
    }

    /// An index as 64 bits.
    pub(super) fn index64(&mut self, value: ir::Value) -> ir::Value {
        match self.pos.func.dfg.value_type(value) {
            types::I64 => value,
            _ => self.pos.ins().uextend(types::I64, value),
        }
    }

    /// Checks the bounds of an access, or leaves that to the hardware, and computes its address.
    fn address(&mut self, index: Value, access: MemAccess, size: u32) -> Address {
        self.address_with(index, access, size, true)
    }

    /// The same, but the address is in bounds once this code has run.
    pub(super) fn checked_address(
        &mut self,
        index: Value,
        access: MemAccess,
        size: u32,
    ) -> Address {
        self.address_with(index, access, size, false)
    }

    fn address_with(
        &mut self,
        index: Value,
        access: MemAccess,
        size: u32,
        by_hardware: bool,
    ) -> Address {
        let ty = self.memory_type(access.memory);
        let constant = self.input.graph.constant(index).map(|bits| bits as u64);
        let min = ty.min_bytes().unwrap_or(0);
        // `offset + size` as the end relative to the index; beyond 64 bits, nothing is in bounds.
        let span = access.offset.checked_add(u64::from(size));
        let mut flags = self.flags.heap;
        let end = constant.zip(span).and_then(|(index, span)| index.checked_add(span));
        let index = self.value(index);
        let index = self.index64(index);
        let mut out = None;
        if end.is_some_and(|end| end <= min) || access.in_bounds && !self.input.spectre_heap {
            flags = flags.with_notrap();
        } else if by_hardware && self.guarded(&ty, span) {
            if ty.is_64 && !access.is_near {
                self.check_reserved(index, access.memory);
            }
        } else {
            out = Some(self.check_bounds(index, access, span, min, ty.is_64));
            flags = flags.with_notrap();
        }
        let base = self.memory_base(access.memory);
        let mut address = self.pos.ins().iadd(base, index);
        if let Some(out) = out
            && self.input.spectre_heap
        {
            let null = self.iconst(0);
            address = self.pos.ins().select_spectre_guard(out, null, address);
        }
        match i32::try_from(access.offset) {
            Ok(offset) => Address { base: address, offset, flags },
            Err(_) => {
                let offset = self.iconst(access.offset as i64);
                Address { base: self.pos.ins().iadd(address, offset), offset: 0, flags }
            }
        }
    }

    /// Rules 2 and 3. Speculation goes no further than indices of 32 bits do.
    fn guarded(&self, ty: &MemoryType, span: Option<u64>) -> bool {
        let settings = self.input.settings;
        !(settings.explicit_checks || ty.is_64 && self.input.spectre_heap)
            && ty.page_size_log2 >= HOST_PAGE_LOG2
            && span.is_some_and(|span| span <= settings.guard_bytes)
    }

    /// Rule 3: traps unless an index is in the space that a memory can grow to.
    fn check_reserved(&mut self, index: ir::Value, memory: u32) {
        let def = self.memory_def(memory);
        let offset = MemoryDef::OFF_LIMIT as i32;
        let limit = self.pos.ins().load(types::I64, self.flags.constant, def, offset);
        let out = self.pos.ins().icmp(IntCC::UnsignedGreaterThan, index, limit);
        self.trap_if(out, TrapCode::MemoryOutOfBounds);
    }

    /// Rules 4 to 6. Returns the condition that has been trapped on.
    fn check_bounds(
        &mut self,
        index: ir::Value,
        access: MemAccess,
        span: Option<u64>,
        min: u64,
        is_64: bool,
    ) -> ir::Value {
        let out = match span {
            None => self.pos.ins().iconst(types::I8, 1),
            Some(span) => {
                let len = self.memory_len(access.memory);
                let span_value = self.iconst(span as i64);
                if span <= min {
                    let limit = self.pos.ins().isub(len, span_value);
                    self.pos.ins().icmp(IntCC::UnsignedGreaterThan, index, limit)
                } else if is_64 {
                    let (end, overflow) = self.pos.ins().uadd_overflow(index, span_value);
                    let beyond = self.pos.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
                    self.pos.ins().bor(overflow, beyond)
                } else {
                    let end = self.pos.ins().iadd(index, span_value);
                    self.pos.ins().icmp(IntCC::UnsignedGreaterThan, end, len)
                }
            }
        };
        self.trap_if(out, TrapCode::MemoryOutOfBounds);
        out
    }

    fn access_address(&mut self, op: Op, inst: Inst) -> Address {
        let size = op.mem_type().expect("memory accesses have a width").bytes();
        let access = self.input.graph.access(inst);
        let index = self.input.graph.args(inst)[0];
        self.address(index, access, size)
    }

    /// Lowers an operator of class Load.
    // tidy: dispatch
    pub(super) fn load(&mut self, op: Op, inst: Inst) {
        use Op::*;
        let at @ Address { base, offset, flags } = self.access_address(op, inst);
        let ins = self.pos.ins();
        let value = match op {
            I32Load => ins.load(types::I32, flags, base, offset),
            I64Load => ins.load(types::I64, flags, base, offset),
            F32Load => ins.load(types::F32, flags, base, offset),
            F64Load => ins.load(types::F64, flags, base, offset),
            I32Load8S => ins.sload8(types::I32, flags, base, offset),
            I32Load8U => ins.uload8(types::I32, flags, base, offset),
            I32Load16S => ins.sload16(types::I32, flags, base, offset),
            I32Load16U => ins.uload16(types::I32, flags, base, offset),
            I64Load8S => ins.sload8(types::I64, flags, base, offset),
            I64Load8U => ins.uload8(types::I64, flags, base, offset),
            I64Load16S => ins.sload16(types::I64, flags, base, offset),
            I64Load16U => ins.uload16(types::I64, flags, base, offset),
            I64Load32S => ins.sload32(flags, base, offset),
            I64Load32U => ins.uload32(flags, base, offset),
            V128Load => ins.load(types::I8X16, flags, base, offset),
            V128Load8x8S => ins.sload8x8(flags, base, offset),
            V128Load8x8U => ins.uload8x8(flags, base, offset),
            V128Load16x4S => ins.sload16x4(flags, base, offset),
            V128Load16x4U => ins.uload16x4(flags, base, offset),
            V128Load32x2S => ins.sload32x2(flags, base, offset),
            V128Load32x2U => ins.uload32x2(flags, base, offset),
            V128Load8Splat => self.load_splat(at, types::I8X16),
            V128Load16Splat => self.load_splat(at, types::I16X8),
            V128Load32Splat => self.load_splat(at, types::I32X4),
            V128Load64Splat => self.load_splat(at, types::I64X2),
            V128Load32Zero => self.load_zero(at, types::I32X4),
            V128Load64Zero => self.load_zero(at, types::I64X2),
            _ => unreachable!("{op} is no load"),
        };
        self.set(inst, value);
    }

    fn load_splat(&mut self, at: Address, ty: types::Type) -> ir::Value {
        let lane = self.pos.ins().load(ty.lane_type(), at.flags, at.base, at.offset);
        self.pos.ins().splat(ty, lane)
    }

    fn load_zero(&mut self, at: Address, ty: types::Type) -> ir::Value {
        let lane = self.pos.ins().load(ty.lane_type(), at.flags, at.base, at.offset);
        self.pos.ins().scalar_to_vector(ty, lane)
    }

    /// Lowers an operator of class Store.
    pub(super) fn store(&mut self, op: Op, inst: Inst) {
        let value = self.arg(inst, 1);
        let Address { base, offset, flags } = self.access_address(op, inst);
        let wide = self.pos.func.dfg.value_type(value).bytes();
        let width = op.mem_type().expect("stores have a width").bytes();
        match width {
            1 => self.pos.ins().istore8(flags, value, base, offset),
            2 => self.pos.ins().istore16(flags, value, base, offset),
            4 if wide == 8 => self.pos.ins().istore32(flags, value, base, offset),
            _ => self.pos.ins().store(flags, value, base, offset),
        };
    }

    /// Lowers an operator of class LoadLane.
    pub(super) fn load_lane(&mut self, op: Op, inst: Inst) {
        let ty = lanes(op);
        let lane = self.input.graph.access(inst).lane;
        let Address { base, offset, flags } = self.access_address(op, inst);
        let vector = self.arg(inst, 1);
        let vector = self.cast(vector, ty);
        let element = self.pos.ins().load(ty.lane_type(), flags, base, offset);
        let value = self.pos.ins().insertlane(vector, element, lane);
        self.set(inst, value);
    }

    /// Lowers an operator of class StoreLane.
    pub(super) fn store_lane(&mut self, op: Op, inst: Inst) {
        let ty = lanes(op);
        let lane = self.input.graph.access(inst).lane;
        let vector = self.arg(inst, 1);
        let vector = self.cast(vector, ty);
        let Address { base, offset, flags } = self.access_address(op, inst);
        let element = self.pos.ins().extractlane(vector, lane);
        self.pos.ins().store(flags, element, base, offset);
    }

    /// Lowers `memory.size`.
    pub(super) fn memory_size(&mut self, inst: Inst) {
        let memory = self.input.graph.inst(inst).index();
        let ty = self.memory_type(memory);
        if ty.shared {
            // A loop may wait for another thread to grow it: not to be merged with an earlier load.
            self.pos.ins().fence();
        }
        let len = self.memory_len(memory);
        let pages = match ty.page_size_log2 {
            0 => len,
            log2 => self.pos.ins().ushr_imm_u(len, i64::from(log2)),
        };
        let pages = if ty.is_64 { pages } else { self.pos.ins().ireduce(types::I32, pages) };
        self.set(inst, pages);
    }
}

/// The vector type of an access to one lane.
fn lanes(op: Op) -> types::Type {
    match op.mem_type() {
        Some(MemType::U8) => types::I8X16,
        Some(MemType::U16) => types::I16X8,
        Some(MemType::U32) => types::I32X4,
        _ => types::I64X2,
    }
}
