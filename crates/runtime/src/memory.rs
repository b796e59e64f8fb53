//! Owns linear memories: reservation, growth, initial contents from images, reuse by later instances.
//! Does not own the operators on them (`builtins`).

use std::io;
use std::sync::Arc;

use sterna_abi::MemoryDef;
use sterna_module::MemoryType;
use sterna_sys::vm::{MemoryImage, Reservation};

use crate::engine::Settings;
use crate::loaded::LoadedModule;

/// A linear memory. Its base never moves: address space for its maximum is reserved.
pub struct Memory {
    pub(crate) def: MemoryDef,
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
fn reserve(settings: &Settings, ty: &MemoryType, min: u64) -> Option<(usize, usize)> {
    let declared = u128::from(ty.page_limit()) << ty.page_size_log2;
    let declared = u64::try_from(declared).unwrap_or(u64::MAX);
    let (space, limit) = match ty.is_64 {
        // Every access is checked against the length: no need for space beyond the limit.
        true => {
            let limit = declared.min(min.saturating_add(settings.memory64_reserve));
            (limit, limit)
        }
        false if settings.code.explicit_checks => (declared, declared),
        false => ((1 << 32) + settings.code.guard_bytes, declared),
    };
    Some((usize::try_from(space).ok()?, usize::try_from(limit).ok()?))
}

impl Memory {
    /// A zeroed memory of its initial size.
    ///
    /// # Errors
    /// When the system has no address space or memory for it.
    pub(crate) fn new(settings: &Settings, ty: MemoryType) -> io::Result<Memory> {
        let min = ty.min_bytes().ok_or(io::ErrorKind::OutOfMemory)?;
        let (space, limit) = reserve(settings, &ty, min).ok_or(io::ErrorKind::OutOfMemory)?;
        let min = usize::try_from(min).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if min > limit {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let space = Reservation::new(space)?;
        space.commit(0..min)?;
        let def = MemoryDef { base: space.base(), len: min };
        Ok(Memory { def, ty, space, committed: min, limit, image: None, home: None })
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
        let same = |kept: &WarmMemory| match (&kept.image, image) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let mut memory = match module.take_warm(index).filter(same) {
            Some(warm) => Memory::reuse(module.engine().settings(), ty, warm),
            None => {
                let mut memory = Memory::new(module.engine().settings(), ty)?;
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

    fn reuse(settings: &Settings, ty: MemoryType, warm: WarmMemory) -> Memory {
        let min = ty.min_bytes().unwrap_or(0);
        let (_, limit) = reserve(settings, &ty, min).unwrap_or((0, 0));
        let def = MemoryDef { base: warm.space.base(), len: min as usize };
        Memory {
            def,
            ty,
            space: warm.space,
            committed: warm.committed,
            limit,
            image: warm.image,
            home: None,
        }
    }

    /// Gives the space to the next instance of the same module, contents reset.
    pub(crate) fn recycle(self) {
        let memory = self;
        let Some((module, index)) = memory.home else { return };
        let min = memory.ty.min_bytes().unwrap_or(0) as usize;
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

    /// Its type, with the declared minimum.
    pub fn ty(&self) -> MemoryType {
        self.ty
    }

    /// Current size in pages.
    pub fn size(&self) -> u64 {
        (self.def.len >> self.ty.page_size_log2) as u64
    }

    /// Current size in bytes.
    pub fn len(&self) -> usize {
        self.def.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.def.len == 0
    }

    /// Grows by `delta` pages. Returns the old size in pages, or `None` if the type, `budget` bytes or the system forbid it.
    pub(crate) fn grow(&mut self, delta: u64, budget: u64) -> Option<u64> {
        let old = self.size();
        let pages = old.checked_add(delta)?;
        if pages > self.ty.page_limit() {
            return None;
        }
        let bytes = usize::try_from(u128::from(pages) << self.ty.page_size_log2).ok()?;
        if bytes > self.limit || (bytes - self.def.len) as u64 > budget {
            return None;
        }
        if bytes > self.committed {
            self.space.commit(self.committed..bytes).ok()?;
            self.committed = bytes;
        }
        self.def.len = bytes;
        Some(old)
    }

    /// The contents.
    pub fn data(&self) -> &[u8] {
        // SAFETY: `[base, base + len)` is committed for as long as the memory lives; guest code does not run while a host
        // holds a reference to the store.
        unsafe { std::slice::from_raw_parts(self.def.base, self.def.len) }
    }

    /// The contents, writable.
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`, and exclusive through `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(self.def.base, self.def.len) }
    }
}
