//! Owns host functions: closures that guest code calls in the stack convention.
//! Does not own typed wrappers (the engine's API makes them).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use sterna_abi::{FuncRef, HostCtx, Slot, VmCtx};
use sterna_isa::TrapCode;

use crate::store::Store;
use crate::trap::HostError;
use crate::types::TypeInfo;

/// What a host closure gets: the store (to be used through the pointer only, since guest frames are below), and its slots:
/// parameters in, results out.
pub struct HostCall<'a> {
    /// The calling store.
    pub store: NonNull<Store>,
    /// Parameters on entry, results on return; as many as the larger list takes.
    pub slots: &'a mut [Slot],
}

/// A host function's behaviour. An error becomes a trap ([`TrapCode::Host`]) that carries it.
pub type HostClosure = Box<dyn Fn(HostCall<'_>) -> Result<(), HostError> + Send + Sync>;

/// A host function with everything guest code needs to call it.
pub(crate) struct HostFunc {
    ctx: HostCtx,
    pub(crate) func_ref: FuncRef,
    closure: HostClosure,
    ty: Arc<TypeInfo>,
}

impl Store {
    /// Makes a host function callable by this store's guests.
    pub fn new_host_func(
        &mut self,
        ty: &sterna_isa::FuncType,
        closure: HostClosure,
    ) -> NonNull<FuncRef> {
        let ty = self.engine.types.intern(&self.engine, ty);
        let mut host = Box::new(HostFunc {
            ctx: HostCtx {
                store: self.ctx_ptr(),
                callee_index: 0,
                reserved: 0,
                body: host_body,
                data: std::ptr::null_mut(),
            },
            func_ref: FuncRef {
                entry: &raw const ty.host_entry,
                instance: std::ptr::null_mut(),
                this: std::ptr::null(),
                type_id: ty.id,
                reserved: 0,
            },
            closure,
            ty,
        });
        host.ctx.data = (&raw mut *host).cast();
        host.func_ref.instance = (&raw mut host.ctx).cast::<VmCtx>();
        host.func_ref.this = &raw const host.func_ref;
        let func = NonNull::from(&host.func_ref);
        self.hosts.push(host);
        func
    }
}

/// See [`sterna_abi::HostBody`].
unsafe extern "C" fn host_body(ctx: *mut HostCtx, fp: *mut Slot) {
    // SAFETY: guest code passes the context of a live host function of a store that is running.
    let ctx = unsafe { &*ctx };
    // SAFETY: set by `new_host_func` to the boxed function, which lives as long as its store.
    let host = unsafe { &*ctx.data.cast::<HostFunc>() };
    // SAFETY: the caller provides slots for the larger of parameters and results (stack convention).
    let slots = unsafe { std::slice::from_raw_parts_mut(fp, host.ty.slots) };
    // SAFETY: the store outlives its functions; nobody uses a reference to it while guest code runs.
    let store = unsafe { Store::from_ctx(ctx.store) };
    // A nested call must not overwrite these slots.
    let saved = store.ctx().value_sp;
    let end = slots.as_mut_ptr_range().end;
    store.ctx().value_sp = saved.max(end);
    let call = HostCall { store: NonNull::from(&mut *store), slots };
    let result = catch_unwind(AssertUnwindSafe(|| (host.closure)(call)));
    // SAFETY: as above; the closure's use of the store has ended.
    let store = unsafe { Store::from_ctx(ctx.store) };
    store.ctx().value_sp = saved;
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => store.set_trap(TrapCode::Host, Some(error)),
        Err(payload) => store.set_panic(payload),
    }
}
