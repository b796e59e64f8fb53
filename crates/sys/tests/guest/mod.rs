//! Owns "compiled code" for the tests, written by hand, and the context it works with.
//! Does not test anything itself.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
#![allow(dead_code, reason = "no test file uses all of it")]

use std::arch::naked_asm;

use sterna_sys::activation::{Activation, enter_compiled};

/// What the body of a thunk does.
pub type Action = Box<dyn FnMut(&mut Ctx)>;

/// A vmctx: its first word points to the activation.
#[repr(C)]
pub struct Ctx {
    pub act: *mut Activation,
    /// What guest code jumps through.
    pub callee: usize,
    /// For the bodies of thunks.
    pub action: Option<Action>,
}

impl Ctx {
    pub fn new(act: &mut Activation) -> Ctx {
        Ctx { act, callee: 0, action: None }
    }

    /// Enters guest code with this context.
    pub fn enter(&mut self, code: unsafe extern "C" fn(), a1: usize, a2: usize) -> u32 {
        // SAFETY: the context is live, and the guest functions here keep the rules of compiled code.
        unsafe {
            enter_compiled(self.act, (code as *const ()).cast(), (&raw mut *self).addr(), a1, a2)
        }
    }

    pub fn act(&self) -> &Activation {
        // SAFETY: every test keeps its activation alive; guest code that changes it is not running now.
        unsafe { &*self.act }
    }

    /// Sets the pending trap, as bodies do.
    pub fn set_trap(&mut self, code: u32) {
        // SAFETY: as above.
        let act = unsafe { &mut *self.act };
        act.trap = code;
    }

    /// Runs the current action, which may replace itself.
    pub fn act_out(&mut self) {
        if let Some(mut action) = self.action.take() {
            action(self);
            self.action.get_or_insert(action);
        }
    }
}

/// Every guest function is aligned to this many bytes and calls within the first as many, so that a pc names its function.
pub const GUEST_BYTES: usize = 256;

/// The address of the guest function that contains `pc`.
pub fn function_of(pc: usize) -> usize {
    pc & !(GUEST_BYTES - 1)
}

/// Defines guest functions: `name => [instructions], operands;`.
macro_rules! guest {
    ($($name:ident => [$($line:literal),* $(,)?] $(, $operand:ident = const $value:expr)*;)*) => {
        $(
            #[unsafe(naked)]
            pub unsafe extern "C" fn $name() {
                naked_asm!(
                    ".p2align 8",
                    $($line,)*
                    ".p2align 8",
                    $($operand = const $value,)*
                )
            }
        )*
    };
}

#[cfg(target_arch = "x86_64")]
guest! {
    // (vmctx, a, out): *out = a + 1
    increment => ["push rbp", "mov rbp, rsp", "lea rax, [rsi + 1]", "mov [rdx], rax", "pop rbp", "ret"];
    // (vmctx, a, out): *out = callee(vmctx, a), after checking that the callee-saved registers come back. Sets them to
    // 0xb, 0xc, 0xd, 0xe, 0xf (rbx, r12 to r15); result 0 if one of them is lost.
    call_checked => [
        "push rbp", "mov rbp, rsp", "push rbx", "push r12", "push r13", "push r14", "push r15", "push rdx",
        "mov ebx, 0xb", "mov r12d, 0xc", "mov r13d, 0xd", "mov r14d, 0xe", "mov r15d, 0xf",
        "call [rdi + 8]",
        "pop rdx",
        "cmp rbx, 0xb", "jne 2f", "cmp r12, 0xc", "jne 2f", "cmp r13, 0xd", "jne 2f", "cmp r14, 0xe", "jne 2f",
        "cmp r15, 0xf", "je 3f",
        "2: xor eax, eax",
        "3: mov [rdx], rax",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp", "ret",
    ];
    // (vmctx, function, out): calls function(vmctx, _, out): one more frame.
    call_argument => ["push rbp", "mov rbp, rsp", "call rsi", "pop rbp", "ret"];
    // (vmctx, _, out): calls callee(vmctx).
    call_callee => ["push rbp", "mov rbp, rsp", "call [rdi + 8]", "pop rbp", "ret"];
    // (vmctx, code): tail call of the callee, as a thunk sees it that was called by a frame that is gone.
    jump_callee => ["jmp [rdi + 8]"];
    // (vmctx, a, out): fills registers with a, a + 1, ..., calls the callee with the vmctx, stores at out: the number of
    // registers that were changed by the call.
    count_clobbers => [
        "push rbp", "mov rbp, rsp", "push rbx", "push r12", "push r13", "push r14", "push r15", "push rdx",
        "mov rax, rsi", "lea rcx, [rax + 1]", "lea rdx, [rax + 2]", "lea rbx, [rax + 3]", "lea rsi, [rax + 6]",
        "lea r8, [rax + 8]", "lea r9, [rax + 9]", "lea r10, [rax + 10]", "lea r11, [rax + 11]",
        "lea r12, [rax + 12]", "lea r13, [rax + 13]", "lea r14, [rax + 14]", "lea r15, [rax + 15]",
        "movq xmm0, rax", "movq xmm7, rcx", "movq xmm15, rdx", "punpcklqdq xmm15, xmm15",
        "call [rdi + 8]",
        "push rdi", "xor edi, edi",
        // Compares everything with rax, itself checked against nothing but its own neighbours.
        "sub rcx, 1", "cmp rcx, rax", "setne dil", "mov rcx, rdi",
        "sub rdx, 2", "cmp rdx, rax", "setne dil", "add rcx, rdi",
        "sub rbx, 3", "cmp rbx, rax", "setne dil", "add rcx, rdi",
        "sub rsi, 6", "cmp rsi, rax", "setne dil", "add rcx, rdi",
        "sub r8, 8", "cmp r8, rax", "setne dil", "add rcx, rdi",
        "sub r9, 9", "cmp r9, rax", "setne dil", "add rcx, rdi",
        "sub r10, 10", "cmp r10, rax", "setne dil", "add rcx, rdi",
        "sub r11, 11", "cmp r11, rax", "setne dil", "add rcx, rdi",
        "sub r12, 12", "cmp r12, rax", "setne dil", "add rcx, rdi",
        "sub r13, 13", "cmp r13, rax", "setne dil", "add rcx, rdi",
        "sub r14, 14", "cmp r14, rax", "setne dil", "add rcx, rdi",
        "sub r15, 15", "cmp r15, rax", "setne dil", "add rcx, rdi",
        "movq rdx, xmm0", "cmp rdx, rax", "setne dil", "add rcx, rdi",
        "movq rdx, xmm7", "sub rdx, 1", "cmp rdx, rax", "setne dil", "add rcx, rdi",
        "punpckhqdq xmm15, xmm15", "movq rdx, xmm15", "sub rdx, 2", "cmp rdx, rax", "setne dil", "add rcx, rdi",
        "pop rdi", "pop rdx", "mov [rdx], rcx",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp", "ret",
    ];
    // (vmctx, a, b): an undefined instruction, with known registers.
    undefined => [
        "push rbp", "mov rbp, rsp", "push rbx", "mov ebx, 0x1234", "mov rcx, rsi", "movq xmm3, rsi",
        "ud2",
        "pop rbx", "pop rbp", "ret",
    ];
    // (vmctx, address, out): *out = *address
    load => ["push rbp", "mov rbp, rsp", "mov rax, [rsi]", "mov [rdx], rax", "pop rbp", "ret"];
    // (vmctx, divisor, out): *out = 7 / divisor, in hardware
    divide => [
        "push rbp", "mov rbp, rsp", "mov rcx, rdx", "mov eax, 7", "cqo", "idiv rsi", "mov [rcx], rax", "pop rbp", "ret",
    ];
    // (vmctx, code): callee(vmctx, code); never comes back.
    call_raise => ["push rbp", "mov rbp, rsp", "call [rdi + 8]", "ud2"];
}
