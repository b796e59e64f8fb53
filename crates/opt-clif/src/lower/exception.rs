//! Owns exceptions: their objects, and the landing pads of calls.
//! Does not own calls as such (`calls`).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, BlockArg, ExceptionTableItem, InstBuilder, MemFlagsData, types};
use sterna_abi::{Builtin, Exn};
use sterna_base::TagIndex;
use sterna_isa::TrapCode;
use sterna_opt::{Inst, LandingData, Opcode};

use super::{Lower, clif_type};
use crate::artifact::clif_trap;

/// Accesses to exceptions, which are aligned to 8 bytes.
fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl Lower<'_> {
    /// Lowers an instruction that is about exceptions.
    pub(super) fn exception(&mut self, op: Opcode, inst: Inst) {
        match op {
            Opcode::ExnNew => self.exn_new(inst),
            Opcode::ExnIs => self.exn_is(inst),
            Opcode::ExnPayload => self.exn_payload(inst),
            Opcode::ExnKeep => {
                let exn = self.arg(inst, 0);
                let one = self.pos.ins().iconst(types::I8, 1);
                self.pos.ins().store(flags(), one, exn, Exn::OFF_KEPT as i32);
            }
            // The call has it.
            _ => {}
        }
    }

    fn tag(&self, inst: Inst) -> TagIndex {
        TagIndex::from_u32(self.input.graph.inst(inst).index())
    }

    fn exn_new(&mut self, inst: Inst) {
        let graph = self.input.graph;
        let tag = i64::from(self.tag(inst).as_u32());
        let tag = self.pos.ins().iconst(types::I32, tag);
        let exn = self.call_builtin(Builtin::exn_new, &[tag]);
        let mut offset = Exn::OFF_PAYLOAD;
        for &arg in graph.args(inst) {
            let value = self.value(arg);
            let value = self.canonical(value);
            let ty = graph.ty(arg).val_type();
            let bits = match clif_type(graph.ty(arg)) {
                types::F32 => self.cast(value, types::I32),
                _ => value,
            };
            let wide = match self.pos.func.dfg.value_type(bits) {
                types::I32 => self.pos.ins().uextend(types::I64, bits),
                _ => bits,
            };
            self.pos.ins().store(flags(), wide, exn, offset as i32);
            offset += ty.slots() as u32 * 8;
        }
        self.set(inst, exn);
    }

    fn exn_is(&mut self, inst: Inst) {
        let exn = self.arg(inst, 0);
        let offset = self.layout.tag(self.tag(inst));
        let wanted = self.prelude_load(self.vmctx, offset);
        let tag = self.pos.ins().load(types::I64, flags(), exn, Exn::OFF_TAG as i32);
        let is = self.pos.ins().icmp(IntCC::Equal, tag, wanted);
        self.set_bool(inst, is);
    }

    fn exn_payload(&mut self, inst: Inst) {
        let exn = self.arg(inst, 0);
        let mut offset = Exn::OFF_PAYLOAD;
        for result in self.input.graph.results(inst) {
            let ty = self.input.graph.ty(result);
            let value = self.pos.ins().load(clif_type(ty), flags(), exn, offset as i32);
            self.define(result, value);
            offset += ty.val_type().slots() as u32 * 8;
        }
    }

    /// `throw_ref` out of the function.
    pub(super) fn throw_ref(&mut self, inst: Inst) {
        let exn = self.arg(inst, 0);
        self.call_builtin(Builtin::exn_unwind, &[exn]);
        self.pos.ins().trap(clif_trap(TrapCode::Unreachable));
    }

    /// The landing pad of a call, still empty, as an item of its table.
    pub(super) fn landing_item(&mut self) -> (ir::Block, ExceptionTableItem) {
        let pad = self.new_cold_block();
        let call = self.pos.func.dfg.block_call(pad, &[BlockArg::TryCallExn(0)]);
        (pad, ExceptionTableItem::Default(call))
    }

    /// Fills a landing pad: it goes to the dispatch block.
    pub(super) fn landing_pad(&mut self, pad: ir::Block, landing: LandingData) {
        let exn = self.pos.func.dfg.append_block_param(pad, types::I64);
        self.cx.values[landing.exn.index()].value = exn.as_u32();
        self.open(pad);
        let block = self.edge(landing.edge);
        self.pos.ins().jump(block, &self.cx.block_args);
    }
}
