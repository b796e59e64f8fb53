//! Owns the roots that a host holds: owned handles, freed from any thread, and scoped ones.
//! Does not own the roots of guest code: their owner implements `Roots`.

use std::sync::{Arc, Mutex, PoisonError};

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
    index: u32,
    serial: u32,
}

/// Where a scope began.
#[derive(Debug)]
#[must_use = "a scope lasts until `Heap::end_scope`"]
pub struct ScopeMark(usize);

#[derive(Debug, Default)]
pub(crate) struct HostRoots {
    slots: Vec<Ref>,
    free: Vec<u32>,
    dropped: Arc<DropQueue>,
    scoped: Vec<(Ref, u32)>,
    serial: u32,
}

impl HostRoots {
    fn free_dropped(&mut self) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        for index in dropped.drain(..) {
            self.slots[index as usize] = Ref::NULL;
            self.free.push(index);
        }
    }

    pub fn visit(&mut self, mut forward: impl FnMut(Ref) -> Ref) {
        self.free_dropped();
        self.slots.iter_mut().for_each(|slot| *slot = forward(*slot));
        self.scoped.iter_mut().for_each(|(slot, _)| *slot = forward(*slot));
    }
}

impl Heap {
    /// A handle that keeps `reference` alive; `None` when 2^32 are held.
    pub fn own(&mut self, reference: Ref) -> Option<Owned> {
        let roots = &mut self.host_roots;
        if roots.free.is_empty() {
            roots.free_dropped();
        }
        let index = match roots.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(roots.slots.len()).ok()?;
                roots.slots.push(Ref::NULL);
                index
            }
        };
        roots.slots[index as usize] = reference;
        Some(Owned(Arc::new(OwnedSlot { index, dropped: roots.dropped.clone() })))
    }

    /// What a handle refers to now; `None` if it belongs to another heap.
    pub fn owned(&self, handle: &Owned) -> Option<Ref> {
        let same = Arc::ptr_eq(&handle.0.dropped, &self.host_roots.dropped);
        same.then(|| self.host_roots.slots[handle.0.index as usize])
    }

    /// Begins a scope: handles made from now on end with it. Scopes nest.
    pub fn begin_scope(&mut self) -> ScopeMark {
        ScopeMark(self.host_roots.scoped.len())
    }

    /// A handle that keeps `reference` alive until the innermost scope ends; `None` when 2^32 are held.
    pub fn scope(&mut self, reference: Ref) -> Option<Scoped> {
        let roots = &mut self.host_roots;
        let index = u32::try_from(roots.scoped.len()).ok()?;
        roots.serial = roots.serial.wrapping_add(1);
        roots.scoped.push((reference, roots.serial));
        Some(Scoped { index, serial: roots.serial })
    }

    /// What a scoped handle refers to now; `None` if its scope has ended.
    pub fn scoped(&self, handle: Scoped) -> Option<Ref> {
        let &(reference, serial) = self.host_roots.scoped.get(handle.index as usize)?;
        (serial == handle.serial).then_some(reference)
    }

    /// Ends a scope, and all that began inside it.
    pub fn end_scope(&mut self, mark: ScopeMark) {
        self.host_roots.scoped.truncate(mark.0);
    }
}
