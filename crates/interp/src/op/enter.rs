//! Owns what happens at the entry of a callee: frame set-up of translated code, and the stubs that stand for other functions.
//! Does not own translation (`translate`) nor the call instructions (`call`).

use std::sync::atomic::Ordering;

use sterna_abi::{FuncEntry, HostCtx, PendingTail, Slot, VmCtx};
use sterna_isa::TrapCode;

use super::call::{FOREIGN_ENTRY, enter, leave, tail_enter};
use crate::code::ModuleCode;
use crate::exit::{self, interrupted, is_trapping, store_of, suspend_caller};
use crate::machine::{Handler, Op, Regs, Stop, step};

/// First instruction of a function, for callers of another instance: loads the registers of memory 0 if there is one.
pub(crate) struct ForeignEntry<const MEMORY: bool>;

impl<const MEMORY: bool> Op for ForeignEntry<MEMORY> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        if MEMORY {
            r.load_memory();
        }
        r.advance(FOREIGN_ENTRY);
        Ok(())
    }
}

/// Record at 8, slots of the frame at 10, first declared local at 12, number of their slots at 14: makes the frame. `ZEROS` slots
/// are set to zero: all the declared locals' if it is not [`MANY`], and perhaps some behind, which hold nothing yet.
pub(crate) struct Enter<const ZEROS: usize>;

/// [`Enter`] as many as the operand says.
pub(crate) const MANY: usize = usize::MAX;

impl<const ZEROS: usize> Op for Enter<ZEROS> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let store = store_of(r.vmctx);
        // SAFETY: the store outlives its instances.
        let limit = unsafe { (*store).value_limit };
        if r.fp.wrapping_add(r.u16(10)) > limit {
            return Err(Stop::CallTrap(TrapCode::StackOverflow));
        }
        let first = r.u16(12);
        if ZEROS == MANY {
            // SAFETY: the declared locals are in the frame.
            unsafe { r.slot_ptr(first).write_bytes(0, r.u16(14)) };
        } else {
            for i in 0..ZEROS {
                r.set_slot(first + i, 0u64);
            }
        }
        let record = r.u16(8);
        r.set_slot(record, r.acc);
        r.set_slot(record + 1, r.vmctx as u64);
        r.advance(16);
        if interrupted(r) { Err(Stop::Poll) } else { Ok(()) }
    }
}

/// Numbers of zeros for which there is an [`Enter`].
pub(crate) const ZERO_COUNTS: [usize; 7] = [0, 1, 2, 4, 8, 12, 16];

/// [`Enter`] by position in [`ZERO_COUNTS`], then for [`MANY`].
pub(crate) static ENTER: [Handler; 8] = [
    step::<Enter<{ ZERO_COUNTS[0] }>>,
    step::<Enter<{ ZERO_COUNTS[1] }>>,
    step::<Enter<{ ZERO_COUNTS[2] }>>,
    step::<Enter<{ ZERO_COUNTS[3] }>>,
    step::<Enter<{ ZERO_COUNTS[4] }>>,
    step::<Enter<{ ZERO_COUNTS[5] }>>,
    step::<Enter<{ ZERO_COUNTS[6] }>>,
    step::<Enter<MANY>>,
];

/// [`ForeignEntry`] without and with memory.
pub(crate) static FOREIGN: [Handler; 2] = [step::<ForeignEntry<false>>, step::<ForeignEntry<true>>];

/// Takes one from a function's budget; whether that was the last.
#[inline(always)]
fn spend(entry: *const FuncEntry) -> bool {
    // SAFETY: the entry outlives the code.
    let budget = unsafe { &(*entry).budget };
    let left = budget.load(Ordering::Relaxed);
    if left != 0 {
        budget.store(left - 1, Ordering::Relaxed);
    }
    left == 1
}

/// The function's entry at 8, first free slot at 16, record at 18: counts a call.
pub(crate) struct Budget;

impl Op for Budget {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let function = r.u64(8) as *const FuncEntry;
        // SAFETY: the entry outlives the code.
        let calls = unsafe { &(*function).calls };
        calls.store(calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        if spend(function) && hot(r.vmctx, function, 0, (r.ip, r.fp, r.u16(16))) != 0 {
            // Parameters are as they came.
            r.acc = r.slot(r.u16(18));
            enter(r, function, FOREIGN_ENTRY);
            return Ok(());
        }
        r.advance(24);
        Ok(())
    }
}

/// The function's entry at 8, first free slot at 16, record at 18, whether there is a memory at 20, position of the loop in the
/// module at 24: counts an iteration.
pub(crate) struct LoopBudget;

impl Op for LoopBudget {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let function = r.u64(8) as *const FuncEntry;
        if spend(function) {
            let code = hot(r.vmctx, function, r.u32(24), (r.ip, r.fp, r.u16(16)));
            if code != 0 {
                let (return_address, memory) = (r.slot(r.u16(18)), r.u16(20) != 0);
                return run_compiled(r, code as *const u8, function, return_address, memory);
            }
        }
        r.advance(32);
        Ok(())
    }
}

/// [`Budget`].
pub(crate) static BUDGET: Handler = step::<Budget>;
/// [`LoopBudget`].
pub(crate) static LOOP_BUDGET: Handler = step::<LoopBudget>;

/// Reports a function that used up its budget: the answer of builtin `hot`.
#[cold]
#[inline(never)]
fn hot(
    vmctx: *mut VmCtx,
    entry: *const FuncEntry,
    position: u32,
    (ip, fp, top): (*const u8, *mut Slot, usize),
) -> u64 {
    exit::suspend_at(vmctx, ip, fp, top);
    let hot = exit::bodies_of(vmctx).hot;
    // SAFETY: the entry outlives the code.
    let func = unsafe { (*entry).func };
    // SAFETY: a builtin body takes any live vmctx; the frame is suspended.
    unsafe { hot(vmctx, func, position) }
}

/// The callee's entry, as calls pass it.
#[inline(always)]
fn callee(r: &Regs) -> *const FuncEntry {
    r.f64.to_bits() as *const FuncEntry
}

/// One past the last slot of parameters and results of `entry` at the frame.
#[inline(always)]
fn signature_end(r: &Regs, entry: *const FuncEntry) -> *mut Slot {
    // SAFETY: entries live as long as whoever can call them.
    let entry = unsafe { &*entry };
    r.slot_ptr(entry.param_slots.max(entry.result_slots) as usize)
}

/// Returns to the caller in `return_address`, with the first result in all accumulators.
#[inline(always)]
fn return_first(r: &mut Regs, return_address: u64) {
    let first: u64 = r.slot(0);
    r.acc = first;
    r.f32 = f32::from_bits(first as u32);
    r.f64 = f64::from_bits(first);
    leave(r, return_address);
}

/// Stub of a function not translated yet: `SKIP` is 0 for the instruction for callers of another instance, else 8.
pub(crate) struct Translate<const SKIP: usize>;

impl<const SKIP: usize> Op for Translate<SKIP> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let code = translate(callee(r));
        if let Some(trap) = u8::try_from(code).ok().and_then(TrapCode::from_byte) {
            return Err(Stop::CallTrap(trap));
        }
        r.ip = (code + SKIP) as *const u8;
        Ok(())
    }
}

/// Translates a function; the address of its code, or a trap code. (A `Result` would go through memory, and a handler that has
/// passed on an address of its own frame cannot end in a tail call.)
#[cold]
#[inline(never)]
extern "C" fn translate(entry: *const FuncEntry) -> usize {
    match ModuleCode::translate_entry(entry) {
        Ok(code) => code as usize,
        Err(trap) => trap as usize,
    }
}

/// Stub of host functions.
pub(crate) struct CallHost;

impl Op for CallHost {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let return_address = r.acc;
        suspend_caller(r, signature_end(r, callee(r)));
        let ctx = r.vmctx.cast::<HostCtx>();
        // SAFETY: the vmctx of a host function is a `HostCtx`.
        let body = unsafe { (*ctx).body };
        // SAFETY: parameters are at `fp`, with room for the results (at most `VALUE_STACK_SLACK` beyond the limit).
        unsafe { body(ctx, r.fp) };
        if is_trapping(r.vmctx) {
            return Err(Stop::Unwind);
        }
        return_first(r, return_address);
        Ok(())
    }
}

/// Stub of a compiled function: adapter, entry, whether there is a memory, 8 bytes each, from `AT` on.
pub(crate) struct CallCompiled<const AT: usize>;

impl<const AT: usize> Op for CallCompiled<AT> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let return_address = r.acc;
        let (adapter, entry, memory) = (r.u64(AT), r.u64(AT + 8), r.u64(AT + 16));
        let (adapter, entry) = (adapter as *const u8, entry as *const FuncEntry);
        run_compiled(r, adapter, entry, return_address, AT == 8 && memory != 0)
    }
}

/// Enters compiled code in place of the frame at `fp`, whose return address is given, and returns to that, loading the memory before if
/// `memory` says so.
#[inline(always)]
fn run_compiled(
    r: &mut Regs,
    code: *const u8,
    entry: *const FuncEntry,
    return_address: u64,
    memory: bool,
) -> Result<(), Stop> {
    r.acc = return_address;
    suspend_caller(r, signature_end(r, entry));
    // SAFETY: the code is the published adapter of the entry's signature, with parameters at `fp`; or it is that of a loop of
    // the function (the runtime's answer), with the frame at `fp`.
    let trap = unsafe {
        sterna_sys::activation::enter_compiled(
            store_of(r.vmctx).cast(),
            code,
            r.vmctx as usize,
            entry as usize,
            r.fp as usize,
        )
    };
    // Also if the code was left: then that is a call of `resume`.
    if has_pending_tail(r) {
        r.acc = return_address;
        take_pending_tail(r);
        return Ok(());
    }
    if trap != 0 {
        // SAFETY: the store outlives its instances.
        unsafe { (*store_of(r.vmctx)).activation.trap = trap };
        return Err(Stop::Unwind);
    }
    if memory {
        r.load_memory();
    }
    return_first(r, return_address);
    Ok(())
}

#[inline(always)]
fn has_pending_tail(r: &Regs) -> bool {
    // SAFETY: the store outlives its instances.
    !unsafe { (*store_of(r.vmctx)).pending_tail.entry }.is_null()
}

/// Instead of returning, makes the tail call that the compiled function left to the interpreter: so calls between the tiers do not
/// nest on the native stack. The return address is in the accumulator.
#[inline(always)]
fn take_pending_tail(r: &mut Regs) {
    // SAFETY: the store outlives its instances, and guest code is not running.
    let store = unsafe { &mut *store_of(r.vmctx) };
    let PendingTail { entry, instance } =
        std::mem::replace(&mut store.pending_tail, PendingTail::NONE);
    // SAFETY: entries outlive the calls to them.
    let params = unsafe { (*entry).param_slots } as usize;
    // SAFETY: the arguments are at `value_sp`, above this frame; both places have room for them (`VALUE_STACK_SLACK`).
    unsafe { std::ptr::copy(store.value_sp, r.fp, params) };
    tail_enter(r, entry, instance);
}

/// A stub without operands.
#[repr(C)]
pub(crate) struct Stub {
    foreign: Handler,
    local: Handler,
}

/// Stub of every function that is not translated yet.
pub(crate) static TRANSLATE_STUB: Stub =
    Stub { foreign: step::<Translate<0>>, local: step::<Translate<FOREIGN_ENTRY>> };

/// Stub of every host function.
pub(crate) static HOST_STUB: Stub = Stub::new(step::<CallHost>);

/// Stub of a compiled function.
#[repr(C)]
pub(crate) struct CompiledStub {
    foreign: Handler,
    local: Handler,
    adapter: *const u8,
    entry: *const FuncEntry,
    memory: u64,
}

impl CompiledStub {
    /// The stub that calls `entry`'s compiled code through `adapter`.
    pub fn new(entry: *const FuncEntry, adapter: *const u8, memory: bool) -> CompiledStub {
        CompiledStub {
            foreign: step::<CallCompiled<16>>,
            local: step::<CallCompiled<8>>,
            adapter,
            entry,
            memory: u64::from(memory),
        }
    }
}

impl Stub {
    /// A stub that does the same for all callers.
    pub const fn new(handler: Handler) -> Stub {
        Stub { foreign: handler, local: handler }
    }

    /// The address to store in `FuncEntry::stack`.
    pub fn address(&'static self) -> *mut u8 {
        (&raw const *self).cast_mut().cast()
    }
}
