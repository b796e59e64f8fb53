//! Atomic accesses of linear memory and the waiting operators.
//! Plain accesses are in `memory`. Row shape: see `table`.
// tidy: flat-table

/// Rows of class AtomicLoad(raw): always zero-extends.
#[macro_export]
macro_rules! for_each_atomic_load {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32AtomicLoad, i32_atomic_load, (0xfe, 0x10), "i32.atomic.load", AtomicLoad(u32), [Addr] -> [I32], MemArg, Threads;
        I64AtomicLoad, i64_atomic_load, (0xfe, 0x11), "i64.atomic.load", AtomicLoad(u64), [Addr] -> [I64], MemArg, Threads;
        I32AtomicLoad8U, i32_atomic_load8_u, (0xfe, 0x12), "i32.atomic.load8_u", AtomicLoad(u8), [Addr] -> [I32], MemArg, Threads;
        I32AtomicLoad16U, i32_atomic_load16_u, (0xfe, 0x13), "i32.atomic.load16_u", AtomicLoad(u16), [Addr] -> [I32], MemArg, Threads;
        I64AtomicLoad8U, i64_atomic_load8_u, (0xfe, 0x14), "i64.atomic.load8_u", AtomicLoad(u8), [Addr] -> [I64], MemArg, Threads;
        I64AtomicLoad16U, i64_atomic_load16_u, (0xfe, 0x15), "i64.atomic.load16_u", AtomicLoad(u16), [Addr] -> [I64], MemArg, Threads;
        I64AtomicLoad32U, i64_atomic_load32_u, (0xfe, 0x16), "i64.atomic.load32_u", AtomicLoad(u32), [Addr] -> [I64], MemArg, Threads;
    }};
}

/// Rows of class AtomicStore(raw): wraps the value to `raw`.
#[macro_export]
macro_rules! for_each_atomic_store {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32AtomicStore, i32_atomic_store, (0xfe, 0x17), "i32.atomic.store", AtomicStore(u32), [Addr I32] -> [], MemArg, Threads;
        I64AtomicStore, i64_atomic_store, (0xfe, 0x18), "i64.atomic.store", AtomicStore(u64), [Addr I64] -> [], MemArg, Threads;
        I32AtomicStore8, i32_atomic_store8, (0xfe, 0x19), "i32.atomic.store8", AtomicStore(u8), [Addr I32] -> [], MemArg, Threads;
        I32AtomicStore16, i32_atomic_store16, (0xfe, 0x1a), "i32.atomic.store16", AtomicStore(u16), [Addr I32] -> [], MemArg, Threads;
        I64AtomicStore8, i64_atomic_store8, (0xfe, 0x1b), "i64.atomic.store8", AtomicStore(u8), [Addr I64] -> [], MemArg, Threads;
        I64AtomicStore16, i64_atomic_store16, (0xfe, 0x1c), "i64.atomic.store16", AtomicStore(u16), [Addr I64] -> [], MemArg, Threads;
        I64AtomicStore32, i64_atomic_store32, (0xfe, 0x1d), "i64.atomic.store32", AtomicStore(u32), [Addr I64] -> [], MemArg, Threads;
    }};
}

/// Rows of class AtomicRmw(raw, function): the result is the old value, zero-extended.
#[macro_export]
macro_rules! for_each_atomic_rmw {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32AtomicRmwAdd, i32_atomic_rmw_add, (0xfe, 0x1e), "i32.atomic.rmw.add", AtomicRmw(u32, Add), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmwAdd, i64_atomic_rmw_add, (0xfe, 0x1f), "i64.atomic.rmw.add", AtomicRmw(u64, Add), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmw8AddU, i32_atomic_rmw8_add_u, (0xfe, 0x20), "i32.atomic.rmw8.add_u", AtomicRmw(u8, Add), [Addr I32] -> [I32], MemArg, Threads;
        I32AtomicRmw16AddU, i32_atomic_rmw16_add_u, (0xfe, 0x21), "i32.atomic.rmw16.add_u", AtomicRmw(u16, Add), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmw8AddU, i64_atomic_rmw8_add_u, (0xfe, 0x22), "i64.atomic.rmw8.add_u", AtomicRmw(u8, Add), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw16AddU, i64_atomic_rmw16_add_u, (0xfe, 0x23), "i64.atomic.rmw16.add_u", AtomicRmw(u16, Add), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw32AddU, i64_atomic_rmw32_add_u, (0xfe, 0x24), "i64.atomic.rmw32.add_u", AtomicRmw(u32, Add), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmwSub, i32_atomic_rmw_sub, (0xfe, 0x25), "i32.atomic.rmw.sub", AtomicRmw(u32, Sub), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmwSub, i64_atomic_rmw_sub, (0xfe, 0x26), "i64.atomic.rmw.sub", AtomicRmw(u64, Sub), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmw8SubU, i32_atomic_rmw8_sub_u, (0xfe, 0x27), "i32.atomic.rmw8.sub_u", AtomicRmw(u8, Sub), [Addr I32] -> [I32], MemArg, Threads;
        I32AtomicRmw16SubU, i32_atomic_rmw16_sub_u, (0xfe, 0x28), "i32.atomic.rmw16.sub_u", AtomicRmw(u16, Sub), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmw8SubU, i64_atomic_rmw8_sub_u, (0xfe, 0x29), "i64.atomic.rmw8.sub_u", AtomicRmw(u8, Sub), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw16SubU, i64_atomic_rmw16_sub_u, (0xfe, 0x2a), "i64.atomic.rmw16.sub_u", AtomicRmw(u16, Sub), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw32SubU, i64_atomic_rmw32_sub_u, (0xfe, 0x2b), "i64.atomic.rmw32.sub_u", AtomicRmw(u32, Sub), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmwAnd, i32_atomic_rmw_and, (0xfe, 0x2c), "i32.atomic.rmw.and", AtomicRmw(u32, And), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmwAnd, i64_atomic_rmw_and, (0xfe, 0x2d), "i64.atomic.rmw.and", AtomicRmw(u64, And), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmw8AndU, i32_atomic_rmw8_and_u, (0xfe, 0x2e), "i32.atomic.rmw8.and_u", AtomicRmw(u8, And), [Addr I32] -> [I32], MemArg, Threads;
        I32AtomicRmw16AndU, i32_atomic_rmw16_and_u, (0xfe, 0x2f), "i32.atomic.rmw16.and_u", AtomicRmw(u16, And), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmw8AndU, i64_atomic_rmw8_and_u, (0xfe, 0x30), "i64.atomic.rmw8.and_u", AtomicRmw(u8, And), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw16AndU, i64_atomic_rmw16_and_u, (0xfe, 0x31), "i64.atomic.rmw16.and_u", AtomicRmw(u16, And), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw32AndU, i64_atomic_rmw32_and_u, (0xfe, 0x32), "i64.atomic.rmw32.and_u", AtomicRmw(u32, And), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmwOr, i32_atomic_rmw_or, (0xfe, 0x33), "i32.atomic.rmw.or", AtomicRmw(u32, Or), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmwOr, i64_atomic_rmw_or, (0xfe, 0x34), "i64.atomic.rmw.or", AtomicRmw(u64, Or), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmw8OrU, i32_atomic_rmw8_or_u, (0xfe, 0x35), "i32.atomic.rmw8.or_u", AtomicRmw(u8, Or), [Addr I32] -> [I32], MemArg, Threads;
        I32AtomicRmw16OrU, i32_atomic_rmw16_or_u, (0xfe, 0x36), "i32.atomic.rmw16.or_u", AtomicRmw(u16, Or), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmw8OrU, i64_atomic_rmw8_or_u, (0xfe, 0x37), "i64.atomic.rmw8.or_u", AtomicRmw(u8, Or), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw16OrU, i64_atomic_rmw16_or_u, (0xfe, 0x38), "i64.atomic.rmw16.or_u", AtomicRmw(u16, Or), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw32OrU, i64_atomic_rmw32_or_u, (0xfe, 0x39), "i64.atomic.rmw32.or_u", AtomicRmw(u32, Or), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmwXor, i32_atomic_rmw_xor, (0xfe, 0x3a), "i32.atomic.rmw.xor", AtomicRmw(u32, Xor), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmwXor, i64_atomic_rmw_xor, (0xfe, 0x3b), "i64.atomic.rmw.xor", AtomicRmw(u64, Xor), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmw8XorU, i32_atomic_rmw8_xor_u, (0xfe, 0x3c), "i32.atomic.rmw8.xor_u", AtomicRmw(u8, Xor), [Addr I32] -> [I32], MemArg, Threads;
        I32AtomicRmw16XorU, i32_atomic_rmw16_xor_u, (0xfe, 0x3d), "i32.atomic.rmw16.xor_u", AtomicRmw(u16, Xor), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmw8XorU, i64_atomic_rmw8_xor_u, (0xfe, 0x3e), "i64.atomic.rmw8.xor_u", AtomicRmw(u8, Xor), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw16XorU, i64_atomic_rmw16_xor_u, (0xfe, 0x3f), "i64.atomic.rmw16.xor_u", AtomicRmw(u16, Xor), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw32XorU, i64_atomic_rmw32_xor_u, (0xfe, 0x40), "i64.atomic.rmw32.xor_u", AtomicRmw(u32, Xor), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmwXchg, i32_atomic_rmw_xchg, (0xfe, 0x41), "i32.atomic.rmw.xchg", AtomicRmw(u32, Xchg), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmwXchg, i64_atomic_rmw_xchg, (0xfe, 0x42), "i64.atomic.rmw.xchg", AtomicRmw(u64, Xchg), [Addr I64] -> [I64], MemArg, Threads;
        I32AtomicRmw8XchgU, i32_atomic_rmw8_xchg_u, (0xfe, 0x43), "i32.atomic.rmw8.xchg_u", AtomicRmw(u8, Xchg), [Addr I32] -> [I32], MemArg, Threads;
        I32AtomicRmw16XchgU, i32_atomic_rmw16_xchg_u, (0xfe, 0x44), "i32.atomic.rmw16.xchg_u", AtomicRmw(u16, Xchg), [Addr I32] -> [I32], MemArg, Threads;
        I64AtomicRmw8XchgU, i64_atomic_rmw8_xchg_u, (0xfe, 0x45), "i64.atomic.rmw8.xchg_u", AtomicRmw(u8, Xchg), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw16XchgU, i64_atomic_rmw16_xchg_u, (0xfe, 0x46), "i64.atomic.rmw16.xchg_u", AtomicRmw(u16, Xchg), [Addr I64] -> [I64], MemArg, Threads;
        I64AtomicRmw32XchgU, i64_atomic_rmw32_xchg_u, (0xfe, 0x47), "i64.atomic.rmw32.xchg_u", AtomicRmw(u32, Xchg), [Addr I64] -> [I64], MemArg, Threads;
    }};
}

/// Rows of class AtomicCmpxchg(raw): expected, then replacement; the result is the old value.
#[macro_export]
macro_rules! for_each_atomic_cmpxchg {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32AtomicRmwCmpxchg, i32_atomic_rmw_cmpxchg, (0xfe, 0x48), "i32.atomic.rmw.cmpxchg", AtomicCmpxchg(u32), [Addr I32 I32] -> [I32], MemArg, Threads;
        I64AtomicRmwCmpxchg, i64_atomic_rmw_cmpxchg, (0xfe, 0x49), "i64.atomic.rmw.cmpxchg", AtomicCmpxchg(u64), [Addr I64 I64] -> [I64], MemArg, Threads;
        I32AtomicRmw8CmpxchgU, i32_atomic_rmw8_cmpxchg_u, (0xfe, 0x4a), "i32.atomic.rmw8.cmpxchg_u", AtomicCmpxchg(u8), [Addr I32 I32] -> [I32], MemArg, Threads;
        I32AtomicRmw16CmpxchgU, i32_atomic_rmw16_cmpxchg_u, (0xfe, 0x4b), "i32.atomic.rmw16.cmpxchg_u", AtomicCmpxchg(u16), [Addr I32 I32] -> [I32], MemArg, Threads;
        I64AtomicRmw8CmpxchgU, i64_atomic_rmw8_cmpxchg_u, (0xfe, 0x4c), "i64.atomic.rmw8.cmpxchg_u", AtomicCmpxchg(u8), [Addr I64 I64] -> [I64], MemArg, Threads;
        I64AtomicRmw16CmpxchgU, i64_atomic_rmw16_cmpxchg_u, (0xfe, 0x4d), "i64.atomic.rmw16.cmpxchg_u", AtomicCmpxchg(u16), [Addr I64 I64] -> [I64], MemArg, Threads;
        I64AtomicRmw32CmpxchgU, i64_atomic_rmw32_cmpxchg_u, (0xfe, 0x4e), "i64.atomic.rmw32.cmpxchg_u", AtomicCmpxchg(u32), [Addr I64 I64] -> [I64], MemArg, Threads;
    }};
}

/// Rows of class AtomicWait: wait, notify and fence, which are calls of the runtime.
#[macro_export]
macro_rules! for_each_atomic_wait {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        MemoryAtomicNotify, memory_atomic_notify, (0xfe, 0x00), "memory.atomic.notify", AtomicWait, [Addr I32] -> [I32], MemArg, Threads;
        MemoryAtomicWait32, memory_atomic_wait32, (0xfe, 0x01), "memory.atomic.wait32", AtomicWait, [Addr I32 I64] -> [I32], MemArg, Threads;
        MemoryAtomicWait64, memory_atomic_wait64, (0xfe, 0x02), "memory.atomic.wait64", AtomicWait, [Addr I64 I64] -> [I32], MemArg, Threads;
        AtomicFence, atomic_fence, (0xfe, 0x03), "atomic.fence", AtomicWait, [] -> [], Fence, Threads;
    }};
}
