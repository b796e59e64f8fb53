//! Owns `SharedMemory`: a linear memory that stores on several threads use, as the host sees it.
//! Does not own its bytes (the runtime does).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use sterna_runtime as rt;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::memory::{MemoryAccessError, check_type};
use crate::types::MemoryType;

/// A linear memory that guests of several stores use at the same time (threads proposal). It belongs to no store: clones are the same
/// memory, which lives as long as any of them or a store that has it.
///
/// Guests may race on its bytes, so there are no slices of them; reading and writing copies, each aligned word of eight bytes at a
/// time. What other threads do meanwhile may be seen in part.
///
/// ```
/// use sterna::{Engine, Linker, MemoryType, Module, SharedMemory, Store};
/// let engine = Engine::default();
/// let memory = SharedMemory::new(&engine, MemoryType::new(1, Some(1)).shared())?;
/// let module = Module::new(&engine, r#"(module
///     (import "env" "memory" (memory 1 1 shared))
///     (func (export "add") (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 1)))))"#)?;
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| {
///             let mut store = Store::new(&engine, ());
///             let mut linker = Linker::new(&engine);
///             linker.define(&store, "env", "memory", memory.clone()).unwrap();
///             let instance = linker.instantiate(&mut store, &module).unwrap();
///             let add = instance.get_typed_func::<(), ()>(&mut store, "add").unwrap();
///             add.call(&mut store, ()).unwrap();
///         });
///     }
/// });
/// let mut bytes = [0; 4];
/// memory.read(8, &mut bytes)?;
/// assert_eq!(u32::from_le_bytes(bytes), 4);
/// # Ok::<(), sterna::Error>(())
/// ```
#[derive(Clone)]
pub struct SharedMemory {
    inner: Arc<rt::SharedMemory>,
}

impl SharedMemory {
    /// A memory of its minimal size, zeroed. The limits of stores apply when they get it and when their guests grow it.
    ///
    /// # Errors
    /// A type that cannot be or is not shared, or no address space.
    pub fn new(engine: &Engine, ty: MemoryType) -> Result<SharedMemory> {
        check_type(&ty)?;
        if !ty.is_shared() || ty.maximum().is_none() {
            return Err(Error::msg("a shared memory needs a shared type with a maximum"));
        }
        let inner = rt::SharedMemory::new(&engine.inner, ty.to_module());
        let inner = inner.map_err(|error| {
            Error::new(error).context("the system has no space for a shared memory")
        })?;
        Ok(SharedMemory { inner })
    }

    pub(crate) fn from_runtime(inner: Arc<rt::SharedMemory>) -> SharedMemory {
        SharedMemory { inner }
    }

    pub(crate) fn to_runtime(&self) -> &Arc<rt::SharedMemory> {
        &self.inner
    }

    /// Whether both are the same memory.
    pub fn same(a: &SharedMemory, b: &SharedMemory) -> bool {
        Arc::ptr_eq(&a.inner, &b.inner)
    }

    /// Its type, with the declared minimum.
    pub fn ty(&self) -> MemoryType {
        MemoryType::from_module(self.inner.ty())
    }

    /// Current size in pages. It never shrinks, but other threads may grow it.
    pub fn size(&self) -> u64 {
        self.inner.size()
    }

    /// Current size in bytes.
    pub fn data_size(&self) -> usize {
        self.inner.len()
    }

    /// Grows by `delta` pages; returns the old size in pages. No store's limits apply.
    ///
    /// # Errors
    /// If its maximum or the system forbid it.
    pub fn grow(&self, delta: u64) -> Result<u64> {
        self.inner.grow(delta, u64::MAX).ok_or_else(|| {
            let size = self.size();
            Error::msg(format_args!("a memory of {size} pages cannot grow by {delta} pages"))
        })
    }

    /// Copies bytes from `offset` out of the memory.
    ///
    /// # Errors
    /// If they are not all there; nothing is copied then.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<(), MemoryAccessError> {
        let len = buffer.len();
        self.inner
            .read(offset as u64, buffer)
            .ok_or_else(|| MemoryAccessError::new(offset, len, self.data_size()))
    }

    /// Copies bytes to `offset` of the memory.
    ///
    /// # Errors
    /// If they do not all fit; nothing is copied then.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), MemoryAccessError> {
        self.inner
            .write(offset as u64, bytes)
            .ok_or_else(|| MemoryAccessError::new(offset, bytes.len(), self.data_size()))
    }

    /// The word at `offset` for atomic operations, in the guest's byte order (little-endian). `None` if it is outside or if `offset` is
    /// no multiple of 4.
    pub fn atomic_u32(&self, offset: usize) -> Option<&AtomicU32> {
        self.inner.word(offset as u64)
    }

    /// As [`SharedMemory::atomic_u32`], of 8 bytes.
    pub fn atomic_u64(&self, offset: usize) -> Option<&AtomicU64> {
        self.inner.double(offset as u64)
    }

    /// Wakes up to `count` guests that wait at `offset` (`memory.atomic.wait32` and `wait64`); returns how many.
    pub fn atomic_notify(&self, offset: usize, count: u32) -> u32 {
        self.inner.notify(offset as u64, count)
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory").field("ty", &self.ty()).finish_non_exhaustive()
    }
}
