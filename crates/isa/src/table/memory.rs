//! Plain loads and stores of linear memory.
//! Atomic accesses are in `atomic`; `memory.grow` and its kind in `builtin`. Row shape: see `table`.
// tidy: flat-table

/// Rows of class Load(raw): read a little-endian `raw`, then convert; a signed `raw` sign-extends.
#[macro_export]
macro_rules! for_each_load {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32Load, i32_load, (0x00, 0x28), "i32.load", Load(i32), [Addr] -> [I32], MemArg, Mvp;
        I64Load, i64_load, (0x00, 0x29), "i64.load", Load(i64), [Addr] -> [I64], MemArg, Mvp;
        F32Load, f32_load, (0x00, 0x2a), "f32.load", Load(f32), [Addr] -> [F32], MemArg, Mvp;
        F64Load, f64_load, (0x00, 0x2b), "f64.load", Load(f64), [Addr] -> [F64], MemArg, Mvp;
        I32Load8S, i32_load8_s, (0x00, 0x2c), "i32.load8_s", Load(i8), [Addr] -> [I32], MemArg, Mvp;
        I32Load8U, i32_load8_u, (0x00, 0x2d), "i32.load8_u", Load(u8), [Addr] -> [I32], MemArg, Mvp;
        I32Load16S, i32_load16_s, (0x00, 0x2e), "i32.load16_s", Load(i16), [Addr] -> [I32], MemArg, Mvp;
        I32Load16U, i32_load16_u, (0x00, 0x2f), "i32.load16_u", Load(u16), [Addr] -> [I32], MemArg, Mvp;
        I64Load8S, i64_load8_s, (0x00, 0x30), "i64.load8_s", Load(i8), [Addr] -> [I64], MemArg, Mvp;
        I64Load8U, i64_load8_u, (0x00, 0x31), "i64.load8_u", Load(u8), [Addr] -> [I64], MemArg, Mvp;
        I64Load16S, i64_load16_s, (0x00, 0x32), "i64.load16_s", Load(i16), [Addr] -> [I64], MemArg, Mvp;
        I64Load16U, i64_load16_u, (0x00, 0x33), "i64.load16_u", Load(u16), [Addr] -> [I64], MemArg, Mvp;
        I64Load32S, i64_load32_s, (0x00, 0x34), "i64.load32_s", Load(i32), [Addr] -> [I64], MemArg, Mvp;
        I64Load32U, i64_load32_u, (0x00, 0x35), "i64.load32_u", Load(u32), [Addr] -> [I64], MemArg, Mvp;
        V128Load, v128_load, (0xfd, 0x00), "v128.load", Load(u128), [Addr] -> [V128], MemArg, Simd;
        V128Load8x8S, v128_load8x8_s, (0xfd, 0x01), "v128.load8x8_s", Load(u64), [Addr] -> [V128], MemArg, Simd;
        V128Load8x8U, v128_load8x8_u, (0xfd, 0x02), "v128.load8x8_u", Load(u64), [Addr] -> [V128], MemArg, Simd;
        V128Load16x4S, v128_load16x4_s, (0xfd, 0x03), "v128.load16x4_s", Load(u64), [Addr] -> [V128], MemArg, Simd;
        V128Load16x4U, v128_load16x4_u, (0xfd, 0x04), "v128.load16x4_u", Load(u64), [Addr] -> [V128], MemArg, Simd;
        V128Load32x2S, v128_load32x2_s, (0xfd, 0x05), "v128.load32x2_s", Load(u64), [Addr] -> [V128], MemArg, Simd;
        V128Load32x2U, v128_load32x2_u, (0xfd, 0x06), "v128.load32x2_u", Load(u64), [Addr] -> [V128], MemArg, Simd;
        V128Load8Splat, v128_load8_splat, (0xfd, 0x07), "v128.load8_splat", Load(u8), [Addr] -> [V128], MemArg, Simd;
        V128Load16Splat, v128_load16_splat, (0xfd, 0x08), "v128.load16_splat", Load(u16), [Addr] -> [V128], MemArg, Simd;
        V128Load32Splat, v128_load32_splat, (0xfd, 0x09), "v128.load32_splat", Load(u32), [Addr] -> [V128], MemArg, Simd;
        V128Load64Splat, v128_load64_splat, (0xfd, 0x0a), "v128.load64_splat", Load(u64), [Addr] -> [V128], MemArg, Simd;
        V128Load32Zero, v128_load32_zero, (0xfd, 0x5c), "v128.load32_zero", Load(u32), [Addr] -> [V128], MemArg, Simd;
        V128Load64Zero, v128_load64_zero, (0xfd, 0x5d), "v128.load64_zero", Load(u64), [Addr] -> [V128], MemArg, Simd;
    }};
}

/// Rows of class Store(raw): convert to `raw`, then write it little-endian.
#[macro_export]
macro_rules! for_each_store {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32Store, i32_store, (0x00, 0x36), "i32.store", Store(i32), [Addr I32] -> [], MemArg, Mvp;
        I64Store, i64_store, (0x00, 0x37), "i64.store", Store(i64), [Addr I64] -> [], MemArg, Mvp;
        F32Store, f32_store, (0x00, 0x38), "f32.store", Store(f32), [Addr F32] -> [], MemArg, Mvp;
        F64Store, f64_store, (0x00, 0x39), "f64.store", Store(f64), [Addr F64] -> [], MemArg, Mvp;
        I32Store8, i32_store8, (0x00, 0x3a), "i32.store8", Store(u8), [Addr I32] -> [], MemArg, Mvp;
        I32Store16, i32_store16, (0x00, 0x3b), "i32.store16", Store(u16), [Addr I32] -> [], MemArg, Mvp;
        I64Store8, i64_store8, (0x00, 0x3c), "i64.store8", Store(u8), [Addr I64] -> [], MemArg, Mvp;
        I64Store16, i64_store16, (0x00, 0x3d), "i64.store16", Store(u16), [Addr I64] -> [], MemArg, Mvp;
        I64Store32, i64_store32, (0x00, 0x3e), "i64.store32", Store(u32), [Addr I64] -> [], MemArg, Mvp;
        V128Store, v128_store, (0xfd, 0x0b), "v128.store", Store(u128), [Addr V128] -> [], MemArg, Simd;
    }};
}

/// Rows of class LoadLane(raw): replace one lane by a `raw` from memory.
#[macro_export]
macro_rules! for_each_load_lane {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        V128Load8Lane, v128_load8_lane, (0xfd, 0x54), "v128.load8_lane", LoadLane(u8), [Addr V128] -> [V128], MemArgLane, Simd;
        V128Load16Lane, v128_load16_lane, (0xfd, 0x55), "v128.load16_lane", LoadLane(u16), [Addr V128] -> [V128], MemArgLane, Simd;
        V128Load32Lane, v128_load32_lane, (0xfd, 0x56), "v128.load32_lane", LoadLane(u32), [Addr V128] -> [V128], MemArgLane, Simd;
        V128Load64Lane, v128_load64_lane, (0xfd, 0x57), "v128.load64_lane", LoadLane(u64), [Addr V128] -> [V128], MemArgLane, Simd;
    }};
}

/// Rows of class StoreLane(raw): write one lane as a `raw`.
#[macro_export]
macro_rules! for_each_store_lane {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        V128Store8Lane, v128_store8_lane, (0xfd, 0x58), "v128.store8_lane", StoreLane(u8), [Addr V128] -> [], MemArgLane, Simd;
        V128Store16Lane, v128_store16_lane, (0xfd, 0x59), "v128.store16_lane", StoreLane(u16), [Addr V128] -> [], MemArgLane, Simd;
        V128Store32Lane, v128_store32_lane, (0xfd, 0x5a), "v128.store32_lane", StoreLane(u32), [Addr V128] -> [], MemArgLane, Simd;
        V128Store64Lane, v128_store64_lane, (0xfd, 0x5b), "v128.store64_lane", StoreLane(u64), [Addr V128] -> [], MemArgLane, Simd;
    }};
}
