//! Owns `Table`: a table as the host sees it.
//! Does not own its elements (the runtime does).

use std::ptr::NonNull;

use sterna_runtime as rt;

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut, StoreId};
use crate::types::TableType;
use crate::value::Ref;

/// A table of a store.
///
/// Methods without a `Result` panic if the table belongs to another store than the one passed.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    handle: Handle<rt::Table>,
}

impl Table {
    pub(crate) fn from_runtime(store: StoreId, at: NonNull<rt::Table>) -> Table {
        Table { handle: Handle::new(store, at) }
    }

    pub(crate) fn to_runtime(self, store: StoreId) -> Result<NonNull<rt::Table>> {
        self.handle.get(store)
    }

    /// A table of its minimal size, all elements `init`.
    ///
    /// # Errors
    /// An `init` of another type or store, a minimum over the maximum, limits of the store, no memory.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Ref) -> Result<Table> {
        let mut store = store.as_context_mut();
        if ty.maximum().is_some_and(|max| max < ty.minimum()) {
            return Err(Error::msg("the minimum of a table exceeds its maximum"));
        }
        let init = init.to_slot(ty.element(), store.home())?;
        // SAFETY: checked just now.
        let at = unsafe { store.rt_mut().host_table(ty.to_module(), init) };
        Ok(Table::from_runtime(store.id(), at.map_err(Error::from_link)?))
    }

    fn of<'a, T>(&self, store: StoreContext<'a, T>) -> &'a rt::Table {
        let at = self.handle.expect(store.id());
        // SAFETY: the table lives in the store, which is borrowed for `'a`: no guest code runs.
        unsafe { &*at.as_ptr() }
    }

    fn of_mut<'a, T>(&self, store: &StoreContextMut<'a, T>) -> Result<&'a mut rt::Table> {
        let at = self.handle.get(store.id())?;
        // SAFETY: the table lives in the store, which is borrowed exclusively for `'a`: no guest code runs. Callers make one such
        // reference per borrow.
        Ok(unsafe { &mut *at.as_ptr() })
    }

    /// Its type, with the declared minimum.
    pub fn ty(&self, store: impl AsContext) -> TableType {
        TableType::from_module(self.of(store.as_context()).ty())
    }

    /// Number of elements.
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.of(store.as_context()).len()
    }

    /// An element; `None` if there is none at `index`.
    pub fn get(&self, store: impl AsContext, index: u64) -> Option<Ref> {
        let store = store.as_context();
        let table = self.of(store);
        let slot = table.get(index)?;
        // SAFETY: tables hold references of their type and store.
        Some(unsafe { Ref::from_slot(table.ty().element, store.home(), slot) })
    }

    /// Sets an element.
    ///
    /// # Errors
    /// If there is none at `index`, or if the value is of another type or store.
    pub fn set(&self, store: impl AsContextMut, index: u64, value: Ref) -> Result<()> {
        self.fill(store, index, value, 1)
    }

    /// Sets `len` elements from `start`.
    ///
    /// # Errors
    /// If they are not all there, or if the value is of another type or store; nothing is set then.
    pub fn fill(
        &self,
        mut store: impl AsContextMut,
        start: u64,
        value: Ref,
        len: u64,
    ) -> Result<()> {
        let store = store.as_context_mut();
        let table = self.of_mut(&store)?;
        let slot = value.to_slot(table.ty().element, store.home())?;
        // SAFETY: of the table's type and store (checked just now).
        unsafe { table.fill(start, slot, len) }.ok_or_else(|| outside(start, len, table.len()))
    }

    /// Copies `len` elements of `source` from `from` to `to` of this table. The two may be the same.
    ///
    /// # Errors
    /// If they are not all there, if the tables hold different types, or if one belongs to another store; nothing is copied then.
    pub fn copy(
        &self,
        mut store: impl AsContextMut,
        to: u64,
        source: &Table,
        from: u64,
        len: u64,
    ) -> Result<()> {
        let store = store.as_context_mut();
        let same = self.handle == source.handle;
        let source = source.handle.get(store.id())?;
        let table = self.of_mut(&store)?;
        let (source, size) = match same {
            true => (None, table.len()),
            false => {
                // SAFETY: lives in the borrowed store, and is another table than the one borrowed above.
                let source = unsafe { source.as_ref() };
                if source.ty().element != table.ty().element {
                    return Err(Error::msg("the tables hold different types"));
                }
                (Some(source), source.len())
            }
        };
        let done = table.copy(to, source, from, len);
        done.ok_or_else(|| match from.checked_add(len).is_some_and(|end| end <= size) {
            true => outside(to, len, table.len()),
            false => outside(from, len, size),
        })
    }

    /// Grows by `delta` elements `init`; returns the old size.
    ///
    /// # Errors
    /// If its maximum, the store's limits or memory forbid it, or if `init` is of another type or store.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Ref) -> Result<u64> {
        let mut store = store.as_context_mut();
        let table = self.of_mut(&store)?;
        let init = init.to_slot(table.ty().element, store.home())?;
        let size = table.len();
        // SAFETY: of the table's type and store (checked just now).
        unsafe { store.rt_mut().grow_table(table, delta, init) }.ok_or_else(|| {
            Error::msg(format_args!("a table of {size} elements cannot grow by {delta}"))
        })
    }
}

fn outside(start: u64, len: u64, size: u64) -> Error {
    Error::msg(format_args!("out of bounds: {len} elements from {start} of a table of {size}"))
}
