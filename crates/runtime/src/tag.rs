//! Owns `Tag`, the identity of a kind of exception.
//! Does not own exceptions.

use std::sync::Arc;

use sterna_abi::gc::ObjectLayout;
use sterna_base::TagIndex;

use crate::loaded::LoadedModule;
use crate::types::{TypeId, TypeInfo};

/// The module that defines a tag, and its index there; none if the host has made it.
pub(crate) type TagOrigin = Option<(Arc<LoadedModule>, TagIndex)>;

/// An exception tag of a store.
pub struct Tag {
    /// Its position in the store's list, which is its identity.
    pub(crate) number: u32,
    pub(crate) ty: Arc<TypeInfo>,
    pub(crate) origin: TagOrigin,
}

impl Tag {
    /// Its function type: the parameters are the payload.
    pub fn type_id(&self) -> TypeId {
        self.ty.id
    }

    /// How the exceptions of the tag lie in the heap.
    pub(crate) fn layout(&self) -> &ObjectLayout {
        self.ty.exception.get().expect("computed when the first tag of the type was made")
    }
}
