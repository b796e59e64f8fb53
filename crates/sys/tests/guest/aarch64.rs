//! Owns the guest functions of the tests for aarch64, and what the tests know about their registers.
//! Does not say what they are for: the comments in `x86_64` give arguments and effect.

/// Numbers and values of the callee-saved registers that `call_checked` sets.
pub const CHECKED: [(u8, u64); 5] = [(19, 0xb), (20, 0xc), (21, 0xd), (22, 0xe), (28, 0xf)];
/// A register that a C function does not preserve.
pub const UNSAVED: u8 = 0;
/// The first argument.
pub const VMCTX: u8 = 0;
/// The integer registers that `count_clobbers` sets to `a` plus their number.
pub const COUNTED: &[u8] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27,
    28,
];
/// Registers that are never saved.
pub const ABSENT: [u8; 3] = [29, 30, 31];
/// Number of vector registers.
pub const VECTORS: u8 = 32;
/// Set by `undefined`: a callee-saved register to 0x1234, another one to `a`.
pub const MARKED: (u8, u8) = (19, 9);

/// Destroys registers that a C function may destroy.
pub fn clobber() {
    // SAFETY: declares what it clobbers.
    unsafe {
        std::arch::asm!(
            "movi v0.2d, #0", "movi v7.2d, #0", "movi v15.2d, #0", "movi v31.2d, #0", "mov x1, #0", "mov x15, #0",
            out("v0") _, out("v7") _, out("v15") _, out("v31") _, out("x1") _, out("x15") _,
        );
    }
}

guest! {
    increment => [
        "stp x29, x30, [sp, #-16]!", "mov x29, sp", "add x9, x1, #1", "str x9, [x2]", "ldp x29, x30, [sp], #16", "ret",
    ];
    call_checked => [
        "stp x29, x30, [sp, #-112]!", "mov x29, sp",
        "stp x19, x20, [sp, #16]", "stp x21, x22, [sp, #32]", "stp x28, x2, [sp, #48]", "stp d8, d15, [sp, #64]",
        "mov x19, #0xb", "mov x20, #0xc", "mov x21, #0xd", "mov x22, #0xe", "mov x28, #0xf",
        "fmov d8, x19", "fmov d15, x20",
        "ldr x9, [x0, #8]", "blr x9",
        "fmov x9, d8", "cmp x9, #0xb", "b.ne 2f", "fmov x9, d15", "cmp x9, #0xc", "b.ne 2f",
        "cmp x19, #0xb", "b.ne 2f", "cmp x20, #0xc", "b.ne 2f", "cmp x21, #0xd", "b.ne 2f", "cmp x22, #0xe", "b.ne 2f",
        "cmp x28, #0xf", "b.eq 3f",
        "2: mov x0, #0",
        "3: ldp x28, x2, [sp, #48]", "str x0, [x2]",
        "ldp x19, x20, [sp, #16]", "ldp x21, x22, [sp, #32]", "ldp d8, d15, [sp, #64]",
        "ldp x29, x30, [sp], #112", "ret",
    ];
    call_argument => ["stp x29, x30, [sp, #-16]!", "mov x29, sp", "blr x1", "ldp x29, x30, [sp], #16", "ret"];
    call_callee => [
        "stp x29, x30, [sp, #-16]!", "mov x29, sp", "ldr x9, [x0, #8]", "blr x9", "ldp x29, x30, [sp], #16", "ret",
    ];
    count_clobbers => [
        "stp x29, x30, [sp, #-128]!", "mov x29, sp",
        "stp x19, x20, [sp, #16]", "stp x21, x22, [sp, #32]", "stp x23, x24, [sp, #48]", "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]", "stp x1, x2, [sp, #96]", "str d15, [sp, #112]",
        ".irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28",
        "add x\\n, x1, #\\n", ".endr",
        "fmov d0, x1", "add x1, x1, #1", "fmov d7, x1", "dup v15.2d, x2", "fmov d31, x3",
        "ldr x30, [x0, #8]", "blr x30",
        "ldr x30, [sp, #96]",
        ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28",
        "sub x\\n, x\\n, #\\n", "eor x\\n, x\\n, x30", ".endr",
        "mov x30, #0",
        ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28",
        "cmp x\\n, #0", "cinc x30, x30, ne", ".endr",
        "ldr x1, [sp, #96]",
        "fmov x3, d0", "cmp x3, x1", "cinc x30, x30, ne",
        "fmov x3, d7", "sub x3, x3, #1", "cmp x3, x1", "cinc x30, x30, ne",
        "umov x3, v15.d[1]", "sub x3, x3, #2", "cmp x3, x1", "cinc x30, x30, ne",
        "fmov x3, d31", "sub x3, x3, #3", "cmp x3, x1", "cinc x30, x30, ne",
        "ldr x2, [sp, #104]", "str x30, [x2]",
        "ldp x19, x20, [sp, #16]", "ldp x21, x22, [sp, #32]", "ldp x23, x24, [sp, #48]", "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]", "ldr d15, [sp, #112]", "ldp x29, x30, [sp], #128", "ret",
    ];
    undefined => [
        "stp x29, x30, [sp, #-32]!", "mov x29, sp", "str x19, [sp, #16]", "mov x19, #0x1234", "mov x9, x1", "fmov d3, x1",
        "udf #0",
        "ldr x19, [sp, #16]", "ldp x29, x30, [sp], #32", "ret",
    ];
    load => [
        "stp x29, x30, [sp, #-16]!", "mov x29, sp", "ldr x9, [x1]", "str x9, [x2]", "ldp x29, x30, [sp], #16", "ret",
    ];
    call_raise => ["stp x29, x30, [sp, #-16]!", "mov x29, sp", "ldr x9, [x0, #8]", "blr x9", "udf #0"];
}
