//! Owns finding the handler of an exception among compiled frames.
//! Does not own going there: the thunk that called does, see `sys::activation::raise`.

use std::iter::Peekable;

use sterna_abi::Slot;
use sterna_isa::TrapCode;
use sterna_sys::activation::{CompiledFrame, CompiledFrames, Landing};

use crate::code::{Pads, trap_word};
use crate::loaded::LoadedModule;
use crate::store::Store;

impl Store {
    /// If an exception is pending and one of the compiled frames since the innermost entry handles it: takes it, and makes the thunk
    /// that called continue there.
    pub(crate) fn land(&mut self) {
        let exn = self.ctx_ref().exception;
        let trap = self.ctx_ref().activation.trap;
        if trap != trap_word(TrapCode::UncaughtException) || exn == 0 {
            return;
        }
        let entry = self.ctx_ref().activation.entry_sp;
        let mut module = self.landed_in.take();
        // SAFETY: compiled code is suspended in the thunk of the builtin that called.
        let frames = unsafe { CompiledFrames::new(&self.ctx_ref().activation) };
        let mut frames = frames.take_while(|frame| frame.entry == entry).peekable();
        let mut landing = None;
        while landing.is_none()
            && let Some(pc) = frames.peek().map(|frame| frame.pc)
        {
            if !module.as_ref().is_some_and(|module| module.code().contains(pc)) {
                let found = self.engine.module_at(pc);
                if found.is_none() {
                    // An adapter.
                    frames.next();
                    continue;
                }
                module = found;
            }
            landing = module.as_ref().and_then(|module| handler_in(module, &mut frames, exn));
        }
        self.landed_in = module;
        if let Some(landing) = landing {
            let ctx = self.ctx();
            ctx.exception = 0;
            ctx.activation.landing = landing;
        }
    }
}

/// The first landing pad among the next frames that are a module's. Mostly they are all of one image, so that is kept at hand.
fn handler_in<'a>(
    module: &LoadedModule,
    frames: &mut Peekable<impl Iterator<Item = CompiledFrame<'a>>>,
    exn: Slot,
) -> Option<Landing> {
    let code = module.code();
    let mut pads = None;
    while let Some(frame) = frames.next_if(|frame| code.contains(frame.pc)) {
        let around = pads.filter(|pads: &Pads<'_>| pads.covers(frame.pc));
        pads = around.or_else(|| code.pads(frame.pc));
        if let Some((pc, below)) = pads.and_then(|pads| pads.of_call(frame.pc)) {
            let sp = frame.fp - below as usize;
            return Some(Landing { pc, sp, fp: frame.fp, value: exn as usize });
        }
    }
    None
}
