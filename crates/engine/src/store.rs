//! Owns `Store<T>` and the borrows of it that every operation takes.
//! Does not own the objects in it (the runtime does).

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use sterna_abi::{CapturedFrame, FuncRef};
use sterna_isa::HeapType;
use sterna_runtime as rt;
use sterna_runtime::{GcStats, InterruptHandle, Limits};

use crate::engine::Engine;
use crate::host::HostDef;
use crate::profile::GuestProfile;
use crate::value::Val;

/// Identity of a store; handles carry it.
pub(crate) type StoreId = u64;

/// A world of guests: everything they use lives here until the store is dropped, and so does the host's own data `T`, which host
/// functions reach through their [`Caller`](crate::Caller).
///
/// Handles like [`Func`](crate::Func) or [`Memory`](crate::Memory) are small copies of an address and of the store's
/// identity; each operation takes the store and checks that it is the right one.
pub struct Store<T> {
    /// A pointer, not a box: host functions reach the same data while a guest runs, when the embedder holds `&mut Store`. Invariant in
    /// `T`, since host functions were made for exactly this type.
    inner: *mut StoreInner<T>,
}

pub(crate) struct StoreInner<T> {
    rt: NonNull<rt::Store>,
    id: StoreId,
    engine: Engine,
    data: T,
    /// Host functions of linkers that exist here, by address of their definition, which each entry keeps alive.
    linked: HashMap<usize, (HostDef, NonNull<FuncRef>)>,
    /// Reused by host functions with untyped values.
    values: Vec<Val>,
}

// SAFETY: the store owns what it points to; the runtime's store is `Send`.
unsafe impl<T: Send> Send for Store<T> {}
// SAFETY: `&Store` gives read access only; the runtime's store is `Sync`.
unsafe impl<T: Sync> Sync for Store<T> {}

// A panic of a host function ends the guest's call like a trap; the store stays usable.
impl<T: UnwindSafe> UnwindSafe for Store<T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for Store<T> {}

impl<T> Store<T> {
    /// An empty store with the host's data.
    pub fn new(engine: &Engine, data: T) -> Store<T> {
        let store = Box::leak(rt::Store::new(&engine.inner, Limits::default()));
        let id = store.id();
        let rt = NonNull::from(store);
        let inner = StoreInner {
            rt,
            id,
            engine: engine.clone(),
            data,
            linked: HashMap::new(),
            values: Vec::new(),
        };
        let inner = Box::into_raw(Box::new(inner));
        // SAFETY: just leaked; no guest code runs.
        unsafe { &mut *rt.as_ptr() }.set_host_data(inner.cast());
        Store { inner }
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        self.as_context().into_data()
    }

    /// The host's data.
    pub fn data_mut(&mut self) -> &mut T {
        self.as_context_mut().into_data_mut()
    }

    /// Drops the guests and returns the host's data.
    pub fn into_data(self) -> T {
        let store = std::mem::ManuallyDrop::new(self);
        // SAFETY: made from a box by `new`, and not dropped by `Store` any more.
        let inner = unsafe { Box::from_raw(store.inner) };
        // SAFETY: leaked by `new`; no guest code runs since the store is owned here.
        drop(unsafe { Box::from_raw(inner.rt.as_ptr()) });
        inner.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.as_context().into_engine()
    }

    /// Runs `body` in a scope: references to objects that are made in it end with it, unless they are
    /// [owned](crate::Owned) (see [`Reference`](crate::Reference)). Scopes nest.
    ///
    /// ```
    /// # use sterna::{ExternRef, Store};
    /// # let mut store = Store::<()>::default();
    /// let text = store.scope(|store| ExternRef::new(store, "text"))?;
    /// assert!(text.data(&store).is_err(), "its scope has ended");
    /// # Ok::<(), sterna::Error>(())
    /// ```
    pub fn scope<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        in_scope(self, body)
    }

    /// Frees all objects, and drops all values of the host, to which neither the guest nor the host refers. Collections happen by
    /// themselves when there is need; this is for a store that will be idle, or whose values hold what is wanted elsewhere.
    ///
    /// # Panics
    /// When the code does that drops a value.
    pub fn gc(&mut self) {
        self.as_context_mut().rt_mut().collect_garbage(rt::Collection::Full);
    }

    /// Limits what guests of this store may hold from now on.
    pub fn limits(&mut self, limits: Limits) {
        self.as_context_mut().rt_mut().set_limits(limits);
    }

    /// From now on, [`InterruptHandle::sample`] notes where a guest of this store is. Call it regularly from a thread of its own, with
    /// an engine whose code is [interruptible](crate::Config::interruptible).
    pub fn start_sampling(&mut self) {
        self.as_context_mut().rt_mut().start_sampling();
    }

    /// Ends sampling: what was noted, or nothing.
    pub fn take_profile(&mut self) -> GuestProfile {
        let samples = self.as_context_mut().rt_mut().take_samples();
        samples.map(|samples| GuestProfile::new(&samples)).unwrap_or_default()
    }

    /// A handle that stops this store's guests from any thread.
    pub fn interrupt_handle(&mut self) -> InterruptHandle {
        self.as_context_mut().rt_mut().interrupt_handle()
    }

    /// What was counted about the garbage-collected heap: collections, bytes, pause times. `None` before the heap is made: with the
    /// first instance that can touch objects, or the host's first object.
    pub fn gc_stats(&self) -> Option<&GcStats> {
        self.as_context().rt().gc_stats()
    }

    /// Every live guest frame with locals and operand stack, innermost first. Empty outside host functions: see
    /// [`Caller::capture_frames`](crate::Caller::capture_frames).
    pub fn capture_frames(&mut self) -> Vec<CapturedFrame> {
        self.as_context_mut().rt_mut().capture_frames()
    }

    /// Blocks until every function that has earned compilation so far is compiled. For tests and benchmarks of `Tier::Auto`.
    pub fn settle_tiers(&self) {
        self.as_context().rt().settle_tiers();
    }
}

impl<T> Drop for Store<T> {
    fn drop(&mut self) {
        // SAFETY: made from a box by `new`; dropped once.
        let inner = unsafe { Box::from_raw(self.inner) };
        // SAFETY: leaked by `new`; no guest code runs since the store is borrowed mutably here.
        drop(unsafe { Box::from_raw(inner.rt.as_ptr()) });
    }
}

impl<T: Default> Default for Store<T> {
    fn default() -> Store<T> {
        Store::new(&Engine::default(), T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("data", self.data()).finish_non_exhaustive()
    }
}

/// See [`Store::scope`].
pub(crate) fn in_scope<C: AsContextMut, R>(context: &mut C, body: impl FnOnce(&mut C) -> R) -> R {
    struct Scope<'a, C: AsContextMut> {
        context: &'a mut C,
        store: StoreId,
        mark: rt::ScopeMark,
    }

    impl<C: AsContextMut> Drop for Scope<'_, C> {
        fn drop(&mut self) {
            let mut store = self.context.as_context_mut();
            // The body may have put another store there.
            if store.id() == self.store {
                store.rt_mut().end_scope(std::mem::take(&mut self.mark));
            }
        }
    }

    let mut store = context.as_context_mut();
    let (id, mark) = (store.id(), store.rt_mut().begin_scope());
    let scope = Scope { context, store: id, mark };
    body(&mut *scope.context)
}

/// A shared borrow of a [`Store`].
pub struct StoreContext<'a, T> {
    inner: NonNull<StoreInner<T>>,
    borrow: PhantomData<&'a StoreInner<T>>,
}

/// An exclusive borrow of a [`Store`].
pub struct StoreContextMut<'a, T> {
    /// A pointer, so that no reference is held while a guest runs.
    inner: NonNull<StoreInner<T>>,
    borrow: PhantomData<&'a mut StoreInner<T>>,
}

// SAFETY: it stands for a `&StoreInner`, whose parts are `Sync` if the data is.
unsafe impl<T: Sync> Send for StoreContext<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for StoreContext<'_, T> {}
// SAFETY: it stands for a `&mut StoreInner`, whose parts are `Send` if the data is.
unsafe impl<T: Send> Send for StoreContextMut<'_, T> {}
// SAFETY: through a shared reference it gives read access only.
unsafe impl<T: Sync> Sync for StoreContextMut<'_, T> {}

impl<T> Clone for StoreContext<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StoreContext<'_, T> {}

impl<'a, T> StoreContext<'a, T> {
    /// The host's data.
    pub fn data(&self) -> &'a T {
        self.into_data()
    }

    /// The engine.
    pub fn engine(&self) -> &'a Engine {
        self.into_engine()
    }

    fn into_data(self) -> &'a T {
        // SAFETY: live, and borrowed for `'a`.
        &unsafe { self.inner.as_ref() }.data
    }

    fn into_engine(self) -> &'a Engine {
        // SAFETY: live, and borrowed for `'a`.
        &unsafe { self.inner.as_ref() }.engine
    }

    pub(crate) fn rt(self) -> &'a rt::Store {
        // SAFETY: live, and borrowed for `'a`.
        let rt = unsafe { self.inner.as_ref() }.rt;
        // SAFETY: owned by the store borrowed for `'a`; no guest code runs meanwhile.
        unsafe { rt.as_ref() }
    }

    pub(crate) fn id(self) -> StoreId {
        // SAFETY: live.
        unsafe { self.inner.as_ref() }.id
    }

    pub(crate) fn home(self) -> Home<'a> {
        Home { id: self.id(), rt: self.rt() }
    }
}

/// Where references are at home: what is needed to take them out of slots and put them there.
#[derive(Clone, Copy)]
pub(crate) struct Home<'a> {
    pub id: StoreId,
    pub rt: &'a rt::Store,
}

impl Home<'_> {
    /// The top of the hierarchy of a heap type with type ids for indices.
    pub fn top(self, ty: HeapType) -> HeapType {
        match ty {
            HeapType::Func | HeapType::NoFunc => HeapType::Func,
            HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
            HeapType::Exn | HeapType::NoExn => HeapType::Exn,
            HeapType::Concrete(id) if self.rt.engine().type_info(id).def.as_func().is_some() => {
                HeapType::Func
            }
            _ => HeapType::Any,
        }
    }
}

impl<'a, T> StoreContextMut<'a, T> {
    /// The borrow that a host function gets.
    ///
    /// # Safety
    /// `rt` must be the runtime's part of a live `Store<T>` whose guest is suspended in a host function for `'a`, and this the only
    /// borrow of it in use.
    pub(crate) unsafe fn from_rt(rt: NonNull<rt::Store>) -> Self {
        // SAFETY: live by the caller's promise.
        let data = unsafe { rt.as_ref() }.host_data();
        let inner = NonNull::new(data.cast()).expect("`Store::new` sets it");
        StoreContextMut { inner, borrow: PhantomData }
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        // SAFETY: live, and borrowed through `self`.
        &unsafe { self.inner.as_ref() }.data
    }

    /// The host's data.
    pub fn data_mut(&mut self) -> &mut T {
        self.as_context_mut().into_data_mut()
    }

    /// The host's data, for as long as the store is borrowed.
    pub fn into_data_mut(mut self) -> &'a mut T {
        // SAFETY: live, and borrowed exclusively for `'a`.
        &mut unsafe { self.inner.as_mut() }.data
    }

    /// See [`Store::scope`].
    pub fn scope<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        in_scope(self, body)
    }

    /// See [`Store::gc`].
    pub fn gc(&mut self) {
        self.rt_mut().collect_garbage(rt::Collection::Full);
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        // SAFETY: live, and borrowed through `self`.
        &unsafe { self.inner.as_ref() }.engine
    }

    pub(crate) fn id(&self) -> StoreId {
        // SAFETY: live.
        unsafe { self.inner.as_ref() }.id
    }

    /// The runtime's part, for calls that enter guest code.
    pub(crate) fn home(&self) -> Home<'_> {
        self.as_context().home()
    }

    pub(crate) fn rt_ptr(&self) -> NonNull<rt::Store> {
        // SAFETY: live.
        unsafe { self.inner.as_ref() }.rt
    }

    pub(crate) fn rt_mut(&mut self) -> &mut rt::Store {
        let rt = self.rt_ptr();
        // SAFETY: owned by the store, which is borrowed exclusively through `self`; no guest code runs meanwhile.
        unsafe { &mut *rt.as_ptr() }
    }

    /// The function that a linker's definition is in this store, made on first use.
    pub(crate) fn linked(&mut self, def: &HostDef) -> NonNull<FuncRef> {
        // SAFETY: live, and borrowed exclusively through `self`.
        let inner = unsafe { self.inner.as_mut() };
        if let Some((_, func)) = inner.linked.get(&def.address()) {
            return *func;
        }
        let func = def.instantiate(self.rt_mut());
        // SAFETY: as above; the borrow of the runtime's part has ended.
        let inner = unsafe { self.inner.as_mut() };
        inner.linked.insert(def.address(), (def.clone(), func));
        func
    }

    /// An empty list of values with capacity from earlier calls; give it back.
    pub(crate) fn take_values(&mut self) -> Vec<Val> {
        // SAFETY: live, and borrowed exclusively through `self`.
        std::mem::take(&mut unsafe { self.inner.as_mut() }.values)
    }

    /// Gives back what [`StoreContextMut::take_values`] returned.
    pub(crate) fn put_values(&mut self, mut values: Vec<Val>) {
        values.clear();
        // SAFETY: live, and borrowed exclusively through `self`.
        unsafe { self.inner.as_mut() }.values = values;
    }
}

/// Anything that gives read access to a store.
pub trait AsContext {
    /// The host's data.
    type Data;

    /// A borrow of the store.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Anything that gives full access to a store: `&mut Store<T>`, `&mut Caller<'_, T>`, ….
pub trait AsContextMut: AsContext {
    /// An exclusive borrow of the store.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<T> AsContext for Store<T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        let inner = NonNull::new(self.inner).expect("made from a box");
        StoreContext { inner, borrow: PhantomData }
    }
}

impl<T> AsContextMut for Store<T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        let inner = NonNull::new(self.inner).expect("made from a box");
        StoreContextMut { inner, borrow: PhantomData }
    }
}

impl<T> AsContext for StoreContext<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        *self
    }
}

impl<T> AsContext for StoreContextMut<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext { inner: self.inner, borrow: PhantomData }
    }
}

impl<T> AsContextMut for StoreContextMut<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut { inner: self.inner, borrow: PhantomData }
    }
}

impl<C: AsContext> AsContext for &C {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(self)
    }
}

impl<C: AsContext> AsContext for &mut C {
    type Data = C::Data;

    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(self)
    }
}

impl<C: AsContextMut> AsContextMut for &mut C {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        C::as_context_mut(self)
    }
}

impl<'a, C: AsContext> From<&'a C> for StoreContext<'a, C::Data> {
    fn from(context: &'a C) -> Self {
        context.as_context()
    }
}

impl<'a, C: AsContext> From<&'a mut C> for StoreContext<'a, C::Data> {
    fn from(context: &'a mut C) -> Self {
        C::as_context(context)
    }
}

impl<'a, C: AsContextMut> From<&'a mut C> for StoreContextMut<'a, C::Data> {
    fn from(context: &'a mut C) -> Self {
        context.as_context_mut()
    }
}
