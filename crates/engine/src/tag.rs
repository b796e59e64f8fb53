//! Owns `Tag`: an exception tag as the host sees it.
//! Does not own exceptions.

use std::ptr::NonNull;

use sterna_isa::FuncType;
use sterna_runtime as rt;

use crate::error::Result;
use crate::handle::Handle;
use crate::store::{AsContext, AsContextMut, StoreId};

/// An exception tag of a store.
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    handle: Handle<rt::Tag>,
}

impl Tag {
    pub(crate) fn from_runtime(store: StoreId, at: NonNull<rt::Tag>) -> Tag {
        Tag { handle: Handle::new(store, at) }
    }

    pub(crate) fn to_runtime(self, store: StoreId) -> Result<NonNull<rt::Tag>> {
        self.handle.get(store)
    }

    /// A new tag. The parameters of `ty` are the payload; it has no results.
    ///
    /// # Errors
    /// If `ty` has results.
    pub fn new(mut store: impl AsContextMut, ty: &FuncType) -> Result<Tag> {
        let mut store = store.as_context_mut();
        if !ty.results.is_empty() {
            return Err(crate::Error::msg("the type of a tag has no results"));
        }
        let ty = store.rt_mut().engine().intern(ty);
        let at = store.rt_mut().new_tag(ty.id);
        Ok(Tag::from_runtime(store.id(), at))
    }

    /// Its type: the parameters are the payload.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let store = store.as_context();
        let tag = self.handle.expect(store.id());
        // SAFETY: the tag lives in the store that is borrowed.
        let type_id = unsafe { tag.as_ref() }.type_id();
        store.rt().engine().type_info(type_id).func().clone()
    }
}
