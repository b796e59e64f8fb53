//! Owns `Tag`, the identity of a kind of exception.
//! Does not own exceptions.

use crate::types::TypeId;

/// An exception tag. Its address is its identity.
#[derive(Debug)]
pub struct Tag {
    pub(crate) type_id: TypeId,
}

impl Tag {
    /// Its function type: the parameters are the payload.
    pub fn type_id(&self) -> TypeId {
        self.type_id
    }
}
