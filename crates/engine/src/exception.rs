//! Owns exceptions as the host sees them: one that left the guest or is to be thrown, and references to those inside of it.
//! Does not own tags (`tag`) nor how exceptions find their handlers (the runtime and the tiers).

use std::fmt;

use sterna_isa::ValType;
use sterna_runtime as rt;

use crate::error::{Error, Result};
use crate::handle::foreign;
use crate::rooted::{Rooted, reference};
use crate::store::{AsContext, AsContextMut};
use crate::tag::Tag;
use crate::value::Val;

/// An exception outside of the guest: a tag and a payload.
///
/// A guest's exception that nobody caught is the source of the [`Trap`](crate::Trap) that the call fails with:
/// `error.downcast_ref::<Exception>()` finds it, and a host function that returns the error lets it go on to the guest below. A host
/// function throws one of its own by returning it: `Err(Exception::new(&mut store, tag, &[])?.into())`.
#[derive(Clone)]
pub struct Exception {
    inner: rt::Exception,
}

impl Exception {
    /// An exception of a tag.
    ///
    /// # Errors
    /// Wrong number or types of payload values, objects of other stores, or an exhausted heap.
    pub fn new(mut store: impl AsContextMut, tag: Tag, payload: &[Val]) -> Result<Exception> {
        let mut store = store.as_context_mut();
        let id = store.id();
        let at = tag.to_runtime(id)?;
        let ty = tag.ty(&store);
        let home = store.home();
        if ty.params.len() != payload.len() {
            let (expected, given) = (ty.params.len(), payload.len());
            return Err(Error::msg(format_args!("expected {expected} values, got {given}")));
        }
        let mut slots = Vec::new();
        for (&value, &ty) in payload.iter().zip(&ty.params) {
            slots.extend_from_slice(&value.to_slots(ty, home)?[..ty.slots()]);
        }
        // SAFETY: the tag is of this store, and the values were checked against its type.
        let made = unsafe { store.rt_mut().host_exception(at, &mut slots) };
        Ok(Exception { inner: made.map_err(Error::new)? })
    }

    pub(crate) fn from_runtime(inner: rt::Exception) -> Exception {
        Exception { inner }
    }

    pub(crate) fn to_runtime(&self) -> rt::Exception {
        self.inner.clone()
    }

    /// Its tag.
    pub fn tag(&self) -> Tag {
        Tag::from_runtime(self.inner.store, self.inner.tag)
    }

    /// The tag's name, if it is in the name section of the module that defines it.
    pub fn tag_name(&self) -> Option<&str> {
        self.inner.tag_name()
    }

    /// The values that were thrown with it.
    ///
    /// # Errors
    /// If the exception is of another store.
    pub fn payload(&self, store: impl AsContext) -> Result<Vec<Val>> {
        let store = store.as_context();
        let slots = store.rt().exception_payload(&self.inner).ok_or_else(foreign)?;
        let mut at = 0;
        let value = |&ty: &ValType| {
            // SAFETY: the runtime or `new` has made the payload, of this type and store.
            let value = unsafe { Val::from_slots(ty, store.home(), &slots[at..]) };
            at += ty.slots();
            value
        };
        Ok(self.inner.ty.func().params.iter().map(value).collect())
    }
}

impl fmt::Display for Exception {
    /// The tag's name or type, and the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag_name() {
            Some(name) => write!(f, "exception `{name}`(")?,
            None => f.write_str("exception (")?,
        }
        let mut slots = &*self.inner.numbers;
        for (at, ty) in self.inner.ty.func().params.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            match ty {
                ValType::I32 => write!(f, "{}", slots[0] as i32)?,
                ValType::I64 => write!(f, "{}", slots[0] as i64)?,
                ValType::F32 => write!(f, "{}", f32::from_bits(slots[0] as u32))?,
                ValType::F64 => write!(f, "{}", f64::from_bits(slots[0]))?,
                other => write!(f, "{other}")?,
            }
            slots = &slots[ty.slots()..];
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Exception {}

/// A reference to an exception in a store: an `exnref` that is not null.
///
/// Good in the scope in which it was made: see [`Reference`](crate::Reference).
#[derive(Clone, Copy, Debug)]
pub struct ExnRef {
    rooted: Rooted,
}

reference!(ExnRef);

impl ExnRef {
    /// The exception.
    ///
    /// # Errors
    /// If it lives in another store, or if the reference's scope has ended.
    pub fn exception(&self, mut store: impl AsContextMut) -> Result<Exception> {
        let mut store = store.as_context_mut();
        let slot = self.slot(store.home())?;
        Ok(Exception { inner: store.rt_mut().exception(slot) })
    }
}
