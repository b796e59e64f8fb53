//! Owns entering guest code: the guest stack of an outermost call, arguments and results, the trap that may end it.
//! Does not own what runs there.

use std::ptr::NonNull;

use sterna_abi::{FuncRef, NATIVE_STACK_RESERVE, Slot, VALUE_STACK_SLACK};
use sterna_isa::TrapCode;
use sterna_sys::signal;

use crate::store::Store;
use crate::trap::Trap;

impl Store {
    /// Calls a function with parameters in `slots`; on return they hold the results. `slots` must have room for the larger list.
    ///
    /// # Errors
    /// The trap that ended the call.
    ///
    /// # Panics
    /// When a host function called by the guest panics.
    ///
    /// # Safety
    /// `func` must belong to this store, and the slots must hold values of its parameter types (references of this store).
    pub unsafe fn call(
        &mut self,
        func: NonNull<FuncRef>,
        slots: &mut [Slot],
    ) -> Result<(), Box<Trap>> {
        match self.stack.is_some() {
            // SAFETY: passed on from the caller.
            true => unsafe { self.call_here(func, slots) },
            // SAFETY: passed on from the caller.
            false => unsafe { self.call_outermost(func, slots) },
        }
    }

    /// # Safety
    /// As [`Store::call`].
    unsafe fn call_outermost(
        &mut self,
        func: NonNull<FuncRef>,
        slots: &mut [Slot],
    ) -> Result<(), Box<Trap>> {
        let stack = match self.engine.stacks.get() {
            Ok(stack) => stack,
            Err(_) => {
                return Err(Box::new(Trap {
                    code: TrapCode::StackOverflow,
                    frames: Vec::new(),
                    host: None,
                }));
            }
        };
        let ctx = self.ctx();
        ctx.value_sp = stack.value_base().cast();
        ctx.value_limit = stack.value_end().cast::<Slot>().wrapping_sub(VALUE_STACK_SLACK);
        ctx.activation.native_limit = stack.native_limit(NATIVE_STACK_RESERVE) as usize;
        let activation = &raw mut ctx.activation;
        if self.engine.uses_signals() && signal::prepare_thread().is_err() {
            self.engine.stacks.put(stack);
            return Err(Box::new(Trap {
                code: TrapCode::StackOverflow,
                frames: Vec::new(),
                host: None,
            }));
        }
        // The stack must stay where it is while it runs: `call_on_stack` borrows it from here, the store only notes that one is in use.
        let store: *mut Store = self;
        // SAFETY: the activation lives in this boxed store, and is replaced again below before the store can go away.
        let previous = unsafe { signal::set_current(activation) };
        let guard = Leave { store, previous };
        // SAFETY: `store` was just made from `self`, which is not used until the guard has run.
        unsafe { (*store).stack = Some(stack) };
        // SAFETY: as above. The field is not changed while guest code runs: nested calls see `Some`.
        let stack: *const _ = unsafe { (*store).stack.as_ref() }.expect("just set");
        // SAFETY: as above.
        let stack = unsafe { &*stack };
        let result = stack.call_on_stack(|| {
            // SAFETY: the closure runs at once, with the only live path to the store.
            let store = unsafe { &mut *store };
            // SAFETY: `func` and `slots` as promised by the caller; this is the store's guest stack.
            unsafe { store.call_here(func, slots) }
        });
        drop(guard);
        result
    }

    /// Calls on the current stack, above what is live on the value stack.
    ///
    /// # Safety
    /// As [`Store::call`]; the store's guest stack must be set up and be the current stack.
    unsafe fn call_here(
        &mut self,
        func: NonNull<FuncRef>,
        slots: &mut [Slot],
    ) -> Result<(), Box<Trap>> {
        // SAFETY: live, by the caller's promise.
        let func = unsafe { func.read() };
        let ctx = self.ctx();
        let fp = ctx.value_sp;
        if fp.wrapping_add(slots.len()) > ctx.value_limit {
            self.set_trap(TrapCode::StackOverflow, None);
            return self.take_trap();
        }
        let end = fp.wrapping_add(slots.len());
        // SAFETY: `fp..end` lies below the limit of the value stack (just checked) and above everything live on it.
        unsafe { std::ptr::copy_nonoverlapping(slots.as_ptr(), fp, slots.len()) };
        let engine = self.engine.clone();
        // SAFETY: instance and entry are from a live function of this store; the arguments are at its `value_sp`.
        unsafe { engine.interp().call(func.instance, func.entry, fp) };
        self.ctx().value_sp = fp;
        self.take_trap()?;
        debug_assert!(fp <= end);
        // SAFETY: as above; results are where the arguments were.
        unsafe { std::ptr::copy_nonoverlapping(fp, slots.as_mut_ptr(), slots.len()) };
        Ok(())
    }
}

/// Ends an outermost call, however it ends.
struct Leave {
    store: *mut Store,
    previous: *mut sterna_sys::activation::Activation,
}

impl Drop for Leave {
    fn drop(&mut self) {
        // SAFETY: what was current before is current again, as it was.
        unsafe { signal::set_current(self.previous) };
        // SAFETY: the store outlives the call; nothing else uses it here.
        let store = unsafe { &mut *self.store };
        let ctx = store.ctx();
        ctx.value_sp = std::ptr::null_mut();
        ctx.value_limit = std::ptr::null_mut();
        if let Some(stack) = store.stack.take() {
            store.engine.stacks.put(stack);
        }
    }
}
