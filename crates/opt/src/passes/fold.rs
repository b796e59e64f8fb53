//! Owns shortcuts taken while a graph is built: folding of constants and algebraic identities.
//! Does not compute anything itself: constants are evaluated by `eval`.
//!
//! Rules, for integers (floats have no identities that keep every NaN):
//! 1. All operands constant: the result, if it neither traps nor is a NaN made here, nor a relaxed operator's.
//! 2. A constant operand of a commutative operator goes to the right.
//! 3. `x + 0`, `x - 0`, `x | 0`, `x ^ 0`, `x << 0`, `x >> 0`, rotations by 0, `x * 1`, `x & -1` are `x`.
//! 4. `x * 0`, `x & 0` are `0`; `x | -1` is `-1`.
//! 5. `x - x`, `x ^ x` are `0`; `x & x`, `x | x` are `x`.
//! 6. `eqz` of a comparison of integers is the opposite comparison; `eqz(eqz(eqz x))` is `eqz x`.
//! 7. `(x + a) + b` is `x + (a + b)` for constants `a`, `b`.
//!
//! Anything smarter is left to the backend; these rules exist to keep what reaches it small.

use sterna_eval as eval;
use sterna_isa::Op;
use sterna_isa::{Class, Feature};

use crate::graph::{Def, Graph, Opcode, Type, Value};

/// The value of `op` with these operands, if it needs no instruction. May reorder or replace operands otherwise.
pub fn simplify(
    graph: &mut Graph,
    op: Op,
    imm: u64,
    ty: Type,
    args: &mut [Value],
) -> Option<Value> {
    if args.iter().all(|&arg| graph.constant(arg).is_some()) {
        return evaluate(graph, op, imm, ty, args);
    }
    match args {
        [arg] if matches!(op, Op::I32Eqz | Op::I64Eqz) => opposite(graph, *arg),
        [left, right] => {
            if is_commutative(op) && graph.constant(*left).is_some() {
                std::mem::swap(left, right);
            }
            if let Some(value) = reassociate(graph, op, left, right) {
                return Some(value);
            }
            identity(graph, op, ty, *left, *right)
        }
        _ => None,
    }
}

/// Rule 1.
fn evaluate(graph: &mut Graph, op: Op, imm: u64, ty: Type, args: &[Value]) -> Option<Value> {
    if op.feature() == Feature::RelaxedSimd {
        return None;
    }
    let mut operands = [eval::Value::I32(0); 3];
    for (operand, &arg) in operands.iter_mut().zip(args) {
        *operand = to_eval(graph.ty(arg), graph.constant(arg)?)?;
    }
    let operands = operands.get(..args.len())?;
    let result = if op.class() == Class::Lane {
        match op {
            Op::I8x16Shuffle => {
                eval::fold_lane(op, &graph.consts[imm as usize].to_le_bytes(), operands)?
            }
            _ => eval::fold_lane(op, &[imm as u8], operands)?,
        }
    } else {
        *eval::fold(op, operands)?.ok()?.first()?
    };
    if let Some(shape) = eval::nan_shape(op)
        && may_hold_nan(shape, result)
    {
        return None;
    }
    Some(graph.make_const(ty, from_eval(result)))
}

fn may_hold_nan(shape: eval::NanShape, value: eval::Value) -> bool {
    match (shape, value) {
        (eval::NanShape::F32, eval::Value::F32(bits)) => f32::from_bits(bits).is_nan(),
        (eval::NanShape::F64, eval::Value::F64(bits)) => f64::from_bits(bits).is_nan(),
        _ => true,
    }
}

fn to_eval(ty: Type, bits: u128) -> Option<eval::Value> {
    Some(match ty {
        Type::I32 => eval::Value::I32(bits as u32 as i32),
        Type::I64 => eval::Value::I64(bits as u64 as i64),
        Type::F32 => eval::Value::F32(bits as u32),
        Type::F64 => eval::Value::F64(bits as u64),
        Type::V128 => eval::Value::V128(vector(bits)),
        Type::FuncRef | Type::ExternRef | Type::AnyRef | Type::ObjectRef | Type::ExnRef => {
            return None;
        }
    })
}

fn from_eval(value: eval::Value) -> u128 {
    match value {
        eval::Value::I32(value) => u128::from(value as u32),
        eval::Value::I64(value) => u128::from(value as u64),
        eval::Value::F32(bits) => u128::from(bits),
        eval::Value::F64(bits) => u128::from(bits),
        eval::Value::V128(vector) => bits_of(vector),
    }
}

fn is_commutative(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        I32Add
            | I32Mul
            | I32And
            | I32Or
            | I32Xor
            | I32Eq
            | I32Ne
            | I64Add
            | I64Mul
            | I64And
            | I64Or
            | I64Xor
            | I64Eq
            | I64Ne
    )
}

/// Rules 3 to 5; constants are on the right by now.
fn identity(graph: &mut Graph, op: Op, ty: Type, x: Value, y: Value) -> Option<Value> {
    use Op::*;
    if x == y {
        return match op {
            I32Sub | I64Sub | I32Xor | I64Xor => Some(graph.make_const(ty, 0)),
            I32And | I64And | I32Or | I64Or => Some(x),
            _ => None,
        };
    }
    let all_ones = match ty {
        Type::I32 => u128::from(u32::MAX),
        Type::I64 => u128::from(u64::MAX),
        _ => return None,
    };
    let bits = graph.constant(y)?;
    match op {
        I32Add | I32Sub | I32Or | I32Xor | I32Shl | I32ShrS | I32ShrU | I32Rotl | I32Rotr
        | I64Add | I64Sub | I64Or | I64Xor | I64Shl | I64ShrS | I64ShrU | I64Rotl | I64Rotr
            if bits == 0 =>
        {
            Some(x)
        }
        I32Mul | I64Mul if bits == 1 => Some(x),
        I32And | I64And if bits == all_ones => Some(x),
        I32Mul | I64Mul | I32And | I64And if bits == 0 => Some(y),
        I32Or | I64Or if bits == all_ones => Some(y),
        _ => None,
    }
}

/// Rule 7. If it applies, replaces the operands; returns a value only if one of them is the whole result.
fn reassociate(graph: &mut Graph, op: Op, x: &mut Value, y: &mut Value) -> Option<Value> {
    let ty = match op {
        Op::I32Add => Type::I32,
        Op::I64Add => Type::I64,
        _ => return None,
    };
    let b = graph.constant(*y)?;
    let (inner, [inner_x, inner_y]) = binary(graph, *x)?;
    if inner != op {
        return None;
    }
    let a = graph.constant(inner_y)?;
    let sum = (a as u64).wrapping_add(b as u64);
    let sum = if ty == Type::I32 { u64::from(sum as u32) } else { sum };
    *x = inner_x;
    *y = graph.make_const(ty, u128::from(sum));
    (sum == 0).then_some(inner_x)
}

fn binary(graph: &Graph, value: Value) -> Option<(Op, [Value; 2])> {
    let Def::Result(inst) = graph.def(value) else { return None };
    let Opcode::Wasm(op) = graph.inst(inst).op else { return None };
    Some((op, graph.args(inst).try_into().ok()?))
}

/// Rule 6: `eqz` of `value`.
fn opposite(graph: &mut Graph, value: Value) -> Option<Value> {
    let Def::Result(inst) = graph.def(value) else { return None };
    let Opcode::Wasm(op) = graph.inst(inst).op else { return None };
    if matches!(op, Op::I32Eqz | Op::I64Eqz) {
        let inner = graph.def_inst(graph.args(inst)[0])?;
        let again = matches!(graph.inst(inner).op, Opcode::Wasm(Op::I32Eqz | Op::I64Eqz));
        return again.then(|| graph.args(inst)[0]);
    }
    let data = *graph.inst(inst);
    let opposite = Opcode::Wasm(eval::negated(op)?);
    let inst = graph.push_inst(opposite, data.args, 0, data.origin);
    Some(graph.push_result(inst, Type::I32))
}

fn vector(bits: u128) -> eval::V128 {
    eval::V128(bits.to_le_bytes())
}

fn bits_of(vector: eval::V128) -> u128 {
    u128::from_le_bytes(vector.0)
}
