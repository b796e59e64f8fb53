//! Owns finding the handler of an exception among compiled frames.
//! Does not own going there: the thunk that called does, see `sys::activation::raise`.

use std::sync::Arc;

use sterna_isa::TrapCode;
use sterna_sys::activation::{CompiledFrames, Landing};

use crate::code::trap_word;
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
        let activation = &self.ctx_ref().activation;
        // SAFETY: compiled code is suspended in the thunk of the builtin that called.
        let frames = unsafe { CompiledFrames::new(activation) };
        let mut landing = None;
        for frame in frames.take_while(|frame| frame.entry == entry) {
            if let Some((pc, below)) = self.handler_at(&mut module, frame.pc) {
                let sp = frame.fp - below as usize;
                landing = Some(Landing { pc, sp, fp: frame.fp, value: exn as usize });
                break;
            }
        }
        self.landed_in = module;
        if let Some(landing) = landing {
            let ctx = self.ctx();
            ctx.exception = 0;
            ctx.activation.landing = landing;
        }
    }

    /// Address of the landing pad for a call, and how far its stack pointer is below its frame pointer. `module` is where the search
    /// begins, and the module found.
    fn handler_at(
        &self,
        module: &mut Option<Arc<LoadedModule>>,
        pc: usize,
    ) -> Option<(usize, u32)> {
        if !module.as_ref().is_some_and(|module| module.code().contains(pc)) {
            let found = self.engine.module_at(pc)?;
            *module = Some(found);
        }
        module.as_ref()?.code().landing(pc)
    }
}
