//! Owns plain accesses to linear memory: addresses, bounds, loads and stores of scalars, and the size of a memory.
//! Does not own vectors (`simd`), atomic accesses (`atomic`) nor operators on whole memories (`tables`).
//!
//! # Bounds
//! As in the optimizing tier: the access at `index + offset`, `size` bytes wide, must end at or before the memory's length.
//! 1. The index is a constant and the end is below the memory's minimum size: nothing to do.
//! 2. A 32-bit memory of whole host pages in signal mode, `offset + size` within the guard region: the hardware checks.
//! 3. Otherwise the end is computed, and compared with the length; for 64-bit indices its overflow is checked too.

use sterna_abi::{MemoryDef, MemorySlot};
use sterna_base::MemoryIndex;
use sterna_isa::{MemType, Op, TrapCode};
use sterna_module::{Imm, MemArg, MemoryType};

use super::values::{Held, Val};
use super::{Alu, Assembler, Cc, Done, Gen, Gpr, Machine, Mem, Rm, Shift, Vreg, W32, W64, refused};
use crate::stack::{Bank, Ty};

/// log2 of the smallest host page.
const HOST_PAGE_LOG2: u32 = 12;

/// A checked address.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    pub mem: Mem,
    /// How many bytes are accessed.
    bytes: u32,
    /// Whether the access may fault to trap.
    pub faults: bool,
    /// What it holds.
    held: [Option<Held>; 2],
}

impl<M: Machine> Gen<'_, M> {
    pub(crate) fn memory_type(&self, memory: u32) -> MemoryType {
        self.input.module.memories()[memory as usize]
    }

    fn memory_slot(&self, memory: u32) -> Mem {
        let offset = self.input.layout.memory(MemoryIndex::from_u32(memory));
        Mem::new(M::VMCTX, offset as i32)
    }

    /// Pops an index and computes the address of an access. With `by_hardware` the access itself may have to find out that it is out of bounds.
    pub(crate) fn address(&mut self, arg: &MemArg, size: u32, by_hardware: bool) -> Address {
        let ty = self.memory_type(arg.memory);
        let span = arg.offset.checked_add(u64::from(size));
        let min = ty.min_bytes().unwrap_or(0);
        if let Val::Const(index) = self.val_of(&self.top()) {
            let end = span.and_then(|span| index.checked_add(span));
            if end.is_some_and(|end| end <= min)
                && let Ok(disp) = i32::try_from(index + arg.offset)
            {
                self.pop();
                let (base, held) = self.base(arg.memory);
                let mem = Mem::new(base, disp);
                return Address { mem, bytes: size, faults: false, held: [held, None] };
            }
        }
        let index = self.pop_reg();
        let guarded = by_hardware && self.guarded(&ty, span);
        if !guarded {
            self.check(index.gpr(), arg, span, ty.is_64);
        }
        let (base, held) = self.base(arg.memory);
        let mut mem = Mem::indexed(base, index.gpr(), 0, 0);
        let mut all = [held, Some(index)];
        match i32::try_from(arg.offset) {
            Ok(disp) => mem.disp = disp,
            Err(_) => {
                // Only behind an explicit check.
                let sum = self.alloc_gpr();
                self.asm().mov_i(sum, arg.offset);
                self.asm().alu(Alu::Add, W64, sum, Rm::Reg(index.gpr()));
                self.release(Bank::Int, index);
                mem.index = Some(sum);
                all[1] = Some(Held { reg: sum.0, owned: true });
            }
        }
        Address { mem, bytes: size, faults: guarded, held: all }
    }

    /// Gives back the registers of an address.
    pub(crate) fn release_address(&mut self, address: &Address) {
        for held in address.held.into_iter().flatten() {
            self.release(Bank::Int, held);
        }
    }

    /// A memory's base.
    fn base(&mut self, memory: u32) -> (Gpr, Option<Held>) {
        if memory == 0 {
            return (M::MEMORY, None);
        }
        let base = self.alloc_gpr();
        let slot = self.memory_slot(memory).plus(MemorySlot::OFF_BASE as i32);
        self.asm().load(W64, base, slot);
        (base, Some(Held { reg: base.0, owned: true }))
    }

    fn guarded(&self, ty: &MemoryType, span: Option<u64>) -> bool {
        let settings = self.input.settings;
        !settings.explicit_checks
            && !ty.is_64
            && ty.page_size_log2 >= HOST_PAGE_LOG2
            && span.is_some_and(|span| span <= settings.guard_bytes)
    }

    /// Traps unless the access is in bounds.
    fn check(&mut self, index: Gpr, arg: &MemArg, span: Option<u64>, is_64: bool) {
        let trap = TrapCode::MemoryOutOfBounds;
        let Some(span) = span else { return self.trap(trap) };
        let end = self.alloc_gpr();
        match i32::try_from(span) {
            Ok(span) if !is_64 => self.asm().lea(W64, end, Mem::new(index, span)),
            Ok(span) => {
                self.asm().mov(W64, end, index);
                self.asm().alu_i(Alu::Add, W64, Rm::Reg(end), span);
            }
            Err(_) => {
                self.asm().mov_i(end, span);
                self.asm().alu(Alu::Add, W64, end, Rm::Reg(index));
            }
        }
        if is_64 {
            self.trap_if(M::CARRY, trap);
        }
        let slot = self.memory_slot(arg.memory).plus(MemorySlot::OFF_DEF as i32);
        self.asm().load(W64, M::TEMP, slot);
        let len = Mem::new(M::TEMP, MemoryDef::OFF_LEN as i32);
        self.asm().alu(Alu::Cmp, W64, end, Rm::Mem(len));
        self.trap_if(Cc::A, trap);
        self.free_gpr(end);
    }

    /// An address in a form that the next instruction can use, which is to access it.
    pub(crate) fn access(&mut self, address: &Address) -> Mem {
        let mem = self.asm().direct(address.mem, address.bytes);
        self.note_access(address);
        mem
    }

    /// Notes that the next instruction accesses an address.
    pub(crate) fn note_access(&mut self, address: &Address) {
        if address.faults {
            self.trap_here(TrapCode::MemoryOutOfBounds);
        }
    }

    pub(crate) fn load(&mut self, op: Op, imm: &Imm<'_>) -> Done {
        let Imm::MemArg(arg) = imm else { unreachable!("memory accesses have a memarg") };
        let (_, results) = op.signature().expect("loads have signatures");
        let ty = Ty::of_fixed(results[0]);
        let mem_type = op.mem_type().expect("memory accesses have a width");
        if ty == Ty::V128 {
            return M::vector(self, op, imm);
        }
        let address = self.address(arg, mem_type.bytes(), true);
        self.release_address(&address);
        let dst = self.result(ty.bank());
        let mem = self.access(&address);
        let to = Gpr(dst);
        let wide = if ty == Ty::I64 { W64 } else { W32 };
        let asm = self.asm();
        match mem_type {
            MemType::F32 => asm.load_v(4, Vreg(dst), mem),
            MemType::F64 => asm.load_v(8, Vreg(dst), mem),
            MemType::U128 => return Err(refused(op)),
            integer => asm.load_as(integer, wide, to, mem),
        }
        self.push_result(ty, dst);
        Ok(())
    }

    pub(crate) fn store(&mut self, op: Op, imm: &Imm<'_>) -> Done {
        let Imm::MemArg(arg) = imm else { unreachable!("memory accesses have a memarg") };
        let ty = self.top().ty;
        let bytes = op.mem_type().expect("memory accesses have a width").bytes();
        if ty == Ty::V128 {
            return M::vector(self, op, imm);
        }
        let value = match self.val_of(&self.top()) {
            Val::Const(bits) if M::Asm::is_stored(bytes, bits) => self.pop(),
            _ => Val::Reg(self.pop_reg()),
        };
        let address = self.address(arg, bytes, true);
        let mem = self.access(&address);
        match (value, ty.bank()) {
            (Val::Const(bits), _) => self.asm().store_i(bytes, mem, bits as i32),
            (Val::Reg(held), Bank::Float) => self.asm().store_v(bytes, mem, held.vreg()),
            (Val::Reg(held), Bank::Int) => match bytes {
                1 => self.asm().store8(mem, held.gpr()),
                2 => self.asm().store16(mem, held.gpr()),
                4 => self.asm().store(W32, mem, held.gpr()),
                _ => self.asm().store(W64, mem, held.gpr()),
            },
            (Val::Mem(_), _) => unreachable!("the value was put into a register"),
        }
        self.release_address(&address);
        self.release_val(ty.bank(), value);
        Ok(())
    }

    /// `memory.size`.
    pub(crate) fn memory_size(&mut self, memory: u32) {
        let ty = self.memory_type(memory);
        let dst = Gpr(self.result(Bank::Int));
        let slot = self.memory_slot(memory).plus(MemorySlot::OFF_DEF as i32);
        self.asm().load(W64, dst, slot);
        self.asm().load(W64, dst, Mem::new(dst, MemoryDef::OFF_LEN as i32));
        if ty.page_size_log2 > 0 {
            self.asm().shift_i(Shift::Shr, W64, dst, ty.page_size_log2 as u8);
        }
        if !ty.is_64 {
            self.asm().mov(W32, dst, dst);
        }
        self.push_result(if ty.is_64 { Ty::I64 } else { Ty::I32 }, dst.0);
    }
}
