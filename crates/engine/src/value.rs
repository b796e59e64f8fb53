//! Owns untyped values and references, and how they lie in slots.
//! Does not own typed values (`typed`).

use std::fmt;

use sterna_abi::Slot;
use sterna_isa::{HeapType, RefType, ValType};

use crate::anyref::AnyRef;
use crate::arrayref::ArrayRef;
use crate::error::{Error, Result};
use crate::exception::ExnRef;
use crate::externref::ExternRef;
use crate::func::Func;
use crate::rooted::from_slot;
use crate::store::Home;
use crate::structref::StructRef;

/// A 128-bit vector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct V128(u128);

impl V128 {
    /// The bits, lane 0 lowest.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl From<u128> for V128 {
    fn from(bits: u128) -> V128 {
        V128(bits)
    }
}

impl From<V128> for u128 {
    fn from(value: V128) -> u128 {
        value.0
    }
}

impl fmt::Debug for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#034x}", self.0)
    }
}

/// A value of any type. Floats are kept as bits, so that no NaN is ever changed.
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// An `i32`.
    I32(i32),
    /// An `i64`.
    I64(i64),
    /// The bits of an `f32`.
    F32(u32),
    /// The bits of an `f64`.
    F64(u64),
    /// A vector.
    V128(V128),
    /// A `funcref`; `None` is null.
    FuncRef(Option<Func>),
    /// An `externref`; `None` is null.
    ExternRef(Option<ExternRef>),
    /// A reference to a structure, array, `i31` or anything else of the hierarchy `any`; `None` is null.
    AnyRef(Option<AnyRef>),
    /// An `exnref`; `None` is null.
    ExnRef(Option<ExnRef>),
}

macro_rules! accessors {
    ($($(#[doc = $doc:literal])* $name:ident, $unwrap:ident, $variant:ident($value:ident) => $ty:ty, $get:expr;)*) => {
        $($(#[doc = $doc])*
        pub fn $name(&self) -> Option<$ty> {
            match *self {
                Val::$variant($value) => Some($get),
                _ => None,
            }
        }

        /// As the method without `unwrap`.
        ///
        /// # Panics
        /// If the value is of another type.
        #[track_caller]
        pub fn $unwrap(&self) -> $ty {
            self.$name().expect(concat!("the value is of type ", stringify!($variant)))
        })*
    };
}

impl Val {
    /// The null `funcref`.
    pub const NULL_FUNC: Val = Val::FuncRef(None);
    /// The null `externref`.
    pub const NULL_EXTERN: Val = Val::ExternRef(None);
    /// The null `anyref`.
    pub const NULL_ANY: Val = Val::AnyRef(None);
    /// The null `exnref`.
    pub const NULL_EXN: Val = Val::ExnRef(None);

    /// Its type: for references, the nullable one.
    pub fn ty(&self) -> ValType {
        match self {
            Val::I32(_) => ValType::I32,
            Val::I64(_) => ValType::I64,
            Val::F32(_) => ValType::F32,
            Val::F64(_) => ValType::F64,
            Val::V128(_) => ValType::V128,
            Val::FuncRef(_) => ValType::FUNCREF,
            Val::ExternRef(_) => ValType::EXTERNREF,
            Val::AnyRef(_) => ValType::Ref(RefType::nullable(HeapType::Any)),
            Val::ExnRef(_) => ValType::EXNREF,
        }
    }

    /// Zero or null. `None` for types without such a value.
    pub fn default_for(ty: ValType) -> Option<Val> {
        Some(match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(V128(0)),
            ValType::Ref(ty) => return Ref::null(ty.heap).filter(|_| ty.nullable).map(Val::from),
        })
    }

    accessors! {
        /// The `i32`, if it is one.
        i32, unwrap_i32, I32(value) => i32, value;
        /// The `i64`, if it is one.
        i64, unwrap_i64, I64(value) => i64, value;
        /// The `f32`, if it is one.
        f32, unwrap_f32, F32(bits) => f32, f32::from_bits(bits);
        /// The `f64`, if it is one.
        f64, unwrap_f64, F64(bits) => f64, f64::from_bits(bits);
        /// The vector, if it is one.
        v128, unwrap_v128, V128(value) => V128, value;
        /// The `funcref`, if it is one.
        func_ref, unwrap_func_ref, FuncRef(func) => Option<Func>, func;
        /// The `externref`, if it is one.
        extern_ref, unwrap_extern_ref, ExternRef(value) => Option<ExternRef>, value;
        /// The `anyref`, if it is one.
        any_ref, unwrap_any_ref, AnyRef(value) => Option<AnyRef>, value;
        /// The `exnref`, if it is one.
        exn_ref, unwrap_exn_ref, ExnRef(value) => Option<ExnRef>, value;
    }

    /// The value as two slots (the second one is zero unless it is a vector), if it is of type `ty` and of this store.
    pub(crate) fn to_slots(self, ty: ValType, store: Home<'_>) -> Result<[Slot; 2]> {
        let slot = match (self, ty) {
            (Val::I32(value), ValType::I32) => u64::from(value as u32),
            (Val::I64(value), ValType::I64) => value as u64,
            (Val::F32(bits), ValType::F32) => u64::from(bits),
            (Val::F64(bits), ValType::F64) => bits,
            (Val::V128(V128(bits)), ValType::V128) => {
                return Ok([bits as u64, (bits >> 64) as u64]);
            }
            (Val::FuncRef(func), ValType::Ref(ty)) => Ref::Func(func).to_slot(ty, store)?,
            (Val::ExternRef(value), ValType::Ref(ty)) => Ref::Extern(value).to_slot(ty, store)?,
            (Val::AnyRef(value), ValType::Ref(ty)) => Ref::Any(value).to_slot(ty, store)?,
            (Val::ExnRef(value), ValType::Ref(ty)) => Ref::Exn(value).to_slot(ty, store)?,
            (other, expected) => return Err(mismatch(expected, other.ty())),
        };
        Ok([slot, 0])
    }

    /// The value that lies in slots.
    ///
    /// # Safety
    /// `slots` must hold a value of type `ty`; references must be of this store.
    pub(crate) unsafe fn from_slots(ty: ValType, store: Home<'_>, slots: &[Slot]) -> Val {
        match ty {
            ValType::I32 => Val::I32(slots[0] as i32),
            ValType::I64 => Val::I64(slots[0] as i64),
            ValType::F32 => Val::F32(slots[0] as u32),
            ValType::F64 => Val::F64(slots[0]),
            ValType::V128 => Val::V128(V128(u128::from(slots[0]) | u128::from(slots[1]) << 64)),
            // SAFETY: passed on from the caller.
            ValType::Ref(ty) => unsafe { Ref::from_slot(ty, store, slots[0]) }.into(),
        }
    }
}

/// The error for a value of the wrong type.
#[cold]
pub(crate) fn mismatch(expected: ValType, found: ValType) -> Error {
    Error::msg(format_args!("type mismatch: expected {expected}, found {found}"))
}

/// A reference of any type.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// A `funcref`; `None` is null.
    Func(Option<Func>),
    /// An `externref`; `None` is null.
    Extern(Option<ExternRef>),
    /// A reference of the hierarchy `any`; `None` is null.
    Any(Option<AnyRef>),
    /// An `exnref`; `None` is null.
    Exn(Option<ExnRef>),
}

impl Ref {
    /// The null reference of a hierarchy; `None` if this API has no values of it. For a defined type, which may be of several, that of
    /// functions: it is good for all of them.
    pub fn null(heap: HeapType) -> Option<Ref> {
        match heap {
            HeapType::Func | HeapType::NoFunc | HeapType::Concrete(_) => Some(Ref::Func(None)),
            HeapType::Extern | HeapType::NoExtern => Some(Ref::Extern(None)),
            HeapType::Any
            | HeapType::Eq
            | HeapType::I31
            | HeapType::Struct
            | HeapType::Array
            | HeapType::None => Some(Ref::Any(None)),
            HeapType::Exn | HeapType::NoExn => Some(Ref::Exn(None)),
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Ref::Func(None) | Ref::Extern(None) | Ref::Any(None) | Ref::Exn(None))
    }

    /// Its type: the nullable one.
    pub fn ty(&self) -> RefType {
        match self {
            Ref::Func(_) => RefType::FUNCREF,
            Ref::Extern(_) => RefType::EXTERNREF,
            Ref::Any(_) => RefType::nullable(HeapType::Any),
            Ref::Exn(_) => RefType::EXNREF,
        }
    }

    pub(crate) fn to_slot(self, ty: RefType, store: Home<'_>) -> Result<Slot> {
        let mismatch = || mismatch(ValType::Ref(ty), ValType::Ref(self.ty()));
        let top = store.top(ty.heap);
        match self {
            _ if self.is_null() => {
                let concrete = matches!((self, ty.heap), (Ref::Func(_), HeapType::Concrete(_)));
                let fits = ty.nullable && (concrete || top == self.ty().heap);
                if fits { Ok(0) } else { Err(mismatch()) }
            }
            Ref::Func(Some(func)) if top == HeapType::Func => {
                let slot = func.slot(store.id)?;
                if store.rt.refers_to(slot, ty.heap) { Ok(slot) } else { Err(mismatch()) }
            }
            Ref::Extern(Some(value)) if ty.heap == HeapType::Extern => value.slot(store),
            Ref::Exn(Some(value)) if ty.heap == HeapType::Exn => value.slot(store),
            Ref::Any(Some(value)) if top == HeapType::Any => {
                let slot = value.slot(store)?;
                if store.rt.refers_to(slot, ty.heap) { Ok(slot) } else { Err(mismatch()) }
            }
            _ => Err(mismatch()),
        }
    }

    /// # Safety
    /// As [`Val::from_slots`].
    pub(crate) unsafe fn from_slot(ty: RefType, store: Home<'_>, slot: Slot) -> Ref {
        match store.top(ty.heap) {
            HeapType::Func => Ref::Func(Func::from_slot(store.id, slot)),
            HeapType::Extern => Ref::Extern(from_slot(store, slot)),
            HeapType::Exn => Ref::Exn(from_slot(store, slot)),
            _ => Ref::Any(from_slot(store, slot)),
        }
    }
}

impl From<Ref> for Val {
    fn from(reference: Ref) -> Val {
        match reference {
            Ref::Func(func) => Val::FuncRef(func),
            Ref::Extern(value) => Val::ExternRef(value),
            Ref::Any(value) => Val::AnyRef(value),
            Ref::Exn(value) => Val::ExnRef(value),
        }
    }
}

macro_rules! conversions {
    ($($ty:ty, $value:ident => $val:expr;)*) => {
        $(impl From<$ty> for Val {
            fn from($value: $ty) -> Val {
                $val
            }
        })*
    };
}

conversions! {
    i32, value => Val::I32(value);
    u32, value => Val::I32(value as i32);
    i64, value => Val::I64(value);
    u64, value => Val::I64(value as i64);
    f32, value => Val::F32(value.to_bits());
    f64, value => Val::F64(value.to_bits());
    V128, value => Val::V128(value);
    u128, value => Val::V128(V128(value));
    Func, func => Val::FuncRef(Some(func));
    Option<Func>, func => Val::FuncRef(func);
    ExternRef, value => Val::ExternRef(Some(value));
    Option<ExternRef>, value => Val::ExternRef(value);
    AnyRef, value => Val::AnyRef(Some(value));
    Option<AnyRef>, value => Val::AnyRef(value);
    StructRef, value => Val::AnyRef(Some(value.into()));
    Option<StructRef>, value => Val::AnyRef(value.map(AnyRef::from));
    ArrayRef, value => Val::AnyRef(Some(value.into()));
    Option<ArrayRef>, value => Val::AnyRef(value.map(AnyRef::from));
}

impl From<StructRef> for Ref {
    fn from(value: StructRef) -> Ref {
        Ref::Any(Some(value.into()))
    }
}

impl From<ArrayRef> for Ref {
    fn from(value: ArrayRef) -> Ref {
        Ref::Any(Some(value.into()))
    }
}

impl From<AnyRef> for Ref {
    fn from(value: AnyRef) -> Ref {
        Ref::Any(Some(value))
    }
}

impl From<Func> for Ref {
    fn from(func: Func) -> Ref {
        Ref::Func(Some(func))
    }
}

impl From<ExternRef> for Ref {
    fn from(value: ExternRef) -> Ref {
        Ref::Extern(Some(value))
    }
}
