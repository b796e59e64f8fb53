//! Owns `Global`: a global as the host sees it.
//! Does not own its cell (the runtime does).

use sterna_runtime::GlobalRef;

use crate::error::{Error, Result};
use crate::handle::foreign;
use crate::store::{AsContext, AsContextMut, StoreId};
use crate::types::{GlobalType, Mutability};
use crate::value::Val;

/// A global of a store.
#[derive(Clone, Copy, Debug)]
pub struct Global {
    store: StoreId,
    global: GlobalRef,
}

// SAFETY: an address and a number; it is followed only by whoever holds the store.
unsafe impl Send for Global {}
// SAFETY: as above.
unsafe impl Sync for Global {}

impl Global {
    pub(crate) fn from_runtime(store: StoreId, global: GlobalRef) -> Global {
        Global { store, global }
    }

    pub(crate) fn to_runtime(self, store: StoreId) -> Result<GlobalRef> {
        if self.store == store { Ok(self.global) } else { Err(foreign()) }
    }

    /// A global with its value.
    ///
    /// # Errors
    /// If the value is of another type or store.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Global> {
        let mut store = store.as_context_mut();
        let value = value.to_slots(ty.content(), store.home())?;
        let global = store.rt_mut().host_global(ty.to_module(), value);
        Ok(Global { store: store.id(), global })
    }

    /// Its type.
    pub fn ty(&self, _store: impl AsContext) -> GlobalType {
        GlobalType::from_module(self.global.ty)
    }

    /// Its value.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let store = store.as_context_mut();
        assert!(self.store == store.id(), "the object belongs to another store");
        // SAFETY: the global lives in the store that is borrowed.
        let slots = unsafe { self.global.get() };
        // SAFETY: a global holds a value of its type.
        unsafe { Val::from_slots(self.global.ty.ty, store.home(), &slots) }
    }

    /// Sets it.
    ///
    /// # Errors
    /// If it cannot be set, or if the value is of another type or store.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let id = store.as_context_mut().id();
        let global = self.to_runtime(id)?;
        if self.ty(&store).mutability() == Mutability::Const {
            return Err(Error::msg("the global is constant"));
        }
        let value = value.to_slots(global.ty.ty, store.as_context_mut().home())?;
        // SAFETY: the global lives in the store that is borrowed; the value has its type.
        unsafe { global.set(value) };
        Ok(())
    }
}
