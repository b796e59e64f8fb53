//! Owns the adapters between calling conventions, one per signature (or per function, for bridges).
//! Does not know when they are needed: the runtime asks.
//!
//! An adapter between conventions gives each argument and each result the place that it has in the other one.

use sterna_abi::{
    Builtin, CallSite, CodeReloc, Convention, FuncEntry, FunctionCode, SavedReg, Sites, StoreCtx,
    VmCtx,
};
use sterna_base::FuncIndex;
use sterna_isa::{FuncType, ValType};

use super::{Alu, Assembler, Gpr, Machine, Mem, Rm, Vreg, W32, W64};
use crate::signature::{Params, Place, Results, area_size, stack_size};

/// Where a frame keeps the caller's value of [`keep`].
const AT_KEEP: i32 = -8;
/// Where [`reg_to_stack`] keeps the address of the result area.
const AT_AREA: i32 = -16;

/// A register that calls preserve.
fn keep<M: Machine>() -> Gpr {
    M::KEPT_PINS[0]
}

/// Opens a frame that keeps a register, with `size` bytes below that.
fn open<M: Machine>(asm: &mut M::Asm, size: u32) {
    asm.enter(size.next_multiple_of(16) + 16);
    asm.store(W64, Mem::new(M::FP, AT_KEEP), keep::<M>());
}

fn close<M: Machine>(asm: &mut M::Asm, pop: u32) {
    asm.load(W64, keep::<M>(), Mem::new(M::FP, AT_KEEP));
    asm.leave();
    asm.ret(pop);
}

fn finish<M: Machine>(
    asm: &M::Asm,
    call: u32,
    relocs: Vec<CodeReloc>,
    keeps: bool,
) -> FunctionCode {
    let calls = vec![CallSite { code: call, wasm: 0, state: None, roots: None }];
    let saved = SavedReg { register: keep::<M>().0, offset: AT_KEEP };
    let saved = if keeps { vec![saved] } else { Vec::new() };
    let sites = Sites { calls, saved, ..Sites::default() };
    FunctionCode { bytes: asm.code().to_vec(), relocs, sites }
}

/// Copies a value in memory; one of 32 bits with zeros above.
fn copy<M: Machine>(asm: &mut M::Asm, ty: ValType, to: Mem, from: Mem) {
    asm.ensure(64);
    match ty {
        ValType::I32 | ValType::F32 => {
            asm.load(W32, M::TEMP, from);
            asm.store(W64, to, M::TEMP);
        }
        ValType::V128 => {
            asm.load_v(16, M::TEMP_V, from);
            asm.store_v(16, to, M::TEMP_V);
        }
        _ => {
            asm.load(W64, M::TEMP, from);
            asm.store(W64, to, M::TEMP);
        }
    }
}

/// Stores a register to a slot.
fn store<M: Machine>(asm: &mut M::Asm, ty: ValType, to: Mem, place: Place) {
    asm.ensure(64);
    match (ty, place) {
        (ValType::I32, Place::Int(reg)) => {
            asm.mov(W32, M::TEMP, Gpr(reg));
            asm.store(W64, to, M::TEMP);
        }
        (_, Place::Int(reg)) => asm.store(W64, to, Gpr(reg)),
        (ValType::F32, Place::Float(reg)) => {
            asm.mov_from_v(W32, M::TEMP, Vreg(reg));
            asm.store(W64, to, M::TEMP);
        }
        (ValType::V128, Place::Float(reg)) => asm.store_v(16, to, Vreg(reg)),
        (_, Place::Float(reg)) => asm.store_v(8, to, Vreg(reg)),
        (_, Place::Memory(_)) => {}
    }
}

/// Loads a register from a slot.
fn load<M: Machine>(asm: &mut M::Asm, ty: ValType, place: Place, from: Mem) {
    asm.ensure(64);
    match (ty, place) {
        (_, Place::Int(reg)) => asm.load(W64, Gpr(reg), from),
        (ValType::F32, Place::Float(reg)) => asm.load_v(4, Vreg(reg), from),
        (ValType::V128, Place::Float(reg)) => asm.load_v(16, Vreg(reg), from),
        (_, Place::Float(reg)) => asm.load_v(8, Vreg(reg), from),
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
pub(crate) fn stack_to_reg<M: Machine>(ty: &FuncType) -> FunctionCode {
    let mut asm = M::Asm::default();
    let asm = &mut asm;
    let registers = M::registers(Convention::Reg);
    let area = area_size(&ty.results);
    let stack = stack_size(registers, &ty.params, &ty.results);
    let fp = keep::<M>();
    open::<M>(asm, stack + area);
    asm.mov(W64, fp, M::C_PARAMS[2]);
    asm.load(W64, M::CALLEE, Mem::new(M::C_PARAMS[1], FuncEntry::OFF_REG as i32));
    let mut places = Params::new(registers, area > 0);
    for (ty, slot) in slots(fp, &ty.params) {
        match places.next(ty) {
            Place::Memory(offset) => copy::<M>(asm, ty, Mem::new(M::SP, offset as i32), slot),
            place => load::<M>(asm, ty, place, slot),
        }
    }
    if area > 0 {
        asm.lea(W64, Gpr(registers.params[1]), Mem::new(M::SP, stack as i32));
    }
    asm.call_rm(Rm::Reg(M::CALLEE));
    let call = asm.pos();
    let mut places = Results::new(registers);
    for (ty, slot) in slots(fp, &ty.results) {
        match places.next(ty) {
            Place::Memory(offset) => {
                copy::<M>(asm, ty, slot, Mem::new(M::SP, (stack + offset) as i32));
            }
            place => store::<M>(asm, ty, slot, place),
        }
    }
    close::<M>(asm, 0);
    finish::<M>(asm, call, Vec::new(), true)
}

/// Stores the arguments at `StoreCtx::value_sp`, calls `call_stack` or `call_stack_tail`, returns the results it left there.
pub(crate) fn reg_to_stack<M: Machine>(ty: &FuncType, convention: Convention) -> FunctionCode {
    let mut asm = M::Asm::default();
    let asm = &mut asm;
    let registers = M::registers(convention);
    let vmctx = Gpr(registers.params[0]);
    let has_area = area_size(&ty.results) > 0;
    let fp = keep::<M>();
    open::<M>(asm, 16);
    if has_area {
        asm.store(W64, Mem::new(M::FP, AT_AREA), Gpr(registers.params[1]));
    }
    asm.load(W64, M::CALLEE, Mem::new(vmctx, VmCtx::OFF_STORE as i32));
    asm.load(W64, fp, Mem::new(M::CALLEE, StoreCtx::OFF_VALUE_SP as i32));
    let mut places = Params::new(registers, has_area);
    for (ty, slot) in slots(fp, &ty.params) {
        match places.next(ty) {
            Place::Memory(offset) => {
                copy::<M>(asm, ty, slot, Mem::new(M::FP, 16 + offset as i32));
            }
            place => store::<M>(asm, ty, slot, place),
        }
    }
    let builtin = match convention {
        Convention::Reg => Builtin::call_stack,
        Convention::Tail => Builtin::call_stack_tail,
    };
    asm.ensure(64);
    asm.load(W64, M::CALLEE, Mem::new(M::CALLEE, StoreCtx::OFF_THUNKS as i32));
    asm.mov_other(M::C_PARAMS[0], vmctx);
    asm.mov(W64, M::C_PARAMS[1], fp);
    asm.call_rm(Rm::Mem(Mem::new(M::CALLEE, builtin.thunk_offset() as i32)));
    let call = asm.pos();
    if has_area {
        asm.load(W64, M::CALLEE, Mem::new(M::FP, AT_AREA));
    }
    let mut places = Results::new(registers);
    for (ty, slot) in slots(fp, &ty.results) {
        if let Place::Memory(offset) = places.next(ty) {
            copy::<M>(asm, ty, Mem::new(M::CALLEE, offset as i32), slot);
        }
    }
    let mut places = Results::new(registers);
    for (ty, slot) in slots(fp, &ty.results) {
        load::<M>(asm, ty, places.next(ty), slot);
    }
    let pop = match convention {
        Convention::Reg => 0,
        Convention::Tail => stack_size(registers, &ty.params, &ty.results),
    };
    close::<M>(asm, pop);
    finish::<M>(asm, call, Vec::new(), true)
}

/// Moves values between integer registers, from the first pair to the last or the other way round, whichever overwrites none that is still to be moved: both lists
/// are of different registers in the same order, the one shifted against the other.
fn shift<M: Machine>(asm: &mut M::Asm, moves: &[(u8, u8)]) {
    let overwrites = |at: usize| moves[at + 1..].iter().any(|&(_, from)| from == moves[at].0);
    let backwards = (0..moves.len()).any(overwrites);
    let mut go = |&(to, from): &(u8, u8)| asm.mov_other(Gpr(to), Gpr(from));
    match backwards {
        true => moves.iter().rev().for_each(&mut go),
        false => moves.iter().for_each(&mut go),
    }
}

/// Calls a function with the arguments that this one got, in the other convention.
fn forward<M: Machine>(
    ty: &FuncType,
    from: Convention,
    call: impl FnOnce(&mut M::Asm, Gpr) -> Vec<CodeReloc>,
) -> FunctionCode {
    let mut asm = M::Asm::default();
    let asm = &mut asm;
    let to = match from {
        Convention::Reg => Convention::Tail,
        Convention::Tail => Convention::Reg,
    };
    let (here, there) = (M::registers(from), M::registers(to));
    let has_area = area_size(&ty.results) > 0;
    let stack = stack_size(there, &ty.params, &ty.results);
    asm.enter(stack);
    let (mut old, mut new) = (Params::new(here, has_area), Params::new(there, has_area));
    let mut moves = vec![(there.params[0], here.params[0])];
    if has_area {
        moves.push((there.params[1], here.params[1]));
    }
    // What goes to memory first, then between registers, then what comes from memory: no register is overwritten too early.
    let mut loads = Vec::new();
    for &param in &ty.params {
        let (argument, slot) = (|offset| Mem::new(M::FP, 16 + offset as i32), param.slots());
        match (old.next(param), new.next(param)) {
            (Place::Memory(from), Place::Memory(to)) => {
                for half in 0..slot as i32 {
                    asm.ensure(64);
                    asm.load(W64, M::TEMP, argument(from).plus(half * 8));
                    asm.store(W64, Mem::new(M::SP, to as i32 + half * 8), M::TEMP);
                }
            }
            (Place::Memory(from), Place::Int(to)) => loads.push((to, argument(from))),
            (Place::Int(from), Place::Memory(to)) => {
                asm.ensure(64);
                asm.store(W64, Mem::new(M::SP, to as i32), Gpr(from));
            }
            (Place::Int(from), Place::Int(to)) => moves.push((to, from)),
            // The same registers in both conventions.
            (Place::Float(_), _) | (_, Place::Float(_)) => {}
        }
    }
    asm.ensure(256 + 64 * loads.len());
    shift::<M>(asm, &moves);
    for (to, from) in loads {
        asm.load(W64, Gpr(to), from);
    }
    let relocs = call(asm, Gpr(there.params[0]));
    let call = asm.pos();
    let is_int = |ty: &&ValType| !matches!(ty, ValType::F32 | ValType::F64 | ValType::V128);
    let ints = ty.results.iter().filter(is_int).count();
    let results: Vec<_> = here.results.into_iter().zip(there.results).take(ints).collect();
    shift::<M>(asm, &results);
    let pop = match from {
        Convention::Reg => 0,
        Convention::Tail => stack_size(here, &ty.params, &ty.results),
    };
    asm.leave();
    asm.ret(pop);
    finish::<M>(asm, call, relocs, false)
}

/// Calls function `VmCtx::callee_index` in the other convention.
pub(crate) fn tail_to_reg<M: Machine>(ty: &FuncType) -> FunctionCode {
    forward::<M>(ty, Convention::Tail, |asm, vmctx| {
        let entry = M::CALLEE;
        asm.load(W32, entry, Mem::new(vmctx, VmCtx::OFF_CALLEE_INDEX as i32));
        asm.multiply(entry, FuncEntry::SIZE as i32);
        asm.alu(Alu::Add, W64, entry, Rm::Mem(Mem::new(vmctx, VmCtx::OFF_ENTRIES as i32)));
        asm.call_rm(Rm::Mem(Mem::new(entry, FuncEntry::OFF_REG as i32)));
        Vec::new()
    })
}

/// An entry in convention `from` that calls `func`, which is compiled in the other one.
pub(crate) fn bridge<M: Machine>(ty: &FuncType, func: FuncIndex, from: Convention) -> FunctionCode {
    forward::<M>(ty, from, |asm, _| {
        let (kind, addend) = M::CALL;
        vec![CodeReloc { offset: asm.call_func(), kind, target: func, addend }]
    })
}
