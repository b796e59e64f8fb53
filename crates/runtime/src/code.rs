//! Owns a module's machine code: its region, and the lock-free way from an address to the function and its site table.
//! Does not make or link code (`linking`).

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use sterna_abi::{Sites, TrapSite};
use sterna_base::FuncIndex;
use sterna_isa::TrapCode;
use sterna_sys::code::CodeRegion;
use sterna_sys::signal::{self, CodeHandle, TrapInfo};

/// Bytes per bucket of the address index.
const BUCKET: usize = 4096;

/// One published function.
pub(crate) struct CodeObject {
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) func: FuncIndex,
    pub(crate) sites: Sites,
}

impl CodeObject {
    /// Byte offset in the module for an address: of a return address (`exact` false) or of the instruction itself.
    pub(crate) fn wasm_offset(&self, pc: usize, exact: bool) -> Option<u32> {
        let offset = (pc - self.start) as u32;
        match exact {
            true => self.trap_site(offset).map(|site| site.wasm),
            false => {
                let calls = &self.sites.calls;
                calls
                    .binary_search_by_key(&offset, |call| call.code)
                    .ok()
                    .map(|found| calls[found].wasm)
            }
        }
    }

    fn trap_site(&self, offset: u32) -> Option<&TrapSite> {
        let traps = &self.sites.traps;
        traps.binary_search_by_key(&offset, |trap| trap.code).ok().map(|found| &traps[found])
    }
}

/// A list cell: several functions can share a bucket, a function can span several.
struct Node {
    object: *const CodeObject,
    next: *mut Node,
}

struct Index {
    base: usize,
    buckets: Box<[AtomicPtr<Node>]>,
}

/// The machine code of one module. Grows only; freed with the module, which every frame's store keeps alive.
#[derive(Default)]
pub(crate) struct ModuleCode {
    placed: OnceLock<Placed>,
}

struct Placed {
    region: CodeRegion,
    index: Box<Index>,
    handle: Option<CodeHandle>,
}

impl ModuleCode {
    /// The region, made on first use with room for `capacity` bytes. `signals`: register its traps.
    ///
    /// # Errors
    /// When there is no address space.
    pub(crate) fn region(&self, capacity: usize, signals: bool) -> io::Result<&CodeRegion> {
        if let Some(placed) = self.placed.get() {
            return Ok(&placed.region);
        }
        if signals {
            signal::install(crate::trap::hardware_trap)?;
        }
        let region = CodeRegion::new(capacity)?;
        let addresses = region.addresses();
        let count = addresses.len().div_ceil(BUCKET);
        let buckets = std::iter::repeat_with(AtomicPtr::default).take(count).collect();
        let index = Box::new(Index { base: addresses.start, buckets });
        let handle = match signals {
            // SAFETY: the index is boxed, so it stays where it is until `Drop` has taken the registration back.
            true => Some(unsafe {
                signal::register_code(
                    addresses.start,
                    addresses.end,
                    lookup,
                    (&raw const *index).cast(),
                )
            }),
            false => None,
        };
        // A second thread may have been faster; its region wins and ours is dropped, registration included.
        Ok(&self.placed.get_or_init(|| Placed { region, index, handle }).region)
    }

    pub(crate) fn contains(&self, pc: usize) -> bool {
        self.placed.get().is_some_and(|placed| placed.region.addresses().contains(&pc))
    }

    /// Bytes of machine code.
    pub(crate) fn bytes(&self) -> usize {
        self.placed.get().map_or(0, |placed| placed.region.used())
    }

    /// Makes a function findable by its addresses. Must happen before it can run.
    pub(crate) fn add(&self, object: CodeObject) {
        let placed =
            self.placed.get().expect("code is only added after it was placed in the region");
        placed.index.add(Box::leak(Box::new(object)));
    }

    /// The function that contains an address.
    pub(crate) fn find(&self, pc: usize) -> Option<&CodeObject> {
        self.placed.get()?.index.find(pc)
    }
}

impl Index {
    fn buckets_of(&self, object: &CodeObject) -> std::ops::Range<usize> {
        let first = (object.start - self.base) / BUCKET;
        let last = (object.start + object.len.max(1) - 1 - self.base) / BUCKET;
        first..last + 1
    }

    fn add(&self, object: &'static CodeObject) {
        for bucket in &self.buckets[self.buckets_of(object)] {
            let mut next = bucket.load(Ordering::Relaxed);
            loop {
                let node = Box::into_raw(Box::new(Node { object, next }));
                match bucket.compare_exchange(next, node, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(other) => {
                        // SAFETY: the exchange failed, so nobody else has seen the node just boxed.
                        drop(unsafe { Box::from_raw(node) });
                        next = other;
                    }
                }
            }
        }
    }

    fn find(&self, pc: usize) -> Option<&CodeObject> {
        let bucket = self.buckets.get(pc.checked_sub(self.base)? / BUCKET)?;
        let mut node = bucket.load(Ordering::Acquire);
        while !node.is_null() {
            // SAFETY: nodes are published with release order and freed only when the index is dropped.
            let Node { object, next } = unsafe { node.read() };
            // SAFETY: as above; a node's object lives as long as the node.
            let object = unsafe { &*object };
            if (object.start..object.start + object.len).contains(&pc) {
                return Some(object);
            }
            node = next;
        }
        None
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        for at in 0..self.buckets.len() {
            let mut node = *self.buckets[at].get_mut();
            while !node.is_null() {
                // SAFETY: every node was boxed by `add` and is in exactly one list, which is being dropped.
                let taken = unsafe { Box::from_raw(node) };
                node = taken.next;
                // SAFETY: `taken` keeps its object alive until the last bucket that lists it is reached.
                let object = unsafe { &*taken.object };
                if self.buckets_of(object).end == at + 1 {
                    // SAFETY: leaked from a box by `ModuleCode::add`; this is its last bucket, so nothing refers to it any more.
                    drop(unsafe { Box::from_raw(taken.object.cast_mut()) });
                }
            }
        }
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            signal::unregister_code(handle);
        }
    }
}

/// Called by the signal handler: must not lock or allocate.
unsafe fn lookup(data: *const u8, pc: usize) -> Option<TrapInfo> {
    // SAFETY: registered with a pointer to an `Index` that outlives the registration.
    let index = unsafe { &*data.cast::<Index>() };
    let object = index.find(pc)?;
    let site = object.trap_site((pc - object.start) as u32)?;
    Some(TrapInfo { code: trap_word(site.trap) })
}

/// A trap code as `Activation::trap` holds it.
pub(crate) fn trap_word(code: TrapCode) -> u32 {
    code as u32
}
