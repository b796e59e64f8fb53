//! Owns reconstruction of a suspended frame's wasm state: operator, locals, operand stack.
//! Does not own finding frames (`frames`).

use sterna_abi::{CapturedFrame, CapturedValue, InterpFrame};
use sterna_isa::ValType;

use crate::code::ModuleCode;
use crate::exit::{Boundary, store_of};
use crate::translate::{Found, Probe, Saved, probe};

/// See [`InterpFrame::describe`].
///
/// # Safety
/// `frame` must be live and suspended.
pub(crate) unsafe fn describe(frame: &InterpFrame) -> CapturedFrame {
    let code = ModuleCode::of(frame.instance);
    let nothing =
        CapturedFrame { func: frame.func, wasm_offset: 0, locals: Vec::new(), stack: Vec::new() };
    let Some(start) = code.find(frame.pc).map(|found| found.start) else { return nothing };
    let mut found = Probe { wanted: (frame.pc as usize - start) as u32, found: None, starts: None };
    // The function was translated before, so this cannot fail.
    if probe(code.source(), frame.func, &mut found).is_err() {
        return nothing;
    }
    let Some(Found { offset, locals, stack }) = found.found else { return nothing };
    // All tiers agree on the types of captured values, whatever they know of them: that of any function here.
    let module = code.source().module;
    let top = |ty: ValType| match ty {
        ValType::Ref(ty) if module.is_func_heap(ty.heap) => ValType::FUNCREF,
        _ => ty,
    };
    let read = |values: Vec<(ValType, Saved)>| {
        values
            .into_iter()
            .map(|(ty, saved)| CapturedValue { ty: top(ty), bits: read(frame, ty, saved) })
            .collect()
    };
    CapturedFrame {
        func: frame.func,
        wasm_offset: offset,
        locals: read(locals),
        stack: read(stack),
    }
}

/// The bits of a value.
fn read(frame: &InterpFrame, ty: ValType, saved: Saved) -> u128 {
    let slot = |slot: u32| {
        // SAFETY: the frame is live and has the slots that its translation names.
        let bits = unsafe { sterna_abi::read_slot(frame.fp, slot as usize) };
        u128::from(bits)
    };
    match saved {
        Saved::Const(bits) => u128::from(bits),
        Saved::Slot(at) if ty == ValType::V128 => slot(at) | slot(at + 1) << 64,
        Saved::Slot(at) => slot(at),
        Saved::Acc(class) => {
            // SAFETY: the store is live; only the innermost frame has values in accumulators.
            let boundary = unsafe { (*store_of(frame.instance)).interp_frame }.cast::<Boundary>();
            // SAFETY: boundaries are unlinked before their native frame ends. There is none when only the position is of interest.
            unsafe { boundary.as_ref() }
                .map_or(0, |boundary| u128::from(boundary.accumulators[class]))
        }
    }
}
