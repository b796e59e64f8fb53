//! Operators on i32, i64, f32 and f64 that neither touch memory nor take immediates.
//! Lanes and vectors are in `simd`; constants in `control`. Row shape: see `table`.
// tidy: flat-table

/// Rows of class Pure, one result: total functions.
#[macro_export]
macro_rules! for_each_pure_scalar {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32Eqz, i32_eqz, (0x00, 0x45), "i32.eqz", Pure, [I32] -> [I32], NoImm, Mvp;
        I32Eq, i32_eq, (0x00, 0x46), "i32.eq", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32Ne, i32_ne, (0x00, 0x47), "i32.ne", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32LtS, i32_lt_s, (0x00, 0x48), "i32.lt_s", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32LtU, i32_lt_u, (0x00, 0x49), "i32.lt_u", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32GtS, i32_gt_s, (0x00, 0x4a), "i32.gt_s", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32GtU, i32_gt_u, (0x00, 0x4b), "i32.gt_u", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32LeS, i32_le_s, (0x00, 0x4c), "i32.le_s", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32LeU, i32_le_u, (0x00, 0x4d), "i32.le_u", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32GeS, i32_ge_s, (0x00, 0x4e), "i32.ge_s", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32GeU, i32_ge_u, (0x00, 0x4f), "i32.ge_u", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I64Eqz, i64_eqz, (0x00, 0x50), "i64.eqz", Pure, [I64] -> [I32], NoImm, Mvp;
        I64Eq, i64_eq, (0x00, 0x51), "i64.eq", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64Ne, i64_ne, (0x00, 0x52), "i64.ne", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64LtS, i64_lt_s, (0x00, 0x53), "i64.lt_s", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64LtU, i64_lt_u, (0x00, 0x54), "i64.lt_u", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64GtS, i64_gt_s, (0x00, 0x55), "i64.gt_s", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64GtU, i64_gt_u, (0x00, 0x56), "i64.gt_u", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64LeS, i64_le_s, (0x00, 0x57), "i64.le_s", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64LeU, i64_le_u, (0x00, 0x58), "i64.le_u", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64GeS, i64_ge_s, (0x00, 0x59), "i64.ge_s", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        I64GeU, i64_ge_u, (0x00, 0x5a), "i64.ge_u", Pure, [I64 I64] -> [I32], NoImm, Mvp;
        F32Eq, f32_eq, (0x00, 0x5b), "f32.eq", Pure, [F32 F32] -> [I32], NoImm, Mvp;
        F32Ne, f32_ne, (0x00, 0x5c), "f32.ne", Pure, [F32 F32] -> [I32], NoImm, Mvp;
        F32Lt, f32_lt, (0x00, 0x5d), "f32.lt", Pure, [F32 F32] -> [I32], NoImm, Mvp;
        F32Gt, f32_gt, (0x00, 0x5e), "f32.gt", Pure, [F32 F32] -> [I32], NoImm, Mvp;
        F32Le, f32_le, (0x00, 0x5f), "f32.le", Pure, [F32 F32] -> [I32], NoImm, Mvp;
        F32Ge, f32_ge, (0x00, 0x60), "f32.ge", Pure, [F32 F32] -> [I32], NoImm, Mvp;
        F64Eq, f64_eq, (0x00, 0x61), "f64.eq", Pure, [F64 F64] -> [I32], NoImm, Mvp;
        F64Ne, f64_ne, (0x00, 0x62), "f64.ne", Pure, [F64 F64] -> [I32], NoImm, Mvp;
        F64Lt, f64_lt, (0x00, 0x63), "f64.lt", Pure, [F64 F64] -> [I32], NoImm, Mvp;
        F64Gt, f64_gt, (0x00, 0x64), "f64.gt", Pure, [F64 F64] -> [I32], NoImm, Mvp;
        F64Le, f64_le, (0x00, 0x65), "f64.le", Pure, [F64 F64] -> [I32], NoImm, Mvp;
        F64Ge, f64_ge, (0x00, 0x66), "f64.ge", Pure, [F64 F64] -> [I32], NoImm, Mvp;
        I32Clz, i32_clz, (0x00, 0x67), "i32.clz", Pure, [I32] -> [I32], NoImm, Mvp;
        I32Ctz, i32_ctz, (0x00, 0x68), "i32.ctz", Pure, [I32] -> [I32], NoImm, Mvp;
        I32Popcnt, i32_popcnt, (0x00, 0x69), "i32.popcnt", Pure, [I32] -> [I32], NoImm, Mvp;
        I32Add, i32_add, (0x00, 0x6a), "i32.add", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32Sub, i32_sub, (0x00, 0x6b), "i32.sub", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32Mul, i32_mul, (0x00, 0x6c), "i32.mul", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32And, i32_and, (0x00, 0x71), "i32.and", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32Or, i32_or, (0x00, 0x72), "i32.or", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32Xor, i32_xor, (0x00, 0x73), "i32.xor", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32Shl, i32_shl, (0x00, 0x74), "i32.shl", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32ShrS, i32_shr_s, (0x00, 0x75), "i32.shr_s", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32ShrU, i32_shr_u, (0x00, 0x76), "i32.shr_u", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32Rotl, i32_rotl, (0x00, 0x77), "i32.rotl", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I32Rotr, i32_rotr, (0x00, 0x78), "i32.rotr", Pure, [I32 I32] -> [I32], NoImm, Mvp;
        I64Clz, i64_clz, (0x00, 0x79), "i64.clz", Pure, [I64] -> [I64], NoImm, Mvp;
        I64Ctz, i64_ctz, (0x00, 0x7a), "i64.ctz", Pure, [I64] -> [I64], NoImm, Mvp;
        I64Popcnt, i64_popcnt, (0x00, 0x7b), "i64.popcnt", Pure, [I64] -> [I64], NoImm, Mvp;
        I64Add, i64_add, (0x00, 0x7c), "i64.add", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64Sub, i64_sub, (0x00, 0x7d), "i64.sub", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64Mul, i64_mul, (0x00, 0x7e), "i64.mul", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64And, i64_and, (0x00, 0x83), "i64.and", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64Or, i64_or, (0x00, 0x84), "i64.or", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64Xor, i64_xor, (0x00, 0x85), "i64.xor", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64Shl, i64_shl, (0x00, 0x86), "i64.shl", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64ShrS, i64_shr_s, (0x00, 0x87), "i64.shr_s", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64ShrU, i64_shr_u, (0x00, 0x88), "i64.shr_u", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64Rotl, i64_rotl, (0x00, 0x89), "i64.rotl", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        I64Rotr, i64_rotr, (0x00, 0x8a), "i64.rotr", Pure, [I64 I64] -> [I64], NoImm, Mvp;
        F32Abs, f32_abs, (0x00, 0x8b), "f32.abs", Pure, [F32] -> [F32], NoImm, Mvp;
        F32Neg, f32_neg, (0x00, 0x8c), "f32.neg", Pure, [F32] -> [F32], NoImm, Mvp;
        F32Ceil, f32_ceil, (0x00, 0x8d), "f32.ceil", Pure, [F32] -> [F32], NoImm, Mvp;
        F32Floor, f32_floor, (0x00, 0x8e), "f32.floor", Pure, [F32] -> [F32], NoImm, Mvp;
        F32Trunc, f32_trunc, (0x00, 0x8f), "f32.trunc", Pure, [F32] -> [F32], NoImm, Mvp;
        F32Nearest, f32_nearest, (0x00, 0x90), "f32.nearest", Pure, [F32] -> [F32], NoImm, Mvp;
        F32Sqrt, f32_sqrt, (0x00, 0x91), "f32.sqrt", Pure, [F32] -> [F32], NoImm, Mvp;
        F32Add, f32_add, (0x00, 0x92), "f32.add", Pure, [F32 F32] -> [F32], NoImm, Mvp;
        F32Sub, f32_sub, (0x00, 0x93), "f32.sub", Pure, [F32 F32] -> [F32], NoImm, Mvp;
        F32Mul, f32_mul, (0x00, 0x94), "f32.mul", Pure, [F32 F32] -> [F32], NoImm, Mvp;
        F32Div, f32_div, (0x00, 0x95), "f32.div", Pure, [F32 F32] -> [F32], NoImm, Mvp;
        F32Min, f32_min, (0x00, 0x96), "f32.min", Pure, [F32 F32] -> [F32], NoImm, Mvp;
        F32Max, f32_max, (0x00, 0x97), "f32.max", Pure, [F32 F32] -> [F32], NoImm, Mvp;
        F32Copysign, f32_copysign, (0x00, 0x98), "f32.copysign", Pure, [F32 F32] -> [F32], NoImm, Mvp;
        F64Abs, f64_abs, (0x00, 0x99), "f64.abs", Pure, [F64] -> [F64], NoImm, Mvp;
        F64Neg, f64_neg, (0x00, 0x9a), "f64.neg", Pure, [F64] -> [F64], NoImm, Mvp;
        F64Ceil, f64_ceil, (0x00, 0x9b), "f64.ceil", Pure, [F64] -> [F64], NoImm, Mvp;
        F64Floor, f64_floor, (0x00, 0x9c), "f64.floor", Pure, [F64] -> [F64], NoImm, Mvp;
        F64Trunc, f64_trunc, (0x00, 0x9d), "f64.trunc", Pure, [F64] -> [F64], NoImm, Mvp;
        F64Nearest, f64_nearest, (0x00, 0x9e), "f64.nearest", Pure, [F64] -> [F64], NoImm, Mvp;
        F64Sqrt, f64_sqrt, (0x00, 0x9f), "f64.sqrt", Pure, [F64] -> [F64], NoImm, Mvp;
        F64Add, f64_add, (0x00, 0xa0), "f64.add", Pure, [F64 F64] -> [F64], NoImm, Mvp;
        F64Sub, f64_sub, (0x00, 0xa1), "f64.sub", Pure, [F64 F64] -> [F64], NoImm, Mvp;
        F64Mul, f64_mul, (0x00, 0xa2), "f64.mul", Pure, [F64 F64] -> [F64], NoImm, Mvp;
        F64Div, f64_div, (0x00, 0xa3), "f64.div", Pure, [F64 F64] -> [F64], NoImm, Mvp;
        F64Min, f64_min, (0x00, 0xa4), "f64.min", Pure, [F64 F64] -> [F64], NoImm, Mvp;
        F64Max, f64_max, (0x00, 0xa5), "f64.max", Pure, [F64 F64] -> [F64], NoImm, Mvp;
        F64Copysign, f64_copysign, (0x00, 0xa6), "f64.copysign", Pure, [F64 F64] -> [F64], NoImm, Mvp;
        I32WrapI64, i32_wrap_i64, (0x00, 0xa7), "i32.wrap_i64", Pure, [I64] -> [I32], NoImm, Mvp;
        I64ExtendI32S, i64_extend_i32_s, (0x00, 0xac), "i64.extend_i32_s", Pure, [I32] -> [I64], NoImm, Mvp;
        I64ExtendI32U, i64_extend_i32_u, (0x00, 0xad), "i64.extend_i32_u", Pure, [I32] -> [I64], NoImm, Mvp;
        F32ConvertI32S, f32_convert_i32_s, (0x00, 0xb2), "f32.convert_i32_s", Pure, [I32] -> [F32], NoImm, Mvp;
        F32ConvertI32U, f32_convert_i32_u, (0x00, 0xb3), "f32.convert_i32_u", Pure, [I32] -> [F32], NoImm, Mvp;
        F32ConvertI64S, f32_convert_i64_s, (0x00, 0xb4), "f32.convert_i64_s", Pure, [I64] -> [F32], NoImm, Mvp;
        F32ConvertI64U, f32_convert_i64_u, (0x00, 0xb5), "f32.convert_i64_u", Pure, [I64] -> [F32], NoImm, Mvp;
        F32DemoteF64, f32_demote_f64, (0x00, 0xb6), "f32.demote_f64", Pure, [F64] -> [F32], NoImm, Mvp;
        F64ConvertI32S, f64_convert_i32_s, (0x00, 0xb7), "f64.convert_i32_s", Pure, [I32] -> [F64], NoImm, Mvp;
        F64ConvertI32U, f64_convert_i32_u, (0x00, 0xb8), "f64.convert_i32_u", Pure, [I32] -> [F64], NoImm, Mvp;
        F64ConvertI64S, f64_convert_i64_s, (0x00, 0xb9), "f64.convert_i64_s", Pure, [I64] -> [F64], NoImm, Mvp;
        F64ConvertI64U, f64_convert_i64_u, (0x00, 0xba), "f64.convert_i64_u", Pure, [I64] -> [F64], NoImm, Mvp;
        F64PromoteF32, f64_promote_f32, (0x00, 0xbb), "f64.promote_f32", Pure, [F32] -> [F64], NoImm, Mvp;
        I32ReinterpretF32, i32_reinterpret_f32, (0x00, 0xbc), "i32.reinterpret_f32", Pure, [F32] -> [I32], NoImm, Mvp;
        I64ReinterpretF64, i64_reinterpret_f64, (0x00, 0xbd), "i64.reinterpret_f64", Pure, [F64] -> [I64], NoImm, Mvp;
        F32ReinterpretI32, f32_reinterpret_i32, (0x00, 0xbe), "f32.reinterpret_i32", Pure, [I32] -> [F32], NoImm, Mvp;
        F64ReinterpretI64, f64_reinterpret_i64, (0x00, 0xbf), "f64.reinterpret_i64", Pure, [I64] -> [F64], NoImm, Mvp;
        I32Extend8S, i32_extend8_s, (0x00, 0xc0), "i32.extend8_s", Pure, [I32] -> [I32], NoImm, SignExtension;
        I32Extend16S, i32_extend16_s, (0x00, 0xc1), "i32.extend16_s", Pure, [I32] -> [I32], NoImm, SignExtension;
        I64Extend8S, i64_extend8_s, (0x00, 0xc2), "i64.extend8_s", Pure, [I64] -> [I64], NoImm, SignExtension;
        I64Extend16S, i64_extend16_s, (0x00, 0xc3), "i64.extend16_s", Pure, [I64] -> [I64], NoImm, SignExtension;
        I64Extend32S, i64_extend32_s, (0x00, 0xc4), "i64.extend32_s", Pure, [I64] -> [I64], NoImm, SignExtension;
        I32TruncSatF32S, i32_trunc_sat_f32_s, (0xfc, 0x00), "i32.trunc_sat_f32_s", Pure, [F32] -> [I32], NoImm, SaturatingFloatToInt;
        I32TruncSatF32U, i32_trunc_sat_f32_u, (0xfc, 0x01), "i32.trunc_sat_f32_u", Pure, [F32] -> [I32], NoImm, SaturatingFloatToInt;
        I32TruncSatF64S, i32_trunc_sat_f64_s, (0xfc, 0x02), "i32.trunc_sat_f64_s", Pure, [F64] -> [I32], NoImm, SaturatingFloatToInt;
        I32TruncSatF64U, i32_trunc_sat_f64_u, (0xfc, 0x03), "i32.trunc_sat_f64_u", Pure, [F64] -> [I32], NoImm, SaturatingFloatToInt;
        I64TruncSatF32S, i64_trunc_sat_f32_s, (0xfc, 0x04), "i64.trunc_sat_f32_s", Pure, [F32] -> [I64], NoImm, SaturatingFloatToInt;
        I64TruncSatF32U, i64_trunc_sat_f32_u, (0xfc, 0x05), "i64.trunc_sat_f32_u", Pure, [F32] -> [I64], NoImm, SaturatingFloatToInt;
        I64TruncSatF64S, i64_trunc_sat_f64_s, (0xfc, 0x06), "i64.trunc_sat_f64_s", Pure, [F64] -> [I64], NoImm, SaturatingFloatToInt;
        I64TruncSatF64U, i64_trunc_sat_f64_u, (0xfc, 0x07), "i64.trunc_sat_f64_u", Pure, [F64] -> [I64], NoImm, SaturatingFloatToInt;
    }};
}

/// Rows of class Trapping: pure functions that may trap instead of giving their one result.
#[macro_export]
macro_rules! for_each_trapping {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I32DivS, i32_div_s, (0x00, 0x6d), "i32.div_s", Trapping, [I32 I32] -> [I32], NoImm, Mvp;
        I32DivU, i32_div_u, (0x00, 0x6e), "i32.div_u", Trapping, [I32 I32] -> [I32], NoImm, Mvp;
        I32RemS, i32_rem_s, (0x00, 0x6f), "i32.rem_s", Trapping, [I32 I32] -> [I32], NoImm, Mvp;
        I32RemU, i32_rem_u, (0x00, 0x70), "i32.rem_u", Trapping, [I32 I32] -> [I32], NoImm, Mvp;
        I64DivS, i64_div_s, (0x00, 0x7f), "i64.div_s", Trapping, [I64 I64] -> [I64], NoImm, Mvp;
        I64DivU, i64_div_u, (0x00, 0x80), "i64.div_u", Trapping, [I64 I64] -> [I64], NoImm, Mvp;
        I64RemS, i64_rem_s, (0x00, 0x81), "i64.rem_s", Trapping, [I64 I64] -> [I64], NoImm, Mvp;
        I64RemU, i64_rem_u, (0x00, 0x82), "i64.rem_u", Trapping, [I64 I64] -> [I64], NoImm, Mvp;
        I32TruncF32S, i32_trunc_f32_s, (0x00, 0xa8), "i32.trunc_f32_s", Trapping, [F32] -> [I32], NoImm, Mvp;
        I32TruncF32U, i32_trunc_f32_u, (0x00, 0xa9), "i32.trunc_f32_u", Trapping, [F32] -> [I32], NoImm, Mvp;
        I32TruncF64S, i32_trunc_f64_s, (0x00, 0xaa), "i32.trunc_f64_s", Trapping, [F64] -> [I32], NoImm, Mvp;
        I32TruncF64U, i32_trunc_f64_u, (0x00, 0xab), "i32.trunc_f64_u", Trapping, [F64] -> [I32], NoImm, Mvp;
        I64TruncF32S, i64_trunc_f32_s, (0x00, 0xae), "i64.trunc_f32_s", Trapping, [F32] -> [I64], NoImm, Mvp;
        I64TruncF32U, i64_trunc_f32_u, (0x00, 0xaf), "i64.trunc_f32_u", Trapping, [F32] -> [I64], NoImm, Mvp;
        I64TruncF64S, i64_trunc_f64_s, (0x00, 0xb0), "i64.trunc_f64_s", Trapping, [F64] -> [I64], NoImm, Mvp;
        I64TruncF64U, i64_trunc_f64_u, (0x00, 0xb1), "i64.trunc_f64_u", Trapping, [F64] -> [I64], NoImm, Mvp;
    }};
}

/// Rows of class Wide: pure functions with two results (wide arithmetic; low half first).
#[macro_export]
macro_rules! for_each_wide {
    ($($cb:tt)::+ $([ $($prefix:tt)* ])?) => { $($cb)::+! { $($($prefix)*)?
        I64Add128, i64_add128, (0xfc, 0x13), "i64.add128", Wide, [I64 I64 I64 I64] -> [I64 I64], NoImm, WideArithmetic;
        I64Sub128, i64_sub128, (0xfc, 0x14), "i64.sub128", Wide, [I64 I64 I64 I64] -> [I64 I64], NoImm, WideArithmetic;
        I64MulWideS, i64_mul_wide_s, (0xfc, 0x15), "i64.mul_wide_s", Wide, [I64 I64] -> [I64 I64], NoImm, WideArithmetic;
        I64MulWideU, i64_mul_wide_u, (0xfc, 0x16), "i64.mul_wide_u", Wide, [I64 I64] -> [I64 I64], NoImm, WideArithmetic;
    }};
}
