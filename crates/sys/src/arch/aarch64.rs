//! Owns the aarch64 (AAPCS64) assembly: entry, raise, thunks, stack switches, landing pad, stub encodings.
//! Does not own the structures it fills: `activation` and `stack` define them and pass their offsets.

use std::arch::{asm, naked_asm};
use std::mem::offset_of;

use crate::activation::{self, Activation, Departure, ENTRY_FP, EntryFrame, StubConvention};
use crate::stack::{CONTEXT_SP, Context, FiberEntry};

/// The registers that a C function preserves (`x29` apart), in the order of addresses after they were saved.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalleeSaved {
    /// `x19` to `x28`.
    pub x: [u64; 10],
    /// `d8` to `d15`: the low halves of the vector registers.
    pub d: [u64; 8],
}

impl CalleeSaved {
    /// An integer register by its hardware number; `None` for those not saved.
    pub fn gpr(&self, number: u8) -> Option<u64> {
        self.x.get(usize::from(number.checked_sub(19)?)).copied()
    }

    /// Sets an integer register by its hardware number; others are left alone.
    pub fn set_gpr(&mut self, number: u8, value: u64) {
        let at = number.checked_sub(19).map(usize::from);
        if let Some(register) = at.and_then(|at| self.x.get_mut(at)) {
            *register = value;
        }
    }

    /// The low half of a vector register by its hardware number; `None` for those not saved.
    pub fn vector(&self, number: u8) -> Option<u64> {
        self.d.get(usize::from(number.checked_sub(8)?)).copied()
    }

    /// Sets the low half of a vector register by its hardware number; others are left alone.
    pub fn set_vector(&mut self, number: u8, low: u64) {
        let at = number.checked_sub(8).map(usize::from);
        if let Some(register) = at.and_then(|at| self.d.get_mut(at)) {
            *register = low;
        }
    }
}

/// All registers but `sp`, `x29` and `x30`, in the order of addresses after they were saved.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllRegs {
    /// `v0` to `v31`.
    pub vectors: [u128; 32],
    /// `x0` to `x18`, then padding.
    pub volatile: [u64; 20],
    /// The rest.
    pub saved: CalleeSaved,
}

impl AllRegs {
    /// An integer register by its hardware number; `None` for `sp`, `x29` and `x30`, which follow from the frame.
    pub fn gpr(&self, number: u8) -> Option<u64> {
        if number <= 18 { Some(self.volatile[usize::from(number)]) } else { self.saved.gpr(number) }
    }

    /// A vector register by its hardware number.
    pub fn vector(&self, number: u8) -> Option<u128> {
        self.vectors.get(usize::from(number)).copied()
    }
}

// The assembly below relies on these.
const _: () = assert!(
    size_of::<CalleeSaved>() == 144
        && offset_of!(AllRegs, saved) == 512 + 160
        && size_of::<AllRegs>() == 816
);
const _: () = assert!(
    ENTRY_FP == 184 && offset_of!(EntryFrame, saved) == 40 && size_of::<EntryFrame>() == 200
);

/// The current stack pointer, give or take the frame of the caller.
#[inline(always)]
pub fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Makes instruction fetch see the bytes that were just written at `start`, on every core.
pub(crate) fn synchronize_code(start: *const u8, len: usize) {
    if len == 0 {
        return;
    }
    let sizes: u64;
    // SAFETY: reads a register that user code may read.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack, preserves_flags)) };
    let (start, end) = (start as usize, start as usize + len);
    let line = 4_usize << (sizes >> 16 & 15);
    for at in (start & !(line - 1)..end).step_by(line) {
        // SAFETY: cleans the data cache by a readable address; contents do not change.
        unsafe { asm!("dc cvau, {}", in(reg) at, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    let line = 4_usize << (sizes & 15);
    for at in (start & !(line - 1)..end).step_by(line) {
        // SAFETY: drops instruction cache lines by a readable address.
        unsafe { asm!("ic ivau, {}", in(reg) at, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
    synchronize_other_threads();
}

/// Other threads may have fetched what was there before: lets each pass a synchronizing event before it goes on.
#[cfg(target_os = "linux")]
fn synchronize_other_threads() {
    use std::sync::OnceLock;
    const SYNC_CORE: libc::c_int = 1 << 5;
    const REGISTER_SYNC_CORE: libc::c_int = 1 << 6;
    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: a barrier; touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    // Kernels before 4.16 lack it; there, what the caches did has to suffice.
    if *AVAILABLE.get_or_init(|| membarrier(REGISTER_SYNC_CORE)) {
        membarrier(SYNC_CORE);
    }
}

#[cfg(not(target_os = "linux"))]
fn synchronize_other_threads() {}

// ---------------------------------------------------------------------------------------------- entry and raise

/// Ends an entry: `sp` = its `EntryFrame`, `w0` = the result. Restores the links and registers, returns to Rust.
macro_rules! leave_entry {
    () => {
        "ldp x1, x9, [sp]
         ldp x10, x11, [sp, #16]
         ldr x12, [sp, #32]
         str x9, [x1, #{entry_sp}]
         str x10, [x1, #{exit_fp}]
         str x11, [x1, #{exit_pc}]
         str x12, [x1, #{exit_regs}]
         ldp x19, x20, [sp, #40]
         ldp x21, x22, [sp, #56]
         ldp x23, x24, [sp, #72]
         ldp x25, x26, [sp, #88]
         ldp x27, x28, [sp, #104]
         ldp d8, d9, [sp, #120]
         ldp d10, d11, [sp, #136]
         ldp d12, d13, [sp, #152]
         ldp d14, d15, [sp, #168]
         ldp x29, x30, [sp, #184]
         add sp, sp, #208
         ret"
    };
}

/// Calls compiled code `code(a0, a1, a2)` with the C convention. Returns 0 when it returns, or the code of the trap that
/// was raised in it. The activation's links are as before the call in both cases; `trap` is 0 again.
///
/// # Safety
/// `act` must be the live activation of the vmctx that the code works with, on this thread, with `native_limit` set for the
/// current stack. `code` must be the address of published code that takes these arguments, preserves what a C function
/// preserves and keeps the frame pointer chain.
#[unsafe(naked)]
pub unsafe extern "C" fn enter_compiled(
    act: *mut Activation,
    code: *const u8,
    a0: usize,
    a1: usize,
    a2: usize,
) -> u32 {
    naked_asm!(
        // Frame pointer chain and callee-saved registers: a raise comes back here with none of them intact.
        "sub sp, sp, #208",
        "stp x29, x30, [sp, #184]",
        "add x29, sp, #184",
        "stp x19, x20, [sp, #40]",
        "stp x21, x22, [sp, #56]",
        "stp x23, x24, [sp, #72]",
        "stp x25, x26, [sp, #88]",
        "stp x27, x28, [sp, #104]",
        "stp d8, d9, [sp, #120]",
        "stp d10, d11, [sp, #136]",
        "stp d12, d13, [sp, #152]",
        "stp d14, d15, [sp, #168]",
        // The links of the segment below and the activation itself: the EntryFrame is complete.
        "ldr x9, [x0, #{entry_sp}]",
        "ldr x10, [x0, #{exit_fp}]",
        "ldr x11, [x0, #{exit_pc}]",
        "ldr x12, [x0, #{exit_regs}]",
        "stp x0, x9, [sp]",
        "stp x10, x11, [sp, #16]",
        "str x12, [sp, #32]",
        "mov x9, sp",
        "str x9, [x0, #{entry_sp}]",
        "mov x9, x1",
        "mov x0, x2",
        "mov x1, x3",
        "mov x2, x4",
        "blr x9",
        "mov w0, #0",
        leave_entry!(),
        entry_sp = const activation::OFF_ENTRY_SP,
        exit_fp = const activation::OFF_EXIT_FP,
        exit_pc = const activation::OFF_EXIT_PC,
        exit_regs = const activation::OFF_EXIT_REGS,
    )
}

/// Abandons everything above the innermost entry and makes its [`enter_compiled`] return `act.trap`, which becomes 0; or, if
/// `act.landing` is set, everything above that frame, and continues there. Both become 0.
///
/// # Safety
/// `act` must be entered on this thread's current stack, `act.trap` nonzero, and no Rust frame above the entry may own
/// anything: call it from thunks, or as the last act of a function that owns nothing. A landing must be one of a frame of the
/// innermost segment.
#[unsafe(naked)]
pub unsafe extern "C" fn raise(act: *mut Activation) -> ! {
    naked_asm!(
        // Take the code. Without one the entry would report success: stop instead.
        "ldr w1, [x0, #{trap}]",
        "cbz w1, 2f",
        "str wzr, [x0, #{trap}]",
        // To a handler of this segment?
        "add x10, x0, #{landing}",
        "ldr x11, [x10]",
        "cbz x11, 3f",
        "str xzr, [x10]",
        "ldp x9, x29, [x10, #8]",
        "mov sp, x9",
        "ldr x0, [x10, #24]",
        "br x11",
        "3:",
        // Cut the stack back and leave.
        "ldr x9, [x0, #{entry_sp}]",
        "mov sp, x9",
        "mov w0, w1",
        leave_entry!(),
        "2: brk #1",
        trap = const activation::OFF_TRAP,
        landing = const activation::OFF_LANDING,
        entry_sp = const activation::OFF_ENTRY_SP,
        exit_fp = const activation::OFF_EXIT_FP,
        exit_pc = const activation::OFF_EXIT_PC,
        exit_regs = const activation::OFF_EXIT_REGS,
    )
}

/// Where the stack pointer is for [`depart`], in bytes from the frame pointer of the frame that is replaced.
pub(crate) const DEPART_SP: usize = 0;

/// Where [`raise`] goes on to replace a frame by a call: `sp` points to its frame record, `x29` is its caller's, `x0` points to a
/// [`Departure`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn depart() {
    naked_asm!(
        "ldr x30, [sp, #8]",
        "add sp, sp, #16",
        "ldp x19, x20, [x0]",
        "ldp x21, x22, [x0, #16]",
        "ldp x23, x24, [x0, #32]",
        "ldp x25, x26, [x0, #48]",
        "ldp x27, x28, [x0, #64]",
        "ldp d8, d9, [x0, #80]",
        "ldp d10, d11, [x0, #96]",
        "ldp d12, d13, [x0, #112]",
        "ldp d14, d15, [x0, #128]",
        "ldr x16, [x0, #{code}]",
        // Both conventions: the tail convention begins with x2.
        "ldp x2, x3, [x0, #{arguments}]",
        "mov x0, x2",
        "mov x1, x3",
        "br x16",
        arguments = const offset_of!(Departure, arguments),
        code = const offset_of!(Departure, code),
    )
}

// ---------------------------------------------------------------------------------------------- thunks

/// Opens a frame and saves [`CalleeSaved`].
#[doc(hidden)]
#[macro_export]
macro_rules! __push_callee_saved {
    () => {
        "sub sp, sp, #160
         stp x29, x30, [sp, #144]
         add x29, sp, #144
         stp x19, x20, [sp]
         stp x21, x22, [sp, #16]
         stp x23, x24, [sp, #32]
         stp x25, x26, [sp, #48]
         stp x27, x28, [sp, #64]
         stp d8, d9, [sp, #80]
         stp d10, d11, [sp, #96]
         stp d12, d13, [sp, #112]
         stp d14, d15, [sp, #128]"
    };
}

/// After [`__push_callee_saved`]: saves the rest of [`AllRegs`].
#[doc(hidden)]
#[macro_export]
macro_rules! __save_volatile {
    () => {
        "sub sp, sp, #672
         stp q0, q1, [sp]
         stp q2, q3, [sp, #32]
         stp q4, q5, [sp, #64]
         stp q6, q7, [sp, #96]
         stp q8, q9, [sp, #128]
         stp q10, q11, [sp, #160]
         stp q12, q13, [sp, #192]
         stp q14, q15, [sp, #224]
         stp q16, q17, [sp, #256]
         stp q18, q19, [sp, #288]
         stp q20, q21, [sp, #320]
         stp q22, q23, [sp, #352]
         stp q24, q25, [sp, #384]
         stp q26, q27, [sp, #416]
         stp q28, q29, [sp, #448]
         stp q30, q31, [sp, #480]
         stp x0, x1, [x29, #-304]
         stp x2, x3, [x29, #-288]
         stp x4, x5, [x29, #-272]
         stp x6, x7, [x29, #-256]
         stp x8, x9, [x29, #-240]
         stp x10, x11, [x29, #-224]
         stp x12, x13, [x29, #-208]
         stp x14, x15, [x29, #-192]
         stp x16, x17, [x29, #-176]
         stp x18, xzr, [x29, #-160]"
    };
}

/// Undoes [`__save_volatile`]. `x18` belongs to the platform and is left alone.
#[doc(hidden)]
#[macro_export]
macro_rules! __restore_volatile {
    () => {
        "ldp q0, q1, [sp]
         ldp q2, q3, [sp, #32]
         ldp q4, q5, [sp, #64]
         ldp q6, q7, [sp, #96]
         ldp q8, q9, [sp, #128]
         ldp q10, q11, [sp, #160]
         ldp q12, q13, [sp, #192]
         ldp q14, q15, [sp, #224]
         ldp q16, q17, [sp, #256]
         ldp q18, q19, [sp, #288]
         ldp q20, q21, [sp, #320]
         ldp q22, q23, [sp, #352]
         ldp q24, q25, [sp, #384]
         ldp q26, q27, [sp, #416]
         ldp q28, q29, [sp, #448]
         ldp q30, q31, [sp, #480]
         ldp x0, x1, [x29, #-304]
         ldp x2, x3, [x29, #-288]
         ldp x4, x5, [x29, #-272]
         ldp x6, x7, [x29, #-256]
         ldp x8, x9, [x29, #-240]
         ldp x10, x11, [x29, #-224]
         ldp x12, x13, [x29, #-208]
         ldp x14, x15, [x29, #-192]
         ldp x16, x17, [x29, #-176]"
    };
}

/// After [`__push_callee_saved`]: `x19` = the activation of the vmctx in `x0`; notes in it the caller's frame pointer, the
/// return address and where the registers are (`{tag}` added). Clobbers `x9` and `x10`.
#[doc(hidden)]
#[macro_export]
macro_rules! __note_exit {
    () => {
        "ldr x19, [x0]
         ldp x9, x10, [x29]
         str x9, [x19, #{exit_fp}]
         str x10, [x19, #{exit_pc}]
         sub x9, x29, #144
         add x9, x9, #{tag}
         str x9, [x19, #{exit_regs}]"
    };
}

/// Closes the frame of [`__push_callee_saved`]. The body has preserved the other registers.
#[doc(hidden)]
#[macro_export]
macro_rules! __pop_frame {
    () => {
        "ldr x19, [x29, #-144]
         mov sp, x29
         ldp x29, x30, [sp], #16
         ret"
    };
}

/// `exit_thunk!(vis fn name => body)`: defines the function that compiled code calls to run the Rust function `body`.
///
/// Called with the C convention, a vmctx first, at most six integer arguments (and eight vector ones) in all. Notes the
/// exit in the activation, saves the callee-saved registers where a stack walk finds them, calls `body` with the same
/// arguments, and raises if `body` has set `Activation::trap`; else returns what `body` returned.
/// `body` is an `extern "C" fn(vmctx, ...)` that does not unwind.
#[macro_export]
macro_rules! exit_thunk {
    ($(#[$meta:meta])* $vis:vis fn $name:ident => $body:path) => {
        $(#[$meta])*
        #[unsafe(naked)]
        $vis unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                $crate::__push_callee_saved!(),
                $crate::__note_exit!(),
                "bl {body}",
                "ldr w9, [x19, #{trap}]",
                "cbnz w9, 2f",
                $crate::__pop_frame!(),
                "2: mov x0, x19",
                "b {raise}",
                body = sym $body,
                raise = sym $crate::activation::raise,
                tag = const 0,
                trap = const $crate::activation::OFF_TRAP,
                exit_fp = const $crate::activation::OFF_EXIT_FP,
                exit_pc = const $crate::activation::OFF_EXIT_PC,
                exit_regs = const $crate::activation::OFF_EXIT_REGS,
            )
        }
    };
}

/// `preserve_all_thunk!(vis fn name => body)`: as [`exit_thunk!`], for callers that expect *every* register to be preserved:
/// slow paths in hot loops. Nothing is returned.
#[macro_export]
macro_rules! preserve_all_thunk {
    ($(#[$meta:meta])* $vis:vis fn $name:ident => $body:path) => {
        $(#[$meta])*
        #[unsafe(naked)]
        $vis unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                $crate::__push_callee_saved!(),
                $crate::__save_volatile!(),
                $crate::__note_exit!(),
                "bl {body}",
                "ldr w9, [x19, #{trap}]",
                "cbnz w9, 2f",
                $crate::__restore_volatile!(),
                $crate::__pop_frame!(),
                "2: mov x0, x19",
                "b {raise}",
                body = sym $body,
                raise = sym $crate::activation::raise,
                tag = const $crate::activation::TAG_ALL,
                trap = const $crate::activation::OFF_TRAP,
                exit_fp = const $crate::activation::OFF_EXIT_FP,
                exit_pc = const $crate::activation::OFF_EXIT_PC,
                exit_regs = const $crate::activation::OFF_EXIT_REGS,
            )
        }
    };
}

/// `raise_thunk!(vis fn name => body)`: defines the function that compiled code calls, with the C convention, to trap. It
/// never returns. `body` is an `extern "C" fn(vmctx, code: u32)` that records the trap and sets `Activation::trap`.
#[macro_export]
macro_rules! raise_thunk {
    ($(#[$meta:meta])* $vis:vis fn $name:ident => $body:path) => {
        $(#[$meta])*
        #[unsafe(naked)]
        $vis unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                $crate::__push_callee_saved!(),
                $crate::__note_exit!(),
                "bl {body}",
                "mov x0, x19",
                "b {raise}",
                body = sym $body,
                raise = sym $crate::activation::raise,
                tag = const 0,
                exit_fp = const $crate::activation::OFF_EXIT_FP,
                exit_pc = const $crate::activation::OFF_EXIT_PC,
                exit_regs = const $crate::activation::OFF_EXIT_REGS,
            )
        }
    };
}

/// `return_thunk!(vis fn name => body)`: defines the code to which calls return that were sent there by [`Detours::add`](crate::activation::Detours::add).
///
/// `body` is an `extern "C" fn(fp: usize, regs: *mut ReturnRegs) -> *mut Activation` that does not unwind: it gets the frame pointer of the frame that
/// called, and either sets [`ReturnRegs::pc`](crate::activation::ReturnRegs::pc) and returns null, to go on there, or sets `Activation::trap`, and
/// perhaps a landing, and returns the activation.
#[macro_export]
macro_rules! return_thunk {
    ($(#[$meta:meta])* $vis:vis fn $name:ident => $body:path) => {
        $(#[$meta])*
        #[unsafe(naked)]
        $vis unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                "sub sp, sp, #224",
                "stp q0, q1, [sp]",
                // The first two integers of a result in the C convention, then in the tail convention.
                "stp x0, x1, [sp, #32]",
                "stp x2, x3, [sp, #48]",
                "stp x19, x20, [sp, #64]",
                "stp x21, x22, [sp, #80]",
                "stp x23, x24, [sp, #96]",
                "stp x25, x26, [sp, #112]",
                "stp x27, x28, [sp, #128]",
                "stp d8, d9, [sp, #144]",
                "stp d10, d11, [sp, #160]",
                "stp d12, d13, [sp, #176]",
                "stp d14, d15, [sp, #192]",
                "mov x0, x29",
                "mov x1, sp",
                "bl {body}",
                "cbz x0, 2f",
                "b {raise}",
                // The body has preserved the other registers.
                "2: ldp q0, q1, [sp]",
                "ldp x0, x1, [sp, #32]",
                "ldp x2, x3, [sp, #48]",
                "ldr x30, [sp, #208]",
                "add sp, sp, #224",
                "ret",
                body = sym $body,
                raise = sym $crate::activation::raise,
            )
        }
    };
}

const _: () = assert!(
    offset_of!(activation::ReturnRegs, integers) == 32
        && offset_of!(activation::ReturnRegs, saved) == 64
        && offset_of!(activation::ReturnRegs, pc) == 208
);

/// Where the signal handler sends a trapping thread: every register as at the trap, but `sp` lowered and aligned. Saves
/// [`AllRegs`] and calls `landed` with the address of the callee-saved ones.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn landing_pad() -> ! {
    naked_asm!(
        __push_callee_saved!(),
        __save_volatile!(),
        "sub x0, x29, #144",
        "bl {landed}",
        "brk #1",
        landed = sym crate::signal::landed,
    )
}

// ---------------------------------------------------------------------------------------------- stacks

/// Calls `f(arg)` with the stack pointer at `top` and comes back. Stores the stack pointer of the current stack, below which
/// it is free in the meantime, to `noted`.
///
/// # Safety
/// `top` must be aligned to 16 bytes, with a free, writable stack below that suffices for `f`; `f` must not unwind.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn on_stack_noting(
    top: *mut u8,
    f: extern "C" fn(*mut u8),
    arg: *mut u8,
    noted: *mut usize,
) {
    naked_asm!(
        ".cfi_startproc",
        // `x29` keeps the old stack (f preserves it) and links the frame pointer chains of the two stacks.
        "stp x29, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset w29, -16",
        ".cfi_offset w30, -8",
        "mov x29, sp",
        ".cfi_def_cfa_register w29",
        "str x29, [x3]",
        // Over, and back.
        "mov sp, x0",
        "mov x0, x2",
        "blr x1",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        ".cfi_def_cfa wsp, 0",
        ".cfi_restore w29",
        ".cfi_restore w30",
        "ret",
        ".cfi_endproc",
    )
}

/// Suspends the current stack into `context` and continues the one that was suspended there, where `value` is returned.
///
/// # Safety
/// The context's stack pointer must have been left by this function or by [`prepare_fiber`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch(context: *mut Context, value: usize) -> usize {
    naked_asm!(
        __push_callee_saved!(),
        "ldr x9, [x0, #{sp}]",
        "mov x10, sp",
        "str x10, [x0, #{sp}]",
        "mov sp, x9",
        // `fiber_start` finds the context in x9.
        "mov x9, x0",
        "mov x0, x1",
        "ldp x19, x20, [sp]",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp d8, d9, [sp, #80]",
        "ldp d10, d11, [sp, #96]",
        "ldp d12, d13, [sp, #112]",
        "ldp d14, d15, [sp, #128]",
        "ldp x29, x30, [sp, #144]",
        "add sp, sp, #160",
        "ret",
        sp = const CONTEXT_SP,
    )
}

/// Lays out a stack on which the first [`switch`] calls `entry(context, arg, value)`. Returns its stack pointer.
///
/// # Safety
/// `top` must be aligned to 16 bytes and end a writable stack in nobody's use.
pub(crate) unsafe fn prepare_fiber(top: *mut u8, entry: FiberEntry, arg: *mut u8) -> *mut u8 {
    // What `switch` loads: x19 to x28, d8 to d15, x29, x30. `fiber_start` finds entry and argument in x19 and x20.
    let mut frame = [0_usize; 20];
    frame[0] = entry as *const () as usize;
    frame[1] = arg as usize;
    frame[19] = fiber_start as *const () as usize;
    let sp = top.wrapping_sub(size_of_val(&frame));
    // SAFETY: the caller vouches for the memory below `top`.
    unsafe { sp.cast::<[usize; 20]>().write(frame) };
    sp
}

/// First instructions of a context: `x9` still holds the context, `x0` the value.
#[unsafe(naked)]
unsafe extern "C" fn fiber_start() -> ! {
    naked_asm!(
        ".cfi_startproc",
        // Nothing lies below: backtraces end here.
        ".cfi_undefined w30",
        "mov x2, x0",
        "mov x1, x20",
        "mov x0, x9",
        "blr x19",
        "brk #1",
        ".cfi_endproc",
    )
}

// ---------------------------------------------------------------------------------------------- stubs

pub(crate) fn lazy_stub(
    out: &mut activation::Writer<'_>,
    convention: StubConvention,
    callee_index: u32,
    offset: u32,
    target: usize,
    at: usize,
) {
    let half = |value: u32| (value & 0xffff) << 5;
    // movz w16, low; movk w16, high, lsl 16; str w16, [vmctx, offset]: x16 belongs to nobody at a call.
    put(out, 0x5280_0010 | half(callee_index));
    put(out, 0x72a0_0010 | half(callee_index >> 16));
    put(out, 0xb900_0010 | base(convention) | (offset / 4) << 10);
    // b target, or ldr x16, [pc + 8]; br x16 with the address behind it.
    let relative = target.wrapping_sub(at + out.len()) as isize;
    if (-(1 << 27)..1 << 27).contains(&relative) {
        put(out, 0x1400_0000 | (relative >> 2) as u32 & 0x03ff_ffff);
    } else {
        put(out, 0x5800_0050);
        put(out, 0xd61f_0200);
        out.put(&(target as u64).to_le_bytes());
    }
}

/// Where instructions have the number of their base register.
fn base(convention: StubConvention) -> u32 {
    // The tail convention keeps x0 for a result area and x1 for the callee's address.
    match convention {
        StubConvention::C => 0,
        StubConvention::Tail => 2 << 5,
    }
}

pub(crate) fn entry_stub(
    out: &mut activation::Writer<'_>,
    convention: StubConvention,
    offset: u32,
    behind: u32,
) {
    let half = |value: u32| (value & 0xffff) << 5;
    // ldr x16, [vmctx, offset]; movz w17, low; movk w17, high, lsl 16; ldr x16, [x16, x17]; br x16
    put(out, 0xf940_0010 | base(convention) | (offset / 8) << 10);
    put(out, 0x5280_0011 | half(behind));
    put(out, 0x72a0_0011 | half(behind >> 16));
    put(out, 0xf871_6a10);
    put(out, 0xd61f_0200);
}

fn put(out: &mut activation::Writer<'_>, instruction: u32) {
    out.put(&instruction.to_le_bytes());
}
