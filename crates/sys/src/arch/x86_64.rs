//! Owns the x86-64 (System V) assembly: entry, raise, thunks, stack switches, landing pad, stub encodings.
//! Does not own the structures it fills: `activation` and `stack` define them and pass their offsets.

use std::arch::{asm, naked_asm};
use std::mem::offset_of;

use crate::activation::{self, Activation, Departure, ENTRY_FP, EntryFrame, StubConvention};
use crate::stack::{CONTEXT_SP, Context, FiberEntry};

/// The registers that a C function preserves (`rbp` apart), in the order of addresses after they were pushed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "registers")]
pub struct CalleeSaved {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbx: u64,
}

impl CalleeSaved {
    /// An integer register by its hardware number; `None` for those not saved.
    pub fn gpr(&self, number: u8) -> Option<u64> {
        Some(match number {
            3 => self.rbx,
            12 => self.r12,
            13 => self.r13,
            14 => self.r14,
            15 => self.r15,
            _ => return None,
        })
    }

    /// Sets an integer register by its hardware number; others are left alone.
    pub fn set_gpr(&mut self, number: u8, value: u64) {
        match number {
            3 => self.rbx = value,
            12 => self.r12 = value,
            13 => self.r13 = value,
            14 => self.r14 = value,
            15 => self.r15 = value,
            _ => {}
        }
    }

    /// The low half of a vector register by its hardware number: C functions preserve none.
    pub fn vector(&self, _number: u8) -> Option<u64> {
        None
    }

    /// Sets the low half of a vector register that is preserved.
    pub fn set_vector(&mut self, _number: u8, _low: u64) {}
}

/// All registers but `rsp` and `rbp`, in the order of addresses after they were saved.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllRegs {
    /// `xmm0` to `xmm15`.
    pub vectors: [u128; 16],
    /// `r11`, `r10`, `r9`, `r8`, `rdi`, `rsi`, `rdx`, `rcx`, `rax`.
    pub volatile: [u64; 9],
    /// The rest.
    pub saved: CalleeSaved,
}

impl AllRegs {
    /// An integer register by its hardware number; `None` for `rsp` and `rbp`, which follow from the frame.
    pub fn gpr(&self, number: u8) -> Option<u64> {
        /// Hardware numbers in the order of [`AllRegs::volatile`].
        const VOLATILE: [u8; 9] = [11, 10, 9, 8, 7, 6, 2, 1, 0];
        match VOLATILE.iter().position(|&volatile| volatile == number) {
            Some(at) => Some(self.volatile[at]),
            None => self.saved.gpr(number),
        }
    }

    /// A vector register (its low 128 bits) by its hardware number.
    pub fn vector(&self, number: u8) -> Option<u128> {
        self.vectors.get(usize::from(number)).copied()
    }
}

// The assembly below relies on these.
const _: () = assert!(
    size_of::<CalleeSaved>() == 40
        && offset_of!(AllRegs, saved) == 256 + 72
        && size_of::<AllRegs>() == 368
);
const _: () =
    assert!(ENTRY_FP == 80 && offset_of!(EntryFrame, saved) == 40 && size_of::<EntryFrame>() == 96);

/// The current stack pointer, give or take the frame of the caller.
#[inline(always)]
pub fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Nothing to do on x86-64: instruction fetch sees every store, and nobody has fetched from here before.
pub(crate) fn synchronize_code(_start: *const u8, _len: usize) {}

// ---------------------------------------------------------------------------------------------- entry and raise

/// Ends an entry: `rsp` = its `EntryFrame`, `eax` = the result. Restores the links and registers, returns to Rust.
macro_rules! leave_entry {
    () => {
        "pop rdi
         pop qword ptr [rdi + {entry_sp}]
         pop qword ptr [rdi + {exit_fp}]
         pop qword ptr [rdi + {exit_pc}]
         pop qword ptr [rdi + {exit_regs}]
         pop r15
         pop r14
         pop r13
         pop r12
         pop rbx
         pop rbp
         ret"
    };
}

/// Calls compiled code `code(a0, a1, a2)` with the C convention. Returns 0 when it returns, or the code of the trap that
/// was raised in it. The activation's links are as before the call in both cases; `trap` is 0 again.
///
/// # Safety
/// `act` must be the live activation of the vmctx that the code works with, on this thread, with `native_limit` set for the
/// current stack. `code` must be the address of published code that takes these arguments, preserves what a C function preserves
/// and keeps the frame pointer chain. Rust frames between two entries must not own anything that must be dropped
/// *above* the inner entry: a raise skips compiled frames only.
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
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // The links of the segment below, then the activation itself: the EntryFrame is complete.
        "push qword ptr [rdi + {exit_regs}]",
        "push qword ptr [rdi + {exit_pc}]",
        "push qword ptr [rdi + {exit_fp}]",
        "push qword ptr [rdi + {entry_sp}]",
        "push rdi",
        "mov qword ptr [rdi + {entry_sp}], rsp",
        // The stack is aligned: 12 words with the return address.
        "mov rax, rsi",
        "mov rdi, rdx",
        "mov rsi, rcx",
        "mov rdx, r8",
        "call rax",
        "xor eax, eax",
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
        "mov eax, dword ptr [rdi + {trap}]",
        "test eax, eax",
        "jz 2f",
        "mov dword ptr [rdi + {trap}], 0",
        // To a handler of this segment?
        "mov rcx, qword ptr [rdi + {landing}]",
        "test rcx, rcx",
        "jz 3f",
        "mov qword ptr [rdi + {landing}], 0",
        "mov rsp, qword ptr [rdi + {landing} + 8]",
        "mov rbp, qword ptr [rdi + {landing} + 16]",
        "mov rax, qword ptr [rdi + {landing} + 24]",
        "jmp rcx",
        "3:",
        // Cut the stack back and leave.
        "mov rsp, qword ptr [rdi + {entry_sp}]",
        leave_entry!(),
        "2: ud2",
        trap = const activation::OFF_TRAP,
        landing = const activation::OFF_LANDING,
        entry_sp = const activation::OFF_ENTRY_SP,
        exit_fp = const activation::OFF_EXIT_FP,
        exit_pc = const activation::OFF_EXIT_PC,
        exit_regs = const activation::OFF_EXIT_REGS,
    )
}

/// Where the stack pointer is for [`depart`], in bytes from the frame pointer of the frame that is replaced.
pub(crate) const DEPART_SP: usize = 8;

/// Where [`raise`] goes on to replace a frame by a call: `rsp` points to its return address, `rbp` is its caller's, `rax` points to a
/// [`Departure`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn depart() {
    naked_asm!(
        "mov r15, qword ptr [rax]",
        "mov r14, qword ptr [rax + 8]",
        "mov r13, qword ptr [rax + 16]",
        "mov r12, qword ptr [rax + 24]",
        "mov rbx, qword ptr [rax + 32]",
        "mov rdi, qword ptr [rax + {arguments}]",
        "mov rsi, qword ptr [rax + {arguments} + 8]",
        "jmp qword ptr [rax + {code}]",
        arguments = const offset_of!(Departure, arguments),
        code = const offset_of!(Departure, code),
    )
}

// ---------------------------------------------------------------------------------------------- thunks

/// Opens a frame and pushes [`CalleeSaved`].
#[doc(hidden)]
#[macro_export]
macro_rules! __push_callee_saved {
    () => {
        "push rbp
         mov rbp, rsp
         push rbx
         push r12
         push r13
         push r14
         push r15"
    };
}

/// After [`__push_callee_saved`]: saves the rest of [`AllRegs`]. Leaves the stack aligned.
#[doc(hidden)]
#[macro_export]
macro_rules! __save_volatile {
    () => {
        "push rax
         push rcx
         push rdx
         push rsi
         push rdi
         push r8
         push r9
         push r10
         push r11
         sub rsp, 256
         movaps [rsp], xmm0
         movaps [rsp + 16], xmm1
         movaps [rsp + 32], xmm2
         movaps [rsp + 48], xmm3
         movaps [rsp + 64], xmm4
         movaps [rsp + 80], xmm5
         movaps [rsp + 96], xmm6
         movaps [rsp + 112], xmm7
         movaps [rsp + 128], xmm8
         movaps [rsp + 144], xmm9
         movaps [rsp + 160], xmm10
         movaps [rsp + 176], xmm11
         movaps [rsp + 192], xmm12
         movaps [rsp + 208], xmm13
         movaps [rsp + 224], xmm14
         movaps [rsp + 240], xmm15"
    };
}

/// Undoes [`__save_volatile`].
#[doc(hidden)]
#[macro_export]
macro_rules! __restore_volatile {
    () => {
        "movaps xmm0, [rsp]
         movaps xmm1, [rsp + 16]
         movaps xmm2, [rsp + 32]
         movaps xmm3, [rsp + 48]
         movaps xmm4, [rsp + 64]
         movaps xmm5, [rsp + 80]
         movaps xmm6, [rsp + 96]
         movaps xmm7, [rsp + 112]
         movaps xmm8, [rsp + 128]
         movaps xmm9, [rsp + 144]
         movaps xmm10, [rsp + 160]
         movaps xmm11, [rsp + 176]
         movaps xmm12, [rsp + 192]
         movaps xmm13, [rsp + 208]
         movaps xmm14, [rsp + 224]
         movaps xmm15, [rsp + 240]
         add rsp, 256
         pop r11
         pop r10
         pop r9
         pop r8
         pop rdi
         pop rsi
         pop rdx
         pop rcx
         pop rax"
    };
}

/// After [`__push_callee_saved`]: `rbx` = the activation of the vmctx in `rdi`; notes in it the caller's frame pointer, the return
/// address and where the registers are (`{tag}` added). Clobbers `rax`.
#[doc(hidden)]
#[macro_export]
macro_rules! __note_exit {
    () => {
        "mov rbx, qword ptr [rdi]
         mov rax, qword ptr [rbp]
         mov qword ptr [rbx + {exit_fp}], rax
         mov rax, qword ptr [rbp + 8]
         mov qword ptr [rbx + {exit_pc}], rax
         lea rax, [rbp - 40 + {tag}]
         mov qword ptr [rbx + {exit_regs}], rax"
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
                // Six words are pushed besides the return address: align.
                "sub rsp, 8",
                "call {body}",
                "cmp dword ptr [rbx + {trap}], 0",
                "jne 2f",
                // The body has preserved the other registers.
                "mov rbx, qword ptr [rbp - 8]",
                "leave",
                "ret",
                "2: mov rdi, rbx",
                "jmp {raise}",
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
                "call {body}",
                "cmp dword ptr [rbx + {trap}], 0",
                "jne 2f",
                $crate::__restore_volatile!(),
                "mov rbx, qword ptr [rbp - 8]",
                "leave",
                "ret",
                "2: mov rdi, rbx",
                "jmp {raise}",
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
                "sub rsp, 8",
                "call {body}",
                "mov rdi, rbx",
                "jmp {raise}",
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
                // The place of the address to go on at.
                "push rax",
                "push rbx",
                "push r12",
                "push r13",
                "push r14",
                "push r15",
                // The first two integers of a result in the tail convention, then in the C convention.
                "push rcx",
                "push rax",
                "push rdx",
                "push rax",
                "sub rsp, 32",
                "movups [rsp], xmm0",
                "movups [rsp + 16], xmm1",
                "mov rbx, rsp",
                "mov rdi, rbp",
                "mov rsi, rsp",
                "and rsp, -16",
                "call {body}",
                "test rax, rax",
                "jz 2f",
                "mov rdi, rax",
                "jmp {raise}",
                "2: mov rsp, rbx",
                "movups xmm0, [rsp]",
                "movups xmm1, [rsp + 16]",
                "add rsp, 32",
                "pop rax",
                "pop rdx",
                "pop rax",
                "pop rcx",
                "pop r15",
                "pop r14",
                "pop r13",
                "pop r12",
                "pop rbx",
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
        && offset_of!(activation::ReturnRegs, pc) == 104
);

/// Where the signal handler sends a trapping thread: every register as at the trap, but `rsp` lowered past the red zone and
/// aligned. Saves [`AllRegs`] and calls `landed` with the address of the callee-saved ones.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn landing_pad() -> ! {
    naked_asm!(
        // In place of a return address, so that the frame has the shape of a thunk's.
        "sub rsp, 8",
        __push_callee_saved!(),
        __save_volatile!(),
        "lea rdi, [rbp - 40]",
        "call {landed}",
        "ud2",
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
        // `rbp` keeps the old stack (f preserves it) and links the frame pointer chains of the two stacks.
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov qword ptr [rcx], rsp",
        // Over, and back.
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
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
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov rax, qword ptr [rdi + {sp}]",
        "mov qword ptr [rdi + {sp}], rsp",
        "mov rsp, rax",
        "mov rax, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        sp = const CONTEXT_SP,
    )
}

/// Lays out a stack on which the first [`switch`] calls `entry(context, arg, value)`. Returns its stack pointer.
///
/// # Safety
/// `top` must be aligned to 16 bytes and end a writable stack in nobody's use.
pub(crate) unsafe fn prepare_fiber(top: *mut u8, entry: FiberEntry, arg: *mut u8) -> *mut u8 {
    // What `switch` pops: r15 to rbp, then the address it returns to. `fiber_start` finds entry and argument in rbx and r12.
    let frame: [usize; 7] =
        [0, 0, 0, arg as usize, entry as *const () as usize, 0, fiber_start as *const () as usize];
    let sp = top.wrapping_sub(size_of_val(&frame));
    // SAFETY: the caller vouches for the memory below `top`.
    unsafe { sp.cast::<[usize; 7]>().write(frame) };
    sp
}

/// First instructions of a context: `rdi` still holds the context, `rax` the value.
#[unsafe(naked)]
unsafe extern "C" fn fiber_start() -> ! {
    naked_asm!(
        ".cfi_startproc",
        // Nothing lies below: backtraces end here.
        ".cfi_undefined rip",
        "mov rsi, r12",
        "mov rdx, rax",
        "call rbx",
        "ud2",
        ".cfi_endproc",
    )
}

// ---------------------------------------------------------------------------------------------- stubs

pub(crate) fn lazy_stub(
    out: &mut activation::Writer<'_>,
    _convention: StubConvention,
    callee_index: u32,
    offset: u32,
    target: usize,
    at: usize,
) {
    // mov dword ptr [rdi + disp32], imm32: both conventions begin with rdi.
    out.put(&[0xc7, 0x87]);
    out.put(&offset.to_le_bytes());
    out.put(&callee_index.to_le_bytes());
    // jmp rel32, or jmp [rip + 0] with the address behind it.
    match displacement(at + out.len() + 5, target) {
        Some(relative) => {
            out.put(&[0xe9]);
            out.put(&relative.to_le_bytes());
        }
        None => {
            out.put(&[0xff, 0x25, 0, 0, 0, 0]);
            out.put(&(target as u64).to_le_bytes());
        }
    }
}

pub(crate) fn entry_stub(
    out: &mut activation::Writer<'_>,
    _convention: StubConvention,
    offset: u32,
    behind: u32,
) {
    // mov r11, [rdi + disp32]; jmp [r11 + disp32]: r11 belongs to nobody at a call.
    out.put(&[0x4c, 0x8b, 0x9f]);
    out.put(&offset.to_le_bytes());
    out.put(&[0x41, 0xff, 0xa3]);
    out.put(&behind.to_le_bytes());
}

/// The 32-bit displacement from the end of an instruction to an address, if it reaches.
fn displacement(end: usize, target: usize) -> Option<i32> {
    i32::try_from(target.wrapping_sub(end) as isize).ok()
}
