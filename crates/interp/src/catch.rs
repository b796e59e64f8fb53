//! Owns the search for the handler of a thrown exception in the frames of one native call, and the way to it.
//! Does not own the tables it searches: `translate::exception` makes them.

use sterna_abi::{Slot, StoreCtx, VmCtx, object};
use sterna_isa::TrapCode;

use crate::code::ModuleCode;
use crate::exit::{
    Boundary, ReturnInfo, ReturnKind, Suspended, bodies_of, boundary_of, caller_of, store_of,
};
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
    if store.activation.trap != TrapCode::UncaughtException as u32 || exn == 0 {
        return false;
    }
    // SAFETY: guest code runs inside `call`, whose boundary this is.
    let boundary = unsafe { &mut *boundary_of(any) };
    let Some((frame, clause)) = find(boundary, tag_of(store, exn)) else { return false };
    store.exception = 0;
    store.activation.trap = 0;
    write_values(any, exn, &clause, frame.fp);
    boundary.fp = frame.fp;
    boundary.vmctx = frame.vmctx;
    boundary.ip = frame.ip;
    true
}

/// The innermost frame with a handler for a tag, its `ip` being the handler's.
fn find(boundary: &Boundary, tag: u32) -> Option<(Suspended, Clause)> {
    if boundary.fp.is_null() {
        return None;
    }
    let mut frame = Suspended { vmctx: boundary.vmctx, ip: boundary.ip, fp: boundary.fp };
    loop {
        let search = |handlers: &Handlers, start: usize| {
            search(handlers, (frame.ip as usize - start) as u32, frame.vmctx, tag)
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

/// The clause that handles an exception of a tag, thrown at an offset of a function.
fn search(handlers: &Handlers, at: u32, vmctx: *mut VmCtx, tag: u32) -> Option<Clause> {
    let mut depth = u32::MAX;
    for region in &handlers.regions {
        if region.depth > depth || !(region.start..region.end).contains(&at) {
            continue;
        }
        let mut next = region.clauses;
        while next != NONE {
            let clause = handlers.clauses[next as usize];
            if clause.tag == NONE || tag == tag_at(vmctx, clause.tag) {
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

/// The number of an exception's tag.
fn tag_of(store: &StoreCtx, exn: Slot) -> u32 {
    let at = store.heap.base.wrapping_add(exn as u32 as usize + object::OFF_TAG as usize);
    // SAFETY: a pending exception is an object of the store's heap.
    unsafe { at.cast::<u32>().read() }
}

/// The number of the tag at an offset of a vmctx.
fn tag_at(vmctx: *mut VmCtx, offset: u32) -> u32 {
    let at = vmctx.cast::<u8>().wrapping_add(offset as usize).cast::<u32>();
    // SAFETY: offsets come from `InstanceLayout` of the instance's module.
    unsafe { at.read() }
}

/// Puts what a clause passes into the frame at `fp`.
fn write_values(any: *mut VmCtx, exn: Slot, clause: &Clause, fp: *mut Slot) {
    let first = fp.wrapping_add(clause.slot as usize);
    let (reference, payload) = match clause.reference {
        Reference::None => (None, first),
        Reference::First => (Some(first), first.wrapping_add(1)),
        Reference::Last => (Some(first.wrapping_add(clause.payload as usize)), first),
    };
    if clause.payload != 0 {
        // SAFETY: the exception has the clause's tag, and the translation has made room for its payload in the frame.
        unsafe { (bodies_of(any).exn_payload)(any, exn, payload as u64) };
    }
    if let Some(at) = reference {
        // SAFETY: as above, for one more slot.
        unsafe { at.write(exn) };
    }
}
