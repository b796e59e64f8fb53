//! Owns `Caller`, what a host function learns about the guest that calls it.
//! Does not own the store behind it.

use std::ptr::NonNull;

use sterna_abi::CapturedFrame;
use sterna_runtime as rt;

use crate::engine::Engine;
use crate::instance::{Extern, Instance};
use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut, in_scope};
use crate::trap::Backtrace;

/// First parameter of a host function that wants the store or its caller.
pub struct Caller<'a, T> {
    store: StoreContextMut<'a, T>,
    instance: Option<NonNull<rt::Instance>>,
}

// SAFETY: an address in the store that is borrowed beside it.
unsafe impl<T: Send> Send for Caller<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Caller<'_, T> {}

impl<'a, T> Caller<'a, T> {
    pub(crate) fn new(
        store: StoreContextMut<'a, T>,
        instance: Option<NonNull<rt::Instance>>,
    ) -> Caller<'a, T> {
        Caller { store, instance }
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The host's data.
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// See [`Store::scope`](crate::Store::scope). The call of a host function is a scope already.
    pub fn scope<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        in_scope(self, body)
    }

    /// See [`Store::gc`](crate::Store::gc).
    pub fn gc(&mut self) {
        self.store.gc();
    }

    /// The instance that imports this function. `None` if the host itself made the call, or a guest through a `funcref` that the
    /// host gave it.
    pub fn instance(&self) -> Option<Instance> {
        self.instance.map(|instance| Instance::from_runtime(self.store.id(), instance))
    }

    /// An export of the calling instance.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        self.instance()?.get_export(&mut self.store, name)
    }

    /// The bytes of a memory, not a shared one, that the calling instance exports, together with the host's data.
    pub fn memory_and_data(&mut self, name: &str) -> Option<(&mut [u8], &mut T)> {
        let memory = self.get_export(name)?.into_memory()?;
        Some(memory.data_and_store_mut(&mut self.store))
    }

    /// Every live guest frame with locals and operand stack, innermost first. Compiled frames have values only under
    /// `Config::capture_state`.
    pub fn capture_frames(&mut self) -> Vec<CapturedFrame> {
        self.store.rt_mut().capture_frames()
    }

    /// Makes the innermost `limit` compiled frames go on in the interpreter when the calls in which they are suspended return. Only those
    /// compiled under `Config::capture_state` can; how many that are.
    #[doc(hidden)]
    pub fn leave_frames(&mut self, limit: usize) -> usize {
        self.store.rt_mut().leave_frames(limit)
    }

    /// The guest's frames, innermost first.
    pub fn backtrace(&mut self) -> Backtrace {
        let frames = self.store.engine().inner.settings().backtrace_frames;
        Backtrace::new(self.store.rt_mut().backtrace(frames))
    }
}

impl<T> AsContext for Caller<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T> AsContextMut for Caller<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}
