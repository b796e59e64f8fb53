//! Owns the way between a script's values and the engine's.
//! Does not compare them (`pattern`).

use crate::pattern::Value;
use crate::report::Problem;
use sterna::{AnyRef, ExternRef, Store, Val};
use wast::WastArg;
use wast::core::{AbstractHeapType, HeapType, WastArgCore};

/// The argument of an invocation.
pub(crate) fn argument(argument: &WastArg<'_>, store: &mut Store<()>) -> Result<Val, Problem> {
    let WastArg::Core(argument) = argument else {
        return Err(Problem::unsupported("component values"));
    };
    Ok(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::from(u128::from_le_bytes(value.to_le_bytes())),
        WastArgCore::RefNull(heap) => null(heap)?,
        WastArgCore::RefExtern(number) => Val::from(host_number(*number, store)?),
        WastArgCore::RefHost(number) => {
            let value = host_number(*number, store)?;
            Val::from(AnyRef::from_extern(store, value).map_err(Problem::unsupported)?)
        }
    })
}

fn host_number(number: u32, store: &mut Store<()>) -> Result<ExternRef, Problem> {
    ExternRef::new(store, number).map_err(Problem::unsupported)
}

fn null(heap: &HeapType<'_>) -> Result<Val, Problem> {
    use AbstractHeapType as A;
    match heap {
        HeapType::Abstract { ty: A::Func | A::NoFunc, .. } | HeapType::Concrete(_) => {
            Ok(Val::NULL_FUNC)
        }
        HeapType::Abstract { ty: A::Extern | A::NoExtern, .. } => Ok(Val::NULL_EXTERN),
        HeapType::Abstract {
            ty: A::Any | A::Eq | A::I31 | A::Struct | A::Array | A::None, ..
        } => Ok(Val::NULL_ANY),
        HeapType::Abstract { ty: A::Exn | A::NoExn, .. } => Ok(Val::NULL_EXN),
        other => Err(Problem::unsupported(format_args!("null of type {other:?}"))),
    }
}

/// A result as scripts describe it.
pub(crate) fn result(value: &Val, store: &mut Store<()>) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(value) => Value::V128(value.as_u128().to_le_bytes()),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::AnyRef(None) | Val::ExnRef(None) => {
            Value::Null
        }
        Val::FuncRef(Some(_)) => Value::Func,
        Val::ExternRef(Some(reference)) => Value::Extern(host_value(reference, store)),
        Val::AnyRef(Some(reference)) => any(reference, store),
        Val::ExnRef(Some(_)) => Value::Exn,
    }
}

/// The number of a host value.
fn host_value(reference: &ExternRef, store: &Store<()>) -> Option<u32> {
    reference.data(store).ok()?.downcast_ref::<u32>().copied()
}

fn any(reference: &AnyRef, store: &mut Store<()>) -> Value {
    let is = |ty| reference.is(&*store, ty).is_ok_and(|is| is);
    if let Some(value) = reference.i31() {
        return Value::I31(value.get_s());
    }
    if is(sterna::HeapType::Struct) {
        return Value::Struct;
    }
    if is(sterna::HeapType::Array) {
        return Value::Array;
    }
    let outside = reference.to_extern(&*store).ok();
    Value::Host(outside.and_then(|reference| host_value(&reference, store)))
}
