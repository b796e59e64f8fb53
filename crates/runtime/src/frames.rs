//! Owns listing the guest frames of all tiers in order: for backtraces and for state capture.
//! Does not own the tiers' own walks nor the site tables.

use std::sync::Arc;

use sterna_abi::{
    CapturedFrame, CapturedValue, FrameState, InterpFrame, Leave, SavedReg, Slot, ValuePlace,
};
use sterna_base::FuncIndex;
use sterna_isa::ValType;
use sterna_sys::activation::{CalleeSaved, CompiledFrame, CompiledFrames};

use crate::code::{CodeObject, CodeTier};
use crate::exception::RawFrame;
use crate::instance::Instance;
use crate::loaded::LoadedModule;
use crate::store::Store;
use crate::trap::FrameInfo;

/// Most frames looked at, however many there are.
const WALK_MAX: usize = 100_000;

/// A live frame of either tier with the native address it sorts by: deeper frames have lower ones.
enum Live<'a> {
    Interp(InterpFrame),
    Compiled(CompiledFrame<'a>),
}

impl Store {
    /// Live frames of both tiers, innermost first. Both tiers list theirs in order; the native stack interleaves them.
    fn live_frames(&mut self, limit: usize) -> Vec<Live<'_>> {
        let ctx = self.ctx_ptr();
        let engine = self.engine.clone();
        let mut interp = Vec::new();
        // SAFETY: the caller runs inside a builtin, host function or trap hook of this store, or no guest code is live.
        unsafe {
            engine.interp().frames(ctx, &mut |frame| {
                interp.push(frame);
                interp.len() < limit
            });
        }
        let activation = &self.ctx().activation;
        // SAFETY: as above; compiled code keeps the frame pointer chain.
        let compiled = unsafe { CompiledFrames::new(activation) };
        let mut merged = Vec::new();
        let (mut compiled, mut interp) =
            (compiled.take(limit).peekable(), interp.into_iter().peekable());
        while merged.len() < limit {
            let compiled_first = match (compiled.peek(), interp.peek()) {
                (Some(compiled), Some(interp)) => compiled.fp < interp.native_sp,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            match compiled_first {
                true => merged.extend(compiled.next().map(Live::Compiled)),
                false => merged.extend(interp.next().map(Live::Interp)),
            }
        }
        merged
    }

    /// Visits the places of references to objects in compiled frames.
    pub(crate) fn compiled_roots(&mut self, visit: &mut dyn FnMut(*mut Slot)) {
        let engine = self.engine.clone();
        let activation = &self.ctx().activation;
        // SAFETY: the caller runs inside a builtin or host function of this store, or no guest code is live; compiled code keeps the
        // frame pointer chain.
        let frames = unsafe { CompiledFrames::new(activation) };
        // Mostly that of the next frame, too: to look it up takes a lock.
        let mut module: Option<Arc<LoadedModule>> = None;
        for frame in frames {
            if !module.as_ref().is_some_and(|module| module.code().contains(frame.pc)) {
                module = engine.module_at(frame.pc);
            }
            // What is in no module is an adapter, which holds none.
            if let Some(object) = module.as_ref().and_then(|module| module.code().find(frame.pc)) {
                for offset in object.roots(frame.pc) {
                    visit(frame.fp.wrapping_add_signed(offset as isize) as *mut Slot);
                }
            }
        }
    }

    /// Function and position of the innermost `limit` guest frames.
    pub fn backtrace(&mut self, limit: usize) -> Vec<FrameInfo> {
        if limit == 0 {
            return Vec::new();
        }
        let raw = |frame| match frame {
            Live::Interp(frame) => RawFrame::Interp(frame),
            Live::Compiled(frame) => RawFrame::Compiled(frame.pc, frame.exact),
        };
        let frames: Vec<RawFrame> = self.live_frames(limit).into_iter().map(raw).collect();
        self.resolve_frames(&frames, limit)
    }

    /// Functions and positions of the guest's frames, at most `limit`. These need not be live any more if their guest stacks are.
    pub(crate) fn resolve_frames(&self, frames: &[RawFrame], limit: usize) -> Vec<FrameInfo> {
        let mut found = Vec::new();
        for &frame in frames {
            self.resolve_frame(frame, &mut found);
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        found
    }

    fn resolve_frame(&self, frame: RawFrame, found: &mut Vec<FrameInfo>) {
        match frame {
            RawFrame::Interp(frame) => {
                // SAFETY: instances and code are live, and the slots of the frame are mapped.
                let captured = unsafe { (frame.describe)(&frame) };
                // SAFETY: a live frame's instance is live.
                let instance = unsafe { Instance::from_vmctx(frame.instance) };
                found.push(frame_info(instance.module(), captured.func, captured.wasm_offset));
            }
            RawFrame::Compiled(pc, exact) => {
                let module = self.engine.module_at(pc);
                // What is in no module is an adapter.
                let Some(module) = module else { return };
                if let Some(object) = module.code().find(pc) {
                    let positions = object.positions(pc, exact);
                    found.extend(positions.map(|(func, wasm)| frame_info(&module, func, wasm)));
                }
            }
        }
    }

    /// Visits the functions of the innermost `limit` guest frames and what runs each, innermost first.
    pub(crate) fn visit_functions(
        &mut self,
        limit: usize,
        visit: &mut dyn FnMut(&Arc<LoadedModule>, FuncIndex, CodeTier),
    ) {
        let engine = self.engine.clone();
        for frame in self.live_frames(limit) {
            match frame {
                Live::Interp(frame) => {
                    // SAFETY: a live frame's instance is live.
                    let instance = unsafe { Instance::from_vmctx(frame.instance) };
                    visit(instance.module(), frame.func, CodeTier::Interp);
                }
                Live::Compiled(frame) => {
                    // What is in no module is an adapter.
                    let Some(module) = engine.module_at(frame.pc) else { continue };
                    if let Some(object) = module.code().find(frame.pc) {
                        let positions = object.positions(frame.pc, frame.exact);
                        positions.for_each(|(func, _)| visit(&module, func, object.tier()));
                    }
                }
            }
        }
    }

    /// Every live guest frame with locals and operand stack, innermost first. Call it from a host function. Compiled
    /// frames have values only if their code was compiled with state capture.
    pub fn capture_frames(&mut self) -> Vec<CapturedFrame> {
        let engine = self.engine.clone();
        let mut registers = Registers::default();
        let mut captured = Vec::new();
        for frame in self.live_frames(WALK_MAX) {
            match frame {
                // SAFETY: listed just now; its code has not run since.
                Live::Interp(frame) => captured.push(unsafe { (frame.describe)(&frame) }),
                Live::Compiled(frame) => {
                    registers.enter(&frame);
                    let module = engine.module_at(frame.pc);
                    // What is in no module is an adapter.
                    let code = module.as_ref().map_or(engine.code(), |module| module.code());
                    if let Some(object) = code.find(frame.pc) {
                        capture(&object, &frame, &registers, &mut captured);
                        registers.leave(&object, frame.fp);
                    }
                }
            }
        }
        captured
    }
}

fn frame_info(module: &Arc<LoadedModule>, func: FuncIndex, wasm_offset: u32) -> FrameInfo {
    FrameInfo { module: module.clone(), func, wasm_offset }
}

/// Adds the functions that a frame is of, innermost first. How it can be left, if it can.
pub(crate) fn capture(
    object: &CodeObject<'_>,
    frame: &CompiledFrame<'_>,
    registers: &Registers,
    captured: &mut Vec<CapturedFrame>,
) -> Option<Leave> {
    let mut leave = None;
    for (depth, (func, wasm_offset)) in (0..).zip(object.positions(frame.pc, frame.exact)) {
        let state = object.state(frame.pc, depth);
        leave = state.as_ref().and_then(|state| state.leave);
        let (locals, stack) =
            state.map_or_else(Default::default, |state| values(&state, frame.fp, registers));
        captured.push(CapturedFrame { func, wasm_offset, locals, stack });
    }
    leave
}

fn values(
    state: &FrameState,
    fp: usize,
    registers: &Registers,
) -> (Vec<CapturedValue>, Vec<CapturedValue>) {
    let read = |&(ty, place): &(ValType, ValuePlace)| CapturedValue {
        ty,
        bits: read(ty, place, fp, registers),
    };
    let mut locals: Vec<CapturedValue> = state.values.iter().map(read).collect();
    let stack = locals.split_off(state.locals as usize);
    (locals, stack)
}

/// The value in a place of the frame with a frame pointer.
pub(crate) fn read(ty: ValType, place: ValuePlace, fp: usize, registers: &Registers) -> u128 {
    let bits = match place {
        ValuePlace::Const(bits) => bits,
        ValuePlace::Register(number) => u128::from(registers.get(number)),
        ValuePlace::Frame(offset) => {
            let at = fp.wrapping_add_signed(offset as isize) as *const u64;
            // SAFETY: the compiler's site table says that a live frame holds the value there.
            let low = unsafe { at.read_unaligned() };
            let high = match ty {
                // SAFETY: as above; a vector has 16 bytes.
                ValType::V128 => unsafe { at.wrapping_add(1).read_unaligned() },
                _ => 0,
            };
            u128::from(low) | u128::from(high) << 64
        }
    };
    bits & mask(ty)
}

/// The bits that a value of a type has; places hold garbage above them.
pub(crate) fn mask(ty: ValType) -> u128 {
    match ty {
        ValType::I32 | ValType::F32 => u128::from(u32::MAX),
        ValType::I64 | ValType::F64 | ValType::Ref(_) => u128::from(u64::MAX),
        ValType::V128 => u128::MAX,
    }
}

/// Callee-saved registers as the frame being looked at left them, by their numbers in [`SavedReg`].
pub(crate) struct Registers {
    values: [u64; 64],
}

impl Default for Registers {
    fn default() -> Registers {
        Registers { values: [0; 64] }
    }
}

impl Registers {
    /// Those that calls preserve, for a frame that is to begin.
    pub(crate) fn callee_saved(&self) -> CalleeSaved {
        let mut saved = CalleeSaved::default();
        let (integers, vectors) = self.values.split_at(SavedReg::VECTORS.into());
        (0..).zip(integers).for_each(|(number, &value)| saved.set_gpr(number, value));
        (0..).zip(vectors).for_each(|(number, &value)| saved.set_vector(number, value));
        saved
    }

    fn get(&self, number: u8) -> u64 {
        self.values.get(usize::from(number)).copied().unwrap_or(0)
    }

    /// At the innermost frame of a segment: the registers that the exit saved.
    pub(crate) fn enter(&mut self, frame: &CompiledFrame<'_>) {
        if let Some(saved) = frame.regs {
            let saved = saved.callee_saved();
            let (integers, vectors) = self.values.split_at_mut(SavedReg::VECTORS.into());
            for (number, value) in (0..).zip(integers) {
                *value = saved.gpr(number).unwrap_or(*value);
            }
            for (number, value) in (0..).zip(vectors) {
                *value = saved.vector(number).unwrap_or(*value);
            }
        }
    }

    /// Goes to the caller: its registers are where this frame's prologue saved them.
    pub(crate) fn leave(&mut self, object: &CodeObject<'_>, fp: usize) {
        for saved in object.saved() {
            let at = fp.wrapping_add_signed(saved.offset as isize) as *const u64;
            // SAFETY: the compiler's site table says that the live frame holds the register there.
            self.values[usize::from(saved.register) % 64] = unsafe { at.read() };
        }
    }
}
