//! Owns `Tag`, the identity of a kind of exception.
//! Does not own exceptions.

use std::sync::Arc;

use sterna_base::TagIndex;

use crate::loaded::LoadedModule;
use crate::types::TypeId;

/// The module that defines a tag, and its index there; none if the host has made it.
pub(crate) type TagOrigin = Option<(Arc<LoadedModule>, TagIndex)>;

/// An exception tag. Its address is its identity.
pub struct Tag {
    pub(crate) type_id: TypeId,
    pub(crate) origin: TagOrigin,
}

impl Tag {
    /// Its function type: the parameters are the payload.
    pub fn type_id(&self) -> TypeId {
        self.type_id
    }
}
