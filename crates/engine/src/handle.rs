//! Owns `Handle`, an object's address with the identity of the store it lives in.
//! Does not own the objects, nor what can be done with them.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use crate::error::{Error, Result};
use crate::store::StoreId;

/// Where an object of a store is. All objects live as long as their store, and an identity is never used twice: whoever holds
/// the store with this identity may follow the address.
pub(crate) struct Handle<O> {
    store: StoreId,
    at: NonNull<O>,
}

// SAFETY: an address and a number; it is followed only by whoever holds the store.
unsafe impl<O> Send for Handle<O> {}
// SAFETY: as above.
unsafe impl<O> Sync for Handle<O> {}

impl<O> UnwindSafe for Handle<O> {}
impl<O> RefUnwindSafe for Handle<O> {}

impl<O> Clone for Handle<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Handle<O> {}

impl<O> PartialEq for Handle<O> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.store == other.store
    }
}

impl<O> fmt::Debug for Handle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:p} of store {}", self.at, self.store)
    }
}

impl<O> Handle<O> {
    pub(crate) fn new(store: StoreId, at: NonNull<O>) -> Self {
        Handle { store, at }
    }

    /// The address, for whoever holds the store with this identity.
    ///
    /// # Errors
    /// If it lives in another store.
    #[inline(always)]
    pub(crate) fn get(&self, store: StoreId) -> Result<NonNull<O>> {
        match self.store == store {
            true => Ok(self.at),
            false => Err(foreign()),
        }
    }

    /// The same.
    ///
    /// # Panics
    /// If it lives in another store.
    #[inline]
    #[track_caller]
    pub(crate) fn expect(&self, store: StoreId) -> NonNull<O> {
        assert!(self.store == store, "the object belongs to another store");
        self.at
    }
}

/// The error for an object of another store.
#[cold]
pub(crate) fn foreign() -> Error {
    Error::msg("the object belongs to another store")
}
