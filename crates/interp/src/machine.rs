//! Owns the registers of the interpreter, what a handler is, and dispatch: tail calls or a loop, the only place that knows.
//! Does not own what operators do: the files of `op`.
//!
//! Code is a sequence of instructions, each a multiple of 8 bytes: the address of its handler, then operands at fixed offsets. A
//! handler gets the registers as arguments and ends by calling the handler of the next instruction.

use sterna_abi::{MemorySlot, Slot, VmCtx};
use sterna_isa::TrapCode;

/// The registers. A value of this type is a licence: [`run`] and the handlers make one only from well-formed code (made by
/// `translate`, or static) at an instruction boundary, with a frame that has all the slots the code names. That is what
/// makes the methods sound, together with the rule that an operation reads only the operands of its own layout.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Regs {
    /// The instruction being executed.
    pub ip: *const u8,
    /// First slot of the frame.
    pub fp: *mut Slot,
    /// Base of memory 0.
    pub mem: *mut u8,
    /// Length of memory 0 in bytes.
    pub len: usize,
    /// The instance.
    pub vmctx: *mut VmCtx,
    /// Accumulator of integers and references; an i32 is zero-extended.
    pub acc: u64,
    /// Accumulator of f32.
    pub f32: f32,
    /// Accumulator of f64.
    pub f64: f64,
}

/// What a handler returns: nothing when it called its successor, the registers to go on with in the loop.
#[cfg(all(tail_dispatch, not(debug_assertions)))]
pub(crate) type Done = ();
#[cfg(not(all(tail_dispatch, not(debug_assertions))))]
pub(crate) type Done = Regs;

/// A handler: the arguments are the fields of [`Regs`].
pub(crate) type Handler =
    unsafe extern "C" fn(*const u8, *mut Slot, *mut u8, usize, *mut VmCtx, u64, f32, f64) -> Done;

/// Why an instruction does not go on to the next.
pub(crate) enum Stop {
    /// A trap at this instruction.
    Trap(TrapCode),
    /// A trap of the call that is being entered: it belongs to the caller, whose return address is in `acc`.
    CallTrap(TrapCode),
    /// `activation.trap` is set already; the frame is suspended.
    Unwind,
    /// The instruction is done, but the host asked for attention.
    Poll,
}

/// An instruction with one successor.
pub(crate) trait Op {
    /// Carries it out and advances `ip`; or stops, with `ip` unchanged (but see [`Stop::Poll`]).
    fn run(r: &mut Regs) -> Result<(), Stop>;
}

/// A conditional branch.
pub(crate) trait Branch {
    /// Offset of the i32 distance from that field to the target.
    const TARGET: usize;
    /// Whether the target lies behind: then interruption is polled.
    const BACK: bool;
    /// Size of the instruction.
    fn size() -> usize;
    /// Whether to branch.
    fn test(r: &mut Regs) -> bool;
}

impl Regs {
    #[inline(always)]
    fn operand<T: Copy>(&self, at: usize) -> T {
        // SAFETY: the instruction at `ip` has an operand there (licence of `Regs`).
        let address = unsafe { self.ip.add(at) };
        // SAFETY: as above; translated code is initialized and immutable.
        unsafe { address.cast::<T>().read_unaligned() }
    }

    /// The 16-bit operand at byte `at` of the instruction: a slot, mostly.
    #[inline(always)]
    pub fn u16(&self, at: usize) -> usize {
        usize::from(self.operand::<u16>(at))
    }

    /// The 32-bit operand.
    #[inline(always)]
    pub fn u32(&self, at: usize) -> u32 {
        self.operand(at)
    }

    /// The 64-bit operand.
    #[inline(always)]
    pub fn u64(&self, at: usize) -> u64 {
        self.operand(at)
    }

    /// The 128-bit operand.
    #[inline(always)]
    pub fn u128(&self, at: usize) -> u128 {
        self.operand(at)
    }

    /// Goes on to the next instruction, `size` bytes ahead.
    #[inline(always)]
    pub fn advance(&mut self, size: usize) {
        // SAFETY: an instruction that is not the last follows; the last one of a function never advances.
        self.ip = unsafe { self.ip.add(size) };
    }

    /// Goes on at the target of the distance field at `at`.
    #[inline(always)]
    pub fn jump(&mut self, at: usize) {
        let distance: i32 = self.operand(at);
        // SAFETY: labels are resolved within the function.
        self.ip = unsafe { self.ip.offset(distance as isize + at as isize) };
    }

    /// Pointer to a slot of the frame.
    #[inline(always)]
    pub fn slot_ptr(&self, slot: usize) -> *mut Slot {
        // SAFETY: the frame has the slots that its code names (checked against the limit on entry).
        unsafe { self.fp.add(slot) }
    }

    /// Reads a slot as `T` (at most 16 bytes: the values of the guest).
    #[inline(always)]
    pub fn slot<T: Copy>(&self, slot: usize) -> T {
        // SAFETY: see `slot_ptr`; the value stack is initialized (mapped zero pages), every bit pattern is a value.
        unsafe { self.slot_ptr(slot).cast::<T>().read_unaligned() }
    }

    /// Writes a slot.
    #[inline(always)]
    pub fn set_slot<T: Copy>(&mut self, slot: usize, value: T) {
        // SAFETY: see `slot_ptr`.
        unsafe { self.slot_ptr(slot).cast::<T>().write_unaligned(value) }
    }

    /// Address `offset` bytes into the vmctx.
    #[inline(always)]
    pub fn vm_field<T>(&self, offset: u32) -> *mut T {
        // SAFETY: offsets come from `InstanceLayout` of the instance's module.
        unsafe { self.vmctx.cast::<u8>().add(offset as usize).cast() }
    }

    /// Loads a field of the vmctx.
    #[inline(always)]
    pub fn vm_load<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: as for `vm_field`; instances are initialized before their code runs.
        unsafe { self.vm_field::<T>(offset).read() }
    }

    /// Loads base and length of memory 0, which the instance must have.
    #[inline(always)]
    pub fn load_memory(&mut self) {
        let slot: MemorySlot = self.vm_load(VmCtx::SIZE);
        self.mem = slot.base;
        self.len = crate::exit::memory_len(self.vmctx);
    }
}

/// Transfers control to the instruction at `ip`.
#[cfg(all(tail_dispatch, not(debug_assertions)))]
macro_rules! dispatch {
    ($r:ident) => {{
        // SAFETY: an instruction starts with the address of its handler (licence of `Regs`).
        let next = unsafe { $r.ip.cast::<$crate::machine::Handler>().read() };
        // SAFETY: the licence is passed on.
        return unsafe { next($r.ip, $r.fp, $r.mem, $r.len, $r.vmctx, $r.acc, $r.f32, $r.f64) };
    }};
}
#[cfg(not(all(tail_dispatch, not(debug_assertions))))]
macro_rules! dispatch {
    ($r:ident) => {
        return $r
    };
}

/// Calls `handler` with the registers in tail position, whatever is at `ip`.
macro_rules! tail {
    ($handler:expr, $r:ident) => {{
        // SAFETY: the licence is passed on.
        return unsafe { $handler($r.ip, $r.fp, $r.mem, $r.len, $r.vmctx, $r.acc, $r.f32, $r.f64) };
    }};
}

/// Defines handlers: `$r` is the register file made from the arguments.
macro_rules! handlers {
    ($($(#[$attr:meta])* fn $name:ident $(<$param:ident: $bound:ident>)? ($r:ident) $body:block)*) => {$(
        $(#[$attr])*
        ///
        /// # Safety
        /// The arguments must be registers as [`Regs`] licenses them.
        #[allow(clippy::too_many_arguments)]
        pub(crate) unsafe extern "C" fn $name $(<$param: $bound>)? (
            ip: *const u8, fp: *mut Slot, mem: *mut u8, len: usize, vmctx: *mut VmCtx, acc: u64, f32: f32, f64: f64,
        ) -> Done {
            #[allow(unused_mut)]
            let mut $r = Regs { ip, fp, mem, len, vmctx, acc, f32, f64 };
            $body
        }
    )*};
}

handlers! {
    /// The handler of an [`Op`].
    fn step<O: Op>(r) {
        match O::run(&mut r) {
            Ok(()) => dispatch!(r),
            Err(Stop::Trap(code)) => {
                r.len = code as usize;
                tail!(crate::exit::trap, r)
            }
            Err(Stop::CallTrap(code)) => {
                r.len = code as usize;
                tail!(crate::exit::call_trap, r)
            }
            Err(Stop::Unwind) => tail!(crate::exit::unwind, r),
            Err(Stop::Poll) => tail!(crate::exit::poll, r),
        }
    }

    /// The handler of a [`Branch`]: two jumps, so that each is predicted by itself.
    fn branch<B: Branch>(r) {
        if B::test(&mut r) {
            r.jump(B::TARGET);
            if B::BACK && crate::exit::interrupted(&r) {
                tail!(crate::exit::poll, r)
            }
            dispatch!(r)
        } else {
            r.advance(B::size());
            dispatch!(r)
        }
    }

    /// Ends the run: returns to [`run`].
    fn stop(r) {
        finish(r)
    }
}

/// What [`stop`] returns: no instruction to go on with.
#[cfg(all(tail_dispatch, not(debug_assertions)))]
pub(crate) fn finish(_: Regs) -> Done {}
#[cfg(not(all(tail_dispatch, not(debug_assertions))))]
pub(crate) fn finish(mut r: Regs) -> Done {
    r.ip = std::ptr::null();
    r
}

/// Runs from `r.ip` until [`stop`].
///
/// # Safety
/// `r` must be registers as [`Regs`] licenses them.
#[cfg(all(tail_dispatch, not(debug_assertions)))]
pub(crate) unsafe fn run(r: Regs) {
    dispatch!(r)
}

/// Runs from `r.ip` until [`stop`].
///
/// # Safety
/// `r` must be registers as [`Regs`] licenses them.
#[cfg(not(all(tail_dispatch, not(debug_assertions))))]
pub(crate) unsafe fn run(mut r: Regs) {
    while !r.ip.is_null() {
        // SAFETY: an instruction starts with the address of its handler.
        let next = unsafe { r.ip.cast::<Handler>().read() };
        // SAFETY: the caller's licence, passed on by each handler.
        r = unsafe { next(r.ip, r.fp, r.mem, r.len, r.vmctx, r.acc, r.f32, r.f64) };
    }
}

pub(crate) use {dispatch, handlers, tail};
