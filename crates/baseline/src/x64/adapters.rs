//! Owns the adapters between calling conventions, one per signature (or per function, for bridges).
//! Does not know when they are needed: the runtime asks.
//!
//! Both conventions pass parameters in the same registers, so an adapter between them copies what is on the stack and moves a second result.

use sterna_abi::{
    Builtin, CallSite, CodeReloc, Convention, FuncEntry, FunctionCode, RelocKind, SavedReg, Sites,
    StoreCtx, VmCtx,
};
use sterna_base::FuncIndex;
use sterna_isa::{FuncType, ValType};

use super::{
    Alu, Asm, Gpr, Mem, R11, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, Rm, TEMP, TEMP_X, W32, W64,
    Xmm,
};
use crate::signature::{Params, Place, Results, area_size, stack_size};

/// Where [`reg_to_stack`] keeps the address of the result area.
const AT_AREA: i32 = -16;

/// Opens a frame that keeps `rbx`, with `size` bytes below.
fn open(asm: &mut Asm, size: u32) {
    asm.push(RBP);
    asm.mov(W64, RBP, RSP);
    asm.push(RBX);
    // Two words are pushed besides the return address: align.
    asm.alu_i(Alu::Sub, W64, Rm::Reg(RSP), size.next_multiple_of(16) as i32 + 8);
}

fn close(asm: &mut Asm, pop: u32) {
    asm.load(W64, RBX, Mem::new(RBP, -8));
    asm.leave();
    asm.ret(pop as u16);
}

fn finish(asm: &Asm, call: u32, relocs: Vec<CodeReloc>, keeps: bool) -> FunctionCode {
    let calls = vec![CallSite { code: call, wasm: 0, state: None, roots: None }];
    let saved = if keeps { vec![SavedReg { register: RBX.0, offset: -8 }] } else { Vec::new() };
    let sites = Sites { calls, saved, ..Sites::default() };
    FunctionCode { bytes: asm.code().to_vec(), relocs, sites }
}

/// Copies a value in memory; one of 32 bits with zeros above.
fn copy(asm: &mut Asm, ty: ValType, to: Mem, from: Mem) {
    asm.ensure(64);
    match ty {
        ValType::I32 | ValType::F32 => {
            asm.load(W32, TEMP, from);
            asm.store(W64, to, TEMP);
        }
        ValType::V128 => {
            asm.load_x(16, TEMP_X, from);
            asm.store_x(16, to, TEMP_X);
        }
        _ => {
            asm.load(W64, TEMP, from);
            asm.store(W64, to, TEMP);
        }
    }
}

/// Stores a register to a slot.
fn store(asm: &mut Asm, ty: ValType, to: Mem, place: Place) {
    asm.ensure(64);
    match (ty, place) {
        (ValType::I32, Place::Int(reg)) => {
            asm.mov(W32, TEMP, Gpr(reg));
            asm.store(W64, to, TEMP);
        }
        (_, Place::Int(reg)) => asm.store(W64, to, Gpr(reg)),
        (ValType::F32, Place::Float(reg)) => {
            asm.mov_from_x(W32, TEMP, Xmm(reg));
            asm.store(W64, to, TEMP);
        }
        (ValType::V128, Place::Float(reg)) => asm.store_x(16, to, Xmm(reg)),
        (_, Place::Float(reg)) => asm.store_x(8, to, Xmm(reg)),
        (_, Place::Memory(_)) => {}
    }
}

/// Loads a register from a slot.
fn load(asm: &mut Asm, ty: ValType, place: Place, from: Mem) {
    asm.ensure(64);
    match (ty, place) {
        (_, Place::Int(reg)) => asm.load(W64, Gpr(reg), from),
        (ValType::F32, Place::Float(reg)) => asm.load_x(4, Xmm(reg), from),
        (ValType::V128, Place::Float(reg)) => asm.load_x(16, Xmm(reg), from),
        (_, Place::Float(reg)) => asm.load_x(8, Xmm(reg), from),
        (_, Place::Memory(_)) => {}
    }
}

/// Types with their slots, as memory operands from `base`.
fn slots(base: Gpr, types: &[ValType]) -> impl Iterator<Item = (ValType, Mem)> + Clone + '_ {
    types.iter().scan(0, move |offset, &ty| {
        let slot = Mem::new(base, *offset);
        *offset += ty.slots() as i32 * 8;
        Some((ty, slot))
    })
}

/// `extern "C" fn(vmctx, entry: *const FuncEntry, fp: *mut Slot)`.
pub(crate) fn stack_to_reg(ty: &FuncType) -> FunctionCode {
    let mut asm = Asm::default();
    let asm = &mut asm;
    let (stack, area) = (stack_size(&ty.params, &ty.results), area_size(&ty.results));
    open(asm, stack + area);
    asm.mov(W64, RBX, RDX);
    asm.load(W64, RAX, Mem::new(RSI, FuncEntry::OFF_REG as i32));
    let mut places = Params::new(area > 0);
    for (ty, slot) in slots(RBX, &ty.params) {
        match places.next(ty) {
            Place::Memory(offset) => copy(asm, ty, Mem::new(RSP, offset as i32), slot),
            place => load(asm, ty, place, slot),
        }
    }
    if area > 0 {
        asm.lea(W64, RSI, Mem::new(RSP, stack as i32));
    }
    asm.call_rm(Rm::Reg(RAX));
    let call = asm.pos();
    let mut places = Results::new(Convention::Reg);
    for (ty, slot) in slots(RBX, &ty.results) {
        match places.next(ty) {
            Place::Memory(offset) => copy(asm, ty, slot, Mem::new(RSP, (stack + offset) as i32)),
            place => store(asm, ty, slot, place),
        }
    }
    close(asm, 0);
    finish(asm, call, Vec::new(), true)
}

/// Stores the arguments at `StoreCtx::value_sp`, calls `call_stack` or `call_stack_tail`, returns the results it left there.
pub(crate) fn reg_to_stack(ty: &FuncType, convention: Convention) -> FunctionCode {
    let mut asm = Asm::default();
    let asm = &mut asm;
    let has_area = area_size(&ty.results) > 0;
    open(asm, 16);
    if has_area {
        asm.store(W64, Mem::new(RBP, AT_AREA), RSI);
    }
    asm.load(W64, RAX, Mem::new(RDI, VmCtx::OFF_STORE as i32));
    asm.load(W64, RBX, Mem::new(RAX, StoreCtx::OFF_VALUE_SP as i32));
    let mut places = Params::new(has_area);
    for (ty, slot) in slots(RBX, &ty.params) {
        match places.next(ty) {
            Place::Memory(offset) => copy(asm, ty, slot, Mem::new(RBP, 16 + offset as i32)),
            place => store(asm, ty, slot, place),
        }
    }
    let builtin = match convention {
        Convention::Reg => Builtin::call_stack,
        Convention::Tail => Builtin::call_stack_tail,
    };
    asm.ensure(64);
    asm.load(W64, RAX, Mem::new(RAX, StoreCtx::OFF_THUNKS as i32));
    asm.mov(W64, RSI, RBX);
    asm.call_rm(Rm::Mem(Mem::new(RAX, builtin.thunk_offset() as i32)));
    let call = asm.pos();
    if has_area {
        asm.load(W64, RAX, Mem::new(RBP, AT_AREA));
    }
    let mut places = Results::new(convention);
    for (ty, slot) in slots(RBX, &ty.results) {
        if let Place::Memory(offset) = places.next(ty) {
            copy(asm, ty, Mem::new(RAX, offset as i32), slot);
        }
    }
    let mut places = Results::new(convention);
    for (ty, slot) in slots(RBX, &ty.results) {
        load(asm, ty, places.next(ty), slot);
    }
    let pop = match convention {
        Convention::Reg => 0,
        Convention::Tail => stack_size(&ty.params, &ty.results),
    };
    close(asm, pop);
    finish(asm, call, Vec::new(), true)
}

/// Calls a function with the arguments that this one got, in the other convention.
fn forward(
    ty: &FuncType,
    from: Convention,
    call: impl FnOnce(&mut Asm) -> Vec<CodeReloc>,
) -> FunctionCode {
    let mut asm = Asm::default();
    let asm = &mut asm;
    let stack = stack_size(&ty.params, &ty.results);
    asm.push(RBP);
    asm.mov(W64, RBP, RSP);
    asm.alu_i(Alu::Sub, W64, Rm::Reg(RSP), stack as i32);
    for offset in (0..stack as i32).step_by(8) {
        asm.ensure(64);
        asm.load(W64, R11, Mem::new(RBP, 16 + offset));
        asm.store(W64, Mem::new(RSP, offset), R11);
    }
    asm.ensure(128);
    let relocs = call(asm);
    let call = asm.pos();
    let ints =
        ty.results.iter().filter(|ty| !matches!(ty, ValType::F32 | ValType::F64 | ValType::V128));
    if ints.count() > 1 {
        match from {
            Convention::Reg => asm.mov(W64, RDX, RCX),
            Convention::Tail => asm.mov(W64, RCX, RDX),
        }
    }
    asm.leave();
    asm.ret(if from == Convention::Tail { stack as u16 } else { 0 });
    finish(asm, call, relocs, false)
}

/// Calls function `VmCtx::callee_index` in the other convention.
pub(crate) fn tail_to_reg(ty: &FuncType) -> FunctionCode {
    forward(ty, Convention::Tail, |asm| {
        asm.load(W32, RAX, Mem::new(RDI, VmCtx::OFF_CALLEE_INDEX as i32));
        asm.imul_i(W64, RAX, Rm::Reg(RAX), FuncEntry::SIZE as i32);
        asm.alu(Alu::Add, W64, RAX, Rm::Mem(Mem::new(RDI, VmCtx::OFF_ENTRIES as i32)));
        asm.call_rm(Rm::Mem(Mem::new(RAX, FuncEntry::OFF_REG as i32)));
        Vec::new()
    })
}

/// An entry in convention `from` that calls `func`, which is compiled in the other one.
pub(crate) fn bridge(ty: &FuncType, func: FuncIndex, from: Convention) -> FunctionCode {
    forward(ty, from, |asm| {
        let offset = asm.call_rel();
        vec![CodeReloc { offset, kind: RelocKind::PcRel32, target: func, addend: -4 }]
    })
}
