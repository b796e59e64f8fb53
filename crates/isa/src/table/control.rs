//! Control flow, calls, variables, constants and the parametric operators.
//! Branches on references are in `reference`. Row shape: see `table`.
// tidy: flat-table

/// Rows of class Const: the value is the immediate.
#[macro_export]
macro_rules! for_each_const {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32Const, i32_const, (0x00, 0x41), "i32.const", Const, [] -> [I32], I32Imm, Mvp;
        I64Const, i64_const, (0x00, 0x42), "i64.const", Const, [] -> [I64], I64Imm, Mvp;
        F32Const, f32_const, (0x00, 0x43), "f32.const", Const, [] -> [F32], F32Imm, Mvp;
        F64Const, f64_const, (0x00, 0x44), "f64.const", Const, [] -> [F64], F64Imm, Mvp;
        V128Const, v128_const, (0xfd, 0x0c), "v128.const", Const, [] -> [V128], V128Imm, Simd;
    }};
}

/// Rows of class Local: read and write locals.
#[macro_export]
macro_rules! for_each_local {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        LocalGet, local_get, (0x00, 0x20), "local.get", Local, Special, Local, Mvp;
        LocalSet, local_set, (0x00, 0x21), "local.set", Local, Special, Local, Mvp;
        LocalTee, local_tee, (0x00, 0x22), "local.tee", Local, Special, Local, Mvp;
    }};
}

/// Rows of class Global: read and write globals.
#[macro_export]
macro_rules! for_each_global {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        GlobalGet, global_get, (0x00, 0x23), "global.get", Global, Special, Global, Mvp;
        GlobalSet, global_set, (0x00, 0x24), "global.set", Global, Special, Global, Mvp;
    }};
}

/// Rows of class Parametric: any type, no effect beyond the operand stack.
#[macro_export]
macro_rules! for_each_parametric {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        Nop, nop, (0x00, 0x01), "nop", Parametric, [] -> [], NoImm, Mvp;
        Drop, drop, (0x00, 0x1a), "drop", Parametric, Special, NoImm, Mvp;
        Select, select, (0x00, 0x1b), "select", Parametric, Special, NoImm, Mvp;
        TypedSelect, typed_select, (0x00, 0x1c), "select", Parametric, Special, SelectType, ReferenceTypes;
    }};
}

/// Rows of class Control: structure, branches, return and unreachable.
#[macro_export]
macro_rules! for_each_control {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        Unreachable, unreachable, (0x00, 0x00), "unreachable", Control, Special, NoImm, Mvp;
        Block, block, (0x00, 0x02), "block", Control, Special, Block, Mvp;
        Loop, loop_, (0x00, 0x03), "loop", Control, Special, Block, Mvp;
        If, if_, (0x00, 0x04), "if", Control, Special, Block, Mvp;
        Else, else_, (0x00, 0x05), "else", Control, Special, NoImm, Mvp;
        End, end, (0x00, 0x0b), "end", Control, Special, NoImm, Mvp;
        Br, br, (0x00, 0x0c), "br", Control, Special, Label, Mvp;
        BrIf, br_if, (0x00, 0x0d), "br_if", Control, Special, Label, Mvp;
        BrTable, br_table, (0x00, 0x0e), "br_table", Control, Special, BrTable, Mvp;
        Return, return_, (0x00, 0x0f), "return", Control, Special, NoImm, Mvp;
    }};
}

/// Rows of class Call: calls and tail calls.
#[macro_export]
macro_rules! for_each_call {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        Call, call, (0x00, 0x10), "call", Call, Special, Func, Mvp;
        CallIndirect, call_indirect, (0x00, 0x11), "call_indirect", Call, Special, TypeTable, Mvp;
        ReturnCall, return_call, (0x00, 0x12), "return_call", Call, Special, Func, TailCall;
        ReturnCallIndirect, return_call_indirect, (0x00, 0x13), "return_call_indirect", Call, Special, TypeTable, TailCall;
        CallRef, call_ref, (0x00, 0x14), "call_ref", Call, Special, Type, FunctionReferences;
        ReturnCallRef, return_call_ref, (0x00, 0x15), "return_call_ref", Call, Special, Type, FunctionReferences;
    }};
}
