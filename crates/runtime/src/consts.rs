//! Owns the evaluation of constant expressions against an instance.
//! Does not decode them (`sterna-module`).

use sterna_abi::Slot;
use sterna_isa::TrapCode;
use sterna_module::{ConstExpr, ConstOp};

use crate::instance::Instance;

/// The value of a constant expression, as two slots.
///
/// # Errors
/// The trap of an operator that is not carried out yet.
///
/// # Panics
/// Never for validated expressions of this instance's module whose globals are already initialized.
pub(crate) fn eval(expr: &ConstExpr, instance: &Instance) -> Result<[Slot; 2], TrapCode> {
    let mut stack: Vec<[Slot; 2]> = Vec::with_capacity(2);
    for op in &expr.ops {
        let value = match *op {
            ConstOp::I32(value) => [u64::from(value as u32), 0],
            ConstOp::I64(value) => [value as u64, 0],
            ConstOp::F32(bits) => [u64::from(bits), 0],
            ConstOp::F64(bits) => [bits, 0],
            ConstOp::V128(bits) => [bits as u64, (bits >> 64) as u64],
            ConstOp::RefNull => [0, 0],
            ConstOp::RefFunc(func) => [instance.func(func).as_ptr() as Slot, 0],
            ConstOp::GlobalGet(global) => {
                let global = instance.global(global);
                // SAFETY: the instance's store is live, and no guest code runs during instantiation's initializers.
                unsafe { global.get() }
            }
            ConstOp::I32Add => {
                binary(&mut stack, |a, b| u64::from((a as u32).wrapping_add(b as u32)))
            }
            ConstOp::I32Sub => {
                binary(&mut stack, |a, b| u64::from((a as u32).wrapping_sub(b as u32)))
            }
            ConstOp::I32Mul => {
                binary(&mut stack, |a, b| u64::from((a as u32).wrapping_mul(b as u32)))
            }
            ConstOp::I64Add => binary(&mut stack, u64::wrapping_add),
            ConstOp::I64Sub => binary(&mut stack, u64::wrapping_sub),
            ConstOp::I64Mul => binary(&mut stack, u64::wrapping_mul),
            ConstOp::StructNew(_)
            | ConstOp::StructNewDefault(_)
            | ConstOp::ArrayNew(_)
            | ConstOp::ArrayNewDefault(_)
            | ConstOp::ArrayNewFixed(..)
            | ConstOp::RefI31
            | ConstOp::AnyConvertExtern
            | ConstOp::ExternConvertAny => return Err(TrapCode::Unsupported),
        };
        stack.push(value);
    }
    Ok(stack.pop().expect("a valid constant expression leaves a value"))
}

fn binary(stack: &mut Vec<[Slot; 2]>, f: impl FnOnce(u64, u64) -> u64) -> [Slot; 2] {
    let [b, _] = stack.pop().expect("validated");
    let [a, _] = stack.pop().expect("validated");
    [f(a, b), 0]
}
