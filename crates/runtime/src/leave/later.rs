//! Owns leaving frames that are suspended in a call: as soon as that returns.
//! Does not own how a frame is left (`super`).
//!
//! The call is made to return to a stub (`sys::activation::Detours`). By then its results are in registers, and in the frame those that do not fit: from
//! there they go to where the interpreter expects them.

use sterna_abi::{Convention, Slot, ValuePlace};
use sterna_base::{FuncIndex, TypeIndex};
use sterna_isa::{FuncType, Op, ValType};
use sterna_module::Imm;
use sterna_sys::activation::{Activation, CompiledFrames, ReturnRegs, return_thunk};
use sterna_sys::signal;

use super::Left;
use crate::code::{CodeObject, CodeTier};
use crate::frames;
use crate::loaded::LoadedModule;
use crate::store::Store;

return_thunk!(fn stub => returned);

/// How many times as many frames are looked at as are to be left: some cannot be.
const WALK_FACTOR: usize = 4;

impl Store {
    /// Makes the innermost `limit` compiled frames that are suspended in calls be left when these return, as far as they can be: the
    /// interpreter goes on behind the call. Call it from a host function or builtin. How many that are; frames of code without captured state stay.
    pub fn leave_frames(&mut self, limit: usize) -> usize {
        // SAFETY: the caller runs inside a builtin or host function of this store; compiled code keeps the frame pointer chain.
        let frames = unsafe { CompiledFrames::new(&self.ctx_ref().activation) };
        let innermost = frames.clone().next().map_or(usize::MAX, |frame| frame.fp);
        let mut found = Vec::new();
        for frame in frames.take(limit.saturating_mul(WALK_FACTOR)) {
            if found.len() >= limit {
                break;
            }
            let Some(slot) = frame.return_slot else { continue };
            let Some(module) = self.engine.module_at(frame.pc) else { continue };
            let Some(object) = module.code().find(frame.pc) else { continue };
            if object.has_state(frame.pc) && callee(&module, &object, frame.pc).is_some() {
                found.push((frame.fp, frame.pc, slot));
            }
        }
        let stub = stub as *const () as usize;
        self.ctx().activation.detours.forget_below(innermost);
        for &(fp, pc, slot) in &found {
            // SAFETY: listed just now.
            unsafe { self.ctx().activation.detours.add(fp, pc, slot, stub) };
        }
        found.len()
    }

    /// A call out of a frame has returned: leaves it. If that is not possible, the frame goes on.
    fn leave_returned(&mut self, fp: usize, regs: &mut ReturnRegs) -> bool {
        let activation = &mut self.ctx().activation;
        regs.pc = activation.detours.take(fp).expect("the stub is reached by detours only");
        // As a thunk does: so the frame can be looked at.
        activation.exit_fp = fp;
        activation.exit_pc = regs.pc;
        activation.exit_regs = (&raw const regs.saved) as usize;
        let Some(module) = self.engine.module_at(regs.pc) else { return false };
        let Some(object) = module.code().find(regs.pc) else { return false };
        let Some(callee) = callee(&module, &object, regs.pc) else { return false };
        let Some(left) = self.innermost() else { return false };
        let results = results(&callee, regs, &left);
        self.leave(&left, Some(&results))
    }
}

/// What a call returns from.
struct Callee<'a> {
    ty: &'a FuncType,
    convention: Convention,
}

/// What the call returns from that returns to an address, if it is one of a wasm function.
fn callee<'a>(module: &'a LoadedModule, object: &CodeObject<'_>, pc: usize) -> Option<Callee<'a>> {
    let (func, offset) = object.positions(pc, false).next()?;
    let wasm = module.module();
    let operator = wasm.body(func).operators().find(|operator| operator.offset == offset)?;
    let (ty, is_import) = match (operator.op, operator.imm) {
        (Op::Call, Imm::Index(func)) => {
            let func = FuncIndex::from_u32(func);
            (wasm.func_type(func), func.index() < wasm.num_imported_funcs())
        }
        (Op::CallIndirect, Imm::Index2(ty, _)) | (Op::CallRef, Imm::Index(ty)) => {
            (wasm.signature(TypeIndex::from_u32(ty)), false)
        }
        _ => return None,
    };
    // The optimizing tier calls imports in the convention that needs no adapter, unless exceptions are to land.
    let is_plain = is_import && object.tier() == CodeTier::Opt && !object.has_landing(pc);
    let convention = if is_plain { Convention::Reg } else { module.convention() };
    Some(Callee { ty, convention })
}

/// The results of a call out of a frame as slots: two integers and two floats are in registers, each further one is in the frame.
fn results(callee: &Callee<'_>, regs: &ReturnRegs, left: &Left) -> Vec<Slot> {
    let (reg, tail) = regs.integers.split_at(2);
    let mut integers = match callee.convention {
        Convention::Reg => reg.iter(),
        Convention::Tail => tail.iter(),
    };
    let mut floats = regs.vectors.iter();
    let mut area = left.area;
    let mut slots = Vec::new();
    for &ty in &callee.ty.results {
        let in_register = match ty {
            ValType::F32 | ValType::F64 | ValType::V128 => {
                floats.next().map(|&[low, high]| u128::from(low) | u128::from(high) << 64)
            }
            ValType::I32 | ValType::I64 | ValType::Ref(_) => {
                integers.next().map(|&bits| bits.into())
            }
        };
        let bits = in_register.unwrap_or_else(|| {
            let bits = frames::read(ty, area, left.fp, &left.registers);
            if let ValuePlace::Frame(at) = &mut area {
                *at += ty.slots() as i32 * 8;
            }
            bits
        });
        let bits = bits & frames::mask(ty);
        slots.extend([bits as u64, (bits >> 64) as u64].into_iter().take(ty.slots()));
    }
    slots
}

/// What [`stub`] calls.
unsafe extern "C" fn returned(fp: usize, regs: *mut ReturnRegs) -> *mut Activation {
    let activation = signal::current();
    // SAFETY: guest code has just returned on this thread, so the activation is the first field of its store's context, and nobody
    // else uses the store.
    let store = unsafe { Store::from_ctx(activation.cast()) };
    // SAFETY: the stub has saved the registers there.
    let regs = unsafe { &mut *regs };
    if store.leave_returned(fp, regs) { activation } else { std::ptr::null_mut() }
}
