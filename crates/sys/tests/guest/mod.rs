//! Owns "compiled code" for the tests, written by hand, and the context it works with.
//! Does not test anything itself; the instructions are in one file per CPU.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
#![allow(dead_code, reason = "no test file uses all of it")]

use sterna_sys::activation::{Activation, enter_compiled};

/// What the body of a thunk does.
pub type Action = Box<dyn FnMut(&mut Ctx)>;

/// A vmctx: its first word points to the activation.
#[repr(C)]
pub struct Ctx {
    pub act: *mut Activation,
    /// What guest code jumps through.
    pub callee: usize,
    /// For the bodies of thunks.
    pub action: Option<Action>,
}

impl Ctx {
    pub fn new(act: &mut Activation) -> Ctx {
        Ctx { act, callee: 0, action: None }
    }

    /// Enters guest code with this context.
    pub fn enter(&mut self, code: unsafe extern "C" fn(), a1: usize, a2: usize) -> u32 {
        // SAFETY: the context is live, and the guest functions here keep the rules of compiled code.
        unsafe {
            enter_compiled(self.act, (code as *const ()).cast(), (&raw mut *self).addr(), a1, a2)
        }
    }

    pub fn act(&self) -> &Activation {
        // SAFETY: every test keeps its activation alive; guest code that changes it is not running now.
        unsafe { &*self.act }
    }

    /// Sets the pending trap, as bodies do.
    pub fn set_trap(&mut self, code: u32) {
        // SAFETY: as above.
        let act = unsafe { &mut *self.act };
        act.trap = code;
    }

    /// Runs the current action, which may replace itself.
    pub fn act_out(&mut self) {
        if let Some(mut action) = self.action.take() {
            action(self);
            self.action.get_or_insert(action);
        }
    }
}

/// Every guest function is aligned to this many bytes and calls within the first as many, so that a pc names its function.
pub const GUEST_BYTES: usize = 256;

/// The address of the guest function that contains `pc`.
pub fn function_of(pc: usize) -> usize {
    pc & !(GUEST_BYTES - 1)
}

/// Defines guest functions: `name => [instructions];`.
macro_rules! guest {
    ($($name:ident => [$($line:literal),* $(,)?];)*) => {
        $(
            #[unsafe(naked)]
            pub unsafe extern "C" fn $name() {
                std::arch::naked_asm!(
                    ".p2align 8",
                    $($line,)*
                    ".p2align 8",
                )
            }
        )*
    };
}

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod code;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod code;

pub use code::*;
