//! Owns the traits through which the runtime drives tiers without naming them.
//! Does not own policy: when to compile what is the runtime's business.

use std::sync::Arc;

use sterna_base::FuncIndex;
use sterna_isa::FuncType;
use sterna_module::Module;

use crate::artifact::{Convention, FunctionCode};
use crate::captured::CapturedFrame;
use crate::context::{FuncEntry, Slot, StoreCtx, VmCtx};
use crate::recording::Recorder;
use crate::request::CompileRequest;

/// Why a function was not compiled. The function stays in the tier below.
#[derive(Clone, Debug, thiserror::Error)]
#[error("function {func:?} cannot be compiled: {reason}")]
pub struct CompileError {
    /// The function.
    pub func: FuncIndex,
    /// What exceeded which limit.
    pub reason: String,
}

/// Settings that change generated code. Part of the key of ahead-of-time artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeSettings {
    /// Bounds and divisions are checked explicitly and traps call `raise`; otherwise hardware faults signal them.
    pub explicit_checks: bool,
    /// Bytes of inaccessible address space after a 32-bit memory's 4 GiB (0 with explicit checks).
    pub guard_bytes: u64,
    /// NaN results of float arithmetic are canonicalized and relaxed SIMD follows the deterministic profile.
    pub deterministic: bool,
    /// Call sites record where every local and operand is (see `FrameState`).
    pub capture_state: bool,
    /// Loops and function entries poll `StoreCtx::interrupt`.
    pub interruptible: bool,
}

/// A compiler from wasm functions to machine code: a pure function of its arguments, deterministic, without clock or globals.
pub trait Compiler: Send + Sync {
    /// Identifies the compiler, its version and the CPU features it uses; artifacts are keyed by it.
    fn fingerprint(&self) -> String;

    /// Compiles one function in the convention of its module.
    fn compile(&self, request: &CompileRequest<'_>) -> Result<FunctionCode, CompileError>;

    /// `stack → reg`: `extern "C" fn(vmctx, entry: *const FuncEntry, fp: *mut Slot)`: loads the arguments from the slots, calls
    /// [`FuncEntry::reg`], stores the results to the slots. Called by `sys::enter_compiled`.
    fn stack_to_reg(&self, ty: &FuncType) -> FunctionCode;

    /// `reg → stack`: stores its arguments at `StoreCtx::value_sp`, calls the thunk of builtin `call_stack` (or
    /// `call_stack_tail`), loads the results. Lazy stubs jump here.
    fn reg_to_stack(&self, ty: &FuncType, convention: Convention) -> FunctionCode;

    /// `tail → reg`: calls the [`FuncEntry::reg`] of function [`crate::VmCtx::callee_index`] of this vmctx. Lazy stubs of functions that
    /// are compiled in the **reg** convention jump here.
    fn tail_to_reg(&self, ty: &FuncType) -> FunctionCode;

    /// `from → to` for one function of a module: an entry in convention `from` that calls `func` compiled in the other one.
    fn bridge(&self, module: &Module, func: FuncIndex, from: Convention) -> FunctionCode;
}

/// The interpreter as the runtime sees it.
pub trait Interpreter: Send + Sync {
    /// Prepares a module: sets [`FuncEntry::stack`] of every entry of a defined function to code that translates the function when it is
    /// first called. Cheap: nothing is translated here. The entries outlive the result. Where calls went is noted in `recorder` if the
    /// code counts.
    fn prepare(
        &self,
        module: Arc<Module>,
        entries: &[FuncEntry],
        recorder: &Arc<Recorder>,
        settings: &InterpSettings,
    ) -> Box<dyn InterpModule>;

    /// Interpreter code that calls a host function: the `stack` of its entry. Valid forever.
    fn host_stub(&self) -> *mut u8;

    /// Calls `func` in the stack convention on the current native stack; runs until it returns or traps.
    /// Sets `activation.trap` on a trap (and returns). Nested calls are allowed.
    ///
    /// # Safety
    /// `instance` must be the live vmctx that `entry` belongs to, `fp` must point to the arguments in its store's value stack
    /// (or at its `value_sp`), with the current thread entered.
    unsafe fn call(&self, instance: *mut VmCtx, entry: *const FuncEntry, fp: *mut Slot);

    /// Lists the interpreter's live frames, innermost first, as long as `visit` returns true.
    ///
    /// # Safety
    /// `store` must be live and its guest code suspended (the caller runs inside a builtin or host function of it).
    unsafe fn frames(&self, store: *const StoreCtx, visit: &mut dyn FnMut(InterpFrame) -> bool);

    /// Writes frames as the interpreter's own, for [`Interpreter::resume_entry`] to go on with: `frames`, innermost first, are functions
    /// of one instance, each called by the next. The innermost one is at its beginning (its offset is that of the body) or at a loop, or,
    /// if there are slots in `returned`, in a call that returns these; the others are in calls. Whether that was possible: the functions must
    /// be translatable, the values be those that the interpreter expects there, and the frames fit into `room`.
    ///
    /// # Safety
    /// The values must be what the functions hold at these places, and `room` begin at a free slot of the value stack of `instance`, and end at its limit.
    unsafe fn write_frames(
        &self,
        instance: *mut VmCtx,
        frames: &[CapturedFrame],
        returned: Option<&[Slot]>,
        room: (*mut Slot, *mut Slot),
    ) -> bool;

    /// Entry of a function without parameters which, instead of beginning, goes on with the frames at [`StoreCtx::resume`] and
    /// returns their results. Frames are moved down to where it is called, which must not be above them. Valid forever.
    fn resume_entry(&self) -> *const FuncEntry;
}

/// Settings of an interpreter module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterpSettings {
    /// NaN results of float arithmetic are canonicalized.
    pub deterministic: bool,
    /// Calls and loop iterations after which a function is reported through builtin `hot`; 0 = never.
    pub hot_budget: u32,
}

/// What the interpreter keeps per module.
pub trait InterpModule: Send + Sync {
    /// Interpreter code that enters compiled code: the new `stack` of `entry`, to be published with a release store.
    /// `adapter` is the signature's `stack → reg` adapter.
    fn compiled_stub(&self, entry: *const FuncEntry, adapter: *const u8) -> *mut u8;

    /// Interpreter code for a function of the module, as in its entry's [`FuncEntry::stack`] before it was compiled.
    fn interpreted(&self, entry: &FuncEntry) -> *mut u8;

    /// Bytes of memory held by translated code.
    fn memory_bytes(&self) -> usize;

    /// Functions translated so far.
    fn functions(&self) -> usize;

    /// For handing back through [`FuncEntry::interp`].
    fn as_ptr(&self) -> *const u8;
}

/// One live frame of the interpreter.
#[derive(Clone, Copy, Debug)]
pub struct InterpFrame {
    /// The instance.
    pub instance: *mut VmCtx,
    /// Index of the function.
    pub func: FuncIndex,
    /// First slot of the frame.
    pub fp: *mut Slot,
    /// Interpreter pc: the return address of the pending call, or the operator that trapped.
    pub pc: *const u8,
    /// Stack pointer of the native call of [`Interpreter::call`] this frame runs in, for ordering against compiled frames.
    pub native_sp: usize,
    /// Interpreter's way to reconstruct the state; call it with the frame itself.
    pub describe: unsafe fn(&InterpFrame) -> CapturedFrame,
    /// Interpreter's way to list the slots that hold references into the garbage-collected heap; call it with the frame itself,
    /// suspended in a call or builtin.
    pub roots: unsafe fn(&InterpFrame, &mut dyn FnMut(*mut Slot)),
}
