//! Owns how control enters and leaves the interpreter: boundaries of native calls, suspension, traps, polling.
//! Does not own the walk over suspended frames (`frames`) nor guest calls (`op::call`).
//!
//! A frame on the value stack is: parameters and declared locals, a record of [`RECORD_SLOTS`] slots, the operand stack. The
//! record holds the return address and the vmctx. The frame of a callee begins at its first argument in the
//! operand stack of its caller; eight bytes before the return address, a [`ReturnInfo`] tells how to get back.

use std::mem::size_of;
use std::ptr;
use std::sync::atomic::Ordering;

use sterna_abi::{BuiltinBodies, FuncEntry, MemorySlot, Slot, StoreCtx, VmCtx};

use crate::code::ModuleCode;
use crate::machine::{self, Done, Handler, Regs, dispatch, handlers, tail};

/// Slots between locals and operand stack: return address, vmctx.
pub(crate) const RECORD_SLOTS: usize = sterna_abi::RECORD_SLOTS as usize;

/// What lies before every return address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct ReturnInfo {
    /// Slots from the frame of the caller to that of the callee.
    pub delta: u16,
    /// Slot of the caller's record, which is the number of slots of its locals.
    pub record: u16,
    /// What is at the return address.
    pub kind: ReturnKind,
    /// Zero.
    pub unused: u16,
}

/// See [`ReturnInfo::kind`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub(crate) enum ReturnKind {
    /// The caller's code, which expects its own vmctx and memory in the registers.
    Direct,
    /// A `restore` instruction, which reloads them.
    Restore,
    /// The end of a [`Boundary`].
    Exit,
}

const _: () = assert!(size_of::<ReturnInfo>() == 8);

impl ReturnInfo {
    /// Reads the info of a return address.
    #[inline(always)]
    pub fn of(return_address: *const u8) -> ReturnInfo {
        // SAFETY: every return address is preceded by one: translated calls lay it out, and so does `EXIT`.
        let at = unsafe { return_address.sub(size_of::<ReturnInfo>()) };
        // SAFETY: as above.
        unsafe { at.cast::<ReturnInfo>().read() }
    }
}

/// The code to which the outermost frame of a boundary returns.
#[repr(C)]
struct ExitCode {
    info: ReturnInfo,
    handler: Handler,
}

static EXIT: ExitCode = ExitCode {
    info: ReturnInfo { delta: 0, record: 0, kind: ReturnKind::Exit, unused: 0 },
    handler: machine::stop,
};

/// One native call of the interpreter; lives on the native stack. [`StoreCtx::interp_frame`] points to the innermost.
pub(crate) struct Boundary {
    /// The next outer one.
    pub prev: *const Boundary,
    /// Frame suspended in an exit; null before the first frame exists.
    pub fp: *mut Slot,
    /// Some byte of its instruction in progress.
    pub ip: *const u8,
    /// Its instance.
    pub vmctx: *mut VmCtx,
    /// Accumulators of the suspended frame, by class: integer, f32, f64.
    pub accumulators: [u64; 3],
    /// Native stack pointer of the call.
    pub native_sp: usize,
}

/// The store of a vmctx (an instance's or a host function's).
#[inline(always)]
pub(crate) fn store_of(vmctx: *mut VmCtx) -> *mut StoreCtx {
    // SAFETY: the first word of every live vmctx is its store.
    unsafe { (*vmctx).store }
}

/// The builtins of a vmctx's store.
#[inline(always)]
pub(crate) fn bodies_of<'a>(vmctx: *mut VmCtx) -> &'a BuiltinBodies {
    let store = store_of(vmctx);
    // SAFETY: the store outlives its instances.
    let bodies = unsafe { (*store).bodies };
    // SAFETY: the table lives as long as the store.
    unsafe { &*bodies }
}

/// Length in bytes of memory 0 of an instance that has one.
#[inline(always)]
pub(crate) fn memory_len(vmctx: *mut VmCtx) -> usize {
    // SAFETY: memory slots follow the header of a vmctx.
    let slot = unsafe { vmctx.add(1) }.cast::<MemorySlot>();
    // SAFETY: as above.
    let def = unsafe { (*slot).def };
    // SAFETY: `def` points to the live memory for the life of the instance.
    unsafe { (*def).len() }
}

/// Whether a trap is pending.
#[inline(always)]
pub(crate) fn is_trapping(vmctx: *mut VmCtx) -> bool {
    let store = store_of(vmctx);
    // SAFETY: the store lives as long as its instances.
    unsafe { (*store).activation.trap != 0 }
}

/// Notes the frame in the innermost boundary and frees the value stack from slot `top` on, before an exit.
#[inline(always)]
pub(crate) fn suspend(r: &Regs, top: usize) {
    let free = r.slot_ptr(top);
    note(r.vmctx, free, r.vmctx, r.ip, r.fp);
}

/// As [`suspend`], for a cold function that has the registers apart.
pub(crate) fn suspend_at(vmctx: *mut VmCtx, ip: *const u8, fp: *mut Slot, top: usize) {
    // SAFETY: the frame has that many slots.
    note(vmctx, unsafe { fp.add(top) }, vmctx, ip, fp);
}

/// Notes the caller of a frame about to be entered at `r.fp`, whose slots from `free` on are unused, before an exit.
/// `r.acc` holds the return address.
#[inline(always)]
pub(crate) fn suspend_caller(r: &Regs, free: *mut Slot) {
    let return_address = r.acc as *const u8;
    let info = ReturnInfo::of(return_address);
    if info.kind == ReturnKind::Exit {
        note(r.vmctx, free, r.vmctx, ptr::null(), ptr::null_mut());
        return;
    }
    let caller = caller_of(return_address, r.fp);
    note(r.vmctx, free, caller.vmctx, caller.ip, caller.fp);
}

/// A suspended frame.
#[derive(Clone, Copy)]
pub(crate) struct Suspended {
    pub vmctx: *mut VmCtx,
    pub ip: *const u8,
    pub fp: *mut Slot,
}

/// The frame to which `return_address`, that of a frame at `fp`, belongs. Must not be an exit's.
#[inline(always)]
pub(crate) fn caller_of(return_address: *const u8, fp: *mut Slot) -> Suspended {
    let info = ReturnInfo::of(return_address);
    // SAFETY: the distance was laid out by the call that made the frame.
    let fp = unsafe { fp.sub(usize::from(info.delta)) };
    // SAFETY: the record is in the caller's frame.
    let record = unsafe { fp.add(usize::from(info.record) + 1) };
    // SAFETY: as above; written by `enter`.
    let vmctx = unsafe { record.read() } as *mut VmCtx;
    Suspended { vmctx, ip: return_address.wrapping_sub(1), fp }
}

/// The innermost boundary of a vmctx's store.
#[inline(always)]
pub(crate) fn boundary_of(any: *mut VmCtx) -> *mut Boundary {
    // SAFETY: the store is live and belongs to this thread while its guest code runs.
    unsafe { (*store_of(any)).interp_frame }.cast()
}

#[inline(always)]
fn note(any: *mut VmCtx, free: *mut Slot, vmctx: *mut VmCtx, ip: *const u8, fp: *mut Slot) {
    let store = store_of(any);
    // SAFETY: the store is live and belongs to this thread while its guest code runs.
    unsafe { (*store).value_sp = free };
    // SAFETY: as above.
    let boundary = unsafe { (*store).interp_frame }.cast::<Boundary>();
    // SAFETY: guest code runs inside `call`, whose boundary this is.
    unsafe { (*boundary).vmctx = vmctx };
    // SAFETY: as above.
    unsafe { (*boundary).ip = ip };
    // SAFETY: as above.
    unsafe { (*boundary).fp = fp };
}

/// [`suspend`] where neither the top of the frame nor what is in accumulators is at hand: looks it up. Returns the code.
#[cold]
fn suspend_anywhere<'a>(
    vmctx: *mut VmCtx,
    ip: *const u8,
    fp: *mut Slot,
    accumulators: [u64; 3],
) -> &'a ModuleCode {
    let module = ModuleCode::of(vmctx);
    let top = module.find(ip).map_or(0, |found| found.frame_slots as usize);
    suspend_at(vmctx, ip, fp, top);
    let boundary = boundary_of(vmctx);
    // SAFETY: see `note`.
    unsafe { (*boundary).accumulators = accumulators };
    module
}

/// Reports a trap to the runtime, which notes the backtrace.
#[cold]
fn raise(vmctx: *mut VmCtx, code: u32) {
    let raise = bodies_of(vmctx).raise;
    // SAFETY: a builtin body takes any live vmctx; the frame is suspended.
    unsafe { raise(vmctx, code) };
    debug_assert!(is_trapping(vmctx), "the body sets activation.trap");
}

/// Whether the host asked for attention.
#[inline(always)]
pub(crate) fn interrupted(r: &Regs) -> bool {
    let store = store_of(r.vmctx);
    // SAFETY: the store outlives its instances.
    unsafe { (*store).interrupt.load(Ordering::Relaxed) != 0 }
}

handlers! {
    /// Traps at `ip` with the code in `len`.
    #[cold]
    #[inline(never)]
    fn trap(r) {
        suspend_anywhere(r.vmctx, r.ip, r.fp, [r.acc, u64::from(r.f32.to_bits()), r.f64.to_bits()]);
        raise(r.vmctx, r.len as u32);
        machine::finish(r)
    }

    /// Traps in the caller whose return address is in `acc`, with the code in `len`.
    #[cold]
    #[inline(never)]
    fn call_trap(r) {
        suspend_caller(&r, r.fp);
        raise(r.vmctx, r.len as u32);
        machine::finish(r)
    }

    /// Lets the runtime handle an interruption before the instruction at `ip`.
    #[cold]
    #[inline(never)]
    fn poll(r) {
        r.len = polled(r.ip, r.fp, r.len, r.vmctx, [r.acc, u64::from(r.f32.to_bits()), r.f64.to_bits()]);
        if is_trapping(r.vmctx) {
            return machine::finish(r);
        }
        tail!(resume, r)
    }

    /// Leaves the run, or goes on at the handler of the pending exception.
    #[cold]
    #[inline(never)]
    fn unwind(r) {
        if !crate::catch::land(r.vmctx) {
            return machine::finish(r);
        }
        // SAFETY: guest code runs inside `call`, whose boundary this is; `land` has left a frame there.
        let boundary = unsafe { &*boundary_of(r.vmctx) };
        (r.ip, r.fp, r.vmctx) = (boundary.ip, boundary.fp, boundary.vmctx);
        if ModuleCode::of(r.vmctx).has_memory() {
            r.load_memory();
        }
        if interrupted(&r) {
            tail!(poll, r)
        }
        tail!(resume, r)
    }

    /// Executes the instruction at `ip`. Where dispatch is a loop, the loop does: instructions that throw would nest here without end.
    fn resume(r) {
        dispatch!(r)
    }
}

/// Calls the builtin `poll`; returns the length of memory 0 afterwards. Takes and returns no reference to the registers, so
/// that they need no address and the handler can end in a tail call.
#[inline(never)]
fn polled(
    ip: *const u8,
    fp: *mut Slot,
    len: usize,
    vmctx: *mut VmCtx,
    accumulators: [u64; 3],
) -> usize {
    let module = suspend_anywhere(vmctx, ip, fp, accumulators);
    let poll = bodies_of(vmctx).poll;
    // SAFETY: a builtin body takes any live vmctx; the frame is suspended.
    unsafe { poll(vmctx) };
    if module.has_memory() { memory_len(vmctx) } else { len }
}

/// See [`sterna_abi::Interpreter::call`].
///
/// # Safety
/// As there.
pub(crate) unsafe fn call(instance: *mut VmCtx, entry: *const FuncEntry, fp: *mut Slot) {
    let store = store_of(instance);
    // SAFETY: the caller has entered this live store.
    let prev = unsafe { (*store).interp_frame };
    // SAFETY: as above.
    let value_sp = unsafe { (*store).value_sp };
    let native_sp = sterna_sys::activation::stack_pointer();
    let mut boundary = Boundary {
        prev: prev.cast(),
        fp: ptr::null_mut(),
        ip: ptr::null(),
        vmctx: instance,
        accumulators: [0; 3],
        native_sp,
    };
    // SAFETY: the store is this thread's while it is entered.
    unsafe { (*store).interp_frame = (&raw mut boundary).cast() };
    // SAFETY: as above.
    if native_sp < unsafe { (*store).activation.native_limit } {
        raise(instance, sterna_isa::TrapCode::StackOverflow as u32);
    } else {
        // SAFETY: the caller guarantees a live entry.
        let stack = unsafe { &(*entry).stack };
        let r = Regs {
            ip: stack.load(Ordering::Acquire),
            fp,
            mem: ptr::null_mut(),
            len: 0,
            vmctx: instance,
            acc: (&raw const EXIT.handler) as u64,
            f32: 0.0,
            f64: f64::from_bits(entry as u64),
        };
        // SAFETY: `stack` is interpreter code that finds its callee in `f64` and its return address in `acc`.
        unsafe { machine::run(r) };
    }
    // SAFETY: as above.
    unsafe { (*store).interp_frame = prev };
    // SAFETY: as above.
    unsafe { (*store).value_sp = value_sp };
}
