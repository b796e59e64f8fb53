//! Owns linear memories that stores on several threads use at the same time.
//! Does not own a store's view of one (`memory`).

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sterna_abi::MemoryDef;
use sterna_module::MemoryType;
use sterna_sys::racy;
use sterna_sys::vm::Reservation;

use crate::engine::Engine;
use crate::memory::reserve;
use crate::wait::{WaitQueues, Waited};

/// A shared linear memory. It lives as long as a store or the host holds it; its base never moves.
///
/// Guests may race on its bytes: the host makes no references to them, but reads and writes through `sys::racy`.
pub struct SharedMemory {
    /// Every importing instance's vmctx points here.
    def: MemoryDef,
    ty: MemoryType,
    space: Reservation,
    /// Most bytes it may grow to.
    limit: usize,
    growing: Mutex<()>,
    waiters: WaitQueues,
    /// How much is reserved behind it depends on the engine's settings, so code of no other engine may use it.
    engine: Arc<Engine>,
}

// SAFETY: the base is constant, the length atomic, growth under a lock; bytes are accessed atomically only.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

/// What a guest wants to wait for.
pub(crate) enum Expected {
    /// `memory.atomic.wait32`.
    Word(u32),
    /// `memory.atomic.wait64`.
    Double(u64),
}

impl SharedMemory {
    /// A zeroed memory of its initial size.
    ///
    /// # Errors
    /// When the system has no address space or memory for it.
    pub fn new(engine: &Arc<Engine>, ty: MemoryType) -> io::Result<Arc<SharedMemory>> {
        let out = || io::Error::from(io::ErrorKind::OutOfMemory);
        let min = ty.min_bytes().ok_or_else(out)?;
        let (space, limit) = reserve(engine.settings(), &ty, min).ok_or_else(out)?;
        let min = usize::try_from(min).ok().filter(|min| *min <= limit).ok_or_else(out)?;
        let space = Reservation::new(space)?;
        space.commit(0..min)?;
        Ok(Arc::new(SharedMemory {
            def: MemoryDef::new(space.base(), min, limit),
            ty,
            space,
            limit,
            growing: Mutex::new(()),
            waiters: WaitQueues::default(),
            engine: engine.clone(),
        }))
    }

    pub(crate) fn def(&self) -> &MemoryDef {
        &self.def
    }

    /// The engine whose modules can use it.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Its type, with the declared minimum.
    pub fn ty(&self) -> MemoryType {
        self.ty
    }

    /// Current size in bytes; another thread may have grown it since.
    pub fn len(&self) -> usize {
        self.def.len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Current size in pages; another thread may have grown it since.
    pub fn size(&self) -> u64 {
        (self.len() >> self.ty.page_size_log2) as u64
    }

    /// Grows by `delta` pages, to at most `most` bytes. Returns the old size in pages, or `None` if the type, `most` or the system
    /// forbid it.
    pub fn grow(&self, delta: u64, most: u64) -> Option<u64> {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let len = self.len();
        let old = (len >> self.ty.page_size_log2) as u64;
        let pages = old.checked_add(delta)?;
        if pages > self.ty.page_limit() {
            return None;
        }
        let bytes = usize::try_from(u128::from(pages) << self.ty.page_size_log2).ok()?;
        if bytes > self.limit || (delta > 0 && bytes as u64 > most) {
            return None;
        }
        self.space.commit(len..bytes).ok()?;
        // Only now may anybody access the new bytes.
        self.def.set_len(bytes);
        Some(old)
    }

    /// Address of the `len` bytes at `offset`, if they are all inside.
    fn range(&self, offset: u64, len: usize) -> Option<*mut u8> {
        let offset = usize::try_from(offset).ok()?;
        let inside = offset.checked_add(len)? <= self.len();
        inside.then(|| self.def.base.wrapping_add(offset))
    }

    /// Copies bytes out, each read atomically; `None` if they are not all inside.
    pub fn read(&self, offset: u64, to: &mut [u8]) -> Option<()> {
        let at = self.range(offset, to.len())?;
        // SAFETY: inside the memory, which never shrinks; everybody accesses its bytes atomically.
        unsafe { racy::read(at, to) };
        Some(())
    }

    /// Copies bytes in, each written atomically; `None`, with nothing written, if they do not all fit.
    pub fn write(&self, offset: u64, from: &[u8]) -> Option<()> {
        let at = self.range(offset, from.len())?;
        // SAFETY: as in `read`.
        unsafe { racy::write(at, from) };
        Some(())
    }

    /// The word at `offset` for atomic operations; `None` if it is not inside or not aligned.
    pub fn word(&self, offset: u64) -> Option<&AtomicU32> {
        let at = self.range(offset, 4).filter(|at| at.addr().is_multiple_of(4))?;
        // SAFETY: inside the memory, aligned, and only accessed atomically; lives as long as `self`.
        Some(unsafe { &*at.cast::<AtomicU32>() })
    }

    /// As [`SharedMemory::word`], of 8 bytes.
    pub fn double(&self, offset: u64) -> Option<&AtomicU64> {
        let at = self.range(offset, 8).filter(|at| at.addr().is_multiple_of(8))?;
        // SAFETY: as in `word`.
        Some(unsafe { &*at.cast::<AtomicU64>() })
    }

    /// Waits at `address` while the value there is the expected one; `None` if it is outside or not aligned.
    pub(crate) fn wait(
        &self,
        address: u64,
        expected: &Expected,
        deadline: Option<Instant>,
        interrupted: impl Fn() -> bool,
    ) -> Option<Waited> {
        Some(match *expected {
            Expected::Word(value) => {
                let at = self.word(address)?;
                let equal = || at.load(Ordering::SeqCst).to_le() == value;
                self.waiters.wait(address, deadline, equal, interrupted)
            }
            Expected::Double(value) => {
                let at = self.double(address)?;
                let equal = || at.load(Ordering::SeqCst).to_le() == value;
                self.waiters.wait(address, deadline, equal, interrupted)
            }
        })
    }

    /// Wakes up to `count` threads that wait at `address`; returns how many.
    pub fn notify(&self, address: u64, count: u32) -> u32 {
        self.waiters.notify(address, count)
    }
}
