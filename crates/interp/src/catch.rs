//! Owns the search for the handler of a thrown exception in the frames of one native call, and the way to it.
//! Does not own the tables it searches: `translate::exception` makes them.

use sterna_abi::{Exn, Slot, VmCtx};
use sterna_isa::TrapCode;

use crate::code::ModuleCode;
use crate::exit::{Boundary, ReturnInfo, ReturnKind, Suspended, boundary_of, caller_of, store_of};
use crate::translate::{Clause, Handlers, Reference};

/// No such thing, in the tables.
const NONE: u32 = u32::MAX;

/// If an exception is pending and a frame of the innermost boundary handles it: takes it, writes its values, notes that frame in the
/// boundary with the handler as its `ip`, and returns true.
#[cold]
#[inline(never)]
pub(crate) fn land(any: *mut VmCtx) -> bool {
    let store = store_of(any);
    // SAFETY: the store outlives its instances, and guest code is not running.
    let store = unsafe { &mut *store };
    let exn = store.exception;
    if store.activation.trap != TrapCode::UncaughtException as u32 || exn.is_null() {
        return false;
    }
    // SAFETY: guest code runs inside `call`, whose boundary this is.
    let boundary = unsafe { &mut *boundary_of(any) };
    let Some((frame, clause)) = find(boundary, exn) else { return false };
    store.exception = std::ptr::null_mut();
    store.activation.trap = 0;
    write_values(exn, &clause, frame.fp);
    boundary.fp = frame.fp;
    boundary.vmctx = frame.vmctx;
    boundary.ip = frame.ip;
    true
}

/// The innermost frame with a handler, its `ip` being the handler's.
fn find(boundary: &Boundary, exn: *mut Exn) -> Option<(Suspended, Clause)> {
    if boundary.fp.is_null() {
        return None;
    }
    let mut frame = Suspended { vmctx: boundary.vmctx, ip: boundary.ip, fp: boundary.fp };
    loop {
        let search = |handlers: &Handlers, start: usize| {
            search(handlers, (frame.ip as usize - start) as u32, frame.vmctx, exn)
        };
        let (code, clause) = ModuleCode::of(frame.vmctx).find_with(frame.ip, search)?;
        if let Some(clause) = clause {
            let ip = (code.start + clause.target as usize) as *const u8;
            return Some((Suspended { ip, ..frame }, clause));
        }
        // SAFETY: the record is in the frame.
        let record = unsafe { frame.fp.add(code.record as usize) };
        // SAFETY: as above; written by `enter`.
        let return_address = unsafe { record.read() } as *const u8;
        if ReturnInfo::of(return_address).kind == ReturnKind::Exit {
            return None;
        }
        frame = caller_of(return_address, frame.fp);
    }
}

/// The clause that handles an exception thrown at an offset of a function.
fn search(handlers: &Handlers, at: u32, vmctx: *mut VmCtx, exn: *mut Exn) -> Option<Clause> {
    let mut depth = u32::MAX;
    for region in &handlers.regions {
        if region.depth > depth || !(region.start..region.end).contains(&at) {
            continue;
        }
        let mut next = region.clauses;
        while next != NONE {
            let clause = handlers.clauses[next as usize];
            if clause.tag == NONE || is_tagged(exn, vmctx, clause.tag) {
                return Some(clause);
            }
            next = clause.next;
        }
        if region.delegate != NONE {
            depth = region.delegate;
        }
    }
    None
}

/// Whether an exception has the tag at an offset of a vmctx.
fn is_tagged(exn: *mut Exn, vmctx: *mut VmCtx, offset: u32) -> bool {
    // SAFETY: a pending exception is live.
    let tag = unsafe { (*exn).tag };
    let at = vmctx.cast::<u8>().wrapping_add(offset as usize).cast::<*const u8>();
    // SAFETY: offsets come from `InstanceLayout` of the instance's module.
    tag == unsafe { at.read() }
}

/// Puts what a clause passes into the frame at `fp`.
fn write_values(exn: *mut Exn, clause: &Clause, fp: *mut Slot) {
    // SAFETY: a caught exception is live until the next is thrown.
    let header = unsafe { &mut *exn };
    let len = if clause.tag == NONE { 0 } else { header.len as usize };
    let payload = clause.slot as usize + usize::from(clause.reference == Reference::First);
    // SAFETY: the translation has made room for the payload in the frame.
    let to = unsafe { fp.add(payload) };
    // SAFETY: as above; the exception has `len` slots.
    unsafe { to.copy_from_nonoverlapping(Exn::payload(exn), len) };
    let reference = match clause.reference {
        Reference::None => return,
        Reference::First => clause.slot as usize,
        Reference::Last => clause.slot as usize + len,
    };
    header.kept = 1;
    // SAFETY: as above, for one more slot.
    let to = unsafe { fp.add(reference) };
    // SAFETY: as above.
    unsafe { to.write(exn as Slot) };
}
