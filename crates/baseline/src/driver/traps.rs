//! Owns raising traps, in both modes.
//! Does not decide when to trap.
//!
//! Signal mode: a faulting instruction whose address is in the site table. Explicit mode: a call of `raise` that never returns. Both are behind the
//! function's code; traps of the same operator share one.

use sterna_abi::{Builtin, CallSite, VmCtx};
use sterna_isa::TrapCode;

use super::{Assembler, Cc, Gen, Label, Machine, Mem, Rm, W64};

/// A trap to be raised behind the function's code.
pub(crate) struct PendingTrap {
    trap: TrapCode,
    wasm: u32,
    label: Label,
}

impl<M: Machine> Gen<'_, M> {
    /// Traps if a condition holds.
    pub(crate) fn trap_if(&mut self, cc: Cc, trap: TrapCode) {
        let at = self.pending_trap(trap);
        self.s.asm.jcc(cc, &mut self.s.traps[at].label);
    }

    /// Traps.
    pub(crate) fn trap(&mut self, trap: TrapCode) {
        let at = self.pending_trap(trap);
        self.s.asm.jmp(&mut self.s.traps[at].label);
    }

    /// The next instruction faults to raise a trap, in signal mode.
    pub(crate) fn trap_here(&mut self, trap: TrapCode) {
        if !self.input.settings.explicit_checks {
            let at = self.s.asm.pos();
            self.s.sites.trap(at, self.wasm, trap);
        }
    }

    fn pending_trap(&mut self, trap: TrapCode) -> usize {
        let recent = self.s.traps.iter().rev().take(3);
        let same = recent.take_while(|pending| pending.wasm == self.wasm);
        let found = same.enumerate().find(|(_, pending)| pending.trap == trap);
        if let Some((back, _)) = found {
            return self.s.traps.len() - 1 - back;
        }
        self.s.traps.push(PendingTrap { trap, wasm: self.wasm, label: Label::NEW });
        self.s.traps.len() - 1
    }

    /// Emits the traps.
    #[inline(never)]
    pub(crate) fn flush_traps(&mut self) {
        let mut traps = std::mem::take(&mut self.s.traps);
        for mut pending in traps.drain(..) {
            self.s.asm.ensure(64);
            let vmctx_param = self.vmctx_param();
            let asm = &mut self.s.asm;
            asm.bind(&mut pending.label);
            let in_prologue = pending.trap == TrapCode::StackOverflow;
            if in_prologue {
                // Back to where the stack is known to have room.
                asm.mov(W64, M::SP, M::FP);
            }
            if !self.input.settings.explicit_checks {
                self.s.sites.trap(asm.pos(), pending.wasm, pending.trap);
                asm.stop();
                continue;
            }
            asm.mov_other(M::C_PARAMS[0], if in_prologue { vmctx_param } else { M::VMCTX });
            asm.mov_i(M::C_PARAMS[1], pending.trap as u64);
            asm.load(W64, M::TEMP, Mem::new(M::C_PARAMS[0], VmCtx::OFF_THUNKS as i32));
            asm.call_rm(Rm::Mem(Mem::new(M::TEMP, Builtin::raise.thunk_offset() as i32)));
            let site = CallSite { code: asm.pos(), wasm: pending.wasm, state: None, roots: None };
            self.s.sites.calls.push(site);
            asm.stop();
        }
        self.s.traps = traps;
    }
}
