//! Owns entering guest code: the guest stack of an outermost call, arguments and results, the trap that may end it.
//! Does not own what runs there.

use std::ptr::NonNull;

use sterna_abi::{FuncRef, NATIVE_STACK_RESERVE, Slot, VALUE_STACK_SLACK};
use sterna_isa::TrapCode;
use sterna_sys::activation::{Activation, stack_pointer};
use sterna_sys::signal;
use sterna_sys::stack::GuestStack;

use crate::controller;
use crate::store::Store;
use crate::trap::Trap;

impl Store {
    /// Calls a function with parameters in `slots`; on return they hold the results. `slots` must have room for the larger list.
    ///
    /// Works on a pointer: while the guest runs, builtins and host functions use the store, too.
    ///
    /// # Errors
    /// The trap that ended the call.
    ///
    /// # Panics
    /// When a host function called by the guest panics.
    ///
    /// # Safety
    /// `store` must be live and no reference to it in use; `func` must belong to it, and the slots must hold values of its
    /// parameter types (references of this store).
    pub unsafe fn call(
        store: NonNull<Store>,
        func: NonNull<FuncRef>,
        slots: &mut [Slot],
    ) -> Result<(), Box<Trap>> {
        // SAFETY: live, and guest code is not running or suspended.
        let running = unsafe { store.as_ref() }.stack.is_some();
        match running {
            // SAFETY: passed on from the caller.
            true => unsafe { call_here(store, func, slots) },
            // SAFETY: passed on from the caller.
            false => unsafe { call_outermost(store, func, slots) },
        }
    }

    /// Takes a guest stack and makes its limits known to guest code. Returns the stack, which stays where it is until [`Leave`].
    fn set_up(&mut self) -> Option<NonNull<GuestStack>> {
        let stack = self.engine.take_stack()?;
        if self.engine.uses_signals() && signal::prepare_thread().is_err() {
            self.engine.put_stack(stack);
            return None;
        }
        let ctx = self.ctx();
        ctx.value_sp = stack.value_base().cast();
        ctx.value_limit = stack.value_end().cast::<Slot>().wrapping_sub(VALUE_STACK_SLACK);
        ctx.activation.native_limit = stack.native_limit(NATIVE_STACK_RESERVE) as usize;
        controller::watch(self);
        Some(NonNull::from(&**self.stack.insert(stack)))
    }
}

/// Calls on a guest stack of its own.
///
/// # Safety
/// As [`Store::call`].
unsafe fn call_outermost(
    mut store: NonNull<Store>,
    func: NonNull<FuncRef>,
    slots: &mut [Slot],
) -> Result<(), Box<Trap>> {
    // SAFETY: live; guest code is not running.
    let Some(stack) = unsafe { store.as_mut() }.set_up() else {
        return Err(Box::new(Trap::bare(TrapCode::StackOverflow)));
    };
    // SAFETY: as above.
    let activation = &raw mut unsafe { store.as_mut() }.ctx().activation;
    // SAFETY: the activation lives in this boxed store, and is replaced again by the guard before the store can go away.
    let previous = unsafe { signal::set_current(activation) };
    let guard = Leave { store, previous };
    // SAFETY: boxed, and in the store until the guard drops.
    let stack = unsafe { stack.as_ref() };
    // SAFETY: the closure runs at once; `func` and `slots` as promised by the caller.
    let result = stack.call_on_stack(|| unsafe { call_here(store, func, slots) });
    drop(guard);
    // SAFETY: live; the guest has returned.
    unsafe { store.as_mut() }.drop_dead_values();
    result
}

/// Calls on the current stack, above what is live on the value stack.
///
/// # Safety
/// As [`Store::call`]; the store's guest stack must be set up and be the current stack.
unsafe fn call_here(
    mut store: NonNull<Store>,
    func: NonNull<FuncRef>,
    slots: &mut [Slot],
) -> Result<(), Box<Trap>> {
    // SAFETY: live, by the caller's promise.
    let func = unsafe { func.read() };
    // SAFETY: live; guest code is not running or suspended.
    let this = unsafe { store.as_mut() };
    let fp = this.ctx().value_sp;
    // Guests and hosts that call each other use up the native stack, too.
    if fp.wrapping_add(slots.len()) > this.ctx().value_limit
        || stack_pointer() < this.ctx().activation.native_limit
    {
        this.set_trap(TrapCode::StackOverflow, None);
        return this.take_trap();
    }
    // SAFETY: `fp..fp + len` lies below the limit of the value stack (just checked) and above everything live on it.
    unsafe { std::ptr::copy_nonoverlapping(slots.as_ptr(), fp, slots.len()) };
    let engine: *const crate::engine::Engine = &*this.engine;
    // SAFETY: the store keeps its engine alive.
    let engine = unsafe { &*engine };
    // SAFETY: instance and entry are from a live function of this store; the arguments are at its `value_sp`.
    unsafe { engine.interp().call(func.instance, func.entry, fp) };
    // SAFETY: the guest has returned.
    let this = unsafe { store.as_mut() };
    this.ctx().value_sp = fp;
    this.take_trap()?;
    // SAFETY: as above; results are where the arguments were.
    unsafe { std::ptr::copy_nonoverlapping(fp, slots.as_mut_ptr(), slots.len()) };
    Ok(())
}

/// Ends an outermost call, however it ends.
struct Leave {
    store: NonNull<Store>,
    previous: *mut Activation,
}

impl Drop for Leave {
    fn drop(&mut self) {
        // SAFETY: what was current before is current again, as it was.
        unsafe { signal::set_current(self.previous) };
        // SAFETY: the store outlives the call; nothing else uses it here.
        let store = unsafe { self.store.as_mut() };
        let ctx = store.ctx();
        ctx.value_sp = std::ptr::null_mut();
        ctx.value_limit = std::ptr::null_mut();
        ctx.activation.detours.forget_below(usize::MAX);
        // No longer a root.
        store.last_throw.exn = 0;
        if let Some(stack) = store.stack.take() {
            store.engine.put_stack(stack);
        }
    }
}
