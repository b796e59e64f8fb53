//! Owns `Memory`: a linear memory as the host sees it.
//! Does not own its bytes (the runtime does).

use std::ops::Range;
use std::ptr::NonNull;

use sterna_runtime as rt;

use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut, StoreId};
use crate::types::MemoryType;

/// A linear memory of a store. Memories that stores share are [`SharedMemory`](crate::SharedMemory).
///
/// Methods without a `Result` panic if the memory belongs to another store than the one passed.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    handle: Handle<rt::Memory>,
}

/// An access outside a memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of bounds: bytes {start}..{end} of a memory of {size} bytes")]
pub struct MemoryAccessError {
    start: u64,
    end: u128,
    size: usize,
}

impl MemoryAccessError {
    pub(crate) fn new(start: usize, len: usize, size: usize) -> MemoryAccessError {
        let (start, len) = (start as u64, len as u128);
        MemoryAccessError { start, end: u128::from(start) + len, size }
    }
}

impl Memory {
    pub(crate) fn from_runtime(store: StoreId, at: NonNull<rt::Memory>) -> Memory {
        Memory { handle: Handle::new(store, at) }
    }

    pub(crate) fn to_runtime(self, store: StoreId) -> Result<NonNull<rt::Memory>> {
        self.handle.get(store)
    }

    /// A memory of its minimal size, zeroed.
    ///
    /// # Errors
    /// A type that cannot be, limits of the store, or no address space.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Memory> {
        let mut store = store.as_context_mut();
        check_type(&ty)?;
        if ty.is_shared() {
            return Err(Error::msg("a shared memory is made with `SharedMemory::new`"));
        }
        let at = store.rt_mut().host_memory(ty.to_module()).map_err(Error::from_link)?;
        Ok(Memory::from_runtime(store.id(), at))
    }

    fn of<'a, T>(&self, store: StoreContext<'a, T>) -> &'a rt::Memory {
        let at = self.handle.expect(store.id());
        // SAFETY: the memory lives in the store, which is borrowed for `'a`: no guest code runs.
        unsafe { &*at.as_ptr() }
    }

    fn of_mut<'a, T>(&self, store: &StoreContextMut<'a, T>) -> &'a mut rt::Memory {
        let at = self.handle.expect(store.id());
        // SAFETY: the memory lives in the store, which is borrowed exclusively for `'a`: no guest code runs. Callers make one such
        // reference per borrow.
        unsafe { &mut *at.as_ptr() }
    }

    /// Its type, with the declared minimum.
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        MemoryType::from_module(self.of(store.as_context()).ty())
    }

    /// Current size in pages.
    pub fn size(&self, store: impl AsContext) -> u64 {
        self.of(store.as_context()).size()
    }

    /// Current size in bytes.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        self.of(store.as_context()).len()
    }

    /// Bytes of a page.
    pub fn page_size(&self, store: impl AsContext) -> u64 {
        self.of(store.as_context()).ty().page_size()
    }

    /// The bytes.
    pub fn data<'a, T: 'a>(&self, store: impl Into<StoreContext<'a, T>>) -> &'a [u8] {
        self.of(store.into()).data()
    }

    /// The bytes, writable.
    pub fn data_mut<'a, T: 'a>(&self, store: impl Into<StoreContextMut<'a, T>>) -> &'a mut [u8] {
        self.of_mut(&store.into()).data_mut()
    }

    /// The bytes, writable, together with the host's data.
    pub fn data_and_store_mut<'a, T: 'a>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let store = store.into();
        // The bytes are no part of the store's data: the two borrows do not overlap.
        (self.of_mut(&store).data_mut(), store.into_data_mut())
    }

    /// Copies bytes from `offset` out of the memory.
    ///
    /// # Errors
    /// If they are not all there; nothing is copied then.
    pub fn read(
        &self,
        store: impl AsContext,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<(), MemoryAccessError> {
        let data = self.data(store.as_context());
        buffer.copy_from_slice(&data[range(data.len(), offset, buffer.len())?]);
        Ok(())
    }

    /// Copies bytes to `offset` of the memory.
    ///
    /// # Errors
    /// If they do not all fit; nothing is copied then.
    pub fn write(
        &self,
        mut store: impl AsContextMut,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), MemoryAccessError> {
        let data = self.data_mut(store.as_context_mut());
        let range = range(data.len(), offset, bytes.len())?;
        data[range].copy_from_slice(bytes);
        Ok(())
    }

    /// Grows by `delta` pages; returns the old size in pages.
    ///
    /// # Errors
    /// If its maximum, the store's limits or the system forbid it.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let mut store = store.as_context_mut();
        let memory = self.of_mut(&store);
        let size = memory.size();
        store.rt_mut().grow_memory(memory, delta).ok_or_else(|| {
            Error::msg(format_args!("a memory of {size} pages cannot grow by {delta} pages"))
        })
    }
}

/// What validation checks of a type that a module declares.
pub(crate) fn check_type(ty: &MemoryType) -> Result<()> {
    let ty = ty.to_module();
    if !matches!(ty.page_size_log2, 0 | 16) {
        return Err(Error::msg("the page size of a memory must be 1 or 65536"));
    }
    if ty.max.is_some_and(|max| max < ty.min) || ty.min > ty.page_limit() {
        return Err(Error::msg("the minimum of a memory exceeds its maximum"));
    }
    Ok(())
}

fn range(size: usize, start: usize, len: usize) -> Result<Range<usize>, MemoryAccessError> {
    match start.checked_add(len) {
        Some(end) if end <= size => Ok(start..end),
        _ => Err(MemoryAccessError::new(start, len, size)),
    }
}
