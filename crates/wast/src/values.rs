//! Owns the way between a script's values and the engine's.
//! Does not compare them (`pattern`).

use crate::pattern::Value;
use crate::report::Problem;
use sterna::{ExternRef, Store, Val};
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
        WastArgCore::RefExtern(number) => Val::ExternRef(Some(ExternRef::new(store, *number))),
        WastArgCore::RefHost(_) => {
            return Err(Problem::unsupported("host references of type anyref"));
        }
    })
}

fn null(heap: &HeapType<'_>) -> Result<Val, Problem> {
    use AbstractHeapType as A;
    match heap {
        HeapType::Abstract { ty: A::Func | A::NoFunc, .. } | HeapType::Concrete(_) => {
            Ok(Val::NULL_FUNC)
        }
        HeapType::Abstract { ty: A::Extern | A::NoExtern, .. } => Ok(Val::NULL_EXTERN),
        other => Err(Problem::unsupported(format_args!("null of type {other:?}"))),
    }
}

/// A result as scripts describe it.
pub(crate) fn result(value: &Val, store: &Store<()>) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(value) => Value::V128(value.as_u128().to_le_bytes()),
        Val::FuncRef(None) | Val::ExternRef(None) => Value::Null,
        Val::FuncRef(Some(_)) => Value::Func,
        Val::ExternRef(Some(reference)) => {
            let data = reference.data(store).ok();
            Value::Extern(data.and_then(|data| data.downcast_ref::<u32>()).copied())
        }
    }
}
