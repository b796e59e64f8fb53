//! Owns constant expressions in decoded form (core spec 3.3, "Constant Expressions").
//! Does not evaluate them: that needs an instance, so the runtime does.

use sterna_base::{FuncIndex, GlobalIndex, TypeIndex};
use wasmparser::Operator as W;

use crate::error::ModuleError;

/// A validated constant expression: a little stack program that leaves one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstExpr {
    /// Its instructions in order, the final `end` left out.
    pub ops: Box<[ConstOp]>,
}

/// An instruction of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstOp {
    /// `i32.const`.
    I32(i32),
    /// `i64.const`.
    I64(i64),
    /// `f32.const`, as bits.
    F32(u32),
    /// `f64.const`, as bits.
    F64(u64),
    /// `v128.const`.
    V128(u128),
    /// `global.get`.
    GlobalGet(GlobalIndex),
    /// `ref.null`.
    RefNull,
    /// `ref.func`.
    RefFunc(FuncIndex),
    /// `i32.add` (extended constants).
    I32Add,
    /// `i32.sub`.
    I32Sub,
    /// `i32.mul`.
    I32Mul,
    /// `i64.add`.
    I64Add,
    /// `i64.sub`.
    I64Sub,
    /// `i64.mul`.
    I64Mul,
    /// `struct.new`.
    StructNew(TypeIndex),
    /// `struct.new_default`.
    StructNewDefault(TypeIndex),
    /// `array.new`.
    ArrayNew(TypeIndex),
    /// `array.new_default`.
    ArrayNewDefault(TypeIndex),
    /// `array.new_fixed`, with the number of elements.
    ArrayNewFixed(TypeIndex, u32),
    /// `ref.i31`.
    RefI31,
    /// `any.convert_extern`.
    AnyConvertExtern,
    /// `extern.convert_any`.
    ExternConvertAny,
}

impl ConstExpr {
    /// The function of a lone `ref.func`.
    pub fn as_func(&self) -> Option<FuncIndex> {
        match *self.ops {
            [ConstOp::RefFunc(func)] => Some(func),
            _ => None,
        }
    }

    pub(crate) fn decode(expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, ModuleError> {
        let mut ops = Vec::with_capacity(1);
        let mut reader = expr.get_operators_reader();
        while !reader.eof() {
            let (op, offset) = reader.read_with_offset()?;
            ops.push(match op {
                W::I32Const { value } => ConstOp::I32(value),
                W::I64Const { value } => ConstOp::I64(value),
                W::F32Const { value } => ConstOp::F32(value.bits()),
                W::F64Const { value } => ConstOp::F64(value.bits()),
                W::V128Const { value } => ConstOp::V128(value.i128() as u128),
                W::GlobalGet { global_index } => {
                    ConstOp::GlobalGet(GlobalIndex::from_u32(global_index))
                }
                W::RefNull { .. } => ConstOp::RefNull,
                W::RefFunc { function_index } => {
                    ConstOp::RefFunc(FuncIndex::from_u32(function_index))
                }
                W::I32Add => ConstOp::I32Add,
                W::I32Sub => ConstOp::I32Sub,
                W::I32Mul => ConstOp::I32Mul,
                W::I64Add => ConstOp::I64Add,
                W::I64Sub => ConstOp::I64Sub,
                W::I64Mul => ConstOp::I64Mul,
                W::StructNew { struct_type_index: ty } => {
                    ConstOp::StructNew(TypeIndex::from_u32(ty))
                }
                W::StructNewDefault { struct_type_index: ty } => {
                    ConstOp::StructNewDefault(TypeIndex::from_u32(ty))
                }
                W::ArrayNew { array_type_index: ty } => ConstOp::ArrayNew(TypeIndex::from_u32(ty)),
                W::ArrayNewDefault { array_type_index: ty } => {
                    ConstOp::ArrayNewDefault(TypeIndex::from_u32(ty))
                }
                W::ArrayNewFixed { array_type_index: ty, array_size } => {
                    ConstOp::ArrayNewFixed(TypeIndex::from_u32(ty), array_size)
                }
                W::RefI31 => ConstOp::RefI31,
                W::AnyConvertExtern => ConstOp::AnyConvertExtern,
                W::ExternConvertAny => ConstOp::ExternConvertAny,
                W::End => break,
                other => {
                    let message =
                        format!("constant expression uses {other:?}, which is not supported yet");
                    return Err(ModuleError::new(offset, message));
                }
            });
        }
        Ok(ConstExpr { ops: ops.into() })
    }
}
