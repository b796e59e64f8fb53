//! The interpreter tier: functions are translated at their first call to code whose registers are the slots of canonical frames.
//! Does not know the runtime: both meet in `sterna_abi`.
//!
//! | file | owns |
//! |---|---|
//! | `machine` | registers, handlers, dispatch |
//! | `value`, `op/*` | the instructions |
//! | `translate/*` | making code |
//! | `code` | keeping code |
//! | `exit`, `frames`, `describe` | entering, leaving, traps; the walk over frames and their contents |
//! | `catch` | the handlers of exceptions |
//! | `resume` | going on with frames that other tiers have left |
//! | `dump` | listings, for tests |

mod catch;
mod code;
mod describe;
mod dump;
mod exit;
mod frames;
mod machine;
mod op;
mod resume;
mod translate;
mod value;

use std::sync::Arc;

use sterna_abi::{
    CapturedFrame, FuncEntry, InterpFrame, InterpModule, InterpSettings, Interpreter, Recorder,
    Slot, StoreCtx, VmCtx,
};
use sterna_module::Module;

pub use dump::dump;

/// The interpreter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interp;

/// Whether handlers call each other in tail position, rather than returning to a loop.
pub const TAIL_DISPATCH: bool = cfg!(all(tail_dispatch, not(debug_assertions)));

impl Interpreter for Interp {
    fn prepare(
        &self,
        module: Arc<Module>,
        entries: &[FuncEntry],
        recorder: &Arc<Recorder>,
        settings: &InterpSettings,
    ) -> Box<dyn InterpModule> {
        Box::new(code::ModuleCode::new(module, entries, recorder, settings))
    }

    fn host_stub(&self) -> *mut u8 {
        op::enter::HOST_STUB.address()
    }

    unsafe fn call(&self, instance: *mut VmCtx, entry: *const FuncEntry, fp: *mut Slot) {
        // SAFETY: the caller's promise.
        unsafe { exit::call(instance, entry, fp) }
    }

    unsafe fn frames(&self, store: *const StoreCtx, visit: &mut dyn FnMut(InterpFrame) -> bool) {
        // SAFETY: the caller's promise.
        unsafe { frames::frames(store, visit) }
    }

    unsafe fn write_frames(
        &self,
        instance: *mut VmCtx,
        frames: &[CapturedFrame],
        returned: Option<&[Slot]>,
        room: (*mut Slot, *mut Slot),
    ) -> bool {
        // SAFETY: the caller's promise.
        unsafe { resume::write(instance, frames, returned, room) }.is_some()
    }

    fn resume_entry(&self) -> *const FuncEntry {
        &raw const resume::ENTRY
    }
}
