//! Owns `AnyRef`, a reference of the hierarchy `any`: structures, arrays, `i31`, internalized host values.
//! Does not own the objects (the runtime's heap does) nor access to their fields: guests have that.

use sterna_abi::Slot;
use sterna_isa::HeapType;

use crate::error::Result;
use crate::externref::ExternRef;
use crate::handle::foreign;
use crate::store::{AsContext, AsContextMut, Home, StoreId};

/// A reference to a value of the hierarchy `any` in a store.
///
/// The object stays alive until the store is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyRef {
    store: StoreId,
    /// Not zero: that is null. What moves is held by the store, and this is its number there.
    held: Slot,
}

impl AnyRef {
    /// `ref.i31`: the low 31 bits of `value`.
    pub fn from_i31(store: impl AsContext, value: u32) -> AnyRef {
        let slot = Slot::from(value << 1 | 1);
        AnyRef { store: store.as_context().id(), held: slot }
    }

    /// `any.convert_extern`.
    ///
    /// # Errors
    /// If the value is of another store.
    pub fn from_extern(mut store: impl AsContextMut, value: ExternRef) -> Result<AnyRef> {
        let store = store.as_context_mut();
        let home = store.home();
        let slot = home.rt.internalize(value.slot(home.id)?);
        Ok(AnyRef { store: home.id, held: home.rt.hold(slot) })
    }

    /// `extern.convert_any`.
    ///
    /// # Errors
    /// If it is of another store, or if that holds too many references already.
    pub fn to_extern(&self, mut store: impl AsContextMut) -> Result<Option<ExternRef>> {
        let mut store = store.as_context_mut();
        let slot = self.slot(store.home())?;
        let id = store.id();
        let slot = store.rt_mut().externalize(slot).map_err(crate::Error::new)?;
        Ok(ExternRef::from_slot(id, slot))
    }

    /// The value of an `i31`, sign-extended.
    pub fn i31(&self) -> Option<i32> {
        (self.held & 1 != 0).then_some(self.held as u32 as i32 >> 1)
    }

    /// Whether it is of an abstract heap type: `ref.test`.
    ///
    /// # Errors
    /// If it is of another store.
    pub fn is(&self, store: impl AsContext, ty: HeapType) -> Result<bool> {
        let home = store.as_context().home();
        Ok(home.top(ty) == HeapType::Any && home.rt.refers_to(self.slot(home)?, ty))
    }

    pub(crate) fn slot(self, store: Home<'_>) -> Result<Slot> {
        match self.store == store.id {
            true => Ok(store.rt.held(self.held)),
            false => Err(foreign()),
        }
    }

    pub(crate) fn from_slot(store: Home<'_>, slot: Slot) -> Option<AnyRef> {
        (slot != 0).then(|| AnyRef { store: store.id, held: store.rt.hold(slot) })
    }
}
