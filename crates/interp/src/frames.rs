//! Owns the walk over suspended frames.
//! Does not own their contents: `describe` reconstructs them.

use sterna_abi::{InterpFrame, Slot, StoreCtx};

use crate::code::ModuleCode;
use crate::describe::describe;
use crate::exit::{Boundary, ReturnInfo, ReturnKind, Suspended, caller_of};

/// See [`sterna_abi::Interpreter::frames`].
///
/// # Safety
/// As there.
pub(crate) unsafe fn frames(store: *const StoreCtx, visit: &mut dyn FnMut(InterpFrame) -> bool) {
    // SAFETY: the caller guarantees a live, suspended store.
    let mut next = unsafe { (*store).interp_frame }.cast::<Boundary>().cast_const();
    while !next.is_null() {
        // SAFETY: boundaries are unlinked before their native frame ends.
        let boundary = unsafe { &*next };
        if !boundary.fp.is_null() && !walk(boundary, visit) {
            return;
        }
        next = boundary.prev;
    }
}

/// Visits the frames of one native call, innermost first; whether to go on.
fn walk(boundary: &Boundary, visit: &mut dyn FnMut(InterpFrame) -> bool) -> bool {
    let Boundary { vmctx, ip, fp, native_sp, .. } = *boundary;
    let mut frame = Suspended { vmctx, ip, fp };
    while let Some(code) = ModuleCode::of(frame.vmctx).find(frame.ip) {
        let go_on = visit(InterpFrame {
            instance: frame.vmctx,
            func: code.func,
            fp: frame.fp,
            pc: frame.ip,
            native_sp,
            describe,
            roots,
        });
        if !go_on {
            return false;
        }
        // SAFETY: the record is in the frame.
        let record = unsafe { frame.fp.add(code.record as usize) };
        // SAFETY: as above; written by `enter`.
        let return_address = unsafe { record.read() } as *const u8;
        if ReturnInfo::of(return_address).kind == ReturnKind::Exit {
            return true;
        }
        frame = caller_of(return_address, frame.fp);
    }
    debug_assert!(false, "every suspended frame is in translated code");
    true
}

/// See [`InterpFrame::roots`].
///
/// # Safety
/// `frame` must be live and suspended in a call or builtin.
unsafe fn roots(frame: &InterpFrame, visit: &mut dyn FnMut(*mut Slot)) {
    let code = ModuleCode::of(frame.instance);
    let Some(found) = code.find(frame.pc) else { return };
    let map = code.root_map(&found);
    let offset = (frame.pc as usize - found.start) as u32;
    for slot in map.locals.iter().chain(map.stack_at(offset)) {
        visit(frame.fp.wrapping_add(usize::from(*slot)));
    }
}
