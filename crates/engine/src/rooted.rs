//! Owns how the host holds references to what the collector moves and frees: in scopes, and owned.
//! Does not own the kinds of references (`anyref`, `externref`, `structref`, `arrayref`).

use std::fmt;
use std::marker::PhantomData;

use sterna_abi::Slot;
use sterna_runtime as rt;

use crate::error::{Error, Result};
use crate::handle::foreign;
use crate::store::{AsContext, AsContextMut, Home, StoreId};

/// A reference that is not null, kept until the scope ends in which it was made.
#[derive(Clone, Copy)]
pub struct Rooted {
    store: StoreId,
    held: rt::Held,
}

impl Rooted {
    /// `slot` is not null.
    pub(crate) fn new(home: Home<'_>, slot: Slot) -> Rooted {
        Rooted { store: home.id, held: home.rt.hold(slot) }
    }

    /// An `i31`.
    pub(crate) fn from_i31(store: StoreId, value: u32) -> Rooted {
        Rooted { store, held: rt::Held::from_i31(value) }
    }

    pub(crate) fn i31(self) -> Option<i32> {
        self.held.i31()
    }

    /// The same, faster.
    #[inline]
    pub(crate) fn new_mut(store: &mut rt::Store, slot: Slot) -> Rooted {
        Rooted { store: store.id(), held: store.hold_mut(slot) }
    }

    /// The reference as it is now.
    pub(crate) fn slot(self, home: Home<'_>) -> Result<Slot> {
        if self.store != home.id {
            return Err(foreign());
        }
        home.rt.held(self.held).ok_or_else(|| ended(self.held))
    }

    /// The same, faster.
    #[inline]
    pub(crate) fn slot_mut(self, store: &mut rt::Store) -> Result<Slot> {
        if self.store != store.id() {
            return Err(foreign());
        }
        store.held_mut(self.held).ok_or_else(|| ended(self.held))
    }
}

impl fmt::Debug for Rooted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.i31() {
            Some(value) => write!(f, "i31 {value}"),
            None => write!(f, "an object of store {}", self.store),
        }
    }
}

#[cold]
fn ended(held: rt::Held) -> Error {
    Error::msg(match held.is_refused() {
        true => {
            "too many references are held: those that are needed for a short time only belong in a scope (`Store::scope`)"
        }
        false => {
            "the reference is from a scope that has ended (the call of a host function is one): `to_owned` keeps it beyond"
        }
    })
}

/// A kind of reference to what the collector manages: [`AnyRef`](crate::AnyRef), [`ExternRef`](crate::ExternRef),
/// [`StructRef`](crate::StructRef), [`ArrayRef`](crate::ArrayRef), [`ExnRef`](crate::ExnRef).
///
/// They are copies of a number, good in the scope in which they were made. Every call of a host function is a scope: references that it
/// gets or makes end when it returns (what it returns is the guest's then). [`Store::scope`](crate::Store::scope) makes one
/// explicitly. A reference made outside of all scopes stays until the store is dropped, and so does what it refers to: a host that
/// runs for long uses scopes, or [`Owned`].
///
/// To use a reference after its scope, or with another store, is an error.
pub trait Reference: Copy + Send + Sync + Sized + 'static {
    #[doc(hidden)]
    fn from_rooted(rooted: Rooted) -> Self;

    #[doc(hidden)]
    fn rooted(self) -> Rooted;
}

/// A reference of kind `R` that keeps what it refers to alive until the last clone is dropped, on whatever thread.
///
/// Beware of cycles: a value of the host (see [`ExternRef`](crate::ExternRef)) that owns a reference to something that refers to
/// that value is never freed, since the collector does not see into it.
///
/// ```
/// use sterna::{ExternRef, Owned, Store};
/// let mut store = Store::<()>::default();
/// let kept: Owned<ExternRef> = store.scope(|store| {
///     ExternRef::new(&mut *store, "text")?.to_owned(store)
/// })?;
/// let text = kept.to_scoped(&mut store)?;
/// assert!(text.data(&store)?.is::<&str>());
/// # Ok::<(), sterna::Error>(())
/// ```
pub struct Owned<R> {
    store: StoreId,
    object: rt::OwnedObject,
    kind: PhantomData<fn() -> R>,
}

impl<R: Reference> Owned<R> {
    /// Owns what a reference refers to.
    ///
    /// # Errors
    /// If the reference's scope has ended, if it is of another store, or if that store has no room for one more.
    pub fn new(mut store: impl AsContextMut, reference: R) -> Result<Owned<R>> {
        let mut store = store.as_context_mut();
        let slot = reference.rooted().slot(store.home())?;
        let object = store.rt_mut().own(slot).map_err(Error::new)?;
        Ok(Owned { store: store.id(), object, kind: PhantomData })
    }

    /// The reference, for the current scope.
    ///
    /// # Errors
    /// If it is of another store.
    pub fn to_scoped(&self, store: impl AsContext) -> Result<R> {
        let home = store.as_context().home();
        let slot = home.rt.owned(&self.object).filter(|_| self.store == home.id);
        Ok(R::from_rooted(Rooted::new(home, slot.ok_or_else(foreign)?)))
    }
}

impl<R> Clone for Owned<R> {
    fn clone(&self) -> Self {
        Owned { store: self.store, object: self.object.clone(), kind: PhantomData }
    }
}

impl<R> fmt::Debug for Owned<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "owned object of store {}", self.store)
    }
}

/// The reference in a slot; `None` if it is null.
pub(crate) fn from_slot<R: Reference>(home: Home<'_>, slot: Slot) -> Option<R> {
    (slot != 0).then(|| R::from_rooted(Rooted::new(home, slot)))
}

/// What all kinds of references have in common.
macro_rules! reference {
    ($name:ident) => {
        impl $crate::rooted::Reference for $name {
            fn from_rooted(rooted: $crate::rooted::Rooted) -> Self {
                $name { rooted }
            }

            fn rooted(self) -> $crate::rooted::Rooted {
                self.rooted
            }
        }

        impl $name {
            /// Keeps it beyond the current scope.
            ///
            /// # Errors
            /// If its scope has ended already, if it is of another store, or if that store has no room for one more.
            pub fn to_owned(
                &self,
                store: impl $crate::store::AsContextMut,
            ) -> $crate::error::Result<$crate::rooted::Owned<$name>> {
                $crate::rooted::Owned::new(store, *self)
            }

            /// Whether both refer to the same object, or are the same `i31`.
            ///
            /// # Errors
            /// If the scope of one has ended, or if one is of another store.
            pub fn ref_eq(
                &self,
                store: impl $crate::store::AsContext,
                other: &$name,
            ) -> $crate::error::Result<bool> {
                let home = store.as_context().home();
                Ok(self.rooted.slot(home)? == other.rooted.slot(home)?)
            }

            pub(crate) fn slot(
                self,
                home: $crate::store::Home<'_>,
            ) -> $crate::error::Result<sterna_abi::Slot> {
                self.rooted.slot(home)
            }
        }
    };
}
pub(crate) use reference;
