//! Owns running code on another stack: a call that comes back, and contexts that are suspended and resumed.
//! Does not own the memory of stacks, nor the links between compiled code and Rust, which whoever suspends must swap.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe};

use super::GuestStack;
use crate::arch;

/// Calls `f(arg)` with the stack pointer at `top` and comes back. The frame pointer chain leads on to the current stack.
///
/// # Safety
/// `top` must be aligned to 16 bytes, with a free, writable stack below that suffices for `f`; `f` must not unwind.
pub unsafe fn on_stack(top: *mut u8, f: extern "C" fn(*mut u8), arg: *mut u8) {
    let mut ignored = 0;
    // SAFETY: the caller's promise; `ignored` is writable.
    unsafe { arch::on_stack_noting(top, f, arg, &mut ignored) };
}

/// A closure on its way to another stack, then its result on its way back.
struct Parcel<F, R> {
    call: ManuallyDrop<F>,
    result: Option<Result<R, Box<dyn Any + Send>>>,
}

/// Runs the closure of a parcel. Catches panics: nothing may unwind over the switch.
extern "C" fn run_parcel<F: FnOnce() -> R, R>(parcel: *mut u8) {
    // SAFETY: `call_at` passes a pointer to its own parcel and waits, so this is the only reference.
    let parcel = unsafe { &mut *parcel.cast::<Parcel<F, R>>() };
    // SAFETY: called once per parcel, so the closure has not been taken yet.
    let call = unsafe { ManuallyDrop::take(&mut parcel.call) };
    parcel.result = Some(panic::catch_unwind(AssertUnwindSafe(call)));
}

/// Calls `call` with the stack pointer at `top`. A panic continues on the current stack.
///
/// # Safety
/// As [`on_stack`].
unsafe fn call_at<R, F: FnOnce() -> R>(top: *mut u8, host_sp: *mut usize, call: F) -> R {
    let mut parcel = Parcel { call: ManuallyDrop::new(call), result: None };
    // SAFETY: the caller vouches for `top` and `host_sp`; `run_parcel` does not unwind and the parcel outlives the call.
    unsafe { arch::on_stack_noting(top, run_parcel::<F, R>, (&raw mut parcel).cast(), host_sp) };
    match parcel.result.expect("run_parcel stores a result before it returns") {
        Ok(value) => value,
        Err(payload) => panic::resume_unwind(payload),
    }
}

impl GuestStack {
    /// Runs `call` on this stack, from its top, and returns its result. A panic in it continues on the current stack.
    ///
    /// # Panics
    /// If code is running on the stack already, and when `call` panics.
    pub fn call_on_stack<R>(&self, call: impl FnOnce() -> R) -> R {
        assert_eq!(self.host_sp.get(), 0, "a guest stack carries one call at a time");
        /// Marks the stack free however the call ends.
        struct Release<'s>(&'s GuestStack);
        impl Drop for Release<'_> {
            fn drop(&mut self) {
                self.0.host_sp.set(0);
            }
        }
        let release = Release(self);
        // SAFETY: the stack is ours, at least a page large and free (just checked), its top aligned to a page.
        unsafe { call_at(self.native_top(), release.0.host_sp.as_ptr(), call) }
    }

    /// From code running on this stack, runs `call` on the stack that [`GuestStack::call_on_stack`] was called from: for work
    /// whose need of stack is not bounded by what guest code leaves, like compiling. Elsewhere just calls it.
    ///
    /// # Panics
    /// When `call` panics: the panic continues on this stack.
    pub fn call_on_host<R>(&self, call: impl FnOnce() -> R) -> R {
        let host_sp = self.host_sp.get();
        let here = arch::stack_pointer();
        let bottom = self.native_top() as usize - self.native_bytes;
        if host_sp == 0 || !(bottom..self.native_top() as usize).contains(&here) {
            return call();
        }
        let mut ignored = 0;
        // SAFETY: below `host_sp` the host stack is free while its owner waits in `call_on_stack`, and that owner is
        // this thread, because we run on the stack it switched to.
        unsafe { call_at(host_sp as *mut u8, &mut ignored, call) }
    }
}

/// What a new context runs first, on its own stack: gets the context, `arg` of [`Context::new`] and the value of the first
/// resumption. Must not return and must not unwind; it ends by a last [`Context::suspend`], after which the
/// context is never resumed.
pub type FiberEntry = unsafe extern "C" fn(context: *mut Context, arg: *mut u8, value: usize) -> !;

/// A thread of execution that can be suspended: the stack pointer of the side that is *not* running.
///
/// Both directions are the same few instructions: push the callee-saved registers, exchange the stack pointer with the
/// context's, pop. The floating-point control registers are not switched; nobody here changes them.
#[repr(C)]
#[derive(Debug)]
pub struct Context {
    sp: *mut u8,
}

impl Context {
    /// A context that will run `entry` on the stack that ends at `top` when it is first resumed.
    ///
    /// # Safety
    /// `top` must be aligned to 16 bytes and end a writable stack that is in nobody's use as long as the context may be resumed.
    pub unsafe fn new(top: *mut u8, entry: FiberEntry, arg: *mut u8) -> Context {
        // SAFETY: the caller vouches for the stack.
        Context { sp: unsafe { arch::prepare_fiber(top, entry, arg) } }
    }

    /// Runs the context until it suspends; returns the value it passes.
    ///
    /// # Safety
    /// `context` must be suspended, its entry not ended, and it must not move until it suspends. Activations
    /// that the context entered must have had their links swapped in (see `Activation::swap_links`).
    pub unsafe fn resume(context: *mut Context, value: usize) -> usize {
        // SAFETY: a suspended context's stack pointer was left by `prepare_fiber` or by the same switch.
        unsafe { arch::switch(context, value) }
    }

    /// Called on the context's own stack: goes back to whoever resumed it; returns the value of the next resumption.
    ///
    /// # Safety
    /// The caller must be running in `context`.
    pub unsafe fn suspend(context: *mut Context, value: usize) -> usize {
        // SAFETY: the resumer's stack pointer was left by the same switch, and the resumer waits.
        unsafe { arch::switch(context, value) }
    }
}

pub(crate) const CONTEXT_SP: usize = std::mem::offset_of!(Context, sp);
