//! Owns host functions: closures that guest code calls in the stack convention.
//! Does not own typed wrappers (the engine's API makes them).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use sterna_abi::{FuncRef, HOST_CALLEE, HostCtx, Slot, StoreCtx, VmCtx};
use sterna_isa::TrapCode;

use crate::instance::Instance;
use crate::store::{Pinned, Store};
use crate::trap::HostError;
use crate::types::TypeInfo;

/// What a host closure gets: the store (to be used through the pointer only, since guest frames are below), and its slots:
/// parameters in, results out.
pub struct HostCall<'a> {
    /// The calling store.
    pub store: NonNull<Store>,
    /// The instance that imports the function; `None` if the host called it, or a guest through a reference that it got from
    /// the host.
    pub caller: Option<NonNull<Instance>>,
    /// Parameters on entry, results on return; as many as the larger list takes.
    pub slots: &'a mut [Slot],
}

/// A host function's behaviour. An error becomes a trap ([`TrapCode::Host`]) that carries it.
pub type HostClosure = Arc<dyn Fn(HostCall<'_>) -> Result<(), HostError> + Send + Sync>;

/// A host function, once per store.
struct HostFunc {
    closure: HostClosure,
    ty: Arc<TypeInfo>,
}

/// What guest code needs to call a host function. An importing instance has one of its own, so that the function can know
/// its caller; calls cost the same either way.
#[repr(C)]
pub(crate) struct HostBinding {
    /// First: guest code passes its address as the callee's vmctx.
    ctx: HostCtx,
    func_ref: FuncRef,
    caller: Option<NonNull<Instance>>,
}

impl HostBinding {
    fn new(
        store: *mut StoreCtx,
        host: *const HostFunc,
        caller: Option<NonNull<Instance>>,
    ) -> Box<HostBinding> {
        // SAFETY: callers pass a live, boxed host function.
        let ty = &unsafe { &*host }.ty;
        let ctx = HostCtx {
            store,
            callee_index: 0,
            reserved: 0,
            body: host_body,
            data: host.cast_mut().cast(),
        };
        let func_ref = FuncRef { entry: &raw const ty.host_entry, type_id: ty.id, ..FuncRef::NULL };
        let mut binding = Box::new(HostBinding { ctx, func_ref, caller });
        binding.func_ref.instance = (&raw mut binding.ctx).cast::<VmCtx>();
        binding.func_ref.this = &raw const binding.func_ref;
        binding
    }

    pub(crate) fn func_ref(&self) -> FuncRef {
        self.func_ref
    }
}

/// The host functions of a store, and their bindings that belong to no instance.
#[derive(Default)]
pub(crate) struct Hosts {
    bindings: Pinned<HostBinding>,
    funcs: Pinned<HostFunc>,
}

impl Store {
    /// Makes a host function callable by this store's guests.
    ///
    /// # Panics
    /// If the type is not from this store's engine, or the system is out of memory.
    pub fn new_host_func(&mut self, ty: Arc<TypeInfo>, closure: HostClosure) -> NonNull<FuncRef> {
        assert!(
            Arc::ptr_eq(&ty, &self.engine.type_info(ty.id)),
            "the type belongs to another engine"
        );
        self.engine.types.host(&self.engine, &ty);
        let ctx = self.ctx_ptr();
        let host = Box::new(HostFunc { closure, ty });
        let binding = HostBinding::new(ctx, &raw const *host, None);
        let func = NonNull::from(&binding.func_ref);
        self.hosts.funcs.push(host);
        self.hosts.bindings.push(binding);
        func
    }
}

/// If `func` is a host function: a binding of it to the instance that imports it.
///
/// # Safety
/// `func` must be live and of the store that `instance` is being made for.
pub(crate) unsafe fn bind(
    func: NonNull<FuncRef>,
    instance: NonNull<Instance>,
) -> Option<Box<HostBinding>> {
    // SAFETY: live by the caller's promise.
    let func = unsafe { func.read() };
    // SAFETY: a live function has an entry.
    let callee = unsafe { &*func.entry }.func;
    if callee != HOST_CALLEE {
        return None;
    }
    let ctx = func.instance.cast::<HostCtx>();
    // SAFETY: only bindings of host functions have such an entry.
    let ctx = unsafe { &*ctx };
    Some(HostBinding::new(ctx.store, ctx.data.cast(), Some(instance)))
}

/// See [`sterna_abi::HostBody`].
unsafe extern "C" fn host_body(ctx: *mut HostCtx, fp: *mut Slot) {
    // SAFETY: guest code passes the context of a live binding, which starts with it, of a store that is running.
    let binding = unsafe { &*ctx.cast::<HostBinding>() };
    // SAFETY: set by `HostBinding::new` to a boxed function, which lives as long as its store.
    let host = unsafe { &*binding.ctx.data.cast::<HostFunc>() };
    // SAFETY: the caller provides slots for the larger of parameters and results (stack convention).
    let slots = unsafe { std::slice::from_raw_parts_mut(fp, host.ty.slots) };
    // SAFETY: the store outlives its functions; nobody uses a reference to it while guest code runs.
    let store = unsafe { Store::from_ctx(binding.ctx.store) };
    // A nested call must not overwrite these slots.
    let saved = store.ctx().value_sp;
    let end = slots.as_mut_ptr_range().end;
    store.ctx().value_sp = saved.max(end);
    let scope = store.begin_scope();
    let call = HostCall { store: NonNull::from(&mut *store), caller: binding.caller, slots };
    let result = catch_unwind(AssertUnwindSafe(|| (host.closure)(call)));
    // SAFETY: as above; the closure's use of the store has ended.
    let store = unsafe { Store::from_ctx(binding.ctx.store) };
    store.ctx().value_sp = saved;
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => store.set_trap(TrapCode::Host, Some(error)),
        Err(payload) => store.set_panic(payload),
    }
    // After the above: an exception's payload may be kept by nothing else.
    if store.end_host_call(scope)
        && let Err(payload) = catch_unwind(AssertUnwindSafe(|| store.drop_dead_values()))
    {
        store.set_panic(payload);
    }
}
