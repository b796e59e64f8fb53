//! Owns `Store`: the objects of one group of guests, and the context through which their code reaches the runtime.
//! Does not own how guest code is entered (`call`) or how instances are made (`instantiate`).

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use sterna_abi::{AllocArea, GlobalCell, PendingTail, StoreCtx};
use sterna_sys::activation::Activation;
use sterna_sys::stack::GuestStack;

use crate::builtins;
use crate::engine::Engine;
use crate::exception::LastThrow;
use crate::gc::StoreHeap;
use crate::host::Hosts;
use crate::instance::Instance;
use crate::interrupt::InterruptHandle;
use crate::leave::Leaving;
use crate::limits::{Limits, Usage};
use crate::loaded::LoadedModule;
use crate::memory::Memory;
use crate::sampling::Samples;
use crate::table::Table;
use crate::tag::{Tag, TagOrigin};
use crate::trap::Pending;
use crate::types::{TypeId, TypeInfo};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Objects at fixed addresses: guest code and handles hold them.
pub(crate) type Pinned<T> = Vec<Box<T>>;

/// Owner of everything its guests use. All objects live until the store is dropped, at fixed addresses.
///
/// Guest code, thunks and builtin bodies reach a store through raw pointers while Rust callers up the stack hold it mutably;
/// the rule that makes this sound: whoever enters guest code does so through [`Store::call`], which works on a raw pointer
/// from then on, and bodies take `&mut Store` only for the time in which no guest code runs.
pub struct Store {
    /// First: guest code holds its address.
    ctx: StoreCtx,
    // Instances before what they refer to.
    pub(crate) instances: Pinned<Instance>,
    pub(crate) memories: Pinned<Memory>,
    pub(crate) tables: Pinned<Table>,
    pub(crate) globals: Pinned<GlobalCell>,
    pub(crate) tags: Pinned<Tag>,
    pub(crate) last_throw: LastThrow,
    /// The module whose code last caught an exception.
    pub(crate) landed_in: Option<Arc<LoadedModule>>,
    pub(crate) hosts: Hosts,
    pub(crate) gc: StoreHeap,
    pub(crate) limits: Limits,
    pub(crate) usage: Usage,
    pub(crate) pending: Option<Pending>,
    pub(crate) stack: Option<Box<GuestStack>>,
    host_data: *mut u8,
    interrupt: Option<InterruptHandle>,
    pub(crate) samples: Option<Box<Samples>>,
    pub(crate) leaving: Leaving,
    id: u64,
    pub(crate) engine: Arc<Engine>,
}

// SAFETY: raw pointers in a store lead to its own objects or to its modules' shared, immutable or atomic parts; host closures and
// extern values are `Send + Sync`. A store that moves to another thread is not running guest code.
unsafe impl Send for Store {}
// SAFETY: `&Store` gives read access to plain data only.
unsafe impl Sync for Store {}

impl Store {
    /// An empty store. Boxed: guest code will hold its address.
    pub fn new(engine: &Arc<Engine>, limits: Limits) -> Box<Store> {
        let mut store = Box::new(Store {
            ctx: StoreCtx {
                activation: Activation::new(),
                interrupt: AtomicU8::new(0),
                value_sp: std::ptr::null_mut(),
                value_limit: std::ptr::null_mut(),
                interp_frame: std::ptr::null_mut(),
                pending_tail: PendingTail::NONE,
                heap: AllocArea::EMPTY,
                exception: 0,
                bodies: &raw const builtins::BODIES,
                thunks: &raw const builtins::THUNKS,
                resume: std::ptr::null_mut(),
                runtime: std::ptr::null_mut(),
            },
            instances: Vec::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            last_throw: LastThrow::default(),
            landed_in: None,
            hosts: Hosts::default(),
            gc: StoreHeap::default(),
            limits,
            usage: Usage::default(),
            pending: None,
            stack: None,
            host_data: std::ptr::null_mut(),
            interrupt: None,
            samples: None,
            leaving: Leaving::default(),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            engine: engine.clone(),
        });
        store.ctx.runtime = (&raw mut *store).cast();
        store
    }

    /// Unique number of this store in the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The embedder's pointer, handed to host functions.
    pub fn host_data(&self) -> *mut u8 {
        self.host_data
    }

    /// Sets the embedder's pointer.
    pub fn set_host_data(&mut self, data: *mut u8) {
        self.host_data = data;
    }

    /// A handle that interrupts this store's guest code from other threads.
    pub fn interrupt_handle(&mut self) -> InterruptHandle {
        let flag = &raw const self.ctx.interrupt;
        self.interrupt.get_or_insert_with(|| InterruptHandle::new(flag)).clone()
    }

    /// Blocks until all functions reported as hot so far are compiled. For tests and benchmarks.
    pub fn settle_tiers(&self) {
        self.engine.tiering.settle();
    }

    pub(crate) fn ctx(&mut self) -> &mut StoreCtx {
        &mut self.ctx
    }

    pub(crate) fn ctx_ref(&self) -> &StoreCtx {
        &self.ctx
    }

    pub(crate) fn ctx_ptr(&mut self) -> *mut StoreCtx {
        &raw mut self.ctx
    }

    /// The store that a context belongs to.
    ///
    /// # Safety
    /// `ctx` must be the context of a live store, and no other reference to the store may be in use for `'a`: see [`Store`].
    pub(crate) unsafe fn from_ctx<'a>(ctx: *mut StoreCtx) -> &'a mut Store {
        // SAFETY: the caller passes a live context.
        let store: *mut Store = unsafe { (*ctx).runtime }.cast();
        // SAFETY: `runtime` was set by `Store::new` to the boxed store; exclusive by the caller's promise.
        unsafe { &mut *store }
    }

    pub(crate) fn new_memory(&mut self, memory: Memory) -> NonNull<Memory> {
        self.memories.push(Box::new(memory));
        let last = self.memories.last_mut().expect("just pushed");
        NonNull::from(&mut **last)
    }

    pub(crate) fn new_table(&mut self, table: Table) -> NonNull<Table> {
        self.tables.push(Box::new(table));
        let last = self.tables.last_mut().expect("just pushed");
        NonNull::from(&mut **last)
    }

    /// A tag of a function type, which must be of this store's engine.
    pub fn new_tag(&mut self, type_id: TypeId) -> NonNull<Tag> {
        self.add_tag(self.engine.type_info(type_id), None)
    }

    pub(crate) fn add_tag(&mut self, ty: Arc<TypeInfo>, origin: TagOrigin) -> NonNull<Tag> {
        let number = u32::try_from(self.tags.len()).expect("memory ends first");
        self.engine.types.lay_out_exceptions(&ty);
        self.tags.push(Box::new(Tag { number, ty, origin }));
        let last = self.tags.last_mut().expect("just pushed");
        NonNull::from(&mut **last)
    }

    pub(crate) fn new_global_cell(&mut self, cell: GlobalCell) -> NonNull<GlobalCell> {
        self.globals.push(Box::new(cell));
        let last = self.globals.last_mut().expect("just pushed");
        NonNull::from(&mut **last)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(handle) = &self.interrupt {
            handle.detach();
        }
        // Instances hand their memories back to their modules for reuse.
        for memory in self.memories.drain(..) {
            (*memory).recycle();
        }
    }
}
