//! Owns `ExternRef`, a host value that guests pass around without seeing into it.
//! Does not own the values (the runtime's store does).

use std::any::Any;

use sterna_abi::Slot;

use crate::error::{Error, Result};
use crate::handle::foreign;
use crate::store::{AsContext, AsContextMut, StoreContext, StoreId};

/// A reference to a host value in a store.
///
/// Values stay until the store is dropped: there is no garbage collection of them yet. A host that makes many short-lived
/// references should keep the values itself and pass numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternRef {
    store: StoreId,
    /// Not zero: that is null.
    slot: Slot,
}

impl ExternRef {
    /// Moves a value into the store.
    pub fn new(mut store: impl AsContextMut, value: impl Any + Send + Sync + 'static) -> ExternRef {
        let mut store = store.as_context_mut();
        let slot = store.rt_mut().extern_ref(Box::new(value));
        ExternRef { store: store.id(), slot }
    }

    /// The value.
    ///
    /// # Errors
    /// If it lives in another store, or is no value of the host: an object of the guest in a view that hides what it is.
    pub fn data<'a, T: 'a>(
        &self,
        store: impl Into<StoreContext<'a, T>>,
    ) -> Result<&'a (dyn Any + Send + Sync)> {
        let store = store.into();
        let slot = self.slot(store.as_context().id())?;
        let value = store.rt().extern_value(slot);
        value.ok_or_else(|| Error::msg("the reference is to an object of the guest"))
    }

    pub(crate) fn slot(self, store: StoreId) -> Result<Slot> {
        if self.store == store { Ok(self.slot) } else { Err(foreign()) }
    }

    pub(crate) fn from_slot(store: StoreId, slot: Slot) -> Option<ExternRef> {
        (slot != 0).then_some(ExternRef { store, slot })
    }
}
