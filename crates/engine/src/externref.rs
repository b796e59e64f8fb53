//! Owns `ExternRef`, a host value that guests pass around without seeing into it.
//! Does not own the values (the runtime's heap does).

use std::any::Any;

use crate::error::{Error, Result};
use crate::rooted::{Rooted, reference};
use crate::store::{AsContextMut, StoreContext};

/// A reference of the hierarchy `extern` that is not null: to a value of the host, or to something of the guest in that guise.
///
/// Good in the scope in which it was made: see [`Reference`](crate::Reference). The value is dropped on the thread that uses the store,
/// some time after no reference of guest or host leads to it any more: when a host function has returned, the guest's call
/// has ended, or an object is made. Values count toward the limit of the heap and cause collections, but only with their own size, not with
/// what they point to: a host that passes few values that own much may call [`Store::gc`](crate::Store::gc).
#[derive(Clone, Copy, Debug)]
pub struct ExternRef {
    rooted: Rooted,
}

reference!(ExternRef);

impl ExternRef {
    /// Moves a value into the store.
    ///
    /// # Errors
    /// If the store's heap is exhausted (see [`Limits::heap_bytes`](crate::Limits)): then the value is dropped.
    ///
    /// # Panics
    /// When the code does that drops an older value; likewise below for everything that makes objects.
    pub fn new(
        mut store: impl AsContextMut,
        value: impl Any + Send + Sync + 'static,
    ) -> Result<ExternRef> {
        let mut store = store.as_context_mut();
        let slot = store.rt_mut().extern_ref(Box::new(value)).map_err(Error::new)?;
        Ok(ExternRef { rooted: Rooted::new(store.home(), slot) })
    }

    /// The value.
    ///
    /// # Errors
    /// If it lives in another store, if the reference's scope has ended, or if it is no value of the host: an object of the guest in a
    /// view that hides what it is.
    pub fn data<'a, T: 'a>(
        &self,
        store: impl Into<StoreContext<'a, T>>,
    ) -> Result<&'a (dyn Any + Send + Sync)> {
        let store = store.into();
        let slot = self.slot(store.home())?;
        let value = store.rt().extern_value(slot);
        value.ok_or_else(|| Error::msg("the reference is to an object of the guest"))
    }
}
