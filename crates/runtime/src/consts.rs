//! Owns the evaluation of constant expressions against an instance.
//! Does not decode them (`sterna-module`).

use sterna_abi::Slot;
use sterna_base::TypeIndex;
use sterna_gc::Ref;
use sterna_isa::{Op, TrapCode, ValType};
use sterna_module::{ConstExpr, ConstOp};

use crate::gc;
use crate::instance::Instance;
use crate::store::Store;

/// A value in an evaluation.
#[derive(Clone, Copy)]
struct Value {
    slots: [Slot; 2],
    /// Whether its type says that it can refer to an object of the heap.
    is_object: bool,
    is_vector: bool,
}

/// The value of a constant expression, as two slots.
///
/// # Errors
/// When the heap is exhausted.
///
/// # Panics
/// Never for validated expressions of this instance's module whose globals are already initialized.
pub(crate) fn eval(
    expr: &ConstExpr,
    instance: &mut Instance,
    store: &mut Store,
) -> Result<[Slot; 2], TrapCode> {
    let mut stack: Vec<Value> = Vec::with_capacity(2);
    for op in &expr.ops {
        let slots = match *op {
            ConstOp::I32(value) => [u64::from(value as u32), 0],
            ConstOp::I64(value) => [value as u64, 0],
            ConstOp::F32(bits) => [u64::from(bits), 0],
            ConstOp::F64(bits) => [bits, 0],
            ConstOp::V128(bits) => {
                let slots = [bits as u64, (bits >> 64) as u64];
                stack.push(Value { slots, is_object: false, is_vector: true });
                continue;
            }
            ConstOp::RefNull => [0, 0],
            ConstOp::RefFunc(func) => [instance.func(func).as_ptr() as Slot, 0],
            ConstOp::GlobalGet(global) => {
                let global = instance.global(global);
                // SAFETY: the instance's store is live, and no guest code runs during instantiation's initializers.
                let slots = unsafe { global.get() };
                let ty = global.ty.ty;
                let is_object = gc::is_object(&store.engine, ty);
                stack.push(Value { slots, is_object, is_vector: ty == ValType::V128 });
                continue;
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
            _ => {
                let value = object(*op, &mut stack, instance, store)?;
                stack.push(value);
                continue;
            }
        };
        stack.push(Value { slots, is_object: false, is_vector: false });
    }
    Ok(stack.pop().expect("a valid constant expression leaves a value").slots)
}

fn binary(stack: &mut Vec<Value>, f: impl FnOnce(u64, u64) -> u64) -> [Slot; 2] {
    let b = stack.pop().expect("validated").slots[0];
    let a = stack.pop().expect("validated").slots[0];
    [f(a, b), 0]
}

/// An operator on objects: the runtime's, on a copy of its operands in consecutive slots.
fn object(
    op: ConstOp,
    stack: &mut Vec<Value>,
    instance: &mut Instance,
    store: &mut Store,
) -> Result<Value, TrapCode> {
    let fields = |ty: TypeIndex| {
        let def = &instance.module().module().types()[ty.index()];
        def.as_struct().expect("validated: a structure type").len()
    };
    let (op, a, b, operands) = match op {
        ConstOp::StructNew(ty) => (Op::StructNew, ty.as_u32(), 0, fields(ty)),
        ConstOp::StructNewDefault(ty) => (Op::StructNewDefault, ty.as_u32(), 0, 0),
        ConstOp::ArrayNew(ty) => (Op::ArrayNew, ty.as_u32(), 0, 2),
        ConstOp::ArrayNewDefault(ty) => (Op::ArrayNewDefault, ty.as_u32(), 0, 1),
        ConstOp::ArrayNewFixed(ty, len) => (Op::ArrayNewFixed, ty.as_u32(), len, len as usize),
        ConstOp::RefI31 => (Op::RefI31, 0, 0, 1),
        ConstOp::AnyConvertExtern => (Op::AnyConvertExtern, 0, 0, 1),
        ConstOp::ExternConvertAny => (Op::ExternConvertAny, 0, 0, 1),
        _ => unreachable!("the other operators are carried out by `eval`"),
    };
    let values = stack.split_off(stack.len() - operands);
    let mut slots: Vec<Slot> = Vec::with_capacity(operands + 1);
    for value in values {
        slots.extend(&value.slots[..if value.is_vector { 2 } else { 1 }]);
    }
    // Room for the result.
    slots.push(0);
    let below = stack.iter_mut().filter(|value| value.is_object);
    let below: Vec<*mut Slot> = below.map(|value| &raw mut value.slots[0]).collect();
    // SAFETY: the slots hold the operator's operands (validated).
    unsafe { store.const_operator(instance, op, a, b, &mut slots, &below) }?;
    let is_object = Ref::from_bits(slots[0] as u32).is_object();
    Ok(Value { slots: [slots[0], 0], is_object, is_vector: false })
}
