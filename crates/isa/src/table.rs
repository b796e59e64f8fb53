//! The one table of operators: every row, and the macros that hand rows to other crates.
//! Not here: the meaning of the columns at run time, which is [`crate::Op`]'s.
//!
//! Every row has the same shape:
//!
//! ```text
//! I32Add, i32_add, (0x00, 0x6a), "i32.add", Pure, [I32 I32] -> [I32], NoImm, Mvp;
//! I32Load8S, i32_load8_s, (0x00, 0x2c), "i32.load8_s", Load(i8), [Addr] -> [I32], MemArg, Mvp;
//! Select, select, (0x00, 0x1b), "select", Parametric, Special, NoImm, Mvp;
//! ```
//!
//! that is: variant of [`crate::Op`] (equal to `wasmparser`'s), function name, (prefix byte or 0,
//! code), text name, [`crate::Class`] with its details in parentheses, signature or `Special`,
//! [`crate::ImmKind`], [`crate::Feature`]. Function names that are Rust keywords end in `_`.
//! `Addr` in a signature is the address type of the memory or table that the immediate names.
//!
//! `for_each_X! { my_macro }` expands to one call `my_macro! { row; row; … }`; and
//! `for_each_X! { my_macro [tokens] }` to `my_macro! { tokens row; row; … }`. The rows of one class
//! have one form, so a macro for a class needs no filter:
//!
//! | macro | class | signature | immediate |
//! |---|---|---|---|
//! | `for_each_pure_scalar`, `for_each_pure_simd`, both: `for_each_pure` | `Pure` | `[T …] -> [T]` | `NoImm` |
//! | `for_each_trapping` | `Trapping` | `[T …] -> [T]` | `NoImm` |
//! | `for_each_wide` | `Wide` | `[I64 …] -> [I64 I64]` | `NoImm` |
//! | `for_each_lane` | `Lane` | `[V128 …] -> [T]` | `Lane`, `Shuffle` |
//! | `for_each_load` | `Load(raw)` | `[Addr] -> [T]` | `MemArg` |
//! | `for_each_store` | `Store(raw)` | `[Addr T] -> []` | `MemArg` |
//! | `for_each_load_lane` | `LoadLane(raw)` | `[Addr V128] -> [V128]` | `MemArgLane` |
//! | `for_each_store_lane` | `StoreLane(raw)` | `[Addr V128] -> []` | `MemArgLane` |
//! | `for_each_atomic_load` | `AtomicLoad(raw)` | `[Addr] -> [T]` | `MemArg` |
//! | `for_each_atomic_store` | `AtomicStore(raw)` | `[Addr T] -> []` | `MemArg` |
//! | `for_each_atomic_rmw` | `AtomicRmw(raw, F)` | `[Addr T] -> [T]` | `MemArg` |
//! | `for_each_atomic_cmpxchg` | `AtomicCmpxchg(raw)` | `[Addr T T] -> [T]` | `MemArg` |
//! | `for_each_atomic_wait`, `_const`, `_local`, `_global`, `_parametric`, `_control`, `_call`, `_builtin`, `_ref`, `_gc`, `_exception` | the same | mixed | mixed |
//!
//! `raw` is a Rust type (`u8`, `i16`, `f32`, `u128`, …): the little-endian value in memory.

mod atomic;
mod builtin;
mod control;
mod memory;
mod reference;
mod scalar;
mod simd;

/// All rows of class `Pure`: scalar ones, then vectors.
#[macro_export]
macro_rules! for_each_pure {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => {
        $crate::for_each_pure_scalar! { $crate::chain_rows [ (for_each_pure_simd) ($($cb)::+ $([ $($prefix)* ])?) ] }
    };
}

/// All rows of the table, class by class.
#[macro_export]
macro_rules! for_each_op {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => {
        $crate::for_each_pure_scalar! { $crate::chain_rows [
            (for_each_pure_simd for_each_lane for_each_wide for_each_trapping
             for_each_load for_each_store for_each_load_lane for_each_store_lane
             for_each_atomic_load for_each_atomic_store for_each_atomic_rmw
             for_each_atomic_cmpxchg for_each_atomic_wait
             for_each_const for_each_local for_each_global for_each_parametric
             for_each_control for_each_call for_each_builtin
             for_each_ref for_each_gc for_each_exception)
            ($($cb)::+ $([ $($prefix)* ])?)
        ] }
    };
}

/// Appends the rows of the named `for_each_*` macros to those that follow, then calls back.
#[doc(hidden)]
#[macro_export]
macro_rules! chain_rows {
    (() ($($cb:tt)::+ $([ $($prefix:tt)* ])?) $($rows:tt)*) => {
        $($cb)::+! { $($($prefix)*)? $($rows)* }
    };
    (($next:ident $($rest:ident)*) $cb:tt $($rows:tt)*) => {
        $crate::$next! { $crate::chain_rows [ ($($rest)*) $cb $($rows)* ] }
    };
}
