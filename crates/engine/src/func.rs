//! Owns `Func` and `TypedFunc`: calling guest and host functions from the host.
//! Does not own how closures become functions (`host`) nor how guest code is entered (the runtime).

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use sterna_abi::{FuncRef, Slot};
use sterna_isa::{FuncType, HeapType, ValType};
use sterna_runtime as rt;

use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::host::{HostBody, HostDef, IntoFunc};
use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut, StoreId};
use crate::typed::{MAX_SLOTS, WasmList};
use crate::value::Val;

/// A function of a store, of a guest or of the host.
#[derive(Clone, Copy, Debug)]
pub struct Func {
    handle: Handle<FuncRef>,
}

impl Func {
    pub(crate) fn from_runtime(store: StoreId, at: NonNull<FuncRef>) -> Func {
        Func { handle: Handle::new(store, at) }
    }

    pub(crate) fn from_slot(store: StoreId, slot: Slot) -> Option<Func> {
        NonNull::new(slot as *mut FuncRef).map(|at| Func::from_runtime(store, at))
    }

    pub(crate) fn slot(self, store: StoreId) -> Result<Slot> {
        Ok(self.handle.get(store)?.as_ptr() as Slot)
    }

    pub(crate) fn to_runtime(self, store: StoreId) -> Result<NonNull<FuncRef>> {
        self.handle.get(store)
    }

    /// A host function from a closure whose Rust types say its wasm type.
    ///
    /// ```
    /// # use sterna::*;
    /// # let mut store = Store::<()>::default();
    /// let add = Func::wrap(&mut store, |a: i32, b: i32| a + b);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wrap<C: AsContextMut, Params, Results>(
        mut store: C,
        body: impl IntoFunc<C::Data, Params, Results>,
    ) -> Func {
        Func::from_body(store.as_context_mut(), body.into_host())
    }

    /// A host function of a type that is known only at run time. Results are zero or null until `body` sets them.
    pub fn new<C: AsContextMut>(
        mut store: C,
        ty: FuncType,
        body: impl Fn(Caller<'_, C::Data>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Func {
        Func::from_body(store.as_context_mut(), HostBody::untyped(ty, body))
    }

    fn from_body<T>(mut store: StoreContextMut<'_, T>, body: HostBody) -> Func {
        let at = HostDef::new(store.engine(), body).instantiate(store.rt_mut());
        Func::from_runtime(store.id(), at)
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let store = store.as_context();
        store.rt().engine().type_info(self.type_id(store)).func().clone()
    }

    /// Its type as an index of the engine, which tells it from other types of the same shape
    /// (see [`Engine::func_heap_type`](crate::Engine::func_heap_type)).
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn heap_type(&self, store: impl AsContext) -> HeapType {
        HeapType::Concrete(self.type_id(store.as_context()))
    }

    fn type_id<T>(&self, store: StoreContext<'_, T>) -> rt::TypeId {
        let func = self.handle.expect(store.id());
        // SAFETY: the function lives in the store that is borrowed.
        unsafe { func.as_ref() }.type_id
    }

    /// Calls it with values of any type. `results` must have room for exactly its results.
    ///
    /// # Errors
    /// Wrong number or types of parameters, wrong number of results, values of other stores; a [`Trap`](crate::Trap); the error of
    /// a host function.
    ///
    /// # Panics
    /// When a host function does.
    pub fn call(
        &self,
        mut store: impl AsContextMut,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let store = store.as_context_mut();
        let func = self.handle.get(store.id())?;
        // SAFETY: the function lives in the store that is borrowed.
        let type_id = unsafe { func.as_ref() }.type_id;
        let info = store.as_context().rt().engine().type_info(type_id);
        count("parameters", info.func().params.len(), params.len())?;
        count("results", info.func().results.len(), results.len())?;
        let (mut few, mut many) = ([0; MAX_SLOTS], Vec::new());
        let slots = match few.get_mut(..info.slots) {
            Some(slots) => slots,
            None => {
                many.resize(info.slots, 0);
                &mut many[..]
            }
        };
        let mut at = 0;
        for (index, (&param, &ty)) in params.iter().zip(&info.func().params).enumerate() {
            let value = param
                .to_slots(ty, store.home())
                .map_err(|error| Error::msg(format_args!("parameter {index}: {error}")))?;
            slots[at..at + ty.slots()].copy_from_slice(&value[..ty.slots()]);
            at += ty.slots();
        }
        // SAFETY: checked above.
        unsafe { rt::Store::call(store.rt_ptr(), func, slots) }.map_err(Error::from_trap)?;
        let mut at = 0;
        for (result, &ty) in results.iter_mut().zip(&info.func().results) {
            // SAFETY: the function has left results of its type.
            *result = unsafe { Val::from_slots(ty, store.home(), &slots[at..]) };
            at += ty.slots();
        }
        Ok(())
    }

    /// The function with its type checked once, for cheap calls.
    ///
    /// # Errors
    /// If its type is another one, or if it belongs to another store.
    pub fn typed<P: WasmList, R: WasmList>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<P, R>> {
        let store = store.as_context();
        self.handle.get(store.id())?;
        let found = self.ty(store);
        let expected = FuncType::new(P::TYPES, R::TYPES);
        match fits(store.rt().engine(), &found, &expected) {
            true => Ok(TypedFunc { func: *self, types: PhantomData }),
            false => {
                Err(Error::msg(format_args!("type mismatch: expected {expected}, found {found}")))
            }
        }
    }
}

/// Whether a function can be called with and for values of the types in `expected`: those of parameters match the function's own, its
/// results match those.
fn fits(engine: &rt::Engine, found: &FuncType, expected: &FuncType) -> bool {
    let all = |types: &[ValType], of: &[ValType]| {
        types.len() == of.len() && types.iter().zip(of).all(|(&ty, &of)| engine.matches(ty, of))
    };
    all(&expected.params, &found.params) && all(&found.results, &expected.results)
}

fn count(what: &str, expected: usize, given: usize) -> Result<()> {
    match expected == given {
        true => Ok(()),
        false => Err(Error::msg(format_args!("expected {expected} {what}, got {given}"))),
    }
}

/// A function whose type is known to the Rust compiler: calls allocate nothing and check nothing but the store.
pub struct TypedFunc<P, R> {
    func: Func,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P, R> fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.func.fmt(f)
    }
}

impl<P: WasmList, R: WasmList> TypedFunc<P, R> {
    /// The function.
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Calls it.
    ///
    /// # Errors
    /// A function or reference of another store; a [`Trap`](crate::Trap); the error of a host function.
    ///
    /// # Panics
    /// When a host function does.
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R> {
        let mut store = store.as_context_mut();
        let func = self.func.handle.get(store.id())?;
        let mut slots = [MaybeUninit::<Slot>::uninit(); MAX_SLOTS];
        let used = const {
            let used = if P::SLOTS > R::SLOTS { P::SLOTS } else { R::SLOTS };
            assert!(used <= MAX_SLOTS);
            used
        };
        slots[..used].fill(MaybeUninit::new(0));
        let at: *mut Slot = slots.as_mut_ptr().cast();
        // SAFETY: there is room for the slots of all parameters.
        unsafe { params.store(store.rt_mut(), at) }?;
        // SAFETY: these are initialized, and nobody else refers to them.
        let slots = unsafe { std::slice::from_raw_parts_mut(at, used) };
        // SAFETY: the function is of this store and of this type (checked by `Func::typed`), and so are the parameters.
        unsafe { rt::Store::call(store.rt_ptr(), func, slots) }.map_err(Error::from_trap)?;
        // SAFETY: the function has left results of its type.
        Ok(unsafe { R::load(store.rt_mut(), at) })
    }
}
