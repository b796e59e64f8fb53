//! Owns exceptions: making them, looking into them, and the landing pads of calls.
//! Does not own calls as such (`calls`).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, BlockArg, ExceptionTableItem, InstBuilder, types};
use sterna_abi::Builtin;
use sterna_abi::gc::{MAX_CONST_OFFSET, MAX_INLINE_SIZE, ObjectLayout, object};
use sterna_base::TagIndex;
use sterna_isa::TrapCode;
use sterna_opt::{Inst, LandingData, Opcode};

use super::objects::Place;
use super::{Lower, clif_type};
use crate::artifact::clif_trap;

impl Lower<'_> {
    /// Lowers an instruction that is about exceptions.
    pub(super) fn exception(&mut self, op: Opcode, inst: Inst) {
        match op {
            Opcode::ExnNew => self.exn_new(inst),
            Opcode::ExnIs => self.exn_is(inst),
            Opcode::ExnPayload => self.exn_payload(inst),
            // The call has it.
            _ => {}
        }
    }

    /// The tag in an instruction's immediate, and the layout of its exceptions unless only the runtime can access them.
    fn tag(&self, inst: Inst) -> (TagIndex, Option<ObjectLayout>) {
        let tag = TagIndex::from_u32(self.input.graph.inst(inst).index());
        let module = self.input.module;
        let params = &module.tag_type(tag).params;
        let layout = ObjectLayout::of_exception(params, |ty| module.is_func_heap(ty));
        let far = layout.offsets.last().is_some_and(|&offset| offset > MAX_CONST_OFFSET);
        (tag, (!far).then_some(layout))
    }

    /// The number of a tag.
    fn tag_number(&mut self, tag: TagIndex) -> ir::Value {
        let offset = self.layout.tag(tag) as i32;
        self.pos.ins().load(types::I32, self.flags.constant, self.vmctx, offset)
    }

    fn exn_new(&mut self, inst: Inst) {
        let (tag, layout) = self.tag(inst);
        let layout = layout.filter(|layout| layout.layout.size() <= MAX_INLINE_SIZE);
        let Some(layout) = layout else {
            let exn = self.exn_new_by_runtime(tag, inst);
            self.end_safepoint(inst);
            return self.set(inst, exn);
        };
        let fields = layout.storage.iter().enumerate();
        let values: Vec<_> =
            fields.map(|(at, &storage)| self.field_operand(inst, at, storage)).collect();
        let done = self.new_block();
        let result = self.pos.func.dfg.append_block_param(done, types::I64);
        let ty = self.input.module.tags()[tag.index()];
        let id = self.type_id(ty.as_u32());
        let id = self.pos.ins().bor_imm_u(id, i64::from(object::EXCEPTION_BIT));
        let (exn, address, cold) = self.bump(layout.layout.size(), id);
        let number = self.tag_number(tag);
        self.pos.ins().store(self.flags.objects, number, address, object::OFF_TAG as i32);
        let flags = self.flags.objects;
        for (value, (&storage, &offset)) in
            values.into_iter().zip(layout.storage.iter().zip(&layout.offsets))
        {
            self.store_value(Place { address, offset, storage, flags }, value);
        }
        self.pos.ins().jump(done, &[BlockArg::Value(exn)]);
        self.open(cold);
        let exn = self.exn_new_by_runtime(tag, inst);
        self.pos.ins().jump(done, &[BlockArg::Value(exn)]);
        self.open(done);
        self.set(inst, result);
    }

    fn exn_new_by_runtime(&mut self, tag: TagIndex, inst: Inst) -> ir::Value {
        let area = self.operands_in_slots(inst);
        let tag = self.pos.ins().iconst(types::I32, i64::from(tag.as_u32()));
        let payload = self.pos.ins().stack_addr(types::I64, area, 0);
        self.call_builtin_at(Builtin::exn_new, &[tag, payload], Some(inst))
    }

    fn exn_address(&mut self, inst: Inst) -> ir::Value {
        let exn = self.arg(inst, 0);
        let base = self.heap_base();
        self.pos.ins().iadd(base, exn)
    }

    fn exn_is(&mut self, inst: Inst) {
        let (tag, _) = self.tag(inst);
        let wanted = self.tag_number(tag);
        let address = self.exn_address(inst);
        let flags = self.flags.objects;
        let found = self.pos.ins().load(types::I32, flags, address, object::OFF_TAG as i32);
        let is = self.pos.ins().icmp(IntCC::Equal, found, wanted);
        self.set_bool(inst, is);
    }

    fn exn_payload(&mut self, inst: Inst) {
        let graph = self.input.graph;
        let (_, layout) = self.tag(inst);
        if let Some(layout) = layout {
            let address = self.exn_address(inst);
            let flags = self.flags.objects;
            let fields = layout.storage.iter().zip(&layout.offsets);
            for (result, (&storage, &offset)) in graph.results(inst).zip(fields) {
                let value = self.load_value(Place { address, offset, storage, flags }, false);
                self.define(result, value);
            }
            return;
        }
        let slots = |value| graph.ty(value).val_type().slots() as u32;
        let area = self.grow_operands(graph.results(inst).map(slots).sum::<u32>() * 8);
        let exn = self.arg(inst, 0);
        let to = self.pos.ins().stack_addr(types::I64, area, 0);
        self.call_builtin(Builtin::exn_payload, &[exn, to]);
        let mut offset = 0;
        for result in graph.results(inst) {
            let ty = clif_type(graph.ty(result));
            let value = self.pos.ins().stack_load(types::I64, ty, area, offset);
            self.define(result, value);
            offset += slots(result) as i32 * 8;
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
        self.open(pad);
        self.define(landing.exn, exn);
        let block = self.edge(landing.edge);
        self.pos.ins().jump(block, &self.cx.block_args);
    }
}
