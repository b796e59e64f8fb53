//! Owns `AnyRef`, a reference of the hierarchy `any`, and `I31`, the integers among them.
//! Does not own access to fields and elements (`structref`, `arrayref`) nor the objects (the runtime's heap does).

use sterna_abi::Slot;
use sterna_isa::HeapType;

use crate::arrayref::ArrayRef;
use crate::error::Result;
use crate::externref::ExternRef;
use crate::rooted::{Reference, Rooted, reference};
use crate::store::AsContext;
use crate::structref::StructRef;

/// A reference of the hierarchy `any` that is not null: to a structure, an array, an `i31`, or a value of the host in the guise of one.
///
/// Good in the scope in which it was made: see [`Reference`].
#[derive(Clone, Copy, Debug)]
pub struct AnyRef {
    rooted: Rooted,
}

reference!(AnyRef);

impl AnyRef {
    /// An `i31`.
    pub fn from_i31(store: impl AsContext, value: I31) -> AnyRef {
        AnyRef { rooted: Rooted::from_i31(store.as_context().id(), value.get_u()) }
    }

    /// `any.convert_extern`: the same reference in the other hierarchy.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn from_extern(store: impl AsContext, value: ExternRef) -> Result<AnyRef> {
        value.slot(store.as_context().home())?;
        Ok(AnyRef { rooted: value.rooted() })
    }

    /// `extern.convert_any`: the same reference in the other hierarchy.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn to_extern(&self, store: impl AsContext) -> Result<ExternRef> {
        self.slot(store.as_context().home())?;
        Ok(ExternRef::from_rooted(self.rooted))
    }

    /// The `i31`, if it is one.
    pub fn i31(&self) -> Option<I31> {
        self.rooted.i31().map(I31)
    }

    /// Whether it is of a heap type: `ref.test`.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    ///
    /// # Panics
    /// If the type has an index that is not the engine's.
    pub fn is(&self, store: impl AsContext, ty: HeapType) -> Result<bool> {
        let home = store.as_context().home();
        let slot = self.slot(home)?;
        Ok(home.top(ty) == HeapType::Any && home.rt.refers_to(slot, ty))
    }

    /// The type of what it refers to: that of its definition for structures and arrays, `i31`, or `any` for a value of the host.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn ty(&self, store: impl AsContext) -> Result<HeapType> {
        let home = store.as_context().home();
        let info = home.rt.object_info(self.slot(home)?);
        Ok(match info {
            Some(info) => HeapType::Concrete(info.id),
            None if self.i31().is_some() => HeapType::I31,
            None => HeapType::Any,
        })
    }

    /// The structure, if it is one.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn as_struct(&self, store: impl AsContext) -> Result<Option<StructRef>> {
        let is = self.is(store, HeapType::Struct)?;
        Ok(is.then(|| StructRef::from_rooted(self.rooted)))
    }

    /// The array, if it is one.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn as_array(&self, store: impl AsContext) -> Result<Option<ArrayRef>> {
        let is = self.is(store, HeapType::Array)?;
        Ok(is.then(|| ArrayRef::from_rooted(self.rooted)))
    }
}

impl From<StructRef> for AnyRef {
    fn from(value: StructRef) -> AnyRef {
        AnyRef { rooted: value.rooted() }
    }
}

impl From<ArrayRef> for AnyRef {
    fn from(value: ArrayRef) -> AnyRef {
        AnyRef { rooted: value.rooted() }
    }
}

/// An integer of 31 bits that is a reference to the guest: `(ref i31)`.
///
/// ```
/// # use sterna::I31;
/// assert_eq!(I31::new(-5).map(I31::get_s), Some(-5));
/// assert_eq!(I31::new(1 << 30), None);
/// assert_eq!(I31::wrapping(-1).get_u(), 0x7fff_ffff);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct I31(i32);

impl I31 {
    /// The number; `None` if it needs more bits.
    pub fn new(value: i32) -> Option<I31> {
        Some(I31::wrapping(value)).filter(|made| made.0 == value)
    }

    /// The low 31 bits of a number: `ref.i31`.
    pub fn wrapping(value: i32) -> I31 {
        I31(value << 1 >> 1)
    }

    pub(crate) fn slot(self) -> Slot {
        Slot::from(self.get_u() << 1 | 1)
    }

    /// `None` if it is null.
    pub(crate) fn from_slot(slot: Slot) -> Option<I31> {
        (slot != 0).then_some(I31(slot as u32 as i32 >> 1))
    }

    /// The value, sign-extended: `i31.get_s`.
    pub fn get_s(self) -> i32 {
        self.0
    }

    /// The value, zero-extended: `i31.get_u`.
    pub fn get_u(self) -> u32 {
        self.0 as u32 & 0x7fff_ffff
    }
}
