//! Owns what is special in code that begins at a loop, in a canonical frame: loading the state, leaving results and tail calls.
//! Does not own which values the state has: the graph's entry block lists them.

use cranelift_codegen::cursor::Cursor;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};
use sterna_abi::{FuncEntry, PendingTail, RECORD_SLOTS, StoreCtx, VmCtx};
use sterna_opt::{Inst, Type, Value};

use super::{Lower, clif_type};

/// Bytes of a slot.
const SLOT: i32 = 8;

impl Lower<'_> {
    /// In place of the prelude of a function: takes the frame as parameter, and loads what the entry block has for parameters. The first
    /// `locals` of these are locals.
    pub(super) fn loop_prelude(&mut self, locals: u32) {
        self.pos.insert_block(self.prelude);
        let [vmctx, _, frame] =
            [(); 3].map(|()| self.pos.func.dfg.append_block_param(self.prelude, types::I64));
        self.vmctx = vmctx;
        self.frame = Some(frame);
        let graph = self.input.graph;
        let entry = graph.blocks().next().expect("every function has an entry block");
        let mut slot = 0;
        for (at, &param) in (0..).zip(graph.list(graph.block(entry).params)) {
            if at == locals {
                slot += RECORD_SLOTS as i32;
            }
            let ty = graph.ty(param);
            // Loads of what is not used go away.
            let value = self.pos.ins().load(clif_type(ty), slot_flags(), frame, slot * SLOT);
            self.cx.values[param.index()].value = value.as_u32();
            slot += ty.val_type().slots() as i32;
        }
    }

    /// Stores values to consecutive slots.
    pub(super) fn store_slots(&mut self, values: &[Value], base: ir::Value) {
        let mut slot = 0;
        for &value in values {
            let ty = self.input.graph.ty(value);
            let lowered = self.value(value);
            let wide = match ty {
                Type::I32 => self.pos.ins().uextend(types::I64, lowered),
                Type::F32 => {
                    let bits = self.cast(lowered, types::I32);
                    self.pos.ins().uextend(types::I64, bits)
                }
                _ => self.canonical(lowered),
            };
            self.pos.ins().store(slot_flags(), wide, base, slot * SLOT);
            slot += ty.val_type().slots() as i32;
        }
    }

    /// The entry of the function of this module that a direct call names.
    pub(super) fn own_entry(&mut self, inst: Inst) -> ir::Value {
        let entries = self.prelude_load(self.vmctx, VmCtx::OFF_ENTRIES);
        let func = self.input.graph.inst(inst).index();
        let offset = self.iconst(i64::from(func) * i64::from(FuncEntry::SIZE));
        self.pos.ins().iadd(entries, offset)
    }

    /// Leaves a tail call to the interpreter: the frame that is to be replaced is its own.
    pub(super) fn leave_tail_call(
        &mut self,
        entry: ir::Value,
        instance: ir::Value,
        inst: Inst,
        count: usize,
    ) {
        let store = self.store_ctx();
        let flags = slot_flags();
        let args = self.pos.ins().load(types::I64, flags, store, StoreCtx::OFF_VALUE_SP as i32);
        self.store_slots(&self.input.graph.args(inst)[..count], args);
        let pending = StoreCtx::OFF_PENDING_TAIL;
        let field = |offset| (pending + offset) as i32;
        self.pos.ins().store(flags, entry, store, field(PendingTail::OFF_ENTRY));
        self.pos.ins().store(flags, instance, store, field(PendingTail::OFF_INSTANCE));
        self.pos.ins().return_(&[]);
    }
}

/// Accesses to slots and the store's context: always mapped, 8-byte aligned.
fn slot_flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
