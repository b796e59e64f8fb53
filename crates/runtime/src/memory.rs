//! Owns linear memories: reservation, growth, initial contents from images, reuse by later instances; a store's view of a shared one.
//! Does not own what stores share (`shared_memory`) nor the operators (`builtins`).

use std::io;
use std::sync::Arc;

use sterna_abi::MemoryDef;
use sterna_module::MemoryType;
use sterna_sys::racy;
use sterna_sys::vm::{MemoryImage, Reservation, page_size};

use crate::engine::Settings;
use crate::loaded::LoadedModule;
use crate::shared_memory::SharedMemory;

/// A linear memory of a store. Its base never moves: address space for its maximum is reserved.
pub struct Memory(Kind);

enum Kind {
    /// Nobody else's.
    Own(OwnMemory),
    /// Also other stores', and how many of its bytes are counted against this store's limit.
    Shared(Arc<SharedMemory>, u64),
}

struct OwnMemory {
    def: MemoryDef,
    ty: MemoryType,
    space: Reservation,
    /// Bytes from the base that are accessible or were and must be reset: never less than `def.len`.
    committed: usize,
    /// Most bytes it may grow to.
    limit: usize,
    image: Option<Arc<MemoryImage>>,
    /// The module whose instances can reuse the space, and the memory's index in it.
    home: Option<(Arc<LoadedModule>, u32)>,
}

/// Space of a dropped memory, already reset to its initial contents.
pub(crate) struct WarmMemory {
    pub(crate) index: u32,
    space: Reservation,
    committed: usize,
    image: Option<Arc<MemoryImage>>,
}

/// Bytes of address space that a memory of this type needs, and the most bytes it may have.
pub(crate) fn reserve(settings: &Settings, ty: &MemoryType, min: u64) -> Option<(usize, usize)> {
    let declared = u128::from(ty.page_limit()) << ty.page_size_log2;
    let declared = u64::try_from(declared).unwrap_or(u64::MAX);
    let (space, limit) = match ty.is_64 {
        // Indices are compared with the limit at least; hardware may check the rest, in the space beyond it.
        true => {
            let limit = declared.min(min.saturating_add(settings.memory64_reserve));
            let guard = if settings.code.explicit_checks { 0 } else { settings.code.guard_bytes };
            (limit.saturating_add(guard), limit)
        }
        false if settings.code.explicit_checks => (declared, declared),
        false => ((1 << 32) + settings.code.guard_bytes, declared),
    };
    Some((usize::try_from(space).ok()?, usize::try_from(limit).ok()?))
}

impl OwnMemory {
    fn new(settings: &Settings, ty: MemoryType) -> io::Result<OwnMemory> {
        let min = ty.min_bytes().ok_or(io::ErrorKind::OutOfMemory)?;
        let (space, limit) = reserve(settings, &ty, min).ok_or(io::ErrorKind::OutOfMemory)?;
        let min = usize::try_from(min).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if min > limit {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let space = Reservation::new(space)?;
        space.commit(0..min)?;
        let def = MemoryDef::new(space.base(), min, limit);
        Ok(OwnMemory { def, ty, space, committed: min, limit, image: None, home: None })
    }

    fn of_instance(
        module: &Arc<LoadedModule>,
        index: u32,
        ty: MemoryType,
        image: Option<&Arc<MemoryImage>>,
    ) -> io::Result<OwnMemory> {
        let same = |kept: &WarmMemory| match (&kept.image, image) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let mut memory = match module.take_warm(index).filter(same) {
            Some(warm) => OwnMemory::reuse(module.engine().settings(), ty, warm),
            None => {
                let mut memory = OwnMemory::new(module.engine().settings(), ty)?;
                if let Some(image) = image {
                    image.map_at(&memory.space, 0)?;
                    memory.image = Some(image.clone());
                }
                memory
            }
        };
        memory.home = Some((module.clone(), index));
        Ok(memory)
    }

    fn reuse(settings: &Settings, ty: MemoryType, warm: WarmMemory) -> OwnMemory {
        let min = ty.min_bytes().unwrap_or(0);
        let (_, limit) = reserve(settings, &ty, min).unwrap_or((0, 0));
        let def = MemoryDef::new(warm.space.base(), min as usize, limit);
        OwnMemory {
            def,
            ty,
            space: warm.space,
            committed: warm.committed,
            limit,
            image: warm.image,
            home: None,
        }
    }

    fn recycle(self) {
        let memory = self;
        let Some((module, index)) = memory.home else { return };
        // Pages of the memory can be smaller than those of the system, of which the last one stays whole.
        let min = (memory.ty.min_bytes().unwrap_or(0) as usize).next_multiple_of(page_size());
        if memory.committed > min && memory.space.decommit(min..memory.committed).is_err() {
            return;
        }
        let reset = match &memory.image {
            Some(image) => image.reset(&memory.space, 0, min),
            None => memory.space.zero(0..min),
        };
        if reset.is_ok() {
            module.put_warm(WarmMemory {
                index,
                space: memory.space,
                committed: min,
                image: memory.image,
            });
        }
    }

    fn grow(&mut self, delta: u64, most: u64) -> Option<u64> {
        let len = self.def.len();
        let old = (len >> self.ty.page_size_log2) as u64;
        let pages = old.checked_add(delta)?;
        if pages > self.ty.page_limit() {
            return None;
        }
        let bytes = usize::try_from(u128::from(pages) << self.ty.page_size_log2).ok()?;
        if bytes > self.limit || (delta > 0 && bytes as u64 > most) {
            return None;
        }
        if bytes > self.committed {
            self.space.commit(self.committed..bytes).ok()?;
            self.committed = bytes;
        }
        self.def.set_len(bytes);
        Some(old)
    }
}

impl Memory {
    /// A zeroed memory of its initial size.
    ///
    /// # Errors
    /// When the system has no address space or memory for it.
    pub(crate) fn new(settings: &Settings, ty: MemoryType) -> io::Result<Memory> {
        Ok(Memory(Kind::Own(OwnMemory::new(settings, ty)?)))
    }

    /// A store's view of a shared memory, whose bytes so far are counted against the store's limit.
    pub(crate) fn of_shared(memory: Arc<SharedMemory>, counted: u64) -> Memory {
        Memory(Kind::Shared(memory, counted))
    }

    /// Memory `index` of a new instance of `module`, with its image mapped if it has one.
    ///
    /// # Errors
    /// As [`Memory::new`].
    pub(crate) fn of_instance(
        module: &Arc<LoadedModule>,
        index: u32,
        ty: MemoryType,
        image: Option<&Arc<MemoryImage>>,
    ) -> io::Result<Memory> {
        if ty.shared {
            let memory = SharedMemory::new(module.engine(), ty)?;
            let counted = memory.len() as u64;
            return Ok(Memory::of_shared(memory, counted));
        }
        Ok(Memory(Kind::Own(OwnMemory::of_instance(module, index, ty, image)?)))
    }

    /// Gives the space of a memory that nobody else uses to the next instance of the same module, contents reset.
    pub(crate) fn recycle(self) {
        if let Kind::Own(memory) = self.0 {
            memory.recycle();
        }
    }

    /// The memory that stores share, if this is one.
    pub fn shared(&self) -> Option<&Arc<SharedMemory>> {
        match &self.0 {
            Kind::Own(_) => None,
            Kind::Shared(memory, _) => Some(memory),
        }
    }

    /// What guest code sees, at a fixed address.
    pub(crate) fn def(&self) -> &MemoryDef {
        match &self.0 {
            Kind::Own(memory) => &memory.def,
            Kind::Shared(memory, _) => memory.def(),
        }
    }

    /// Its type, with the declared minimum.
    pub fn ty(&self) -> MemoryType {
        match &self.0 {
            Kind::Own(memory) => memory.ty,
            Kind::Shared(memory, _) => memory.ty(),
        }
    }

    /// Current size in pages.
    pub fn size(&self) -> u64 {
        (self.len() >> self.ty().page_size_log2) as u64
    }

    /// Current size in bytes.
    pub fn len(&self) -> usize {
        self.def().len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that are counted against the store's limit.
    pub(crate) fn counted(&self) -> u64 {
        match &self.0 {
            Kind::Own(memory) => memory.def.len() as u64,
            Kind::Shared(_, counted) => *counted,
        }
    }

    /// Grows by `delta` pages, to at most `most` bytes. Returns the old size in pages, or `None` if the type, `most` or the system
    /// forbid it.
    pub(crate) fn grow(&mut self, delta: u64, most: u64) -> Option<u64> {
        match &mut self.0 {
            Kind::Own(memory) => memory.grow(delta, most),
            Kind::Shared(memory, counted) => {
                let old = memory.grow(delta, most)?;
                *counted = (*counted).max(memory.len() as u64);
                Some(old)
            }
        }
    }

    fn range(&self, start: u64, len: u64) -> Option<(*mut u8, usize)> {
        let (start, len) = (usize::try_from(start).ok()?, usize::try_from(len).ok()?);
        let inside = start.checked_add(len)? <= self.len();
        inside.then(|| (self.def().base.wrapping_add(start), len))
    }

    /// Copies bytes in; `None`, with nothing written, if they do not all fit.
    pub(crate) fn write(&mut self, start: u64, from: &[u8]) -> Option<()> {
        let (at, len) = self.range(start, from.len() as u64)?;
        match &self.0 {
            // SAFETY: checked; host bytes do not overlap guest bytes, and guest code does not run.
            Kind::Own(_) => unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), at, len) },
            // SAFETY: checked; everybody accesses a shared memory's bytes atomically.
            Kind::Shared(..) => unsafe { racy::write(at, from) },
        }
        Some(())
    }

    /// Sets bytes; `None`, with nothing written, if they are not all inside.
    pub(crate) fn fill(&mut self, start: u64, value: u8, len: u64) -> Option<()> {
        let (at, len) = self.range(start, len)?;
        match &self.0 {
            // SAFETY: checked; guest code does not run.
            Kind::Own(_) => unsafe { std::ptr::write_bytes(at, value, len) },
            // SAFETY: checked; everybody accesses a shared memory's bytes atomically.
            Kind::Shared(..) => unsafe { racy::fill(at, value, len) },
        }
        Some(())
    }

    /// Copies bytes between memories, which may be one; `None`, with nothing written, if they are not all inside.
    pub(crate) fn copy(from: &Memory, to: &Memory, src: u64, dst: u64, len: u64) -> Option<()> {
        let (source, len) = from.range(src, len)?;
        let (target, _) = to.range(dst, len as u64)?;
        if from.shared().is_some() || to.shared().is_some() {
            // SAFETY: checked; atomic accesses are as good as plain ones for bytes that are not shared.
            unsafe { racy::copy(source, target, len) };
        } else {
            // SAFETY: checked; guest code does not run. The ranges may overlap, hence `copy`.
            unsafe { std::ptr::copy(source, target, len) };
        }
        Some(())
    }

    /// The contents.
    ///
    /// # Panics
    /// If it is shared: guests on other threads may be writing.
    pub fn data(&self) -> &[u8] {
        assert!(self.shared().is_none(), "{NO_SLICE}");
        // SAFETY: `[base, base + len)` is committed for as long as the memory lives; guest code does not run while a host
        // holds a reference to the store, and nobody else has the memory.
        unsafe { std::slice::from_raw_parts(self.def().base, self.len()) }
    }

    /// The contents, writable.
    ///
    /// # Panics
    /// As [`Memory::data`].
    pub fn data_mut(&mut self) -> &mut [u8] {
        assert!(self.shared().is_none(), "{NO_SLICE}");
        // SAFETY: as in `data`, and exclusive through `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(self.def().base, self.len()) }
    }
}

const NO_SLICE: &str = "the bytes of a shared memory cannot be borrowed";
