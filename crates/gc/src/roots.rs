//! Owns the roots that a host holds: owned handles, freed from any thread, and scoped ones.
//! Does not own the roots of guest code: their owner implements `Roots`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::heap::Heap;
use crate::reference::Ref;

/// Whatever holds references from outside the heap: frames, globals, tables.
pub trait Roots {
    /// Replaces each reference that is held by what `forward` returns for it. A place may be visited more than once.
    fn visit(&mut self, forward: &mut dyn FnMut(Ref) -> Ref);
}

/// No roots but those that the heap itself holds for the host.
#[derive(Debug)]
pub struct NoRoots;

impl Roots for NoRoots {
    fn visit(&mut self, _forward: &mut dyn FnMut(Ref) -> Ref) {}
}

impl<F: FnMut(&mut dyn FnMut(Ref) -> Ref)> Roots for F {
    fn visit(&mut self, forward: &mut dyn FnMut(Ref) -> Ref) {
        self(forward);
    }
}

/// Slots whose handles are gone, to be freed by the heap at its next occasion.
type DropQueue = Mutex<Vec<u32>>;

/// Keeps an object alive until the last clone is dropped, on whatever thread. Harmless after the heap's end.
#[derive(Clone, Debug)]
pub struct Owned(Arc<OwnedSlot>);

#[derive(Debug)]
struct OwnedSlot {
    index: u32,
    dropped: Arc<DropQueue>,
}

impl Drop for OwnedSlot {
    fn drop(&mut self) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(self.index);
    }
}

/// Keeps an object alive until its scope ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scoped {
    /// Below [`MAX_SCOPED`], or it keeps nothing alive.
    index: u32,
    serial: u32,
}

/// Most scoped handles of a heap at a time: guests decide how many references they give to a host.
const MAX_SCOPED: usize = 1 << 24;

impl Scoped {
    /// Whether too many were held when it was made.
    pub const fn is_refused(self) -> bool {
        self.index as usize >= MAX_SCOPED
    }

    /// An even number that stands for it.
    pub const fn to_bits(self) -> u64 {
        (self.serial as u64) << 32 | (self.index as u64) << 1
    }

    /// The handle that a number stands for.
    pub const fn from_bits(bits: u64) -> Scoped {
        Scoped { index: bits as u32 >> 1, serial: (bits >> 32) as u32 }
    }
}

/// Where a scope began. The default is one that began before there was a handle.
#[derive(Debug, Default)]
#[must_use = "a scope lasts until `Heap::end_scope`"]
pub struct ScopeMark(usize);

#[derive(Debug, Default)]
pub(crate) struct HostRoots {
    /// Behind a lock, since a host that shares its store with other threads may take references out of tables.
    tables: Mutex<Tables>,
    dropped: Arc<DropQueue>,
}

#[derive(Debug, Default)]
struct Tables {
    owned: Vec<Ref>,
    free: Vec<u32>,
    scoped: Vec<(Ref, u32)>,
    serial: u32,
}

impl HostRoots {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&mut self) -> &mut Tables {
        self.tables.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn visit(&mut self, mut forward: impl FnMut(Ref) -> Ref) {
        let tables = self.tables.get_mut().unwrap_or_else(PoisonError::into_inner);
        tables.free_dropped(&self.dropped);
        tables.owned.iter_mut().for_each(|slot| *slot = forward(*slot));
        tables.scoped.iter_mut().for_each(|(slot, _)| *slot = forward(*slot));
    }
}

impl Tables {
    #[inline]
    fn scope(&mut self, reference: Ref) -> Scoped {
        let index = self.scoped.len();
        self.serial = self.serial.wrapping_add(1);
        if index < MAX_SCOPED {
            self.scoped.push((reference, self.serial));
        }
        Scoped { index: index as u32, serial: self.serial }
    }

    #[inline]
    fn scoped(&self, handle: Scoped) -> Option<Ref> {
        let &(reference, serial) = self.scoped.get(handle.index as usize)?;
        (serial == handle.serial).then_some(reference)
    }

    fn free_dropped(&mut self, dropped: &DropQueue) {
        for index in dropped.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            self.owned[index as usize] = Ref::NULL;
            self.free.push(index);
        }
    }
}

impl Heap {
    /// A handle that keeps `reference` alive; `None` when 2^32 are held.
    pub fn own(&self, reference: Ref) -> Option<Owned> {
        let dropped = &self.host_roots.dropped;
        let mut tables = self.host_roots.lock();
        if tables.free.is_empty() {
            tables.free_dropped(dropped);
        }
        let index = match tables.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(tables.owned.len()).ok()?;
                tables.owned.push(Ref::NULL);
                index
            }
        };
        tables.owned[index as usize] = reference;
        Some(Owned(Arc::new(OwnedSlot { index, dropped: dropped.clone() })))
    }

    /// What a handle refers to now; `None` if it belongs to another heap.
    pub fn owned(&self, handle: &Owned) -> Option<Ref> {
        let same = Arc::ptr_eq(&handle.0.dropped, &self.host_roots.dropped);
        same.then(|| self.host_roots.lock().owned[handle.0.index as usize])
    }

    /// Begins a scope: handles made from now on end with it. Scopes nest.
    pub fn begin_scope(&mut self) -> ScopeMark {
        ScopeMark(self.host_roots.tables().scoped.len())
    }

    /// A handle that keeps `reference` alive until the innermost scope ends. When 2^24 are held, one that has ended already.
    pub fn scope(&self, reference: Ref) -> Scoped {
        self.host_roots.lock().scope(reference)
    }

    /// As [`Heap::scope`], without a lock.
    #[inline]
    pub fn scope_mut(&mut self, reference: Ref) -> Scoped {
        self.host_roots.tables().scope(reference)
    }

    /// What a scoped handle refers to now; `None` if its scope has ended.
    pub fn scoped(&self, handle: Scoped) -> Option<Ref> {
        self.host_roots.lock().scoped(handle)
    }

    /// As [`Heap::scoped`], without a lock.
    #[inline]
    pub fn scoped_mut(&mut self, handle: Scoped) -> Option<Ref> {
        self.host_roots.tables().scoped(handle)
    }

    /// How many scoped handles there are.
    pub fn scoped_count(&self) -> usize {
        self.host_roots.lock().scoped.len()
    }

    /// Ends a scope, and all that began inside it.
    pub fn end_scope(&mut self, mark: ScopeMark) {
        self.host_roots.tables().scoped.truncate(mark.0);
    }
}
