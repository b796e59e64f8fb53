//! Owns the guest functions of the tests for x86-64, and what the tests know about their registers.
//! Does not say what they are for: the comments give arguments and effect, `aarch64` has the same functions.

/// Numbers and values of the callee-saved registers that `call_checked` sets.
pub const CHECKED: [(u8, u64); 5] = [(3, 0xb), (12, 0xc), (13, 0xd), (14, 0xe), (15, 0xf)];
/// A register that a C function does not preserve.
pub const UNSAVED: u8 = 0;
/// The first argument.
pub const VMCTX: u8 = 7;
/// The integer registers that `count_clobbers` sets to `a` plus their number.
pub const COUNTED: &[u8] = &[0, 1, 2, 3, 6, 8, 9, 10, 11, 12, 13, 14, 15];
/// Registers that are never saved.
pub const ABSENT: [u8; 3] = [4, 5, 16];
/// Number of vector registers.
pub const VECTORS: u8 = 16;
/// Set by `undefined`: a callee-saved register to 0x1234, another one to `a`.
pub const MARKED: (u8, u8) = (3, 1);

/// Destroys registers that a C function may destroy.
pub fn clobber() {
    // SAFETY: declares what it clobbers.
    unsafe {
        std::arch::asm!(
            "xorps xmm0, xmm0", "xorps xmm7, xmm7", "xorps xmm15, xmm15", "xor r8d, r8d", "xor r11d, r11d",
            out("xmm0") _, out("xmm7") _, out("xmm15") _, out("r8") _, out("r11") _,
        );
    }
}

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
