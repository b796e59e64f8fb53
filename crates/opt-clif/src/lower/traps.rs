//! Owns raising traps, in both modes, and the stack check.
//! Does not decide when to trap.
//!
//! Signal mode: a faulting instruction with a trap code; the runtime finds the code by the instruction's address. Explicit mode: a
//! call of `raise` off the likely path; the instruction after it is never reached.

use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, GlobalValueData, InstBuilder, SourceLoc, types};
use sterna_abi::{Builtin, VmCtx};
use sterna_isa::TrapCode;
use sterna_sys::activation::OFF_NATIVE_LIMIT;

use super::Lower;
use crate::artifact::clif_trap;

impl Lower<'_> {
    /// Ends the block with a trap.
    pub(super) fn trap(&mut self, trap: TrapCode) {
        if self.input.settings.explicit_checks {
            let code = self.pos.ins().iconst(types::I32, i64::from(trap as u8));
            self.call_builtin(Builtin::raise, &[code]);
        }
        self.pos.ins().trap(clif_trap(trap));
    }

    /// Traps if `condition` is not zero.
    pub(super) fn trap_if(&mut self, condition: ir::Value, trap: TrapCode) {
        if !self.input.settings.explicit_checks {
            self.pos.ins().trapnz(condition, clif_trap(trap));
            return;
        }
        let cold = self.new_cold_block();
        let next = self.new_block();
        self.pos.ins().brif(condition, cold, &[], next, &[]);
        self.open(cold);
        self.trap(trap);
        self.open(next);
    }

    /// Traps if a reference is null.
    pub(super) fn trap_if_null(&mut self, reference: ir::Value, trap: TrapCode) {
        let zero = self.pos.ins().iconst(types::I64, 0);
        let is_null = self.pos.ins().icmp(IntCC::Equal, reference, zero);
        self.trap_if(is_null, trap);
    }

    /// In the prelude of a function with explicit checks: ends it, traps if the stack is used up, else goes on to `entry`. The
    /// frame is set up by then, so its size is accounted for, provided it is below the reserve.
    pub(super) fn stack_check(&mut self, entry: ir::Block) {
        let store = self.store_ctx();
        self.pos.goto_bottom(self.prelude);
        let limit =
            self.pos.ins().load(types::I64, self.flags.context, store, OFF_NATIVE_LIMIT as i32);
        let sp = self.pos.ins().get_stack_pointer(types::I64);
        let overflow = self.pos.ins().icmp(IntCC::UnsignedLessThan, sp, limit);
        let cold = self.new_cold_block();
        self.pos.ins().brif(overflow, cold, &[], entry, &[]);
        self.open(cold);
        self.pos.set_srcloc(SourceLoc::default());
        self.trap(TrapCode::StackOverflow);
    }
}

/// Makes Cranelift compare the stack pointer with the limit in the prologue of `func`, for signal mode.
pub(crate) fn check_stack_in_prologue(func: &mut ir::Function) {
    let flags = ir::MemFlagsData::trusted();
    let flags = func.dfg.mem_flags.insert(flags).expect("a function has few kinds of accesses");
    let vmctx = func.create_global_value(GlobalValueData::VMContext);
    let mut load = |base, offset: u32| {
        let data = GlobalValueData::Load {
            base,
            offset: (offset as i32).into(),
            global_type: types::I64,
            flags,
        };
        func.create_global_value(data)
    };
    let store = load(vmctx, VmCtx::OFF_STORE);
    let limit = load(store, OFF_NATIVE_LIMIT as u32);
    func.stack_limit = Some(limit);
}
