//! Owns the Rust types that stand for wasm values, alone and in lists, and how they lie in slots.
//! Does not own calls.

use sterna_abi::Slot;
use sterna_isa::{HeapType, RefType, ValType};
use sterna_runtime as rt;

use crate::anyref::{AnyRef, I31};
use crate::arrayref::ArrayRef;
use crate::error::Result;
use crate::externref::ExternRef;
use crate::func::Func;
use crate::rooted::{Reference, Rooted};
use crate::structref::StructRef;
use crate::value::V128;

/// A Rust type that stands for a wasm value: `i32` and `u32` for `i32`, `i64` and `u64` for `i64`, `f32`, `f64`, [`V128`] and
/// `u128` for `v128`; for references [`Func`], [`ExternRef`], [`AnyRef`], [`StructRef`], [`ArrayRef`], [`I31`], and `Option`s of them for the types
/// with null (`Option<Func>` for `funcref`).
///
/// # Safety
/// Only this crate implements it: `TYPE`, `store` and `load` must agree.
pub unsafe trait WasmTy: Copy + Send + Sync + 'static {
    /// The wasm type.
    const TYPE: ValType;

    #[doc(hidden)]
    const SLOTS: usize = Self::TYPE.slots();

    /// Writes the value's slots; fails if it is a reference of another store.
    ///
    /// # Safety
    /// `to` must be valid for writing `SLOTS` slots.
    #[doc(hidden)]
    unsafe fn store(self, store: &mut rt::Store, to: *mut Slot) -> Result<()>;

    /// Reads the value.
    ///
    /// # Safety
    /// `from` must be valid for reading `SLOTS` slots that hold such a value of this store.
    #[doc(hidden)]
    unsafe fn load(store: &mut rt::Store, from: *const Slot) -> Self;
}

macro_rules! one_slot {
    ($($ty:ty, $wasm:expr, ($value:pat, $to_store:pat) => $to:expr, ($from_store:pat, $slot:pat) => $from:expr;)*) => {$(
        // SAFETY: one slot is written and read, as the type says.
        unsafe impl WasmTy for $ty {
            const TYPE: ValType = $wasm;

            #[inline(always)]
            unsafe fn store(self, $to_store: &mut rt::Store, to: *mut Slot) -> Result<()> {
                let $value = self;
                let slot: Slot = $to;
                // SAFETY: the caller's promise.
                unsafe { to.write(slot) };
                Ok(())
            }

            #[inline(always)]
            unsafe fn load($from_store: &mut rt::Store, from: *const Slot) -> Self {
                // SAFETY: the caller's promise.
                let $slot = unsafe { from.read() };
                $from
            }
        }
    )*};
}

one_slot! {
    i32, ValType::I32, (value, _) => u64::from(value as u32), (_, slot) => slot as i32;
    u32, ValType::I32, (value, _) => u64::from(value), (_, slot) => slot as u32;
    i64, ValType::I64, (value, _) => value as u64, (_, slot) => slot as i64;
    u64, ValType::I64, (value, _) => value, (_, slot) => slot;
    f32, ValType::F32, (value, _) => u64::from(value.to_bits()), (_, slot) => f32::from_bits(slot as u32);
    f64, ValType::F64, (value, _) => value.to_bits(), (_, slot) => f64::from_bits(slot);
    Option<Func>, ValType::FUNCREF,
        (func, store) => func.map_or(Ok(0), |func| func.slot(store.id()))?,
        (store, slot) => Func::from_slot(store.id(), slot);
    Func, ValType::Ref(RefType::non_null(HeapType::Func)),
        (func, store) => func.slot(store.id())?,
        (store, slot) => Func::from_slot(store.id(), slot).expect("not null, by its type");
    I31, ValType::Ref(RefType::non_null(HeapType::I31)),
        (value, _) => value.slot(),
        (_, slot) => I31::from_slot(slot).expect("not null, by its type");
    Option<I31>, ValType::Ref(RefType::nullable(HeapType::I31)),
        (value, _) => value.map_or(0, |value| value.slot()),
        (_, slot) => I31::from_slot(slot);
    ExternRef, ValType::Ref(RefType::non_null(HeapType::Extern)),
        (value, store) => value.rooted().slot_mut(store)?,
        (store, slot) => ExternRef::from_rooted(Rooted::new_mut(store, slot));
    Option<ExternRef>, ValType::Ref(RefType::nullable(HeapType::Extern)),
        (value, store) => value.map_or(Ok(0), |value| value.rooted().slot_mut(store))?,
        (store, slot) => (slot != 0).then(|| ExternRef::from_rooted(Rooted::new_mut(store, slot)));
    AnyRef, ValType::Ref(RefType::non_null(HeapType::Any)),
        (value, store) => value.rooted().slot_mut(store)?,
        (store, slot) => AnyRef::from_rooted(Rooted::new_mut(store, slot));
    Option<AnyRef>, ValType::Ref(RefType::nullable(HeapType::Any)),
        (value, store) => value.map_or(Ok(0), |value| value.rooted().slot_mut(store))?,
        (store, slot) => (slot != 0).then(|| AnyRef::from_rooted(Rooted::new_mut(store, slot)));
    StructRef, ValType::Ref(RefType::non_null(HeapType::Struct)),
        (value, store) => value.rooted().slot_mut(store)?,
        (store, slot) => StructRef::from_rooted(Rooted::new_mut(store, slot));
    Option<StructRef>, ValType::Ref(RefType::nullable(HeapType::Struct)),
        (value, store) => value.map_or(Ok(0), |value| value.rooted().slot_mut(store))?,
        (store, slot) => (slot != 0).then(|| StructRef::from_rooted(Rooted::new_mut(store, slot)));
    ArrayRef, ValType::Ref(RefType::non_null(HeapType::Array)),
        (value, store) => value.rooted().slot_mut(store)?,
        (store, slot) => ArrayRef::from_rooted(Rooted::new_mut(store, slot));
    Option<ArrayRef>, ValType::Ref(RefType::nullable(HeapType::Array)),
        (value, store) => value.map_or(Ok(0), |value| value.rooted().slot_mut(store))?,
        (store, slot) => (slot != 0).then(|| ArrayRef::from_rooted(Rooted::new_mut(store, slot)));
}

// SAFETY: two slots are written and read, low half first.
unsafe impl WasmTy for u128 {
    const TYPE: ValType = ValType::V128;

    #[inline(always)]
    unsafe fn store(self, _: &mut rt::Store, to: *mut Slot) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[Slot; 2]>().write([self as u64, (self >> 64) as u64]) };
        Ok(())
    }

    #[inline(always)]
    unsafe fn load(_: &mut rt::Store, from: *const Slot) -> Self {
        // SAFETY: the caller's promise.
        let [low, high] = unsafe { from.cast::<[Slot; 2]>().read() };
        u128::from(low) | u128::from(high) << 64
    }
}

// SAFETY: as `u128`.
unsafe impl WasmTy for V128 {
    const TYPE: ValType = ValType::V128;

    #[inline(always)]
    unsafe fn store(self, store: &mut rt::Store, to: *mut Slot) -> Result<()> {
        // SAFETY: passed on from the caller.
        unsafe { WasmTy::store(u128::from(self), store, to) }
    }

    #[inline(always)]
    unsafe fn load(store: &mut rt::Store, from: *const Slot) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { <u128 as WasmTy>::load(store, from) }.into()
    }
}

/// Most slots that a [`WasmList`] takes: 16 vectors.
pub(crate) const MAX_SLOTS: usize = 32;

/// A list of typed parameters or results: a single [`WasmTy`] or a tuple of up to 16 of them, `()` for none.
///
/// # Safety
/// As [`WasmTy`].
pub unsafe trait WasmList: Sized {
    #[doc(hidden)]
    const TYPES: &'static [ValType];
    #[doc(hidden)]
    const SLOTS: usize;

    /// Writes the values one after the other.
    ///
    /// # Safety
    /// `to` must be valid for writing `SLOTS` slots.
    #[doc(hidden)]
    unsafe fn store(self, store: &mut rt::Store, to: *mut Slot) -> Result<()>;

    /// Reads the values.
    ///
    /// # Safety
    /// `from` must be valid for reading `SLOTS` slots that hold such values of this store.
    #[doc(hidden)]
    unsafe fn load(store: &mut rt::Store, from: *const Slot) -> Self;
}

// SAFETY: the list of the one value.
unsafe impl<V: WasmTy> WasmList for V {
    const TYPES: &'static [ValType] = &[V::TYPE];
    const SLOTS: usize = V::SLOTS;

    #[inline(always)]
    unsafe fn store(self, store: &mut rt::Store, to: *mut Slot) -> Result<()> {
        // SAFETY: passed on from the caller.
        unsafe { WasmTy::store(self, store, to) }
    }

    #[inline(always)]
    unsafe fn load(store: &mut rt::Store, from: *const Slot) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { WasmTy::load(store, from) }
    }
}

macro_rules! tuple {
    ($($name:ident)*) => {
        // SAFETY: the values are written and read in order, each in its number of slots.
        #[allow(non_snake_case, unused, clippy::unused_unit)]
        unsafe impl<$($name: WasmTy,)*> WasmList for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE,)*];
            const SLOTS: usize = 0 $(+ <$name as WasmTy>::SLOTS)*;

            #[inline(always)]
            unsafe fn store(self, store: &mut rt::Store, to: *mut Slot) -> Result<()> {
                let ($($name,)*) = self;
                let mut at = to;
                $(
                    // SAFETY: the caller vouches for the sum of all slots.
                    unsafe { WasmTy::store($name, store, at) }?;
                    at = at.wrapping_add(<$name as WasmTy>::SLOTS);
                )*
                Ok(())
            }

            #[inline(always)]
            unsafe fn load(store: &mut rt::Store, from: *const Slot) -> Self {
                let mut at = from;
                $(
                    // SAFETY: the caller vouches for the sum of all slots.
                    let $name = unsafe { <$name as WasmTy>::load(store, at) };
                    at = at.wrapping_add(<$name as WasmTy>::SLOTS);
                )*
                ($($name,)*)
            }
        }
    };
}

/// Calls a macro with lists of type parameters of every length that a tuple can have.
macro_rules! for_each_tuple {
    ($tuple:ident) => {
        $tuple!();
        $tuple!(A1);
        $tuple!(A1 A2);
        $tuple!(A1 A2 A3);
        $tuple!(A1 A2 A3 A4);
        $tuple!(A1 A2 A3 A4 A5);
        $tuple!(A1 A2 A3 A4 A5 A6);
        $tuple!(A1 A2 A3 A4 A5 A6 A7);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15);
        $tuple!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15 A16);
    };
}
pub(crate) use for_each_tuple;

for_each_tuple!(tuple);
