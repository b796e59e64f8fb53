//! Owns host functions: Rust closures of many shapes as one kind of definition, independent of any store.
//! Does not own how guest code reaches them (the runtime does).

use std::ptr::NonNull;
use std::sync::Arc;

use sterna_abi::{FuncRef, Slot};
use sterna_isa::{FuncType, ValType};
use sterna_runtime as rt;
use sterna_runtime::{HostCall, HostClosure};

use crate::caller::Caller;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::{AsContextMut, StoreContextMut};
use crate::typed::{WasmList, WasmTy, for_each_tuple};
use crate::value::Val;

/// A closure as the runtime calls it: its type, and what it does with slots. Made by [`IntoFunc`].
pub struct HostBody {
    ty: FuncType,
    closure: HostClosure,
}

/// A host function before it is in any store of its engine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HostDef(Arc<Definition>);

struct Definition {
    ty: Arc<rt::TypeInfo>,
    closure: HostClosure,
}

impl HostDef {
    pub(crate) fn new(engine: &Engine, body: HostBody) -> HostDef {
        let ty = engine.inner.intern(&body.ty);
        HostDef(Arc::new(Definition { ty, closure: body.closure }))
    }

    /// Its identity.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Makes the function in a store of its engine.
    pub(crate) fn instantiate(&self, store: &mut rt::Store) -> NonNull<FuncRef> {
        store.new_host_func(self.0.ty.clone(), self.0.closure.clone())
    }
}

impl HostBody {
    /// A function of any type whose values are [`Val`]s.
    pub(crate) fn untyped<T, F>(ty: FuncType, body: F) -> HostBody
    where
        F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    {
        let types = ty.clone();
        let closure = move |call: HostCall<'_>| {
            // SAFETY: the runtime calls this in a store of the type that the function was made for.
            let store = unsafe { StoreContextMut::<T>::from_rt(call.store) };
            // SAFETY: guest code has put parameters of the function's type in the slots.
            unsafe { call_untyped(store, call.caller, &types, call.slots, &body) }
                .map_err(Error::into_host)
        };
        HostBody { ty, closure: Arc::new(closure) }
    }
}

/// # Safety
/// `slots` must hold the parameters of type `ty`, with room for its results.
unsafe fn call_untyped<T>(
    mut store: StoreContextMut<'_, T>,
    instance: Option<NonNull<rt::Instance>>,
    ty: &FuncType,
    slots: &mut [Slot],
    body: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()>,
) -> Result<()> {
    let mut values = store.take_values();
    let mut at = 0;
    for &param in &ty.params {
        // SAFETY: passed on from the caller.
        values.push(unsafe { Val::from_slots(param, store.home(), &slots[at..]) });
        at += param.slots();
    }
    // A result that the body does not set is zero or null, or refused below if its type has no such value.
    values.extend(ty.results.iter().map(|&ty| Val::default_for(ty).unwrap_or(Val::NULL_FUNC)));
    let (params, results) = values.split_at_mut(ty.params.len());
    body(Caller::new(store.as_context_mut(), instance), params, results)?;
    let mut at = 0;
    for (&value, &result) in results.iter().zip(&ty.results) {
        let value = value
            .to_slots(result, store.home())
            .map_err(|error| error.context("a host function returned a wrong value"))?;
        slots[at..at + result.slots()].copy_from_slice(&value[..result.slots()]);
        at += result.slots();
    }
    store.put_values(values);
    Ok(())
}

/// What a host function may return: results as for [`WasmList`], or a `Result` of them.
///
/// # Safety
/// Only this crate implements it.
pub unsafe trait WasmRet {
    #[doc(hidden)]
    const TYPES: &'static [ValType];

    /// Writes the results.
    ///
    /// # Safety
    /// `to` must be valid for writing the slots of `TYPES`.
    #[doc(hidden)]
    unsafe fn finish(self, store: &mut rt::Store, to: *mut Slot) -> Result<()>;
}

// SAFETY: a list.
unsafe impl<R: WasmList> WasmRet for R {
    const TYPES: &'static [ValType] = R::TYPES;

    #[inline(always)]
    unsafe fn finish(self, store: &mut rt::Store, to: *mut Slot) -> Result<()> {
        // SAFETY: passed on from the caller.
        unsafe { self.store(store, to) }
    }
}

// SAFETY: a list, or nothing at all.
unsafe impl<R: WasmList> WasmRet for Result<R> {
    const TYPES: &'static [ValType] = R::TYPES;

    #[inline(always)]
    unsafe fn finish(self, store: &mut rt::Store, to: *mut Slot) -> Result<()> {
        // SAFETY: passed on from the caller.
        unsafe { self?.store(store, to) }
    }
}

/// A closure that can be a host function of stores with data `T`: up to 16 parameters of [`WasmTy`]s, perhaps after a
/// [`Caller<'_, T>`]; a result that is a [`WasmRet`].
pub trait IntoFunc<T, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_host(self) -> HostBody;
}

macro_rules! into_func {
    ($($name:ident)*) => {
        #[allow(non_snake_case, unused)]
        impl<T, F, $($name: WasmTy,)* R: WasmRet> IntoFunc<T, ($($name,)*), R> for F
        where
            F: Fn($($name),*) -> R + Send + Sync + 'static,
        {
            fn into_host(self) -> HostBody {
                let closure = move |mut call: HostCall<'_>| {
                    let slots = call.slots.as_mut_ptr();
                    // SAFETY: the store is suspended in this function, which alone uses it.
                    let store = unsafe { call.store.as_mut() };
                    // SAFETY: guest code has put parameters of the function's type in the slots.
                    let ($($name,)*) = unsafe { <($($name,)*) as WasmList>::load(store, slots) };
                    let result = self($($name),*);
                    // SAFETY: as above.
                    let store = unsafe { call.store.as_mut() };
                    // SAFETY: the slots have room for the results of the function's type.
                    unsafe { result.finish(store, slots) }.map_err(Error::into_host)
                };
                let ty = FuncType::new([$($name::TYPE),*], R::TYPES);
                HostBody { ty, closure: Arc::new(closure) }
            }
        }

        #[allow(non_snake_case, unused)]
        impl<T, F, $($name: WasmTy,)* R: WasmRet> IntoFunc<T, (Caller<'_, T>, $($name,)*), R> for F
        where
            F: Fn(Caller<'_, T>, $($name),*) -> R + Send + Sync + 'static,
        {
            fn into_host(self) -> HostBody {
                let closure = move |mut call: HostCall<'_>| {
                    let slots = call.slots.as_mut_ptr();
                    // SAFETY: the store is suspended in this function, which alone uses it.
                    let store = unsafe { call.store.as_mut() };
                    // SAFETY: guest code has put parameters of the function's type in the slots.
                    let ($($name,)*) = unsafe { <($($name,)*) as WasmList>::load(store, slots) };
                    // SAFETY: the runtime calls this in a store of the type that the function was made for.
                    let store = unsafe { StoreContextMut::<T>::from_rt(call.store) };
                    let result = self(Caller::new(store, call.caller), $($name),*);
                    // SAFETY: as above; the borrow of the store has ended.
                    let store = unsafe { call.store.as_mut() };
                    // SAFETY: the slots have room for the results of the function's type.
                    unsafe { result.finish(store, slots) }.map_err(Error::into_host)
                };
                let ty = FuncType::new([$($name::TYPE),*], R::TYPES);
                HostBody { ty, closure: Arc::new(closure) }
            }
        }
    };
}

for_each_tuple!(into_func);
