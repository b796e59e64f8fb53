//! Owns leaving compiled frames: the rest of what they do is done by the interpreter.
//! Does not decide when (`controller`), nor write the interpreter's frames (`Interpreter::write_frames`).
//!
//! A compiled frame stands for a function and those that were inlined in it. What they hold goes to the value stack as frames of the
//! interpreter; then the compiled frame is removed, in one of two ways:
//! 1. If the interpreter has called it, with nothing but adapters between, the segment ends as by a trap, and leaves
//!    a tail call of the entry that goes on with the frames. So a loop that is entered and left for ever needs no more stack.
//! 2. If compiled code has called it, the adapter by which that code would call the function in the interpreter takes its place: the
//!    caller's registers are restored, and the adapter begins as if it had been called. It passes on arguments that mean nothing, and finds that
//!    frames are to be continued by [`RESUME_CALLEE`].
//!
//! In both, exceptions and traps of the rest find what they would have found: the frames of the interpreter, then the caller.

mod later;

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sterna_abi::{CapturedFrame, Convention, PendingTail, RESUME_CALLEE, Slot, ValuePlace, VmCtx};
use sterna_base::FuncIndex;
use sterna_isa::{FuncType, ValType};
use sterna_sys::activation::{CompiledFrame, CompiledFrames, Departure, Landing};

use crate::adapters::{self, AdapterKind};
use crate::engine::Engine;
use crate::frames::{self, Registers};
use crate::loaded::LoadedModule;
use crate::sites::PieceKind;
use crate::store::Store;
use crate::types::TypeInfo;

/// In `Activation::trap` while a frame is removed: no trap's code.
const LEFT: u32 = u32::MAX;

/// Bytes of native stack that must be left where a frame begins, for what takes its place.
const HEADROOM: usize = 64 << 10;

/// Frames between a function's own and the interpreter's, at most.
const ADAPTERS: usize = 2;

/// What becomes of the frame that is being left.
#[derive(Default)]
pub(crate) struct Leaving {
    departure: Departure,
    /// Where the results go besides the first free slot, and how many slots they take.
    results: Option<(usize, usize)>,
    /// Polls counted so far.
    pub(crate) polls: u64,
}

/// A compiled frame that can be left.
struct Left {
    module: Arc<LoadedModule>,
    func: FuncIndex,
    kind: PieceKind,
    /// What it stands for, innermost first.
    frames: Vec<CapturedFrame>,
    vmctx: *mut VmCtx,
    /// See [`Leave::results`].
    results: usize,
    /// See [`Leave::area`].
    area: ValuePlace,
    fp: usize,
    /// Registers of its caller.
    registers: Registers,
    /// Whether the interpreter has called it.
    is_entered: bool,
}

impl Store {
    /// Leaves the innermost compiled frame, suspended in the thunk of the running builtin, which then does not return. Whether that was
    /// possible; if not, nothing has happened.
    pub(crate) fn leave_innermost(&mut self) -> bool {
        self.innermost().is_some_and(|left| self.leave(&left, None))
    }

    /// The innermost compiled frame, if it can be left.
    fn innermost(&self) -> Option<Left> {
        let activation = &self.ctx_ref().activation;
        // SAFETY: compiled code is suspended in the thunk of the running builtin.
        let frames = unsafe { CompiledFrames::new(activation) };
        let segment = activation.entry_sp;
        let mut frames = frames.take_while(|frame| frame.entry == segment);
        let frame = frames.next()?;
        let module = self.engine.module_at(frame.pc)?;
        let object = module.code().find(frame.pc)?;
        let (func, kind) = (object.func()?, object.kind());
        let mut registers = Registers::default();
        registers.enter(&frame);
        let mut captured = Vec::new();
        let leave = frames::capture(&object, &frame, &registers, &mut captured)?;
        let read = |place| frames::read(ValType::I64, place, frame.fp, &registers) as usize;
        let (vmctx, results) = (read(leave.vmctx) as *mut VmCtx, read(leave.results));
        registers.leave(&object, frame.fp);
        let rest: Vec<CompiledFrame<'_>> = frames.take(ADAPTERS + 1).collect();
        let is_entered = is_entered(&self.engine, &module, kind, &rest);
        Some(Left {
            module,
            func,
            kind,
            frames: captured,
            vmctx,
            results,
            area: leave.area,
            fp: frame.fp,
            registers,
            is_entered,
        })
    }

    /// Leaves a frame; if it is suspended in a call that has just returned, with the results in slots.
    fn leave(&mut self, left: &Left, returned: Option<&[Slot]>) -> bool {
        let has_left = match left.is_entered {
            true => self.return_to_interpreter(left, returned),
            false => self.replace(left, returned).is_some(),
        };
        if has_left {
            self.engine.counters.loop_exits.fetch_add(1, Ordering::Relaxed);
        }
        has_left
    }

    /// The first way.
    fn return_to_interpreter(&mut self, left: &Left, returned: Option<&[Slot]>) -> bool {
        if !self.write_frames(left, returned, 0) {
            return false;
        }
        let entry = self.engine.interp().resume_entry();
        let ctx = self.ctx();
        ctx.pending_tail = PendingTail { entry, instance: left.vmctx };
        ctx.activation.trap = LEFT;
        true
    }

    /// The second way; `None` if it was not possible.
    fn replace(&mut self, left: &Left, returned: Option<&[Slot]>) -> Option<()> {
        let limit = self.ctx().activation.native_limit;
        let (info, kind, results) = match (left.kind, left.module.convention()) {
            (PieceKind::Loop, _) => {
                let slots = left.module.func_type(left.func).func().result_slots();
                let plain = self.engine.intern(&FuncType::new([], []));
                (plain, AdapterKind::RegToStack, Some((left.results, slots)))
            }
            (_, Convention::Reg) => {
                (left.module.func_type(left.func).clone(), AdapterKind::RegToStack, None)
            }
            (_, Convention::Tail) => {
                (left.module.func_type(left.func).clone(), AdapterKind::TailToStack, None)
            }
        };
        let code = adapter(&self.engine, &info, kind)?;
        // The adapter writes what it takes for arguments below the frames.
        let above = info.func().param_slots();
        if left.fp < limit + HEADROOM || !self.write_frames(left, returned, above) {
            return None;
        }
        self.leaving.departure = Departure {
            saved: left.registers.callee_saved(),
            arguments: [left.vmctx as usize, left.results],
            code,
        };
        // SAFETY: the frame is live; the departure is in the store, and the next one is not before this landing.
        let landing = unsafe { Landing::instead_of(left.fp, &self.leaving.departure) };
        self.leaving.results = results;
        // SAFETY: the vmctx of a live frame.
        unsafe { (*left.vmctx).callee_index = RESUME_CALLEE };
        let activation = &mut self.ctx().activation;
        activation.landing = landing;
        activation.trap = LEFT;
        Some(())
    }

    /// Writes the interpreter's frames, some slots above the first free one.
    fn write_frames(&mut self, left: &Left, returned: Option<&[Slot]>, above: usize) -> bool {
        let ctx = self.ctx_ref();
        let room = (ctx.value_sp.wrapping_add(above), ctx.value_limit);
        // SAFETY: all below the first free slot is in use; the values were captured from the frame that is suspended.
        unsafe { self.engine.interp().write_frames(left.vmctx, &left.frames, returned, room) }
    }

    /// Before the interpreter goes on with frames: where to copy their results, and how many slots.
    pub(crate) fn take_left_results(&mut self) -> Option<(*mut Slot, usize)> {
        self.leaving.results.take().map(|(at, slots)| (ptr::without_provenance_mut(at), slots))
    }
}

/// Whether the interpreter has called a frame of a module, whose callers in its segment are `rest`.
fn is_entered(
    engine: &Engine,
    module: &LoadedModule,
    kind: PieceKind,
    rest: &[CompiledFrame<'_>],
) -> bool {
    let is_adapter = |frame: &CompiledFrame<'_>| engine.code().contains(frame.pc);
    match (kind, module.convention(), rest) {
        (PieceKind::Loop, _, []) => true,
        (PieceKind::Body, Convention::Reg, [adapter]) => is_adapter(adapter),
        // A tail call may have replaced the function for which the bridge is, even by one of another module.
        (PieceKind::Body, Convention::Tail, [bridge, adapter]) => {
            let bridge = engine
                .module_at(bridge.pc)
                .and_then(|module| module.code().find(bridge.pc).map(|object| object.kind()));
            bridge == Some(PieceKind::Bridge) && is_adapter(adapter)
        }
        _ => false,
    }
}

/// The address of an adapter. If it is new, it is made on a thread of its own, because guest stacks are small.
fn adapter(engine: &Engine, info: &TypeInfo, kind: AdapterKind) -> Option<usize> {
    let known = info.adapters.get(kind);
    if !known.is_null() {
        return Some(known as usize);
    }
    std::thread::scope(|scope| {
        let make = || adapters::address(engine, info, kind).ok().map(|code| code as usize);
        let thread = std::thread::Builder::new().spawn_scoped(scope, make).ok()?;
        thread.join().ok().flatten()
    })
}
